"""What a network does beside its MACs: words moved, vector operations, cycles and energy of each layer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from accelsim.architecture.model import Architecture
from accelsim.architecture.precision import with_bits
from accelsim.energy.floor import access
from accelsim.energy.rows import NO_TENSOR, VECTOR, EnergyRow, total
from accelsim.energy.standing import standing_rows
from accelsim.energy.table import EnergyTable
from accelsim.engine.vector import Moved, latency
from accelsim.mapping.plan.living import Between
from accelsim.workload.network import RECURRENT, Layer, Network
from accelsim.workload.problem import Tensor, Width
from accelsim.workload.training.phases import UPDATE

OPERATION = "operation"


@dataclass(frozen=True, repr=False)
class VectorLayer:
    """A layer without MACs, or the vector operations of one that has both, run once; totals multiply by `repeat`.

    reads, writes : words at the outermost level, of the whole batch; read as an ifmap is, written as an ofmap is; of
    the update of a training step both as a filter is. reads_at_home, writes_at_home : those that stay on the chip.
    vector_ops : of the whole batch; their row in `energy_rows` is missing where the table has no price for them.
    """

    name: str
    op: str
    reads: int
    writes: int
    vector_ops: int
    cycles: int
    processing_cycles: int
    energy_rows: tuple[EnergyRow, ...]
    repeat: int = 1
    reads_at_home: int = 0
    writes_at_home: int = 0

    def __repr__(self) -> str:
        runs = f" x{self.repeat}" if self.repeat > 1 else ""
        words = f"{self.reads:,} words read, {self.writes:,} written"
        done = f"{self.vector_ops:,} operations, {self.cycles:,} cycles"
        return f"VectorLayer({self.name}{runs}, {self.op}: {words}, {done})"

    @property
    def energy(self) -> float:
        """Sum of `energy_rows`, in the unit `Result.energy_unit`."""
        return float(self.energy_exact)

    @property
    def energy_exact(self) -> Fraction:
        """The same, not rounded."""
        return total(self.energy_rows)

    @property
    def why_no_time(self) -> str:
        """Why it takes no cycles; empty if it takes some, or only names words where they lie."""
        if self.cycles or not (self.reads or self.writes or self.vector_ops):
            return ""
        return "no port its words pass has a width, and the machine declares no vector unit"

    def rows(self) -> Iterator[tuple[str, str, str, int]]:
        """(level, tensor, action, count) of the operations, priced or not; words have rows in `energy_rows`."""
        if self.vector_ops:
            yield VECTOR, NO_TENSOR, OPERATION, self.vector_ops

    def to_dict(self) -> dict[str, Any]:
        """The document's entry."""
        return {
            "name": self.name,
            "op": self.op,
            "repeat": self.repeat,
            "reads": self.reads,
            "writes": self.writes,
            **({"reads_at_home": self.reads_at_home} if self.reads_at_home else {}),
            **({"writes_at_home": self.writes_at_home} if self.writes_at_home else {}),
            "vector_ops": self.vector_ops,
            "cycles": self.cycles,
            "processing_cycles": self.processing_cycles,
            "energy": self.energy,
            "energy_breakdown": [row.to_dict() for row in self.energy_rows],
        }


@dataclass(frozen=True)
class VectorTotals:
    """Sums over vector layers, repeats included. energy_exact : `energy`, not rounded."""

    layers: int
    reads: int
    writes: int
    vector_ops: int
    cycles: int
    processing_cycles: int
    energy: float
    energy_exact: Fraction = field(repr=False)

    @staticmethod
    def of(layers: Iterable[VectorLayer]) -> VectorTotals:
        """The sums; cycles too, as layers do not overlap."""
        found = tuple(layers)
        energy = sum((layer.energy_exact * layer.repeat for layer in found), Fraction(0))
        return VectorTotals(
            layers=len(found),
            reads=sum(layer.reads * layer.repeat for layer in found),
            writes=sum(layer.writes * layer.repeat for layer in found),
            vector_ops=sum(layer.vector_ops * layer.repeat for layer in found),
            cycles=sum(layer.cycles * layer.repeat for layer in found),
            processing_cycles=sum(layer.processing_cycles * layer.repeat for layer in found),
            energy=float(energy),
            energy_exact=energy,
        )

    def to_dict(self, clock_hz: float) -> dict[str, Any]:
        """The document's entry."""
        return {
            "layers": self.layers,
            "reads": self.reads,
            "writes": self.writes,
            "vector_ops": self.vector_ops,
            **spent(self.cycles, self.processing_cycles, self.energy_exact, clock_hz),
        }


