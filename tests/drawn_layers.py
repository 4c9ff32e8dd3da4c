"""Convolutions as a workload file says them, drawn; what they give by definition, and by what they are lowered to."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import product
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt

from accelsim.sparsity.spread import own_shape, spread_out
from accelsim.workload.network import Layer, Network
from accelsim.workload.problem import Problem, Tensor
from accelsim.workload.yaml import network_of
from accelsim.yamlfile import parse

AXES = "DHW"
WAYS = ("", "insert", "split", "scatter")
Array = npt.NDArray[Any]
Run = Callable[[Problem, Array, Array], Array]
"""A problem and its ifmap and filter, as `masks.shape_of` has them, to its ofmap."""


def network(layer: str, shape: dict[str, int], batch: int = 1) -> Network:
    sizes = ", ".join(f"{axis}: {size}" for axis, size in shape.items())
    return network_of(parse(f"name: n\nsource: t\ninput: {{{sizes}}}\nlayers:\n  A: {{{layer}}}\n", "n.yaml"), batch)


def slid(words, filters, groups, stride, dilation, pads):
    """The definition, tap by tap: words [N, C, axes], filters [M, C per group, taps], pads (before, after) by axis."""
    padded = np.pad(words, [(0, 0), (0, 0), *pads])
    reach = [gap * (taps - 1) + 1 for gap, taps in zip(dilation, filters.shape[2:], strict=True)]
    counts = [(size - far) // step + 1 for size, far, step in zip(padded.shape[2:], reach, stride, strict=True)]
    out = np.zeros((len(words), len(filters), *counts), np.int64)
    m, c = len(filters) // groups, filters.shape[1]
    for at in product(*map(range, counts)):
        for tap in product(*map(range, filters.shape[2:])):
            place = tuple(o * s + t * d for o, s, t, d in zip(at, stride, tap, dilation, strict=True))
            for group in range(groups):
                seen = padded[(slice(None), slice(group * c, group * c + c), *place)]
                mine = filters[(slice(group * m, group * m + m), slice(None), *tap)]
                out[(slice(None), slice(group * m, group * m + m), *at)] += seen @ mine.T
    return out


def thrown(words, filters, groups, stride, dilation, pads, extra):
    """A transposed one by definition: each word times each tap is added where it falls; filters as of `slid`."""
    taps = filters.shape[2:]
    whole = [
        (size - 1) * s + (k - 1) * d + 1 + e
        for size, s, k, d, e in zip(words.shape[2:], stride, taps, dilation, extra, strict=True)
    ]
    out = np.zeros((len(words), len(filters), *whole), np.int64)
    m, c = len(filters) // groups, filters.shape[1]
    products = 0
    for at in product(*map(range, words.shape[2:])):
        for tap in product(*map(range, taps)):
            place = tuple(i * s + t * d for i, s, t, d in zip(at, stride, tap, dilation, strict=True))
            for group in range(groups):
                seen = words[(slice(None), slice(group * c, group * c + c), *at)]
                mine = filters[(slice(group * m, group * m + m), slice(None), *tap)]
                out[(slice(None), slice(group * m, group * m + m), *place)] += seen @ mine.T
                products += seen.shape[0] * mine.size
    cut = [slice(before, size - after) for (before, after), size in zip(pads, whole, strict=True)]
    return out[(slice(None), slice(None), *cut)], products


def carry_out(layer: Layer, words: Array, filters: Array, run: Run) -> Array:
    """[N, M, outputs] of a layer with a problem; words [N, C, axes] of its input, filters [M, C, taps] of its own."""
    problem, unfolded = layer.problem, layer.spread.unfolded if layer.spread else None
    assert problem is not None
    ifmap = spread_out(layer, Tensor.IFMAP, words.reshape(own_shape(layer, Tensor.IFMAP)))
    found = run(problem, ifmap, spread_out(layer, Tensor.FILTER, filters.reshape(own_shape(layer, Tensor.FILTER))))
    channels = problem["G"] * problem["M"]
    if unfolded is None:
        return found.reshape(len(words), channels, *found.shape[-2:])
    found = found.reshape(len(words), unfolded.outputs, channels, *found.shape[-2:])
    return np.moveaxis(found, 1, 2 + unfolded.axis)


class Drawn:
    """A convolution of two or three axes, drawn: the words of its YAML, and its operands."""

    def __init__(self, rng: Random, axes: int, transposed: bool = False):
        def some(least: int, most: int) -> list[int]:
            return [rng.randint(least, most) for _ in range(axes)]

        self.axes, self.groups = axes, rng.choice((1, 1, 2, 3))
        self.batch = rng.choice((1, 2))
        self.stride, self.dilation = some(1, 3), some(1, 2)
        self.kernel = some(1, 4 if axes == 2 else 3)
        self.size = some(1, 6 if axes == 2 else 4)
        self.before, self.after = some(0, 2), some(0, 2)
        if not transposed:
            for axis in range(axes):
                need = self.dilation[axis] * (self.kernel[axis] - 1) + 1
                self.size[axis] = max(self.size[axis], need - self.before[axis] - self.after[axis])
        self.extra = [rng.randrange(max(s, d)) for s, d in zip(self.stride, self.dilation, strict=True)]
        self.c, self.m = (self.groups * rng.randint(1, 2) for _ in range(2))
        draw = np.random.default_rng(rng.randrange(2**32))
        self.words = draw.integers(-8, 8, (self.batch, self.c, *self.size))
        self.filters = draw.integers(-8, 8, (self.m, self.c // self.groups, *self.kernel))

    @property
    def pads(self):
        return list(zip(self.before, self.after, strict=True))

    def network(self, more: str = "") -> Network:
        op = "conv" if self.axes == 2 else "conv3d"
        text = (
            f"op: {op}, M: {self.m}, groups: {self.groups}, kernel: {self.kernel}, stride: {self.stride}, "
            f"dilation: {self.dilation}, pad: {[*self.before, *self.after]}{more}"
        )
        shape = dict(zip(AXES[-self.axes :], self.size, strict=True))
        return network(text, {"C": self.c, **shape}, self.batch)

    def output(self) -> list[int]:
        return [
            (size - 1) * s + d * (k - 1) + 1 - sum(pad) + e
            for size, s, d, k, pad, e in zip(
                self.size, self.stride, self.dilation, self.kernel, self.pads, self.extra, strict=True
            )
        ]

    def definition(self, transposed: bool) -> Array:
        """[N, M, outputs], tap by tap."""
        steps = self.groups, self.stride, self.dilation, self.pads
        if transposed:
            return thrown(self.words, self.filters, *steps, self.extra)[0]
        return slid(self.words, self.filters, *steps)

    def lowered(self, way: str) -> Network:
        """As a network of one layer, carried out in one of `WAYS`."""
        return self.network(f", output_padding: {self.extra}, transposed: {way}" if way else "")

    def result(self, way: str, run: Run) -> Array:
        """[N, M, outputs] of what the layer is lowered to."""
        layers = self.lowered(way).layers
        if way == "split":
            return self._phases(layers[:-1], self.definition(True).shape, run)
        if way == "scatter":
            return self._sums(layers[0], run)
        return carry_out(layers[0], self.words, self.filters, run)

    def _phases(self, parts: tuple[Layer, ...], shape: tuple[int, ...], run: Run) -> Array:
        """Each phase gives every `stride`-th output."""
        found = np.zeros(shape, np.int64)
        for part in parts:
            phase = [int(at) for at in re.findall(r"\d+", part.name)]
            places = tuple(slice(first, None, stride) for first, stride in zip(phase, self.stride, strict=True))
            found[(slice(None), slice(None), *places)] = carry_out(part, self.words, self.filters, run)
        return found

    def _sums(self, layer: Layer, run: Run) -> Array:
        """Every sum is added where it falls; taps go with the output channels."""
        sums = carry_out(layer, self.words, self.filters, run)
        sums = sums.reshape(self.batch, self.m, *self.kernel, *self.size)
        bare = [(size - 1) * s + d * (k - 1) + 1 for size, s, d, k in self._steps()]
        whole = np.zeros((self.batch, self.m, *(b + e for b, e in zip(bare, self.extra, strict=True))), np.int64)
        for tap in product(*map(range, self.kernel)):
            places = tuple(
                slice(t * d, t * d + (size - 1) * s + 1, s)
                for t, (size, s, d, _) in zip(tap, self._steps(), strict=True)
            )
            whole[(slice(None), slice(None), *places)] += sums[(slice(None), slice(None), *tap)]
        cut = [slice(before, size - after) for (before, after), size in zip(self.pads, whole.shape[2:], strict=True)]
        return whole[(slice(None), slice(None), *cut)]

    def _steps(self) -> list[tuple[int, int, int, int]]:
        return list(zip(self.size, self.stride, self.dilation, self.kernel, strict=True))
