"""A lower bound for an unrolling, whatever becomes of the loops that are left.

What keeps a tensor in place is a run of loops, the innermost ones, that do not touch it: first those right above the
array, whose order a dataflow fixes, then free ones. A dim leaves all but one tensor in another place, so that the
innermost free loop decides which tensor has a run of free loops at all; the bound is the least over these five cases
(a sixth: none), each with its tensor's run as long as it can be.
"""

from __future__ import annotations

import numpy as np

from accelsim.engine.kernels.bounds import fitting
from accelsim.engine.kernels.jit import njit
from accelsim.engine.kernels.search import price, weighed
from accelsim.engine.kernels.tiles import GROUPS, IFMAP

LAST = GROUPS - 1
FILTER = 1
OUTSIDE = np.array([2, 0, 3], dtype=np.int64)
"""The group that leaves each of ifmap, filter and psum in place."""


@njit(cache=True, nogil=True)
def multipliers(places, counts, above, total, stay, kept, terms, out):
    """Words of every term of an option by itself: each loop counted, its run in place, all of it in place.

    A slide that is begun anew by a loop outside of it may still find what its last tile shares with its first: that is
    taken off each time. places : int64[option, loop, 2], (level, position; -1: free). out : float64[option, 3, term].
    """
    for o in range(places.shape[0]):
        for t in range(terms.shape[0]):
            run = free = shared = 0.0
            outside = above[o, terms[t, 0]]
            for j in range(outside):
                here = stay[o, j, t] + kept[o, j, t]
                shared = max(shared, kept[o, outside + j, t])
                if places[o, j, 1] < 0:
                    free += here
                else:
                    run += here
            out[o, 0, t] = total[o, t]
            out[o, 1, t] = max(total[o, t] - run - shared, 0.0)
            out[o, 2, t] = max(total[o, t] - run - free - shared, 0.0)


@njit(cache=True)
def in_place(tensor, group, second):
    """Whether a loop of a group's first or second dim may be in a run of a tensor."""
    if group >= 4:
        return tensor == IFMAP or second == (tensor != FILTER)
    return OUTSIDE[tensor] == group


@njit(cache=True)
def runs_of(tensor, fixed, pick, running, modes):
    """What the loops right above the array leave of a tensor: modes[group] 1 where in place; (goes on, axis of slide).

    fixed : int64[loop, 2], (group, dim in it), innermost first. running : per group bool[option, 2].
    """
    modes[:] = 0
    axis = -1
    for i in range(fixed.shape[0]):
        group, second = fixed[i]
        if not running[group][pick[group], second]:
            continue
        if not in_place(tensor, group, second):
            return False, axis
        if tensor == IFMAP and group >= 4:
            if axis >= 0 and axis != group:
                return False, axis
            axis = group
        modes[group] = 1
    return True, axis


@njit(cache=True)
def lengthen(tensor, carrier, axis, modes):
    """Let a tensor's run go on over the free loops, the innermost of which is the carrier's and leaves it in place."""
    if tensor == IFMAP:
        if axis >= 0:
            if carrier in (2, axis):
                modes[axis] = 2
        elif carrier == 2:
            modes[2], modes[4], modes[5] = 2, 2, 2
        else:
            modes[carrier] = 2
        return
    modes[4], modes[5] = 2, 2
    modes[OUTSIDE[tensor]] = 2


@njit(cache=True)
def words_under(first, end, modes, rows, words):
    """Words of the terms of one tensor; rows : float64[group, 3, term], those of the picks."""
    for t in range(first, end):
        words[t] = rows[0, modes[0], t]
        for group in range(1, GROUPS):
            words[t] *= rows[group, modes[group], t]


@njit(cache=True, nogil=True)
def bound_unrollings(
    units, starts, ends, outer, fixed, running, free, multiples, nearest, extents, factors, limits, places, least,
    slowest, energy, constant, ports, load_terms, loads, stationary, macs_per_cycle, objective, bounds, inner, time,
):  # fmt: skip
    """A lower bound of the objective for every unrolling; infinity where a level overflows.

    units, starts, bounds : as in `bounds.bound_all`. ends : int64[4], where each tensor's terms begin, and their end.
    outer : bool[term], whose words are `nearest`, per group float64[option, term]; those of the others are in
    multiples, see `multipliers`. running, free : per group bool[option, 2], whether a dim has loops of either kind.
    places : per group int64[option], which add up to a place in least, float64[place], energy that `energy` lacks, and
    slowest, float64[place], a bound of the cycles. inner, time : float64[unrolling], bounds of energy without `least`
    and of cycles without `slowest`.
    """
    n = ends[3]
    words, base = np.zeros(n), np.zeros(n)
    chosen, rows = np.zeros((LAST, len(limits), 3), np.int64), np.zeros((GROUPS, 3, n))
    modes, long = np.zeros((3, GROUPS), np.int64), np.zeros(GROUPS, np.int64)
    on, axes = np.zeros(3, np.bool_), np.zeros(3, np.int64)
    loose = np.zeros((GROUPS, 2), np.bool_)
    compute, place = np.ones(GROUPS + 1), np.zeros(GROUPS + 1, np.int64)
    for u in range(units.shape[0]):
        pick, at, changed = units[u, :, 0].copy(), starts[u], 0
        first, end = units[u, LAST]
        fits = np.zeros(end - first, np.bool_)
        any_fits = False
        while changed >= 0:
            for group in range(changed, LAST):
                chosen[group] = factors[group][pick[group]]
            if changed < LAST:
                any_fits = fitting(first, end, chosen, factors[LAST], limits, fits)
                changed = 0 if any_fits else changed
            bounds[at] = np.inf
            if any_fits:
                for group in range(changed, GROUPS):
                    o = pick[group]
                    compute[group + 1] = compute[group] * extents[group][o]
                    place[group + 1] = place[group] + places[group][o]
                    loose[group] = free[group][o]
                    for t in range(n):
                        if outer[t]:
                            rows[group, :, t] = nearest[group][o, t]
                        else:
                            rows[group, :, t] = multiples[group][o, :, t]
                if fits[pick[LAST] - first]:
                    for k in range(3):
                        on[k], axes[k] = runs_of(k, fixed, pick, running, modes[k])
                        words_under(ends[k], ends[k + 1], modes[k], rows, base)
                    joules, cycles = least[place[GROUPS]], slowest[place[GROUPS]]
                    best = inner[at] = time[at] = np.inf
                    for carrier in range(-1, GROUPS):
                        second = 1 if carrier >= 0 and loose[carrier, 1] else 0
                        if loose.any() if carrier < 0 else not loose[carrier, second]:
                            continue
                        words[:] = base
                        for k in range(3):
                            if carrier >= 0 and on[k] and in_place(k, carrier, second):
                                long[:] = modes[k]
                                lengthen(k, carrier, axes[k], long)
                                words_under(ends[k], ends[k + 1], long, rows, words)
                        _, more, took = price(
                            words, energy, constant, ports, load_terms, loads, stationary,
                            compute[GROUPS] / macs_per_cycle, objective,
                        )  # fmt: skip
                        best = min(best, weighed(joules + more, max(cycles, took), objective))
                        inner[at], time[at] = min(inner[at], more), min(time[at], took)
                    bounds[at] = best
            at += 1
            changed = LAST
            while changed >= 0:
                pick[changed] += 1
                if pick[changed] < units[u, changed, 1]:
                    break
                pick[changed] = units[u, changed, 0]
                changed -= 1
