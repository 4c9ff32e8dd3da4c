"""Depth first over what lies in the PE and across the array, one group of dims after the other, under a bound."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from accelsim.jit import njit, part
from accelsim.search.kernels.scores import weighed

GROUPS = 6
ENERGY = 0


class Inners(NamedTuple):
    """What lies at and below the array, by group; each array is as long as the longest list.

    lanes : MACs of a PE in a cycle; slow : cycles of one.

    number : int64[group]. usable : bool[group, inner]. below : int64[group, inner], the tile the array covers, times
    its group's stride. across : int64[group, inner], PEs; steps : float64[group, inner], iterations of one PE; macs :
    int64[group, inner], those in a tile of the PE. room : int64[group, inner, partition, tensor], words of tiles in the
    PE; words : int64[partition, tensor], bits of one, 0 where the partition holds none; limits, least :
    int64[partition], bits at the most and at the least. packs : bool[PEs + 1], which numbers of PEs the array can lay
    out. turn : int64[group], groups in the order they are chosen. kinds : int64[group, inner], how its dims are
    spatial; joint : int64[way, turn], how all may be together, sorted; empty: in any way. most : float64[4], of each
    objective, what a mapping may have. standing : energy that every cycle costs, and of `waits` cycles at the least.
    """

    number: npt.NDArray[np.int64]
    usable: npt.NDArray[np.bool_]
    below: npt.NDArray[np.int64]
    across: npt.NDArray[np.int64]
    steps: npt.NDArray[np.float64]
    macs: npt.NDArray[np.int64]
    room: npt.NDArray[np.int64]
    words: npt.NDArray[np.int64]
    limits: npt.NDArray[np.int64]
    least: npt.NDArray[np.int64]
    packs: npt.NDArray[np.bool_]
    turn: npt.NDArray[np.int64]
    kinds: npt.NDArray[np.int64]
    joint: npt.NDArray[np.int64]
    lanes: int
    slow: int
    most: npt.NDArray[np.float64]
    standing: float
    waits: float


class Way(NamedTuple):
    """Where the walk has got to; row d is what d choices come to.

    pick : int64[depth]. product : float64[depth, class, term]; pes, tile : int64[depth]; steps : float64[depth]; room :
    int64[depth, partition, tensor]. rest : float64[depth, class, term], the least the choices to come multiply by;
    rest_steps : float64[depth]. ways : int64[depth, 2], the first way to be spatial that is left, and the one after the
    last. alive : int64[depth, class], those whose bound may still win, `many` int64[depth] of them.
    """

    pick: npt.NDArray[np.int64]
    product: npt.NDArray[np.float64]
    pes: npt.NDArray[np.int64]
    tile: npt.NDArray[np.int64]
    steps: npt.NDArray[np.float64]
    room: npt.NDArray[np.int64]
    rest: npt.NDArray[np.float64]
    rest_steps: npt.NDArray[np.float64]
    ways: npt.NDArray[np.int64]
    alive: npt.NDArray[np.int64]
    many: npt.NDArray[np.int64]


class Leaves(NamedTuple):
    """What was found: number int64[1], bound float64[leaf], pick int64[leaf, group]; nodes int64[1] looked at.

    Of heads a leaf has a tile above it: tile int64[leaf, group], and lower float64[leaf], at least what lies below it.
    """

    number: npt.NDArray[np.int64]
    bound: npt.NDArray[np.float64]
    pick: npt.NDArray[np.int64]
    nodes: npt.NDArray[np.int64]
    tile: npt.NDArray[np.int64]
    lower: npt.NDArray[np.float64]


@njit(cache=True)
def score_of(joules, cycles, objective):
    """`weighed`, for Python."""
    return weighed(joules, cycles, objective)


@part
def cycles_of(steps, macs, inners):
    """Cycles of the busiest PE: its steps, each of so many MACs."""
    return steps / macs * ((macs + inners.lanes - 1) // inners.lanes) * inners.slow


@part
def stands(cycles, inners):
    """What so many cycles of MACs cost by themselves: a port may be busy for longer."""
    return inners.standing * max(cycles, inners.waits)


@njit(cache=True)
def way_of(n, terms, partitions):
    """Room to walk through so many classes, with all of them left."""
    way = Way(
        np.full(GROUPS, -1, np.int64), np.ones((GROUPS + 1, n, terms)), np.ones(GROUPS + 1, np.int64),
        np.zeros(GROUPS + 1, np.int64), np.ones(GROUPS + 1), np.ones((GROUPS + 1, partitions, 3), np.int64),
        np.ones((GROUPS + 1, n, terms)), np.ones(GROUPS + 1), np.zeros((GROUPS + 1, 2), np.int64),
        np.zeros((GROUPS + 1, n), np.int64), np.zeros(GROUPS + 1, np.int64),
    )  # fmt: skip
    for c in range(n):
        way.alive[0, c] = c
    way.many[0] = n
    return way


@part
def most_joules(cycles, most):
    """Energy that a mapping of so many cycles may have at the most; -inf: none may take so long."""
    if cycles > most[1]:
        return -np.inf
    return min(most[0], most[2] / cycles, most[3] / cycles / cycles)


@part
def starts(classes, inners, way):
    """Lay down what nothing chosen takes (all else is 1 or 0 as it was made), and the least all choices multiply by."""
    n, terms = classes.prices.shape
    for p in range(inners.words.shape[0]):
        for t in range(3):
            way.room[0, p, t] = inners.words[p, t]
    way.ways[0, 1] = inners.joint.shape[0]
    for depth in range(GROUPS - 1, -1, -1):
        group = inners.turn[depth]
        least_steps = np.inf
        for c in range(n):
            for k in range(terms):
                least = np.inf
                for i in range(inners.number[group]):
                    if inners.usable[group, i]:
                        least = min(least, classes.inner[c, group, i, k])
                way.rest[depth, c, k] = way.rest[depth + 1, c, k] * least
        for i in range(inners.number[group]):
            if inners.usable[group, i]:
                least_steps = min(least_steps, inners.steps[group, i])
        way.rest_steps[depth] = max(least_steps * way.rest_steps[depth + 1], 1.0)


@part
def _narrowed(depth, kind, inners, way):
    """Leave the ways to be spatial that have a kind at this turn; whether there is one."""
    first, end = way.ways[depth, 0], way.ways[depth, 1]
    while first < end and inners.joint[first, depth] < kind:
        first += 1
    last = first
    while last < end and inners.joint[last, depth] == kind:
        last += 1
    way.ways[depth + 1, 0], way.ways[depth + 1, 1] = first, last
    return last > first


@part
def take(depth, i, inners, way):
    """Choose an inner of the group whose turn it is; whether the PEs and what is in them can take it."""
    group = inners.turn[depth]
    pes = way.pes[depth] * inners.across[group, i]
    if pes >= inners.packs.shape[0] or (depth == GROUPS - 1 and not inners.packs[pes]):
        return False
    for p in range(inners.limits.shape[0]):
        bits = 0
        for t in range(3):
            way.room[depth + 1, p, t] = way.room[depth, p, t] * inners.room[group, i, p, t]
            bits += way.room[depth + 1, p, t]
        if bits > inners.limits[p] or (depth == GROUPS - 1 and bits < inners.least[p]):
            return False
    if inners.joint.shape[0] and not _narrowed(depth, inners.kinds[group, i], inners, way):
        return False
    way.pes[depth + 1] = pes
    way.tile[depth + 1] = way.tile[depth] + inners.below[group, i]
    way.steps[depth + 1] = way.steps[depth] * inners.steps[group, i]
    return True


@part
def _bound(depth, i, classes, constant, inners, whole, objective, least, way):
    """The bound of what has been chosen; classes that are not below `least` are left out of all that follows."""
    group, last = inners.turn[depth], depth == GROUPS - 1
    terms, tile = classes.prices.shape[1], way.tile[depth + 1]
    cycles = max(way.steps[depth + 1] * way.rest_steps[depth + 1] / inners.lanes * inners.slow, whole)
    most, constant = most_joules(cycles, inners.most), constant + stands(cycles, inners)
    found, kept = np.inf, 0
    for at in range(way.many[depth]):
        c = way.alive[depth, at]
        joules = constant + (
            classes.reach[classes.rows[c, 1], tile] if last else classes.partial[classes.rows[c, 2], tile]
        )
        for k in range(terms):
            product = way.product[depth, c, k] * classes.inner[c, group, i, k]
            way.product[depth + 1, c, k] = product
            joules += classes.prices[c, k] * product * way.rest[depth + 1, c, k]
        value = weighed(joules, cycles, objective) if joules < np.inf else np.inf
        if value < least and joules <= most:
            way.alive[depth + 1, kept] = c
            kept += 1
            found = min(found, value)
    way.many[depth + 1] = kept
    return found


@njit(cache=True, nogil=True)
def descend(classes, constant, inners, whole, objective, least, every, leaves):
    """List every choice of inners whose bound is below `least`, or (not `every`) the best one; returns that bound.

    whole : cycles at least, however many PEs work. leaves : filled, and counted on past its end.
    """
    way = way_of(classes.prices.shape[0], classes.prices.shape[1], inners.limits.shape[0])
    starts(classes, inners, way)
    depth = 0
    while depth >= 0:
        group = inners.turn[depth]
        way.pick[depth] += 1
        i = way.pick[depth]
        if i >= inners.number[group]:
            depth -= 1
            continue
        if not inners.usable[group, i] or not take(depth, i, inners, way):
            continue
        leaves.nodes[0] += 1
        bound = _bound(depth, i, classes, constant, inners, whole, objective, least, way)
        if way.many[depth + 1] == 0:
            continue
        if depth < GROUPS - 1:
            depth += 1
            way.pick[depth] = -1
            continue
        at = leaves.number[0] if every else 0
        if at < leaves.bound.shape[0]:
            leaves.bound[at] = bound
            for d in range(GROUPS):
                leaves.pick[at, inners.turn[d]] = way.pick[d]
        leaves.number[0] = at + 1
        if not every:
            least = bound
    return least
