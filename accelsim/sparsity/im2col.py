"""Operands, masks and outputs of a layer as the matrices of `Lowering.IM2COL`; matrices are C-contiguous."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from accelsim.sparsity.convolution import Numbers, padded
from accelsim.sparsity.masks import Masks, shape_of, words_of
from accelsim.workload.problem import TENSORS, Problem, Tensor


def ifmap_matrix(problem: Problem, ifmap: Numbers) -> Numbers:
    """[N, G, C, height, width] without padding to [1, G, C*R*S, 1, N*P*Q]; padding becomes zeros of the matrix."""
    (n, g, *_, p, q, r, s), c = problem.sizes, ifmap.shape[2]
    planes = padded(problem, ifmap)
    *outer, row, column = planes.strides
    steps = [
        row * problem.stride[0],
        column * problem.stride[1],
        row * problem.dilation[0],
        column * problem.dilation[1],
    ]
    windows = np.lib.stride_tricks.as_strided(planes, (n, g, c, p, q, r, s), (*outer, *steps), writeable=False)
    return np.ascontiguousarray(windows.transpose(1, 2, 5, 6, 0, 3, 4)).reshape(1, g, c * r * s, 1, n * p * q)


def filter_matrix(problem: Problem, weights: Numbers) -> Numbers:
    """[G, M, C, R, S] to [G, M, C*R*S, 1, 1]."""
    _, g, m, *_ = problem.sizes
    return np.ascontiguousarray(weights).reshape(g, m, -1, 1, 1)


def ofmap_matrix(problem: Problem, ofmap: Numbers) -> Numbers:
    """[N, G, M, P, Q] to [1, G, M, 1, N*P*Q]."""
    _, g, m, *_ = problem.sizes
    return np.ascontiguousarray(ofmap.transpose(1, 2, 0, 3, 4)).reshape(1, g, m, 1, -1)


def ofmap_planes(problem: Problem, matrix: Numbers) -> Numbers:
    """[1, G, M, 1, N*P*Q] back to [N, G, M, P, Q]."""
    n, g, m, _, p, q, _, _ = problem.sizes
    return matrix.reshape(g, m, n, p, q).transpose(2, 0, 1, 3, 4)


def lowered_masks(problem: Problem, masks: Masks) -> Masks:
    """Masks of a layer as those of its matrices. Padding is a zero word of the ifmap matrix, so it needs a mask too.

    problem : the layer's own, with the slices its words are cut into.
    """
    ifmap, weights, ofmap = (None if mask is None else words_of(mask) for mask in map(masks.of, TENSORS))
    if ifmap is None and _pads(problem):
        ifmap = np.ones(shape_of(problem, Tensor.IFMAP), np.uint8)
    return replace(
        masks,
        ifmap=None if ifmap is None else ifmap_matrix(problem, ifmap),
        filter=None if weights is None else filter_matrix(problem, weights),
        ofmap=None if ofmap is None else ofmap_matrix(problem, ofmap),
    )


def _pads(problem: Problem) -> bool:
    """Whether a window touches a word outside the plane."""
    ends = (problem.pad[0] + problem.height, problem.pad[1] + problem.width)
    return any(problem.pad) or any(touched > end for touched, end in zip(problem.touched, ends, strict=True))
