"""Tables of the factors that every version's words are a product of, each different row written once.

A layer's loops may have millions of combinations, but most of them see whole tiles moving on in one of a few ways.
"""

from __future__ import annotations

import numpy as np

from accelsim.engine.nest.kernels.groups import columns_of, group_shape
from accelsim.engine.nest.kernels.records import CHILD, GROUPS, IFMAP, PARENT, TENSOR
from accelsim.engine.nest.kernels.runs import runs_of
from accelsim.engine.nest.kernels.tiles import group_rows
from accelsim.engine.words.kernels.closed import make_scratch
from accelsim.jit import njit, part

FIRST, OWN_LOOPS, COMBINATIONS, LISTED, WIDTH = range(5)  # columns of `at`, see `tabulate`


@njit(cache=True)
def _hash(cells, first, width):
    h = 0
    for i in range(first, first + width):
        h = h * 1000003 + cells[i]
    return h ^ (h >> 31)


@njit(cache=True)
def _same(cells, one, other, width):
    i = 0
    while i < width and cells[one + i] == cells[other + i]:
        i += 1
    return i == width


@njit(cache=True)
def _slot(table, cells, at, row, width):
    """Where in a hash table a row is, or is to be."""
    slot = _hash(cells, at + row * width, width) & (table.shape[0] - 1)
    while table[slot] >= 0 and not _same(cells, at + table[slot] * width, at + row * width, width):
        slot = (slot + 1) & (table.shape[0] - 1)
    return slot


@part
def _lay_row(cells, at, c, columns, carries, slides, rows):
    """Write combination c of `tiles.group_rows` as one row."""
    for k in range(columns):
        cells[at + k] = rows.full[c, k]
    for carry in range(carries):
        cells[at + columns + carry] = rows.moved[carry, c]
        if slides:
            first, moves = at + columns + carries + carry * columns, rows.moved[carry, c] == 1
            for k in range(columns):
                cells[first + k] = rows.slide[carry, c, k] if moves else 0


@njit(cache=True)
def _longer(cells, used):
    """Twice the room."""
    longer = np.empty(2 * cells.shape[0], np.int64)
    longer[:used] = cells[:used]
    return longer


@njit(cache=True)
def _larger(table, cells, at, rows, width):
    """The same hash table of rows with twice the slots."""
    larger = np.full(2 * table.shape[0], -1, np.int64)
    for row in range(rows):
        larger[_slot(larger, cells, at, row, width)] = row
    return larger


@njit(cache=True)
def _tabulate_group(nest, stream, group, room, width, used, cells, row_of):
    """Write the rows of one group's table from `used` on and say which each combination has; (cells, rows)."""
    columns, slides = columns_of(stream[PARENT], stream[CHILD]), stream[TENSOR] == IFMAP and group >= 4
    rows, last, table = 0, 0, np.full(64, -1, np.int64)
    runs, copies = runs_of(nest, stream, group)
    for run in range(runs.shape[0]):
        begin, end, _ = runs[run]
        n = group_rows(nest, stream, group, begin, end, room)
        for c in range(end - begin):
            here = used + rows * width
            if here + width > cells.shape[0]:
                cells = _longer(cells, here)
            _lay_row(cells, here, c, columns, 2 * n + 1, slides, room)
            # most are like the one before
            if rows == 0 or not _same(cells, used + last * width, here, width):
                slot = _slot(table, cells, used, rows, width)
                if table[slot] < 0:
                    table[slot] = rows
                    rows += 1
                last = table[slot]
            row_of[begin + c] = last
            if 2 * rows > table.shape[0]:
                table = _larger(table, cells, used, rows, width)
    for copy in range(copies.shape[0]):
        begin, many, times = copies[copy]
        for c in range(begin + many, begin + times * many):
            row_of[c] = row_of[c - many]
    return cells, rows


@njit(cache=True)
def tabulate(nest, streams):
    """Tabulate every group of every stream.

    Returns
    -------
    at : int64[x, group, 5], see FIRST .. WIDTH: where a table's rows begin in `cells` and its combinations in `row_of`.
    row_of : int32[combination], its row in the table.
    cells : int64, rows of ``full[column]``, ``moved[2n + 1]`` and, of ifmap rows and columns, ``slide[2n + 1, column]``
        (0 where nothing moved) as of `tiles.group_rows`.
    """
    n_streams = streams.shape[0]
    at = np.zeros((n_streams, GROUPS, 5), np.int64)
    own = np.empty(nest.loops.shape[0] + 1, np.int64)
    listed, most = 0, 0
    for x in range(n_streams):
        columns = columns_of(streams[x, PARENT], streams[x, CHILD])
        for group in range(GROUPS):
            n, combinations = group_shape(nest.loops, group, streams[x, CHILD], own)
            slides = streams[x, TENSOR] == IFMAP and group >= 4
            at[x, group, OWN_LOOPS] = n
            at[x, group, COMBINATIONS] = combinations
            at[x, group, LISTED] = listed
            at[x, group, WIDTH] = columns + (2 * n + 1) * (columns + 1 if slides else 1)
            listed += combinations
            most = max(most, at[x, group, WIDTH])
    row_of = np.empty(listed, np.int32)
    room = make_scratch(nest)[0]
    cells, used = np.empty(64 * most, np.int64), 0
    for x in range(n_streams):
        for group in range(GROUPS):
            at[x, group, FIRST] = used
            width, first = at[x, group, WIDTH], at[x, group, LISTED]
            mine = row_of[first : first + at[x, group, COMBINATIONS]]
            cells, rows = _tabulate_group(nest, streams[x], group, room, width, used, cells, mine)
            used += rows * width
    return at, row_of, cells[:used].copy()
