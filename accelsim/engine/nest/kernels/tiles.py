"""Words of a tile, one group of dims at a time: the factors whose products are every count.

A tensor's tile is a box: its words are a product over six groups of dims, N, G, M, C, (P,R) and (Q,S).
For one edge (a parent and a child level of one tensor) and one group, `group_rows` tabulates, for every
combination of the group's temporal loops above the child, the words (or participants) the group contributes to
each *column* of the edge, and what changes on every carry. docs/model.md, "Counting", has the rules.

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

from accelsim.jit import njit

IFMAP, FILTER, PSUM = 0, 1, 2
DIM, FACTOR, KIND, LEVEL, STEP = 0, 1, 2, 3, 4  # columns of a loop row; KIND: 0 temporal, 1 spatial
GROUPS = 6
PART = 1 << 10  # combinations of a group tabulated at a time
LISTED = 64  # combinations tabulated without a look at which do alike
GROUP_DIMS = np.array([[0, -1], [1, -1], [2, -1], [3, -1], [4, 6], [5, 7]], dtype=np.int64)
# OWN[tensor, dim]: whether the dim indexes the tensor
OWN = np.array(
    [[1, 1, 0, 1, 1, 1, 1, 1], [0, 1, 1, 1, 0, 0, 1, 1], [1, 1, 1, 0, 1, 1, 0, 0]],
    dtype=np.int64,
)


FOREIGN = np.repeat(1 - OWN[PSUM : PSUM + 1], 64, axis=0).astype(np.uint8)  # every level adds over every foreign dim


@njit(cache=True)
def columns_of(parent, child):
    """Number of columns of an edge."""
    return 3 * (child - parent) + 3


@njit(cache=True)
def in_group(dim, group):
    """Whether a dim belongs to a group."""
    return dim == GROUP_DIMS[group, 0] or dim == GROUP_DIMS[group, 1]


@njit(cache=True)
def own_loops(loops, group, child, out):
    """Rows of the group's temporal loops above `child`, outermost first; returns how many."""
    n = 0
    for i in range(loops.shape[0]):
        if loops[i, KIND] == 0 and loops[i, LEVEL] < child and in_group(loops[i, DIM], group):
            out[n] = i
            n += 1
    return n


@njit(cache=True)
def spatial_offsets(loops, group, low, high, merge_from, merge, out):
    """(first dim, second dim) offsets of the spatial combinations of levels low <= level < high; returns how many.

    From level `merge_from` inwards, loops with ``merge[level, dim]`` stay at index 0: what lies below them is one
    multicast word, or one sum.
    """
    out[0, 0] = 0
    out[0, 1] = 0
    n = 1
    for i in range(loops.shape[0]):
        level, dim = loops[i, LEVEL], loops[i, DIM]
        if loops[i, KIND] == 0 or level < low or level >= high or not in_group(dim, group):
            continue
        if level >= merge_from and merge[level, dim]:
            continue
        slot = 0 if dim == GROUP_DIMS[group, 0] else 1
        for f in range(1, loops[i, FACTOR]):
            for j in range(n):
                out[f * n + j, 0] = out[j, 0]
                out[f * n + j, 1] = out[j, 1]
                out[f * n + j, slot] += f * loops[i, STEP]
        n *= loops[i, FACTOR]
    return n


@njit(cache=True)
def _mark(mark, stamp, old, old_stamp, base, tile, size, stride, dilation, low, high):
    """Mark the rows of one tile that are not stamped in `old`; returns how many were new to `mark`."""
    count = 0
    p_end = min(base[0] + tile[0], size[0])
    r_end = min(base[1] + tile[1], size[1])
    for p in range(base[0], p_end):
        for r in range(base[1], r_end):
            h = stride * p + dilation * r
            if h < low or h >= high:
                continue
            if old_stamp > 0 and old[h] == old_stamp:
                continue
            if mark[h] != stamp:
                mark[h] = stamp
                count += 1
    return count


