"""Networks: shapes that follow, totals that are published, graphs that are checked."""

import networkx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelsim.errors import SpecError, WorkloadError
from accelsim.workload.network import Layer, Network, Shape
from accelsim.workload.problem import Padding, Problem, Tensor
from accelsim.workload.yaml import load_network, network_of
from accelsim.yamlfile import parse

# MACs and weights at batch 1 from the layer tables of BVLC Caffe (AlexNet, grouped) and torchvision (VGG-16)
TOTALS = {
    "alexnet": (665_784_864, 2_332_704, 724_406_816, 60_954_656),
    "alexnet_two_tower": (665_784_864, 2_332_704, 724_406_816, 60_954_656),
    "vgg16": (15_346_630_656, 14_710_464, 15_470_264_320, 138_344_128),
}


def network(layers, head="name: n\nsource: test\ninput: {C: 3, H: 8, W: 8}\n", batch=1, **options):
    body = "".join(f"  {line.strip()}\n" for line in layers.strip().splitlines())
    return network_of(parse(f"{head}layers:\n{body}", "n.yaml"), batch, **options)


@pytest.mark.parametrize("name", TOTALS)
def test_totals(name):
    found = load_network(name)
    conv = [layer for layer in found.layers if layer.op == "conv"]
    macs, weights = sum(layer.macs for layer in conv), sum(layer.weights for layer in conv)
    assert (macs, weights, found.macs, found.weights) == TOTALS[name]
    assert found.source


def test_alexnet_layers():
    found = {layer.name: layer.problem for layer in load_network("alexnet", batch=4).mac_layers}
    assert list(found) == ["CONV1", "CONV2", "CONV3", "CONV4", "CONV5", "FC6", "FC7", "FC8"]
    assert found["CONV1"] == Problem((4, 1, 96, 3, 55, 55, 11, 11), (4, 4), height=227, width=227)
    assert found["CONV2"] == Problem((4, 2, 128, 48, 27, 27, 5, 5), pad=(2, 2), height=27, width=27)
    assert found["CONV5"] == Problem((4, 2, 128, 192, 13, 13, 3, 3), pad=(1, 1), height=13, width=13)
    assert found["FC6"].sizes == (4, 1, 4096, 9216, 1, 1, 1, 1)


def test_two_towers_run_each_half_twice():
    found = [layer for layer in load_network("alexnet_two_tower").layers if layer.op == "conv"]
    assert [(x.problem["M"], x.problem["C"]) for x in found] == [(48, 3), (128, 48), (192, 256), (192, 192), (128, 192)]
    assert {layer.repeat for layer in found} == {2}


def test_identical_layers_are_one_group():
    groups = load_network("vgg16").groups()
    assert len(groups) == 12
    assert [layer.name for layer in groups[load_network("vgg16").layers[7].problem]] == ["CONV3-2", "CONV3-3"]


def test_select_takes_globs():
    alexnet = load_network("alexnet")
    assert [layer.name for layer in alexnet.select("CONV[12],FC8")] == ["CONV1", "CONV2", "FC8"]
    assert [layer.name for layer in alexnet.select("POOL*")] == ["POOL1", "POOL2", "POOL5"]
    with pytest.raises(WorkloadError, match=r"no layer of 'alexnet' fits 'pool\*' "):
        alexnet.select("pool*")


def test_the_graph_is_networkx():
    found = network("A: {op: conv, M: 3, kernel: 1}\nB: {op: add, inputs: [A, input]}")
    assert set(found.graph.edges) == {("input", "A"), ("A", "B"), ("input", "B")}
    assert networkx.is_directed_acyclic_graph(found.graph)
    assert found.graph.nodes["A"]["layer"].problem["M"] == 3


