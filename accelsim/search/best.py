"""Find the best mapping: enumerate splits, bound them all, try orders from the most promising on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations as subsets
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from accelsim.architecture.model import Architecture, Buffer
from accelsim.energy.load import table_for
from accelsim.energy.table import EnergyTable
from accelsim.engine import program as lowering
from accelsim.engine.kernels import search as kernel
from accelsim.engine.program import Ints, Program
from accelsim.errors import AccelsimError, MappingError, nearest
from accelsim.mapping.dataflows.dataflow import Dataflow, load
from accelsim.mapping.mapping import LevelMapping, LoopNest, check
from accelsim.search.prices import prices
from accelsim.search.space import GROUPS, Inner, Space, Split
from accelsim.workload.problem import DIM_INDEX, DIMS, TENSORS, Problem, Tensor

OBJECTIVES = ("energy", "cycles", "edp")
BUDGET = 60_000
"""Most combinations of splits bounded per layer; above it, the free splits of each dim are thinned evenly."""
MOST_UNITS = 120
"""Most inner (array and PE) unrollings kept, the widest use of the array first."""


@dataclass(frozen=True)
class Found:
    """A mapping and what the closed form says of it."""

    nest: LoopNest
    score: float
    energy: float
    cycles: float


def best(
    architecture: Architecture,
    problem: Problem,
    dataflow: str | Path | Dataflow,
    objective: str = "energy",
    table: EnergyTable | None = None,
    accounting: str | None = None,
) -> LoopNest:
    """The best mapping of a layer in a dataflow's space.

    Parameters
    ----------
    objective : 'energy', 'cycles' (a lower bound on them) or 'edp' (their product); ties go to the other one.
    accounting : 'isca16' also lets what the dataflow `skips` pass by the buffers above the array, as that account does.

    Raises
    ------
    MappingError : nothing in the space fits; says what each level would need.
    AccelsimError : unknown name.
    """
    if objective not in OBJECTIVES:
        raise AccelsimError(f"unknown objective '{objective}'{nearest(objective, OBJECTIVES)}")
    flow = dataflow if isinstance(dataflow, Dataflow) else load(dataflow)
    table = table or table_for(architecture, None)
    if accounting:
        table = replace(table, accounting=accounting)
    space = Space(architecture, problem, flow)
    space.require()
    # a small buffer right above the array may want the loops below it cut; a global buffer only if nothing else fits
    tiled = space.array not in space.free and not table.accounting and not flow.fill
    found = _all(replace(space, tiled=tiled), objective, table)
    if not found and not tiled and not table.accounting:
        found = _all(replace(space, tiled=True), objective, table)
    if not found:
        raise MappingError(_why_nothing(space))
    nest = min(found, key=lambda f: f.score).nest
    check(architecture, nest, problem)
    return nest


def _all(space: Space, objective: str, table: EnergyTable) -> list[Found]:
    bypasses = _bypasses(space, bool(table.accounting))
    results = (_search(space, bypass, objective, table) for bypass in bypasses)
    return [result for result in results if result is not None]


def _bypasses(space: Space, buffers_too: bool) -> list[dict[int, frozenset[Tensor]]]:
    """What passes by each level: inside the PE whatever the dataflow does not keep there."""
    levels = space.machine.levels
    inside = {
        i: levels[i].keeps - space.dataflow.keeps
        for i in range(space.machine.pe_level, len(levels))
        if levels[i].keeps - space.dataflow.keeps
    }
    if not buffers_too:
        return [inside]
    out = []
    for level in space.free[1:]:
        candidates = sorted(levels[level].keeps & space.dataflow.skips)
        for n in range(len(candidates) + 1):
            for skipped in subsets(candidates, n):
                out.append({**inside, **({level: frozenset(skipped)} if skipped else {})})
    return out or [inside]


def _search(space: Space, bypass: dict[int, frozenset[Tensor]], objective: str, table: EnergyTable) -> Found | None:
    machine, problem = space.machine, space.problem
    names = tuple((machine.levels[i].name, LevelMapping(bypass=skip)) for i, skip in sorted(bypass.items()))
    program = lowering.build(machine, LoopNest(names), problem)
    price = prices(program, table, space.dataflow.name)
    options, units, sizes = _combinations(space)
    if not len(units):
        return None
    tables = [_tables(space, program, price.terms, g, options[g]) for g in range(len(GROUPS))]
    places, counts, totals, stays, kepts, aboves, extents, tiles = (tuple(t[i] for t in tables) for i in range(8))
    partitions, limits = _partitions(space, bypass)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
    bounds = np.empty(int(sum(sizes)))
    bits = np.array([machine.word_bits[t] for t in TENSORS], np.int64)
    strides = np.array(list(zip(problem.stride, problem.dilation, strict=True)), np.int64)
    goal = OBJECTIVES.index(objective)
    segments, parts = _parts(price.terms, program.edges, places, counts, stays, kepts, aboves)
    kernel.bound_all(
        units, starts, price.terms, program.edges, totals, parts, extents, tiles, partitions, bits, limits, strides,
        price.energy, price.constant, price.loads, price.stationary, machine.macs_per_cycle, goal, bounds,
    )  # fmt: skip
    ranked = np.argsort(bounds, kind="stable")
    free = np.zeros(program.levels, np.int64)
    free[list(space.free)] = 1
    order = np.tile(np.arange(6, dtype=np.int64), (program.levels, 1))
    pick, score = np.zeros(6, np.int64), np.zeros(3)
    kernel.search_orders(
        ranked, bounds, units, starts, free, price.terms, places, counts, totals, parts, segments, extents,
        price.energy, price.constant, price.loads, price.stationary, machine.macs_per_cycle, goal, program.levels,
        order, pick, score,
    )  # fmt: skip
    if not np.isfinite(score[0]):
        return None
    splits = {d: s for g in range(len(GROUPS)) for d, s in zip(GROUPS[g], options[g][pick[g]], strict=True)}
    nest = LoopNest(space.nest_levels(splits, order.tolist(), bypass), source=space.dataflow.name)
    return Found(nest, float(score[0]), float(score[1]), float(score[2]))


Option = tuple[Split, ...]
Groups = tuple[npt.NDArray[Any], ...]


def _combinations(space: Space) -> tuple[list[list[Option]], Ints, list[int]]:
    """Options per group, and per unit (one joint inner unrolling) the range of options each group may take."""
    inners = []
    for inner in space.inners():
        inners.append(inner)
        if len(inners) == MOST_UNITS:
            break
    most = 24
    while True:
        options, units, sizes = _enumerate(space, inners, most)
        if sum(sizes) <= BUDGET or most <= 2:
            return options, np.array(units, np.int64).reshape(-1, 6, 2), sizes
        most = most * 3 // 4


def _enumerate(
    space: Space, inners: list[dict[str, Inner]], most: int
) -> tuple[list[list[Option]], list[list[tuple[int, int]]], list[int]]:
    options: list[list[Option]] = [[] for _ in GROUPS]
    ranges: list[dict[tuple[Inner, ...], tuple[int, int]]] = [{} for _ in GROUPS]
    units, sizes = [], []
    for inner in inners:
        unit, size = [], 1
        for g, dims in enumerate(GROUPS):
            key = tuple(inner[d] for d in dims)
            if key not in ranges[g]:
                first = len(options[g])
                lists = [space.splits(d, inner[d], most) for d in dims]
                options[g] += (
                    [(a,) for a in lists[0]] if len(dims) == 1 else [(a, b) for a in lists[0] for b in lists[1]]
                )
                ranges[g][key] = (first, len(options[g]))
            unit.append(ranges[g][key])
            size *= unit[-1][1] - unit[-1][0]
        units.append(unit)
        sizes.append(size)
    return options, units, sizes


def _tables(space: Space, program: Program, terms: Ints, group: int, options: list[Option]) -> Groups:
    """(places, counts, totals, stays, kepts, aboves, extents, tiles) of one group, see kernels/search.py."""
    dims, problem = GROUPS[group], space.problem
    levels, n = program.levels, len(options)
    rows = np.zeros((n, kernel.MOST_LOOPS, 5), np.int64)
    places = np.zeros((n, kernel.MOST_LOOPS, 2), np.int64)
    lengths, counts = np.zeros(n, np.int64), np.zeros(n, np.int64)
    extents, tiles = np.ones(n), np.ones((n, levels, 2), np.int64)
    most_combinations, most_spatial, most_carries = 1, 1, 1
    for o, option in enumerate(options):
        loops = []
        for a, (dim, split) in enumerate(zip(dims, option, strict=True)):
            loops += [(lv, kind, pos, a, dim, f) for lv, pos, kind, f in space.loops(dim, split)]
            size = problem[dim]
            extents[o] *= space.longest(dim, split)
            for level in range(levels):
                extent = 1
                for lv, _, _, f in space.loops(dim, split):
                    extent *= f if lv >= level else 1
                tiles[o, level, a] = min(extent, size)
        loops.sort(key=lambda row: row[:4])
        step = dict.fromkeys(dims, 1)
        lengths[o] = len(loops)
        for i in range(len(loops) - 1, -1, -1):
            lv, kind, _, _, dim, f = loops[i]
            rows[o, i] = DIM_INDEX[dim], f, int(kind > 0), lv, step[dim]
            step[dim] *= f
        temporal = [row for row in loops if row[1] == 0]
        counts[o] = len(temporal)
        for i, row in enumerate(temporal):
            places[o, i] = row[0], row[2]
        most_combinations = max(most_combinations, _product(row[5] for row in temporal))
        most_spatial = max(most_spatial, _product(row[5] for row in loops if row[1]))
        most_carries = max(most_carries, 2 * len(temporal) + 1)
    reach = 2 + max(
        program.axes[a, 0] * (problem.sizes[4 + a] - 1) + program.axes[a, 1] * (problem.sizes[6 + a] - 1)
        for a in (0, 1)
    )
    t = len(terms)
    totals = np.zeros((n, t))
    stays, kepts = np.zeros((n, most_carries, t)), np.zeros((n, most_carries, t))
    aboves = np.zeros((n, len(program.edges)), np.int64)
    kernel.option_tables(
        rows, lengths, group, program.edges, terms, program.size8, program.axes, program.unicast, program.merge,
        program.on_chip, (most_combinations, most_carries, most_spatial, int(reach)), levels, totals, stays, kepts,
        aboves,
    )  # fmt: skip
    return places, counts, totals, stays, kepts, aboves, extents, tiles


def _parts(
    terms: Ints, edges: Ints, places: Groups, counts: Groups, stays: Groups, kepts: Groups, aboves: Groups
) -> tuple[Ints, Groups]:
    """Segments of the nests, and per group what each option adds to them (kernel.segment_tables)."""
    loops = [p[np.arange(p.shape[1]) < count[:, None]] for p, count in zip(places, counts, strict=True)]
    segments = np.unique(np.concatenate(loops), axis=0)
    parts = tuple(np.zeros((len(p), len(segments), 6, len(terms))) for p in places)
    for g, out in enumerate(parts):
        kernel.segment_tables(places[g], counts[g], aboves[g], terms, edges, stays[g], kepts[g], segments, out)
    return segments, parts


def _product(values: object) -> int:
    out = 1
    for value in values:  # type: ignore[attr-defined]
        out *= value
    return out


def _partitions(space: Space, bypass: dict[int, frozenset[Tensor]]) -> tuple[Ints, Ints]:
    rows, limits = [], []
    for index, level in enumerate(space.machine.levels):
        for partition in level.capacity:
            slots = []
            for tensor in TENSORS:
                held = tensor in partition.tensors and tensor in level.keeps and tensor not in bypass.get(index, ())
                slots.append((2 if level.buffering(tensor) is Buffer.DOUBLE else 1) if held else 0)
            rows.append([index, *slots])
            limits.append(partition.bits)
    return np.array(rows, np.int64).reshape(-1, 4), np.array(limits, np.int64)


def _why_nothing(space: Space) -> str:
    """The smallest demand of this dataflow's space at each level that cannot meet it."""
    from accelsim.mapping.mapping import capacity_overflows, describe

    flow, machine = space.dataflow, space.machine
    head = f"no mapping of dataflow '{flow.name}' fits '{machine.name}'"
    smallest = {d: Split(Inner(), (space.problem[d], *([1] * space.array))) for d in DIMS}
    for dim in DIMS:
        pe = space.problem[dim] if dim in flow.whole and dim in flow.pe else 1
        y = min(space.problem[dim], machine.levels[space.array].fanout.y) if dim in flow.whole and dim in flow.y else 1
        smallest[dim] = space.splits(dim, Inner(y=y, pe=pe), 2)[0]
    order = [list(range(6)) for _ in machine.levels]
    nest = LoopNest(space.nest_levels(smallest, order, _bypasses(space, False)[0]))
    overflows = capacity_overflows(machine, nest, space.problem, [d for d in flow.pe if d in flow.whole])
    if overflows:
        return f"{head}: " + "; ".join(map(describe, overflows))
    return f"{head}: the array is {machine.levels[space.array].fanout.y} x {machine.levels[space.array].fanout.x}"
