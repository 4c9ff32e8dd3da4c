"""Every real graph as a network: its MACs and weights are right, nothing is left out, and YAML gives the same."""

from __future__ import annotations

import pytest

from graphs import GRAPHS, at_hand, dims, truth

pytest.importorskip("onnx.helper")

from accelsim.onnx.network import convert, load
from accelsim.workload.yaml import network_of
from accelsim.yamlfile import parse

pytestmark = at_hand


@pytest.mark.parametrize("name", truth())
def test_totals(name):
    found, right = load(GRAPHS / f"{name}.onnx", dims=dims(name)), truth()[name]
    assert found.macs == right["totals"]["macs"]
    assert found.weights == right["totals"]["weights"]
    # an Attention is two products, a bidirectional layer one; a transposed convolution a few that are one layer
    assert len(found.mac_layers) >= right["totals"]["layers"]
    coverage = found.coverage
    assert coverage.layers.macs == right["totals"]["macs"]
    assert coverage.layers.nodes == right["totals"]["layers"]
    assert not coverage.not_modelled and coverage.words_left_out == coverage.macs_left_out == 0


@pytest.mark.parametrize("name", truth())
def test_the_workload_file_gives_the_same(name):
    text = convert(GRAPHS / f"{name}.onnx", dims(name))
    found, again = load(GRAPHS / f"{name}.onnx", dims=dims(name)), network_of(parse(text))
    assert again.layers == found.layers
    assert (again.name, again.input, again.batch, again.source) == (found.name, found.input, found.batch, found.source)


def test_a_batch_multiplies():
    one, four = (load(GRAPHS / "resnet50.onnx", batch) for batch in (1, 4))
    assert four.macs == 4 * one.macs and four.weights == one.weights
    assert {layer.problem["N"] for layer in four.mac_layers} == {4}
    assert load(GRAPHS / "resnet50.onnx", dims={"batch": 4}).layers == four.layers


def test_heads_share_keys():
    """Grouped-query attention: two heads of a query to one of a key, which is read once."""
    network = load(GRAPHS / "qwen3_gqa_prefill_dynamo.onnx", dims=dims("qwen3_gqa_prefill_dynamo"))
    products = [layer.problem for layer in network.mac_layers if layer.problem.dynamic_filter]
    assert {(problem["N"], problem["G"]) for problem in products} == {(2, 8)}


@pytest.mark.parametrize("name", ["digits_cnn_qdq", "digits_cnn_qlinear", "digits_cnn_dynamic"])
def test_bits_are_those_of_the_integers(name):
    network = load(GRAPHS / f"{name}.onnx")
    for layer in network.mac_layers:
        bits = {width.value: size for width, size in layer.bits.items()}
        assert (bits["ifmap"], bits["filter"]) == (8, 8) and "psum" not in bits
