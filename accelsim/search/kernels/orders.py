"""The best order of the free loops of every combination whose bound may still win."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from accelsim.engine.nest.kernels.records import GROUPS
from accelsim.jit import njit, part
from accelsim.search.kernels.scores import passed, price

CHOICES = 720


class Trial(NamedTuple):
    """Scratch of one combination: what every order of each level's free loops comes to.

    ways : float64[group + 1, pair, 4], to have come by the groups before each position of an order. lost :
    float64[level, order, term], words left in place; number : int64[level, order], which permutation each order is,
    `choices` int64[level] of them. words : float64[level + 1, term], left after the levels outside. alive :
    int64[level], groups with free loops there; chosen, best : int64[level], orders; groups : int64[group].
    """

    ways: npt.NDArray[np.float64]
    lost: npt.NDArray[np.float64]
    number: npt.NDArray[np.int64]
    words: npt.NDArray[np.float64]
    alive: npt.NDArray[np.int64]
    choices: npt.NDArray[np.int64]
    chosen: npt.NDArray[np.int64]
    best: npt.NDArray[np.int64]
    groups: npt.NDArray[np.int64]


class Best(NamedTuple):
    """The best so far: order int64[level, group], pick int64[group], score float64[3] (objective, energy, cycles)."""

    order: npt.NDArray[np.int64]
    pick: npt.NDArray[np.int64]
    score: npt.NDArray[np.float64]


@njit(_nrt=False)
def next_permutation(a, n):
    """Advance a[:n] to its next permutation in lexicographic order; the first index that changed, -1 after the last."""
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


@part
def walk_on(groups, begin, end, pick, segment, pairs, parts, ways):
    """Pass the groups from position `begin` to before `end`, filling `Trial.ways` for one segment's pairs."""
    for at in range(begin, end):
        group = groups[at]
        for i in range(pairs.runs[segment, 0], pairs.runs[segment, 1]):
            here, after = ways[at, i], ways[at + 1, i]
            after[0], after[1], after[2], after[3] = passed(
                parts[group][pick[group], i], here[0], here[1], here[2], here[3]
            )


@part
def begin_ways(segment, pairs, ways):
    """No group has been passed yet."""
    for i in range(pairs.runs[segment, 0], pairs.runs[segment, 1]):
        ways[0, i, 0] = 1.0
        ways[0, i, 1] = ways[0, i, 2] = ways[0, i, 3] = 0.0


@part
def beaten(lost, by, one, charges):
    """Whether an order leaves no more words in place than an earlier one, or fewer of some energy than any other."""
    less = False
    for t in range(lost.shape[1]):
        if lost[by, t] < lost[one, t] or (charges.either[t] and lost[by, t] > lost[one, t]):
            return False
        less |= lost[by, t] > lost[one, t] and charges.energy[t] > 0 and charges.objective != 1
    return less or by < one


@njit(_nrt=False)
def orders_of_level(level, segment, order, pick, pairs, parts, charges, trial):
    """Find what every order of one level's free loops leaves in place: its `choices` are those that none beats.

    order : int64[level, group], the `alive` groups of a level first.
    """
    ways, lost, number, alive = trial.ways, trial.lost[level], trial.number[level], trial.alive[level]
    begin_ways(segment, pairs, ways)
    walk_on(order[level, alive:], 0, GROUPS - alive, pick, segment, pairs, parts, ways)
    for i in range(pairs.runs[segment, 0], pairs.runs[segment, 1]):
        for k in range(4):
            ways[0, i, k] = ways[GROUPS - alive, i, k]
    groups = trial.groups
    for i in range(alive):
        groups[i] = order[level, i]
    kept, begin, permutation = 0, 0, 0
    while begin >= 0:
        walk_on(groups, begin, alive, pick, segment, pairs, parts, ways)
        _lay_lost(segment, pairs, ways[alive], lost[kept])
        number[kept] = permutation
        for other in range(kept):
            if beaten(lost, other, kept, charges):
                break
        else:
            kept += 1
        begin = next_permutation(groups, alive)
        permutation += 1
    best = 0
    for one in range(kept):
        for other in range(one + 1, kept):
            if beaten(lost, other, one, charges):
                break
        else:
            for t in range(lost.shape[1]):
                lost[best, t] = lost[one, t]
            number[best] = number[one]
            best += 1
    trial.choices[level] = best


@part
def _lay_lost(segment, pairs, ways, lost):
    for t in range(lost.shape[0]):
        lost[t] = 0.0
    for i in range(pairs.runs[segment, 0], pairs.runs[segment, 1]):
        lost[pairs.rows[i, 1]] = ways[i, 1] + ways[i, 3]


@part
def free_groups(level, free, pick, options, groups):
    """Put the groups with free loops in a level first, rising, the others behind; returns how many there are."""
    n, m = 0, GROUPS - 1
    for group in range(GROUPS):
        here = False
        for j in range(options.counts[group][pick[group]]):
            loops = options.loops[group]
            here |= loops[pick[group], j, 0] == level and loops[pick[group], j, 1] < 0
        if here and free[level]:
            groups[n] = group
            n += 1
        else:
            groups[m] = group
            m -= 1
    return n


