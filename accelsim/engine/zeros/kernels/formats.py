"""Bits of one encoded tile, from its mask alone (docs/model.md, "Compression")."""

from __future__ import annotations

import numpy as np

from accelsim.jit import njit

RLC, BITMASK, CSC, CSR, COORDINATE = range(5)
"""In the order of `accelsim.architecture.model.Format`."""

RLC_RUN = 5
RLC_PAIRS = 3
CSC_RUN = 4

# eight words of a mask (bytes, 0 or 1) as one byte: word i of the eight at bit i
SPREAD = np.uint64(0x0102040810204080)
_EIGHT = (np.arange(256)[:, None] >> np.arange(8)) & 1
LEADING = np.array([8 if not row.any() else int(row.argmax()) for row in _EIGHT], np.int64)
TRAILING = np.array([8 if not row.any() else int(row[::-1].argmax()) for row in _EIGHT], np.int64)
ONES = _EIGHT.sum(axis=1).astype(np.int64)


@njit(cache=True)
def lg(x):
    """ceil(log2 x) of an integer; 0 for x <= 1."""
    bits = 0
    while (1 << bits) < x:
        bits += 1
    return bits


@njit(cache=True)
def nonzeros_of(tile, words):
    """Ones among the first `words` of a mask."""
    total = 0
    for i in range(words):
        total += tile[i]
    return total


@njit(cache=True)
def rlc_pairs(tile, words):
    """(pairs, non-zeros) of the first `words` of a mask, every 32 zeros run over one (31, 0) pair.

    Eight words at a time: a run of 32 can end only at the first non-zero of eight.
    """
    pairs, ones, run = 0, 0, 0
    eights = words >> 3
    if eights > 0:
        wide = tile[: eights << 3].view(np.uint64)
        for i in range(eights):
            byte = (wide[i] * SPREAD) >> np.uint64(56)
            if byte == 0:
                run += 8
            else:
                pairs += (run + LEADING[byte]) >> RLC_RUN
                ones += ONES[byte]
                run = TRAILING[byte]
    for i in range(eights << 3, words):
        if tile[i]:
            pairs += run >> RLC_RUN
            ones += 1
            run = 0
        else:
            run += 1
    return pairs + ones + ((run + (1 << RLC_RUN) - 1) >> RLC_RUN), ones


@njit(cache=True)
def csc_placeholders(tile, outer, channels, inner):
    """Placeholders of the vectors tile[o, :, i]: one per 16 zeros run over before a non-zero of the vector."""
    total = 0
    if channels <= 1 << CSC_RUN:
        return total
    for o in range(outer):
        for i in range(inner):
            run = 0
            at = o * channels * inner + i
            for _ in range(channels):
                one = 1 if tile[at] else 0
                # no branch: a mask of half zeros would be mispredicted at every other word
                total += (run >> CSC_RUN) & -one
                run = (run + 1) & (one - 1)
                at += inner
    return total


@njit(cache=True)
def tile_bits(code, tile, shape, channel_axis, word_bits):
    """(bits, non-zeros) of a tile encoded on its own; (0, 0) of an empty one.

    code : index into tuple(Format). tile : uint8, contiguous mask (0 or 1) in tensor order; only the first
    product(shape) entries count. shape : int64[5]. channel_axis : axis of csc's vectors (ifmap and psum 2, filter 1).
    """
    words = 1
    for axis in range(shape.shape[0]):
        words *= shape[axis]
    if words <= 0:
        return 0, 0
    if code == RLC:
        pairs, ones = rlc_pairs(tile, words)
        return (pairs + RLC_PAIRS - 1) // RLC_PAIRS * (RLC_PAIRS * (RLC_RUN + word_bits) + 1), ones
    ones = nonzeros_of(tile, words)
    if code == BITMASK:
        return words + ones * word_bits, ones
    if code == CSC:
        outer = 1
        for axis in range(channel_axis):
            outer *= shape[axis]
        channels = shape[channel_axis]
        inner = words // (outer * channels)
        entries = ones + csc_placeholders(tile, outer, channels, inner)
        return entries * (CSC_RUN + word_bits) + (outer * inner + 1) * lg(words + 1), ones
    if code == CSR:
        length = shape[shape.shape[0] - 1]
        return ones * (lg(length) + word_bits) + (words // length + 1) * lg(words + 1), ones
    address = 0
    for axis in range(shape.shape[0]):
        address += lg(shape[axis])
    return ones * (word_bits + address), ones
