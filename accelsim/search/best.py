"""Find the best mapping: enumerate splits, bound them all, try orders from the most promising on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations as subsets
from pathlib import Path

import numpy as np

from accelsim.architecture.model import Architecture, Buffer
from accelsim.energy.load import table_for
from accelsim.energy.table import EnergyTable
from accelsim.engine import program as lowering
from accelsim.engine.kernels import bounds as bounding
from accelsim.engine.kernels import orders as ordering
from accelsim.engine.program import Ints
from accelsim.errors import AccelsimError, MappingError, nearest
from accelsim.mapping.dataflows.dataflow import Dataflow, load
from accelsim.mapping.mapping import LevelMapping, LoopNest, check
from accelsim.search.prices import prices
from accelsim.search.space import GROUPS, Inner, Space, Split
from accelsim.search.tables import Option, pairs_of, tables_of
from accelsim.workload.problem import DIMS, TENSORS, Problem, Tensor

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
        for i in range(max(1, space.machine.pe_level), len(levels))
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
    tables = [tables_of(space, program, price.terms, g, options[g]) for g in range(len(GROUPS))]
    pairs = pairs_of(price.terms, program.edges, tables)
    places, counts, totals, _, _, _, extents, tiles = (tuple(t[i] for t in tables) for i in range(8))
    partitions, limits = _partitions(space, bypass)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
    bits = np.array([machine.word_bits[t] for t in TENSORS], np.int64)
    strides = np.array(list(zip(problem.stride, problem.dilation, strict=True)), np.int64)
    factors = tuple(bounding.tile_factors(g, t, partitions, bits, strides) for g, t in enumerate(tiles))
    charged = (*price.charges, machine.macs_per_cycle, OBJECTIVES.index(objective))
    bounds = np.empty(int(sum(sizes)))
    tensor = program.edges[price.terms[:, 0], 0]
    bounding.bound_all(
        units, starts, tensor, pairs.rows, totals, pairs.parts, extents, factors, limits, *charged, bounds
    )
    free = np.zeros(program.levels, np.int64)
    free[list(space.free)] = 1
    order = np.tile(np.arange(6, dtype=np.int64), (program.levels, 1))
    pick, score = np.zeros(6, np.int64), np.full(3, np.inf)
    ranked = np.argmin(bounds, keepdims=True)
    for _ in range(2):  # the most promising first: what it comes to leaves few others to rank
        ordering.search_orders(
            ranked, bounds, units, starts, free, places, counts, totals, pairs.rows, pairs.runs, pairs.parts,
            pairs.segments, extents, *charged, order, pick, score,
        )  # fmt: skip
        ranked = np.flatnonzero(bounds < score[0])
        ranked = ranked[np.argsort(bounds[ranked], kind="stable")]
    if not np.isfinite(score[0]):
        return None
    splits = {d: s for g in range(len(GROUPS)) for d, s in zip(GROUPS[g], options[g][pick[g]], strict=True)}
    nest = LoopNest(space.nest_levels(splits, order.tolist(), bypass), source=space.dataflow.name)
    return Found(nest, float(score[0]), float(score[1]), float(score[2]))


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
