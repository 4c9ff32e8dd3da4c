"""One layer's mapspace on one machine as the kernels read it, and a mapping as they found it."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from math import ceil, factorial, floor, inf, prod
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from accelsim.architecture.model import Architecture
from accelsim.energy.table import EnergyTable
from accelsim.engine.program import Ints
from accelsim.mapping.mapping import LevelMapping, Loop, LoopNest
from accelsim.search.factors import longest
from accelsim.search.kernels.bounds import tile_factors
from accelsim.search.narrowed import most_saved
from accelsim.search.optimum.chains import TURN, chains_of
from accelsim.search.optimum.classes import Classes
from accelsim.search.optimum.clock import Clock
from accelsim.search.optimum.constraints import NothingFitsError
from accelsim.search.optimum.heads import Heads
from accelsim.search.optimum.kernels import settle as settling
from accelsim.search.optimum.kernels.descend import Inners, Leaves
from accelsim.search.optimum.kernels.under import Holds
from accelsim.search.optimum.kernels.within import Limited
from accelsim.search.optimum.orders import CODES, fixed, orders
from accelsim.search.optimum.outside import Bounds
from accelsim.search.optimum.placements import Placement, placements_of
from accelsim.search.optimum.scope import Scope
from accelsim.search.optimum.tables import Words, words_of
from accelsim.search.partitions import partitions_of
from accelsim.search.space import GROUPS
from accelsim.workload.problem import DIM_INDEX, TENSORS, Problem

Number = TypeVar("Number", bound=np.generic)
ALL = range(len(GROUPS))


class Walked(NamedTuple):
    """One placement: its classes, what the kernels read of it, and the least bound of its leaves.

    heads : few tiles that may lie above the array; None: any may. listed : all leaves below what was known when heads
    were made, by rising bounds; None: they are not listed. limited : by what else a mapping is bounded, if by anything.
    """

    placement: Placement
    classes: Classes
    heads: Heads | None
    inners: Inners
    known: settling.Known
    least: float
    listed: Leaves | None
    limited: Limited | None


class Mapspace:
    """All chains of a layer on a machine, its placements, and the tables of both.

    timed : whether cycles count: groups of a layer may be spatial then, and placements say what keeps ports busy.
    clock : of the tables of words, which are made when they are asked for first, and may raise OutOfTimeError.
    """

    def __init__(
        self, machine: Architecture, problem: Problem, table: EnergyTable, scope: Scope, timed: bool, clock: Clock
    ) -> None:
        self.machine, self.problem, self.scope, self.clock = machine, problem, scope, clock
        self.array = max(machine.pe_level - 1, 0)
        fan = machine.levels[self.array].fanout
        self.sides, self.pes = (fan.y, fan.x), fan.y * fan.x
        trade = scope.trade
        self.placements = placements_of(machine, problem, table, scope.placements(machine), timed, trade is not None)
        if machine.narrows:
            # sums are wide in a search: a bound has what narrowing the final ones saves at most
            saved = [most_saved(machine, problem, table, one.bypass) for one in self.placements.every]
            both = zip(self.placements.every, saved, strict=True)
            every = tuple(replace(one, constant=one.constant - less) for one, less in both)
            self.placements = replace(self.placements, every=every)
        if scope.toll:
            every = tuple(one.tolled(scope.toll) for one in self.placements.every)
            self.placements = replace(self.placements, every=every)
        if trade is not None:
            every = tuple(one.traded(trade) for one in self.placements.every)
            self.placements = replace(self.placements, every=every)
        inside = any(one.inside for one in self.placements.every)
        levels = self.array + 1
        self.chains = [
            chains_of(
                problem, g, levels,
                [
                    self._fitting(g, a, scope.chains(problem, dim, levels, inside, timed, self.pes))
                    for a, dim in enumerate(dims)
                ],
            )
            for g, dims in enumerate(GROUPS)
        ]  # fmt: skip

    @cached_property
    def words(self) -> list[Words]:
        """The words of every chain, by group."""
        place = self.placements
        return [
            words_of(place.program, g, chains, place.edges, place.terms, self.array, self.clock)
            for g, chains in enumerate(self.chains)
        ]

    @cached_property
    def bounds(self) -> Bounds:
        """What bounds the mappings of a class."""
        return Bounds(self.placements, self.chains, self.words, self.array, self.room)

    @property
    def size(self) -> float:
        """Mappings: chains that may be together, times orders of all free loops at each level, times placements."""
        chains, innermost, orders_of = prod(float(len(c)) for c in self.chains), self.scope.innermost(), 1.0
        if self.scope.flow:
            number = [np.bincount(self._kinds[g][0][c.inner]) for g, c in enumerate(self.chains)]
            each = [number[g][self._joint[:, turn]].astype(float) for turn, g in enumerate(TURN)]
            chains = float(np.prod(each, axis=0).sum())
        loops = {dim for dim in DIM_INDEX if self.problem[dim] > 1}
        for level in range(self.array + 1):
            orders_of *= factorial(len(loops - set(innermost.get(level, ()))))
        return chains * orders_of * len(self.placements.every)

    def room(self, placement: Placement, level: int) -> tuple[Ints, Ints]:
        """Of a memory above the array, what tiles take: (int64[group, tile, partition, tensor], int64[partition]).

        First factors of bits, then the most bits that there may be.
        """
        rows, limits = partitions_of(self.machine, placement.bypass, [level])
        room = np.ones((len(GROUPS), max(len(c.tile_sizes) for c in self.chains), len(rows), len(TENSORS)), np.int64)
        for g, chains in enumerate(self.chains):
            room[g, : len(chains.tile_sizes)] = self._factors(g, chains.tile_sizes, rows)
        return room, self._bounded(rows, limits)[1]

    def _fitting(self, group: int, a: int, chains: Ints) -> Ints:
        """Those of one dim whose tiles fit where nothing else has any; of one placement: others keep other tensors."""
        if len(self.placements.every) > 1 or len(chains) == 1:
            return chains
        of_levels = range(1, len(self.machine.levels))
        rows, limits = partitions_of(self.machine, self.placements.every[0].bypass, of_levels)
        covers = np.minimum(np.cumprod(chains[:, ::-1], axis=1)[:, ::-1], self.problem[GROUPS[group][a]])
        ones = [self._factors(g, np.ones((1, len(dims)), np.int64), rows)[0] for g, dims in enumerate(GROUPS)]
        others = np.prod([own for g, own in enumerate(ones) if g != group], axis=0)
        fits = np.ones(len(chains), np.bool_)
        for p, limit in enumerate(limits):
            level = int(rows[p, 0])
            sizes = np.ones((len(chains), len(GROUPS[group])), np.int64)
            sizes[:, a] = covers[:, level if level <= self.array else -1]
            fits &= (self._factors(group, sizes, rows[p : p + 1])[:, 0] * others[p]).sum(axis=1) <= limit
        return chains[fits] if fits.any() else chains[:1]

    def _factors(self, group: int, sizes: Ints, rows: Ints) -> Ints:
        """int64[tile, partition, tensor], factors of the bits of tiles of so many of each dim."""
        tiles = np.ones((len(sizes), len(self.machine.levels), 2), np.int64)
        tiles[:, :, : sizes.shape[1]] = sizes[:, None, :]
        bits = np.array([self.machine.word_bits[t] for t in TENSORS], np.int64)
        strides = np.array(list(zip(self.problem.stride, self.problem.dilation, strict=True)), np.int64)
        found: Ints = tile_factors(group, tiles, rows, bits, strides)
        return found

    @cached_property
    def _packs(self) -> npt.NDArray[np.bool_]:
        """bool[PEs + 1]: which numbers of PEs can be laid out, in any rectangle; a dataflow's are listed."""
        rows, columns = self.sides
        least, most = self.scope.constraints.pes
        out, n = np.zeros(self.pes + 1, np.bool_), np.arange(self.pes + 1)
        out[n[1:] if self.scope.flow else np.multiply.outer(n[1 : rows + 1], n[1 : columns + 1])] = True
        return out & (least <= n) & (n <= most)

    @cached_property
    def _strides(self) -> Ints:
        """int64[group]: of a tile's index among all tiles."""
        out, stride = np.zeros(len(GROUPS), np.int64), 1
        for g in reversed(ALL):
            out[g] = stride if self.array else 0
            stride *= len(self.chains[g].tile_sizes)
        return out

    def inners(self, placement: Placement) -> Inners:
        """What may lie in the PE and across the array."""
        levels = range(self.machine.pe_level, len(self.machine.levels))
        rows, limits = partitions_of(self.machine, placement.bypass, levels)
        most, groups, strides = max(len(c.inners) for c in self.chains), len(GROUPS), self._strides
        usable, below = np.zeros((groups, most), np.bool_), np.zeros((groups, most), np.int64)
        across, macs, kinds = np.ones((3, groups, most), np.int64)
        steps, room = np.ones((groups, most)), np.ones((groups, most, len(limits), 3), np.int64)
        for g, chains in enumerate(self.chains):
            n, spatial, inside = len(chains.inners), chains.inners[:, :, 0], chains.inners[:, :, 1]
            may = spatial.prod(axis=1) <= self.pes
            for a, dim in enumerate(chains.dims):
                may &= (spatial[:, a] == 1) | (dim in placement.across)
                may &= (inside[:, a] == 1) | placement.inside
                # iterations of the PE that has most: it is at the start of every trip
                trips = -(-self.problem[dim] // (spatial[:, a] * inside[:, a]))
                factors = np.stack([trips, spatial[:, a], inside[:, a]], axis=1)
                steps[g, :n] *= longest(self.problem[dim], factors, np.array([False, True, False]))
            usable[g, :n], below[g, :n] = may, chains.below * strides[g]
            across[g, :n], macs[g, :n] = spatial.prod(axis=1), inside.prod(axis=1)
            room[g, :n] = self._factors(g, inside, rows)
            kinds[g, :n] = self._kinds[g][0]
        # bits count from the first choice on: some partitions hold none of a tensor
        words = self._factors(0, np.ones((1, len(GROUPS[0])), np.int64), rows)[0]
        room[0] //= np.maximum(words, 1)
        room[0, :, words == 0] = 1
        least, most_bits = self._bounded(rows, limits)
        ceilings, trade = self.scope.ceilings, self.scope.trade
        return Inners(
            np.array([len(c.inners) for c in self.chains]), usable, below, across, steps, macs, room, words, most_bits,
            least, self._packs, np.array(TURN, np.int64), kinds, self._joint, self.machine.macs_together,
            self.machine.mac_cycles, ceilings.most_words if trade and trade.words else ceilings.most, 0.0,
            0.0,
        )  # fmt: skip

    def _bounded(self, rows: Ints, limits: Ints) -> tuple[Ints, Ints]:
        """Bits that tiles take of each partition at the least and at the most."""
        bounds = [self.scope.constraints.room.get(int(row[0]), (0.0, 1.0)) for row in rows]
        pairs = list(zip(limits.tolist(), bounds, strict=True))
        least = [ceil(limit * low - 1e-9) for limit, (low, _) in pairs]
        return np.array(least, np.int64), np.array([floor(limit * high + 1e-9) for limit, (_, high) in pairs], np.int64)

    @cached_property
    def _kinds(self) -> list[tuple[Ints, dict[tuple[int, ...], int]]]:
        """Of each group, int64[inner], which of the ways to have its dims spatial an inner has; and those ways."""
        out = []
        for chains in self.chains:
            ways: dict[tuple[int, ...], int] = {}
            at = [ways.setdefault(tuple(spatial), len(ways)) for spatial in chains.inners[:, :, 0].tolist()]
            out.append((np.array(at, np.int64), ways))
        return out

    @cached_property
    def _joint(self) -> Ints:
        """int64[way, turn]: every way to have dims spatial together, sorted; none: whatever packs."""
        flow = self.scope.flow
        if flow is None:
            return np.zeros((0, len(GROUPS)), np.int64)
        found = set()
        for axes in flow.axes:
            across = {dim: y * x for dim, (y, x) in axes.items()}
            # what the constraints leave out is no inner
            own = [self._kinds[g][1].get(tuple(across.get(dim, 1) for dim in GROUPS[g])) for g in TURN]
            if None not in own:
                found.add(tuple(own))
        if not found:
            raise NothingFitsError("no way to unroll the array keeps the constraints")
        return np.array(sorted(found), np.int64)

    def tabulate(self, picks: Ints, tiles: Ints) -> None:
        """See to it that the carries of all chains of some leaves are known; int64[leaf, group] both."""
        for g, chains in enumerate(self.chains):
            if self.words[g].known.all():
                continue
            met = np.zeros(chains.spans.shape[:2], np.bool_)
            met[picks[:, g], tiles[:, g]] = True
            spans = chains.spans[met].tolist()
            self.words[g].tabulate(np.concatenate([np.arange(first, end) for first, end in spans]))

    def known(self, placement: Placement, classes: Classes, inners: Inners, lazily: bool) -> settling.Known:
        """What the kernels read to settle leaves of a placement.

        lazily : `tabulate` is called for whatever is settled.
        """
        table, masks = orders()
        terms = placement.terms
        moved = [self.bounds.child(k) for k in terms.tolist()]
        words = self.words
        # of one placement all terms are its own: tables are read as they are, also where they are not filled yet
        alone = len(self.placements.every) == 1 and terms.tolist() == list(range(len(self.placements.terms)))
        if not (alone and lazily):
            for own in words:
                own.tabulate()

        def some(values: npt.NDArray[Number]) -> npt.NDArray[Number]:
            return np.ascontiguousarray(values if alone else values[..., terms])

        tabled = settling.Tabled(
            tuple(some(w.totals) for w in words),
            tuple(some(w.stays) for w in words),
            tuple(some(w.kepts) for w in words),
            tuple(some(w.aboves) for w in words),
            tuple(w.firsts for w in words),
            tuple(w.there for w in words),
            np.array([tensor for tensor, _, _ in moved]),
            np.array([0 if anew else child for _, child, anew in moved]),
            placement.prices,
            tuple(c.ragged for c in self.chains),
        )
        innermost = fixed(self.scope.innermost(), self.array + 1)
        return settling.Known(
            classes, inners, self._tiles(placement, classes), self._room(placement), tabled,
            table._replace(fixed=innermost), masks, placement.constant,
        )  # fmt: skip

    def limited(self, placement: Placement, known: settling.Known) -> Limited | None:
        """The two accounts of a trade that keeps the other one below its ceiling; None: there is none."""
        trade, ceilings = self.scope.trade, self.scope.ceilings
        if trade is None or not trade.kept:
            return None
        own, other = (known.tabled._replace(prices=one.prices) for one in placement.accounts)
        constants = np.array([one.constant for one in placement.accounts])
        most = ceilings.most_words if not trade.words else ceilings.most
        most[1] = inf  # cycles are those of both
        return Limited(own, other, constants, most)

    def _room(self, placement: Placement) -> settling.Room:
        """What every chain takes of the memories above the PE, where the tiles of a bound do not say it exactly."""
        exact = not any(c.merged for c in self.chains)
        levels = [i for i in range(1, self.array + 1) if not exact or i in self.scope.constraints.room]
        rows, limits = partitions_of(self.machine, placement.bypass, levels)
        least, most = self._bounded(rows, limits)
        factors = []
        for g, chains in enumerate(self.chains):
            sizes = np.array([self.problem[dim] for dim in chains.dims], np.int64)
            own = np.ones((len(chains), len(rows), len(TENSORS)), np.int64)
            for p, row in enumerate(rows):
                tiles = np.minimum(chains.covers[:, :, int(row[0])], sizes)
                own[:, p] = self._factors(g, tiles, rows[p : p + 1])[:, 0]
            factors.append(own)
        return settling.Room(tuple(factors), least, most)

    def _tiles(self, placement: Placement, classes: Classes) -> settling.Tiles:
        sizes = np.array([len(c.tile_sizes) if self.array else 1 for c in self.chains])
        return settling.Tiles(
            sizes, self._strides, self.holds(classes), tuple(c.spans for c in self.chains), self._further,
            classes.further, self.bounds.inside(placement),
        )  # fmt: skip

    @cached_property
    def _further(self) -> tuple[Ints, ...]:
        return tuple(np.ascontiguousarray(c.tiles[:, :-1]) for c in self.chains)

    def holds(self, classes: Classes) -> Holds:
        """Which tiles may lie above what an array covers in each class."""
        covered, alike = self._holds
        pattern, dim = np.zeros((len(classes.free), len(GROUPS)), np.int64), 0
        for g, chains in enumerate(self.chains):
            for a in range(len(chains.dims)):
                pattern[:, g] |= classes.free[:, dim + a] << a
            dim += len(chains.dims)
        return Holds(covered, alike, pattern)

    @cached_property
    def _holds(self) -> tuple[Ints, npt.NDArray[np.bool_]]:
        most = max(len(c.tile_sizes) if self.array else 1 for c in self.chains)
        covered = np.zeros((len(GROUPS), max(len(c.inners) for c in self.chains)), np.int64)
        alike = np.zeros((len(GROUPS), 4, most, most), np.bool_)
        for g, chains in enumerate(self.chains):
            if not self.array:
                alike[g, :, 0, 0] = True
                continue
            covered[g, : len(chains.below)] = chains.below
            n = len(chains.tile_sizes)
            numbers = np.stack(np.unravel_index(np.arange(n), chains.sides), axis=1)
            small, large = numbers[:, None, :], numbers[None, :, :]
            for pattern in range(1 << len(chains.dims)):
                holds = np.ones((n, n), np.bool_)
                for a in range(len(chains.dims)):
                    holds &= chains.reach[a][self.array - 1][small[..., a], large[..., a]]
                    if not pattern >> a & 1:
                        holds &= large[..., a] == small[..., a]
                alike[g, pattern, :n, :n] = holds
        return covered, alike

    def nest(self, placement: Placement, best: settling.Best) -> LoopNest:
        """The mapping of the chosen chains in the chosen orders."""
        names = {code: dim for dim, code in CODES.items()}
        factors = {
            dim: [int(f) for f in self.chains[g].factors[best.chain[g], a]]
            for g, dims in enumerate(GROUPS)
            for a, dim in enumerate(dims)
        }
        y, x = self.scope.laid({dim: f[-2] for dim, f in factors.items()}, self.sides)
        levels, last = [], len(self.machine.levels) - 1
        for i, spec in enumerate(self.machine.levels):
            temporal: list[Loop] = []
            if i <= self.array:
                dims = [names[int(code)] for code in best.order[i] if code >= 0]
                temporal += [Loop(dim, factors[dim][i]) for dim in dims if factors[dim][i] > 1]
            if i == last:
                temporal += [Loop(dim, factors[dim][-1]) for dim in self.scope.in_pe if factors[dim][-1] > 1]
            rows, columns = (y, x) if i == self.array else ((), ())
            skipped = placement.bypass.get(i, frozenset())
            if temporal or rows or columns or skipped:
                levels.append((spec.name, LevelMapping(tuple(temporal), rows, columns, skipped)))
        return LoopNest(tuple(levels), source=self.scope.name)


def leaves_of(n: int) -> Leaves:
    """Room for so many."""
    return Leaves(
        np.zeros(1, np.int64), np.zeros(n), np.zeros((n, len(GROUPS)), np.int64), np.zeros(1, np.int64),
        np.zeros((n, len(GROUPS)), np.int64), np.zeros(n),
    )  # fmt: skip
