"""A lower bound of the objective for every combination of splits, before any order is tried."""

from __future__ import annotations

import numpy as np

from accelsim.engine.nest.kernels.tiles import GROUPS, IFMAP
from accelsim.engine.words.kernels.options import positions
from accelsim.jit import njit
from accelsim.search.kernels.scores import passed, price

ORDERS = np.array([[0, 1, 3, 4, 5, 2], [0, 1, 3, 5, 4, 2], [1, 2, 3, 4, 5, 0], [0, 1, 2, 4, 5, 3]], dtype=np.int64)
"""Orders of groups no other beats for one tensor: its own loops outside, foreign ones inside, the sliding axis last."""
LAST = GROUPS - 1


@njit(cache=True)
def tile_factors(group, tiles, partitions, bits, strides):
    """What the options of a group multiply the bits of ifmap, filter and psum tiles by: int64[option, partition, 3].

    tiles : int64[option, level, 2] extents. partitions : int64[partition, 4], (level, slots x keeps of ifmap, filter,
    psum); bits : int64[3]. strides : int64[2, 2], (stride, dilation) of rows and of columns.
    """
    out = np.ones((tiles.shape[0], partitions.shape[0], 3), np.int64)
    for o in range(tiles.shape[0]):
        for p in range(partitions.shape[0]):
            a, b = tiles[o, partitions[p, 0]]
            here = out[o, p]
            if group >= 4:
                here[0] = positions(a, b, strides[group - 4, 0], strides[group - 4, 1])
                here[1] = b
                here[2] = a
                continue
            for tensor in range(3):  # no M in an ifmap, no N in a filter, no C in a psum
                own = a if group == 1 or (tensor, group) not in ((0, 2), (1, 0), (2, 3)) else 1
                here[tensor] = own * (partitions[p, 1 + tensor] * bits[tensor] if group == 0 else 1)
    return out


@njit(cache=True)
def fitting(first, end, chosen, factors, limits, fits):
    """Which options of the last group fit every partition beside the others; whether any does.

    chosen : int64[group, partition, 3], the factors of the other groups' picks; factors : the last group's.
    """
    fits[: end - first] = True
    for p in range(limits.shape[0]):
        a = b = c = 1
        for group in range(LAST):
            a *= chosen[group, p, 0]
            b *= chosen[group, p, 1]
            c *= chosen[group, p, 2]
        for o in range(first, end):
            if a * factors[o, p, 0] + b * factors[o, p, 1] + c * factors[o, p, 2] > limits[p]:
                fits[o - first] = False
    return fits[: end - first].any()


@njit(cache=True)
def around_last(inner, afresh, tensor, pairs, chosen, left, factors):
    """What words stay in place is linear in the last group's part: its factors, float64[2, pair, 6].

    chosen : float64[group, pair, 6], the parts of the other groups' picks. left : float64[2, group, pair, 4], ways to
    have come by the groups before each place of the order, kept while only the pick of the inner group is new (not
    `afresh`). Row 1 is the second order of an ifmap.
    """
    for i in range(pairs.shape[0]):
        kind = tensor[pairs[i, 1]]
        for row in range(2 if kind == IFMAP else 1):
            order = ORDERS[row if kind == IFMAP else kind + 1]
            at = 0
            while not afresh and order[at] != LAST and order[at] != inner:
                at += 1
            l00, l10, l01, l11 = 1.0, 0.0, 0.0, 0.0
            if at:
                l00, l10, l01, l11 = left[row, at, i]
            while order[at] != LAST:
                l00, l10, l01, l11 = passed(chosen[order[at], i], l00, l10, l01, l11)
                at += 1
                here = left[row, at, i]
                here[0], here[1], here[2], here[3] = l00, l10, l01, l11
            r00, r10, r01, r11 = 0.0, 1.0, 0.0, 1.0
            at = LAST
            while order[at] != LAST:
                p = chosen[order[at], i]
                r00, r10, r01, r11 = (
                    p[0] * r00 + p[2] * r10 + p[3] * r01 + p[5] * r11,
                    p[1] * r10 + p[4] * r11,
                    p[0] * r01 + p[2] * r11,
                    p[1] * r11,
                )
                at -= 1
            out = factors[row, i]
            out[0] = l00 * r00 + l01 * r01
            out[1] = l10 * r10 + l11 * r11
            out[2] = l00 * r10 + l01 * r11
            out[3] = l00 * r01
            out[4] = l10 * r11
            out[5] = l00 * r11


