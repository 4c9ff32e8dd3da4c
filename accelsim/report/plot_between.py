"""What lives on the chip between layers, drawn over the order in which they run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from accelsim.errors import AccelsimError
from accelsim.mapping.plan.living import Between, between_of, partition_of
from accelsim.outcome import Outcome
from accelsim.report.framing import PLAIN, beside, furnish, size_of, sized_axes
from accelsim.report.palette import COLOURS, GREY, HATCHES, Paint
from accelsim.report.plan_graph import APART, MOST, OUTSIDE, PAINTS, Head, Rect, column_width, graph_of, laid_out
from accelsim.report.text import shown
from accelsim.workload.precision import checked

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KIB = 8 * 1024
TILES = "tiles"
"""What groups of layers hold, in place of a tensor's name."""
LETTERS = 11
"""Pixels of a letter, where a plan is laid out."""
FAR = 0.25
"""Share of a buffer from which on a line is drawn where it is full."""
MOST_NAMES = 24
"""Layers whose names have room below an axis."""


class Held(TypedDict):
    """One tensor while one layer runs. index : of the layer in run order. bits : its room, padding included."""

    index: int
    layer: str
    tensor: str
    bits: int


def living_data(result: Outcome) -> list[Held]:
    """What lives on the chip while each layer runs, and what groups of layers take for their tiles ('tiles').

    Raises AccelsimError for a result without a plan.
    """
    between = _between(result)
    found: list[Held] = []
    rooms = {name: group.room for group in result.groups for name in group.group.layers}
    for index, layer in enumerate(between.network.layers):
        for name in between.plan.resident:
            first, last = between.life(name)
            if first <= index <= last:
                found.append(Held(index=index, layer=layer.name, tensor=name, bits=between.bits(name)))
        if layer.name in rooms:
            found.append(Held(index=index, layer=layer.name, tensor=TILES, bits=rooms[layer.name]))
    return found


