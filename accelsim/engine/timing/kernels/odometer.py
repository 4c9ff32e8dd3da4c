"""The steps of a layer one after the other: where its loops are, and which tiles of each stream that means."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from accelsim.engine.nest.kernels.groups import columns_of, in_group
from accelsim.engine.nest.kernels.records import (
    CHILD,
    DIM,
    FACTOR,
    GROUPS,
    KIND,
    LEVEL,
    NDIMS,
    OWN,
    PARENT,
    PSUM,
    STEP,
    TENSOR,
)
from accelsim.engine.nest.kernels.steps import bases_below
from accelsim.engine.words.kernels.tables import OWN_LOOPS
from accelsim.jit import njit, part

Ints = npt.NDArray[np.int64]


class Tabled(NamedTuple):
    """A layer as its steps are walked.

    loops : int64[loop, 5]; inside : first level whose temporal loops lie inside a step; bounds : int64[dim].
    streams : int64[x, 9], (tensor, parent, child, register, reuse, parent stream or -1, accumulates on drain, the last
    drains of tiles are narrowed, what sums begin with). at, row_of, cells : see `tables.tabulate`, of a bias behind.
    uses : int64[use, 4], (stream, column, first use of its class, activity: 0 fill, 1 drain, 2 old psum).
    rates : int64[use, 4], beats = ceil(words * rates[0] / rates[1]), of narrowed drains and of a bias rates[2] in place
    of [0]; each is rates[3] cycles after the one before.
    packs : see `Program.packs`. macs_together : MACs, or what packs makes of them, that take a cycle.
    ends : see `nest.kernels.records.Nest`.
    """

    loops: Ints
    inside: int
    bounds: Ints
    streams: Ints
    at: Ints
    row_of: npt.NDArray[np.int32]
    cells: Ints
    packs: Ints
    macs_together: int
    uses: Ints
    rates: Ints
    ends: Ints


class Odometer(NamedTuple):
    """Some temporal loops, outermost first, and where they are.

    rows : int64[loop], which of the layer's; group : int64[loop], of dims. stride, tile_stride : int64[x, loop], what
    one iteration moves `combo` and `tile` by, 0 for a loop that does not move the stream. rows_at, touched : int64[x,
    loop, group], the row of a group's table that says what moved when this loop carries, and whether any may have.
    inner : int64[x], the group that moves most often, or -1. tiles : int64[x], psum or input tiles in all.

    now : int64[loop], index of each; base : int64[dim], where the iteration begins. combo : int64[x, group],
    combinations in the tables; tile : int64[x]; stale : int64[x], whether another group than the inner has moved.
    """

    rows: Ints
    group: Ints
    stride: Ints
    tile_stride: Ints
    rows_at: Ints
    touched: Ints
    inner: Ints
    tiles: Ints
    now: Ints
    base: Ints
    combo: Ints
    tile: Ints
    stale: Ints


@njit(cache=True)
def count_steps(loops, inside, bounds):
    """Iterations of the temporal loops above level `inside` (they exist iff their base lies in the problem)."""
    steps = 1
    for dim in range(NDIMS):
        steps *= bases_below(loops, dim, 0, inside, bounds[dim])[0]
    return steps


@njit(cache=True)
def step_rows(loops, inside):
    """Rows of the temporal loops above level `inside`, outermost first."""
    rows = np.empty(loops.shape[0], np.int64)
    n = 0
    for i in range(loops.shape[0]):
        if loops[i, KIND] == 0 and loops[i, LEVEL] < inside:
            rows[n] = i
            n += 1
    return rows[:n]


@njit(cache=True)
def psum_level(streams):
    """The innermost level that keeps psums, 0: the outermost."""
    level = 0
    for x in range(streams.shape[0]):
        if streams[x, TENSOR] == PSUM:
            level = max(level, streams[x, CHILD])
    return level


@njit(cache=True)
def widest(streams):
    """The most columns a stream has."""
    most = 1
    for x in range(streams.shape[0]):
        most = max(most, columns_of(streams[x, PARENT], streams[x, CHILD]))
    return most


@njit(cache=True)
def odometer(layer, rows, cut, index):
    """These loops where `index` says; tiles are numbered from the loops at `cut` on."""
    n, nt = layer.streams.shape[0], rows.shape[0]
    odo = Odometer(
        rows, np.zeros(nt + 1, np.int64), np.zeros((n, nt + 1), np.int64), np.zeros((n, nt + 1), np.int64),
        np.zeros((n, nt + 1, GROUPS), np.int64), np.zeros((n, nt + 1, GROUPS), np.int64), np.full(n, -1, np.int64),
        np.ones(n, np.int64), index, np.zeros(NDIMS, np.int64), np.zeros((n, GROUPS), np.int64), np.zeros(n, np.int64),
        np.ones(n, np.int64),
    )  # fmt: skip
    for t in range(nt):
        for group in range(GROUPS):
            if in_group(layer.loops[rows[t], DIM], group):
                odo.group[t] = group
    running, outside = np.empty(GROUPS, np.int64), np.empty(GROUPS, np.int64)
    for x in range(n):
        _lay_strides(layer, odo, x, running)
        _lay_carries(layer, odo, x, outside)
    for t in range(nt):
        odo.base[layer.loops[rows[t], DIM]] += index[t] * layer.loops[rows[t], STEP]
        for x in range(n):
            odo.combo[x, odo.group[t]] += index[t] * odo.stride[x, t]
            if t >= cut:
                odo.tile[x] += index[t] * odo.tile_stride[x, t]
    return odo


@part
def _lay_strides(layer, odo, x, running):
    running[:] = 1
    for t in range(odo.rows.shape[0] - 1, -1, -1):
        dim, factor = layer.loops[odo.rows[t], DIM], layer.loops[odo.rows[t], FACTOR]
        if layer.loops[odo.rows[t], LEVEL] >= layer.streams[x, CHILD]:
            continue
        if odo.inner[x] < 0:
            odo.inner[x] = odo.group[t]
        odo.stride[x, t] = running[odo.group[t]]
        running[odo.group[t]] *= factor
        if OWN[layer.streams[x, TENSOR], dim]:
            odo.tile_stride[x, t] = odo.tiles[x]
            odo.tiles[x] *= factor


@part
def _lay_carries(layer, odo, x, outside):
    outside[:] = 0
    for t in range(odo.rows.shape[0]):
        if layer.loops[odo.rows[t], LEVEL] >= layer.streams[x, CHILD]:
            continue
        for group in range(GROUPS):
            for u in range(t, odo.rows.shape[0]):
                if layer.loops[odo.rows[u], LEVEL] < layer.streams[x, CHILD] and odo.group[u] == group:
                    odo.touched[x, t, group] = 1
            foreign = 0 if group == odo.group[t] else layer.at[x, group, OWN_LOOPS]
            odo.rows_at[x, t, group] = foreign + outside[group]
        outside[odo.group[t]] += 1


@part
def step_on(layer, odo, cut):
    """Go on to the next iteration in the problem; gives the loop that moved, less than `cut` where there is none."""
    carry = odo.rows.shape[0] - 1
    while carry >= cut:
        dim, step = layer.loops[odo.rows[carry], DIM], layer.loops[odo.rows[carry], STEP]
        more = odo.now[carry] + 1 < layer.loops[odo.rows[carry], FACTOR]
        if more and odo.base[dim] + step < layer.bounds[dim]:
            _move(layer, odo, carry, 1)
            break
        if odo.now[carry] > 0:
            _move(layer, odo, carry, -odo.now[carry])
        carry -= 1
    return carry


@part
def _move(layer, odo, t, by):
    """Move one loop."""
    odo.now[t] += by
    odo.base[layer.loops[odo.rows[t], DIM]] += by * layer.loops[odo.rows[t], STEP]
    for x in range(odo.stride.shape[0]):
        if odo.stride[x, t] > 0:
            odo.combo[x, odo.group[t]] += by * odo.stride[x, t]
            odo.tile[x] += by * odo.tile_stride[x, t]
            if odo.group[t] != odo.inner[x]:
                odo.stale[x] = 1


@part
def open_sums(layer, odo, child, register):
    """Whether a psum tile stays unfinished after the version that begins now: loops over C, R or S outside it go on.

    Those inside the innermost loop that changes the tile run to their end while it stays; so do all that lie outside
    it where it never changes. register : it changes at every iteration.
    """
    changes, any_open = register, False
    for t in range(odo.rows.shape[0] - 1, -1, -1):
        dim, step = layer.loops[odo.rows[t], DIM], layer.loops[odo.rows[t], STEP]
        if layer.loops[odo.rows[t], LEVEL] < child:
            here = odo.base[dim]  # of this loop and those outside it
            for u in range(t + 1, odo.rows.shape[0]):
                if layer.loops[odo.rows[u], DIM] == dim:
                    here -= odo.now[u] * layer.loops[odo.rows[u], STEP]
            more = odo.now[t] + 1 < layer.loops[odo.rows[t], FACTOR] and here + step < layer.bounds[dim]
            if OWN[PSUM, dim]:
                changes = changes or more or odo.now[t] > 0
            elif changes and more:
                any_open = True
                break
    return any_open
