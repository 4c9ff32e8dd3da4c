"""Pictures of a result. Every function takes and returns matplotlib Axes; what is drawn is worked out apart from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accelsim.energy.rows import MAC, NO_TENSOR
from accelsim.energy.table import energy_unit
from accelsim.errors import AccelsimError, nearest
from accelsim.outcome import SEARCH, Outcome
from accelsim.report.document import multiplied
from accelsim.report.framing import PLAIN, Size, new_axes, save, size_of
from accelsim.report.groups import MOST, blocks
from accelsim.report.palette import COLOURS, GREY, HATCHES, MAC_COLOUR, colours
from accelsim.report.plot_bars import CAPTION, MISSING, SHORT, Bars, Row, draw, free
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

__all__ = [
    "COLOURS", "GREY", "HATCHES", "MAC_COLOUR", "MISSING", "PLAIN", "SHORT", "Plots", "colours", "compare",
    "compare_bars", "compare_results", "draw", "energy", "energy_bars", "new_axes", "of_files", "picked", "save",
]  # fmt: skip

Document = Mapping[str, Any]
Stacks = dict[str, dict[str, dict[str, float]]]
"""group -> data type -> component -> energy."""

DENSE = "dense"
BARS = (*(tensor.value for tensor in TENSORS), MAC)
LAYER, NETWORK = "layer", "network"
OF_DOCUMENTS = ("energy", "power", "area")
"""Pictures for which a document does that does not say all it ran."""
SEVERAL = ("energy", "cycles")
"""Those that show several results side by side."""
BY = (LAYER, NETWORK)
"""What a group of bars of energy stands for."""


class Plots:
    """The pictures of one result: ``plots.energy()``.

    Each takes Axes to draw into, or the width of a figure of its own: 'column' (3.5 in), 'page' (7.16 in) or 'slide'
    (10 in). Without both, a picture is as wide as what it shows, or as a page.
    """

    def __init__(self, result: Outcome) -> None:
        self._result = result

    def __repr__(self) -> str:
        kinds = ", ".join(name for name in vars(Plots) if not name.startswith("_"))
        return f"Plots({self._result.workload} on {self._result.architecture.name}: {kinds})"

    @cached_property
    def _document(self) -> Document:
        from accelsim.document import document_of

        return document_of(self._result)

    def energy(self, ax: Axes | None = None, width: str | None = None, by: str = LAYER) -> Axes:
        """Energy per layer and data type, stacked by level; `by` 'network': of all layers together."""
        return energy(self._document, ax, width, by)

    def cycles(self, ax: Axes | None = None, width: str | None = None) -> Axes:
        """Core cycles of each layer: those with MACs, and those without by cause."""
        from accelsim.report import plot_cycles

        return plot_cycles.cycles(self._result, ax, width)

    def traffic(self, ax: Axes | None = None, width: str | None = None) -> Axes:
        """Words that each level moves of each tensor."""
        from accelsim.report import plot_traffic

        return plot_traffic.traffic(self._result, ax, width)

    def roofline(self, ax: Axes | None = None, width: str | None = None) -> Axes:
        """MACs per cycle against MACs per byte, a roof with its ridge point for each level."""
        from accelsim.report import plot_roofline

        return plot_roofline.draw(self._result, ax, width)

    def array(self, ax: Axes | None = None, width: str | None = None) -> Axes:
        """Which places of each array work, and how long."""
        from accelsim.report import plot_array

        return plot_array.draw(self._result, ax, width)

    def mapping(self, ax: Axes | None = None, width: str | None = None, layer: str | None = None) -> Axes:
        """The loop nest of a layer over the levels; None: of the layer that takes most cycles."""
        from accelsim.report import plot_mapping

        return plot_mapping.draw(self._result, ax, width, layer)

    def power(self, ax: Axes | None = None, width: str | None = None) -> Axes:
        """Power per layer, stacked by level; of energies in pJ."""
        from accelsim.report.plot_physical import power

        return power(self._document, ax, width)

    def area(self, ax: Axes | None = None, width: str | None = None) -> Axes:
        """Floor of each component; of a table that knows areas."""
        from accelsim.report.plot_physical import area

        return area(self._document, ax, width)

    def between(self, ax: Axes | None = None, width: str | None = None) -> Axes:
        """What lives in the buffer while each layer runs; of a run with a plan."""
        from accelsim.report.plot_between import living

        return living(self._result, ax, width)

    def plan(self, ax: Axes | None = None, width: str | None = None) -> Axes:
        """The plan of a run over the graph of its network: layers in their groups, tensors by where they live."""
        from accelsim.report.plot_between import plan

        return plan(self._result, ax, width)

    def data(self, kind: str, **given: Any) -> list[Row]:
        """What the picture of that name shows, as tidy rows for any tool: ``pandas.DataFrame(plots.data("cycles"))``.

        given : `by` of 'energy', `layer` of 'mapping'. Nothing is merged or shortened. AccelsimError for another kind.
        """
        from accelsim.report.plot_data import rows

        return rows(self._result, self._document, kind, **given)


def energy(document: Document, ax: Axes | None = None, width: str | None = None, by: str = LAYER) -> Axes:
    """Energy per layer and data type, stacked by level, of one result document; of a deep network per block.

    Bars count every run of a layer, so that they add up to the total in the title. by : 'layer', or 'network' for one
    group of all of them.
    """
    size = None if width is None else size_of(width)
    return draw(energy_bars(document, by, _most(size)), ax, size)


def _most(size: Size | None) -> int:
    return MOST if size is None else size.groups


def energy_bars(document: Document, by: str = LAYER, most: int = MOST) -> Bars:
    """Data of `energy`: at most so many groups of layers that did run and that did not."""
    if by not in BY:
        raise AccelsimError(f"energy is drawn by layer or network, not by '{by}'{nearest(by, BY)}")
    require_macs(document)
    layers = multiplied(document)
    absent = [entry["layer"] for entry in document.get("failures", ())]
    if by == LAYER:
        groups = blocks([_short(layer["name"]) for layer in layers], max(1, most - bool(absent)))
    else:
        groups = [(_short(document["workload"]), list(range(len(layers))))]
    stacks: Stacks = {}
    for label, members in groups:
        times = layers[members[0]].get("repeat", 1) if len(members) == 1 and by == LAYER else 1
        rows = [(row, layers[at].get("repeat", 1)) for at in members for row in layers[at]["energy_breakdown"]]
        stacks[free(f"{label} x{times}" if times > 1 else label, stacks)] = _stacks(rows)
    missing = [_short(name) for name in absent] if by == LAYER else []
    if len(stacks) + len(missing) > most:
        missing = [many(len(absent), "layer")] if absent else []
    highest = max((sum(parts.values()) for types in stacks.values() for parts in types.values()), default=0.0)
    scale, unit = energy_scale(document["energy_unit"], highest)
    what = by if by == NETWORK or len(groups) == len(layers) else "block"
    batch = f", batch {document['batch']}" if document.get("batch", 1) > 1 else ""
    total = document["total"]
    per_mac = f"{number(total['energy'] / total['macs'])} per MAC"
    title = f"{shown(document['workload'])}{batch} on {shown(document['architecture'])}, {_mapped(document)}"
    part = f" without {many(len(absent), 'layer')}" if absent else ""
    answer = f"total{part}: {visible(energy_text(total['energy'], document['energy_unit']))}, {per_mac}"
    return Bars(
        (title, answer),
        f"energy per {what}",
        visible(unit),
        _scaled(stacks, scale),
        tuple((kind, component(kind)) for kind in BARS),
        _parts(stacks, document["levels"]),
        missing=tuple(missing),
        caption=tuple(_caption([document])),
    )


def compare(
    documents: Mapping[str, Document], ax: Axes | None = None, missing: Sequence[str] = (), width: str | None = None
) -> Axes:
    """Energy per MAC by data type, stacked by level, of several results side by side.

    missing : labels of what could not be run at all. Where workloads or batches differ, every label says its own.
    Raises AccelsimError where units differ: their bars would have no common axis.
    """
    return draw(compare_bars(documents, missing), ax, None if width is None else size_of(width))


def compare_bars(documents: Mapping[str, Document], missing: Sequence[str] = ()) -> Bars:
    """Data of `compare`."""
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
        named = one or _names_all(label, document, documents.values())
        name = free(name if named else f"{name}: {what[label]}", stacks)
        total = document["total"]
        stacks[name] = _stacks([(row, 1) for row in total["energy_breakdown"]], total["macs"])
    levels = dict.fromkeys(level for document in documents.values() for level in document["levels"])
    sums = [sum(sum(parts.values()) for parts in types.values()) for types in stacks.values()]
    first = next(iter(documents.values()))
    machines = {document["architecture"] for document in documents.values()}
    where = f" on {shown(first['architecture'])}" if len(machines) == 1 else ""
    title = what[next(iter(what))] if one else f"{len(set(what.values()))} workloads"
    return Bars(
        (f"{title}{where}",),
        "energy per MAC",
        energy_unit(visible(first["energy_unit"])),
        stacks,
        tuple((kind, component(kind)) for kind in BARS),
        _parts(stacks, list(levels)),
        missing=tuple(_short(label) for label in missing),
        caption=tuple(_caption(list(documents.values()))),
        totals=tuple(f"total {number(whole)}" for whole in sums),
    )


def of_files(
    sources: Sequence[str], kind: str, width: str | None = None, layers: str | None = None, **more: Any
) -> Axes:
    """A picture of one result.json, or of the energy or the cycles of several side by side.

    layers : globs of those that are drawn; None: all. more : `by` of energy, `layer` of a mapping.
    Raises AccelsimError for a file that is none, for layers that it has not, for several of any other picture.
    """
    folders = [Path(source).parent.name for source in sources]
    labels = folders if len(set(folders)) == len(sources) else sources
    if len(sources) > 1 and kind not in SEVERAL:
        raise AccelsimError(f"plot draws the {kind} of one result, not of {len(sources)}")
    if kind not in OF_DOCUMENTS or layers is not None:
        results = [_loaded(source, layers) for source in sources]
        if len(results) == 1:
            found: Axes = getattr(Plots(results[0]), kind)(width=width, **more)
            return found
        return compare_results(dict(zip(labels, results, strict=True)), kind, width=width)
    from accelsim.report.document import read_document

    documents = [read_document(source) for source in sources]
    if len(documents) > 1:
        return compare(dict(zip(labels, documents, strict=True)), width=width)
    if kind == "energy":
        return energy(documents[0], width=width, **more)
    from accelsim.report import plot_physical

    drawn: Axes = getattr(plot_physical, kind)(documents[0], width=width)
    return drawn


def compare_results(
    results: Mapping[str, Outcome],
    kind: str = "energy",
    ax: Axes | None = None,
    missing: Sequence[str] = (),
    width: str | None = None,
) -> Axes:
    """The energy per MAC, or the cycles, of several results side by side. AccelsimError for another kind."""
    if kind not in SEVERAL:
        raise AccelsimError(f"no picture of '{kind}' has several results{nearest(kind, SEVERAL)}")
    if kind == "cycles":
        from accelsim.report import plot_cycles

        return plot_cycles.compare(results, ax, missing, width)
    from accelsim.document import document_of

    return compare({label: document_of(result) for label, result in results.items()}, ax, missing, width)


def _loaded(source: str, layers: str | None) -> Outcome:
    """A result of a file, of it the layers that fit globs."""
    from accelsim.loading import load

    return load(source, Outcome) if layers is None else picked(load(source, Outcome), layers)


def picked(result: Outcome, layers: str) -> Outcome:
    """A result with those of its layers alone that fit a glob, such as 'CONV*,FC6'. AccelsimError if none does."""
    globs = [glob.strip() for glob in layers.split(",")]
    names = [layer.name for layer in result.layers]
    names += [name for group in result.groups for name in (group.name, *group.group.layers)]
    for glob in globs:
        if not any(fnmatchcase(name, glob) for name in names):
            raise AccelsimError(f"no layer of this result fits '{shown(glob)}'{nearest(glob, names)}")

    def fits(*called: str) -> bool:
        return any(fnmatchcase(name, glob) for name in called for glob in globs)

    kept = tuple(layer for layer in result.layers if fits(layer.name))
    groups = tuple(group for group in result.groups if fits(group.name, *group.group.layers))
    return replace(result, layers=kept, groups=groups, vector_layers=(), failures=())


def require_macs(document: Document) -> None:
    """Refuse a result of which no layer has MACs."""
    if not multiplied(document):
        raise AccelsimError(f"nothing to draw: none of these layers of '{shown(document['workload'])}' has MACs")


def _what(document: Document) -> str:
    """Workload, batch and how many layers of it: what results must share to be drawn under one title."""
    layers = len(multiplied(document)) + len(document.get("failures", ()))
    return f"{shown(document['workload'])}, batch {document.get('batch', 1)}, {many(layers, 'layer')}"


def _names_all(label: str, document: Document, documents: Iterable[Document]) -> bool:
    """Whether a label has the workload in it, and that is all that differs."""
    batches = {other.get("batch", 1) for other in documents}
    return document["workload"] in label and len(batches) == 1


def _short(name: str) -> str:
    return shown(name, SHORT)


def _stacks(rows: Sequence[tuple[Document, int]], divisor: float = 1.0) -> dict[str, dict[str, float]]:
    """Energy by data type and component of (row of a breakdown, times)."""
    sums: dict[str, dict[str, float]] = {}
    for row, times in rows:
        name = MAC if row["tensor"] == NO_TENSOR else row["tensor"]
        parts = sums.setdefault(name, {})
        parts[row["component"]] = parts.get(row["component"], 0.0) + times * row["energy"] / divisor
    return sums


def _scaled(stacks: Stacks, scale: float) -> Stacks:
    return {
        group: {kind: {name: spent / scale for name, spent in parts.items()} for kind, parts in types.items()}
        for group, types in stacks.items()
    }


def _parts(stacks: Stacks, levels: Sequence[str]) -> tuple[tuple[str, str, tuple[str, str]], ...]:
    """All components that cost anything, bottom up: memories outermost first, then networks, MAC last."""
    drawn = [parts for types in stacks.values() for parts in types.values()]
    found = dict.fromkeys(name for parts in drawn for name, spent in parts.items() if spent)
    networks = [name for name in found if name not in levels and name != MAC]
    names = [name for name in (*levels, *networks, MAC) if name in found]
    paint = colours(names, levels)
    return tuple((name, component(name), paint[name]) for name in names)


def _mapped(document: Document) -> str:
    """Whose mappings ran."""
    given = [layer.get("mapping_source") != SEARCH for layer in document["layers"]]
    dataflow = shown(str(document["dataflow"])).replace("_", "-")
    if (given and all(given)) or not dataflow:
        return "given mapping"
    return f"mapping given in part, else {dataflow}" if any(given) else dataflow


def _caption(documents: Sequence[Document]) -> list[str]:
    """What the numbers come from: energy table, its unit, its accounting, zeros; of several results all that differ."""

    def each(key: str, default: str = "") -> list[str]:
        return list(dict.fromkeys(visible(str(document.get(key, default))) for document in documents))

    lines = [f"energy table {', '.join(shown(name, CAPTION) for name in each('energy_table'))}"]
    unit = documents[0]["energy_unit"]
    lines += ["relative to one MAC"] if energy_unit(unit) != unit else []
    lines += [f"accounting {way}" for way in each("energy_accounting", "counts") if way != "counts"]
    lines += [f"zeros: {shown(operands, 90)}" for operands in each("operands", DENSE) if operands != DENSE]
    lines += ["closed form"] if "analytical" in each("evaluator") else []
    if any(layer.get("repeat", 1) > 1 for document in documents for layer in document["layers"]):
        lines += ["bars count every run of a layer (x2, x3...)"]
    if len(documents) > 1 and any(document.get("failures") for document in documents):
        lines += ["* some layers did not run"]
    return lines
