"""Networks as their frameworks export them, layer by layer: MACs and weights of every product of the graph.

`tests/data/exported.json` has them: [how many layers, MACs, weights] of each network, counted over its exported graph
by the shapes that a run of it had, and a second time by the operators that the framework ran; both agree.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from accelsim.workload.network import Network
from accelsim.workload.yaml import load_network

KNOWN = json.loads((Path(__file__).parents[1] / "data" / "exported.json").read_text(encoding="utf-8"))
PARTS = {"t5_small": "e", "whisper_tiny": "e"}
"""Where only a part was exported, what the names of its layers begin with: an encoder."""


def counted(network: Network, begin: str = "") -> Counter[tuple[int, int]]:
    """How many layers have so many (MACs, weights); a layer that is carried out in parts is one."""
    macs, weights = Counter[str](), Counter[str]()
    for layer in network.mac_layers:
        if layer.name.startswith(begin):
            macs[layer.whole or layer.name] += layer.macs
            weights[layer.whole or layer.name] += layer.weights
    return Counter((macs[name], weights[name]) for name in macs)


@pytest.mark.parametrize("name", KNOWN)
def test_layer_by_layer(name):
    exported = Counter({(macs, weights): count for count, macs, weights in KNOWN[name]["layers"]})
    assert counted(load_network(name), PARTS.get(name, "")) == exported


# gpt2 of 256 tokens with its LM head, and vit_b_16, from the same frameworks: q, k and v are one product there
JOINED = {
    "gpt2": ({"seq": 256, "lm_head": 1}, 32_832_159_744, 123_532_032),
    "vit_b16": ({}, 17_563_828_224, 86_292_480),
}


@pytest.mark.parametrize("name", JOINED)
def test_in_sum_where_products_are_joined(name):
    parameters, macs, weights = JOINED[name]
    network = load_network(name, parameters=parameters)
    assert (network.macs, network.weights) == (macs, weights)
