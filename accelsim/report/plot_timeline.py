"""A window of a layer's cycles as a picture: a lane for the MAC array, each network direction and each port."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from accelsim.engine.zeros.cartesian_seen import PeTimeline
from accelsim.report.framing import PLAIN, new_axes
from accelsim.report.letters import cut
from accelsim.report.palette import COLOURS, GREY, MAC_COLOUR, PAINT
from accelsim.report.slices import HANDED, PASSES, PORT, STALL, Slice, Track
from accelsim.report.text import shown
from accelsim.report.timeline import Layer, tracks
from accelsim.workload.problem import TENSORS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDE = 7.0
TEXT = 7
LONG = 10_000_000
"""Cycles whose numbers are too long for more than a few beside each other."""
LINE, NEXT = 50, "\n"
"""Letters of a title behind which another line begins."""
THIN = 0.0015
"""Share of the width below which a slice has no edge."""
ROOM = 70
"""Letters beside each other in a legend."""
TAKING = COLOURS[3:6]
"""Of layers that take tiles over, row by row: none is a tensor's."""
MOST = 4000
"""Slices that a picture shows at most: more are too thin to be seen."""


def lanes(layer: Layer) -> list[tuple[Track, list[Slice]]]:
    """What is drawn: the tracks in which anything happens, each with its slices."""
    found = [(track, list(track.slices)) for track in tracks(layer.window)]
    return [(track, slices) for track, slices in found if slices]


def draw(layer: Layer, axes: Axes | None = None) -> Axes:
    """Draw a window into `axes`, or a picture of its own: stalls are hatched, and named where there is room.

    A slice of a network or port has the colour of its tensor.
    """
    from matplotlib.ticker import MaxNLocator

    found = lanes(layer)
    paint = _of_layers(found)
    axes = axes or new_axes(WIDE, 0.24 * len(found) + 0.8 + (0.35 if len(paint) > 1 else 0))
    low, high = layer.window.span
    axes.set_xlim(low, high)
    for at, (track, slices) in enumerate(found):
        for one in slices:
            _bar(axes, at, track, one, paint)
            told = one.category in (STALL, HANDED) or track.name == PASSES
            if told and one.end - one.begin > 0.014 * len(one.name) * (high - low):
                middle = (one.begin + one.end) / 2
                box = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
                axes.text(middle, at, one.name, fontsize=TEXT, ha="center", va="center", bbox=box, **PLAIN)
    names = [cut(shown(track.name), LINE * TEXT / 2, TEXT) for track, _ in found]
    axes.set_yticks(range(len(found)), names, fontsize=TEXT, **PLAIN)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=TEXT)
    # whole cycles, never "4.85" and a factor in a corner
    parts = 9 if high < LONG else 4
    axes.xaxis.set_major_locator(MaxNLocator(parts, steps=[1, 2, 2.5, 5, 10], integer=True))
    axes.xaxis.set_major_formatter(lambda cycle, _: f"{cycle:,.0f}")
    axes.set_ylim(len(found) - 0.5, -0.5)
    axes.set_xlabel("core cycle", fontsize=TEXT)
    axes.spines[["top", "right", "left"]].set_visible(False)
    idle = "stands still" if isinstance(layer.window, PeTimeline) else "the MAC array stands still"
    title = f"{shown(layer.name)}: cycles {low:,} to {high:,} of {layer.window.cycles:,}"
    title += f"{'; ' if len(title) < LINE else NEXT}hatched: {idle}"
    axes.set_title(title, loc="left", fontsize=TEXT + 1, color=GREY, **PLAIN)
    _name_layers(axes, paint)
    return axes


def _name_layers(axes: Axes, paint: Mapping[str, str]) -> None:
    """A legend of the layers of a group, below the axis."""
    from matplotlib.patches import Patch
    from matplotlib.transforms import ScaledTranslation

    if len(paint) < 2:
        return
    names = [cut(shown(name), LINE * TEXT / 2, TEXT) for name in paint]
    handles = [Patch(facecolor=colour, edgecolor="white") for colour in paint.values()]
    below = axes.transAxes + ScaledTranslation(0, -0.45, axes.figure.dpi_scale_trans)
    legend = axes.legend(
        handles, names, loc="upper center", bbox_to_anchor=(0.5, 0), bbox_transform=below, fontsize=TEXT,
        ncols=max(1, min(len(names), ROOM // max(map(len, names)))), frameon=False, borderpad=0,
    )  # fmt: skip
    for text in legend.get_texts():
        text.set_parse_math(False)


def _of_layers(found: Sequence[tuple[Track, list[Slice]]]) -> dict[str, str]:
    """A colour for each layer that has passes."""
    names = dict.fromkeys(one.name for track, slices in found if track.name == PASSES for one in slices)
    return {name: COLOURS[at % (len(COLOURS) - 1)] for at, name in enumerate(names)}  # black is for letters


def _bar(axes: Axes, at: int, track: Track, one: Slice, paint: Mapping[str, str]) -> None:
    span = [(one.begin, one.end - one.begin)]
    if one.category == STALL:
        axes.broken_barh(span, (at - 0.36, 0.72), facecolor="none", edgecolor="#999999", hatch="////", lw=0)
        return
    # a port's slices are named after their tensors, a network's track is
    words = (one.name if one.category == PORT else track.name).split()
    tensor = next((tensor for tensor in TENSORS if tensor.value in words), None)
    colour = MAC_COLOUR if tensor is None else PAINT[tensor]
    if track.name == PASSES:
        colour = paint[one.name]
    elif one.category == HANDED:
        colour = TAKING[at % len(TAKING)]
    low, high = axes.get_xlim()
    # beside thin slices white edges would be all there is to see
    edge = 0.3 if one.end - one.begin > THIN * (high - low) else 0
    axes.broken_barh(span, (at - 0.36, 0.72), facecolor=colour, edgecolor="white", lw=edge)
