"""The loop nest carried out sum by sum, each digitised as it is read: with noise, at the resolution of a converter."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from accelsim.engine.nest.kernels.records import NDIMS
from accelsim.engine.outputs.kernels.functional import COLUMN, FILTER_AT, IFMAP_AT, OFMAP_AT, ROW, step_on
from accelsim.jit import njit, part

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
C, R, S, IB, WB = 3, 6, 7, 8, 9  # dims
RELATIVE, ABSOLUTE = 0, 1


class Columns(NamedTuple):
    """What is added up in an array, and how it is read.

    rows : int64[row, 3 + 5], of each addend of a sum from the first: along C, R and S, and as `moves` of the loops.
    cells : float64[words], what each cell holds; turned : the same the other way round, float64[0]: no column is.
    tops : int64[WB], what a cell holds at most.
    scales : int64[IB], what a unit of a slice of the ifmap stands for, with its sign. weighs : int64[WB], the same of a
    slice of a weight. offset : int64[1], what has been added to each weight, in units of its first slice.
    read : float64[2], standard deviations, RELATIVE and ABSOLUTE. reads : uint64[1], the seed of these.
    converter : float64[3], the sum of the first code, units from one code to the next, the last code (below 0: no end).
    """

    rows: Ints
    cells: Floats
    turned: Floats
    tops: Ints
    scales: Ints
    weighs: Ints
    offset: Ints
    read: Floats
    reads: npt.NDArray[np.uint64]
    converter: Floats


class Driven(NamedTuple):
    """The rows of a sum that have an input, the same for all columns beside each other.

    at : int64[9], where they were gathered: of the first row the address, row and column of the ifmap, C, R and S; then
    how many rows have an input, what all inputs add up to and how many rows there are.
    drives : float64[row], inputs. cells : int64[row], the filter's addresses, from the first row's. all_cells :
    int64[row], these of all rows.
    """

    at: Ints
    drives: Floats
    cells: Ints
    all_cells: Ints


WITH, TOTAL, ROWS = 6, 7, 8


@njit(cache=True)
def execute(loops, bounds, moves, start, plane, ifmap, weights, ofmap, columns):
    """Add every sum of the nest into `ofmap` as its converter reads it.

    loops : int64[loop, 5], those that are not added up, at least one, in any order; those that leave the ifmap where it
    is are best last. moves, start : of these, as for `functional.execute`. plane : int64[2], rows and columns of the
    ifmap; outside are zeros. ifmap, weights : int64[words], flat, in units of a slice; weights as cells hold them.
    ofmap : int64[words], flat.
    """
    last, rows = len(loops) - 1, len(columns.rows)
    index, base = np.zeros(last + 1, np.int64), np.zeros(NDIMS, np.int64)
    at = start.copy()
    driven = Driven(np.full(9, -1, np.int64), np.zeros(rows), np.zeros(rows, np.int64), np.zeros(rows, np.int64))
    known = np.zeros(len(columns.turned), np.uint8)
    level = last
    while level >= 0:
        gather(base, bounds, at, plane, ifmap, columns.rows, driven)
        inverted = len(known) > 0 and fuller(base, at[FILTER_AT], weights, driven, columns.tops, known)
        ofmap[at[OFMAP_AT]] += one_sum(base, bounds, at, inverted, driven, columns)
        level = step_on(last, loops, bounds, moves, index, base, at)


@part
def gather(base, bounds, at, plane, ifmap, rows, driven):
    """Find the inputs of a sum's rows, unless they are those of the sum before."""
    here = driven.at
    if (
        here[ROWS] >= 0
        and (here[0] == at[IFMAP_AT] and here[1] == at[ROW] and here[2] == at[COLUMN])
        and (here[3] == base[C] and here[4] == base[R] and here[5] == base[S])
    ):
        return
    here[0], here[1], here[2] = at[IFMAP_AT], at[ROW], at[COLUMN]
    here[3], here[4], here[5] = base[C], base[R], base[S]
    c, r, s = bounds[C] - base[C], bounds[R] - base[R], bounds[S] - base[S]
    inputs, total, every = 0, np.int64(0), 0
    for k in range(len(rows)):
        if rows[k, 0] >= c or rows[k, 1] >= r or rows[k, 2] >= s:
            continue
        cell = rows[k, 3 + FILTER_AT]
        driven.all_cells[every] = cell
        every += 1
        y, x = at[ROW] + rows[k, 3 + ROW], at[COLUMN] + rows[k, 3 + COLUMN]
        if 0 <= y < plane[0] and 0 <= x < plane[1]:
            drive = ifmap[at[IFMAP_AT] + rows[k, 3 + IFMAP_AT]]
            if drive != 0:
                driven.drives[inputs], driven.cells[inputs] = drive, cell
                inputs += 1
                total += drive
    here[WITH], here[TOTAL], here[ROWS] = inputs, total, every


@part
def fuller(base, f, weights, driven, tops, known):
    """Whether the cells of a column add up to more than half of what they could.

    known : uint8[words], of the column whose first cell each is: 0 not looked at, 1 no, 2 yes.
    """
    if known[f] == 0:
        stored = np.int64(0)
        for k in range(driven.at[ROWS]):
            stored += weights[f + driven.all_cells[k]]
        known[f] = 2 if 2 * stored > driven.at[ROWS] * tops[base[WB]] else 1
    return known[f] == 2


@part
def one_sum(base, bounds, at, inverted, driven, columns):
    """What one sum adds to its output, in units of the output.

    inverted : whether its column is stored the other way round: then it is what is missing to its inputs times a full
    cell.
    """
    ib, wb = base[IB], base[WB]
    f, cells = at[FILTER_AT], columns.turned if inverted else columns.cells
    analog = 0.0
    for k in range(driven.at[WITH]):
        analog += driven.drives[k] * cells[f + driven.cells[k]]
    if columns.read[RELATIVE] > 0 or columns.read[ABSOLUTE] > 0:
        share = columns.read[RELATIVE] * analog
        deviation = np.sqrt(share * share + columns.read[ABSOLUTE] * columns.read[ABSOLUTE])
        analog += normal(columns.reads[0], number(base, bounds, at[OFMAP_AT])) * deviation
    digital = np.int64(convert(columns.converter, analog))
    if inverted:
        digital = driven.at[TOTAL] * columns.tops[wb] - digital
    found = digital * columns.weighs[wb]
    # what has been added to all weights comes off once a word, with its first slice
    if wb == 0:
        found -= driven.at[TOTAL] * columns.offset[0]
    return found * columns.scales[ib]


@part
def convert(converter, analog):
    """The whole number that a sum is read as."""
    first, step, codes = converter[0], converter[1], converter[2]
    if codes < 0:
        return np.rint(analog)
    code = min(max(np.rint((analog - first) / step), 0.0), codes)
    return np.rint(first + code * step)


@part
def number(base, bounds, output):
    """A sum by number, whatever the order of loops: its output, its slices, then the first of its C, R and S."""
    found = output
    for dim in (IB, WB, C, R, S):
        found = found * bounds[dim] + base[dim]
    return np.uint64(found)


@part
def normal(seed, key):
    """The standard normal number of a key, by Box and Muller from two of `uniform`."""
    twice = key * np.uint64(2)
    radius = np.sqrt(-2.0 * np.log(1.0 - uniform(seed, twice)))
    return radius * np.cos(2.0 * np.pi * uniform(seed, twice + np.uint64(1)))


@part
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
