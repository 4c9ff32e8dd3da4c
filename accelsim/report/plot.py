"""Pictures of energy: bars per data type, stacked by level. Every function takes and returns matplotlib Axes."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accelsim.cache import prepare_matplotlib
from accelsim.energy.rows import MAC, NO_TENSOR
from accelsim.energy.table import energy_unit
from accelsim.errors import AccelsimError
from accelsim.outcome import SEARCH
from accelsim.report.groups import MOST, blocks
from accelsim.report.text import (
    component,
    energy_scale,
    energy_text,
    many,
    number,
    shown,
    visible,
)  # fmt: skip
from accelsim.workload.problem import TENSORS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Document = Mapping[str, Any]
Stacks = dict[str, dict[str, dict[str, float]]]
"""group -> data type -> component -> energy."""

# Okabe and Ito's palette, which people with any colour vision can tell apart
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
OUTERMOST, NETWORK, INNERMOST = COLOURS[0], COLOURS[3], COLOURS[2]
BETWEEN = (COLOURS[1], COLOURS[4], COLOURS[5], COLOURS[6])
MAC_COLOUR = "#999999"
UNIT_COLOUR = "#000000"  # any other unit, such as the one for vector operations
# where a role has more members than colours
HATCHES = ("", "//", "..", "xx", "++", "--", "||", "oo", "**", "\\\\", "OO")
MISSING = "did not run"
GREY = "#555555"
CAPTION = 28  # letters that fit beside the bars
DENSE = "dense"
BARS = (*(tensor.value for tensor in TENSORS), MAC)
SHORT = 24  # letters of a name below the bars
BREAK = re.compile(r"[^_\-–: ]*[_\-–: ]*(?<=.)")
FEW, ROOM, ROOM_OF_MANY = 10, 10, 7  # groups that are few; letters below one of few and of many
WIDTH = 0.2  # of a bar, where groups are 1 apart
PLAIN: dict[str, Any] = {"parse_math": False}  # names with dollar signs are no formulas


class Plots:
    """The pictures of one result: ``plots.energy()``."""

    def __init__(self, document: Document) -> None:
        self._document = document

    def energy(self, ax: Axes | None = None) -> Axes:
        """Energy per layer and data type, stacked by level."""
        return energy(self._document, ax)

    def power(self, ax: Axes | None = None) -> Axes:
        """Power per layer, stacked by level; of energies in pJ."""
        from accelsim.report.plot_physical import power

        return power(self._document, ax)

    def area(self, ax: Axes | None = None) -> Axes:
        """Floor of each component; of a table that knows areas."""
        from accelsim.report.plot_physical import area

        return area(self._document, ax)


def energy(document: Document, ax: Axes | None = None) -> Axes:
    """Energy per layer and data type, stacked by level, of one result document; of a deep network per block.

    Bars count every run of a layer, so that they add up to the total in the title.
    """
    require_macs(document)
    layers = document["layers"]
    absent = [entry["layer"] for entry in document.get("failures", ())]
    groups = blocks([_short(layer["name"]) for layer in layers], max(1, MOST - bool(absent)))
    stacks: Stacks = {}
    for label, members in groups:
        times = layers[members[0]].get("repeat", 1) if len(members) == 1 else 1
        rows = [(row, layers[at].get("repeat", 1)) for at in members for row in layers[at]["energy_breakdown"]]
        stacks[_free(f"{label} x{times}" if times > 1 else label, stacks)] = _stacks(rows)
    missing = [_short(name) for name in absent]
    if len(stacks) + len(missing) > MOST:
        missing = [many(len(absent), "layer")] if absent else []
    scale, unit = energy_scale(document["energy_unit"], _highest(stacks))
    axes = draw(stacks, document["levels"], scale, ax, missing, _caption([document]))
    what = "layer" if len(groups) == len(layers) else "block"
    axes.set_ylabel(f"energy per {what} [{visible(unit)}]", **PLAIN)
    batch = f", batch {document['batch']}" if document.get("batch", 1) > 1 else ""
    dataflow = _mapped(document)
    total = document["total"]
    per_mac = f"{number(total['energy'] / total['macs'])} per MAC"
    title = f"{shown(document['workload'])}{batch} on {shown(document['architecture'])}, {dataflow}"
    part = f" without {many(len(absent), 'layer')}" if absent else ""
    title += f"\ntotal{part}: {visible(energy_text(total['energy'], document['energy_unit']))}, {per_mac}"
    axes.set_title(title, loc="left", fontsize=10, **PLAIN)
    return axes


def compare(documents: Mapping[str, Document], ax: Axes | None = None, missing: Sequence[str] = ()) -> Axes:
    """Energy per MAC by data type, stacked by level, of several results side by side.

    missing : labels of what could not be run at all. Where workloads or batches differ, every label says its own.
    Raises AccelsimError where units differ: their bars would have no common axis.
    """
    units = {label: document["energy_unit"] for label, document in documents.items()}
    if len(set(units.values())) > 1:
        told = ", ".join(f"{shown(label)} in {energy_unit(unit)}" for label, unit in units.items())
        raise AccelsimError(f"results with energies in different units cannot be drawn side by side: {told}")
    what = {label: _what(document) for label, document in documents.items()}
    one = len(set(what.values())) == 1
    stacks: Stacks = {}
    for label, document in documents.items():
        require_macs(document)
        name = _short(label) + (" *" if document.get("failures") else "")
        name = _free(name if one else f"{name}: {what[label]}", stacks)
        total = document["total"]
        stacks[name] = _stacks([(row, 1) for row in total["energy_breakdown"]], total["macs"])
    levels = dict.fromkeys(level for document in documents.values() for level in document["levels"])
    caption = _caption(list(documents.values()))
    axes = draw(stacks, list(levels), 1.0, ax, [_short(label) for label in missing], caption)
    _label_totals(axes, stacks)
    first = next(iter(documents.values()))
    axes.set_ylabel(f"energy per MAC [{energy_unit(visible(first['energy_unit']))}]", **PLAIN)
    machines = {document["architecture"] for document in documents.values()}
    where = f" on {shown(first['architecture'])}" if len(machines) == 1 else ""
    title = what[next(iter(what))] if one else f"{len(set(what.values()))} workloads"
    axes.set_title(f"{title}{where}", loc="left", fontsize=10, **PLAIN)
    return axes


def of_files(sources: Sequence[str], kind: str) -> Axes:
    """A picture of one result.json, or of the energy of several side by side.

    Raises AccelsimError for a file that is none, and for several of any other picture.
    """
    from accelsim.report.document import read_document

    documents = [read_document(source) for source in sources]
    if len(documents) == 1:
        found: Axes = getattr(Plots(documents[0]), kind)()
        return found
    if kind != "energy":
        raise AccelsimError(f"plot draws the {kind} of one result, not of {len(documents)}")
    folders = [Path(source).parent.name for source in sources]
    labels = folders if len(set(folders)) == len(sources) else sources
    return compare(dict(zip(labels, documents, strict=True)))


def draw(
    stacks: Stacks,
    levels: Sequence[str],
    scale: float,
    ax: Axes | None = None,
    missing: Sequence[str] = (),
    caption: Sequence[str] = (),
) -> Axes:
    """Grouped, stacked bars; a level has one colour in every picture. levels : memories, outermost first.

    missing : groups that have no bars, named after the others and marked. caption : lines beside the bars.
    """
    groups = [*stacks, *missing]
    components = _components(stacks, levels)
    axes = ax or _new_axes(groups, len(components), len(caption))
    paint = colours(components, levels)
    bars = len(BARS)
    for index, name in enumerate(components):
        places, bottoms, heights = [], [], []
        for group, types in enumerate(stacks.values()):
            for place, kind in enumerate(BARS):
                parts = types.get(kind, {})
                places.append(group + (place - (bars - 1) / 2) * WIDTH)
                bottoms.append(sum(parts.get(below, 0.0) for below in components[:index]) / scale)
                heights.append(parts.get(name, 0.0) / scale)
        colour, hatch = paint[name]
        axes.bar(places, heights, 0.88 * WIDTH, bottoms, color=colour, hatch=hatch or None, edgecolor="white", lw=0.4)
    axes.set_ylim(0, 1.08 * _highest(stacks) / scale or 1)
    for place in range(len(stacks), len(groups)):
        axes.text(
            place, 0.02, MISSING, rotation=90, color=GREY, fontsize=9, ha="center", va="bottom",
            transform=axes.get_xaxis_transform(), **PLAIN,
        )  # fmt: skip
    _label_axes(axes, groups, len(stacks))
    _legend(axes, [(component(name), *paint[name]) for name in components])
    beside = "\n".join(caption)
    axes.text(1.02, 0.0, beside, transform=axes.transAxes, fontsize=7, color=GREY, va="bottom", **PLAIN)
    return axes


def colours(components: Sequence[str], levels: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Colour and hatch of each component by its role: outermost and innermost level, those between, networks."""
    found: dict[str, tuple[str, str]] = {}
    others = 0
    between = [name for name in levels[1:-1] if name in components]
    networks = [name for name in components if name not in levels and name.endswith("network")]
    for name in components:
        if name == MAC:
            found[name] = (MAC_COLOUR, "")
        elif name == levels[0]:
            found[name] = (OUTERMOST, "")
        elif name == levels[-1]:
            found[name] = (INNERMOST, "")
        elif name in between:
            turn, index = divmod(between.index(name), len(BETWEEN))
            found[name] = (BETWEEN[index], HATCHES[turn % len(HATCHES)])
        elif name in networks:
            found[name] = (NETWORK, HATCHES[networks.index(name) % len(HATCHES)])
        else:
            found[name] = (UNIT_COLOUR, HATCHES[others % len(HATCHES)])
            others += 1
    return found


