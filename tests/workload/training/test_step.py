"""What a training step consists of: which gradients there are, what they read, what an update moves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.errors import AccelsimError, WorkloadError
from accelsim.sparsity.convolution import convolution
from accelsim.workload.network import Layer, Network
from accelsim.workload.problem import Width
from accelsim.workload.training.kept import kept
from accelsim.workload.training.optimizers import OPTIMIZERS, Optimizer, Training
from accelsim.workload.training.phases import PHASES, phase
from accelsim.workload.yaml import load_network
from drawn_layers import network

SMALL = {
    "C1": {"op": "conv", "M": 8, "kernel": 3, "pad": 1},
    "P": {"op": "maxpool", "kernel": 2},
    "C2": {"op": "conv", "M": 8, "kernel": 3, "pad": 1},
    "A": {"op": "add", "inputs": ["C2", "P"]},
    "F": {"op": "fc", "M": 10},
}


def small(training: object = True, batch: int = 2, **changes: dict[str, object]) -> Network:
    return Network.of("small", {**SMALL, **changes}, (3, 8, 8), batch).training_step(training)


def by_name(found: Network) -> dict[str, Layer]:
    return {layer.name: layer for layer in found.layers}


def test_backward_runs_in_reverse_and_updates_come_last():
    names = [layer.name for layer in small().layers]
    assert names == [
        *SMALL, "F.loss", "F.filter_grad", "F.ifmap_grad", "C2.filter_grad", "C2.ifmap_grad", "P.sum_grad", "P.grad",
        "C1.filter_grad", "F.update", "C2.update", "C1.update",
    ]  # fmt: skip


def test_each_reads_what_its_formula_has():
    found = {name: layer.inputs for name, layer in by_name(small()).items()}
    assert found["F.loss"] == ("F",)
    assert found["F.filter_grad"] == ("A", "F.loss")
    assert found["F.ifmap_grad"] == ("F.loss",)
    # a sum passes its gradient on as it is
    assert found["C2.filter_grad"] == ("P", "F.ifmap_grad")
    assert found["P.sum_grad"] == ("F.ifmap_grad", "C2.ifmap_grad")
    assert found["P.grad"] == ("P.sum_grad", "C1", "P")
    assert found["C1.filter_grad"] == ("input", "P.grad")
    assert found["C1.update"] == ("C1.filter_grad",)


def test_words_and_operations_of_what_does_not_multiply():
    step = small("adam")
    found = {name: (*step.traffic(layer), layer.vector_ops) for name, layer in by_name(step).items()}
    plane, half = 8 * 64, 8 * 16
    assert found["F.loss"] == (20, 10, 10)
    # two gradients of a word meet: both are read, their sum is written
    assert found["P.sum_grad"] == (2 * half, half, half)
    # the gradient, the plane and what the pool gave; each output compared with its 4 words, and a sum
    assert found["P.grad"] == (half + plane + half, plane, 5 * half)
    # weights, two words of state and the gradient come; weights and state go back; once for the batch
    weights = 10 * half
    assert found["F.update"] == (4 * weights, 3 * weights, 12 * weights)
    assert by_name(step)["F.update"].once


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_update_carried_out_does_as_many_operations(name):
    """Each optimizer written out for one weight, its operations and its words counted as they happen."""
    count = {"ops": 0}

    class Word(float):
        def _do(self, value):
            count["ops"] += 1
            return Word(value)

        def __add__(self, other):
            return self._do(float(self) + float(other))

        def __sub__(self, other):
            return self._do(float(self) - float(other))

        def __mul__(self, other):
            return self._do(float(self) * float(other))

        def __truediv__(self, other):
            return self._do(float(self) / float(other))

        def root(self):
            return self._do(float(self) ** 0.5)

    w, g, rate = Word(1.0), Word(0.5), 0.1
    if name == "sgd":
        state = ()
        w = w - g * rate
    elif name == "momentum":
        v = Word(0.2) * 0.9 + g
        state, w = (v,), w - v * rate
    else:
        m = Word(0.0) * 0.9 + g * 0.1
        v = Word(0.0) * 0.999 + (g * g) * 0.001
        state, w = (m, v), w - m / (v.root() + 1e-8) * rate
    assert (len(state), count["ops"]) == (OPTIMIZERS[name].state, OPTIMIZERS[name].ops)


def test_an_optimizer_of_ones_own():
    step = small(Optimizer("mine", 3, 7))
    assert step.traffic(by_name(step)["C1.update"]) == (5 * 216, 4 * 216)
    assert by_name(step)["C1.update"].vector_ops == 7 * 216
    assert "(mine)" in step.name


def test_master_weights_are_words_of_their_own_width():
    """Weights and state in 32 b; gradients come, and a copy of the weights goes, in the machine's words."""
    step = small({"optimizer": "momentum", "master_bits": 32})
    layers = by_name(step)
    assert layers["C1.update"].bits == {Width.FILTER: 32} and not layers["C1.cast"].bits
    assert step.traffic(layers["C1.update"]) == (2 * 216, 2 * 216)
    assert step.traffic(layers["C1.cast"]) == (216, 216)
    assert layers["C1.cast"].vector_ops == 2 * 216
    assert {phase(layers[f"C1.{what}"].op) for what in ("update", "cast")} == {"update"}


