"""A fused group, drawn: which words a tile uses and makes, and what lies in the buffer while it runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from accelsim.engine.fused.storage import Measure, Measured
from accelsim.errors import AccelsimError
from accelsim.report.framing import PLAIN, Size, beside, furnish, size_of, sized_axes
from accelsim.report.letters import cut
from accelsim.report.palette import COLOURS, GREY, HATCHES, Paint
from accelsim.report.plot_bars import Row
from accelsim.report.text import shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ALONG = ("rows", "columns")
STATES = {"made": COLOURS[0], "kept": COLOURS[4], "gone": "#DDDDDD", "later": "#FFFFFF"}
CALLED = {
    "made": "made (of an input: fetched) in this tile",
    "kept": "made before, used again",
    "gone": "made before",
    "later": "not made yet",
}
CELLS = 64
"""Most words of a line with lines between them."""
MOST_BARS = 160
"""Passes that are drawn at a time."""


class Span(NamedTuple):
    """Words [begin, end) of a line that are alike; stays : whether a later tile uses them as they are."""

    begin: int
    end: int
    state: str
    stays: bool


class Line(NamedTuple):
    """One axis of one tensor under one tile. used : [begin, end) that it uses."""

    tensor: str
    plane: int
    used: tuple[int, int]
    spans: tuple[Span, ...]


def pyramid_data(measured: Measured, tile: int, axis: int = 1) -> list[Line]:
    """Data of `pyramid`: a line for each tensor, in run order. axis : 0 rows, 1 columns.

    Raises AccelsimError for a tile that is not there.
    """
    along = (measured.rows, measured.columns)[axis]
    if not 0 <= tile < len(along.made):
        raise AccelsimError(f"there is no tile {tile} of {ALONG[axis]}: the sink has {len(along.made)}, from 0 on")
    found = []
    for number, name in enumerate(measured.group.tensors):
        plane = int(along.chain.plane[number])
        used, made = along.used[:, number].tolist(), along.made[:, number].tolist()
        reached = max((end for _, end in used[: tile + 1]), default=0)
        later = {at for begin, end in used[tile + 1 :] for at in range(begin, end)}
        again = {at for begin, end in made[tile + 1 :] for at in range(begin, end)}
        ever = {at for begin, end in made[:tile] for at in range(begin, end)}
        words = []
        for at in range(plane):
            if made[tile][0] <= at < made[tile][1]:
                state = "made"
            elif used[tile][0] <= at < used[tile][1]:
                state = "kept"
            else:
                state = "gone" if at in ever else "later"
            words.append((state, at < reached and at in later and at not in again))
        found.append(Line(name, plane, (used[tile][0], used[tile][1]), _spans(words)))
    return found


def _spans(words: Sequence[tuple[str, bool]]) -> tuple[Span, ...]:
    """Neighbours that are alike as one."""
    found: list[Span] = []
    for at, (state, stays) in enumerate(words):
        if found and found[-1][2:] == (state, stays):
            found[-1] = found[-1]._replace(end=at + 1)
        else:
            found.append(Span(at, at + 1, state, stays))
    return tuple(found)


def pyramid(measured: Measured, tile: int, axis: int = 1, ax: Axes | None = None, width: str | None = None) -> Axes:
    """What one tile of the sink uses and makes of every tensor along one axis; each line is a whole plane."""
    from matplotlib.patches import Patch, Rectangle

    data = pyramid_data(measured, tile, axis)
    size = size_of(width)
    axes = sized_axes(size) if ax is None else ax
    for place, line in enumerate(data):
        y = len(data) - 1 - place
        for begin, end, state, stays in line.spans:
            box = (begin / line.plane, y - 0.3), (end - begin) / line.plane, 0.6
            hatch = "///" if stays else None
            axes.add_patch(Rectangle(*box, facecolor=STATES[state], edgecolor=GREY, linewidth=0, hatch=hatch))
        if line.plane <= CELLS:
            for at in range(line.plane + 1):
                axes.plot([at / line.plane] * 2, [y - 0.3, y + 0.3], color=GREY, lw=0.4)
        axes.add_patch(Rectangle((0, y - 0.3), 1, 0.6, fill=False, edgecolor=GREY, linewidth=0.6))
        begin, end = line.used
        if begin < end:
            mark = (begin / line.plane, y - 0.36), (end - begin) / line.plane, 0.72
            axes.add_patch(Rectangle(*mark, fill=False, edgecolor="black", linewidth=1.2))
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.6, len(data) - 0.4)
    axes.set_xticks([])
    names = [f"{cut(shown(line.tensor), 90, size.text)}, {line.plane:,}" for line in data]
    axes.set_yticks(range(len(data) - 1, -1, -1), names, fontsize=size.text, **PLAIN)
    axes.spines[["top", "right", "bottom", "left"]].set_visible(False)
    axes.tick_params(left=False)
    keys: list[tuple[Any, str]] = [
        (Patch(facecolor=STATES[state], edgecolor=GREY, lw=0.4), CALLED[state]) for state in STATES
    ]
    keys.append((Patch(facecolor="white", edgecolor=GREY, lw=0.4, hatch="///"), "stays for a later tile"))
    keys.append((Patch(fill=False, edgecolor="black", lw=1.2), "used by this tile"))
    sizes = measured.columns if axis else measured.rows
    title = (
        f"Tile {tile} of {len(sizes.made):,} along {ALONG[axis]}",
        "each tensor a line, its words from first to last",
    )
    _frame(axes, size, title, keys, ax is None, 0.32 * len(data) + 0.1)
    return axes


def storage_data(measured: Measured, tiles: Sequence[tuple[int, int]] | None = None) -> list[Row]:
    """Tidy rows for any tool: tile, operation that runs, tensor, words that are held of it then; filters apart.

    tiles : (row, column) of each tile; None: all. Raises AccelsimError for more passes than a picture has.
    """
    rows, columns = len(measured.rows.made), len(measured.columns.made)
    wanted = list(tiles) if tiles is not None else [(i, j) for i in range(rows) for j in range(columns)]
    if len(wanted) * len(measured.group.ops) > MOST_BARS:
        raise AccelsimError(
            f"{len(wanted):,} tiles of {len(measured.group.ops)} layers: a picture has {MOST_BARS} passes, choose tiles"
        )
    measuring, found = Measure(measured.group, measured.widths), []
    for i, j in wanted:
        during = measuring.during(measured, i, j)
        for op, held in zip(measured.group.ops, during.tolist(), strict=True):
            if min(held) >= 0:
                found += [
                    {"row": i, "column": j, "runs": op.name, "tensor": name, "words": words}
                    for name, words in zip(measured.group.tensors, held, strict=True)
                ]
    return found


def storage(
    measured: Measured,
    tiles: Sequence[tuple[int, int]] | None = None,
    ax: Axes | None = None,
    width: str | None = None,
) -> Axes:
    """What lies in the buffer while each pass runs, by tensor, in the order the passes run."""
    from matplotlib.patches import Patch

    data = storage_data(measured, tiles)
    names = measured.group.tensors
    size = size_of(width)
    axes = sized_axes(size) if ax is None else ax
    paint = {name: _paint(number) for number, name in enumerate(names)}
    bars = [data[at : at + len(names)] for at in range(0, len(data), len(names))]
    for x, bar in enumerate(bars):
        bottom = 0
        for part in bar:
            colour, hatch = paint[part["tensor"]]
            axes.bar(x, part["words"], 1, bottom, color=colour, hatch=hatch or None, edgecolor="white", linewidth=0.3)
            bottom += part["words"]
    first = [x for x, bar in enumerate(bars) if x == 0 or _tile(bar) != _tile(bars[x - 1])]
    for x in first[1:]:
        axes.axvline(x - 0.5, color=GREY, lw=0.5)
    many = len(first) > 12
    ticks = first if many else range(len(bars))
    told = [f"{bars[x][0]['row']},{bars[x][0]['column']}" if many else shown(bars[x][0]["runs"]) for x in ticks]
    axes.set_xticks(list(ticks), told, rotation=90, fontsize=size.text, **PLAIN)
    axes.set_xlim(-0.5, len(bars) - 0.5)
    axes.locator_params(axis="y", integer=True)
    what = "words" if measured.widths.each == 1 else "words times their width"
    axes.set_ylabel(f"{what} held", fontsize=size.text, **PLAIN)
    keys: list[tuple[Any, str]] = [
        (Patch(facecolor=colour, hatch=hatch or None, edgecolor="white"), shown(name))
        for name, (colour, hatch) in paint.items()
    ]
    title = (f"At most {measured.room:,} {what}", "while each pass runs, tile after tile; filters apart")
    _frame(axes, size, title, keys, ax is None, None)
    return axes


def _tile(bar: Sequence[Row]) -> tuple[int, int]:
    return bar[0]["row"], bar[0]["column"]


def _paint(number: int) -> Paint:
    turn, at = divmod(number, len(COLOURS))
    return COLOURS[at], HATCHES[turn % len(HATCHES)]


def _frame(
    axes: Axes, size: Size, title: Sequence[str], keys: Sequence[tuple[Any, str]], own: bool, height: float | None
) -> None:
    if own:
        furnish(axes, size, title, keys, height=height)
    else:
        beside(axes, size, title, keys)
