"""Layers that scale words by what their neighbours are, or by where they stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from accelsim.errors import WorkloadError
from accelsim.specs import Count, key
from accelsim.workload.layer import Flag, LayerSpec, Lowered
from accelsim.workload.network import Shape
from accelsim.workload.ops.common import OP, causal_key, per_group


class Softmax(LayerSpec):
    """Softmax over the channels of each position and head: what attention weighs its positions with."""

    op: Literal["softmax"] = key(OP)
    causal: Flag = causal_key()

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape only."""
        return Lowered(shapes[0])

    def vector_ops(self, shapes: Sequence[Shape]) -> int:
        """5 per word: maximum, subtract it, exp, sum, divide by it."""
        return 5 * shapes[0].words


class Norm(LayerSpec):
    """Layer normalisation over the channels of each position: J. L. Ba et al., arXiv 1607.06450, 2016."""

    op: Literal["norm"] = key(OP)

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape only."""
        return Lowered(shapes[0])

    def vector_ops(self, shapes: Sequence[Shape]) -> int:
        """7 per word: sum, subtract the mean, square, sum, by 1 / deviation, by the gain, add the bias."""
        return 7 * shapes[0].words


class RmsNorm(LayerSpec):
    """By the root of the mean square, over the channels of each position: B. Zhang and R. Sennrich, NeurIPS 2019."""

    op: Literal["rmsnorm"] = key(OP)
    groups: Count = key("Parts the channels are split into, each scaled by itself: heads.", 1, unit="groups")

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape only."""
        per_group(shapes[0].C, self.groups, "input")
        return Lowered(shapes[0])

    def vector_ops(self, shapes: Sequence[Shape]) -> int:
        """4 per word: square, sum, by 1 / root, by the gain."""
        return 4 * shapes[0].words


class GroupNorm(LayerSpec):
    """Over the plane and some channels: Y. Wu and K. He, ECCV 2018; one by one: D. Ulyanov et al., arXiv 1607.08022."""

    op: Literal["groupnorm", "instancenorm"] = key(OP)
    groups: Count | None = key(
        "`groupnorm` only: parts the channels are split into.", None, "`groupnorm` needs it", "groups"
    )

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape only."""
        if (self.groups is None) == (self.op == "groupnorm"):
            raise WorkloadError(f"{self.op} {'needs groups' if self.groups is None else 'takes no groups'}")
        per_group(shapes[0].C, self.groups or 1, "input")
        return Lowered(shapes[0])

    def vector_ops(self, shapes: Sequence[Shape]) -> int:
        """7 per word, as of `norm`."""
        return 7 * shapes[0].words


class BatchNorm(LayerSpec):
    """Batch normalisation of a trained network: S. Ioffe and C. Szegedy, ICML 2015.

    Folded into the filters before it, as it may be after a convolution, it is only a name; a file may leave it out.
    """

    op: Literal["batchnorm"] = key(OP)
    folded: bool = key("Whether it is part of the filters before it.", False)

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape only; folded, nothing moves."""
        return Lowered(shapes[0], moves=(0, 0) if self.folded else None)

    def vector_ops(self, shapes: Sequence[Shape]) -> int:
        """2 per word: by the gain, add the bias; none if folded."""
        return 0 if self.folded else 2 * shapes[0].words


class Rotary(LayerSpec):
    """Rotary position embedding: pairs of channels turned by a position's angle: J. Su et al., arXiv 2104.09864."""

    op: Literal["rotary"] = key(OP)
    channels: Count | None = key("Channels that are turned, of all heads together.", None, "all", "channels")

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape only."""
        turned = shapes[0].C if self.channels is None else self.channels
        if turned > shapes[0].C or turned % 2:
            raise WorkloadError(f"shape mismatch: turns {turned} channels in pairs, but its input is {shapes[0]}")
        return Lowered(shapes[0])

    def vector_ops(self, shapes: Sequence[Shape]) -> int:
        """3 per word that is turned (equation 34): by the cosine, its pair's by the sine, their sum."""
        return 3 * (self.channels or shapes[0].C) * shapes[0].positions
