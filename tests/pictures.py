"""What a test asks of a picture: that its letters lie on nothing else's and within the figure, and are large enough."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from matplotlib.text import Text

from accelsim.report.letters import letters_missing

SLACK = 0.5
"""Points that two boxes may share: a box is a little larger than its letters."""


def texts(axes: Any) -> list[tuple[str, Any, float]]:
    """(text, box in points, points of a letter) of all that is written in a figure."""
    figure = axes.figure
    with letters_missing():
        figure.canvas.draw()
    found = []
    for one in figure.findobj(Text):
        # ticks that lie outside the limits of their axis are not drawn
        if one.get_visible() and one.get_text().strip() and _drawn(one, figure):
            found.append((one.get_text(), one.get_window_extent(), one.get_fontsize()))
    return [(text, box.transformed(_points(figure)), size) for text, box, size in found]


def overlaps(axes: Any) -> list[tuple[str, str]]:
    """Pairs of texts that lie on each other."""
    return [
        (one, other)
        for (one, a, _), (other, b, _) in combinations(texts(axes), 2)
        if min(a.x1, b.x1) - max(a.x0, b.x0) > SLACK and min(a.y1, b.y1) - max(a.y0, b.y0) > SLACK
    ]


def outside(axes: Any) -> list[str]:
    """Texts that leave the figure."""
    wide, high = (72 * side for side in axes.figure.get_size_inches())
    return [text for text, box, _ in texts(axes) if min(box.x0, box.y0, wide - box.x1, high - box.y1) < -SLACK]


def smallest(axes: Any) -> float:
    """Points of the smallest letter."""
    return min(size for _, _, size in texts(axes))


def _points(figure: Any) -> Any:
    from matplotlib.transforms import Affine2D

    return Affine2D().scale(72 / figure.dpi)


def _drawn(text: Any, figure: Any) -> bool:
    """Whether it is drawn at all: ticks out of their axis' limits are not."""
    for axes in [*figure.axes, *(child for own in figure.axes for child in own.child_axes)]:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
                if text in (tick.label1, tick.label2):
                    shown = axes.axison and axes.get_visible()
                    return shown and low - 1e-9 <= tick.get_loc() <= high + 1e-9
            if text in (axis.label, axis.offsetText):
                return bool(axes.axison)
    return True
