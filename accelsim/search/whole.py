"""The best of all mappings of a machine: the optimum of its mapspace, else the best that its dataflows find."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from accelsim.architecture.model import Architecture
from accelsim.energy.account import account
from accelsim.energy.load import table_for
from accelsim.energy.table import EnergyTable
from accelsim.errors import AccelsimError, MappingError
from accelsim.mapping.dataflows.dataflow import BEST, NAMES
from accelsim.mapping.mapping import LoopNest
from accelsim.search.best import find
from accelsim.search.found import OBJECTIVES, Certificate, Found, objective_of
from accelsim.search.optimum.optimum import ROUNDING, least_busy, optimum, why_not
from accelsim.workload.problem import Problem

SCORED = 3
"""Dataflows whose best mapping the evaluator of the run looks at, where cycles count."""


def find_whole(
    architecture: Architecture,
    problem: Problem,
    objective: str,
    table: EnergyTable | None,
    accounting: str | None,
    evaluator: str,
    budget: float | None,
) -> Found:
    """The optimum of the whole mapspace; parameters and errors as of `best.find`.

    The certificate is of the closed form, and of factors that divide; where cycles count its bound is what the MACs
    take and how long the busiest port is busy. Dataflows try other factors too: where the best of theirs is lower, it
    is taken, and said. Where cycles count, the evaluator chooses between these and the optima of all objectives.
    """
    table = table or table_for(architecture, None)
    if accounting:
        table = replace(table, accounting=accounting)
    run = _Run(architecture, problem, objective, table, evaluator)
    reason = why_not(architecture, table)
    if reason:
        return run.of_dataflows(reason)
    best = optimum(architecture, problem, objective, table, budget)
    found = Found(
        best.nest, objective, f"{BEST}: every chain of perfect factors, order and placement", best.tried, (),
        best.score, certificate=Certificate(best.size, best.nodes, best.bound, best.gap),
    )  # fmt: skip
    nests, cheapest = {best.nest: ""}, best
    if objective != "energy":
        optima = {o: optimum(architecture, problem, o, table, budget) for o in OBJECTIVES if o != objective}
        nests |= {one.nest: "" for one in optima.values()}
        cheapest = optima["energy"]
    nests |= {one.nest: name for _, name, one in run.finds[: 1 if objective == "energy" else SCORED]}
    scores = {nest: run.score(nest) for nest in nests}
    nest = min(scores, key=scores.__getitem__)
    lower = f"; lower still, with factors that do not divide: {nests[nest]}" if nests[nest] else ""
    found = replace(found, nest=nest, space=f"{found.space}{lower}", bound=min(found.bound, scores[nest]))
    if objective == "energy":
        return found
    # no mapping has fewer cycles than its MACs take, or than some port is busy
    busy = least_busy(architecture, problem, table)
    least = max(best.bound, busy if objective == "cycles" else cheapest.bound * busy)
    gap = max(scores[nest] / least - 1, 0.0)
    proved = Certificate(best.size, best.nodes, least, gap if gap > ROUNDING else 0.0)
    return replace(found, bound=scores[nest], simulated=len(scores), certificate=proved)


@dataclass(frozen=True)
class _Run:
    machine: Architecture
    problem: Problem
    objective: str
    table: EnergyTable
    evaluator: str

    def score(self, nest: LoopNest) -> float:
        """The objective of a mapping by the evaluator, dense."""
        from accelsim.engine import evaluate

        evaluator = "analytical" if self.objective == "energy" else self.evaluator
        counts, timing = evaluate(self.machine, nest, self.problem, evaluator)
        rows = account(self.machine, counts, self.table, timing.cycles, BEST, nest)
        return objective_of(self.objective, float(sum(row.energy for row in rows)), timing.cycles)

    @cached_property
    def finds(self) -> list[tuple[float, str, Found]]:
        """The best mapping of every built-in dataflow that this machine can run, by the closed form, best first."""
        out = []
        for name in NAMES:
            try:
                accounting = self.table.accounting or None
                found = find(self.machine, self.problem, name, self.objective, self.table, accounting)
            except AccelsimError:
                continue
            out.append((found.bound, name, found))
        return sorted(out, key=lambda one: one[:2])

    def of_dataflows(self, reason: str) -> Found:
        """The best that any of them finds, where the whole mapspace has no bound; it says so."""
        if not self.finds:
            raise MappingError(f"no built-in dataflow maps this layer on '{self.machine.name}', and {reason}")
        some = self.finds[: 1 if self.objective == "energy" else SCORED]
        found = min((one for _, _, one in some), key=lambda one: self.score(one.nest))
        space = f"{BEST} of {len(self.finds)} dataflows, not of the whole mapspace: {reason}; {found.space}"
        return replace(found, space=space)
