"""Cycles by cause: bars add up to the cycles of each layer and of all."""

from __future__ import annotations

from dataclasses import replace

import pytest

import fakes
from accelsim.errors import AccelsimError
from accelsim.report import plot_cycles
from accelsim.report.plot_cycles import CAUSES, REST, compare_bars, cycles_bars
from accelsim.result import Comparison
from accelsim.simulate import simulate


@pytest.fixture
def result(fake_engine):
    return simulate(fakes.machine(), fakes.network())


def with_stalls(result, stalls):
    """The same layers, held up otherwise."""

    def held(layer):
        cycles = layer.compute_cycles + sum(stalls.values())
        return replace(layer, timing=replace(layer.timing, cycles=cycles, stalls=stalls))

    return replace(result, layers=tuple(map(held, result.layers)))


def test_bars_add_up_to_the_cycles_of_every_run(result):
    found = cycles_bars(result)
    assert list(found.stacks) == ["CONV1", "CONV2", "FC3 x3"]
    for layer, bars in zip(result.layers, found.stacks.values(), strict=True):
        spent = {
            **{cause: cycles for cause, cycles in layer.stall_cycles.items() if cycles},
            "compute": layer.compute_cycles,
        }
        assert bars[""] == pytest.approx({cause: cycles * layer.repeat / 1e3 for cause, cycles in spent.items()})
    assert (found.axis, found.unit) == ("core cycles per layer", "10³ cycles")
    assert found.title[1].startswith(f"{result.total.cycles:,} core cycles, {result.total.ms:.3g}")


@pytest.mark.parametrize("width", [None, "column", "page", "slide"])
def test_all_of_it_is_drawn(result, width):
    axes = result.plot.cycles(width=width)
    along = [bar.get_width() if width == "column" else bar.get_height() for bar in axes.patches]
    assert 1e3 * sum(along) == pytest.approx(result.total.cycles)


def test_it_draws_on_the_axes_given(result):
    from matplotlib.figure import Figure

    axes = Figure().add_subplot()
    assert result.plot.cycles(axes) is axes
    assert axes.get_ylabel() == "core cycles per layer [10³ cycles]" and axes.get_legend() is not None


def test_causes_that_take_least_are_one(result):
    stalls = {f"L{at}->L{at + 1} ifmap": 10 + at for at in range(12)}
    found = cycles_bars(with_stalls(result, stalls))
    keys = [key for key, _, _ in found.parts]
    assert keys == ["compute", *(f"L{at}->L{at + 1} ifmap" for at in range(11, 11 - CAUSES + 1, -1)), REST]
    (group, *_) = found.stacks.values()
    assert 1e3 * group[""][REST] == pytest.approx(sum(10 + at for at in range(12 - CAUSES + 1)))
    assert f"{REST}: {12 - CAUSES + 1} causes that take least" in found.caption


def test_rows_keep_layers_apart(result):
    layers = tuple(replace(result.layers[0], name=f"l{at // 4}_{at % 4}") for at in range(160))
    deep = replace(result, layers=layers)
    assert len(cycles_bars(deep).stacks) <= 25 and cycles_bars(deep).axis == "core cycles per block"
    rows = deep.plot.data("cycles")
    assert len({row["group"] for row in rows}) == 160
    scale = 1.0 if rows[0]["unit"] == "cycles" else 1e3
    assert scale * sum(row["value"] for row in rows) == pytest.approx(deep.total.cycles)


def test_results_side_by_side(result):
    other = with_stalls(result, {"drain": 70})
    found = compare_bars({"one": result, "two": replace(other, failures=(("BAD", "too large"),))}, ["three"])
    assert found.groups == ["one", "two *", "three"] and "* some layers did not run" in found.caption
    sums = [sum(bars[""].values()) * 1e3 for bars in found.stacks.values()]
    assert sums == pytest.approx([result.total.cycles, other.total.cycles])
    assert found.title == ("2 workloads on toy",)
    same = compare_bars({"one": result, "two": other})
    assert same.title == ("toynet, batch 1, 3 layers on toy",)
    axes = Comparison({"one": result, "two": other}, {}).plot(kind="cycles", width="column")
    assert [label.get_text() for label in axes.get_yticklabels()] == ["one", "two"]
    with pytest.raises(AccelsimError, match=r"no picture of 'area' has several results \(cycles, energy\)"):
        Comparison({"one": result}, {}).plot(kind="area")


def test_closed_forms_say_so(result):
    bounds = tuple(replace(layer, timing=replace(layer.timing, exact=False)) for layer in result.layers)
    assert "closed form: a lower bound" in cycles_bars(replace(result, layers=bounds)).caption


def test_nothing_is_drawn_of_nothing(result):
    with pytest.raises(AccelsimError, match="nothing to draw: none of these layers of 'toynet' has MACs"):
        plot_cycles.cycles(replace(result, layers=()))
    still = tuple(replace(layer, timing=replace(layer.timing, cycles=0, stalls={})) for layer in result.layers)
    with pytest.raises(AccelsimError, match="nothing to draw: no layer of 'toynet' takes any time"):
        plot_cycles.cycles(replace(result, layers=still))
