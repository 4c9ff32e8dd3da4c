"""A lower bound of the objective for every combination of splits, before any order is tried."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from accelsim.engine.nest.kernels.records import GROUPS, IFMAP
from accelsim.engine.words.kernels.options import positions
from accelsim.jit import njit, part
from accelsim.search.kernels.scores import passed, price

ORDERS = np.array([[0, 1, 3, 4, 5, 2], [0, 1, 3, 5, 4, 2], [1, 2, 3, 4, 5, 0], [0, 1, 2, 4, 5, 3]], dtype=np.int64)
"""Orders of groups no other beats for one tensor: its own loops outside, foreign ones inside, the sliding axis last."""
LAST = GROUPS - 1


class Picked(NamedTuple):
    """What the tables hold of the options chosen in all groups but the last; scratch of one unit.

    pick : int64[group]. part : float64[group, pair, 6]; factor : int64[group, partition, 3]; total : float64[group,
    term]: rows of those. left : float64[2, group, pair, 4], ways to have come by the groups before each position of the
    order; row 1 is the second order of an ifmap. around : float64[2, pair, 6], what stays in place as a linear form of
    the last group's part. whole, words, other : float64[term]. fits : bool[option] of the last group.
    """

    pick: npt.NDArray[np.int64]
    part: npt.NDArray[np.float64]
    factor: npt.NDArray[np.int64]
    total: npt.NDArray[np.float64]
    left: npt.NDArray[np.float64]
    around: npt.NDArray[np.float64]
    whole: npt.NDArray[np.float64]
    words: npt.NDArray[np.float64]
    other: npt.NDArray[np.float64]
    fits: npt.NDArray[np.bool_]


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
            for tensor in range(3):  # IB in place of M in an ifmap, WB in place of N in a filter, no C in a psum
                own = a if group == 1 or (tensor, group) not in ((0, 2), (1, 0), (2, 3)) else b
                here[tensor] = own * (partitions[p, 1 + tensor] * bits[tensor] if group == 0 else 1)
    return out


@part
def fitting(first, end, picked, factors, limits):
    """Which options of the last group fit every partition beside those chosen in the others; whether any does."""
    picked.fits[: end - first] = True
    for p in range(limits.shape[0]):
        a = b = c = 1
        for group in range(LAST):
            a *= picked.factor[group, p, 0]
            b *= picked.factor[group, p, 1]
            c *= picked.factor[group, p, 2]
        for o in range(first, end):
            if a * factors[o, p, 0] + b * factors[o, p, 1] + c * factors[o, p, 2] > limits[p]:
                picked.fits[o - first] = False
    any_fits = False
    for o in range(end - first):
        any_fits |= picked.fits[o]
    return any_fits


@part
def around_last(inner, afresh, tensor, pairs, picked):
    """What words stay in place is linear in the last group's part: fill `picked.around` with its factors.

    While only the option of the `inner` group is new (not `afresh`), the ways past the groups before it are known.
    """
    for i in range(pairs.rows.shape[0]):
        kind = tensor[pairs.rows[i, 1]]
        for row in range(2 if kind == IFMAP else 1):
            which = row if kind == IFMAP else kind + 1
            at = 0
            while not afresh and ORDERS[which, at] != LAST and ORDERS[which, at] != inner:
                at += 1
            left = picked.left[row]
            l00, l10, l01, l11 = 1.0, 0.0, 0.0, 0.0
            if at:
                l00, l10, l01, l11 = left[at, i, 0], left[at, i, 1], left[at, i, 2], left[at, i, 3]
            while ORDERS[which, at] != LAST:
                l00, l10, l01, l11 = passed(picked.part[ORDERS[which, at], i], l00, l10, l01, l11)
                at += 1
                left[at, i, 0], left[at, i, 1], left[at, i, 2], left[at, i, 3] = l00, l10, l01, l11
            r00, r10, r01, r11 = 0.0, 1.0, 0.0, 1.0
            at = LAST
            while ORDERS[which, at] != LAST:
                p = picked.part[ORDERS[which, at], i]
                r00, r10, r01, r11 = (
                    p[0] * r00 + p[2] * r10 + p[3] * r01 + p[5] * r11,
                    p[1] * r10 + p[4] * r11,
                    p[0] * r01 + p[2] * r11,
                    p[1] * r11,
                )
                at -= 1
            out = picked.around[row, i]
            out[0] = l00 * r00 + l01 * r01
            out[1] = l10 * r10 + l11 * r11
            out[2] = l00 * r10 + l01 * r11
            out[3] = l00 * r01
            out[4] = l10 * r11
            out[5] = l00 * r11


@part
def _stays(mine, around):
    return (
        mine[0] * around[0]
        + mine[1] * around[1]
        + mine[2] * around[2]
        + mine[3] * around[3]
        + mine[4] * around[4]
        + mine[5] * around[5]
    )


@part
def words_of(totals, parts, pairs, tensor, picked):
    """Fill `picked.words` of every term with one option of the last group, each tensor in its own best order.

    totals : float64[term], parts : float64[pair, 6], of the option; the terms of the ifmap are first.
    """
    words, other = picked.words, picked.other
    for t in range(words.shape[0]):
        words[t] = picked.whole[t] * totals[t]
        other[t] = words[t]
    for i in range(pairs.rows.shape[0]):
        t = pairs.rows[i, 1]
        words[t] -= _stays(parts[i], picked.around[0, i])
        if tensor[t] == IFMAP:
            other[t] -= _stays(parts[i], picked.around[1, i])
    for t in range(words.shape[0]):
        if tensor[t] != IFMAP:
            break
        words[t] = min(words[t], other[t])


@njit(cache=True, nogil=True)
def bound_all(combined, tensor, pairs, options, limits, charges, bounds):
    """A lower bound of the objective for every combination; infinity where a level overflows.

    tensor : int64[term], ifmap first. limits : int64[partition], bits.
    """
    terms, rows = tensor.shape[0], pairs.rows.shape[0]
    for u in range(combined.units.shape[0]):
        unit = combined.units[u]
        picked = Picked(
            np.empty(GROUPS, np.int64), np.zeros((LAST, rows, 6)), np.zeros((LAST, len(limits), 3), np.int64),
            np.zeros((LAST, terms)),
            np.zeros((2, GROUPS, rows, 4)), np.zeros((2, rows, 6)), np.zeros(terms), np.zeros(terms), np.zeros(terms),
            np.zeros(unit[LAST, 1] - unit[LAST, 0], np.bool_),
        )  # fmt: skip
        _bound_unit(unit, combined.starts[u], tensor, pairs, options, limits, charges, picked, bounds)


@njit(_nrt=False)
def _bound_unit(unit, start, tensor, pairs, options, limits, charges, picked, bounds):
    pick = picked.pick
    for group in range(GROUPS):
        pick[group] = unit[group, 0]
    inner = 0  # the group that is gone through before the others move on
    for group in range(LAST - 1, -1, -1):
        if unit[group, 1] - unit[group, 0] > unit[inner, 1] - unit[inner, 0]:
            inner = group
    first, end = unit[LAST, 0], unit[LAST, 1]
    more = True
    while more:
        afresh = True
        for o in range(unit[inner, 0], unit[inner, 1]):
            pick[inner] = o
            _take_up(inner, o == unit[inner, 0], pick, options, picked)
            at = start + _index_of(unit, pick)
            bounds[at : at + end - first] = np.inf
            if fitting(first, end, picked, options.factors[LAST], limits):
                around_last(inner, afresh, tensor, pairs, picked)
                afresh = False
                _bound_last(at, first, end, pick, tensor, pairs, options, charges, picked, bounds)
        more = _next(unit, pick, inner)


@part
def _take_up(inner, every, pick, options, picked):
    """Copy what the tables hold of the chosen options: the inner group's alone, or (`every`) all groups'."""
    for group in range(LAST):
        if group == inner or every:
            one, mine, to = options.parts[group], pick[group], picked.part[group]
            for i in range(to.shape[0]):
                for k in range(6):
                    to[i, k] = one[mine, i, k]
            for p in range(picked.factor.shape[1]):
                for k in range(3):
                    picked.factor[group, p, k] = options.factors[group][mine, p, k]
            for t in range(picked.whole.shape[0]):
                picked.total[group, t] = options.totals[group][mine, t]


@part
def _index_of(unit, pick):
    """Where in its unit a combination lies, with the first option of the last group."""
    at = 0
    for group in range(GROUPS):
        at = at * (unit[group, 1] - unit[group, 0]) + (pick[group] - unit[group, 0] if group < LAST else 0)
    return at


@part
def _bound_last(at, first, end, pick, tensor, pairs, options, charges, picked, bounds):
    """Bound the combinations of the chosen options with every option of the last group that fits."""
    compute = 1.0
    picked.whole[:] = 1.0
    for group in range(LAST):
        compute *= options.extents[group][pick[group]]
        for t in range(picked.whole.shape[0]):
            picked.whole[t] *= picked.total[group, t]
    for last in range(first, end):
        if picked.fits[last - first]:
            words_of(options.totals[LAST][last], options.parts[LAST][last], pairs, tensor, picked)
            busy = compute * options.extents[LAST][last] / charges.macs_per_cycle
            bounds[at + last - first] = price(picked.words, busy, charges)[0]


@part
def _next(unit, pick, inner):
    """Go on to the next options of the groups beside the inner and the last; whether there are any."""
    for group in range(LAST - 1, -1, -1):
        if group != inner:
            pick[group] += 1
            if pick[group] < unit[group, 1]:
                return True
            pick[group] = unit[group, 0]
    return False
