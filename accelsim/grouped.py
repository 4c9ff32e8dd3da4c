"""What came of layers that ran together, tile by tile, as a result has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from accelsim.energy.rows import EnergyRow
from accelsim.engine.counts import Counts, Timing
from accelsim.errors import MappingError
from accelsim.mapping.mapping import LoopNest
from accelsim.mapping.plan.plan import Group
from accelsim.measured import Measured
from accelsim.workload.problem import Problem, Tensor, Width

WORDS = ("level", "tensor", "action", "words")
FIXED = "fixed"


@dataclass(frozen=True)
class Share:
    """What one layer has of a group. macs : each word made once. again : MACs of words that are made again.

    passes : how often it runs. cycles : of its passes. stalls : before and in them, by cause.
    """

    name: str
    op: str
    macs: int
    again: int
    passes: int
    cycles: int
    stalls: Mapping[str, int] = field(hash=False)


def refuse_number(group: Group, nests: Sequence[LoopNest] | None, passes: int) -> None:
    """Raise MappingError for mappings of more passes, or of fewer, than a group has that multiply."""
    if nests is not None and len(nests) != passes:
        raise MappingError(f"group {group.name}: {len(nests)} mappings are given, and {passes} of its passes multiply")


ByLayer = dict[str, tuple[int, dict[str, int]]]
"""Of each layer the cycles of its passes, and its stalls by cause."""


def started(by_layer: ByLayer, launch: int) -> ByLayer:
    """The same, where starting the group takes so many cycles: the first layer waits for it."""
    if not launch:
        return by_layer
    first, (cycles, stalls) = next(iter(by_layer.items()))
    return by_layer | {first: (cycles, stalls | {FIXED: stalls.get(FIXED, 0) + launch})}


@dataclass(frozen=True)
class PassRun:
    """A pass that multiplies, and how it is mapped. runs : how often it runs, of all images."""

    layer: str
    problem: Problem
    runs: int
    nest: LoopNest


@dataclass(frozen=True, repr=False)
class GroupResult(Measured):
    """Layers that ran together; repeats do not occur.

    counts : of all passes, and of what comes into the buffer and leaves it; `macs` count each word once.
    room : bits of the buffer that its tiles and filters take. home : the level that is its buffer. bits : of the words
    of its last layer.
    """

    group: Group
    shares: tuple[Share, ...]
    passes: tuple[PassRun, ...]
    counts: Counts
    timing: Timing
    energy_rows: tuple[EnergyRow, ...]
    room: int
    home: str
    bits: Mapping[Width, int] = field(default_factory=dict, hash=False)
    vector_ops: int = 0
    repeat: int = 1
    op: str = "group"

    def __repr__(self) -> str:
        return f"GroupResult({self.name}: {self.macs:,} MACs, {self.cycles:,} cycles, energy {self.energy:.4g})"

    def __hash__(self) -> int:
        return hash((self.group, self.macs, self.cycles))

    @property
    def name(self) -> str:
        """Its first and its last layer."""
        return self.group.name

    @property
    def macs(self) -> int:
        """Multiply-accumulates, those of words that are made again left out."""
        return self.counts.macs

    @property
    def again(self) -> int:
        """MACs of words that are made again."""
        return sum(share.again for share in self.shares)

    @property
    def compute_cycles(self) -> int:
        """Core cycles the MAC array works."""
        return self.counts.compute_cycles

    @property
    def active_pes(self) -> int:
        """PEs that hold work in the fullest step of any pass."""
        return self.counts.active_pes

    @property
    def widths(self) -> Mapping[Width, int]:
        """Bits of the words that move."""
        return self.bits

    def megabytes(self, level: str) -> float:
        """All words filled, read, updated and drained at a level, in 10^6 bytes."""
        rows = (row for row in self.counts.rows() if row[0] == level)
        return sum(self.counts.bits(level, Tensor(t), action, self.widths) for _, t, action, _ in rows) / 8e6

    def to_dict(self) -> dict[str, Any]:
        """The document's entry."""
        return {
            "name": self.name,
            "layers": [
                {
                    "name": share.name, "op": share.op, "macs": share.macs, "macs_again": share.again,
                    "passes": share.passes, "cycles": share.cycles, "stall_cycles": dict(share.stalls),
                }
                for share in self.shares
            ],
            "macs": self.macs,
            "macs_again": self.again,
            "vector_ops": self.vector_ops,
            "cycles": self.cycles,
            "processing_cycles": self.processing_cycles,
            "stall_cycles": dict(sorted(self.stall_cycles.items())),
            "home": self.home,
            "room_bits": self.room,
            "counts": [dict(zip(WORDS, row, strict=True)) for row in self.counts.rows()],
            "energy": self.energy,
            "energy_breakdown": [row.to_dict() for row in self.energy_rows],
            "passes": [
                {"layer": one.layer, "runs": one.runs, "mapping": one.nest.to_dict()} for one in self.passes
            ],
        }  # fmt: skip
