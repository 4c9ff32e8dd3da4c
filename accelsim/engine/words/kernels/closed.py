"""Closed-form counts: sums of products over the carries of a nest, no walk over its iterations.

words = sum over all iterations of the full tile - sum over carries of what stays in place or is kept by a slide
(docs/model.md, "Counting"). Every factor comes from `tiles.group_rows`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from accelsim.engine.nest.kernels.groups import columns_of, group_shape, in_group
from accelsim.engine.nest.kernels.records import (
    CHILD,
    DIM,
    FACTOR,
    GROUPS,
    IFMAP,
    KIND,
    LEVEL,
    NDIMS,
    OPERAND,
    PARENT,
    PART,
    TENSOR,
    Rows,
)
from accelsim.engine.nest.kernels.runs import in_one, runs_of
from accelsim.engine.nest.kernels.steps import bases_below
from accelsim.engine.nest.kernels.tiles import group_rows
from accelsim.jit import njit, part


class Sums(NamedTuple):
    """What the combinations of one group's loops come to, added up.

    total : int64[column]; stay : int64[carry, column], words of tiles that a carry leaves in place; kept : what a slide
    keeps. The column after an edge's last counts tiles instead of words: what is left of them are versions.
    """

    total: npt.NDArray[np.int64]
    stay: npt.NDArray[np.int64]
    kept: npt.NDArray[np.int64]


@njit(_nrt=False)
def group_sums(nest, edge, group, rows, sums):
    """Tabulate one group of one edge (`tiles.group_rows`) and sum; returns own loops."""
    columns, slides = columns_of(edge[PARENT], edge[CHILD]), edge[TENSOR] == IFMAP and group >= 4
    sums.total[: columns + 1] = 0
    sums.stay[:, : columns + 1] = 0
    sums.kept[:, : columns + 1] = 0
    n, many = in_one(nest, edge, group, rows.of_loops[0])
    if many:
        group_rows(nest, edge, group, 0, many, rows)
        _add_rows(2 * n + 1, columns, slides, many, 1, rows, sums)
    else:
        _add_runs(nest, edge, group, 2 * n + 1, columns, slides, rows, sums)
    return n


@njit(_nrt=True)
def _add_runs(nest, edge, group, carries, columns, slides, rows, sums):
    """The same some combinations at a time, one of those that do alike for all."""
    runs, _ = runs_of(nest, edge, group)
    for run in range(runs.shape[0]):
        group_rows(nest, edge, group, runs[run, 0], runs[run, 1], rows)
        _add_rows(carries, columns, slides, runs[run, 1] - runs[run, 0], runs[run, 2], rows, sums)


@part
def _add_rows(carries, columns, slides, many, times, rows, sums):
    full, moved = rows.full, rows.moved
    for c in range(many):
        for k in range(columns):
            sums.total[k] += times * full[c, k]
        tiles = times if full[c, columns - 3] > 0 else 0
        sums.total[columns] += tiles
        for carry in range(carries):
            if moved[carry, c] == 0:
                for k in range(columns):
                    sums.stay[carry, k] += times * full[c, k]
                sums.stay[carry, columns] += tiles
            elif moved[carry, c] == 1 and slides:
                for k in range(columns):
                    sums.kept[carry, k] += times * (full[c, k] - rows.slide[carry, c, k])


@njit(_nrt=False)
def edge_words(nest, edge, scratch, out):
    """Words of one edge over a whole layer, one number per column of `tiles`; then the versions of its child's tile.

    Inputs: words fetched. psum: words drained, over all visits. An operand edge (to the MAC) has no reuse.
    scratch : the tuple made by `make_scratch`.
    """
    rows, sums, own, at = scratch
    columns = columns_of(edge[PARENT], edge[CHILD]) + 1
    for group in range(GROUPS):
        here = Sums(sums.total[group], sums.stay[group], sums.kept[group])
        own[0, group] = group_sums(nest, edge, group, rows, here)
    for k in range(columns):
        out[k] = 1
        for group in range(GROUPS):
            out[k] *= sums.total[group, k]
    if edge[OPERAND]:
        return
    own[1] = 0  # loops of each group outside the one that carries
    for i in range(nest.loops.shape[0]):
        if nest.loops[i, KIND] == 1 or nest.loops[i, LEVEL] >= edge[CHILD]:
            continue
        carrier = 0
        for group in range(GROUPS):
            if in_group(nest.loops[i, DIM], group):
                carrier = group
        for group in range(GROUPS):
            at[group] = own[1, group] + (0 if group == carrier else own[0, group])
        _take_off(columns, edge[TENSOR] == IFMAP, at, sums, out)
        own[1, carrier] += 1


@part
def _take_off(columns, slides, at, sums, out):
    """Take off what one carry leaves in place; at : int64[group], its row in each group's sums."""
    for k in range(columns):
        product = 1
        for group in range(GROUPS):
            product *= sums.stay[group, at[group], k]
        out[k] -= product
        for slider in range(4, 6 if slides else 4):
            product = 1
            for group in range(GROUPS):
                row = sums.kept if group == slider else sums.stay
                product *= row[group, at[group], k]
            out[k] -= product


