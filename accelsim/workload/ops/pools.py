"""Layers that take the maximum or the mean of windows."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Literal, NamedTuple

from accelsim.specs import Pads2, Pads3, Pair, Triple, key
from accelsim.workload.layer import LayerSpec, Lowered
from accelsim.workload.network import Shape, Slide
from accelsim.workload.ops.common import OP, ROWS_COLUMNS, outputs, sides
from accelsim.workload.ops.convolutions import DEPTH_TOO

WHOLE, APART = "the whole plane", "as `kernel`: windows do not overlap"
GAPS = "Distance of neighbouring words of a window"


class Sizes(NamedTuple):
    """A window, its step and distances, and room around the plane: a number for each axis."""

    kernel: tuple[int, ...]
    pad: tuple[int, ...] | str
    stride: tuple[int, ...]
    dilation: tuple[int, ...]

    def slide(self, shape: Shape) -> Slide | None:
        """Of a plane; None: of planes of depth."""
        if len(self.kernel) == 3:
            return None
        zeros = sides(self.pad, (shape.H, shape.W), self.kernel, self.stride, self.dilation)
        pairs = (self.kernel, self.stride, self.dilation, tuple(before for before, _ in zeros))
        return Slide(*((rows, columns) for rows, columns in pairs))


class Pooling(LayerSpec):
    """What pools share."""

    ceil: bool = key("Whether a last window that the edge cuts is kept.", False)

    def sizes(self, shape: Shape) -> Sizes:
        """Of rows and columns, or of depth, rows and columns."""
        raise NotImplementedError

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape only."""
        shape = shapes[0]
        sizes = self.sizes(shape)
        depth, rows, columns = (1, *outputs(shape, *sizes, self.ceil))[-3:]
        return Lowered(Shape(shape.C, rows, columns, depth), slide=sizes.slide(shape))

    def vector_ops(self, shapes: Sequence[Shape]) -> int:
        """Per output word: maximum, window - 1 comparisons; mean, window - 1 sums and a product."""
        window = prod(self.sizes(shapes[0]).kernel)
        return self.lower(shapes, 1).shape.words * (window - self.op.startswith("max"))


class Pool(Pooling):
    """Maximum or mean of a window."""

    op: Literal["maxpool", "avgpool"] = key(OP)
    kernel: Pair | None = key(f"The window{ROWS_COLUMNS}.", None, WHOLE, "words")
    stride: Pair | None = key(f"Step of the window{ROWS_COLUMNS}.", None, APART, "words")
    dilation: Pair = key(f"{GAPS}{ROWS_COLUMNS}.", (1, 1), unit="words")
    pad: Pads2 = key(
        "Room around the plane: one number, [rows, columns], [top, left, bottom, right], or `same` (`same-lower`).",
        (0, 0),
        unit="words",
    )

    def sizes(self, shape: Shape) -> Sizes:
        """Rows and columns; the whole plane has its depth too."""
        if shape.D > 1 and not (self.kernel or self.stride or any(self.pad)):
            whole = (shape.D, shape.H, shape.W)
            return Sizes(whole, (0, 0, 0), whole, (1, 1, 1))
        kernel = self.kernel or (shape.H, shape.W)
        return Sizes(kernel, self.pad, self.stride or kernel, self.dilation if self.kernel else (1, 1))


class Pool3d(Pooling):
    """Maximum or mean of a window of planes of depth, rows and columns."""

    op: Literal["maxpool3d", "avgpool3d"] = key(OP)
    kernel: Triple = key(f"The window{DEPTH_TOO}.", unit="words")
    stride: Triple | None = key(f"Step of the window{DEPTH_TOO}.", None, APART, "words")
    dilation: Triple = key(f"{GAPS}{DEPTH_TOO}.", (1, 1, 1), unit="words")
    pad: Pads3 = key(
        "Room around the plane: one number, [depth, rows, columns], [front, top, left, back, bottom, right], or `same` "
        "(`same-lower`).",
        (0, 0, 0),
        unit="words",
    )

    def sizes(self, shape: Shape) -> Sizes:
        """Depth, rows and columns."""
        return Sizes(self.kernel, self.pad, self.stride or self.kernel, self.dilation)
