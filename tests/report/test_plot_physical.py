"""Pictures of power and area: every mW and every mm2 is drawn."""

from __future__ import annotations

import pytest

import fakes
from accelsim.errors import AccelsimError
from accelsim.simulate import simulate


@pytest.fixture(scope="module")
def chip():
    return simulate(
        "eyeriss", "alexnet", mapping="eyeriss_alexnet_jssc17", layers="CONV4,CONV5", data="dense", node=65, batch=4
    )


def test_bars_add_up_to_the_power_of_each_layer(chip):
    axes = chip.plot.power()
    tops: dict[float, float] = {}
    for bar in axes.patches:
        tops[round(bar.get_x(), 6)] = max(tops.get(round(bar.get_x(), 6), 0), bar.get_y() + bar.get_height())
    powers = [chip.milliwatts(layer.energy_exact, layer.cycles) for layer in chip.layers]
    assert list(tops.values()) == [pytest.approx(power) for power in powers]
    assert axes.get_ylabel() == "power [mW]"
    assert [text.get_text() for text in axes.get_legend().get_texts()][-1] == "DRAM"


def test_bars_of_area_are_floor_and_cells(chip):
    axes = chip.plot.area()
    floor = sum(bar.get_width() for bar in axes.containers[0])
    cells = sum(bar.get_width() for bar in axes.containers[1])
    assert (floor, cells) == (pytest.approx(float(chip.floor.area)), pytest.approx(float(chip.floor.cells)))
    assert axes.get_xlabel() == "area [mm2]"


def test_they_draw_on_the_axes_given(chip):
    from matplotlib.figure import Figure

    axes = Figure().add_subplot()
    assert chip.plot.power(axes) is axes
    assert chip.plot.area(axes) is axes


def test_what_is_not_known_is_not_drawn(fake_engine):
    relative = simulate(fakes.machine(), fakes.network())
    with pytest.raises(AccelsimError, match="energies of eyeriss_relative are relative, so there is no power to draw"):
        relative.plot.power()
    with pytest.raises(AccelsimError, match="eyeriss_relative knows no areas"):
        relative.plot.area()
    assert simulate(fakes.machine(), fakes.network(), energy="horowitz_45nm").plot.power() is not None
