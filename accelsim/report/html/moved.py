"""What each field moves of a metric: a line for each, with a dot for every value at what it is over the mean."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from accelsim.report.designs import Move, short
from accelsim.report.html.scales import Scale
from accelsim.report.html.svg import FAINT, GRID, INK, Drawing
from accelsim.report.text import shown

ROW, AXIS = 52, 32
LEFT, RIGHT = 0.02, 0.98
BLUE = "#0072B2"
LONGEST = 18
"""Letters of a value at an end of a line, and of a field."""
MOST = 20
"""Fields that are drawn, those that move most."""


def draw(found: Sequence[Move], metric: str) -> Markup:
    """The picture, of the fields that move most."""
    rows = list(found)[:MOST]
    ratios = [ratio for move in rows for ratio in move.of.values()]
    # as much room below the mean as above it
    most = max(1.02, *(max(ratio, 1 / ratio) for ratio in ratios))
    scale = Scale(1 / most, most, True)
    bottom = ROW * len(rows) + 2
    drawing = Drawing(bottom + AXIS, f"{metric} over its mean, by field")
    for value in ticks(most):
        drawing.line((_x(scale, value), 14, _x(scale, value), bottom), FAINT if value == 1 else GRID)
        drawing.text(_x(scale, value), bottom + 12, f"{value:.3g}", "middle", FAINT)
    drawing.text(0.5, bottom + 27, f"{metric} over its mean", "middle", FAINT)
    for at, move in enumerate(rows):
        _row(drawing, ROW * at, move, scale)
    return drawing.markup()


def ticks(most: float) -> list[float]:
    """1, and one or two round ratios on either side of it."""
    for step in (10.0, 4.0, 2.0, 1.5, 1.2, 1.1, 1.05, 1.02, 1.01):
        if step <= most * 1.0001:
            return [1 / step, 1.0, step]
    return [1.0]


def _x(scale: Scale, ratio: float) -> float:
    return LEFT + (RIGHT - LEFT) * scale.share(ratio)


def _row(drawing: Drawing, top: float, move: Move, scale: Scale) -> None:
    low, high = (end(move.of, key=lambda text: move.of[text]) for end in (min, max))
    drawing.text(0, top + 12, short(move.field), bold=True)
    few = len(move.of) < move.values
    told = "others differ too" if not move.alone else f"{len(move.of)} of {move.values} values" if few else ""
    if told:
        drawing.text(1, top + 12, told, "end", FAINT)
    if move.idle:
        drawing.dot(_x(scale, 1.0), top + 24, BLUE, f"{short(move.field)}: none of {len(move.of)} values moves it")
        drawing.text(0, top + 42, f"moves nothing: {len(move.of)} values", "start", FAINT)
        return
    drawing.line((_x(scale, move.of[low]), top + 24, _x(scale, move.of[high]), top + 24), "#b3d4e8", 6)
    for text, ratio in move.of.items():
        drawing.dot(_x(scale, ratio), top + 24, BLUE, f"{short(move.field)} {shown(text)}: {ratio:.3g} times the mean")
    drawing.text(0, top + 42, f"{shown(low, LONGEST)}: {move.of[low]:.3g}", "start", INK)
    drawing.text(1, top + 42, f"{shown(high, LONGEST)}: {move.of[high]:.3g}", "end", INK)
