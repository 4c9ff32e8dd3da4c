"""Scoring many mappings: group tables once per factor split, then products per combination and per order.

A *term* is one (edge, column) of `tiles` that an objective prices. An *option* is one way to split the dims of one
group over the places of a nest; a *combination* takes one option per group. What an order of the free loops changes
is composed from the options' tables, never recomputed.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from accelsim.engine.kernels.closed import group_sums
from accelsim.engine.kernels.tiles import GROUPS, IFMAP, columns_of, group_rows, own_loops

MOST_LOOPS = 24


@njit(cache=True)
def option_tables(
    rows, lengths, group, edges, terms, size8, axes, unicast, merge, on_chip, most, levels, total, stay, kept, above,
):  # fmt: skip
    """Tabulate every option of one group.

    Parameters
    ----------
    rows : int64[option, loop, 5], lengths : int64[option]. terms : int64[term, 2], (edge, column).
    most : (combinations, carries, spatial, reach), scratch sizes.

    Fills
    -----
    total : float64[option, term]; stay, kept : float64[option, carry, term] (see closed.group_sums).
    above : int64[option, edge], the option's own temporal loops above the edge's child.
    """
    columns = 3 * levels + 3
    offsets = np.empty((3, most[2], 2), np.int64)
    marks = np.zeros((2, most[3]), np.int64)
    full = np.zeros((most[0], columns), np.int64)
    moved = np.empty((most[1], most[0]), np.int64)
    slide = np.zeros((most[1], most[0], columns), np.int64)
    sum_total = np.zeros(columns, np.int64)
    sum_stay = np.zeros((most[1], columns), np.int64)
    sum_kept = np.zeros((most[1], columns), np.int64)
    own = np.empty(rows.shape[1] + 1, np.int64)
    for o in range(rows.shape[0]):
        loops = rows[o, : lengths[o]]
        for e in range(edges.shape[0]):
            tensor, parent, child = edges[e, 0], edges[e, 1], edges[e, 2]
            above[o, e] = own_loops(loops, group, child, own)
            wanted = False
            for t in range(terms.shape[0]):
                if terms[t, 0] == e:
                    wanted = True
            if not wanted:
                continue
            n, combinations = group_rows(
                loops, group, tensor, parent, child, edges[e, 4] == 1, size8, axes, unicast[tensor], merge[tensor],
                on_chip, offsets, marks, full, moved, slide,
            )  # fmt: skip
            group_sums(
                n, combinations, columns_of(parent, child), tensor == IFMAP and group >= 4, full, moved, slide,
                sum_total, sum_stay, sum_kept,
            )  # fmt: skip
            for t in range(terms.shape[0]):
                if terms[t, 0] == e:
                    total[o, t] = sum_total[terms[t, 1]]
                    for carry in range(2 * n + 1):
                        stay[o, carry, t] = sum_stay[carry, terms[t, 1]]
                        kept[o, carry, t] = sum_kept[carry, terms[t, 1]]


@njit(cache=True)
def sequence(pick, places, counts, order, levels, out):
    """Loops of one combination, outermost first, as (group, level); returns how many.

    places : int64[option, loop, 2], (level, position; position -1: free) per group; order : int64[level, group].
    """
    n = 0
    taken = np.zeros(GROUPS, np.int64)
    for level in range(levels):
        for i in range(GROUPS):
            group = order[level, i]
            o = pick[group]
            while (
                taken[group] < counts[group][o]
                and places[group][o, taken[group], 0] == level
                and places[group][o, taken[group], 1] < 0
            ):
                out[n, 0] = group
                out[n, 1] = level
                n += 1
                taken[group] += 1
        while True:
            best, at = 1 << 30, -1
            for group in range(GROUPS):
                o, j = pick[group], taken[group]
                if j < counts[group][o] and places[group][o, j, 0] == level and places[group][o, j, 1] < best:
                    best, at = places[group][o, j, 1], group
            if at < 0:
                break
            out[n, 0] = at
            out[n, 1] = level
            n += 1
            taken[at] += 1
    return n


@njit(cache=True)
def term_words(pick, t, edge, child, operand, tensor, seq, n, totals, stays, kepts, aboves):
    """Words of one term under one order."""
    words = 1.0
    for group in range(GROUPS):
        words *= totals[group][pick[group], t]
    if operand:
        return words
    outside = np.zeros(GROUPS, np.int64)
    for i in range(n):
        carrier, level = seq[i, 0], seq[i, 1]
        if level >= child:
            break
        product = 1.0
        for group in range(GROUPS):
            o = pick[group]
            at = outside[group] if group == carrier else aboves[group][o, edge] + outside[group]
            product *= stays[group][o, at, t]
        words -= product
        if tensor == IFMAP:
            for slider in range(4, 6):
                product = 1.0
                for group in range(GROUPS):
                    o = pick[group]
                    at = outside[group] if group == carrier else aboves[group][o, edge] + outside[group]
                    if group == slider:
                        product *= kepts[group][o, at, t]
                    else:
                        product *= stays[group][o, at, t]
                    if product == 0.0:
                        break
                words -= product
        outside[carrier] += 1
    return words


@njit(cache=True)
def price(words, energy, constant, loads, stationary, compute, objective):
    """(objective, energy, cycles) of one mapping from its terms' words.

    loads : float64[port, term], cycles a word holds a port; stationary : float64[term], of serial passes' fills.
    objective : 0 energy, 1 cycles, 2 energy-delay product.
    """
    joules = constant
    serial = 0.0
    for t in range(words.shape[0]):
        joules += energy[t] * words[t]
        serial += stationary[t] * words[t]
    cycles = compute
    for p in range(loads.shape[0]):
        busy = 0.0
        for t in range(words.shape[0]):
            busy += loads[p, t] * words[t]
        cycles = max(cycles, busy)
    cycles += serial
    if objective == 0:
        return joules * (1 + 1e-12 * np.log2(cycles + 1)), joules, cycles
    if objective == 1:
        return cycles * (1 + 1e-9 * np.log2(joules + 1)), joules, cycles
    return joules * cycles, joules, cycles


@njit(cache=True)
def fits(pick, tiles, level_tensors, bits, limits, strides):
    """Whether every partition of every level holds its tiles.

    tiles : per group int64[option, level, 2] extents. level_tensors : int64[partition, 4], (level, slots x keeps of
    ifmap, filter, psum); bits : int64[3]; limits : int64[partition]. strides : int64[2, 2], (stride, dilation).
    """
    for p in range(limits.shape[0]):
        level = level_tensors[p, 0]
        n, g = tiles[0][pick[0], level, 0], tiles[1][pick[1], level, 0]
        m, c = tiles[2][pick[2], level, 0], tiles[3][pick[3], level, 0]
        tp, tr = tiles[4][pick[4], level, 0], tiles[4][pick[4], level, 1]
        tq, ts = tiles[5][pick[5], level, 0], tiles[5][pick[5], level, 1]
        demand = 0
        if level_tensors[p, 1]:
            rows = positions(tp, tr, strides[0, 0], strides[0, 1])
            demand += level_tensors[p, 1] * bits[0] * n * g * c * rows * positions(tq, ts, strides[1, 0], strides[1, 1])
        demand += level_tensors[p, 2] * bits[1] * g * m * c * tr * ts
        demand += level_tensors[p, 3] * bits[2] * n * g * m * tp * tq
        if demand > limits[p]:
            return False
    return True


@njit(cache=True)
def positions(a, b, stride, dilation):
    """|{stride*i + dilation*j : i < a, j < b}| by inclusion of the repeats (x ends as the gcd; holds for all a, b)."""
    x, y = stride, dilation
    while y:
        x, y = y, x % y
    over_a, over_b = a - dilation // x, b - stride // x
    return a * b - (over_a * over_b if over_a > 0 and over_b > 0 else 0)


@njit(cache=True)
def _tensor_order(tensor, axis_first, levels, order):
    """An order no other beats for one tensor: its own loops outside, foreign ones inside, the sliding axis last."""
    for level in range(levels):
        if tensor == 0:
            order[level, 0], order[level, 1], order[level, 2] = 0, 1, 3
            order[level, 3] = 4 if axis_first == 0 else 5
            order[level, 4] = 5 if axis_first == 0 else 4
            order[level, 5] = 2
        elif tensor == 1:
            order[level, 0], order[level, 1], order[level, 2] = 1, 2, 3
            order[level, 3], order[level, 4], order[level, 5] = 4, 5, 0
        else:
            order[level, 0], order[level, 1], order[level, 2] = 0, 1, 2
            order[level, 3], order[level, 4], order[level, 5] = 4, 5, 3


@njit(cache=True, parallel=True)
def bound_all(
    units, starts, terms, edges, places, counts, totals, stays, kepts, aboves, extents, tiles, level_tensors,
    bits, limits, strides, energy, constant, loads, stationary, macs_per_cycle, objective, levels, bounds,
):  # fmt: skip
    """A lower bound of the objective for every combination; infinity where a level overflows.

    units : int64[unit, group, 2], option range of each group; starts : int64[unit], where its combinations lie.
    """
    for u in prange(units.shape[0]):
        pick = np.zeros(GROUPS, np.int64)
        for group in range(GROUPS):
            pick[group] = units[u, group, 0]
        orders = np.zeros((4, levels, GROUPS), np.int64)
        _tensor_order(0, 0, levels, orders[0])
        _tensor_order(0, 1, levels, orders[1])
        _tensor_order(1, 0, levels, orders[2])
        _tensor_order(2, 0, levels, orders[3])
        seq = np.zeros((4, MOST_LOOPS, 2), np.int64)
        words = np.zeros(terms.shape[0])
        at = starts[u]
        while True:
            if not fits(pick, tiles, level_tensors, bits, limits, strides):
                bounds[at] = np.inf
            else:
                n = 0
                for i in range(4):
                    n = sequence(pick, places, counts, orders[i], levels, seq[i])
                for t in range(terms.shape[0]):
                    e = terms[t, 0]
                    tensor = edges[e, 0]
                    i = 0 if tensor == 0 else tensor + 1
                    words[t] = term_words(
                        pick, t, e, edges[e, 2], edges[e, 3] == 1, tensor, seq[i], n, totals, stays, kepts, aboves
                    )
                    if tensor == 0:
                        other = term_words(
                            pick, t, e, edges[e, 2], edges[e, 3] == 1, tensor, seq[1], n, totals, stays, kepts, aboves
                        )
                        words[t] = min(words[t], other)
                compute = 1.0
                for group in range(GROUPS):
                    compute *= extents[group][pick[group]]
                bounds[at] = price(words, energy, constant, loads, stationary, compute / macs_per_cycle, objective)[0]
            at += 1
            group = GROUPS - 1
            while group >= 0:
                pick[group] += 1
                if pick[group] < units[u, group, 1]:
                    break
                pick[group] = units[u, group, 0]
                group -= 1
            if group < 0:
                break


@njit(cache=True)
def next_permutation(a, n):
    """Advance a[:n] to its next permutation in lexicographic order; False after the last."""
    i = n - 2
    while i >= 0 and a[i] >= a[i + 1]:
        i -= 1
    if i < 0:
        return False
    j = n - 1
    while a[j] <= a[i]:
        j -= 1
    a[i], a[j] = a[j], a[i]
    lo, hi = i + 1, n - 1
    while lo < hi:
        a[lo], a[hi] = a[hi], a[lo]
        lo += 1
        hi -= 1
    return True


@njit(cache=True)
def best_order(
    pick, free, terms, edges, places, counts, totals, stays, kepts, aboves, extents, energy, constant, loads,
    stationary, macs_per_cycle, objective, levels, order, score,
):  # fmt: skip
    """Try every order of the free loops of one combination; fills order int64[level, group], score float64[3]."""
    current = np.zeros((levels, GROUPS), np.int64)
    alive = np.zeros(levels, np.int64)
    for level in range(levels):
        n, m = 0, GROUPS - 1
        for group in range(GROUPS):
            here = False
            for j in range(counts[group][pick[group]]):
                spot = places[group][pick[group], j]
                if spot[0] == level and spot[1] < 0:
                    here = True
            if here and free[level]:
                current[level, n] = group
                n += 1
            else:
                current[level, m] = group
                m -= 1
        alive[level] = n
    seq = np.zeros((MOST_LOOPS, 2), np.int64)
    words = np.zeros(terms.shape[0])
    compute = 1.0
    for group in range(GROUPS):
        compute *= extents[group][pick[group]]
    score[0] = np.inf
    while True:
        n = sequence(pick, places, counts, current, levels, seq)
        for t in range(terms.shape[0]):
            e = terms[t, 0]
            words[t] = term_words(
                pick, t, e, edges[e, 2], edges[e, 3] == 1, edges[e, 0], seq, n, totals, stays, kepts, aboves
            )
        value, joules, cycles = price(words, energy, constant, loads, stationary, compute / macs_per_cycle, objective)
        if value < score[0]:
            score[0], score[1], score[2] = value, joules, cycles
            order[:] = current
        level = levels - 1
        while level >= 0:
            if next_permutation(current[level], alive[level]):
                break
            current[level, : alive[level]] = np.sort(current[level, : alive[level]])
            level -= 1
        if level < 0:
            return


@njit(cache=True)
def search_orders(
    ranked, bounds, units, starts, free, terms, edges, places, counts, totals, stays, kepts, aboves, extents, energy,
    constant, loads, stationary, macs_per_cycle, objective, levels, order, pick, score,
):  # fmt: skip
    """Go through combinations by rising bound until none can beat the best; returns how many were ordered."""
    trial = np.zeros((levels, GROUPS), np.int64)
    mine = np.zeros(GROUPS, np.int64)
    now = np.zeros(3)
    score[0] = np.inf
    done = 0
    for r in range(ranked.shape[0]):
        at = ranked[r]
        if bounds[at] >= score[0] or bounds[at] == np.inf:
            break
        u = np.searchsorted(starts, at, side="right") - 1
        rest = at - starts[u]
        for group in range(GROUPS - 1, -1, -1):
            size = units[u, group, 1] - units[u, group, 0]
            mine[group] = units[u, group, 0] + rest % size
            rest //= size
        best_order(
            mine, free, terms, edges, places, counts, totals, stays, kepts, aboves, extents, energy, constant, loads,
            stationary, macs_per_cycle, objective, levels, trial, now,
        )  # fmt: skip
        done += 1
        if now[0] < score[0]:
            score[:] = now
            order[:] = trial
            pick[:] = mine
    return done
