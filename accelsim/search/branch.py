"""Branch and bound over a space: unrollings first, then what is left of each dim, then the orders of the loops.

An *unrolling* fixes what is spatial, inside the PE and in a run right above the array. Its bound lets each tensor have
the loops that are left where they suit it best: outside all others, or in the innermost buffer that may have them. No
split of these loops costs less, so what does not come below the best mapping found is never split.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import inf, prod
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from accelsim.architecture.model import Buffer
from accelsim.energy.table import EnergyTable
from accelsim.engine import program as lowering
from accelsim.engine.kernels import bounds as bounding
from accelsim.engine.kernels import orders as ordering
from accelsim.engine.kernels import relaxed as relaxing
from accelsim.engine.pool import in_slices
from accelsim.engine.program import Ints
from accelsim.mapping.mapping import LevelMapping, LoopNest
from accelsim.search.factors import tight
from accelsim.search.prices import Floats, prices
from accelsim.search.space import GROUPS, Inner, Space, Split
from accelsim.search.tables import Option, Pairs, Tables, pairs_of, tables_of
from accelsim.workload.problem import TENSORS

Bools = npt.NDArray[np.bool_]
OBJECTIVES = ("energy", "cycles", "edp")
STAGES = 12, 200
"""Unrollings split before the others: what they come to leaves few others to split."""
TILES = 30_000
"""Most tiles of a buffer looked at for a bound."""
AT_A_TIME = 50_000
"""Splits bounded together."""
COMBINATIONS = 150_000
"""Most splits bounded, those of the unrollings with the lowest bounds first."""


@dataclass(frozen=True)
class Candidate:
    """A mapping and what the closed form says of it: the objective, energy and cycles (a lower bound)."""

    nest: LoopNest
    score: float
    energy: float
    cycles: float


@dataclass(frozen=True)
class Walk:
    """The best few mappings of a space, the best first, and how they were found.

    splits : in the space, whether they fit or not; looked_at : bounded one by one, the others many at a time.
    unrollings : in the space. left, least : those never split for want of time, and the least they can come to.
    """

    best: tuple[Candidate, ...]
    splits: int
    looked_at: int
    unrollings: int = 0
    left: int = 0
    least: float = inf


class Unrollings(NamedTuple):
    """inners : per group, a choice for each of its dims. units : int64[unit, group, 2], which a unit may take."""

    inners: list[list[tuple[Inner, ...]]]
    units: Ints

    def picks(self, chosen: Ints) -> Ints:
        """int64[unrolling, group], the choices of some."""
        starts, _ = _starts(self.units)
        unit = np.searchsorted(starts, chosen, side="right") - 1
        rest, out = chosen - starts[unit], np.empty((len(chosen), len(GROUPS)), np.int64)
        for group in range(len(GROUPS) - 1, -1, -1):
            first, end = self.units[unit, group].T
            out[:, group] = first + rest % (end - first)
            rest //= end - first
        return out


class Costs(NamedTuple):
    """What the kernels read of the options of every group."""

    tables: list[Tables]
    pairs: Pairs


class Outermost(NamedTuple):
    """Bounds by the tile of the buffer with free loops: float64[place], of energy and of cycles.

    known : by dim and trips at the outermost level what adds up to a place; nothing: there is one place for all.
    energy, cycles : of that tile; least, slowest : of all that are no smaller in a dim with free loops.
    """

    known: dict[str, dict[int, int]]
    energy: Floats
    cycles: Floats
    least: Floats
    slowest: Floats

    def places(self, group: int, options: Sequence[Option]) -> Ints:
        """What every option of a group adds to a place."""
        if not self.known:
            return np.zeros(len(options), np.int64)
        maps = [self.known[dim] for dim in GROUPS[group]]
        return np.array([sum(m[s.temporal[0]] for m, s in zip(maps, o, strict=True)) for o in options], np.int64)


UNKNOWN = Outermost({}, *np.zeros((4, 1)))


class Known(NamedTuple):
    """What is known of unrollings before they are split; what comes to `below` or more is not looked at."""

    outermost: Outermost
    inner: Floats
    time: Floats
    below: float = inf


class Branch:
    """One space under one objective."""

    def __init__(self, space: Space, objective: str, table: EnergyTable) -> None:
        machine, problem = space.machine, space.problem
        names = tuple((machine.levels[i].name, LevelMapping(bypass=skip)) for i, skip in space.skips)
        self.space = space
        self.program = lowering.build(machine, LoopNest(names), problem)
        self.price = prices(self.program, table, space.dataflow.name)
        self.charged = (*self.price.charges, machine.macs_per_cycle, OBJECTIVES.index(objective))
        self.partitions, self.limits = _partitions(space)

    def walk(self, keep: int, below: float = inf) -> Walk:
        """The best `keep` mappings of those that come below a score."""
        unrollings = _unrollings(self.space)
        if not len(unrollings.units):
            return Walk((), 0, 0)
        counts = self._counts(unrollings)
        splits = sum(
            prod(sum(counts[g][first:end].tolist()) for g, (first, end) in enumerate(unit)) for unit in unrollings.units
        )
        bounds, inner, time, outermost = self._relaxed(unrollings)
        ranked = np.flatnonzero(bounds < below)
        ranked = ranked[np.argsort(bounds[ranked], kind="stable")]
        best: list[Candidate] = []
        looked_at, most = 0, STAGES[0]
        while len(ranked) and bounds[ranked[0]] < below and looked_at < COMBINATIONS:
            chosen = ranked[:most]
            picks = unrollings.picks(chosen)
            sizes = np.cumsum(np.prod([counts[g][picks[:, g]] for g in range(len(GROUPS))], axis=0))
            room = max(int(np.searchsorted(sizes, AT_A_TIME, side="right")), 1)
            known = Known(outermost, inner[chosen[:room]], time[chosen[:room]], below)
            best = sorted([*best, *self._split(unrollings, picks[:room], keep, known)], key=_score)[:keep]
            looked_at += int(sizes[:room][-1])
            if len(best) == keep:
                below = min(below, best[-1].score)
            ranked, most = ranked[room:], STAGES[1] if most == STAGES[0] else len(ranked)
            ranked = ranked[bounds[ranked] < below]
        left, least = len(ranked), float(bounds[ranked[0]]) if len(ranked) else inf
        return Walk(tuple(best), splits, looked_at, len(bounds), left, least)

    def _counts(self, unrollings: Unrollings) -> list[Ints]:
        """How many splits every choice of a group has."""
        return [
            np.array([prod(len(self.space.splits(*one)) for one in zip(dims, inners, strict=True)) for inners in own])
            for dims, own in zip(GROUPS, unrollings.inners, strict=True)
        ]

    def _relaxed(self, unrollings: Unrollings) -> tuple[Floats, Floats, Floats, Outermost]:
        """A bound for each unrolling; infinite where a level overflows with all that is left at the outermost.

        What crosses into a buffer that may have free loops is counted as if all of them were in the innermost such
        buffer; all else as if none were.
        """
        space, price = self.space, self.price
        far, near = (
            [
                [tuple(space.least(*one)[at] for one in zip(dims, inners, strict=True)) for inners in own]
                for dims, own in zip(GROUPS, unrollings.inners, strict=True)
            ]
            for at in (0, 1)
        )
        tables = self._tables(far)
        words, closest = ([self._multiples(t) for t in each] for each in (tables, self._tables(near)))
        gains = price.energy < 0  # what an account takes off again: there the most words are the best
        for w in words:
            w[:, 1:, gains] = w[:, :1, gains]
        running, free = zip(*(self._loops(g, own) for g, own in enumerate(far)), strict=True)
        extents, factors = tuple(t.extents for t in tables), self._factors(tables)
        nearest = tuple(np.where(gains, t.totals, n[:, 2]) for t, n in zip(tables, closest, strict=True))
        of_edge = self.program.edges[price.terms[:, 0]]
        ends = np.searchsorted(of_edge[:, 0], np.arange(4))
        outer = of_edge[:, 2] <= max(space.free)
        outermost = self._outermost(far, outer)
        places = tuple(outermost.places(g, own) for g, own in enumerate(far))
        charged = (self.charged[0] * ~outer if outermost.known else self.charged[0], *self.charged[1:])
        starts, size = _starts(unrollings.units)
        bounds, inner, time = np.empty((3, size))

        def bound(first: int, end: int) -> None:
            relaxing.bound_unrollings(
                unrollings.units[first:end], starts[first:end], ends, outer, self._fixed(), running, free, tuple(words),
                nearest, extents, factors, self.limits, places, outermost.least, outermost.slowest, *charged, bounds,
                inner, time,
            )  # fmt: skip

        in_slices(len(unrollings.units), 1, bound)
        return bounds, inner, time, outermost

    def _outermost(self, far: Sequence[list[Option]], outer: Bools) -> Outermost:
        """What goes into the buffer with free loops, for every tile that it may hold.

        A tile counts by its trips alone: of those with as many the smallest takes least room, and no more words.
        """
        space = self.space
        if len(space.free) != 2 or space.outer or not outer.any() or (self.price.energy < 0).any():
            return UNKNOWN
        trips = {}
        for own, dims in zip(far, GROUPS, strict=True):
            for a, dim in enumerate(dims):
                here = {option[a].temporal[0] for option in own}
                if space.spread_over(dim):
                    size = space.problem[dim]
                    here = {n for n in (-(-size // f) for f in tight(size, size)) if n <= max(here)}
                trips[dim] = sorted(here, reverse=True)
        each = [dim for own in GROUPS for dim in own]
        shape = [len(trips[dim]) for dim in each]
        if prod(shape) > TILES:
            return UNKNOWN
        tiles = {dim: [self._tile(dim, n) for n in here] for dim, here in trips.items()}
        options: list[list[Option]] = [list(product(*(tiles[dim] for dim in own))) for own in GROUPS]
        costs, units = self._costs(options), np.array([[(0, len(own)) for own in options]])
        limits = np.where(self.partitions[:, 0] <= max(space.free), self.limits, np.iinfo(np.int64).max)
        energy, _, ports, load_terms, loads, stationary, _, objective = self.charged
        at_once = 1 << 62  # MACs a cycle: what is computed has no part in these bounds
        only = ports, load_terms, loads * outer[load_terms], stationary * 0, at_once
        exact, least = [], []
        for idle, charged in (1, (energy * outer, 0.0, *only, 0)), (0, (energy * 0, 0.0, *only, 1)):
            if objective == idle:  # the other one alone counts
                exact.append(np.zeros(prod(shape)))
                least.append(np.zeros(prod(shape)))
                continue
            table = self._bounds(costs, units, charged, limits).reshape(shape)
            exact.append(table.ravel())
            for axis, dim in enumerate(each):
                if space.spread_over(dim):  # fewer trips, larger tiles come later
                    table = np.flip(np.minimum.accumulate(np.flip(table, axis), axis=axis), axis)
            least.append(np.ascontiguousarray(table).ravel())
        strides = np.append(np.cumprod(shape[::-1])[::-1][1:], 1)
        known = {
            dim: {n: at * int(stride) for at, n in enumerate(trips[dim])}
            for dim, stride in zip(each, strides, strict=True)
        }
        return Outermost(known, exact[0], exact[1], least[0], least[1])

    def _tile(self, dim: str, trips: int) -> Split:
        """The smallest tile of a dim that takes so many trips."""
        levels = [1] * (self.space.array + 1)
        levels[0], levels[max(self.space.free)] = trips, -(-self.space.problem[dim] // trips)
        return Split(Inner(), tuple(levels))

    def _multiples(self, tables: Tables) -> Floats:
        """See `kernels.relaxed.multipliers`; loops outside of free ones count as free."""
        places = tables.places.copy()
        places[places[:, :, 0] < max(self.space.free), 1] = -1
        out = np.empty((len(tables.totals), 3, len(self.price.terms)))
        relaxing.multipliers(
            places, tables.counts, tables.aboves, tables.totals, tables.stays, tables.kepts, self.price.terms, out
        )
        return out

    def _fixed(self) -> Ints:
        """(group, which dim of it) of the loops that no free one lies inside of, innermost first."""
        flow = self.space.dataflow
        dims = [d for d in reversed((*flow.above, *flow.run)) if self.space.run_level(d) >= max(self.space.free)]
        return np.array(
            [(g, own.index(dim)) for dim in dims for g, own in enumerate(GROUPS) if dim in own], np.int64
        ).reshape(-1, 2)

    def _loops(self, group: int, options: list[Option]) -> tuple[Bools, Bools]:
        """bool[option, dim]: whether it runs right above the array, and whether something of it is free.

        A run whose last part is one trip is none there: it stops no other.
        """
        running, free = np.zeros((2, len(options), 2), np.bool_)
        for o, option in enumerate(options):
            for a, split in enumerate(option):
                dim, run = GROUPS[group][a], split.inner.run
                trips = prod(split.temporal)
                rest = -(-self.space.problem[dim] // split.inner.factor)
                inside = self.space.run_level(dim) >= max(self.space.free)
                running[o, a] = inside and run > 1 and rest % run != 1
                free[o, a] = trips > (max(run, 1) if inside else 1)
        return running, free

    def _split(self, unrollings: Unrollings, picks: Ints, keep: int, known: Known) -> list[Candidate]:
        """The best mappings of some unrollings, of those that come below a score."""
        options: list[list[Option]] = [[] for _ in GROUPS]
        units = np.empty((*picks.shape, 2), np.int64)
        for g, dims in enumerate(GROUPS):
            used, at = np.unique(picks[:, g], return_inverse=True)
            ends = [0]
            for one in used:
                inners = unrollings.inners[g][one]
                options[g] += product(*(self.space.splits(*dim) for dim in zip(dims, inners, strict=True)))
                ends.append(len(options[g]))
            units[:, g] = np.array([ends[:-1], ends[1:]]).T[at]
        costs = self._costs(options)
        places = tuple(known.outermost.places(g, own) for g, own in enumerate(options))
        bounds = self._bounds(costs, units, self.charged, self.limits, places, known)
        return self._ordered(costs, units, bounds, options, keep, known.below)

    def _costs(self, options: Sequence[list[Option]]) -> Costs:
        terms = self.price.terms
        tables = self._tables(options)
        return Costs(tables, pairs_of(terms, self.program.edges, tables))

    def _tables(self, options: Sequence[list[Option]]) -> list[Tables]:
        return [tables_of(self.space, self.program, self.price.terms, g, own) for g, own in enumerate(options)]

    def _factors(self, tables: list[Tables]) -> tuple[Ints, ...]:
        problem, machine = self.space.problem, self.space.machine
        bits = np.array([machine.word_bits[t] for t in TENSORS], np.int64)
        strides = np.array(list(zip(problem.stride, problem.dilation, strict=True)), np.int64)
        return tuple(bounding.tile_factors(g, t.tiles, self.partitions, bits, strides) for g, t in enumerate(tables))

    def _bounds(
        self, costs: Costs, units: Ints, charged: tuple[Any, ...], limits: Ints, places: Any = None, known: Any = None
    ) -> Floats:
        if known is None:
            places = tuple(np.zeros(len(t.totals), np.int64) for t in costs.tables)
            known = Known(UNKNOWN, *np.zeros((2, len(units))))
        factors = self._factors(costs.tables)
        totals, extents = tuple(t.totals for t in costs.tables), tuple(t.extents for t in costs.tables)
        tensor = self.program.edges[self.price.terms[:, 0], 0]
        starts, size = _starts(units)
        bounds = np.empty(size)

        def bound(first: int, end: int) -> None:
            bounding.bound_all(
                units[first:end], starts[first:end], tensor, costs.pairs.rows, totals, costs.pairs.parts, extents,
                factors, limits, *charged, places, known.outermost.energy, known.outermost.cycles,
                known.inner[first:end], known.time[first:end], known.below, bounds,
            )  # fmt: skip

        in_slices(len(units), 1, bound)
        return bounds

    def _ordered(
        self, costs: Costs, units: Ints, bounds: Floats, options: list[list[Option]], keep: int, below: float
    ) -> list[Candidate]:
        space, levels = self.space, self.program.levels
        free = np.zeros(levels, np.int64)
        free[list(space.free)] = 1
        places, counts, totals = (tuple(t[i] for t in costs.tables) for i in range(3))
        scores, picks = np.full((keep, 3), below), np.zeros((keep, len(GROUPS)), np.int64)
        orders = np.zeros((keep, levels, len(GROUPS)), np.int64)
        pairs, starts = costs.pairs, _starts(units)[0]
        ranked = np.argpartition(bounds, min(keep, len(bounds)) - 1)[:keep]
        for _ in range(2):  # the most promising first: what they come to leaves few others to rank
            found = scores[-1, 0]
            scores[:] = below
            ordering.search_orders(
                ranked[np.argsort(bounds[ranked], kind="stable")], bounds, units, starts, free, places, counts, totals,
                pairs.rows, pairs.runs, pairs.parts, pairs.segments, tuple(t.extents for t in costs.tables),
                *self.charged, scores, picks, orders,
            )  # fmt: skip
            ranked = np.flatnonzero(bounds <= scores[-1, 0])
        del found
        out = []
        for score, pick, order in zip(scores, picks, orders, strict=True):
            if score[0] < below:
                splits = {d: s for g, dims in enumerate(GROUPS) for d, s in zip(dims, options[g][pick[g]], strict=True)}
                nest = LoopNest(space.nest_levels(splits, order.tolist()), source=space.dataflow.name)
                out.append(Candidate(nest, *map(float, score)))
        return out


def _score(one: Candidate) -> float:
    return one.score


def _unrollings(space: Space) -> Unrollings:
    inners: list[list[tuple[Inner, ...]]] = [[] for _ in GROUPS]
    ranges: list[dict[tuple[Inner, ...], tuple[int, int]]] = [{} for _ in GROUPS]
    units = []
    for spatial in space.spatials():
        unit = []
        for g, dims in enumerate(GROUPS):
            key = tuple(spatial[d] for d in dims)
            if key not in ranges[g]:
                first = len(inners[g])
                inners[g] += product(*(space.inside(d, own) for d, own in zip(dims, key, strict=True)))
                ranges[g][key] = first, len(inners[g])
            unit.append(ranges[g][key])
        if all(end > first for first, end in unit):
            units.append(unit)
    return Unrollings(inners, np.array(units, np.int64).reshape(-1, len(GROUPS), 2))


def _starts(units: Ints) -> tuple[Ints, int]:
    """Where the combinations of each unit lie, and how many there are."""
    ends = np.cumsum(np.prod(units[:, :, 1] - units[:, :, 0], axis=1))
    return np.concatenate([[0], ends[:-1]]).astype(np.int64), int(ends[-1])


def _partitions(space: Space) -> tuple[Ints, Ints]:
    """int64[partition, 4], (level, slots of ifmap, filter, psum), and how many bits each has."""
    rows, limits, skips = [], [], dict(space.skips)
    for index, level in enumerate(space.machine.levels):
        for partition in level.capacity:
            slots = []
            for tensor in TENSORS:
                held = tensor in partition.tensors and tensor in level.keeps and tensor not in skips.get(index, ())
                slots.append((2 if level.buffering(tensor) is Buffer.DOUBLE else 1) if held else 0)
            rows.append([index, *slots])
            limits.append(partition.bits)
    return np.array(rows, np.int64).reshape(-1, 4), np.array(limits, np.int64)
