"""Deep networks fall into their blocks."""

from __future__ import annotations

import pytest

from accelsim.report.groups import MOST, blocks
from accelsim.workload.yaml import load_network
from accelsim.yamlfile import builtin


def names(network: str) -> list[str]:
    return [layer.name for layer in load_network(network).layers if layer.problem]


@pytest.mark.parametrize("network", builtin("workload"))
def test_every_layer_is_in_one_block_and_in_order(network):
    layers = names(network)
    found = blocks(layers)
    assert [index for _, group in found for index in group] == list(range(len(layers)))
    assert len(found) <= MOST
    assert len({label for label, _ in found}) == len(found)


def test_few_layers_stay_as_they_are():
    assert blocks(["a", "b"]) == [("a", [0]), ("b", [1])]
    assert len(blocks([f"l{index}" for index in range(MOST)])) == MOST


def test_blocks_are_the_networks_own():
    labels = [label for label, _ in blocks(names("bert_base"))]
    assert labels == [f"l{block}" for block in range(12)]
    labels = [label for label, _ in blocks(names("resnet50"))]
    assert labels[:5] == ["conv1", "conv2_0", "conv2_proj", "conv2_1", "conv2_2"]
    assert blocks(names("mobilenet_v1"))[1] == ("dw2–pw2", [1, 2])


def test_names_that_tell_nothing_are_cut_into_runs():
    many = [f"layer{chr(97 + index // 26)}{chr(97 + index % 26)}" for index in range(60)]
    found = blocks(many)
    assert found[0] == ("layeraa–layerac", [0, 1, 2])
    assert len(found) == 20
