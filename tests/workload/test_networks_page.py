"""The table of docs/networks.md is what the networks are; run this file to write it again."""

from __future__ import annotations

import pages
from accelsim.workload.yaml import load_network
from accelsim.yamlfile import builtin

PAGE, MARK = "networks.md", "networks"
GRAPH, TORCHVISION, EXACT = "graph", "parameters, GMACs: torchvision", "parameters"
# where from, checked against
KNOWN = {
    "alexnet": ("Krizhevsky et al., NIPS 2012; grouped, as in Caffe", "Caffe's layer table"),
    "alexnet_two_tower": ("the same, each tower's layers run twice", "`alexnet`"),
    "vgg16": ("Simonyan and Zisserman, ICLR 2015", GRAPH),
    "googlenet": ("Szegedy et al., CVPR 2015; 5x5 branches", "channels of the paper's Table 1"),
    "inception_v3": ("Szegedy et al., CVPR 2016; 299 x 299", f"{GRAPH}; {TORCHVISION}"),
    "resnet50": ("He et al., CVPR 2016; v1.5: stride 2 in the 3x3, as torchvision", f"{GRAPH}; {TORCHVISION}"),
    "resnet50_v1": ("the same; stride 2 in the first 1x1 layers, as published", "`resnet50`"),
    "resnext50": ("Xie et al., CVPR 2017; 32x4d", TORCHVISION),
    "densenet121": ("Huang et al., CVPR 2017", TORCHVISION),
    "mobilenet_v1": ("Howard et al., 2017; 1.0-224", f"{GRAPH}; 569 M, 4.2 M: the paper's Table 6"),
    "mobilenet_v1_0.5_128": ("the same; 0.5-128", "49 M, 1.3 M: the paper's Table 7"),
    "mobilenet_v2": ("Sandler et al., CVPR 2018; 1.0-224", f"{GRAPH}; {TORCHVISION}"),
    "mobilenet_v3": ("Howard et al., ICCV 2019; Large 1.0-224", TORCHVISION),
    "mobilenet_v3_small": ("the same; Small 1.0-224", f"{GRAPH}; {TORCHVISION}"),
    "ds_cnn": ("Zhang et al., 2017; 64 channels, 49 x 10 coefficients, 12 words", "by hand"),
    "shufflenet_v2": ("Ma et al., ECCV 2018; 1x", f"{GRAPH}; {TORCHVISION}"),
    "squeezenet_v1_1": ("Iandola et al., 2016; v1.1", f"{GRAPH}; {TORCHVISION}"),
    "efficientnet_b0": ("Tan and Le, ICML 2019", f"{GRAPH}; {TORCHVISION}"),
    "convnext_tiny": ("Liu et al., CVPR 2022", TORCHVISION),
    "deeplabv3": ("Chen et al., 2017; ResNet-50, 513 x 513, 21 classes", GRAPH),
    "unet": ("Ronneberger et al., MICCAI 2015; padded, 256 x 256", GRAPH),
    "dcgan": ("Radford et al., ICLR 2016; the generator of PyTorch's tutorial", EXACT),
    "c3d": ("Tran et al., ICCV 2015; 16 frames, 487 classes", f"{EXACT}, for 101 classes"),
    "vit_b16": ("Dosovitskiy et al., ICLR 2021; `image` 224", f"{GRAPH}, in sum; {TORCHVISION}"),
    "swin_t": ("Liu et al., ICCV 2021", f"{GRAPH}; {TORCHVISION}"),
    "bert_base": ("Devlin et al., NAACL 2019; encoder, `seq` 128", f"{GRAPH}; {EXACT}: transformers"),
    "distilbert": ("Sanh et al., 2019; encoder, `seq` 128", f"{GRAPH}; {EXACT}: transformers"),
    "squeezebert": ("Iandola et al., SustaiNLP 2020; encoder, `seq` 128", GRAPH),
    "t5_small": ("Raffel et al., JMLR 2020; `seq` 64, `target` 64", f"{GRAPH} of the encoder; {EXACT}: transformers"),
    "whisper_tiny": ("Radford et al., ICML 2023; 30 s, `text` 32", f"{GRAPH} of the encoder; {EXACT}: transformers"),
    "gpt2": (
        "Radford et al., 2019; 124 M model, blocks, prompt of `seq` 1024",
        f"{GRAPH}, in sum; {EXACT}: transformers",
    ),
    "gpt2_decode": ("the same; one token that attends to `context` 1024 positions", "`gpt2`"),
    "llama3_8b": ("Dubey et al., 2024; prompt of `seq` 1024, LM head for its last token", f"{EXACT}: transformers"),
    "llama3_8b_decode": ("the same; one token that attends to `context` 1024 positions", f"{EXACT}: transformers"),
    "qwen3_8b": ("Yang et al., 2025; prompt of `seq` 1024, LM head for its last token", f"{EXACT}: transformers"),
    "mixtral_8x7b_decode": ("Jiang et al., 2024; one token, `context` 1024; 2 of 8 experts", f"{EXACT}: transformers"),
    "hog_svm": ("Dalal and Triggs, CVPR 2005; 1920 x 1080, one scale", "by hand, number by number"),
    "lstm": ("Zaremba et al., 2014; 2 layers of 1024 units, `seq` 35 steps", f"{GRAPH}; {EXACT}: PyTorch"),
}


def table() -> str:
    """A row for each network."""
    lines = ["| Name | Layers | MACs | Weights | Source | Checked against |", "|---|---:|---:|---:|---|---|"]
    for name, words in KNOWN.items():
        network = load_network(name)
        layers = {layer.whole or layer.name for layer in network.mac_layers}
        figures = (f"{figure:,}" for figure in (len(layers), network.macs, network.weights))
        lines.append(f"| {' | '.join((f'`{name}`', *figures, *words))} |")
    return "\n".join(lines) + "\n"


def test_the_page_is_up_to_date():
    assert pages.read(PAGE, MARK) == table()


def test_the_page_has_every_network():
    assert set(KNOWN) == set(builtin("workload"))


if __name__ == "__main__":
    pages.write(PAGE, MARK, table())