def save(axes: Axes, path: str) -> None:
    """Write a picture; the ending says the format (png, svg or pdf). Whole or not at all."""
    prepare_matplotlib()
    from accelsim.report import canvas

    canvas.save(axes, path)


def new_axes(width: float, height: float = 4.2) -> Axes:
    """Axes of a figure of its own, in inches, that no window belongs to."""
    prepare_matplotlib()
    from accelsim.report import canvas

    return canvas.new_axes(width, height)


def _new_axes(groups: Sequence[str], components: int, caption: int) -> Axes:
    """As wide as the groups, as high as the legend with the caption below it, and the names under the bars."""
    names, turned = _names(groups)
    below = 0.085 * max(map(len, names)) if turned else 0.15 * max(name.count("\n") + 1 for name in names)
    beside = 0.18 * (components + 1) + 0.14 * caption
    width = max(6.4, 2.6 + (0.85 if len(groups) <= FEW else 0.62) * len(groups))
    return new_axes(width, max(3.0, beside) + 1.1 + below)


def _label_axes(axes: Axes, groups: Sequence[str], drawn: int) -> None:
    bars = len(BARS)
    places = [group + (bar - (bars - 1) / 2) * WIDTH for group in range(drawn) for bar in range(bars)]
    kinds = [component(kind) for kind in BARS]
    axes.set_xticks(places, kinds * drawn, rotation=90, fontsize=7)
    axes.tick_params(axis="x", length=0)
    names = axes.secondary_xaxis("bottom")
    labels, turned = _names(groups)
    names.set_xticks(
        range(len(groups)),
        labels,
        fontsize=9 if len(groups) <= FEW else 8,
        fontweight="bold",
        rotation=90 if turned else 0,
        **PLAIN,
    )
    names.tick_params(axis="x", length=0, pad=42)
    names.spines["bottom"].set_visible(False)
    axes.set_xlim(-0.6, len(groups) - 0.4)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd", lw=0.6)
    axes.set_axisbelow(True)