def test_macs_are_three_times_those_forward_where_planes_stay_as_large():
    """Steps of one with planes padded to their size: 2 of the 3 for the first layer, whose input has no gradient."""
    step = small()
    forward = {name: layer.macs for name, layer in by_name(step).items() if phase(layer.op) == "forward"}
    found = sum(layer.macs for layer in step.layers)
    assert found == 3 * sum(forward.values()) - forward["C1"]


def test_the_same_of_networks_that_ship():
    """VGG-16 has steps of one and planes padded to their size; BERT's tokens multiply alike."""
    vgg = load_network("vgg16")
    step = vgg.training_step()
    assert step.macs == 3 * vgg.macs - vgg.layers[0].macs
    bert = load_network("bert_base")
    projections = sum(layer.macs for layer in bert.mac_layers if layer.inputs == ("input",))
    assert projections and bert.training_step().macs == 3 * bert.macs - projections


def test_what_bert_keeps_is_what_is_published():
    """V. Korthikanti et al., MLSys 2023, arXiv 2205.05198, section 4.1, without dropout: of each layer
    16 s b h words that layers read, and a s^2 b of softmax; the softmax's input is not kept, as here. The last norm's
    output is read by the loss: s b h more.
    """  # fmt: skip
    s, b, h, heads, layers = 128, 3, 768, 12, 12
    found = sum(kept(load_network("bert_base", b).training_step()).values())
    assert found == layers * (16 * s * b * h + heads * s * s * b) + s * b * h


def test_views_move_nothing_and_parts_of_a_tensor_make_it_whole():
    layers = {
        "QKV": {"op": "matmul", "M": 12},
        **{name: {"op": "split", "parts": 3, "part": at, "inputs": ["QKV"]} for at, name in enumerate(("q", "k", "v"))},
        "S": {"op": "matmul", "inputs": ["q", "k"]},
        "X": {"op": "softmax"},
        "O": {"op": "matmul", "over": "positions", "inputs": ["X", "v"]},
    }
    step = Network.of("attention", layers, (6, 1, 5)).training_step()
    found = by_name(step)
    assert found["QKV.sum_grad"].op == "concat" and step.traffic(found["QKV.sum_grad"]) == (0, 0)
    assert set(found["QKV.sum_grad"].inputs) == {"O.filter_grad", "S.ifmap_grad", "S.filter_grad"}
    # both operands are activations: neither gradient is one of weights, and nothing of them is updated
    assert {phase(found[name].op) for name in found["QKV.sum_grad"].inputs} == {"input gradient"}
    assert [name for name in found if name.endswith("update")] == ["QKV.update"]
    assert step.traffic(found["X.grad"]) == (2 * 25, 25) and found["X.grad"].vector_ops == 4 * 25
    # q, k, v lie in QKV, and are kept once
    assert kept(step) == {"input": 30, "QKV": 60, "X": 25, "O": 20}


def test_words_that_nothing_reads_have_zeros():
    layers = {"C": {"op": "matmul", "M": 4}, "H": {"op": "crop", "positions": 2}, "F": {"op": "matmul", "M": 3}}
    step = Network.of("cropped", layers, (2, 1, 5)).training_step()
    found = by_name(step)["C.sum_grad"]
    assert (step.traffic(found), found.vector_ops) == ((8, 20), 0)


