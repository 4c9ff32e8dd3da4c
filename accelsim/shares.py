"""What a run of a training step comes to, by phase: the forward pass, its gradients, the update."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from accelsim.outcome import Outcome, Row
from accelsim.workload.precision import checked
from accelsim.workload.problem import Width
from accelsim.workload.training.kept import kept
from accelsim.workload.training.phases import ORDER, phase, trains


@dataclass(frozen=True)
class Share:
    """One phase, repeats and layers without MACs included. cycles : core cycles. energy : in `Result.energy_unit`."""

    phase: str
    layers: int
    macs: int
    cycles: int
    energy: float
    energy_exact: Fraction = field(repr=False)


@dataclass(frozen=True)
class Kept:
    """What waits in the outermost level for the backward pass. words : of the batch, each once. bits : of a word."""

    words: int
    bits: int

    @property
    def bytes(self) -> int:
        """The same, rounded up."""
        return -(-self.words * self.bits // 8)


def shares(result: Outcome) -> tuple[Share, ...]:
    """The phases in the order they run; empty where the network has no gradients."""
    if result.ran is None or not trains(result.ran.network):
        return ()
    beside = {f"{layer.name} sums" for layer in result.layers}
    rows = [
        *((one.op, one.repeat, 1, one.macs, one.cycles, one.energy_exact) for one in result.layers),
        # what a layer does beside its MACs is no layer of its own
        *((o.op, o.repeat, int(o.name not in beside), 0, o.cycles, o.energy_exact) for o in result.vector_layers),
    ]
    found = []
    for name in ORDER:
        mine = [row for row in rows if phase(row[0]) == name]
        layers, macs = sum(row[2] for row in mine), sum(row[3] * row[1] for row in mine)
        cycles, energy = sum(row[4] * row[1] for row in mine), sum((row[5] * row[1] for row in mine), Fraction(0))
        found.append(Share(name, layers, macs, cycles, float(energy), energy))
    return tuple(found)


def kept_of(result: Outcome) -> Kept | None:
    """Activations of the whole network that the backward pass reads, as wide as an ifmap; None: it has none."""
    if result.ran is None or not trains(result.ran.network):
        return None
    bits = checked(result.ran.bits).get(Width.IFMAP, result.architecture.widths[Width.IFMAP])
    return Kept(sum(kept(result.ran.network).values()), bits)


def training_document(result: Outcome) -> Row:
    """The document's entry; none for a network without gradients."""
    waits = kept_of(result)
    if waits is None:
        return {}
    phases = [
        {"phase": one.phase, "layers": one.layers, "macs": one.macs, "cycles": one.cycles, "energy": one.energy}
        for one in shares(result)
    ]
    return {"training": {"phases": phases, "kept_words": waits.words, "kept_bytes": waits.bytes}}
