"""The size kernel against the encoders, which write every bit out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.architecture.model import Format
from accelsim.engine.zeros.kernels import formats as kernel
from accelsim.sparsity import formats


def sizes(mask: np.ndarray, axis: int, word_bits: int) -> dict[Format, tuple[int, int]]:
    shape = np.array(mask.shape, np.int64)
    # words after the tile are scratch: they must not count
    tile = np.concatenate([mask.reshape(-1), np.ones(9, np.uint8)])
    return {f: kernel.tile_bits(code, tile, shape, axis, word_bits) for code, f in enumerate(Format)}


def test_codes_follow_format_order():
    codes = [kernel.RLC, kernel.BITMASK, kernel.CSC, kernel.CSR, kernel.COORDINATE]
    assert [f.upper() for f in Format] == ["RLC", "BITMASK", "CSC", "CSR", "COORDINATE"]
    assert codes == list(range(len(Format)))
    assert (kernel.RLC_RUN, kernel.RLC_PAIRS, kernel.CSC_RUN) == (formats.RLC_RUN, formats.RLC_PAIRS, formats.CSC_RUN)


@given(
    shape=st.tuples(st.integers(1, 2), st.integers(1, 2), st.integers(1, 70), st.integers(1, 4), st.integers(1, 9)),
    axis=st.sampled_from((1, 2)),
    word_bits=st.sampled_from((8, 16, 20, 24)),
    density=st.sampled_from((0.0, 0.01, 0.05, 0.3, 0.9, 1.0)),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=150, deadline=None)
def test_kernel_sizes_are_those_of_the_encoders(shape, axis, word_bits, density, seed):
    mask = (np.random.default_rng(seed).random(shape) < density).astype(np.uint8)
    for f, found in sizes(mask, axis, word_bits).items():
        assert found == (formats.encode(f, mask, word_bits, axis).bits, int(mask.sum())), f


@given(first=st.integers(0, 100), runs=st.lists(st.integers(0, 100), max_size=4))
@settings(max_examples=150, deadline=None)
def test_rlc_pairs_of_every_alignment(first, runs):
    """The kernel takes eight words at a time; runs begin and end anywhere in them."""
    mask = np.zeros(first + sum(runs) + len(runs), np.uint8)
    mask[np.cumsum([first + 1, *(r + 1 for r in runs[1:])])[: len(runs)] - 1] = 1
    pairs, run = 0, 0
    for word in mask:
        run += 1
        if word or run == 32:
            pairs, run = pairs + 1, 0
    assert kernel.rlc_pairs(mask, mask.size) == (pairs + (run > 0), int(mask.sum()))


def test_rlc_reads_a_mask_that_is_not_aligned():
    scratch = np.zeros(200, np.uint8)
    scratch[[1, 60, 99]] = 1
    # from word 1 on: non-zero, 58 zeros (one filler), non-zero, 38 (one), non-zero, 2 at the end
    assert kernel.rlc_pairs(scratch[1:], 101) == (6, 3)


@pytest.mark.parametrize("code", range(5))
def test_an_empty_tile_takes_no_bits(code):
    assert kernel.tile_bits(code, np.ones(8, np.uint8), np.array([1, 1, 0, 2, 2]), 2, 16) == (0, 0)


@pytest.mark.parametrize(("x", "bits"), [(0, 0), (1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (2**40, 40), (2**40 + 1, 41)])
def test_lg(x, bits):
    assert kernel.lg(x) == formats.lg(x) == bits
