"""Find the best mapping of a layer in a dataflow's space."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache, cached_property, partial
from itertools import combinations as subsets
from itertools import islice
from math import inf
from pathlib import Path

from accelsim.architecture.model import Architecture
from accelsim.energy.account import account
from accelsim.energy.load import table_for
from accelsim.energy.table import EnergyTable
from accelsim.errors import AccelsimError, MappingError, nearest
from accelsim.mapping.dataflows.dataflow import BEST, Dataflow, load
from accelsim.mapping.mapping import LoopNest, check
from accelsim.search.found import CHOSEN_FROM, OBJECTIVES, Candidate, Found, closed_form_chooses, objective_of
from accelsim.search.moves import Combinations, Moves, whole
from accelsim.search.narrowed import most_saved
from accelsim.search.nested import NARROWEST
from accelsim.search.proof import NONE, Proof
from accelsim.search.scoring import Bypass, Scorer
from accelsim.search.space import Space, with_slices
from accelsim.search.split import Inner, Split
from accelsim.search.spread import Spreads
from accelsim.workload.problem import LOOP_DIMS, Problem

Scoring = Callable[[LoopNest], float]
"""The objective of a mapping by some evaluator."""
RESCORED, SIMULATED = 128, 16
"""Most mappings that the whole closed form and, where cycles count, the cycle evaluator choose from."""
SAME = 1e-9
"""What a mapping must be better by, of the score: rounding is no find."""


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
    proof: Proof = NONE,
) -> Found:
    """The best mapping of a layer in a dataflow's space, and how it was found.

    Parameters
    ----------
    objective : 'energy', 'cycles' (a lower bound on them), 'edp' (their product) or 'ed2p' (with the cycles' square);
        ties go to the other one.
    accounting : 'isca16' also lets what the dataflow `skips` pass by the buffers above the array, as that account does.
    evaluator : 'cycle' has the best mappings under every objective simulated, dense, and the best of them taken, where
        cycles count.
    proof : what is to be proved; of the dataflow 'best' always the optimum of the whole mapspace.

    Raises
    ------
    MappingError : nothing in the space fits; says what each level would need.
    AccelsimError : unknown name.
    """
    if objective not in OBJECTIVES:
        raise AccelsimError(f"unknown objective '{objective}'{nearest(objective, OBJECTIVES)}")
    if dataflow == BEST:
        from accelsim.search.whole import find_whole

        return find_whole(architecture, problem, objective, table, accounting, evaluator, proof)
    flow = with_slices(dataflow if isinstance(dataflow, Dataflow) else load(dataflow), problem)
    table = table or table_for(architecture, None)
    if accounting:
        table = replace(table, accounting=accounting)
    if proof.of_flows:
        from accelsim.search.whole import find_exact

        return find_exact(architecture, problem, flow, objective, table, evaluator, proof)
    space = Space(architecture, problem, flow)
    space.require()
    # a small buffer right above the array may want the runs below it cut; a global buffer only around a find
    tiled = space.array not in space.free and _may_cut_runs(space, table)
    search = _Search(replace(space, tiled=tiled), table)
    candidates = search.candidates(objective)
    if not candidates and not tiled and not table.accounting:
        search = _Search(replace(space, tiled=True), table)
        candidates = search.candidates(objective)
    if not candidates and flow.whole and not table.accounting:
        # larger than the array or what is in a PE: cut, and its parts added up like any other loop's
        space = replace(space, dataflow=replace(flow, whole=()))
        search = _Search(replace(space, tiled=True), table)
        candidates = search.candidates(objective)
    if not candidates:
        raise MappingError(_why_nothing(Space(architecture, problem, flow)))
    if problem.runs:
        # planes that are held whole are counted in full only by the check of a mapping
        candidates = [one for one in candidates if _runs(architecture, one.nest, problem)] or candidates
    first = min(candidates, key=_score)
    tried = sum(one.tried for one in candidates)
    found = Found(first.nest, objective, search.said, tried, search.combinations.cut, first.energy)
    if closed_form_chooses(architecture, objective):
        closed_form = cache(partial(_objective, space, table, objective, evaluator="analytical"))
        # where sums are narrowed cycles fall too, by what nothing bounds
        bounded = objective == "energy" or not architecture.narrows
        saved = most_saved(architecture, problem, table) if bounded else inf
        found = _rescored(found, closed_form, candidates, saved)
        if objective != "energy" and evaluator == "cycle":
            others = [one for other in CHOSEN_FROM if other != objective for one in search.candidates(other)]
            simulated = partial(_objective, space, table, objective, evaluator="cycle")
            found = _simulated(found, closed_form, simulated, [*candidates, *others])
    check(architecture, found.nest, problem)
    return found


def _runs(architecture: Architecture, nest: LoopNest, problem: Problem) -> bool:
    try:
        check(architecture, nest, problem)
    except MappingError:
        return False
    return True


def _score(one: Candidate) -> float:
    return one.score


def _rescored(found: Found, closed_form: Scoring, candidates: list[Candidate], saved: float) -> Found:
    """The best candidate by the whole closed form; saved : how much less than what a search says that is at most.

    Why it may differ from what the search says: `found.closed_form_chooses`.
    """
    least, nest = inf, found.nest
    for one in islice(sorted(candidates, key=_score), RESCORED):
        if one.score - saved >= least * (1 - SAME):
            break
        score = closed_form(one.nest)
        if score < least:
            least, nest = score, one.nest
    return replace(found, nest=nest, bound=least)


def _simulated(found: Found, closed_form: Scoring, simulated: Scoring, candidates: list[Candidate]) -> Found:
    """The best candidate by the cycle evaluator; one whose bound is no better than what is found is left out.

    Of mappings with like bounds on their cycles the one that moves least stalls least, so that comes first.
    """

    def promise(one: Candidate) -> float:
        return closed_form(one.nest) * (one.energy if found.objective == "cycles" else 1.0)

    nests = dict.fromkeys(one.nest for one in sorted(candidates, key=promise))
    least, done, bound = inf, 0, found.bound
    for nest in islice(nests, SIMULATED):
        if closed_form(nest) >= least:
            continue
        try:
            score = simulated(nest)
        except AccelsimError:
            continue  # a mapping too long to be simulated is not taken where another one is not
        done += 1
        if score < least:
            least, found = score, replace(found, nest=nest, bound=closed_form(nest))
        if least <= bound:
            break
    return replace(found, simulated=done)


def _objective(space: Space, table: EnergyTable, objective: str, nest: LoopNest, evaluator: str) -> float:
    """The objective of a mapping by an evaluator, dense."""
    from accelsim.engine import evaluate

    counts, timing = evaluate(space.machine, nest, space.problem, evaluator)
    if objective == "cycles":
        return float(timing.cycles)
    rows = account(space.machine, counts, table, timing.cycles, space.dataflow.name, nest)
    return objective_of(objective, float(sum(row.energy for row in rows)), timing.cycles)


class _Search:
    """A space and what is looked at in it, whatever the objective."""

    def __init__(self, space: Space, table: EnergyTable) -> None:
        self.space, self.table = space, table

    @cached_property
    def combinations(self) -> Combinations:
        """What is bounded first."""
        return whole(self.space)

    @cached_property
    def moves(self) -> Moves:
        """What is tried then."""
        return Moves(self.space, self._freed, self.combinations)

    @property
    def _freed(self) -> bool:
        """Whether runs that are whole at first may be cut around a find: a global buffer lies above the array."""
        space = self.space
        return not space.tiled and 0 < space.array in space.free and _may_cut_runs(space, self.table)

    @property
    def said(self) -> str:
        """The space in words."""
        flow = self.space.dataflow
        runs = "".join(dict.fromkeys(flow.above + flow.run))
        cut = "cut by the outermost level" if self.space.tiled else "whole"
        freed = ", then cut" if self._freed else ""
        less = ", then less" if set(flow.pe) - set(flow.whole) else ""
        nested = f", within {NARROWEST} times the fewest passes" if self.space.outer else ""
        inside = f"as much inside the PE as fits{less}{nested}"
        return f"{flow.name}, {inside}" + (f", runs of {runs} {cut}{freed}" if runs else "")

    def candidates(self, objective: str) -> list[Candidate]:
        """The best of every way to pass by the buffers, then what is found around the best of these."""
        found, best, by = list[Candidate](), None, None
        for bypass in _bypasses(self.space, bool(self.table.accounting)):
            scorer = Scorer(self.space, bypass, objective, self.table)
            some = scorer.best_of(self.space, self.combinations)
            found += some
            if some and (best is None or some[0].score < best.score):
                best, by = some[0], scorer
        if best is not None and by is not None:
            found += self._around(best, by)
        return found

    def _around(self, best: Candidate, scorer: Scorer) -> list[Candidate]:
        """What is found around the best, until no move finds anything better."""
        found, waiting = list[Candidate](), list(self.moves.first)
        while waiting:
            move = waiting.pop(0)
            better = scorer.best_of(self.moves.space, move(best.splits), best.score * (1 - SAME))
            if better:
                best = better[0]
                found += better
                waiting = list(self.moves.after[move])
        return found


def _may_cut_runs(space: Space, table: EnergyTable) -> bool:
    """Not those an account takes to be whole, nor those that fill the accumulators."""
    return not table.accounting and not space.dataflow.fill


def _bypasses(space: Space, buffers_too: bool) -> list[Bypass]:
    """What passes by each level: inside the PE whatever the dataflow does not keep there."""
    levels, inside = space.machine.levels, space.passing
    if not buffers_too:
        return [inside]
    out = []
    for level in space.free[1:]:
        candidates = sorted(levels[level].keeps & space.dataflow.skips)
        for n in range(len(candidates) + 1):
            for skipped in subsets(candidates, n):
                out.append({**inside, **({level: frozenset(skipped)} if skipped else {})})
    return out or [inside]


def _why_nothing(space: Space) -> str:
    """The smallest demand of this dataflow's space at each level that cannot meet it."""
    from accelsim.mapping.mapping import capacity_overflows, describe

    flow, machine = space.dataflow, space.machine
    head = f"no mapping of dataflow '{flow.name}' fits '{machine.name}'"
    smallest = {d: Split(Inner(), (space.problem[d], *([1] * space.array))) for d in LOOP_DIMS}
    for dim in LOOP_DIMS:
        pe = space.problem[dim] if dim in flow.whole and dim in flow.pe else 1
        y = min(space.problem[dim], machine.levels[space.array].fanout.y) if dim in flow.whole and dim in flow.y else 1
        smallest[dim] = Spreads(space).all(dim, Inner(y=y, pe=pe), 2)[0]
    order = [list(range(6)) for _ in machine.levels]
    nest = LoopNest(space.nest_levels(smallest, order, _bypasses(space, False)[0]))
    overflows = capacity_overflows(machine, nest, space.problem, [d for d in flow.pe if d in flow.whole])
    if overflows:
        return f"{head}: " + "; ".join(map(describe, overflows))
    return f"{head}: the array is {machine.levels[space.array].fanout.y} x {machine.levels[space.array].fanout.x}"
