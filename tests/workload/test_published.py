"""Networks against what is published of them: parameters to the last one, MACs to the last place that is printed."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import pytest

from accelsim.workload.network import Layer, Network
from accelsim.workload.yaml import load_network

# GFLOPS, a MAC as one, that torchvision has with its weights
GFLOPS = {
    "convnext_tiny": 4.456,
    "densenet121": 2.834,
    "efficientnet_b0": 0.386,
    "inception_v3": 5.713,
    "mobilenet_v3": 0.217,
    "mobilenet_v3_small": 0.057,
    "resnext50": 4.230,
    "shufflenet_v2": 0.145,
    "swin_t": 4.491,
}


@pytest.mark.parametrize("name", GFLOPS)
def test_flops(name):
    assert round(load_network(name).macs / 1e9, 3) == GFLOPS[name]


def outputs(layer: Layer) -> int:
    """Channels that a layer with weights gives, of all groups."""
    assert layer.problem is not None
    return layer.problem["G"] * layer.problem["M"]


def given(network: Network, *ops: str) -> int:
    """Channels that the layers of some ops give, in sum."""
    return sum(layer.shape.C for layer in network.layers if layer.op in ops)


CONV = ("conv", "depthwise")
MEANS = ("squeeze", "excite")


def excited(network: Network) -> int:
    """Batch norm, two for each channel, takes the place of a bias but in the layers that squeeze and excite."""
    own = sum(layer.shape.C for layer in network.layers if layer.op == "conv" and layer.name.endswith(MEANS))
    return 2 * given(network, *CONV) - own + given(network, "fc")


def folded(network: Network) -> int:
    """Batch norm after every convolution, a bias after the last layer."""
    return 2 * given(network, *CONV) + given(network, "fc")


def dense(network: Network) -> int:
    """Norms before the convolutions of a layer: of the first convolution, of the second and of what is read."""
    stem, firsts = 2 * 64, 2 * 128 * (6 + 12 + 24 + 16)
    return stem + firsts + 2 * given(network, "batchnorm") + given(network, "fc")


def biased(network: Network) -> int:
    """A bias for every output and two words for every channel of a norm."""
    return given(network, "fc", "matmul", *CONV) + 2 * given(network, "norm")


def convnext(network: Network) -> int:
    """Besides, a factor for each channel of each block."""
    return biased(network) + sum(layer.shape.C for layer in network.layers if layer.name.endswith(".scale"))


def swin(network: Network) -> int:
    """Besides, a table of 13 x 13 distances for each head; some products have no bias."""
    scores = [layer for layer in network.layers if layer.name.endswith(".qk")]
    unbiased = [layer for layer in network.layers if layer.name.endswith((".qk", ".av", ".reduce"))]
    return biased(network) - sum(x.shape.C for x in unbiased) + sum(13 * 13 * x.shape.C // 49 for x in scores)


def distilled(network: Network) -> int:
    """Embeddings of 30522 words and 512 positions, and their norm."""
    weighted = sum(outputs(layer) for layer in network.layers if layer.weights)
    return weighted + 2 * given(network, "norm") + (30_522 + 512 + 2) * 768


def t5(network: Network) -> int:
    """No biases; a gain for each channel of a norm, a table of 32 distances for 8 heads on either side, the words."""
    return given(network, "rmsnorm") + 2 * 32 * 8 + 32_128 * 512


def whisper(network: Network) -> int:
    """Biases but for keys; 1500 and 448 positions; 51865 words, whose embeddings are the LM head's weights too."""
    weighted = sum(outputs(layer) for layer in network.layers if layer.weights and not layer.name.endswith(".k"))
    return weighted + 2 * given(network, "norm") + (1500 + 448 + 51_865) * 384


def llama(words: int) -> Callable[[Network], int]:
    """Embeddings of the words, a gain for each channel of a norm."""
    return lambda network: words * 4096 + given(network, "rmsnorm")


def qwen(network: Network) -> int:
    """The same; norms of queries and keys have gains for one head, of 128, not for each."""
    heads = sum(layer.shape.C - 128 for layer in network.layers if layer.name.endswith(("q_norm", "k_norm")))
    return llama(151_936)(network) - heads


