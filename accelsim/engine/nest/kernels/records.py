"""What the kernels of counting read, one record per idea; they are passed whole.

A tensor's tile is a box: its words are a product over six groups of dims, (N,WB), G, (M,IB), C, (P,R) and (Q,S). No
tensor has both N and WB, or both M and IB: slices add no factor of their own.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

IFMAP, FILTER, PSUM, BIAS = 0, 1, 2, 3  # a bias has words, but no versions of its own: it comes with a psum tile
DIM, FACTOR, KIND, LEVEL, STEP = 0, 1, 2, 3, 4  # columns of a loop row; KIND: 0 temporal, 1 spatial
TENSOR, PARENT, CHILD, OPERAND, REUSE = range(5)  # columns of an edge
GROUPS = 6
RUNS = 4  # the dim P, which counts runs of pixels
# of a psum tile that comes in: it has nothing to read; what an earlier body drained; the same, and its parent's tile
# has been away since and come back
FRESH, EARLIER, AWAY = -2, -3, -4
PART = 1 << 10  # combinations of a group tabulated at a time
NDIMS = 10
GROUP_DIMS = np.array([[0, 9], [1, -1], [2, 8], [3, -1], [4, 6], [5, 7]], dtype=np.int64)
# OWN[tensor, dim]: whether the dim indexes the tensor
OWN = np.array(
    [
        [1, 1, 0, 1, 1, 1, 1, 1, 1, 0],
        [0, 1, 1, 1, 0, 0, 1, 1, 0, 1],
        [1, 1, 1, 0, 1, 1, 0, 0, 0, 0],
        [0, 1, 1, 0, 0, 0, 0, 0, 0, 0],
    ],
    dtype=np.int64,
)


class Nest(NamedTuple):
    """One loop nest of one layer on one machine.

    loops : int64[loop, 5], see DIM .. STEP. bounds : int64[dim]. axes : int64[2, 4], (stride, dilation, pad, plane) of
    rows and of columns. unicast : uint8[tensor, level]. merge : uint8[tensor, level, dim], foreign dims a network
    multicasts over (inputs) or adds up (psum). on_chip : whether padding is made on the chip.
    ends : int64[run + 1], outputs before each run of pixels, which P counts; int64[0]: P counts rows of outputs. held :
    int64[6], the level down to which the ifmap of runs lies as planes, (rows, columns) of it, and without padding; the
    first level inside a PE. parts : int64[4, 3], of each tensor the level where some of its channels live, their dim,
    and the first of them: words of it and those behind move neither into that level from outside nor out of it.
    """

    loops: Ints
    bounds: Ints
    axes: Ints
    unicast: npt.NDArray[np.uint8]
    merge: npt.NDArray[np.uint8]
    on_chip: bool
    levels: int
    ends: Ints
    held: Ints
    parts: Ints


class Rows(NamedTuple):
    """Room for combinations of one group's loops, and what is found of them (`tiles.group_rows`).

    offsets : int64[3, instance, 2], of instances apart, summed and united, `listed` int64[3] of them; -1: not listed.
    marks : int64[2, index], scratch, 0 at first.
    full : int64[combination, column], words of the whole tile; 0 where the combination does not exist.
    moved : int64[carry, combination]: -1 no such carry, else whether the group's tile index moved on the carry *into*
        this combination; row i: own loop i carried, row n + i: a foreign loop did that has i own loops outside.
    slide : int64[carry, combination, column]: words not in the tile before, for ifmap rows and columns.
    of_loops : int64[3, loop], of_dims : int64[6, 2], scratch of `groups.group_of`.
    """

    offsets: Ints
    listed: Ints
    marks: Ints
    full: Ints
    moved: Ints
    slide: Ints
    of_loops: Ints
    of_dims: Ints
