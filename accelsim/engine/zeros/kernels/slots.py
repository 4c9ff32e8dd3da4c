"""What zeros leave of the work of every tile: counts of non-zero words, their products, and sums over the PEs.

The slots of a tile are separable: (words of the ifmap seen by a tap) x (slots its column of filter words takes), added
over the taps. So tiles are laid out for a matrix product: taps on one axis, pixels (n, p, q) and output channels on the
others, and nothing is visited once per MAC. Outputs that lanes work on one by one are counted by AND and popcount on
packed taps instead. docs/model.md, "Zeros".
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import intrinsic

from accelsim.engine.nest.kernels.records import NDIMS
from accelsim.engine.nest.kernels.steps import next_step
from accelsim.jit import njit

N, G, M, C, P, Q, R, S = range(8)
RUN = 16
"""Zeros that one placeholder of a column with 4-bit counts stands for."""


def _popcount(typing, word):
    """Set bits of a uint64."""

    def build(context, builder, signature, arguments):
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), build


popcount: Any = intrinsic(_popcount)


@njit(cache=True)
def column_lengths(mask, every, bases, tile, lanes, csc, length, nonzero):
    """Cycles and non-zero words of every filter column of every tile of output channels.

    mask : uint8[g, m, taps]. every : zeros count too (the filter is not skipped). bases, tile : first channels and
    number of channels of the tiles. csc : placeholders take slots.
    Fills length, nonzero : int64[g, tile, taps].
    """
    groups, channels, taps = mask.shape
    run = np.zeros(taps, np.int64)
    stored = np.zeros(taps, np.int64)
    for g in range(groups):
        for t in range(len(bases)):
            stored[:] = 0
            run[:] = 0
            last = min(bases[t] + tile, channels)
            for m in range(bases[t], last):
                row = mask[g, m]
                if csc:
                    for k in range(taps):
                        stored[k] += row[k] * (1 + run[k] // RUN)
                        run[k] = (run[k] + 1) * (1 - row[k])
                        nonzero[g, t, k] += row[k]
                else:
                    for k in range(taps):
                        stored[k] += row[k]
                        nonzero[g, t, k] += row[k]
            if every:
                stored[:] = max(last - bases[t], 0)
            for k in range(taps):
                length[g, t, k] = (stored[k] + lanes - 1) // lanes


@njit(cache=True)
def runs_of(pixels):
    """Cut a list of pixels (n, p, q) into runs with one step along q: int64[run, 3], (first, number, step of q)."""
    runs = np.empty((len(pixels), 3), np.int64)
    count, at = 0, 0
    while at < len(pixels):
        end, step = at + 1, np.int64(1)
        if end < len(pixels) and pixels[end, 0] == pixels[at, 0] and pixels[end, 1] == pixels[at, 1]:
            step = pixels[end, 2] - pixels[at, 2]
        while (
            end < len(pixels)
            and pixels[end, 0] == pixels[at, 0]
            and pixels[end, 1] == pixels[at, 1]
            and pixels[end, 2] - pixels[end - 1, 2] == step
        ):
            end += 1
        runs[count] = at, end - at, step
        count += 1
        at = end
    return runs[:count]


@njit(cache=True)
def _clip(first, step, number, low, high):
    """Which of first + i * step, 0 <= i < number, lie in low .. high - 1: (first i, last i + 1); step >= 0."""
    if step == 0:
        return (0, number) if low <= first < high else (0, 0)
    begin = max(0, (low - first + step - 1) // step)
    end = min(number, (high - first + step - 1) // step)
    return begin, max(begin, end)


class Pixels(NamedTuple):
    """Tiles of an ofmap that look at the ifmap.

    every : padding and zeros count too (the ifmap is not skipped). pixels : int64[pixel, 3], bases (n, p, q), cut into
    `runs`, see `runs_of`. tile : int64[dim]. bounds, axes : see `Program`.
    """

    every: bool
    pixels: np.ndarray
    runs: np.ndarray
    tile: np.ndarray
    bounds: np.ndarray
    axes: np.ndarray


@njit(cache=True)
def _columns_inside(at, columns):
    """Part of each run whose ifmap column lies in the plane: int64[q of the tile, s, run, 3], (first, end, column)."""
    every, pixels, runs, tile, bounds, axes = at
    out = np.zeros((tile[Q], bounds[S], len(runs), 3), np.int64)
    for dq in range(tile[Q]):
        for s in range(bounds[S]):
            for i in range(len(runs)):
                q = pixels[runs[i, 0], 2] + dq
                low, high = _clip(q, runs[i, 2], runs[i, 1], 0, bounds[Q])
                w = q * axes[1, 0] + s * axes[1, 1] - axes[1, 2]
                if not every:
                    begin, end = _clip(w, runs[i, 2] * axes[1, 0], runs[i, 1], 0, columns)
                    low, high = max(low, begin), min(high, end)
                out[dq, s, i, 0], out[dq, s, i, 1], out[dq, s, i, 2] = low, high, w
    return out


@njit(cache=True)
def seen_words(mask, at, taps, out):
    """Non-zero ifmap words each tap sees in the tile of each pixel; past the problem's edge there are none.

    mask : uint8[n, g, c, h, w]. at : `Pixels`. taps : int64[block, tap, 4], (g, c, r, s); g -1: past the problem's
    edge. Fills out : float[block, tap, pixel].
    """
    out[:] = 0
    inside = _columns_inside(at, mask.shape[4])
    for block in range(taps.shape[0]):
        for tap in range(taps.shape[1]):
            g, c, r, s = taps[block, tap]
            if g >= 0:
                _see(mask[:, g, c], at, r, s, inside, out[block, tap])


@njit(cache=True)
def _see(planes, at, r, s, inside, to):
    """One tap of `seen_words`: planes uint8[n, h, w] into to float[pixel]."""
    every, pixels, runs, tile, bounds, axes = at
    for dn in range(tile[N]):
        for dp in range(tile[P]):
            for dq in range(tile[Q]):
                for i in range(len(runs)):
                    low, high = inside[dq, s, i, 0], inside[dq, s, i, 1]
                    first = runs[i, 0]
                    n, p = pixels[first, 0] + dn, pixels[first, 1] + dp
                    if n >= bounds[N] or p >= bounds[P]:
                        continue
                    if every:
                        for j in range(low, high):
                            to[first + j] += 1
                        continue
                    h = p * axes[0, 0] + r * axes[0, 1] - axes[0, 2]
                    if h < 0 or h >= planes.shape[1]:
                        continue
                    w, far = inside[dq, s, i, 2], runs[i, 2] * axes[1, 0]
                    row = planes[n, h]
                    part = to[first + low : first + high]
                    if far == 1:
                        seen = row[w + low : w + high]
                        for j in range(len(part)):
                            part[j] += seen[j]
                    else:
                        for j in range(len(part)):
                            part[j] += row[w + (low + j) * far]


@njit(cache=True)
def gather_columns(table, taps, bounds, out):
    """Lay a table of columns out by block of taps: out float[block, channel tile, tap] from int64[g, tile, c*r*s]."""
    out[:] = 0
    for block in range(taps.shape[0]):
        for tap in range(taps.shape[1]):
            g, c, r, s = taps[block, tap]
            if g >= 0:
                at = (c * bounds[R] + r) * bounds[S] + s
                for t in range(table.shape[1]):
                    out[block, t, tap] = table[g, t, at]


@njit(cache=True)
def slowest(cycles, out):
    """Largest cycles over the PEs: cycles float[kt, ks, mt, ms, as, at] into out[kt, mt, at]."""
    kt, ks, mt, ms, a, at = cycles.shape
    for i in range(kt):
        for t in range(mt):
            to = out[i, t]
            to[:] = 0
            for k in range(ks):
                for m in range(ms):
                    for x in range(a):
                        row = cycles[i, k, t, m, x]
                        for j in range(at):
                            to[j] = row[j] if row[j] > to[j] else to[j]


@njit(cache=True)
def order_steps(loops, stride, bounds, table, out):
    """out[k] = table[index of step k], steps in nest order.

    loops : int64[loop, 3], (dim, factor, step), the loops of the steps. stride : int64[loop], in `table`.
    """
    index, base = np.zeros(len(loops), np.int64), np.zeros(NDIMS, np.int64)
    k, moved = 0, 0
    while moved >= 0:
        at = 0
        for t in range(len(loops)):
            at += index[t] * stride[t]
        out[k] = np.int64(table[at])
        k += 1
        moved = next_step(loops, bounds, index, base)


@njit(cache=True)
def drift_apart(cycles, at, begins, depth, out):
    """Cycles of every step when PEs may be `depth` steps apart: T[pe,k] = max(T[pe,k-1], max T[.,k-depth]) + cycles.

    cycles : float[kt, ks, mt, ms, as, at]. at : int64[step, 3], (kt, mt, at) of a step. begins : steps that start anew.
    """
    _, ks, _, ms, a, _ = cycles.shape
    time = np.zeros(ks * ms * a, np.int64)
    ends = np.zeros(depth, np.int64)
    next_pass, before, since = 0, 0, 0
    for k in range(len(at)):
        if next_pass < len(begins) and begins[next_pass] == k:
            next_pass += 1
            time[:] = 0
            before, since = 0, 0
        gate = ends[since % depth] if since >= depth else 0
        most, pe = 0, 0
        i, t, x = at[k, 0], at[k, 1], at[k, 2]
        out[k] = 0
        if cycles[i, :, t, :, :, x].max() == 0:
            continue  # nobody is sent anything: no place in a queue
        for s in range(ks):
            for m in range(ms):
                for y in range(a):
                    time[pe] = max(time[pe], gate) + np.int64(cycles[i, s, t, m, y, x])
                    most = max(most, time[pe])
                    pe += 1
        ends[since % depth] = most
        since += 1
        out[k] = most - before
        before = most


# ---- outputs one by one: AND and popcount ----------------------------------------------------------------------------


@njit(cache=True)
def pack_pixels(seen, out):
    """Taps into bits: out uint64[block, word, pixel] from seen uint8[block, tap, pixel] of 0 and 1."""
    out[:] = 0
    for block in range(seen.shape[0]):
        for tap in range(seen.shape[1]):
            bit = np.uint64(tap & 63)
            to, row = out[block, tap >> 6], seen[block, tap]
            # no branch: it would be guessed wrong as often as words are zero
            for j in range(seen.shape[2]):
                to[j] |= np.uint64(row[j]) << bit


@njit(cache=True)
def count_pairs(pixels, mine, pairs):
    """Add the bits that pixels uint64[word, pixel] share with one output channel's uint64[word] to pairs[pixel]."""
    words, count = pixels.shape
    word = 0
    # four words a turn: fewer passes over the sums
    while word + 4 <= words:
        a, b, c, d = mine[word], mine[word + 1], mine[word + 2], mine[word + 3]
        one, two, three, four = pixels[word], pixels[word + 1], pixels[word + 2], pixels[word + 3]
        for j in range(count):
            found = popcount(one[j] & a) + popcount(two[j] & b) + popcount(three[j] & c) + popcount(four[j] & d)
            pairs[j] += np.int64(found)
        word += 4
    while word < words:
        a, one = mine[word], pixels[word]
        for j in range(count):
            pairs[j] += np.int64(popcount(one[j] & a))
        word += 1


