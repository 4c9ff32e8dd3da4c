"""The best order of the free loops of every combination whose bound may still win."""

from __future__ import annotations

import numpy as np

from accelsim.engine.nest.kernels.tiles import GROUPS
from accelsim.jit import njit
from accelsim.search.kernels.scores import passed, price

CHOICES = 720


@njit(cache=True)
def next_permutation(a, n):
    """Advance a[:n] to its next permutation in lexicographic order; the first place that changed, -1 after the last."""
    i = n - 2
    while i >= 0 and a[i] >= a[i + 1]:
        i -= 1
    if i < 0:
        return -1
    j = n - 1
    while a[j] <= a[i]:
        j -= 1
    a[i], a[j] = a[j], a[i]
    lo, hi = i + 1, n - 1
    while lo < hi:
        a[lo], a[hi] = a[hi], a[lo]
        lo += 1
        hi -= 1
    return i


@njit(cache=True)
def walk_on(groups, begin, end, pick, pairs, first, until, parts, ways):
    """Pass the groups from place `begin` to before `end`; ways float64[place, pair, 4] holds those to every place."""
    for at in range(begin, end):
        part = parts[groups[at]][pick[groups[at]]]
        for i in range(first, until):
            here, after = ways[at, i], ways[at + 1, i]
            after[0], after[1], after[2], after[3] = passed(part[i], here[0], here[1], here[2], here[3])


@njit(cache=True)
def beaten(lost, by, one, energy, objective):
    """Whether an order leaves no more words in place than an earlier one, or fewer of some energy than any other."""
    less = False
    for t in range(lost.shape[1]):
        if lost[by, t] < lost[one, t] or (energy[t] < 0 and lost[by, t] > lost[one, t]):
            return False
        less |= lost[by, t] > lost[one, t] and energy[t] > 0 and objective != 1
    return less or by < one


@njit(cache=True)
def orders_of_level(groups, alive, pick, pairs, first, until, parts, energy, objective, ways, lost, number):
    """What every order of one level's free loops leaves in place; returns how many of them none beats.

    groups : int64[group], the `alive` ones first. lost : float64[order, term]; number : int64[order], which permutation
    each is.
    """
    for i in range(first, until):
        ways[0, i, 0] = 1.0
        ways[0, i, 1:] = 0.0
    still = groups[alive:]
    walk_on(still, 0, GROUPS - alive, pick, pairs, first, until, parts, ways)
    for i in range(first, until):
        ways[0, i] = ways[GROUPS - alive, i]
    trial = groups[:alive].copy()
    kept, begin, permutation = 0, 0, 0
    while begin >= 0:
        walk_on(trial, begin, alive, pick, pairs, first, until, parts, ways)
        lost[kept] = 0.0
        for i in range(first, until):
            lost[kept, pairs[i, 1]] = ways[alive, i, 1] + ways[alive, i, 3]
        number[kept] = permutation
        for other in range(kept):
            if beaten(lost, other, kept, energy, objective):
                break
        else:
            kept += 1
        begin = next_permutation(trial, alive)
        permutation += 1
    best = 0
    for one in range(kept):
        for other in range(one + 1, kept):
            if beaten(lost, other, one, energy, objective):
                break
        else:
            lost[best] = lost[one]
            number[best] = number[one]
            best += 1
    return best


@njit(cache=True)
def free_groups(level, free, pick, places, counts, groups):
    """Put the groups with free loops in a level first, rising, the others behind; returns how many there are."""
    n, m = 0, GROUPS - 1
    for group in range(GROUPS):
        here = False
        for j in range(counts[group][pick[group]]):
            here |= places[group][pick[group], j, 0] == level and places[group][pick[group], j, 1] < 0
        if here and free[level]:
            groups[n] = group
            n += 1
        else:
            groups[m] = group
            m -= 1
    return n