@njit(_nrt=False)
def best_order(free, pairs, options, charges, trial, now):
    """Try every order of the free loops of one combination, `now.pick`; fills its order and score.

    What a level's order changes does not depend on the other levels' orders: each level's are walked once, and the
    words of all levels added up for every joint choice.
    """
    levels, compute = now.order.shape[0], _begin(free, options, trial, now)
    for s in range(pairs.segments.shape[0]):
        level = pairs.segments[s, 0]
        if pairs.segments[s, 1] < 0:
            orders_of_level(level, s, now.order, now.pick, pairs, options.parts, charges, trial)
        else:
            begin_ways(s, pairs, trial.ways)
            walk_on(now.order[level], 0, GROUPS, now.pick, s, pairs, options.parts, trial.ways)
            for i in range(pairs.runs[s, 0], pairs.runs[s, 1]):
                trial.words[0, pairs.rows[i, 1]] -= trial.ways[GROUPS, i, 1] + trial.ways[GROUPS, i, 3]
    _best_choice(compute / charges.macs_per_cycle, charges, trial, now)
    for level in range(levels):
        for _ in range(trial.number[level, trial.best[level]]):
            next_permutation(now.order[level], trial.alive[level])


@part
def _begin(free, options, trial, now):
    """Lay down the words of whole tiles and the groups of every level; gives the iterations of the busiest PE."""
    for level in range(now.order.shape[0]):
        trial.alive[level] = free_groups(level, free, now.pick, options, now.order[level])
        trial.choices[level] = 1
        trial.number[level, 0] = 0
        trial.lost[level, 0] = 0.0
    compute = 1.0
    trial.words[0] = 1.0
    for group in range(GROUPS):
        compute *= options.extents[group][now.pick[group]]
        for t in range(trial.words.shape[1]):
            trial.words[0, t] *= options.totals[group][now.pick[group], t]
    return compute


@part
def _best_choice(compute, charges, trial, now):
    """The best joint choice of an order for every level."""
    levels = now.order.shape[0]
    trial.chosen[:] = 0
    now.score[0] = np.inf
    first = 0
    while first >= 0:
        for level in range(first, levels):
            for t in range(trial.words.shape[1]):
                trial.words[level + 1, t] = trial.words[level, t] - trial.lost[level, trial.chosen[level], t]
        value, joules, cycles = price(trial.words[levels], compute, charges)
        if value < now.score[0]:
            now.score[0], now.score[1], now.score[2] = value, joules, cycles
            for level in range(levels):
                trial.best[level] = trial.chosen[level]
        first = levels - 1
        while first >= 0:
            trial.chosen[first] += 1
            if trial.chosen[first] < trial.choices[first]:
                break
            trial.chosen[first] = 0
            first -= 1


@part
def _unit_of(starts, at):
    """The last unit that begins at `at` or before. By hand: numba's own search compiles a dozen functions."""
    low, high = 0, len(starts)
    while high - low > 1:
        middle = (low + high) // 2
        if starts[middle] <= at:
            low = middle
        else:
            high = middle
    return low


@njit(cache=True)
def search_orders(ranked, bounds, combined, free, pairs, options, charges, best):
    """Go through combinations by rising bound until none can beat the best; returns how many were ordered."""
    levels, terms = best.order.shape[0], charges.energy.shape[0]
    trial = Trial(
        np.zeros((GROUPS + 1, pairs.rows.shape[0], 4)), np.zeros((levels, CHOICES, terms)),
        np.zeros((levels, CHOICES), np.int64), np.zeros((levels + 1, terms)), np.zeros(levels, np.int64),
        np.zeros(levels, np.int64), np.zeros(levels, np.int64), np.zeros(levels, np.int64), np.empty(GROUPS, np.int64),
    )  # fmt: skip
    now = Best(np.zeros((levels, GROUPS), np.int64), np.zeros(GROUPS, np.int64), np.zeros(3))
    return _search(ranked, bounds, combined, free, pairs, options, charges, trial, now, best)


@njit(_nrt=False)
def _search(ranked, bounds, combined, free, pairs, options, charges, trial, now, best):
    """See `search_orders`; nothing is allocated here, so references need not be counted."""
    done = 0
    for at in ranked:
        if bounds[at] >= best.score[0] or bounds[at] == np.inf:
            break
        u = _unit_of(combined.starts, at)
        rest = at - combined.starts[u]
        for group in range(GROUPS - 1, -1, -1):
            first, size = combined.units[u, group, 0], combined.units[u, group, 1] - combined.units[u, group, 0]
            now.pick[group] = first + rest % size
            rest //= size
        best_order(free, pairs, options, charges, trial, now)
        done += 1
        if now.score[0] < best.score[0]:
            _keep(now, best)
    return done


@part
def _keep(now, best):
    for i in range(now.score.shape[0]):
        best.score[i] = now.score[i]
    for group in range(GROUPS):
        best.pick[group] = now.pick[group]
        for level in range(now.order.shape[0]):
            best.order[level, group] = now.order[level, group]
