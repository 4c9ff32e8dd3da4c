"""Layers that slide a filter over a plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BeforeValidator

from accelsim.errors import WorkloadError
from accelsim.specs import Count, Natural, Natural3, PadPair, Pads1, Pads2, Pads3, Pair, Triple, key, pick
from accelsim.workload.layer import Lowered, Multiplying
from accelsim.workload.network import Shape
from accelsim.workload.ops.common import OP, ROWS_COLUMNS, c_key, dilation_key, expect_channels, m_key, stride_key
from accelsim.workload.ops.slide import Transposed, Window

DEPTH_TOO = ": one number, or [depth, rows, columns]"
GROUPS = "Parts its channels are split into, each a convolution by itself."
OUTPUTS = "Output channels, of all groups together."
PAD = (
    "Zeros around the plane: one number, {}, or `same`: as many as give an output for every `stride` words, "
    "an odd one after the plane (`same-lower`: before it). Of a transposed one: outputs that are left out."
)
ADDED = "Of a transposed one: outputs added after the last"
Turned = Annotated[Transposed, BeforeValidator(pick("way", Transposed))]


class Convolution(Multiplying):
    """What the convolutions share."""

    C: Count | None = c_key()
    transposed: Turned | None = key(
        "Whether it is transposed, and how it is carried out (docs/layers.md).", None, "it is not"
    )

    def window(self) -> Window:
        """Its filter."""
        raise NotImplementedError

    def split(self, shape: Shape) -> tuple[int, int]:
        """(groups, output channels of all)."""
        raise NotImplementedError

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """M and C per group; of a depthwise one G = channels, C = 1."""
        shape, window = shapes[0], self.window()
        expect_channels(self.C, shape)
        if any(window.extra) and not window.transposed:
            raise WorkloadError("output_padding is of a transposed convolution; say how it is carried out: transposed")
        for what, begins in (("added", self.added), ("bias", self.bias)):
            if begins and window.transposed is Transposed.SCATTER:
                raise WorkloadError(f"{what}: by scatter, sums are added in the outermost level; add a layer that adds")
        return window.lower(shape, batch, *self.split(shape))

    def vector_ops(self, shapes: Sequence[Shape]) -> int:
        """Transposed by `scatter`: a sum for each product of a word and a tap."""
        return self.window().sums(shapes[0], self.split(shapes[0])[1])


class Convolution2(Convolution):
    """What those of rows and columns share."""

    kernel: Pair = key(f"Taps of the filter{ROWS_COLUMNS}.", unit="taps")
    stride: Pair = stride_key()
    dilation: Pair = dilation_key()
    pad: Pads2 = key(PAD.format("[rows, columns], [top, left, bottom, right]"), (0, 0), unit="words")
    output_padding: PadPair = key(f"{ADDED}{ROWS_COLUMNS}.", (0, 0), unit="words")

    def window(self) -> Window:
        """Rows and columns."""
        return Window(self.kernel, self.stride, self.dilation, self.pad, self.transposed, self.output_padding)


class Conv(Convolution2):
    """A 2-D convolution."""

    op: Literal["conv"] = key(OP)
    M: Count = m_key(OUTPUTS)
    groups: Count = key(GROUPS, 1, unit="groups")

    def split(self, shape: Shape) -> tuple[int, int]:
        """As the file has them."""
        return self.groups, self.M


class Depthwise(Convolution2):
    """A convolution of each channel by itself."""

    op: Literal["depthwise"] = key(OP)
    M: Count | None = m_key("Output channels, of all together.", None, "as many as arrive")

    def split(self, shape: Shape) -> tuple[int, int]:
        """A group for each channel."""
        return shape.C, self.M or shape.C


class Conv1d(Convolution):
    """A 1-D convolution: of the columns of a plane of one row."""

    op: Literal["conv1d"] = key(OP)
    M: Count = m_key(OUTPUTS)
    kernel: Count = key("Taps of the filter.", unit="taps")
    stride: Count = key("Step of the window.", 1, unit="words")
    dilation: Count = key("Distance of neighbouring taps.", 1, unit="words")
    pad: Pads1 = key(PAD.format("[left, right]"), (0,), unit="words")
    output_padding: Natural = key(f"{ADDED}.", 0, unit="words")
    groups: Count = key(GROUPS, 1, unit="groups")

    def window(self) -> Window:
        """One row."""
        left, right = (self.pad[0], self.pad[-1]) if not isinstance(self.pad, str) else (0, 0)
        pad = self.pad if isinstance(self.pad, str) else (0, int(left), 0, int(right))
        steps = (1, self.stride), (1, self.dilation)
        return Window((1, self.kernel), *steps, pad, self.transposed, (0, self.output_padding))

    def split(self, shape: Shape) -> tuple[int, int]:
        """As the file has them; WorkloadError if there are rows."""
        if shape.H > 1:
            raise WorkloadError(f"shape mismatch: its input is {shape}, {shape.H} rows: op conv, or reshape before it")
        return self.groups, self.M


class Conv3d(Convolution):
    """A 3-D convolution, of planes of depth (docs/layers.md says how it is walked)."""

    op: Literal["conv3d"] = key(OP)
    M: Count = m_key(OUTPUTS)
    kernel: Triple = key(f"Taps of the filter{DEPTH_TOO}.", unit="taps")
    stride: Triple = key(f"Step of the window{DEPTH_TOO}.", (1, 1, 1), unit="words")
    dilation: Triple = key(f"Distance of neighbouring taps{DEPTH_TOO}.", (1, 1, 1), unit="words")
    pad: Pads3 = key(
        PAD.format("[depth, rows, columns], [front, top, left, back, bottom, right]"), (0, 0, 0), unit="words"
    )
    output_padding: Natural3 = key(f"{ADDED}{DEPTH_TOO}.", (0, 0, 0), unit="words")
    groups: Count = key(GROUPS, 1, unit="groups")

    def window(self) -> Window:
        """Depth, rows and columns."""
        return Window(self.kernel, self.stride, self.dilation, self.pad, self.transposed, self.output_padding)

    def split(self, shape: Shape) -> tuple[int, int]:
        """As the file has them."""
        return self.groups, self.M
