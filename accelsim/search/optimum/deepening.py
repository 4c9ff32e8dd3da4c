"""One search of a mapspace to its end: bounds of all placements, then leaves below a limit that rises."""

from __future__ import annotations

import time
from collections.abc import Iterator
from math import inf

import numpy as np

from accelsim.engine.program import Ints
from accelsim.mapping.mapping import check
from accelsim.search.found import OBJECTIVES
from accelsim.search.optimum.classes import Classes
from accelsim.search.optimum.clock import OutOfTimeError
from accelsim.search.optimum.constraints import NothingFitsError
from accelsim.search.optimum.floor import fewest_cycles
from accelsim.search.optimum.heads import Heads, Limit
from accelsim.search.optimum.kernels import descend as descending
from accelsim.search.optimum.kernels import settle as settling
from accelsim.search.optimum.kernels import under as listing
from accelsim.search.optimum.mapspace import Mapspace, Walked, leaves_of
from accelsim.search.optimum.placements import Placement
from accelsim.search.optimum.proved import Optimum, Step
from accelsim.search.optimum.standing import busiest_port
from accelsim.search.space import GROUPS

FIRST_GAP, MOST_LEAVES = 0.06, 1 << 23
"""The first bound's distance from the root's; most leaves of one placement that are kept in memory."""
LISTED, FIRST = 1 << 16, 64
"""Most leaves under heads that are listed at once, and how many of them are tried before other placements are met."""
MOST_GAP = 1e3
"""Where nothing is found below this many times the least bound, all leaves are tried."""


