"""Constraints: what they say, what they refuse."""

from __future__ import annotations

import pytest

from accelsim.errors import AccelsimError
from accelsim.sweep.where import Constraint

VALUES = {
    "pes": 256,
    "levels.GLB.capacity": "64 KiB",
    "clock": "200 MHz",
    "area_mm2": 2.05,
    "dataflow": "row_stationary",
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("pes == 256", True),
        ("levels.GLB.capacity <= 65536", True),
        ("levels.GLB.capacity < 64 * 1024", False),
        ("levels.GLB.capacity == '64 KiB'", True),
        ("clock / pes > 1e6 or pes < 3", False),
        ("100 < pes <= 256 and not (pes % 2)", True),
        ("abs(area_mm2 - 2) <= 0.05 * 2", True),
        ("max(pes, 300) // 100 == 3 and min(-pes, 0) + 1 < 0", True),
        ("dataflow == 'row_stationary'", True),
        ("dataflow != 'row_stationary'", False),
    ],
)
def test_what_it_says(text, holds):
    assert Constraint.of(text).holds(VALUES) is holds


def test_names():
    assert Constraint.of("levels.GLB.capacity * pes < abs(clock)").names == ("levels.GLB.capacity", "pes", "clock")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "should be an expression"),
        (5, "should be an expression"),
        ("pes ==", "cannot be read"),
        ("__import__('os').system('true')", "is no part of a constraint"),
        ("pes.__class__()", "is no part of a constraint"),
        ("[1, 2]", "is no part of a constraint"),
        ("pes ** 2", "is no part of a constraint"),
        ("(lambda: 1)()", "is no part of a constraint"),
        ("pes " + "+ 1" * 400, "at most 500 letters"),
    ],
)
def test_what_is_no_constraint(text, error):
    with pytest.raises(ValueError, match=error):
        Constraint.of(text)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("pess == 1", "no 'pess' here; did you mean 'pes'"),
        ("dataflow < 3", "'<' not supported"),
        ("pes / 0 > 1", "division by zero"),
    ],
)
def test_what_has_no_value(text, error):
    with pytest.raises(AccelsimError, match=error):
        Constraint.of(text).holds(VALUES)
