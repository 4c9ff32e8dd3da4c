"""What two results differ in: first what was run, then what that did, as data. All sums are exact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from accelsim.document import document_of
from accelsim.energy.table import energy_unit
from accelsim.outcome import SEARCH, Outcome
from accelsim.report.text import visible

Number = int | Fraction
Key = tuple[str, ...]
ABSENT = "-"
"""What stands where one of the two says nothing."""
ASKED = ("layers", "objective", "mapping", "parameters", "bits", "data", "dims", "seed", "proof", "plan", "versions")
DOCUMENTS = ("machine", "network", "energy_table")


@dataclass(frozen=True)
class Given:
    """Something that was given to both, and differs. place : ``machine.levels.GLB.capacity``."""

    place: str
    before: str
    after: str


@dataclass(frozen=True)
class Change:
    """One number in both results; 0 where one of them has no such thing."""

    key: Key
    before: Number
    after: Number

    @property
    def by(self) -> Fraction:
        """How much more there is in the second."""
        return Fraction(self.after) - Fraction(self.before)

    @property
    def share(self) -> float | None:
        """The same over what there was; None where there was nothing."""
        return float(self.by / Fraction(self.before)) if self.before else None


@dataclass(frozen=True)
class Changes:
    """Numbers of one kind. rows : those that differ, largest change first. total : of all, equal ones too.

    heads : what the parts of a key are. equal : how many do not differ.
    """

    title: str
    unit: str
    heads: Key
    rows: tuple[Change, ...]
    total: Change | None
    equal: int = 0


@dataclass(frozen=True)
class Difference:
    """Two results, `names` what they are called. nests : layers of both whose mapping the search found another for.

    failed : (layer, which of the two it did not run in). note : what cannot be compared.
    """

    names: tuple[str, str]
    inputs: tuple[Given, ...]
    nests: tuple[Given, ...]
    changes: tuple[Changes, ...]
    failed: tuple[tuple[str, str], ...]
    note: str = ""


def difference(name: str, before: Outcome, other: str, after: Outcome) -> Difference:
    """What differs from one result to another, by their names."""
    pair = before, after
    same = before.energy_unit == after.energy_unit
    note = "" if same else (
        f"energies are left out: {name} has them in {energy_unit(before.energy_unit)}, "
        f"{other} in {energy_unit(after.energy_unit)}"
    )  # fmt: skip
    found = [
        _totals(*pair),
        _changes("Cycles by layer", "cycles", ("layer",), (_layer_cycles(before), _layer_cycles(after))),
        _changes("Cycles by cause", "cycles", ("cause",), (_cause_cycles(before), _cause_cycles(after))),
    ]
    if same:
        unit = energy_unit(before.energy_unit)
        found.append(_changes("Energy by layer", unit, ("layer",), (_layer_energy(before), _layer_energy(after))))
        found.append(
            _changes("Energy by level", unit, ("component", "tensor", "action"), (_energy(before), _energy(after)))
        )
    heads = ("level", "tensor", "action")
    found.append(_changes("Words by level", "words", heads, (_words(before), _words(after)), total=False))
    missing = [
        (layer, label) for label, result in zip((name, other), pair, strict=True) for layer, _ in result.failures
    ]
    one, two = map(_found_nests, pair)
    both = [layer for layer in one if layer in two]
    nests = tuple(_given({"mapping": {layer: nests[layer] for layer in both}} for nests in (one, two)))
    return Difference((name, other), tuple(_given(map(_inputs, pair))), nests, tuple(found), tuple(missing), note)


# ---- what was given --------------------------------------------------------------------------------------------------


def _inputs(result: Outcome) -> dict[str, Any]:
    """All that a run follows from, as plain data; mappings that a search found follow from the rest."""
    ran = document_of(result).get("ran", {})
    given = {layer.name: str(layer.nest) for layer in result.layers if layer.mapping_source != SEARCH}
    asked = {
        "dataflow": result.dataflow,
        "evaluator": result.evaluator,
        "batch": result.batch,
        "energy accounting": result.energy_table.accounting or "counts",
        **{name: ran[name] for name in ASKED if name in ran},
    }
    hashes = ran.get("sha256", {}).get("operands", {})
    flow = {"sha256": one} if (one := ran.get("sha256", {}).get("files", {}).get("dataflow")) else {}
    documents = {name: ran.get(name) for name in DOCUMENTS}
    return {**asked, "operands": hashes, "dataflow file": flow, **documents, "mapping of": given}


def _found_nests(result: Outcome) -> dict[str, str]:
    return {layer.name: str(layer.nest) for layer in result.layers if layer.mapping_source == SEARCH}


def _given(pair: Iterable[Mapping[str, Any]]) -> Iterator[Given]:
    """What is not the same in two trees of plain data, in their order; what one of them lacks last of its kind."""
    one, other = (dict(_flat(tree)) for tree in pair)
    kinds: dict[str, list[str]] = {}
    for place in dict.fromkeys((*one, *other)):
        kinds.setdefault(place.partition(".")[0], []).append(place)
    for place in (place for kind in kinds.values() for place in kind):
        before, after = one.get(place, ABSENT), other.get(place, ABSENT)
        if before != after:
            yield Given(visible(place), visible(before), visible(after))


def _flat(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """(place, text) of every leaf; entries of a list that have a name are found by it."""
    if isinstance(value, Mapping):
        for key, below in value.items():
            yield from _flat(below, f"{place}.{key}".removeprefix("."))
    elif isinstance(value, list) and any(isinstance(entry, Mapping) for entry in value):
        for index, entry in enumerate(value):
            name = entry.get("name", index) if isinstance(entry, Mapping) else index
            yield from _flat(entry, f"{place}.{name}")
    else:
        yield place, ABSENT if value is None else str(value)


# ---- what that did ---------------------------------------------------------------------------------------------------


def _totals(before: Outcome, after: Outcome) -> Changes:
    """A number of each kind, so nothing adds up."""
    one, other = before.total, after.total
    pairs: list[tuple[str, Number, Number]] = [
        ("MACs", one.macs, other.macs),
        ("cycles", one.cycles, other.cycles),
        ("processing cycles", one.processing_cycles, other.processing_cycles),
        ("time [ms]", _ms(before), _ms(after)),
        ("cycles with MACs", one.compute_cycles, other.compute_cycles),
        ("utilization [%]", Fraction(100 * one.utilization), Fraction(100 * other.utilization)),
        ("words of vector layers", _vector_words(before), _vector_words(after)),
        ("cycles of vector layers", before.vector.cycles, after.vector.cycles),
    ]
    if before.energy_unit == after.energy_unit:
        unit = energy_unit(before.energy_unit)
        pairs.append((f"energy [{unit}]", one.energy_exact, other.energy_exact))
        pairs.append((f"energy of vector layers [{unit}]", before.vector.energy_exact, after.vector.energy_exact))
    rows = tuple(Change((name,), a, b) for name, a, b in pairs if a != b)
    return Changes("Totals", "each in its unit", ("what",), rows, None, len(pairs) - len(rows))


def _ms(result: Outcome) -> Fraction:
    return Fraction(1000 * result.total.cycles) / Fraction(result.architecture.clock_hz)


def _vector_words(result: Outcome) -> int:
    return result.vector.reads + result.vector.writes


def _changes(
    title: str, unit: str, heads: Key, pair: tuple[Mapping[Key, Number], Mapping[Key, Number]], total: bool = True
) -> Changes:
    one, other = pair
    keys = dict.fromkeys((*one, *other))
    found = [Change(key, one.get(key, 0), other.get(key, 0)) for key in keys]
    rows = sorted((row for row in found if row.by), key=lambda row: (-abs(row.by), row.key))
    sums = Change(("total",), sum(one.values(), Fraction(0)), sum(other.values(), Fraction(0))) if total else None
    return Changes(title, unit, heads, tuple(rows), sums, len(found) - len(rows))


def _layer_cycles(result: Outcome) -> Counter[Key]:
    """Every run of each; on a machine whose layers overlap, what they share is a row of its own."""
    found: Counter[Key] = Counter()
    for layer in result.multiplied:
        found[(layer.name,)] += layer.cycles * layer.repeat
    if result.architecture.overlap:
        found[("overlap of layers",)] -= result.overlapped
    return found


def _cause_cycles(result: Outcome) -> Counter[Key]:
    sums = result.total
    return Counter({("compute",): sums.compute_cycles, **{(name,): spent for name, spent in sums.stall_cycles.items()}})


def _layer_energy(result: Outcome) -> dict[Key, Number]:
    return {(layer.name,): layer.energy_exact * layer.repeat for layer in result.multiplied}


def _energy(result: Outcome) -> dict[Key, Number]:
    return {(row.component, row.tensor, row.action): row.energy for row in result.energy_rows()}


def _words(result: Outcome) -> Counter[Key]:
    found: Counter[Key] = Counter()
    for layer in result.multiplied:
        for level, tensor, action, words in layer.counts.rows():
            found[level, tensor, action] += words * layer.repeat
    return found
