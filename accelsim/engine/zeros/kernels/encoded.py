"""What transfers take encoded, version by version (docs/model.md, "Compression")."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from accelsim.engine.nest.kernels.records import IFMAP, NDIMS, OWN, Ints
from accelsim.engine.nest.kernels.steps import WHOLE, next_tile, slider
from accelsim.engine.zeros.kernels.formats import tile_bits
from accelsim.engine.zeros.kernels.lists import list_words, stand_at
from accelsim.jit import njit


class Bases(NamedTuple):
    """Where the tile of every version begins; base, before : int64[version, dim], there, and one step earlier.

    along : int64[version], the group of dims along which the tile slides, or WHOLE.
    """

    base: Ints
    before: Ints
    along: Ints


class Mask(NamedTuple):
    """A tensor's words that are not zero. extent : int64[5], its axes.

    bits : uint8, eight words a byte, the first in the lowest bit. Ifmap indices count from the padded plane's corner,
    and what lies outside is zero.
    """

    bits: npt.NDArray[np.uint8]
    extent: Ints


class Senders(NamedTuple):
    """The instances of a level. offsets : int64[instance, dim]; owner : int64[instance], who of `owners` sends."""

    offsets: Ints
    owner: Ints
    owners: int


class Code(NamedTuple):
    """An encoding: the index of its format, the axis of channels, and the bits of a word."""

    format: int
    channel_axis: int
    word_bits: int


class Sizes(NamedTuple):
    """Words of every version, int64[version]: added up over instances, of the busiest owner, and of what was encoded
    those before encoding and those that are not zero.
    """

    total: Ints
    busiest: Ints
    raw: Ints
    nonzero: Ints


@njit(cache=True, _nrt=False)
def follow(loops, bounds, tensor, child, slides, begin, walked, bases):
    """Tell the bases of the versions that begin next, at the steps int64[version].

    loops : int64[loop, 4], (dim, factor, step, level) of the steps. slides : sliding reuse, ifmap only.
    """
    v, moved = 0, 0
    while v < len(begin) and moved >= 0:
        if begin[v] == walked.at[0]:
            for dim in range(NDIMS):
                bases.base[v, dim], bases.before[v, dim] = walked.bases[1, dim], walked.bases[2, dim]
            along = walked.at[0] > 0 and slides
            bases.along[v] = slider(tensor, walked.bases[1], walked.bases[2]) if along else WHOLE
            v += 1
        moved = next_tile(loops, bounds, child, walked)


@njit(cache=True)
def encoded_words(one, bases, mask, senders, code, chosen, room, sizes):
    """Words of every version, encoded if chosen : uint8[version], the others stay raw. Fills `sizes`."""
    share = np.zeros(senders.owners, np.int64)
    scratch = np.zeros(1024, np.uint8)
    for v in range(len(bases.along)):
        share[:] = 0
        sizes.total[v] = sizes.busiest[v] = sizes.raw[v] = sizes.nonzero[v] = 0
        known = False
        encoded, words, found = 0, 0, 0
        for i in range(len(senders.offsets)):
            for dim in range(NDIMS):
                if i > 0 and OWN[one.tensor, dim] == 1:
                    known = known and senders.offsets[i, dim] == senders.offsets[i - 1, dim]
            if not stand_at(senders.offsets[i], bases.base[v], bases.before[v], one.bounds, room):
                continue
            # an instance that differs in foreign dims alone moves the words of the one before it
            if not known:
                known = True
                words = list_words(one, bases.along[v], room)
                encoded, found = words, 0
                if chosen[v] and words > 0:
                    if words > len(scratch):
                        scratch = np.zeros(2 * words, np.uint8)
                    _gather(one, mask, room, scratch)
                    bits, found = tile_bits(code.format, scratch, room.counts[:5], code.channel_axis, code.word_bits)
                    encoded = (bits + code.word_bits - 1) // code.word_bits
            sizes.total[v] += encoded
            share[senders.owner[i]] += encoded
            if chosen[v]:
                sizes.raw[v] += words
                sizes.nonzero[v] += found
        for words in share:
            sizes.busiest[v] = max(sizes.busiest[v], words)


@njit(cache=True)
def _gather(one, mask, room, out):
    """Lay the product of five lists out in tensor order, a word a byte."""
    lists, counts, extent = room.lists, room.counts, mask.extent
    top, left = (one.axes[0, 2], one.axes[1, 2]) if one.tensor == IFMAP else (0, 0)
    at, rows, columns = 0, extent[3], extent[4]
    width = counts[4]
    if _whole(lists[3], counts[3], top, rows) and _whole(lists[4], width, left, columns):
        _gather_planes(lists, counts, mask, out)
        return
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
                        _unpack(mask.bits, row + lists[4, low], out[at + low : at + high])
                    else:
                        for x in range(low, high):
                            bit = row + lists[4, x]
                            out[at + x] = (mask.bits[bit >> 3] >> (bit & 7)) & 1
                    at += width


@njit(cache=True)
def _whole(indices, count, first, extent):
    """Whether a list in rising order is all of an axis, whose indices begin with `first`."""
    return count == extent and extent > 0 and indices[0] == first and indices[count - 1] == first + extent - 1


@njit(cache=True)
def _gather_planes(lists, counts, mask, out):
    """The same where all of each plane is listed: planes that follow one another are one run of bits."""
    extent = mask.extent
    size, planes, runs = extent[3] * extent[4], counts[2], counts[2]
    if planes > 0 and lists[2, planes - 1] - lists[2, 0] == planes - 1:
        size, runs = size * planes, 1
    at = 0
    for i in range(counts[0]):
        for j in range(counts[1]):
            row = (lists[0, i] * extent[1] + lists[1, j]) * extent[2]
            for k in range(runs):
                bit = (row + lists[2, k]) * extent[3] * extent[4]
                if size < 16:
                    # a call costs more than such a run
                    for x in range(bit, bit + size):
                        out[at + x - bit] = (mask.bits[x >> 3] >> (x & 7)) & 1
                else:
                    _unpack(mask.bits, bit, out[at : at + size])
                at += size


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
