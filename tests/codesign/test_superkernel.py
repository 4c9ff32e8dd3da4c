"""Kernels inside one another: what passes of each choice, what it costs, and derivatives against differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.codesign.costs import cost_table
from accelsim.codesign.lookup import choices_of
from accelsim.codesign.spaces.space import space_of
from accelsim.codesign.superkernel import Passing, SuperKernel
from accelsim.errors import AccelsimError


@st.composite
def kernels(draw):
    rises = st.lists(st.integers(1, 3), min_size=1, max_size=3)
    odd = draw(st.integers(0, 1))
    windows = tuple(2 * int(n) - odd for n in np.cumsum(draw(rises)))
    return SuperKernel(windows, tuple(int(n) for n in np.cumsum(draw(rises))), draw(st.booleans()))


@settings(max_examples=60, deadline=None)
@given(kernels())
def test_a_choice_is_its_window_of_its_channels(kernel):
    for at, choice in enumerate(kernel.choices):
        open_ = kernel.opened(choice)
        side, width = choice or (0, 0)
        edge = (kernel.kernels[-1] - side) // 2
        expected = np.zeros(kernel.shape)
        expected[edge : edge + side, edge : edge + side, :width] = 1
        assert np.array_equal(kernel.gate(open_), expected)
        assert np.array_equal(kernel.alpha(open_), np.eye(len(kernel.choices))[at])


@settings(max_examples=60, deadline=None)
@given(kernels(), st.integers(0, 99))
def test_whatever_is_open_one_choice_is_made(kernel, seed):
    """Of what is open without what lies inside it nothing passes."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=kernel.shape)
    parts = kernel.passing(weights, rng.exponential(3, len(kernel.parts)))
    alpha = kernel.alpha(parts.open)
    assert sorted(alpha)[-2:] in ([0, 1], [1]) and alpha.sum() == 1
    assert np.array_equal(kernel.gate(parts.open), kernel.gate(kernel.opened(kernel.choices[int(alpha.argmax())])))
    # every weight counts to one part
    assert (kernel.parts.sum(axis=0) == 1).all()


@settings(max_examples=60, deadline=None)
@given(kernels(), st.integers(0, 99))
def test_derivatives_are_those_of_sigmoids(kernel, seed):
    """With a sigmoid for every step, by differences: the loss is any linear one of the gate and of alpha."""
    rng = np.random.default_rng(seed)
    weights, thresholds = rng.normal(size=kernel.shape), rng.exponential(1, len(kernel.parts))
    by_gate, by_alpha = rng.normal(size=kernel.shape), rng.normal(size=len(kernel.choices))

    def soft(w, t):
        norms = np.array([np.sqrt(np.mean(w[part > 0] ** 2)) for part in kernel.parts])
        found = 1 / (1 + np.exp(t - norms))
        if not kernel.skip:
            found[len(kernel.kernels) - 1] = 1
        return found

    def loss(w, t):
        return (kernel.gate(soft(w, t)) * by_gate).sum() + kernel.alpha(soft(w, t)) @ by_alpha

    hard = kernel.passing(weights, thresholds)
    by_weights, by_thresholds = kernel.back(Passing(soft(weights, thresholds), *hard[1:]), weights, by_gate, by_alpha)
    for found, at in ((by_weights, 0), (by_thresholds, 1)):
        for place in np.ndindex(found.shape):
            moved = [[weights.copy(), thresholds.copy()] for _ in range(2)]
            moved[0][at][place] += 1e-6
            moved[1][at][place] -= 1e-6
            assert found[place] == pytest.approx((loss(*moved[0]) - loss(*moved[1])) / 2e-6, abs=1e-6)


def test_costs_of_choices_are_those_of_a_table():
    """Alpha of a choice gives what the table says of the network, whatever the positions choose."""
    space = space_of(
        {
            "name": "s",
            "source": "none",
            "input": {"C": 2, "H": 6, "W": 6},
            "operations": {f"k{k}_m{m}": {"block": "dw", "set": {"k": k, "m": m}} for m in (1, 2) for k in (1, 3)},
            "layers": {"b": {"choose": "all", "M": 2, "times": 2}},
            "blocks": {
                "dw": {
                    "parameters": {"C": None, "M": None, "k": None, "m": None},
                    "layers": {
                        "e": {"op": "conv", "M": "$m * $C", "kernel": 1},
                        "d": {"op": "depthwise", "kernel": "$k", "pad": "same"},
                        "output": {"op": "conv", "M": "$M", "kernel": 1},
                    },
                }
            },
        }
    )
    kernel = SuperKernel((1, 3), (2, 4))
    costs = choices_of(cost_table("eyeriss", space, workers=1, evaluator="analytical"), space)
    assert space.operations == tuple(f"k{k}_m{width // 2}" for k, width in kernel.choices)
    for first in range(4):
        for second in range(4):
            alpha = np.array([kernel.alpha(kernel.opened(kernel.choices[at])) for at in (first, second)])
            assert costs.latency(alpha) == costs.price([first, second])


@pytest.mark.parametrize(
    ("sizes", "says"),
    [
        (((5, 3), (4, 8)), "kernels are (5, 3); they must rise from 1 or more, each inside the next"),
        (((), (4,)), "kernels are ()"),
        (((3, 4), (4,)), "kernels are (3, 4); for one centre all must be odd, or all even"),
        (((3,), (4, 4)), "widths are (4, 4)"),
    ],
)
def test_sizes_that_are_wrong(sizes, says):
    with pytest.raises(AccelsimError) as error:
        SuperKernel(*sizes)
    assert str(error.value).startswith(says)


def test_a_choice_that_is_none():
    with pytest.raises(AccelsimError, match=r"\(5, 4\) is no choice; there are \(3, 4\), \(3, 8\)"):
        SuperKernel((3,), (4, 8)).opened((5, 4))
