"""Products by weights, by activations, by the weights of experts; recurrent layers: words and MACs by other ways."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelsim.errors import SpecError
from accelsim.sparsity.convolution import convolution
from accelsim.sparsity.masks import shape_of
from accelsim.workload.network import Network
from accelsim.workload.problem import Problem, Tensor
from accelsim.workload.yaml import network_of
from accelsim.yamlfile import parse


def network(layers: str, shape: str, batch: int = 1) -> Network:
    text = "".join(f"  {line}\n" for line in layers.splitlines())
    return network_of(parse(f"name: n\nsource: t\ninput: {shape}\nlayers:\n{text}", "n.yaml"), batch)


# ---- shared heads ----------------------------------------------------------------------------------------------------

ATTENTION = """\
k: {{op: matmul, M: {kv}, inputs: input}}
v: {{op: matmul, M: {kv}, inputs: input}}
q: {{op: matmul, M: {q}, inputs: input}}
qk: {{op: matmul, inputs: [q, k], groups: {heads}, kv_groups: {shared}}}
p: {{op: softmax}}
av: {{op: matmul, inputs: [p, v], groups: {heads}, kv_groups: {shared}, over: positions}}
"""


def test_heads_that_share_read_keys_and_values_once():
    """Llama 3 8B: 32 heads of 128 channels, 8 of keys and values; 64 positions, two sequences."""
    text = ATTENTION.format(kv=1024, q=4096, heads=32, shared=8)
    found = {layer.name: layer for layer in network(text, "{C: 4096, W: 64}", batch=2).layers}
    qk, av = found["qk"].problem, found["av"].problem
    assert qk == Problem((4, 16, 64, 128, 1, 64, 1, 1), dynamic_filter=True)
    assert av == Problem((4, 16, 128, 64, 1, 64, 1, 1), dynamic_filter=True)
    assert qk.macs == av.macs == 2 * 32 * 64 * 64 * 128
    # K and V: 8 heads of 128 channels, 64 positions
    assert qk.words(Tensor.FILTER) == av.words(Tensor.FILTER) == 2 * 8 * 128 * 64
    assert qk.words(Tensor.IFMAP) == av.words(Tensor.PSUM) == 2 * 4096 * 64
    assert str(found["av"].shape) == "4096x1x64" and found["av"].weights == 0


@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 4), st.integers(1, 2))
def test_shared_heads_give_what_repeated_ones_give(shared, times, width, positions, batch):
    """numpy's product with keys and values repeated for the heads that share them."""
    heads, draw = shared * times, np.random.default_rng(shared * 7 + times)
    text = ATTENTION.format(kv=shared * width, q=heads * width, heads=heads, shared=shared)
    found = {layer.name: layer.problem for layer in network(text, f"{{C: 1, W: {positions}}}", batch).layers}
    first = draw.integers(-8, 8, (batch, shared, times, width, positions))
    second = draw.integers(-8, 8, (batch, shared, width, positions))
    ifmap = first.transpose(2, 0, 1, 3, 4).reshape(shape_of(found["qk"], Tensor.IFMAP))
    weights = second.transpose(0, 1, 3, 2).reshape(shape_of(found["qk"], Tensor.FILTER))
    ours = convolution(found["qk"], ifmap, weights).reshape(times, batch, shared, positions, positions)
    repeated = np.repeat(second[:, :, None], times, axis=2)
    assert np.array_equal(ours.transpose(1, 2, 0, 3, 4), np.swapaxes(repeated, -1, -2) @ first)