@njit(cache=True)
def _rows_pass(
    base, before, has_before, tile, size, axis, low, high, inst, n_inst, summed, n_sum, union, n_union, work
):
    """Rows of an ifmap axis over instances: (sum, busiest) of what each misses.

    base, before : int64[2], bases of (p, r) now and one iteration earlier; axis : stride, dilation.
    work : int64[2, h + 1] stamps; work[:, -1] holds the last stamp used.
    """
    here = np.empty(2, np.int64)
    there = np.empty(2, np.int64)
    total, most = 0, 0
    last = work.shape[1] - 1
    for i in range(n_inst):
        mine = 0
        for j in range(n_sum):
            work[0, last] += 1
            stamp = work[0, last]
            for k in range(n_union):
                old_stamp = 0
                for a in range(2):
                    shift = inst[i, a] + summed[j, a] + union[k, a]
                    here[a] = base[a] + shift
                    there[a] = before[a] + shift
                if here[0] >= size[0] or here[1] >= size[1]:
                    continue
                if has_before:
                    work[1, last] += 1
                    old_stamp = work[1, last]
                    _mark(work[1], old_stamp, work[1], 0, there, tile, size, axis[0], axis[1], low, high)
                mine += _mark(work[0], stamp, work[1], old_stamp, here, tile, size, axis[0], axis[1], low, high)
        total += mine
        most = max(most, mine)
    return total, most


@njit(cache=True)
def spatial_extent(loops, group, low, high, merge_from, merge):
    """(how many, the largest first, the largest second dim) of what `spatial_offsets` lists."""
    n, one, two = 1, 0, 0
    for i in range(loops.shape[0]):
        level, dim = loops[i, LEVEL], loops[i, DIM]
        if loops[i, KIND] == 0 or level < low or level >= high or not in_group(dim, group):
            continue
        if level >= merge_from and merge[level, dim]:
            continue
        n *= loops[i, FACTOR]
        if dim == GROUP_DIMS[group, 0]:
            one += (loops[i, FACTOR] - 1) * loops[i, STEP]
        else:
            two += (loops[i, FACTOR] - 1) * loops[i, STEP]
    return n, one, two


@njit(cache=True)
def _is_clipped(base, tile, size, extent):
    """Whether any of the spatial combinations of this extent reaches past the problem."""
    return base[0] + extent[1] + tile[0] > size[0] or base[1] + extent[2] + tile[1] > size[1]


@njit(cache=True)
def _simple_pass(base, tile, size, own, offsets, n):
    """Words (own dims) or participants (foreign dims) of a group whose dims project one by one."""
    total = 0
    for k in range(n):
        value = 1
        for a in range(2):
            left = size[a] - base[a] - offsets[k, a]
            if left <= 0:
                value = 0
            elif own[a]:
                value *= min(tile[a], left)
        total += value
    return total


