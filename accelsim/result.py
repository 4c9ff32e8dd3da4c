"""What a simulation gives back: per layer and in total, as values, tidy rows, a document and pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any

import accelsim
from accelsim.architecture.model import Architecture
from accelsim.energy.rows import MAC, EnergyRow, grouped, total
from accelsim.energy.table import EnergyTable
from accelsim.engine.counts import DIRECTIONS, NARROWED, TRAFFIC, Counts, Timing, dram_dict
from accelsim.mapping.mapping import LoopNest
from accelsim.vector import VectorLayer, VectorTotals, spent
from accelsim.workload.problem import TENSORS, Problem, Tensor, Width

if TYPE_CHECKING:
    from pandas import DataFrame

    from accelsim.report.plot import Plots
    from accelsim.search import Found

GIVEN, SEARCH = "given", "search"
Row = dict[str, Any]


@dataclass(frozen=True)
class LayerResult:
    """One layer, run once; totals multiply by `repeat`.

    problem : what was mapped and run; lowered, where the architecture does that.
    mapping_source : 'given' by the user, or found by 'search'. search : of what it is the best, if it was searched.
    bits : of the words of each tensor, and of the ofmap.
    """

    name: str
    problem: Problem
    nest: LoopNest
    mapping_source: str
    counts: Counts
    timing: Timing
    energy_rows: tuple[EnergyRow, ...]
    repeat: int = 1
    bits: Mapping[Width, int] = field(default_factory=dict)
    search: Found | None = None

    @property
    def energy(self) -> Fraction:
        """The exact sum of `energy_rows`."""
        return total(self.energy_rows)

    def megabytes(self, level: str) -> float:
        """All words filled, read, updated and drained at a level, in 10^6 bytes."""
        rows = (row for row in self.counts.rows() if row[0] == level)
        return sum(self.counts.bits(level, Tensor(tensor), action, self.bits) for _, tensor, action, _ in rows) / 8e6


@dataclass(frozen=True)
class Totals:
    """Sums over the layers that have MACs, repeats included.

    active_pes : the mean over layers, weighted by the cycles their MAC array works.
    """

    macs: int
    cycles: int
    processing_cycles: int
    compute_cycles: int
    stalls: dict[str, int]
    active_pes: float
    energy: Fraction


@dataclass(frozen=True)
class Result:
    """A network on a machine.

    layers : the layers that have MACs, in network order. vector_layers : what the others do, and the gates of an LSTM.
    operands : where zeros come from, in words; empty for a dense run.
    failures : (layer, reason) of layers this dataflow cannot run; `compare` alone lets them pass.
    """

    architecture: Architecture
    workload: str
    dataflow: str
    evaluator: str
    energy_table: EnergyTable
    layers: tuple[LayerResult, ...]
    batch: int = 1
    vector_layers: tuple[VectorLayer, ...] = ()
    failures: tuple[tuple[str, str], ...] = ()
    operands: str = ""

    @cached_property
    def total(self) -> Totals:
        """Sums over the layers that have MACs; cycles add up, for layers do not overlap."""
        runs = [(layer, layer.repeat) for layer in self.layers]
        stalls: Counter[str] = Counter()
        for layer, repeat in runs:
            for cause, cycles in layer.timing.stalls.items():
                stalls[cause] += cycles * repeat
        compute = sum(layer.counts.compute_cycles * repeat for layer, repeat in runs)
        busy = sum(layer.counts.active_pes * layer.counts.compute_cycles * repeat for layer, repeat in runs)
        return Totals(
            macs=sum(layer.counts.macs * repeat for layer, repeat in runs),
            cycles=sum(layer.timing.cycles * repeat for layer, repeat in runs),
            processing_cycles=sum(layer.timing.processing * repeat for layer, repeat in runs),
            compute_cycles=compute,
            stalls=dict(sorted(stalls.items())),
            active_pes=busy / compute if compute else 0.0,
            energy=sum((layer.energy * repeat for layer, repeat in runs), Fraction(0)),
        )

    @cached_property
    def vector(self) -> VectorTotals:
        """Sums over `vector_layers`."""
        return VectorTotals.of(self.vector_layers)

    def utilization(self, macs: int, cycles: int) -> float:
        """MACs / (PEs x MACs per PE and cycle x cycles)."""
        slots = self.architecture.pes * self.architecture.macs_per_cycle * cycles
        return macs / slots if slots else 0.0

    def milliseconds(self, cycles: int) -> float:
        """Core cycles as time."""
        return 1e3 * cycles / self.architecture.clock_hz

    def layer(self, name: str) -> LayerResult:
        """One layer by name."""
        found = {layer.name: layer for layer in self.layers}
        return found[name]

    def energy_rows(self) -> tuple[EnergyRow, ...]:
        """The account of the whole network: rows of equal component, tensor and action added, repeats included."""
        sums: dict[tuple[str, str, str], tuple[int, Fraction]] = {}
        for layer in self.layers:
            for row in layer.energy_rows:
                key = (row.component, row.tensor, row.action)
                count, energy = sums.get(key, (0, Fraction(0)))
                sums[key] = (count + layer.repeat * row.count, energy + layer.repeat * row.energy)
        return tuple(EnergyRow(*key, *value) for key, value in sums.items())

    @cached_property
    def table(self) -> list[Row]:
        """Tidy rows: layer, level, tensor, action, words, energy; one run of each layer, every energy once.

        `level` also names the 'network', the 'MAC' and the 'vector' unit, whose words are hops, MACs and operations.
        Layers without MACs come last.
        """
        layers: tuple[LayerResult | VectorLayer, ...] = (*self.layers, *self.vector_layers)
        return [row for layer in layers for row in _layer_rows(layer)]

    def to_pandas(self) -> DataFrame:
        """`table` as a DataFrame, units in the column names."""
        import pandas

        columns = {"energy": f"energy [{self.energy_table.unit}]", "words": "words [words]"}
        return pandas.DataFrame(self.table).rename(columns=columns)

    def to_dict(self) -> Row:
        """The document that ``accelsim run --json`` prints: plain lists, dicts, strings and numbers."""
        return {
            "architecture": self.architecture.name,
            "workload": self.workload,
            "dataflow": self.dataflow,
            "evaluator": self.evaluator,
            "version": accelsim.__version__,
            "energy_unit": self.energy_table.unit,
            "energy_table": self.energy_table.name,
            "energy_accounting": self.energy_table.accounting or "counts",
            "batch": self.batch,
            "operands": self.operands or "dense",
            "lowering": self.architecture.lowering.value,
            "clock_hz": float(self.architecture.clock_hz),
            "pes": self.architecture.pes,
            "levels": [level.name for level in self.architecture.levels],
            "layers": [self._layer_dict(layer) for layer in self.layers],
            "vector_layers": [layer.to_dict() for layer in self.vector_layers],
            "failures": [{"layer": layer, "reason": reason} for layer, reason in self.failures],
            "total": self._total_dict(),
        }

    def _layer_dict(self, layer: LayerResult) -> Row:
        counts, timing = layer.counts, layer.timing
        return {
            "name": layer.name,
            "repeat": layer.repeat,
            "bits": {width.value: layer.bits[width] for width in Width},
            "macs": counts.macs,
            **self._times(timing.cycles, timing.processing, counts.macs),
            "exact": timing.exact,
            "compute_cycles": counts.compute_cycles,
            "stall_cycles": dict(sorted(timing.stalls.items())),
            "processing_stall_cycles": dict(sorted(timing.processing_stalls.items())),
            "active_pes": counts.active_pes,
            **(_zeros(counts) if self.operands else {}),
            **({"dram": counts.dram.to_dict()} if counts.dram else {}),
            "counts": [_count(*row) for row in counts.rows()],
            **({} if counts.narrow is None else {"ofmap_counts": list(_narrowed(counts))}),
            "network": list(_network(counts)),
            "energy": float(layer.energy),
            "energy_breakdown": [row.to_dict() for row in layer.energy_rows],
            "mapping": layer.nest.to_dict(),
            "mapping_source": layer.mapping_source,
            **({"search": layer.search.to_dict()} if layer.search else {}),
        }

    def _total_dict(self) -> Row:
        totals = self.total
        words: Counter[tuple[str, str, str]] = Counter()
        for layer in self.layers:
            for level, tensor, action, number in layer.counts.rows():
                words[level, tensor, action] += number * layer.repeat
        runs = [(layer.counts, layer.repeat) for layer in self.layers]
        banks = [(counts.dram, repeat) for counts, repeat in runs if counts.dram]
        zeros = {
            "effectual_macs": sum(counts.effectual * repeat for counts, repeat in runs),
            "visited_macs": sum(counts.visited * repeat for counts, repeat in runs),
            "imbalance": mean_imbalance(runs),
        }
        return {
            "macs": totals.macs,
            **self._times(totals.cycles, totals.processing_cycles, totals.macs),
            "compute_cycles": totals.compute_cycles,
            "stall_cycles": totals.stalls,
            "active_pes": totals.active_pes,
            **(zeros if self.operands else {}),
            **({"dram": dram_dict(banks)} if banks else {}),
            "counts": [_count(*key, number) for key, number in words.items()],
            "energy": float(totals.energy),
            "energy_breakdown": [row.to_dict() for row in self.energy_rows()],
            "vector": {
                **self.vector.to_dict(self.architecture.clock_hz),
                "vector_ops_priced": self.energy_table.vector_op is not None,
            },
            "with_vector": spent(
                totals.cycles + self.vector.cycles,
                totals.processing_cycles + self.vector.processing_cycles,
                totals.energy + self.vector.energy,
                self.architecture.clock_hz,
            ),
        }

    def _times(self, cycles: int, processing: int, macs: int) -> Row:
        return {
            "cycles": cycles,
            "processing_cycles": processing,
            "ms": self.milliseconds(cycles),
            "processing_ms": self.milliseconds(processing),
            "utilization": self.utilization(macs, cycles),
        }

    @property
    def plot(self) -> Plots:
        """Pictures: ``result.plot.energy()`` gives matplotlib Axes."""
        from accelsim.report.plot import Plots

        return Plots(self.to_dict())

    def _repr_html_(self) -> str:
        from accelsim.report.table import html

        return html(self)


@dataclass(frozen=True)
class Comparison:
    """Several results of one workload, side by side, by label (the dataflow's or the machine's name).

    missing : label -> why nothing of the workload could be run.
    """

    results: dict[str, Result]
    missing: dict[str, str]

    def __getitem__(self, label: str) -> Result:
        return self.results[label]

    def __iter__(self) -> Iterator[str]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    @property
    def failures(self) -> list[tuple[str, str, str]]:
        """(label, layer, reason) of everything that could not be run; layer 'all' where nothing could."""
        partly = [(label, *failure) for label, result in self.results.items() for failure in result.failures]
        return partly + [(label, "all", reason) for label, reason in self.missing.items()]

    def to_dict(self) -> Row:
        """The documents of all results by label, and what failed."""
        failures = [{"label": label, "layer": layer, "reason": reason} for label, layer, reason in self.failures]
        return {"results": {name: result.to_dict() for name, result in self.results.items()}, "failures": failures}

    def plot(self, ax: Any = None) -> Any:
        """Energy per MAC by data type and level for each; takes and returns matplotlib Axes."""
        from accelsim.report.plot import compare

        return compare({name: result.to_dict() for name, result in self.results.items()}, ax)

    def _repr_html_(self) -> str:
        from accelsim.report.table import comparison_html

        return comparison_html(self)


def _layer_rows(layer: LayerResult | VectorLayer) -> Iterator[Row]:
    counts = layer.counts.rows() if isinstance(layer, LayerResult) else layer.rows()
    priced = {(row.component, row.tensor, row.action): row for row in layer.energy_rows}
    for level, tensor, action, words in counts:
        row = priced.pop((level, tensor, action), None)
        energy = float(row.energy) if row else 0.0
        yield {"layer": layer.name} | _count(level, tensor, action, words) | {"energy": energy}
    for (component, tensor, action), row in priced.items():
        yield {"layer": layer.name} | _count(component, tensor, action, row.count) | {"energy": float(row.energy)}


def _count(level: str, tensor: str, action: str, words: int) -> Row:
    return {"level": level, "tensor": tensor, "action": action, "words": words}


def _zeros(counts: Counts) -> Row:
    return {
        "effectual_macs": counts.effectual,
        "visited_macs": counts.visited,
        "imbalance": counts.imbalance,
        "compression": [{**asdict(part), "metadata": part.metadata, "ratio": part.ratio} for part in counts.encoded],
    }


def mean_imbalance(runs: Iterable[tuple[Counts, int]]) -> float | None:
    """`Counts.imbalance` of several (counts, repeat) together: the mean weighted by busy cycles; None: not known."""
    known = [(counts, repeat) for counts, repeat in runs if counts.imbalance is not None]
    busy = sum(counts.busy * repeat for counts, repeat in known)
    slots = sum(counts.compute_cycles * counts.active_pes * repeat for counts, repeat in known)
    return slots / busy if busy else None


def _narrowed(counts: Counts) -> Iterator[Row]:
    """Of the psum words of `counts` and `network`, those that move as ofmap words."""
    for level in counts.levels:
        for what in NARROWED:
            if words := counts.narrowed(level, what):
                yield {"level": level, "action": what, "words": words}


def _network(counts: Counts) -> Iterator[Row]:
    for level in counts.levels:
        for tensor in TENSORS:
            for direction in DIRECTIONS:
                numbers = {kind: counts.sent(level, tensor, direction, kind) for kind in TRAFFIC}
                if any(numbers.values()):
                    more = _links(counts, level, tensor.value, direction)
                    yield {"level": level, "tensor": tensor.value, "direction": direction, **numbers, **more}


def _links(counts: Counts, level: str, tensor: str, direction: str) -> Row:
    """What only networks with links have: words on the busiest and on the mean link; tags compared."""
    at, out = (level, tensor, direction), Row()
    for row in counts.links:
        if at == (row.level, row.tensor, row.direction):
            out |= {"links": len(row.words), "link_load": {"max": max(row.words), "mean": row.mean, "on": row.busiest}}
    for where, what, number in counts.tag_matches if direction == "down" else ():
        if (level, tensor) == (where, what):
            out["tag_matches"] = number
    return out


def by_tensor(layer: LayerResult) -> dict[str, Fraction]:
    """Energy per data type; MACs under 'MAC'. Adds up to the layer's energy."""
    sums = grouped(layer.energy_rows, "tensor")
    return {tensor.value: sums.pop(tensor.value, Fraction(0)) for tensor in TENSORS} | {
        MAC: sum(sums.values(), Fraction(0))
    }
