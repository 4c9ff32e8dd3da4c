"""Which rows (or columns) of every tensor a tile of the sink asks for, and which of them are held for later tiles.

One axis at a time: a box is rows times columns. Tensors are numbered in the order they come to be, the inputs first,
the sink last; an operation has the number of the tensor it makes. A tensor that nobody reads is the sink, or a part of
it: channels of one tensor, each with its own maker.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from accelsim.jit import njit

Ints = npt.NDArray[np.int64]

READER, STRIDE, REACH, PAD = range(4)  # columns of an edge
BEGIN, END = 0, 1


class Chain(NamedTuple):
    """One axis of operations that read one another.

    plane : int64[tensor], rows of its plane. first : int64[tensor + 1], where its readers begin among `edges`.
    edges : int64[edge, 4], see READER .. PAD: the reader's tensor, its step, (taps - 1) * dilation + 1, zeros before.
    """

    plane: Ints
    first: Ints
    edges: Ints


@njit(_nrt=False)
def walk(chain, tile, keep, reached, used, made):
    """Fill what each tile of the sink uses and makes of every tensor.

    tile : rows of a tile. keep : uint8[tensor]. reached : int64[tensor], scratch.
    used, made : int64[tile, tensor, 2], filled: begin and end; equal where there is nothing.
    """
    reached[:] = 0
    for i in range(len(used)):
        for tensor in range(len(chain.plane) - 1, -1, -1):
            if chain.first[tensor] == chain.first[tensor + 1]:
                begin, end = i * tile, min((i + 1) * tile, chain.plane[tensor])
                used[i, tensor, BEGIN], used[i, tensor, END] = begin, end
                made[i, tensor, BEGIN], made[i, tensor, END] = begin, end
                continue
            low, high = chain.plane[tensor], -1
            for edge in range(chain.first[tensor], chain.first[tensor + 1]):
                reader = chain.edges[edge, READER]
                begin, end = made[i, reader, BEGIN], made[i, reader, END]
                if begin < end:
                    stride, pad = chain.edges[edge, STRIDE], chain.edges[edge, PAD]
                    low = min(low, max(begin * stride - pad, 0))
                    last = (end - 1) * stride + chain.edges[edge, REACH] - pad
                    high = max(high, min(last, chain.plane[tensor]))
            if high < 0:
                low = high = reached[tensor]
            used[i, tensor, BEGIN], used[i, tensor, END] = low, high
            begin = min(max(low, reached[tensor]), high) if keep[tensor] else low
            made[i, tensor, BEGIN], made[i, tensor, END] = begin, high
            reached[tensor] = max(reached[tensor], high)


@njit(_nrt=False)
def hold(used, plane, wanted, marks, held, touched, seen):
    """Fill, for every tile and tensor but the sink, how many rows lie there once the tile is done.

    wanted : uint8[tensor], whether rows are held at all. marks : int64[3, plane], scratch.
    held : int64[tile, tensor], rows below the largest end so far that a later tile uses.
    touched : rows used in the tile, or held after it. seen : distinct rows used so far.
    """
    tiles = len(used)
    last, born, met = marks[0], marks[1], marks[2]
    for tensor in range(len(plane) - 1):
        size = plane[tensor]
        last[:size] = -1
        met[:size] = 0
        reached, count = 0, 0
        for i in range(tiles):
            begin, end = used[i, tensor, BEGIN], used[i, tensor, END]
            held[i, tensor] = 0
            for row in range(begin, end):
                last[row] = i
                count += 1 - met[row]
                met[row] = 1
            for row in range(reached, end):
                born[row] = i
            reached = max(reached, end)
            seen[i, tensor] = count
        if wanted[tensor]:
            for row in range(reached):
                if last[row] > born[row]:
                    held[born[row], tensor] += 1
                    held[last[row], tensor] -= 1
        for i in range(tiles):
            if i:
                held[i, tensor] += held[i - 1, tensor]
            begin, end = used[i, tensor, BEGIN], used[i, tensor, END]
            twice = 0
            if wanted[tensor]:
                for row in range(begin, end):
                    twice += last[row] > i
            touched[i, tensor] = end - begin + held[i, tensor] - twice


@njit(_nrt=False)
def representatives(made, held, touched, seen, around, chosen):
    """Fill tiles that stand for all others; returns how many.

    Tiles in a row that make, use and hold as many of every tensor differ only in how many rows were seen before, which
    grows by the same step: whatever is linear in it is largest at the first or the last of them.
    around : whether the tiles before and after matter too, two and one. chosen : int64[tile].
    """
    tiles, count, begin = len(made), 0, 0
    for i in range(1, tiles + 1):
        if i < tiles and _alike(made, held, touched, seen, i):
            continue
        for k in range(begin, i):
            near = k == begin or k == i - 1 or (around and (k <= begin + 2 or k >= i - 2))
            if near:
                chosen[count] = k
                count += 1
        begin = i
    return count


@njit(_nrt=False)
def _alike(made, held, touched, seen, i):
    """Whether a tile does what the one before it did, from the same state."""
    for tensor in range(made.shape[1]):
        if made[i, tensor, END] - made[i, tensor, BEGIN] != made[i - 1, tensor, END] - made[i - 1, tensor, BEGIN]:
            return False
    for tensor in range(made.shape[1] - 1):
        if held[i, tensor] != held[i - 1, tensor] or touched[i, tensor] != touched[i - 1, tensor]:
            return False
        before = held[i - 2, tensor] if i > 1 else 0
        if held[i - 1, tensor] != before:
            return False
        earlier = seen[i - 2, tensor] if i > 1 else 0
        if seen[i, tensor] - seen[i - 1, tensor] != seen[i - 1, tensor] - earlier:
            return False
    return True
