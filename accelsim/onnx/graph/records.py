"""What is read of an ONNX file: nodes, stored tensors, inputs and outputs, as plain records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from typing import Any, NamedTuple

import numpy as np

from accelsim.errors import MOST_NAME, WorkloadError, plain

Sizes = tuple[int, ...]
MICROSOFT = "com.microsoft"
"""The domain of the operators that ONNX Runtime's optimiser and quantiser write."""
ML = "ai.onnx.ml"
"""The domain of the operators that classical models are made of."""


class Kind(NamedTuple):
    """What an element type is called, and the bits of its words."""

    name: str
    bits: int


# numbers are those of TensorProto.DataType
KINDS = {
    1: Kind("float32", 32),
    2: Kind("uint8", 8),
    3: Kind("int8", 8),
    4: Kind("uint16", 16),
    5: Kind("int16", 16),
    6: Kind("int32", 32),
    7: Kind("int64", 64),
    8: Kind("string", 0),
    9: Kind("bool", 1),
    10: Kind("float16", 16),
    11: Kind("float64", 64),
    12: Kind("uint32", 32),
    13: Kind("uint64", 64),
    14: Kind("complex64", 64),
    15: Kind("complex128", 128),
    16: Kind("bfloat16", 16),
    17: Kind("float8e4m3fn", 8),
    18: Kind("float8e4m3fnuz", 8),
    19: Kind("float8e5m2", 8),
    20: Kind("float8e5m2fnuz", 8),
    21: Kind("uint4", 4),
    22: Kind("int4", 4),
    23: Kind("float4e2m1", 4),
    24: Kind("float8e8m0", 8),
    25: Kind("uint2", 2),
    26: Kind("int2", 2),
}
FLOAT, INT64, BOOL = 1, 7, 9
INTEGERS = frozenset({2, 3, 4, 5, 6, 7, 9, 12, 13, 21, 22, 25, 26})


@dataclass(frozen=True)
class Input:
    """An input of the graph. dims : a number, a symbol, or None where the file says nothing; None in all: no rank."""

    name: str
    kind: int
    dims: tuple[int | str | None, ...] | None


@dataclass(frozen=True, eq=False)
class Node:
    """One node.

    index : its place in its graph. place : the subgraph it lies in, ``node/attribute``; of the main graph nothing.
    proto : as the file has it.
    """

    index: int
    name: str
    op: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    place: str
    proto: Any

    @property
    def kind(self) -> str:
        """The operator, with its domain where that is not ONNX's own."""
        return f"{self.domain}.{self.op}" if self.domain else self.op

    def __str__(self) -> str:
        shown = self.name or next(iter(filter(None, self.outputs)), f"number {self.index}")
        return f"node '{plain(shown[:MOST_NAME])}' ({plain(self.kind[:MOST_NAME])})"

    def whole(self, name: str, default: int = 0) -> int:
        """An attribute that is a whole number. WorkloadError if it is none."""
        value = self.attributes.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise WorkloadError(f"{self}: attribute '{name}' should be a whole number, got {type(value).__name__}")
        return value

    def text(self, name: str, default: str = "") -> str:
        """An attribute that is a text. WorkloadError if it is none."""
        value = self.attributes.get(name, default)
        if not isinstance(value, str):
            raise WorkloadError(f"{self}: attribute '{name}' should be a text, got {type(value).__name__}")
        return value

    def wholes(self, name: str, length: int, default: int) -> Sizes:
        """An attribute that is a list of `length` whole numbers. WorkloadError if it is none."""
        value = self.attributes.get(name)
        if value is None:
            return (default,) * length
        if not isinstance(value, list) or len(value) != length or not all(isinstance(one, int) for one in value):
            raise WorkloadError(f"{self}: attribute '{name}' should be {length} whole numbers, got {value}")
        return tuple(value)


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes in an order they can run in. stored : the tensors that lie in the file, or beside it."""

    nodes: tuple[Node, ...]
    inputs: tuple[Input, ...]
    outputs: tuple[Input, ...]
    stored: Mapping[str, Any]
    declared: Mapping[str, Input]


@dataclass(frozen=True, eq=False)
class Model:
    """A file. opsets : version of each domain. folder : where external data would lie."""

    file: str
    folder: str
    graph: Graph
    opsets: Mapping[str, int]
    producer: str


@dataclass(eq=False, slots=True)
class Value:
    """A tensor as the graph runs: what is known of it.

    shape : None where it follows from values that are not known. data : its words, where they are few and known.
    stored : words of each stored tensor it follows from, if from nothing else; None: an activation.
    step : the number of the step that gives it; -1: none. lost : the node from which on its shape is not known.
    """

    name: str
    kind: int = 0
    shape: Sizes | None = None
    data: np.ndarray[Any, Any] | None = None
    stored: dict[str, int] | None = None
    step: int = -1
    source: Any = None
    lost: str = ""

    @property
    def words(self) -> int:
        """Words; 0 where the shape is not known."""
        return 0 if self.shape is None else prod(self.shape)

    @property
    def bits(self) -> int:
        """Bits of a word; 0 where they are not known."""
        return KINDS[self.kind].bits if self.kind in KINDS else 0

    def __str__(self) -> str:
        return f"'{plain(self.name[:MOST_NAME])}' {shown(self.shape)}"


@dataclass(frozen=True, eq=False)
class Step:
    """One node as it runs, once. inputs : None where an optional one is left out. why : why nothing is known of it."""

    node: Node
    inputs: tuple[Value | None, ...]
    outputs: tuple[Value, ...]
    why: str = ""

    def input(self, index: int) -> Value:
        """An input that has to be there, with its shape. WorkloadError if it is not."""
        value = self.inputs[index] if index < len(self.inputs) else None
        if value is None:
            raise WorkloadError(f"{self.node}: input {index} is left out")
        return value

    def shape(self, index: int, rank: int | None = None) -> Sizes:
        """The shape of an input. WorkloadError where it is not known, or of another rank."""
        value = self.input(index)
        if value.shape is None:
            raise WorkloadError(
                f"{self.node}: the shape of its input '{value.name}' is not known, from {value.lost} on"
            )
        if rank is not None and len(value.shape) != rank:
            raise WorkloadError(f"{self.node}: input {value} should have {rank} dims")
        return value.shape

    def has(self, index: int) -> bool:
        """Whether an optional input is there."""
        return index < len(self.inputs) and self.inputs[index] is not None


@dataclass(frozen=True, eq=False)
class Program:
    """What a graph does, step by step, each If, Loop and Scan that can be followed laid out."""

    model: Model
    steps: tuple[Step, ...]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    dims: Mapping[str, int] = field(default_factory=dict)


MALFORMED = (ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, TypeError, ValueError)
"""What comes of a node whose attributes or inputs are of another kind than its operator takes."""


@contextmanager
def telling(step: Step) -> Iterator[None]:
    """Make one line of whatever a malformed node leads to."""
    try:
        yield
    except MALFORMED as error:
        given = ", ".join(str(value) for value in step.inputs if value is not None) or "nothing"
        what = plain(" ".join(str(error).split())[:200]) or type(error).__name__
        raise WorkloadError(f"{step.node}: is not what its operator takes; it reads {given}: {what}") from None


def refused(file: str, error: Exception) -> WorkloadError:
    """The error of a file, in one line whatever its names hold."""
    return WorkloadError(f"{file}: {error}".replace("\n", "\\n"))


def shown(shape: Sizes | None) -> str:
    """A shape as a line shows it."""
    if shape is None:
        return "of unknown shape"
    return f"[{', '.join(map(str, shape))}]"