@pytest.mark.parametrize(
    ("second", "layer", "message"),
    [
        (
            32,
            "groups: 8",
            "128x1x5 by 32x1x5: 16 against 4 in each of 8 groups; where 4 groups share 16 channels of the",
        ),
        (32, "groups: 8", "second: kv_groups: 2 (from input, k)"),
        (32, "groups: 8, kv_groups: 3", "8 groups cannot share 3 kv_groups evenly"),
        (32, "groups: 8, kv_groups: 4", "128x1x5 by 32x1x5: 16 against 8 in each of 8 groups (from"),
        (33, "groups: 8, kv_groups: 2", "33 second input channels cannot be split into 2 groups"),
        (33, "groups: 1", "128 against 33 (from"),
    ],
)
def test_heads_that_do_not_fit(second, layer, message):
    text = f"k: {{op: matmul, M: {second}}}\nqk: {{op: matmul, inputs: [input, k], {layer}}}"
    with pytest.raises(SpecError) as error:
        network(text, "{C: 128, W: 5}")
    assert message in str(error.value) and "\n" not in str(error.value)


def test_weights_are_not_shared_by_heads():
    with pytest.raises(SpecError, match="kv_groups is of two inputs"):
        network("A: {op: matmul, M: 4, groups: 2, kv_groups: 1}", "{C: 4}")


# ---- experts ---------------------------------------------------------------------------------------------------------


@given(st.integers(1, 9), st.integers(1, 4), st.integers(1, 20), st.integers(1, 2))
def test_experts_are_used_evenly(experts, top, positions, batch):
    top = min(top, experts)
    found = network(f"A: {{op: experts, M: 3, experts: {experts}, top: {top}}}", f"{{C: 2, W: {positions}}}", batch)
    *_, last = found.layers
    assert found.macs == batch * positions * top * 6 and found.weights == experts * 6
    assert (3 * top, positions) == (last.shape.C, last.shape.W)
    used = [(layer.problem["G"], layer.problem["Q"]) for layer in found.mac_layers]
    assert sum(number for number, _ in used) == min(experts, batch * positions * top)
    assert max(q for _, q in used) - min(q for _, q in used) <= 1
    # only experts that are used are read
    read = sum(layer.problem.words(Tensor.FILTER) for layer in found.mac_layers)
    assert read == 6 * min(experts, batch * positions * top)


def test_experts_that_are_told():
    text = """\
A: {op: experts, M: 3, experts: 5, top: 2, routing: [4, 0, 4, 1, 3]}
B: {op: experts, M: 2, experts: 5, top: 2, apart: true, routing: [4, 0, 4, 1, 3], inputs: A}
C: {op: combine, parts: 2}"""
    found = network(text, "{C: 7, W: 6}")
    names = [layer.name for layer in found.layers]
    assert names == ["A.tokens4", "A.tokens3", "A.tokens1", "A", "B.tokens4", "B.tokens3", "B.tokens1", "B", "C"]
    sizes = {layer.name: layer.problem.sizes for layer in found.mac_layers}
    assert sizes["A.tokens4"] == (1, 2, 3, 7, 1, 4, 1, 1) and sizes["B.tokens1"] == (1, 1, 2, 3, 1, 1, 1, 1)
    assert found.macs == 12 * 21 + 12 * 6 and found.weights == 5 * (21 + 6)
    assert str(found.layers[-1].shape) == "2x1x6"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("experts: 2, top: 3", "top is 3, but there are 2 experts"),
        ("experts: 2, top: 1, routing: [6]", "routing has 1 numbers for 2 experts"),
        ("experts: 2, top: 1, routing: [5, 2]", "routing adds up to 7, 5 for one expert; 6 positions, each for 1"),
        ("experts: 2, top: 2, routing: [7, 5]", "add up to 12, at most 6 for one expert"),
        ("experts: 2, top: 2, apart: true", "7 input channels cannot be split into 2 groups"),
        ("experts: 2000000, top: 2", "2000000 experts; at most 100000 are taken on"),
    ],
)
def test_experts_that_do_not_fit(keys, message):
    with pytest.raises(SpecError) as error:
        network(f"A: {{op: experts, M: 3, {keys}}}", "{C: 7, W: 6}")
    assert message in str(error.value) and "\n" not in str(error.value)


# ---- recurrent layers ------------------------------------------------------------------------------------------------

