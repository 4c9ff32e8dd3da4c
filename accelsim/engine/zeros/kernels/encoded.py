"""Which words a transfer moves, as lists per axis, and what they take encoded (docs/model.md, "Compression").

The words of a version under one instance are a product of lists of indices, one per axis of the tensor; a list is a
union over the children below that differ along its axis, less what stays if the tile slides along it.
"""

from __future__ import annotations

import numpy as np

from accelsim.engine.nest.kernels.groups import in_group
from accelsim.engine.nest.kernels.records import GROUP_DIMS, IFMAP, OWN
from accelsim.engine.nest.kernels.steps import next_step
from accelsim.engine.zeros.kernels.formats import tile_bits
from accelsim.jit import njit

WHOLE = -1
"""Nothing slides."""


@njit(cache=True)
def version_bases(loops, size8, tensor, child, slides, begin, base_of, before_of, mode):
    """Bases of a stream's tile at the start of every version and one step earlier, and the group that slides, if any.

    loops : int64[loop, 4], (dim, factor, step, level) of the steps. slides : sliding reuse, ifmap only.
    begin : int64[version]. Fills base_of, before_of : int64[version, 8]; mode : int64[version], WHOLE or a group.
    """
    more_bases(
        loops, size8, tensor, child, slides, begin, np.zeros(len(loops), np.int64), np.zeros((3, 8), np.int64),
        np.zeros(1, np.int64), base_of, before_of, mode,
    )  # fmt: skip


@njit(cache=True)
def more_bases(loops, size8, tensor, child, slides, begin, index, bases, step, base_of, before_of, mode):
    """The same of the versions that begin next; index : int64[loop], bases : int64[3, 8] (of the step, of the tile, of
    the tile one step earlier) and step : int64[1] are zeros at first, moved on.
    """
    step_base, base, before = bases[0], bases[1], bases[2]
    v, k, moved_loop = 0, step[0], 0
    while v < len(begin) and moved_loop >= 0:
        if begin[v] == k:
            base_of[v] = base
            before_of[v] = before
            mode[v] = WHOLE
            if k > 0 and slides:
                moved, slider = 0, WHOLE
                for group in range(6):
                    gone = False
                    for dim in range(8):
                        gone = gone or (in_group(dim, group) and OWN[tensor, dim] == 1 and base[dim] != before[dim])
                    if gone:
                        moved += 1
                        slider = group
                if moved == 1 and slider >= 4:
                    mode[v] = slider
            v += 1
        before[:] = base
        k += 1
        moved_loop = next_step(loops, size8, index, step_base)
        base[:] = 0
        for i in range(len(loops)):
            if loops[i, 3] < child:
                base[loops[i, 0]] += index[i] * loops[i, 2]
    step[0] = k


@njit(cache=True)
def _axis_list(rows, group, axis, base, before, slides, inner, number, tile, size8, low, high, marks, out):
    """Indices along one axis of what the children under an instance miss; returns how many.

    rows : an ifmap plane's axis (index = stride * first dim + dilation * second dim). inner : int64[number, 2], offsets
    of the children along the group's two dims. low, high : indices outside are left out. marks : uint8 scratch, 0.
    """
    one, two = GROUP_DIMS[group, 0], GROUP_DIMS[group, 1]
    count = 0
    if not rows:
        for i in range(number):
            first = base[one] + inner[i, 0]
            for value in range(first, min(first + tile[one], size8[one])):
                out[count] = value
                count += 1
        return count
    top = 0
    for i in range(number):
        p, r = base[one] + inner[i, 0], base[two] + inner[i, 1]
        if p >= size8[one] or r >= size8[two]:
            continue
        for a in range(p, min(p + tile[one], size8[one])):
            for b in range(r, min(r + tile[two], size8[two])):
                h = a * axis[0] + b * axis[1]
                if marks[h] == 0:
                    marks[h] = 1
                top = max(top, h + 1)
        if slides:
            # what this very child held stays with it; another child may still miss it (2: wanted by somebody)
            p, r = before[one] + inner[i, 0], before[two] + inner[i, 1]
            for a in range(p, min(p + tile[one], size8[one])):
                for b in range(r, min(r + tile[two], size8[two])):
                    h = a * axis[0] + b * axis[1]
                    if marks[h] == 1:
                        marks[h] = 0
            for h in range(top):
                if marks[h] == 1:
                    marks[h] = 2
    for h in range(top):
        if marks[h]:
            if low <= h < high:
                out[count] = h
                count += 1
            marks[h] = 0
    return count


