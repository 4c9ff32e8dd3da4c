"""A layer given as its problem."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pydantic import ConfigDict

from accelsim.specs import Count, PadPair, Pair, Spec, key
from accelsim.workload.layer import Lowered, Multiplying, k_for_m
from accelsim.workload.network import Shape
from accelsim.workload.ops.common import CHANNELS, ROWS_COLUMNS, dilation_key, expect_channels, m_key, stride_key
from accelsim.workload.ops.vector import ShapeSpec
from accelsim.workload.problem import Problem


class ProblemSpec(Spec):
    """The eight dims as they are."""

    model_config = ConfigDict(json_schema_extra=k_for_m)

    N: Count = key("Images; the batch of a run multiplies them.", 1, unit="images")
    G: Count = key("Groups of channels.", 1, unit="groups")
    M: Count = m_key("Output channels of a group.", 1)
    C: Count = key("Input channels of a group.", 1, unit=CHANNELS)
    P: Count = key("Ofmap rows.", 1, unit="rows")
    Q: Count = key("Ofmap columns.", 1, unit="columns")
    R: Count = key("Filter rows.", 1, unit="rows")
    S: Count = key("Filter columns.", 1, unit="columns")
    stride: Pair = stride_key()
    dilation: Pair = dilation_key()
    pad: PadPair = key(f"Zeros before the plane{ROWS_COLUMNS}.", (0, 0), unit="words")
    height: Count | None = key("Rows of the ifmap, without padding.", None, "as many as are touched", "rows")
    width: Count | None = key("Columns of the ifmap, without padding.", None, "as many as are touched", "columns")


class Explicit(Multiplying):
    """A layer given as its problem."""

    fan_in = (0, None)

    op: str = key("`problem`, or what you call it.", "problem")
    problem: ProblemSpec = key("The eight dims, and how they project.")
    shape: ShapeSpec | None = key(
        "Its output, of one image; what it reads may then have any shape.", None, "G x M channels of P rows, Q columns"
    )
    dynamic: bool = key("Whether an activation plays the filter, and no weight.", False)

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """The problem as it stands."""
        p = self.problem
        sizes = (p.N * batch, p.G, p.M, p.C, p.P, p.Q, p.R, p.S)
        problem = Problem(sizes, p.stride, p.dilation, p.pad, p.height or 0, p.width or 0)
        if self.dynamic:
            problem = replace(problem, dynamic_filter=True)
        if self.shape:
            return Lowered(self.shape.value(), problem)
        for shape in shapes:
            expect_channels(p.G * p.C, shape)
        return Lowered(Shape(p.G * p.M, p.P, p.Q), problem)
