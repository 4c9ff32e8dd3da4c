"""Outputs of a machine that adds up currents or light: each sum with noise, and at the resolution of its converter."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log10
from typing import Any

import numpy as np
import numpy.typing as npt

from accelsim.architecture.analog import Analog, Deviation, Storage
from accelsim.engine.outputs.addresses import ONE_LOOP, addresses, empty, laid_out
from accelsim.engine.outputs.kernels import analog as kernel
from accelsim.engine.outputs.kernels.functional import IFMAP_AT
from accelsim.engine.program import PSUM, Ints, Program
from accelsim.quantities import MOST_BITS
from accelsim.workload.problem import LOOP_DIMS, Tensor
from accelsim.workload.slices import CHANNELS, Cut

CELLS, READS = range(2)
"""Streams of deviations."""


@dataclass(frozen=True)
class Noise:
    """How far outputs are from exact ones. signal, noise : sums of squares; worst : the largest difference."""

    signal: int
    noise: int
    words: int
    differ: int
    worst: int

    @staticmethod
    def between(exact: Ints, found: Ints) -> Noise:
        """Of outputs of one shape."""
        off = found - exact
        # squares of many large words pass 64 bits
        squares = [sum(x * x for x in words[words != 0].tolist()) for words in (exact, off)]
        return Noise(squares[0], squares[1], off.size, int(np.count_nonzero(off)), int(np.abs(off).max(initial=0)))

    @property
    def decibels(self) -> float:
        """Signal to noise, 10 log10(signal / noise); infinite where all words are exact."""
        if not self.noise:
            return inf
        return 10 * (log10(self.signal) - log10(self.noise)) if self.signal else -inf

    def __str__(self) -> str:
        if not self.differ:
            return "as they are converted too"
        return (
            f"as they are converted {self.differ} differ, at most by {self.worst}, "
            f"signal to noise {self.decibels:.1f} dB"
        )


def converted(program: Program, ifmap: npt.NDArray[Any], weights: npt.NDArray[Any], seed: int = 0) -> Ints:
    """int64[N, G, M, P, Q]: every loop of the nest but those that are added up in an array, whose sums are read one by
    one: deviations of cells and of reads, then the converter (docs/noise.md).

    ifmap, weights : whole words, [N, G, C, height, width] and [G, M, C, R, S]. seed : of deviations; those of a cell
    follow from its weight's place in the filter, those of a read from which sum of which output it is.
    """
    problem, physical = program.problem, program.architecture.physical
    assert physical is not None
    assert physical.analog is not None
    analog, cuts = physical.analog, program.architecture.cuts
    drives, scales = _drives(ifmap.astype(np.int64), cuts.get(Tensor.IFMAP))
    whole = Cut(program.architecture.word_bits[Tensor.FILTER], MOST_BITS)
    cells, tops, weighs, offset = _cells(weights.astype(np.int64), cuts.get(Tensor.FILTER, whole), analog)
    streams = np.random.SeedSequence([seed, *problem.bounds]).generate_state(2, np.uint64).astype(np.uint64)
    drives = np.ascontiguousarray(drives)  # slices of what may lie in any order
    laid, ofmap = laid_out(cells), empty(problem)
    moves, start = addresses(problem, drives, laid, ofmap)
    summed = _summed(program, analog)
    rows = _rows(program.loops[summed], moves)
    loops = program.loops[~summed]
    # whatever order they have on the machine: column after column of the same inputs
    loops = loops[np.argsort(moves[loops[:, 0], IFMAP_AT] == 0, kind="stable")] if len(loops) else ONE_LOOP
    last = float((1 << analog.bits) - 1) if analog.bits else -1.0
    turned = cells[:0]
    if analog.weights is Storage.INVERTED:
        turned = np.concatenate([np.full_like(weights, top, np.int64) for top in tops], axis=CHANNELS) - cells
    off = _deviations(weights.shape, len(tops), streams[CELLS]) if analog.cell else np.zeros(())
    held = [
        laid_out(one + off * _at(analog.cell, one)).reshape(-1) if one.size else np.zeros(0) for one in (cells, turned)
    ]
    columns = kernel.Columns(
        rows, held[0], held[1], tops, scales, weighs, np.array([offset], np.int64), _both(analog.read),
        streams[READS:], np.array([analog.low, analog.step, last]),
    )  # fmt: skip
    plane = np.array([problem.height, problem.width], np.int64)
    kernel.execute(
        loops, program.bounds, moves[loops[:, 0]] * loops[:, 4:], start, plane,
        drives.reshape(-1), laid.reshape(-1), ofmap.reshape(-1), columns,
    )  # fmt: skip
    return ofmap.transpose(0, 1, 4, 2, 3)


def _both(deviation: Deviation) -> npt.NDArray[np.float64]:
    return np.array([float(deviation.relative), float(deviation.absolute)])


def _at(deviation: Deviation, values: Ints) -> npt.NDArray[np.float64]:
    """Standard deviation at values."""
    found: npt.NDArray[np.float64] = np.hypot(float(deviation.relative) * values, float(deviation.absolute))
    return found


def _deviations(shape: tuple[int, ...], slices: int, seed: np.uint64) -> npt.NDArray[np.float64]:
    """Of each cell in its standard deviations, drawn by slice and then by place in the filter; all first slices of
    channels lie before all second ones.
    """
    drawn = np.empty((slices, *shape))
    kernel.fill_normal(seed, drawn.reshape(-1))
    return np.concatenate(list(drawn), axis=CHANNELS)


def _drives(words: Ints, cut: Cut | None) -> tuple[Ints, Ints]:
    """What is sent in, slices of channels behind all channels, and what a unit of each slice stands for.

    A last slice of one bit, the sign of two's complement, is sent as that bit, and its sums are taken off.
    """
    if cut is None:
        return words, np.ones(1, np.int64)
    slices, scales = [], []
    for first, words_of in zip(range(0, cut.bits, cut.width), cut.values(words), strict=True):
        units, scale = words_of >> first, 1 << first
        if first == cut.bits - 1 and units.min(initial=0) < 0:
            units, scale = -units, -scale
        slices.append(units)
        scales.append(scale)
    return np.concatenate(slices, axis=CHANNELS), np.array(scales, np.int64)


def _cells(words: Ints, cut: Cut, analog: Analog) -> tuple[Ints, Ints, Ints, int]:
    """What cells hold, what they could hold at most, what a unit of each slice stands for, what was added to a word.

    Unsigned words, none negative and some past half the range, are stored as they are.
    """
    offset, half = 0, 1 << cut.bits - 1
    if analog.weights is not Storage.SIGNED and (words.min(initial=0) < 0 or words.max(initial=0) < half):
        offset = half
    firsts = range(0, cut.bits, cut.width)
    cells = [one >> first for first, one in zip(firsts, cut.values(words + offset), strict=True)]
    tops = [(1 << min(cut.width, cut.bits - first)) - 1 for first in firsts]
    return (
        np.concatenate(cells, axis=CHANNELS),
        np.array(tops, np.int64),
        np.array([1 << first for first in firsts], np.int64),
        offset,
    )


def _summed(program: Program, analog: Analog) -> npt.NDArray[np.bool_]:
    """bool[loop]: spatial loops from the analog level on over dims that its networks add up."""
    level = program.architecture.level_index(analog.level)
    return np.array(
        [bool(spatial and at >= level and program.merge[PSUM, at, dim]) for dim, _, spatial, at, _ in program.loops],
        bool,
    )


def _rows(loops: Ints, moves: Ints) -> Ints:
    """int64[row, 3 + 5]: each addend of a sum from the first one, along C, R and S and as `moves` says."""
    rows = [np.zeros(8, np.int64)]
    for dim, factor, _, _, step in loops:
        one = np.zeros(8, np.int64)
        one["CRS".index(LOOP_DIMS[dim])] = step
        one[3:] = moves[dim] * step
        rows = [row + index * one for row in rows for index in range(factor)]
    return np.array(rows, np.int64)