@njit(cache=True)
def make_rows(nest, loops, combinations, carries, spatial):
    """Room for some combinations of a group of so many loops at a time."""
    columns, reach = 3 * nest.levels + 3, 2
    for a in range(2):
        span = nest.axes[a, 0] * (nest.bounds[4 + a] - 1) + nest.axes[a, 1] * (nest.bounds[6 + a] - 1) + 1
        reach = max(reach, span + 1)
    combinations = min(combinations, PART)
    return Rows(
        np.empty((3, spatial, 2), np.int64), np.empty(3, np.int64), np.zeros((2, reach), np.int64),
        np.zeros((combinations, columns), np.int64), np.empty((carries, combinations), np.int64),
        np.zeros((carries, combinations, columns), np.int64), np.empty((3, loops + 1), np.int64),
        np.empty((6, 2), np.int64),
    )  # fmt: skip


@njit(cache=True)
def make_scratch(nest):
    """(rows, sums of every group, int64[2, group], int64[group]), large enough for every edge of a nest."""
    own = np.empty(nest.loops.shape[0] + 1, np.int64)
    combinations, most, spatial = 1, 0, 1
    for group in range(GROUPS):
        n, here = group_shape(nest.loops, group, nest.levels, own)
        combinations, most, instances = max(combinations, here), max(most, n), 1
        for i in range(nest.loops.shape[0]):
            if nest.loops[i, KIND] == 1 and in_group(nest.loops[i, DIM], group):
                instances *= nest.loops[i, FACTOR]
        spatial = max(spatial, instances)
    columns, carries = 3 * nest.levels + 4, 2 * most + 1
    sums = Sums(
        np.empty((GROUPS, columns), np.int64), np.empty((GROUPS, carries, columns), np.int64),
        np.empty((GROUPS, carries, columns), np.int64),
    )  # fmt: skip
    rows = make_rows(nest, nest.loops.shape[0], combinations, carries, spatial)
    return rows, sums, np.empty((2, GROUPS), np.int64), np.empty(GROUPS, np.int64)


@njit(cache=True)
def all_edges(nest, edges, out):
    """Words of every edge: edges int64[edge, 5], see records.TENSOR .. REUSE; out int64[edge, column]."""
    scratch = make_scratch(nest)
    for e in range(edges.shape[0]):
        edge_words(nest, edges[e], scratch, out[e])


@njit(cache=True)
def lattice(loops, dim, kind, end, tile, size):
    """(bases with a whole tile inside the dim, what is left at the one with less; 0: there is none).

    Bases are those of the loops of one kind at levels above `end`. They lie a tile apart at least, so one is clipped.
    """
    whole, _ = bases_below(loops, dim, kind, end, size - tile + 1)
    number, last = bases_below(loops, dim, kind, end, size)
    clipped = size - last if number > whole else 0
    return whole, clipped


@njit(cache=True)
def compute_cycles(loops, inside, bounds, packs, together, outputs):
    """Cycles of the MAC array: the sum over steps of ceil(MACs of PE 0 / together).

    packs : see `Program.packs`; MACs that go together count as one. outputs : of every pixel that is counted, where P
    counts runs of pixels.

    inside : first level whose temporal loops lie inside a step. Per dim a step is whole or clipped: steps are counted
    by class, not walked.
    """
    extents = np.zeros((NDIMS, 2), np.int64)
    numbers = np.zeros((NDIMS, 2), np.int64)
    cut = 0  # dims that have a clipped step
    for dim in range(NDIMS):
        tile = 1
        for i in range(loops.shape[0]):
            if loops[i, DIM] == dim and loops[i, KIND] == 0 and loops[i, LEVEL] >= inside:
                tile *= loops[i, FACTOR]
        extents[dim, 0] = tile
        numbers[dim, 0], extents[dim, 1] = lattice(loops, dim, 0, inside, tile, bounds[dim])
        numbers[dim, 1] = min(extents[dim, 1], 1)
        for i in range(2):
            extents[dim, i] = (extents[dim, i] + packs[dim] - 1) // packs[dim]
        cut |= numbers[dim, 1] << dim
    total = 0
    for clipped in range(1 << NDIMS):
        if clipped & ~cut:
            continue
        macs, count = 1, 1
        for dim in range(NDIMS):
            macs *= extents[dim, clipped >> dim & 1]
            count *= numbers[dim, clipped >> dim & 1]
        total += count * ((macs * outputs + together - 1) // together)
    return total
