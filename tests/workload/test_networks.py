"""The networks that ship: totals, a few shapes, and parameters that derive them again."""

from __future__ import annotations

import pytest

from accelsim.errors import SpecError
from accelsim.workload.network import Network, Shape
from accelsim.workload.ops.norms import Norm, Softmax
from accelsim.workload.ops.pools import Pool
from accelsim.workload.ops.recurrent import Lstm
from accelsim.workload.ops.vector import Elementwise
from accelsim.workload.ops.views import Positions
from accelsim.workload.problem import Problem
from accelsim.workload.yaml import load_network, network_of
from accelsim.yamlfile import parse

HIDDEN, FEED, BLOCKS = 768, 3072, 12

# layers that multiply, MACs, weights. CNNs: the layer tables of torchvision's models (resnet50_v1: the paper's);
# transformers: the papers' sizes; per block 4 hidden^2 + 2 hidden feed products for each token, and 2 hidden seq^2
TOTALS = {
    "resnet50": (54, 4_089_184_256, 25_502_912),
    "resnet50_v1": (54, 3_857_973_248, 25_502_912),
    "mobilenet_v2": (53, 300_774_272, 3_469_760),
    "squeezenet_v1_1": (26, 349_151_936, 1_231_552),
    "bert_base": (96, 11_173_625_856, 84_934_656),
    "squeezebert": (96, 3_699_376_128, 26_542_080),
    "gpt2": (96, 106_300_440_576, 84_934_656),
    "gpt2_decode": (96, 103_809_024, 84_934_656),
    "vit_b16": (98, 17_563_828_224, 86_292_480),
    "lstm": (2, 587_202_560, 16_777_216),
}

# what is published, and what of it our weights and biases leave out. torchvision's and Hugging Face's num_params;
# batch norm: 2 per channel of every convolution; layer norm: 2 per channel; torch.nn.LSTM has two biases per gate
NORM = 2 * HIDDEN
PARAMETERS = {
    "resnet50": (25_557_032, "batch norm", 0),
    "mobilenet_v2": (3_504_872, "batch norm", 0),
    "squeezenet_v1_1": (1_235_496, "", 0),
    # embeddings of 30522 words, 512 positions, 2 segments, and their norm; the pooler
    "bert_base": (109_482_240, "", 24 * NORM + (30_522 + 512 + 2) * HIDDEN + NORM + HIDDEN * (HIDDEN + 1)),
    # embeddings of 50257 words (the LM head shares them) and 1024 positions; 25 norms
    "gpt2": (124_439_808, "", 25 * NORM + (50_257 + 1024) * HIDDEN),
    # 197 positions and the class token; 25 norms
    "vit_b16": (86_567_656, "", 25 * NORM + 198 * HIDDEN),
    "lstm": (16_793_600, "", 2 * 4 * 1024),
}
# GFLOPS, a MAC as one, that torchvision prints with its weights, to two places
GFLOPS = {"resnet50": 4.09, "mobilenet_v2": 0.30, "squeezenet_v1_1": 0.35, "vit_b16": 17.56}


def problems(network: Network) -> dict[str, Problem]:
    return {layer.name: layer.problem for layer in network.mac_layers if layer.problem}


def shapes(network: Network) -> dict[str, str]:
    return {layer.name: str(layer.shape) for layer in network.layers}


@pytest.mark.parametrize("name", TOTALS)
def test_totals(name):
    found = load_network(name)
    assert (len(found.mac_layers), found.macs, found.weights) == TOTALS[name]
    assert found.name == name and found.source


@pytest.mark.parametrize("name", PARAMETERS)
def test_published_parameters(name):
    found = load_network(name)
    published, kind, others = PARAMETERS[name]
    outputs = [layer.problem["G"] * layer.problem["M"] for layer in found.mac_layers if layer.weights]
    # batch norm takes the place of a convolution's bias by a gain and an offset
    beside = 2 * sum(outputs[:-1]) + outputs[-1] if kind == "batch norm" else sum(outputs)
    assert found.weights + beside + others == published


@pytest.mark.parametrize("name", GFLOPS)
def test_published_flops(name):
    # half of the last place printed
    assert load_network(name).macs / 1e9 == pytest.approx(GFLOPS[name], abs=0.005)


