"""Words of a tile, one group of dims at a time: the factors whose products are every count.

For one edge (a parent and a child level of one tensor) and one group, `group_rows` tabulates, for every combination
of the group's temporal loops above the child, the words (or participants) the group contributes to each *column* of
the edge, and what changes on every carry. docs/model.md, "Counting", has the rules.

Columns of an edge Lp -> Lc, three per fan-out f crossed (j = f - Lp), then three, with w = 3 (Lc - Lp):
    3j    words sent on fan-out f, summed over its instances
    3j+1  the same for the busiest instance
    3j+2  words wanted (psum: offered) below each instance of level f+1, summed
    w     tile words of the busiest child
    w+1   psum: distinct words under each parent instance, summed; inputs: column 2 without padding where fan-out 0
          carries none
    w+2   psum: the same for the busiest parent
"""

from __future__ import annotations

import numpy as np

from accelsim.engine.nest.kernels.groups import (
    Look,
    begin_at,
    exists,
    group_of,
    leads_here,
    moves_tile,
    spatial_extent,
    spatial_offsets,
    step_on,
)
from accelsim.engine.nest.kernels.planes import rows_of
from accelsim.engine.nest.kernels.records import CHILD, OPERAND, OWN, PARENT, PSUM, REUSE, TENSOR
from accelsim.jit import njit, part

FOREIGN = np.repeat(1 - OWN[PSUM : PSUM + 1], 64, axis=0).astype(np.uint8)  # every level adds over every foreign dim


@njit(_nrt=False)
def group_rows(nest, edge, group, begin, end, rows):
    """Tabulate combinations begin .. end - 1 of one group of one edge; returns own loops.

    edge : int64[5 or more], see records.TENSOR .. REUSE. rows : filled, see `records.Rows`.
    """
    one = group_of(nest, edge, group, rows)
    rows.moved[: 2 * one.number + 1, : end - begin] = -1
    merge = nest.merge[edge[TENSOR]]
    looks = 2 * (edge[CHILD] - edge[PARENT]) + 1
    for which in range(looks):
        if which == looks - 1 and edge[TENSOR] == PSUM:
            merge = FOREIGN
        look = _look(nest, edge, one, which, rows)
        _look_at_all(nest, edge, group, (begin, end), one, look, which == 0, merge, rows)
    return one.number


@part
def _look(nest, edge, one, which, rows):
    """Even: what a fan-out sends; odd: what is wanted below each instance of the next level; the last: w+1 and w+2."""
    parent, child = edge[PARENT], edge[CHILD]
    crossed, f, column = child - parent, parent + which // 2, 3 * (which // 2)
    end = rows.marks.shape[1] - 1
    hidden = one.plane and nest.on_chip and parent == 0  # no padding comes from the outermost level
    first, last = (one.axis[2], one.axis[2] + one.axis[3]) if hidden else (0, end)
    if which == 2 * crossed:
        level = parent if edge[TENSOR] == PSUM else parent + 1
        return Look(3 * crossed + 1, 3 * crossed + 2, level, level, first, last)
    if which % 2 == 0:
        high = f + nest.unicast[edge[TENSOR], f]
        return Look(column, column + 1, f, high, first if which == 0 else 0, last if which == 0 else end)
    return Look(column + 2, 3 * crossed if f + 1 == child else -1, f + 1, f + 1, 0, end)


