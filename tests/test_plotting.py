"""The command that draws: kinds and widths, files of results, and what it refuses before it writes anything."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

import accelsim
from accelsim import plotting
from accelsim.cli import app
from accelsim.report.files import write_result
from accelsim.report.plot import SEVERAL, Plots

RESULT = "alexnet/result.json"


@pytest.fixture(scope="module")
def chip():
    return accelsim.simulate("eyeriss", "alexnet", mapping="eyeriss_alexnet_jssc17", layers="CONV4,CONV5", data="dense")


@pytest.fixture
def plot(chip, tmp_path, monkeypatch):
    """The command in a folder with a result in it."""
    monkeypatch.chdir(tmp_path)
    write_result("alexnet", chip)
    write_result("same", chip)

    def run(*arguments: object):
        return CliRunner().invoke(app, ["plot", *map(str, arguments)])

    return run


@pytest.mark.parametrize("width", plotting.WIDTHS)
@pytest.mark.parametrize("kind", plotting.KINDS[:6])
def test_every_kind_is_drawn_of_a_file(plot, tmp_path, kind, width):
    done = plot(RESULT, "--kind", kind, "--width", width, "--out", "x.svg")
    assert (done.exit_code, done.output) == (0, "wrote x.svg\n")
    text = (tmp_path / "x.svg").read_text(encoding="utf-8")
    assert "alexnet" in text and "<text" in text
    plot(RESULT, "--kind", kind, "--width", width, "--out", "y.svg")
    assert (tmp_path / "y.svg").read_bytes() == (tmp_path / "x.svg").read_bytes()


def test_kinds_are_those_of_a_result():
    assert {name for name in vars(Plots) if not name.startswith("_")} == {*plotting.KINDS, "data"}
    assert plotting.SEVERAL == SEVERAL


def test_layers_of_a_file_are_chosen(plot, tmp_path):
    done = plot(RESULT, "--kind", "cycles", "--layers", "CONV5", "--out", "x.svg")
    assert done.exit_code == 0
    text = (tmp_path / "x.svg").read_text(encoding="utf-8")
    assert ">CONV5</text>" in text and "CONV4" not in text
    assert plot(RESULT, "--layers", "CONV5", "--out", "x.svg").exit_code == 0
    assert "CONV4" not in (tmp_path / "x.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", SEVERAL)
def test_several_are_side_by_side(plot, tmp_path, kind):
    done = plot(RESULT, "same/result.json", "--kind", kind, "--width", "column", "--out", "x.svg")
    assert done.exit_code == 0, done.output
    text = (tmp_path / "x.svg").read_text(encoding="utf-8")
    assert ">alexnet</text>" in text and ">same</text>" in text


def test_a_picture_of_what_it_runs(plot, tmp_path):
    given = ("--layers", "CONV5", "--data", "dense", "--mapping", "eyeriss_alexnet_jssc17")
    done = plot("eyeriss", "alexnet", *given, "--kind", "mapping", "--layer", "CONV5", "--width", "slide")
    assert (done.exit_code, done.output) == (0, "wrote mapping.png\n")
    assert plot("eyeriss", "alexnet", *given, "--by", "network", "--out", "x.svg").exit_code == 0
    assert "energy per network" in (tmp_path / "x.svg").read_text(encoding="utf-8")


def test_a_comparison_has_cycles_and_widths(plot, tmp_path):
    given = ["compare", "eyeriss", "alexnet", "--layers", "CONV5", "--data", "dense", "--evaluator", "analytical"]
    given += ["--dataflow", "row_stationary", "--plot", "c.svg"]
    done = CliRunner().invoke(app, [*given, "--width", "column", "--kind", "cycles"])
    assert done.exit_code == 0, done.output
    assert "core cycles [" in (tmp_path / "c.svg").read_text(encoding="utf-8")
    for wrong, says in (
        (["--kind", "cycle"], "unknown kind of picture 'cycle'; did you mean 'cycles'? (cycles, energy)\n"),
        (["--width", "page3"], "unknown width 'page3'; did you mean 'page'? (column, page, slide)\n"),
    ):
        done = CliRunner().invoke(app, [*given, *wrong])
        assert (done.exit_code, done.stderr) == (2, says)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--kind", "cycels"], "unknown kind of picture 'cycels'; did you mean 'cycles'? ("),
        (["--width", "colum"], "unknown width 'colum'; did you mean 'column'? (column, page, slide)"),
        (["--by", "netwrk"], "unknown group of bars 'netwrk'; did you mean 'network'? (layer, network)"),
        (["--kind", "cycles", "--by", "network"], "--by is for energy, not for cycles"),
        (["--layer", "CONV4"], "--layer is for mapping, not for energy"),
        (["--kind", "mapping", "--layer", "CONV6"], "no layer 'CONV6' was run; did you mean 'CONV"),
        (["--kind", "cycles", "--layers", "FC*"], "no layer of this result fits 'FC*'"),
        (["--layers", ""], "no layer of this result fits ''"),
        (["--kind", "area"], "eyeriss_relative knows no areas"),
        (["--kind", "cycles", "--out", "alexnet"], "unknown picture format ''"),
        (["--kind", "cycles", "--out", "alexnet/result.json/x.png"], "alexnet/result.json/x.png: "),
        (["same/result.json", "--kind", "roofline"], "plot draws the roofline of one result, not of 2"),
        (["none.json", "--kind", "cycles"], "none.json: "),
    ],
)
def test_it_refuses_in_one_line_and_writes_nothing(plot, tmp_path, arguments, says):
    before = sorted(tmp_path.rglob("*"))
    done = plot(RESULT, *arguments)
    assert done.exit_code == 2
    assert done.stderr.startswith(says) and done.stderr.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_a_result_of_another_version_is_refused(plot, tmp_path):
    """One that does not say what it ran, and one whose numbers are not those that this version gives."""
    document = json.loads((tmp_path / RESULT).read_text(encoding="utf-8"))
    older = {name: value for name, value in document.items() if name != "ran"}
    (tmp_path / "older.json").write_text(json.dumps(older), encoding="utf-8")
    other = json.loads(json.dumps(document))
    other["total"]["cycles"] += 1
    (tmp_path / "other.json").write_text(json.dumps(other), encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    for name, says in (("older", "ran: missing"), ("other", "edited, or written by another version")):
        for kind in ("cycles", "traffic", "roofline", "array", "mapping"):
            done = plot(f"{name}.json", "--kind", kind)
            assert done.exit_code == 2 and says in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert sorted(tmp_path.rglob("*")) == before
    # what a picture of energy needs is in every document
    assert plot("older.json", "--out", "x.png").exit_code == 0
