"""Attentions out of networks, and one clear line for what is none."""

from __future__ import annotations

import pytest

from accelsim.engine.fused.attention import Attention, moved
from accelsim.engine.fused.attention_layers import attention_of, attentions
from accelsim.engine.fused.blocking import ORDERS
from accelsim.errors import MappingError
from accelsim.workload.network import Network
from accelsim.workload.yaml import load_network

LAYERS = {
    "q": {"op": "matmul", "M": 24, "inputs": "input"},
    "k": {"op": "matmul", "M": 12, "inputs": "input"},
    "v": {"op": "matmul", "M": 12, "inputs": "input"},
    "qk": {"op": "matmul", "inputs": ["q", "k"], "groups": 4, "kv_groups": 2},
    "soft": {"op": "softmax"},
    "av": {"op": "matmul", "inputs": ["soft", "v"], "groups": 4, "kv_groups": 2, "over": "positions"},
    "out": {"op": "matmul", "M": 8},
}


def net(**others) -> Network:
    return Network.of("n", {**LAYERS, **others}, {"C": 8, "W": 10}, batch=3)


def test_heads_that_share_keys() -> None:
    """Four heads on two of keys and values, three images."""
    found = attention_of(net(), ["qk", "soft", "av"])
    assert found.attention == Attention(10, 10, 6, 6, heads_on_one=2)
    assert (found.heads, found.queries, found.keys, found.values) == (6, "q", "k", "v")
    assert attention_of(net(), ["qk", "soft", "av"], causal=True).attention.causal


def masked(**mask) -> Network:
    between = {"qk": LAYERS["qk"], "mask": {"op": "elementwise", **mask}, "soft": {"op": "softmax"}}
    rest = {name: layer for name, layer in LAYERS.items() if name not in ("qk", "soft")}
    order = ("q", "k", "v", "qk", "mask", "soft", "av", "out")
    return Network.of("n", {name: {**rest, **between}[name] for name in order}, {"C": 8, "W": 10}, batch=3)


def test_masks_of_files() -> None:
    """A softmax may say that it is causal, or what masks before it; that is one more operation of a score."""
    assert attention_of(net(soft={"op": "softmax", "causal": True}), ["qk", "soft", "av"]).attention.causal
    for causal in (False, True):
        (names,) = attentions(masked(causal=causal))
        found = attention_of(masked(causal=causal), names)
        assert names == ("qk", "mask", "soft", "av") and found.named == ("qk", "soft", "av")
        assert found.attention == Attention(10, 10, 6, 6, heads_on_one=2, causal=causal, beside=1)


def test_more_queries_than_keys_cannot_be_causal() -> None:
    layers = {
        "few": {"op": "crop", "positions": 4, "inputs": "input"},
        "q": {"op": "matmul", "M": 24, "inputs": "input"},
        "k": {"op": "matmul", "M": 12, "inputs": "few"},
        "v": {"op": "matmul", "M": 12, "inputs": "few"},
        "qk": LAYERS["qk"],
        "soft": {"op": "softmax", "causal": 1},
        "av": LAYERS["av"],
    }
    network = Network.of("n", layers, {"C": 8, "W": 10})
    with pytest.raises(MappingError, match="'soft': attention: causal, but the first of 10 queries sees none of"):
        attention_of(network, ["qk", "soft", "av"])
    assert not list(attentions(network))


@pytest.mark.parametrize(
    ("name", "queries", "keys"), [("gpt2", 1024, 1024), ("bert_base", 128, 128), ("gpt2_decode", 1, 1024)]
)
def test_networks_that_ship(name: str, queries: int, keys: int) -> None:
    """Twelve blocks, each of twelve heads; the MACs and words are those of the three layers."""
    network = load_network(name)
    found = list(attentions(network))
    assert len(found) == 12
    known = {layer.name: layer for layer in network.layers}
    for names in found:
        one = attention_of(network, names)
        assert one.attention == Attention(queries, keys, 64, 64) and one.heads == 12
        scores, _, values = (known[layer] for layer in names)
        for order in ORDERS:
            assert moved(one.attention, order).times(12).macs == scores.macs + values.macs
        own = scores.shape.words
        assert 12 * one.attention.unfused == 12 * one.attention.least + 4 * own


@pytest.mark.parametrize(
    ("names", "others", "message"),
    [
        (["qk", "soft", "aw"], {}, "'n' has no layer 'aw'; did you mean 'av'? (av, k, out, q, qk, soft, v)"),
        (["qk", "soft"], {}, "a fused attention is three layers, scores, softmax and values, not 2"),
        (["q", "soft", "av"], {}, "'q' (matmul) is no product of two activations: it is no attention's"),
        (["qk", "out", "av"], {}, "'out' (matmul) is no softmax: it is no attention's"),
        (
            ["qk", "soft", "av", "out"],
            {},
            "'out' (matmul) is no product of two activations: it is no attention's",
        ),
        (
            ["qk", "soft", "av"],
            {"late": {"op": "elementwise", "function": "relu", "inputs": "soft"}},
            "'soft' is read by 'late', which is not in the fused group: only its sink may be read outside",
        ),
        (
            ["qk", "soft", "av"],
            {"soft": {"op": "softmax", "inputs": "v"}, "av": {**LAYERS["av"], "inputs": ["qk", "v"]}},
            "'soft' reads 'v', not 'qk'",
        ),
    ],
)
def test_what_is_no_attention(names: list[str], others: dict, message: str) -> None:
    with pytest.raises(MappingError) as caught:
        attention_of(net(**others), names)
    assert str(caught.value) == message
