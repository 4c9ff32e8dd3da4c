"""Layers that only name words where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from accelsim.errors import WorkloadError
from accelsim.specs import Count, Natural, key
from accelsim.workload.layer import LayerSpec, Lowered
from accelsim.workload.network import Picked, Shape
from accelsim.workload.ops.common import OP, per_group
from accelsim.workload.ops.moves import NAMES, Along, changed

AS_BEFORE = "as many as arrive"


class Concat(LayerSpec):
    """Its inputs one after another along an axis; the others must be alike."""

    fan_in = (1, None)

    op: Literal["concat"] = key(OP)
    over: Along = key("The axis.", "channels")

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape only."""
        along = NAMES[self.over]
        if len({changed(shape, **{along: 1}) for shape in shapes}) > 1:
            others = "rows and columns" if self.over == "channels" else f"sizes beside {self.over}"
            raise WorkloadError(f"shape mismatch: joins inputs of different {others}: {', '.join(map(str, shapes))}")
        return Lowered(changed(shapes[0], **{along: sum(getattr(shape, along) for shape in shapes)}))


class Positions(LayerSpec):
    """The plane as one row of positions: `extend` joins stored ones (class token, KV cache), `crop` keeps the first."""

    op: Literal["extend", "crop"] = key(OP)
    positions: Count | None = key("How many there are then.", None, "`extend` needs `by`; `crop` needs it", "positions")
    by: Count | None = key(
        "`extend` only, instead: how many are joined.", None, "what `positions` makes it", "positions"
    )

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape only."""
        shape, arriving = shapes[0], shapes[0].positions
        if self.op == "extend" and self.by is not None and self.positions is None:
            return Lowered(Shape(shape.C, 1, arriving + self.by))
        if self.positions is None or self.by is not None:
            raise WorkloadError(f"{self.op} needs positions" + (", or by" if self.op == "extend" else " alone"))
        if (self.positions < arriving) if self.op == "extend" else (self.positions > arriving):
            raise WorkloadError(
                f"shape mismatch: {self.op}s to {self.positions} positions, but its input is {shape}, {arriving}"
            )
        return Lowered(Shape(shape.C, 1, self.positions))


class Slice(LayerSpec):
    """Some of the words along an axis, one after another or a step apart."""

    op: Literal["slice"] = key(OP)
    over: Along = key("The axis.", "channels")
    start: Natural = key("The first one; they are counted from 0.", 0, unit="words")
    count: Count | None = key("How many.", None, "all from `start` on", "words")
    step: Count = key("How far apart they lie.", 1, unit="words")

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape only."""
        along = NAMES[self.over]
        size = getattr(shapes[0], along)
        count = -(-(size - self.start) // self.step) if self.count is None else self.count
        if count < 1 or self.start + (count - 1) * self.step >= size:
            wanted = f"{self.count} {self.over}" if self.count else self.over
            raise WorkloadError(
                f"shape mismatch: takes {wanted} from {self.start} on, {self.step} apart, but its input is {shapes[0]}"
            )
        return Lowered(changed(shapes[0], **{along: count}), picked=Picked(along, self.start, self.step))


class Split(LayerSpec):
    """One of several equal parts along an axis; each part is a layer of its own."""

    op: Literal["split"] = key(OP)
    over: Along = key("The axis.", "channels")
    parts: Count = key("How many there are.", unit="parts")
    part: Natural = key("Which it is; they are counted from 0.", 0, unit="parts")

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape only."""
        along = NAMES[self.over]
        size = getattr(shapes[0], along)
        if size % self.parts or self.part >= self.parts:
            raise WorkloadError(
                f"shape mismatch: part {self.part} of {self.parts} equal ones of {size} {self.over}, from 0 on"
            )
        each = size // self.parts
        return Lowered(changed(shapes[0], **{along: each}), picked=Picked(along, self.part * each))


class Reshape(LayerSpec):
    """The same words as another shape."""

    op: Literal["reshape"] = key(OP)
    C: Count | None = key("Channels then.", None, "what the others leave", "channels")
    H: Count = key("Rows then.", 1, unit="rows")
    W: Count = key("Columns then.", 1, unit="columns")
    D: Count = key("Planes of depth then.", 1, unit="planes")

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape only."""
        words, plane = shapes[0].words, self.H * self.W * self.D
        channels = words // plane if self.C is None else self.C
        if channels * plane != words:
            wanted = f"{'any' if self.C is None else self.C} channels of {plane} words"
            raise WorkloadError(f"shape mismatch: reshapes to {wanted}, but its input is {shapes[0]}, {words} words")
        return Lowered(Shape(channels, self.H, self.W, self.D))


class Flatten(LayerSpec):
    """All words as channels of one position."""

    op: Literal["flatten"] = key(OP)

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape only."""
        return Lowered(Shape(shapes[0].words))


class Transpose(LayerSpec):
    """Axes in another order: what reads it finds the words where they lie."""

    op: Literal["transpose"] = key(OP)
    order: tuple[Along, ...] = key(
        "The axes that become channels, rows and columns; or channels, depth, rows and columns.",
        ("columns", "rows", "channels"),
    )

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape only."""
        shape, names = shapes[0], ("channels", "depth", "rows", "columns")
        order = self.order if len(self.order) == 4 else (*self.order[:1], "depth", *self.order[1:])
        if sorted(order) != sorted(names):
            raise WorkloadError(f"order names each of {', '.join(names)} once; depth may be left out where it stays")
        sizes = {NAMES[name]: getattr(shape, NAMES[source]) for name, source in zip(names, order, strict=True)}
        return Lowered(Shape(**sizes))


class Blocks(LayerSpec):
    """Channels as blocks of the plane (`depth_to_space`, a pixel shuffle: W. Shi et al., CVPR 2016), or the reverse."""

    op: Literal["depth_to_space", "space_to_depth"] = key(OP)
    block: Count = key("Rows and columns of a block.", unit="words")

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape only."""
        shape, block = shapes[0], self.block
        if self.op == "depth_to_space":
            if shape.C % (block * block):
                raise WorkloadError(
                    f"shape mismatch: {shape.C} channels are no blocks of {block}x{block}; its input is {shape}"
                )
            return Lowered(changed(shape, C=shape.C // block**2, H=shape.H * block, W=shape.W * block))
        if shape.H % block or shape.W % block:
            raise WorkloadError(f"shape mismatch: {shape} cannot be cut into blocks of {block}x{block}")
        return Lowered(changed(shape, C=shape.C * block**2, H=shape.H // block, W=shape.W // block))


class ChannelShuffle(LayerSpec):
    """The channels of groups taken in turn: X. Zhang et al., CVPR 2018."""

    op: Literal["channel_shuffle"] = key(OP)
    groups: Count = key("Parts the channels are split into.", unit="groups")

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape only."""
        per_group(shapes[0].C, self.groups, "input")
        return Lowered(shapes[0], picked=Picked("C", groups=self.groups))


class Constant(LayerSpec):
    """Words that are stored with the network (a table of positions, a mask), for layers that read them."""

    fan_in = (0, 0)

    op: Literal["constant"] = key(OP)
    C: Count = key("Channels.", unit="channels")
    H: Count = key("Rows.", 1, unit="rows")
    W: Count = key("Columns.", 1, unit="columns")
    D: Count = key("Planes of depth.", 1, unit="planes")

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape only; who reads it counts its words, for each image."""
        return Lowered(Shape(self.C, self.H, self.W, self.D))
