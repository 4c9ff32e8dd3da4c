"""Pictures of power and area: every mW and every mm2 is drawn."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

import fakes
from accelsim.cli import app
from accelsim.errors import AccelsimError
from accelsim.report.files import write_result
from accelsim.report.palette import colours
from accelsim.simulate import simulate


def plot(*arguments: object):
    return CliRunner().invoke(app, ["plot", *map(str, arguments)])


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


def test_what_is_neither_memory_nor_network_has_a_look_of_its_own():
    """The clock and parts of one's own."""
    looks = colours(["DRAM", "RF", "MAC", "clock", "ADC", "LASER"], ["DRAM", "RF"])
    assert len(set(looks.values())) == len(looks)


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


@pytest.mark.parametrize(("kind", "says"), [("power", "power [mW]"), ("area", "area [mm2]"), ("energy", "total")])
def test_the_command_draws_each_kind_from_a_document(chip, tmp_path, monkeypatch, kind, says):
    import matplotlib as mpl

    write_result(tmp_path, chip)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(mpl.rcParams, "svg.fonttype", "none")
    done = plot("result.json", "--kind", kind, "--out", "x.svg")
    assert (done.exit_code, done.output) == (0, "wrote x.svg\n")
    assert says in (tmp_path / "x.svg").read_text(encoding="utf-8")
    assert plot("result.json", "--kind", kind).output == f"wrote {kind}.png\n"
    assert (tmp_path / f"{kind}.png").stat().st_size > 5000


def test_the_command_draws_what_it_runs(tmp_path):
    out = tmp_path / "p.svg"
    given = ("--mapping", "eyeriss_alexnet_jssc17", "--layers", "CONV4", "--data", "dense")
    done = plot("eyeriss", "alexnet", *given, "--node", 65, "--supply", 0.9, "--kind", "power", "--out", out)
    assert done.exit_code == 0, done.output
    assert out.exists()


@pytest.mark.parametrize("kind", ["power", "area"])
def test_the_command_refuses_what_is_not_known(chip, tmp_path, kind):
    out = tmp_path / "x.png"
    done = plot("eyeriss", "alexnet", "--layers", "CONV4", "--data", "dense", "--kind", kind, "--out", out)
    assert done.exit_code == 2
    assert done.stderr.startswith(("energies of eyeriss_relative are relative", "eyeriss_relative knows no areas"))
    done = plot("eyeriss", "alexnet", "--layers", "POOL*", "--kind", kind, "--node", 65, "--out", out)
    assert (done.exit_code, done.stderr) == (2, "nothing to draw: none of these layers of 'alexnet' has MACs\n")
    write_result(tmp_path / "a", chip)
    write_result(tmp_path / "b", chip)
    files = [tmp_path / name / "result.json" for name in ("a", "b")]
    done = plot(*files, "--kind", kind, "--out", out)
    assert (done.exit_code, done.stderr) == (2, f"plot draws the {kind} of one result, not of 2\n")
    assert not out.exists()
