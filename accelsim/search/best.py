"""Find the best mapping: enumerate splits, bound them all, try orders from the most promising on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations as subsets
from itertools import islice
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from accelsim.architecture.model import Architecture, Buffer
from accelsim.energy.account import account
from accelsim.energy.load import table_for
from accelsim.energy.table import EnergyTable
from accelsim.engine import program as lowering
from accelsim.engine.kernels import bounds as bounding
from accelsim.engine.kernels import orders as ordering
from accelsim.engine.pool import in_slices
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
MOST_FACTORS = 24
"""Most factors of a dim tried at a level, spread evenly over those there are."""
MOST_UNITS = 120
"""Most inner (array and PE) unrollings kept, the widest use of the array first."""


@dataclass(frozen=True)
class Candidate:
    """A mapping and what the closed form says of it: the objective, energy and cycles (a lower bound).

    splits : in its space, bounded one by one. cut : what of the space was not tried, in words.
    """

    nest: LoopNest
    score: float
    energy: float
    cycles: float
    splits: int
    cut: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """The best mapping, and best of what.

    splits : bounded, each tried in every order of its free loops unless its bound leaves it out. cut : what of the
    space was not tried, in words; empty: nothing. bound : the objective by the closed form, dense (cycles: a lower
    bound); score : as the layer was evaluated. simulated : mappings the cycle evaluator chose from.
    """

    nest: LoopNest
    objective: str
    space: str
    splits: int
    cut: tuple[str, ...]
    bound: float
    score: float | None = None
    simulated: int = 0

    def scored(self, energy: float, cycles: int) -> Found:
        """With the objective as it came out."""
        return replace(self, score=objective_of(self.objective, energy, cycles))

    def to_dict(self) -> dict[str, Any]:
        """As in a result's document; the mapping stands beside it."""
        return {
            "objective": self.objective,
            "space": self.space,
            "splits": self.splits,
            "cut": list(self.cut),
            "bound": self.bound,
            "score": self.score,
            "simulated": self.simulated,
        }

    def describe(self) -> str:
        """One line."""
        cut = "; ".join(self.cut) or "nothing cut"
        score = "" if self.score is None else f", score {self.score:.6g}"
        again = f", the best of {self.simulated} simulated" if self.simulated else ""
        return f"best of {self.splits:,} splits in every order, {cut}; bound {self.bound:.6g}{score}{again}"


def objective_of(objective: str, energy: float, cycles: float) -> float:
    """Energy, cycles, or their product."""
    return {"energy": energy, "cycles": float(cycles), "edp": energy * cycles}[objective]


def best(
    architecture: Architecture,
    problem: Problem,
    dataflow: str | Path | Dataflow,
    objective: str = "energy",
    table: EnergyTable | None = None,
    accounting: str | None = None,
) -> LoopNest:
    """The best mapping of a layer in a dataflow's space by the closed form; parameters and errors as of `find`."""
    return find(architecture, problem, dataflow, objective, table, accounting).nest