def test_where_resnet_strides():
    new, old = problems(load_network("resnet50")), problems(load_network("resnet50_v1"))
    assert list(new) == list(old)
    assert new["conv3_0a"] == Problem((1, 1, 128, 256, 56, 56, 1, 1), height=56, width=56)
    assert new["conv3_0b"] == Problem((1, 1, 128, 128, 28, 28, 3, 3), (2, 2), pad=(1, 1), height=56, width=56)
    assert old["conv3_0a"] == Problem((1, 1, 128, 256, 28, 28, 1, 1), (2, 2), height=56, width=56)
    assert old["conv3_0b"] == Problem((1, 1, 128, 128, 28, 28, 3, 3), pad=(1, 1), height=28, width=28)
    assert {name for name in new if new[name] != old[name]} == {
        f"conv{stage}_0{x}" for stage in (3, 4, 5) for x in "ab"
    }
    assert shapes(load_network("resnet50"))["conv5_2"] == "2048x7x7"


def test_mobilenet_v2_adds_where_nothing_changes():
    found = load_network("mobilenet_v2", batch=2)
    assert problems(found)["b2_dw"] == Problem((2, 96, 1, 1, 56, 56, 3, 3), (2, 2), pad=(1, 1), height=112, width=112)
    # Table 2: all but the first of the blocks of a row
    assert [x.name for x in found.layers if x.op == "add"] == [f"b{x}" for x in (3, 5, 6, 8, 9, 10, 12, 13, 15, 16)]
    assert shapes(found)["conv18"] == "1280x7x7"


def test_squeezenet_pools():
    found = shapes(load_network("squeezenet_v1_1"))
    assert [found[x] for x in ("pool1", "pool3", "pool5", "fire9", "pool10")] == [
        "64x55x55",
        "128x27x27",
        "256x13x13",
        "512x13x13",
        "1000x1x1",
    ]


def test_blocks_of_an_encoder():
    names = ["q", "k", "v", "qk", "av", "out", "ff1", "ff2"]
    for network in ("bert_base", "squeezebert", "gpt2", "gpt2_decode"):
        assert list(problems(load_network(network))) == [f"l{i}_{x}" for i in range(BLOCKS) for x in names]


@pytest.mark.parametrize("batch", [1, 3])
def test_attention(batch):
    """Weights are shared by the batch, on N; a second operand is each image's own: heads and images lie on G."""
    bert = problems(load_network("bert_base", batch))
    assert bert["l0_q"] == Problem((batch, 1, 768, 768, 1, 128, 1, 1))
    assert bert["l0_qk"] == Problem((1, 12 * batch, 128, 64, 1, 128, 1, 1), dynamic_filter=True)
    assert bert["l11_av"] == Problem((1, 12 * batch, 64, 128, 1, 128, 1, 1), dynamic_filter=True)
    assert bert["l11_ff2"].sizes == (batch, 1, 768, 3072, 1, 128, 1, 1)


def test_squeezebert_groups_all_but_out():
    found = problems(load_network("squeezebert"))
    assert found["l0_q"].sizes == (1, 4, 192, 192, 1, 128, 1, 1)
    assert found["l0_out"].sizes == (1, 1, 768, 768, 1, 128, 1, 1)
    assert found["l0_ff1"].sizes == (1, 4, 768, 192, 1, 128, 1, 1)
    assert found["l0_ff2"].sizes == (1, 4, 192, 768, 1, 128, 1, 1)


@pytest.mark.parametrize("name", ["bert_base", "squeezebert", "gpt2"])
def test_seq_derives_every_shape(name):
    found = load_network(name, parameters={"seq": 512})
    layers = problems(found)
    assert layers["l0_qk"].sizes == (1, 12, 512, 64, 1, 512, 1, 1)
    assert layers["l0_av"].sizes == (1, 12, 64, 512, 1, 512, 1, 1)
    assert shapes(found)["l11_ff1"] == "3072x1x512"
    assert found.macs == 512 * found.weights + BLOCKS * 2 * HIDDEN * 512**2
    assert found.weights == TOTALS[name][2]


