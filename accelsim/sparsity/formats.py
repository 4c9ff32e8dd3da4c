"""Formats of compressed tensors bit by bit: what a tile of values is encoded to, and back.

The evaluators need sizes only and take them from the mask; this is what those sizes are the sizes of
(docs/model.md, "Compression").
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from math import prod

import numpy as np
import numpy.typing as npt

from accelsim.architecture.model import Format
from accelsim.errors import AccelsimError

Ints = npt.NDArray[np.int64]
Bits = npt.NDArray[np.uint8]

RLC_RUN = 5
"""Bits of a run of zeros in front of a level (Eyeriss: Chen et al., JSSC 2017)."""
RLC_PAIRS = 3
"""Pairs of run and level in one word; one more bit marks the last word (ibid.: 3 x (5 + 16) + 1 = 64)."""
CSC_RUN = 4
"""Bits of a count of zeros beside a word (Chen et al., JETCAS 2019, section IV)."""


@dataclass(frozen=True)
class Encoded:
    """A tile of values in one of the formats.

    data : the bit stream, most significant bit first, filled up to whole bytes. bits : its length.
    payload : bits of the words that are not zero; the others are metadata.
    """

    format: Format
    shape: tuple[int, ...]
    word_bits: int
    channel_axis: int
    data: bytes
    bits: int
    payload: int

    @property
    def metadata(self) -> int:
        """Bits of runs, masks, addresses, placeholders and of what fills up the last word."""
        return self.bits - self.payload


def encode(format: Format, tile: npt.NDArray[np.integer], word_bits: int, channel_axis: int | None = None) -> Encoded:  # noqa: A002
    """Encode a tile of signed words (two's complement), axes in tensor order.

    Parameters
    ----------
    word_bits : bits of a word, 1 to 64.
    channel_axis : axis along which `csc` has its vectors; by default the third from the end (C of an ifmap
        n g c h w, M of an ofmap n g m p q), or the first of fewer. A filter g m c r s has its vectors along 1.

    Raises
    ------
    AccelsimError : words that are no integers, or do not fit their bits.
    """
    if tile.dtype.kind not in "iub":
        raise AccelsimError(f"words are integers; got an array of {tile.dtype}")
    shape = tile.shape or (1,)
    axis = max(len(shape) - 3, 0) if channel_axis is None else channel_axis % len(shape)
    if not 1 <= word_bits <= 64:
        raise AccelsimError(f"a word of {word_bits} bits cannot be encoded; from 1 to 64 can")
    flat = np.ascontiguousarray(tile, dtype=np.int64).reshape(-1)
    if flat.size and (int(flat.min()) < -(1 << word_bits - 1) or int(flat.max()) >= 1 << word_bits - 1):
        raise AccelsimError(f"values from {flat.min()} to {flat.max()} do not fit signed words of {word_bits} bits")
    nonzeros = int(np.count_nonzero(flat))
    stream = np.concatenate([*_fields(format, flat, shape, word_bits, axis), np.empty(0, np.uint8)])
    data = np.packbits(stream).tobytes()
    return Encoded(format, shape, word_bits, axis, data, stream.size, nonzeros * word_bits)


def decode(encoded: Encoded) -> Ints:
    """The values again, in the tile's shape."""
    shape, b = encoded.shape, encoded.word_bits
    words = prod(shape)
    flat = np.zeros(words, np.int64)
    stream = np.unpackbits(np.frombuffer(encoded.data, np.uint8))[: encoded.bits]
    if words:
        _READERS[encoded.format](stream, flat, shape, b, encoded.channel_axis)
    return flat.reshape(shape)


def sizes(tile: npt.NDArray[np.integer], word_bits: int, channel_axis: int | None = None) -> dict[str, int]:
    """Bits of a tile as it is (`dense`) and in every format, side by side."""
    dense = {"dense": tile.size * word_bits}
    return dense | {str(f): encode(f, tile, word_bits, channel_axis).bits for f in Format}


def lg(x: int) -> int:
    """ceil(log2 x): bits that tell x cases apart; 0 for x <= 1."""
    return max(x - 1, 0).bit_length()


def _fields(format: Format, flat: Ints, shape: tuple[int, ...], b: int, axis: int) -> Iterable[Bits]:  # noqa: A002
    """The pieces of the bit stream, in order."""
    if not flat.size:
        return ()
    at = np.flatnonzero(flat)
    address = lg(flat.size + 1)
    if format is Format.BITMASK:
        return _bits(flat != 0, 1), _bits(flat[at], b)
    if format is Format.COORDINATE:
        columns = [_rows(index, lg(size)) for index, size in zip(np.unravel_index(at, shape), shape, strict=True)]
        return (np.hstack([*columns, _rows(flat[at], b)]).reshape(-1),)
    if format is Format.CSR:
        rows, inside = np.divmod(at, shape[-1])
        pointers = np.searchsorted(rows, np.arange(flat.size // shape[-1] + 1))
        return _bits(pointers, address), np.hstack([_rows(inside, lg(shape[-1])), _rows(flat[at], b)]).reshape(-1)
    if format is Format.CSC:
        vectors = _vectors(flat, shape, axis)
        pairs = [_pairs(vector, CSC_RUN) for vector in vectors]
        pointers = np.cumsum([0, *(runs.size for runs, _ in pairs)])
        entries = [_bits_of_pairs(runs, levels, CSC_RUN, b) for runs, levels in pairs]
        return _bits(pointers, address), *entries
    runs, levels = _pairs(flat, RLC_RUN)
    left = flat.size - int(at[-1]) - 1 if at.size else flat.size
    full, rest = divmod(left, 1 << RLC_RUN)
    ends = np.array([(1 << RLC_RUN) - 1] * full + [rest - 1] * (rest > 0), np.int64)
    fill = -(runs.size + ends.size) % RLC_PAIRS
    runs = np.concatenate([runs, ends, np.zeros(fill, np.int64)])
    levels = np.concatenate([levels, np.zeros(ends.size + fill, np.int64)])
    packed = _bits_of_pairs(runs, levels, RLC_RUN, b).reshape(-1, RLC_PAIRS * (RLC_RUN + b))
    last = np.arange(1, len(packed) + 1) == len(packed)
    return (np.hstack([packed, _rows(last, 1)]).reshape(-1),)


def _pairs(words: Ints, run_bits: int) -> tuple[Ints, Ints]:
    """Runs of zeros and the levels after them, up to the last non-zero word; (longest run, 0) is one zero more."""
    limit = 1 << run_bits
    at = np.flatnonzero(words)
    before = np.diff(at, prepend=-1) - 1
    ends = np.cumsum(before // limit + 1) - 1
    count = int(ends[-1]) + 1 if at.size else 0
    runs, levels = np.full(count, limit - 1, np.int64), np.zeros(count, np.int64)
    runs[ends], levels[ends] = before % limit, words[at]
    return runs, levels


def _vectors(flat: Ints, shape: tuple[int, ...], axis: int) -> Ints:
    """A view or copy as [vector, channel], the vectors in tensor order of the other axes."""
    return np.moveaxis(flat.reshape(shape), axis, -1).reshape(-1, shape[axis])


def _rows(values: npt.NDArray[np.generic], width: int) -> Bits:
    """Bits of each value, [value, width], most significant first; of a negative one, its two's complement."""
    places = np.arange(width, dtype=np.int64)[::-1]
    return ((values.astype(np.int64)[:, None] >> places) & 1).astype(np.uint8)


def _bits(values: npt.NDArray[np.generic], width: int) -> Bits:
    return _rows(values, width).reshape(-1)


def _bits_of_pairs(runs: Ints, levels: Ints, run_bits: int, b: int) -> Bits:
    return np.hstack([_rows(runs, run_bits), _rows(levels, b)]).reshape(-1)


def _values(bits: Bits) -> Ints:
    """Unsigned values of rows of bits."""
    total = np.zeros(len(bits), np.int64)
    for column in bits.T:
        total = (total << 1) | column
    return total


def _signed(bits: Bits) -> Ints:
    """Two's complement values of rows of bits."""
    shift = 64 - bits.shape[1]
    result: Ints = (_values(bits) << shift) >> shift
    return result


def _place(words: Ints, runs: Ints, levels: Ints) -> None:
    """Write each level after its run of zeros; what lies past the end is fill."""
    at = np.cumsum(runs + 1) - 1
    inside = at < words.size
    words[at[inside]] = levels[inside]


def _read_rlc(stream: Bits, flat: Ints, shape: tuple[int, ...], b: int, axis: int) -> None:
    words = stream.reshape(-1, RLC_PAIRS * (RLC_RUN + b) + 1)
    pairs = words[:, :-1].reshape(-1, RLC_RUN + b)
    _place(flat, _values(pairs[:, :RLC_RUN]), _signed(pairs[:, RLC_RUN:]))


def _read_bitmask(stream: Bits, flat: Ints, shape: tuple[int, ...], b: int, axis: int) -> None:
    flat[stream[: flat.size] == 1] = _signed(stream[flat.size :].reshape(-1, b))


def _read_csc(stream: Bits, flat: Ints, shape: tuple[int, ...], b: int, axis: int) -> None:
    vectors = np.zeros((flat.size // shape[axis], shape[axis]), np.int64)
    pointers, entries = _split(stream, len(vectors) + 1, lg(flat.size + 1), CSC_RUN + b)
    for vector, (first, last) in zip(vectors, pairwise(pointers), strict=True):
        own = entries[first:last]
        _place(vector, _values(own[:, :CSC_RUN]), _signed(own[:, CSC_RUN:]))
    others = [size for i, size in enumerate(shape) if i != axis]
    flat[:] = np.moveaxis(vectors.reshape(*others, shape[axis]), -1, axis).reshape(-1)


def _read_csr(stream: Bits, flat: Ints, shape: tuple[int, ...], b: int, axis: int) -> None:
    length = shape[-1]
    pointers, entries = _split(stream, flat.size // length + 1, lg(flat.size + 1), lg(length) + b)
    rows = np.repeat(np.arange(len(pointers) - 1), np.diff(pointers))
    flat[rows * length + _values(entries[:, : lg(length)])] = _signed(entries[:, lg(length) :])


def _read_coordinate(stream: Bits, flat: Ints, shape: tuple[int, ...], b: int, axis: int) -> None:
    widths = [lg(size) for size in shape]
    entries = stream.reshape(-1, sum(widths) + b)
    ends = np.cumsum([0, *widths])
    at = [_values(entries[:, first:last]) for first, last in pairwise(ends)]
    flat.reshape(shape)[tuple(at)] = _signed(entries[:, ends[-1] :])


def _split(stream: Bits, count: int, width: int, entry: int) -> tuple[Ints, Bits]:
    """Addresses in front, then entries [entry, bits]."""
    return _values(stream[: count * width].reshape(count, width)), stream[count * width :].reshape(-1, entry)


_READERS = {
    Format.RLC: _read_rlc,
    Format.BITMASK: _read_bitmask,
    Format.CSC: _read_csc,
    Format.CSR: _read_csr,
    Format.COORDINATE: _read_coordinate,
}
