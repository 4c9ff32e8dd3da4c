"""A whole network under a bound: the least sum of an objective over layers whose other one adds up to so much."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import NamedTuple

import numpy as np

from accelsim.architecture.model import Architecture
from accelsim.energy.table import EnergyTable
from accelsim.engine.program import Ints
from accelsim.mapping.mapping import LoopNest
from accelsim.search.bound import WORDS
from accelsim.search.kernels.records import Floats
from accelsim.search.optimum.case import outermost_words
from accelsim.search.optimum.ceilings import SLACK
from accelsim.search.optimum.clock import Clock, OutOfTimeError
from accelsim.search.optimum.constraints import NothingFitsError
from accelsim.search.optimum.optimum import Optimum, optimum
from accelsim.search.optimum.scope import ALL, Scope
from accelsim.workload.problem import Problem

OTHER = {"energy": "cycles", "cycles": "energy"}
"""What is bounded where the one is to be small: sums over layers. Words of the outermost level may be for either."""
BELOW = 1e-9
"""Share that the next point of a front has less at the least."""
ANY_TIME = 1e300
"""Cycles that bound nothing."""
MOST_PRICE, HALVINGS = 1e12, 64
"""Of a price of what is bounded: over the mean, at the most; how often its interval is halved."""


Key = tuple[Problem, str]


class Part(NamedTuple):
    """A layer of the network on the machine of its widths, and how often it runs, always in one mapping."""

    name: str
    machine: Architecture
    problem: Problem
    repeat: int

    @property
    def key(self) -> Key:
        """Layers with the same one have one front."""
        return self.problem, str(self.machine.widths)


class Point(NamedTuple):
    """A mapping that none is better than in both what is bounded and the objective; nest : None: as good as may be.

    gap : the index of the known point before, where it stands for what has not been searched.
    """

    bounded: float
    objective: float
    nest: LoopNest | None
    gap: int = -1


@dataclass(frozen=True)
class Total:
    """What was chosen for a network.

    nests : by layer; objective, bounded : their sums; bound : no choice of mappings within the bound has a smaller sum.
    searches : of one layer each; points : of all fronts that were found.
    """

    nests: Mapping[str, LoopNest]
    objective: float
    bounded: float
    bound: float
    searches: int
    points: int

    @property
    def certified(self) -> bool:
        """Whether nothing is better."""
        return self.bound >= self.objective * (1 - SLACK)


@dataclass
class Front:
    """What is known of one layer's front: by rising bounded, falling objective.

    closed : of each known point, whether nothing lies between it and the next. stuck : time was up for what is not.
    """

    machine: Architecture
    problem: Problem
    objective: str
    bounded: str
    table: EnergyTable
    scope: Scope
    clock: Clock
    known: list[Point] = field(default_factory=list)
    closed: list[bool] = field(default_factory=list)
    stuck: bool = False
    searches: int = 0

    def begin(self) -> None:
        """Find both ends."""
        ends = [self._search(self.objective, self.scope), self._search(self.bounded, self.scope)]
        self.known = sorted({(p.bounded, p.objective): p for p in ends}.values(), key=lambda p: p.bounded)
        if len(self.known) > 1 and self.known[0].objective <= self.known[1].objective:
            del self.known[1:]
        self.closed = [False] * (len(self.known) - 1)

    def points(self) -> Iterator[Point]:
        """Those known, and for each stretch that is not searched the best that there may be in it."""
        for i, point in enumerate(self.known):
            yield point
            if i < len(self.closed) and not self.closed[i]:
                yield Point(point.bounded * (1 + BELOW), self.known[i + 1].objective * (1 + BELOW), None, i)

    def explore(self, index: int) -> None:
        """Look for the best between a known point and the next: it has less than that of what is bounded."""
        before, after = self.known[index], self.known[index + 1]
        ceilings = self.scope.ceilings.at(self.bounded, after.bounded * (1 - 2 * SLACK) / (1 + SLACK))
        try:
            found = self._search(self.objective, replace(self.scope, ceilings=ceilings))
        except OutOfTimeError:
            self.stuck = True
            return
        self.closed[index] = True
        # of all that has less than the next, nothing has less of the objective: what lies behind it is known
        if found.bounded > before.bounded * (1 + SLACK) and found.objective < before.objective * (1 - SLACK):
            self.known.insert(index + 1, found)
            self.closed.insert(index, False)

    def _search(self, objective: str, scope: Scope) -> Point:
        if self.bounded != WORDS:
            # of equals in energy the fastest: with groups on the array, which a search that is not timed leaves out
            scope = replace(scope, ceilings=scope.ceilings.at("cycles", min(scope.ceilings.cycles, ANY_TIME)))
        found = self._optimum(objective, scope)
        if objective == WORDS:
            found = self._optimum(self.objective, replace(scope, ceilings=scope.ceilings.at(WORDS, found.words)))
        elif self.bounded == WORDS and objective == "cycles":
            # many are as fast
            found = self._optimum(WORDS, replace(scope, ceilings=scope.ceilings.at("cycles", found.cycles)))
        words = outermost_words(self.machine, self.problem, found.nest) if self.bounded == WORDS else 0.0
        values = {"energy": found.energy, "cycles": found.cycles, WORDS: words}
        return Point(values[self.bounded], values[self.objective], found.nest)

    def _optimum(self, objective: str, scope: Scope) -> Optimum:
        self.searches += 1
        found = optimum(self.machine, self.problem, objective, self.table, self.clock, scope)
        if not found.certified:
            raise OutOfTimeError
        return found


def within(
    layers: Sequence[Part],
    objective: str,
    most: float,
    table: EnergyTable,
    budget: float | None = None,
    scope: Scope | Mapping[Key, Scope] = ALL,
    bounded: str | None = None,
) -> Total:
    """The least energy of a network in so many cycles of its MACs, or the fewest cycles in so much energy.

    bounded : 'words': the least of either in so many words of the outermost level.

    One of the points of each layer's front is chosen, so that the sum of what is bounded is no more than `most` and
    that of the objective is least: a knapsack of multiple choice, solved exactly. Fronts are searched where that
    matters only: what has not been searched stands in as good as it can be; where that is chosen it is searched, until
    nothing but what is known is chosen. So the answer is the optimum over all mappings of all layers.

    Parameters
    ----------
    budget : seconds; then the best choice of what is known, and a bound. scope : which mappings are looked at, of all
        layers or by their keys.

    Raises
    ------
    MappingError : the bound is too low, said with the least there is; a layer that nothing fits. OutOfTimeError : time
    was up before the ends of all fronts were known.
    """
    clock = Clock(budget, firm=True)
    scopes = scope if isinstance(scope, Mapping) else {one.key: scope for one in layers}
    bounded = bounded or OTHER[objective]
    fronts = {
        one.key: Front(one.machine, one.problem, objective, bounded, table, scopes[one.key], clock) for one in layers
    }
    for front in fronts.values():
        front.begin()
    least = sum(one.repeat * fronts[one.key].known[0].bounded for one in layers)
    if least > most * (1 + SLACK):
        unit = f" {table.unit}" * (bounded == "energy")
        raise NothingFitsError(
            f"no mappings of all layers keep {bounded} <= {most:.10g}{unit} together: the least is {least:.10g}{unit}"
        )
    while True:
        options = [list(fronts[one.key].points()) for one in layers]
        hoped = _chosen(layers, options, most)
        open_ones = {(one.key, p.gap) for one, p in zip(layers, hoped, strict=True) if p.nest is None}
        if not open_ones or clock.late or any(fronts[key].stuck for key, _ in open_ones):
            break
        # from the right: what is found moves the stretches that lie behind it
        for key, gap in sorted(open_ones, key=lambda one: -one[1]):
            fronts[key].explore(gap)
    bound = sum(one.repeat * p.objective for one, p in zip(layers, hoped, strict=True))
    if open_ones:
        hoped = _chosen(layers, [list(fronts[one.key].known) for one in layers], most)
    nests = {one.name: p.nest for one, p in zip(layers, hoped, strict=True) if p.nest is not None}
    chosen = sum(one.repeat * p.objective for one, p in zip(layers, hoped, strict=True))
    total = sum(one.repeat * p.bounded for one, p in zip(layers, hoped, strict=True))
    searches, points = sum(one.searches for one in fronts.values()), sum(len(one.known) for one in fronts.values())
    return Total(nests, chosen, total, min(bound, chosen), searches, points)


def _chosen(layers: Sequence[Part], options: list[list[Point]], most: float) -> list[Point]:
    """One point of each layer with the least sum of the objective within the bound, exact.

    Layer by layer all sums are kept, but for those another one is no worse than in both, those that leave less of the
    bound than the other layers need, and those that a bound shows to end above a choice that is known.
    """
    tables = [
        np.array([(one.repeat * p.bounded, one.repeat * p.objective) for p in points])
        for one, points in zip(layers, options, strict=True)
    ]
    limit = most * (1 + SLACK)
    price, upper = _priced(tables, limit)
    needs = np.cumsum([0.0] + [table[:, 0].min() for table in reversed(tables)])[::-1][1:]
    # with a price for what is bounded no choice of the others has less than the sum of their least
    rest = np.cumsum([0.0] + [(table @ (price, 1.0)).min() for table in reversed(tables)])[::-1][1:]
    sums, picks = np.zeros((1, 2)), list[tuple[Ints, Ints]]()
    for table, need, least in zip(tables, needs, rest, strict=True):
        every = (sums[:, None, :] + table[None, :, :]).reshape(-1, 2)
        fits = every[:, 0] + need <= limit
        fits &= every @ (price, 1.0) + least - price * limit <= upper * (1 + 1e-12)
        at = np.flatnonzero(fits)
        at = at[np.lexsort((every[at, 1], every[at, 0]))]
        lower = np.minimum.accumulate(every[at, 1])
        at = at[np.concatenate([[True], lower[1:] < lower[:-1]])]
        picks.append((at // len(table), at % len(table)))
        sums = every[at]
    found, at_sum = list[Point](), len(sums) - 1  # more of the bounded, less of the objective: the last is the least
    for (before, pick), points in zip(reversed(picks), reversed(options), strict=True):
        found.append(points[int(pick[at_sum])])
        at_sum = int(before[at_sum])
    return found[::-1]


def _priced(tables: list[Floats], limit: float) -> tuple[float, float]:
    """The price of what is bounded that bounds best, and the objective of a choice that keeps the bound."""

    def at(price: float) -> tuple[float, float]:
        chosen = [table[np.lexsort((table[:, 0], table @ (price, 1.0)))[0]] for table in tables]
        return float(sum(one[0] for one in chosen)), float(sum(one[1] for one in chosen))

    bounded, upper = at(0.0)
    if bounded <= limit:
        return 0.0, upper
    low, high = 0.0, upper / limit
    while at(high)[0] > limit and high < MOST_PRICE * upper / limit:
        low, high = high, 2 * high
    upper = float(sum(table[np.lexsort((table[:, 1], table[:, 0]))[0], 1] for table in tables))
    best = 0.0, -inf
    for _ in range(HALVINGS):
        price = (low + high) / 2
        bounded, objective = at(price)
        best = max(best, (price, objective + price * (bounded - limit)), key=lambda one: one[1])
        if bounded <= limit:
            upper, high = min(upper, objective), price
        else:
            low = price
    return best[0], upper
