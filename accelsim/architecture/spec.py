"""What an architecture YAML file may say, as pydantic models."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, WithJsonSchema

from accelsim import quantities
from accelsim.architecture.dram.spec import NONE, DramEntry
from accelsim.architecture.model import Buffer, Cartesian, Format, Injection, NetworkKind, Pairing
from accelsim.quantities import Quantity
from accelsim.specs import Count, Duration, Frequency, Natural, Size, Spec, Word, pick
from accelsim.workload.lowering import Lowering
from accelsim.workload.problem import REDUCTION_DIMS, TENSORS, Padding, Tensor, Width


class Accumulate(StrEnum):
    """Where an old psum meets the new one."""

    ON_DRAIN = "on-drain"
    REFILL = "refill"


class ReductionDim(StrEnum):
    """A dim whose psums are added up."""

    C = "C"
    R = "R"
    S = "S"


def _each_tensor(value: object) -> object:
    """One value stands for all three tensors."""
    return value if isinstance(value, dict) else dict.fromkeys(TENSORS, value)


def _all_kept(value: object) -> object:
    """One capacity is shared by all the tensors a level keeps."""
    return value if isinstance(value, dict) else {ALL: value}


@dataclass(frozen=True)
class Rate(Quantity):
    """What a port moves, and the name of the port; ``""`` : the one that its place gives it."""

    port: str = ""


def _width(value: object) -> Rate:
    """``64 b``, or a port in full: ``{port: NAME, width: 64 b}``."""
    if not isinstance(value, dict):
        found = quantities.rate(value)
        return Rate(found.value, found.unit)
    if value.keys() != {"port", "width"} or not (isinstance(value["port"], str) and value["port"]):
        raise ValueError("a port in full is {port: NAME, width: RATE}, both of them")
    found = quantities.rate(value["width"])
    return Rate(found.value, found.unit, value["port"])


_RATE = {"type": "string", "description": "per cycle or per second", "examples": ["64 b", "4 words", "25.6 GB/s"]}
_PORT = {"type": "object", "properties": {"port": {"type": "string"}, "width": _RATE}, "required": ["port", "width"]}
ALL = "*"
PortWidth = Annotated[Rate, PlainValidator(_width), WithJsonSchema({"anyOf": [_RATE, _PORT]})]
TensorName = Annotated[Tensor, BeforeValidator(pick("tensor", Tensor))]
KindName = Annotated[NetworkKind, BeforeValidator(pick("kind of network", NetworkKind))]
BufferName = Annotated[Buffer, BeforeValidator(pick("buffering", Buffer))]
PaddingName = Annotated[Padding, BeforeValidator(pick("padding", Padding))]
LoweringName = Annotated[Lowering, BeforeValidator(pick("lowering", Lowering))]
AccumulateName = Annotated[Accumulate, BeforeValidator(pick("way to accumulate", Accumulate))]
FormatName = Annotated[Format, BeforeValidator(pick("format", Format))]
InjectionName = Annotated[Injection, BeforeValidator(pick("place of ports", Injection))]
PairingName = Annotated[Pairing, BeforeValidator(pick("pairing", Pairing))]
WidthName = Annotated[Width, BeforeValidator(pick("tensor", Width))]
Words = Annotated[dict[WidthName, Word], BeforeValidator(_each_tensor, json_schema_input_type=Word | dict[Width, Word])]
Buffering = Annotated[
    dict[TensorName, BufferName], BeforeValidator(_each_tensor, json_schema_input_type=Buffer | dict[Tensor, Buffer])
]
Capacity = Annotated[dict[str, Size], BeforeValidator(_all_kept, json_schema_input_type=Size | dict[str, Size])]
ReduceName = Annotated[ReductionDim, BeforeValidator(pick("reduction dim", ReductionDim))]


def _kept(value: object) -> object:
    """``none`` keeps nothing; an empty list is rather a mistake."""
    if value == NONE:
        return []
    if value == []:
        raise ValueError("must not be empty")
    return value


def _unsaid(value: str) -> str:
    """``none`` : a machine built in code, which cites nothing."""
    return "" if value == NONE else value


Keeps = Annotated[list[TensorName], BeforeValidator(_kept)]


class LinkSpec(Spec):
    """One port shared by all tensors and both directions below a level."""

    width: PortWidth
    clock: Frequency | None = None
    latency: Duration | None = None


class NetworkSpec(Spec):
    """The network of one tensor below a level; without a width it takes no time.

    width : per core cycle, or per cycle of `clock`; for psums both ways. `in`, `out` : psum only.
    port : networks that name the same port share it.
    tags : multicast; rows and PEs compare the (row, column) tag of each word.
    port_width, port_out : crossbar; of a child's port; psum: of the one up, if it is another.
    ports, hop_latency : mesh; where the parent is, and cycles per link (default 1).
    """

    kind: KindName | None = None
    width: PortWidth | None = None
    in_: PortWidth | None = Field(None, alias="in")
    out: PortWidth | None = None
    clock: Frequency | None = None
    latency: Duration | None = None
    port: str | None = None
    accumulate: AccumulateName | None = None
    reduce: list[ReduceName] | None = None
    tags: bool = False
    port_width: PortWidth | None = None
    port_out: PortWidth | None = None
    ports: InjectionName | None = None
    hop_latency: Duration | None = None


class SizeSpec(Spec):
    """Rows and columns of an array."""

    y: Count = 1
    x: Count = 1


class PassesSpec(Spec):
    """`serial` : the stationary tensor whose passes never overlap.

    lead : moving operands of a pass wait for its stationary one; false: they are loaded beside it.
    """

    serial: TensorName
    lead: bool = True


class ArraySpec(Spec):
    """The PE (or cluster) array below a level."""

    size: SizeSpec
    networks: dict[TensorName, NetworkSpec] = Field(default_factory=dict)
    passes: PassesSpec | None = None
    skew: bool = False


class PortsSpec(Spec):
    """Timed ports of a memory: `read` and `write`, or one `shared`."""

    read: PortWidth | None = None
    write: PortWidth | None = None
    shared: PortWidth | None = None


class LevelSpec(Spec):
    """One memory and the fan-out below it."""

    name: str = Field(pattern=r"^[A-Za-z]\w*$")
    component: str | None = None
    keeps: Keeps = Field(list(TENSORS))
    capacity: Capacity = Field(default_factory=dict)
    buffer: Buffering = Field(default_factory=dict)
    halo_reuse: bool = True
    compression: dict[TensorName, FormatName] = Field(default_factory=dict)
    ports: PortsSpec | None = None
    link: LinkSpec | None = None
    dram: DramEntry = None
    networks: dict[TensorName, NetworkSpec] = Field(default_factory=dict)
    array: ArraySpec | None = None


class CartesianSpec(Spec):
    """A PE of SCNN's kind; see `accelsim.architecture.model.Cartesian`."""

    ifmaps: Count = Cartesian.ifmaps
    filters: Count = Cartesian.filters
    banks: Count = Cartesian.banks
    entries: Count = Cartesian.entries
    fifo: Natural = Cartesian.fifo
    group: Count = Cartesian.group
    weights: Count = Cartesian.weights


