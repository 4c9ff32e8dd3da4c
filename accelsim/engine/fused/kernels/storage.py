"""Words that a fused group holds in its buffer while each of its operations runs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from accelsim.engine.nest.kernels.intervals import BEGIN, END, READER
from accelsim.jit import njit, part

Ints = npt.NDArray[np.int64]


class Held(NamedTuple):
    """One axis of a group, tile by tile; as `intervals.walk` and `hold` fill it.

    made : int64[tile, tensor, 2]. held, touched, seen : int64[tile, tensor]. keep : uint8[tensor].
    """

    made: Ints
    held: Ints
    touched: Ints
    seen: Ints
    keep: npt.NDArray[np.uint8]


class Words(NamedTuple):
    """What a word of each tensor takes.

    channels : int64[tensor]. width : int64[tensor], of a word that is held. running : int64[tensor], of a word that an
    operation makes, while it runs. inputs : tensors that are fetched; they come first. sink : the sink's first part.
    first, edges : readers of each tensor, see `intervals.Chain`.
    """

    channels: Ints
    width: Ints
    running: Ints
    inputs: int
    sink: int
    first: Ints
    edges: Ints


@part
def size(axis, i, tensor):
    """Rows that tile i makes."""
    return axis.made[i, tensor, END] - axis.made[i, tensor, BEGIN]


@part
def positions_after(rows, columns, i, j, tensor):
    """Words of a channel that lie in the buffer after tile (i, j) for later ones; j = -1: before the row's first."""
    whole = columns.seen[len(columns.seen) - 1, tensor]
    now = rows.held[i, tensor]
    before = rows.held[i - 1, tensor] if i else 0
    if j < 0:
        return before * whole
    seen, overlap = columns.seen[j, tensor], columns.held[j, tensor]
    beside = rows.touched[i, tensor] if columns.keep[tensor] else before
    return now * (seen - overlap) + beside * overlap + before * (whole - seen)


@njit(_nrt=False)
def tensor_in_tile(words, rows, columns, i, j, tensor, found):
    """Fill (before, in use, after, first, last) of a tensor that is no sink: words times width, and operations.

    It counts *before* until operation `first`, *in use* from there to `last`, then *after*. Operations are numbered as
    the tensors they make; last < 0: none makes or reads it in this tile; last < first: none that runs.
    """
    each = words.channels[tensor] * words.width[tensor]
    fresh = size(rows, i, tensor) * size(columns, j, tensor)
    found[0] = each * positions_after(rows, columns, i, j - 1, tensor)
    found[1] = found[0] + each * fresh
    found[2] = each * positions_after(rows, columns, i, j, tensor)
    first, last = -1, -1
    for edge in range(words.first[tensor], words.first[tensor + 1]):
        reader = words.edges[edge, READER]
        if size(rows, i, reader) * size(columns, j, reader) > 0:
            first = reader if first < 0 else min(first, reader)
            last = max(last, reader)
    if words.first[tensor] == words.first[tensor + 1]:
        # a part of the sink leaves with the others
        first, last = tensor, len(words.channels) - 1
    elif fresh > 0 and tensor >= words.inputs:
        first, last = tensor, max(last, tensor)
    elif fresh > 0 and first < 0:
        # the cross of two readers neither of which runs: made for the first of them
        first = words.edges[words.first[tensor], READER]
        for edge in range(words.first[tensor], words.first[tensor + 1]):
            first = min(first, words.edges[edge, READER])
        last = first - 1
    elif fresh == 0:
        first = 0
    found[3], found[4] = first, last


