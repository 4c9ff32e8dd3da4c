"""Axes: all values are on them, ticks are round, few and within."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelsim.report.html.moved import ticks
from accelsim.report.html.scales import around, scaled

NUMBERS = st.floats(1e-6, 1e12)


@given(st.lists(NUMBERS, min_size=1, max_size=6), st.integers(3, 6))
def test_values_lie_within_and_ticks_are_round(values, most):
    scale = around(values)
    assert all(-1e-9 <= scale.share(value) <= 1 + 1e-9 for value in values)
    assert scale.share(scale.low) == pytest.approx(0) and scale.share(scale.high) == pytest.approx(1)
    found = scale.ticks(most)
    assert 0 < len(found) <= most or not found
    for tick in found:
        assert scale.low <= tick <= scale.high
        if tick and scale.log:
            assert round(tick / 10.0 ** math.floor(math.log10(tick) + 1e-9), 6) in (1, 2, 3, 5)


@given(NUMBERS, NUMBERS)
def test_a_span_has_two_ticks_at_least(one, other):
    scale = around([one, other])
    if scale.high > 1.2 * scale.low:
        assert len(scale.ticks(6)) >= 1
    if scale.log:
        assert len(scale.ticks(6)) >= 2


def test_equal_values_and_zeros_have_an_axis():
    assert around([5.0, 5.0]).share(5.0) == pytest.approx(0.5)
    assert around([0.0, 0.0]).high > 0
    assert not around([0.0, 100.0]).log


def test_large_numbers_are_scaled_by_thousands():
    assert scaled(2e4, "words") == (1.0, "words")
    assert scaled(3.4e7, "core cycles") == (1e6, "10⁶ core cycles")
    assert scaled(1e12, "words") == (1e12, "10¹² words")


@given(st.floats(1.01, 1e4))
def test_ratios_have_ticks_on_both_sides_of_one(most):
    found = ticks(most)
    assert 1.0 in found and len(found) == 3 and found[0] >= 1 / most / 1.001 and found[-1] <= most * 1.001
