"""Many mappings of one layer at once: what a group of dims counts is tabulated once for all mappings that split it so.

An *option* is the list of loops a mapping has over one group of dims (kernels/tiles.py). Few options occur in a sweep,
so what is left per mapping are the products of kernels/closed.py. Loops of all mappings lie in one array; those of
mapping m at starts[m] to starts[m + 1].
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from accelsim.engine.nest.kernels.groups import columns_of, in_group
from accelsim.engine.nest.kernels.records import DIM, FACTOR, GROUP_DIMS, GROUPS, IFMAP, KIND, LEVEL, NDIMS, STEP
from accelsim.engine.words.kernels.closed import lattice
from accelsim.engine.words.kernels.options import positions
from accelsim.jit import njit

GROUP_OF = np.array([0, 1, 2, 3, 4, 5, 4, 5, 2, 0], dtype=np.int64)


@njit(cache=True)
def with_steps(loops, starts, padded):
    """Fill in the steps of all loops; padded int64[mapping, dim] the product of each dim's factors."""
    padded[:] = 1
    for m in range(starts.shape[0] - 1):
        for i in range(starts[m + 1] - 1, starts[m] - 1, -1):
            dim = loops[i, DIM]
            loops[i, STEP] = padded[m, dim]
            padded[m, dim] *= loops[i, FACTOR]


@njit(cache=True)
def _same(loops, starts, group, one, other):
    """Whether two mappings have the same loops over a group."""
    i, j = starts[one], starts[other]
    while True:
        while i < starts[one + 1] and not in_group(loops[i, DIM], group):
            i += 1
        while j < starts[other + 1] and not in_group(loops[j, DIM], group):
            j += 1
        if i == starts[one + 1] or j == starts[other + 1]:
            return i == starts[one + 1] and j == starts[other + 1]
        for k in range(4):
            if loops[i, k] != loops[j, k]:
                return False
        i += 1
        j += 1


@njit(cache=True)
def intern(loops, starts, group, pick):
    """Fill pick[mapping], the option of each mapping in one group; returns a mapping that has each option."""
    n = starts.shape[0] - 1
    size = 16
    while size < 2 * n:
        size *= 2
    slots = np.full(size, -1, np.int64)
    first = np.empty(n, np.int64)
    found = 0
    for m in range(n):
        code = 17
        for i in range(starts[m], starts[m + 1]):
            if in_group(loops[i, DIM], group):
                for k in range(4):
                    code = code * 1000003 ^ loops[i, k]
        at = (code ^ (code >> 29)) & (size - 1)
        while slots[at] >= 0 and not _same(loops, starts, group, m, first[slots[at]]):
            at = (at + 1) & (size - 1)
        if slots[at] < 0:
            slots[at] = found
            first[found] = m
            found += 1
        pick[m] = slots[at]
    return first[:found]


@njit(cache=True)
def option_rows(loops, starts, first, group, rows, lengths):
    """Loops of each option, int64[option, loop, 5]; returns most (combinations, carries, instances) of one."""
    combinations, carries, spatial = 1, 1, 1
    for o in range(first.shape[0]):
        n, here, instances, own = 0, 1, 1, 0
        for i in range(starts[first[o]], starts[first[o] + 1]):
            if in_group(loops[i, DIM], group):
                rows[o, n] = loops[i]
                n += 1
                if loops[i, KIND] == 0:
                    here *= loops[i, FACTOR]
                    own += 1
                else:
                    instances *= loops[i, FACTOR]
        lengths[o] = n
        combinations, carries, spatial = max(combinations, here), max(carries, 2 * own + 1), max(spatial, instances)
    return combinations, carries, spatial


@njit(cache=True)
def option_shapes(rows, lengths, group, inside, levels, bounds, tiles, steps, active):
    """What one option says of capacity, compute cycles and active PEs.

    Fills
    -----
    tiles : int64[option, level, slot], extents at each level. steps : int64[option, slot, 3], see closed.lattice.
    active : int64[option], instances whose base lies inside the problem.
    """
    for o in range(rows.shape[0]):
        loops = rows[o, : lengths[o]]
        active[o] = 1
        for a in range(2):
            dim = GROUP_DIMS[group, a]
            steps[o, a, 0], steps[o, a, 1], steps[o, a, 2] = 1, 1, 0
            for level in range(levels):
                tiles[o, level, a] = 1
            if dim < 0:
                continue
            size = bounds[dim]
            for level in range(levels):
                extent = 1
                for i in range(loops.shape[0]):
                    if loops[i, DIM] == dim and loops[i, LEVEL] >= level:
                        extent *= loops[i, FACTOR]
                tiles[o, level, a] = min(extent, size)
            tile = 1
            for i in range(loops.shape[0]):
                if loops[i, DIM] == dim and loops[i, KIND] == 0 and loops[i, LEVEL] >= inside:
                    tile *= loops[i, FACTOR]
            whole, left = lattice(loops, dim, 0, inside, tile, size)
            steps[o, a, 0], steps[o, a, 1], steps[o, a, 2] = whole, tile, left
            active[o] *= lattice(loops, dim, 1, levels, 1, size)[0]


