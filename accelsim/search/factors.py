"""Factors of one dim's loops: which are worth a try, how many fit, and what they come to."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from math import isqrt

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


def divisors(size: int) -> list[int]:
    """All of them, rising."""
    small = [f for f in range(1, isqrt(size) + 1) if size % f == 0]
    return small + [size // f for f in reversed(small) if f * f < size]


def thin(values: list[int], most: int) -> list[int]:
    """At most `most` of the values, first and last among them, evenly spread."""
    if len(values) <= most:
        return values
    step = (len(values) - 1) / max(most - 1, 1)
    return [values[round(i * step)] for i in range(most)]


def largest(lists: list[list[int]], fits: Callable[[tuple[int, ...]], bool]) -> Iterator[tuple[int, ...]]:
    """Choices of one value per rising list that fit while none with one larger value does, from the largest on.

    What is below a choice that fits must fit too.
    """
    if not lists:
        if fits(()):
            yield ()
        return
    *outer, inner = lists
    top: dict[tuple[int, ...], int] = {}  # by indices into the outer lists: how many of the inner values fit
    for at in sorted(product(*(range(len(values)) for values in outer)), reverse=True):
        larger = ((*at[:i], at[i] + 1, *at[i + 1 :]) for i in range(len(at)))
        least = max((top.get(key, 0) for key in larger), default=0)
        chosen = tuple(values[i] for values, i in zip(outer, at, strict=True))
        top[at] = least
        if least < len(inner) and fits((*chosen, inner[least])):  # most steps gain nothing
            top[at] = bisect_left(inner, True, lo=least + 1, key=partial(_overflows, fits, chosen))
            yield (*chosen, inner[top[at] - 1])


def _overflows(fits: Callable[[tuple[int, ...]], bool], chosen: tuple[int, ...], value: int) -> bool:
    return not fits((*chosen, value))


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