GATES = {"rnn": (1, 1), "gru": (3, 8), "lstm": (4, 9)}


@pytest.mark.parametrize("op", GATES)
@pytest.mark.parametrize("directions", [1, 2])
def test_steps_of_a_recurrent_layer(op, directions):
    gates, ops = GATES[op]
    text = f"A: {{op: {op}, M: 6, steps: 5, directions: {directions}, repeat: 2}}"
    found = network(text, "{C: 4, W: 5}", batch=3)
    (layer,) = found.layers
    # ONNX: directions x steps x batch x gates x hidden x (input + hidden)
    assert layer.macs == 2 * directions * 5 * 3 * gates * 6 * (4 + 6)
    assert layer.weights == 2 * directions * gates * 6 * (4 + 6)
    assert (str(layer.shape), layer.repeat, layer.vector_ops) == (f"{6 * directions}x1x5", 10 * directions, ops * 6)
    sums, state = gates * 6, {"rnn": 0, "gru": 6, "lstm": 6}[op]
    assert found.traffic(layer) == (sums + state, 6 + (6 if op == "lstm" else 0))


@pytest.mark.parametrize("op", GATES)
def test_one_step_that_repeats_is_the_same(op):
    gates, _ = GATES[op]
    (one,) = network(f"A: {{op: {op}, M: 6, repeat: 5}}", "{C: 4}").layers
    (all_,) = network(f"A: {{op: {op}, M: 6, steps: 5}}", "{C: 4, W: 5}").layers
    assert (one.problem, one.repeat, one.weights) == (all_.problem, all_.repeat, all_.weights)
    assert one.weights == gates * 60


def test_a_projection_is_a_product_after_the_gates():
    """Sak et al.: gates read the input and the projected output; the projection has a weight per unit and output."""
    found = network("A: {op: lstm, M: 6, projection: 3, steps: 5, directions: 2}", "{C: 4, W: 5}", batch=2)
    gates, projection, whole = found.layers
    assert (gates.name, projection.name, projection.inputs) == ("A.gates", "A.projection", ("A.gates",))
    assert gates.problem.sizes == (2, 1, 24, 7, 1, 1, 1, 1) and projection.problem.sizes == (2, 1, 3, 6, 1, 1, 1, 1)
    assert found.weights == 2 * (24 * 7 + 18) and found.macs == 2 * 10 * (24 * 7 + 18)
    assert str(whole.shape) == "6x1x5" and (gates.vector_ops, projection.vector_ops) == (54, 0)
    assert found.traffic(gates) == (30, 12)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("op: gru, M: 3, steps: 4", "4 steps, but its input is 7x1x6, 6"),
        ("op: gru, M: 3, directions: 2", "two directions need steps"),
        ("op: gru, M: 3, directions: 3", "should be 1 or 2, got '3'"),
        ("op: gru, M: 3, projection: 2", "unknown key"),
    ],
)
def test_recurrent_layers_that_do_not_fit(layer, message):
    with pytest.raises(SpecError) as error:
        network(f"A: {{{layer}}}", "{C: 7, W: 6}")
    assert message in str(error.value) and "\n" not in str(error.value)


# ---- a layer given as its problem ------------------------------------------------------------------------------------


def test_a_problem_may_say_what_it_gives():
    text = "A: {op: einsum, inputs: input, problem: {G: 3, M: 4, C: 5, Q: 6}, shape: {C: 8, W: 9}, dynamic: true}"
    (layer,) = network(text, "{C: 7}", batch=2).layers
    assert (layer.op, str(layer.shape), layer.weights) == ("einsum", "8x1x9", 0)
    assert layer.problem == Problem((2, 3, 4, 5, 1, 6, 1, 1), dynamic_filter=True)
    with pytest.raises(SpecError, match="expects 15 channels, but its input is 7x1x1"):
        network("A: {op: einsum, inputs: input, problem: {G: 3, M: 4, C: 5, Q: 6}}", "{C: 7}")
