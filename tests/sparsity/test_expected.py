"""Expectations against every placement of small tensors, and against means over drawn masks."""

from itertools import combinations, product
from math import comb

import numpy as np
import pytest

from accelsim.architecture.model import Format
from accelsim.sparsity import expected
from accelsim.sparsity.expected import Law
from accelsim.sparsity.formats import encode
from accelsim.workload.problem import Problem

SHAPES = ((1, 1, 9, 1, 1), (1, 1, 2, 2, 2), (1, 2, 3, 1, 1))


def placements(law: Law):
    """(mask of the whole tensor, probability) of every placement."""
    if law.nonzeros is None:
        for bits in product((0, 1), repeat=law.words):
            ones = sum(bits)
            yield np.array(bits), law.probability**ones * (1 - law.probability) ** (law.words - ones)
        return
    for at in combinations(range(law.words), law.nonzeros):
        mask = np.zeros(law.words, np.int64)
        mask[list(at)] = 1
        yield mask, 1 / comb(law.words, law.nonzeros)


def drawn(law: Law, rng: np.random.Generator) -> np.ndarray:
    if law.nonzeros is None:
        return (rng.random(law.words) < law.probability).astype(np.int64)
    return rng.permutation(np.arange(law.words) < law.nonzeros).astype(np.int64)


