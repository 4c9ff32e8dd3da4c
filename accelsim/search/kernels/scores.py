"""Scoring many mappings: group tables once per factor split, then products per combination and per order.

A *term* is one (edge, column) of `tiles` that an objective prices. An *option* is one way to split the dims of one
group over the places of a nest; a *combination* takes one option per group. What an order of the free loops changes
is composed from the options' tables, never recomputed.
"""

from __future__ import annotations

import numpy as np

from accelsim.jit import njit


@njit(cache=True, nogil=True)
def pair_tables(places, counts, above, stay, kept, pairs, terms, edges, segments, out):
    """What one group adds to what carries leave in place, for every option and every pair of a segment and a term.

    A segment is a run of loops of one level in which groups follow one another: its free loops, or one fixed position;
    segments : int64[segment, 2], (level, position; -1: free). While another group carries, this one stays: as before
    its own loops of the segment (`before`) or as after them; where it carries itself, its loops add up (`carries`). The
    same three for what a slide keeps.

    pairs : int64[pair, 2], (segment, term), of the segments above the term's child; by segment.
    out : float64[option, pair, 6], (after, before, carries) of `stay`, then of `kept`.
    """
    for o in range(places.shape[0]):
        now, first, end = -1, 0, 0
        for i in range(pairs.shape[0]):
            s, t = pairs[i, 0], pairs[i, 1]
            if s != now:
                now, first = s, 0
                while first < counts[o] and (
                    places[o, first, 0] < segments[s, 0]
                    or (places[o, first, 0] == segments[s, 0] and places[o, first, 1] < segments[s, 1])
                ):
                    first += 1
                end = first
                while end < counts[o] and places[o, end, 0] == segments[s, 0] and places[o, end, 1] == segments[s, 1]:
                    end += 1
            e = terms[t, 0]
            out[o, i, 0] = stay[o, above[o, e] + end, t]
            out[o, i, 1] = stay[o, above[o, e] + first, t]
            out[o, i, 3] = kept[o, above[o, e] + end, t]
            out[o, i, 4] = kept[o, above[o, e] + first, t]
            for j in range(first, end):
                out[o, i, 2] += stay[o, j, t]
                out[o, i, 5] += kept[o, j, t]


@njit(cache=True)
def passed(part, l00, l10, l01, l11):
    """Ways to have come by one more group: l[carrier has been, slider has been], of (after, before, carries) twice.

    The sum over carriers of products over the groups, and over which axis slides, is a walk through these four states
    along the order. Groups without loops in a segment commute with all others.
    """
    return (
        l00 * part[0],
        l10 * part[1] + l00 * part[2],
        l01 * part[0] + l00 * part[3],
        l11 * part[1] + l01 * part[2] + l10 * part[4] + l00 * part[5],
    )


@njit(cache=True)
def price(words, energy, constant, ports, load_terms, loads, stationary, compute, objective):
    """(objective, energy, cycles) of one mapping from its terms' words.

    ports : int64[port + 1], where each port's loads lie; load_terms : int64[load], loads : float64[load], cycles a word
    of that term holds the port; stationary : float64[term], of serial passes' fills.
    objective : 0 energy, 1 cycles, 2 energy-delay product.
    """
    joules = constant
    serial = 0.0
    for t in range(words.shape[0]):
        joules += energy[t] * words[t]
        serial += stationary[t] * words[t]
    cycles = compute
    for p in range(ports.shape[0] - 1):
        busy = 0.0
        for i in range(ports[p], ports[p + 1]):
            busy += loads[i] * words[load_terms[i]]
        cycles = max(cycles, busy)
    cycles += serial
    return weighed(joules, cycles, objective), joules, cycles


@njit(cache=True)
def weighed(joules, cycles, objective):
    """The objective; the other one of energy and cycles decides between equals.

    A bound of the energy of some levels alone may lie below zero: there what is read back is more than what arrives.
    """
    if objective == 0:
        return joules * (1 + 1e-12 * np.log2(cycles + 1))
    if objective == 1:
        return cycles * (1 + 1e-9 * np.log2(max(joules, 0.0) + 1))
    return joules * cycles
