"""What a mapping costs in its best order: exact, for the tiles and orders that a bound leaves."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from accelsim.jit import njit, part
from accelsim.search.kernels.scores import weighed
from accelsim.search.optimum.kernels.arrange import LOOPS, Orders, Tabled, Trial, energy_of, trial_of
from accelsim.search.optimum.kernels.descend import GROUPS, cycles_of, most_joules, stands
from accelsim.search.optimum.kernels.under import Holds
from accelsim.search.optimum.kernels.within import least_within

__all__ = ["LOOPS", "Best", "Known", "Orders", "Room", "Tabled", "Tiles", "Trial", "Walk", "settle"]


N, M, C, P, R, Q, S = (1 << code for code in (0, 4, 6, 8, 9, 10, 11))
LEAVES = np.array([[M | P | R, M | Q | S], [N | P | Q, N | P | Q], [C | R | S, C | R | S]])
"""Of each tensor, loops (a bit for each: 2 * group + which of its dims) that leave its tile, or let an ifmap slide."""


class Best(NamedTuple):
    """The best: score, energy, cycles float64[1]; chain int64[group]; order int64[level, loop]; tried int64[1]."""

    score: npt.NDArray[np.float64]
    energy: npt.NDArray[np.float64]
    cycles: npt.NDArray[np.float64]
    chain: npt.NDArray[np.int64]
    order: npt.NDArray[np.int64]
    tried: npt.NDArray[np.int64]


class Inside(NamedTuple):
    """What chains move at least into the memory above the array and below it.

    factors : float64[chain, term, 3] of each group: where a loop of the level above the term moves its tensor's tile;
    where none does, but one of the level further out; and else. prices : float64[term]; tensors : int64[term]; levels :
    int64[term], above which the tensor is moved. constant : energy that nothing changes.
    """

    factors: tuple[npt.NDArray[np.float64], ...]
    prices: npt.NDArray[np.float64]
    tensors: npt.NDArray[np.int64]
    levels: npt.NDArray[np.int64]
    constant: float


class Tiles(NamedTuple):
    """Tiles of the memory above the array, and the chains that have one around an inner.

    sizes : int64[group], tiles of each, 1 for a group without. strides : int64[group]. holds : which may be above an
    array. spans : int64[inner, tile, 2] of each group, the first chain with
    this tile around this inner and the one after the last. levels : int64[chain, memory] of each group, the tile of
    every memory further out; outer : float64[memory, tile], what those out to the outermost cost at least. inside :
    what lies further in.
    """

    sizes: npt.NDArray[np.int64]
    strides: npt.NDArray[np.int64]
    holds: Holds
    spans: tuple[npt.NDArray[np.int64], ...]
    levels: tuple[npt.NDArray[np.int64], ...]
    outer: npt.NDArray[np.float64]
    inside: Inside


class Room(NamedTuple):
    """What is in memories above the PE: factors int64[chain, partition, tensor] of each group, of the bits of tiles.

    least, most : int64[partition], bits.
    """

    factors: tuple[npt.NDArray[np.int64], ...]
    least: npt.NDArray[np.int64]
    most: npt.NDArray[np.int64]


class Known(NamedTuple):
    """What does not change while leaves are settled; constant : energy that no mapping of the placement changes."""

    classes: object
    inners: object
    tiles: Tiles
    room: Room
    tabled: Tabled
    orders: Orders
    masks: npt.NDArray[np.int64]
    constant: float


class Walk(NamedTuple):
    """Scratch of a leaf: pick int64[group], the tile; lower float64[class], what lies below costs at least.

    most : float64[1], energy that a mapping of it may have; standing : float64[1], what its cycles cost by themselves.
    """

    pick: npt.NDArray[np.int64]
    lower: npt.NDArray[np.float64]
    most: npt.NDArray[np.float64]
    standing: npt.NDArray[np.float64]


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
        first, may = tiles.holds.covered[group, leaf[group]], tiles.holds.pattern[c, group]
        pick[group] += 1
        while pick[group] < tiles.sizes[group] and not tiles.holds.alike[group, may, first, pick[group]]:
            pick[group] += 1
        if pick[group] < tiles.sizes[group]:
            return True
        pick[group] = first
    return False


@part
def _earlier(c, tile, cycles, objective, known, leaf, walk, best):
    """Earlier classes that have this tile below the best, a bit for each."""
    holds, found = known.tiles.holds, 0
    for other in range(c):
        reach = True
        for g in range(GROUPS):
            reach &= holds.alike[g, holds.pattern[other, g], holds.covered[g, leaf[g]], walk.pick[g]]
        joules = walk.lower[other] + known.classes.outer[known.classes.rows[other, 0], tile]
        if reach and joules <= walk.most[0] and weighed(joules, cycles, objective) < best.score[0]:
            found |= 1 << other
    return found


@part
def _loops(level, tabled, trial):
    """The loops of a level, a bit for each."""
    there = 0
    for g in range(GROUPS):
        for d in range(2):
            if tabled.there[g][trial.chain[g], level, d]:
                there |= 1 << (2 * g + d)
    return there


@part
def _stays(there, t):
    """Whether none of these loops moves a tensor's tile."""
    return there & ~LEAVES[t, 0] == 0 or there & ~LEAVES[t, 1] == 0


