"""Rows or columns of an ifmap's plane that tiles want: they overlap, so they are marked one by one."""

from __future__ import annotations

from accelsim.jit import njit


@njit(cache=True, _nrt=False)
def rows_of(one, slides, look, rows):
    """(sum, busiest) over instances of the rows that each wants; with `slides` those it had not at `one.before`."""
    total, most, marks = 0, 0, rows.marks
    last = marks.shape[1] - 1  # holds the last stamp used
    for i in range(rows.listed[0]):
        mine = 0
        for j in range(rows.listed[1]):
            marks[0, last] += 1
            for k in range(rows.listed[2]):
                over_p = rows.offsets[0, i, 0] + rows.offsets[1, j, 0] + rows.offsets[2, k, 0]
                over_r = rows.offsets[0, i, 1] + rows.offsets[1, j, 1] + rows.offsets[2, k, 1]
                p, r = one.base[0] + over_p, one.base[1] + over_r
                if p >= one.size[0] or r >= one.size[1]:
                    continue
                old_stamp = 0
                if slides:
                    marks[1, last] += 1
                    old_stamp = marks[1, last]
                    _mark(one, one.before[0] + over_p, one.before[1] + over_r, look, 1, old_stamp, 0, marks)
                mine += _mark(one, p, r, look, 0, marks[0, last], old_stamp, marks)
        total += mine
        most = max(most, mine)
    return total, most


@njit(cache=True, _nrt=False)
def _mark(one, base_p, base_r, look, which, stamp, old_stamp, marks):
    """Mark the rows of one tile that do not have the old stamp; returns how many did not have the new one."""
    count = 0
    p_end, r_end = min(base_p + one.tile[0], one.size[0]), min(base_r + one.tile[1], one.size[1])
    for p in range(base_p, p_end):
        for r in range(base_r, r_end):
            h = one.axis[0] * p + one.axis[1] * r
            if h < look.first or h >= look.end:
                continue
            if old_stamp > 0 and marks[1, h] == old_stamp:
                continue
            if marks[which, h] != stamp:
                marks[which, h] = stamp
                count += 1
    return count
