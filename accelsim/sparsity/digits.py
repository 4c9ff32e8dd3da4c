"""A small network trained on scikit-learn's digits, in integers: what it makes of pictures it was not trained on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from accelsim.errors import AccelsimError
from accelsim.sparsity import training
from accelsim.sparsity.convolution import convolution
from accelsim.sparsity.masks import shape_of
from accelsim.workload.network import Layer, Network
from accelsim.workload.problem import Tensor
from accelsim.workload.yaml import network_of
from accelsim.yamlfile import parse

Integers = npt.NDArray[np.int64]
Operands = dict[str, dict[str, Integers]]
Sums = Callable[[Layer, Integers, Integers], Integers]

LEAST, MOST = -128, 127
PIXEL = 1 / 16
"""The digits' pixels are integers from 0 to 16."""

BODY = """\
layers:
  CONV1: {{op: conv, M: 8, kernel: 3, pad: 1{CONV1}}}
  POOL1: {{op: maxpool, kernel: 2}}
  CONV2: {{op: conv, M: 16, kernel: 3, pad: 1{CONV2}}}
  POOL2: {{op: maxpool, kernel: 2}}
  FC3: {{op: fc, M: 10{FC3}}}
"""
LAYERS = ("CONV1", "CONV2", "FC3")


@dataclass(frozen=True)
class Scales:
    """What one unit of a layer's integers stands for."""

    ifmap: float
    filter: float
    ofmap: float

    @property
    def requantize(self) -> float:
        """From units of a sum of products to units of the ofmap."""
        return self.ifmap * self.filter / self.ofmap


@dataclass(frozen=True, eq=False)
class Digits:
    """The trained network. pixels : [pictures, 1, 8, 8], 0 to 16, and labels, of those not trained on.

    filters : of each layer, [M, C, R, S] or [M, C], -127 to 127. float_accuracy : before quantizing.
    """

    pixels: Integers
    labels: npt.NDArray[np.int64]
    filters: Mapping[str, Integers]
    scales: Mapping[str, Scales]
    float_accuracy: float

    @property
    def network(self) -> Network:
        """Its layers, for as many images as there are pictures."""
        text = "name: digits\nsource: none\ninput: {C: 1, H: 8, W: 8}\n" + BODY.format_map(dict.fromkeys(LAYERS, ""))
        return network_of(parse(text), len(self.pixels))

    def run(self, sums: Sums | None = None) -> Operands:
        """Each layer's operands: ifmap [N, C, H, W], filter, ofmap [N, M, P, Q].

        sums : (layer, ifmap [N, 1, C, H, W], filter [1, M, C, R, S]) -> [N, 1, M, P, Q]; default: exact ones. ofmap =
        min(127, round(ReLU(sums) * `requantize`)), of the last layer without ReLU; the next ifmap is its maximum over
        2 x 2.
        """
        found, ifmap = Operands(), self.pixels
        for layer in self.network.mac_layers:
            assert layer.problem is not None
            weights = self.filters[layer.name]
            shapes = {tensor: shape_of(layer.problem, tensor) for tensor in Tensor}
            ifmap = ifmap.reshape(shapes[Tensor.IFMAP])
            added = (sums or exact)(layer, ifmap, weights.reshape(shapes[Tensor.FILTER]))[:, 0]
            if layer.op == "conv":
                added = np.maximum(added, 0)
            ofmap = np.clip(np.rint(added * self.scales[layer.name].requantize), LEAST, MOST).astype(np.int64)
            found[layer.name] = {"ifmap": ifmap[:, 0], "filter": weights, "ofmap": ofmap}
            if layer.op == "conv":
                ifmap = training.pool(ofmap)
        return found

    def accuracy(self, results: Operands) -> float:
        """How many of the pictures `run` has made the right digit of."""
        scores = results[LAYERS[-1]]["ofmap"].reshape(len(self.labels), -1)
        return float(np.mean(scores.argmax(axis=1) == self.labels))


def exact(layer: Layer, ifmap: Integers, weights: Integers) -> Integers:
    """Sums of the convolution."""
    assert layer.problem is not None
    return convolution(layer.problem, ifmap, weights)


def digits(seed: int = 0, epochs: int = 15, prune: float = 0.0) -> Digits:
    """Train and quantize: one scale per tensor, the largest of a layer's weights, or of its activations over the
    training pictures, becomes 127; pixels stay as they are. Parameters and errors are those of `trace.trace`.
    """
    pixels, labels, held = pictures(seed)
    if epochs < 1:
        raise AccelsimError(f"epochs is {epochs}; it must be at least 1")
    if not 0 <= prune < 1:
        raise AccelsimError(f"prune is {prune}; it must lie in 0 to 1, and some weights must stay")
    images: training.Floats = pixels * np.float64(PIXEL)
    # one thread: the sums, and so the weights, do not depend on how many there are; and small products are faster
    with _one_thread():
        weights = training.train(images[:held], labels[:held], seed, epochs, prune)
        return quantized(weights, pixels, labels, held)


def quantized(weights: training.Weights, pixels: Integers, labels: npt.NDArray[np.int64], held: int) -> Digits:
    """A trained network in integers, for the pictures after the first `held`, which it was trained on."""
    images: training.Floats = pixels * np.float64(PIXEL)
    scales = _scales(images[:held], weights)
    scores = training.activations(images[held:], weights)[2]
    filters = {name: np.rint(w / scales[name].filter).astype(np.int64) for name, w in zip(LAYERS, weights, strict=True)}
    known = float(np.mean(scores.argmax(axis=1) == labels[held:]))
    return Digits(pixels[held:], labels[held:], filters, scales, known)


def pictures(seed: int) -> tuple[Integers, npt.NDArray[np.int64], int]:
    """Pixels [pictures, 1, 8, 8], 0 to 16; labels; how many of them, the first, to train on: three quarters."""
    if seed < 0:
        raise AccelsimError(f"seed is {seed}; it must be at least 0")
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise AccelsimError(
            "scikit-learn, whose digits are traced, is missing: pip install 'accelsim[trace]'"
        ) from None
    found: Any = load_digits()
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(found.target))
    read = found.images[order, None].astype(np.int64)
    return read, found.target[order].astype(np.int64), len(order) * 3 // 4


def _one_thread() -> AbstractContextManager[Any]:
    from threadpoolctl import threadpool_limits  # what scikit-learn itself depends on

    limits: AbstractContextManager[Any] = threadpool_limits(1)
    return limits


def _scales(images: training.Floats, weights: training.Weights) -> dict[str, Scales]:
    scales, unit = {}, PIXEL
    for name, w, outputs in zip(LAYERS, weights, training.activations(images, weights), strict=True):
        # a layer that gives nothing but zeros has any scale
        reach = float(np.abs(outputs).max()) or 1.0
        scales[name] = Scales(unit, (float(np.abs(w).max()) or 1.0) / MOST, reach / MOST)
        unit = scales[name].ofmap
    return scales
