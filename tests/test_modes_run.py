"""A machine whose multipliers split, from file to result and back; layers of several precisions in one run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from accelsim.errors import AccelsimError
from accelsim.outputs import check_outputs
from accelsim.report.physical import efficiency_lines
from accelsim.result import Result
from accelsim.simulate import rerun, simulate

MACHINE = """
name: split
source: test
clock: 200 MHz
word: {ifmap: 16 b, filter: 16 b, psum: 48 b}
energy: eyeriss_relative
dataflow: subword_parallel
levels:
  - name: DRAM
  - name: GLB
    capacity: 64 KiB
    array: {size: {y: 4, x: 4}}
  - name: RF
    capacity: {ifmap: 16 b, filter: 16 b, psum: 48 b}
pe:
  gate: [ifmap]
  modes:
    - {bits: 16 b}
    - {bits: 8 b, macs: 2, along: M}
    - {bits: 4 b, macs: 4, along: M, divider: 2}
"""
NETWORK = """
name: tiny
source: none
input: {C: 4, H: 8, W: 8}
layers:
  CONV1: {op: conv, M: 16, kernel: 3, pad: 1}
  CONV2: {op: conv, M: 16, kernel: 3, pad: 1, bits: {ifmap: 8, filter: 8, psum: 24}}
  CONV3: {op: conv, M: 16, kernel: 3, pad: 1, bits: {ifmap: 4, filter: 3, psum: 12}}
"""
RATES = {"CONV1": 16, "CONV2": 32, "CONV3": 32}
"""MACs of all PEs in a cycle of the core clock: in four sub-words at half the clock as many as in two."""


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    folder = tmp_path_factory.mktemp("modes")
    for name, text in (("split.yaml", MACHINE), ("tiny.yaml", NETWORK)):
        (folder / name).write_text(text)
    return simulate(folder / "split.yaml", folder / "tiny.yaml")


def test_every_layer_runs_in_its_mode(result: Result) -> None:
    """No port takes time, so all PEs work in all cycles of a layer, and every sub-word has a channel."""
    for layer in result.layers:
        assert layer.cycles == layer.macs / RATES[layer.name], layer.name
        assert result.utilization(layer.counts.visited, layer.cycles, layer) == 1
    assert result.layer("CONV3").nest.level("RF").temporal[0].factor == 4
    total = result.total
    assert total.cycles == sum(layer.cycles for layer in result.layers)
    assert total.ms == pytest.approx(1e3 * total.cycles / 200e6)
    assert total.utilization == pytest.approx(1)


def test_the_supplies_of_a_run_are_those_of_its_modes(result: Result, tmp_path: Path) -> None:
    for name, text in (("split.yaml", MACHINE), ("tiny.yaml", NETWORK)):
        (tmp_path / name).write_text(text)
    volts = {"pe.modes.0.supply": 1.0, "pe.modes.1.supply": 0.8, "pe.modes.2.supply": 0.65}
    kinds = {"physical.memories.RF": {"kind": "flip-flop"}, "physical.source": "test"}
    found = simulate(tmp_path / "split.yaml", tmp_path / "tiny.yaml", energy="cmos_28nm", parameters={**volts, **kinds})
    assert any("power at 28 nm, 0.65 to 1 V:" in line for line in efficiency_lines(found))
    assert [layer.cycles for layer in found.layers] == [layer.cycles for layer in result.layers]


def test_outputs_are_numpys(result: Result) -> None:
    assert all("equal numpy's convolution" in said for said in check_outputs(result))


def test_the_document_says_it_again(result: Result, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps(result.to_dict()))
    document = json.loads(path.read_text())
    assert [layer["mode"] for layer in document["layers"]] == ["1 x 16 b", "2 x 8 b", "4 x 4 b"]
    assert [layer["utilization"] for layer in document["layers"]] == [1, 1, 1]
    assert document["total"]["utilization"] == pytest.approx(1)
    back = Result.load(path)
    assert back.architecture.modes == result.architecture.modes
    assert rerun(path).to_dict() == document


def test_words_that_no_mode_takes_are_refused(result: Result) -> None:
    with pytest.raises(AccelsimError, match="modes: none takes ifmap words of 17 b") as found:
        simulate(result.architecture, result.ran.network, bits={"ifmap": 17})
    assert len(str(found.value).splitlines()) == 1


def test_the_layer_that_has_them_is_named(result: Result, tmp_path: Path) -> None:
    (tmp_path / "wide.yaml").write_text(NETWORK.replace("ifmap: 8,", "ifmap: 20,"))
    with pytest.raises(AccelsimError, match=r"^layer 'CONV2': architecture 'split': modes: none takes"):
        simulate(result.architecture, tmp_path / "wide.yaml")
