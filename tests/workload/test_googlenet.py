"""GoogLeNet's shapes, against the totals of its paper's Table 1 as counted elsewhere."""

from __future__ import annotations

import pytest

from accelsim.workload.network import Network
from accelsim.workload.yaml import load_network


@pytest.fixture(scope="module")
def network() -> Network:
    return load_network("googlenet")


def test_totals(network):
    conv = [layer for layer in network.mac_layers if layer.op == "conv"]
    assert len(conv) == 57
    assert sum(layer.macs for layer in conv) == 1_581_647_872
    assert sum(layer.weights for layer in conv) == 5_966_272
    assert (network.macs, network.weights) == (1_582_671_872, 6_990_272)


def test_every_module_joins_its_branches(network):
    """Channels out of the nine modules: Table 1."""
    found = {layer.name: str(layer.shape) for layer in network.layers if layer.op == "concat"}
    planes = {"3": "28x28", "4": "14x14", "5": "7x7"}
    channels = {"3a": 256, "3b": 480, "4a": 512, "4b": 512, "4c": 512, "4d": 528, "4e": 832, "5a": 832, "5b": 1024}
    assert found == {name: f"{count}x{planes[name[0]]}" for name, count in channels.items()}


@pytest.mark.parametrize(
    ("name", "macs"), [("conv1", 118_013_952), ("conv2", 346_816_512), ("3a_5x5", 10_035_200), ("4e_3x3", 90_316_800)]
)
def test_layers(network, name, macs):
    assert network.select(name)[0].macs == macs
