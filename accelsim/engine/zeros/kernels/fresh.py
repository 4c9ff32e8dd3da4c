"""First slots of psum words inside the PEs, step by step: which multiply nothing (docs/model.md, "Zeros")."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from accelsim.engine.nest.kernels.records import NDIMS
from accelsim.engine.nest.kernels.steps import next_step
from accelsim.jit import njit

N, G, M, C, P, Q, R, S, IB, WB = range(10)


class Inside(NamedTuple):
    """What the PEs of a layer do in a step.

    loops : int64[loop, 4], (dim, factor, step, level) of the steps. level : where psums are kept. tile : int64[dim], a
    PE's own in one step. offsets : int64[pe, dim + 1], of each PE, and its class. bounds, axes : see `Program`.
    mask, every : the ifmap's, and whether its zeros matter. nonzero : int64[g, channel tile, wb*c*r*s], filter words
    that are effectual. m_tile_of : int64[channel base], the channel tile.
    """

    loops: np.ndarray
    level: int
    tile: np.ndarray
    offsets: np.ndarray
    bounds: np.ndarray
    axes: np.ndarray
    mask: np.ndarray
    every: bool
    nonzero: np.ndarray
    m_tile_of: np.ndarray


class Walked(NamedTuple):
    """Where a walk over the steps has got to; zeros at first.

    loops_at, opened : int64[loop], where the loops are, and were when the version at hand began. base : int64[dim].
    at : int64[2], the step, and the row of the next version.
    """

    loops_at: np.ndarray
    opened: np.ndarray
    base: np.ndarray
    at: np.ndarray


@njit(cache=True)
def words_at(inside, here, end, g):
    """Non-zero ifmap words that the first tap sees in a box of pixels; here, end : int64[dim]."""
    if inside.every:
        return (end[N] - here[N]) * (end[P] - here[P]) * (end[Q] - here[Q])
    mask, axes = inside.mask, inside.axes
    rows, columns = mask.shape[3], mask.shape[4]
    total = 0
    for n in range(here[N], end[N]):
        for p in range(here[P], end[P]):
            h = p * axes[0, 0] + here[R] * axes[0, 1] - axes[0, 2]
            if h < 0 or h >= rows:
                continue
            for q in range(here[Q], end[Q]):
                w = q * axes[1, 0] + here[S] * axes[1, 1] - axes[1, 2]
                if 0 <= w < columns:
                    total += mask[n, g, here[IB] * inside.bounds[C] + here[C], h, w]
    return total


@njit(cache=True)
def _idle_of(pe, inside, base):
    """Psum words of one PE whose slot in this step multiplies nothing."""
    here, end = np.empty(NDIMS, np.int64), np.empty(NDIMS, np.int64)
    bounds = inside.bounds
    for dim in range(NDIMS):
        here[dim] = base[dim] + inside.offsets[pe, dim]
        end[dim] = min(here[dim] + inside.tile[dim], bounds[dim])
        if here[dim] >= bounds[dim]:
            return 0
    idle, words = 0, (end[N] - here[N]) * (end[P] - here[P]) * (end[Q] - here[Q]) * (end[M] - here[M])
    at = ((here[WB] * bounds[C] + here[C]) * bounds[R] + here[R]) * bounds[S] + here[S]
    for g in range(here[G], end[G]):
        seen = words_at(inside, here, end, g)
        idle += words - seen * inside.nonzero[g, inside.m_tile_of[here[M]], at]
    return idle


@njit(cache=True)
def idle_first_slots(inside, until, fresh, begin, walked):
    """Fresh psum words inside the PEs whose first slot, in the steps before `until`, multiplies nothing.

    fresh : uint8[version, pe class], whether the words of a version are fresh; begin : int64[version], its first step.
    """
    loops, index = inside.loops, walked.loops_at
    idle, moved = 0, 0
    while moved >= 0 and walked.at[0] < until:
        v = walked.at[1]
        if v < len(begin) and begin[v] == walked.at[0]:
            walked.at[1] += 1
            walked.opened[:] = index
        # the first step that touches a word: as the version began, and no sum inside it has gone on
        touches = True
        for t in range(len(loops)):
            if loops[t, 3] < inside.level:
                touches = touches and index[t] == walked.opened[t]
            elif loops[t, 0] == C or loops[t, 0] >= R:
                touches = touches and index[t] == 0
        if touches:
            for pe in range(len(inside.offsets)):
                if fresh[walked.at[1] - 1, inside.offsets[pe, NDIMS]]:
                    idle += _idle_of(pe, inside, walked.base)
        walked.at[0] += 1
        moved = next_step(loops, inside.bounds, index, walked.base)
    return idle
