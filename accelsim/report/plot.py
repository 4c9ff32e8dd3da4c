"""Pictures of energy: bars per data type, stacked by level. Every function takes and returns matplotlib Axes."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from accelsim.cache import prepare_matplotlib
from accelsim.energy.rows import MAC, NO_TENSOR
from accelsim.errors import AccelsimError
from accelsim.report.table import energy_scale
from accelsim.workload.problem import TENSORS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Document = Mapping[str, Any]
Stacks = dict[str, dict[str, dict[str, float]]]
"""group -> data type -> component -> energy."""

# Okabe and Ito's palette, which people with any colour vision can tell apart; dark (far memory) to light (near)
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
MAC_COLOUR = "#999999"
CAPTION = 28  # letters that fit beside the bars
DENSE = "dense"
BARS = (*(tensor.value for tensor in TENSORS), MAC)


class Plots:
    """The pictures of one result: ``plots.energy()``."""

    def __init__(self, document: Document) -> None:
        self._document = document

    def energy(self, ax: Axes | None = None) -> Axes:
        """Energy per layer and data type, stacked by level."""
        return energy(self._document, ax)


def energy(document: Document, ax: Axes | None = None) -> Axes:
    """Energy per layer and data type, stacked by level, of one result document."""
    _require_macs(document)
    stacks = {_name(layer): _stacks(layer["energy_breakdown"]) for layer in document["layers"]}
    scale, unit = energy_scale(document["energy_unit"], _highest(stacks))
    if document["energy_unit"] == "MAC":
        unit = {1.0: "MAC", 1e6: "million MAC", 1e9: "billion MAC"}[scale]
    batch = f", batch {document['batch']}" if document.get("batch", 1) > 1 else ""
    dataflow = document["dataflow"].replace("_", "-") or "given mapping"
    axes = draw(stacks, document["levels"], scale, ax)
    axes.set_ylabel(f"energy per layer [{unit}]")
    axes.set_title(f"{document['workload']}{batch} on {document['architecture']}, {dataflow}", loc="left", fontsize=11)
    return _caption(axes, document)


def compare(documents: Mapping[str, Document], ax: Axes | None = None) -> Axes:
    """Energy per MAC by data type, stacked by level, of several results side by side."""
    stacks: Stacks = {}
    for label, document in documents.items():
        _require_macs(document)
        macs = document["total"]["macs"]
        stacks[label] = _stacks(document["total"]["energy_breakdown"], macs)
    first = next(iter(documents.values()))
    levels = dict.fromkeys(level for document in documents.values() for level in document["levels"])
    axes = draw(stacks, list(levels), 1.0, ax)
    unit = first["energy_unit"]
    axes.set_ylabel("energy per MAC [MAC]" if unit == "MAC" else f"energy per MAC [{unit}]")
    machines = {document["architecture"] for document in documents.values()}
    where = f" on {first['architecture']}" if len(machines) == 1 else ""
    axes.set_title(f"{first['workload']}, batch {first.get('batch', 1)}{where}", loc="left", fontsize=11)
    return _caption(axes, first)


def draw(stacks: Stacks, levels: Sequence[str], scale: float, ax: Axes | None = None) -> Axes:
    """Grouped, stacked bars; the components keep one colour throughout. levels : memories, outermost first."""
    axes = ax or new_axes(min(30.0, max(6.4, 1.6 + 0.85 * len(stacks))))
    components = _components(stacks, levels)
    width, bars = 0.2, len(BARS)
    for index, component in enumerate(components):
        colour = MAC_COLOUR if component == MAC else COLOURS[index % len(COLOURS)]
        places, bottoms, heights = [], [], []
        for group, types in enumerate(stacks.values()):
            for place, name in enumerate(BARS):
                parts = types.get(name, {})
                places.append(group + (place - (bars - 1) / 2) * width)
                bottoms.append(sum(parts.get(below, 0.0) for below in components[:index]) / scale)
                heights.append(parts.get(component, 0.0) / scale)
        hatch = None if index < len(COLOURS) else "//"
        axes.bar(
            places,
            heights,
            0.88 * width,
            bottoms,
            color=colour,
            label=component,
            hatch=hatch,
            edgecolor="white",
            lw=0.4,
        )
    axes.set_ylim(0, 1.05 * _highest(stacks) / scale or 1)
    _label_axes(axes, list(stacks), width)
    return axes


def _label_axes(axes: Axes, groups: Sequence[str], width: float) -> None:
    bars = len(BARS)
    places = [group + (bar - (bars - 1) / 2) * width for group in range(len(groups)) for bar in range(bars)]
    axes.set_xticks(places, list(BARS) * len(groups), rotation=90, fontsize=7)
    axes.tick_params(axis="x", length=0)
    names = axes.secondary_xaxis("bottom")
    long = max(map(len, groups)) > 12
    names.set_xticks(
        range(len(groups)),
        [group.replace("_", "\n") if long else group for group in groups],
        fontsize=9,
        fontweight="bold",
    )
    names.tick_params(axis="x", length=0, pad=36)
    names.spines["bottom"].set_visible(False)
    axes.set_xlim(-0.6, len(groups) - 0.4)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd", lw=0.6)
    axes.set_axisbelow(True)
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0), reverse=True, title="level")


def save(axes: Axes, path: str) -> None:
    """Write a picture; the ending says the format (png, svg or pdf). Whole or not at all."""
    prepare_matplotlib()
    from matplotlib import rc_context

    from accelsim.report.files import replacing

    figure: Any = axes.figure
    metadata = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[path.rpartition(".")[2]]
    # names inside an SVG are random unless salted: the same result gives the same bytes
    with replacing(path) as temporary, rc_context({"svg.hashsalt": "accelsim"}):
        figure.savefig(temporary, dpi=150, bbox_inches="tight", metadata=metadata)


def new_axes(width: float, height: float = 4.2) -> Axes:
    """Axes of a figure of its own, in inches, that no window belongs to."""
    prepare_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure.add_subplot()


def _require_macs(document: Document) -> None:
    if not document["layers"]:
        raise AccelsimError(f"nothing to draw: none of these layers of '{document['workload']}' has MACs")


def _stacks(breakdown: Sequence[Document], divisor: float = 1.0) -> dict[str, dict[str, float]]:
    sums: dict[str, dict[str, float]] = {}
    for row in breakdown:
        name = MAC if row["tensor"] == NO_TENSOR else row["tensor"]
        parts = sums.setdefault(name, {})
        parts[row["component"]] = parts.get(row["component"], 0.0) + row["energy"] / divisor
    return sums


def _components(stacks: Stacks, levels: Sequence[str]) -> list[str]:
    """All components that cost anything, bottom up: memories outermost first, then networks, MAC last."""
    drawn = [parts for types in stacks.values() for parts in types.values()]
    found = dict.fromkeys(name for parts in drawn for name, spent in parts.items() if spent)
    networks = [name for name in found if name not in levels and name != MAC]
    return [name for name in (*levels, *networks, MAC) if name in found]


def _highest(stacks: Stacks) -> float:
    return max((sum(parts.values()) for types in stacks.values() for parts in types.values()), default=0.0)


def _name(layer: Document) -> str:
    return f"{layer['name']} x{layer['repeat']}" if layer.get("repeat", 1) > 1 else layer["name"]


def _caption(axes: Axes, document: Document) -> Axes:
    way = document.get("energy_accounting", "counts")
    lines = ["energy table", document["energy_table"]]
    lines += ["1 MAC: energy of one MAC"] if document["energy_unit"] == "MAC" else []
    lines += [f"accounting {way}"] if way != "counts" else []
    operands = document.get("operands", DENSE)
    lines += [] if operands == DENSE else textwrap.wrap(f"zeros: {operands}", CAPTION)
    axes.text(1.02, 0.0, "\n".join(lines), transform=axes.transAxes, fontsize=7, color="#555555", va="bottom")
    return axes
