"""Rooflines, arrays and mappings as pictures: what they show is what the result says."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import pairwise
from math import prod

import pytest

import fakes
from accelsim.errors import AccelsimError
from accelsim.report import plot_array, plot_mapping, plot_roofline
from accelsim.simulate import simulate
from accelsim.workload.problem import TENSORS

WIDTHS = (None, "column", "page", "slide")


@cache
def chip():
    return simulate("eyeriss", "alexnet", mapping="eyeriss_alexnet_jssc17", layers="CONV*", data="dense", batch=4)


def markers(axes):
    """(x, y) of every point drawn without a line."""
    return [
        (float(x), float(y))
        for line in axes.lines
        if line.get_marker() not in (None, "None", "")
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
    ]


@pytest.mark.parametrize("width", WIDTHS)
def test_every_layer_and_every_ridge_is_a_point(width):
    data = plot_roofline.roofline_data(chip())
    axes = chip().plot.roofline(width=width)
    expected = [(point.intensity, point.performance) for point in data.points]
    expected += [(roof.ridge, data.peak) for roof in data.roofs]
    drawn = sorted(markers(axes))
    assert [x for x, _ in drawn] == pytest.approx(sorted(x for x, _ in expected))
    assert drawn == [pytest.approx(place) for place in sorted(expected)]
    (low, high), (left, right) = axes.get_ylim(), axes.get_xlim()
    assert all(left < x < right and low < y < high for x, y in expected)
    assert axes.get_xlabel().endswith("[MACs/B]") and axes.get_ylabel() == "performance [MACs/cycle]"


def test_roofs_meet_the_peak_at_their_ridge():
    rows = chip().plot.data("roofline")
    roofs = [row for row in rows if row["what"] == "roof"]
    # the chip's DRAM: 64 b at 60 MHz, with a core of 200 MHz (JSSC 2017)
    dram = next(row for row in roofs if row["level"] == "DRAM")
    assert dram["bytes_per_cycle"] == pytest.approx(8 * 60 / 200)
    for row in roofs:
        assert row["ridge_macs_per_byte"] * row["bytes_per_cycle"] == pytest.approx(row["peak_macs_per_cycle"]) == 168
    layers = [row for row in rows if row["what"] == "layer"]
    assert len(layers) == 5 * len(roofs)
    for row in layers:
        layer = chip().layer(row["layer"])
        assert row["macs_per_cycle"] == pytest.approx(layer.macs / layer.cycles)
        assert row["macs_per_cycle"] <= row["bound_macs_per_cycle"] * (1 + 1e-9)
    legend = [text.get_text() for text in chip().plot.roofline(width="page").figure.legends[0].get_texts()]
    assert "DRAM: 2.40 B/cycle, ridge at 70 MACs/B" in legend and "ridge point" in legend


def test_ticks_are_round_numbers():
    ticks = plot_roofline._ticks
    assert ticks(0.3, 4e3) == [1, 10, 100, 1000]
    assert ticks(4.0, 210.0) == [5, 10, 20, 50, 100, 200]
    told = [plot_roofline._power(value) for value in (0.1, 5000.0, 5e5, 1e6, 5e6, 2e-4)]
    assert told == ["0.1", "5,000", "500,000", "$10^{6}$", "$5 \\times 10^{6}$", "$2 \\times 10^{-4}$"]


def test_levels_without_a_roof_are_named():
    text = plot_roofline.caption(chip(), plot_roofline.roofline_data(chip()))
    assert text == "peak 168 MACs/cycle; no width, so no roof: GLB"


def test_without_widths_there_is_no_roofline(fake_engine):
    result = simulate(fakes.machine(), fakes.network())
    with pytest.raises(AccelsimError, match="no port of 'toy' has a width"):
        result.plot.roofline()


@pytest.mark.parametrize("width", WIDTHS)
def test_a_place_is_as_dark_as_it_works(width):
    (use,) = plot_array.array_data(chip())
    axes = chip().plot.array(width=width)
    (image,) = axes.images
    assert image.get_array().tolist() == use.share.tolist()
    assert image.get_clim() == (0, 1)
    words = " ".join(text.get_text() for text in axes.texts)
    assert f"12 x 14 below FILTER_BANK works {100 * use.mean:.1f} %" in words


def test_places_add_up_to_the_active_pes():
    rows = chip().plot.data("array")
    assert len(rows) == 168 and {row["below"] for row in rows} == {"FILTER_BANK"}
    assert sum(row["share"] for row in rows) == pytest.approx(chip().total.active_pes)


def test_arrays_within_arrays_stand_beside_each_other():
    result = simulate("simba", "alexnet", layers="CONV3", evaluator="analytical")
    axes = result.plot.array(width="column")
    edges = [image.get_extent()[:2] for image in axes.images]
    assert len(edges) == 3 and all(one[1] < other[0] for one, other in pairwise(edges))


def test_pes_that_map_by_themselves_have_no_array():
    result = simulate("scnn", "alexnet", layers="CONV5")
    with pytest.raises(AccelsimError, match="PEs of 'scnn' map a layer by themselves"):
        result.plot.array()
    assert {row["kind"] for row in result.plot.data("mapping")} <= {"temporal", "x", "y"}


@pytest.mark.parametrize("width", WIDTHS)
def test_every_loop_is_a_box(width):
    axes = chip().plot.mapping(width=width, layer="CONV1")
    texts = [text.get_text() for text in axes.texts]
    nest = chip().layer("CONV1").nest
    for _, level in nest.levels:
        for kind, loop in level.loops:
            if loop.factor > 1:
                assert f"{loop.dim} {loop.factor:,}" + ("" if kind == "temporal" else f" {kind}") in texts
    assert [name for name in texts if name in ("DRAM", "GLB", "FILTER_BANK", "RF")] == [
        "DRAM",
        "GLB",
        "FILTER_BANK",
        "RF",
    ]


def test_loops_and_tiles_are_those_of_the_layer():
    layer = chip().layer("CONV1")
    rows = chip().plot.data("mapping", layer="CONV1")
    loops = [row for row in rows if row["kind"] != "tile"]
    for dim in ("M", "C", "P", "Q", "R", "S"):
        factors = prod(row["factor"] for row in loops if row["dim"] == dim)
        assert factors >= layer.problem[dim] if dim in ("P", "Q", "M", "C") else factors == layer.problem[dim]
    outer = {row["tensor"]: row["words"] for row in rows if row["kind"] == "tile" and row["level"] == "DRAM"}
    assert outer == {tensor.value: layer.problem.words(tensor) for tensor in TENSORS}


def test_the_longest_layer_is_drawn_unless_one_is_named():
    most = max(chip().layers, key=lambda layer: layer.cycles * layer.repeat)
    title, told, more, *_ = (text.get_text() for text in chip().plot.mapping(width="slide").figure.texts)
    assert title == f"{most.name} of alexnet on eyeriss"
    assert "of 5 layers the one that takes most cycles" in f"{told} {more}"
    with pytest.raises(AccelsimError, match=r"no layer 'CONV9' was run; did you mean 'CONV\d'\?"):
        chip().plot.mapping(layer="CONV9")
    with pytest.raises(AccelsimError, match="none of these layers of 'alexnet' has MACs"):
        plot_mapping.draw(replace(chip(), layers=()))


def test_they_draw_on_the_axes_given():
    from matplotlib.figure import Figure

    for kind in ("roofline", "array", "mapping", "traffic"):
        axes = Figure(figsize=(8, 4)).add_subplot()
        assert getattr(chip().plot, kind)(axes) is axes
        assert axes.get_title("left") and axes.get_legend() is not None
