"""Closed-form counts: sums of products over the carries of a nest, no walk over its iterations.

words = sum over all iterations of the full tile - sum over carries of what stays in place or is kept by a slide
(docs/model.md, "Counting"). Every factor comes from `tiles.group_rows`.
"""

from __future__ import annotations

import numpy as np

from accelsim.engine.nest.kernels.steps import bases_below
from accelsim.engine.nest.kernels.tiles import (
    DIM,
    FACTOR,
    GROUPS,
    IFMAP,
    KIND,
    LEVEL,
    PART,
    columns_of,
    group_rows,
    group_shape,
    in_group,
    runs_of,
)
from accelsim.jit import njit


@njit(cache=True)
def group_sums(
    loops, group, tensor, parent, child, reuse, size8, axes, unicast, merge, on_chip, offsets, marks, full, moved,
    slide, total, stay, kept,
):  # fmt: skip
    """Tabulate one group of one edge (`tiles.group_rows`), some combinations at a time, and sum; returns own loops.

    Fills total[column]; stay[carry, column], unmoved; kept[carry, column], what a slide keeps. The column after an
    edge's last counts tiles instead of words: what is left of them are versions.
    """
    columns, slides, n = columns_of(parent, child), tensor == IFMAP and group >= 4, 0
    total[: columns + 1] = 0
    stay[:, : columns + 1] = 0
    kept[:, : columns + 1] = 0
    runs, _ = runs_of(loops, group, tensor, parent, child, size8, axes, on_chip)
    for run in range(runs.shape[0]):
        begin, end, times = runs[run]
        n, _ = group_rows(
            loops, group, tensor, parent, child, reuse, size8, axes, unicast, merge, on_chip, begin,
            offsets, marks, full[: end - begin], moved, slide,
        )  # fmt: skip
        _add_rows(n, columns, slides, times, full[: end - begin], moved, slide, total, stay, kept)
    return n


@njit(cache=True)
def _add_rows(n, columns, slides, times, full, moved, slide, total, stay, kept):
    for c in range(full.shape[0]):
        for k in range(columns):
            total[k] += times * full[c, k]
        tiles = times if full[c, columns - 3] > 0 else 0
        total[columns] += tiles
        for carry in range(2 * n + 1):
            if moved[carry, c] == 0:
                for k in range(columns):
                    stay[carry, k] += times * full[c, k]
                stay[carry, columns] += tiles
            elif moved[carry, c] == 1 and slides:
                for k in range(columns):
                    kept[carry, k] += times * (full[c, k] - slide[carry, c, k])


@njit(cache=True)
def edge_words(loops, tensor, parent, child, operand, reuse, size8, axes, unicast, merge, on_chip, scratch, out):
    """Words of one edge over a whole layer, one number per column of `tiles`; then the versions of its child's tile.

    Inputs: words fetched. psum: words drained, over all visits. An `operand` edge (to the MAC) has no reuse.
    scratch : the tuple made by `make_scratch`.
    """
    offsets, marks, full, moved, slide, own, total, stay, kept, outside = scratch
    columns = columns_of(parent, child)
    for group in range(GROUPS):
        own[group, 0] = group_sums(
            loops, group, tensor, parent, child, reuse, size8, axes, unicast, merge, on_chip,
            offsets, marks, full, moved, slide, total[group], stay[group], kept[group],
        )  # fmt: skip
    for k in range(columns + 1):
        product = 1
        for group in range(GROUPS):
            product *= total[group, k]
        out[k] = product
    if operand:
        return
    outside[:] = 0
    for i in range(loops.shape[0]):
        if loops[i, KIND] == 1 or loops[i, LEVEL] >= child:
            continue
        carrier = 0
        for group in range(GROUPS):
            if in_group(loops[i, DIM], group):
                carrier = group
        for k in range(columns + 1):
            product = 1
            for group in range(GROUPS):
                at = outside[group] if group == carrier else own[group, 0] + outside[group]
                product *= stay[group, at, k]
            out[k] -= product
            if tensor == IFMAP:
                for slider in range(4, 6):
                    product = 1
                    for group in range(GROUPS):
                        at = outside[group] if group == carrier else own[group, 0] + outside[group]
                        product *= kept[group, at, k] if group == slider else stay[group, at, k]
                    out[k] -= product
        outside[carrier] += 1


@njit(cache=True)
def make_scratch(loops, levels, size8, axes):
    """Scratch arrays large enough for every edge of a nest, some combinations of a group at a time."""
    own = np.empty(loops.shape[0] + 1, np.int64)
    combinations, n_most, spatial = 1, 0, 1
    for group in range(GROUPS):
        n, c = group_shape(loops, group, levels, own)
        combinations = max(combinations, c)
        n_most = max(n_most, n)
        here = 1
        for i in range(loops.shape[0]):
            if loops[i, KIND] == 1 and in_group(loops[i, DIM], group):
                here *= loops[i, 1]
        spatial = max(spatial, here)
    combinations = min(combinations, PART)
    columns = 3 * levels + 3
    reach = 2
    for a in range(2):
        rows = axes[a, 0] * (size8[4 + a] - 1) + axes[a, 1] * (size8[6 + a] - 1) + 1
        reach = max(reach, rows + 1)
    carries = 2 * n_most + 1
    return (
        np.empty((3, spatial, 2), np.int64),
        np.zeros((2, reach), np.int64),
        np.zeros((combinations, columns), np.int64),
        np.empty((carries, combinations), np.int64),
        np.zeros((carries, combinations, columns), np.int64),
        np.empty((GROUPS, 1), np.int64),
        np.empty((GROUPS, columns + 1), np.int64),
        np.empty((GROUPS, carries, columns + 1), np.int64),
        np.empty((GROUPS, carries, columns + 1), np.int64),
        np.empty(GROUPS, np.int64),
    )


@njit(cache=True)
def all_edges(loops, edges, size8, axes, unicast, merge, on_chip, levels, out):
    """Words of every edge: edges int64[edge, 5] = (tensor, parent, child, operand, reuse); out int64[edge, column]."""
    scratch = make_scratch(loops, levels, size8, axes)
    for e in range(edges.shape[0]):
        tensor = edges[e, 0]
        edge_words(
            loops, tensor, edges[e, 1], edges[e, 2], edges[e, 3] == 1, edges[e, 4] == 1,
            size8, axes, unicast[tensor], merge[tensor], on_chip, scratch, out[e],
        )  # fmt: skip


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
def compute_cycles(loops, inside, size8, macs_per_cycle):
    """Cycles of the MAC array: the sum over steps of ceil(MACs of PE 0 / macs_per_cycle).

    inside : first level whose temporal loops lie inside a step. Per dim a step is whole or clipped: steps are counted
    by class, not walked.
    """
    extents = np.zeros((8, 2), np.int64)
    numbers = np.zeros((8, 2), np.int64)
    for dim in range(8):
        tile = 1
        for i in range(loops.shape[0]):
            if loops[i, DIM] == dim and loops[i, KIND] == 0 and loops[i, LEVEL] >= inside:
                tile *= loops[i, FACTOR]
        extents[dim, 0] = tile
        numbers[dim, 0], extents[dim, 1] = lattice(loops, dim, 0, inside, tile, size8[dim])
        numbers[dim, 1] = min(extents[dim, 1], 1)
    total = 0
    for clipped in range(1 << 8):
        macs, count = 1, 1
        for dim in range(8):
            macs *= extents[dim, clipped >> dim & 1]
            count *= numbers[dim, clipped >> dim & 1]
        total += count * ((macs + macs_per_cycle - 1) // macs_per_cycle)
    return total