def _names(groups: Sequence[str]) -> tuple[list[str], bool]:
    """Names as they stand under the bars, and whether they are turned: over several lines, or upright if too long."""
    room = ROOM if len(groups) <= FEW else ROOM_OF_MANY
    wrapped = [_wrapped(group, room) for group in groups]
    turned = len(groups) > 4 and max(len(line) for text in wrapped for line in text.split("\n")) > room
    return (list(groups), True) if turned else (wrapped, False)


def _wrapped(name: str, room: int) -> str:
    """A name broken behind underscores, hyphens and blanks where it is too long for its place."""
    if len(name) <= room:
        return name
    lines: list[str] = []
    for piece in BREAK.findall(name):
        if lines and len((lines[-1] + piece).rstrip("_ ")) <= room:
            lines[-1] += piece
        else:
            lines.append(piece)
    return "\n".join(line.rstrip("_ ") or line for line in lines)


def _legend(axes: Axes, entries: Sequence[tuple[str, str, str]]) -> None:
    from matplotlib.patches import Patch

    handles = [Patch(facecolor=colour, hatch=hatch or None, edgecolor="white") for _, colour, hatch in entries]
    legend = axes.legend(
        handles, [name for name, _, _ in entries], frameon=False, fontsize=8, loc="upper left",
        bbox_to_anchor=(1.0, 1.0), reverse=True, title="level",
    )  # fmt: skip
    for text in legend.get_texts():
        text.set_parse_math(False)


