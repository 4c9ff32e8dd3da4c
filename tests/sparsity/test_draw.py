"""Masks drawn from densities: exact counts, means, patterns and blocks."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelsim.sparsity.draw import draw
from accelsim.workload.density import Density
from accelsim.workload.problem import Tensor

FILTER = (2, 6, 10, 3, 3)
FMAP = (2, 2, 3, 7, 9)
SHAPES = {Tensor.IFMAP: FMAP, Tensor.FILTER: FILTER, Tensor.PSUM: FMAP}
# five standard deviations: a right draw fails once in two million
SIGMA = 5


@given(st.floats(0, 1), st.integers(0, 5), st.sampled_from(list(Tensor)))
def test_exactly_so_many(fraction, seed, tensor):
    mask = draw(Density(fraction), SHAPES[tensor], tensor, seed)
    assert mask.shape == SHAPES[tensor]
    assert mask.dtype == np.uint8
    assert set(np.unique(mask)) <= {0, 1}
    assert mask.sum() == round(fraction * mask.size)


@pytest.mark.parametrize("fraction", [0.002, 0.1, 0.499, 0.501, 0.9, 0.998])
def test_every_word_alike(fraction):
    """Over many seeds each word, and each pair of neighbours, is as often non-zero as any other."""
    draws, words = 4000, 500
    masks = np.array([draw(Density(fraction), (1, 1, words, 1, 1), Tensor.IFMAP, s).ravel() for s in range(draws)])
    count = round(fraction * words)
    p = count / words
    assert np.abs(masks.sum(0) - p * draws).max() <= SIGMA * np.sqrt(draws * p * (1 - p)) + 1
    both = count * (count - 1) / (words * (words - 1))
    pairs = (masks[:, :-1] & masks[:, 1:]).sum(0)
    assert np.abs(pairs - both * draws).max() <= SIGMA * np.sqrt(draws * both * (1 - both)) + 1


@pytest.mark.parametrize("fraction", [0.0, 0.05, 0.5, 0.97, 1.0])
def test_bernoulli(fraction):
    mask = draw(Density(fraction, bernoulli=True), (4, 1, 16, 32, 32), Tensor.IFMAP, 1)
    assert abs(mask.sum() - fraction * mask.size) <= SIGMA * np.sqrt(mask.size * fraction * (1 - fraction))
    if 0 < fraction < 1:
        counts = {int(draw(Density(fraction, bernoulli=True), FMAP, Tensor.IFMAP, s).sum()) for s in range(10)}
        assert len(counts) > 1


@given(
    st.integers(1, 8).flatmap(lambda m: st.tuples(st.integers(1, m), st.just(m))), st.integers(1, 17), st.integers(0, 3)
)
def test_a_pattern(pattern, channels, seed):
    n, m = pattern
    mask = draw(Density.structured(n, m), (2, 3, channels, 2, 2), Tensor.FILTER, seed)
    for begin in range(0, channels, m):
        group = mask[:, :, begin : begin + m]
        assert (group.sum(2) == min(n, group.shape[2])).all()


def test_a_pattern_lies_anywhere():
    mask = draw(Density.structured(2, 4), (1, 1000, 4, 1, 1), Tensor.FILTER, 0).reshape(1000, 4)
    kinds, counts = np.unique(mask, axis=0, return_counts=True)
    assert len(kinds) == 6
    # each of six with probability 1/6
    assert np.abs(counts - 1000 / 6).max() <= SIGMA * np.sqrt(1000 * 5 / 36)


@given(st.floats(0, 1), st.tuples(st.integers(1, 9), st.integers(1, 12)), st.sampled_from(list(Tensor)), st.booleans())
def test_blocks(fraction, block, tensor, bernoulli):
    shape = SHAPES[tensor]
    mask = draw(Density(fraction, bernoulli, block=block), shape, tensor)
    rows, columns = (1, 2) if tensor is Tensor.FILTER else (3, 4)
    # a block's words together on the last axis
    planes = np.moveaxis(mask, (rows, columns), (0, 1)).reshape(shape[rows], shape[columns], -1, 9 if rows == 1 else 1)
    blocks = [
        planes[y : y + block[0], x : x + block[1]].transpose(2, 0, 1, 3).reshape(planes.shape[2], -1)
        for y in range(0, shape[rows], block[0])
        for x in range(0, shape[columns], block[1])
    ]
    whole = sum(int(b.all(axis=1).sum()) for b in blocks)
    assert all((b == b[:, :1]).all() for b in blocks)
    if not bernoulli:
        assert whole == round(fraction * len(blocks) * planes.shape[2])


def test_what_a_draw_depends_on():
    shape = (1, 1, 8, 16, 16)
    first = draw(Density(0.5), shape, Tensor.IFMAP, 0, "A")
    assert (first == draw(Density(0.5), shape, Tensor.IFMAP, 0, "A")).all()
    for other in ((Tensor.IFMAP, 1, "A"), (Tensor.IFMAP, 0, "B"), (Tensor.PSUM, 0, "A")):
        assert (first != draw(Density(0.5), shape, *other)).any()


def test_the_same_on_every_platform():
    mask = draw(Density(0.3), (1, 1, 4, 4, 2), Tensor.IFMAP, 7, "CONV1")
    assert "".join(map(str, mask.ravel())) == "01000010100101101001000010100000"
    mask = draw(Density.structured(1, 4), (1, 4, 8, 1, 1), Tensor.FILTER, 7, "CONV1")
    assert "".join(map(str, mask.ravel())) == "10001000010001000100000100100100"


def test_thirty_seven_million_words():
    """AlexNet's FC6 filter."""
    begin = time.perf_counter()
    mask = draw(Density(0.09), (1, 4096, 9216, 1, 1), Tensor.FILTER)
    # a third of a second on a laptop; a busy machine gets ten times that
    assert time.perf_counter() - begin < 4
    assert mask.nbytes == mask.size
    assert mask.sum() == round(0.09 * mask.size)
