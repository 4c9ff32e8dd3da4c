"""A network's document rebuilds it, whatever file it came from."""

from __future__ import annotations

import json
from copy import deepcopy

import pytest

import fakes
from accelsim.errors import SpecError, WorkloadError
from accelsim.workload.document import document_of, network_of
from accelsim.workload.network import Network, Picked, Slide
from accelsim.workload.yaml import load_network
from accelsim.workload.yaml import network_of as network_of_yaml
from accelsim.yamlfile import Document, builtin, parse


def again(document):
    return network_of(Document("r.json", json.loads(json.dumps(document))))


@pytest.mark.parametrize("name", builtin("workload"))
def test_every_shipped_network_comes_back_equal(name):
    network = load_network(name, 3)
    document = document_of(network)
    assert again(document) == network
    assert document_of(again(document)) == document


def test_batch_parameters_densities_and_bits_are_in_it(tmp_path):
    (tmp_path / "net.yaml").write_text(
        "name: net\nsource: test\nparameters: {m: 8}\ninput: {C: 4, H: 6, W: 5}\npadding: stored\nbits: {ifmap: 8}\n"
        "layers:\n"
        "  A: {op: conv, M: $m, kernel: 3, pad: 1, repeat: 2, density: {filter: {pattern: 2:4}, ifmap: 0.3}}\n"
        "  B: {op: maxpool, kernel: 2, bits: {psum: 12}}\n".replace(", bits: {psum: 12}", "")
    )
    network = load_network(tmp_path / "net.yaml", 5, {"m": 16})
    document = document_of(network)
    assert again(document) == network
    assert document["layers"][0]["problem"]["sizes"] == [5, 1, 16, 4, 6, 5, 3, 3]
    assert document["layers"][0]["density"]["filter"] == {"fraction": 0.5, "pattern": [2, 4]}
    assert document["layers"][0]["bits"] == {"ifmap": 8}
    assert "parameters" not in document
    assert document != document_of(load_network(tmp_path / "net.yaml", 5, {"m": 8}))
    assert again(document_of(fakes.network())) == fakes.network()


def test_layers_in_parts_and_spread_ifmaps_come_back_equal():
    text = (
        "name: net\nsource: test\ninput: {C: 4, D: 3, H: 6, W: 5}\nlayers:\n"
        "  A: {op: conv3d, M: 8, kernel: 3, pad: 1, density: {ifmap: 0.5}}\n"
        "  B: {op: conv3d, M: 4, kernel: 2, stride: 2, transposed: split, repeat: 2}\n"
        "  C: {op: conv3d, M: 4, kernel: 2, stride: 2, transposed: scatter}\n"
        "  F: {op: reshape, W: 4}\n"
        "  G: {op: experts, M: 8, experts: 3, top: 2}\n"
        "  L: {op: lstm, M: 8, steps: 4, projection: 4, directions: 2}\n"
    )
    network = network_of_yaml(parse(text, "net.yaml"), 2)
    assert again(document_of(network)) == network
    assert network.layers[0].spread and network.layers[1].whole == "B"


@pytest.mark.parametrize(
    ("place", "value", "error", "message"),
    [
        (("layers", 0, "shape"), "a", SpecError, r"r\.json: layers\.0\.shape: should be a dictionary"),
        (("layers", 0, "shape", "C"), 0, WorkloadError, "a feature map of 0x55x55 has no words"),
        (("layers", 0, "problem", "sizes"), [1] * 7, WorkloadError, "a problem has 8 sizes"),
        (("layers", 0, "problem", "sizes"), [10**30] * 8, WorkloadError, "would pass 2\\^63"),
        (("layers", 0, "inputs"), ["nothing"], WorkloadError, "reads 'nothing', which is not a layer before it"),
        (("layers",), None, SpecError, r"r\.json: layers: should be a"),
    ],
)
def test_damage_is_one_line(place, value, error, message):
    document = deepcopy(document_of(load_network("alexnet")))
    at = document
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = value
    with pytest.raises(error, match=message) as caught:
        again(document)
    assert len(str(caught.value).splitlines()) == 1


def test_windows_of_pools_and_what_views_name_are_in_it():
    """They say nothing of words or work, so that networks are equal without them; a fused group needs them."""
    layers = {
        "p": {"op": "maxpool", "kernel": [3, 2], "stride": 2, "pad": [1, 0], "dilation": [1, 2]},
        "g": {"op": "avgpool", "inputs": "p"},
        "m": {"op": "channel_shuffle", "groups": 4, "inputs": "p"},
        "s": {"op": "split", "parts": 2, "part": 1},
        "t": {"op": "slice", "start": 1, "count": 2, "step": 2},
    }
    network = Network.of("n", layers, (8, 9, 8))
    for one in (network, again(document_of(network))):
        p, g, m, s, t = one.layers
        assert p.slide == Slide((3, 2), (2, 2), (1, 2), (1, 0))
        assert g.slide == Slide((p.shape.H, p.shape.W), (p.shape.H, p.shape.W))
        assert m.picked == Picked("C", groups=4)
        assert s.picked == Picked("C", 4) and t.picked == Picked("C", 1, 2)
