"""What a mapping costs in its best order: exact, for the tiles and orders that a bound leaves."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from accelsim.engine.nest.kernels.records import IFMAP
from accelsim.jit import njit, part
from accelsim.search.kernels.scores import weighed
from accelsim.search.optimum.kernels.descend import GROUPS, cycles_of

PAIR, LOOPS = 4, 8
"""The first group of two dims; most loops of a level."""


class Tabled(NamedTuple):
    """What `tables.Words` holds of every group, of the terms of one placement; a tuple has one array a group.

    totals, stays, kepts, aboves, firsts, there : as of `tables.Words`. tensors : int64[term]; children : int64[term],
    the level above which its loops carry, 0: moved anew; prices : float64[term].
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


class Orders(NamedTuple):
    """Orders of the loops of a level that differ, by which loops there are.

    first : int64[mask + 1]; loops : int64[order, loop], (group * 2 + which of its dims), outermost first, -1: no more.
    """

    first: npt.NDArray[np.int64]
    loops: npt.NDArray[np.int64]


class Trial(NamedTuple):
    """Scratch of one mapping: chain int64[group]; best int64[level], orders; outside int64[group], loops outside."""

    chain: npt.NDArray[np.int64]
    best: npt.NDArray[np.int64]
    outside: npt.NDArray[np.int64]


@part
def _carried(level, order, j, order_of, tabled, trial, k):
    """Words of a term that the carry of loop j of an order leaves in place or keeps."""
    carrier = order[j] // 2
    whole, slid = 1.0, 0.0
    for group in range(GROUPS):
        chain = trial.chain[group]
        at = tabled.firsts[group][chain, level] + trial.outside[group]
        if group != carrier:
            at += tabled.aboves[group][chain, k]
        stay = tabled.stays[group][order_of[group], chain, at, k]
        if tabled.tensors[k] == IFMAP and group >= PAIR:
            slid = slid * stay + whole * tabled.kepts[group][order_of[group], chain, at, k]
        else:
            slid *= stay
        whole *= stay
        if whole == 0.0 and slid == 0.0 and (group >= PAIR or tabled.tensors[k] != IFMAP):
            return 0.0
    return whole + slid


@part
def _order_of(order, order_of, trial):
    """Lay down how many loops of each group an order has, and which way round those of two dims are; returns loops."""
    n, seen = 0, 0
    for group in range(GROUPS):
        trial.outside[group] = 0
        order_of[group] = 0
    while n < LOOPS and order[n] >= 0:
        group = order[n] // 2
        if order[n] % 2 == 0 and seen >> (order[n] + 1) & 1:
            order_of[group] = 1
        seen |= 1 << order[n]
        trial.outside[group] += 1
        n += 1
    return n


