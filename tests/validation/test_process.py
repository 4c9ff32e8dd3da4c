"""Power and area from components beside published ones: how far off they may be, and what they must keep."""

from __future__ import annotations

import pytest

from accelsim.reproduce import process

CHIP = "Total"


@pytest.mark.parametrize("area", process.AREAS, ids=lambda area: f"{area.chip} {area.what}")
def test_areas(area):
    if area.cells:
        # cells lie 10 to 60 % below a layout
        assert 0.4 * area.theirs < area.ours < 0.9 * area.theirs
    elif area.what.startswith("accumulators") and area.chip == "SCNN":
        # 32 banks, each with ports and an adder of its own: a register file of the same words is less than half
        assert 0.35 * area.theirs < area.ours < 0.5 * area.theirs
    else:
        # a whole engine of which a part is modelled, or areas that are recalled: 35 %
        assert area.ours == pytest.approx(area.theirs, rel=0.35 if area.chip in ("NVDLA", "SCNN") else 0.15)


def test_six_machines_of_one_area():
    """15 %: what they leave of register files is buffer, by the areas of other memories than these."""
    found = {kind: sum(parts.values()) for kind, parts in process.one_area().items()}
    mean = sum(found.values()) / len(found)
    assert len(found) == 6
    assert all(area == pytest.approx(mean, rel=0.15) for area in found.values())


def test_ratios_inside_a_chip():
    spads, buffer, units = (area.ours for area in process.AREAS[:3])
    assert spads / buffer == pytest.approx(2.5, rel=0.15)
    assert units / buffer == pytest.approx(0.39, rel=0.15)


def test_energies_of_components():
    found = [ours for _, ours in process.energies().values()]
    assert found == [pytest.approx(value, rel=0.01) for value in (0.62, 1.80, 7.1, 192)]


def test_power_is_low_by_less_than_a_factor_of_two():
    for name, (theirs, ours, clock) in process.powers().items():
        assert 0.5 * theirs < ours < theirs, name
        assert 0 < clock < ours


def test_ratios_between_layers():
    found = process.powers()
    for name, (theirs, ours, _) in found.items():
        assert ours / found[CHIP][1] == pytest.approx(theirs / found[CHIP][0], rel=0.2), name


def test_power_adds_up():
    """All over the time of all: between the least and the most of the layers."""
    layers = {name: pair[1] for name, pair in process.powers().items() if name != CHIP}
    assert min(layers.values()) < process.powers()[CHIP][1] < max(layers.values())
