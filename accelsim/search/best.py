"""Find the best mapping of a dataflow's space, and say of what space, what was cut, and what it comes to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations as subsets
from math import inf
from pathlib import Path
from typing import Any

from accelsim.architecture.model import Architecture
from accelsim.energy.account import account
from accelsim.energy.load import table_for
from accelsim.energy.table import EnergyTable
from accelsim.errors import AccelsimError, MappingError, nearest
from accelsim.mapping.dataflows.dataflow import Dataflow, load
from accelsim.mapping.mapping import LoopNest, check
from accelsim.search.branch import OBJECTIVES, Branch, Candidate, Walk
from accelsim.search.space import WIDEST, Inner, Space, Split
from accelsim.workload.problem import DIMS, Problem, Tensor

Skips = tuple[tuple[int, frozenset[Tensor]], ...]
AGAIN = 8
"""Mappings of the least bounds that the cycle evaluator scores, where cycles count."""
OTHERS = 2
"""Beside them, of the best under each other objective: a bound of the cycles may leave out what they pay for."""


@dataclass(frozen=True)
class Found:
    """The best mapping, and best of what.

    splits : in the space, whether they fit or not, each tried in every order of its free loops. looked_at : bounded one
    by one; the others many at a time. cut : what of the space was not tried, in words; empty: nothing.
    bound : the objective by the closed form (cycles: a lower bound); score : as the layer was evaluated.
    simulated : mappings the cycle evaluator chose from.
    """

    nest: LoopNest
    objective: str
    space: str
    splits: int
    looked_at: int
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
            "looked_at": self.looked_at,
            "cut": list(self.cut),
            "bound": self.bound,
            "score": self.score,
            "simulated": self.simulated,
        }

    def describe(self) -> str:
        """One line."""
        cut = "; ".join(self.cut) or "nothing cut"
        score = "" if self.score is None else f", as run {self.score:.6g}"
        again = f", the best of {self.simulated} simulated" if self.simulated else ""
        form = f"{self.objective} by the closed form, dense, {self.bound:.6g}"
        return f"best of {self.splits:,} splits in every order, {cut}; {form}{score}{again}"


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
    evaluator : 'cycle' has the mappings of the least bounds simulated, dense, and the best of them taken, where cycles
        count.

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
    account_alone = bool(table.accounting)  # it asks what a dataflow can do, however few PEs work
    space = Space(architecture, problem, flow, tiled=not account_alone, narrow=account_alone)
    space.require()
    again = evaluator == "cycle" and objective != "energy"
    walk = _walk(space, objective, table, AGAIN if again else 1)
    if not walk.best:
        space = replace(space, narrow=True)
        walk = _walk(space, objective, table, AGAIN if again else 1)
    if not walk.best:
        raise MappingError(_why_nothing(space))
    first = walk.best[0]
    cut = tuple(_cut(space, walk))
    found = Found(first.nest, objective, _said(space), walk.splits, walk.looked_at, cut, first.energy)
    if again:
        others = [_walk(space, other, table, OTHERS).best for other in OBJECTIVES if other != objective]
        found = _simulated(found, space, table, [*walk.best, *(one for some in others for one in some)])
    elif objective != "energy":
        found = replace(found, bound=_objective(space, table, objective, first.nest, "analytical")[0])
    check(architecture, found.nest, problem)
    return found


def _walk(space: Space, objective: str, table: EnergyTable, keep: int) -> Walk:
    """Over all that may pass by a buffer."""
    whole = Walk((), 0, 0)
    for skips in _bypasses(space, bool(table.accounting)):
        below = whole.best[-1].score if len(whole.best) == keep else inf
        walk = Branch(replace(space, skips=skips), objective, table).walk(keep, below)
        whole = Walk(
            tuple(sorted((*whole.best, *walk.best), key=_score)[:keep]),
            whole.splits + walk.splits,
            whole.looked_at + walk.looked_at,
            whole.unrollings + walk.unrollings,
            whole.left + walk.left,
            min(whole.least, walk.least),
        )
    return whole


def _score(one: Candidate) -> float:
    return one.score


def _said(space: Space) -> str:
    """The space in words."""
    flow = space.dataflow
    wide = "" if space.narrow else f", unrollings of at least {1 / WIDEST:.0%} of the PEs of the widest"
    runs = "".join(dict.fromkeys(flow.above + flow.run))
    cuts = f", runs of {runs} whole or cut by the outermost level" if runs and space.tiled else ""
    return f"{flow.name}{wide}{cuts}"


def _cut(space: Space, walk: Walk) -> Iterator[str]:
    if space.most:
        yield f"{space.most} factors of each dim at each level"
    if walk.left:
        yield f"{walk.left:,} of {walk.unrollings:,} unrollings not split (none can come below {walk.least:.6g})"


def _simulated(found: Found, space: Space, table: EnergyTable, candidates: list[Candidate]) -> Found:
    """The best candidate by the cycle evaluator; one whose bound is no better than what is found is left out."""
    nests = list(dict.fromkeys(one.nest for one in candidates))
    bounds = [_objective(space, table, found.objective, nest, "analytical")[0] for nest in nests]
    found, least, done = replace(found, bound=bounds[0]), (inf, inf), 0
    for at in sorted(range(len(nests)), key=lambda at: bounds[at]):
        if bounds[at] >= least[0]:
            break
        try:
            score = _objective(space, table, found.objective, nests[at], "cycle")
        except AccelsimError:
            continue  # a mapping too long to be simulated is not taken where another one is not
        done += 1
        if score < least:
            least, found = score, replace(found, nest=nests[at], bound=bounds[at])
    return replace(found, simulated=done)


def _objective(space: Space, table: EnergyTable, objective: str, nest: LoopNest, evaluator: str) -> tuple[float, float]:
    """(the objective, energy) of a mapping by an evaluator, dense."""
    from accelsim.engine import evaluate

    counts, timing = evaluate(space.machine, nest, space.problem, evaluator)
    rows = account(space.machine, counts, table, timing.cycles, space.dataflow.name)
    energy = float(sum(row.energy for row in rows))
    return objective_of(objective, energy, timing.cycles), energy


def _bypasses(space: Space, buffers_too: bool) -> list[Skips]:
    """What passes by each level: inside the PE whatever the dataflow does not keep there."""
    levels = space.machine.levels
    inside = {
        i: levels[i].keeps - space.dataflow.keeps
        for i in range(max(1, space.machine.pe_level), len(levels))
        if levels[i].keeps - space.dataflow.keeps
    }
    out = []
    for level in space.free[1:] if buffers_too else ():
        candidates = sorted(levels[level].keeps & space.dataflow.skips)
        for n in range(len(candidates) + 1):
            for skipped in subsets(candidates, n):
                out.append({**inside, **({level: frozenset(skipped)} if skipped else {})})
    return [tuple(sorted(skips.items())) for skips in out or [inside]]


def _why_nothing(space: Space) -> str:
    """The smallest demand of this dataflow's space at each level that cannot meet it."""
    from accelsim.mapping.mapping import capacity_overflows, describe

    flow, machine = space.dataflow, space.machine
    head = f"no mapping of dataflow '{flow.name}' fits '{machine.name}'"
    smallest = {d: Split(Inner(), (space.problem[d], *([1] * space.array))) for d in DIMS}
    for dim in DIMS:
        pe = space.problem[dim] if dim in flow.whole and dim in flow.pe else 1
        y = min(space.problem[dim], machine.levels[space.array].fanout.y) if dim in flow.whole and dim in space.y else 1
        whole = not space.tiled and dim in flow.above + flow.run
        smallest[dim] = space.least(dim, Inner(y=y, pe=pe, run=-(-space.problem[dim] // (y * pe)) if whole else 0))[0]
    order = [list(range(6)) for _ in machine.levels]
    nest = LoopNest(replace(space, skips=_bypasses(space, False)[0]).nest_levels(smallest, order))
    overflows = capacity_overflows(machine, nest, space.problem, [d for d in flow.pe if d in flow.whole])
    if overflows:
        return f"{head}: " + "; ".join(map(describe, overflows))
    return f"{head}: the array is {machine.levels[space.array].fanout.y} x {machine.levels[space.array].fanout.x}"
