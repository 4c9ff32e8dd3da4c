"""Factors of one dim's loops: which are worth a try, how many fit, and what they come to."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def tight(size: int, bound: int) -> list[int]:
    """Factors up to `bound` that no smaller one replaces: f = ceil(size / ceil(size / f)), rising."""
    found, f = [], 1
    while f <= min(size, bound):
        found.append(f)
        trips = -(-size // f)
        if trips == 1:
            break
        f = -(-size // (trips - 1))
    return found


def thin(values: list[int], most: int) -> list[int]:
    """At most `most` of the values, first and last among them, evenly spread."""
    if len(values) <= most:
        return values
    step = (len(values) - 1) / max(most - 1, 1)
    return [values[round(i * step)] for i in range(most)]


def longest(size: int, factors: npt.NDArray[np.int64], spatial: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Iterations of a dim in the PE that has most of them, the one at the start of every array: int64[option].

    factors : int64[option, loop], outermost first, of splits of one dim.
    """
    step = factors.prod(axis=1)
    each = factors[:, ~spatial].prod(axis=1)
    left, iterations = np.full(len(factors), size), np.zeros(len(factors), np.int64)
    inside = np.ones(len(factors), np.bool_)  # a loop that is cut short: what is inside it remains to be looked at
    for loop in range(factors.shape[1]):
        factor = factors[:, loop]
        step = step // factor
        if spatial[loop]:
            left = np.minimum(left, step)
            continue
        each = each // factor
        full = np.minimum(factor, left // step)
        iterations += inside * full * each
        left = left - full * step
        inside &= (full < factor) & (left > 0)
    return iterations + inside