def test_nothing_flows_to_what_no_weights_lie_behind():
    """A pool of the network's input, and projections of it, need no gradient of what they read."""
    layers = {"P": {"op": "avgpool", "kernel": 2}, "C": {"op": "conv", "M": 2, "kernel": 1}}
    names = [layer.name for layer in Network.of("n", layers, (3, 4, 4)).training_step().layers]
    assert names == ["P", "C", "C.loss", "C.filter_grad", "C.update"]


def test_outputs_that_meet_padding_alone_send_nothing_back():
    """A window of one tap, a step of 5: its one output lies over the padding before the plane."""
    layers = {"C": {"op": "conv", "M": 2, "kernel": 1}, "D": {"op": "conv", "M": 2, "kernel": 1, "stride": 5, "pad": 2}}
    found = by_name(Network.of("n", layers, (3, 1, 1)).training_step())
    assert found["D"].problem.macs_over_plane == 0
    assert "D.filter_grad" in found and "D.ifmap_grad" not in found and "C.filter_grad" not in found


def test_repeats_have_gradients_as_often():
    step = small(C2={"op": "conv", "M": 8, "kernel": 3, "pad": 1, "repeat": 3})
    found = by_name(step)
    assert found["C2.filter_grad"].repeat == found["C2.ifmap_grad"].repeat == 3
    # each has weights of its own, updated in one stream
    assert found["C2.update"].repeat == 1 and found["C2.update"].vector_ops == 2 * 3 * 576


@pytest.mark.parametrize(("steps", "repeat"), [(5, 1), (None, 5)])
def test_time_steps_share_a_gradient(steps, repeat):
    """dW is summed over time steps as over images, once; gates and the state's gradient run step by step."""
    layer = {"op": "lstm", "M": 4, "repeat": repeat, **({"steps": steps} if steps else {})}
    step = Network.of("r", {"L": layer}, (3, 1, 5 if steps else 1), 2).training_step()
    found = by_name(step)
    assert found["L.filter_grad"].repeat == 1 and found["L.filter_grad"].macs == found["L"].macs
    assert found["L.ifmap_grad"].repeat == 5 and found["L.ifmap_grad"].macs == found["L"].macs
    assert (found["L.grad"].vector_ops, step.traffic(found["L.grad"])) == (28 * 4, (9 * 4, 5 * 4))
    assert found["L.update"].vector_ops == 2 * 16 * 7


def test_a_bias_has_the_sum_of_its_gradient():
    step = small(C1={"op": "conv", "M": 8, "kernel": 3, "pad": 1, "bias": True})
    found = by_name(step)
    sums = 2 * 8 * 64
    assert (step.traffic(found["C1.bias_grad"]), found["C1.bias_grad"].vector_ops) == ((sums, 8), sums - 8)
    assert found["C1.update"].inputs == ("C1.filter_grad", "C1.bias_grad")
    assert found["C1.update"].vector_ops == 2 * (216 + 8)


def test_batch_normalisation_takes_the_mean_of_the_batch():
    layers = {"C": {"op": "conv", "M": 4, "kernel": 1}, "B": {"op": "batchnorm"}, "D": {"op": "batchnorm", "folded": 1}}
    step = Network.of("n", layers, (3, 4, 4)).training_step()
    found = by_name(step)
    assert found["B"].vector_ops == 7 * 64 and found["B.grad"].vector_ops == 9 * 64
    assert "D.grad" not in found


def test_an_embedding_updates_the_rows_it_looked_up():
    layers = {"E": {"op": "embedding", "M": 8}, "F": {"op": "matmul", "M": 3}}
    step = Network.of("n", layers, (1, 1, 5), 2).training_step("momentum")
    found = by_name(step)
    assert (step.traffic(found["E.update"]), found["E.update"].once) == ((3 * 40, 2 * 40), False)


