"""Which tiles of the one memory above the array a mapping below a limit may have."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from accelsim.jit import njit, part
from accelsim.search.optimum.kernels.descend import GROUPS


class Tiling(NamedTuple):
    """What tiles of the memory cost and take, by group.

    number, turn : int64[group], tiles of each, and groups in the order they are chosen. words : float64[favour, group,
    tile, term], factors of what fills the memory where loops right above favour something; prices : float64[term]. room
    : int64[group, tile, partition, tensor], factors of bits; limits : int64[partition].
    """

    number: npt.NDArray[np.int64]
    turn: npt.NDArray[np.int64]
    words: npt.NDArray[np.float64]
    prices: npt.NDArray[np.float64]
    room: npt.NDArray[np.int64]
    limits: npt.NDArray[np.int64]


class Chosen(NamedTuple):
    """Row d is what d choices come to: words float64[depth, favour, term], room int64[depth, partition, tensor].

    rest, rest_room : the same, the least that choices to come multiply by.
    """

    words: npt.NDArray[np.float64]
    rest: npt.NDArray[np.float64]
    room: npt.NDArray[np.int64]
    rest_room: npt.NDArray[np.int64]


@part
def _lay_rest(tiling, chosen):
    """Lay down the least of what is not chosen yet."""
    for depth in range(GROUPS - 1, -1, -1):
        group = tiling.turn[depth]
        for f in range(tiling.words.shape[0]):
            for k in range(tiling.prices.shape[0]):
                least = np.inf
                for i in range(tiling.number[group]):
                    least = min(least, tiling.words[f, group, i, k])
                chosen.rest[depth, f, k] = chosen.rest[depth + 1, f, k] * least
        for p in range(tiling.limits.shape[0]):
            for t in range(3):
                fewest = tiling.room[group, 0, p, t]
                for i in range(1, tiling.number[group]):
                    fewest = min(fewest, tiling.room[group, i, p, t])
                chosen.rest_room[depth, p, t] = chosen.rest_room[depth + 1, p, t] * fewest


@part
def _fits(depth, i, tiling, chosen):
    """Choose a tile of the group whose turn it is; whether the memory can hold it."""
    group = tiling.turn[depth]
    for p in range(tiling.limits.shape[0]):
        bits = 0
        for t in range(3):
            chosen.room[depth + 1, p, t] = chosen.room[depth, p, t] * tiling.room[group, i, p, t]
            bits += chosen.room[depth + 1, p, t] * chosen.rest_room[depth + 1, p, t]
        if bits > tiling.limits[p]:
            return False
    return True


@part
def _may(depth, i, tiling, limit, chosen):
    """Whether what has been chosen may lie below the limit, whatever the loops above favour."""
    group, found = tiling.turn[depth], False
    for f in range(tiling.words.shape[0]):
        joules = 0.0
        for k in range(tiling.prices.shape[0]):
            words = chosen.words[depth, f, k] * tiling.words[f, group, i, k]
            chosen.words[depth + 1, f, k] = words
            joules += tiling.prices[k] * words * chosen.rest[depth + 1, f, k]
        found |= joules < limit
    return found


@njit(cache=True, nogil=True)
def above(tiling, limit, out):
    """List the tiles that fit and that what fills the memory may cost less than a limit with.

    out : int64[tile, group], filled, and counted on past its end; returns how many there are.
    """
    favours, terms, partitions = tiling.words.shape[0], tiling.prices.shape[0], tiling.limits.shape[0]
    chosen = Chosen(
        np.ones((GROUPS + 1, favours, terms)), np.ones((GROUPS + 1, favours, terms)),
        np.ones((GROUPS + 1, partitions, 3), np.int64), np.ones((GROUPS + 1, partitions, 3), np.int64),
    )  # fmt: skip
    _lay_rest(tiling, chosen)
    pick, number, depth = np.full(GROUPS, -1, np.int64), 0, 0
    while depth >= 0:
        pick[depth] += 1
        i = pick[depth]
        if i >= tiling.number[tiling.turn[depth]]:
            depth -= 1
        elif _fits(depth, i, tiling, chosen) and _may(depth, i, tiling, limit, chosen):
            if depth < GROUPS - 1:
                depth += 1
                pick[depth] = -1
                continue
            if number < out.shape[0]:
                for d in range(GROUPS):
                    out[number, tiling.turn[d]] = pick[d]
            number += 1
    return number
