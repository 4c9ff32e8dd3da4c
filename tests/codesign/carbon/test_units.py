"""Units of energy and carbon: by hand, exactly."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelsim.codesign.carbon import units
from accelsim.quantities import capacity


@pytest.mark.parametrize(
    ("reader", "text", "value"),
    [
        (units.energy, "85.7 MWh", 85700),
        (units.energy, "3.6 MJ", 1),
        (units.energy, "1 pJ", Fraction(1, 3_600_000 * 10**12)),
        (units.energy, "5 Wh", Fraction(5, 1000)),
        (units.power, "1.4 kW", 1400),
        (units.power, "250 mW", Fraction(1, 4)),
        (units.span, "3 years", 26280),
        (units.span, "20.4 days", Fraction(4896, 10)),
        (units.span, "90 s", Fraction(1, 40)),
        (units.area, "331 mm2", Fraction(331, 100)),
        (units.intensity, "0.954 lb/kWh", Fraction("432.72712098")),
        (units.intensity, "545 gCO2e/kWh", 545),
        (units.intensity, "0.545 kg/kWh", 545),
        (units.intensity, "1000 lb CO2eq/MWh", Fraction("453.59237")),
        (units.intensity, "0 g/kWh", 0),
        (units.fab_energy, "3.6 MJ/cm2", 1),
        (units.per_area, "0.5 kg/cm2", 500),
        (units.per_gb, "0.4 kg/GB", 400),
    ],
)
def test_readers(reader, text, value):
    assert reader(text) == value


@pytest.mark.parametrize(
    ("reader", "text", "said"),
    [
        (units.span, "-3 years", "a time must be positive, got '-3 years'"),
        (units.span, "3 yeras", "unknown unit 'yeras'; did you mean 'years'?"),
        (units.energy, "85.7", "'85.7' has no unit; an energy is written like '85.7 MWh'"),
        (units.intensity, "400 g/kW", "unknown unit 'g/kW'; did you mean 'g/kWh'?"),
        (units.power, "310 MWh", "unknown unit 'MWh'; did you mean 'MW'?"),
        (units.area, "big", "'big' is not an area"),
    ],
)
def test_what_is_wrong_is_said(reader, text, said):
    with pytest.raises(ValueError, match=said.replace("?", r"\?")):
        reader(text)


@pytest.mark.parametrize(
    ("text", "grams"),
    [
        ("gCO₂eq/kWh", 1),
        ("gCO2e/kWh", 1),
        ("gCO2/kWh", 1),
        ("kgCO2eq/MWh", 1),
        ("lbs_co2_per_mwh", Fraction("0.45359237")),
        ("lb/MWh", Fraction("0.45359237")),
        ("tCO2 per MWh", 1000),
        ("g_co2e_per_kwh", 1),
        ("MW", None),
        ("%", None),
        ("usd/MWh", None),
    ],
)
def test_units_of_headers(text, grams):
    assert units.intensity_unit(text) == grams


def test_gigabytes():
    assert units.gigabytes(capacity("8 GB")) == 8
    assert units.gigabytes(capacity("8 GiB")) == Fraction(8 * 2**30, 10**9)
    with pytest.raises(ValueError, match="in bytes"):
        units.gigabytes(capacity("8 words"))


@given(st.fractions(Fraction(1, 10**9), 10**12))
def test_what_is_shown_reads_back(value):
    """To the four digits that are shown."""
    for shown, read in ((units.energy_text, units.energy), (units.time_text, units.span)):
        number, unit = shown(value).replace(",", "").split(" ")
        assert float(read(f"{Fraction(number)} {unit}")) == pytest.approx(float(value), rel=1e-3)


def test_what_is_shown():
    assert [units.mass(value) for value in (46.5e6, 1234, 0.5, 3.21e-8, 0)] == [
        "46.50 t", "1.234 kg", "500 mg", "32.10 ng", "0",
    ]  # fmt: skip
    assert [units.energy_text(value) for value in (85714, 26.84, 1e-6)] == ["85.71 MWh", "26.84 kWh", "3.600 J"]
    assert [units.time_text(value) for value in (26280, 79.2, 0.01)] == ["3 years", "79.20 h", "36 s"]
