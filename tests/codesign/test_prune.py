"""Energy-aware pruning: what leaves, what comes back, what is fitted; each beside a plain twin."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.codesign.prune import AT_ONCE, by_magnitude, energy_aware, fitted, largest, restored, thinned
from accelsim.errors import AccelsimError


def drawn(seed: int, m: int = 3, k: int = 6, n: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(m, k)), rng.normal(size=(n, k)) @ rng.normal(size=(k, k))


def missed(weights: np.ndarray, kept: np.ndarray, samples: np.ndarray) -> float:
    return float((np.square(samples @ (weights * ~kept).T)).sum())


@given(st.integers(0, 10_000), st.integers(0, 18))
def test_the_largest_stay(seed: int, keep: int) -> None:
    weights, _ = drawn(seed)
    kept = largest(weights, keep)
    assert kept.sum() == keep
    if 0 < keep < kept.size:
        assert np.abs(weights[kept]).min() >= np.abs(weights[~kept]).max()


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_one_that_comes_back_is_the_one_that_brings_most(seed: int) -> None:
    weights, samples = drawn(seed)
    kept = largest(weights, 6)
    found = restored(weights, kept, samples, 1)
    best = min(
        (missed(weights, kept | (np.arange(18) == at).reshape(3, 6), samples), at)
        for at in range(18)
        if not kept.reshape(-1)[at]
    )
    assert (found & ~kept).reshape(-1).argmax() == best[1]


@given(st.integers(0, 10_000), st.integers(1, 12))
@settings(max_examples=30, deadline=None)
def test_as_many_come_back_as_are_asked_for(seed: int, count: int) -> None:
    weights, samples = drawn(seed)
    kept = largest(weights, 6)
    found = restored(weights, kept, samples, count)
    assert found.sum() == 6 + count
    assert not (kept & ~found).any()
    assert AT_ONCE > 1


@given(st.integers(0, 10_000), st.integers(3, 15))
@settings(max_examples=30, deadline=None)
def test_fitted_weights_are_the_nearest(seed: int, keep: int) -> None:
    weights, samples = drawn(seed)
    outputs, kept = samples @ weights.T, largest(weights, keep)
    found = fitted(kept, samples, outputs)
    assert not found[~kept].any()
    # what is left is orthogonal to every input that is kept: no nudge of a weight brings it nearer
    left = samples @ found.T - outputs
    slopes = left.T @ samples
    assert np.abs(slopes[kept]).max() <= 1e-6 * np.abs(samples.T @ outputs).max()
    assert np.square(left).sum() <= missed(weights, kept, samples) * (1 + 1e-9)


def test_inputs_that_are_the_same_share_their_weight() -> None:
    samples = np.repeat(np.random.default_rng(0).normal(size=(20, 1)), 2, axis=1)
    found = fitted(np.ones((1, 2), np.bool_), samples, samples[:, :1] * 3)
    assert found == pytest.approx(np.full((1, 2), 1.5))


def test_a_layer_that_keeps_all_stays_what_it_is() -> None:
    weights, samples = drawn(3)
    found, kept = thinned(weights, samples, samples @ weights.T, weights.size)
    assert kept.all()
    assert found == pytest.approx(weights)


class Lines:
    """Two linear layers, right where the outputs have the largest class that they had at first."""

    def __init__(self) -> None:
        rng = np.random.default_rng(5)
        # inputs that go together, as pixels and channels do
        self.images = rng.normal(size=(300, 4)) @ rng.normal(size=(4, 12)) + 0.1 * rng.normal(size=(300, 12))
        self.weights = {"A": rng.normal(size=(8, 12)), "B": rng.normal(size=(4, 8))}
        self.labels = self.scores(self.weights).argmax(axis=1)
        self.tunings = 0

    def scores(self, weights):  # type: ignore[no-untyped-def]
        return np.maximum(self.images @ weights["A"].T, 0) @ weights["B"].T

    def samples(self, weights, name):  # type: ignore[no-untyped-def]
        return self.images if name == "A" else np.maximum(self.images @ weights["A"].T, 0)

    def accuracy(self, weights):  # type: ignore[no-untyped-def]
        return float((self.scores(weights).argmax(axis=1) == self.labels).mean())

    def tuned(self, weights, kept):  # type: ignore[no-untyped-def]
        self.tunings += 1
        assert all(not weights[name][~kept[name]].any() for name in weights)
        return weights


def test_the_layer_that_costs_most_is_pruned_first_and_within_its_loss() -> None:
    for energies in itertools.permutations((1.0, 2.0)):
        model = Lines()
        found = energy_aware(model, dict(zip("AB", energies, strict=True)), (0.3, 0.5, 0.7, 0.9), 0.1)
        assert found.order == (("B", "A") if energies == (1.0, 2.0) else ("A", "B"))
        assert model.tunings == 1
        assert found.accuracy == model.accuracy(found.weights) >= 1 - 2 * 0.1
        assert 0.3 <= found.density < 1
        assert all(not found.weights[name][~found.kept[name]].any() for name in found.kept)


def test_at_equal_density_fitted_layers_lose_less_than_magnitude() -> None:
    model = Lines()
    found = energy_aware(model, {"A": 2.0, "B": 1.0}, (0.6,), 1.0)
    plain = by_magnitude(model, 0.6)
    assert found.density == plain.density
    assert found.accuracy > plain.accuracy


def test_where_no_share_will_do_a_layer_stays_whole() -> None:
    found = energy_aware(Lines(), {"A": 2.0, "B": 1.0}, (0.05,), 0.0)
    assert found.density == 1
    assert found.accuracy == 1


def test_bad_input() -> None:
    with pytest.raises(AccelsimError, match="no energy of layer 'B' \\(A\\)"):
        energy_aware(Lines(), {"A": 1.0}, (0.5,), 0.1)
    with pytest.raises(AccelsimError, match="share is 0; it must lie in 0 to 1, and some weights must stay"):
        by_magnitude(Lines(), 0)
    with pytest.raises(AccelsimError, match="keep is 19; a layer of 18 weights keeps 0 to 18"):
        largest(drawn(0)[0], 19)
