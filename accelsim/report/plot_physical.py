"""Pictures of power by layer and level, and of area by component; they take and return matplotlib Axes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from accelsim.errors import AccelsimError
from accelsim.report.groups import blocks
from accelsim.report.plot import PLAIN, colours, new_axes, require_macs
from accelsim.report.text import component, number, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Document = Mapping[str, Any]
BAR = 0.7


def power(document: Document, ax: Axes | None = None) -> Axes:
    """MW of each layer over its total latency, stacked by component; of a deep network the mean of each block."""
    require_macs(document)
    if "power_mw" not in document["total"]:
        raise AccelsimError(f"energies of {shown(document['energy_table'])} are relative, so there is no power to draw")
    layers = document["layers"]
    groups = blocks([shown(layer["name"]) for layer in layers])
    spent = [_milliwatts([layers[at] for at in members], document["clock_hz"]) for _, members in groups]
    parts = list(dict.fromkeys(name for one in spent for name in one))
    order = [name for name in document["levels"] if name in parts]
    order += [name for name in parts if name not in order]
    paint = colours(order, document["levels"])
    axes = ax or new_axes(max(5.0, 2.5 + 0.55 * len(groups)))
    bottom = [0.0] * len(groups)
    for name in order:
        heights = [one.get(name, 0.0) for one in spent]
        colour, hatch = paint[name]
        look: dict[str, Any] = {"color": colour, "hatch": hatch or None, "edgecolor": "white", "lw": 0.4}
        axes.bar(range(len(groups)), heights, BAR, bottom, label=component(name), **look)
        bottom = [low + high for low, high in zip(bottom, heights, strict=True)]
    turned = len(groups) > 8
    axes.set_xticks(range(len(groups)), [label for label, _ in groups], rotation=90 if turned else 0, **PLAIN)
    axes.set_ylabel("power [mW]", **PLAIN)
    total = document["total"]
    title = f"{shown(document['workload'])} on {shown(document['architecture'])}, {shown(document['energy_table'])}"
    title += f"\n{number(total['power_mw'])} mW, {number(total['chip_mw'])} on chip"
    axes.set_title(title, loc="left", fontsize=10, **PLAIN)
    axes.legend(*_reversed(axes), loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return axes


def _milliwatts(layers: list[Any], clock_hz: float) -> dict[str, float]:
    """By component, over the time of all these layers and their repeats."""
    cycles = sum(layer["cycles"] * layer["repeat"] for layer in layers)
    found: dict[str, float] = {}
    for layer in layers:
        for row in layer["energy_breakdown"]:
            energy = layer["repeat"] * row["energy"] * 1e-9 * clock_hz
            found[row["component"]] = found.get(row["component"], 0.0) + (energy / cycles if cycles else 0.0)
    return found


def _reversed(axes: Axes) -> tuple[list[Any], list[str]]:
    """Handles and labels, the topmost first."""
    handles, labels = axes.get_legend_handles_labels()
    return handles[::-1], labels[::-1]


def area(document: Document, ax: Axes | None = None) -> Axes:
    """Floor of each component in mm2, of it the cells; the largest on top."""
    require_macs(document)
    found = document["total"].get("area")
    if not found:
        raise AccelsimError(f"{shown(document['energy_table'])} knows no areas, so there are none to draw")
    parts = sorted((part for part in found["parts"] if part["floor_mm2"]), key=lambda part: float(part["floor_mm2"]))
    axes = ax or new_axes(6.5, 1.2 + 0.35 * len(parts))
    places = range(len(parts))
    axes.barh(places, [part["floor_mm2"] for part in parts], BAR, color="#56B4E9", label="floor")
    axes.barh(places, [part["cells_mm2"] for part in parts], BAR / 2, color="#0072B2", label="cells")
    axes.set_yticks(places, [f"{component(part['component'])} x{part['instances']:,}" for part in parts], **PLAIN)
    axes.set_xlabel("area [mm2]", **PLAIN)
    title = f"{shown(document['architecture'])}, {shown(document['energy_table'])}"
    title += f"\n{number(found['floor_mm2'])} mm2 of floor, {number(found['cells_mm2'])} of cells"
    axes.set_title(title, loc="left", fontsize=10, **PLAIN)
    axes.legend(loc="lower right", frameon=False)
    return axes
