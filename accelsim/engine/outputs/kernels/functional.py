"""The loop nest carried out, MAC by MAC, on real operands."""

from __future__ import annotations

import numpy as np

from accelsim.engine.nest.kernels.records import DIM, FACTOR, NDIMS, STEP
from accelsim.jit import njit, part

IFMAP_AT, FILTER_AT, OFMAP_AT, ROW, COLUMN = range(5)


@njit(cache=True)
def execute(loops, bounds, moves, start, rows, columns, ifmap, weights, ofmap):
    """Add every product of the nest into `ofmap`, in nest order; iterations outside the problem are clipped.

    loops : int64[loop, 5], outermost first, at least one (see program.py).
    moves : int64[loop, 5], what one iteration adds to the ifmap, filter and ofmap address, the ifmap row, the column.
    start : int64[5], these five at the first iteration. rows, columns : size of the ifmap plane; outside are zeros.
    ifmap, weights : int8[words], flat. ofmap : int64[words], flat.
    """
    last = len(loops) - 1
    inner, step = loops[last, DIM], loops[last, STEP]
    di, df, do, drow, dcolumn = moves[last, 0], moves[last, 1], moves[last, 2], moves[last, 3], moves[last, 4]
    index, base = np.zeros(last + 1, np.int64), np.zeros(NDIMS, np.int64)
    at, level = start.copy(), last
    while level >= 0:
        i, f, o, row, column = at[IFMAP_AT], at[FILTER_AT], at[OFMAP_AT], at[ROW], at[COLUMN]
        times = min(loops[last, FACTOR], (bounds[inner] - base[inner] - 1) // step + 1)
        if drow == 0 and dcolumn == 0:
            if 0 <= row < rows and 0 <= column < columns:
                multiply(times, ifmap, i, di, weights, f, df, ofmap, o, do)
        else:
            for k in range(times):
                if 0 <= row + k * drow < rows and 0 <= column + k * dcolumn < columns:
                    ofmap[o + k * do] += np.int64(ifmap[i + k * di]) * np.int64(weights[f + k * df])
        level = step_on(last - 1, loops, bounds, moves, index, base, at)


@part
def step_on(level, loops, bounds, moves, index, base, at):
    """Go to the next iteration of the loops up to `level`; the loop that moved on, or -1: all are through.

    index : int64[loop], iteration of each. base : int64[dim], where they stand. at : int64[5], addresses as `start`.
    """
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
        for address in range(5):
            at[address] += moves[level, address] * turns
        if index[level]:
            break
        level -= 1
    return level


@njit(cache=True)
def multiply(times, ifmap, i, di, weights, f, df, ofmap, o, do):
    """`times` MACs at evenly spaced addresses; the cases are those a compiler can unroll."""
    if di == 0 and df == 1 and do == 1:
        x = np.int64(ifmap[i])
        for k in range(times):
            ofmap[o + k] += x * np.int64(weights[f + k])
    elif do == 0:
        total = np.int64(0)
        for k in range(times):
            total += np.int64(ifmap[i + k * di]) * np.int64(weights[f + k * df])
        ofmap[o] += total
    else:
        for k in range(times):
            ofmap[o + k * do] += np.int64(ifmap[i + k * di]) * np.int64(weights[f + k * df])
