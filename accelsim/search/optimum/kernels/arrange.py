"""The best order of the loops of a level: of those that differ, or of all that leave some innermost."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from accelsim.engine.nest.kernels.records import IFMAP
from accelsim.jit import njit, part
from accelsim.search.optimum.kernels.descend import GROUPS

PAIR, LOOPS = 4, 8
"""The first group of two dims; most loops of a level."""


class Tabled(NamedTuple):
    """What `tables.Words` holds of every group, of the terms of one placement; a tuple has one array a group.

    totals, stays, kepts, aboves, firsts, there : as of `tables.Words`. ragged : bool[chain], as of `chains.Chains`.
    tensors : int64[term]; children : int64[term], the level above which its loops carry, 0: moved anew; prices :
    float64[term].
    """

    totals: tuple[npt.NDArray[np.float64], ...]
    stays: tuple[npt.NDArray[np.float64], ...]
    kepts: tuple[npt.NDArray[np.float64], ...]
    aboves: tuple[npt.NDArray[np.int64], ...]
    firsts: tuple[npt.NDArray[np.int64], ...]
    there: tuple[npt.NDArray[np.int64], ...]
    tensors: npt.NDArray[np.int64]
    children: npt.NDArray[np.int64]
    prices: npt.NDArray[np.float64]
    ragged: tuple[npt.NDArray[np.bool_], ...]


class Orders(NamedTuple):
    """Orders of the loops of a level that differ, by which loops there are.

    first : int64[mask + 1]; loops : int64[order, loop], (group * 2 + which of its dims), outermost first, -1: no more.
    fixed : int64[level, loop], the loops that are innermost at a level, the innermost first, -1: no more.
    """

    first: npt.NDArray[np.int64]
    loops: npt.NDArray[np.int64]
    fixed: npt.NDArray[np.int64]


class Trial(NamedTuple):
    """Scratch of one mapping: chain int64[group]; order int64[level, loop], the best of each level, outermost first.

    outside, order_of : int64[group], loops outside, and which way round two dims of a group are. codes, rank :
    int64[loop], the loops of a level, and which of those that are fixed each is. value : float64[subset], the most that
    loops save as the innermost ones; choice : int64[subset], which of them is outermost then.
    """

    chain: npt.NDArray[np.int64]
    order: npt.NDArray[np.int64]
    outside: npt.NDArray[np.int64]
    order_of: npt.NDArray[np.int64]
    codes: npt.NDArray[np.int64]
    rank: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    choice: npt.NDArray[np.int64]


@njit(cache=True)
def trial_of(levels):
    """Room to try mappings with so many levels of loops."""
    return Trial(
        np.zeros(GROUPS, np.int64), np.full((levels, LOOPS), -1, np.int64), np.zeros(GROUPS, np.int64),
        np.zeros(GROUPS, np.int64), np.zeros(LOOPS, np.int64), np.zeros(LOOPS, np.int64), np.zeros(1 << LOOPS),
        np.zeros(1 << LOOPS, np.int64),
    )  # fmt: skip


@part
def carried(level, carrier, tabled, trial, k):
    """Words of a term that the carry of a loop leaves in place or keeps; `trial.outside` : loops outside it."""
    whole, slid = 1.0, 0.0
    for group in range(GROUPS):
        chain = trial.chain[group]
        at = tabled.firsts[group][chain, level] + trial.outside[group]
        if group != carrier:
            at += tabled.aboves[group][chain, k]
        stay = tabled.stays[group][trial.order_of[group], chain, at, k]
        if tabled.tensors[k] == IFMAP and group >= PAIR:
            slid = slid * stay + whole * tabled.kepts[group][trial.order_of[group], chain, at, k]
        else:
            slid *= stay
        whole *= stay
        if whole == 0.0 and slid == 0.0 and (group >= PAIR or tabled.tensors[k] != IFMAP):
            return 0.0
    return whole + slid


@part
def _order_of(order, trial):
    """Lay down how many loops of each group an order has, and which way round those of two dims are; returns loops."""
    n, seen = 0, 0
    for group in range(GROUPS):
        trial.outside[group] = 0
        trial.order_of[group] = 0
    while n < LOOPS and order[n] >= 0:
        group = order[n] // 2
        if order[n] % 2 == 0 and seen >> (order[n] + 1) & 1:
            trial.order_of[group] = 1
        seen |= 1 << order[n]
        trial.outside[group] += 1
        n += 1
    return n


@part
def saved_of(level, order, tabled, trial):
    """Energy of what stays in place at one level in one order, from the innermost loop out.

    A tile that moves on one carry moves on all further out; but rows that a dilated filter leaves come back as the next
    ones begin (at P 2p, at R 2r: the last of one p is the first of the next).
    """
    n, saved = _order_of(order, trial), 0.0
    alive = (1 << tabled.prices.shape[0]) - 1
    for j in range(n - 1, -1, -1):
        trial.outside[order[j] // 2] -= 1
        for k in range(tabled.prices.shape[0]):
            if alive >> k & 1 and tabled.children[k] > level:
                words = carried(level, order[j] // 2, tabled, trial, k)
                saved += tabled.prices[k] * words
                if words == 0.0 and tabled.tensors[k] != IFMAP:
                    alive &= ~(1 << k)
        if alive == 0:
            break
    return saved


@part
def loops_of(level, tabled, orders, trial):
    """Lay down the loops of a level (`codes`, `rank`); returns (how many, how many of them are fixed)."""
    n = fixed = 0
    for group in range(GROUPS):
        for d in range(2):
            if tabled.there[group][trial.chain[group], level, d]:
                trial.codes[n] = 2 * group + d
                trial.rank[n] = LOOPS
                n += 1
    for f in range(LOOPS):
        for i in range(n):
            if trial.codes[i] == orders.fixed[level, f]:
                trial.rank[i] = fixed
                fixed += 1
                break
    return n, fixed


@part
def _other(i, n, trial):
    """Which loop of a level is over the other dim of a pair; -1: none."""
    if trial.codes[i] >= 2 * PAIR:
        for other in range(n):
            if trial.codes[other] == trial.codes[i] ^ 1:
                return other
    return -1


@part
def may_follow(i, inside, sub, n, fixed, trial):
    """Whether a loop may be the next one out of those inside it: the fixed ones first, pairs the way round they are."""
    if sub >> i & 1:
        return False
    if trial.rank[i] < LOOPS:
        if inside != trial.rank[i]:
            return False
    elif inside < fixed:
        return False
    other = _other(i, n, trial)
    if other < 0:
        return True
    # the way round they are at first has the first dim outside
    is_inner = trial.codes[i] % 2 != trial.order_of[trial.codes[i] // 2]
    return is_inner != (sub >> other & 1)


@njit(cache=True, nogil=True)
def _any_order(level, orders, tabled, trial):
    """The best of all orders of a level's loops that leave the fixed ones innermost; returns what it saves.

    What a carry leaves in place depends on which loops are inside it, not on their order: so the best order of some
    loops as the innermost ones is that of all but one of them, and that one.
    """
    n, fixed = loops_of(level, tabled, orders, trial)
    every, most = (1 << n) - 1, -1.0
    for flips in range(4):
        real = True
        for g in range(GROUPS - PAIR):
            trial.order_of[PAIR + g] = flips >> g & 1
            if flips >> g & 1:
                both = 0
                for i in range(n):
                    both += trial.codes[i] // 2 == PAIR + g
                real &= both == 2
        if not real:
            continue
        trial.value[: every + 1] = -1.0
        trial.value[0] = 0.0
        for sub in range(every):
            if trial.value[sub] < 0:
                continue
            inside = 0
            trial.outside[:] = 0
            for i in range(n):
                if sub >> i & 1:
                    inside += 1
                else:
                    trial.outside[trial.codes[i] // 2] += 1
            for i in range(n):
                if not may_follow(i, inside, sub, n, fixed, trial):
                    continue
                carrier, saved = trial.codes[i] // 2, trial.value[sub]
                trial.outside[carrier] -= 1
                for k in range(tabled.prices.shape[0]):
                    if tabled.children[k] > level:
                        saved += tabled.prices[k] * carried(level, carrier, tabled, trial, k)
                trial.outside[carrier] += 1
                if saved > trial.value[sub | 1 << i]:
                    trial.value[sub | 1 << i] = saved
                    trial.choice[sub | 1 << i] = i
        if trial.value[every] > most:
            most = trial.value[every]
            sub = every
            for at in range(LOOPS):
                trial.order[level, at] = trial.codes[trial.choice[sub]] if sub else -1
                sub &= ~(1 << trial.choice[sub])
    return most


@part
def _listed_order(level, orders, masks, tabled, trial):
    """The best of the orders that differ; returns what it saves."""
    mask = 0
    for group in range(GROUPS):
        for d in range(2):
            if tabled.there[group][trial.chain[group], level, d]:
                mask |= 1 << (2 * group + d)
    row, most, best = masks[mask], -1.0, 0
    for one in range(orders.first[row], orders.first[row + 1]):
        saved = saved_of(level, orders.loops[one], tabled, trial)
        if saved > most:
            most, best = saved, one
    for at in range(LOOPS):
        trial.order[level, at] = orders.loops[best, at]
    return most


@njit(cache=True, nogil=True)
def energy_of(tabled, orders, masks, constant, trial):
    """Energy of the chosen chains, every level in its best order (`trial.order`).

    masks : int64[1 << loops], which row of `orders.first` a set of loops has.
    """
    joules, ragged = constant, False
    for group in range(GROUPS):
        ragged |= tabled.ragged[group][trial.chain[group]]
    for k in range(tabled.prices.shape[0]):
        words = 1.0
        for group in range(GROUPS):
            words *= tabled.totals[group][trial.chain[group], k]
        joules += tabled.prices[k] * words
    for level in range(trial.order.shape[0]):
        if ragged or orders.fixed[level, 0] >= 0:
            joules -= _any_order(level, orders, tabled, trial)
        else:
            joules -= _listed_order(level, orders, masks, tabled, trial)
    return joules
