"""What area, wires, clock and leakage of a machine follow from, beside what its counts and cycles need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, PlainValidator, WithJsonSchema

from accelsim import quantities
from accelsim.architecture import actions, analog
from accelsim.architecture.actions import Action, ActionSpec, Amount, Trigger, actions_of
from accelsim.architecture.analog import Analog, AnalogSpec, analog_of
from accelsim.architecture.priced import ModelSpec, priced
from accelsim.errors import AccelsimError
from accelsim.specs import Axis, Count, Natural, Spec, key, pick, quantity
from accelsim.workload.problem import TENSORS, Tensor
from accelsim.yamlfile import Document, Place, unknown

if TYPE_CHECKING:
    from accelsim.architecture.model import Level

ALL = "*"
MOST_FLOOR = 100
TAKEN = ("MAC", "registers", "clock", "network", "vector", "total")
"""What other rows of an account are called."""


class MemoryKind(StrEnum):
    """What a small memory is made of."""

    SRAM = "sram"
    FLIP_FLOP = "flip-flop"


class Arithmetic(StrEnum):
    """Numbers a MAC works on."""

    INT = "int"
    FP16 = "fp16"
    BF16 = "bf16"
    FP32 = "fp32"


class Access(StrEnum):
    """What is paid for a word: its share of a port that streams, or all of the port."""

    PORT = "port"
    WORD = "word"


def _bits(value: object) -> int:
    found = quantities.capacity(value)
    if found.unit != "b":
        raise ValueError(f"'{quantities.short(value)}': write a width in bits or bytes")
    return int(found.value)


def _floor(value: object) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"should be a number, got '{quantities.short(value)}'")
    if not 1 <= value <= MOST_FLOOR:
        raise ValueError(f"must lie in 1 to {MOST_FLOOR}, got {quantities.short(value)}")
    return Fraction(str(value))


def _memories(value: object) -> object:
    """One memory stands for all parts of a level."""
    return value if isinstance(value, dict) and value.keys() & set(TENSORS) else {ALL: value}


Bits = Annotated[int, PlainValidator(_bits), WithJsonSchema(quantity("b, B", "64 b"))]
Floor = Annotated[
    Fraction, PlainValidator(_floor), WithJsonSchema({"type": "number", "minimum": 1, "maximum": MOST_FLOOR})
]
KindName = Annotated[MemoryKind, BeforeValidator(pick("kind of memory", MemoryKind))]
AccessName = Annotated[Access, BeforeValidator(pick("way to access", Access))]
ArithmeticName = Annotated[Arithmetic, BeforeValidator(pick("arithmetic", Arithmetic))]


class MemorySpec(Spec):
    """What a level, or the part of it for a tensor, is made of."""

    kind: KindName | None = key(
        "`sram` or `flip-flop`; up to 512 words it has to be said.", None, "`sram` above 512 words"
    )
    port: Bits | None = key(
        "Width of its one port, which every access pays for.", None, "a word, and up to 512 words a register file"
    )
    banks: Count = key("Banks of one memory with one port.", 1, unit="banks")
    slices: Count = key("Memories that every access takes together, each of its share of port and capacity.", 1)
    count: Count = key("Memories side by side, each of its share of the capacity, one accessed at a time.", 1)
    access: AccessName = key("What a word pays: its share of the `port`, or the whole of it (`word`).", Access.PORT)


Memories = Annotated[
    dict[str, MemorySpec],
    BeforeValidator(_memories, json_schema_input_type=MemorySpec | dict[Tensor, MemorySpec]),
]


class LayoutSpec(Spec):
    """How an array lies."""

    y: Axis = key("Rows.")
    x: Axis = key("Columns.")


class PartSpec(Spec):
    """A component that the model does not derive: its area, the power it takes as long as the machine is on, and what
    it takes for what it does.
    """

    source: str = key("Where its numbers are from.")
    count: Count = key("How many there are.", 1)
    model: ModelSpec | None = key("What prices it where its own keys do not.", None, "nothing does")
    area: Amount | None = key("Cells of one.", None, "that of its `model`; without one none", unit="mm2")
    static: Amount | None = key("Power of one, always.", None, "what its `model` leaks; without one none", unit="mW")
    actions: dict[str, ActionSpec] = key("What it does, by name.", {}, "it does nothing", names="ACTION")


class PhysicalSpec(Spec):
    """What area, wires, clock and leakage follow from (docs/energy.md)."""

    source: str = key("Where it is from.", "", "nothing is said")
    floorplan: Floor = key("Floor over the cells on it.", Fraction(1), "cells are all that takes room", "ratio")
    memories: dict[str, Memories] = key(
        "What levels are made of, by name, or by name and tensor.",
        {},
        "as of one level that says nothing",
        names="LEVEL",
    )
    registers: Natural | None = key(
        "Flip-flops of a MAC beside its register files.", None, "one stage: the bits of ifmap, filter and psum", "bits"
    )
    clock_gate: bool = key("Whether PEs that do not work take no clock.", False)
    handed_on: bool = key("Whether a word that `systolic` and `chain` hand on is written into a register.", True)
    arithmetic: ArithmeticName = key("Numbers that MACs work on.", Arithmetic.INT)
    layouts: dict[str, LayoutSpec] = key(
        "How the array below a level lies, where it is declared as one row for convenience.", {}, "as declared",
        names="LEVEL",
    )  # fmt: skip
    parts: dict[str, PartSpec] = key("Components of one's own.", {}, "there are none", names="PART")
    analog: AnalogSpec | None = key("What sums go through before they are words.", None, "nothing: they are exact")


@dataclass(frozen=True)
class Memory:
    """What a part of a level is made of; `MemorySpec` tells its fields. port : bits; 0: a word."""

    kind: MemoryKind | None = None
    port: int = 0
    banks: int = 1
    slices: int = 1
    count: int = 1
    access: Access = Access.PORT


@dataclass(frozen=True)
class OwnPart:
    """A component that is declared; `PartSpec` tells its fields. area : mm2, static : mW, of one."""

    source: str
    count: int = 1
    area: Fraction = Fraction(0)
    static: Fraction = Fraction(0)
    actions: Mapping[str, Action] = field(default_factory=dict)


@dataclass(frozen=True)
class Physical:
    """`PhysicalSpec` tells its fields. memories : by level and tensor. registers : bits, None: a stage."""

    source: str = ""
    floorplan: Fraction = Fraction(1)
    memories: Mapping[str, Mapping[str, Memory]] = field(default_factory=dict)
    registers: int | None = None
    clock_gate: bool = False
    handed_on: bool = True
    arithmetic: Arithmetic = Arithmetic.INT
    layouts: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    parts: Mapping[str, OwnPart] = field(default_factory=dict)
    analog: Analog | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.floorplan <= MOST_FLOOR:
            raise AccelsimError(f"physical: floorplan must lie in 1 to {MOST_FLOOR}, got {float(self.floorplan):g}")

    def memory(self, level: str, tensor: str) -> Memory:
        """What holds a tensor at a level."""
        parts = self.memories.get(level, {})
        return parts.get(tensor) or parts.get(ALL) or Memory()


def stepping(physical: Physical | None) -> tuple[str, ...]:
    """The levels whose steps make some part act."""
    acts = (act for part in physical.parts.values() for act in part.actions.values()) if physical else ()
    return tuple(sorted({act.level for act in acts if act.on is Trigger.STEP}))


def physical_of(document: Document, spec: PhysicalSpec | None, levels: Sequence[Level]) -> Physical | None:
    """The value; notes an error for a level that is not there and a layout of another size."""
    if spec is None:
        return None
    arrays = {level.name: level.fanout.y * level.fanout.x for level in levels}
    for what in ("memories", "layouts"):
        for name in getattr(spec, what):
            if name not in arrays:
                document.refuse(("physical", what, name), unknown("level", name, list(arrays)), key=True)
    for level, parts in spec.memories.items():
        for tensor in parts.keys() - {ALL, *TENSORS}:
            document.refuse(("physical", "memories", level, tensor), unknown("tensor", tensor, TENSORS), key=True)
    for name, layout in spec.layouts.items():
        if name in arrays and layout.y * layout.x != arrays[name]:
            why = f"{layout.y} x {layout.x} is no layout of the {arrays[name]} children below '{name}'"
            document.refuse(("physical", "layouts", name), why)
    for name in spec.parts:
        if name in arrays or name in TAKEN or not name.isidentifier():
            why = "is what something else is called" if name.isidentifier() else "is no name: letters, digits and _"
            document.refuse(("physical", "parts", name), f"'{quantities.short(name)}' {why}", key=True)
    own = {name: _part(document, name, one, arrays) for name, one in spec.parts.items()}
    return Physical(
        spec.source,
        spec.floorplan,
        {
            level: {
                name: Memory(one.kind, one.port or 0, one.banks, one.slices, one.count, one.access)
                for name, one in parts.items()
            }
            for level, parts in spec.memories.items()
        },
        spec.registers,
        spec.clock_gate,
        spec.handed_on,
        spec.arithmetic,
        {name: (layout.y, layout.x) for name, layout in spec.layouts.items()},
        own,
        analog_of(document, spec.analog, levels),
    )


def _part(document: Document, name: str, spec: PartSpec, arrays: Mapping[str, int]) -> OwnPart:
    """A part with the numbers of its model where it has none of its own."""
    place: Place = ("physical", "parts", name)
    model, area, static = None, spec.area, spec.static
    if spec.model:
        try:
            model = priced(spec.model)
            area = model.area() if area is None else area
            static = model.static() if static is None else static
        except ValueError as error:
            document.refuse((*place, "model"), str(error), key=True)
            return OwnPart(spec.source, spec.count)
    acts = actions_of(document, (*place, "actions"), spec.actions, arrays, model)
    return OwnPart(spec.source, spec.count, area or Fraction(0), static or Fraction(0), acts)


def written(physical: Physical) -> dict[str, Any]:
    """As a file has it; what is as by default is left out."""
    plain = Physical()
    found: dict[str, Any] = {
        name: getattr(physical, name)
        for name in ("source", "registers", "clock_gate", "handed_on")
        if getattr(physical, name) != getattr(plain, name)
    }
    if physical.floorplan != 1:
        found["floorplan"] = float(physical.floorplan)
    if physical.arithmetic is not plain.arithmetic:
        found["arithmetic"] = physical.arithmetic.value
    for level, parts in physical.memories.items():
        said = {name: dict(_said(memory)) for name, memory in parts.items()}
        found.setdefault("memories", {})[level] = said.get(ALL, said)
    if physical.parts:
        found["parts"] = {name: _own(part) for name, part in physical.parts.items()}
    if physical.analog:
        found["analog"] = analog.written(physical.analog)
    if physical.layouts:
        found["layouts"] = {name: {"y": y, "x": x} for name, (y, x) in physical.layouts.items()}
    return found


def _own(part: OwnPart) -> dict[str, Any]:
    found: dict[str, Any] = {
        "source": part.source, "count": part.count, "area": float(part.area), "static": float(part.static)
    }  # fmt: skip
    if part.actions:
        found["actions"] = {name: actions.written(action) for name, action in part.actions.items()}
    return found


def _said(memory: Memory) -> Iterator[tuple[str, Any]]:
    if memory.kind:
        yield "kind", memory.kind.value
    if memory.port:
        yield "port", f"{memory.port} b"
    for name in ("banks", "slices", "count"):
        if getattr(memory, name) > 1:
            yield name, getattr(memory, name)
    if memory.access is not Access.PORT:
        yield "access", memory.access.value
