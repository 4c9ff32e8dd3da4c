"""Layers that take the maximum or the mean of windows."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Literal

from accelsim.specs import Pads2, Pads3, Pair, Triple, key
from accelsim.workload.layer import LayerSpec, Lowered
from accelsim.workload.network import Shape
from accelsim.workload.ops.common import OP, ROWS_COLUMNS, outputs
from accelsim.workload.ops.convolutions import DEPTH_TOO

WHOLE, APART = "the whole plane", "as `kernel`: windows do not overlap"
CUT = "Whether a last window that the edge cuts is kept."


class Pooling(LayerSpec):
    """What pools share."""

    def sizes(self, shape: Shape) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...] | str, bool]:
        """(window, step, room around the plane, whether a last window is cut) of every axis."""
        raise NotImplementedError

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape only."""
        shape = shapes[0]
        kernel, stride, pad, ceil = self.sizes(shape)
        depth, rows, columns = (1, *outputs(shape, kernel, pad, stride, ceil))[-3:]
        return Lowered(Shape(shape.C, rows, columns, depth))

    def vector_ops(self, shapes: Sequence[Shape]) -> int:
        """Per output word: maximum, window - 1 comparisons; mean, window - 1 sums and a product."""
        window = prod(self.sizes(shapes[0])[0])
        return self.lower(shapes, 1).shape.words * (window - self.op.startswith("max"))


class Pool(Pooling):
    """Maximum or mean of a window."""

    op: Literal["maxpool", "avgpool"] = key(OP)
    kernel: Pair | None = key(f"The window{ROWS_COLUMNS}.", None, WHOLE, "words")
    stride: Pair | None = key(f"Step of the window{ROWS_COLUMNS}.", None, APART, "words")
    pad: Pads2 = key(
        "Room around the plane: one number, [rows, columns], [top, left, bottom, right], or `same` (`same-lower`).",
        (0, 0),
        unit="words",
    )
    ceil: bool = key(CUT, False)

    def sizes(self, shape: Shape) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...] | str, bool]:
        """Rows and columns; the whole plane has its depth too."""
        if shape.D > 1 and not (self.kernel or self.stride or any(self.pad)):
            whole = (shape.D, shape.H, shape.W)
            return whole, whole, (0, 0, 0), False
        kernel = self.kernel or (shape.H, shape.W)
        return kernel, self.stride or kernel, self.pad, self.ceil


class Pool3d(Pooling):
    """Maximum or mean of a window of planes of depth, rows and columns."""

    op: Literal["maxpool3d", "avgpool3d"] = key(OP)
    kernel: Triple = key(f"The window{DEPTH_TOO}.", unit="words")
    stride: Triple | None = key(f"Step of the window{DEPTH_TOO}.", None, APART, "words")
    pad: Pads3 = key(
        "Room around the plane: one number, [depth, rows, columns], [front, top, left, back, bottom, right], or `same` "
        "(`same-lower`).",
        (0, 0, 0),
        unit="words",
    )
    ceil: bool = key(CUT, False)

    def sizes(self, shape: Shape) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...] | str, bool]:
        """Depth, rows and columns."""
        return self.kernel, self.stride or self.kernel, self.pad, self.ceil
