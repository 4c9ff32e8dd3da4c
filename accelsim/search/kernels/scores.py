"""Scoring many mappings: group tables once per factor split, then products per combination and per order.

What an order of the free loops changes is composed from the options' tables, never recomputed.
"""

from __future__ import annotations

import numpy as np

from accelsim.jit import njit, part
from accelsim.search.kernels.records import BUSY, LOADING, MOVING


@njit(cache=True, nogil=True)
def pair_tables(loops, counts, above, stay, kept, pairs, terms, edges, segments, out):
    """What one group adds to what carries leave in place, for every option and every pair of a segment and a term.

    A segment is a run of loops of one level in which groups follow one another: its free loops, or one fixed position;
    segments : int64[segment, 2], (level, position; -1: free). While another group carries, this one stays: as before
    its own loops of the segment (`before`) or as after them; where it carries itself, its loops add up (`carries`). The
    same three for what a slide keeps.

    pairs : int64[pair, 2], (segment, term), of the segments above the term's child; by segment.
    out : float64[option, pair, 6], (after, before, carries) of `stay`, then of `kept`.
    """
    for o in range(loops.shape[0]):
        now, first, end = -1, 0, 0
        for i in range(pairs.shape[0]):
            s, t = pairs[i, 0], pairs[i, 1]
            if s != now:
                now, first = s, 0
                while first < counts[o] and (
                    loops[o, first, 0] < segments[s, 0]
                    or (loops[o, first, 0] == segments[s, 0] and loops[o, first, 1] < segments[s, 1])
                ):
                    first += 1
                end = first
                while end < counts[o] and loops[o, end, 0] == segments[s, 0] and loops[o, end, 1] == segments[s, 1]:
                    end += 1
            e = terms[t, 0]
            out[o, i, 0] = stay[o, above[o, e] + end, t]
            out[o, i, 1] = stay[o, above[o, e] + first, t]
            out[o, i, 3] = kept[o, above[o, e] + end, t]
            out[o, i, 4] = kept[o, above[o, e] + first, t]
            for j in range(first, end):
                out[o, i, 2] += stay[o, j, t]
                out[o, i, 5] += kept[o, j, t]


@part
def passed(row, l00, l10, l01, l11):
    """Ways to have come by one more group: l[carrier has been, slider has been], of (after, before, carries) twice.

    The sum over carriers of products over the groups, and over which axis slides, is a walk through these four states
    along the order. Groups without loops in a segment commute with all others.
    """
    return (
        l00 * row[0],
        l10 * row[1] + l00 * row[2],
        l01 * row[0] + l00 * row[3],
        l11 * row[1] + l01 * row[2] + l10 * row[4] + l00 * row[5],
    )


@part
def price(words, compute, charges):
    """(objective, energy, cycles) of one mapping from its terms' words and the cycles of its MACs."""
    joules = charges.constant
    for t in range(words.shape[0]):
        joules += charges.energy[t] * words[t]
    busiest = moving = loading = tails = 0.0
    for load in range(charges.kinds.shape[0]):
        cycles = charges.fixed[load]
        for i in range(charges.first[load], charges.first[load + 1]):
            cycles += charges.share[i] * words[charges.of[i]]
        if charges.kinds[load] == BUSY:
            busiest = max(busiest, cycles)
        elif charges.kinds[load] == MOVING:
            moving = max(moving, cycles)
        elif charges.kinds[load] == LOADING:
            loading = max(loading, cycles)
        else:
            tails += cycles
    cycles = max(busiest, loading + max(compute + tails, moving))
    return weighed(joules, cycles, charges.objective), joules, cycles


@part
def weighed(joules, cycles, objective):
    """The objective; the other one of energy and cycles decides between equals.

    A bound of the energy of some levels alone may lie below zero: there what is read back is more than what arrives.
    """
    if objective == 0:
        return joules * (1 + 1e-12 * np.log2(cycles + 1))
    if objective == 1:
        return cycles * (1 + 1e-9 * np.log2(max(joules, 0.0) + 1))
    if objective == 2:
        return joules * cycles
    return joules * cycles * cycles