@njit(cache=True, _nrt=False)
def _look_at_all(nest, edge, group, span, one, look, moves, merge, rows):
    """Fill the columns of one look for a span of combinations; `moves`: say what moved, too."""
    loops, child = nest.loops, edge[CHILD]
    rows.listed[:] = -1
    if one.plane:
        rows.listed[0] = spatial_offsets(loops, group, 0, look.low, child, merge, rows.offsets[0])
        rows.listed[1] = spatial_offsets(loops, group, look.low, look.high, child, merge, rows.offsets[1])
        rows.listed[2] = spatial_offsets(loops, group, look.high, child, child, merge, rows.offsets[2])
    in_all = spatial_extent(loops, group, 0, child, look.high, merge)
    in_one = spatial_extent(loops, group, look.low, child, look.high, merge)
    in_pe = edge[OPERAND] == 1 and edge[PARENT] >= nest.held[5]  # read for every output
    in_runs = nest.ends.shape[0] > 0 and group == 4 and (one.owned[0] == 1 or in_pe)
    held = nest.ends.shape[0] > 0 and one.plane and child <= nest.held[0]
    reuse = edge[REUSE] == 1 and nest.ends.shape[0] == 0  # windows of runs share no word
    begin_at(one, loops, span[0])
    for c in range(span[1] - span[0]):
        if c:
            step_on(one, loops)
        total = most = 0
        there = exists(one)
        if there and one.plane:
            total, most = _held(nest, edge, group, look) if held else rows_of(one, False, look, rows)
        elif there:
            if not _is_clipped(one, in_all):
                whole = (one.tile[0] if one.owned[0] else 1) * (one.tile[1] if one.owned[1] else 1)
                total, most = in_all[0] * whole, in_one[0] * whole
            else:
                if rows.listed[0] < 0:
                    rows.listed[0] = spatial_offsets(loops, group, 0, child, look.high, merge, rows.offsets[0])
                    rows.listed[1] = spatial_offsets(loops, group, look.low, child, look.high, merge, rows.offsets[1])
                total = _clipped(one, rows.offsets[0], rows.listed[0])
                most = _clipped(one, rows.offsets[1], rows.listed[1]) if look.busiest >= 0 else 0
        if in_runs and there and not held:
            total, most = _outputs(nest.ends, one, total), _outputs(nest.ends, one, most)
        rows.full[c, look.column] = total
        if look.busiest >= 0:
            rows.full[c, look.busiest] = most
        if there and (moves or one.plane):
            _lay_moves(loops, reuse, one, look, c, rows)


@part
def _held(nest, edge, group, look):
    """Rows or columns of a plane that lies as it is, whole."""
    at_parent = look.column == 0 or look.column == 3 * (edge[CHILD] - edge[PARENT]) + 1
    plane = nest.held[group - 3 + (2 if at_parent and nest.on_chip and edge[PARENT] == 0 else 0)]
    return plane, plane


@part
def _outputs(ends, one, words):
    """Words of some runs: those of as many outputs, each of which has as many."""
    first, last = one.base[0], min(one.base[0] + one.tile[0], one.size[0])
    return words // (last - first) * (ends[last] - ends[first])


@part
def _is_clipped(one, extent):
    """Whether any of the spatial combinations of this extent reaches past what moves of the problem."""
    return one.base[0] + extent[1] + one.tile[0] > one.moves[0] or one.base[1] + extent[2] + one.tile[1] > one.moves[1]


@part
def _clipped(one, offsets, n):
    """Words (own dims) or participants (foreign dims) of a group whose dims project one by one."""
    total = 0
    for k in range(n):
        value = 1
        for a in range(2):
            left = one.size[a] - one.base[a] - offsets[k, a]
            if left <= 0:
                value = 0
            elif one.owned[a]:
                value *= max(min(one.tile[a], one.moves[a] - one.base[a] - offsets[k, a]), 0)
        total += value
    return total


@part
def _lay_moves(loops, reuse, one, look, c, rows):
    """Say of every carry into a combination whether the tile moved, of a plane which rows were not there before."""
    inner_zero = one.number
    while inner_zero > 0 and one.at[inner_zero - 1] == 0:
        inner_zero -= 1
    for carry in range(2 * one.number + 1):
        if not leads_here(one, carry, inner_zero):
            continue
        moves = moves_tile(one, loops, carry)
        rows.moved[carry, c] = 1 if moves else 0
        if one.plane and moves:
            total, most = rows.full[c, look.column], rows.full[c, look.busiest] if look.busiest >= 0 else 0
            if reuse:
                total, most = rows_of(one, True, look, rows)
            rows.slide[carry, c, look.column] = total
            if look.busiest >= 0:
                rows.slide[carry, c, look.busiest] = most