@part
def _lies_inside(array, inside, constant, lower, tabled, trial):
    """What fills the memory above the array and what lies below it cost at least; lower : the latter, of a class."""
    near, far, between, below = _loops(array, tabled, trial), _loops(array - 1, tabled, trial), 0.0, constant
    outermost = _loops(array - 2, tabled, trial)
    for k in range(inside.prices.shape[0]):
        t, words, of_array = inside.tensors[k], inside.prices[k], inside.levels[k] == array
        which = 0
        if _stays(near if of_array else far, t):
            which = 2 if _stays(far if of_array else outermost, t) else 1
        for g in range(GROUPS):
            words *= inside.factors[g][trial.chain[g], k, which]
        if of_array:
            below += words
        else:
            between += words
    return between + max(below, lower)


@part
def _fits_outside(c, cycles, objective, known, walk, trial, best):
    """Whether the memories further out can hold their tiles, at a cost below the best."""
    tiles, inside = known.tiles, 0.0
    for memory in range(tiles.outer.shape[0]):
        at = 0
        for g in range(GROUPS):
            at += tiles.levels[g][trial.chain[g], memory] * tiles.strides[g]
        joules = tiles.outer[memory, at] + walk.lower[c]
        if joules > walk.most[0] or weighed(joules, cycles, objective) >= best.score[0]:
            return False  # what lies further out alone
        if memory == 0:
            array, constant = tiles.outer.shape[0] + 1, tiles.inside.constant + walk.standing[0]
            inside = _lies_inside(array, tiles.inside, constant, walk.lower[c], known.tabled, trial)
        joules = tiles.outer[memory, at] + inside
        if joules > walk.most[0] or weighed(joules, cycles, objective) >= best.score[0]:
            return False
    return True


@part
def _tried(earlier, c, cycles, objective, known, walk, trial, best):
    """Whether an earlier class has tried these chains: it has not where its own bound of further memories is higher."""
    for other in range(c):
        if earlier >> other & 1 and _fits_outside(other, cycles, objective, known, walk, trial, best):
            return True
    return False


@part
def _has_room(room, trial):
    """Whether the memories hold the tiles of the chosen chains, and as much of them as is asked for."""
    for p in range(room.most.shape[0]):
        bits = 0
        for t in range(3):
            own = 1
            for g in range(GROUPS):
                own *= room.factors[g][trial.chain[g], p, t]
            bits += own
        if bits < room.least[p] or bits > room.most[p]:
            return False
    return True