# parameters: torchvision's num_params (Inception's with the classifier of training: two convolutions with batch norm
# and an FC layer); of the others what the released models have, as summaries of them print it: transformers' models
# of these names, the generator of PyTorch's DCGAN tutorial, C3D for the 101 classes of UCF101
PARAMETERS = {
    "convnext_tiny": (28_589_128, convnext),
    "densenet121": (7_978_856, dense),
    "efficientnet_b0": (5_288_548, excited),
    "inception_v3": (
        27_161_264,
        lambda network: folded(network) + 768 * 128 + 256 + 128 * 768 * 25 + 1536 + 768 * 1000 + 1000,
    ),
    "mobilenet_v3": (5_483_032, excited),
    "mobilenet_v3_small": (2_542_856, excited),
    "resnext50": (25_028_904, folded),
    "shufflenet_v2": (2_278_604, folded),
    "swin_t": (28_288_354, swin),
    "distilbert": (66_362_880, distilled),
    "t5_small": (60_506_624, t5),
    "whisper_tiny": (37_760_640, whisper),
    "llama3_8b": (8_030_261_248, llama(128_256)),
    "llama3_8b_decode": (8_030_261_248, llama(128_256)),
    "qwen3_8b": (8_190_735_360, qwen),
    "mixtral_8x7b_decode": (46_702_792_704, llama(32_000)),
    # batch norm after all but the last
    "dcgan": (3_576_704, lambda network: 2 * (512 + 256 + 128 + 64)),
    "c3d": (78_409_573, lambda network: given(network, "conv3d", "fc")),
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters(name):
    published, others = PARAMETERS[name]
    network = load_network(name, parameters={"classes": 101} if name == "c3d" else None)
    assert network.weights + others(network) == published


def test_a_prompt_of_llama():
    """Per token and layer the weights, and 2 hidden seq for attention; the LM head once."""
    for seq in (16, 1024):
        found = load_network("llama3_8b", parameters={"seq": seq})
        head = 128_256 * 4096
        assert found.macs == seq * (found.weights - head) + head + 32 * 2 * 4096 * seq**2
        assert str(found.layers[-1].shape) == "128256x1x1"


@pytest.mark.parametrize("context", [1, 1024])
@pytest.mark.parametrize("name", ["llama3_8b_decode", "mixtral_8x7b_decode"])
def test_a_decode_step_of_one_token(name, context):
    """It multiplies by every weight once; of 8 experts, by those of 2. Shared keys and values are read once."""
    found = load_network(name, parameters={"context": context})
    experts = 32 * 3 * 4096 * 14_336
    unused = 6 * experts if "mixtral" in name else 0
    assert found.macs == found.weights - unused + 32 * 2 * 4096 * context
    scores = next(layer for layer in found.layers if layer.name == "l0.qk").problem
    assert scores.sizes == (4, 8, context, 128, 1, 1, 1, 1) and scores.dynamic_filter


def test_active_parameters_of_mixtral():
    """13 B, says the paper: what one token multiplies by."""
    found = load_network("mixtral_8x7b_decode", parameters={"context": 1})
    assert round((found.macs + 32_000 * 4096) / 1e9) == 13


def stacks(depth: int, d: int, f: int, read: int, written: int) -> tuple[int, int]:
    """MACs of an encoder over `read` positions and of a decoder of `written` ones that attends to them."""
    encoder = read * (4 * d * d + 2 * d * f) + 2 * d * read**2
    own = written * (4 * d * d + 2 * d * f) + 2 * d * written**2
    across = written * 2 * d * d + read * 2 * d * d + 2 * d * written * read
    return depth * encoder, depth * (own + across)


@pytest.mark.parametrize(("seq", "target"), [(64, 64), (7, 3), (512, 1)])
def test_both_sides_of_t5(seq, target):
    found = load_network("t5_small", parameters={"seq": seq, "target": target, "lm_head": 1})
    encoder, decoder = stacks(6, 512, 2048, seq, target)
    assert sum(layer.macs for layer in found.layers if layer.name.startswith("e")) == encoder
    assert found.macs == encoder + decoder + target * 512 * 32_128


@pytest.mark.parametrize("text", [1, 32, 448])
def test_both_sides_of_whisper(text):
    found = load_network("whisper_tiny", batch=2, parameters={"text": text, "lm_head": 1})
    convolutions = 3000 * 384 * 80 * 3 + 1500 * 384 * 384 * 3
    assert found.macs == 2 * (convolutions + sum(stacks(4, 384, 1536, 1500, text)) + text * 384 * 51_865)


def test_c3d_halves_planes_and_frames():
    found = {layer.name: layer.shape for layer in load_network("c3d").layers}
    assert [str(found[f"pool{i}"]) for i in range(1, 6)] == [
        "64x16x56x56", "128x8x28x28", "256x4x14x14", "512x2x7x7", "512x4x4"
    ]  # fmt: skip
    # 38.5 G
    sizes = {"conv1a": (3, 64, 16, 112), "conv2a": (64, 128, 16, 56), "conv3a": (128, 256, 8, 28)}
    sizes |= {"conv3b": (256, 256, 8, 28), "conv4a": (256, 512, 4, 14), "conv4b": (512, 512, 4, 14)}
    sizes |= {"conv5a": (512, 512, 2, 7), "conv5b": (512, 512, 2, 7)}
    products = sum(27 * prod(of) * of[3] for of in sizes.values())
    assert load_network("c3d").macs == products + 8192 * 4096 + 4096 * 4096 + 4096 * 487


def test_ways_to_carry_out_a_generator():
    """Each word of a layer's input meets each tap; with zeros between the words, each of four times as many outputs."""
    split, insert = (load_network("dcgan", parameters={"transposed": way}) for way in ("split", "insert"))
    first = 100 * 512 * 16
    rest = sum(side**2 * c * m * 16 for side, c, m in ((4, 512, 256), (8, 256, 128), (16, 128, 64), (32, 64, 3)))
    assert (split.macs, insert.macs) == (first + rest, first + 4 * rest)
    assert split.weights == insert.weights
    assert [str(network.layers[-1].shape) for network in (split, insert)] == ["3x64x64"] * 2