def _label_totals(axes: Axes, stacks: Stacks) -> None:
    """The sum of each group's bars, above the highest of them."""
    for place, types in enumerate(stacks.values()):
        sums = [sum(parts.values()) for parts in types.values()]
        axes.annotate(
            f"total {number(sum(sums))}", (place, max(sums, default=0.0)), (0, 2), textcoords="offset points",
            ha="center", va="bottom", fontsize=8, color=GREY,
        )  # fmt: skip


def require_macs(document: Document) -> None:
    """Refuse a result of which no layer has MACs."""
    if not document["layers"]:
        raise AccelsimError(f"nothing to draw: none of these layers of '{shown(document['workload'])}' has MACs")


def _what(document: Document) -> str:
    """Workload, batch and how many layers of it: what results must share to be drawn under one title."""
    layers = len(document["layers"]) + len(document.get("failures", ()))
    return f"{shown(document['workload'])}, batch {document.get('batch', 1)}, {many(layers, 'layer')}"


def _short(name: str) -> str:
    return shown(name, SHORT)


def _free(name: str, taken: Mapping[str, object]) -> str:
    """The name, or with a number behind it: shortened names may be equal."""
    free, count = name, 2
    while free in taken:
        free, count = f"{name} ({count})", count + 1
    return free


def _stacks(rows: Sequence[tuple[Document, int]], divisor: float = 1.0) -> dict[str, dict[str, float]]:
    """Energy by data type and component of (row of a breakdown, times)."""
    sums: dict[str, dict[str, float]] = {}
    for row, times in rows:
        name = MAC if row["tensor"] == NO_TENSOR else row["tensor"]
        parts = sums.setdefault(name, {})
        parts[row["component"]] = parts.get(row["component"], 0.0) + times * row["energy"] / divisor
    return sums


def _components(stacks: Stacks, levels: Sequence[str]) -> list[str]:
    """All components that cost anything, bottom up: memories outermost first, then networks, MAC last."""
    drawn = [parts for types in stacks.values() for parts in types.values()]
    found = dict.fromkeys(name for parts in drawn for name, spent in parts.items() if spent)
    networks = [name for name in found if name not in levels and name != MAC]
    return [name for name in (*levels, *networks, MAC) if name in found]


def _highest(stacks: Stacks) -> float:
    return max((sum(parts.values()) for types in stacks.values() for parts in types.values()), default=0.0)


def _mapped(document: Document) -> str:
    """Whose mappings ran."""
    given = [layer.get("mapping_source") != SEARCH for layer in document["layers"]]
    dataflow = shown(str(document["dataflow"])).replace("_", "-")
    if all(given) or not dataflow:
        return "given mapping"
    return f"mapping given in part, else {dataflow}" if any(given) else dataflow


def _caption(documents: Sequence[Document]) -> list[str]:
    """What the numbers come from: energy table, its unit, its accounting, zeros; of several results all that differ."""

    def each(key: str, default: str = "") -> list[str]:
        return list(dict.fromkeys(visible(str(document.get(key, default))) for document in documents))

    lines = ["energy table", *(shown(name, CAPTION) for name in each("energy_table"))]
    unit = documents[0]["energy_unit"]
    lines += ["relative to one MAC"] if energy_unit(unit) != unit else []
    lines += [f"accounting {way}" for way in each("energy_accounting", "counts") if way != "counts"]
    for operands in each("operands", DENSE):
        lines += [] if operands == DENSE else textwrap.wrap(f"zeros: {shown(operands, 90)}", CAPTION)
    lines += ["closed form"] if "analytical" in each("evaluator") else []
    if any(layer.get("repeat", 1) > 1 for document in documents for layer in document["layers"]):
        lines += ["bars count every run", "of a layer (x2, x3...)"]
    if len(documents) > 1 and any(document.get("failures") for document in documents):
        lines += ["* some layers did not run"]
    return lines
