"""What a PE makes of its operands, and how its PEs go together."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from accelsim.errors import AccelsimError
from accelsim.workload.problem import Tensor


class Pairing(StrEnum):
    """What the lanes of a PE share in one cycle.

    `column`: one ifmap word meets as many filter words of its own column. `output`: every lane works on an output
    of its own, one effectual pair per cycle.
    """

    COLUMN = "column"
    OUTPUT = "output"


@dataclass(frozen=True)
class Sparsity:
    """What the PEs make of zero operands (docs/model.md, "Zeros"). Lanes are the MACs per cycle.

    gate : inputs whose zeros save the MAC and the reads after it, not the cycle.
    skip : inputs whose zeros take no cycle. pairing : what the lanes share.
    drift : steps the PEs may be apart; 1 is lock step. queue : outputs the lanes of a PE may be apart.
    """

    gate: frozenset[Tensor] = frozenset()
    skip: frozenset[Tensor] = frozenset()
    pairing: Pairing = Pairing.COLUMN
    drift: int = 1
    queue: int = 1

    def __post_init__(self) -> None:
        for name, tensors in (("gate", self.gate), ("skip", self.skip)):
            if Tensor.PSUM in tensors:
                raise AccelsimError(f"pe: {name}: a psum is no operand; allowed are ifmap and filter")
        both = sorted(self.gate & self.skip)
        if both:
            raise AccelsimError(f"pe: {both[0]} is skipped and gated; a zero that takes no cycle has nothing to gate")
        if self.pairing is Pairing.OUTPUT and self.skip != {Tensor.IFMAP, Tensor.FILTER}:
            raise AccelsimError("pe: pairing by output needs skip: [ifmap, filter]")
        if min(self.drift, self.queue) < 1:
            raise AccelsimError(f"pe: drift and queue must be at least 1, got {self.drift} and {self.queue}")
        if self.queue > 1 and self.pairing is not Pairing.OUTPUT:
            raise AccelsimError("pe: a queue needs pairing: output")
        if self.drift > 1 and not self.skip:
            raise AccelsimError("pe: PEs drift apart only if they skip")

    @property
    def matters(self) -> frozenset[Tensor]:
        """Inputs whose zeros make a slot ineffectual."""
        return self.skip | self.gate

    def before_reading(self, tensor: Tensor) -> frozenset[Tensor]:
        """Inputs that must not be zero for an operand to be read: gated ones are read first, ifmap before filter."""
        if tensor not in self.gate:
            return self.matters
        return self.skip | (self.gate & {Tensor.IFMAP} if tensor is Tensor.FILTER else frozenset())


PLAIN = Sparsity()
"""A PE that makes nothing of zeros."""


@dataclass(frozen=True)
class Cartesian:
    """SCNN's PE: every non-zero ifmap word of a vector meets every non-zero filter word of another.

    ifmaps, filters : words of the two vectors (I, F). banks, entries : accumulators. fifo : products a bank may queue
    (0: any number). group : output channels worked on at once (Kc). weights : vectors the weight FIFO holds.
    Parashar et al., "SCNN", ISCA 2017, sections III and IV.
    """

    ifmaps: int = 4
    filters: int = 4
    banks: int = 32
    entries: int = 32
    fifo: int = 4
    group: int = 8
    weights: int = 50


@dataclass(frozen=True)
class Lock:
    """Where PEs are in lock step: their array takes the time of whole tiles in some dims (docs/model.md).

    of : the tensors whose words take time that are not there. compute : whether MACs do.
    """

    dims: frozenset[str] = frozenset()
    of: frozenset[Tensor] = frozenset()
    compute: bool = False
