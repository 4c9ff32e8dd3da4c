"""MobileNet v1 at the two sizes that ship: totals and shapes of its layers."""

from __future__ import annotations

import pytest

from accelsim.workload.problem import Problem
from accelsim.workload.yaml import load_network

# MACs and weights of all layers, and of the convolutions alone, as in the layer tables of TF-slim and torchvision;
# Howard et al., 2017, Tables 4, 6 and 7 print 569 M and 4.2 M at full width, 49 M and 1.3 M for 0.5-128
TOTALS = {
    "mobilenet_v1_0.5_128": (49_160_192, 1_319_648, 48_648_192, 807_648),
    "mobilenet_v1": (568_740_352, 4_209_088, 567_716_352, 3_185_088),
}
BLOCKS = range(2, 15)


@pytest.mark.parametrize("name", TOTALS)
def test_totals(name):
    found = load_network(name)
    convolutions = [layer for layer in found.mac_layers if layer.op != "fc"]
    macs, weights = sum(x.macs for x in convolutions), sum(x.weights for x in convolutions)
    assert (found.macs, found.weights, macs, weights) == TOTALS[name]
    assert found.source


@pytest.mark.parametrize("name", TOTALS)
def test_names_in_order(name):
    blocks = [f"{kind}{block}" for block in BLOCKS for kind in ("dw", "pw")]
    assert [layer.name for layer in load_network(name).mac_layers] == ["conv1", *blocks, "FC"]


def test_layers_of_half_width():
    found = {layer.name: layer.problem for layer in load_network("mobilenet_v1_0.5_128").mac_layers}
    assert found["conv1"] == Problem((1, 1, 16, 3, 64, 64, 3, 3), (2, 2), pad=(1, 1), height=128, width=128)
    assert found["dw2"] == Problem((1, 16, 1, 1, 64, 64, 3, 3), pad=(1, 1), height=64, width=64)
    assert found["dw3"] == Problem((1, 32, 1, 1, 32, 32, 3, 3), (2, 2), pad=(1, 1), height=64, width=64)
    assert found["pw4"].sizes == (1, 1, 64, 64, 32, 32, 1, 1)
    assert {found[f"dw{block}"] for block in range(8, 13)} == {found["dw8"]}
    assert {found[f"pw{block}"] for block in range(8, 13)} == {found["pw8"]}
    assert found["pw14"].sizes == (1, 1, 512, 512, 4, 4, 1, 1)
    assert found["FC"].sizes == (1, 1, 1000, 512, 1, 1, 1, 1)


def test_layers_of_full_width():
    found = {layer.name: layer.problem for layer in load_network("mobilenet_v1").mac_layers}
    assert found["conv1"] == Problem((1, 1, 32, 3, 112, 112, 3, 3), (2, 2), pad=(1, 1), height=224, width=224)
    assert found["dw14"] == Problem((1, 1024, 1, 1, 7, 7, 3, 3), pad=(1, 1), height=7, width=7)
    assert found["FC"].sizes == (1, 1, 1000, 1024, 1, 1, 1, 1)
