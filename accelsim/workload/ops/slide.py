"""How windows that slide along two or three axes become problems, as they are and transposed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from math import prod

from accelsim.errors import WorkloadError
from accelsim.workload.layer import Lowered
from accelsim.workload.network import Shape
from accelsim.workload.ops.common import axes_of, misfit, per_group, sides
from accelsim.workload.problem import Problem
from accelsim.workload.windows import (
    Axis,
    Spread,
    Unfolded,
    along,
    inserted,
    phases,
    reach,
    transposed_outputs,
)

MOST_PARTS = 1024
NAMES = ("d", "p", "q")


class Transposed(StrEnum):
    """How a transposed convolution is carried out.

    `insert`: as one convolution of step 1, with stride - 1 zeros inserted between the words of a plane.
    `split`: as a dense convolution for each of the stride x stride phases of the outputs.
    `scatter`: as a product with all taps at every word of the plane; its sums are added where they fall.
    """

    INSERT = "insert"
    SPLIT = "split"
    SCATTER = "scatter"


@dataclass(frozen=True)
class Window:
    """A filter that slides along rows and columns, or depth, rows and columns: a number for each of them.

    pad : as `accelsim.specs.pads` gives it. extra : outputs of a transposed one added after the last.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    pad: tuple[int, ...] | str
    transposed: Transposed | None = None
    extra: tuple[int, ...] = (0, 0)

    def lower(self, shape: Shape, batch: int, groups: int, channels: int) -> Lowered:
        """Channels are split over G; the plane stays unpadded. `channels` : of the output, of all groups."""
        c, m = per_group(shape.C, groups, "input"), per_group(channels, groups, "output")
        sizes, dims = axes_of(shape, len(self.kernel)), (batch, groups, m, c)
        zeros = sides(self.pad, sizes, self.kernel, self.stride, self.dilation)
        if self.transposed:
            return self._transposed(shape, sizes, dims)
        found = [along(*axis) for axis in zip(sizes, self.kernel, self.stride, self.dilation, zeros, strict=True)]
        axes = [axis for axis in found if axis]
        if len(axes) < len(found):
            raise misfit(shape, self.kernel, zeros)
        return Lowered(_shape(channels, [axis.outputs for axis in axes]), *single(dims, axes))

    def _transposed(self, shape: Shape, sizes: tuple[int, ...], dims: tuple[int, ...]) -> Lowered:
        _, groups, m, _ = dims
        each, outputs = [], []
        for axis, size in enumerate(sizes):
            stride, far = self.stride[axis], reach(self.kernel[axis], self.dilation[axis])
            if self.extra[axis] >= max(stride, self.dilation[axis]):
                raise WorkloadError(
                    f"output_padding is {self.extra[axis]}; it must be less than stride or dilation, "
                    f"here {max(stride, self.dilation[axis])}"
                )
            extra, pad = self.extra[axis], self._cut(axis, size, far)
            if isinstance(self.pad, str):
                # an output for every stride-th part of a word, also where the window is smaller than that
                extra += max(0, stride - far - extra)
            one = (size, self.kernel[axis], stride, self.dilation[axis], pad)
            count = transposed_outputs(*one, extra)
            if count < 1:
                raise misfit(shape, self.kernel, [pad])
            each.append((*one, count))
            outputs.append(count)
        whole = _shape(groups * m, outputs)
        if self.transposed is Transposed.INSERT:
            planes = [inserted(*one) for one in each]
            if min(plane.size for plane in planes) < 1:
                raise self._nothing(shape)
            return Lowered(whole, *single(dims, planes))
        if self.transposed is Transposed.SCATTER:
            return self._scatter(shape, whole, dims)
        if prod(self.stride) > MOST_PARTS:
            raise WorkloadError(
                f"transposed: split into {prod(self.stride)} convolutions; at most {MOST_PARTS} are taken on"
            )
        parts = []
        for found in product(*(list(phases(*one)) for one in each)):
            axes = [axis for _, axis in found]
            suffix = "".join(f"{name}{at}" for name, (at, _) in zip(NAMES[-len(found) :], found, strict=True))
            parts.append((suffix, Lowered(_shape(groups * m, [a.outputs for a in axes]), *single(dims, axes))))
        if not parts:
            raise self._nothing(shape)
        return Lowered(whole, parts=tuple(parts))

    def _nothing(self, shape: Shape) -> WorkloadError:
        """What to raise where padding leaves out all that is no zero."""
        window = "x".join(map(str, self.kernel))
        return WorkloadError(f"shape mismatch: no output of a window of {window} meets a word of {shape}")

    def _cut(self, axis: int, size: int, far: int) -> tuple[int, int]:
        """(before, after): outputs that are left out."""
        if not isinstance(self.pad, str):
            return sides(self.pad, (0,) * len(self.kernel), self.kernel, self.stride, self.dilation)[axis]
        total = max(0, far + self.extra[axis] - self.stride[axis])
        less, more = total // 2, total - total // 2
        return (more, less) if self.pad == "same-lower" else (less, more)

    def _scatter(self, shape: Shape, whole: Shape, dims: tuple[int, ...]) -> Lowered:
        """Sums go out, and are added in the outermost level: each is read once, each output written once."""
        batch, groups, m, c = dims
        taps = prod(self.kernel)
        problem = Problem((batch, groups, m * taps, c, shape.D * shape.H, shape.W, 1, 1))
        deep, high, wide = (1, *self.kernel)[-3:]
        own = (shape.D, shape.H, shape.W)
        spread = Spread(own, kernel=(deep, high, wide), scattered=True, depth=len(self.kernel) == 3)
        return Lowered(whole, problem, moves=(groups * m * taps * shape.positions, whole.words), spread=spread)

    def sums(self, shape: Shape, channels: int) -> int:
        """Vector operations of one image: `scatter` adds every sum to its output."""
        return channels * prod(self.kernel) * shape.positions if self.transposed is Transposed.SCATTER else 0


def _shape(channels: int, outputs: Sequence[int]) -> Shape:
    """Of depth, rows and columns, or of rows and columns."""
    depth, rows, columns = (1, *outputs)[-3:]
    return Shape(channels, rows, columns, depth)


def single(dims: tuple[int, ...], axes: Sequence[Axis]) -> tuple[Problem, int, None, None, Spread | None]:
    """The problem of one window, as `Lowered` has it after the shape; the axis that repeats least is unfolded."""
    batch, groups, m, c = dims
    unfolded = None
    plain = list(axes)
    if len(axes) == 3:
        at = min(range(3), key=lambda axis: axes[axis].repeats)
        apart = plain.pop(at)
        batch, c = batch * apart.outputs, c * apart.taps
        unfolded = Unfolded(at, apart.outputs, apart.taps, apart.stride, apart.dilation, apart.before)
    rows, columns = plain
    problem = Problem(
        (batch, groups, m, c, rows.outputs, columns.outputs, rows.taps, columns.taps),
        (rows.stride, columns.stride),
        (rows.dilation, columns.dilation),
        (rows.before, columns.before),
        rows.size,
        columns.size,
    )
    if unfolded is None and all(axis.plain for axis in axes):
        return problem, 1, None, None, None
    return problem, 1, None, None, Spread.of(axes, unfolded)