def test_every_op():
    found = network(
        """
        A: {op: conv, M: 8, kernel: [3, 1], stride: [1, 2], pad: [1, 0], dilation: [2, 1]}
        B: {op: depthwise, kernel: 3, pad: 1}
        C: {op: depthwise, M: 16, kernel: 3, inputs: A}
        D: {op: maxpool, kernel: 3, stride: 2, inputs: B}
        E: {op: maxpool, kernel: 3, stride: 2, ceil: true, inputs: B}
        F: {op: avgpool, inputs: B}
        G: {op: concat, inputs: [A, B]}
        H: {op: matmul, M: 6, groups: 2}
        I: {op: fc, M: 5}
        """
    )
    shapes = {layer.name: str(layer.shape) for layer in found.layers}
    assert shapes == {
        "A": "8x6x4",
        "B": "8x6x4",
        "C": "16x4x2",
        "D": "8x2x1",
        "E": "8x3x2",
        "F": "8x1x1",
        "G": "16x6x4",
        "H": "6x6x4",
        "I": "5x1x1",
    }
    problems = {layer.name: layer.problem for layer in found.mac_layers}
    assert problems["A"] == Problem((1, 1, 8, 3, 6, 4, 3, 1), (1, 2), (2, 1), (1, 0), 8, 8)
    assert problems["B"].sizes == (1, 8, 1, 1, 6, 4, 3, 3)
    assert problems["C"].sizes == (1, 8, 2, 1, 4, 2, 3, 3)
    assert problems["H"].sizes == (1, 2, 3, 8, 6, 4, 1, 1)
    assert problems["I"].sizes == (1, 1, 5, 6 * 6 * 4, 1, 1, 1, 1)


def test_attention_puts_heads_on_g():
    head = "name: n\nsource: test\ninput: {C: 768, W: 128}\n"
    layers = """
        Q: {op: matmul, M: 768, inputs: input}
        K: {op: matmul, M: 768, inputs: input}
        V: {op: matmul, M: 768, inputs: input}
        QK: {op: matmul, groups: 12, inputs: [Q, K]}
        AV: {op: matmul, groups: 12, over: positions, inputs: [QK, V]}
        """
    found = {layer.name: layer for layer in network(layers, head, batch=2).layers}
    assert found["QK"].problem == Problem((1, 24, 128, 64, 1, 128, 1, 1), dynamic_filter=True)
    assert found["AV"].problem == Problem((1, 24, 64, 128, 1, 128, 1, 1), dynamic_filter=True)
    assert str(found["AV"].shape) == "768x1x128"
    assert found["QK"].weights == 0
    assert found["Q"].problem.sizes == (2, 1, 768, 768, 1, 128, 1, 1)


def test_an_explicit_problem_needs_no_input():
    text = "A: {problem: {N: 2, G: 2, K: 8, C: 3, P: 5, Q: 5, R: 3, S: 3, stride: 2}, repeat: 3}\nB: {op: fc, M: 4}"
    found = network(text, head="name: n\nsource: test\n", batch=4)
    assert found.layers[0].problem == Problem((8, 2, 8, 3, 5, 5, 3, 3), (2, 2))
    assert found.layers[0].op == "problem"
    assert found.layers[0].macs == 3 * found.layers[0].problem.macs
    assert found.layers[1].problem["C"] == 16 * 25


def test_layers_may_be_written_in_any_order():
    found = network("A: {op: fc, M: 4, inputs: C}\nB: {op: conv, M: 4, kernel: 3, inputs: input}\nC: {op: maxpool}")
    assert [layer.name for layer in found.layers] == ["B", "C", "A"]


