"""Every real graph: the MACs, weights and shapes of each node are those that were counted without this package."""

from __future__ import annotations

import pytest

pytest.importorskip("onnx.helper")

from accelsim.onnx.graph.follow import follow
from accelsim.onnx.graph.products import Window, product
from accelsim.onnx.graph.read import read
from graphs import GRAPHS, at_hand, dims, truth

pytestmark = at_hand
SHAPES = ("x", "w", "r", "out", "q", "k", "v")


def followed(name):
    return follow(read(GRAPHS / f"{name}.onnx"), dims(name))


@pytest.mark.parametrize("name", truth())
def test_nodes(name):
    program, right = followed(name), truth()[name]
    found = [one for step in program.steps if (one := product(step))]
    assert len(found) == len(right["nodes"])
    for one, wanted in zip(found, right["nodes"], strict=True):
        node = one.step.node
        if not node.place:
            # in branches, nodes were counted before words of Constant nodes became stored tensors
            assert node.index == wanted["index"]
        assert (node.name, node.op, node.place) == (wanted["name"], wanted["op"], wanted.get("in", ""))
        assert (one.macs, one.weights) == (wanted["macs"], wanted["weights"]), node
        shapes = {key: list(shape) for key, shape in one.shapes.items() if key in wanted and key in SHAPES}
        given = {key: wanted[key] for key in shapes if isinstance(wanted[key], list)}
        assert {key: shapes[key] for key in given} == given, node
        form = one.forms[0]
        if isinstance(form, Window):
            sizes = (form.kernel, form.stride, form.dilation, form.pad[0] + form.pad[1], form.groups)
            keys = ("kernel", "stride", "dilation", "pad")
            assert sizes == (*(tuple(wanted[key]) for key in keys), wanted["group"]), node


@pytest.mark.parametrize("name", truth())
def test_totals(name):
    program, right = followed(name), truth()[name]
    found = [one for step in program.steps if (one := product(step))]
    assert sum(one.macs for one in found) == right["totals"]["macs"]
    alone = sum(one.macs for one in found if not one.weights)
    assert alone == right["totals"]["macs_of_activations_alone"]
    weights = {tensor: words for one in found for tensor, words in one.weights.items()}
    assert sum(weights.values()) == right["totals"]["weights"]
    outputs = {value.name: value.shape for value in program.outputs}
    assert [list(shape) for shape in outputs.values()] == list(right["outputs"].values())
