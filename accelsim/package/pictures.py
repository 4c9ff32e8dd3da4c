"""The picture of a package at several values of one thing: speed-up over the first, and what binds at each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from accelsim.package.compared import Point
from accelsim.report.framing import PAGE, Size, furnish, sized_axes
from accelsim.report.palette import COLOURS, GREY

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROOM = 2.2
"""Of the axes to the longest bar: what binds is written behind each."""


def speedup(points: Sequence[Point], what: str, ax: Axes | None = None, size: Size = PAGE) -> Axes:
    """Bars of speed-up over the first point, in the order given; a line where it would be in proportion to cores.

    what : is run, for the title.
    """
    axes = ax or sized_axes(size)
    places = list(range(len(points)))
    gains = [point.speedup for point in points]
    ideal = [point.cores / points[0].cores for point in points]
    axes.barh(places, gains, color=COLOURS[0], height=0.6)
    marked = any(abs(one - ideal[0]) > 1e-9 for one in ideal)
    handles = []
    if marked:
        marks = axes.vlines(
            ideal, [at - 0.38 for at in places], [at + 0.38 for at in places], color=GREY, linewidth=1.2
        )
        handles = [(marks, "in proportion to cores")]
    for at, point in zip(places, points, strict=True):
        reach = max(point.speedup, ideal[at] if marked else 0.0)
        text = f"  {point.speedup:.2f}; {point.binds.replace('; ', chr(10) + '  ')}"
        axes.text(reach, at, text, va="center", fontsize=0.85 * size.text)
    axes.set_yticks(places, [point.label for point in points], fontsize=size.text)
    axes.invert_yaxis()
    longest = max(gains + (ideal if marked else []))
    axes.set_xticks([tick for tick in axes.get_xticks() if tick <= longest])
    axes.set_xlim(0, ROOM * longest)
    axes.set_xlabel(f"speed-up over {points[0].label}", fontsize=size.text)
    if ax is None:
        title = [f"{what}: speed-up and what binds", f"{points[0].ms:.4g} ms with {points[0].label}"]
        furnish(axes, size, title, handles, height=max(size.height, 0.42 * len(points) + 0.6))
    return axes