def spent(cycles: int, processing: int, energy: Fraction, clock_hz: float) -> dict[str, float]:
    """Cycles, milliseconds and energy as the document names them."""
    return {
        "cycles": cycles,
        "processing_cycles": processing,
        "ms": 1e3 * cycles / clock_hz,
        "processing_ms": 1e3 * processing / clock_hz,
        "energy": float(energy),
    }


def vector_layers(
    machine: Architecture,
    network: Network,
    layers: Iterable[Layer],
    table: EnergyTable,
    bits: Mapping[Width, int],
    between: Between | None = None,
) -> tuple[VectorLayer, ...]:
    """What the layers given do beside MACs, in their order; those that only multiply are left out.

    bits : of the words of a tensor, over what a layer says. between : what happens between layers, if anything does.
    """
    found = []
    for layer in layers:
        if (layer.problem and not layer.vector_ops) or (between and between.plan.group_of(layer.name)):
            continue
        images = network.images(layer)
        moved = Moved(*network.traffic(layer)) if between is None else Moved(*between.moved(layer), between.home)
        sized = with_bits(machine, {**layer.bits, **bits})
        # each round is started by itself, but where a layer's MACs are
        launch = sized.launch if not layer.problem and (layer.vector_ops or any(moved[:4])) else 0
        cycles = processing = 0
        for some, times in between.rounds(layer) if between and not layer.once else ((images, 1),):
            each = latency(sized, moved.times(some), layer.vector_ops * some, layer.op == UPDATE)
            cycles += (each[0] + launch) * times
            processing += (each[1] + launch) * times
        moved = moved.times(images)
        operations = layer.vector_ops * images
        # a layer that multiplies too has its name already
        name = f"{layer.name} {'gates' if layer.op in RECURRENT else 'sums'}" if layer.problem else layer.name
        rows = (
            *_moved(sized, moved, table, layer.op == UPDATE), *_computed(sized, operations, cycles, table)
        )  # fmt: skip
        found.append(
            VectorLayer(
                name,
                layer.op,
                moved.reads,
                moved.writes,
                operations,
                cycles,
                processing,
                rows,
                layer.repeat,
                moved.reads_at_home,
                moved.writes_at_home,
            )
        )
    return tuple(found)


def _moved(machine: Architecture, moved: Moved, table: EnergyTable, weights: bool) -> Iterator[EnergyRow]:
    """Words at the outermost level and at their home; weights : those of an update, which are words of filters."""
    outermost = machine.levels[0]
    home = machine.levels[machine.level_index(moved.home)] if moved.home else outermost
    for level, tensor, width, action, words in (
        (outermost, Tensor.IFMAP, Width.IFMAP, "read", moved.reads),
        (outermost, Tensor.PSUM, Width.OFMAP, "update", moved.writes),
        (home, Tensor.IFMAP, Width.IFMAP, "read", moved.reads_at_home),
        (home, Tensor.PSUM, Width.OFMAP, "update", moved.writes_at_home),
    ):
        if weights:
            tensor, width = Tensor.FILTER, Width.FILTER
        if words:
            price = access(machine, table, level, action, machine.widths[width], tensor)
            yield EnergyRow(level.name, tensor.value, action, words, words * price)


def _computed(machine: Architecture, operations: int, cycles: int, table: EnergyTable) -> Iterator[EnergyRow]:
    """Operations, and what stands while they take time."""
    price_of_one = table.operation(machine.word_bits) if operations else None
    if price_of_one is not None:
        yield EnergyRow(VECTOR, NO_TENSOR, OPERATION, operations, operations * price_of_one)
    yield from standing_rows(machine, table, cycles)
