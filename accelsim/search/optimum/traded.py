"""The optimum where words of the outermost level count: they are bounded, or they are what is to be small.

Energy and words are two accounts of a mapping. The one is made small while the other has a ceiling. A mapping that
keeps the ceiling has no less of its own account than that and a price times what the other one has above the ceiling
(Lagrange's dual). So a search with a price bounds it. At the price that bounds best few mappings lie between the bound
and the best one that is known; each of these is worked out exactly, in the orders that keep the ceiling.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import inf

from accelsim.mapping.mapping import LoopNest
from accelsim.search.bound import WORDS
from accelsim.search.found import objective_of
from accelsim.search.optimum.case import Case, outermost_words
from accelsim.search.optimum.ceilings import SLACK, Ceilings
from accelsim.search.optimum.clock import Clock, OutOfTimeError
from accelsim.search.optimum.constraints import NothingFitsError
from accelsim.search.optimum.placements import Trade
from accelsim.search.optimum.proved import ROUNDING, Optimum
from accelsim.search.optimum.scope import Scope

Searching = Callable[[str, Clock, Scope, float | None], Optimum]
"""The optimum by an objective, within a time, of a scope with a trade; and what some mapping of it has, if known."""
FIRST, RISE, RISES = 0.25, 4.0, 5
"""The first price, of the energy that there is for each word; how it rises, and how often at the most."""
PRICES = 12
"""Most prices that are tried then for the one that bounds best."""
BELOW = 1e-6
"""Share that a line lies above the bound where another price would bound better."""


class NotMetError(OutOfTimeError):
    """Time was up before a mapping was found that keeps a ceiling, or it was shown that there is none."""

    def __init__(self, size: float, least: float, bound: float) -> None:
        super().__init__(size)
        self.args = (
            f"time was up before a mapping was found that keeps the bounds: the least found of what is bounded is "
            f"{least:.10g}, and no mapping has less than {bound:.10g}",
        )


@dataclass
class Traded:
    """The search of one layer for the least of an objective, by energy or words, where words count.

    ceilings of the scope : of words, and others; objective : 'words' or another one.
    """

    search: Searching
    case: Case
    objective: str
    scope: Scope
    clock: Clock
    _done: list[Optimum] = field(default_factory=list)

    def run(self) -> Optimum:
        """The optimum; errors as of `optimum`."""
        found = self._fastest() if self.objective == "cycles" else self._least(self.objective == WORDS)
        sums = {name: sum(getattr(one, name) for one in self._done) for name in ("nodes", "leaves", "tried", "seconds")}
        return self._whole(replace(found, objective=self.objective, **sums))

    def _least(self, words: bool) -> Optimum:
        """The least energy, EDP or ED²P under a ceiling of words; or (`words`) the fewest words under ones of these."""
        if words and not self._of_energy:
            return self.searched("energy", Trade(True), self.scope)
        dual = _Dual(self, words)
        best = dual.best
        if best is not None and (self.clock.late or dual.bound >= best.score * (1 - ROUNDING)):
            return replace(best, bound=min(dual.bound, best.score))
        if self.clock.late and self.clock.firm:
            raise OutOfTimeError
        trade = dual.trade._replace(kept=True)
        found = self.searched(dual.objective, trade, self.scope, best.score if best else None)
        return replace(found, bound=min(max(found.bound, dual.bound), found.score))

    def _fastest(self) -> Optimum:
        """The fewest cycles, and of the mappings that have no more the one of least energy."""
        trade = Trade(True)
        if self._of_energy:
            trade = _Dual(self, True).trade._replace(kept=True)
        fastest = self.searched("cycles", trade, self.scope)
        if self.clock.late:
            return fastest
        ceilings = self.scope.ceilings.at("cycles", fastest.cycles)
        try:
            cheapest = replace(self, objective="energy", scope=replace(self.scope, ceilings=ceilings))._least(False)
        except OutOfTimeError:
            return fastest
        return replace(cheapest, score=fastest.score, bound=fastest.bound)

    @property
    def _of_energy(self) -> bool:
        """Whether energy has a ceiling, by itself or times cycles."""
        return self.scope.ceilings.joules(1.0) < inf

    def most_of_other(self, words: bool) -> float:
        """The most of the other account that any mapping may have."""
        ceilings = self.scope.ceilings
        if not words:
            return ceilings.words
        return ceilings.joules(max(self.case.fewest_cycles, 1.0))

    def searched(self, objective: str, trade: Trade, scope: Scope, known: float | None = None) -> Optimum:
        """What a search finds, counted; of words as energy where the trade makes them small."""
        found = self.search(objective, self.clock, replace(scope, trade=trade), known)
        self._done.append(found)
        return found

    def words_of(self, nest: LoopNest) -> float:
        """Words of the outermost level."""
        return outermost_words(self.case.machine, self.case.problem, nest)

    def energy_of(self, nest: LoopNest) -> float:
        """By the closed form, without tolls."""
        return self.case.counted(nest)[0]

    def _whole(self, found: Optimum) -> Optimum:
        """With both accounts, whichever the search made small."""
        words = self.words_of(found.nest)
        if self.objective in (WORDS, "cycles"):
            return replace(found, words=words, energy=self.energy_of(found.nest))
        return replace(found, words=words)


class _Dual:
    """The price of the other account that bounds best, and the best mapping met that keeps the ceilings.

    trade : with that price; bound : no mapping within the ceilings has less. best : None: none was met.
    """

    def __init__(self, of: Traded, words: bool) -> None:
        self.of, self.words, self.most = of, words, of.most_of_other(words)
        self.objective = "energy" if words else of.objective
        self.trade, self.bound = Trade(words, 0.0, self.most), -inf
        self.best: Optimum | None = None
        far = self._search(0.0)
        if self.best is not None or of.clock.late:
            return
        far, near = self._risen(far)
        if near is None:
            return
        at_far, at_near = self._point(far), self._point(near)
        for _ in range(PRICES):
            if of.clock.late or at_far[1] <= at_near[1] or at_near[0] <= at_far[0]:
                break
            price = (at_near[0] - at_far[0]) / (at_far[1] - at_near[1])
            line = at_far[0] + price * at_far[1]
            found = self._search(price, line)
            own, over = self._point(found)
            if own + price * over >= line - BELOW * abs(line):
                break
            at_far, at_near = ((own, over), at_near) if over > 0 else (at_far, (own, over))

    def _risen(self, far: Optimum) -> tuple[Optimum, Optimum | None]:
        """Mappings on both sides of the ceiling, the first at the highest price that leaves it above; None: no time."""
        price = FIRST * far.energy / max(self._over(far) + self.most, 1.0)
        for _ in range(RISES):
            if self.of.clock.late:
                return far, None
            own, over = self._point(far)
            # what is known already has so much at this price
            found = self._search(price, own + price * over)
            if self._over(found) <= 0:
                return far, found
            far, price = found, price * RISE
        return far, self._nearest()

    def _search(self, price: float, known: float | None = None) -> Optimum:
        """What is best with a price, by its own account; and what it proves."""
        trade = Trade(self.words, price, self.most)
        found = self.of.searched(self.objective, trade, self.of.scope, known)
        if found.bound > self.bound:
            self.trade, self.bound = trade, found.bound
        own = found.energy - price * self._over(found)
        found = replace(found, energy=own, score=objective_of(self.objective, own, found.cycles))
        self._meet(found)
        return found

    def _meet(self, found: Optimum) -> None:
        """Take a mapping where it is the best that keeps the ceilings."""
        of = self.of
        have = of.energy_of(found.nest), found.cycles, of.words_of(found.nest)
        if (self.best is None or found.score < self.best.score) and not of.scope.ceilings.broken(*have):
            self.best = found

    def _nearest(self) -> Optimum:
        """The mapping with the least of the other account; NothingFitsError: that is too much."""
        of = self.of
        ceilings = Ceilings(cycles=of.scope.ceilings.cycles)
        scope = replace(of.scope, ceilings=ceilings, toll=None)
        found = of.searched("energy", Trade(not self.words), scope)
        if found.score > self.most * (1 + SLACK):
            if not found.certified:
                raise NotMetError(found.size, found.score, found.bound)
            raise NothingFitsError("no mapping keeps the ceilings")
        own = of.words_of(found.nest) if self.words else of.energy_of(found.nest)
        found = replace(found, energy=own, score=objective_of(self.objective, own, found.cycles))
        if not of.scope.toll:
            self._meet(found)
        return found

    def _over(self, found: Optimum) -> float:
        """What it has of the other account above the ceiling."""
        return (self.of.energy_of if self.words else self.of.words_of)(found.nest) - self.most

    def _point(self, found: Optimum) -> tuple[float, float]:
        """Its objective, and what it has above the ceiling, times what energy is multiplied by."""
        return found.score, objective_of(self.objective, self._over(found), found.cycles)