def csc_entries(segment: np.ndarray) -> int:
    total, run = 0, 0
    for word in segment:
        total += (1 + run // 16) if word else 0
        run = 0 if word else run + 1
    return total


def standard_errors(samples: np.ndarray, mean: float) -> float:
    """How far the samples' mean is from `mean`, in standard errors; a constant must be hit."""
    spread = samples.std(ddof=1) / np.sqrt(samples.size)
    away = abs(samples.mean() - mean)
    return 0.0 if away < 1e-9 * max(1.0, abs(mean)) else away / spread if spread else np.inf


def laws(words: int):
    return [Law.of(0.0, words), Law.of(1.0, words), *(Law.of(f, words, b) for f in (0.2, 0.6) for b in (False, True))]


@pytest.mark.parametrize("law", laws(9), ids=str)
def test_every_placement(law):
    """The mean over all placements, to rounding."""
    sums: dict[object, float] = {}

    def add(key: object, value: float) -> None:
        sums[key] = sums.get(key, 0.0) + value

    for mask, chance in placements(law):
        add("nonzeros", chance * mask[:7].sum())
        for lanes in (1, 2, 3):
            add(lanes, chance * -(-mask[:7].sum() // lanes))
        for shape, f in product(SHAPES, Format):
            bits = encode(f, mask[: np.prod(shape)].reshape(shape), 8, 2).bits
            add((f, shape), chance * bits)
            add((f, shape, "words"), chance * -(-bits // 8))
    assert expected.nonzeros(law, 7) == pytest.approx(sums["nonzeros"], rel=1e-12)
    for lanes in (1, 2, 3):
        assert expected.ceil_mean(law, 7, lanes) == pytest.approx(sums[lanes], rel=1e-11)
    for shape, f in product(SHAPES, Format):
        assert expected.encoded_bits(f, shape, 8, 2, law) == pytest.approx(sums[f, shape], rel=1e-11), (f, shape)
        assert expected.encoded_words(f, shape, 8, 2, law) == pytest.approx(sums[f, shape, "words"], rel=1e-11), f


@pytest.mark.parametrize(("words", "count"), [(40, 1), (37, 2), (70, 1), (34, 3)])
def test_every_placement_of_a_few_words_among_many(words, count):
    """Long runs: csc placeholders, (31, 0) pairs, trailing pairs."""
    law = Law(words, count, count / words)
    own = words - 3
    sums = dict.fromkeys(["segment", *Format], 0.0)
    for mask, chance in placements(law):
        sums["segment"] += chance * -(-csc_entries(mask[:own]) // 2)
        for f in Format:
            sums[f] += chance * encode(f, mask[:own], 16, 0).bits
    assert expected.ceil_mean_csc(law, own, 2) == pytest.approx(sums["segment"], rel=1e-11)
    for f in Format:
        assert expected.encoded_bits(f, (own,), 16, 0, law) == pytest.approx(sums[f], rel=1e-11), f


@pytest.mark.parametrize("bernoulli", [False, True])
@pytest.mark.parametrize("fraction", [0.02, 0.1, 0.5, 0.95])
@pytest.mark.parametrize(("shape", "axis"), [((1, 1, 24, 3, 3), 2), ((1, 40, 2, 1, 1), 1)])
def test_mean_of_drawn_masks(fraction, bernoulli, shape, axis):
    law = Law.of(fraction, 600, bernoulli)
    words = int(np.prod(shape))
    rng = np.random.default_rng(7)
    tiles = [drawn(law, rng)[:words].reshape(shape) for _ in range(300)]
    for f, b in product(Format, (8, 20)):
        bits = np.array([encode(f, tile, b, axis).bits for tile in tiles])
        # five standard errors: 160 checks, each passes by chance with 1 - 6e-7
        assert standard_errors(bits, expected.encoded_bits(f, shape, b, axis, law)) < 5, (f, b)
        assert standard_errors(-(-bits // b), expected.encoded_words(f, shape, b, axis, law)) < 5, (f, b)
    for w, lanes in product((9, 32, 64), (1, 2, 4)):
        heads = [tile.reshape(-1)[:w] for tile in tiles]
        plain = np.array([-(-h.sum() // lanes) for h in heads])
        csc = np.array([-(-csc_entries(h) // lanes) for h in heads])
        # the same five; 144 checks each
        assert standard_errors(plain, expected.ceil_mean(law, w, lanes)) < 5
        assert standard_errors(csc, expected.ceil_mean_csc(law, w, lanes)) < 5


@pytest.mark.parametrize(("fraction", "total"), [(0.03, 4000), (0.4, 4000), (0.4, 40000)])
def test_a_large_tile(monkeypatch, fraction, total):
    """Past WORK the pairs modulo 3 are those of independent words."""
    law, shape = Law.of(fraction, total), (1, 1, 10, 20, 20)
    monkeypatch.setattr(expected, "WORK", 0)
    expected._residues.cache_clear()
    expected._line.cache_clear()
    found = expected.encoded_bits(Format.RLC, shape, 16, 2, law)
    expected._residues.cache_clear()
    expected._line.cache_clear()
    rng = np.random.default_rng(3)
    samples = np.array([encode(Format.RLC, drawn(law, rng)[:4000].reshape(shape), 16, 2).bits for _ in range(200)])
    # five standard errors, and two thirds of one 64-bit word as the docstring allows
    spread = samples.std(ddof=1) / np.sqrt(samples.size)
    assert abs(samples.mean() - found) < 5 * spread + 64 * 2 / 3


def test_independent_words_are_near_few_of_many():
    """The bound the docstring of `_residues` gives for taking words as independent."""
    for total, words, count in ((1000, 30, 300), (500, 100, 20), (50, 40, 25)):
        few = expected.distribution(Law(total, count, count / total), words)
        alone = expected.distribution(Law(total, None, count / total), words)
        assert 0.5 * np.abs(few - alone).sum() <= (words - 1) / (total - 1)


def test_large_tensors_keep_their_digits():
    law = Law.of(0.3, 10**8)
    chances = expected.distribution(law, 1000)
    z = np.arange(1001)
    # mean and variance of the hypergeometric; rounding over 1000 terms
    assert chances @ z == pytest.approx(300, rel=1e-11)
    assert chances @ (z - 300.0) ** 2 == pytest.approx(1000 * 0.3 * 0.7 * (10**8 - 1000) / (10**8 - 1), rel=1e-9)
    exact = comb(10**4 - 64, 10**3) / comb(10**4, 10**3)
    assert Law.of(0.1, 10**4).empty(64)[64] == pytest.approx(exact, rel=1e-12)


def test_no_words():
    for law in laws(12):
        assert expected.ceil_mean(law, 0, 2) == expected.ceil_mean_csc(law, 0, 2) == 0
        assert expected.encoded_words(Format.RLC, (1, 0, 1, 1, 1), 16, 2, law) == 0


@pytest.mark.parametrize("fraction", [0.0, 1.0])
@pytest.mark.parametrize("bernoulli", [False, True])
def test_all_or_none_is_what_one_mask_takes(fraction, bernoulli):
    law, shape = Law.of(fraction, 9000, bernoulli), (1, 1, 90, 10, 10)
    mask = np.full(shape, int(fraction), np.int64)
    for f in Format:
        bits = encode(f, mask, 16, 2).bits
        assert expected.encoded_bits(f, shape, 16, 2, law) == pytest.approx(bits, rel=1e-12)
        assert expected.encoded_words(f, shape, 16, 2, law) == pytest.approx(-(-bits // 16), rel=1e-12)


PROBLEMS = (
    Problem.of({"N": 2, "M": 3, "C": 2, "P": 5, "Q": 4, "R": 3, "S": 3}, pad=(1, 1), height=5, width=4),
    Problem.of({"G": 2, "M": 2, "C": 2, "P": 3, "Q": 4, "R": 3, "S": 2}, stride=(2, 1), dilation=(1, 2), pad=(2, 1)),
    Problem.of({"M": 4, "C": 8}),
)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_effectual_slots(problem):
    """Against the slots of drawn masks, padding looked up word by word."""
    n, g, m, c, p, q, r, s = problem.sizes
    ifmap = Law.of(0.6, n * g * c * problem.height * problem.width)
    weights = Law.of(0.3, g * m * c * r * s)
    rng = np.random.default_rng(11)
    rows = np.arange(p)[:, None] * problem.stride[0] + np.arange(r) * problem.dilation[0]
    columns = np.arange(q)[:, None] * problem.stride[1] + np.arange(s) * problem.dilation[1]
    found = {key: [] for key in ("both", "ifmap", "filter")}
    for _ in range(400):
        plane = drawn(ifmap, rng).reshape(n, g, c, problem.height, problem.width)
        edge = max(rows.max(), columns.max()) + 1
        pads = [(0, 0)] * 3 + [(problem.pad[0], edge), (problem.pad[1], edge)]
        seen = np.pad(plane, pads)[:, :, :, rows[:, None, :, None], columns[None, :, None, :]]
        kernels = drawn(weights, rng).reshape(g, m, c, r, s)
        found["both"].append(np.einsum("ngcpqrs,gmcrs->", seen, kernels))
        found["ifmap"].append(m * seen.sum())
        found["filter"].append(n * p * q * kernels.sum())
    # five standard errors
    assert standard_errors(np.array(found["both"]), expected.effectual(problem, ifmap, weights)) < 5
    assert standard_errors(np.array(found["ifmap"]), expected.effectual(problem, ifmap)) < 5
    assert standard_errors(np.array(found["filter"]), expected.effectual(problem, filter=weights)) < 5
    assert expected.effectual(problem) == problem.macs
