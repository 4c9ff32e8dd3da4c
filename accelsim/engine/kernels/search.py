"""Scoring many mappings: group tables once per factor split, then products per combination and per order.

A *term* is one (edge, column) of `tiles` that an objective prices. An *option* is one way to split the dims of one
group over the places of a nest; a *combination* takes one option per group. What an order of the free loops changes
is composed from the options' tables, never recomputed.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from accelsim.engine.kernels.closed import group_sums
from accelsim.engine.kernels.tiles import GROUPS, IFMAP, PART, own_loops

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
    room = min(most[0], PART)
    full = np.zeros((room, columns), np.int64)
    moved = np.empty((most[1], room), np.int64)
    slide = np.zeros((most[1], room, columns), np.int64)
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
            n = group_sums(
                loops, group, tensor, parent, child, edges[e, 4] == 1, size8, axes, unicast[tensor], merge[tensor],
                on_chip, offsets, marks, full, moved, slide, sum_total, sum_stay, sum_kept,
            )  # fmt: skip
            for t in range(terms.shape[0]):
                if terms[t, 0] == e:
                    total[o, t] = sum_total[terms[t, 1]]
                    for carry in range(2 * n + 1):
                        stay[o, carry, t] = sum_stay[carry, terms[t, 1]]
                        kept[o, carry, t] = sum_kept[carry, terms[t, 1]]


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
def segment_tables(places, counts, above, terms, edges, stay, kept, segments, out):
    """What one group adds to what carries leave in place, segment by segment, for every option.

    A segment is a run of loops of one level in which groups follow one another: its free loops, or one fixed position;
    segments : int64[segment, 2], (level, position; -1: free). While another group carries, this one stays: as before
    its own loops of the segment (`before`) or as after them; where it carries itself, its loops add up (`carries`). The
    same three for what a slide keeps.

    out : float64[option, segment, 6, term], (after, before, carries) of `stay`, then of `kept`.
    """
    for o in range(places.shape[0]):
        for s in range(segments.shape[0]):
            first = 0
            while first < counts[o] and (
                places[o, first, 0] < segments[s, 0]
                or (places[o, first, 0] == segments[s, 0] and places[o, first, 1] < segments[s, 1])
            ):
                first += 1
            end = first
            while end < counts[o] and places[o, end, 0] == segments[s, 0] and places[o, end, 1] == segments[s, 1]:
                end += 1
            for t in range(terms.shape[0]):
                e = terms[t, 0]
                if edges[e, 3] == 1 or segments[s, 0] >= edges[e, 2]:
                    continue
                out[o, s, 0, t] = stay[o, above[o, e] + end, t]
                out[o, s, 1, t] = stay[o, above[o, e] + first, t]
                out[o, s, 3, t] = kept[o, above[o, e] + end, t]
                out[o, s, 4, t] = kept[o, above[o, e] + first, t]
                for i in range(first, end):
                    out[o, s, 2, t] += stay[o, i, t]
                    out[o, s, 5, t] += kept[o, i, t]


ORDERS = np.array([[0, 1, 3, 4, 5, 2], [0, 1, 3, 5, 4, 2], [1, 2, 3, 4, 5, 0], [0, 1, 2, 4, 5, 3]], dtype=np.int64)
"""Orders of groups no other beats for one tensor: its own loops outside, foreign ones inside, the sliding axis last."""


@njit(cache=True)
def last_group(pick, t, order, segments, parts, out):
    """What words stay in place is linear in the last group's part: its factors, out float64[segment, 6, term].

    The sum over carriers of products over the groups, and over which axis slides, is a walk through four states
    (whether the carrier, the slider has been) along the order; l.. are the ways to get to the last group, r.. the ways
    on from it.
    """
    for s in range(segments):
        l00, l10, l01, l11 = 1.0, 0.0, 0.0, 0.0
        at = 0
        while order[at] != GROUPS - 1:
            p = parts[order[at]][pick[order[at]], s]
            a, b, w, ka, kb, wk = p[0, t], p[1, t], p[2, t], p[3, t], p[4, t], p[5, t]
            l11 = l11 * b + l01 * w + l10 * kb + l00 * wk
            l01 = l01 * a + l00 * ka
            l10 = l10 * b + l00 * w
            l00 *= a
            at += 1
        r00, r10, r01, r11 = 0.0, 1.0, 0.0, 1.0
        at = GROUPS - 1
        while order[at] != GROUPS - 1:
            p = parts[order[at]][pick[order[at]], s]
            a, b, w, ka, kb, wk = p[0, t], p[1, t], p[2, t], p[3, t], p[4, t], p[5, t]
            r00 = a * r00 + w * r10 + ka * r01 + wk * r11
            r10 = b * r10 + kb * r11
            r01 = a * r01 + w * r11
            r11 *= b
            at -= 1
        out[s, 0, t] = l00 * r00 + l01 * r01
        out[s, 1, t] = l10 * r10 + l11 * r11
        out[s, 2, t] = l00 * r10 + l01 * r11
        out[s, 3, t] = l00 * r01
        out[s, 4, t] = l10 * r11
        out[s, 5, t] = l00 * r11


@njit(cache=True, parallel=True)
def bound_all(
    units, starts, terms, edges, totals, parts, extents, tiles, level_tensors, bits, limits, strides, energy, constant,
    loads, stationary, macs_per_cycle, objective, bounds,
):  # fmt: skip
    """A lower bound of the objective for every combination; infinity where a level overflows.

    units : int64[unit, group, 2], option range of each group; starts : int64[unit], where its combinations lie.
    parts : per group, see `segment_tables`. Only the last group is new from one combination to the next.
    """
    for u in prange(units.shape[0]):
        pick = np.zeros(GROUPS, np.int64)
        for group in range(GROUPS):
            pick[group] = units[u, group, 0]
        last = GROUPS - 1
        n, segments = terms.shape[0], parts[0].shape[1]
        # the ifmap's edges, and so its terms, come first
        ifmap = 0
        while ifmap < n and edges[terms[ifmap, 0], 0] == IFMAP:
            ifmap += 1
        factors = np.zeros((2, segments, 6, n))
        words, other, outer = np.zeros(n), np.zeros(n), np.zeros(n)
        at = starts[u]
        while True:
            compute = 1.0
            for group in range(last):
                compute *= extents[group][pick[group]]
            for t in range(n):
                outer[t] = 1.0
                for group in range(last):
                    outer[t] *= totals[group][pick[group], t]
                tensor = edges[terms[t, 0], 0]
                last_group(pick, t, ORDERS[0 if tensor == 0 else tensor + 1], segments, parts, factors[0])
                if tensor == 0:
                    last_group(pick, t, ORDERS[1], segments, parts, factors[1])
            for o in range(units[u, last, 0], units[u, last, 1]):
                pick[last] = o
                if not fits(pick, tiles, level_tensors, bits, limits, strides):
                    bounds[at] = np.inf
                    at += 1
                    continue
                for t in range(n):
                    words[t] = outer[t] * totals[last][o, t]
                    other[t] = words[t]
                for s in range(segments):
                    for k in range(6):
                        mine = parts[last][o, s, k]
                        one, two = factors[0, s, k], factors[1, s, k]
                        for t in range(n if k < 3 else ifmap):
                            words[t] -= mine[t] * one[t]
                        for t in range(ifmap):
                            other[t] -= mine[t] * two[t]
                for t in range(ifmap):
                    words[t] = min(words[t], other[t])
                bounds[at] = price(
                    words, energy, constant, loads, stationary, compute * extents[last][o] / macs_per_cycle, objective
                )[0]
                at += 1
            group = last - 1
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
def lost_words(pick, s, t, order, parts):
    """Words of one term that stay in place while the loops of one segment carry, groups in this order."""
    l00, l10, l01, l11 = 1.0, 0.0, 0.0, 0.0
    for at in range(GROUPS):
        p = parts[order[at]][pick[order[at]], s]
        a, b, w, ka, kb, wk = p[0, t], p[1, t], p[2, t], p[3, t], p[4, t], p[5, t]
        l11 = l11 * b + l01 * w + l10 * kb + l00 * wk
        l01 = l01 * a + l00 * ka
        l10 = l10 * b + l00 * w
        l00 *= a
    return l10 + l11


@njit(cache=True)
def best_order(
    pick, free, terms, places, counts, totals, parts, segments, extents, energy, constant, loads, stationary,
    macs_per_cycle, objective, levels, lost, order, score,
):  # fmt: skip
    """Try every order of the free loops of one combination; fills order int64[level, group], score float64[3].

    What a level's order changes does not depend on the other levels' orders: each level's are walked once, and the
    words of all levels added up for every joint choice.

    lost : float64[level, 720, term] scratch.
    """
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
    words = np.zeros((levels + 1, terms.shape[0]))
    compute = 1.0
    for group in range(GROUPS):
        compute *= extents[group][pick[group]]
    for t in range(terms.shape[0]):
        words[0, t] = 1.0
        for group in range(GROUPS):
            words[0, t] *= totals[group][pick[group], t]
    choices = np.ones(levels, np.int64)
    for s in range(segments.shape[0]):
        level = segments[s, 0]
        if segments[s, 1] >= 0:
            for t in range(terms.shape[0]):
                words[0, t] -= lost_words(pick, s, t, current[level], parts)
            continue
        choices[level] = 0
        trial = current[level].copy()
        while True:
            for t in range(terms.shape[0]):
                lost[level, choices[level], t] = lost_words(pick, s, t, trial, parts)
            choices[level] += 1
            if not next_permutation(trial, alive[level]):
                break
    for level in range(levels):
        for s in range(segments.shape[0]):
            if segments[s, 0] == level and segments[s, 1] < 0:
                break
        else:
            lost[level, 0, :] = 0.0
    chosen = np.zeros(levels, np.int64)
    best = np.zeros(levels, np.int64)
    score[0] = np.inf
    first = 0
    while True:
        for level in range(first, levels):
            for t in range(terms.shape[0]):
                words[level + 1, t] = words[level, t] - lost[level, chosen[level], t]
        value, joules, cycles = price(
            words[levels], energy, constant, loads, stationary, compute / macs_per_cycle, objective
        )
        if value < score[0]:
            score[0], score[1], score[2] = value, joules, cycles
            best[:] = chosen
        first = levels - 1
        while first >= 0:
            chosen[first] += 1
            if chosen[first] < choices[first]:
                break
            chosen[first] = 0
            first -= 1
        if first < 0:
            break
    order[:] = current
    for level in range(levels):
        for _ in range(best[level]):
            next_permutation(order[level], alive[level])


@njit(cache=True)
def search_orders(
    ranked, bounds, units, starts, free, terms, places, counts, totals, parts, segments, extents, energy, constant,
    loads, stationary, macs_per_cycle, objective, levels, order, pick, score,
):  # fmt: skip
    """Go through combinations by rising bound until none can beat the best; returns how many were ordered."""
    trial = np.zeros((levels, GROUPS), np.int64)
    mine = np.zeros(GROUPS, np.int64)
    now = np.zeros(3)
    lost = np.zeros((levels, 720, terms.shape[0]))
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
            mine, free, terms, places, counts, totals, parts, segments, extents, energy, constant, loads, stationary,
            macs_per_cycle, objective, levels, lost, trial, now,
        )  # fmt: skip
        done += 1
        if now[0] < score[0]:
            score[:] = now
            order[:] = trial
            pick[:] = mine
    return done