@part
def left_of(words, rows, columns, at, tensor):
    """Words times width that tile `at` makes of a tensor; 0: there is no such tile. Tiles count over all images."""
    wide = len(columns.made)
    if at < 0:
        return 0
    place = at % (len(rows.made) * wide)
    fresh = size(rows, place // wide, tensor) * size(columns, place % wide, tensor)
    return fresh * words.channels[tensor] * words.width[tensor]


@part
def sink_of(words, rows, columns, at):
    """The same of the sink, all its parts."""
    found = 0
    for tensor in range(words.sink, len(words.channels)):
        if words.first[tensor] == words.first[tensor + 1]:
            found += left_of(words, rows, columns, at, tensor)
    return found


@njit(_nrt=False)
def beside(words, rows, columns, at, images, found):
    """Fill what double buffers hold besides: (next tile's fetched words, sink's tile before, the two before).

    at : the tile, counted over all images.
    """
    found[:] = 0
    if at + 1 < images * len(rows.made) * len(columns.made):
        for tensor in range(words.inputs):
            found[0] += left_of(words, rows, columns, at + 1, tensor)
    found[1] = sink_of(words, rows, columns, at - 1)
    found[2] = found[1] + sink_of(words, rows, columns, at - 2)


@njit(_nrt=False)
def most_beside(words, rows, columns, tile, images, scratch, found):
    """Fill the most of any image: (from the pass on that first writes the sink, before it)."""
    many = len(rows.made) * len(columns.made)
    place = tile[0] * len(columns.made) + tile[1]
    found[0] = found[1] = 0
    # a tile has no other neighbours than in one of these images
    for image in (0, 1, 2, images - 2, images - 1):
        if 0 <= image < images and (image == 0 or place < 2 or place == many - 1):
            beside(words, rows, columns, image * many + place, images, scratch)
            found[0] = max(found[0], scratch[0] + scratch[1])
            found[1] = max(found[1], scratch[0] + scratch[2])


@njit(_nrt=False)
def occupied(words, rows, columns, tile, double, images, scratch, curve):
    """Fill what is held while each operation runs in one tile, of all images the most; returns what is held after it.

    Under double buffers a sink that runs first in its tile may wait for the place of the tile before the last, which is
    still there with the last one: that counts as its own, where it is more.

    curve : int64[tensor + 1], by operation; -1: it does not run. scratch : int64[2, 5].
    """
    i, j = tile
    sink, kept = len(words.channels) - 1, 0
    curve[:] = 0
    for tensor in range(sink):
        found = scratch[0]
        tensor_in_tile(words, rows, columns, i, j, tensor, found)
        before, using, after, first, last = found[0], found[1], found[2], found[3], found[4]
        kept += after
        if last < 0:
            curve[0] += after
            continue
        if double and tensor < words.inputs:
            first, last = 0, last if last >= first else -1
        curve[0] += before
        curve[first] += using - before
        curve[last + 1] += after - using
    own, earlier = 0, 0
    if double:
        most_beside(words, rows, columns, tile, images, scratch[0], scratch[1])
        own, earlier = scratch[1, 0], scratch[1, 1]
    for operation in range(1, sink + 1):
        curve[operation] += curve[operation - 1]
    first = True
    for operation in range(sink + 1):
        fresh = size(rows, i, operation) * size(columns, j, operation)
        if operation < words.inputs or fresh == 0:
            curve[operation] = -1
            continue
        # a part of the sink that is not the last is counted as it is held
        part = 0 if operation == sink else fresh * words.channels[operation] * words.width[operation]
        waiting = curve[operation] - part + earlier if double and first and operation == words.sink else 0
        first = False
        running, besides = words.running[operation], own if operation >= words.sink else earlier
        # other words than the last one's were counted as they are held
        wider = running - (0 if operation == sink else words.width[operation])
        curve[operation] = max(waiting, curve[operation] + fresh * words.channels[operation] * wider + besides)
    return kept


@njit(_nrt=False)
def largest(words, rows, columns, chosen_rows, chosen_columns, double, images, scratch, curve, most):
    """Fill the most that is held while each operation runs; returns the most that is held between tiles.

    chosen_rows, chosen_columns : tiles that stand for all. most : int64[tensor].
    """
    kept = 0
    most[:] = 0
    for row in chosen_rows:
        for column in chosen_columns:
            after = occupied(words, rows, columns, (row, column), double, images, scratch, curve)
            kept = max(kept, after)
            for operation in range(len(most)):
                most[operation] = max(most[operation], curve[operation])
    return kept
