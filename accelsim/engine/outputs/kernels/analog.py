"""The loop nest carried out sum by sum, each digitised as it is read: with noise, at the resolution of a converter."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from accelsim.engine.nest.kernels.records import DIM, FACTOR, NDIMS, STEP
from accelsim.engine.outputs.kernels.functional import COLUMN, FILTER_AT, IFMAP_AT, OFMAP_AT, ROW
from accelsim.jit import njit

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
C, R, S, IB, WB = 3, 6, 7, 8, 9  # dims
RELATIVE, ABSOLUTE = 0, 1


class Columns(NamedTuple):
    """What is added up in an array, and how it is read.

    rows : int64[row, 3 + 5], of each addend of a sum from the first: along C, R and S, and as `moves` of the loops.
    tops : int64[WB], what a cell holds at most. inverts : int64[1], whether full columns are stored the other way.
    scales : int64[IB], what a unit of a slice of the ifmap stands for, with its sign. weighs : int64[WB], the same of a
    slice of a weight. offset : int64[1], what has been added to each weight, in units of its first slice.
    deviations : float64[words], of each cell in its standard deviations; float64[0]: none.
    cell, read : float64[2], standard deviations, RELATIVE and ABSOLUTE. reads : uint64[1], seed of the latter.
    converter : float64[3], the sum of the first code, units from one code to the next, the last code (below 0: no end).
    """

    rows: Ints
    tops: Ints
    inverts: Ints
    scales: Ints
    weighs: Ints
    offset: Ints
    deviations: Floats
    cell: Floats
    read: Floats
    reads: npt.NDArray[np.uint64]
    converter: Floats


@njit(cache=True)
def execute(loops, bounds, moves, start, plane, ifmap, weights, ofmap, columns):
    """Add every sum of the nest into `ofmap` as its converter reads it.

    loops : int64[loop, 5], those that are not added up, outermost first, at least one. moves, start : of these, as for
    `functional.execute`. plane : int64[2], rows and columns of the ifmap; outside are zeros.
    ifmap, weights : int64[words], flat, in units of a slice; weights as cells hold them. ofmap : int64[words], flat.
    """
    last = len(loops) - 1
    index, base = np.zeros(last + 1, np.int64), np.zeros(NDIMS, np.int64)
    at = start.copy()
    while True:
        ofmap[at[OFMAP_AT]] += one_sum(base, bounds, at, plane, ifmap, weights, columns)
        level = last
        while level >= 0:
            dim, far = loops[level, DIM], loops[level, STEP]
            index[level] += 1
            base[dim] += far
            if index[level] < loops[level, FACTOR] and base[dim] < bounds[dim]:
                turns = 1
            else:
                base[dim] -= index[level] * far
                turns = 1 - index[level]
                index[level] = 0
            for column in range(5):
                at[column] += moves[level, column] * turns
            if index[level]:
                break
            level -= 1
        if level < 0:
            return


@njit(cache=True)
def one_sum(base, bounds, at, plane, ifmap, weights, columns):
    """What one sum adds to its output, in units of the output.

    A column that is stored the other way round gives what is left to its rows' inputs times a full cell.
    """
    ib, wb = base[IB], base[WB]
    top = columns.tops[wb]
    plain, turned = 0.0, 0.0
    ones, stored, cells = np.int64(0), np.int64(0), np.int64(0)
    for k in range(len(columns.rows)):
        row = columns.rows[k]
        if base[C] + row[0] >= bounds[C] or base[R] + row[1] >= bounds[R] or base[S] + row[2] >= bounds[S]:
            continue
        f = at[FILTER_AT] + row[3 + FILTER_AT]
        held = weights[f]
        cells += 1
        stored += held
        y, x = at[ROW] + row[3 + ROW], at[COLUMN] + row[3 + COLUMN]
        if not (0 <= y < plane[0] and 0 <= x < plane[1]):
            continue
        drive = ifmap[at[IFMAP_AT] + row[3 + IFMAP_AT]]
        if drive == 0:
            continue
        ones += drive
        off = columns.deviations[f] if len(columns.deviations) else 0.0
        plain += drive * (held + off * spread(columns.cell, held))
        turned += drive * (top - held + off * spread(columns.cell, top - held))
    inverted = columns.inverts[0] and 2 * stored > cells * top
    analog = turned if inverted else plain
    if columns.read[RELATIVE] > 0 or columns.read[ABSOLUTE] > 0:
        key = number(base, bounds, at[OFMAP_AT])
        analog += normal(columns.reads[0], key) * spread(columns.read, analog)
    digital = np.int64(convert(columns.converter, analog))
    if inverted:
        digital = ones * top - digital
    found = digital * columns.weighs[wb]
    # what has been added to all weights comes off once a word, with its first slice
    if wb == 0:
        found -= ones * columns.offset[0]
    return found * columns.scales[ib]


@njit(cache=True)
def convert(converter, analog):
    """The whole number that a sum is read as."""
    first, step, codes = converter[0], converter[1], converter[2]
    if codes < 0:
        return np.rint(analog)
    code = min(max(np.rint((analog - first) / step), 0.0), codes)
    return np.rint(first + code * step)


@njit(cache=True)
def spread(deviation, value):
    """Standard deviation at a value."""
    part = deviation[RELATIVE] * value
    return np.sqrt(part * part + deviation[ABSOLUTE] * deviation[ABSOLUTE])


@njit(cache=True)
def number(base, bounds, output):
    """A sum by number, whatever the order of loops: its output, its slices, then the first of its C, R and S."""
    found = output
    for dim in (IB, WB, C, R, S):
        found = found * bounds[dim] + base[dim]
    return np.uint64(found)


@njit(cache=True)
def normal(seed, key):
    """The standard normal number of a key, by Box and Muller from two of `uniform`."""
    twice = key * np.uint64(2)
    radius = np.sqrt(-2.0 * np.log(1.0 - uniform(seed, twice)))
    return radius * np.cos(2.0 * np.pi * uniform(seed, twice + np.uint64(1)))


@njit(cache=True)
def uniform(seed, key):
    """A number in 0 .. 1 that follows from seed and key: SplitMix64 (Steele, Lea, Flood, OOPSLA 2014) at `key`."""
    z = seed + (key + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return np.float64(z >> np.uint64(11)) * 2.0**-53


@njit(cache=True)
def fill_normal(seed, out):
    """The standard normal numbers of keys 0, 1, ... out : float64[words]."""
    for k in range(len(out)):
        out[k] = normal(seed, np.uint64(k))