@njit(cache=True)
def encoded_words(
    tensor, mask, extent, axes, size8, tile, base_of, before_of, mode, chosen, offsets, owner, owners, inner, numbers,
    on_chip, code, channel_axis, word_bits, total, busiest, raw, nonzero,
):  # fmt: skip
    """Words of every version, encoded if chosen, added up over the instances of a level, and for the busiest owner.

    mask : uint8, eight words a byte, the first in the lowest bit; extent : int64[5], its axes. Ifmap indices count from
    the padded plane's corner, and what lies outside is zero.
    chosen : uint8[version], the others stay raw. offsets : int64[instance, 8].
    owner : int64[instance], who sends for it, of `owners`.
    inner : int64[group, child, 2], offsets of the children under an instance; numbers : int64[group].
    on_chip : padding is not moved. code : index of the format.
    Fills total, busiest : int64[version], words moved; raw, nonzero : int64[version], what was encoded.
    """
    longest = 1
    for a in range(2):
        reach = (size8[4 + a] - 1) * axes[a, 0] + (size8[6 + a] - 1) * axes[a, 1] + 1
        longest = max(longest, reach)
    for dim in range(8):
        longest = max(longest, size8[dim])
    lists = np.zeros((6, longest), np.int64)
    counts = np.zeros(6, np.int64)
    marks = np.zeros(longest + 1, np.uint8)
    groups = np.zeros(5, np.int64)
    groups[:] = (0, 1, 3, 4, 5) if tensor == 0 else (1, 2, 3, 4, 5) if tensor == 1 else (0, 1, 2, 4, 5)
    share = np.zeros(owners, np.int64)
    base, before, shape = np.zeros(8, np.int64), np.zeros(8, np.int64), np.zeros(5, np.int64)
    scratch = np.zeros(1024, np.uint8)
    for v in range(len(mode)):
        share[:] = 0
        total[v] = 0
        raw[v] = 0
        nonzero[v] = 0
        known = False
        encoded, words, found = 0, 0, 0
        for i in range(len(offsets)):
            inside, same = True, known
            for dim in range(8):
                if i > 0 and OWN[tensor, dim] == 1:
                    same = same and offsets[i, dim] == offsets[i - 1, dim]
                base[dim] = base_of[v, dim] + offsets[i, dim]
                before[dim] = before_of[v, dim] + offsets[i, dim]
                inside = inside and base[dim] < size8[dim]
            if not inside:
                known = known and same
                continue
            if same:
                # an instance that differs in foreign dims alone moves the words of the one before it
                total[v] += encoded
                share[owner[i]] += encoded
                if chosen[v]:
                    raw[v] += words
                    nonzero[v] += found
                continue
            known = True
            encoded, found = 0, 0
            words = 1
            for a in range(5):
                group = groups[a]
                plane = tensor == IFMAP and group >= 4
                axis = axes[group - 4] if group >= 4 else axes[0]
                low, high = 0, longest
                if plane and on_chip:
                    low, high = axis[2], axis[2] + axis[3]
                if group >= 4 and not plane:
                    # filter taps R, S or ofmap positions P, Q: one dim of the group's two
                    counts[a] = _one_dim(
                        GROUP_DIMS[group, 1 if tensor == 1 else 0], 1 if tensor == 1 else 0,
                        base, inner[group], numbers[group], tile, size8, marks, lists[a],
                    )  # fmt: skip
                else:
                    counts[a] = _axis_list(
                        plane, group, axis, base, before, mode[v] == group, inner[group], numbers[group], tile, size8,
                        low, high, marks, lists[a],
                    )  # fmt: skip
                shape[a] = counts[a]
                words *= counts[a]
            if words == 0:
                continue
            encoded = words
            if not chosen[v]:
                total[v] += words
                share[owner[i]] += words
                continue
            if words > len(scratch):
                scratch = np.zeros(2 * words, np.uint8)
            _gather(tensor, mask, extent, axes, lists, counts, scratch)
            bits, found = tile_bits(code, scratch, shape, channel_axis, word_bits)
            encoded = (bits + word_bits - 1) // word_bits
            total[v] += encoded
            share[owner[i]] += encoded
            raw[v] += words
            nonzero[v] += found
        busiest[v] = share.max()


@njit(cache=True)
def _one_dim(dim, slot, base, inner, number, tile, size8, marks, out):
    """Indices along one dim; children that differ along the group's other dim want the same."""
    count = 0
    for i in range(number):
        first = base[dim] + inner[i, slot]
        for value in range(first, min(first + tile[dim], size8[dim])):
            marks[value] = 1
    for value in range(size8[dim]):
        if marks[value]:
            marks[value] = 0
            out[count] = value
            count += 1
    return count


@njit(cache=True)
def _gather(tensor, mask, extent, axes, lists, counts, out):
    """Lay the product of five lists out in tensor order, a word a byte."""
    at = 0
    top, left = (axes[0, 2], axes[1, 2]) if tensor == IFMAP else (0, 0)
    rows, columns = extent[3], extent[4]
    width = counts[4]
    # columns that lie in the plane, and whether they follow one another
    low, high = 0, width
    while low < width and lists[4, low] < left:
        low += 1
    while high > low and lists[4, high - 1] - left >= columns:
        high -= 1
    run = high > low and lists[4, high - 1] - lists[4, low] == high - 1 - low
    for i in range(counts[0]):
        for j in range(counts[1]):
            for k in range(counts[2]):
                plane = (lists[0, i] * extent[1] + lists[1, j]) * extent[2] + lists[2, k]
                for y in range(counts[3]):
                    h = lists[3, y] - top
                    if h < 0 or h >= rows:
                        out[at : at + width] = 0
                        at += width
                        continue
                    out[at : at + low] = 0
                    out[at + high : at + width] = 0
                    row = (plane * rows + h) * columns - left
                    if run:
                        _unpack(mask, row + lists[4, low], out[at + low : at + high])
                    else:
                        for x in range(low, high):
                            bit = row + lists[4, x]
                            out[at + x] = (mask[bit >> 3] >> (bit & 7)) & 1
                    at += width


@njit(cache=True)
def _unpack(mask, bit, out):
    """Lay bits out from one on, a word a byte."""
    n = len(out)
    x = 0
    while x < n and (bit + x) & 7:
        out[x] = (mask[(bit + x) >> 3] >> ((bit + x) & 7)) & 1
        x += 1
    while x + 8 <= n:
        byte = mask[(bit + x) >> 3]
        for i in range(8):
            out[x + i] = (byte >> i) & 1
        x += 8
    while x < n:
        out[x] = (mask[(bit + x) >> 3] >> ((bit + x) & 7)) & 1
        x += 1
