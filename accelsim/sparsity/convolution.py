"""A layer's outputs by numpy alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from accelsim.errors import AccelsimError
from accelsim.workload.problem import Problem

Numbers = npt.NDArray[Any]


def convolution(problem: Problem, ifmap: Numbers, weights: Numbers) -> Numbers:
    """[N, G, M, P, Q]: pad, then one strided matrix product per filter tap.

    ifmap : [N, G, C, height, width] without padding. weights : [G, M, C, R, S].
    Integers give exact int64 (AccelsimError if a sum could pass 2^63), floats float64.
    """
    n, g, m, c, p, q, r, s = problem.sizes
    whole = ifmap.dtype.kind != "f" and weights.dtype.kind != "f"
    wide: Any = _wide(_reach(ifmap) * _reach(weights) * c * r * s) if whole else np.float64
    planes = padded(problem, ifmap)
    out = np.zeros((n, g, m, p * q), wide)
    for row in range(r):
        for column in range(s):
            y, x = row * problem.dilation[0], column * problem.dilation[1]
            seen = planes[
                ...,
                y : y + (p - 1) * problem.stride[0] + 1 : problem.stride[0],
                x : x + (q - 1) * problem.stride[1] + 1 : problem.stride[1],
            ]
            out += weights[None, ..., row, column].astype(wide) @ seen.reshape(n, g, c, p * q).astype(wide)
    return (out.astype(np.int64) if whole else out).reshape(n, g, m, p, q)


def padded(problem: Problem, ifmap: Numbers) -> Numbers:
    """[N, G, C, rows, columns]: the ifmap's planes with zeros around them, as far as windows reach at least."""
    ends = (problem.pad[0] + problem.height, problem.pad[1] + problem.width)
    planes = np.zeros((*ifmap.shape[:3], *map(max, problem.touched, ends)), ifmap.dtype)
    planes[..., problem.pad[0] : ends[0], problem.pad[1] : ends[1]] = ifmap
    return planes


def _reach(values: Numbers) -> int:
    return max(int(values.max()), -int(values.min()))


def _wide(bound: int) -> type[np.float64 | np.int64]:
    """float64, which multiplies matrices fast, is exact below 2^53."""
    if bound >= 2**63:
        raise AccelsimError(f"the sums of this layer could reach {bound}, past 2^63")
    return np.float64 if bound < 2**53 else np.int64