@part
def _around(c, earlier, leaf, cycles, objective, known, walk, trial, best, limited):
    """Try the chains that have the picked tile in the memory above the array; limited : see `settle`."""
    tiles = known.tiles
    for g in range(GROUPS):
        trial.chain[g] = tiles.spans[g][leaf[g], walk.pick[g], 0]
        if trial.chain[g] >= tiles.spans[g][leaf[g], walk.pick[g], 1]:
            return
    group = 0
    while group >= 0:
        if (
            _fits_outside(c, cycles, objective, known, walk, trial, best)
            and _has_room(known.room, trial)
            and not _tried(earlier, c, cycles, objective, known, walk, trial, best)
        ):
            constant = known.constant + walk.standing[0]
            joules = energy_of(known.tabled, known.orders, known.masks, constant, trial)
            best.tried[0] += 1
            value = weighed(joules, cycles, objective)
            # what keeps the other account has no less of its own than with the price of the trade
            if limited is not None and value < best.score[0] and joules <= walk.most[0]:
                joules = least_within(known.orders, known.masks, limited, most_joules(cycles, limited.most), trial)
                value = weighed(joules, cycles, objective)
            if value < best.score[0] and joules <= walk.most[0]:
                best.score[0], best.energy[0], best.cycles[0] = value, joules, cycles
                for g in range(GROUPS):
                    best.chain[g] = trial.chain[g]
                for level in range(trial.order.shape[0]):
                    for at in range(LOOPS):
                        best.order[level, at] = trial.order[level, at]
        group = GROUPS - 1
        while group >= 0:
            trial.chain[group] += 1
            if trial.chain[group] < tiles.spans[group][leaf[group], walk.pick[group], 1]:
                break
            trial.chain[group] = tiles.spans[group][leaf[group], walk.pick[group], 0]
            group -= 1


@njit(cache=True, nogil=True)
def settle(leaves, bounds, objective, known, limited, best):
    """Try every tile and order of leaves whose bound may still win; returns how many leaves were looked at.

    leaves : int64[leaf, group], by rising bounds float64[leaf]. limited : a second account and how much a mapping may
    have of it (`within.Limited`); None: there is none, and nothing of it is compiled.
    """
    classes, inners, tiles = known.classes, known.inners, known.tiles
    trial = trial_of(len(best.order))
    n = classes.prices.shape[0]
    walk = Walk(np.zeros(GROUPS, np.int64), np.zeros(n), np.zeros(1), np.zeros(1))
    done = 0
    for at in range(leaves.shape[0]):
        if bounds[at] >= best.score[0]:
            break
        done += 1
        leaf, steps, macs = leaves[at], 1.0, 1
        for group in range(GROUPS):
            steps *= inners.steps[group, leaf[group]]
            macs *= inners.macs[group, leaf[group]]
            walk.pick[group] = tiles.holds.covered[group, leaf[group]]
        cycles = cycles_of(steps, macs, inners)
        walk.most[0], walk.standing[0] = most_joules(cycles, inners.most), stands(cycles, inners)
        covered = _index(tiles.strides, walk.pick)
        for c in range(n):
            walk.lower[c] = _lower(c, classes, known.constant + walk.standing[0], leaf)
        for c in range(n):
            joules = walk.lower[c] + classes.reach[classes.rows[c, 1], covered]
            if joules > walk.most[0] or weighed(joules, cycles, objective) >= best.score[0]:
                continue
            more = True
            while more:
                tile = _index(tiles.strides, walk.pick)
                joules = walk.lower[c] + classes.outer[classes.rows[c, 0], tile]
                if joules <= walk.most[0] and weighed(joules, cycles, objective) < best.score[0]:
                    earlier = _earlier(c, tile, cycles, objective, known, leaf, walk, best)
                    # with one memory above the array nothing but the tile decides
                    if earlier == 0 or tiles.outer.shape[0]:
                        _around(c, earlier, leaf, cycles, objective, known, walk, trial, best, limited)
                more = _next_tile(c, tiles, leaf, walk.pick)
    return done


@njit(cache=True, nogil=True)
def settle_under(leaves, tile_of, lower, bounds, objective, known, limited, best):
    """The same of leaves with the tile above them, int64[leaf, group]; lower : float64[leaf], what lies below."""
    inners, trial = known.inners, trial_of(len(best.order))
    walk = Walk(np.zeros(GROUPS, np.int64), np.zeros(1), np.zeros(1), np.zeros(1))
    done = 0
    for at in range(leaves.shape[0]):
        if bounds[at] >= best.score[0]:
            break
        done += 1
        leaf, steps, macs = leaves[at], 1.0, 1
        for group in range(GROUPS):
            steps *= inners.steps[group, leaf[group]]
            macs *= inners.macs[group, leaf[group]]
            walk.pick[group] = tile_of[at, group]
        cycles = cycles_of(steps, macs, inners)
        walk.lower[0], walk.most[0] = lower[at], most_joules(cycles, inners.most)
        walk.standing[0] = stands(cycles, inners)
        _around(0, 0, leaf, cycles, objective, known, walk, trial, best, limited)
    return done
