"""One group of dims of one edge: its loops, its instances, and where a walk over its combinations has got to."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from accelsim.engine.nest.kernels.records import (
    CHILD,
    DIM,
    FACTOR,
    GROUP_DIMS,
    IFMAP,
    KIND,
    LEVEL,
    OWN,
    PSUM,
    STEP,
    TENSOR,
    Ints,
)
from accelsim.jit import njit, part

FOREIGN = np.repeat(1 - OWN[PSUM : PSUM + 1], 64, axis=0).astype(np.uint8)  # every level adds over every foreign dim


class Group(NamedTuple):
    """One group of dims of one edge, and where a walk over the combinations of its loops has got to.

    own : int64[loop], rows of its `number` temporal loops above the child, outermost first; slot : int64[loop], which
    of the two dims each is over. size, tile, owned : int64[2], of each dim its iterations, those of one tile, and
    whether it indexes the tensor. moves : int64[2], how many of them have words that move; see `Nest.parts`.
    at : int64[loop], indices; base, before : int64[2], here and one iteration earlier. plane : whether the dims are
    rows or columns of an ifmap; axis : (stride, dilation, pad, plane) of these.
    """

    number: int
    own: Ints
    slot: Ints
    size: Ints
    tile: Ints
    owned: Ints
    moves: Ints
    at: Ints
    base: Ints
    before: Ints
    plane: bool
    axis: Ints


class Look(NamedTuple):
    """What one look at all combinations finds: two columns of an edge.

    Instances of levels up to `low` count one by one, those up to `high` are summed, what lies below is united. first,
    end : rows or columns of the plane that count. busiest : a column, or -1.
    """

    column: int
    busiest: int
    low: int
    high: int
    first: int
    end: int


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
def group_shape(loops, group, child, own):
    """(own temporal loops, their combinations) of a group above `child`; fills `own` with loop rows."""
    n = own_loops(loops, group, child, own)
    combinations = 1
    for i in range(n):
        combinations *= loops[own[i], FACTOR]
    return n, combinations


@part
def _lies_apart(loop, group, low, high, merge_from, merge):
    """Whether a loop makes spatial combinations of a group, see `spatial_offsets`."""
    level, dim = loop[LEVEL], loop[DIM]
    if loop[KIND] == 0 or level < low or level >= high or not in_group(dim, group):
        return False
    return level < merge_from or not merge[level, dim]


@part
def spatial_offsets(loops, group, low, high, merge_from, merge, out):
    """(first dim, second dim) offsets of the spatial combinations of levels low <= level < high; returns how many.

    From level `merge_from` inwards, loops with ``merge[level, dim]`` stay at index 0: what lies below them is one
    multicast word, or one sum.
    """
    out[0, 0] = 0
    out[0, 1] = 0
    n = 1
    for i in range(loops.shape[0]):
        if not _lies_apart(loops[i], group, low, high, merge_from, merge):
            continue
        slot = 0 if loops[i, DIM] == GROUP_DIMS[group, 0] else 1
        for f in range(1, loops[i, FACTOR]):
            for j in range(n):
                out[f * n + j, 0] = out[j, 0]
                out[f * n + j, 1] = out[j, 1]
                out[f * n + j, slot] += f * loops[i, STEP]
        n *= loops[i, FACTOR]
    return n


@part
def spatial_extent(loops, group, low, high, merge_from, merge):
    """(how many, the largest first, the largest second dim) of what `spatial_offsets` lists."""
    n, one, two = 1, 0, 0
    for i in range(loops.shape[0]):
        if not _lies_apart(loops[i], group, low, high, merge_from, merge):
            continue
        n *= loops[i, FACTOR]
        if loops[i, DIM] == GROUP_DIMS[group, 0]:
            one += (loops[i, FACTOR] - 1) * loops[i, STEP]
        else:
            two += (loops[i, FACTOR] - 1) * loops[i, STEP]
    return n, one, two


@part
def group_of(nest, edge, group, rows):
    """A group of an edge, before its first combination; it lies in scratch of `rows`."""
    loops, child = nest.loops, edge[CHILD]
    own, slot, at = rows.of_loops[0], rows.of_loops[1], rows.of_loops[2]
    size, tile, owned = rows.of_dims[0], rows.of_dims[1], rows.of_dims[2]
    base, before, moves = rows.of_dims[3], rows.of_dims[4], rows.of_dims[5]
    number = own_loops(loops, group, child, own)
    slot[:number], at[:number] = 0, 0
    size[:], tile[:], owned[:], base[:], before[:], moves[:] = 1, 1, 0, 0, 0, 1
    for a in range(2):
        dim = GROUP_DIMS[group, a]
        if dim < 0:
            continue
        size[a] = nest.bounds[dim]
        moves[a] = size[a]
        owned[a] = OWN[edge[TENSOR], dim]
        if child <= nest.parts[edge[TENSOR], 0] and dim == nest.parts[edge[TENSOR], 1]:
            moves[a] = nest.parts[edge[TENSOR], 2]
        for i in range(loops.shape[0]):
            if loops[i, DIM] == dim and loops[i, LEVEL] >= child:
                tile[a] *= loops[i, FACTOR]
        for i in range(number):
            if loops[own[i], DIM] == dim:
                slot[i] = a
    plane = edge[TENSOR] == IFMAP and group >= 4
    return Group(
        number, own, slot, size, tile, owned, moves, at, base, before, plane, nest.axes[group - 4 if group >= 4 else 0]
    )


@part
def begin_at(one, loops, combination):
    """Go to a combination."""
    for i in range(one.number - 1, -1, -1):
        one.at[i] = combination % loops[one.own[i], FACTOR]
        combination //= loops[one.own[i], FACTOR]
    _lay_base(one, loops)


@part
def step_on(one, loops):
    """Go to the next combination."""
    for i in range(one.number - 1, -1, -1):
        one.at[i] += 1
        if one.at[i] < loops[one.own[i], FACTOR]:
            break
        one.at[i] = 0
    _lay_base(one, loops)


@part
def _lay_base(one, loops):
    one.base[0] = one.base[1] = 0
    for i in range(one.number):
        one.base[one.slot[i]] += one.at[i] * loops[one.own[i], STEP]


@part
def exists(one):
    """Whether the combination begins inside the problem."""
    return one.base[0] < one.size[0] and one.base[1] < one.size[1]


@part
def leads_here(one, carry, inner_zero):
    """Whether a carry leads into this combination (see `records.Rows.moved`).

    inner_zero : the first loop from which on all indices are 0.
    """
    if carry < one.number:
        return one.at[carry] > 0 and inner_zero <= carry + 1
    return inner_zero <= carry - one.number


@part
def moves_tile(one, loops, carry):
    """Whether a carry that leads here moves the tile; then `before` is where from."""
    if one.owned[0] == 0 and one.owned[1] == 0:
        return False
    first_inner = carry + 1 if carry < one.number else carry - one.number
    one.before[0], one.before[1] = one.base[0], one.base[1]
    if carry < one.number:
        one.before[one.slot[carry]] -= loops[one.own[carry], STEP]
    last_index(loops, one.own, one.number, first_inner, one.slot, one.before, one.size)
    return (one.owned[0] and one.before[0] != one.base[0]) or (one.owned[1] and one.before[1] != one.base[1])


@njit(cache=True)
def last_index(loops, own, n, first, slot_of, base, size):
    """Advance `base` to the last existing iteration of the own loops first..n-1."""
    for i in range(first, n):
        row, slot = own[i], slot_of[i]
        index = min(loops[row, FACTOR] - 1, (size[slot] - 1 - base[slot]) // loops[row, STEP])
        base[slot] += index * loops[row, STEP]
