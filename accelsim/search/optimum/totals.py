"""Words that all iterations of a dim's loops move, where none is moved twice: in closed form, chain by chain."""

from __future__ import annotations

import numpy as np

from accelsim.engine.nest.kernels.records import PSUM
from accelsim.engine.program import Ints, Program
from accelsim.search.kernels.records import Floats
from accelsim.search.optimum.chains import Chains
from accelsim.workload.problem import DIM_INDEX, TENSOR_DIMS, TENSORS


def totals_of(program: Program, chains: Chains, edges: Ints, terms: Ints, array: int) -> Floats | None:
    """float64[chain, term], `Words.totals` of a group of one dim that does not slide; None: there is no closed form.

    A dim of the tensor is moved once, whatever its tiles are; another one counts what takes part: tiles, or PEs. Of the
    columns of an edge (`engine.nest.kernels.tiles`) those of the busiest instance have none.
    """
    if any(program.problem[dim] > 1 for dim in chains.dims[1:]):
        return None
    out = np.empty((len(chains), len(terms)))
    counted: dict[tuple[int, bool], Ints] = {}
    for k, (e, column) in enumerate(terms.tolist()):
        t, parent, child, _, _ = (int(v) for v in edges[e])
        level = _summed_from(program, t, parent, child, column)
        if level is None:
            return None
        if chains.dims[0] in TENSOR_DIMS[TENSORS[t]]:
            out[:, k] = program.problem[chains.dims[0]]
            continue
        # what lies below one instance of that level is one: a multicast word, or a sum
        summed = column == 3 * (child - parent) + 1 and t == PSUM
        merged = array >= level and (summed or bool(program.merge[t, array, DIM_INDEX[chains.dims[0]]]))
        key = child, merged
        if key not in counted:
            counted[key] = _taking_part(program, chains, child, array, merged)
        out[:, k] = counted[key]
    return out


def _summed_from(program: Program, t: int, parent: int, child: int, column: int) -> int | None:
    """The level from which on a column adds up what is alike; None: a column of the busiest instance."""
    across = 3 * (child - parent)
    if column < across:
        level = parent + column // 3
        alone = level + int(program.unicast[t, level])
        return {0: alone, 2: level + 1}.get(column % 3)
    return (parent if t == PSUM else parent + 1) if column == across + 1 else None


def _taking_part(program: Program, chains: Chains, child: int, array: int, merged: bool) -> Ints:
    """int64[chain], tiles of a level's children over all iterations; merged : those of an array count as one."""
    size, last = program.problem[chains.dims[0]], program.levels - 1
    covers = chains.covers[:, 0]
    if child <= array:
        return -(-size // covers[:, child])
    inside = covers[:, array + 2]
    tile = inside if child <= last else np.ones_like(inside)
    if not merged:
        return -(-size // tile)
    # those of the first PE, which has most: whole trips, and what is left for it in the last one
    trips = -(-size // covers[:, array + 1])
    left = np.minimum(inside, size - (trips - 1) * covers[:, array + 1])
    found: Ints = (trips - 1) * (inside // tile) - (-left // tile)
    return found


def loops_above(program: Program, chains: Chains, edges: Ints, array: int) -> Ints:
    """int64[chain, edge], how many loops of a group's dims there are above each edge's child."""
    there = chains.factors > 1
    levels = np.array([*range(array + 1), program.levels, program.levels - 1])  # what is spatial is no such loop
    found = np.zeros((len(there), len(edges)), np.int64)
    for e, child in enumerate(edges[:, 2]):
        found[:, e] = there[:, :, levels < int(child)].sum(axis=(1, 2))
    return found