@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.integers(1, 2))
@settings(max_examples=60, deadline=None)
def test_gradients_of_attention(kv, shared, c, tokens, others, batch):
    """Q K^T, where heads may share keys, against numpy's gradients of both operands."""
    heads = kv * shared
    text = (
        f"op: matmul, M: {kv * c}}}\n  q: {{op: matmul, M: {heads * c}, inputs: A}}\n"
        f"  p: {{op: crop, positions: {tokens}}}\n"
        f"  qk: {{op: matmul, groups: {heads}, kv_groups: {kv}, inputs: [p, A]"
    )
    found = by_name(network(text, {"C": 2, "W": max(tokens, others)}, batch).training_step())
    rows = max(tokens, others)
    draw = np.random.default_rng(tokens)
    q = draw.integers(-8, 8, (batch, kv, shared, c, tokens))
    k = draw.integers(-8, 8, (batch, kv, c, rows))
    g = draw.integers(-8, 8, (batch, kv, shared, rows, tokens))

    # as the problem has them: images and groups on G, heads that share on N
    def grouped(x: np.ndarray) -> np.ndarray:
        return x.transpose(2, 0, 1, 3, 4).reshape(shared, batch * kv, x.shape[3], 1, tokens)

    keys = k.reshape(batch * kv, c, rows).swapaxes(1, 2)[..., None, None]
    forward = convolution(found["qk"].problem, grouped(q), keys)
    assert np.array_equal(forward, grouped(np.einsum("bkhct,bkcr->bkhrt", q, k)))
    of_q = convolution(found["qk.ifmap_grad"].problem, grouped(g), keys.swapaxes(1, 2))
    assert np.array_equal(of_q, grouped(np.einsum("bkhrt,bkcr->bkhct", g, k)))
    # channels lie on N, heads that share are summed over
    slides, stays = grouped(q).swapaxes(0, 2), np.moveaxis(grouped(g), 0, 2)
    slides, stays = (x.reshape(*x.shape[:2], -1, 1, 1) for x in (slides, stays))
    of_k = convolution(found["qk.filter_grad"].problem, slides, stays)
    of_k = of_k.reshape(c, batch, kv, rows).transpose(1, 2, 0, 3)
    assert np.array_equal(of_k, np.einsum("bkhrt,bkhct->bkcr", g, q))
    assert found["qk.filter_grad"].macs == found["qk.ifmap_grad"].macs == found["qk"].macs


@pytest.mark.parametrize(
    ("training", "told"),
    [
        ("adm", "unknown optimizer 'adm'; did you mean 'adam'? (adam, momentum, sgd)"),
        ({"optimiser": "sgd"}, "training: unknown option 'optimiser'; did you mean 'optimizer'?"),
        ({"master_bits": 65}, "master_bits is 65; it must be a whole number up to 64, 0: the machine's"),
        ({"transposed": "inser"}, "unknown way of gradients 'inser'; did you mean 'insert'?"),
        ({"vector_gradients": -1}, "vector_gradients is -1; it must be a whole number from 0 on"),
        (7, "training: wanted True, an optimizer or a Training, got int"),
    ],
)
def test_what_is_asked_for_is_checked(training, told):
    with pytest.raises(AccelsimError) as error:
        small(training)
    assert str(error.value).startswith(told) and "\n" not in str(error.value)


def test_an_optimizer_that_is_none():
    with pytest.raises(AccelsimError, match=r"^optimizer 'x': state is -1; it must be a whole number from 0 on$"):
        Optimizer("x", -1, 2)


def test_networks_that_cannot_be_trained_are_named():
    step = small()
    with pytest.raises(WorkloadError, match=r"^network 'small, training step \(sgd\)' has gradients already: layer "):
        step.training_step()
    pools = Network.of("pools", {"P": {"op": "maxpool", "kernel": 2}}, (3, 8, 8))
    with pytest.raises(WorkloadError, match=r"^network 'pools' has no weights to train$"):
        pools.training_step()
    own = {"V": {"op": "vector", "ops": 3}, "C2": {"op": "conv", "M": 8, "kernel": 1}}
    found = Network.of("own", {"C1": SMALL["C1"], **own}, (3, 8, 8))
    with pytest.raises(
        WorkloadError, match=r"^layer 'V': op 'vector' tells words alone, and nothing of its gradient; "
    ):
        found.training_step()
    # a factor of one's own: it reads the gradient and what the layer read, and writes as much
    step = found.training_step({"vector_gradients": 4})
    layer = by_name(step)["V.grad"]
    assert (step.traffic(layer), layer.vector_ops) == ((2 * 512, 512), 12)


def test_nothing_asked_is_the_network_itself():
    found = load_network("alexnet")
    assert found.training_step(False) is found and found.training_step(None) is found
    assert Training.of(True) == Training("sgd")
    assert not any(layer.op in PHASES for layer in found.layers)
