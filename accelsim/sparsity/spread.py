"""The operands of a problem out of a layer's own, where they differ: inserted zeros, an axis unfolded, some taps."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from accelsim.sparsity.masks import shape_of
from accelsim.workload.network import Layer
from accelsim.workload.problem import Problem, Tensor
from accelsim.workload.windows import Spread

Numbers = npt.NDArray[Any]


def own_shape(layer: Layer, tensor: Tensor) -> tuple[int, ...]:
    """Axes of a layer's own operand: those of `shape_of`; where there is depth, before rows (and before R).

    Of parts of a transposed convolution they are those of the whole layer's ifmap and filter.
    """
    problem, spread = layer.problem, layer.spread
    assert problem is not None
    if spread is None or (tensor is Tensor.PSUM and not spread.unfolded):
        return shape_of(problem, tensor)
    n, g, m, c, *_ = problem.sizes
    unfolded = spread.unfolded
    if unfolded:
        n, c = n // unfolded.outputs, c // unfolded.taps
    if tensor is Tensor.IFMAP:
        return (n, g, c, *(spread.own if spread.depth else spread.own[1:]))
    if tensor is Tensor.FILTER:
        taps = spread.kernel[0] * spread.kernel[1] * spread.kernel[2]
        channels = m // taps if spread.scattered else m
        return (g, channels, c, *(spread.kernel if spread.depth else spread.kernel[1:]))
    assert unfolded is not None
    outputs = list(problem.plane_outputs)
    outputs.insert(unfolded.axis, unfolded.outputs)
    return (n, g, m, *outputs)


def spread_out(layer: Layer, tensor: Tensor, words: Numbers) -> Numbers:
    """An operand of the layer's problem, with the axes of `shape_of`; words : of `own_shape`.

    What was inserted, and what pads an axis that is unfolded, is zero.
    """
    problem, spread = layer.problem, layer.spread
    assert problem is not None
    if spread is None:
        return words
    if tensor is Tensor.IFMAP:
        found = words if spread.scattered else _ifmap(problem, spread, words)
    elif tensor is Tensor.FILTER:
        found = _filter(spread, words)
    elif spread.unfolded:
        # outputs of the axis go beside the images
        found = np.moveaxis(words, 3 + spread.unfolded.axis, 1)
    else:
        found = words
    return np.ascontiguousarray(found.reshape(shape_of(problem, tensor)))


def _ifmap(problem: Problem, spread: Spread, words: Numbers) -> Numbers:
    n, g, c = words.shape[:3]
    found = words.reshape(n, g, c, *spread.own)
    planes = [problem.height, problem.width]
    for axis in range(3):
        unfolded = spread.unfolded if spread.unfolded and spread.unfolded.axis == axis else None
        if unfolded:
            outputs = np.arange(unfolded.outputs)[:, None] * unfolded.stride
            places = (outputs + np.arange(unfolded.taps) * unfolded.dilation - unfolded.before).reshape(-1)
        elif axis == 0 and not spread.unfolded:
            continue  # two axes: there is one plane of depth
        else:
            places = np.arange(planes.pop(0))
        index, rest = np.divmod(places + spread.crop[axis], spread.step[axis])
        there = (rest == 0) & (index >= 0) & (index < spread.own[axis])
        taken = found.take(np.where(there, index, 0), axis=3 + axis)
        found = taken * there.reshape(-1, *[1] * (2 - axis)).astype(taken.dtype)
    if spread.unfolded:
        at = 3 + spread.unfolded.axis
        shape = (*found.shape[:at], spread.unfolded.outputs, spread.unfolded.taps, *found.shape[at + 1 :])
        # outputs go beside the images, taps beside the channels
        found = np.moveaxis(found.reshape(shape), (at, at + 1), (1, 4))
    return found


def _filter(spread: Spread, words: Numbers) -> Numbers:
    g, m, c = words.shape[:3]
    found = words.reshape(g, m, c, *spread.kernel)
    if spread.scattered:
        return found.reshape(g, m, c, -1).transpose(0, 1, 3, 2)
    for axis, (taps, first, every) in enumerate(zip(spread.kernel, spread.first, spread.every, strict=True)):
        # a tap that comes first is the last to be taken backwards
        found = found.take(np.arange(first, taps if every > 0 else -1, every), axis=3 + axis)
    if spread.unfolded:
        found = np.moveaxis(found, 3 + spread.unfolded.axis, 3)
    return found
