"""What no layer stands for is named, with its share; what is not known is followed as far as it is."""

from __future__ import annotations

import pytest

pytest.importorskip("onnx.helper")

from accelsim.errors import WorkloadError
from accelsim.onnx.graph.read import model_of
from accelsim.onnx.network import network
from onnx import helper
from onnx_small import BOOL, INT64, SMALL, branches, model, node, numbers, stored, tensor

OTHER = [helper.make_opsetid("com.example", 1)]
BEFORE = [node("Conv", "x w", "c", kernel_shape=[3, 3])]
AFTER = [node("Relu", "m", "r"), node("MatMul", "r w2", "y")]
WEIGHTS = [stored("w", 4, 3, 3, 3), stored("w2", 6, 5)]


def read(made, dims=None):
    return network(model_of(made.SerializeToString(), "small.onnx"), 1, dims)


def magic(*sizes):
    """A graph with an operator that nobody knows, and what the file says of what it gives."""
    nodes = [*BEFORE, node("Magic", "c", "m", domain="com.example"), *AFTER]
    made = model(nodes, [tensor("x", 1, 3, 8, 8)], [tensor("y", None, 5)], WEIGHTS, opsets=OTHER)
    if sizes:
        made.graph.value_info.append(tensor("m", *sizes))
    return made


@pytest.mark.parametrize("name", SMALL)
def test_small_graphs_are_covered(name):
    make, dims = SMALL[name]
    found = read(make(), dims)
    assert not found.coverage.not_modelled
    assert found.coverage.layers.macs == found.macs > 0


def test_an_operator_that_nobody_knows():
    found = read(magic(1, 6)).coverage
    (left,) = found.not_modelled
    assert (left.node, left.op, left.words, left.macs) == ("m", "com.example.Magic", 4 * 36 + 6, None)
    assert found.layers.nodes == 2
    words = [3 * 64 + 108 + 144, 6 + 6, 6 + 30 + 5]
    assert found.words_left_out == 150 / (150 + sum(words))
    assert found.macs_left_out is None


def test_what_follows_from_it_is_not_known_either():
    found = read(magic())
    assert [layer.name for layer in found.mac_layers] == ["c"]
    assert [left.op for left in found.coverage.not_modelled] == ["com.example.Magic", "Relu", "MatMul"]
    assert found.coverage.not_modelled[-1].why == "shapes are not known from node 'm' (com.example.Magic) on"


def test_sizes_that_follow_from_values():
    nodes = [*BEFORE, node("NonZero", "c", "n"), node("Cast", "n", "m", to=1), *AFTER]
    found = read(model(nodes, [tensor("x", 1, 3, 8, 8)], [tensor("y", None, 5)], WEIGHTS))
    assert [left.op for left in found.coverage.not_modelled] == ["NonZero", "Cast", "Relu", "MatMul"]


@pytest.mark.parametrize(("flag", "macs"), [(1, 24 + 3 * 32), (0, 24 + 3 * 32)])
def test_a_branch_that_an_input_chooses(flag, macs):
    found = read(branches(), {"flag": flag})
    assert found.macs == macs
    assert found.layers[0].name == ("t" if flag else "e")


def test_a_branch_that_nothing_chooses_says_what_would():
    (left,) = read(branches()).coverage.not_modelled
    assert left.op == "If" and "--dim NAME=VALUE" in left.why


def test_a_loop_that_its_words_end():
    body = helper.make_graph(
        [node("MatMul", "a u", "b"), node("ReduceSum", "b", "s", keepdims=0), node("Greater", "s s", "going")],
        "body",
        [tensor("i", kind=INT64), tensor("go", kind=BOOL), tensor("a", 2, 4)],
        [tensor("going", kind=BOOL), tensor("b", 2, 4)],
    )
    nodes = [
        node("MatMul", "x w", "first"),
        node("Equal", "one one", "yes"),
        node("Loop", " yes first", "y", body=body),
    ]
    nodes[-1].input[:] = ["", "yes", "first"]
    weights = [stored("w", 3, 4), stored("u", 4, 4), numbers("one", 1)]
    weights[-1].dims[:] = []
    found = read(model(nodes, [tensor("x", 2, 3)], [tensor("y", 2, 4)], weights)).coverage
    assert [(left.op, left.why) for left in found.not_modelled] == [("Loop", "how often it runs is not known")]


def test_a_scan_runs_for_each_slice():
    body = helper.make_graph(
        [node("MatMul", "s u", "p"), node("Add", "p t", "q"), node("Identity", "q", "o")],
        "body",
        [tensor("s", 2, 4), tensor("t", 2, 4)],
        [tensor("q", 2, 4), tensor("o", 2, 4)],
    )
    nodes = [node("Scan", "s0 x", "last y", num_scan_inputs=1, body=body)]
    inputs = [tensor("s0", 2, 4), tensor("x", 3, 2, 4)]
    found = read(model(nodes, inputs, [tensor("y", 3, 2, 4)], [stored("u", 4, 4)]))
    assert found.macs == 3 * 32 and len(found.mac_layers) == 3


def test_a_graph_without_macs_is_refused():
    made = model([node("Relu", "x", "y")], [tensor("x", 1, 3)], [tensor("y", 1, 3)])
    with pytest.raises(WorkloadError, match=r"^small\.onnx: has no node with MACs"):
        read(made)


def test_sizes_are_asked_for_by_name():
    attention, _ = SMALL["attention"]
    with pytest.raises(WorkloadError) as error:
        read(attention())
    assert str(error.value) == (
        "small.onnx: sizes of its inputs are missing: --dim seq=SIZE ('x' is [batch, seq, 32]; "
        "batch is 1 unless --dim batch=SIZE says otherwise)"
    )
    with pytest.raises(WorkloadError, match=r"--dim sec: no input has such a size; did you mean 'seq'\?"):
        read(attention(), {"sec": 4})
    with pytest.raises(WorkloadError, match="--dim seq: should be from 1"):
        read(attention(), {"seq": 0})
    with pytest.raises(WorkloadError, match="should be a whole number, got 'many'"):
        read(attention(), {"seq": "many"})
    assert read(attention(), {"x": "1x6x32"}).macs == read(attention(), {"seq": 6}).macs
    assert read(attention(), {"seq": 6, "batch": 2}).macs == 2 * read(attention(), {"seq": 6}).macs
