"""The orders of a mapping's loops that cost least of one account and keep a ceiling of another."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from accelsim.jit import njit, part
from accelsim.search.optimum.kernels.arrange import LOOPS, PAIR, Tabled, carried, loops_of, may_follow, saved_of
from accelsim.search.optimum.kernels.descend import GROUPS

FLIPS = 1 << (GROUPS - PAIR)

allocates = partial(njit, cache=True, nogil=True, _nrt=True)
"""For what makes arrays and is called by parts, which make none: what they call would be compiled as they are."""


class Limited(NamedTuple):
    """Two accounts of every mapping: its own, which is to be small, and another one, which has a ceiling.

    own, other : tables with the prices of each; constants : float64[2], what no mapping changes of each. most :
    float64[4], of the other one, as `descend.most_joules` reads it.
    """

    own: Tabled
    other: Tabled
    constants: npt.NDArray[np.float64]
    most: npt.NDArray[np.float64]


class Front(NamedTuple):
    """Innermost loops of a level in orders that none is better than in what both accounts save.

    number : int64[1]; own, other : float64[order], what is saved; loops : int64[order, loop], the innermost first, -1:
    no more. Those of some loops as the innermost ones stand together.
    """

    number: npt.NDArray[np.int64]
    own: npt.NDArray[np.float64]
    other: npt.NDArray[np.float64]
    loops: npt.NDArray[np.int64]


@allocates
def _front_of(room):
    return Front(np.zeros(1, np.int64), np.zeros(room), np.zeros(room), np.full((room, LOOPS), -1, np.int64))


@allocates
def _roomy(front, more):
    """The same front with room for so many more."""
    n = front.number[0]
    if n + more <= front.own.shape[0]:
        return front
    found = _front_of(2 * (n + more))
    found.number[0] = n
    found.own[:n], found.other[:n], found.loops[:n] = front.own[:n], front.other[:n], front.loops[:n]
    return found


@part
def _add(own, other, first, front):
    """Add an order to those from the first on, unless one saves as much of both; which it is, -1: none.

    Those that save no more of either are taken out.
    """
    kept = first
    for i in range(first, front.number[0]):
        if front.own[i] >= own and front.other[i] >= other:
            return -1
    for i in range(first, front.number[0]):
        if front.own[i] > own or front.other[i] > other:
            front.own[kept], front.other[kept] = front.own[i], front.other[i]
            for at in range(LOOPS):
                front.loops[kept, at] = front.loops[i, at]
            kept += 1
    front.own[kept], front.other[kept] = own, other
    front.number[0] = kept + 1
    return kept


@allocates
def _listed(level, orders, masks, limited, trial, front):
    """Add the orders of a level that differ."""
    mask, first = 0, front.number[0]
    for group in range(GROUPS):
        for d in range(2):
            if limited.own.there[group][trial.chain[group], level, d]:
                mask |= 1 << (2 * group + d)
    row = masks[mask]
    front = _roomy(front, orders.first[row + 1] - orders.first[row])
    for one in range(orders.first[row], orders.first[row + 1]):
        order = orders.loops[one]
        own, other = saved_of(level, order, limited.own, trial), saved_of(level, order, limited.other, trial)
        at = _add(own, other, first, front)
        if at >= 0:
            n = 0
            while n < LOOPS and order[n] >= 0:
                n += 1
            for i in range(LOOPS):
                front.loops[at, i] = order[n - 1 - i] if i < n else -1
    return front


@part
def _carries(level, carrier, tabled, trial):
    """What the carries of a loop save of an account."""
    saved = 0.0
    for k in range(tabled.prices.shape[0]):
        if tabled.children[k] > level and tabled.prices[k] != 0.0:
            saved += tabled.prices[k] * carried(level, carrier, tabled, trial, k)
    return saved


@part
def _turned(flips, n, trial):
    """Lay down which way round two dims of a group are; whether there are two of each that is turned."""
    for g in range(GROUPS - PAIR):
        trial.order_of[PAIR + g] = flips >> g & 1
        both = 0
        for i in range(n):
            both += trial.codes[i] // 2 == PAIR + g
        if flips >> g & 1 and both != 2:
            return False
    return True


@part
def _inside(sub, n, trial):
    """Lay down the loops outside some of a level's as the innermost ones (`outside`); returns how many are inside."""
    inside = 0
    for group in range(GROUPS):
        trial.outside[group] = 0
    for i in range(n):
        if sub >> i & 1:
            inside += 1
        else:
            trial.outside[trial.codes[i] // 2] += 1
    return inside


@allocates
def _of_all(level, orders, limited, trial, found):
    """Add the orders of a level that leave the fixed loops innermost.

    As `arrange._any_order`, with all orders of some loops as the innermost ones that none of these is better than.
    """
    n, fixed = loops_of(level, limited.own, orders, trial)
    every, begin = (1 << n) - 1, found.number[0]
    first = np.zeros(every + 2, np.int64)
    for flips in range(FLIPS):
        if not _turned(flips, n, trial):
            continue
        front = _front_of(1 << n)
        _add(0.0, 0.0, 0, front)
        first[1] = 1
        for sub in range(1, every + 1):
            for i in range(n):
                before = sub & ~(1 << i)
                inside = _inside(before, n, trial)
                if before == sub or not may_follow(i, inside, before, n, fixed, trial):
                    continue
                carrier = trial.codes[i] // 2
                trial.outside[carrier] -= 1
                own = _carries(level, carrier, limited.own, trial)
                other = _carries(level, carrier, limited.other, trial)
                front = _roomy(front, first[before + 1] - first[before])
                for x in range(first[before], first[before + 1]):
                    at = _add(front.own[x] + own, front.other[x] + other, first[sub], front)
                    if at >= 0:
                        front.loops[at] = front.loops[x]
                        front.loops[at, inside] = trial.codes[i]
            first[sub + 1] = front.number[0]
        found = _roomy(found, first[every + 1] - first[every])
        for x in range(first[every], first[every + 1]):
            at = _add(front.own[x], front.other[x], begin, found)
            if at >= 0:
                found.loops[at] = front.loops[x]
    return found


@part
def _total(tabled, constant, trial):
    """An account where nothing stays in place."""
    total = constant
    for k in range(tabled.prices.shape[0]):
        words = tabled.prices[k]
        for group in range(GROUPS):
            words *= tabled.totals[group][trial.chain[group], k]
        total += words
    return total


@allocates
def least_within(orders, masks, limited, most, trial):
    """The least of the own account of the chosen chains, with no more than `most` of the other; infinite: none has.

    `trial.order` is filled with the orders that have it.
    """
    own, other = _total(limited.own, limited.constants[0], trial), _total(limited.other, limited.constants[1], trial)
    levels, ragged, front = trial.order.shape[0], False, _front_of(LOOPS)
    for group in range(GROUPS):
        ragged |= limited.own.ragged[group][trial.chain[group]]
    first, pick = np.zeros(levels + 1, np.int64), np.zeros(levels, np.int64)
    for level in range(levels):
        if ragged or orders.fixed[level, 0] >= 0:
            front = _of_all(level, orders, limited, trial, front)
        else:
            front = _listed(level, orders, masks, limited, trial, front)
        first[level + 1] = front.number[0]
        pick[level] = first[level]
    best, level = np.inf, 0
    while level >= 0:
        joules, words = own, other
        for i in range(levels):
            joules -= front.own[pick[i]]
            words -= front.other[pick[i]]
        if words <= most and joules < best:
            best = joules
            for i in range(levels):
                n = 0
                while n < LOOPS and front.loops[pick[i], n] >= 0:
                    n += 1
                for at in range(LOOPS):
                    trial.order[i, at] = front.loops[pick[i], n - 1 - at] if at < n else -1
        level = levels - 1
        while level >= 0:
            pick[level] += 1
            if pick[level] < first[level + 1]:
                break
            pick[level] = first[level]
            level -= 1
    return best
