"""What lives on the chip between layers, drawn over the order in which they run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

from accelsim.errors import AccelsimError
from accelsim.mapping.plan.living import between_of, partition_of
from accelsim.outcome import Outcome
from accelsim.report.framing import PLAIN, beside, furnish, size_of, sized_axes
from accelsim.report.palette import COLOURS, GREY, HATCHES
from accelsim.report.text import shown
from accelsim.workload.precision import checked

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KIB = 8 * 1024
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
            found.append(Held(index=index, layer=layer.name, tensor="tiles", bits=rooms[layer.name]))
    return found


def _between(result: Outcome):  # type: ignore[no-untyped-def]
    ran = result.ran
    between = between_of(ran.plan, result.architecture, ran.network, checked(ran.bits)) if ran else None
    if between is None:
        raise AccelsimError("nothing happened between the layers of this run: it had no plan")
    return between


def living(result: Outcome, ax: Axes | None = None, width: str | None = None) -> Axes:
    """KiB of the buffer that tensors take, over the order in which layers run; a line where it is full, if near."""
    from matplotlib.patches import Patch

    data, between = living_data(result), _between(result)
    home = between.home or result.groups[0].home
    size = size_of(width)
    axes = sized_axes(size) if ax is None else ax
    layers = between.network.layers
    names = list(dict.fromkeys(row["tensor"] for row in data))
    paint = {
        name: (COLOURS[k % len(COLOURS)], HATCHES[k // len(COLOURS) % len(HATCHES)]) for k, name in enumerate(names)
    }
    paint["tiles"] = GREY, ""
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
    few = names if len(names) <= len(COLOURS) else [name for name in names if name == "tiles"]
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
