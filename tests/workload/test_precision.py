"""Bits of words in a workload, and over it in a run: layer by layer, in the document, in the checks."""

from __future__ import annotations

import pytest

from accelsim.architecture.yaml import load_architecture
from accelsim.errors import AccelsimError
from accelsim.outputs import check_outputs
from accelsim.report.table import moved_grid
from accelsim.simulate import simulate
from accelsim.workload.problem import TENSORS, Tensor
from accelsim.workload.yaml import network_of
from accelsim.yamlfile import parse

IFMAP, FILTER, PSUM = TENSORS
MIXED = """\
name: mixed
source: test
input: {C: 3, H: 12, W: 12}
bits: {ifmap: 4, filter: 4}
layers:
  FIRST: {op: conv, M: 8, kernel: 3, bits: {ifmap: 8, filter: 8}}
  MIDDLE: {op: conv, M: 8, kernel: 3}
  SAME: {op: conv, M: 8, C: 8, kernel: 3, pad: 1, bits: {filter: 1}}
  TWIN: {op: conv, M: 8, C: 8, kernel: 3, pad: 1}
  LAST: {op: fc, M: 10, bits: {ifmap: 8, filter: 8, psum: 24}}
"""
RUN = {"evaluator": "analytical", "energy": "horowitz_45nm"}


@pytest.fixture(scope="module")
def mixed():
    return network_of(parse(MIXED))


def widths(result):
    return {layer.name: tuple(layer.bits[t] for t in TENSORS) for layer in result.layers}


def test_a_layer_goes_before_its_network_and_that_before_the_machine(mixed):
    result = simulate("eyeriss_isca16_rs", mixed, **RUN)
    assert widths(result) == {
        "FIRST": (8, 8, 16),
        "MIDDLE": (4, 4, 16),
        "SAME": (4, 1, 16),
        "TWIN": (4, 4, 16),
        "LAST": (8, 8, 24),
    }
    # one problem at two widths is two layers to simulate
    assert result.layer("SAME").problem == result.layer("TWIN").problem
    assert result.layer("SAME").energy < result.layer("TWIN").energy


def test_the_run_goes_before_all(mixed):
    result = simulate("eyeriss_isca16_rs", mixed, bits={"filter": 2, "psum": 32}, **RUN)
    assert widths(result)["FIRST"] == (8, 2, 32)
    assert widths(result)["MIDDLE"] == (4, 2, 32)


def test_the_document_and_the_table_say_the_widths(mixed):
    result = simulate("eyeriss_isca16_rs", mixed, **RUN)
    document = result.to_dict()["layers"]
    assert [layer["bits"] for layer in document[:2]] == [
        {"ifmap": 8, "filter": 8, "psum": 16, "ofmap": 16},
        {"ifmap": 4, "filter": 4, "psum": 16, "ofmap": 16},
    ]
    grid = moved_grid(result)
    assert grid.header[-1] == "bits i/f/p/o"
    assert [row[-1] for row in grid.rows] == ["8/8/16/16", "4/4/16/16", "4/1/16/16", "4/4/16/16", "8/8/24/24", ""]
    layer = result.layer("MIDDLE")
    counted = {t: sum(words for level, name, _, words in layer.counts.rows() if (level, name) == ("DRAM", t.value))
               for t in TENSORS}  # fmt: skip
    assert layer.megabytes("DRAM") == (4 * counted[IFMAP] + 4 * counted[FILTER] + 16 * counted[PSUM]) / 8e6


def test_the_machines_own_widths_change_nothing():
    plain, stated = (
        simulate("eyeriss", "alexnet", layers="CONV3", data="dense", mapping="eyeriss_alexnet_jssc17", bits=bits)
        for bits in (None, {"ifmap": 16, "filter": 16, "psum": 16})
    )
    assert plain.to_dict()["layers"] == stated.to_dict()["layers"]
    assert "bits i/f/p/o" not in moved_grid(plain).header


def test_shorter_words_through_the_chip():
    """With one mapping no count changes; what moves them takes less time and, by bits, less energy."""
    runs = {
        bits: simulate(
            "eyeriss", "alexnet", layers="CONV3", data="dense", mapping="eyeriss_alexnet_jssc17",
            bits=dict.fromkeys(("ifmap", "filter", "psum"), bits),
        ).layers[0]
        for bits in (16, 8, 4, 1)
    }  # fmt: skip
    rows = {bits: list(layer.counts.rows()) for bits, layer in runs.items()}
    assert all(found == rows[16] for found in rows.values())
    assert all(runs[a].timing.cycles > runs[b].timing.cycles for a, b in ((16, 8), (8, 4)))
    for bits, layer in runs.items():
        assert layer.megabytes("GLB") * 16 == pytest.approx(runs[16].megabytes("GLB") * bits)
        moved = sum(row.energy for row in layer.energy_rows if row.component != "MAC")
        assert 16 * moved == bits * sum(row.energy for row in runs[16].energy_rows if row.component != "MAC")


def test_checks_draw_operands_of_these_widths(mixed):
    result = simulate("eyeriss_isca16_rs", mixed, bits={"ifmap": 1, "filter": 1, "psum": 4}, **RUN)
    lines = list(check_outputs(result))
    assert all("outputs equal numpy's convolution" in line for line in lines)
    # sums of 27 and 72 products of bits reach beyond 15
    assert lines[1].startswith(
        "MIDDLE: outputs equal numpy's convolution (seed 0, 512 words); psums overflow: "
        "these sums need 6 b, or 5 b unsigned"
    )
    wide = simulate("eyeriss_isca16_rs", mixed, bits="ifmap=1,filter=1,psum=8", seed=1, **RUN)
    assert not any("overflow" in line for line in check_outputs(wide))


@pytest.mark.parametrize(
    ("bits", "message"),
    [
        ({"ifmap": 0}, "bits: ifmap: must be at least 1, got 0"),
        ({"ifmap": 65}, "bits: ifmap: must be at most 64, got 65"),
        ({"ifmap": 8.0}, "bits: ifmap: should be a whole number, got '8.0'"),
        ({"psum": True}, "bits: psum: should be a whole number, got true"),
        ({"psums": 8}, "bits: unknown tensor 'psums'; did you mean 'psum'? (filter, ifmap, ofmap, psum)"),
    ],
)
def test_refused(bits, message):
    with pytest.raises(AccelsimError) as error:
        simulate("eyeriss", "alexnet", bits=bits)
    assert str(error.value) == message


def test_scnn_at_other_widths():
    """A Cartesian PE maps by itself; its memories hold and its encoded words carry the widths of the run."""
    runs = [
        simulate("scnn", "alexnet", layers="CONV3", bits=bits).layers[0] for bits in (None, {"ifmap": 8, "filter": 8})
    ]
    assert runs[0].timing.cycles == runs[1].timing.cycles
    assert runs[1].energy < runs[0].energy


def test_weights_that_are_decoded_are_multiplied_at_their_full_width():
    eie = load_architecture("eie")
    assert eie.word_bits[Tensor.FILTER] == 4
    assert eie.mac_bits == {IFMAP: 16, FILTER: 16, PSUM: 16}
