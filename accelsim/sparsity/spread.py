"""The ifmap of a problem out of what its layer reads, where they differ: zeros between words, an axis unfolded."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from accelsim.workload.problem import Problem
from accelsim.workload.windows import Spread

Numbers = npt.NDArray[Any]


def own_shape(problem: Problem, spread: Spread) -> tuple[int, ...]:
    """Axes of what the layer reads: [N, G, C, rows, columns], or [N, G, C, depth, rows, columns] if it has depth."""
    n, g, _, c, *_ = problem.sizes
    if spread.unfolded:
        n, c = n // spread.unfolded.outputs, c // spread.unfolded.taps
    return (n, g, c, *(spread.own if spread.own[0] > 1 else spread.own[1:]))


def spread_ifmap(problem: Problem, spread: Spread, words: Numbers) -> Numbers:
    """[N, G, C, height, width] of the problem; words : of `own_shape`. What was inserted, and what pads an axis that
    is unfolded, is zero.
    """
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
    n, g, *_, c = problem.sizes[0], problem.sizes[1], problem.sizes[3]
    return np.ascontiguousarray(found.reshape(n, g, c, problem.height, problem.width))