@njit(cache=True)
def compose(loops, starts, edges, pick, table, out):
    """Words of every edge of every mapping; out int64[mapping, edge, column].

    pick : int64[mapping, group], rows of the table (`options.Table`), whose terms are the columns of an edge, then its
    versions, edge after edge.
    """
    total, stay, kept, above = table.total, table.stay, table.kept, table.above
    at = np.zeros(GROUPS, np.int64)
    outside = np.zeros(GROUPS, np.int64)
    for m in range(pick.shape[0]):
        o = pick[m]
        term = 0
        for e in range(edges.shape[0]):
            columns, child = columns_of(edges[e, 1], edges[e, 2]) + 1, edges[e, 2]
            words = out[m, e]
            for k in range(columns):
                t = term + k
                words[k] = (
                    total[o[0], t] * total[o[1], t] * total[o[2], t] * total[o[3], t] * total[o[4], t] * total[o[5], t]
                )
            if edges[e, 3] == 0:
                outside[:] = 0
                for i in range(starts[m], starts[m + 1]):
                    if loops[i, KIND] == 1 or loops[i, LEVEL] >= child:
                        continue
                    carrier = GROUP_OF[loops[i, DIM]]
                    for group in range(GROUPS):
                        at[group] = outside[group]
                        if group != carrier:
                            at[group] += above[o[group], e]
                    r0, r1, r2, r3 = stay[o[0], at[0]], stay[o[1], at[1]], stay[o[2], at[2]], stay[o[3], at[3]]
                    r4, r5 = stay[o[4], at[4]], stay[o[5], at[5]]
                    for k in range(columns):
                        t = term + k
                        words[k] -= r0[t] * r1[t] * r2[t] * r3[t] * r4[t] * r5[t]
                    if edges[e, 0] == IFMAP:
                        k4, k5 = kept[o[4], at[4]], kept[o[5], at[5]]
                        for k in range(columns):
                            t = term + k
                            words[k] -= r0[t] * r1[t] * r2[t] * r3[t] * (k4[t] * r5[t] + r4[t] * k5[t])
                    outside[carrier] += 1
            term += columns


@njit(cache=True)
def compute_and_active(pick, steps, instances, macs_per_cycle, compute, active):
    """Compute cycles and active PEs of every mapping from its options' `option_shapes`."""
    open_dims = np.empty(2 * GROUPS, np.int64)
    for m in range(pick.shape[0]):
        active[m] = 1
        compute[m] = 0
        n = 0
        all_macs, all_count = 1, 1
        for dim in range(2 * GROUPS):
            active[m] *= instances[pick[m, dim >> 1]] if dim & 1 else 1
            row = steps[pick[m, dim >> 1], dim & 1]
            if row[2]:
                open_dims[n] = dim
                n += 1
            else:
                all_macs *= row[1]
                all_count *= row[0]
        for clipped in range(1 << n):
            macs, count = all_macs, all_count
            for i in range(n):
                row = steps[pick[m, open_dims[i] >> 1], open_dims[i] & 1]
                if clipped >> i & 1:
                    macs *= row[2]
                else:
                    macs *= row[1]
                    count *= row[0]
            compute[m] += count * ((macs + macs_per_cycle - 1) // macs_per_cycle)


class Rules(NamedTuple):
    """What mappings of a layer must keep to.

    bounds : int64[dim]. fans : int64[level, 2], rows and columns of each fan-out. unmerged : uint8[level, dim], where
    spatial psums would not be added. partitions : int64[partition, 4], (level, slots of ifmap, filter, psum); limits :
    int64[partition], bits. bits : int64[tensor], of a word. strides : int64[2, 2], stride and dilation.
    """

    bounds: np.ndarray
    fans: np.ndarray
    unmerged: np.ndarray
    partitions: np.ndarray
    limits: np.ndarray
    bits: np.ndarray
    strides: np.ndarray


@njit(cache=True)
def suspects(loops, starts, axes_of, padded, rules, pick, tiles, out):
    """Mark every mapping that breaks a rule of `mapping.check` or `program.build`: out uint8[mapping].

    axes_of : int64[loop], 0 temporal, 1 y, 2 x.
    """
    bounds, fans, unmerged, partitions, limits, bits, strides = rules
    used = np.empty(fans.shape, np.int64)
    for m in range(starts.shape[0] - 1):
        wrong = False
        for dim in range(NDIMS):
            wrong |= padded[m, dim] < bounds[dim]
        used[:] = 1
        for i in range(starts[m], starts[m + 1]):
            if axes_of[i]:
                used[loops[i, LEVEL], axes_of[i] - 1] *= loops[i, FACTOR]
                wrong |= unmerged[loops[i, LEVEL], loops[i, DIM]] == 1
        for level in range(fans.shape[0]):
            wrong |= used[level, 0] > fans[level, 0] or used[level, 1] > fans[level, 1]
        for p in range(limits.shape[0]):
            level = partitions[p, 0]
            t0, t1, t2 = tiles[pick[m, 0], level], tiles[pick[m, 1], level], tiles[pick[m, 2], level]
            t3, t4, t5 = tiles[pick[m, 3], level], tiles[pick[m, 4], level], tiles[pick[m, 5], level]
            rows = positions(t4[0], t4[1], strides[0, 0], strides[0, 1])
            columns = positions(t5[0], t5[1], strides[1, 0], strides[1, 1])
            demand = partitions[p, 1] * bits[0] * t0[0] * t1[0] * t2[1] * t3[0] * rows * columns
            demand += partitions[p, 2] * bits[1] * t0[1] * t1[0] * t2[0] * t3[0] * t4[1] * t5[1]
            demand += partitions[p, 3] * bits[2] * t0[0] * t1[0] * t2[0] * t4[0] * t5[0]
            wrong |= demand > limits[p]
        out[m] = wrong