class Deepening:
    """One search: first the least bound of every placement, then all below a limit that rises to the best found.

    objective : its number in `OBJECTIVES`. begun : when, by `time.monotonic`. seed : the best of a part of the space.
    steps : filled with how far it was. known : what some mapping has. standing : what every cycle costs by itself.
    """

    def __init__(
        self, space: Mapspace, objective: int, begun: float, seed: Optimum | None, steps: list[Step] | None,
        known: float = inf, standing: float = 0.0,
    ) -> None:  # fmt: skip
        self.space, self.objective, self.begun, self.seed, self.steps = space, objective, begun, seed, steps
        self.standing = standing
        self.clock = space.clock
        found = (seed.score, seed.energy, seed.cycles) if seed else (known, inf, 0.0)
        self.best = settling.Best(
            np.array([found[0]]), np.array([found[1]]), np.array([found[2]]), np.zeros(len(GROUPS), np.int64),
            np.full((space.array + 1, settling.LOOPS), -1, np.int64), np.zeros(1, np.int64),
        )  # fmt: skip
        self.busiest = fewest_cycles(space.machine, space.problem)
        self.chosen: Placement | None = None
        self.nodes = self.leaves = 0
        self.proven = 0.0

    @property
    def _most(self) -> float:
        """What a mapping has to be below to be of interest: the best found, or what is known of another search."""
        return float(self.best.score[0])

    @property
    def _found(self) -> float:
        return self._most if self.chosen or self.seed else inf

    @property
    def _late(self) -> bool:
        """Whether time is up, and something was found or need not be."""
        return self.clock.late and (self.clock.firm or self._found < inf)

    def run(self) -> Optimum:
        """The optimum, or what the budget allows."""
        space = self.space
        proven = self._proved()
        if not (self._found < inf or self._late):
            # what is known was a mapping of another space
            self.best.score[0] = inf
            proven = self._proved()
        if self._found == inf and self._late:
            raise OutOfTimeError
        if self.chosen:
            nest = space.nest(self.chosen, self.best)
        elif self.seed:
            nest = self.seed.nest
        else:
            name = space.machine.name
            raise NothingFitsError(f"no mapping fits '{name}' under the constraints: its memories are too small")
        check(space.machine, nest, space.problem)
        return Optimum(
            nest, OBJECTIVES[self.objective], self._found, float(self.best.energy[0]), proven,
            space.size, self.nodes, self.leaves, int(self.best.tried[0]), time.monotonic() - self.begun,
            float(self.best.cycles[0]),
        )  # fmt: skip

    def _proved(self) -> float:
        """Search until the best is proved to be, or time is up; returns what no mapping of the space is below."""
        walked, unseen = self._roots()
        # none is left whose bound is below what was found: that is the optimum
        bound = min((one.least for one in walked), default=self._most)
        self._step(unseen or bound)
        gap, proven, done = FIRST_GAP, bound, 0.0
        while not unseen and proven < self._most and not self._late:
            # nothing found yet: tiles of a bound may be smaller than any that there are
            limit = min(bound * (1 + gap), self._most) if gap < MOST_GAP else self._most
            if not all(self._settle(one, limit, done) for one in walked if one.least < limit):
                break
            proven, gap, done = min(limit, self._most), 2 * gap, limit
            self._step(proven)
        return min(unseen or inf, proven)

    def _step(self, proven: float | None = None) -> None:
        """Note how far the search is, if anybody asks; proven : what no mapping is below by now."""
        if self.steps is None:
            return
        self.proven = self.proven if proven is None else min(proven, self._found)
        visited = (self.seed.nodes + self.seed.tried if self.seed else 0) + self.nodes + int(self.best.tried[0])
        self.steps.append(Step(self.clock.seconds, visited, self._found, self.proven))

    def _roots(self) -> tuple[list[Walked], float]:
        """Placements whose least bound is below the best found on the way; and the least bound of those not looked at.

        Where a placement's bound is least its mappings are tried: what they cost leaves other placements out.
        """
        out, space = list[Walked](), self.space
        compulsory = [space.bounds.compulsory(one) + self.standing * self.busiest for one in space.placements.every]
        floors = [(descending.score_of(one, self.busiest, self.objective), i) for i, one in enumerate(compulsory)]
        for floor, i in sorted(floors):
            if floor >= self._most:
                break
            if self._late:
                return out, floor
            if self.steps is not None:
                self.proven = min([floor, *(one.least for one in out)])
            placement = space.placements.every[i]
            waits = self._waits(placement)
            stands = self.standing * max(self.busiest, waits)
            limit = Limit(self._most, self.busiest, self.objective, stands) if self._most < inf else None
            classes, heads = space.bounds.classes(placement, limit)
            if not np.isfinite(classes.outer).any():
                continue
            inners = space.inners(placement)._replace(standing=self.standing, waits=waits)
            leaves, listed, whole = self._least(placement, classes, heads, inners)
            if leaves.number[0]:
                known = space.known(placement, classes, inners, heads is not None)
                least, all_of = max(float(leaves.bound[0]), floor), leaves if listed else None
                limited = space.limited(placement, known)
                out.append(Walked(placement, classes, heads, inners, known, least, all_of, limited))
                self._try(out[-1], leaves, np.arange(min(FIRST, int(leaves.number[0]))))
            if not whole:
                return out, floor
        return sorted((one for one in out if one.least < self._most), key=lambda one: one.least), 0.0

    def _waits(self, placement: Placement) -> float:
        """Cycles that some port of a placement is busy at the least, where every cycle costs something."""
        if not self.standing or self._late or self.space.scope.toll:
            # what passes wait for is not waited for while a port is busy: the one or the other is known
            return 0.0
        return busiest_port(self.space, placement, self.space.scope.ceilings.most[1], self.clock)

    def _least(
        self, placement: Placement, classes: Classes, heads: Heads | None, inners: descending.Inners
    ) -> tuple[descending.Leaves, bool, bool]:
        """Leaves with the least bound first; whether these are all, and whether time allowed to look at all."""
        # of several placements most mappings that a first look finds are far above the best
        if heads and len(self.space.placements.every) == 1:
            leaves = leaves_of(LISTED)
            whole = self._descend(placement, classes, heads, inners, self._most, True, leaves)
            if leaves.number[0] <= LISTED:
                return _sorted(leaves), whole, whole
        leaves = leaves_of(1)
        return leaves, False, self._descend(placement, classes, heads, inners, self._most, False, leaves)

    def _settle(self, one: Walked, limit: float, done: float) -> bool:
        """Try all leaves of a placement whose bound is below a limit; whether that was done to the end.

        done : those with a bound below this one were tried before.
        """
        leaves = one.listed or leaves_of(1 << 16)
        while one.listed is None:
            limit = min(limit, self._most)
            if not self._descend(one.placement, one.classes, one.heads, one.inners, limit, True, leaves):
                return False
            n = int(leaves.number[0])
            if n <= len(leaves.bound):
                break
            if n > MOST_LEAVES:
                return False
            leaves = leaves_of(n)
        bounds = leaves.bound[: int(leaves.number[0])]
        new = np.flatnonzero((bounds >= done) & (bounds < limit))
        order = new[np.argsort(bounds[new], kind="stable")]
        for part in self.clock.parts(len(order), 64, 1 << 12) if self.steps is None else _doubled(len(order)):
            if self._late:
                return False
            self._try(one, leaves, order[part])
        return True

    def _try(self, one: Walked, leaves: descending.Leaves, some: Ints) -> None:
        before, picks, bounds = self._most, leaves.pick[some], leaves.bound[some]
        if one.heads is None:
            self.leaves += settling.settle(picks, bounds, self.objective, one.known, one.limited, self.best)
        else:
            tiles, lower = leaves.tile[some], leaves.lower[some]
            self.space.tabulate(picks, tiles)
            known = one.known, one.limited, self.best
            self.leaves += settling.settle_under(picks, tiles, lower, bounds, self.objective, *known)
        if self._most < before:
            self.chosen = one.placement
            self._step()

    def _descend(
        self,
        placement: Placement,
        classes: Classes,
        heads: Heads | None,
        inners: descending.Inners,
        limit: float,
        every: bool,
        leaves: descending.Leaves,
    ) -> bool:
        """Fill leaves with what lies below a limit, or the least; whether time allowed all of it."""
        leaves.number[0] = leaves.nodes[0] = 0
        group, last = int(inners.turn[0]), True
        for part in self.clock.parts(int(inners.number[group]), 1):
            if self._late and part.start:
                last = False
                break
            some = inners
            if self.clock.budget is not None:
                # what is chosen first, some of it at a time: the same choices in the same order
                some = inners._replace(usable=inners.usable.copy())
                some.usable[group, : part.start] = some.usable[group, part.stop :] = False
            most = limit if every or not leaves.number[0] else float(leaves.bound[0])
            known = self.busiest, self.objective, most, every, leaves
            if heads is None:
                descending.descend(classes, placement.constant, some, *known)
            else:
                listing.under(classes, placement.constant, some, heads, self.space.holds(classes), *known)
        self.nodes += int(leaves.nodes[0])
        return last


def _doubled(n: int) -> Iterator[slice]:
    """All of n, in parts each twice the one before, so that what is found first is seen."""
    at = 0
    while at < n:
        yield slice(at, at := min(2 * at + 1, n))


def _sorted(leaves: descending.Leaves) -> descending.Leaves:
    """Those that were found, by rising bounds."""
    n = int(leaves.number[0])
    order = np.argsort(leaves.bound[:n], kind="stable")
    some = (leaves.bound[order], leaves.pick[order], leaves.nodes, leaves.tile[order], leaves.lower[order])
    return descending.Leaves(leaves.number, *some)
