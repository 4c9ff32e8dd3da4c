"""What came of a run: per layer and in total, as values and tidy rows; documents, tables and pictures stand on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any

from accelsim.architecture.model import Architecture
from accelsim.architecture.modes import Mode, mode_of
from accelsim.architecture.precision import with_bits
from accelsim.energy.efficiency import Efficiency
from accelsim.energy.floor import Floor, floor_of
from accelsim.energy.free import what_is_free
from accelsim.energy.rows import MAC, EnergyRow, grouped, total
from accelsim.energy.standing import CLOCK, LEAKAGE, STATIC
from accelsim.energy.table import EnergyTable, energy_unit
from accelsim.engine.counts import Counts, Timing
from accelsim.engine.overlap import shared
from accelsim.errors import AccelsimError
from accelsim.grouped import GroupResult
from accelsim.mapping.mapping import LoopNest
from accelsim.mapping.plan.living import between_of
from accelsim.mapping.plan.rounds import bare
from accelsim.measured import Measured as Measured
from accelsim.ran import Ran as Ran
from accelsim.saved import Saved
from accelsim.vector import VectorLayer, VectorTotals
from accelsim.version import __version__
from accelsim.workload.coverage import Coverage
from accelsim.workload.network import RECURRENT
from accelsim.workload.precision import checked
from accelsim.workload.problem import TENSORS, Problem, Tensor, Width

if TYPE_CHECKING:
    from accelsim.search import Found

GIVEN, SEARCH, SHIPPED = "given", "search", "shipped"
STANDING = "standing"
Row = dict[str, Any]


@dataclass(frozen=True, repr=False)
class LayerResult(Measured):
    """One layer, run once; totals multiply by `repeat`.

    problem : what was mapped and run; lowered, where the architecture does that.
    mapping_source : 'given' by the user, found by 'search', or one that is 'shipped' for this machine and network.
    search : of what the mapping is the best, if it was searched.
    bits : of the words of each tensor, and of the ofmap; bias_bits : of the bias. moved : the same of their slices,
    where words are sliced.
    op : kind of layer, as the workload has it. homes : of its tensors that live on the chip between layers, where.
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
    op: str = ""
    search: Found | None = None
    bias_bits: int = 0
    moved: Mapping[Width, int] = field(default_factory=dict)
    homes: Mapping[Tensor, str] = field(default_factory=dict, hash=False)

    def __repr__(self) -> str:
        runs = f" x{self.repeat}" if self.repeat > 1 else ""
        return f"LayerResult({self.name}{runs}: {self.macs:,} MACs, {self.cycles:,} cycles, energy {self.energy:.4g})"

    def __hash__(self) -> int:
        return hash((self.name, self.problem, self.nest, self.repeat))

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        return self.counts.macs

    @property
    def compute_cycles(self) -> int:
        """Core cycles the MAC array works."""
        return self.counts.compute_cycles

    @property
    def active_pes(self) -> int:
        """PEs that hold work in the fullest step."""
        return self.counts.active_pes

    @property
    def widths(self) -> Mapping[Width, int]:
        """Bits of the words that move."""
        return self.moved or self.bits

    def megabytes(self, level: str) -> float:
        """All words filled, read, updated and drained at a level, in 10^6 bytes."""
        rows = (row for row in self.counts.rows() if row[0] == level)
        bits = sum(self.counts.bits(level, Tensor(tensor), action, self.widths) for _, tensor, action, _ in rows)
        bits += self.bias_bits * sum(self.counts.of_bias(level, what) for what in ("read", "fill"))
        return bits / 8e6


@dataclass(frozen=True)
class Totals:
    """Sums over the layers that have MACs, repeats included. Fields have the names of the document's `total`.

    cycles, processing_cycles, compute_cycles, stall_cycles : core cycles; the last by cause.
    ms, processing_ms : cycles as time. utilization : MACs not skipped / (PEs x MACs per PE and cycle x cycles).
    active_pes : the mean over layers, weighted by the cycles their MAC array works.
    energy : in `energy_unit`. energy_exact : the same, not rounded.
    """

    macs: int
    cycles: int
    processing_cycles: int
    ms: float
    processing_ms: float
    utilization: float
    compute_cycles: int
    stall_cycles: dict[str, int] = field(hash=False)
    active_pes: float
    energy: float
    energy_unit: str
    energy_exact: Fraction = field(repr=False)