def paint_of(data: Sequence[Held]) -> dict[str, Paint]:
    """Colour and hatch of each tensor that lives on the chip, and of tiles."""
    names = list(dict.fromkeys(row["tensor"] for row in data))
    found = {
        name: (COLOURS[k % len(COLOURS)], HATCHES[k // len(COLOURS) % len(HATCHES)]) for k, name in enumerate(names)
    }
    return found | ({TILES: (GREY, "")} if TILES in found else {})


def planned(result: Outcome) -> Between | None:
    """The plan of a result on its machine; None: it had none."""
    ran = result.ran
    return between_of(ran.plan, result.architecture, ran.network, checked(ran.bits)) if ran else None


def _between(result: Outcome) -> Between:
    between = planned(result)
    if between is None:
        raise AccelsimError("nothing happened between the layers of this run: it had no plan")
    return between


def plan_data(result: Outcome) -> list[dict[str, Any]]:
    """A row for each tensor that is read: who makes it and who reads it, words, where it lives for whom, its group."""
    graph = graph_of(_between(result))
    rows = []
    for edge in graph.edges:
        readers = [graph.nodes[reader].name for reader in edge.readers]
        there = readers[: edge.at_home] if edge.where != OUTSIDE else []
        rows.append({"tensor": edge.tensor, "words": edge.words, "lives": edge.where, "level": edge.level,
                     "readers": readers, "readers_at_home": there})  # fmt: skip
    return rows


def plan(result: Outcome, ax: Axes | None = None, width: str | None = None) -> Axes:
    """The plan over the graph of the network: layers in run order, tensors as lanes in the colour of where they live.

    Raises AccelsimError for a result without a plan, and for a network of too many layers.
    """
    from matplotlib.patches import Patch, Polygon, Rectangle

    graph, size = graph_of(_between(result)), size_of(width)
    if len(graph.nodes) > MOST:
        raise AccelsimError(f"{len(graph.nodes):,} layers: a picture of a plan shows at most {MOST}")
    axes = sized_axes(size) if ax is None else ax
    scale = size.text / LETTERS
    layout = laid_out(graph, max(1, int((size.inner / scale + APART) / column_width(graph))))
    # narrower than the picture, it stands at its left; wider, it becomes smaller
    wide = max(layout.width, size.inner / scale)
    points = size.text * size.inner / scale / wide
    for part in layout.parts:
        if isinstance(part, Rect):
            axes.add_patch(
                Rectangle(
                    (part.x, part.y), part.width, part.height, facecolor=part.colour, edgecolor=part.edge or "none",
                    linewidth=0.5 if part.edge else 0,
                )
            )  # fmt: skip
        elif isinstance(part, Head):
            corners = [(part.x, part.y), (part.x + 5, part.y - 3), (part.x + 5, part.y + 3)]
            axes.add_patch(Polygon(corners, facecolor=part.colour, edgecolor="none"))
        else:
            colour = GREY if part.faint else "black"
            axes.text(part.x, part.y, part.text, fontsize=0.95 * points, va="center_baseline", color=colour, **PLAIN)
    axes.set_xlim(0, wide)
    axes.set_ylim(layout.height, 0)
    axes.set_axis_off()
    keys: list[tuple[Any, str]] = [(Patch(facecolor=PAINTS[kind]), graph.called(kind)) for kind in graph.kinds]
    handed = any(group.epilogue for group in _between(result).plan.groups)
    channels = ", of layers that hand theirs on × channels" if handed else ""
    boxes = f"; beside each group rows × columns of its tiles{channels}" if graph.groups else ""
    title = ("What lives where between layers", f"a lane is a tensor, as thick as the root of its words{boxes}")
    if ax is None:
        furnish(axes, size, title, keys, bare=layout.height * size.inner / wide)
    else:
        beside(axes, size, title, keys)
    return axes


def living(result: Outcome, ax: Axes | None = None, width: str | None = None) -> Axes:
    """KiB of the buffer that tensors take, over the order in which layers run; a line where it is full, if near."""
    from matplotlib.patches import Patch

    data, between = living_data(result), _between(result)
    home = between.home or result.groups[0].home
    size = size_of(width)
    axes = sized_axes(size) if ax is None else ax
    layers = between.network.layers
    paint = paint_of(data)
    names = list(paint)
    bottom = [0.0] * len(layers)
    for row in data:
        colour, hatch = paint[row["tensor"]]
        high = row["bits"] / KIB
        axes.bar(
            row["index"], high, 1, bottom[row["index"]], color=colour, hatch=hatch or None, edgecolor="white",
            linewidth=0.3,
        )  # fmt: skip
        bottom[row["index"]] += high
    part = partition_of(result.architecture, home)
    if part is not None and max(bottom) > FAR * part.bits / KIB:
        axes.axhline(part.bits / KIB, color="black", lw=0.8)
    axes.set_xlim(-0.5, len(layers) - 0.5)
    if len(layers) <= MOST_NAMES:
        told = [shown(layer.name) for layer in layers]
        axes.set_xticks(range(len(layers)), told, rotation=90, fontsize=size.text, **PLAIN)
    else:
        axes.set_xlabel("layers, in the order they run", fontsize=size.text, **PLAIN)
    axes.set_ylabel(f"{shown(home)} [KiB]", fontsize=size.text, **PLAIN)
    few = names if len(names) <= len(COLOURS) else [name for name in names if name == TILES]
    keys: list[tuple[Any, str]] = [
        (Patch(facecolor=paint[name][0], hatch=paint[name][1] or None, edgecolor="white"), shown(name)) for name in few
    ]
    full = "" if part is None else f"; full at {part.bits / KIB:,.0f} KiB"
    title = ("What lives on the chip", f"while each layer runs{full}")
    if ax is None:
        furnish(axes, size, title, keys)
    else:
        beside(axes, size, title, keys)
    return axes
