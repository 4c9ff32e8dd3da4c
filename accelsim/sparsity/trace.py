"""Real operands: a small network trained on scikit-learn's digits, quantized, and written layer by layer."""

from __future__ import annotations

import io
import os
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from accelsim.errors import AccelsimError
from accelsim.sparsity import training
from accelsim.sparsity.convolution import convolution
from accelsim.sparsity.masks import shape_of
from accelsim.workload.problem import Tensor
from accelsim.workload.yaml import network_of
from accelsim.yamlfile import parse

Integers = npt.NDArray[np.int64]

LEAST, MOST = -128, 127
PIXEL = 1 / 16
"""The digits' pixels are integers from 0 to 16."""

HEAD = """\
# A small CNN for 8 x 8 pictures of digits, as `accelsim trace` trained it: seed {seed}, {epochs} epochs{pruned}.
# Of the {tested} pictures it was not trained on it knows {accuracy:.1%} (before quantizing {exact:.1%}).
name: digits
source: >-
  trained on the digits of scikit-learn (E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits",
  UCI Machine Learning Repository, 1998)
input: {{C: 1, H: 8, W: 8}}
# Words are 8-bit integers. One unit of each stands for:
{scales}
# Densities are those of the arrays beside this file: run it with batch {batch}.
"""

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


@dataclass(frozen=True)
class Trace:
    """What was written. accuracy : of the integers, on pictures not trained on; float_accuracy : before quantizing."""

    workload: Path
    batch: int
    accuracy: float
    float_accuracy: float
    scales: dict[str, Scales]
    densities: dict[str, dict[str, float]]


def trace(directory: str | Path, seed: int = 0, epochs: int = 15, batch: int = 4, prune: float = 0.0) -> Trace:
    """Train, quantize and write ``digits.yaml`` and ``LAYER.npz`` (``ifmap``, ``filter``, ``ofmap``, int8).

    Integers are symmetric: one scale per tensor, the largest of a layer's weights, or of its activations over the
    training pictures, becomes 127; pixels stay as they are. ofmap = min(127, round(ReLU(sums) * `requantize`)), where
    sums are those of the integers' convolution; the last layer has no ReLU. The next ifmap is the ofmap's maximum over
    2 x 2.

    Parameters
    ----------
    epochs : through the training pictures. batch : pictures written, of those not trained on.
    prune : share of each layer's weights to set to zero, the smallest; the others are trained on for a while.

    Raises
    ------
    AccelsimError : scikit-learn is missing, a parameter is out of range, the directory cannot be written.
    """
    if seed < 0:
        raise AccelsimError(f"seed is {seed}; it must be at least 0")
    pixels, labels, held = _digits(seed)
    tests = len(labels) - held
    if epochs < 1:
        raise AccelsimError(f"epochs is {epochs}; it must be at least 1")
    if not 1 <= batch <= tests:
        raise AccelsimError(f"batch is {batch}; there are {tests} pictures not trained on, so 1 to {tests}")
    if not 0 <= prune < 1:
        raise AccelsimError(f"prune is {prune}; it must lie in 0 to 1, and some weights must stay")
    images: training.Floats = pixels * np.float64(PIXEL)
    # one thread: the sums, and so the weights, do not depend on how many there are; and small products are faster
    with _one_thread():
        weights = training.train(images[:held], labels[:held], seed, epochs, prune)
        scales = _scales(images[:held], weights)
        scores = training.activations(images[held:], weights)[2]
    filters = [np.rint(w / scales[name].filter).astype(np.int64) for name, w in zip(LAYERS, weights, strict=True)]
    exact = float(np.mean(scores.argmax(axis=1) == labels[held:]))
    results = _run(pixels[held:], filters, scales)
    accuracy = float(np.mean(results["FC3"]["ofmap"].reshape(tests, -1).argmax(axis=1) == labels[held:]))
    arrays = {
        name: {key: (a if key == "filter" else a[:batch]).astype(np.int8) for key, a in layer.items()}
        for name, layer in results.items()
    }
    densities = {name: {key: float(np.mean(a != 0)) for key, a in layer.items()} for name, layer in arrays.items()}
    told = [f"#   {n}: ifmap {s.ifmap:.6g}, filter {s.filter:.6g}, ofmap {s.ofmap:.6g}" for n, s in scales.items()]
    text = HEAD.format(
        seed=seed,
        epochs=epochs,
        pruned=f", then {prune:g} of the weights pruned" if prune else "",
        tested=tests,
        accuracy=accuracy,
        exact=exact,
        scales="\n".join(told),
        batch=batch,
    ) + BODY.format_map({name: _density(found) for name, found in densities.items()})
    folder = Path(directory)
    for name, layer in arrays.items():
        _write(folder / f"{name}.npz", _packed(layer))
    _write(folder / "digits.yaml", text.encode())
    return Trace(folder / "digits.yaml", batch, accuracy, exact, scales, densities)


def _digits(seed: int) -> tuple[Integers, npt.NDArray[np.int64], int]:
    """Pixels [pictures, 1, 8, 8], 0 to 16; labels; how many of them, the first, to train on: three quarters."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise AccelsimError(
            "scikit-learn, whose digits are traced, is missing: pip install 'accelsim[trace]'"
        ) from None
    found: Any = load_digits()
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(found.target))
    pixels = found.images[order, None].astype(np.int64)
    return pixels, found.target[order].astype(np.int64), len(order) * 3 // 4


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


def _run(
    pixels: Integers, filters: list[Integers], scales: dict[str, Scales]
) -> dict[str, dict[str, npt.NDArray[np.int64]]]:
    """The quantized network: each layer's operands, [N, C, H, W], [M, C, R, S] and [N, M, P, Q]."""
    text = "name: digits\nsource: none\ninput: {C: 1, H: 8, W: 8}\n" + BODY.format_map(dict.fromkeys(LAYERS, ""))
    network = network_of(parse(text), len(pixels))
    found, ifmap = {}, pixels
    for layer, weights in zip(network.mac_layers, filters, strict=True):
        assert layer.problem is not None
        shapes = {tensor: shape_of(layer.problem, tensor) for tensor in Tensor}
        ifmap = ifmap.reshape(shapes[Tensor.IFMAP])
        sums = convolution(layer.problem, ifmap, weights.reshape(shapes[Tensor.FILTER]))[:, 0]
        if layer.op == "conv":
            sums = np.maximum(sums, 0)
        ofmap = np.clip(np.rint(sums * scales[layer.name].requantize), LEAST, MOST).astype(np.int64)
        found[layer.name] = {"ifmap": ifmap[:, 0], "filter": weights, "ofmap": ofmap}
        if layer.op == "conv":
            ifmap = training.pool(ofmap)
    return found


def _density(found: dict[str, float]) -> str:
    return f", density: {{{', '.join(f'{tensor}: {share:.6g}' for tensor, share in found.items())}}}"


def _packed(arrays: dict[str, npt.NDArray[np.int8]]) -> bytes:
    packed = io.BytesIO()
    np.savez(packed, **arrays)  # type: ignore[arg-type]
    return packed.getvalue()


def _write(path: Path, content: bytes) -> None:
    """A file written whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        raise AccelsimError(f"{path}: {error.strerror}") from None
    finally:
        if temporary.exists():
            temporary.unlink()
