"""What SCNN's PEs do in a window of cycles: `kernels.cartesian.run` once more, which writes a line for all it does."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from accelsim.engine.zeros.kernels.cartesian import (
    BANKS,
    FEW,
    FIFO,
    FILTERS,
    IFMAPS,
    WEIGHTS,
    few_patterns,
    fullest,
    meet_block,
    one_hot,
    patterns,
    wait,
    workspace,
)
from accelsim.jit import njit

PE, KIND, BLOCK, MANY, BEGIN, END, STEPS, FULL, BEHIND = range(9)
"""Columns of a line: the PE, what it does, in which block, the first of `MANY`; from and to which cycle after the last
barrier; steps, and cycles in which a queue was full; the block that all PEs had to be through with."""
WORK, WAIT, QUEUES, REST = range(4)
"""Steps of a block, those with a full queue between them; waiting for weights; for queues to empty; for the barrier."""
T_STEPS, T_FULL, T_WAIT, T_QUEUES, T_END = range(5)
"""Columns of the totals of a PE between two barriers: cycles of each kind, and when it is through."""


class Look(NamedTuple):
    """What is looked at.

    span : int64[2], the window in cycles after the barrier before. joins : a line that goes on where one of its kind
    ended is part of it. lines : int64[line, 9], of which those that have room are written; seen : int64[1], how many
    there are. last : int64[PE], the line of each that was written last. totals : int64[PE, 5], of all cycles.
    """

    span: Any
    joins: bool
    lines: Any
    seen: Any
    last: Any
    totals: Any


@njit(cache=True)
def write(look, p, kind, block, begin, end, steps, full, behind):
    """One more line; what lies outside the window or takes no time is none."""
    if end <= begin or end <= look.span[0] or begin >= look.span[1]:
        return
    at, lines, count = look.last[p], look.lines, look.seen[0]
    if look.joins and at >= 0 and lines[at, KIND] == kind and lines[at, END] == begin:
        lines[at, MANY] += 1
        lines[at, END] = end
        lines[at, STEPS] += steps
        lines[at, FULL] += full
        return
    if count < len(lines):
        lines[count, PE], lines[count, KIND], lines[count, BLOCK], lines[count, MANY] = p, kind, block, 1
        lines[count, BEGIN], lines[count, END], lines[count, STEPS] = begin, end, steps
        lines[count, FULL], lines[count, BEHIND] = full, behind
        look.last[p] = count
    look.seen[0] += 1


@njit(cache=True)
def observe(ifmaps, ifmap_ends, filters, filter_ends, pe, outputs, working, look):
    """Cycles of one group of output channels and one sub-tile; see `kernels.cartesian.run`."""
    blocks, pes = len(filter_ends) - 1, len(look.last)
    longest = 0
    for block in range(blocks):
        longest = max(longest, -(-(filter_ends[block + 1] - filter_ends[block]) // pe[FILTERS]))
    work = workspace(pe, longest if pe[FIFO] else 0)
    hot = one_hot(pe[BANKS])
    queues = np.zeros((pes, hot.shape[1]), np.uint64)
    time, done, totals = np.zeros(pes, np.int64), np.zeros(blocks + 1, np.int64), look.totals
    held, oldest = 0, 0
    for block in range(blocks):
        first, final = filter_ends[block], filter_ends[block + 1]
        vectors = -(-(final - first) // pe[FILTERS])
        held += vectors
        while held > pe[WEIGHTS] and oldest < block:
            held -= -(-(filter_ends[oldest + 1] - filter_ends[oldest]) // pe[FILTERS])
            oldest += 1
        start, some = done[oldest], filters[first:final]
        if first < final and pe[FIFO]:
            words = ifmaps[ifmap_ends[block * pes] : ifmap_ends[block * pes + pes]]
            if FEW * len(words) < pe[BANKS]:
                few_patterns(some, pe[FILTERS], hot, words, work[0])
            else:
                patterns(some, pe[FILTERS], hot, work[0])
        latest = start
        for p in working:
            if time[p] < start:
                write(look, p, WAIT, block, time[p], start, 0, 0, oldest - 1)
                totals[p, T_WAIT] += start - time[p]
                wait(queues[p], start - time[p])
                time[p] = start
            begin, end = ifmap_ends[block * pes + p], ifmap_ends[block * pes + p + 1]
            if first < final and begin < end:
                spent = meet_block(ifmaps[begin:end], some, vectors, pe, outputs, queues[p], work)
                steps = -(-(end - begin) // pe[IFMAPS]) * vectors
                write(look, p, WORK, block, time[p], time[p] + spent, steps, spent - steps, -1)
                totals[p, T_STEPS] += steps
                totals[p, T_FULL] += spent - steps
                time[p] += spent
            latest = max(latest, time[p])
        done[block + 1] = latest
    return settle(queues, time, working, blocks, look)


@njit(cache=True)
def settle(queues, time, working, blocks, look):
    """The same behind the last block: queues empty, and all wait for the slowest."""
    cycles = 0
    for p in working:
        left = fullest(queues[p])
        write(look, p, QUEUES, blocks, time[p], time[p] + left, 0, 0, -1)
        look.totals[p, T_QUEUES] = left
        look.totals[p, T_END] = time[p] + left
        cycles = max(cycles, time[p] + left)
    for p in working:
        write(look, p, REST, blocks, look.totals[p, T_END], cycles, 0, 0, -1)
    return cycles
