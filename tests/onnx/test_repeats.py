"""Layers told by the numbers in their names, as blocks: what they expand to is what they were."""

from __future__ import annotations

from copy import deepcopy
from random import Random

import pytest

from accelsim.onnx.repeats import folded
from accelsim.workload.yaml import network_of
from accelsim.yamlfile import Document


def network(layers, blocks=None):
    keys = {"name": "drawn", "source": "none", "input": {"C": 4, "H": 3, "W": 3}, "layers": layers}
    return network_of(Document("drawn", deepcopy(keys | ({"blocks": blocks} if blocks else {}))))


def tower(times, first=0, **changed):
    """`h.I.conv`, `h.I.relu`, `h.I.add`, behind one layer; of some, other keys."""
    layers = {"stem": {"op": "conv", "M": 4, "kernel": 1}}
    before = "stem"
    for i in range(first, first + times):
        layers[f"h.{i}.conv"] = {"op": "conv", "M": 4, "kernel": 1}
        layers[f"h.{i}.relu"] = {"op": "elementwise"}
        layers[f"h.{i}.add"] = {"op": "add", "inputs": [f"h.{i}.relu", before]}
        before = f"h.{i}.add"
    for name, keys in changed.items():
        layers[name.replace("_", ".")] |= keys
    return layers


def test_what_is_alike_is_written_once():
    blocks, layers = folded(tower(5))
    assert layers == {"stem": {"op": "conv", "M": 4, "kernel": 1}, "h.$i": {"block": "h", "times": 5}}
    add = {"op": "add", "inputs": ["relu", "input"]}
    conv = {"op": "conv", "M": 4, "kernel": 1}
    assert blocks == {"h": {"layers": {"conv": conv, "relu": {"op": "elementwise"}, "add": add}}}


@pytest.mark.parametrize(
    ("layers", "uses"),
    [
        (tower(6, first=3), [("h.$i", 6, 3)]),
        # the third is another one, so what is before and behind it repeats by itself
        (tower(7, h_2_conv={"kernel": 3, "pad": 1}), [("h.$i", 4, 3)]),
        (tower(2), []),  # saves no lines
        (tower(4, h_1_add={"inputs": ["h.1.relu", "stem"]}, h_3_add={"inputs": ["h.3.relu", "stem"]}), []),
    ],
)
def test_what_differs_is_not(layers, uses):
    _, left = folded(layers)
    assert [(name, use["times"], use.get("first", 0)) for name, use in left.items() if "block" in use] == uses
    assert network(left, folded(layers)[0]) == network(layers)


def test_what_all_read_is_a_second_input():
    layers = tower(6)
    for i in range(6):
        layers[f"h.{i}.add"]["inputs"] = [f"h.{i}.relu", "stem"]
    blocks, left = folded(layers)
    # of the first, it is the layer before as well
    assert left["h.$i"] == {"block": "h", "times": 5, "first": 1, "inputs": ["h.0.add", "stem"]}
    assert blocks["h"]["inputs"] == ["input", "stem"]
    assert network(left, blocks) == network(layers)


@pytest.mark.parametrize("seed", range(200))
def test_drawn_layers_come_back(seed):
    rng = Random(seed)
    layers, names = {}, ["input"]
    heads = [rng.choice(["", "a.", "m.b_"]) for _ in range(3)]
    for head in heads:
        own = [f"{rng.choice('xyz')}{j}" for j in range(rng.randint(1, 4))]
        reads = [rng.choice([None, None, -1, -2, 0]) for _ in own]
        number = rng.randint(0, 2)
        for i in range(number, number + rng.randint(1, 6)):
            for name, back in zip(own, reads, strict=True):
                whole = f"{head}{i}.{name}"
                if whole in layers:
                    continue
                layer = {"op": "elementwise"} if rng.random() < 0.95 else {"op": "conv", "M": 4, "kernel": 1}
                if back is not None and len(names) > 2:
                    layer = {"op": "add", "inputs": [names[-1], names[back - 1]]}
                layers[whole] = layer
                names.append(whole)
    blocks, left = folded(deepcopy(layers))
    assert network(left, blocks) == network(layers)