@dataclass(frozen=True, repr=False)
class Outcome:
    """What came of a network on a machine: the data of a `Result`.

    layers : the layers that have MACs, in network order. vector_layers : what the others do, and the gates of an LSTM.
    operands : where zeros come from, in words; empty for a dense run.
    failures : (layer, reason) of layers that could not be mapped, where the run let them pass.
    ran : what was asked for. groups : layers that ran together. saved : what its plan saves, where that was asked for.
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
    ran: Ran | None = None
    groups: tuple[GroupResult, ...] = ()
    saved: tuple[Saved, ...] = ()

    def __repr__(self) -> str:
        sums, ran, kind = self.total, len(self.layers), type(self).__name__
        others = f", {len(self.groups)} group{'s' * (len(self.groups) != 1)}" if self.groups else ""
        others += f", {len(self.failures)} not run" if self.failures else ""
        return (
            f"{kind}({self.workload} on {self.architecture.name}: {ran} layer{'s' * (ran != 1)}{others}, "
            f"{sums.cycles:,} cycles, {sums.ms:.4g} ms, {sums.energy:.4g} {energy_unit(sums.energy_unit)})"
        )

    def __hash__(self) -> int:
        return hash((self.workload, self.architecture.name, self.dataflow, self.evaluator, self.layers))

    @property
    def version(self) -> str:
        """Of accelsim, that ran it."""
        return self.ran.versions.get("accelsim", __version__) if self.ran else __version__

    @property
    def coverage(self) -> Coverage | None:
        """What of an ONNX graph the layers stand for; None of a network that was read from no graph."""
        return self.ran.network.coverage if self.ran else None

    @property
    def energy_unit(self) -> str:
        """The energy table's unit, 'pJ' or 'MAC'."""
        return self.energy_table.unit

    @cached_property
    def total(self) -> Totals:
        """Sums over the layers that have MACs; cycles add up, but for those that layers have in common (`overlap`)."""
        runs = [(layer, layer.repeat) for layer in self.multiplied]
        stalls: Counter[str] = Counter()
        for layer, repeat in runs:
            for cause, number in layer.stall_cycles.items():
                stalls[cause] += number * repeat
        macs, cycles, processing, compute = (
            sum(getattr(layer, name) * repeat for layer, repeat in runs)
            for name in ("macs", "cycles", "processing_cycles", "compute_cycles")
        )
        if self.architecture.overlap:
            stalls["overlap"] -= (together := self.overlapped)
            cycles -= together
        busy = sum(layer.active_pes * layer.compute_cycles * repeat for layer, repeat in runs)
        energy = sum((layer.energy_exact * repeat for layer, repeat in runs), Fraction(0))
        return Totals(
            macs=macs,
            cycles=cycles,
            processing_cycles=processing,
            ms=self.milliseconds(cycles),
            processing_ms=self.milliseconds(processing),
            utilization=self.utilization(self.visited_macs, cycles),
            compute_cycles=compute,
            stall_cycles=dict(sorted(stalls.items())),
            active_pes=busy / compute if compute else 0.0,
            energy=float(energy),
            energy_unit=self.energy_unit,
            energy_exact=energy,
        )

    @property
    def multiplied(self) -> tuple[LayerResult | GroupResult, ...]:
        """All that has MACs: layers that ran alone, and groups."""
        return (*self.layers, *self.groups)

    @property
    def in_order(self) -> tuple[LayerResult | GroupResult, ...]:
        """The same in the order in which they ran, a group where its first layer is."""
        if not self.groups or self.ran is None:
            return self.multiplied
        order = {layer.name: at for at, layer in enumerate(self.ran.network.layers)}
        first_of = {group.name: group.group.layers[0] for group in self.groups}
        return tuple(sorted(self.multiplied, key=lambda one: order[bare(first_of.get(one.name, one.name))]))

    @cached_property
    def overlapped(self) -> int:
        """Cycles that layers have in common with the one before: repeats that are no time steps, and neighbours."""
        found = 0
        for index, layer in enumerate(self.layers):
            if layer.op not in RECURRENT:
                found += (layer.repeat - 1) * shared(self.architecture, layer.timing, layer.timing)
            before = self.layers[index - 1] if index else None
            if before and self.ran and not self.ran.network.needs(layer.name, before.name):
                found += shared(self.architecture, before.timing, layer.timing)
        return found

    @cached_property
    def slots(self) -> int:
        """MACs of all layers and repeats, where words are sliced the products of slices that make them up."""
        return sum(layer.counts.slots * layer.repeat for layer in self.multiplied)

    @cached_property
    def visited_macs(self) -> int:
        """MACs (products of slices) that took a slot, of all layers and repeats: those that were not skipped."""
        return sum(layer.counts.visited * layer.repeat for layer in self.multiplied)

    @cached_property
    def vector(self) -> VectorTotals:
        """Sums over `vector_layers`."""
        return VectorTotals.of(self.vector_layers)

    def machine_of(self, layer: LayerResult) -> Architecture:
        """The machine as a layer found it: words of its widths, and what lives on the chip meanwhile."""
        sized, ran = with_bits(self.architecture, layer.bits), self.ran
        if ran is None or not ran.plan:
            return sized
        between = between_of(ran.plan, self.architecture, ran.network, checked(ran.bits))
        assert between is not None
        whole = ran.network.layers[between.index[bare(layer.name)]]
        run = next(run for run in between.runs(whole) if run.name == layer.name)
        return between.stay(run).on(sized, between.home)

    def mode(self, layer: LayerResult | GroupResult) -> Mode:
        """How the machine's multipliers split for the words of a layer, or of the last one of a group."""
        bits = {tensor: layer.widths[Width(tensor)] for tensor in TENSORS}
        return mode_of(self.architecture.modes, bits)

    def macs_at_once(self, layer: LayerResult | GroupResult | None = None) -> float:
        """MACs of all PEs in a core cycle at most, in the mode of a layer or group; None: of the mean cycle of all."""
        machine = self.architecture
        if not machine.modes:
            return machine.macs_at_once
        if layer is not None:
            return machine.macs_at_once_in(self.mode(layer))
        weights = [layer.cycles * layer.repeat for layer in self.multiplied]
        rates = [self.macs_at_once(layer) for layer in self.multiplied]
        of_all = sum(rate * weight for rate, weight in zip(rates, weights, strict=True))
        return of_all / sum(weights) if sum(weights) else machine.macs_at_once

    def utilization(self, visited: int, cycles: int, layer: LayerResult | GroupResult | None = None) -> float:
        """MACs that took a slot / (PEs x MACs per PE and cycle x cycles); layer : whose they are, or of all."""
        slots = self.macs_at_once(layer) * cycles
        return visited / slots if slots else 0.0

    def dense_equivalent(self, macs: int, cycles: int, layer: LayerResult | GroupResult | None = None) -> float:
        """All MACs over the same slots: how many times the peak a machine that skips nothing would have to give."""
        return self.utilization(macs, cycles, layer)

    def milliseconds(self, cycles: int) -> float:
        """Core cycles as time."""
        return 1e3 * cycles / self.architecture.clock_hz

    def layer(self, name: str) -> LayerResult:
        """One layer by name."""
        found = {layer.name: layer for layer in self.layers}
        if name not in found:
            from accelsim.errors import nearest

            raise AccelsimError(f"no layer '{name}' was run{nearest(name, found)}")
        return found[name]

    def energy_rows(self) -> tuple[EnergyRow, ...]:
        """The account of the whole network: rows of equal component, tensor and action added, repeats included."""
        sums: dict[tuple[str, str, str], tuple[int, Fraction]] = {}
        for layer in self.multiplied:
            for row in layer.energy_rows:
                key = (row.component, row.tensor, row.action)
                count, energy = sums.get(key, (0, Fraction(0)))
                sums[key] = (count + layer.repeat * row.count, energy + layer.repeat * row.energy)
        return tuple(EnergyRow(*key, *value) for key, value in sums.items())

    @cached_property
    def table(self) -> list[Row]:
        """Tidy rows: layer, op, repeat, level, tensor, action, words, energy; `repeat` is multiplied in.

        `level` also names the 'network', whose words are deliveries (on a mesh hops), and the 'MAC'. Columns add up to
        `total`, so layers without MACs are not among them: `vector_table`.
        """
        return [row for layer in self.multiplied for row in _rows(layer, layer.counts.rows())]

    @cached_property
    def vector_table(self) -> list[Row]:
        """The same of layers without MACs and of gates; adds up to `vector`. 'vector' counts operations."""
        return [row for layer in self.vector_layers for row in _rows(layer, layer.rows())]

    def milliwatts(self, energy: Fraction | float, cycles: int) -> float:
        """Power of so many pJ in so many core cycles."""
        return float(energy) * 1e-9 * float(self.architecture.clock_hz) / cycles if cycles else 0.0

    @property
    def floor(self) -> Floor:
        """What the machine's parts take of the die. Raises AccelsimError for a table that knows no areas."""
        return floor_of(self.architecture, self.energy_table)

    @cached_property
    def efficiency(self) -> Efficiency | None:
        """Power and operations over it and over area, of the layers that have MACs; None for relative energies."""
        if self.energy_unit != "pJ":
            return None
        area = self.floor.area if self.energy_table.prices_parts and not self.floor.missing else None
        seconds = self.milliseconds(self.total.cycles) / 1e3
        return Efficiency.of(self.energy_rows(), self.architecture.levels[0].name, self.total.macs, seconds, area)

    @property
    def free(self) -> tuple[str, ...]:
        """What costs nothing on this machine at these prices, a sentence for each kind."""
        return what_is_free(self.architecture, self.energy_table)


