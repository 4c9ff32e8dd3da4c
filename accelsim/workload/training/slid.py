"""Gradients of a layer that multiplies as problems: what it reads, a transposed convolution; weights, a correlation.

With dO the gradient of the ofmap, for a stride t, a dilation d and padding a:
dI[n, c, h] = sum over m, r of dO[n, m, (h + a - r d) / t] W[m, c, r], and
dW[m, c, r] = sum over n, p of dO[n, m, p] I[n, c, p t + r d - a]; along columns and depth alike.
D. E. Rumelhart et al., Nature 323, 1986; as convolutions: V. Dumoulin and F. Visin, arXiv 1603.07285, section 4.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from math import prod

from accelsim.errors import WorkloadError
from accelsim.workload.layer import Lowered
from accelsim.workload.network import RECURRENT, Layer, Shape
from accelsim.workload.ops.slide import MOST_PARTS, NAMES, Transposed, single
from accelsim.workload.problem import Problem, Tensor
from accelsim.workload.windows import Axis, Spread, inserted, phases, reach


@dataclass(frozen=True)
class Slid:
    """A convolution by its sizes: of two axes or three, each an `Axis`.

    outputs, channels : of a group. turned : it is a transposed one of these strides, and the axes' `size` and `outputs`
    are the words it reads and those it gives; `before` is what is left out of the outputs.
    """

    batch: int
    groups: int
    outputs: int
    channels: int
    axes: tuple[Axis, ...]
    turned: bool = False


def slid(layer: Layer) -> Slid:
    """What a layer's problem was made of. A phase of a transposed convolution, and a product, are as they stand."""
    problem, spread = layer.problem, layer.spread
    assert problem is not None
    n, g, m, c, p, q, r, s = problem.sizes
    axes = [
        Axis(problem.height, r, p, problem.stride[0], problem.dilation[0], problem.pad[0]),
        Axis(problem.width, s, q, problem.stride[1], problem.dilation[1], problem.pad[1]),
    ]
    if spread is None or spread.scattered:
        return Slid(n, g, m, c, tuple(axes))
    apart = spread.unfolded
    if apart:
        n, c = n // apart.outputs, c // apart.taps
        size = (spread.own[apart.axis] - 1) * spread.step[apart.axis] + 1 - spread.crop[apart.axis]
        axes.insert(apart.axis, Axis(size, apart.taps, apart.outputs, apart.stride, apart.dilation, apart.before))
    if layer.whole or all(every > 0 for every in spread.every):
        return Slid(n, g, m, c, tuple(axes))
    return Slid(n, g, m, c, tuple(_turned(axes, spread)), turned=True)


def _turned(axes: list[Axis], spread: Spread) -> list[Axis]:
    """A transposed convolution's own numbers, from the plane with zeros between its words (`windows.inserted`)."""
    first = 3 - len(axes)
    found = []
    for at, axis in enumerate(axes, first):
        cut = reach(axis.taps, axis.dilation) - 1 - axis.before + spread.crop[at]
        found.append(Axis(spread.own[at], axis.taps, axis.outputs, spread.step[at], axis.dilation, cut))
    return found


def input_gradient(layer: Layer, shape: Shape, way: Transposed) -> Lowered | None:
    """The gradient of what a layer reads, out of that of its ofmap and the filter; `shape` : of what it reads.

    In parts where `way` splits it. None where no output meets a word, but padding alone: it is zero. Raises
    WorkloadError where there are too many parts.
    """
    one = slid(layer)
    assert layer.problem is not None
    dims = (one.batch, one.groups, one.channels, one.outputs)
    dynamic = layer.problem.dynamic_filter
    if one.turned:
        axes = [
            Axis(a.outputs, a.taps, a.size, a.stride, a.dilation, a.before, own=a.outputs, kernel=a.taps)
            for a in one.axes
        ]
        return _lowered(shape, dims, axes, dynamic)
    if way is Transposed.SCATTER and (prod(axis.taps for axis in one.axes) > 1 or _steps(one) > 1):
        return _scattered(one, shape, dims, dynamic)
    each = [(a.outputs, a.taps, a.stride, a.dilation, (a.before, 0), a.size) for a in one.axes]
    if way is Transposed.SPLIT and _steps(one) > 1:
        if _steps(one) > MOST_PARTS:
            raise WorkloadError(f"split into {_steps(one)} convolutions; at most {MOST_PARTS} are taken on")
        parts = []
        for found in product(*(list(phases(*axis)) for axis in each)):
            suffix = "".join(f"{name}{at}" for name, (at, _) in zip(NAMES[-len(found) :], found, strict=True))
            parts.append((suffix, _lowered(shape, dims, [axis for _, axis in found], dynamic)))
        return Lowered(shape, parts=tuple(parts)) if parts else None
    planes = [inserted(*axis) for axis in each]
    if min(plane.size for plane in planes) < 1:
        return None
    return _lowered(shape, dims, planes, dynamic)


