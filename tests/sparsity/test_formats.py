"""Encoders and decoders: exact round trips, and sizes worked out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.architecture.model import Format
from accelsim.errors import AccelsimError
from accelsim.sparsity.formats import decode, encode, sizes

RUNS = (0, 1, 15, 16, 17, 31, 32, 33, 64)


def line(*runs: int, end: int = 0, value: int = 7) -> np.ndarray:
    """A row of words: before each `value` a run of zeros, `end` zeros at last."""
    return np.array([word for run in runs for word in [0] * run + [value]] + [0] * end, np.int64)


@st.composite
def tiles(draw):
    word_bits = draw(st.sampled_from((8, 16)))
    low, high = -(1 << word_bits - 1), (1 << word_bits - 1) - 1
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    if draw(st.booleans()):
        runs = draw(st.lists(st.sampled_from(RUNS), max_size=6))
        tile = line(*runs, end=draw(st.sampled_from(RUNS)))
        shape = (tile.size,) if draw(st.booleans()) else (1, 1, tile.size, 1, 1)
    else:
        shape = tuple(draw(st.lists(st.integers(1, 6), min_size=1, max_size=5)))
        tile = (rng.random(int(np.prod(shape))) < draw(st.sampled_from((0, 0.02, 0.3, 0.8, 1)))).astype(np.int64)
    values = rng.integers(low, high, tile.size, endpoint=True)
    values[values == 0] = low
    values[rng.random(tile.size) < 0.2] = draw(st.sampled_from((low, high, -1, 1)))
    return np.where(tile != 0, values, 0).reshape(shape), word_bits


@given(drawn=tiles(), data=st.data())
@settings(max_examples=200, deadline=None)
def test_round_trip(drawn, data):
    tile, word_bits = drawn
    axis = data.draw(st.one_of(st.none(), st.integers(0, tile.ndim - 1)))
    for f in Format:
        encoded = encode(f, tile, word_bits, axis)
        np.testing.assert_array_equal(decode(encoded), tile, err_msg=f)
        assert encoded.payload == np.count_nonzero(tile) * word_bits
        assert len(encoded.data) == -(-encoded.bits // 8)
        assert encoded.metadata == encoded.bits - encoded.payload >= 0


@pytest.mark.parametrize(
    ("tile", "pairs"),
    [
        (line(0), 1),
        (line(31), 1),
        (line(32), 2),
        (line(33), 2),
        (line(63), 2),
        (line(64), 3),
        (line(0, end=1), 2),
        (line(0, end=32), 2),
        (line(0, end=33), 3),
        (np.zeros(32, np.int64), 1),
        (np.zeros(64, np.int64), 2),
        (np.zeros(97, np.int64), 4),
    ],
)
def test_rlc_pairs_by_hand(tile, pairs):
    """Three pairs of 5 + 16 bits and the last bit make 64 (Chen et al., JSSC 2017)."""
    assert encode(Format.RLC, tile, 16).bits == -(-pairs // 3) * 64


def test_rlc_words_by_hand():
    # (2, -1) (31, 0) (0, 5) | (1, 0) and fill; the last bit only in the second word
    tile = np.array([0, 0, -1] + [0] * 32 + [5, 0, 0])
    first = "00010" + "1" * 16 + "11111" + "0" * 16 + "00000" + f"{5:016b}" + "0"
    second = "00001" + "0" * 16 + "0" * 42 + "1"
    data = encode(Format.RLC, tile, 16).data
    assert "".join(f"{byte:08b}" for byte in data) == first + second


@pytest.mark.parametrize(
    ("runs", "end", "entries"),
    [((15,), 0, 1), ((16,), 0, 2), ((17,), 0, 2), ((31,), 0, 2), ((32,), 0, 3), ((0,), 64, 1), ((), 40, 0)],
)
def test_csc_placeholders_by_hand(runs, end, entries):
    """One per 16 zeros run over before a word; zeros at the end are left out. One vector, so two addresses."""
    tile = line(*runs, end=end)
    addresses = 2 * int(tile.size).bit_length()
    assert encode(Format.CSC, tile, 8).bits == entries * 12 + addresses


def test_csc_vectors_lie_along_the_channels():
    tile = np.zeros((1, 1, 20, 1, 2), np.int64)
    tile[0, 0, 17, 0, 0] = 3
    # two vectors of 20 channels: 17 zeros and a word make two entries; lg(41) = 6
    assert encode(Format.CSC, tile, 8, 2).bits == 2 * 12 + 3 * 6
    # twenty vectors of 2 columns: the word is the first of its vector
    assert encode(Format.CSC, tile, 8, 4).bits == 12 + 21 * 6


def test_sizes_side_by_side():
    tile = np.zeros((1, 1, 4, 3, 5), np.int64)
    tile[0, 0, :, 1, 2] = 9
    # 7 zeros, then three times 14 between, 7 at the end: 5 pairs; lg 4 + lg 3 + lg 5 = 7; lg 61 = 6
    assert sizes(tile, 16) == {
        "dense": 960,
        "rlc": 128,
        "bitmask": 60 + 4 * 16,
        "csc": 4 * 20 + 16 * 6,
        "csr": 4 * (3 + 16) + 13 * 6,
        "coordinate": 4 * (16 + 7),
    }


def test_an_empty_tile_takes_no_bits():
    tile = np.zeros((1, 0, 3), np.int64)
    assert set(sizes(tile, 16).values()) == {0}
    assert all(decode(encode(f, tile, 16)).shape == tile.shape for f in Format)


def test_words_that_do_not_fit_are_refused():
    with pytest.raises(AccelsimError, match="do not fit signed words of 8 bits"):
        encode(Format.RLC, np.array([128]), 8)
    with pytest.raises(AccelsimError, match="integers"):
        encode(Format.RLC, np.array([0.5]), 8)
    with pytest.raises(AccelsimError, match="65 bits"):
        encode(Format.RLC, np.array([1]), 65)
