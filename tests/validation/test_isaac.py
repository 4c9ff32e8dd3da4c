"""ISAAC from its parts beside its paper (Shafiee et al., ISCA 2016, Table I)."""

from __future__ import annotations

from itertools import pairwise

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


@pytest.mark.parametrize(("what", "theirs"), isaac.KNOWN.items())
def test_peaks_and_shares(what: str, theirs: float) -> None:
    """1 %: its peak per area is of 40.9 TOPS, its shares have two digits."""
    assert isaac.known()[what] == pytest.approx(theirs, rel=0.01)


def test_a_network_beside_the_paper() -> None:
    """More than 50,000 copies of a first layer would keep the last one busy; what runs is below the ratio of peaks."""
    assert isaac.busy_copies() == 224 * 224
    of = isaac.pipeline("all layers, 16 chips").efficiency
    assert of is not None and of.tops is not None
    over = of.tops / (16 * isaac.DADIANNAO["TOPS"])
    assert 1 < over < isaac.full().tops / isaac.DADIANNAO["TOPS"] < isaac.OVER_DADIANNAO


def test_counts_times_prices_are_the_rows_of_the_table() -> None:
    """The other way to the same power: mW of the table times how many there are."""
    watts = isaac.full().watts
    for name, milliwatts in MW.items():
        assert watts[name] == pytest.approx(milliwatts * 12 * 168 / 1e3)
    for name, milliwatts in TILE_MW.items():
        assert watts[name] == pytest.approx(milliwatts * 168 / 1e3)
    assert watts["LINKS"] == pytest.approx(10.4)
    assert watts["ADC"] / isaac.full().power == pytest.approx(0.49, abs=0.005)


def test_the_papers_rule_by_hand() -> None:
    """One chip: as many copies as 2,016 units hold; a plane of outputs is four times that behind its pooling."""
    found = isaac.balanced("convolutions, 1 chip")
    assert list(found.copies.values()) == [64, 64, 16, 16, 4, 4, 4, 1, 1, 1, 1, 1, 1]
    # crossbars of a copy: C x 9 over 128 rows, M x 8 over 128 columns
    shapes = pairwise([3, 64, 64, 128, 128, 256, 256, 256, *[512] * 6])
    crossbars = [-(-9 * c // 128) * m * 8 // 128 for c, m in shapes]
    assert found.units == sum(-(-n * k // 8) for n, k in zip(crossbars, found.copies.values(), strict=True))
    assert found.reads == 16 * 224 * 224 // 64


@pytest.mark.parametrize(("run", "most"), [("convolutions, 1 chip", 1.001), ("all layers, 16 chips", 1.25)])
def test_ours_is_the_rule_or_better(run: str, most: float) -> None:
    """A quarter: the rule's next step for all layers at once is at most that (from four to five copies of the last)."""
    ratio = isaac.pipeline(run).images_per_second / isaac.balanced(run).images_per_second
    assert 1 <= ratio <= most


@pytest.mark.parametrize("run", isaac.RUNS)
def test_a_pipeline_is_below_the_peak_and_above_what_stands(run: str) -> None:
    found, (chips, _) = isaac.pipeline(run), isaac.RUNS[run]
    of = found.efficiency
    assert of is not None and of.tops is not None and of.power_mw is not None
    assert 0.5 < of.tops / (chips * isaac.full().tops) < 1
    stands = sum(part.count * float(part.static) for part in found.machine.physical.parts.values())
    assert stands < of.power_mw < chips * isaac.full().power * 1e3