@njit(cache=True)
def best_order(
    pick, free, places, counts, totals, pairs, runs, parts, segments, extents, energy, constant, ports, load_terms,
    loads, stationary, macs_per_cycle, objective, scratch, order, score,
):  # fmt: skip
    """Try every order of the free loops of one combination; fills order int64[level, group], score float64[3].

    What a level's order changes does not depend on the other levels' orders: each level's are walked once, and the
    words of all levels added up for every joint choice.

    runs : int64[segment, 2], the pairs of each segment. scratch : see `search_orders`.
    """
    ways, lost, number, words, alive, choices, chosen, best = scratch
    levels, terms = order.shape[0], words.shape[1]
    for level in range(levels):
        alive[level] = free_groups(level, free, pick, places, counts, order[level])
    choices[:] = 1
    number[:, 0] = 0
    lost[:, 0] = 0.0
    compute = 1.0
    words[0] = 1.0
    for group in range(GROUPS):
        compute *= extents[group][pick[group]]
        for t in range(terms):
            words[0, t] *= totals[group][pick[group], t]
    for s in range(segments.shape[0]):
        level, (first, until) = segments[s, 0], runs[s]
        if segments[s, 1] < 0:
            choices[level] = orders_of_level(
                order[level], alive[level], pick, pairs, first, until, parts, energy, objective, ways, lost[level],
                number[level],
            )  # fmt: skip
            continue
        ways[0, first:until] = 0.0
        ways[0, first:until, 0] = 1.0
        walk_on(order[level], 0, GROUPS, pick, pairs, first, until, parts, ways)
        for i in range(first, until):
            words[0, pairs[i, 1]] -= ways[GROUPS, i, 1] + ways[GROUPS, i, 3]
    chosen[:] = 0
    score[0] = np.inf
    first = 0
    while first >= 0:
        for level in range(first, levels):
            for t in range(terms):
                words[level + 1, t] = words[level, t] - lost[level, chosen[level], t]
        value, joules, cycles = price(
            words[levels], energy, constant, ports, load_terms, loads, stationary, compute / macs_per_cycle, objective
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
    for level in range(levels):
        for _ in range(number[level, best[level]]):
            next_permutation(order[level], alive[level])


@njit(cache=True)
def search_orders(
    ranked, bounds, units, starts, free, places, counts, totals, pairs, runs, parts, segments, extents, energy,
    constant, ports, load_terms, loads, stationary, macs_per_cycle, objective, order, pick, score,
):  # fmt: skip
    """Go through combinations by rising bound until none can beat the best, `score`; returns how many were ordered."""
    levels, terms = order.shape[0], energy.shape[0]
    scratch = (
        np.zeros((GROUPS + 1, len(pairs), 4)),
        np.zeros((levels, CHOICES, terms)),
        np.zeros((levels, CHOICES), np.int64),
        np.zeros((levels + 1, terms)),
        np.zeros(levels, np.int64),
        np.zeros(levels, np.int64),
        np.zeros(levels, np.int64),
        np.zeros(levels, np.int64),
    )
    trial, mine, now = np.zeros((levels, GROUPS), np.int64), np.zeros(GROUPS, np.int64), np.zeros(3)
    done = 0
    for at in ranked:
        if bounds[at] >= score[0] or bounds[at] == np.inf:
            break
        u = np.searchsorted(starts, at, side="right") - 1
        rest = at - starts[u]
        for group in range(GROUPS - 1, -1, -1):
            size = units[u, group, 1] - units[u, group, 0]
            mine[group] = units[u, group, 0] + rest % size
            rest //= size
        best_order(
            mine, free, places, counts, totals, pairs, runs, parts, segments, extents, energy, constant, ports,
            load_terms, loads, stationary, macs_per_cycle, objective, scratch, trial, now,
        )  # fmt: skip
        done += 1
        if now[0] < score[0]:
            score[:] = now
            order[:] = trial
            pick[:] = mine
    return done