@dataclass(frozen=True, repr=False)
class Outcomes:
    """What came of several runs of one workload: the data of a `Comparison`.

    results : by label, the dataflow's or the machine's name.
    missing : label -> why nothing of the workload could be run.
    """

    results: Mapping[str, Outcome]
    missing: dict[str, str]

    def __repr__(self) -> str:
        failed = f"; {len(self.missing)} not run" if self.missing else ""
        return f"{type(self).__name__}({', '.join(self.results)}{failed})"

    def __hash__(self) -> int:
        return hash(tuple(self.results.items()))

    def __iter__(self) -> Iterator[str]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    @property
    def failures(self) -> list[tuple[str, str, str]]:
        """(label, layer, reason) of everything that could not be run; layer 'all' where nothing could."""
        partly = [(label, *failure) for label, result in self.results.items() for failure in result.failures]
        return partly + [(label, "all", reason) for label, reason in self.missing.items()]


COLUMNS = ("layer", "op", "repeat", "level", "tensor", "action", "words", "energy")
"""Of `Outcome.table`."""


def _rows(
    layer: LayerResult | GroupResult | VectorLayer, counted: Iterable[tuple[str, str, str, int]]
) -> Iterator[Row]:
    """Every count and every energy of a layer once, times its repeats."""
    repeat = layer.repeat
    priced = {(row.component, row.tensor, row.action): row for row in layer.energy_rows}
    found = [(*cell, priced.pop(cell[:3], None)) for cell in counted]
    found += [(*cell, row.count, row) for cell, row in priced.items()]
    for level, tensor, action, words, row in found:
        energy = float(row.energy * repeat) if row else 0.0
        yield dict(
            zip(COLUMNS, (layer.name, layer.op, repeat, level, tensor, action, words * repeat, energy), strict=True)
        )


