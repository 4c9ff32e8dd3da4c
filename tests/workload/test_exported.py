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
