"""ISAAC from its parts beside its paper (Shafiee et al., ISCA 2016, Table I)."""

from __future__ import annotations

import pytest

from accelsim.reproduce import isaac

MW = {
    "ADC": 16, "DAC": 4, "HOLD": 0.01, "CELLS": 2.4, "SHIFT_ADD": 0.2, "UNIT_REGISTERS": 1.24 + 0.23,
}  # fmt: skip
TILE_MW = {"TILE_EDRAM": 20.7, "BUS": 7, "ROUTER": 42 / 4, "TILE_REST": 0.52 + 0.05 + 0.4 + 1.68}


@pytest.mark.parametrize(("what", "theirs"), isaac.THEIRS.items())
def test_a_chip(what: str, theirs: float) -> None:
    ours = dict(zip(isaac.THEIRS, (isaac.full().power, isaac.full().tops, isaac.full().area), strict=True))
    assert ours[what] == pytest.approx(theirs, rel=0.01)


def test_counts_times_prices_are_the_rows_of_the_table() -> None:
    """The other way to the same power: mW of the table times how many there are."""
    watts = isaac.full().watts
    for name, milliwatts in MW.items():
        assert watts[name] == pytest.approx(milliwatts * 12 * 168 / 1e3)
    for name, milliwatts in TILE_MW.items():
        assert watts[name] == pytest.approx(milliwatts * 168 / 1e3)
    assert watts["LINKS"] == pytest.approx(10.4)
    assert watts["ADC"] / isaac.full().power == pytest.approx(0.49, abs=0.005)


@pytest.mark.parametrize("run", isaac.RUNS)
def test_a_pipeline_is_below_the_peak_and_above_what_stands(run: str) -> None:
    found, (chips, _) = isaac.pipeline(run), isaac.RUNS[run]
    of = found.efficiency
    assert of is not None and of.tops is not None and of.power_mw is not None
    assert 0.5 < of.tops / (chips * isaac.full().tops) < 1
    stands = sum(part.count * float(part.static) for part in found.machine.physical.parts.values())
    assert stands < of.power_mw < chips * isaac.full().power * 1e3
