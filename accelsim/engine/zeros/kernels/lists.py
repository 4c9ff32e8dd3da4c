"""Which words a transfer moves, as a list of indices along each axis of the tensor.

The words of a version under one instance are the product of these lists; a list is a union over the children below that
differ along its axis, less what stays if the tile slides along it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from accelsim.engine.nest.kernels.records import GROUP_DIMS, IFMAP, NDIMS, PSUM, Ints
from accelsim.jit import njit, part

AXES = np.array([[0, 1, 3, 4, 5], [1, 2, 3, 4, 5], [0, 1, 2, 4, 5]], np.int64)
"""Groups of dims along each tensor's axes."""
C = 3
SLICED = np.array([[2, 8, 2], [2, 9, 0], [-1, 8, 2]], np.int64)
"""Of each tensor the axis whose indices its slices multiply, and the dim and the group of these; -1: it has none."""


class Tiles(NamedTuple):
    """A stream's tiles, and the children that want them.

    tile : int64[dim], their size. inner : int64[group, child, 2], offsets of the children under an instance along the
    two dims of each group; numbers : int64[group], how many. bounds, axes : see `Program`. hidden : padding is not
    moved.
    """

    tensor: int
    tile: Ints
    inner: Ints
    numbers: Ints
    bounds: Ints
    axes: Ints
    hidden: bool


class Lists(NamedTuple):
    """Room for the words of one transfer.

    lists : int64[axis + 1, ..], indices along each axis, ifmap rows and columns from the padded plane's corner on, and
    room for those of slices; counts : int64[axis + 1], how many. base, before : int64[dim], where the tile begins under
    the instance at hand, and where one step earlier. marks : uint8[index + 1], scratch, zeros.
    """

    lists: Ints
    counts: Ints
    base: Ints
    before: Ints
    marks: npt.NDArray[np.uint8]


@part
def stand_at(offsets, base, before, bounds, room):
    """Go to the instance at some offsets of a tile; whether the tile begins inside the problem there."""
    inside = True
    for dim in range(NDIMS):
        room.base[dim] = base[dim] + offsets[dim]
        room.before[dim] = before[dim] + offsets[dim]
        inside = inside and room.base[dim] < bounds[dim]
    return inside


@njit(cache=True, _nrt=False)
def list_words(one, along, room):
    """List what the children under the instance at hand miss; returns how many words.

    along : the group along which the tile slides, or WHOLE.
    """
    words = 1
    for a in range(5):
        group = AXES[one.tensor, a]
        if group < 4 and (GROUP_DIMS[group, 1] < 0 or one.bounds[GROUP_DIMS[group, 1]] == 1):
            _list_dim(a, group, 0, one, room)
        elif group < 4:
            _list_taps(a, group, 0, one, room)
        elif one.tensor == IFMAP:
            _list_plane(a, group, along == group, one, room)
        else:
            # filter taps R, S or ofmap positions P, Q: one dim of the group's two
            _list_taps(a, group, 0 if one.tensor == PSUM else 1, one, room)
        if a == SLICED[one.tensor, 0] and one.bounds[SLICED[one.tensor, 1]] > 1:
            _list_slices(a, SLICED[one.tensor, 2], one, room)
        words *= room.counts[a]
    return words


@part
def _list_dim(a, group, slot, one, room):
    """Along a dim alone in its group: children follow one another, but for those past the other dim's end."""
    dim, other, count = GROUP_DIMS[group, slot], GROUP_DIMS[group, 1 - slot], 0
    for i in range(one.numbers[group]):
        if other >= 0 and room.base[other] + one.inner[group, i, 1 - slot] >= one.bounds[other]:
            continue
        first = room.base[dim] + one.inner[group, i, slot]
        for value in range(first, min(first + one.tile[dim], one.bounds[dim])):
            room.lists[a, count] = value
            count += 1
    room.counts[a] = count


@part
def _list_taps(a, group, slot, one, room):
    """Along one dim of two: children that differ along the other want the same."""
    dim, marks = GROUP_DIMS[group, slot], room.marks
    for i in range(one.numbers[group]):
        first = room.base[dim] + one.inner[group, i, slot]
        for value in range(first, min(first + one.tile[dim], one.bounds[dim])):
            marks[value] = 1
    count = 0
    for value in range(one.bounds[dim]):
        if marks[value]:
            marks[value] = 0
            room.lists[a, count] = value
            count += 1
    room.counts[a] = count


@part
def _list_slices(a, group, one, room):
    """Channels, slice after slice: index = slice * channels + channel."""
    _list_taps(5, group, 1, one, room)
    channels, wide = room.counts[a], one.bounds[C]
    for k in range(room.counts[5] - 1, -1, -1):
        for i in range(channels):
            room.lists[a, k * channels + i] = room.lists[5, k] * wide + room.lists[a, i]
    room.counts[a] = channels * room.counts[5]


@part
def _list_plane(a, group, slides, one, room):
    """Along the rows or columns of an ifmap: index = stride * first dim + dilation * second dim."""
    dim, tap, marks, axis = GROUP_DIMS[group, 0], GROUP_DIMS[group, 1], room.marks, one.axes[group - 4]
    top = 0
    for i in range(one.numbers[group]):
        p, r = room.base[dim] + one.inner[group, i, 0], room.base[tap] + one.inner[group, i, 1]
        if p >= one.bounds[dim] or r >= one.bounds[tap]:
            continue
        for y in range(p, min(p + one.tile[dim], one.bounds[dim])):
            for b in range(r, min(r + one.tile[tap], one.bounds[tap])):
                h = y * axis[0] + b * axis[1]
                if marks[h] == 0:
                    marks[h] = 1
                top = max(top, h + 1)
        if slides:
            # what this very child held stays with it; another child may still miss it (2: wanted by somebody)
            p, r = room.before[dim] + one.inner[group, i, 0], room.before[tap] + one.inner[group, i, 1]
            for y in range(p, min(p + one.tile[dim], one.bounds[dim])):
                for b in range(r, min(r + one.tile[tap], one.bounds[tap])):
                    h = y * axis[0] + b * axis[1]
                    if marks[h] == 1:
                        marks[h] = 0
            for h in range(top):
                if marks[h] == 1:
                    marks[h] = 2
    low = axis[2] if one.hidden else 0
    high = low + axis[3] if one.hidden else top
    count = 0
    for h in range(top):
        if marks[h]:
            if low <= h < high:
                room.lists[a, count] = h
                count += 1
            marks[h] = 0
    room.counts[a] = count