def find(
    architecture: Architecture,
    problem: Problem,
    dataflow: str | Path | Dataflow,
    objective: str = "energy",
    table: EnergyTable | None = None,
    accounting: str | None = None,
    evaluator: str = "analytical",
) -> Found:
    """The best mapping of a layer in a dataflow's space, and how it was found.

    Parameters
    ----------
    objective : 'energy', 'cycles' (a lower bound on them) or 'edp' (their product); ties go to the other one.
    accounting : 'isca16' also lets what the dataflow `skips` pass by the buffers above the array, as that account does.
    evaluator : 'cycle' has the best mappings under every objective simulated, dense, and the best of them taken, where
        cycles count.

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
    space = replace(space, tiled=space.array not in space.free and not table.accounting and not flow.fill)
    candidates = _all(space, objective, table)
    if not candidates and not space.tiled and not table.accounting:
        space = replace(space, tiled=True)
        candidates = _all(space, objective, table)
    if not candidates:
        raise MappingError(_why_nothing(space))
    first = min(candidates, key=_score)
    splits = sum(one.splits for one in candidates)
    found = Found(first.nest, objective, _said(space), splits, first.cut, first.energy)
    if objective != "energy":
        found = replace(found, bound=_objective(space, table, objective, first.nest, "analytical"))
    if evaluator == "cycle" and objective != "energy":
        others = [one for other in OBJECTIVES if other != objective for one in _all(space, other, table)]
        found = _simulated(found, space, table, [*candidates, *others])
    check(architecture, found.nest, problem)
    return found


def _score(one: Candidate) -> float:
    return one.score


def _said(space: Space) -> str:
    """The space in words."""
    runs = "".join(dict.fromkeys(space.dataflow.above + space.dataflow.run))
    cut = "cut by the outermost level" if space.tiled else "whole"
    return f"{space.dataflow.name}, as much inside the PE as fits" + (f", runs of {runs} {cut}" if runs else "")


def _simulated(found: Found, space: Space, table: EnergyTable, candidates: list[Candidate]) -> Found:
    """The best candidate by the cycle evaluator; one whose bound is no better than what is found is left out."""
    nests = list(dict.fromkeys(one.nest for one in candidates))
    bounds = [_objective(space, table, found.objective, nest, "analytical") for nest in nests]
    least, done = inf, 0
    for at in sorted(range(len(nests)), key=lambda at: bounds[at]):
        if bounds[at] >= least:
            break
        try:
            score = _objective(space, table, found.objective, nests[at], "cycle")
        except AccelsimError:
            continue  # a mapping too long to be simulated is not taken where another one is not
        done += 1
        if score < least:
            least, found = score, replace(found, nest=nests[at], bound=bounds[at])
    return replace(found, simulated=done)


def _objective(space: Space, table: EnergyTable, objective: str, nest: LoopNest, evaluator: str) -> float:
    """The objective of a mapping by an evaluator, dense."""
    from accelsim.engine import evaluate

    counts, timing = evaluate(space.machine, nest, space.problem, evaluator)
    rows = account(space.machine, counts, table, timing.cycles, space.dataflow.name)
    return objective_of(objective, float(sum(row.energy for row in rows)), timing.cycles)


def _all(space: Space, objective: str, table: EnergyTable) -> list[Candidate]:
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


def _search(space: Space, bypass: dict[int, frozenset[Tensor]], objective: str, table: EnergyTable) -> Candidate | None:
    machine, problem = space.machine, space.problem
    names = tuple((machine.levels[i].name, LevelMapping(bypass=skip)) for i, skip in sorted(bypass.items()))
    program = lowering.build(machine, LoopNest(names), problem)
    price = prices(program, table, space.dataflow.name)
    options, units, sizes, cut = _combinations(space)
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

    def bound(first: int, end: int) -> None:
        bounding.bound_all(
            units[first:end], starts[first:end], tensor, pairs.rows, totals, pairs.parts, extents, factors, limits,
            *charged, bounds,
        )  # fmt: skip

    in_slices(len(units), 1, bound)
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
    return Candidate(nest, float(score[0]), float(score[1]), float(score[2]), len(bounds), cut)


def _combinations(space: Space) -> tuple[list[list[Option]], Ints, list[int], tuple[str, ...]]:
    """Options per group; per unit (one joint inner unrolling) the range of options each group may take; what is cut."""
    inners = list(islice(space.inners(), MOST_UNITS + 1))
    cut = [f"all but the {MOST_UNITS} unrollings that use most PEs"] if len(inners) > MOST_UNITS else []
    inners = inners[:MOST_UNITS]
    most = MOST_FACTORS
    while True:
        options, units, sizes = _enumerate(space, inners, most)
        if sum(sizes) <= BUDGET or most <= 2:
            cut += [f"all but {most} factors of each dim at a level"] if most < MOST_FACTORS else []
            return options, np.array(units, np.int64).reshape(-1, 6, 2), sizes, tuple(cut)
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
