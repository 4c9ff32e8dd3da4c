"""Numbers keep their digits, names become one line, units are never what they count."""

from __future__ import annotations

import pytest

from accelsim.report import text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (7, "7"),
        (1234567, "1,234,567"),
        (0.12345, "0.123"),
        (0.012345, "0.0123"),
        (12.345, "12.3"),
        (1234.5, "1,234"),
        (2e-5, "2.00e-05"),
        (-0.5, "-0.500"),
        (3e12 + 0.5, "3.00e+12"),
    ],
)
def test_numbers(value, shown):
    assert text.number(value) == shown


def test_energies_have_a_readable_size():
    assert text.energy_scale("pJ", 5e9) == (1e9, "mJ")
    assert text.energy_scale("pJ", 5) == (1.0, "pJ")
    assert text.energy_scale("MAC", 5e6) == (1e6, "10⁶ MAC energies")
    assert text.energy_text(2.69e9, "MAC") == "2.69 × 10⁹ MAC energies"
    assert text.energy_text(3.4e9, "pJ") == "3.40 mJ"
    assert text.energy_text(12, "MAC") == "12 MAC energies"


def test_times_are_not_rounded_to_nothing():
    assert text.milliseconds(101.6289) == "101.629"
    assert text.milliseconds(0.000395) == "3.95e-04"
    assert text.milliseconds(0) == "0"


def test_names_are_one_line_of_printable_letters():
    assert text.shown("conv1") == "conv1"
    assert text.shown("Größe 层 $x$") == "Größe 层 $x$"
    assert text.shown("a\nb\x1b[31m\u202e\ud800") == r"a\nb\x1b[31m\u202e\ud800"
    long = text.shown("head" + "x" * 100_000 + "tail")
    assert len(long) == text.LONGEST_NAME
    assert long.startswith("headx") and long.endswith("xtail") and "…" in long
