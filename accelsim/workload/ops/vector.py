"""Layers that compute word by word, and any that is told by its words alone."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BeforeValidator

from accelsim.errors import WorkloadError
from accelsim.specs import Count, Natural, Spec, key, pick
from accelsim.workload.layer import Flag, LayerSpec, Lowered
from accelsim.workload.network import Shape
from accelsim.workload.ops.common import OP, broadcast, causal_key


class Function(StrEnum):
    """Functions of a word, and of two. docs/layers.md has the operations that each counts."""

    ABS = "abs"
    CLIP = "clip"
    COS = "cos"
    ELU = "elu"
    ERF = "erf"
    EXP = "exp"
    GELU = "gelu"
    GELU_TANH = "gelu-tanh"
    HARD_SIGMOID = "hard-sigmoid"
    HARD_SWISH = "hard-swish"
    LEAKY_RELU = "leaky-relu"
    LOG = "log"
    MISH = "mish"
    NEGATE = "negate"
    QUANTIZE = "quantize"
    RECIPROCAL = "reciprocal"
    RELU = "relu"
    ROUND = "round"
    SIGMOID = "sigmoid"
    SILU = "silu"
    SIN = "sin"
    SOFTPLUS = "softplus"
    SQRT = "sqrt"
    SQUARE = "square"
    TANH = "tanh"
    COMPARE = "compare"
    DIVIDE = "divide"
    MAXIMUM = "maximum"
    MINIMUM = "minimum"
    MULTIPLY = "multiply"
    POWER = "power"
    SUBTRACT = "subtract"
    WHERE = "where"


OPERATIONS = {
    # a comparison; two of them
    Function.RELU: 1,
    Function.CLIP: 2,
    # a comparison and a product; with exp and - 1 besides
    Function.LEAKY_RELU: 2,
    Function.ELU: 4,
    # x + 3, two comparisons, / 6; times x
    Function.HARD_SIGMOID: 4,
    Function.HARD_SWISH: 5,
    # x sigmoid(x): E. Elfwing et al., arXiv 1702.03118, 2017
    Function.SILU: 2,
    # x / sqrt 2, erf, + 1, times x, / 2; with tanh: x squared, times x, times 0.044715, + x, times sqrt(2 / pi), tanh,
    # + 1, times x, / 2: D. Hendrycks and K. Gimpel, arXiv 1606.08415, 2016
    Function.GELU: 5,
    Function.GELU_TANH: 9,
    # exp, + 1, log; tanh of it, times x: D. Misra, arXiv 1908.08681, 2019
    Function.SOFTPLUS: 3,
    Function.MISH: 5,
    # by the scale, round, plus the zero point, two comparisons
    Function.QUANTIZE: 5,
}
"""Per word, where they are not one."""

OF_SEVERAL = frozenset(
    {
        Function.COMPARE,
        Function.DIVIDE,
        Function.MAXIMUM,
        Function.MINIMUM,
        Function.MULTIPLY,
        Function.POWER,
        Function.SUBTRACT,
        Function.WHERE,
    }
)
"""Functions of several words: one operation for each but the first, one alone if the others are numbers."""

AnyFunction = Annotated[Function, BeforeValidator(pick("function", Function))]


class Add(LayerSpec):
    """Elementwise sum of two or more inputs; an axis of one word goes with all words of the others' (broadcast)."""

    fan_in = (2, None)

    op: Literal["add"] = key(OP)

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape only."""
        return Lowered(broadcast(shapes, "adds"))

    def vector_ops(self, shapes: Sequence[Shape]) -> int:
        """A sum per word of the output and input, the first left out."""
        return broadcast(shapes, "adds").words * (len(shapes) - 1)


class Elementwise(LayerSpec):
    """A function of each word, or of the words of several inputs at one place, such as their product.

    An axis of one word goes with all words of the others' (broadcast): a factor for each channel, as squeeze-and-excite
    has it (J. Hu et al., CVPR 2018).
    """

    fan_in = (1, None)

    op: Literal["elementwise"] = key(OP)
    function: AnyFunction | None = key(
        "What it computes: operations follow from it.",
        None,
        "any function of one input, counted as one operation per word; of several the product",
    )
    causal: Flag = causal_key()

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape only."""
        if self.function and len(shapes) > 1 and self.function not in OF_SEVERAL:
            raise WorkloadError(f"function '{self.function}' is of one input, got {len(shapes)}")
        return Lowered(broadcast(shapes, "multiplies"))

    def vector_ops(self, shapes: Sequence[Shape]) -> int:
        """As `OPERATIONS` has it, per word; of several inputs, one per word of the output and input but the first."""
        words = broadcast(shapes, "multiplies").words
        return words * (len(shapes) - 1 if len(shapes) > 1 else _operations(self.function))


class Gate(LayerSpec):
    """A function of one half, times the other: GLU, SwiGLU, GeGLU (N. Shazeer, arXiv 2002.05202, 2020).

    Of one input, the halves of its channels; of two, the first one's function times the second.
    """

    fan_in = (1, 2)

    op: Literal["gate"] = key(OP)
    function: AnyFunction | None = key("The function.", None, "none: the halves are multiplied")

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape only."""
        if self.function in OF_SEVERAL:
            raise WorkloadError(f"function '{self.function}' is of several words; a gate needs one of a word")
        if len(shapes) == 2:
            return Lowered(broadcast(shapes, "multiplies"))
        (shape,) = shapes
        if shape.C % 2:
            raise WorkloadError(f"shape mismatch: gates {shape}, whose {shape.C} channels have no halves")
        return Lowered(Shape(shape.C // 2, shape.H, shape.W, shape.D))

    def vector_ops(self, shapes: Sequence[Shape]) -> int:
        """Those of the function and a product, per word of the output."""
        return self.lower(shapes, 1).shape.words * (1 + (_operations(self.function) if self.function else 0))


def _operations(function: Function | None) -> int:
    """Per word; of a function that is not named one."""
    return OPERATIONS.get(function, 1) if function else 1


class ShapeSpec(Spec):
    """The feature map of one image."""

    C: Count = key("Channels.", unit="channels")
    H: Count = key("Rows.", 1, unit="rows")
    W: Count = key("Columns.", 1, unit="columns")
    D: Count = key("Planes of depth.", 1, unit="planes")

    def value(self) -> Shape:
        """As a value object."""
        return Shape(self.C, self.H, self.W, self.D)


class Vector(LayerSpec):
    """Any layer without MACs, told by what it moves and computes for one image."""

    fan_in = (1, None)

    op: Literal["vector"] = key(OP)
    shape: ShapeSpec | None = key("Its output.", None, "that of its first input")
    reads: Natural | None = key("Words it reads.", None, "all words of its inputs, each once", "words")
    writes: Natural | None = key("Words it writes.", None, "all words of its output", "words")
    ops: Natural = key("Vector operations.", 0, unit="operations")

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """As the file says."""
        shape = self.shape.value() if self.shape else shapes[0]
        reads = sum(one.words for one in shapes) if self.reads is None else self.reads
        return Lowered(shape, moves=(reads, shape.words if self.writes is None else self.writes))

    def vector_ops(self, shapes: Sequence[Shape]) -> int:
        """As the file says."""
        return self.ops
