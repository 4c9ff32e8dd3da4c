"""An objective under bounds of others: a mapping that the evaluator finds within them, and what each bound costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from math import inf

from accelsim.errors import MappingError
from accelsim.mapping.mapping import LoopNest
from accelsim.search.bound import Bound
from accelsim.search.found import Held, objective_of
from accelsim.search.optimum.ceilings import OPEN, Ceilings
from accelsim.search.optimum.clock import Clock, OutOfTimeError
from accelsim.search.optimum.constraints import NothingFitsError
from accelsim.search.optimum.optimum import ROUNDING, Optimum
from accelsim.search.optimum.scope import Scope

Searching = Callable[[Scope, str, Clock], Optimum]
"""The optimum of a scope by an objective, within a time."""
Cost = tuple[float, float]
"""Energy and cycles of a mapping by the evaluator."""
BELOW = 1e-6
"""Share that what is to be lower lies below what it was: more than sums in another order differ by."""
TRIES = 32
"""Most mappings that are looked at for one that the evaluator finds within its bounds."""


@dataclass(frozen=True)
class Within:
    """The search of one layer under bounds.

    scope : with its ceilings; bounds : what they were asked as; unit : of energy; search : see `Searching`; cost : of a
    mapping by the evaluator. clock : of the layer.
    """

    scope: Scope
    bounds: tuple[Bound, ...]
    objective: str
    unit: str
    search: Searching
    cost: Callable[[LoopNest], Cost]
    clock: Clock

    def keeps(self, nest: LoopNest) -> bool:
        """Whether a mapping keeps all bounds, as the evaluator finds it."""
        return not self.scope.ceilings.broken(*self.cost(nest))

    def candidates(self, best: Optimum) -> list[LoopNest]:
        """Mappings that may keep the bounds by the evaluator too, where the optimum by energy and MACs does not.

        Ports take time that MACs do not: ever fewer cycles of MACs are asked for, then ever less energy.
        """
        found: list[LoopNest] = []
        for name in (name for name in ("cycles", "energy") if name != self.objective):
            for one in self._ever_less(best, name):
                found.append(one.nest)
                if self.keeps(one.nest) or self.clock.late or len(found) == TRIES:
                    break
        return found

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
            of_macs = self.shown(name, objective_of(name, best.energy, best.cycles))
            lines.append(f"{said[name]}: the least is {self.shown(name, least)}, {of_macs} if MACs alone took time")
        return MappingError(f"no mapping was found that keeps {'; '.join(lines)}")

    def _least(self, name: str, ceilings: Ceilings) -> float | None:
        """The least of an objective under some ceilings; None: nothing keeps them."""
        try:
            found = self.search(self._under(ceilings), name, Clock(self.clock.budget))
        except NothingFitsError:
            return None
        return objective_of(name, found.energy, found.cycles)

    def held(self, best: Optimum, free: Optimum | None, cost: Cost) -> tuple[Held, ...]:
        """What each bound comes to, as far as time allows.

        best : the optimum under all; free : under none, where it is known; cost : of what is taken.
        """
        out = []
        for one in self.bounds:
            name, binds, costs, step, saves = one.objective, None, None, None, None
            with suppress(OutOfTimeError):
                others = self.scope.ceilings.at(name, inf)
                loose = free if free is not None and not others.given else None
                if loose is None and not self.clock.late:
                    loose = self.search(self._under(others), self.objective, self._clock)
                if loose is not None:
                    binds = loose.score < best.score * (1 - ROUNDING)
                    costs = best.score / loose.score - 1 if binds else 0.0
                if binds and not self.clock.late:
                    step, saves = self._step(name, best, others)
            out.append(Held(str(one), name, objective_of(name, *cost), binds, costs, step, saves))
        return tuple(out)

    @property
    def _clock(self) -> Clock:
        """What is told beside the mapping may be left out."""
        return replace(self.clock, firm=True)

    def _step(self, name: str, best: Optimum, others: Ceilings) -> tuple[float, float]:
        """The least of a bounded objective at which the objective is lower, and the share of it that this saves.

        By energy and cycles of the MACs. What is taken there is the best that has no more.
        """
        lower = replace(others, **{self.objective: best.score * (1 - BELOW)})
        least = self.search(self._under(lower), name, self._clock)
        step = objective_of(name, least.energy, least.cycles)
        after = self.search(self._under(others.at(name, step)), self.objective, self._clock)
        return step, 1 - after.score / best.score

    def shown(self, name: str, value: float) -> str:
        """A value as an error names it."""
        return f"{value:,.0f} cycles" if name == "cycles" else f"{value:.6g}{f' {self.unit}' * (name == 'energy')}"
