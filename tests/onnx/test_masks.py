"""Causal masks of graphs: found by their words, or as GPT-2's exports have them; others are none."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnx.helper")

from accelsim.engine.fused.attention_layers import attention_of, attentions
from accelsim.onnx.network import convert, load
from accelsim.workload.yaml import network_of
from accelsim.yamlfile import parse
from graphs import GRAPHS, at_hand
from onnx import TensorProto, helper, numpy_helper
from onnx_small import model, node, tensor

S, D = 6, 4
LOW = numpy_helper.from_array(np.array(-np.inf, np.float32), "low")


def graph(mask, masking, **more):
    """One head of attention over S positions, whose scores go through some nodes from `s` to `m`."""
    weights = [numpy_helper.from_array(np.ones((D, D), np.float32), name) for name in ("wq", "wk", "wv")]
    nodes = [
        node("MatMul", "x wq", "q"), node("MatMul", "x wk", "k"), node("MatMul", "x wv", "v"),
        node("Transpose", "k", "kt", perm=[0, 2, 1]), node("MatMul", "q kt", "s"), *masking,
        node("Softmax", "m", "a", axis=-1), node("MatMul", "a v", "y"),
    ]  # fmt: skip
    return model(nodes, [tensor("x", 1, S, D)], [tensor("y", 1, S, D)], [*weights, *mask], **more)


def found(tmp_path, built):
    file = tmp_path / "small.onnx"
    file.write_bytes(built.SerializeToString())
    network = load(file)
    again = network_of(parse(convert(file)))
    assert again.layers == network.layers
    (names,) = attentions(network)
    return attention_of(network, names)


def where(cond, flipped=False):
    order = "mask low s" if flipped else "mask s low"
    return [numpy_helper.from_array(cond, "mask"), LOW], [node("Where", order, "m")]


def added(words):
    return [numpy_helper.from_array(words.astype(np.float32), "mask")], [node("Add", "s mask", "m")]


TRI = np.tri(S, dtype=bool)[None]


@pytest.mark.parametrize(
    ("mask", "causal"),
    [
        (where(TRI), True),
        (where(~TRI, flipped=True), True),
        (where(~TRI), False),
        (where(np.ones((1, S, S), bool)), False),
        (where(TRI & ~np.tri(S, k=-3, dtype=bool)), False),
        (added(np.where(TRI, 0, -1e9)), True),
        (added(np.where(TRI, 0.5, np.finfo(np.float32).min)), True),
        (added(np.where(TRI, 0, -1.0)), False),
    ],
)
def test_masks(tmp_path, mask, causal) -> None:
    one = found(tmp_path, graph(*mask))
    assert one.attention.causal is causal
    assert (one.attention.beside, len(one.layers)) == (1, 4)
    assert (one.attention.queries, one.attention.keys) == (S, S)


def test_a_mask_that_the_graph_works_out(tmp_path) -> None:
    """Positions compared with each other, as exporters of today write it."""
    at = np.arange(S)
    given = [numpy_helper.from_array(at[:, None], "rows"), numpy_helper.from_array(at[None], "columns"), LOW]
    masking = [node("LessOrEqual", "columns rows", "mask"), node("Where", "mask s low", "m")]
    assert found(tmp_path, graph(given, masking)).attention.causal


def test_a_mask_that_went_with_the_weights(tmp_path) -> None:
    """A square of booleans whose words are nowhere is taken to be one; what is added is not."""
    for kind, causal in ((TensorProto.BOOL, True), (TensorProto.FLOAT, False)):
        away = TensorProto(name="mask", data_type=kind, dims=[1, S, S])
        away.data_location = TensorProto.EXTERNAL
        entry = away.external_data.add()
        entry.key, entry.value = "location", "nowhere.bin"
        masking = [node("Where", "mask s low", "m")] if causal else [node("Add", "s mask", "m")]
        assert found(tmp_path, graph([away, LOW], masking)).attention.causal is causal


def test_no_mask(tmp_path) -> None:
    one = found(tmp_path, graph([], [node("Identity", "s", "m")]))
    assert not one.attention.causal and one.attention.beside == 0 and len(one.layers) == 3


@at_hand
def test_gpt2() -> None:
    """Twelve attentions, each under its mask; what is masked is one operation of a score besides the softmax."""
    network = load(GRAPHS / "gpt2.onnx")
    every = [attention_of(network, names) for names in attentions(network)]
    assert len(every) == 12
    assert {(one.attention.causal, one.attention.beside, one.heads) for one in every} == {(True, 1, 12)}


@pytest.mark.parametrize("causal", [False, True])
def test_a_node_that_is_a_whole_attention(tmp_path, causal) -> None:
    heads = [node("MultiHeadAttention", "x x x", "y", num_heads=2, domain="com.microsoft", unidirectional=int(causal))]
    built = model(
        heads, [tensor("x", 1, S, D)], [tensor("y", 1, S, D)], opsets=[helper.make_opsetid("com.microsoft", 1)]
    )
    file = tmp_path / "small.onnx"
    file.write_bytes(built.SerializeToString())
    assert [layer.causal for layer in load(file).layers if layer.op == "softmax"] == [causal]