def reasons(failures: Iterable[tuple[str, str]]) -> list[str]:
    """A line for each reason, with all the layers it holds for: ``CONV1, CONV2: GLB psum: needs ...``."""
    layers: dict[str, list[str]] = {}
    for layer, reason in failures:
        layers.setdefault(reason, []).append(layer)
    return [f"{', '.join(names)}: {reason}" for reason, names in layers.items()]


def mean_imbalance(runs: Iterable[tuple[Counts, int]]) -> float | None:
    """`Counts.imbalance` of several (counts, repeat) together: the mean weighted by busy cycles; None: not known."""
    known = [(counts, repeat) for counts, repeat in runs if counts.imbalance is not None]
    busy = sum(counts.busy * repeat for counts, repeat in known)
    slots = sum(counts.compute_cycles * counts.active_pes * repeat for counts, repeat in known)
    return slots / busy if busy else None


def by_tensor(layer: LayerResult | GroupResult) -> dict[str, Fraction]:
    """Energy per data type; MACs under 'MAC', what the cycle costs under 'standing'. Adds up to the layer's energy."""
    sums = grouped(layer.energy_rows, "tensor")
    standing = standing_of(layer.energy_rows)
    return {tensor.value: sums.pop(tensor.value, Fraction(0)) for tensor in TENSORS} | {
        MAC: sum(sums.values(), Fraction(0)) - standing,
        STANDING: standing,
    }


def standing_of(rows: Iterable[EnergyRow]) -> Fraction:
    """Energy that is paid by the cycle, whatever moves."""
    return total(row for row in rows if row.action in (CLOCK, LEAKAGE, STATIC))