@part
def _saved(level, order, order_of, tabled, trial):
    """Energy of what stays in place at one level in one order: from the innermost loop out, for a tile that has moved
    on one carry moves on all further out.
    """
    n, saved = _order_of(order, order_of, trial), 0.0
    alive = (1 << tabled.prices.shape[0]) - 1
    for j in range(n - 1, -1, -1):
        trial.outside[order[j] // 2] -= 1
        for k in range(tabled.prices.shape[0]):
            if alive >> k & 1 and tabled.children[k] > level:
                words = _carried(level, order, j, order_of, tabled, trial, k)
                saved += tabled.prices[k] * words
                if words == 0.0:
                    alive &= ~(1 << k)
        if alive == 0:
            break
    return saved


@part
def _mask(level, tabled, trial):
    mask = 0
    for group in range(GROUPS):
        for d in range(2):
            if tabled.there[group][trial.chain[group], level, d]:
                mask |= 1 << (2 * group + d)
    return mask


@njit(cache=True, nogil=True)
def energy_of(tabled, orders, masks, constant, order_of, trial):
    """Energy of the chosen chains, every level in its best order (`trial.best`).

    masks : int64[1 << loops], which row of `orders.first` a set of loops has.
    """
    joules = constant
    for k in range(tabled.prices.shape[0]):
        words = 1.0
        for group in range(GROUPS):
            words *= tabled.totals[group][trial.chain[group], k]
        joules += tabled.prices[k] * words
    for level in range(trial.best.shape[0]):
        row = masks[_mask(level, tabled, trial)]
        most = -1.0
        for one in range(orders.first[row], orders.first[row + 1]):
            saved = _saved(level, orders.loops[one], order_of, tabled, trial)
            if saved > most:
                most = saved
                trial.best[level] = one
        joules -= max(most, 0.0)
    return joules


class Best(NamedTuple):
    """The best so far: score float64[1], energy float64[1], chain int64[group], order int64[level]; tried int64[1]."""

    score: npt.NDArray[np.float64]
    energy: npt.NDArray[np.float64]
    chain: npt.NDArray[np.int64]
    order: npt.NDArray[np.int64]
    tried: npt.NDArray[np.int64]


class Tiles(NamedTuple):
    """Tiles of the memory above the array, and the chains that have one around an inner.

    sizes : int64[group], tiles of each, 1 for a group without. strides : int64[group]. below : int64[group, inner], the
    tile that an array covers. alike : bool[class, group, tile, tile], whether the second holds the first and is larger
    along dims alone that a class may have loops of. spans : int64[inner, tile, 2] of each group, the first chain with
    this tile around this inner and the one after the last. levels : int64[chain, memory] of each group, the tile of
    every memory further out; outer : float64[memory, tile], what those out to the outermost cost at least; between :
    float64[tile], what lies between them and the array.
    """

    sizes: npt.NDArray[np.int64]
    strides: npt.NDArray[np.int64]
    below: npt.NDArray[np.int64]
    alike: npt.NDArray[np.bool_]
    spans: tuple[npt.NDArray[np.int64], ...]
    levels: tuple[npt.NDArray[np.int64], ...]
    outer: npt.NDArray[np.float64]
    between: npt.NDArray[np.float64]


class Known(NamedTuple):
    """What does not change while leaves are settled."""

    classes: object
    inners: object
    tiles: Tiles
    tabled: Tabled
    orders: Orders
    masks: npt.NDArray[np.int64]


class Walk(NamedTuple):
    """Scratch of a leaf: pick int64[group], the tile; lower float64[class], what lies below costs at least."""

    pick: npt.NDArray[np.int64]
    lower: npt.NDArray[np.float64]
    order_of: npt.NDArray[np.int64]


@part
def _lower(c, classes, constant, leaf):
    """What lies below the array costs at least in a class."""
    total = constant
    for k in range(classes.prices.shape[1]):
        words = classes.prices[c, k]
        for group in range(GROUPS):
            words *= classes.inner[c, group, leaf[group], k]
        total += words
    return total


@part
def _index(strides, pick):
    at = 0
    for g in range(GROUPS):
        at += pick[g] * strides[g]
    return at


@part
def _next_tile(c, tiles, leaf, pick):
    """Go on to the next tile that a class reaches from what the array covers; whether there is one."""
    for group in range(GROUPS - 1, -1, -1):
        first = tiles.below[group, leaf[group]]
        pick[group] += 1
        while pick[group] < tiles.sizes[group] and not tiles.alike[c, group, first, pick[group]]:
            pick[group] += 1
        if pick[group] < tiles.sizes[group]:
            return True
        pick[group] = first
    return False


@part
def _is_first(c, tile, cycles, objective, known, leaf, walk, best):
    """Whether no earlier class has this tile below the best: it would be tried there."""
    tiles = known.tiles
    for other in range(c):
        reach = True
        for g in range(GROUPS):
            reach &= tiles.alike[other, g, tiles.below[g, leaf[g]], walk.pick[g]]
        if reach and weighed(walk.lower[other] + known.classes.outer[other, tile], cycles, objective) < best.score[0]:
            return False
    return True


@part
def _fits_outside(c, tile, cycles, objective, tiles, walk, trial, best):
    """Whether the memories further out can hold their tiles, at a cost below the best."""
    for memory in range(tiles.outer.shape[0]):
        at = 0
        for g in range(GROUPS):
            at += tiles.levels[g][trial.chain[g], memory] * tiles.strides[g]
        joules = tiles.outer[memory, at] + tiles.between[tile] + walk.lower[c]
        if weighed(joules, cycles, objective) >= best.score[0]:
            return False
    return True


@part
def _around(c, tile, leaf, cycles, objective, constant, known, walk, trial, best):
    """Try the chains that have the picked tile in the memory above the array."""
    tiles = known.tiles
    for g in range(GROUPS):
        trial.chain[g] = tiles.spans[g][leaf[g], walk.pick[g], 0]
        if trial.chain[g] >= tiles.spans[g][leaf[g], walk.pick[g], 1]:
            return
    group = 0
    while group >= 0:
        if _fits_outside(c, tile, cycles, objective, tiles, walk, trial, best):
            joules = energy_of(known.tabled, known.orders, known.masks, constant, walk.order_of, trial)
            best.tried[0] += 1
            value = weighed(joules, cycles, objective)
            if value < best.score[0]:
                best.score[0], best.energy[0] = value, joules
                for g in range(GROUPS):
                    best.chain[g] = trial.chain[g]
                for level in range(len(trial.best)):
                    best.order[level] = trial.best[level]
        group = GROUPS - 1
        while group >= 0:
            trial.chain[group] += 1
            if trial.chain[group] < tiles.spans[group][leaf[group], walk.pick[group], 1]:
                break
            trial.chain[group] = tiles.spans[group][leaf[group], walk.pick[group], 0]
            group -= 1


@njit(cache=True, nogil=True)
def settle(leaves, bounds, constant, objective, known, best):
    """Try every tile and order of leaves whose bound may still win; returns how many leaves were looked at.

    leaves : int64[leaf, group], by rising bounds float64[leaf].
    """
    classes, inners, tiles = known.classes, known.inners, known.tiles
    trial = Trial(np.zeros(GROUPS, np.int64), np.zeros(len(best.order), np.int64), np.zeros(GROUPS, np.int64))
    n = classes.prices.shape[0]
    walk = Walk(np.zeros(GROUPS, np.int64), np.zeros(n), np.zeros(GROUPS, np.int64))
    done = 0
    for at in range(leaves.shape[0]):
        if bounds[at] >= best.score[0]:
            break
        done += 1
        leaf, steps, macs = leaves[at], 1.0, 1
        for group in range(GROUPS):
            steps *= inners.steps[group, leaf[group]]
            macs *= inners.macs[group, leaf[group]]
            walk.pick[group] = tiles.below[group, leaf[group]]
        cycles = cycles_of(steps, macs, inners)
        covered = _index(tiles.strides, walk.pick)
        for c in range(n):
            walk.lower[c] = _lower(c, classes, constant, leaf)
        for c in range(n):
            if weighed(walk.lower[c] + classes.reach[c, covered], cycles, objective) >= best.score[0]:
                continue
            more = True
            while more:
                tile = _index(tiles.strides, walk.pick)
                value = weighed(walk.lower[c] + classes.outer[c, tile], cycles, objective)
                if value < best.score[0] and _is_first(c, tile, cycles, objective, known, leaf, walk, best):
                    _around(c, tile, leaf, cycles, objective, constant, known, walk, trial, best)
                more = _next_tile(c, tiles, leaf, walk.pick)
    return done