@njit(cache=True)
def last_index(loops, own, n, first, slot_of, base, size):
    """Advance `base` to the last existing iteration of the own loops first..n-1; returns the index moved by them."""
    moved = 0
    for i in range(first, n):
        row = own[i]
        slot = slot_of[i]
        index = min(loops[row, FACTOR] - 1, (size[slot] - 1 - base[slot]) // loops[row, STEP])
        base[slot] += index * loops[row, STEP]
        moved += index
    return moved


@njit(cache=True)
def group_shape(loops, group, child, own):
    """(own temporal loops, their combinations) of a group above `child`; fills `own` with loop rows."""
    n = own_loops(loops, group, child, own)
    combinations = 1
    for i in range(n):
        combinations *= loops[own[i], FACTOR]
    return n, combinations


@njit(cache=True)
def runs_of(loops, group, tensor, parent, child, size8, axes, on_chip):
    """Which combinations of a group above `child` have rows (`group_rows`) that may differ from all others.

    Iterations of a loop do alike as long as neither they nor the one before reach past the problem or, of ifmap rows
    and columns on their way from the outermost level, the plane: one of them stands for all.

    Returns
    -------
    runs : int64[run, 3], (first, end, times), rising, none longer than PART; copies : int64[copy, 3], (first,
        combinations, times): what follows one after the other is like the first, copies within a copy being listed
        before it.
    """
    own = np.empty(loops.shape[0] + 1, np.int64)
    n, inner = group_shape(loops, group, child, own)
    if inner <= LISTED:
        whole = np.ones((1, 3), np.int64)
        whole[0, 0], whole[0, 1] = 0, inner
        return whole, np.empty((0, 3), np.int64)
    in_plane = on_chip and parent == 0 and tensor == IFMAP and group >= 4
    blocks = [(0, 0, 0, 1)]  # (first combination, base in either dim, times)
    copies = [(0, 0, 0)]  # an entry in front tells the compiler what they are
    for i in range(n):
        if inner <= LISTED:
            break
        row = loops[own[i]]
        inner //= row[FACTOR]
        second = row[DIM] != GROUP_DIMS[group, 0]
        reach = _reach(loops, own[i], child)
        finer = []
        for begin, one, two, times in blocks:
            base, beside = (two, one) if second else (one, two)
            first, last = _alike(row, group, reach, in_plane, size8, axes, base, beside)
            index = 0
            while index < row[FACTOR]:
                many = last - first + 1 if index == first and last > first else 1
                here, ahead = begin + index * inner, index * row[STEP]
                finer.append((here, one + (0 if second else ahead), two + (ahead if second else 0), times * many))
                if many > 1:
                    copies.append((here, inner, many))
                index += many
        blocks = finer
    runs, listed = np.zeros((len(blocks), 3), np.int64), 0
    for begin, _, _, times in blocks:
        before = runs[listed - 1]
        if listed and before[1] == begin and before[2] == times and begin + inner - before[0] <= PART:
            before[1] = begin + inner
        else:
            runs[listed] = begin, begin + inner, times
            listed += 1
    found = np.empty((len(copies) - 1, 3), np.int64)
    for i in range(len(found)):
        found[i] = copies[len(found) - i]
    return runs[:listed], found


@njit(cache=True)
def _reach(loops, row, child):
    """How far past its base one iteration of a temporal loop goes in its dim."""
    tile, reach = 1, 0
    for j in range(loops.shape[0]):
        if loops[j, DIM] != loops[row, DIM]:
            continue
        if loops[j, LEVEL] >= child:
            tile *= loops[j, FACTOR]
        elif loops[j, KIND] == 1 or j > row:
            reach += (loops[j, FACTOR] - 1) * loops[j, STEP]
    return reach + tile - 1


@njit(cache=True)
def _alike(row, group, reach, in_plane, size8, axes, base, beside):
    """First and last index of a loop that do alike, its dim and the group's other one being at these bases."""
    dim, step = row[DIM], row[STEP]
    first, last = 1, (size8[dim] - 1 - reach - base) // step
    if in_plane:
        axis, other = axes[group - 4], GROUP_DIMS[group, 0] + GROUP_DIMS[group, 1] - dim
        each, apart = (axis[0], axis[1]) if dim == GROUP_DIMS[group, 0] else (axis[1], axis[0])
        # rows or columns of the plane, whatever the other dim adds
        first = max(first, -((each * base + apart * beside - axis[2]) // (each * step)) + 1)
        furthest = (axis[2] + axis[3] - 1 - apart * (size8[other] - 1)) // each
        last = min(last, (furthest - reach - base) // step)
    return first, min(last, row[FACTOR] - 1)


@njit(cache=True)
def group_rows(
    loops, group, tensor, parent, child, reuse, size8, axes, unicast, merge, on_chip, begin,
    offsets, marks, full, moved, slide,
):  # fmt: skip
    """Tabulate one group of one edge; returns (own loops, combinations).

    Parameters
    ----------
    loops : int64[loop, 5], see DIM .. STEP. reuse : sliding reuse on this edge.
    size8 : int64[8]. axes : int64[2, 4], (stride, dilation, pad, plane) of rows and of columns.
    unicast : uint8[level], this tensor's. merge : uint8[level, 8], foreign dims a network
        multicasts over (inputs) or adds up (psum).
    begin : the first combination; as many are laid down as `full` has room for.
    offsets : int64[3, k, 2] scratch. marks : int64[2, h] scratch, last column 0 at first.

    Fills
    -----
    full : int64[combination, column]; 0 where the combination does not exist.
    moved : int64[2n + 1, combination]: -1 no such carry, else whether the group's tile index moved on the carry
        *into* this combination; row i: own loop i carried, row n + i: a foreign loop did that has i own loops outside.
    slide : int64[2n + 1, combination, column]: words not in the tile before, for ifmap rows and columns.
    """
    own = np.empty(loops.shape[0] + 1, np.int64)
    n, combinations = group_shape(loops, group, child, own)
    slot_of = np.zeros(n + 1, np.int64)
    size = np.ones(2, np.int64)
    tile = np.ones(2, np.int64)
    owned = np.zeros(2, np.int64)
    for a in range(2):
        dim = GROUP_DIMS[group, a]
        if dim >= 0:
            size[a] = size8[dim]
            owned[a] = OWN[tensor, dim]
            for i in range(loops.shape[0]):
                if loops[i, DIM] == dim and loops[i, LEVEL] >= child:
                    tile[a] *= loops[i, FACTOR]
            for i in range(n):
                if loops[own[i], DIM] == dim:
                    slot_of[i] = a
    rows = tensor == IFMAP and group >= 4
    axis = axes[group - 4] if group >= 4 else axes[0]
    base = np.zeros(2, np.int64)
    before = np.zeros(2, np.int64)
    index = np.zeros(n + 1, np.int64)
    crossed = child - parent
    many = min(full.shape[0], combinations - begin)
    moved[: 2 * n + 1, :many] = -1

    for step in range(2 * crossed + 1):
        # even: what fan-out f sends; odd: what is wanted below each instance of level f + 1; last: columns w+1, w+2
        f = parent + step // 2
        if step == 2 * crossed:
            column, column_max = 3 * crossed + 1, 3 * crossed + 2
            if tensor == PSUM:
                low, high = parent, parent
                merge = FOREIGN
            else:
                low, high = parent + 1, parent + 1
        elif step % 2 == 0:
            low, high = f, f + unicast[f]
            column, column_max = 3 * (step // 2), 3 * (step // 2) + 1
        else:
            low, high = f + 1, f + 1
            column = 3 * (step // 2) + 2
            column_max = 3 * crossed if f + 1 == child else -1
        if rows:
            n_inst = spatial_offsets(loops, group, 0, low, child, merge, offsets[0])
            n_sum = spatial_offsets(loops, group, low, high, child, merge, offsets[1])
            n_union = spatial_offsets(loops, group, high, child, child, merge, offsets[2])
            first, end = 0, marks.shape[1] - 1
            if on_chip and parent == 0 and (step == 0 or step == 2 * crossed):
                first, end = axis[2], axis[2] + axis[3]
        else:
            in_all = spatial_extent(loops, group, 0, child, high, merge)
            in_one = spatial_extent(loops, group, low, child, high, merge)
            whole = (tile[0] if owned[0] else 1) * (tile[1] if owned[1] else 1)
            listed = False
        rest = begin
        for i in range(n - 1, -1, -1):
            index[i] = rest % loops[own[i], FACTOR]
            rest //= loops[own[i], FACTOR]
        for c in range(many):
            i = n - 1 if c else -1
            while i >= 0:  # on to the next combination
                index[i] += 1
                if index[i] < loops[own[i], FACTOR]:
                    break
                index[i] = 0
                i -= 1
            base[0] = base[1] = 0
            for i in range(n):
                base[slot_of[i]] += index[i] * loops[own[i], STEP]
            if base[0] >= size[0] or base[1] >= size[1]:
                full[c, column] = 0
                if column_max >= 0:
                    full[c, column_max] = 0
                continue
            if rows:
                total, most = _rows_pass(
                    base, before, False, tile, size, axis, first, end,
                    offsets[0], n_inst, offsets[1], n_sum, offsets[2], n_union, marks,
                )  # fmt: skip
            elif not _is_clipped(base, tile, size, in_all):
                total, most = in_all[0] * whole, in_one[0] * whole
            else:
                if not listed:
                    spatial_offsets(loops, group, 0, child, high, merge, offsets[0])
                    spatial_offsets(loops, group, low, child, high, merge, offsets[1])
                    listed = True
                total = _simple_pass(base, tile, size, owned, offsets[0], in_all[0])
                most = _simple_pass(base, tile, size, owned, offsets[1], in_one[0]) if column_max >= 0 else 0
            full[c, column] = total
            if column_max >= 0:
                full[c, column_max] = most
            if step > 0 and not rows:
                continue  # what moved is known, and there is nothing to slide
            inner_zero = n
            while inner_zero > 0 and index[inner_zero - 1] == 0:
                inner_zero -= 1
            for carry in range(2 * n + 1):
                # which carries lead into this combination, and from where
                if carry < n:
                    if index[carry] == 0 or inner_zero > carry + 1:
                        continue
                    first_inner = carry + 1
                else:
                    first_inner = carry - n
                    if inner_zero > first_inner:
                        continue
                if not owned[0] and not owned[1]:
                    moved[carry, c] = 0
                    continue
                before[0] = base[0]
                before[1] = base[1]
                if carry < n:
                    before[slot_of[carry]] -= loops[own[carry], STEP]
                last_index(loops, own, n, first_inner, slot_of, before, size)
                gone = (owned[0] and before[0] != base[0]) or (owned[1] and before[1] != base[1])
                moved[carry, c] = 1 if gone else 0
                if rows and gone:
                    if reuse:
                        total, most = _rows_pass(
                            base, before, True, tile, size, axis, first, end,
                            offsets[0], n_inst, offsets[1], n_sum, offsets[2], n_union, marks,
                        )  # fmt: skip
                    else:
                        total = full[c, column]
                        most = full[c, column_max] if column_max >= 0 else 0
                    slide[carry, c, column] = total
                    if column_max >= 0:
                        slide[carry, c, column_max] = most
    return n, combinations
