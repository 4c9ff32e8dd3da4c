"""Layers that only name words where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from accelsim.errors import WorkloadError
from accelsim.specs import Count, key
from accelsim.workload.layer import LayerSpec, Lowered
from accelsim.workload.network import Shape
from accelsim.workload.ops.common import OP


class Concat(LayerSpec):
    """Channels of its inputs one after another; their planes must be alike."""

    fan_in = (1, None)

    op: Literal["concat"] = key(OP)

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape only."""
        if len({(s.H, s.W) for s in shapes}) > 1:
            raise WorkloadError(
                f"shape mismatch: joins inputs of different rows and columns: {', '.join(map(str, shapes))}"
            )
        return Lowered(Shape(sum(s.C for s in shapes), shapes[0].H, shapes[0].W))


class Positions(LayerSpec):
    """The plane as one row of positions: `extend` joins stored ones (class token, KV cache), `crop` keeps the first."""

    op: Literal["extend", "crop"] = key(OP)
    positions: Count | None = key("How many there are then.", None, "`extend` needs `by`; `crop` needs it", "positions")
    by: Count | None = key(
        "`extend` only, instead: how many are joined.", None, "what `positions` makes it", "positions"
    )

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape only."""
        shape = shapes[0]
        arriving = shape.H * shape.W
        if self.op == "extend" and self.by is not None and self.positions is None:
            return Lowered(Shape(shape.C, 1, arriving + self.by))
        if self.positions is None or self.by is not None:
            raise WorkloadError(f"{self.op} needs positions" + (", or by" if self.op == "extend" else " alone"))
        if (self.positions < arriving) if self.op == "extend" else (self.positions > arriving):
            raise WorkloadError(
                f"shape mismatch: {self.op}s to {self.positions} positions, but its input is {shape}, {arriving}"
            )
        return Lowered(Shape(shape.C, 1, self.positions))
