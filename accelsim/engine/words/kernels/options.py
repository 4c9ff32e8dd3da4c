"""Factor splits of one group of dims, tabulated: what each adds to the words of every edge, whatever the others do.

A *term* is one (edge, column) of `nest.kernels.tiles` that is asked for. An *option* is one way to split the dims of
one group over the places of a nest.
"""

from __future__ import annotations

import numpy as np

from accelsim.engine.nest.kernels.tiles import PART, own_loops
from accelsim.engine.words.kernels.closed import group_sums
from accelsim.jit import njit

MOST_LOOPS = 24


@njit(cache=True, nogil=True)
def option_tables(
    rows, lengths, group, edges, terms, size8, axes, unicast, merge, on_chip, most, levels, total, stay, kept, above,
):  # fmt: skip
    """Tabulate every option of one group.

    Parameters
    ----------
    rows : int64[option, loop, 5], lengths : int64[option]. terms : int64[term, 2], (edge, column); the column
        after an edge's last counts its tiles.
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
    slide = np.zeros((most[1], room if group >= 4 else 1, columns), np.int64)
    sum_total = np.zeros(columns + 1, np.int64)
    sum_stay = np.zeros((most[1], columns + 1), np.int64)
    sum_kept = np.zeros((most[1], columns + 1), np.int64)
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
def positions(a, b, stride, dilation):
    """|{stride*i + dilation*j : i < a, j < b}| by inclusion of the repeats (x ends as the gcd; holds for all a, b)."""
    x, y = stride, dilation
    while y:
        x, y = y, x % y
    over_a, over_b = a - dilation // x, b - stride // x
    return a * b - (over_a * over_b if over_a > 0 and over_b > 0 else 0)