@njit(cache=True)
def lane_cycles(pixels, filters, bases, tile, lanes, queue, there, time, ends, rounds):
    """Add the rounds of one output position to every tile's lanes (docs/model.md, "Zeros", pairing: output).

    pixels : uint64[block, word, pixel]. filters : uint64[block, m, word]. bases, tile : tiles of output channels.
    queue : outputs the lanes may be apart. there : uint8[pixel], whether a pixel's tile has this position.
    time : int64[block, channel tile, lane, pixel], where each lane is.
    ends : int64[block, channel tile, queue, pixel], when the last rounds were over everywhere.
    rounds : int64[block, channel tile, pixel], rounds before this position; added to.
    """
    count = pixels.shape[2]
    pairs, over, gate = np.zeros(count, np.int64), np.zeros(count, np.int64), np.zeros(count, np.int64)
    for block in range(pixels.shape[0]):
        for t in range(len(bases)):
            last = min(bases[t] + tile, filters.shape[1])
            for first in range(bases[t], last, lanes):
                since = rounds[block, t]
                for j in range(count):
                    gate[j] = ends[block, t, since[j] % queue, j]
                over[:] = 0
                for lane in range(lanes):
                    here = time[block, t, lane]
                    pairs[:] = 0
                    if first + lane < last:
                        count_pairs(pixels[block], filters[block, first + lane], pairs)
                    for j in range(count):
                        if there[j]:
                            here[j] = max(here[j], gate[j]) + pairs[j]
                            over[j] = max(over[j], here[j])
                for j in range(count):
                    if there[j]:
                        ends[block, t, since[j] % queue, j] = over[j]
                        since[j] += 1


