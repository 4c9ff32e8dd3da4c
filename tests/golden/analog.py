"""Sums as converters read them, collected MAC by MAC in dictionaries; shares nothing with the engine but its rules."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from accelsim.architecture.analog import Analog, Deviation, Storage
from accelsim.architecture.model import Architecture
from accelsim.mapping.mapping import LoopNest
from accelsim.sparsity.masks import Masks, shape_of
from accelsim.workload.problem import LOOP_DIMS, Problem, Tensor

from .nest import Walk
from .words import risen

Array = npt.NDArray[np.int64]
MASK = (1 << 64) - 1


def uniform(seed: int, key: int) -> float:
    """SplitMix64's output number `key` of a seed, its upper 53 bits as a fraction."""
    state = seed
    state = (state + (key + 1) * 0x9E3779B97F4A7C15) & MASK
    state = ((state ^ state >> 30) * 0xBF58476D1CE4E5B9) & MASK
    state = ((state ^ state >> 27) * 0x94D049BB133111EB) & MASK
    return ((state ^ state >> 31) >> 11) / 2**53


def normal(seed: int, key: int) -> float:
    """Box and Muller."""
    return math.sqrt(-2 * math.log(1 - uniform(seed, 2 * key))) * math.cos(2 * math.pi * uniform(seed, 2 * key + 1))


def deviation(of: Deviation, value: float) -> float:
    """Standard deviation at a value."""
    return math.hypot(float(of.relative) * value, float(of.absolute))


@dataclass
class Sum:
    """What meets in one column: (input, what a cell should hold, its deviation in standard deviations)."""

    output: tuple[int, ...]
    slices: tuple[int, int]
    first: tuple[int, int, int]
    rows: list[tuple[int, int, float]] = field(default_factory=list)


def digits(word: int, bits: int, width: int) -> list[tuple[int, int, int]]:
    """(value, weight, width) of each slice of a word, the last signed."""
    found = []
    for first in range(0, bits, width):
        own = min(width, bits - first)
        value = (word >> first) % (1 << own)
        if first + own == bits and value >= 1 << own - 1 and word < 0:
            value -= 1 << own
        found.append((value, 1 << first, own))
    return found


def converted(analog: Analog, value: float) -> int:
    """A sum as a code, and what that stands for."""
    if not analog.bits:
        return round(value)
    codes = 2**analog.bits
    if analog.range is None:
        low = -codes // 2 if analog.weights is Storage.SIGNED else 0
        return min(max(round(value), low), low + codes - 1)
    low, high = map(float, analog.range)
    step = (high - low) / (codes - 1)
    return round(low + step * min(max(round((value - low) / step), 0), codes - 1))


def outputs(
    architecture: Architecture, nest: LoopNest, problem: Problem, ifmap: Array, weights: Array, seed: int
) -> Array:
    """The ofmap [N, G, M, P, Q]; problem : with the slices of the machine."""
    assert architecture.physical and architecture.physical.analog
    analog = architecture.physical.analog
    bits, cuts = architecture.word_bits, architecture.slices
    width = {t: min(cuts.get(t, bits[t]), bits[t]) for t in (Tensor.IFMAP, Tensor.FILTER)}
    half = 1 << bits[Tensor.FILTER] - 1
    unsigned = weights.min() >= 0 and weights.max() >= half
    offset = 0 if analog.weights is Storage.SIGNED or unsigned else half
    cells_seed, reads_seed = map(int, np.random.SeedSequence([seed, *problem.bounds]).generate_state(2, np.uint64))
    walk = Walk(architecture, nest, problem, Masks())
    level = architecture.level_index(analog.level)
    sums: dict[object, Sum] = {}
    for step in range(len(walk.steps)):
        for base in walk.iterations(step):
            for pe in walk.instances(walk.depth):
                here = walk.shifted(base, pe)
                if not walk.inside(here):
                    continue
                words = walk.operands(here)
                part = (words[Tensor.PSUM], (), pe)
                for fanout in reversed(range(level, walk.depth)):
                    part = risen(walk, fanout, part)
                own = sums.setdefault((base, part), Sum(words[Tensor.PSUM], here[8:], here[3:4] + here[6:8]))
                own.first = tuple(map(min, own.first, here[3:4] + here[6:8]))
                c, (ib, wb) = here[3], here[8:]
                place = words[Tensor.FILTER]
                word = int(weights[place[0], place[1], c, place[3], place[4]])
                held = digits(word + offset, bits[Tensor.FILTER], width[Tensor.FILTER])[wb][0]
                key = wb * weights.size + int(np.ravel_multi_index((*place[:2], c, *place[3:]), weights.shape))
                n, g, _, row, column = words[Tensor.IFMAP]
                inside = 0 <= row < problem.height and 0 <= column < problem.width
                x = int(ifmap[n, g, c, row, column]) if inside else 0
                drive = digits(x, bits[Tensor.IFMAP], width[Tensor.IFMAP])[ib][0] if cuts.get(Tensor.IFMAP) else x
                own.rows.append((drive, held, normal(cells_seed, key) if analog.cell else 0.0))
    out = np.zeros(shape_of(problem, Tensor.PSUM), np.int64)
    for one in sums.values():
        out[one.output] += read(one, problem, analog, (bits, width, bool(ifmap.min() < 0)), offset, reads_seed)
    return out


def read(one, problem, analog, widths, offset, seed) -> int:
    """What a sum adds to its output."""
    (bits, width, signed), (ib, wb) = widths, one.slices
    top = (1 << min(width[Tensor.FILTER], bits[Tensor.FILTER] - wb * width[Tensor.FILTER])) - 1
    sign = 1
    rows = one.rows
    if ib and ib * width[Tensor.IFMAP] == bits[Tensor.IFMAP] - 1 and signed:
        rows, sign = [(-drive, held, off) for drive, held, off in rows], -1
    turned = analog.weights is Storage.INVERTED and 2 * sum(held for _, held, _ in rows) > top * len(rows)
    value = 0.0
    for drive, held, off in rows:
        inside = top - held if turned else held
        value += drive * (inside + off * deviation(analog.cell, inside))
    if analog.read:
        n, g, m, p, q = one.output
        _, groups, channels, _, height, wide = (problem[d] for d in "NGMCPQ")
        key = (((n * groups + g) * height + p) * wide + q) * channels + m
        for index, dim in ((ib, "IB"), (wb, "WB"), *zip(one.first, "CRS", strict=True)):
            key = key * (problem.bounds[LOOP_DIMS.index(dim)]) + index
        value += normal(seed, key) * deviation(analog.read, value)
    ones = sum(drive for drive, _, _ in rows)
    digital = converted(analog, value)
    if turned:
        digital = ones * top - digital
    found = digital << wb * width[Tensor.FILTER]
    if wb == 0:
        found -= ones * offset
    return sign * found << ib * width[Tensor.IFMAP]
