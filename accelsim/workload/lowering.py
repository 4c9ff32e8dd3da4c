"""What an architecture turns a layer's problem into before it is mapped."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

from accelsim.workload.problem import Problem, Runs


class Lowering(StrEnum):
    """`none` : the problem stays as it is.

    `im2col` : the matrix product that an array without windows runs. C, R and S become one reduction on C (C slowest,
    S fastest), the ofmap's pixels of all images one row on Q (N slowest, Q fastest); M and G stay. Every window of the
    padded ifmap is a column of its own, so words lie in the matrix as often as windows touch them, at every level.
    Chellapilla et al., IWFHR 2006, section 3.
    """

    NONE = "none"
    IM2COL = "im2col"


def lowered(problem: Problem, lowering: Lowering) -> Problem:
    """The problem that is mapped and run; `problem` itself where nothing changes."""
    if lowering is Lowering.NONE:
        return problem
    n, g, m, c, p, q, r, s = problem.sizes
    matmul = Problem(
        (1, g, m, c * r * s, 1, n * p * q, 1, 1),
        dynamic_filter=problem.dynamic_filter,
        added=problem.added,
        bias=problem.bias,
    )
    return problem if matmul == problem else matmul


def in_runs(problem: Problem, length: int, least: int) -> Problem:
    """The outputs of a plane as runs of pixels: P counts them, Q is 1.

    Each is of `length` outputs while twice that is left; then of all that is left, if it is no more, else of `least`.
    """
    if problem.runs:
        return problem
    n, g, m, c, p, q, r, s = problem.sizes
    left, lengths = p * q, []
    while left:
        lengths.append(length if left >= 2 * length else left if left <= length else least)
        left -= lengths[-1]
    sizes = (n, g, m, c, len(lengths), 1, r, s)
    return replace(problem, sizes=sizes, runs=Runs(q, tuple(lengths)))
