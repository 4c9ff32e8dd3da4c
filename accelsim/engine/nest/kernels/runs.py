"""Which combinations of a group's loops do alike, so that one of them stands for all."""

from __future__ import annotations

import numpy as np

from accelsim.engine.nest.kernels.groups import group_shape
from accelsim.engine.nest.kernels.records import (
    CHILD,
    DIM,
    FACTOR,
    GROUP_DIMS,
    IFMAP,
    KIND,
    LEVEL,
    PARENT,
    PART,
    STEP,
    TENSOR,
)
from accelsim.jit import njit, part

LISTED = 64  # combinations tabulated without a look at which do alike


@part
def in_one(nest, edge, group, own):
    """(own loops of a group above `child`, their combinations); 0 combinations where `runs_of` is to list them."""
    n, combinations = group_shape(nest.loops, group, edge[CHILD], own)
    return n, combinations if combinations <= LISTED else 0


@njit(cache=True)
def runs_of(nest, edge, group):
    """Which combinations of a group above `child` have rows (`group_rows`) that may differ from all others.

    Iterations of a loop do alike as long as neither they nor the one before reach past the problem, or what moves of
    it, or, of ifmap rows and columns on their way from the outermost level, the plane: one of them stands for all.

    Returns
    -------
    runs : int64[run, 3], (first, end, times), rising, none longer than PART; copies : int64[copy, 3], (first,
        combinations, times): what follows one after the other is like the first, copies within a copy being listed
        before it.
    """
    loops, child = nest.loops, edge[CHILD]
    own = np.empty(loops.shape[0] + 1, np.int64)
    n, inner = group_shape(loops, group, child, own)
    apart = group == 4 and nest.ends.shape[0] > 0  # runs of pixels are of any length
    if inner <= LISTED or apart:
        whole = np.ones(((inner - 1) // PART + 1, 3), np.int64)
        for i in range(whole.shape[0]):
            whole[i, 0], whole[i, 1] = i * PART, min((i + 1) * PART, inner)
        return whole, np.empty((0, 3), np.int64)
    in_plane = nest.on_chip and edge[PARENT] == 0 and edge[TENSOR] == IFMAP and group >= 4
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
            first, last = _alike(nest, row, group, reach, in_plane, base, beside)
            if child <= nest.parts[edge[TENSOR], 0] and row[DIM] == nest.parts[edge[TENSOR], 1]:
                last = min(last, (nest.parts[edge[TENSOR], 2] - 1 - reach - base) // row[STEP])
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
def _alike(nest, row, group, reach, in_plane, base, beside):
    """First and last index of a loop that do alike, its dim and the group's other one being at these bases."""
    dim, step = row[DIM], row[STEP]
    first, last = 1, (nest.bounds[dim] - 1 - reach - base) // step
    if in_plane:
        axis, other = nest.axes[group - 4], GROUP_DIMS[group, 0] + GROUP_DIMS[group, 1] - dim
        each, apart = (axis[0], axis[1]) if dim == GROUP_DIMS[group, 0] else (axis[1], axis[0])
        # rows or columns of the plane, whatever the other dim adds
        first = max(first, -((each * base + apart * beside - axis[2]) // (each * step)) + 1)
        furthest = (axis[2] + axis[3] - 1 - apart * (nest.bounds[other] - 1)) // each
        last = min(last, (furthest - reach - base) // step)
    return first, min(last, row[FACTOR] - 1)
