"""Tensors of which some channels stay: K blocks of channels, the last of them on the chip (docs/between.md, R6)."""

from __future__ import annotations

from fractions import Fraction

from accelsim.architecture.model import Part
from accelsim.mapping.plan.plan import Home
from accelsim.workload.network import Layer, Shape
from accelsim.workload.problem import Problem, Tensor


def outside(home: Home, channels: int) -> int:
    """How many channels of a tensor do not stay: those of the first blocks, each of ceil(channels / K)."""
    stay, blocks = home.parts
    return min(channels, (blocks - stay) * -(-channels // blocks))


def share(home: Home, channels: int) -> Fraction:
    """How much of a tensor stays."""
    return Fraction(channels - outside(home, channels), channels)


def part_of(home: Home, problem: Problem, tensor: Tensor) -> Part | None:
    """Which channels of a layer's operand live at home; None: those do that no dim of the layer tells from the others.

    The channels of a tensor are those of all groups, one group after the other.
    """
    each = problem["M" if tensor is Tensor.PSUM else "C"]
    first = outside(home, problem["G"] * each)
    if problem["G"] == 1:
        return Part(home.level, "M" if tensor is Tensor.PSUM else "C", first)
    return None if first % each else Part(home.level, "G", first // each)


def why_not_parts(home: Home, shape: Shape) -> str:
    """Why a tensor cannot stay in so many parts; empty: it can."""
    stay, blocks = home.parts
    if shape.D > 1:
        return "its channels have planes of depth; let it stay whole, or not"
    first = outside(home, shape.C)
    if first in (0, shape.C):
        what = "all" if first == 0 else "none"
        return f"{stay}/{blocks} of its {shape.C} channels, in blocks of {-(-shape.C // blocks)}, are {what} of them"
    return ""


def why_not_read(home: Home, layer: Layer, what: Tensor | None, shape: Shape, named: bool) -> str:
    """Why a layer cannot read (psum: make) a tensor of which some channels stay; empty: it can.

    what : as which operand, None: as words of its vector operations. shape : of the tensor. named : whether it reads
    the tensor itself.
    """
    if not named:
        return "it reads it as a part of something else; let it stay whole"
    if what is Tensor.FILTER:
        return "it reads it as a filter; let it stay whole"
    problem = layer.problem
    if problem is None or what is None:
        return ""
    each = problem["M" if what is Tensor.PSUM else "C"]
    if problem["G"] * each != shape.C:
        return f"its {what} has other channels; let it stay whole"
    if part_of(home, problem, what) is None:
        return f"its groups have {each} channels each, and a part of one would stay; let whole groups stay"
    return ""
