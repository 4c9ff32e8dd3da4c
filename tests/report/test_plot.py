"""Pictures: every energy is drawn, on the axes given, with units."""

from __future__ import annotations

from itertools import pairwise

import pytest

import fakes
from accelsim.report import plot
from accelsim.simulate import compare, simulate


@pytest.fixture
def result(fake_engine):
    return simulate(fakes.machine(), fakes.network())


def test_the_bars_add_up_to_the_energy(result):
    axes = result.plot.energy()
    drawn = sum(bar.get_height() for bar in axes.patches)
    assert drawn == pytest.approx(sum(float(layer.energy) for layer in result.layers))
    assert axes.get_ylabel() == "energy per layer [MAC]"


def test_it_draws_on_the_axes_given(result):
    from matplotlib.figure import Figure

    axes = Figure().add_subplot()
    assert result.plot.energy(axes) is axes


def test_stacks_do_not_overlap(result):
    axes = result.plot.energy()
    spans = sorted((round(bar.get_x(), 6), bar.get_y(), bar.get_y() + bar.get_height()) for bar in axes.patches)
    for (place, _, top), (next_place, bottom, _) in pairwise(spans):
        assert place != next_place or bottom == pytest.approx(top)


def test_levels_outermost_first_in_the_legend(result):
    labels = result.plot.energy().get_legend_handles_labels()[1]
    assert labels == ["DRAM", "GLB", "RF", "network", "MAC"]


def test_gated_macs_stand_on_the_bar_of_the_macs(result):
    document = result.to_dict()
    for layer in document["layers"]:
        gated = {"component": "MAC", "tensor": "none", "action": "gated", "energy": 1000.0}
        layer["energy_breakdown"].append(gated)
    axes = plot.energy(document)
    assert axes.get_legend_handles_labels()[1] == ["DRAM", "GLB", "RF", "network", "MAC"]
    drawn = sum(bar.get_height() for bar in axes.patches)
    assert drawn == pytest.approx(sum(float(layer.energy) + 1000 for layer in result.layers))
    macs = axes.containers[-1]
    assert [bar.get_height() for bar in macs if bar.get_height()] == [
        pytest.approx(layer.counts.macs + 1000) for layer in result.layers
    ]


def test_the_caption_says_where_zeros_come_from(result):
    (dense,), (sparse,) = (found.plot.energy().texts for found in (result, fakes.with_zeros(result)))
    assert "zeros" not in dense.get_text()
    assert "zeros: densities of workload 'toynet', seed 0" in sparse.get_text().replace("\n", " ")


def test_comparison_is_per_mac(fake_engine):
    comparison = compare(fakes.machine(), fakes.network(), layers="FC3")
    axes = comparison.plot()
    drawn = sum(bar.get_height() for bar in axes.patches)
    each = [float(result.total.energy) / result.total.macs for result in comparison.results.values()]
    assert drawn == pytest.approx(sum(each))
    assert axes.get_ylabel() == "energy per MAC [MAC]"


def test_the_same_picture_twice_is_the_same_file(result, tmp_path):
    for name in ("a.svg", "b.svg"):
        plot.save(result.plot.energy(), str(tmp_path / name))
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
