"""What lives on the chip while each layer runs, on a page."""

from __future__ import annotations

from markupsafe import Markup

from accelsim.mapping.plan.living import partition_of
from accelsim.outcome import Outcome
from accelsim.report.html.bars import ticks
from accelsim.report.html.pictures import Picture
from accelsim.report.html.svg import FAINT, GRID, INK, Drawing, Paint
from accelsim.report.palette import COLOURS
from accelsim.report.plan_graph import MOST
from accelsim.report.plot_between import KIB, TILES, Held, living_data, paint_of, planned
from accelsim.report.text import number, shown

HIGH, LEFT, RIGHT, ABOVE, BELOW = 180, 44, 8, 12, 30
"""Pixels: of the fullest moment; beside, above and below what is drawn."""
WIDE, WIDEST, LEAST = 1180, 60, 3
"""Pixels of a page beside each other; of a layer at most and at least."""
LETTER = 6.5
"""Pixels of a letter, about."""


def living_picture(result: Outcome) -> tuple[Picture | None, tuple[Paint, ...]]:
    """What lives on the chip, over the order of the layers, and its paints.

    No picture where nothing stays and nothing runs together, and of a network too large for one.
    """
    between = planned(result)
    data = living_data(result) if between is not None else []
    if between is None or not data or len(between.network.layers) > MOST:
        return None, ()
    home = between.home or result.groups[0].home
    part = partition_of(result.architecture, home)
    paint, names = paint_of(data), [layer.name for layer in between.network.layers]
    few = list(paint) if len(paint) <= len(COLOURS) else [name for name in paint if name == TILES]
    legend = tuple((shown(name), _patch(paint[name])) for name in few)
    full = f", which is full at the line, {number(part.bits / KIB)} KiB" if part else ""
    others = "" if len(few) == len(paint) else " Colours are tensors; pointed at, each says which."
    note = f"KiB of {shown(home)}{full}. Tiles are what layers that run together take.{others}"
    svg = draw(data, names, paint, part.bits / KIB if part else 0.0)
    return Picture("What lives on the chip while each layer runs", svg, legend, note), tuple(paint.values())


def draw(data: list[Held], names: list[str], paint: dict[str, Paint], full: float = 0.0, alone: bool = False) -> Markup:
    """The picture. names : of all layers. full : KiB of the buffer; 0: no limit."""
    column = min(max((WIDE - LEFT - RIGHT) / len(names), LEAST), WIDEST)
    right = LEFT + column * len(names)
    drawing = Drawing(ABOVE + HIGH + BELOW, "what lives on the chip while each layer runs", right + RIGHT)
    most = dict.fromkeys(range(len(names)), 0.0)
    for row in data:
        most[row["index"]] += row["bits"] / KIB
    highest = max((*most.values(), full))
    bottom, scale = ABOVE + HIGH, HIGH / highest
    for mark in ticks(highest):
        drawing.line((LEFT, bottom - mark * scale, right, bottom - mark * scale), GRID)
        drawing.text(LEFT - 4, bottom - mark * scale + 4, number(mark), "end", FAINT)
    at = dict.fromkeys(most, float(bottom))
    for row in data:
        index, tensor, high = row["index"], row["tensor"], row["bits"] / KIB
        at[index] -= high * scale
        told = f"{shown(tensor)}, {number(high)} KiB, while {shown(row['layer'])} runs"
        drawing.rect(LEFT + column * index, at[index], column * 0.96, high * scale, paint[tensor], told)
    if full:
        drawing.line((LEFT, bottom - full * scale, right, bottom - full * scale), INK)
    room = int(column / LETTER)
    if room >= 4:
        for index, name in enumerate(names):
            drawing.text(LEFT + column * (index + 0.5), bottom + 13, shown(name, room), "middle", FAINT)
    else:
        drawing.text(LEFT, bottom + 13, shown(names[0], 30), "start", FAINT)
        drawing.text(right, bottom + 13, shown(names[-1], 30), "end", FAINT)
    drawing.text((LEFT + right) / 2, bottom + 26, "layers, in the order they run", "middle", FAINT)
    return drawing.markup(alone)


def _patch(paint: Paint) -> Markup:
    drawing = Drawing(10, "", 14)
    drawing.rect(0, 0, 14, 10, paint)
    return drawing.markup()
