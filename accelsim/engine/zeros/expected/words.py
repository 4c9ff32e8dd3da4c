"""Encoded words of a transfer on average, padding among its words (docs/model.md, "Compression")."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from accelsim.architecture.model import Format
from accelsim.engine.zeros.expected.transfers import Shape, lengths, stored
from accelsim.sparsity.expected import Law, encoded_words
from accelsim.sparsity.formats import CSC_RUN, RLC_PAIRS, RLC_RUN

SMALL = 1e-9
"""Pairs that may be missing from a mean: runs of zeros so long that they hardly occur."""


@lru_cache(maxsize=4096)
def transfer_words(format: Format, shape: Shape, word_bits: int, channel_axis: int, law: Law) -> float:  # noqa: A002
    """E[ceil(bits / word bits)] of one transfer.

    As exact as `expected.encoded_words` without padding. With it the mean of bits is exact too, padding lying where it
    lies (a run of zeros goes on through it); only what rounding up to whole words adds is taken from a transfer whose
    words are all non-zero with the same probability: less than one word off (`rlc`: and 2/3 of a group of pairs).
    """
    sizes, here = lengths(shape), stored(shape)
    words = int(np.prod(sizes, dtype=object))
    if here == words or not words:
        return encoded_words(format, sizes, word_bits, channel_axis, law)
    even = Law(words, None, here * law.probability / words)
    found = encoded_words(format, sizes, word_bits, channel_axis, even)
    if format is Format.RLC:
        slope = (RLC_PAIRS * (RLC_RUN + word_bits) + 1) / RLC_PAIRS
        found += slope / word_bits * (pairs(_pattern(shape), law, RLC_RUN, True) - _even_pairs(words, even, RLC_RUN))
    elif format is Format.CSC:
        vector = np.ones(sizes[channel_axis], np.int64)
        entries = here // vector.size * pairs(vector, law, CSC_RUN, False)
        entries -= words // vector.size * pairs(vector, even, CSC_RUN, False)
        found += (CSC_RUN + word_bits) / word_bits * entries
    return found


def pairs(pattern: npt.NDArray[np.int64], law: Law, run_bits: int, ends: bool) -> float:
    """E[non-zeros + fillers] of a row of words, 0 in `pattern` where one is padding; as `expected` has it without.

    A j-th filler goes with each non-zero in front of which at least j 2^run_bits words of the row are zero; with `ends`
    the zeros left at the end take one for every 2^run_bits of them begun.
    """
    before = np.concatenate([[0], np.cumsum(pattern)])
    at = np.flatnonzero(pattern)
    limit, total = 1 << run_bits, at.size * law.probability
    first, empty = law.first(int(at.size)), law.empty(int(at.size))
    for run in range(limit, pattern.size, limit):
        reached = at[at >= run]
        more = float(first[before[reached] - before[reached - run]].sum())
        total += more
        # every further filler of a word is rarer than this one
        if more * pattern.size < SMALL * limit:
            break
    if ends:
        total += float(empty[before[-1] - before[pattern.size - 1 :: -limit]].sum())
    return total


@lru_cache(maxsize=4096)
def _even_pairs(words: int, law: Law, run_bits: int) -> float:
    return pairs(np.ones(words, np.int64), law, run_bits, True)


def _pattern(shape: Shape) -> npt.NDArray[np.int64]:
    """1 for each word that is stored, 0 for padding, in tensor order; the plane's axes are the last two."""
    sizes = lengths(shape)
    rows, columns = (
        np.ones(axis, np.int64) if isinstance(axis, int) else np.frombuffer(axis, np.uint8).astype(np.int64)
        for axis in shape[-2:]
    )
    return np.tile(np.outer(rows, columns).reshape(-1), int(np.prod(sizes[:-2])))