@njit(cache=True)
def _stays(mine, around):
    return (
        mine[0] * around[0]
        + mine[1] * around[1]
        + mine[2] * around[2]
        + mine[3] * around[3]
        + mine[4] * around[4]
        + mine[5] * around[5]
    )


@njit(cache=True)
def words_of(o, whole, totals, parts, pairs, ifmap, factors, words, other):
    """Words of every term with one option of the last group, each tensor in its own best order."""
    for t in range(words.shape[0]):
        words[t] = whole[t] * totals[o, t]
        other[t] = words[t]
    for i in range(pairs.shape[0]):
        t = pairs[i, 1]
        words[t] -= _stays(parts[o, i], factors[0, i])
        if t < ifmap:
            other[t] -= _stays(parts[o, i], factors[1, i])
    for t in range(ifmap):
        words[t] = min(words[t], other[t])


@njit(cache=True, nogil=True)
def bound_all(
    units, starts, tensor, pairs, totals, parts, extents, factors, limits, energy, constant, ports, load_terms, loads,
    stationary, macs_per_cycle, objective, bounds,
):  # fmt: skip
    """A lower bound of the objective for every combination; infinity where a level overflows.

    units : int64[unit, group, 2], option range of each group; starts : int64[unit], where its combinations lie, the
    last group's options next to each other. tensor : int64[term], ifmap first. pairs, parts : see `pair_tables`.
    """
    for u in range(units.shape[0]):
        n = tensor.shape[0]
        ifmap = (tensor == IFMAP).sum()
        first, end = units[u, LAST]
        pick, strides = units[u, :, 0].copy(), np.ones(GROUPS, np.int64)
        inner = 0  # the group that is gone through before the others move on
        for group in range(LAST - 1, -1, -1):
            strides[group] = strides[group + 1] * (units[u, group + 1, 1] - units[u, group + 1, 0])
            if units[u, group, 1] - units[u, group, 0] > units[u, inner, 1] - units[u, inner, 0]:
                inner = group
        left = np.zeros((2, GROUPS, len(pairs), 4))
        around = np.zeros((2, len(pairs), 6))
        words, other, whole = np.zeros(n), np.zeros(n), np.zeros(n)
        fits = np.zeros(end - first, np.bool_)
        # what is told of the picks, side by side
        part, factor = np.zeros((LAST, len(pairs), 6)), np.zeros((LAST, len(limits), 3), np.int64)
        total = np.zeros((LAST, n))
        while True:
            afresh = True
            for o in range(units[u, inner, 0], units[u, inner, 1]):
                pick[inner] = o
                at, compute = starts[u], 1.0
                for group in range(LAST):
                    at += (pick[group] - units[u, group, 0]) * strides[group]
                    compute *= extents[group][pick[group]]
                    if group == inner or o == units[u, inner, 0]:
                        part[group] = parts[group][pick[group]]
                        factor[group] = factors[group][pick[group]]
                        total[group] = totals[group][pick[group]]
                if not fitting(first, end, factor, factors[LAST], limits, fits):
                    bounds[at : at + end - first] = np.inf
                    continue
                around_last(inner, afresh, tensor, pairs, part, left, around)
                afresh = False
                whole[:] = 1.0
                for group in range(LAST):
                    for t in range(n):
                        whole[t] *= total[group, t]
                for last in range(first, end):
                    bounds[at + last - first] = np.inf
                    if fits[last - first]:
                        words_of(last, whole, totals[LAST], parts[LAST], pairs, ifmap, around, words, other)
                        bounds[at + last - first] = price(
                            words, energy, constant, ports, load_terms, loads, stationary,
                            compute * extents[LAST][last] / macs_per_cycle, objective,
                        )[0]  # fmt: skip
            group = LAST - 1
            while group >= 0:
                if group != inner:
                    pick[group] += 1
                    if pick[group] < units[u, group, 1]:
                        break
                    pick[group] = units[u, group, 0]
                group -= 1
            if group < 0:
                break
