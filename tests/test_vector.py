"""Layers without MACs in results: what they move, what it costs, what the totals say."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction

import pytest

import fakes
from accelsim.architecture.yaml import architecture_of, load_architecture
from accelsim.energy.curve import Curve
from accelsim.energy.load import load_table
from accelsim.energy.rows import EnergyRow
from accelsim.report import summary, terminal
from accelsim.report import table as tables
from accelsim.report.files import counts_csv
from accelsim.simulate import compare, simulate
from accelsim.vector import VectorLayer, vector_layers
from accelsim.workload.yaml import load_network, network_of
from accelsim.yamlfile import parse

NETWORK = """\
name: small
source: test
input: {C: 4, H: 6, W: 6}
layers:
  A: {op: conv, M: 4, kernel: 3, pad: 1}
  B: {op: add, inputs: [A, input], repeat: 2}
  C: {op: maxpool, kernel: 2}
  D: {op: concat, inputs: [C, C]}
  E: {op: softmax}
"""


def small(batch=1):
    return network_of(parse(NETWORK, "n.yaml"), batch)


@pytest.fixture
def result(fake_engine):
    return simulate(fakes.machine(), small(3))


def test_words_and_operations_of_a_batch(result):
    found = {layer.name: (layer.reads, layer.writes, layer.vector_ops) for layer in result.vector_layers}
    plane, half = 3 * 4 * 36, 3 * 4 * 9
    assert found == {
        "B": (2 * plane, plane, plane),
        "C": (plane, half, 3 * half),
        "D": (0, 0, 0),
        "E": (2 * half, 2 * half, 5 * 2 * half),
    }
    assert [layer.name for layer in result.layers] == ["A"]


def test_words_cost_what_the_outermost_level_charges(result):
    """DRAM of the table: 200 for a word read or written; operations have no price there."""
    layer = result.vector_layers[1]
    assert layer.energy_rows == (
        EnergyRow("DRAM", "ifmap", "read", 432, Fraction(432 * 200)),
        EnergyRow("DRAM", "psum", "update", 108, Fraction(108 * 200)),
    )
    assert result.vector.energy == 200 * (result.vector.reads + result.vector.writes)


def test_operations_are_priced_where_the_table_does(fake_engine):
    priced = replace(load_table("eyeriss_relative"), vector_op=Curve.flat("0.5"))
    result = simulate(fakes.machine(), small(), energy=priced)
    assert result.vector_layers[1].energy_rows[-1] == EnergyRow("vector", "none", "operation", 108, Fraction(54))
    # an add of the psum's bits, as in the table's MAC: Horowitz, 16 b
    assert load_table("horowitz_45nm").operation(fakes.machine().word_bits) == Fraction("0.05")
    assert load_table("eyeriss_relative").operation(fakes.machine().word_bits) is None


def test_memories_leak_meanwhile(fake_engine):
    base = load_table("eyeriss_relative")
    components = {**base.components, "RF": replace(base.components["RF"], leakage=Fraction(2))}
    result = simulate(replace(fakes.machine(), lanes=4), small(), energy=replace(base, components=components))
    add = result.vector_layers[0]
    assert add.cycles == 144 // 4
    assert add.energy_rows[-1] == EnergyRow("RF", "none", "leakage", 36, Fraction(36 * 8 * 2))


def test_totals_are_beside_those_of_the_macs(result):
    alone = simulate(fakes.machine(), small(3), layers="A")
    assert alone.total == result.total and not alone.vector_layers
    sums, layers = result.vector, result.vector_layers
    assert sums.layers == 4
    for name in ("reads", "writes", "vector_ops", "cycles", "processing_cycles", "energy", "energy_exact"):
        assert getattr(sums, name) == sum(getattr(layer, name) * layer.repeat for layer in layers)
    total = json.loads(json.dumps(result.to_dict()))["total"]
    for key in ("cycles", "processing_cycles", "ms", "energy"):
        assert total["with_vector"][key] == pytest.approx(total[key] + total["vector"][key], rel=1e-12)
    assert total["energy"] == result.total.energy
    assert not total["vector"]["vector_ops_priced"]


def test_the_document_lists_them(result):
    document = json.loads(json.dumps(result.to_dict()))
    assert [layer["name"] for layer in document["vector_layers"]] == ["B", "C", "D", "E"]
    layer = document["vector_layers"][0]
    assert {"name", "op", "repeat", "reads", "writes", "vector_ops", "cycles", "energy"} <= set(layer)
    assert (layer["op"], layer["repeat"]) == ("add", 2)
    assert layer["energy"] == sum(row["energy"] for row in layer["energy_breakdown"])


def test_tidy_rows_and_csv_hold_them_apart_for_they_are_not_in_the_total(result):
    rows = [tuple(row.values())[1:] for row in result.vector_table if row["layer"] == "C"]
    assert rows == [
        ("maxpool", 1, "vector", "none", "operation", 324, 0.0),
        ("maxpool", 1, "DRAM", "ifmap", "read", 432, 86400.0),
        ("maxpool", 1, "DRAM", "psum", "update", 108, 21600.0),
    ]
    line = "C,maxpool,1,vector,none,operation,324,0.0"
    assert line in counts_csv(result, vector=True).splitlines()
    assert line not in counts_csv(result).splitlines()
    assert {row["layer"] for row in result.table} == {"A"}
    # B runs twice
    assert sum(row["energy"] for row in result.vector_table) == result.vector.energy
    moved = [row["words"] for row in result.vector_table if row["tensor"] == "ifmap"]
    assert sum(moved) == result.vector.reads


@pytest.mark.parametrize(("globs", "names"), [("C", ["C"]), ("A,E", ["E"]), ("?", ["B", "C", "D", "E"])])
def test_layers_choose_them_too(fake_engine, globs, names):
    result = simulate(fakes.machine(), small(), layers=globs)
    assert [layer.name for layer in result.vector_layers] == names
    assert [layer.name for layer in result.layers] == (["A"] if globs != "C" else [])


def test_without_macs_there_is_one_line_and_no_table(fake_engine):
    result = simulate(fakes.machine(), small(), layers="C")
    assert tables.grids(result) == []
    # what ran, why it takes no time, what is not in the totals, where energies are from; and what is free
    assert len(terminal.report(result)) == 4 + len(result.free)
    assert set(compare(fakes.machine(), small(), layers="C").missing.values()) == {"none of the layers has MACs"}


def test_the_note_says_what_is_left_out(result):
    (note,) = (line for line in summary.notes(result) if "without MACs" in line)
    assert note == (
        "not in the totals: 4 layers without MACs: 3,564 words read and written, 2,268 vector operations, "
        "0 cycles (0 ms), 712,800 MAC energies; the operations are not timed (the machine declares no vector unit) or "
        "priced (the energy table has no vector_op)"
    )
    timed = replace(result, architecture=replace(result.architecture, lanes=2))
    assert "are not priced" in summary.vector_note(timed) and "timed" not in summary.vector_note(timed)


def test_gates_of_an_lstm_are_beside_its_macs():
    """4 gates, the state: read; output and state: written; 3 sigmoids, 2 tanh, 3 products, a sum for each unit."""
    network = load_network("lstm", batch=2, parameters={"seq": 7})
    found = vector_layers(fakes.machine(), network, network.layers, load_table("eyeriss_relative"), {})
    assert [(layer.name, layer.op, layer.repeat) for layer in found] == [
        ("lstm1 gates", "lstm", 7),
        ("lstm2 gates", "lstm", 7),
    ]
    assert (found[0].reads, found[0].writes, found[0].vector_ops) == (2 * 5 * 1024, 2 * 2 * 1024, 2 * 9 * 1024)


def test_pooling_waits_for_the_link_of_the_chip():
    """POOL1 of AlexNet: 96 x 55 x 55 words in, 96 x 27 x 27 out over 64 bits at 60 MHz, seen at 200 MHz."""
    network = load_network("alexnet")
    layers = network.select("POOL1")
    (found,) = vector_layers(load_architecture("eyeriss"), network, layers, load_table("eyeriss_relative"), {})
    assert (found.reads, found.writes) == (290_400, 69_984)
    beats = (-(-290_400 * 16 * 200 // (64 * 60)), -(-69_984 * 16 * 200 // (64 * 60)))
    assert found.cycles == sum(beats) and found.processing_cycles == 0


def test_lanes_are_declared_in_the_file():
    text = "name: m\nsource: t\nclock: 1 GHz\nword: 8 b\nlevels: [{name: DRAM}, {name: RF}]\n"
    assert architecture_of(parse(text, "m.yaml")).lanes == 0
    assert architecture_of(parse(text + "vector: {lanes: 16}\n", "m.yaml")).lanes == 16


def test_a_view_moves_nothing(result):
    assert result.vector_layers[2] == VectorLayer("D", "concat", 0, 0, 0, 0, 0, ())
