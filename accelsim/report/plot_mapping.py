"""A mapping as its loop nest over the levels: a row of boxes for each level, a box for each loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from accelsim.errors import AccelsimError, nearest
from accelsim.mapping.mapping import kept, tile_sizes, tile_words
from accelsim.outcome import LayerResult, Outcome
from accelsim.report.framing import PLAIN, Size, beside, furnish, size_of, sized_axes
from accelsim.report.letters import cut, length
from accelsim.report.palette import GREY, TEXTS
from accelsim.report.plot_bars import Row
from accelsim.report.plot_result import require_layers
from accelsim.report.text import many, number, shown
from accelsim.workload.problem import LOOP_DIMS, TENSORS, Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KINDS = {"temporal": ("#FFFFFF", "in time"), "y": ("#CFE3F1", "over rows (y)"), "x": ("#FBE3BD", "over columns (x)")}
"""Fill of a loop's box and what it says, the colours of a page; the axis is in the box, too, for a print in grey."""
WIDE = 14
"""Letters of a level's name."""


@dataclass(frozen=True)
class Place:
    """A level of a nest. loops : (kind: temporal, y or x; dim; factor), outermost first, without those of factor 1.

    tiles : words of one instance, of each tensor that is kept.
    """

    level: str
    loops: tuple[tuple[str, str, int], ...]
    tiles: tuple[tuple[Tensor, int], ...]


def draw(result: Outcome, ax: Axes | None = None, width: str | None = None, layer: str | None = None) -> Axes:
    """The nest of one layer, outermost level on top, with the words of each tile below its loops."""
    found = layer_of(result, layer)
    data = mapping_data(result, found)
    size = size_of(width)
    axes = sized_axes(size) if ax is None else ax
    high = _nest(data, axes, size)
    axes.set_xlim(0, size.inner)
    axes.set_ylim(-high, 0)
    axes.axis("off")
    sizes = " ".join(f"{dim}{found.problem[dim]}" for dim in LOOP_DIMS if found.problem[dim] > 1)
    where = f"{shown(found.name)} of {shown(result.workload)} on {shown(result.architecture.name)}"
    told = f"{sizes or 'one MAC'}, {number(found.macs)} MACs; mapping: {found.mapping_source}"
    if layer is None and len(result.layers) > 1:
        told += f"; of {many(len(result.layers), 'layer')} the one that takes most cycles"
    title = (where, told)
    if ax is None:
        note = "loops from outside in, spatial ones below those in time; words of a tile in one instance of its level"
        furnish(axes, size, title, _key(), note, bare=high)
    else:
        beside(axes, size, title, _key())
    return axes


def layer_of(result: Outcome, name: str | None) -> LayerResult:
    """The layer of a name; None: the one whose runs take most cycles. AccelsimError for a name that was not run."""
    require_layers(result)
    if name is None:
        return max(result.layers, key=lambda layer: layer.cycles * layer.repeat)
    found = {layer.name: layer for layer in result.layers}
    if name not in found:
        raise AccelsimError(f"no layer '{shown(name)}' was run{nearest(name, found)}")
    return found[name]


def mapping_data(result: Outcome, layer: LayerResult) -> tuple[Place, ...]:
    """Data of `draw`, outermost level first; no tiles of PEs that map a layer by themselves."""
    machine, found = result.architecture, []
    for index, level in enumerate(machine.levels):
        mapped = layer.nest.level(level.name)
        loops = tuple((kind, loop.dim, loop.factor) for kind, loop in mapped.loops if loop.factor > 1)
        tiles: tuple[tuple[Tensor, int], ...] = ()
        if not machine.cartesian:
            extent = tile_sizes(machine, layer.nest, layer.problem, index)
            tiles = tuple(
                (tensor, int(tile_words(layer.problem, extent, tensor)))
                for tensor in TENSORS
                if kept(machine, layer.nest, index, tensor)
            )
        found.append(Place(level.name, loops, tiles))
    return tuple(found)


def rows(data: Sequence[Place]) -> list[Row]:
    """Tidy rows for any tool: level, kind, dim, factor of each loop from outside in; then level, tensor, tile words."""
    loops: list[Row] = [
        {"level": place.level, "kind": kind, "dim": dim, "factor": factor}
        for place in data
        for kind, dim, factor in place.loops
    ]
    tiles = [
        {"level": place.level, "kind": "tile", "tensor": tensor.value, "words": words}
        for place in data
        for tensor, words in place.tiles
    ]
    return loops + tiles


def _nest(data: Sequence[Place], axes: Axes, size: Size) -> float:
    """Draw it in points from the top left corner down, tiles below loops or, where there is room, beside them; gives
    its height.
    """
    text = size.text
    left = max(length(shown(place.level, WIDE), text, bold=True) for place in data) + text
    right = size.inner if size.flat else 0.55 * size.inner
    top = 0.2 * text
    for index, place in enumerate(data):
        if index:
            axes.plot([0, size.inner], [-top, -top], color="#dddddd", lw=0.6)
            top += 0.4 * text
        axes.text(0, -top - 0.75 * text, shown(place.level, WIDE), fontsize=text, weight="bold", va="center", **PLAIN)
        below = _loops(place, axes, text, (left, right, top))
        if size.flat:
            top = _tiles(place, axes, text, (left, right, below))
        else:
            top = max(below, _tiles(place, axes, text, (right + text, size.inner, top + 0.25 * text)))
    return top


def _loops(place: Place, axes: Axes, text: float, room: tuple[float, float, float]) -> float:
    """Boxes from left to right in lines from the top down; gives where the next may begin."""
    from matplotlib.patches import Rectangle

    left, right, top = room
    if not place.loops:
        axes.text(left, -top - 0.75 * text, "no loops", fontsize=text, color=GREY, va="center")
    x = left
    for kind, dim, factor in place.loops:
        name = f"{dim} {factor:,}" if kind == "temporal" else f"{dim} {factor:,} {kind}"
        wide = length(name, text) + 0.8 * text
        if x + wide > right and x > left:
            x, top = left, top + 1.75 * text
        fill = KINDS[kind][0]
        axes.add_patch(Rectangle((x, -top - 1.5 * text), wide, 1.5 * text, facecolor=fill, edgecolor=GREY, lw=0.6))
        axes.text(x + wide / 2, -top - 0.78 * text, name, fontsize=text, ha="center", va="center", **PLAIN)
        x += wide + 0.4 * text
    return top + 1.85 * text


def _tiles(place: Place, axes: Axes, text: float, room: tuple[float, float, float]) -> float:
    """Words of each tensor in a line, or several; gives where the next may begin."""
    left, right, top = room
    x = left
    for tensor, words in place.tiles:
        told = cut(f"{tensor.value} {_words(words)}", right - left, text)
        wide = length(told, text)
        if x + wide > right and x > left:
            x, top = left, top + 1.3 * text
        axes.text(x, -top - 0.5 * text, told, fontsize=text, color=TEXTS[tensor], va="center", **PLAIN)
        x += wide + 1.2 * text
    return top + 1.5 * text if place.tiles else top


def _words(count: int) -> str:
    return f"{number(count / 1e6)} M words" if count >= 1e6 else "1 word" if count == 1 else f"{number(count)} words"


def _key() -> list[tuple[Any, str]]:
    from matplotlib.patches import Patch

    return [(Patch(facecolor=fill, edgecolor=GREY, lw=0.6), name) for fill, name in KINDS.values()]
