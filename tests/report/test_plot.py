"""Pictures: every energy is drawn, on the axes given, with units."""

from __future__ import annotations

from itertools import pairwise

import pytest

import fakes
from accelsim.errors import AccelsimError
from accelsim.report import plot
from accelsim.simulate import compare, simulate


@pytest.fixture
def result(fake_engine):
    return simulate(fakes.machine(), fakes.network())


def legend(axes):
    """Its labels, top down."""
    return [text.get_text() for text in axes.get_legend().get_texts()]


def groups(axes):
    """The names under the bars."""
    return [label.get_text() for label in axes.child_axes[0].get_xticklabels()]


def overhang(axes):
    """Pixels by which anything reaches beyond the figure."""
    figure = axes.figure
    figure.canvas.draw()
    box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    return figure.dpi * max(-box.x0, -box.y0, box.x1 - width, box.y1 - height)


def test_the_bars_add_up_to_the_energy(result):
    axes = result.plot.energy()
    drawn = sum(bar.get_height() for bar in axes.patches)
    assert drawn == pytest.approx(float(result.total.energy))
    assert axes.get_ylabel() == "energy per layer [MAC energies]"
    assert axes.get_title("left").endswith(f"total: {float(result.total.energy):,.0f} MAC energies, 33.1 per MAC")


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
    labels = legend(result.plot.energy())
    assert labels == ["MAC unit", "network", "RF", "GLB", "DRAM"]