def test_padding_and_parameters():
    head = "name: n\nsource: t\npadding: stored\nparameters: {c: 3, m: 4}\ninput: {C: $c, H: 8, W: 8}\n"
    found = network("A: {op: fc, M: $m}", head, parameters={"m": 7})
    assert found.padding is Padding.STORED
    assert str(found.layers[0].shape) == "7x1x1"


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (
            "A: {op: conv, M: 4, kernel: 3}\nB: {op: add, inputs: [input, A]}",
            "n.yaml:6:3: layers.B: shape mismatch: adds inputs of different shapes: 3x8x8, 4x6x6 (from input, A)",
        ),
        (
            "A: {op: conv, M: 4, kernel: 3}\nB: {op: concat, inputs: [input, A]}",
            "n.yaml:6:3: layers.B: shape mismatch: joins inputs of different rows and columns: 3x8x8, 4x6x6",
        ),
        (
            "A: {op: conv, C: 96, M: 4, kernel: 3}",
            "n.yaml:5:3: layers.A: shape mismatch: expects 96 channels, but its input is 3x8x8 (from input)",
        ),
        (
            "A: {op: conv, M: 4, kernel: 11}",
            "n.yaml:5:3: layers.A: shape mismatch: a window of 11x11 does not fit an input of 3x8x8 with pad 0, 0",
        ),
        (
            "A: {op: conv, M: 4, kernel: 3, groups: 2}",
            "n.yaml:5:3: layers.A: shape mismatch: 3 input channels cannot be split into 2 groups (from input)",
        ),
        (
            "A: {op: fc, M: 4, C: 9}",
            "n.yaml:5:3: layers.A: shape mismatch: expects C = 9, but its input is 3x8x8, 192 words (from input)",
        ),
        (
            "A: {op: maxpool, kernel: 2}\nB: {op: matmul, inputs: [input, A], over: positions}",
            "n.yaml:6:3: layers.B: shape mismatch: 3x8x8 by 3x4x4: 3 against 16 (from input, A)",
        ),
        (
            "POOL1: {op: maxpool, kernel: 2}\nB: {op: fc, M: 4, inputs: [POOL2]}",
            "n.yaml:6:30: layers.B.inputs.0: unknown layer 'POOL2'; did you mean 'POOL1'? (input, POOL1, B)",
        ),
        (
            "A: {op: fc, M: 4, inputs: inptu}",
            "n.yaml:5:29: layers.A.inputs: unknown layer 'inptu'; did you mean 'input'? (input, A)",
        ),
        ("A: {op: fc, M: 4, inputs: [input, input]}", "n.yaml:5:29: layers.A.inputs: fc takes 1 inputs, got 2"),
        ("A: {op: add}", "n.yaml:5:3: layers.A.inputs: add takes 2 or more inputs, got 1"),
        ("input: {op: maxpool}", "n.yaml:5:3: layers.input: 'input' is the network's own input"),
        ("A: {op: cnv}", "n.yaml:5:11: layers.A.op: unknown op 'cnv'; did you mean 'conv'? (conv, conv1d"),
        ("A: {M: 4}", "n.yaml:5:3: layers.A.op: missing (conv, conv1d"),
        ("A: 3", "n.yaml:5:6: layers.A: should be a mapping of keys to values, got '3'"),
        (
            "A: {op: fc, M: 4, kernel: 3}",
            "n.yaml:5:21: layers.A.kernel: unknown key (op, inputs, repeat, when, density, bits, added, bias, M, C)",
        ),
        ("A: {op: fc, M: 4, rpeat: 3}", "layers.A.rpeat: unknown key; did you mean 'repeat'?"),
        ("A: {op: fc}", "n.yaml:5:3: layers.A.M: missing"),
        ("A: {op: matmul}", "n.yaml:5:3: layers.A: needs M, or a second input to multiply by (from input)"),
    ],
)
def test_refused(layers, message):
    with pytest.raises(SpecError) as error:
        network(layers)
    assert message in str(error.value)


def test_a_first_layer_without_input():
    with pytest.raises(SpecError, match=r"n\.yaml:4:3: layers\.A: there is no layer before it"):
        network("A: {op: fc, M: 4}", head="name: n\nsource: test\n")


def test_a_network_object_is_checked_too():
    shape = Shape(3)
    with pytest.raises(WorkloadError, match="reads 'B', which is not a layer before it"):
        Network("n", (Layer("A", "add", ("B",), shape),))
    with pytest.raises(WorkloadError, match="two layers are called 'A'"):
        Network("n", (Layer("A", "x", (), shape), Layer("A", "x", (), shape)))
    with pytest.raises(WorkloadError, match="batch is 0"):
        load_network("alexnet", batch=0)


@given(
    st.integers(1, 4), st.integers(1, 20), st.integers(1, 5), st.integers(1, 4), st.integers(0, 3), st.integers(1, 3)
)
def test_a_convolution_uses_every_window_that_fits(channels, rows, taps, stride, pad, dilation):
    """The ofmap is what a walk over the padded plane gives."""
    last = [h for h in range(0, rows + 2 * pad, stride) if h + dilation * (taps - 1) < rows + 2 * pad]
    text = f"A: {{op: conv, M: 2, kernel: {taps}, stride: {stride}, pad: {pad}, dilation: {dilation}}}"
    head = f"name: n\nsource: test\ninput: {{C: {channels}, H: {rows}, W: {rows}}}\n"
    if not last:
        with pytest.raises(SpecError, match="does not fit"):
            network(text, head)
        return
    problem = network(text, head).layers[0].problem
    assert problem["P"] == problem["Q"] == len(last)
    assert problem.words(Tensor.FILTER) == 2 * channels * taps * taps
