"""Layers that slide a filter over a plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from accelsim.specs import Count, PadPair, Pair, key
from accelsim.workload.layer import Lowered, Multiplying
from accelsim.workload.network import Shape
from accelsim.workload.ops.common import (
    OP,
    ROWS_COLUMNS,
    c_key,
    dilation_key,
    expect_channels,
    m_key,
    outputs,
    per_group,
    stride_key,
)
from accelsim.workload.problem import Problem


class Convolution(Multiplying):
    """What the convolutions share."""

    kernel: Pair = key(f"Taps of the filter{ROWS_COLUMNS}.", unit="taps")
    C: Count | None = c_key()
    stride: Pair = stride_key()
    dilation: Pair = dilation_key()
    pad: PadPair = key(f"Zeros on every side of the plane{ROWS_COLUMNS}.", (0, 0), unit="words")

    def convolve(self, shape: Shape, batch: int, groups: int, channels: int) -> Lowered:
        """Channels are split over G; the plane stays unpadded."""
        expect_channels(self.C, shape)
        c, m = per_group(shape.C, groups, "input"), per_group(channels, groups, "output")
        p, q = outputs(shape, self.kernel, self.pad, self.stride, self.dilation)
        problem = Problem(
            (batch, groups, m, c, p, q, *self.kernel), self.stride, self.dilation, self.pad, shape.H, shape.W
        )
        return Lowered(Shape(channels, p, q), problem)


class Conv(Convolution):
    """A 2-D convolution."""

    op: Literal["conv"] = key(OP)
    M: Count = m_key("Output channels, of all groups together.")
    groups: Count = key("Parts its channels are split into, each a convolution by itself.", 1, unit="groups")

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """M and C per group."""
        return self.convolve(shapes[0], batch, self.groups, self.M)


class Depthwise(Convolution):
    """A convolution of each channel by itself."""

    op: Literal["depthwise"] = key(OP)
    M: Count | None = m_key("Output channels, of all together.", None, "as many as arrive")

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """G = channels, C = 1."""
        return self.convolve(shapes[0], batch, shapes[0].C, self.M or shapes[0].C)