def test_gated_macs_stand_on_the_bar_of_the_macs(result):
    document = result.to_dict()
    for layer in document["layers"]:
        gated = {"component": "MAC", "tensor": "none", "action": "gated", "energy": 1000.0}
        layer["energy_breakdown"].append(gated)
    axes = plot.energy(document)
    assert legend(axes) == ["MAC unit", "network", "RF", "GLB", "DRAM"]
    drawn = sum(bar.get_height() for bar in axes.patches)
    assert drawn == pytest.approx(sum(layer.repeat * (float(layer.energy) + 1000) for layer in result.layers))
    macs = axes.containers[-1]
    assert [bar.get_height() for bar in macs if bar.get_height()] == [
        pytest.approx(layer.repeat * (layer.counts.macs + 1000)) for layer in result.layers
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
    assert axes.get_ylabel() == "energy per MAC [MAC energies]"
    assert [text.get_text() for text in axes.texts if "total" in text.get_text()] == [
        f"total {value:.3g}" for value in each
    ]


def test_the_same_picture_twice_is_the_same_file(result, tmp_path):
    for name in ("a.svg", "b.svg"):
        plot.save(result.plot.energy(), str(tmp_path / name))
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def renamed(document, **changes):
    """A document with layers of other names, and `changes`."""
    names = ["$x_0$", "$\\frac{a$", "a\n\x1b[31m" + "y" * 100_000]
    layers = [dict(layer, name=name) for layer, name in zip(document["layers"], names, strict=True)]
    return dict(document, layers=layers, **changes)


def test_any_name_is_drawn_as_it_is(result, tmp_path):
    document = renamed(result.to_dict(), workload="net $a_$", architecture="\x07" + "m" * 100_000, levels=["$D$"])
    document["total"] = result.to_dict()["total"]
    for layer in document["layers"]:
        layer["energy_breakdown"] = [
            dict(row, component={"DRAM": "$D$", "GLB": "_G$\\frac{$"}.get(row["component"], row["component"]))
            for row in layer["energy_breakdown"]
        ]
    axes = plot.energy(document)
    assert groups(axes)[:2] == ["$x_0$", "$\\frac{a$"]
    assert len(groups(axes)[2]) <= plot.SHORT + len(" x3")
    assert "$D$" in legend(axes) and "_G$\\frac{$" in legend(axes)
    for ending in ("png", "svg", "pdf"):
        plot.save(axes, str(tmp_path / f"x.{ending}"))
    plot.save(plot.compare({"$a$": document, "$\\b{": document}), str(tmp_path / "c.png"))


def test_letters_the_font_lacks_are_no_warning(result, tmp_path, recwarn):
    plot.save(plot.energy(dict(result.to_dict(), workload="网络")), str(tmp_path / "x.png"))
    assert not recwarn.list


def test_a_picture_saved_as_it_is_is_whole(result):
    """As `result.plot.energy().figure.savefig(...)` does, without a tight box around it."""
    document = result.to_dict()
    for axes in (
        plot.energy(document),
        plot.energy(renamed(document)),
        plot.compare({"a" * 50: document, "b": document}, missing=["c_" * 20]),
    ):
        assert overhang(axes) < 1


def test_deep_networks_are_drawn_by_block(result):
    document = result.to_dict()
    layers = [
        dict(document["layers"][0], name=f"l{block}_{part}") for block in range(12) for part in ("q", "k", "v", "out")
    ]
    axes = plot.energy(dict(document, layers=layers))
    assert groups(axes) == [f"l{block}" for block in range(12)]
    assert axes.get_ylabel() == "energy per block [MAC energies]"
    drawn = sum(bar.get_height() for bar in axes.patches)
    assert drawn == pytest.approx(sum(layer["energy"] for layer in layers))
    assert overhang(axes) < 1


def test_what_did_not_run_is_marked(result, fake_engine):
    failures = [{"layer": f"BAD{index}", "reason": "too large"} for index in range(2)]
    axes = plot.energy(dict(result.to_dict(), failures=failures))
    assert groups(axes) == ["CONV1", "CONV2", "FC3 x3", "BAD0", "BAD1"]
    assert [text.get_text() for text in axes.texts].count(plot.MISSING) == 2
    assert "total without 2 layers: " in axes.get_title("left")
    axes = plot.energy(dict(result.to_dict(), failures=failures * 40))
    assert groups(axes)[-1] == "80 layers"
    comparison = compare(fakes.machine(), fakes.network(), layers="CONV1")
    axes = comparison.plot()
    assert [name.replace("\n", "") for name in groups(axes)] == ["rowstationary", "weightstationary"]
    assert [text.get_text() for text in axes.texts].count(plot.MISSING) == 1
    partly = compare(fakes.machine(), fakes.network()).plot()
    assert groups(partly)[1].endswith("*")
    assert any("* some layers did not run" in text.get_text() for text in partly.texts)


def test_two_networks_are_not_drawn_under_one_title(result):
    document = result.to_dict()
    other = dict(document, workload="othernet")
    axes = plot.compare({"one": document, "two": other})
    assert axes.get_title("left") == "2 workloads on toy"
    assert [" ".join(name.split()) for name in groups(axes)] == [
        "one: toynet, batch 1, 3 layers", "two: othernet, batch 1, 3 layers",
    ]  # fmt: skip
    assert plot.compare({"one": document, "two": document}).get_title("left") == "toynet, batch 1, 3 layers on toy"
    for change in ({"batch": 4}, {"layers": document["layers"][:2]}):
        assert (
            plot.compare({"one": document, "two": dict(document, **change)}).get_title("left") == "2 workloads on toy"
        )


def test_energies_of_different_units_have_no_common_axis(result):
    document = result.to_dict()
    with pytest.raises(AccelsimError, match="one in MAC energies, two in pJ"):
        plot.compare({"one": document, "two": dict(document, energy_unit="pJ")})


def test_a_network_named_in_its_label_is_not_named_twice(result):
    document = result.to_dict()
    found = plot.compare_bars({"toynet": document, "othernet-1": dict(document, workload="othernet")})
    assert list(found.stacks) == ["toynet", "othernet-1"]
    found = plot.compare_bars({"toynet": document, "othernet-1": dict(document, workload="othernet", batch=2)})
    assert list(found.stacks) == ["toynet: toynet, batch 1, 3 layers", "othernet-1: othernet, batch 2, 3 layers"]


def test_all_layers_of_a_network_are_one_group(result):
    document = result.to_dict()
    found = plot.energy_bars(document, by="network")
    assert list(found.stacks) == ["toynet"] and found.axis == "energy per network"
    for tensor in ("ifmap", "filter", "psum", "MAC"):
        rows = [row for row in document["total"]["energy_breakdown"] if tensor in (row["tensor"], row["component"])]
        drawn = [row["value"] for row in found.rows() if row["bar"] == tensor]
        assert sum(drawn) == pytest.approx(sum(row["energy"] for row in rows))
    with pytest.raises(AccelsimError, match=r"not by 'layers'; did you mean 'layer'\? \(layer, network\)"):
        plot.energy_bars(document, by="layers")


@pytest.mark.parametrize("width", ["column", "page", "slide"])
def test_bars_of_any_width_add_up_to_the_energy(result, width):
    axes = result.plot.energy(width=width)
    lengths = [bar.get_width() if width == "column" else bar.get_height() for bar in axes.patches]
    assert sum(lengths) == pytest.approx(result.total.energy)
    label = axes.get_xlabel() if width == "column" else axes.get_ylabel()
    assert label.replace("\n", " ") == "energy per layer [MAC energies]"


def test_rows_of_a_picture_add_up(result):
    rows = result.plot.data("energy")
    assert {row["group"] for row in rows} == {"CONV1", "CONV2", "FC3 x3"} and {row["unit"] for row in rows} == {
        "MAC energies"
    }
    assert sum(row["value"] for row in rows) == pytest.approx(result.total.energy)
    with pytest.raises(AccelsimError, match=r"unknown kind of picture 'cycle'; did you mean 'cycles'\?"):
        result.plot.data("cycle")


def test_whose_mappings_ran_is_in_the_title(fake_engine):
    network = fakes.network()
    nests = {layer.name: fakes.nest(layer.problem) for layer in network.layers if layer.problem}
    for mapping, words in (
        (None, "row-stationary"),
        (nests, "given mapping"),
        ({"CONV1": nests["CONV1"]}, "mapping given in part, else row-stationary"),
    ):
        title = simulate(fakes.machine(), network, mapping=mapping).plot.energy().get_title("left")
        assert title.split("\n")[0] == f"toynet on toy, {words}"
