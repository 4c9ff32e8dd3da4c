"""The commands take a graph as they take a workload file."""

from __future__ import annotations

import json
import sys

import pytest
from typer.testing import CliRunner

pytest.importorskip("onnx.helper")

import accelsim
from accelsim.cli import app
from accelsim.result import Result
from onnx_small import SMALL


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A folder with each small graph in a file."""
    monkeypatch.chdir(tmp_path)
    for name, (make, _) in SMALL.items():
        (tmp_path / f"{name}.onnx").write_bytes(make().SerializeToString())
    return tmp_path


def typed(*words):
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def sizes(name):
    return [word for key, size in SMALL[name][1].items() for word in ("--dim", f"{key}={size}")]


@pytest.mark.parametrize("name", SMALL)
def test_run_and_run_of_the_converted_file(small, name):
    first = typed("run", "eyeriss", f"{name}.onnx", *sizes(name), "--json")
    assert first.exit_code == 0, first.output
    assert typed("convert", f"{name}.onnx", *sizes(name), "-o", "net.yaml").exit_code == 0
    second = typed("run", "eyeriss", "net.yaml", "--json")
    assert second.exit_code == 0, second.output
    ours, theirs = json.loads(first.stdout), json.loads(second.stdout)
    coverage = ours.pop("coverage")
    assert coverage["nodes"] == sum(coverage[sort]["nodes"] for sort in list(coverage)[1:6])
    for document in (ours, theirs):
        del document["ran"]
    assert ours == theirs


def test_a_result_of_a_graph_is_read_back(small):
    result = accelsim.simulate("eyeriss", "convolutions.onnx")
    assert typed("run", "eyeriss", "convolutions.onnx", "--out", "out").exit_code == 0
    again = Result.load("out/result.json")
    assert again.coverage == result.coverage and again.to_dict() == result.to_dict()
    assert (
        typed("run", "out/result.json", "--json").stdout
        == typed("run", "eyeriss", "convolutions.onnx", "--json").stdout
    )


def test_what_is_printed(small):
    printed = typed("run", "eyeriss", "convolutions.onnx").output
    assert "graph: 10 nodes: 4 in layers with MACs, 2 part of the layer before" in printed
    assert "all are modelled" in printed


@pytest.mark.parametrize("command", [["compare"], ["map"], ["plot", "--out", "p.png"]])
def test_other_commands_take_sizes(small, command):
    flows = ["--dataflow", "row_stationary"] if command != ["map"] else []
    done = typed(*command, "eyeriss", "attention.onnx", *sizes("attention"), *flows)
    assert done.exit_code == 0, done.output


def test_validate(small):
    done = typed("validate", "convolutions.onnx", "branches.onnx", "--dim", "flag=1")
    assert done.exit_code == 2 and "--dim flag: no input has such a size" in done.output
    done = typed("validate", "convolutions.onnx")
    assert done.output.startswith("convolutions.onnx: network 'convolutions' is fine\n  graph: 10 nodes")


def test_a_batch_is_multiplied(small):
    one, four = (accelsim.simulate("eyeriss", "attention.onnx", dims={"seq": 6}, batch=batch) for batch in (1, 4))
    assert four.total.macs == 4 * one.total.macs and four.batch == 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "eyeriss", "attention.onnx"], "attention.onnx: sizes of its inputs are missing: --dim seq=SIZE"),
        (["run", "eyeriss", "attention.onnx", "--dim", "seq"], "--dim seq: write KEY=VALUE"),
        (["run", "eyeriss", "attention.onnx", "--dim", "seq=0"], "--dim seq: should be from 1"),
        (["run", "eyeriss", "attention.onnx", "--dim", "x=4"], "--dim x=4: the input has 3 dims"),
        (["run", "eyeriss", "alexnet", "--dim", "seq=4"], "dims: seq: only an ONNX graph leaves sizes open"),
        (["run", "eyeriss", "nowhere.onnx"], "nowhere.onnx: No such file"),
        (["run", "eyeriss", "text.onnx"], "text.onnx: is no ONNX file, or a damaged one"),
        (["convert", "net.yaml"], "net.yaml: No such file"),
        (["run", "eyeriss", "convolutions.onnx", "--set", "seq=4"], "unknown parameter 'seq'"),
    ],
)
def test_refused_in_one_line(small, words, message):
    (small / "text.onnx").write_text("name: this is YAML\n")
    done = typed(*words)
    assert done.exit_code == 2
    assert message in done.output and done.output.count("\n") == 1


def test_without_the_library_one_line(small, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    done = typed("run", "eyeriss", "convolutions.onnx")
    assert (done.exit_code, done.output) == (2, "reading ONNX needs the package onnx: pip install 'accelsim[onnx]'\n")
