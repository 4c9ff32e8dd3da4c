"""A small convolutional network in plain numpy: two convolutions and a classifier, trained and pruned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
Weights = tuple[Floats, ...]

SHAPES = ((8, 1, 3, 3), (16, 8, 3, 3), (10, 64))
"""Filters [M, C, R, S] of two convolutions, each with pad 1, ReLU and a maximum over 2 x 2; then [classes, words].
No biases: an output is the convolution and nothing else."""

MINIBATCH, STEP, MOMENTUM = 32, 0.05, 0.9


def train(images: Floats, labels: Labels, seed: int, epochs: int, prune: float = 0.0) -> Weights:
    """Weights after so many epochs of gradient descent with momentum on the cross entropy.

    images : [images, 1, 8, 8], 0 to 1. prune : this share of each layer's weights, the smallest, becomes zero; the
        others are trained on for a third of the epochs (Han et al., NIPS 2015, prune and retrain likewise).
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    # He et al., ICCV 2015: variance 2 / fan-in keeps activations alive through ReLUs
    start = tuple(rng.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape) for shape in SHAPES)
    kept: Weights = tuple(np.ones(shape) for shape in SHAPES)
    weights = descend(rng, images, labels, start, kept, epochs)
    if not prune:
        return weights
    kept = tuple(_largest(w, prune) for w in weights)
    return descend(rng, images, labels, weights, kept, max(1, epochs // 3))


def activations(images: Floats, weights: Weights) -> tuple[Floats, Floats, Floats]:
    """Outputs of the three layers: after ReLU and before pooling, the last as it is."""
    first = np.maximum(_convolve(images, weights[0]), 0)
    second = np.maximum(_convolve(pool(first), weights[1]), 0)
    return first, second, pool(second).reshape(len(images), -1) @ weights[2].T


def pool(planes: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The maximum of each 2 x 2 of [images, channels, rows, columns]."""
    found: npt.NDArray[Any] = _windows(planes).max(axis=(3, 5))
    return found


def _windows(planes: npt.NDArray[Any]) -> npt.NDArray[Any]:
    n, c, h, w = planes.shape
    return planes.reshape(n, c, h // 2, 2, w // 2, 2)


def taps(planes: Floats) -> Floats:
    """[images, channels, rows, columns, 3, 3]: what a 3 x 3 filter sees under each output, with pad 1."""
    padded = np.pad(planes, ((0, 0), (0, 0), (1, 1), (1, 1)))
    return np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))


def _convolve(planes: Floats, weights: Floats) -> Floats:
    return np.moveaxis(np.tensordot(taps(planes), weights, ([1, 4, 5], [1, 2, 3])), 3, 1)


def _largest(weights: Floats, prune: float) -> Floats:
    kept = np.ones(weights.size)
    kept[np.argsort(np.abs(weights), axis=None, kind="stable")[: round(prune * weights.size)]] = 0
    return kept.reshape(weights.shape)


def descend(
    rng: np.random.Generator, images: Floats, labels: Labels, start: Weights, kept: Weights, epochs: int
) -> Weights:
    """Weights trained on from some; those whose `kept` is 0 stay zero. Parameters as of `train`."""
    weights = [w * k for w, k in zip(start, kept, strict=True)]
    speeds = [np.zeros_like(w) for w in weights]
    for epoch in range(epochs):
        step = STEP * (1 - epoch / epochs)
        order = rng.permutation(len(images))
        for begin in range(0, len(order), MINIBATCH):
            at = order[begin : begin + MINIBATCH]
            for w, speed, slope, k in zip(weights, speeds, _slopes(images[at], labels[at], weights), kept, strict=True):
                speed *= MOMENTUM
                speed -= step * slope
                w += speed
                w *= k
    return tuple(weights)


def _slopes(images: Floats, labels: Labels, weights: Sequence[Floats]) -> Weights:
    """The gradient of the mean cross entropy by each layer's weights."""
    first, second, scores = activations(images, tuple(weights))
    between, last = pool(first), pool(second)
    chances = np.exp(scores - scores.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    chances[np.arange(len(labels)), labels] -= 1
    chances /= len(labels)
    by_second = _unpool(second, (chances @ weights[2]).reshape(last.shape))
    # the way back through a convolution is one with the filters turned round
    turned = weights[1][:, :, ::-1, ::-1].swapaxes(0, 1)
    by_first = _unpool(first, _convolve(by_second, turned))
    return (
        np.tensordot(by_first, taps(images), ([0, 2, 3], [0, 2, 3])),
        np.tensordot(by_second, taps(between), ([0, 2, 3], [0, 2, 3])),
        chances.T @ last.reshape(len(images), -1),
    )


def _unpool(planes: Floats, slopes: Floats) -> Floats:
    """Slopes go to the largest of each 2 x 2, equals sharing, and through ReLU where it let something pass."""
    windows = _windows(planes)
    largest = (windows == windows.max(axis=(3, 5), keepdims=True)) & (windows > 0)
    shares = np.maximum(largest.sum(axis=(3, 5), keepdims=True), 1)
    found: Floats = (largest * slopes[:, :, :, None, :, None] / shares).reshape(planes.shape)
    return found
