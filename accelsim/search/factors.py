"""Factors of one dim's loops: which are worth a try, how many fit, and what they come to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import product
from math import isqrt

import numpy as np
import numpy.typing as npt

from accelsim.search.room import Room


@lru_cache(maxsize=1 << 14)
def tight(size: int, bound: int) -> tuple[int, ...]:
    """Factors up to `bound` that no smaller one replaces: f = ceil(size / ceil(size / f)), rising."""
    found, f = [], 1
    while f <= min(size, bound):
        found.append(f)
        trips = -(-size // f)
        if trips == 1:
            break
        f = -(-size // (trips - 1))
    return tuple(found)


def divisors(size: int) -> list[int]:
    """All of them, rising."""
    small = [f for f in range(1, isqrt(size) + 1) if size % f == 0]
    return small + [size // f for f in reversed(small) if f * f < size]


def thin(values: Sequence[int], most: int) -> Sequence[int]:
    """At most `most` of the values, first and last among them, evenly spread."""
    if len(values) <= most:
        return values
    step = (len(values) - 1) / max(most - 1, 1)
    return [values[round(i * step)] for i in range(most)]


def largest(lists: Sequence[Sequence[int]], room: Room) -> Iterator[tuple[int, ...]]:
    """Choices of one value per rising list that fit while none with one larger value does, from the largest on.

    What is below a choice that fits must fit too.
    """
    if not lists:
        if room.holds(()):
            yield ()
        return
    *outer, inner = lists
    if len(outer) == 1:
        yield from _largest_pairs(outer[0], inner, room)
        return
    top: dict[tuple[int, ...], int] = {}  # by indices into the outer lists: how many of the inner values fit
    for at in product(*(range(len(values) - 1, -1, -1) for values in outer)):
        least = 0
        for i in range(len(at)):
            least = max(least, top.get((*at[:i], at[i] + 1, *at[i + 1 :]), 0))
        top[at] = least
        if least < len(inner):  # most steps gain nothing
            chosen = tuple(values[i] for values, i in zip(outer, at, strict=True))
            top[at] = max(least, room.number(len(outer), (*chosen, 1), inner))
            if top[at] > least:
                yield (*chosen, inner[top[at] - 1])


def _largest_pairs(outer: Sequence[int], inner: Sequence[int], room: Room) -> Iterator[tuple[int, int]]:
    """The same of two lists, most of what is asked for: what fits grows as the first value falls."""
    top = 0
    for value in reversed(outer):
        if top == len(inner):
            return
        least, top = top, max(top, room.number(1, (value, 1), inner))
        if top > least:
            yield value, inner[top - 1]


def fitting(lists: Sequence[Sequence[int]], room: Room) -> Iterator[tuple[int, ...]]:
    """All choices of one value per rising list that fit, the smallest first."""
    if not lists:
        if room.holds(()):
            yield ()
        return
    *outer, inner = lists
    for chosen in product(*outer):
        for value in inner[: room.number(len(outer), (*chosen, 1), inner)]:
            yield (*chosen, value)


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
