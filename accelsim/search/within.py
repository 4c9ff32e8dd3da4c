"""An objective under bounds of others: a mapping that the evaluator finds within them, and what each bound costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from math import inf

from accelsim.errors import MappingError
from accelsim.mapping.mapping import LoopNest
from accelsim.search.bound import WORDS, Bound
from accelsim.search.found import Held, objective_of
from accelsim.search.optimum.ceilings import OPEN, Ceilings
from accelsim.search.optimum.clock import Clock, OutOfTimeError
from accelsim.search.optimum.constraints import NothingFitsError
from accelsim.search.optimum.optimum import Optimum
from accelsim.search.optimum.placements import Toll
from accelsim.search.optimum.scope import Scope

Searching = Callable[[Scope, str, Clock], Optimum]
"""The optimum of a scope by an objective, within a time."""
Cost = tuple[float, float, float]
"""Energy, cycles and words of the outermost level of a mapping by the evaluator."""
BELOW = 1e-6
"""Share that what is to be lower lies below what it was: more than sums in another order differ by."""
STEEP = 4.0
"""Times its energy, what all cycles within the bounds cost where the port is to be busy as little as it can be."""
TRIES = 32
"""Most mappings that are looked at for one that the evaluator finds within its bounds."""


@dataclass(frozen=True)
class Within:
    """The search of one layer under bounds.

    scope : with its ceilings; bounds : what they were asked as; unit : of energy; search : see `Searching`; cost : of a
    mapping by the evaluator. clock : of the layer. waits, on_top : see `busy`, of a mapping and of a load.
    """

    scope: Scope
    bounds: tuple[Bound, ...]
    objective: str
    unit: str
    search: Searching
    cost: Callable[[LoopNest], Cost]
    clock: Clock
    waits: Callable[[LoopNest], dict[str, float]]
    on_top: Callable[[str], float]

    def keeps(self, nest: LoopNest) -> bool:
        """Whether a mapping keeps all bounds, as the evaluator finds it."""
        return not self.scope.ceilings.broken(*self.cost(nest))

    def candidates(self, best: Optimum) -> tuple[list[LoopNest], float]:
        """Mappings that may keep the bounds by the evaluator too, where the optimum by energy and MACs does not.

        Ports take time that MACs do not: ever fewer cycles of MACs are asked for, or ever less energy, and a toll is
        taken of what a mapping waits for the longest. Returns what no mapping within the bounds has less of, too.
        """
        found, bound, least = list[LoopNest](), best.bound, inf
        if self.objective == "energy" and "cycles" in self.scope.ceilings.given:
            with suppress(NothingFitsError, OutOfTimeError):
                bound = self._tolled(best, found)
            least = min((self._score(nest) for nest in found if self.keeps(nest)), default=inf)
        for name in (name for name in ("cycles", "energy") if name != self.objective):
            for one in self._ever_less(best, name):
                # what has less of the one has more of the objective
                if self.clock.late or len(found) >= TRIES or one.score >= least:
                    break
                found.append(one.nest)
                if self.keeps(one.nest):
                    break
        return found, bound

    def _tolled(self, best: Optimum, found: list[LoopNest]) -> float:
        """Fill in mappings that are best where a cycle of what is waited for costs so much energy; returns a bound.

        No mapping within the bounds waits longer than its cycles, less those that come on top: so it has at least the
        least energy with any toll, less the toll of all these cycles (Lagrange's dual). Tolls are those at which the
        best mapping found that takes too long costs what the best one does that does not. The bound is of mappings
        with as few cycles of MACs as the one given.
        """
        under = self._under(Ceilings(cycles=best.cycles, words=self.scope.ceilings.words))
        ports, bound, keeps = tuple[str, ...](), best.bound, False
        worst, one = self._longest(best.nest), best
        while worst not in ports and not keeps and len(found) < TRIES and not self.clock.late:
            ports = (*ports, worst)
            most = sum(self.scope.ceilings.cycles - self.on_top(port) for port in ports)
            price = STEEP * best.energy / most
            one, bound, keeps = self._at(under, Toll(ports, price), most, bound, found)
            worst = self._longest(one.nest)
        if not keeps:
            return bound  # not even where as little is waited for as can be

        def point(one: Optimum, price: float) -> tuple[float, float]:
            waited = self.waits(one.nest)
            cycles = sum(waited.get(port, 0.0) for port in ports)
            return one.energy - price * cycles, cycles

        long, short = point(best, 0.0), point(one, price)
        while long[1] > short[1] and short[0] > long[0] and len(found) < TRIES and not self.clock.late:
            price = (short[0] - long[0]) / (long[1] - short[1])
            one, bound, keeps = self._at(under, Toll(ports, price), most, bound, found)
            if one.energy >= (long[0] + price * long[1]) * (1 - BELOW):
                break
            long, short = (long, point(one, price)) if keeps else (point(one, price), short)
        return bound

    def _longest(self, nest: LoopNest) -> str:
        """What a mapping waits for the longest."""
        waited = self.waits(nest)
        return max(waited, key=lambda name: waited[name] + self.on_top(name), default="")

    def _at(
        self, under: Scope, toll: Toll, most: float, bound: float, found: list[LoopNest]
    ) -> tuple[Optimum, float, bool]:
        """What is best with a toll, the bound that this proves or the one before, and whether it is within bounds."""
        one = self.search(replace(under, toll=toll), "energy", self.clock)
        found.append(one.nest)
        return one, max(bound, one.bound - toll.price * most), self.keeps(one.nest)

    def _ever_less(self, best: Optimum, name: str) -> Iterator[Optimum]:
        """Optima that have less of an objective each than the one before, until there is none."""
        one = best
        with suppress(NothingFitsError, OutOfTimeError):
            while True:
                most = objective_of(name, one.energy, one.cycles) * (1 - BELOW)
                one = self.search(self._under(self.scope.ceilings.at(name, most)), self.objective, self.clock)
                yield one

    def _under(self, ceilings: Ceilings) -> Scope:
        return replace(self.scope, ceilings=ceilings)

    def impossible(self) -> MappingError:
        """The error that names bounds that no mapping keeps, one or few together, and how close one comes."""
        ceilings, said = self.scope.ceilings, {one.objective: str(one) for one in self.bounds}
        for name, most in ceilings.given.items():
            least = self._least(name, OPEN)
            if least is not None and least > most:
                return MappingError(f"no mapping keeps {said[name]}: the least is {self.shown(name, least)}")
        left = list(ceilings.given)
        for name in tuple(left):
            rest = ceilings.only([other for other in left if other != name])
            if len(rest.given) > 1 and self._least(name, rest) is None:
                left.remove(name)
        first, *others = left
        least = self._least(first, ceilings.only(others))
        how = "nothing comes near" if least is None else f"the least there is {self.shown(first, least)}"
        return MappingError(
            f"no mapping keeps {said[first]} together with {' and '.join(said[name] for name in others)}: {how}"
        )

    def unmet(self, best: Optimum, nests: list[LoopNest]) -> MappingError:
        """The error where mappings keep the bounds by energy and MACs, but none that was found by the evaluator."""
        lines, said = [], {one.objective: str(one) for one in self.bounds}
        costs = [self.cost(nest) for nest in nests]
        nearest = min(costs, key=lambda cost: len(self.scope.ceilings.broken(*cost)))
        for name in self.scope.ceilings.broken(*nearest):
            least = min(objective_of(name, *cost) for cost in costs)
            of_macs = self.shown(name, objective_of(name, best.energy, best.cycles, best.words))
            found = self.shown(name, least)
            lines.append(f"{said[name]}: the least found is {found}, {of_macs} if MACs alone took time")
        return MappingError(f"no mapping was found that keeps {'; '.join(lines)}")

    def _least(self, name: str, ceilings: Ceilings) -> float | None:
        """The least of an objective under some ceilings; None: nothing keeps them."""
        try:
            found = self.search(self._under(ceilings), name, Clock(self.clock.budget))
        except NothingFitsError:
            return None
        return objective_of(name, found.energy, found.cycles, found.words)

    def held(self, nest: LoopNest, free: Optimum) -> tuple[Held, ...]:
        """What each bound comes to, as far as time allows; nest : what is taken; free : the optimum under no bounds."""
        out = []
        for one in self.bounds:
            name, here = one.objective, self._score(nest)
            binds, costs, step, saves = None, None, None, None
            others = self.scope.ceilings.at(name, inf)
            with suppress(OutOfTimeError):
                loose = free if not others.given else None
                if loose is None and not self.clock.late:
                    loose = self.search(self._under(others), self.objective, self._clock)
                if loose is not None:
                    least = self._score(loose.nest)
                    binds = name in self.scope.ceilings.broken(*self.cost(loose.nest)) and least < here
                    costs = here / least - 1 if binds else 0.0
                if binds and not self.clock.late:
                    step, saves = self._step(name, here, others)
            out.append(Held(str(one), name, objective_of(name, *self.cost(nest)), binds, costs, step, saves))
        return tuple(out)

    def _score(self, nest: LoopNest) -> float:
        return objective_of(self.objective, *self.cost(nest))

    @property
    def _clock(self) -> Clock:
        """What is told beside the mapping may be left out."""
        return replace(self.clock, firm=True)

    def _step(self, name: str, here: float, others: Ceilings) -> tuple[float, float] | tuple[None, None]:
        """Of what is bounded, the least at which the objective is lower, and the share of it that this saves.

        The least is that of energy and cycles of the MACs; of what is best there the evaluator says how much it has.
        """
        lower = replace(others, **{self.objective: here * (1 - BELOW)})
        try:
            least = self.search(self._under(lower), name, self._clock)
            least_of = objective_of(name, least.energy, least.cycles, least.words)
            most = max(least_of, getattr(self.scope.ceilings, name))
            after = self.search(self._under(others.at(name, most)), self.objective, self._clock)
        except NothingFitsError:
            return None, None  # lower by the evaluator alone
        saves = 1 - self._score(after.nest) / here
        return (objective_of(name, *self.cost(after.nest)), saves) if saves > 0 else (None, None)

    def shown(self, name: str, value: float) -> str:
        """A value as an error names it."""
        if name in ("cycles", WORDS):
            return f"{value:,.0f} {name}"
        return f"{value:.6g}{f' {self.unit}' * (name == 'energy')}"
