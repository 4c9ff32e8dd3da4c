"""What takes time besides words and MACs: around a layer, and where psums leave."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated

from pydantic import BeforeValidator

from accelsim.specs import Count, Duration, Lanes, Part, Pipeline, Spec, Word, key, pick
from accelsim.workload.problem import Tensor

TensorName = Annotated[Tensor, BeforeValidator(pick("tensor", Tensor))]


class OverlapSpec(Spec):
    """Layers that do not need one another: the next loads while this one computes (docs/model.md, "Layers overlap")."""

    macs: Pipeline = key("From the last MAC of one layer to the first of the next.", 0, unit="core cycles")
    load: Pipeline = key("Between the loads of one and of the next.", 0, unit="core cycles")


class LayerSpec(Spec):
    """What a layer takes besides its transfers and steps."""

    launch: Duration | None = key(
        "What starting a layer takes, as a kernel of a GPU: before anything begins, beside `before`. Layers that run "
        "together are started once.",
        None,
        "no time",
    )
    before: Pipeline = key("Before anything begins.", 0, unit="core cycles")
    after: Pipeline = key("After the last word has arrived.", 0, unit="core cycles")
    overlap: OverlapSpec | None = key(
        "A layer that does not need this one's outputs loads while this one computes.", None, "layers do not overlap"
    )


def launch_of(spec: LayerSpec, clock: Fraction) -> int:
    """Core cycles that starting a layer takes, rounded up."""
    if spec.launch is None:
        return 0
    launch = spec.launch.value if spec.launch.unit == "cycles" else spec.launch.value * clock
    return int(-(-launch // 1))


class PassesSpec(Spec):
    """Passes that never overlap: in each, one tile of the stationary tensor stays in the PEs."""

    serial: TensorName = key("The stationary tensor.")
    lead: bool = key("Whether the moving operands of a pass wait for its stationary one.", True)
    wave: Pipeline | None = key(
        "ifmap or filter only: passes overlap, and the next stationary operand follows the first MAC of this pass by "
        "so much, as an array hands it on behind the wave.",
        None,
        "passes never overlap",
        unit="core cycles",
    )
    stream: bool = key(
        "ifmap or filter only: the MACs of a pass begin with the first words of its operands, and none leads.", False
    )


class CyclesSpec(Spec):
    """What a PE does one after the other (docs/model.md, "Work of a PE beside MACs")."""

    mac: Part = key("Each MAC.", 1, unit="core cycles")
    psum_in: Pipeline = key("Behind the last MACs of a tile: each of its psums.", 0, unit="core cycles")
    window: Pipeline = key("Behind the first MACs on a tile: each word that is new in it.", 0, unit="core cycles")


Cycles = Annotated[
    CyclesSpec,
    BeforeValidator(lambda value: value if isinstance(value, dict) else {"mac": value}, Part | CyclesSpec),
]


class DeliverySpec(Spec):
    """Room for tiles of psums on their way out (docs/model.md, "Room before the last step")."""

    room: Count = key("What it holds, as the cycles it takes to leave.", unit="core cycles of drains")
    back: Pipeline = key("From when a word has left until its room is seen to be free.", 0, unit="core cycles")


class BiasSpec(Spec):
    """Where the bias of a layer goes, if the layer has one (docs/model.md, "Bias")."""

    level: str = key("The level whose sums begin with it: the outermost but one of those that keep psums.")
    word: Word | None = key("Width of its words.", None, "as the psum's", unit="bits")


class VectorSpec(Spec):
    """The unit that runs what is no MAC, beside the outermost level."""

    lanes: Lanes = key("Vector operations it does at a time.", unit="operations per core cycle")


@dataclass(frozen=True)
class Overlap:
    """Cycles between the MACs, and between the loads, of two layers that overlap."""

    macs: int
    load: int


@dataclass(frozen=True)
class Bias:
    """The level whose sums begin with the bias of a layer, and bits of its words; 0: those of a psum."""

    level: str
    bits: int = 0


@dataclass(frozen=True)
class Delivery:
    """Cycles of drains that have room, and cycles until room is seen to be free again."""

    room: int
    back: int = 0
