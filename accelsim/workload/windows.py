"""Windows along one axis of a plane, transposed ones too, and how a problem's ifmap is made of what a layer reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import gcd

from accelsim.workload.problem import distinct_positions


@dataclass(frozen=True)
class Axis:
    """A window that slides along one axis; output o meets with tap t the word o*stride + t*dilation - before.

    size, taps, outputs : words, taps and outputs along it. before : zeros before the first word.
    step : words of what the layer reads lie so far apart among `size`; those between are zeros.
    crop : of these, so many are left out at the beginning. own : words of what the layer reads.
    kernel : taps of the layer's filter, of which tap t here is number first + t * every.
    """

    size: int
    taps: int
    outputs: int
    stride: int = 1
    dilation: int = 1
    before: int = 0
    step: int = 1
    crop: int = 0
    own: int = 1
    kernel: int = 1
    first: int = 0
    every: int = 1

    @property
    def plain(self) -> bool:
        """Whether words and taps are those of the layer, in their order."""
        return (self.size, self.step, self.taps, self.every) == (self.own, 1, self.kernel, 1)

    @property
    def repeats(self) -> float:
        """Words that all windows have together, over the distinct ones among them."""
        return self.outputs * self.taps / distinct_positions(self.outputs, self.taps, self.stride, self.dilation)


def reach(taps: int, dilation: int) -> int:
    """Words from the first tap of a window to its last."""
    return dilation * (taps - 1) + 1


def same(size: int, taps: int, stride: int, dilation: int, lower: bool) -> tuple[int, int]:
    """(before, after): zeros with which there is an output for every `stride` words, or begun; `lower`: more before."""
    total = max((-(-size // stride) - 1) * stride + reach(taps, dilation) - size, 0)
    less, more = total // 2, total - total // 2
    return (more, less) if lower else (less, more)


def along(size: int, taps: int, stride: int, dilation: int, pad: tuple[int, int]) -> Axis | None:
    """The axis of a convolution; None: no window fits."""
    room = size + sum(pad) - reach(taps, dilation)
    return Axis(size, taps, room // stride + 1, stride, dilation, pad[0], 1, 0, size, taps) if room >= 0 else None


def transposed_outputs(size: int, taps: int, stride: int, dilation: int, pad: tuple[int, int], extra: int) -> int:
    """Outputs of a transposed convolution along an axis; extra : outputs added after the last (`output_padding`).

    V. Dumoulin and F. Visin, arXiv 1603.07285, 2016, relationship 14.
    """
    return (size - 1) * stride + reach(taps, dilation) - sum(pad) + extra


def inserted(size: int, taps: int, stride: int, dilation: int, pad: tuple[int, int], outputs: int) -> Axis:
    """A transposed convolution as one of step 1, with stride - 1 zeros inserted between the words it reads.

    Its `size` is below 1 where padding leaves nothing of them.
    """
    plane, far = (size - 1) * stride + 1, reach(taps, dilation) - 1
    before, last = far - pad[0], outputs - 1 + pad[0]
    crop = max(0, -before)
    # words after the last that a window meets are never read
    plane = min(plane, last + 1) - crop
    return Axis(plane, taps, outputs, 1, dilation, max(0, before), stride, crop, size, taps, taps - 1, -1)


def phases(
    size: int, taps: int, stride: int, dilation: int, pad: tuple[int, int], outputs: int
) -> Iterator[tuple[int, Axis]]:
    """A transposed convolution as dense ones: (first output, axis) of those that give every `stride`-th output.

    Output o meets tap k where o + pad - k*dilation is a multiple of the stride. The taps of a phase lie
    stride / gcd(stride, dilation) apart, from the last to the first; where none meets it, its outputs are zeros, and
    it is left out.
    """
    common = gcd(stride, dilation)
    for first in range(min(stride, outputs)):
        met = [k for k in range(min(taps, stride)) if (first + pad[0] - k * dilation) % stride == 0]
        if not met:
            continue
        every = stride // common
        count = (taps - 1 - met[0]) // every + 1
        gap = dilation // common
        before = (count - 1) * gap - (first + pad[0] - met[0] * dilation) // stride
        crop = max(0, -before)
        if crop < size:
            mine = (outputs - 1 - first) // stride + 1
            own = (size, taps, met[0] + (count - 1) * every, -every)
            yield first, Axis(size - crop, count, mine, 1, gap, max(0, before), 1, crop, *own)


@dataclass(frozen=True)
class Unfolded:
    """An axis whose outputs are images of their own and whose taps are channels; as `Axis` says, but `axis`: which."""

    axis: int
    outputs: int
    taps: int
    stride: int
    dilation: int
    before: int


@dataclass(frozen=True)
class Spread:
    """How the ifmap and the filter of a problem are made of a layer's: by planes of depth, rows and columns.

    own : words of what the layer reads. step, crop : zeros between them, and words left out, as `Axis` has them.
    kernel, first, every : taps of the layer's filter, and which of them the problem has.
    unfolded : the axis that is no axis of the problem, if there are three.
    scattered : every tap is an output channel, in the order of the filter; the ifmap is what the layer reads.
    depth : whether there are three axes.
    """

    own: tuple[int, int, int]
    step: tuple[int, int, int] = (1, 1, 1)
    crop: tuple[int, int, int] = (0, 0, 0)
    kernel: tuple[int, int, int] = (1, 1, 1)
    first: tuple[int, int, int] = (0, 0, 0)
    every: tuple[int, int, int] = (1, 1, 1)
    unfolded: Unfolded | None = None
    scattered: bool = False
    depth: bool = False

    @staticmethod
    def of(axes: Sequence[Axis], unfolded: Unfolded | None) -> Spread:
        """Of two axes, or of three."""
        three = (*(Axis(1, 1, 1) for _ in range(3 - len(axes))), *axes)
        own, step, crop, kernel, first, every = zip(
            *((axis.own, axis.step, axis.crop, axis.kernel, axis.first, axis.every) for axis in three), strict=True
        )
        return Spread(own, step, crop, kernel, first, every, unfolded, depth=len(axes) == 3)

    @property
    def inserts(self) -> bool:
        """Whether some words of the problem's ifmap are zeros that the layer does not read."""
        if any(step > 1 for step in self.step):
            return True
        if self.unfolded is None:
            return False
        one, own = self.unfolded, self.own[self.unfolded.axis] - self.crop[self.unfolded.axis]
        last = (one.outputs - 1) * one.stride + (one.taps - 1) * one.dilation - one.before
        return one.before > 0 or last >= own
