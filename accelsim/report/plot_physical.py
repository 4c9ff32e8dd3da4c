"""Pictures of power by layer and level, and of area by component; they take and return matplotlib Axes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from accelsim.errors import AccelsimError
from accelsim.report.document import multiplied
from accelsim.report.framing import PLAIN, furnish, new_axes, size_of, sized_axes, thin_hatches
from accelsim.report.groups import MOST, blocks
from accelsim.report.letters import cut
from accelsim.report.palette import COLOURS, colours, look
from accelsim.report.plot import require_macs
from accelsim.report.plot_bars import SHORT, Bars, draw, free
from accelsim.report.text import component, number, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Document = Mapping[str, Any]


def power(document: Document, ax: Axes | None = None, width: str | None = None) -> Axes:
    """MW of each layer over its total latency, stacked by component; of a deep network the mean of each block."""
    return draw(power_bars(document), ax, None if width is None else size_of(width))


def power_bars(document: Document, most: int = MOST) -> Bars:
    """Data of `power`, of at most so many groups of layers. AccelsimError for relative energies."""
    require_macs(document)
    if "power_mw" not in document["total"]:
        raise AccelsimError(f"energies of {shown(document['energy_table'])} are relative, so there is no power to draw")
    layers = multiplied(document)
    groups = blocks([shown(layer["name"]) for layer in layers], most)
    stacks: dict[str, dict[str, dict[str, float]]] = {}
    for label, members in groups:
        spent = _milliwatts([layers[at] for at in members], document["clock_hz"])
        stacks[free(shown(label, SHORT), stacks)] = {"": spent}
    parts = list(dict.fromkeys(name for bars in stacks.values() for spent in bars.values() for name in spent))
    order = [name for name in document["levels"] if name in parts]
    order += [name for name in parts if name not in order]
    paint = colours(order, document["levels"])
    total = document["total"]
    what = "layer" if len(groups) == len(layers) else "block"
    return Bars(
        (
            f"{shown(document['workload'])} on {shown(document['architecture'])}, {shown(document['energy_table'])}",
            f"{number(total['power_mw'])} mW, {number(total['chip_mw'])} on chip",
        ),
        f"power of each {what}" if what == "block" else "power",
        "mW",
        stacks,
        (("", ""),),
        tuple((name, component(name), paint[name]) for name in order),
    )


def _milliwatts(layers: list[Any], clock_hz: float) -> dict[str, float]:
    """By component, over the time of all these layers and their repeats."""
    cycles = sum(layer["cycles"] * layer.get("repeat", 1) for layer in layers)
    found: dict[str, float] = {}
    for layer in layers:
        for row in layer["energy_breakdown"]:
            energy = layer.get("repeat", 1) * row["energy"] * 1e-9 * clock_hz
            found[row["component"]] = found.get(row["component"], 0.0) + (energy / cycles if cycles else 0.0)
    return found


def area(document: Document, ax: Axes | None = None, width: str | None = None) -> Axes:
    """Floor of each component in mm2, of it the cells; the largest on top."""
    parts = area_data(document)
    found = document["total"]["area"]
    title = f"{shown(document['architecture'])}, {shown(document['energy_table'])}"
    told = f"{number(found['floor_mm2'])} mm2 of floor, {number(found['cells_mm2'])} of cells"
    size = None if width is None or ax is not None else size_of(width)
    axes = sized_axes(size) if size else ax or new_axes(6.5, 1.2 + 0.35 * len(parts))
    places, high = range(len(parts)), 0.7
    with thin_hatches():
        axes.barh(places, [part["floor_mm2"] for part in parts], high, label="floor", **look((COLOURS[4], "")))
        axes.barh(places, [part["cells_mm2"] for part in parts], high / 2, label="cells", **look((COLOURS[0], "")))
    names = [f"{component(part['component'])} x{part['instances']:,}" for part in parts]
    axes.set_yticks(places, names, **PLAIN)
    axes.set_xlabel("area [mm2]", **PLAIN)
    if size:
        short = [cut(name, 0.45 * size.inner, size.text) for name in names]
        axes.set_yticks(places, short, fontsize=size.text, **PLAIN)
        axes.set_xlabel("area [mm2]", fontsize=size.text, x=1.0, ha="right")
        handles = list(zip(*axes.get_legend_handles_labels(), strict=True))
        furnish(axes, size, (title, told), handles, height=(1.7 * len(parts) + 3.6) * size.text / 72)
        return axes
    axes.set_title(f"{title}\n{told}", loc="left", fontsize=10, **PLAIN)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return axes


def area_data(document: Document) -> list[Mapping[str, Any]]:
    """Data of `area`: component, instances, floor_mm2, cells_mm2, the smallest first. AccelsimError if none."""
    require_macs(document)
    found = document["total"].get("area")
    if not found:
        raise AccelsimError(f"{shown(document['energy_table'])} knows no areas, so there are none to draw")
    return sorted((part for part in found["parts"] if part["floor_mm2"]), key=lambda part: float(part["floor_mm2"]))
