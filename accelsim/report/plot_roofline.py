"""The roofline: MACs per cycle against MACs per byte, a roof and its ridge point for each level with timed ports."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from accelsim.errors import AccelsimError
from accelsim.outcome import Outcome
from accelsim.report.framing import Size, beside, furnish, size_of, sized_axes
from accelsim.report.palette import Paint, colours
from accelsim.report.plot_bars import Row
from accelsim.report.plot_result import headline, require_cycles
from accelsim.report.rooflines import Roof, Roofline, roofline
from accelsim.report.text import number, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKS = "osD^vPX*"
"""Of the points of a level, and of its ridge: grey prints tell levels apart, too."""
DASHES = ((0, ()), (0, (5, 1.5)), (0, (3, 1, 1, 1)), (0, (1, 1)))


def draw(result: Outcome, ax: Axes | None = None, width: str | None = None) -> Axes:
    """A point for each layer and group at each level that has a roof; a ridge point is where a roof meets the peak."""
    data = roofline_data(result)
    size = size_of(width)
    axes = sized_axes(size) if ax is None else ax
    paints = _paints(result)
    _lines(data, axes, size, paints)
    handles = _points(data, axes, size, paints)
    axes.set_xlabel("MACs per byte that crosses below the level [MACs/B]", fontsize=size.text)
    axes.set_ylabel("performance [MACs/cycle]", fontsize=size.text)
    title = title_of(result)
    if ax is None:
        furnish(axes, size, title, handles, caption(result, data))
    else:
        beside(axes, size, title, handles)
    return axes


def roofline_data(result: Outcome) -> Roofline:
    """Data of `draw`: the same as a page's. AccelsimError where no layer takes time, or no level has a timed port."""
    require_cycles(result)
    found = roofline(result)
    if not found.roofs:
        raise AccelsimError(
            f"no roofline to draw: no port of '{shown(result.architecture.name)}' has a width, so no word takes time"
        )
    return found


def rows(data: Roofline) -> list[Row]:
    """Tidy rows for any tool: roofs and ridge points, then a row for each layer or group and level."""
    roofs: list[Row] = [
        {"what": "roof", "level": roof.level, "bytes_per_cycle": roof.bandwidth, "ridge_macs_per_byte": roof.ridge,
         "peak_macs_per_cycle": data.peak}
        for roof in data.roofs
    ]  # fmt: skip
    return roofs + [
        {"what": "layer", "level": point.level, "layer": point.layer, "macs_per_byte": point.intensity,
         "macs_per_cycle": point.performance, "bound_macs_per_cycle": data.bound(point)}
        for point in data.points
    ]  # fmt: skip


def title_of(result: Outcome) -> tuple[str, str]:
    """What ran on what, and what the roofs are."""
    what = f"{len(result.layers):,} layers"
    if result.groups:
        what += f" and {len(result.groups):,} groups" if len(result.groups) > 1 else " and a group"
    return headline(result), f"a point for each of {what} at each level with a port of a width"


def caption(result: Outcome, data: Roofline) -> str:
    """The peak, and which levels have no roof."""
    known = {roof.level for roof in data.roofs}
    machine = result.architecture
    last = len(machine.levels) - 1
    lacking = [shown(level.name) for at, level in enumerate(machine.levels) if level.name not in known and at < last]
    text = f"peak {number(data.peak)} MACs/cycle"
    return f"{text}; no width, so no roof: {', '.join(lacking)}" if lacking else text


def _paints(result: Outcome) -> dict[str, Paint]:
    levels = [level.name for level in result.architecture.levels]
    return colours(levels, levels)


def _lines(data: Roofline, axes: Axes, size: Size, paints: Mapping[str, Paint]) -> None:
    xs = [point.intensity for point in data.points] + [roof.ridge for roof in data.roofs]
    ys = [point.performance for point in data.points] + [data.peak]
    (left, right), (low, high) = _around(xs, 2.0, 0.5), _around(ys, 1.6, 0.0)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(left, right)
    axes.set_ylim(low, high)
    for axis, ends in ((axes.xaxis, (left, right)), (axes.yaxis, (low, high))):
        places = _ticks(*ends)
        axis.set_ticks(places, [_power(place) for place in places], fontsize=size.text)
    axes.minorticks_off()
    thick = 0.14 * size.text
    for at, roof in enumerate(data.roofs):
        begin = min(left, roof.ridge)
        colour, dash = paints[roof.level][0], DASHES[at % len(DASHES)]
        axes.plot([begin, roof.ridge], [roof.bandwidth * begin, data.peak], color=colour, lw=thick, ls=dash, zorder=1.5)
    least = min(roof.ridge for roof in data.roofs)
    axes.plot([max(least, left), right], [data.peak, data.peak], color="#222222", lw=thick, zorder=1.4)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#dddddd", lw=0.5)
    axes.set_axisbelow(True)


def _points(data: Roofline, axes: Axes, size: Size, paints: Mapping[str, Paint]) -> list[tuple[Any, str]]:
    """Points of outer levels are larger, so that layers that lie on each other at two levels stay both seen."""
    from matplotlib.lines import Line2D

    handles = []
    for at, roof in enumerate(data.roofs):
        colour, mark = paints[roof.level][0], MARKS[at % len(MARKS)]
        own = [point for point in data.points if point.level == roof.level]
        side = size.text * max(0.9 - 0.4 * at, 0.3)
        axes.plot(
            [point.intensity for point in own], [point.performance for point in own], mark, color=colour, ms=side,
            mec="white", mew=0.4, alpha=0.85, zorder=2 + 0.01 * at,
        )  # fmt: skip
        axes.plot([roof.ridge], [data.peak], mark, color="white", mec=colour, mew=1.2, ms=side + 1.5, zorder=3)
        dash = DASHES[at % len(DASHES)]
        line = Line2D([], [], color=colour, marker=mark, ms=0.75 * size.text, mec="white", mew=0.4, ls=dash)
        handles.append((line, told(roof)))
    ridge = Line2D([], [], color="white", marker="o", mec="#222222", mew=1.2, ms=0.75 * size.text, ls="none")
    return [*handles, (ridge, "ridge point")]


def told(roof: Roof) -> str:
    """A roof in words: its level, how much crosses, and from where on the level binds no more."""
    return f"{shown(roof.level, 16)}: {number(roof.bandwidth)} B/cycle, ridge at {number(roof.ridge)} MACs/B"


def _around(values: Sequence[float], times: float, above: float) -> tuple[float, float]:
    """Limits of a logarithmic axis around all values above 0, with room at both ends, a power of ten apart at least.

    above : of the room that this takes, the share beyond the largest value.
    """
    known = [value for value in values if value > 0]
    low, high = min(known, default=1.0) / times, max(known, default=1.0) * times
    spare = max(0.0, 1.05 - math.log10(high / low))
    return low / 10 ** (spare * (1 - above)), high * 10 ** (spare * above)


def _ticks(low: float, high: float) -> list[float]:
    """Powers of ten; where few lie between the limits also twice and five times these."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if math.log10(high / low) < 2.2 else (1,)
    every = [step * 10.0**power for power in powers for step in steps]
    return [place for place in every if low <= place <= high]


def _power(value: float) -> str:
    """A tick as a plain number, or with a power of ten where that is shorter."""
    if 1e-3 < value < 1e6:
        return f"{value:,g}" if value < 1e5 else f"{value:,.0f}"
    power = math.floor(math.log10(value) + 1e-9)
    step = round(value / 10.0**power)
    return f"$10^{{{power}}}$" if step == 1 else f"${step} \\times 10^{{{power}}}$"
