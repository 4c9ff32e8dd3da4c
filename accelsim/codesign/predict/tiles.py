"""Layers as points of a table: logarithms of what the steps of a machine depend on."""

from __future__ import annotations

from collections.abc import Sequence
from math import log2

import numpy as np
from numpy.typing import NDArray

from accelsim.codesign.predict.folds import Arrays
from accelsim.codesign.predict.kinds import Described

NUMBERS = (
    "steps", "busy", "output_words", "filter_words", "input_words", "padded", "positions", "columns", "inputs",
    "outputs", "window", "batch", "groups", "stride",
)  # fmt: skip
"""`steps` of the arrays, MACs `busy` in a step, distinct words, the ifmap's with over without padding, `positions` that
use a filter word, of a row, of the window; a group's channels. Each as its binary logarithm."""


def points(layers: Sequence[Described], arrays: Arrays) -> NDArray[np.float64]:
    """float64[layer, number]."""
    return np.array([_point(layer, arrays) for layer in layers]).reshape(len(layers), len(NUMBERS))


def _point(layer: Described, arrays: Arrays) -> tuple[float, ...]:
    n, g, m, c, p, q, r, s = layer.sizes
    operations, _, outputs, weights, inputs, inside = layer.physical
    steps = arrays.steps(layer.sizes)
    return tuple(
        log2(number)
        for number in (
            steps, operations / steps, outputs, weights, inputs, inputs / inside, n * p * q, q, c, m, r * s, n, g,
            layer.stride,
        )
    )  # fmt: skip


def filled(layer: Described, arrays: Arrays) -> float:
    """The share of the multipliers that have work in the mean step, 0 to 1."""
    return layer.physical[0] / (arrays.steps(layer.sizes) * arrays.places)
