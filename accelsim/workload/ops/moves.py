"""Layers that pick, copy, resize or sum up words of one input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import PlainValidator, WithJsonSchema

from accelsim.errors import WorkloadError
from accelsim.specs import Count, PadPair, Pads2, Pair, key, listed
from accelsim.workload.layer import LayerSpec, Lowered
from accelsim.workload.network import Shape
from accelsim.workload.ops.common import OP, ROWS_COLUMNS, sides
from accelsim.yamlfile import unknown

NAMES = {"channels": "C", "depth": "D", "rows": "H", "columns": "W"}
Along = Literal["channels", "depth", "rows", "columns"]


def _axes(value: object) -> tuple[str, ...]:
    """A validator for names of axes, each once."""
    found = listed(value)
    if not isinstance(found, list | tuple) or not found:
        raise ValueError("should be one or more of " + ", ".join(NAMES))
    for name in found:
        if not isinstance(name, str) or name not in NAMES:
            raise ValueError(unknown("axis", name, NAMES) if isinstance(name, str) else "should be names of axes")
    if len(set(found)) < len(found):
        raise ValueError("names an axis twice")
    return tuple(found)


_AXIS = {"enum": list(NAMES)}
Axes = Annotated[
    tuple[str, ...],
    PlainValidator(_axes),
    WithJsonSchema({"anyOf": [_AXIS, {"type": "array", "items": _AXIS}], "examples": [["rows", "columns"]]}),
]


def changed(shape: Shape, **sizes: int) -> Shape:
    """The shape with other sizes along some axes."""
    return Shape(**{"C": shape.C, "H": shape.H, "W": shape.W, "D": shape.D, **sizes})


class Resize(LayerSpec):
    """The plane with other numbers of rows and columns."""

    op: Literal["resize"] = key(OP)
    mode: Literal["nearest", "bilinear", "bicubic"] = key("What an output word is made of.", "nearest")
    scale: Pair | None = key(f"Times as many{ROWS_COLUMNS}.", None, "what `size` makes it", "times")
    size: Pair | None = key(f"How many there are then{ROWS_COLUMNS}.", None, "what `scale` makes it", "words")

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape only."""
        if (self.scale is None) == (self.size is None):
            raise WorkloadError("resize needs scale or size, one of them")
        rows, columns = self.scale or (1, 1)
        high, wide = self.size or (shapes[0].H * rows, shapes[0].W * columns)
        return Lowered(changed(shapes[0], H=high, W=wide))

    def vector_ops(self, shapes: Sequence[Shape]) -> int:
        """Per output word: none; of 4 or 16 neighbours, a product each and the sums but one: 7 or 31."""
        each = {"nearest": 0, "bilinear": 7, "bicubic": 31}[self.mode]
        return each * self.lower(shapes, 1).shape.words


class PadPlane(LayerSpec):
    """Words around the plane, written beside a copy of it: zeros, or what else it is padded with.

    What a convolution or a pool pads is no layer: their `pad` says it.
    """

    op: Literal["pad"] = key(OP)
    pad: Pads2 = key("One number, [rows, columns] or [top, left, bottom, right].", (0, 0), unit="words")
    channels: PadPair = key("Channels added: one number, or [before, after].", (0, 0), unit="channels")

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape only."""
        if isinstance(self.pad, str):
            raise WorkloadError("pad: 'same' is of a window; say how many")
        shape, ones = shapes[0], (1, 1)
        (top, bottom), (left, right) = sides(self.pad, (shape.H, shape.W), ones, ones, ones)
        return Lowered(
            changed(shape, C=shape.C + sum(self.channels), H=shape.H + top + bottom, W=shape.W + left + right)
        )


class Gather(LayerSpec):
    """Some of the words along an axis, picked by number and copied."""

    op: Literal["gather"] = key(OP)
    over: Along = key("The axis.", "channels")
    count: Count = key("How many are picked.", unit="words")

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """What is picked is read, and written."""
        shape = changed(shapes[0], **{NAMES[self.over]: self.count})
        return Lowered(shape, moves=(shape.words, shape.words))


class Embedding(LayerSpec):
    """A row of a table for each word of the input: looked up, no product. Rows that no word asks for are not read."""

    op: Literal["embedding"] = key(OP)
    M: Count = key("Words of a row.", unit="words")

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Each index is read, and its row; the rows are written, those of a position after one another."""
        shape = changed(shapes[0], C=shapes[0].C * self.M)
        return Lowered(shape, moves=(shapes[0].words + shape.words, shape.words))


class Reduce(LayerSpec):
    """A sum, mean, extreme or norm over whole axes."""

    op: Literal["reduce"] = key(OP)
    over: Axes = key("The axes; each has one word then.", ("rows", "columns"))
    function: Literal["sum", "mean", "max", "min", "product", "argmax", "argmin", "l1", "l2", "sum-square"] = key(
        "What of their words.", "sum"
    )

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape only."""
        return Lowered(changed(shapes[0], **{NAMES[axis]: 1 for axis in self.over}))

    def vector_ops(self, shapes: Sequence[Shape]) -> int:
        """Words in - words out; besides, a word in for its square or magnitude, a word out for the division or root."""
        before, after = shapes[0].words, self.lower(shapes, 1).shape.words
        squares = before if self.function in ("l1", "l2", "sum-square") else 0
        return before - after + squares + (after if self.function in ("mean", "l2") else 0)


class TopK(LayerSpec):
    """The k largest channels of each position, as a router picks experts."""

    op: Literal["topk"] = key(OP)
    k: Count = key("How many.", unit="channels")

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape only."""
        if self.k > shapes[0].C:
            raise WorkloadError(f"shape mismatch: takes the {self.k} largest channels, but its input is {shapes[0]}")
        return Lowered(changed(shapes[0], C=self.k))

    def vector_ops(self, shapes: Sequence[Shape]) -> int:
        """Comparisons of k searches, each for the largest that is left: k C - k (k + 1) / 2 per position."""
        shape = shapes[0]
        return (self.k * shape.C - self.k * (self.k + 1) // 2) * shape.positions


class Combine(LayerSpec):
    """Equal parts of the channels, each times a weight of its position, added: what experts gave.

    Of one input the weights wait in the unit; a second one is the weights, `parts` channels.
    """

    fan_in = (1, 2)

    op: Literal["combine"] = key(OP)
    parts: Count = key("How many.", unit="parts")

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape only."""
        shape = shapes[0]
        if shape.C % self.parts:
            raise WorkloadError(f"shape mismatch: {shape.C} channels cannot be split into {self.parts} parts")
        if len(shapes) == 2 and shapes[1] != changed(shape, C=self.parts):
            raise WorkloadError(f"shape mismatch: {self.parts} weights for each position of {shape}, got {shapes[1]}")
        return Lowered(changed(shape, C=shape.C // self.parts))

    def vector_ops(self, shapes: Sequence[Shape]) -> int:
        """A product per word, and the sums but one."""
        return 2 * shapes[0].words - self.lower(shapes, 1).shape.words