@pytest.mark.parametrize("context", [1, 100, 1024])
def test_a_decode_step(context):
    found = load_network("gpt2_decode", batch=2, parameters={"context": context})
    layers = problems(found)
    assert layers["l0_q"].sizes == (2, 1, 768, 768, 1, 1, 1, 1)
    assert layers["l0_qk"] == Problem((1, 24, context, 64, 1, 1, 1, 1), dynamic_filter=True)
    assert layers["l0_av"] == Problem((1, 24, 64, context, 1, 1, 1, 1), dynamic_filter=True)
    assert found.macs == 2 * (found.weights + BLOCKS * 2 * HIDDEN * context)


def test_decode_steps_add_up_to_a_prompt_without_what_is_masked():
    """Token t attends to t positions: over a prompt seq (seq + 1) / 2 of the seq^2 pairs computed in full."""
    seq = 5
    steps = sum(load_network("gpt2_decode", parameters={"context": t + 1}).macs for t in range(seq))
    masked = BLOCKS * 2 * HIDDEN * (seq * (seq - 1) // 2)
    assert steps == load_network("gpt2", parameters={"seq": seq}).macs - masked


@pytest.mark.parametrize("image", [224, 384])
def test_an_image_derives_every_shape_of_vit(image):
    tokens = (image // 16) ** 2 + 1
    found = load_network("vit_b16", parameters={"image": image})
    layers, moved = problems(found), {layer.name: found.traffic(layer) for layer in found.layers}
    assert layers["l11_qk"].sizes == (1, 12, tokens, 64, 1, tokens, 1, 1)
    patches, blocks = (tokens - 1) * HIDDEN * 3 * 16**2, BLOCKS * (4 * HIDDEN**2 + 2 * HIDDEN * FEED) * tokens
    assert found.macs == patches + blocks + BLOCKS * 2 * HIDDEN * tokens**2 + 1000 * HIDDEN
    assert found.weights == TOTALS["vit_b16"][2]
    assert moved["l0_softmax"] == (12 * tokens**2, 12 * tokens**2)


@pytest.mark.parametrize(("name", "tokens"), [("gpt2", 1024), ("gpt2_decode", 1)])
def test_the_lm_head_is_there_if_asked_for(name, tokens):
    without, found = load_network(name), load_network(name, batch=2, parameters={"lm_head": 1})
    assert "lm_head" not in problems(without)
    assert problems(found)["lm_head"].sizes == (2, 1, 50_257, HIDDEN, 1, tokens, 1, 1)
    assert found.macs == 2 * (without.macs + 50_257 * HIDDEN * tokens)
    # what is published has the embeddings of the words once: they are the head's weights
    assert found.weights == without.weights + 50_257 * HIDDEN


def test_a_switch_is_one_or_zero():
    with pytest.raises(SpecError, match=r"layers\.lm_head\.when: should be 1 or 0, got '2'"):
        load_network("gpt2", parameters={"lm_head": 2})


def test_a_layer_left_out_cannot_be_read():
    text = "name: n\nsource: t\ninput: {C: 3, H: 8, W: 8}\nlayers:\n  A: {op: fc, M: 4, when: 0}\n"
    assert [layer.name for layer in network_of(parse(text + "  B: {op: fc, M: 2}\n", "n.yaml")).layers] == ["B"]
    with pytest.raises(SpecError, match=r"layers\.B\.inputs: unknown layer 'A'"):
        network_of(parse(text + "  B: {op: fc, M: 2, inputs: A}\n", "n.yaml"))


@pytest.mark.parametrize(("name", "parameter"), [("bert_base", "seq"), ("gpt2", "seq"), ("squeezebert", "seq")])
def test_vector_operations_follow_the_sequence(name, parameter):
    """Per block and token: 5 for each score of a head, 7 for each word normalised, gelu, two sums."""
    for tokens in (16, 512):
        found = load_network(name, batch=3, parameters={parameter: tokens})
        block = 5 * 12 * tokens + 2 * 7 * HIDDEN + FEED + 2 * HIDDEN
        last = 7 * HIDDEN * tokens if name == "gpt2" else 0
        assert sum(layer.vector_ops for layer in found.layers) == BLOCKS * block * tokens + last


def test_vit():
    found = load_network("vit_b16")
    assert problems(found)["patches"].sizes == (1, 1, 768, 3, 14, 14, 16, 16)
    assert problems(found)["l0_qk"].sizes == (1, 12, 197, 64, 1, 197, 1, 1)
    assert problems(found)["FC"].sizes == (1, 1, 1000, 768, 1, 1, 1, 1)


def test_the_steps_of_an_lstm_share_its_weights():
    found = load_network("lstm", batch=2, parameters={"seq": 10})
    layer = found.mac_layers[1]
    assert (layer.problem, layer.repeat) == (Problem((2, 1, 4096, 2048, 1, 1, 1, 1)), 10)
    assert layer.macs == 10 * layer.problem.macs
    assert found.weights == TOTALS["lstm"][2]
    assert str(layer.shape) == "1024x1x1"


def test_words_moved_without_macs():
    bert, squeezenet = load_network("bert_base"), load_network("squeezenet_v1_1")
    plane, scores = 768 * 128, 12 * 128 * 128
    moved = {layer.name: bert.traffic(layer) for layer in bert.layers}
    assert moved["l0_softmax"] == (scores, scores)
    assert moved["l0_gelu"] == (FEED * 128, FEED * 128)
    assert moved["l0_add1"] == (2 * plane, plane)
    assert moved["l0_norm"] == (plane, plane)
    # counts of its own
    assert moved["l0_q"] == (0, 0)
    lstm = load_network("lstm", batch=4)
    assert {lstm.traffic(layer) for layer in lstm.layers} == {(5 * 1024, 2 * 1024)}
    named = {layer.name: squeezenet.traffic(layer) for layer in squeezenet.layers}
    assert named["fire2"] == (0, 0)
    assert named["pool1"] == (64 * 111 * 111, 64 * 55 * 55)


def test_vector_operations():
    """Per word as each op's docstring counts them."""
    shape = Shape(8, 4, 4)
    assert Softmax(op="softmax").vector_ops([shape]) == 5 * 128
    assert Norm(op="norm").vector_ops([shape]) == 7 * 128
    assert Elementwise(op="elementwise").vector_ops([shape]) == 128
    assert Elementwise(op="elementwise").vector_ops([shape] * 3) == 2 * 128
    assert Pool(op="maxpool", kernel=3, stride=1).vector_ops([shape]) == 8 * 2 * 2 * 8
    assert Pool(op="avgpool").vector_ops([shape]) == 8 * 16
    assert Lstm(op="lstm", M=6).vector_ops([shape]) == 54
    assert Positions(op="extend", positions=17).vector_ops([shape]) == 0
    found = load_network("alexnet", batch=4)
    # of one image, whatever the batch: windows of 3 x 3
    assert [layer.vector_ops for layer in found.select("POOL1")] == [8 * 96 * 27 * 27]


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("{op: extend, positions: 63}", "n.yaml:5:3: layers.A: shape mismatch: extends to 63 positions, but its input"),
        ("{op: extend, positions: 65, by: 1}", "layers.A: extend needs positions, or by"),
        ("{op: crop, by: 1}", "layers.A: crop needs positions alone"),
        ("{op: crop, positions: 65}", "n.yaml:5:3: layers.A: shape mismatch: crops to 65 positions, but its input is"),
        ("{op: softmx}", "unknown op 'softmx'; did you mean 'softmax'?"),
        ("{op: norm, inputs: [input, input]}", "layers.A.inputs: norm takes 1 inputs, got 2"),
    ],
)
def test_refused(layer, message):
    text = f"name: n\nsource: t\ninput: {{C: 3, H: 8, W: 8}}\nlayers:\n  A: {layer}\n"
    with pytest.raises(SpecError) as error:
        network_of(parse(text, "n.yaml"))
    assert message in str(error.value)


def test_a_product_of_different_shapes_is_refused():
    text = "name: n\nsource: t\ninput: {C: 3, H: 8, W: 8}\nlayers:\n  A: {op: maxpool, kernel: 2}\n"
    with pytest.raises(SpecError, match="multiplies inputs of different shapes: 3x4x4, 3x8x8"):
        network_of(parse(text + "  B: {op: elementwise, inputs: [A, input]}\n", "n.yaml"))
