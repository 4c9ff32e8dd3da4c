"""Types of layers, each predicted by a model of its own, and the sizes that describe a layer of each."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod, sqrt
from typing import TYPE_CHECKING

from accelsim.workload.problem import Problem, Tensor

if TYPE_CHECKING:
    from collections.abc import Mapping

FEATURES: Mapping[str, tuple[str, ...]] = {
    "convolution": ("batch", "input_size", "input_channels", "kernel", "stride", "padding", "output_channels"),
    "grouped": ("batch", "groups", "input_size", "input_channels", "kernel", "stride", "padding", "output_channels"),
    "fully_connected": ("batch", "inputs", "outputs"),
    "product": ("batch", "groups", "positions", "inputs", "outputs"),
}
"""Sizes of a layer, by type. Channels, inputs and outputs are those of a group; positions share one matrix."""

PHYSICAL = ("operations", "operations_per_image", "output_words", "filter_words", "input_words", "input_words_inside")
"""What a layer computes and moves at the least, whatever its type: MACs of the batch and of one image, distinct words;
the ifmap's also without its padding (Cai et al., ACML 2017, section 3)."""


@dataclass(frozen=True)
class Described:
    """A layer as predictors see it.

    features : by `FEATURES` of its kind. physical : by `PHYSICAL`. sizes : N G M C P Q R S. stride : of a side.
    odd : what of the layer its sizes do not tell, in words; empty for most.
    """

    kind: str
    features: tuple[float, ...]
    physical: tuple[float, ...]
    sizes: tuple[int, ...]
    stride: float = 1.0
    odd: str = ""


def kind_of(problem: Problem) -> str:
    """The type of a layer: by its sizes, whatever a network's file calls it.

    One position and no window: `fully_connected`; a row of positions (tokens) and no window: `product`, heads on
    groups; else a `convolution`, `grouped` where it has groups.
    """
    _, groups, _, _, _, _, r, s = problem.sizes
    rows, columns = problem.plane_outputs
    window = r * s > 1 or problem.stride != (1, 1) or problem.pad != (0, 0)
    if not window and rows == 1 and problem.height == 1:
        return "fully_connected" if groups == columns == 1 else "product"
    return "grouped" if groups > 1 else "convolution"


def describe(problem: Problem) -> Described:
    """The numbers that a layer is predicted from; where a plane or window is not square, the side of as large a one."""
    n, groups, m, c, _, _, r, s = problem.sizes
    kind, step = kind_of(problem), sqrt(prod(problem.stride))
    if kind == "fully_connected":
        features: tuple[float, ...] = (n, c, m)
    elif kind == "product":
        features = (n, groups, problem.plane_outputs[1], c, m)
    else:
        side, taps, pad = (sqrt(prod(pair)) for pair in ((problem.height, problem.width), (r, s), problem.pad))
        around = (groups,) if kind == "grouped" else ()
        features = (n, *around, side, c, taps, step, pad, m)
    inside = n * groups * c * problem.height * problem.width
    physical = (
        problem.macs, problem.macs / n, problem.words(Tensor.PSUM), problem.words(Tensor.FILTER),
        problem.words(Tensor.IFMAP), min(inside, problem.words(Tensor.IFMAP)),
    )  # fmt: skip
    sizes = (n, groups, m, c, *problem.plane_outputs, r, s)
    numbers = tuple(map(float, features)), tuple(map(float, physical))
    return Described(kind, *numbers, sizes, step, _odd(problem, kind))


def _odd(problem: Problem, kind: str) -> str:
    """What no feature tells."""
    found = []
    if kind in ("convolution", "grouped"):
        pairs = (problem.height, problem.width), problem.sizes[6:], problem.stride, problem.pad
        for what, (rows, columns) in zip(("plane", "kernel", "stride", "padding"), pairs, strict=True):
            if rows != columns:
                found.append(f"{what} {rows}x{columns} is not square")
    if problem.dilation != (1, 1) and kind != "fully_connected":
        found.append(f"dilation {problem.dilation[0]}x{problem.dilation[1]}")
    if problem.added:
        found.append("sums begin with words of memory (added)")
    return ", ".join(found)
