"""Depth first over what lies in the PE and across the array, under few tiles that may lie above it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from accelsim.jit import njit, part
from accelsim.search.kernels.scores import weighed
from accelsim.search.optimum.kernels.descend import GROUPS, most_joules, stands, starts, take, way_of

CYCLES = 1


class Holds(NamedTuple):
    """Which tiles may lie above what an array covers.

    covered : int64[group, inner], the tile that an array covers. alike : bool[group, pattern, tile, tile], whether the
    second holds the first and is larger along dims alone that a pattern has, a bit for each dim of the group. pattern :
    int64[class, group], the dims that a class may have loops of.
    """

    covered: npt.NDArray[np.int64]
    alike: npt.NDArray[np.bool_]
    pattern: npt.NDArray[np.int64]


class Aim(NamedTuple):
    """What is bounded: energy that no mapping changes, cycles of any at the least, and the objective."""

    constant: float
    cycles: float
    objective: int


class Left(NamedTuple):
    """Heads that are left; row d is after d choices.

    heads : int64[depth, head]; span : int64[depth, class, 2], those of a class; joules : float64[class], at least what
    lies below in the last choice. leaf, at : int64[tile], the last leaf that a tile was listed with, and where.
    """

    heads: npt.NDArray[np.int64]
    span: npt.NDArray[np.int64]
    joules: npt.NDArray[np.float64]
    leaf: npt.NDArray[np.int64]
    at: npt.NDArray[np.int64]


@part
def _value(joules, cycles, scale, objective):
    """`weighed`, whose factor for these cycles is known where joules are one."""
    return weighed(joules, cycles, objective) if objective == CYCLES else joules * scale


@part
def _scale(cycles, objective):
    return weighed(1.0, cycles, objective)


@part
def _bound(depth, i, classes, inners, heads, holds, aim, least, way, left):
    """The bound of what has been chosen; heads not below `least`, or above a ceiling, are left out of what follows."""
    group, terms = inners.turn[depth], classes.prices.shape[1]
    cycles = max(way.steps[depth + 1] * way.rest_steps[depth + 1] / inners.lanes * inners.slow, aim.cycles)
    scale, small = _scale(cycles, aim.objective), holds.covered[group, i]
    most, constant = most_joules(cycles, inners.most), aim.constant + stands(cycles, inners)
    found, kept, to = np.inf, 0, 0
    for at in range(way.many[depth]):
        c = way.alive[depth, at]
        joules = constant
        for k in range(terms):
            product = way.product[depth, c, k] * classes.inner[c, group, i, k]
            way.product[depth + 1, c, k] = product
            joules += classes.prices[c, k] * product * way.rest[depth + 1, c, k]
        left.joules[c] = joules
        may, first = holds.pattern[c, group], to
        for x in range(left.span[depth, c, 0], left.span[depth, c, 1]):
            head = left.heads[depth, x]
            value = _value(joules + heads.outer[head], cycles, scale, aim.objective)
            if value >= least or joules + heads.outer[head] > most:
                break
            if holds.alike[group, may, small, heads.tile[head, group]]:
                if to == first:
                    found = min(found, value)
                left.heads[depth + 1, to] = head
                to += 1
        if to > first:
            left.span[depth + 1, c, 0], left.span[depth + 1, c, 1] = first, to
            way.alive[depth + 1, kept] = c
            kept += 1
    way.many[depth + 1] = kept
    return found


@part
def _list(inners, heads, aim, way, left, leaves):
    """Add what was chosen to the leaves, once for each tile above it that is left."""
    cycles = max(way.steps[GROUPS] / inners.lanes * inners.slow, aim.cycles)
    scale = _scale(cycles, aim.objective)
    for a in range(way.many[GROUPS]):
        c = way.alive[GROUPS, a]
        for x in range(left.span[GROUPS, c, 0], left.span[GROUPS, c, 1]):
            head = left.heads[GROUPS, x]
            value, number = _value(left.joules[c] + heads.outer[head], cycles, scale, aim.objective), heads.number[head]
            at = left.at[number]
            if left.leaf[number] == leaves.nodes[0]:
                if at < leaves.bound.shape[0]:
                    leaves.bound[at] = min(leaves.bound[at], value)
                    leaves.lower[at] = min(leaves.lower[at], left.joules[c])
                continue
            at = leaves.number[0]
            left.leaf[number], left.at[number] = leaves.nodes[0], at
            leaves.number[0] = at + 1
            if at < leaves.bound.shape[0]:
                leaves.bound[at], leaves.lower[at] = value, left.joules[c]
                for d in range(GROUPS):
                    leaves.pick[at, inners.turn[d]] = way.pick[d]
                    leaves.tile[at, d] = heads.tile[head, d]


@part
def _least(least, inners, heads, aim, way, left, leaves):
    """Note what was chosen as the only leaf, with the tile above it whose bound is least; returns that bound."""
    cycles = max(way.steps[GROUPS] / inners.lanes * inners.slow, aim.cycles)
    scale = _scale(cycles, aim.objective)
    for a in range(way.many[GROUPS]):
        c = way.alive[GROUPS, a]
        # the cheapest of a class is its first
        head = left.heads[GROUPS, left.span[GROUPS, c, 0]]
        value = _value(left.joules[c] + heads.outer[head], cycles, scale, aim.objective)
        if value < least:
            least = value
            leaves.bound[0], leaves.lower[0] = value, left.joules[c]
            for d in range(GROUPS):
                leaves.pick[0, inners.turn[d]] = way.pick[d]
                leaves.tile[0, d] = heads.tile[head, d]
    leaves.number[0] = 1
    return least


@njit(cache=True, nogil=True)
def under(classes, constant, inners, heads, holds, whole, objective, least, every, leaves):
    """List every choice of inners and of a tile above whose bound is below `least`, or (not `every`) the best one.

    whole : cycles at least, however many PEs work. leaves : filled, and counted on past its end.
    """
    n, many = classes.prices.shape[0], heads.outer.shape[0]
    way = way_of(n, classes.prices.shape[1], inners.limits.shape[0])
    left = Left(
        np.empty((GROUPS + 1, many), np.int64), np.zeros((GROUPS + 1, n, 2), np.int64), np.zeros(n),
        np.full(heads.tiles, -1, np.int64), np.zeros(heads.tiles, np.int64),
    )  # fmt: skip
    left.heads[0] = np.arange(many)
    for c in range(n):
        left.span[0, c, 0], left.span[0, c, 1] = heads.span[c], heads.span[c + 1]
    aim = Aim(constant, whole, objective)
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
        _bound(depth, i, classes, inners, heads, holds, aim, least, way, left)
        if way.many[depth + 1] == 0:
            continue
        if depth < GROUPS - 1:
            depth += 1
            way.pick[depth] = -1
        elif every:
            _list(inners, heads, aim, way, left, leaves)
        else:
            least = _least(least, inners, heads, aim, way, left, leaves)
    return least
