"""The best of all mappings of a machine: the optimum of its mapspace, else the best that its dataflows find."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from math import inf

from accelsim.architecture.model import Architecture
from accelsim.energy.account import account
from accelsim.energy.load import table_for
from accelsim.energy.standing import standing_rows
from accelsim.energy.table import EnergyTable
from accelsim.errors import AccelsimError, MappingError
from accelsim.mapping.dataflows.dataflow import BEST, NAMES, Dataflow
from accelsim.mapping.mapping import LoopNest
from accelsim.search.best import find
from accelsim.search.bound import WORDS, ceilings_of
from accelsim.search.found import CHOSEN_FROM, OBJECTIVES, Certificate, Found, objective_of
from accelsim.search.optimum.busy import least_busy, on_top
from accelsim.search.optimum.case import Case
from accelsim.search.optimum.clock import Clock, OutOfTimeError
from accelsim.search.optimum.conflict import conflict
from accelsim.search.optimum.constraints import FREE, NoBoundError, NothingFitsError
from accelsim.search.optimum.floor import floor_of
from accelsim.search.optimum.flow import flow_of, why_no_flow
from accelsim.search.optimum.optimum import ROUNDING, Optimum, optimum, why_not
from accelsim.search.optimum.scope import Scope
from accelsim.search.optimum.standing import waits
from accelsim.search.optimum.wanted import Wanted
from accelsim.search.proof import Proof
from accelsim.search.space import Space
from accelsim.search.within import Cost, Within
from accelsim.workload.problem import Problem

AT_ONCE = 1e-9
"""Seconds of a search that asks only whether anything fits."""
LEAST_GAP = 1e-6
"""Of energies that are added up in another order: no gap."""
SCORED = 3
"""Dataflows whose best mapping the evaluator of the run looks at, where cycles count."""
SEARCHED, SEARCHED_FIRST = 0.8, 0.4
"""Of a budget, what the search of the whole space has, for energy and where other objectives are searched too."""
Others = Callable[[bool], list[tuple[float, str, Found]]]
"""Where the optimum is certified or not: what to set beside it, (bound, whose, found), best first."""


def _timed(objective: str, proof: Proof) -> bool:
    """Whether cycles count."""
    return objective != "energy" or any(bound.objective not in ("energy", WORDS) for bound in proof.bounds)


def _clock(proof: Proof) -> Clock:
    """The time of a layer; under constraints or bounds nothing else is known to keep them."""
    return Clock(proof.budget, firm=not proof.narrows)


def find_whole(
    architecture: Architecture,
    problem: Problem,
    objective: str,
    table: EnergyTable | None,
    accounting: str | None,
    evaluator: str,
    proof: Proof,
) -> Found:
    """The optimum of the whole mapspace; parameters and errors as of `best.find`.

    The certificate is of the closed form, and of factors that divide unless others are asked for; where cycles count
    its bound is what the MACs take and how long the busiest port is busy. Dataflows try other factors too: where the
    best of theirs is lower, it is taken, and said. Where cycles count, the evaluator chooses between these and the
    optima of all objectives.
    """
    table = table or table_for(architecture, None)
    if accounting:
        table = replace(table, accounting=accounting)
    run = _Run(architecture, problem, objective, table, evaluator, proof, _clock(proof))
    reason = why_not(architecture, table, _timed(objective, proof))
    if reason:
        if proof.narrows:
            what = "constraints" if proof.constraints else "bounds"
            raise MappingError(f"{what} are kept where the whole mapspace is searched, and {reason}")
        return run.of_dataflows(reason)
    factors = "factors" if proof.imperfect else "perfect factors"
    space = f"{BEST}: every chain of {factors}, order and placement"
    return run.proved(Scope(proof.imperfect), space, lambda _: run.finds[: 1 if objective == "energy" else SCORED])


def find_exact(
    architecture: Architecture,
    problem: Problem,
    dataflow: Dataflow,
    objective: str,
    table: EnergyTable,
    evaluator: str,
    proof: Proof,
) -> Found:
    """The optimum of a dataflow's space, nothing left out; parameters and errors as of `best.find`.

    Where the mapspace cannot be searched to its end, what `find` finds otherwise; that nothing is proved is said.
    """
    run = _Run(architecture, problem, objective, table, evaluator, proof, _clock(proof))
    Space(architecture, problem, dataflow).require()
    reason = why_not(architecture, table, _timed(objective, proof)) or why_no_flow(architecture, problem, dataflow)
    as_ever = partial(find, architecture, problem, dataflow, objective, table, table.accounting or None, evaluator)

    def others(certified: bool) -> list[tuple[float, str, Found]]:
        """What `find` finds, where the proof was not finished, or where ports count too."""
        if certified and objective == "energy":
            return []
        try:
            found = as_ever()
        except AccelsimError:
            return []
        return [(found.bound, f"{dataflow.name} as it is searched without a proof", found)]

    if not reason:
        space = f"{dataflow.name}: every chain of factors, order and unrolling of the array"
        try:
            try:
                return run.proved(Scope(flow=flow_of(architecture, problem, dataflow)), space, others)
            except NothingFitsError:
                if not dataflow.whole:
                    raise
            # larger than the array or what is in a PE: cut, as `find` does
            cut = replace(dataflow, whole=())
            return run.proved(Scope(flow=flow_of(architecture, problem, cut)), space, others)
        except NoBoundError as error:
            reason = str(error)
    if proof.narrows:
        what = "constraints" if proof.constraints else "bounds"
        raise MappingError(f"{what} are kept where a mapspace is searched to its end, and {reason}")
    found = as_ever()
    return replace(found, space=f"{found.space}; not certified: {reason}")


def scope_of(machine: Architecture, problem: Problem, dataflow: Dataflow | None, proof: Proof) -> Scope:
    """What a search with a certificate looks at; dataflow : None: all mappings."""
    constraints = proof.constraints.on(machine) if proof.constraints else FREE
    if dataflow is None:
        return Scope(proof.imperfect, constraints=constraints)
    scope = Scope(flow=flow_of(machine, problem, dataflow), constraints=constraints)
    if dataflow.whole:
        try:
            optimum(machine, problem, budget=AT_ONCE, scope=scope)
        except NothingFitsError:  # cut, as `find_exact` does
            return replace(scope, flow=flow_of(machine, problem, replace(dataflow, whole=())))
    return scope


@dataclass(frozen=True)
class _Run:
    machine: Architecture
    problem: Problem
    objective: str
    table: EnergyTable
    evaluator: str
    proof: Proof
    clock: Clock
    _costs: dict[LoopNest, Cost] = field(default_factory=dict)

    def proved(self, scope: Scope, space: str, others: Others) -> Found:
        """The optimum of a scope under the constraints and bounds, or without any what is lower of `others`.

        space : the scope in words.
        """
        wanted = self.proof.constraints
        if wanted:
            scope = self._bound(scope, wanted)
        within = self._within(scope) if self.proof.bounds else None
        free, name = self._free(scope, others)
        best = self._under(within, free) if within else free
        if within:
            scope = within.scope
        under = " under constraints" * bool(wanted) + " within bounds" * bool(within)
        optima = self._others(scope, best)
        nests = {one.nest: "" for one in optima.values()}
        if not (wanted or self.clock.late):
            nests |= {one.nest: name for _, name, one in others(best.certified) if one.nest not in nests}
        scores = {best.nest: self.score(best.nest)}
        for nest in nests:
            if nest not in scores and not self.clock.late:
                scores[nest] = self.score(nest)
        if within:
            scores, bound = self._kept(within, best, scores)
            best = replace(best, bound=bound)
        nest = min(scores, key=scores.__getitem__)
        divide = "" if scope.imperfect or scope.flow else ", with factors that do not divide"
        lower = f"; lower still{divide}: {nests[nest]}" if nests.get(nest) else ""
        found = Found(
            nest, self.objective, space + under + name + lower, best.tried, (), min(best.score, scores[nest]),
            certificate=Certificate(best.size, best.nodes, best.bound, best.gap),
            held=within.held(nest, free) if within else (),
        )  # fmt: skip
        if self.objective != "energy":
            return self._timed(found, scope, best, optima, scores)
        # what keeps the bounds by the evaluator may take more than what does by energy and MACs alone
        gap = scores[nest] / best.bound - 1
        if not within and 0 <= gap < best.gap:
            return replace(found, certificate=Certificate(best.size, best.nodes, best.bound, gap))
        if within and gap > max(best.gap, LEAST_GAP):
            proved = Certificate(best.size, best.nodes, best.bound, gap)
            found = replace(found, bound=scores[nest], simulated=len(scores), certificate=proved)
        return found

    def _timed(
        self, found: Found, scope: Scope, best: Optimum, optima: dict[str, Optimum], scores: dict[LoopNest, float]
    ) -> Found:
        """With the certificate where cycles count: no mapping has fewer than its MACs take, or than a port is busy."""
        busy = 0.0
        with suppress(OutOfTimeError):
            busy = least_busy(self.machine, self.problem, self.table, scope, replace(self.clock, firm=True))
        cheapest = optima["energy"].bound if "energy" in optima else 0.0
        least = max(best.bound, busy if self.objective == "cycles" else objective_of(self.objective, cheapest, busy))
        gap = max(scores[found.nest] / least - 1, 0.0)
        proved = Certificate(best.size, best.nodes, least, gap if gap > ROUNDING else 0.0)
        return replace(found, bound=scores[found.nest], simulated=len(scores), certificate=proved)

    def _within(self, scope: Scope) -> Within:
        """The bounds of the run on this machine."""
        ceilings = ceilings_of(self.proof.bounds, self.machine, self.table, self.objective)
        scope = replace(scope, ceilings=ceilings)
        return Within(
            scope, self.proof.bounds, self.objective, self.table.unit, self._optimum, self.cost, self.clock,
            lambda nest: waits(Case(self.machine, self.problem, self.table), nest),
            partial(on_top, self.machine, self.problem),
        )  # fmt: skip

    def _free(self, scope: Scope, others: Others) -> tuple[Optimum, str]:
        """`_first`, where nothing bounds it but constraints; which of these none meets is said."""
        wanted = self.proof.constraints
        try:
            return self._first(scope, others)
        except NothingFitsError:
            if wanted is None or not self._meets(scope, wanted.only(())):
                raise
            raise conflict(wanted, partial(self._meets, scope)) from None

    def _under(self, within: Within, free: Optimum) -> Optimum:
        """The optimum within bounds: that without them where it keeps them, and is proved."""
        ceilings = within.scope.ceilings
        words = within.cost(free.nest)[2] if ceilings.words < inf else 0.0
        if free.certified and free.cycles and not ceilings.broken(free.energy, free.cycles, words):
            return free
        try:
            return self._optimum(within.scope, self.objective, self.clock)
        except NothingFitsError:
            raise within.impossible() from None

    def _kept(
        self, within: Within, best: Optimum, scores: dict[LoopNest, float]
    ) -> tuple[dict[LoopNest, float], float]:
        """The scores of mappings that keep the bounds by the evaluator, and what none of them is below.

        Where the optimum by energy and MACs does not keep them, others are looked for.
        """
        bound = best.bound
        if not within.keeps(best.nest):
            others, bound = within.candidates(best)
            scores = scores | {nest: self.score(nest) for nest in others}
        kept = {nest: score for nest, score in scores.items() if within.keeps(nest)}
        if not kept:
            raise within.unmet(best, list(scores))
        return kept, bound

    def _first(self, scope: Scope, others: Others) -> tuple[Optimum, str]:
        """The optimum; or, where time was up before any mapping was found, the best of `others`, and words for that."""
        first = self.objective == "energy" and not self.proof.bounds
        clock = self.clock.within(SEARCHED if first else SEARCHED_FIRST)
        try:
            return self._optimum(scope, self.objective, clock), ""
        except OutOfTimeError as late:
            known = others(False)
            if not known:
                return self._optimum(scope, self.objective, replace(clock, firm=False)), ""
            score, name, found = known[0]
            size = late.size
        bound = floor_of(self.machine, self.problem, self.table, found.nest, OBJECTIVES.index(self.objective))
        best = Optimum(found.nest, self.objective, score, score, min(bound, score), size, 0, 0, 0, self.clock.seconds)
        return best, f"; time was up before any was found, and this is of {name}"

    def _others(self, scope: Scope, best: Optimum) -> dict[str, Optimum]:
        """By objective, the optima that the evaluator chooses from, as far as time allows; of energy that one alone."""
        optima = {self.objective: best}
        # what stands costs energy in every cycle, of which a search for energy knows the fewest
        several = self.objective != "energy" or (not best.certified and any(standing_rows(self.machine, self.table, 1)))
        left = [name for name in CHOSEN_FROM if name != self.objective] if several else []
        for index, name in enumerate(left):
            if not self.clock.late:
                with suppress(OutOfTimeError, MappingError):
                    optima[name] = self._optimum(scope, name, self.clock.within(1 / (len(left) + 1 - index)))
        return optima

    def _optimum(self, scope: Scope, objective: str, clock: Clock | float) -> Optimum:
        return optimum(self.machine, self.problem, objective, self.table, clock, scope)

    def _bound(self, scope: Scope, wanted: Wanted) -> Scope:
        """A scope under constraints; a dataflow fixes which loops are innermost where it names any."""
        constraints = wanted.on(self.machine)
        for level in scope.flow.innermost if scope.flow else ():
            if level in constraints.innermost:
                assert scope.flow is not None
                name = self.machine.levels[level].name
                dims = " ".join(scope.flow.innermost[level])
                item = wanted.said(("innermost", name))
                raise MappingError(f"{item}: '{scope.flow.name}' has {dims} innermost there")
        return replace(scope, constraints=constraints)

    def _meets(self, scope: Scope, wanted: Wanted) -> bool:
        """Whether any mapping of a scope keeps some constraints."""
        try:
            self._optimum(self._bound(scope, wanted), "energy", AT_ONCE)
        except NothingFitsError:
            return False
        return True

    def score(self, nest: LoopNest) -> float:
        """The objective of a mapping by the evaluator, dense."""
        return objective_of(self.objective, *self.cost(nest))

    def cost(self, nest: LoopNest) -> Cost:
        """Energy, cycles and outermost words of a mapping by the evaluator, dense; untimed by the closed form."""
        if nest not in self._costs:
            from accelsim.engine import evaluate

            untimed = {self.objective, *(one.objective for one in self.proof.bounds)} <= {"energy", WORDS}
            counts, timing = evaluate(self.machine, nest, self.problem, "analytical" if untimed else self.evaluator)
            rows = account(self.machine, counts, self.table, timing.cycles, BEST, nest)
            energy, words = float(sum(row.energy for row in rows)), float(counts.words[0].sum())
            self._costs[nest] = energy, float(timing.cycles), words
        return self._costs[nest]

    @cached_property
    def finds(self) -> list[tuple[float, str, Found]]:
        """The best mapping of every built-in dataflow that this machine can run, by the closed form, best first.

        Once time is up, of those that were looked at by then, the machine's own the first, and of one at least.
        """
        out: list[tuple[float, str, Found]] = []
        for name in sorted(NAMES, key=lambda name: name != self.machine.dataflow):
            if out and self.clock.late:
                break
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
