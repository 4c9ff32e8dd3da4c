"""The shipped networks are their ONNX exports, layer by layer, in order; where a variant differs, in what and why."""

from __future__ import annotations

import pytest

pytest.importorskip("onnx.helper")

from accelsim.onnx.network import load
from accelsim.workload.yaml import load_network
from graphs import GRAPHS, at_hand, dims

pytestmark = at_hand

SAME = [
    ("vgg16", "vgg16", {}),
    ("resnet50", "resnet50", {}),
    ("resnet50", "light_resnet50", {}),
    ("mobilenet_v2", "mobilenet_v2", {}),
    ("mobilenet_v2", "mobilenet_v2_unfolded", {}),
    ("squeezenet_v1_1", "squeezenet1_1", {}),
    ("bert_base", "bert_base", {}),
    ("squeezebert", "squeezebert", {}),
    ("lstm", "lstm", {}),
    *((name, name, {}) for name in ("distilbert", "efficientnet_b0", "inception_v3", "unet")),
    ("deeplabv3", "deeplabv3_resnet50", {}),
    ("mobilenet_v3_small", "mobilenet_v3_small_dynamo", {}),
    ("shufflenet_v2", "shufflenet_v2_x1_0", {}),
    # the paper's network has pixels for 227 x 227, which its file cuts to 224
    ("alexnet", "light_bvlc_alexnet", {"data_0": "1x3x227x227"}),
]


def layers(network):
    """The problems of a network, as often as each runs; positions in one row, as the order of tokens is no matter."""
    found = []
    for layer in network.mac_layers:
        problem = layer.problem
        n, g, m, c, p, q, r, s = problem.sizes
        sliding = (problem.stride, problem.dilation, problem.pad) if (r, s, p) != (1, 1, 1) else ()
        found += [(n, g, m, c, p * q, r, s, sliding, problem.dynamic_filter)] * layer.repeat
    return found


def graph(name, sizes):
    return load(GRAPHS / f"{name}.onnx", dims={**dims(name), **sizes})


def flat(found):
    """The same without how windows slide, where a plane may be laid out as a row."""
    return [
        (*layer[:7], layer[8]) if layer[5:7] == (1, 1) and layer[7][:1] in ((), ((1, 1),)) else layer for layer in found
    ]


@pytest.mark.parametrize(("shipped", "exported", "sizes"), SAME)
def test_layer_by_layer(shipped, exported, sizes):
    found = graph(exported, sizes)
    assert flat(layers(found)) == flat(layers(load_network(shipped)))


@pytest.mark.parametrize(
    ("shipped", "exported", "parameters"),
    [
        ("gpt2", "gpt2", {"seq": 256, "lm_head": 1}),
        ("gpt2_decode", "gpt2_past", {"context": 1024, "lm_head": 1}),
        ("vit_b16", "vit_b_16", {}),
    ],
)
def test_but_that_q_k_and_v_are_one_product(shipped, exported, parameters):
    """The exports have the three products by one input as one of three times the outputs."""
    found = []
    for layer in flat(layers(graph(exported, {}))):
        if layer[2] == 3 * layer[3] == 2304:
            found += [(*layer[:2], 768, *layer[3:])] * 3
        else:
            found.append(layer)
    assert found == flat(layers(load_network(shipped, parameters=parameters)))


def test_swin_but_how_windows_are_told():
    """A window is a run of a layer in the shipped file, a group of one in the export: both have its own keys."""
    found = [layers(one) for one in (load_network("swin_t"), graph("swin_t", {}))]
    ours, theirs = (sorted(map(str, flat(one for one in each if not one[8]))) for each in found)
    assert ours == theirs
    pairs = [sum(one[1] for one in each if one[8]) for each in found]
    assert pairs[0] == pairs[1]


@pytest.mark.parametrize(
    ("shipped", "exported"), [("whisper_tiny", "whisper_tiny_encoder"), ("t5_small", "t5_small_encoder")]
)
def test_the_encoder_is_part_of_the_whole(shipped, exported):
    whole = flat(layers(load_network(shipped)))
    for layer in flat(layers(graph(exported, {}))):
        whole.remove(layer)


def test_googlenet_but_its_5x5_branches():
    """torchvision's have 3x3 filters with a pad of 1 (pytorch/vision, issue 906)."""
    ours, theirs = flat(layers(load_network("googlenet"))), flat(layers(graph("googlenet", {})))
    smaller = [(*one[:5], 3, 3, ((1, 1), (1, 1), (1, 1)), one[8]) if one[5:7] == (5, 5) else one for one in ours]
    assert sorted(map(str, smaller)) == sorted(map(str, theirs))
    assert sum(one[5:7] == (5, 5) for one in ours) == 9


def test_mobilenet_v1_but_where_padding_lies():
    """Keras has the zeros of stride 2 behind the plane; the shipped file has one on each side: the same sizes."""
    ours, theirs = layers(load_network("mobilenet_v1")), layers(graph("keras_mobilenet", {}))
    assert [one[:7] for one in ours] == [one[:7] for one in theirs]


def test_alexnet_of_torchvision_is_another():
    """One tower of fewer filters (A. Krizhevsky, arXiv 1404.5997), so it is compared with nothing."""
    assert graph("alexnet", {}).macs != load_network("alexnet").macs
