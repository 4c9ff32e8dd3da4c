"""The odometer of a nest: from one iteration of some loops to the next that lies in the problem; how many there are."""

from __future__ import annotations

from typing import NamedTuple

from accelsim.engine.nest.kernels.groups import in_group
from accelsim.engine.nest.kernels.records import DIM, FACTOR, GROUPS, KIND, LEVEL, NDIMS, OWN, STEP, Ints
from accelsim.jit import njit, part

WHOLE = -1
"""Nothing slides."""


class Walked(NamedTuple):
    """Where a walk over the steps has got to, and a stream's tile with it; zeros at first.

    loops_at : int64[loop], at : int64[1], the step. bases : int64[3, dim], of the step, of the tile, and of the tile
    one step earlier.
    """

    loops_at: Ints
    at: Ints
    bases: Ints


@njit(cache=True)
def bases_below(loops, dim, kind, end, limit):
    """(how many iterations of a dim's loops of one kind, at levels above `end`, begin below `limit`, the last's base).

    Bases rise from one iteration to the next, for a loop's step is no less than all that lies in it. The base is -1
    where there are none.
    """
    if limit <= 0:
        return 0, -1
    inner = 1
    for i in range(loops.shape[0]):
        if loops[i, DIM] == dim and loops[i, KIND] == kind and loops[i, LEVEL] < end:
            inner *= loops[i, FACTOR]
    number, rest = 1, limit - 1
    for i in range(loops.shape[0]):
        if loops[i, DIM] == dim and loops[i, KIND] == kind and loops[i, LEVEL] < end:
            inner //= loops[i, FACTOR]
            index = min(loops[i, FACTOR] - 1, rest // loops[i, STEP])
            number += index * inner
            rest -= index * loops[i, STEP]
    return number, limit - 1 - rest


@njit(cache=True)
def next_step(loops, bounds, index, base):
    """Move `index` and `base` to the next iteration; returns the loop that moved, -1 after the last.

    loops : int64[loop, >= 3], (dim, factor, step), outermost first. bounds : int64[dim].
    index : int64[>= loop], base : int64[dim], of index 0 at first.
    """
    t = len(loops) - 1
    while t >= 0:
        dim = loops[t, 0]
        if index[t] + 1 < loops[t, 1] and base[dim] + loops[t, 2] < bounds[dim]:
            index[t] += 1
            base[dim] += loops[t, 2]
            return t
        base[dim] -= index[t] * loops[t, 2]
        index[t] = 0
        t -= 1
    return -1


@part
def tile_base(loops, loops_at, child, base):
    """Where the tile at level `child` begins; loops : int64[loop, 4], (dim, factor, step, level) of the steps."""
    for dim in range(NDIMS):
        base[dim] = 0
    for i in range(len(loops)):
        if loops[i, 3] < child:
            base[loops[i, 0]] += loops_at[i] * loops[i, 2]


@part
def next_tile(loops, bounds, child, walked):
    """Go on to the next step, and to the tile there; returns the loop that moved, -1 after the last."""
    for dim in range(NDIMS):
        walked.bases[2, dim] = walked.bases[1, dim]
    walked.at[0] += 1
    moved = next_step(loops, bounds, walked.loops_at, walked.bases[0])
    tile_base(loops, walked.loops_at, child, walked.bases[1])
    return moved


@part
def slider(tensor, base, before):
    """The group of rows or columns along which a tile has slid, if it moved along no other group; else WHOLE."""
    groups, found = 0, WHOLE
    for group in range(GROUPS):
        moved = False
        for dim in range(NDIMS):
            moved = moved or (in_group(dim, group) and OWN[tensor, dim] == 1 and base[dim] != before[dim])
        if moved:
            groups += 1
            found = group
    return found if groups == 1 and found >= 4 else WHOLE
