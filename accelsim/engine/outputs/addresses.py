"""Where the words of a layer lie when its loops are carried out, and how far each loop moves on."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from accelsim.engine.outputs.kernels import functional as kernel
from accelsim.engine.program import Ints
from accelsim.workload.problem import DIM_INDEX, LOOP_DIMS, Problem

ONE_LOOP = np.array([[0, 1, 0, 0, 1]], np.int64)
"""Of a nest without loops: kernels want one."""


def laid_out(weights: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Weights [G, C, R, S, M]: output channels, the innermost loop of most nests, lie next to each other."""
    return np.ascontiguousarray(weights.transpose(0, 2, 3, 4, 1))


def empty(problem: Problem) -> Ints:
    """An ofmap [N, G, P, Q, M], laid out as weights are."""
    n, g, m, _, p, q, _, _ = problem.sizes
    return np.zeros((n, g, p, q, m), np.int64)


def addresses(problem: Problem, ifmap: npt.NDArray[Any], weights: npt.NDArray[Any], ofmap: Ints) -> tuple[Ints, Ints]:
    """(int64[dim, 5], int64[5]): what a step along each dim adds to the ifmap, filter and ofmap address, the ifmap row
    and column; and these at the first iteration. Slices of channels lie behind all channels.
    """
    reach = np.zeros((len(LOOP_DIMS), 5), np.int64)
    for column, array, dims in (
        (kernel.IFMAP_AT, ifmap, "NGC"),
        (kernel.FILTER_AT, weights, "GCRSM"),
        (kernel.OFMAP_AT, ofmap, "NGPQM"),
    ):
        for dim, stride in zip(dims, array.strides, strict=False):
            reach[DIM_INDEX[dim], column] = stride // array.itemsize
    for dim, column in (("IB", kernel.IFMAP_AT), ("WB", kernel.FILTER_AT)):
        reach[DIM_INDEX[dim], column] = problem["C"] * reach[DIM_INDEX["C"], column]
    for axis, pitch, column, dims in ((0, problem.width, kernel.ROW, "PR"), (1, 1, kernel.COLUMN, "QS")):
        for dim, far in zip(dims, (problem.stride[axis], problem.dilation[axis]), strict=True):
            reach[DIM_INDEX[dim], [kernel.IFMAP_AT, column]] = far * pitch, far
    top, left = problem.pad
    return reach, np.array([-top * problem.width - left, 0, 0, -top, -left], np.int64)
