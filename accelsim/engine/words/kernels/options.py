"""Factor splits of one group of dims, tabulated: what each adds to the words of every edge, whatever the others do.

A *term* is one (edge, column) of `nest.kernels.tiles` that is asked for. An *option* is one way to split the dims of
one group over the loops of a nest.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from accelsim.engine.nest.kernels.groups import own_loops
from accelsim.engine.nest.kernels.records import CHILD, Nest
from accelsim.engine.words.kernels.closed import Sums, group_sums, make_rows
from accelsim.jit import njit

MOST_LOOPS = 24


class Table(NamedTuple):
    """What is known of the options of a group.

    total : [option, term]; stay, kept : [option, carry, term], as of `closed.Sums`; above : int64[option, edge], the
    option's own temporal loops above the edge's child.
    """

    total: npt.NDArray[np.number]
    stay: npt.NDArray[np.number]
    kept: npt.NDArray[np.number]
    above: npt.NDArray[np.int64]


@njit(cache=True, nogil=True)
def option_tables(nest, rows, lengths, group, edges, terms, most, table):
    """Tabulate every option of one group.

    Parameters
    ----------
    nest : its loops are not looked at. rows : int64[option, loop, 5], lengths : int64[option], each option's loops.
    terms : int64[term, 2], (edge, column); the column after an edge's last counts its tiles.
    most : (combinations, carries, instances) an option has at most.
    table : filled.
    """
    room, columns = make_rows(nest, rows.shape[1], most[0], most[1], most[2]), 3 * nest.levels + 4
    sums = Sums(
        np.zeros(columns, np.int64), np.zeros((most[1], columns), np.int64), np.zeros((most[1], columns), np.int64)
    )
    _fill_tables(nest, rows, lengths, group, edges, terms, room, sums, table)


@njit(_nrt=False)
def _fill_tables(nest, rows, lengths, group, edges, terms, room, sums, table):
    """See `option_tables`; nothing is allocated here, so references need not be counted."""
    for o in range(rows.shape[0]):
        here = Nest(
            rows[o, : lengths[o]],
            nest.bounds,
            nest.axes,
            nest.unicast,
            nest.merge,
            nest.on_chip,
            nest.levels,
            nest.ends,
            nest.held,
            nest.parts,
        )
        for e in range(edges.shape[0]):
            table.above[o, e] = own_loops(here.loops, group, edges[e, CHILD], room.of_loops[0])
            n = -1
            for t in range(terms.shape[0]):
                if terms[t, 0] == e:
                    if n < 0:
                        n = group_sums(here, edges[e], group, room, sums)
                    table.total[o, t] = sums.total[terms[t, 1]]
                    for carry in range(2 * n + 1):
                        table.stay[o, carry, t] = sums.stay[carry, terms[t, 1]]
                        table.kept[o, carry, t] = sums.kept[carry, terms[t, 1]]


@njit(cache=True)
def positions(a, b, stride, dilation):
    """|{stride*i + dilation*j : i < a, j < b}| by inclusion of the repeats (x ends as the gcd; holds for all a, b)."""
    x, y = stride, dilation
    while y:
        x, y = y, x % y
    over_a, over_b = a - dilation // x, b - stride // x
    return a * b - (over_a * over_b if over_a > 0 and over_b > 0 else 0)