class PeSpec(Spec):
    """One PE: MACs per cycle, pipeline depth, and what zeros save; see `accelsim.architecture.model.Sparsity`.

    multiplier : least width of an operand as it is multiplied, where words are stored shorter (decoded on the way).
    """

    macs: Count = 1
    multiplier: Word | None = None
    pipeline: Natural = 0
    gate: list[TensorName] = Field(default_factory=list)
    skip: list[TensorName] = Field(default_factory=list)
    pairing: PairingName = Pairing.COLUMN
    drift: Count = 1
    queue: Count = 1
    cartesian: CartesianSpec | None = None


class VectorSpec(Spec):
    """The unit that runs what is no MAC, beside the outermost level: operations per core cycle."""

    lanes: Count


class ArchitectureSpec(Spec):
    """A machine. Levels outermost first; the last one is inside the PE unless its own array says otherwise.

    word : `ofmap` is the width of sums once they are final (default: the psum's). narrow : the level that final sums
    leave at that width; left out, they have it where they come out of the innermost array.
    passes : of a machine without an array; else they belong to the array.
    """

    name: str = Field(min_length=1)
    source: Annotated[str, AfterValidator(_unsaid)] = Field(min_length=1)
    parameters: dict[str, Any] = Field(default_factory=dict)
    clock: Frequency
    word: Words
    narrow: str = ""
    padding: PaddingName = Padding.ON_CHIP
    lowering: LoweringName = Lowering.NONE
    dataflow: str = ""
    energy: str = ""
    levels: list[LevelSpec] = Field(min_length=1)
    passes: PassesSpec | None = None
    pe: PeSpec = PeSpec()
    vector: VectorSpec | None = None


assert tuple(ReductionDim) == REDUCTION_DIMS
