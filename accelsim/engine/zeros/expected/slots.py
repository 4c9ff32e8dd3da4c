"""What zeros leave of a layer's slots and cycles on average: the closed form of `zeros`.

A word that is no padding is non-zero with its tensor's probability wherever it lies, so every sum over slots is a
product over the groups of dims again (kernels/tiles.py).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt

from accelsim.architecture.model import Format, Pairing
from accelsim.engine.nest.carries import REDUCTION, Carries, offsets
from accelsim.engine.nest.kernels.records import GROUPS
from accelsim.engine.program import PSUM, Ints, Program, accumulates
from accelsim.engine.zeros.expected.laws import Laws
from accelsim.engine.zeros.slots import innermost_format
from accelsim.errors import MappingError
from accelsim.sparsity.expected import ceil_mean, ceil_mean_csc
from accelsim.workload.problem import Tensor

Floats = npt.NDArray[np.float64]
MOST_BASES = 10**7
BLOCK = 1 << 18
"""Bases looked at for one carry at most, and at a time."""
CHANNELS, PLANE = 2, (4, 5)
"""The group of M; those of (P, R) and of (Q, S)."""


def cycles(program: Program, laws: Laws) -> tuple[float, float]:
    """(E of a lower bound on compute cycles, E[cycles of all PEs added up], -1 where that is not known).

    A step takes what its slowest PE takes, on average at least what the PE takes that is slowest on average: that PE's
    cycles are added up, step by step; where PEs drift apart, those of one PE. `pairing: column`: exact for each PE, a
    filter in blocks apart (`column_cycles`). `pairing: output`: at least its pairs over its lanes that have an output.
    """
    sparsity = program.architecture.sparsity
    carries = Carries(program, PSUM, program.inside)
    slowest = everything = 1.0
    for group in range(GROUPS):
        base = carries.every(group)
        bases = base[:, None] + offsets(program, group, 0, program.levels)
        if group == CHANNELS:
            own = extents(carries, group, bases)
            value = column_cycles(program, laws, own[..., 0]) * own[..., 1]
        elif group in PLANE and Tensor.IFMAP in sparsity.skip:
            value = plane_pairs(program, carries, group, bases).astype(np.float64)
        else:
            value = extents(carries, group, bases).prod(axis=2).astype(np.float64)
        everything *= value.sum()
        slowest *= value.sum(axis=0).max() if sparsity.drift > 1 else value.max(axis=1).sum()
    chance = laws.ifmap.probability if Tensor.IFMAP in sparsity.skip else 1.0
    return slowest * chance, everything * chance if sparsity.pairing is Pairing.COLUMN else -1.0


def column_cycles(program: Program, laws: Laws, channels: Ints) -> Floats:
    """E[cycles of a non-zero ifmap word] over so many output channels of a tile.

    With blocks the words of a column are zero together: there ceil(e / L) is taken as e / L, no more than what it is.
    """
    sparsity, lanes = program.architecture.sparsity, program.architecture.macs_per_cycle
    law, skips = laws.filter, Tensor.FILTER in sparsity.skip
    if sparsity.pairing is Pairing.OUTPUT:
        return law.probability * channels / np.clip(channels, 1, lanes)
    mean: Callable[[int], float] = lambda words: float(-(-words // lanes))  # noqa: E731
    if skips and laws.blocks:
        mean = lambda words: law.probability * words / lanes  # noqa: E731
    elif skips:
        csc = innermost_format(program, Tensor.FILTER) is Format.CSC
        of = ceil_mean_csc if csc else ceil_mean
        mean = partial(of, law, lanes=lanes)
    found, where = np.unique(channels, return_inverse=True)
    table = np.array([mean(int(words)) if words else 0.0 for words in found])
    result: Floats = table[where].reshape(channels.shape)
    return result


def extents(carries: Carries, group: int, bases: Ints) -> Ints:
    """Words of the tiles at these bases along both dims of a group, int64[..., 2]."""
    left: Ints = np.clip(carries.size(group) - bases, 0, carries.of_tile(group))
    return left


def plane_pairs(program: Program, carries: Carries, group: int, bases: Ints, taps: int | None = None) -> Ints:
    """Pairs (p, r) of the tiles at these bases whose ifmap row lies in the plane; (q, s) likewise.

    taps : only so many of a tile's taps.
    """
    stride, dilation, pad, plane = (int(v) for v in program.axes[group - 4])
    outputs, filters = carries.size(group).tolist()
    rows = np.arange(outputs)[:, None] * stride + np.arange(filters) * dilation - pad
    # added up to every corner: a tile is the difference of four
    corner = np.zeros((outputs + 1, filters + 1), np.int64)
    corner[1:, 1:] = ((rows >= 0) & (rows < plane)).cumsum(axis=0).cumsum(axis=1)
    p, r = np.minimum(bases[..., 0], outputs), np.minimum(bases[..., 1], filters)
    tile = carries.of_tile(group)
    p_end, r_end = np.minimum(p + tile[0], outputs), np.minimum(r + (taps or tile[1]), filters)
    result: Ints = corner[p_end, r_end] - corner[p, r_end] - corner[p_end, r] + corner[p, r]
    return result


def idle_first_slots(program: Program, laws: Laws, matters: frozenset[Tensor]) -> float:
    """E[fresh psum words inside the PEs whose first slot multiplies nothing]: those words, less the non-zero of them.

    Fresh is what is not refilled (`sparse.fresh_versions`). Exact, unless a psum's own loops above a reduction loop are
    clipped to different lengths under a parent that accumulates on drain.
    """
    chance = 1.0
    for tensor, law in ((Tensor.IFMAP, laws.ifmap), (Tensor.FILTER, laws.filter)):
        chance *= law.probability if tensor in matters else 1.0
    words, inside = fresh_words(program, Tensor.IFMAP in matters)
    return float(words - chance * inside)


def fresh_words(program: Program, padding: bool) -> tuple[int, int]:
    """(fresh words over all versions and PEs, those of them whose first slot is no padding); padding: it matters."""
    edges = [edge for edge in program.edges if edge[0] == PSUM]
    carries = Carries(program, PSUM, int(edges[-1][1]))
    found = _words(program, carries, frozenset(), -1, padding)
    # a word is refilled if an earlier visit left it: under the present version of the parent (the last of `edges`),
    # or of the parent's parent and so on, if all in between are refilled with it
    for x in range(len(edges) - 2, -1, -1):
        parent, child = int(edges[x][1]), int(edges[x][2])
        if accumulates(program.architecture, parent, child):
            break
        outer = carries.innermost_own(parent)
        inner = carries.innermost_own(child)
        later = frozenset(i for i in carries.reduction if i > inner)
        none = frozenset(i for i in carries.reduction if i > outer)
        some = _words(program, carries, later, parent, padding) - _words(program, carries, none, parent, padding)
        found = found - some
    return int(found[0]), int(found[1])


def _words(
    program: Program, carries: Carries, zero: frozenset[int], fixed: int, padding: bool
) -> npt.NDArray[np.object_]:
    """(words, those whose first slot is no padding) over all versions that begin with the loops of `zero` at 0.

    fixed : only PEs at index 0 of the spatial reduction loops from this level inwards (-1: all PEs).
    """
    spread = [offsets(program, g, 0, program.levels, fixed) for g in range(GROUPS)]

    def value(group: int, base: Ints) -> npt.NDArray[np.object_]:
        number = len(base) * len(spread[group])
        if number > MOST_BASES:
            raise MappingError(
                f"what zeros leave of {number:.1e} tiles one by one; at most {MOST_BASES:.0e} are taken on: take the "
                "dense closed form (--data dense), larger tiles in the inner levels, or a smaller layer"
            )
        step = max(1, BLOCK // len(spread[group]))
        blocks = (block_value(group, base[low : low + step]) for low in range(0, len(base), step))
        return sum(blocks, np.zeros(2, object))

    def block_value(group: int, base: Ints) -> npt.NDArray[np.object_]:
        bases = base[:, None] + spread[group]
        there = (bases < carries.size(group)).all(axis=2)
        own = extents(carries, group, bases)
        # C, R and S count their first slot alone
        words = int((np.where(carries.own[group], own, 1).prod(axis=2) * there).sum())
        seen = words
        if group in PLANE and padding:
            seen = int((plane_pairs(program, carries, group, bases, taps=1) * there).sum())
        return np.array([words, seen], object)

    total = np.ones(2, object)
    for group in range(GROUPS):
        total = total * value(group, np.zeros((1, 2), np.int64))
    for carry in range(len(carries.loops)):
        every, stay = np.ones(2, object), np.ones(2, object)
        for group in range(GROUPS):
            bases = carries.at(group, carry, zero)
            unmoved, moved = value(group, bases.now[~bases.moved]), value(group, bases.now[bases.moved])
            every, stay = every * (unmoved + moved), stay * unmoved
        total = total + every - stay
    return total


assert REDUCTION.isdisjoint({0, 1, 2, 4, 5})