def _steps(one: Slid) -> int:
    return prod(axis.stride for axis in one.axes)


def _lowered(shape: Shape, dims: tuple[int, ...], axes: list[Axis], dynamic: bool) -> Lowered:
    problem, runs, moves, stored, spread = single(dims, axes)
    if dynamic:
        problem = replace(problem, dynamic_filter=True)
    return Lowered(shape, problem, runs, moves, stored, spread)


def _scattered(one: Slid, shape: Shape, dims: tuple[int, ...], dynamic: bool) -> Lowered:
    """A product at every output with all taps; what comes of it is added where it falls."""
    batch, groups, channels, outputs = dims
    deep, rows, columns = (1, *(axis.outputs for axis in one.axes))[-3:]
    kernel = (1, *(axis.taps for axis in one.axes))[-3:]
    problem = Problem(
        (batch, groups, channels * prod(kernel), outputs, deep * rows, columns, 1, 1), dynamic_filter=dynamic
    )
    sums = groups * channels * prod(kernel) * deep * rows * columns
    own = (deep, rows, columns)
    spread = Spread(own, kernel=(kernel[0], kernel[1], kernel[2]), scattered=True, depth=len(one.axes) == 3)
    return Lowered(shape, problem, moves=(sums, shape.words), spread=spread, ops=sums)


def filter_gradient(layer: Layer) -> Lowered:
    """The gradient of a filter: what the layer reads correlated with the gradient of its ofmap.

    Images and output pixels are summed over, as channels and taps. Input channels lie on N: [C, G, M, R, S] words. Of a
    transposed convolution the gradient is what windows slide over, and its output channels lie on N. The second operand
    is a gradient, no weight. Time steps that share a filter are summed over as images are. Without windows (one tap, no
    padding) it is a product of two matrices: pixels are summed over as channels too, those that are read.
    """
    one = slid(layer)
    assert layer.problem is not None
    words = layer.problem.words(Tensor.FILTER)
    sets = filters(layer)
    images = one.batch * (layer.repeat // sets)
    axes = [
        # taps of the filter are the outputs, and outputs the taps
        Axis(a.outputs, a.size, a.taps, a.dilation, a.stride, a.before, own=a.outputs, kernel=a.size)
        if one.turned
        else Axis(a.size, a.outputs, a.taps, a.dilation, a.stride, a.before, own=a.size, kernel=a.outputs)
        for a in one.axes
    ]
    slides, stays = (one.outputs, one.channels) if one.turned else (one.channels, one.outputs)
    if all(map(flat, axes)):
        images *= prod(axis.taps for axis in axes)
        axes = [Axis(1, 1, 1)] * 2
    found = _lowered(Shape(words), (slides, one.groups, stays, images), axes, dynamic=True)
    return found._replace(runs=sets)


def flat(axis: Axis) -> bool:
    """Whether the gradient of a filter has one tap along an axis, and meets no padding there."""
    return axis.outputs == 1 and axis.before == 0 and (axis.taps - 1) * axis.dilation < axis.size


def filters(layer: Layer) -> int:
    """How many filters the runs of a layer have: one for all time steps, else one for each."""
    if layer.op not in RECURRENT or layer.problem is None:
        return layer.repeat
    return max(1, layer.weights // layer.problem.words(Tensor.FILTER))
