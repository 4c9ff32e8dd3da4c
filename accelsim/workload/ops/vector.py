"""Layers without MACs that move words and compute with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from accelsim.specs import PadPair, Pair, key
from accelsim.workload.layer import LayerSpec, Lowered
from accelsim.workload.network import Shape
from accelsim.workload.ops.common import OP, ROWS_COLUMNS, alike, outputs


class Pool(LayerSpec):
    """Maximum or mean of a window."""

    op: Literal["maxpool", "avgpool"] = key(OP)
    kernel: Pair | None = key(f"The window{ROWS_COLUMNS}.", None, "the whole plane", "words")
    stride: Pair | None = key(
        f"Step of the window{ROWS_COLUMNS}.", None, "as `kernel`: windows do not overlap", "words"
    )
    pad: PadPair = key(f"Room on every side of the plane{ROWS_COLUMNS}.", (0, 0), unit="words")
    ceil: bool = key("Whether a last window that the edge cuts is kept.", False)

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape only."""
        shape = shapes[0]
        kernel = self.window(shape)
        return Lowered(Shape(shape.C, *outputs(shape, kernel, self.pad, self.stride or kernel, ceil=self.ceil)))

    def window(self, shape: Shape) -> tuple[int, int]:
        """Rows and columns one output is taken over."""
        return self.kernel or (shape.H, shape.W)

    def vector_ops(self, shapes: Sequence[Shape]) -> int:
        """Per output word: maximum, window - 1 comparisons; mean, window - 1 sums and a product."""
        rows, columns = self.window(shapes[0])
        return self.lower(shapes, 1).shape.words * (rows * columns - (self.op == "maxpool"))


class Add(LayerSpec):
    """Elementwise sum of two or more inputs of equal shapes."""

    fan_in = (2, None)

    op: Literal["add"] = key(OP)

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape only."""
        return Lowered(alike(shapes, "adds"))

    def vector_ops(self, shapes: Sequence[Shape]) -> int:
        """A sum per word and input, the first left out."""
        return shapes[0].words * (len(shapes) - 1)


class Elementwise(LayerSpec):
    """A function of each word (gelu, tanh, a sum or product with stored words), or the product of equal shapes."""

    fan_in = (1, None)

    op: Literal["elementwise"] = key(OP)

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape only."""
        return Lowered(alike(shapes, "multiplies"))

    def vector_ops(self, shapes: Sequence[Shape]) -> int:
        """1 per word, whatever the function takes; of several inputs, a product per word and input but the first."""
        return shapes[0].words * max(1, len(shapes) - 1)


class Softmax(LayerSpec):
    """Softmax over the channels of each position and head: what attention weighs its positions with."""

    op: Literal["softmax"] = key(OP)

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape only."""
        return Lowered(shapes[0])

    def vector_ops(self, shapes: Sequence[Shape]) -> int:
        """5 per word: maximum, subtract it, exp, sum, divide by it."""
        return 5 * shapes[0].words


class Norm(LayerSpec):
    """Layer normalisation over the channels of each position: J. L. Ba et al., arXiv 1607.06450, 2016.

    Batch normalisation is no layer: once trained it folds into the filters before it.
    """

    op: Literal["norm"] = key(OP)

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape only."""
        return Lowered(shapes[0])

    def vector_ops(self, shapes: Sequence[Shape]) -> int:
        """7 per word: sum, subtract the mean, square, sum, by 1 / deviation, by the gain, add the bias."""
        return 7 * shapes[0].words
