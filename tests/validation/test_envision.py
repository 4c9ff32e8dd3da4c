"""ENVISION's efficiency against the bits of its words beside the range of its title (Moons et al., ISSCC 2017)."""

from __future__ import annotations

from pathlib import Path

import pytest

from accelsim.engine import analytical, cycle
from accelsim.engine.program import build
from accelsim.reproduce import envision
from accelsim.reproduce.envision import LAYER, MODES, THEIRS, mapping, point, sized


@pytest.mark.parametrize("bits", THEIRS)
def test_the_ends_of_the_range(bits: int) -> None:
    """Power from components alone is within a factor of 2 of a chip's: what tests of other chips ask, too."""
    assert THEIRS[bits] / 2 < point(bits).efficiency < 2 * THEIRS[bits]


def test_the_rate_stays_while_clock_and_supply_fall() -> None:
    """Constant throughput: half the clock with two sub-words, a quarter with four; at most 2 x 256 x 200 MHz."""
    rates = [point(bits).gops for bits in MODES]
    assert max(rates) == pytest.approx(min(rates), rel=1e-3)
    assert 0.9 * 102.4 < rates[0] < 102.4
    assert [point(bits).megahertz for bits in MODES] == [200, 100, 50]


@pytest.mark.parametrize("bits", MODES)
def test_every_multiplier_is_full_where_sums_do_not_leave(bits: int) -> None:
    lowered = build(sized(bits), mapping(bits), LAYER)
    counts, bound = analytical.evaluate(lowered)
    exact, timing = cycle.evaluate(lowered)
    slowed = MODES[bits]
    assert counts.compute_cycles == exact.compute_cycles == LAYER.macs // (256 * MODES[bits]) * slowed
    assert bound.cycles <= timing.cycles < 1.1 * timing.compute


def test_shorter_words_cost_less_in_every_part() -> None:
    for longer, shorter in ((16, 8), (8, 4)):
        before, after = point(longer).milliwatts, point(shorter).milliwatts
        assert before.keys() == after.keys()
        assert all(after[part] < before[part] for part in before)


@pytest.mark.parametrize("bits", MODES)
def test_zeros_are_guarded(bits: int) -> None:
    """A quarter of the products is left where half of either operand is zero; gated ones are not priced."""
    dense, half = point(bits), point(bits, 0.5)
    assert half.milliwatts["MAC"] / half.gops == pytest.approx(dense.milliwatts["MAC"] / dense.gops / 4, rel=0.01)
    assert half.efficiency > dense.efficiency


def test_the_report_has_every_mode() -> None:
    text = envision.section()
    for bits in MODES:
        assert f"| {point(bits).mode}" in text


def test_the_page_has_the_table_of_the_report() -> None:
    page = (Path(__file__).parents[2] / "docs" / "envision.md").read_text(encoding="utf-8")
    assert page.split("<!-- table -->")[1].split("<!-- /table -->")[0].strip() == envision.efficiency().strip()
