"""Encoded tiles: every format writes its entries out as a list, and counts their bits."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from accelsim.architecture.model import Format
from accelsim.workload.problem import Tensor

from .nest import Word, Words

Tile = dict[Word, bool]
"""The words of a tile in tensor order, each with whether it is non-zero."""
Entry = tuple[int, bool]
"""A run of zeros (a place, in `csr`) and what follows: a non-zero word, or a zero that only carries the run."""

CHANNEL_AXIS = {Tensor.IFMAP: 2, Tensor.FILTER: 1, Tensor.PSUM: 2}


def lg(x: int) -> int:
    """Bits that tell x things apart."""
    return (x - 1).bit_length()


def rlc_pairs(flags: Iterable[bool]) -> list[Entry]:
    """Run-length code (Chen et al., JSSC 2017): 0..31 zeros and a level; the level of a full run may itself be zero."""
    pairs, run = [], 0
    for nonzero in flags:
        if nonzero:
            pairs.append((run, True))
            run = 0
        elif run == 31:
            pairs.append((31, False))
            run = 0
        else:
            run += 1
    if run:
        pairs.append((run - 1, False))
    return pairs


def csc_entries(vector: Iterable[bool]) -> list[Entry]:
    """One vector of CSC (Chen et al., JETCAS 2019): 0..15 zeros and a word; nothing is written for zeros at the end."""
    entries, run = [], 0
    for nonzero in vector:
        if not nonzero:
            run += 1
            continue
        while run > 15:  # 15 zeros and a placeholder, itself a zero
            entries.append((15, False))
            run -= 16
        entries.append((run, True))
        run = 0
    return entries


def vectors_along(tile: Tile, axis: int) -> dict[Word, list[bool]]:
    """The words of a tile that differ along one axis only, in order."""
    out: dict[Word, list[bool]] = {}
    for word, nonzero in tile.items():
        out.setdefault((*word[:axis], *word[axis + 1 :]), []).append(nonzero)
    return out


def rlc_bits(tile: Tile, word_bits: int) -> int:
    """Three pairs and one bit to a block, whether full or not."""
    pairs = rlc_pairs(tile.values())
    return sum(3 * (5 + word_bits) + 1 for _ in range(0, len(pairs), 3))


def bitmask_bits(tile: Tile, word_bits: int) -> int:
    """A bit for every word, then the non-zero ones."""
    return sum(1 + (word_bits if nonzero else 0) for nonzero in tile.values())


def csc_bits(tile: Tile, word_bits: int, axis: int) -> int:
    """The entries of all vectors, and where each begins and the last ends."""
    vectors = vectors_along(tile, axis)
    entries = [entry for vector in vectors.values() for entry in csc_entries(vector)]
    addresses = [*vectors, "end"]
    return sum(4 + word_bits for _ in entries) + sum(lg(len(tile) + 1) for _ in addresses)


def csr_bits(tile: Tile, word_bits: int) -> int:
    """Rows along the last axis: place and word of what is non-zero, and where each row begins and the last ends."""
    bits = 0
    rows = vectors_along(tile, 4)
    for row in rows.values():
        places = [place for place, nonzero in enumerate(row) if nonzero]
        bits += sum(lg(len(row)) + word_bits for _ in places)
    pointers = [*rows, "end"]
    return bits + sum(lg(len(tile) + 1) for _ in pointers)


def coordinate_bits(tile: Tile, word_bits: int) -> int:
    """Every non-zero word with its place along all axes."""
    place = sum(lg(len({word[axis] for word in tile})) for axis in range(5))
    return sum(place + word_bits for nonzero in tile.values() if nonzero)


def bits_of(form: Format, tensor: Tensor, tile: Tile, word_bits: int) -> int:
    """Bits of a tile, metadata included; an empty one takes none."""
    if not tile:
        return 0
    if form is Format.RLC:
        return rlc_bits(tile, word_bits)
    if form is Format.BITMASK:
        return bitmask_bits(tile, word_bits)
    if form is Format.CSC:
        return csc_bits(tile, word_bits, CHANNEL_AXIS[tensor])
    if form is Format.CSR:
        return csr_bits(tile, word_bits)
    return coordinate_bits(tile, word_bits)


def encoded_words(
    form: Format | None, tensor: Tensor, words: Words, nonzero: Callable[[Tensor, Word], bool], word_bits: int
) -> int:
    """Words a set takes in a format (None: raw), encoded on its own."""
    if form is None:
        return len(words)
    tile = {word: nonzero(tensor, word) for word in sorted(words)}
    box = 1
    for axis in range(5):
        box *= len({word[axis] for word in tile})
    assert box == len(tile) or not tile, "a set that is no box has no axes"
    return -(-bits_of(form, tensor, tile, word_bits) // word_bits)
