"""What is known between the points of a source, and what is refused."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelsim.energy.curve import Curve
from accelsim.errors import AccelsimError

SRAM = Curve(((65536, Fraction(10)), (262144, Fraction(20)), (8388608, Fraction(100))))


def test_known_points_are_exact():
    assert [SRAM.at(size, "x") for size, _ in SRAM.points] == [10, 20, 100]


def test_between_points_it_is_a_power_law():
    # 8 KiB to 32 KiB doubles over a factor of four: the square root of capacity
    assert float(SRAM.at(131072, "x")) == pytest.approx(10 * 2**0.5, rel=1e-5)


@given(st.integers(65536, 8388608), st.integers(65536, 8388608))
def test_a_larger_memory_never_costs_less(a, b):
    low, high = sorted((a, b))
    assert SRAM.at(low, "x") <= SRAM.at(high, "x")


@pytest.mark.parametrize("size", [0, 65535, 8388609])
def test_outside_is_refused_by_name(size):
    with pytest.raises(AccelsimError, match=r"level 'L2'.*outside what its source gives.*nothing is extrapolated"):
        SRAM.at(size, "level 'L2'")


def test_a_flat_curve_holds_everywhere():
    assert Curve.flat("0.1").at(7, "x") == Fraction(1, 10)


@pytest.mark.parametrize(
    "points", [(), ((8, Fraction(-1)),), ((8, Fraction(1)), (8, Fraction(2))), ((8, Fraction(0)), (9, Fraction(1)))]
)
def test_impossible_curves_cannot_be_made(points):
    with pytest.raises(AccelsimError):
        Curve(points)
