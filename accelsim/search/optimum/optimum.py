"""The optimum of a layer's whole mapspace, with a certificate or a proven gap."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, prod

import numpy as np

from accelsim.architecture.model import Architecture
from accelsim.energy.load import table_for
from accelsim.energy.table import EnergyTable
from accelsim.engine.program import Ints
from accelsim.errors import AccelsimError, MappingError, nearest
from accelsim.mapping.mapping import LevelMapping, Loop, LoopNest, check
from accelsim.search.factors import divisors
from accelsim.search.kernels.bounds import tile_factors
from accelsim.search.kernels.records import Floats
from accelsim.search.optimum.chains import Chains, chains_of
from accelsim.search.optimum.kernels import descend as descending
from accelsim.search.optimum.kernels import settle as settling
from accelsim.search.optimum.orders import CODES, orders
from accelsim.search.optimum.outside import TILED, Bounds, Classes
from accelsim.search.optimum.placements import Bypass, Placement, Placements, placements_of
from accelsim.search.optimum.tables import words_of
from accelsim.search.space import GROUPS
from accelsim.workload.problem import DIM_INDEX, TENSORS, Problem

OBJECTIVES = ("energy", "cycles", "edp", "ed2p")
TURN = (2, 3, 4, 5, 0, 1)
"""Groups in the order they are chosen: M and C first, what most tensors depend on."""
FIRST_GAP, MOST_LEAVES = 0.03, 1 << 22
MEMORIES = 3
"""Most memories between the outermost and the PE."""


@dataclass(frozen=True)
class Optimum:
    """The best mapping of a layer's mapspace.

    nest : the mapping; score : the objective, energy in the table's unit and cycles of the MACs; bound : nothing in the
    space is below. certified : they are the same. size : mappings in the space. nodes : choices looked at; leaves, tried
    : what lies below the array, and whole mappings, that were worked out.
    """

    nest: LoopNest
    objective: str
    score: float
    energy: float
    bound: float
    size: float
    nodes: int
    leaves: int
    tried: int
    seconds: float

    @property
    def certified(self) -> bool:
        """Whether nothing in the space is better."""
        return self.bound >= self.score * (1 - 1e-9)

    @property
    def gap(self) -> float:
        """How far what is found may lie above the optimum, as a share of the bound."""
        return max(self.score / self.bound - 1, 0.0)


def optimum(
    architecture: Architecture,
    problem: Problem,
    objective: str = "energy",
    table: EnergyTable | None = None,
    budget: float | None = None,
    placements: Sequence[Bypass] | None = None,
) -> Optimum:
    """The best of all mappings of a layer: every chain of perfect factors, every order that differs, every placement.

    Parameters
    ----------
    budget : seconds after which the best so far is taken, with its gap. placements : those to look at; None: all.

    Raises
    ------
    MappingError : nothing fits, or a machine whose mapspace there is no bound for. AccelsimError : unknown objective.
    """
    if objective not in OBJECTIVES:
        raise AccelsimError(f"unknown objective '{objective}'{nearest(objective, OBJECTIVES)}")
    table = table or table_for(architecture, None)
    _refuse(architecture)
    return _Search(architecture, problem, OBJECTIVES.index(objective), table, placements).run(budget)


def _refuse(machine: Architecture) -> None:
    """Machines whose words are no sums of products of their loops, or whose arrays are several."""
    arrays = [spec.name for spec in machine.levels if spec.fanout.y * spec.fanout.x > 1]
    array = max(machine.pe_level - 1, 0)
    reason = ""
    if machine.cartesian or machine.narrows or machine.paced:
        reason = "its counts depend on more than tiles and orders"
    elif len(arrays) > 1 or (arrays and arrays[0] != machine.levels[array].name):
        reason = f"it has arrays below {' and '.join(arrays)}; one, right above the PE, is searched whole"
    elif array > MEMORIES:
        reason = f"it has {array} memories between the outermost and the PE; up to {MEMORIES} are searched whole"
    if reason:
        raise MappingError(f"no whole mapspace of '{machine.name}': {reason}; give a dataflow instead")


@dataclass
class _Walked:
    """One placement: its classes, what the kernels read, and the least bound of its leaves."""

    placement: Placement
    classes: Classes
    inners: descending.Inners
    least: float


class _Search:
    def __init__(
        self, machine: Architecture, problem: Problem, objective: int, table: EnergyTable, allowed: Sequence[Bypass] | None
    ) -> None:
        self.machine, self.problem, self.objective, self.table = machine, problem, objective, table
        self.array = max(machine.pe_level - 1, 0)
        self.placements: Placements = placements_of(machine, problem, table, allowed)
        spread = objective != 0
        self.chains: list[Chains] = []
        for g, dims in enumerate(GROUPS):
            across = self._pes > 1 and (dims != ("G",) or spread)
            self.chains.append(chains_of(problem, g, self.array + 1, across, any(p.inside for p in self.placements.every)))
        place = self.placements
        self.words = [
            words_of(place.program, g, chains, place.edges, place.terms, self.array) for g, chains in enumerate(self.chains)
        ]
        self.bounds = Bounds(place, self.chains, self.words, self.array, self._fits)
        self.nodes = 0

    @property
    def _pes(self) -> int:
        fan = self.machine.levels[self.array].fanout
        return fan.y * fan.x

    @property
    def _packs(self) -> Ints:
        """bool[PEs + 1]: which numbers of PEs fit, in some rectangle."""
        fan = self.machine.levels[self.array].fanout
        return np.array([any(y <= fan.y and n // y <= fan.x for y in divisors(n)) if n else False for n in range(fan.y * fan.x + 1)])

    def _slots(self, placement: Placement, levels: range) -> tuple[Ints, Ints]:
        rows, limits = [], []
        for i in levels:
            spec = self.machine.levels[i]
            for partition in spec.capacity:
                kept = [
                    spec.slots(t) * (t in partition.tensors and t in spec.keeps and t not in placement.bypass.get(i, ()))
                    for t in TENSORS
                ]
                if any(kept):
                    rows.append([0, *kept])
                    limits.append(partition.bits)
        return np.array(rows, np.int64).reshape(-1, 4), np.array(limits, np.int64)

    def _factors(self, group: int, sizes: Ints, rows: Ints) -> Ints:
        """int64[tile, partition, tensor], factors of the bits of tiles of so many of each dim."""
        tiles = np.ones((len(sizes), 1, 2), np.int64)
        tiles[:, 0, : sizes.shape[1]] = sizes
        bits = np.array([self.machine.word_bits[t] for t in TENSORS], np.int64)
        strides = np.array(list(zip(self.problem.stride, self.problem.dilation, strict=True)), np.int64)
        return tile_factors(group, tiles, rows, bits, strides)

    def _fits(self, placement: Placement, level: int) -> Floats:
        """float64[tile]: 0, or infinite where a memory cannot hold the tile."""
        rows, limits = self._slots(placement, range(level, level + 1))
        out = np.zeros(int(np.prod(self.bounds.shape)))
        for p, limit in enumerate(limits):
            bits = np.zeros(len(out))
            for t in range(3):
                one = np.ones(1)
                for g in TILED:
                    own = self._factors(g, self.chains[g].tile_sizes, rows)[:, p, t].astype(float)
                    one = np.multiply.outer(one, own).reshape(-1)
                bits += one
            out[bits > limit] = inf
        return out

    def _inners(self, placement: Placement, strides: Ints) -> descending.Inners:
        rows, limits = self._slots(placement, range(self.machine.pe_level, len(self.machine.levels)))
        most, groups = max(len(c.inners) for c in self.chains), len(GROUPS)
        usable, below = np.zeros((groups, most), np.bool_), np.zeros((groups, most), np.int64)
        across, steps, macs = np.ones((3, groups, most), np.int64)
        room = np.ones((groups, most, len(limits), 3), np.int64)
        for g, chains in enumerate(self.chains):
            n, spatial, inside = len(chains.inners), chains.inners[:, :, 0], chains.inners[:, :, 1]
            may = np.ones(n, np.bool_)
            for a, dim in enumerate(chains.dims):
                if dim not in placement.across:
                    may &= spatial[:, a] == 1
                if not placement.inside:
                    may &= inside[:, a] == 1
            usable[g, :n] = may & (spatial.prod(axis=1) <= self._pes)
            below[g, :n] = chains.below * strides[g]
            across[g, :n], macs[g, :n] = spatial.prod(axis=1), inside.prod(axis=1)
            sizes = np.array([self.problem[dim] for dim in chains.dims])
            steps[g, :n] = (sizes // spatial).prod(axis=1)
            room[g, :n] = self._factors(g, inside, rows)
        return descending.Inners(
            np.array([len(c.inners) for c in self.chains]), usable, below, across, steps.astype(float), macs, room, limits,
            self._packs, np.array(TURN, np.int64),
        )  # fmt: skip

    @property
    def _strides(self) -> Ints:
        out, stride = np.zeros(len(GROUPS), np.int64), 1
        for g in reversed(TILED):
            out[g] = stride if self.array else 0
            stride *= len(self.chains[g].tile_sizes)
        return out

    @property
    def size(self) -> float:
        """Mappings: chains, times orders of seven loops at each level (eight with G), times placements."""
        chains = prod(float(len(c)) for c in self.chains)
        loops = sum(self.problem[dim] > 1 for dim in DIM_INDEX)
        return chains * float(prod(range(1, loops + 1))) ** (self.array + 1) * len(self.placements.every)

    def run(self, budget: float | None) -> Optimum:
        start = time.perf_counter()
        whole = self.problem.macs / self._pes / 1.0
        best = settling.Best(
            np.array([inf]), np.array([inf]), np.zeros(len(GROUPS), np.int64), np.zeros(self.array + 1, np.int64),
            np.zeros(1, np.int64),
        )  # fmt: skip
        walked, chosen = self._roots(whole, best)
        if chosen is None:
            raise MappingError(f"no mapping fits '{self.machine.name}' at all: its memories cannot hold one word of each")
        # none is left whose bound is below what was found: that is the optimum
        bound = min((one.least for one in walked), default=float(best.score[0]))
        leaves, gap, limit = 0, FIRST_GAP, 0.0
        while best.score[0] > limit:
            if limit and budget is not None and time.perf_counter() - start > budget:
                break
            limit = bound * (1 + gap)
            gap *= 2
            for one in walked:
                if one.least >= min(limit, best.score[0]):
                    continue
                picks, bounds, nodes = self._leaves(one, whole, min(limit, best.score[0]))
                self.nodes += nodes
                if not len(bounds):
                    continue
                before = best.score[0]
                order = np.argsort(bounds, kind="stable")
                leaves += settling.settle(
                    picks[order], bounds[order], one.placement.constant, whole, self.objective, self._known(one), best
                )
                if __import__('os').environ.get('DBG'): print('limit',limit/bound,'one',one.least/bound,'leaves',len(bounds),'best',best.score[0]/bound,'tried',best.tried[0],'t',time.perf_counter()-start)
                if best.score[0] < before:
                    chosen = one.placement
        nest = self._nest(chosen, best)
        check(self.machine, nest, self.problem)
        score = float(best.score[0])
        return Optimum(
            nest, OBJECTIVES[self.objective], score, float(best.energy[0]), min(score, limit) if limit else bound,
            self.size, self.nodes, leaves, int(best.tried[0]), time.perf_counter() - start,
        )  # fmt: skip

    def _roots(self, whole: float, best: settling.Best) -> tuple[list[_Walked], Placement | None]:
        """Every placement with a bound below the best found on the way, and whose that is.

        Where a placement's bound is least its mappings are tried: what they cost leaves others out.
        """
        out, strides, chosen = [], self._strides, None
        for placement in sorted(self.placements.every, key=self.bounds.compulsory):
            if self.objective == descending.ENERGY and self.bounds.compulsory(placement) >= best.score[0]:
                continue
            classes = self.bounds.classes(placement)
            if not np.isfinite(classes.outer).any():
                continue
            inners, leaves = self._inners(placement, strides), _leaves(1)
            least = descending.descend(
                classes, placement.constant, inners, _span(inners), whole, self.objective, best.score[0], False, leaves
            )
            self.nodes += int(leaves.nodes[0])
            if not leaves.number[0]:
                continue
            one = _Walked(placement, classes, inners, float(least))
            out.append(one)
            before = best.score[0]
            settling.settle(
                leaves.pick, leaves.bound, placement.constant, whole, self.objective, self._known(one), best
            )
            if best.score[0] < before:
                chosen = placement
        return sorted((one for one in out if one.least < best.score[0]), key=lambda one: one.least), chosen

    def _leaves(self, one: _Walked, whole: float, limit: float) -> tuple[Ints, Floats, int]:
        leaves = _leaves(1 << 16)
        while True:
            descending.descend(
                one.classes, one.placement.constant, one.inners, _span(one.inners), whole, self.objective, limit, True,
                leaves,
            )
            n = int(leaves.number[0])
            if n <= len(leaves.bound):
                return leaves.pick[:n], leaves.bound[:n], int(leaves.nodes[0])
            leaves = _leaves(n)

    def _known(self, one: _Walked) -> settling.Known:
        table, masks = orders()
        terms, place = one.placement.terms, self.placements
        children = np.array([0 if anew else child for _, child, anew in map(self.bounds.child, terms.tolist())])
        tensors = np.array([self.bounds.child(k)[0] for k in terms.tolist()])
        take = [
            (w.totals[:, terms], w.stays[..., terms], w.kepts[..., terms], w.aboves[:, terms], w.firsts, w.there)
            for w in self.words
        ]
        tabled = settling.Tabled(*(tuple(np.ascontiguousarray(v) for v in some) for some in zip(*take, strict=True)),
                                 tensors, children, one.placement.prices)
        del place
        return settling.Known(one.classes, one.inners, self._tiles(one), tabled, table, masks)

    def _tiles(self, one: _Walked) -> settling.Tiles:
        groups = len(GROUPS)
        sizes = np.array([len(c.tile_sizes) if g in TILED and self.array else 1 for g, c in enumerate(self.chains)])
        most = int(sizes.max())
        below = np.zeros((groups, max(len(c.inners) for c in self.chains)), np.int64)
        alike = np.zeros((len(one.classes.free), groups, most, most), np.bool_)
        dim = 0
        for g, chains in enumerate(self.chains):
            if sizes[g] == 1 and (g not in TILED or not self.array):
                alike[:, g, 0, 0] = True
                dim += len(chains.dims) if g in TILED else 0
                continue
            below[g, : len(chains.below)] = chains.below
            small, large = chains.tile_sizes[:, None, :], chains.tile_sizes[None, :, :]
            for c, free in enumerate(one.classes.free):
                holds = np.ones((len(chains.tile_sizes),) * 2, np.bool_)
                for a in range(len(chains.dims)):
                    holds &= (large[..., a] % small[..., a] == 0) & (bool(free[dim + a]) | (large[..., a] == small[..., a]))
                alike[c, g, : sizes[g], : sizes[g]] = holds
            dim += len(chains.dims)
        n = len(one.classes.outer[0])
        return settling.Tiles(
            sizes, self._strides, below, alike, tuple(c.spans for c in self.chains),
            tuple(np.ascontiguousarray(c.tiles[:, :-1]) for c in self.chains), np.zeros((0, n)),
            np.zeros((len(one.classes.free), n)),
        )  # fmt: skip

    def _nest(self, placement: Placement, best: settling.Best) -> LoopNest:
        """The mapping of the chosen chains in the chosen orders."""
        table, _ = orders()
        names = {code: dim for dim, code in CODES.items()}
        factors = {
            dim: self.chains[g].factors[best.chain[g], a] for g, dims in enumerate(GROUPS) for a, dim in enumerate(dims)
        }
        levels = []
        y, x = self._laid({dim: int(f[-2]) for dim, f in factors.items()})
        for i, spec in enumerate(self.machine.levels):
            temporal: tuple[Loop, ...] = ()
            if i <= self.array:
                temporal = tuple(
                    Loop(names[int(code)], int(factors[names[int(code)]][i]))
                    for code in table.loops[best.order[i]]
                    if code >= 0 and factors[names[int(code)]][i] > 1
                )
            if i == len(self.machine.levels) - 1:
                temporal += tuple(Loop(dim, int(f[-1])) for dim, f in factors.items() if f[-1] > 1)
            axes = (y, x) if i == self.array else ((), ())
            skipped = placement.bypass.get(i, frozenset())
            if temporal or axes[0] or axes[1] or skipped:
                levels.append((spec.name, LevelMapping(temporal, *axes, skipped)))
        return LoopNest(tuple(levels), source="best")

    def _laid(self, across: dict[str, int]) -> tuple[tuple[Loop, ...], tuple[Loop, ...]]:
        """What is spatial, on the two axes of the array: any divisor of all of it is a product of divisors."""
        fan = self.machine.levels[self.array].fanout
        total = prod(across.values())
        side = next(y for y in reversed(divisors(total)) if y <= fan.y and total // y <= fan.x)
        y, x = [], []
        for dim, factor in across.items():
            on_y = int(np.gcd(factor, side))
            side //= on_y
            if on_y > 1:
                y.append(Loop(dim, on_y))
            if factor // on_y > 1:
                x.append(Loop(dim, factor // on_y))
        return tuple(y), tuple(x)


def _span(inners: descending.Inners) -> Ints:
    return np.array([0, inners.number[inners.turn[0]]], np.int64)


def _leaves(n: int) -> descending.Leaves:
    return descending.Leaves(np.zeros(1, np.int64), np.zeros(n), np.zeros((n, len(GROUPS)), np.int64), np.zeros(1, np.int64))


Progress = Callable[[int, int], None]
