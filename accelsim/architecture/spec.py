"""What an architecture YAML file may say, as pydantic models."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, PlainValidator, WithJsonSchema

from accelsim import quantities
from accelsim.architecture.choices import Accumulate, Dim, Locked, ReductionDim
from accelsim.architecture.dram.spec import NONE, DramEntry
from accelsim.architecture.model import Buffer, Cartesian, Format, Injection, NetworkKind, Pairing
from accelsim.architecture.modes import ModeSpec
from accelsim.architecture.pace import (
    BiasSpec,
    Cycles,
    CyclesSpec,
    DeliverySpec,
    LayerSpec,
    PassesSpec,
    TensorName,
    VectorSpec,
)
from accelsim.architecture.physical import PhysicalSpec
from accelsim.architecture.runs import RunsSpec
from accelsim.parameters import NO_PARAMETERS, PARAMETERS
from accelsim.quantities import Quantity
from accelsim.specs import (
    REFUSED,
    Axis,
    Drift,
    Duration,
    Frequency,
    Macs,
    Name,
    Part,
    Part0,
    Pipeline,
    Queue,
    Share,
    Size,
    Spec,
    Word,
    key,
    pick,
    quantity,
)
from accelsim.workload.lowering import Lowering
from accelsim.workload.problem import TENSORS, Padding, Tensor, Width


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


_RATE = quantity(quantities.RATE.shown, "64 b", "4 words", "25.6 GB/s")
_PORT = {
    "type": "object",
    "description": "The same in full, with the name of the port; what names the same one shares it.",
    "properties": {
        "port": {"type": "string", "minLength": 1, "description": "Its name.", "unit": "none", "if_left_out": REFUSED},
        "width": {**_RATE, "description": "What it carries.", "if_left_out": REFUSED},
    },
    "required": ["port", "width"],
    "additionalProperties": False,
}
ALL = "*"
CHILDREN = "PEs, or instances of the next level"
PortWidth = Annotated[Rate, PlainValidator(_width), WithJsonSchema({"anyOf": [_RATE, _PORT]})]
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
DimName = Annotated[Dim, BeforeValidator(pick("dim", Dim))]
LockedName = Annotated[Locked, BeforeValidator(pick("part of a lock step", Locked))]
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


Keeps = Annotated[list[TensorName], BeforeValidator(_kept, json_schema_input_type=list[Tensor] | Literal["none"])]


class LinkSpec(Spec):
    """One port that all tensors share below a level, in both directions."""

    width: PortWidth = key("What it carries per core cycle, or per cycle of `clock`; or per second.")
    efficiency: Share = key("The share of its width that it reaches, as of a DRAM that opens rows.", Fraction(1))
    clock: Frequency | None = key("Its clock. Not beside a width per second.", None, "the core's")
    latency: Duration | None = key(
        "From the last word on the port to its arrival; the port is free meanwhile.", None, "none: words arrive at once"
    )


class NetworkSpec(Spec):
    """The network of one tensor below a level."""

    kind: KindName | None = key(
        "What carries the words (docs/noc.md).", None, "`tree` for psum, `multicast` for ifmap and filter"
    )
    width: PortWidth | None = key(
        "What its port at the level carries per core cycle, or per cycle of `clock`; or per second. "
        "Of a mesh, what each link carries. Of psums, each way.",
        None,
        "it is the level's `link`; where there is none its transfers take no time",
    )
    in_: PortWidth | None = key("psum only: the width down, instead of `width`.", None, "as `width`", alias="in")
    out: PortWidth | None = key("psum only: the width up, instead of `width`.", None, "as `width`")
    clock: Frequency | None = key("Clock of its widths. Not beside a width per second.", None, "the core's")
    latency: Duration | None = key(
        "From the last word on the port to its arrival; the port is free meanwhile.",
        None,
        "that of the level's `link`; where there is none words arrive at once",
    )
    port: Name | None = key(
        "Name of its port: whatever names the same one shares it; psums share it both ways.",
        None,
        "a port of its own; of psums, one each way",
    )
    every: Part = key('From a beat on its ports to the next (docs/model.md, "Beats").', 1, unit="core cycles")
    accumulate: AccumulateName | None = key(
        "psum only: where an old psum meets the new ones. `refill`: it is sent to a child first. "
        "`on-drain`: it joins them on their way up.",
        None,
        "`refill`; of a mesh `on-drain`",
    )
    reduce: list[ReduceName] | None = key(
        "psum only: dims over which psums are added on their way up.",
        None,
        "`[C, R, S]` of a chain, a tree and a systolic network, `[]` of the others",
    )
    slots: Part = key(
        "psum accumulated on drain only: tiles of old psums that have room on their way into the reduction.",
        1,
        unit="tiles",
    )
    tags: bool = key(
        "multicast only: rows and PEs compare the (row, column) tag of each word, which are counted.", False
    )
    port_width: PortWidth | None = key(
        "crossbar only: what the port of each child carries, beside that of the level.", None, "they take no time"
    )
    port_out: PortWidth | None = key(
        "crossbar only, of psum: the same on their way up, if it is another.", None, "as `port_width`"
    )
    ports: InjectionName | None = key("mesh only: where the level is on it.", None, "`corner`")
    hop_latency: Duration | None = key(
        "mesh only: for each link of the longest route; comes on top of `latency`.", None, "`1` cycle"
    )


class SizeSpec(Spec):
    """Rows and columns of an array."""

    y: Axis = key("Rows.", 1, unit=CHILDREN)
    x: Axis = key("Columns.", 1, unit=CHILDREN)


class ArraySpec(Spec):
    """The array below a level: of PEs, or of whatever has the next level."""

    size: SizeSpec = key("Its rows and columns.")
    networks: dict[TensorName, NetworkSpec] = key(
        "The network of each tensor.", {}, "each tensor has the `kind` it has by default, on the level's `link` if any"
    )
    passes: PassesSpec | None = key(
        "Of one array of the machine: passes do not overlap.", None, "tiles overlap as far as buffers let them"
    )
    skew: bool = key(
        "Of one array of the machine, meant for all: systolic, an operand reaches row i, column j after i + j cycles.",
        False,
    )


class FixedSpec(Spec):
    """What tiles and transfers take besides their words, before the first of them."""

    tile: dict[TensorName, Pipeline] = key(
        "When a tile begins: before its first step where the level is the innermost that keeps the tensor, else before "
        "its fill.",
        {},
        "none",
        unit="core cycles",
    )
    fill: dict[TensorName, Pipeline] = key(
        "Before each fill, and of psums before old ones on their way down.", {}, "none", unit="core cycles"
    )
    drain: Pipeline = key("Before each drain of psums.", 0, unit="core cycles")


class PortsSpec(Spec):
    """Timed ports of one instance of a memory."""

    read: PortWidth | None = key("What is read per core cycle.", None, "reading takes no time here")
    write: PortWidth | None = key("What is written per core cycle.", None, "writing takes no time here")
    shared: PortWidth | None = key(
        "What is read and written per core cycle; instead of both.", None, "reads and writes have a port each"
    )


def _level_name(value: str) -> str:
    # pydantic's own patterns take a twentieth of a second to make of all letters there are, 199 times
    if not re.fullmatch(r"[A-Za-z]\w{0,199}", value):
        raise ValueError(f"'{value}' is no name here: letters, digits and _, a letter first")
    return value


LevelName = Annotated[
    str, AfterValidator(_level_name), WithJsonSchema({"type": "string", "pattern": r"^[A-Za-z]\w{0,199}$"})
]


class LevelSpec(Spec):
    """One memory and the fan-out below it."""

    name: LevelName = key("What mappings, results and errors call it: a letter, then letters, digits and _.")
    component: Name | None = key("The energy table's component that prices it.", None, "that of the level's name")
    keeps: Keeps = key("Tensors it stores; the others pass it by. The outermost level keeps all.", list(TENSORS))
    capacity: Capacity = key(
        "Room in one instance: one size that its tensors share, or sizes by tensor (`ifmap + psum: 100 KiB` is shared "
        "by two).",
        {},
        "no bound; nor for tensors that are not named",
        names="TENSORS",
    )
    buffer: Buffering = key(
        "How many tiles of a tensor have room: one value, or by tensor. `stream` only where it is kept innermost.",
        {},
        "`single`; so for tensors that are not named",
    )
    tiles: dict[TensorName, Part] = key(
        "Tiles of a tensor buffered `double` that have room, the one in use among them.", {}, "two", unit="tiles"
    )
    halo_reuse: bool = key(
        "Whether an ifmap tile that slides keeps what overlaps with the one before; `false`: it is fetched whole.", True
    )
    refetch: list[TensorName] = key(
        "Inputs (ifmap, filter) whose tile is fetched anew whenever a loop outside it goes on, though it is the same.",
        [],
        "a tile stays until another takes its place",
    )
    compression: dict[TensorName, FormatName] = key(
        "How tensors are encoded, in it and on their way down from it.", {}, "raw; so for tensors that are not named"
    )
    ports: PortsSpec | None = key("Timed ports of the memory itself.", None, "it takes no time")
    link: LinkSpec | None = key(
        "One port for everything below it that has no `width` of its own.",
        None,
        "only networks with a `width` take time",
    )
    dram: DramEntry = key(
        "Outermost level only, instead of `link` and `ports`: banks and rows. A preset's name, its values, or `none`.",
        None,
        "no banks and rows: a bandwidth, or no time",
    )
    fixed: FixedSpec = key("Cycles besides those of words.", FixedSpec(), "none")
    delivery: DeliverySpec | None = key("Room for psums on their way out.", None, "as their tiles have")
    atoms: dict[TensorName, Part] = key(
        "Of the outermost: words along C that are read at a time, used or not.", {}, "one by one", unit="words"
    )
    outstanding: dict[TensorName, Part] = key(
        "Of the outermost: transfers of a tensor down that may be on their way at a time.",
        {},
        "any number",
        unit="transfers",
    )
    turns: list[TensorName] = key("Of the outermost, two inputs whose first fills take its port in turn.", [], "none")
    networks: dict[TensorName, NetworkSpec] = key(
        "The network of each tensor below a level without an array.", {}, "as in an array"
    )
    array: ArraySpec | None = key("What fans out below it.", None, "the next level is there once for each instance")


class CartesianSpec(Spec):
    """A PE of SCNN's kind: every non-zero word of an ifmap vector meets every one of a filter vector.

    Parashar et al., "SCNN", ISCA 2017, sections III and IV.
    """

    ifmaps: Part = key("Words of an ifmap vector (I).", Cartesian.ifmaps, unit="words")
    filters: Part = key("Words of a filter vector (F).", Cartesian.filters, unit="words")
    banks: Part = key("Banks of accumulators.", Cartesian.banks, unit="banks")
    entries: Part = key("Accumulators of a bank.", Cartesian.entries, unit="psums")
    fifo: Part0 = key("Products that may queue at a bank; `0`: any number.", Cartesian.fifo, unit="products")
    group: Part = key("Output channels worked on at once (Kc).", Cartesian.group, unit="channels")
    weights: Part = key("Filter vectors that the weight FIFO holds.", Cartesian.weights, unit="vectors")


class LockSpec(Spec):
    """PEs that work in lock step: where a tile of their array is not whole, what is not there takes its time."""

    dims: list[DimName] = key("The dims in which tiles count as whole.", min_length=1)
    of: list[LockedName] = key("What takes the time of whole tiles: `compute`, and the words of tensors.", min_length=1)


class PeSpec(Spec):
    """One PE, and what zeros save (docs/model.md, "Zeros")."""

    macs: Macs = key(
        "MACs per core cycle: its lanes.",
        1,
        "with `cartesian`, `ifmaps` x `filters`, and nothing else may be given",
        unit="MACs per core cycle",
    )
    multiplier: Word | None = key(
        "Least width of an operand as it is multiplied, where words are stored shorter; a MAC's energy follows it.",
        None,
        "the width of the words",
    )
    slices: dict[TensorName, Word] = key(
        "Width of the slices in which it multiplies ifmap words, and filter words (docs/slices.md): loops over `IB` "
        "and `WB` go over them, and a word of that tensor is one slice everywhere.",
        {},
        "words are multiplied whole",
    )
    modes: list[ModeSpec] = key(
        "Ways in which a multiplier splits, each of other widths; a layer runs in the one of the fewest bits that its "
        "words fit (docs/precision.md).",
        [],
        "it does not split",
    )
    pipeline: Pipeline = key("From an operand to the psum it is in.", 0, unit="core cycles")
    cycles: Cycles = key(
        "Cycles of each MAC, as of a bit-serial multiplier; or of that and what comes behind the MACs.",
        CyclesSpec(),
        "one a MAC, nothing behind them",
        unit="core cycles",
    )
    lock: LockSpec | None = key("Lock step of the PEs.", None, "what is not there takes no time")
    least: Pipeline = key("From the beginning of a step to that of the next, at least.", 0, unit="core cycles")
    gate: list[TensorName] = key(
        "Operands (ifmap, filter) whose zeros save the MAC and the reads after them, not the cycle.",
        [],
        "none is gated",
    )
    skip: list[TensorName] = key("Operands (ifmap, filter) whose zeros take no cycle.", [], "none is skipped")
    pairing: PairingName = key("With `skip`: what the lanes share in a cycle.", Pairing.COLUMN)
    drift: Drift = key("With `skip`: steps that PEs may be apart.", 1, "lock step", unit="steps")
    queue: Queue = key("With `pairing: output`: outputs that the lanes of a PE may be apart.", 1, unit="outputs")
    cartesian: CartesianSpec | None = key(
        "A PE of SCNN's kind, which maps a layer by itself.", None, "a PE that runs the nest of a mapping"
    )


class ArchitectureSpec(Spec):
    """A machine: memories with what fans out below each, and the PEs."""

    name: Name = key("What results and errors call it.")
    source: Annotated[str, AfterValidator(_unsaid)] = key(
        "Where its numbers are from; `none`: nowhere, of a machine built in code.", min_length=1
    )
    parameters: dict[str, Any] = key(PARAMETERS, {}, NO_PARAMETERS, names="PARAMETER")
    clock: Frequency = key("The core clock: every result in cycles is in cycles of it.")
    word: Words = key(
        "Width of a word: one for all tensors, or by tensor. `ofmap` is that of sums once they are final, no more than "
        "the psum's; left out, it is the psum's."
    )
    narrow: str = key(
        'The level that final sums leave as ofmap words (docs/model.md, "Ofmap words").',
        "",
        "they are narrowed where they come out of the innermost array",
    )
    bias: BiasSpec | None = key("Where a layer's bias goes.", None, "a bias is not taken out of memory")
    between: str = key(
        "The level where tensors may stay between layers, where a run asks for that (docs/between.md).",
        "",
        "the largest memory outside the array that keeps ifmaps and psums",
    )
    padding: PaddingName = key(
        "Where the zeros around an ifmap come from; a workload may say otherwise.", Padding.ON_CHIP
    )
    lowering: LoweringName = key("What a layer is turned into before it is mapped.", Lowering.NONE)
    runs: RunsSpec | None = key("Outputs as runs of pixels.", None, "rectangles of rows and columns")
    dataflow: str = key(
        "The dataflow whose mappings a run searches by default.", "", "a run has to name one, or give mappings"
    )
    energy: str = key("The energy table of a run by default.", "", "a run has to name one")
    levels: list[LevelSpec] = key(
        "The memories, outermost first. What lies below the last array, without one the last level, is inside the PE.",
        min_length=1,
    )
    passes: PassesSpec | None = key(
        "Of a machine without an array: passes do not overlap.", None, "what an array says of them"
    )
    pe: PeSpec = key("The PE.", PeSpec(), "one MAC per cycle, no pipeline; zeros save nothing")
    layer: LayerSpec = key("Cycles of a layer besides its transfers and steps.", LayerSpec(), "none")
    vector: VectorSpec | None = key("The unit for layers without MACs.", None, "vector operations take no time")
    physical: PhysicalSpec | None = key("What area, wires, clock and leakage follow from.", None, "as by its defaults")