@njit(cache=True)
def last_lane(time, out):
    """When the slowest lane is through: out float[block, channel tile, pixel]."""
    for block in range(time.shape[0]):
        for t in range(time.shape[1]):
            for j in range(time.shape[3]):
                most = 0
                for lane in range(time.shape[2]):
                    most = max(most, time[block, t, lane, j])
                out[block, t, j] = most


# ---- slots over a whole layer ----------------------------------------------------------------------------------------


@njit(cache=True)
def taps_seen(mask, bounds, axes, out):
    """Non-zero ifmap words every tap sees over the whole layer: out int64[g, c, r, s]."""
    rows, columns = mask.shape[3], mask.shape[4]
    sums = np.zeros(columns, np.int32)
    for g in range(bounds[G]):
        for c in range(bounds[C]):
            for r in range(bounds[R]):
                sums[:] = 0
                for n in range(bounds[N]):
                    for p in range(bounds[P]):
                        h = p * axes[0, 0] + r * axes[0, 1] - axes[0, 2]
                        if 0 <= h < rows:
                            row = mask[n, g, c, h]
                            for w in range(columns):
                                sums[w] += np.int32(row[w])
                for s in range(bounds[S]):
                    first = s * axes[1, 1] - axes[1, 2]
                    begin, end = _clip(first, axes[1, 0], bounds[Q], 0, columns)
                    total = 0
                    for j in range(begin, end):
                        total += sums[first + j * axes[1, 0]]
                    out[g, c, r, s] = total
