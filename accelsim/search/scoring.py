"""The best of many combinations of splits: bound them all, then try orders from the most promising on."""

from __future__ import annotations

from math import inf

import numpy as np
import numpy.typing as npt

from accelsim.architecture.model import Buffer
from accelsim.energy.table import EnergyTable
from accelsim.engine import program as lowering
from accelsim.engine.pool import in_slices
from accelsim.engine.program import Ints
from accelsim.mapping.mapping import LevelMapping, LoopNest
from accelsim.search.found import OBJECTIVES, Candidate
from accelsim.search.kernels import bounds as bounding
from accelsim.search.kernels import orders as ordering
from accelsim.search.moves import Combinations
from accelsim.search.prices import prices
from accelsim.search.space import GROUPS, Space
from accelsim.search.tables import pairs_of, tables_of
from accelsim.workload.problem import TENSORS, Tensor

Bypass = dict[int, frozenset[Tensor]]
NEXT = 64
"""Most candidates beside the best where cycles count."""


class Scorer:
    """An objective on one machine and problem, with the same tensors passing by each level in all mappings."""

    def __init__(self, space: Space, bypass: Bypass, objective: str, table: EnergyTable) -> None:
        self.machine, self.problem, self.bypass, self.objective = space.machine, space.problem, bypass, objective
        names = tuple((self.machine.levels[i].name, LevelMapping(bypass=skip)) for i, skip in sorted(bypass.items()))
        self.program = lowering.build(self.machine, LoopNest(names), self.problem)
        self.price = prices(self.program, table, space.dataflow.name)
        self.charged = (*self.price.charges, self.machine.macs_per_cycle, OBJECTIVES.index(objective))
        bits = np.array([self.machine.word_bits[t] for t in TENSORS], np.int64)
        strides = np.array(list(zip(self.problem.stride, self.problem.dilation, strict=True)), np.int64)
        partitions, self.limits = self._partitions()
        self.tiles = partitions, bits, strides

    def best_of(self, space: Space, given: Combinations, least: float = inf) -> list[Candidate]:
        """The best of these combinations in all orders of their free loops; empty if none fits or is below `least`.

        Where cycles count, of which a search knows a bound only, the next best bounds follow in their best orders.
        """
        if not len(given.units):
            return []
        terms, program = self.price.terms, self.program
        tables = [tables_of(space, program, terms, g, options) for g, options in enumerate(given.options)]
        pairs = pairs_of(terms, program.edges, tables)
        places, counts, totals, _, _, _, extents, tiles = (tuple(t[i] for t in tables) for i in range(8))
        starts = np.concatenate([[0], np.cumsum(given.sizes)[:-1]]).astype(np.int64)
        factors = tuple(bounding.tile_factors(g, t, *self.tiles) for g, t in enumerate(tiles))
        bounds = np.empty(int(given.sizes.sum()))
        tensor = program.edges[terms[:, 0], 0]

        def bound(first: int, end: int) -> None:
            bounding.bound_all(
                given.units[first:end], starts[first:end], tensor, pairs.rows, totals, pairs.parts, extents, factors,
                self.limits, *self.charged, bounds,
            )  # fmt: skip

        in_slices(len(given.units), 1, bound)
        free = np.zeros(program.levels, np.int64)
        free[list(space.free)] = 1
        order = np.tile(np.arange(6, dtype=np.int64), (program.levels, 1))
        pick = np.zeros(6, np.int64)

        def search(ranked: Ints, score: npt.NDArray[np.float64]) -> None:
            ordering.search_orders(
                ranked, bounds, given.units, starts, free, places, counts, totals, pairs.rows, pairs.runs, pairs.parts,
                pairs.segments, extents, *self.charged, order, pick, score,
            )  # fmt: skip

        def candidate(score: npt.NDArray[np.float64], tried: int) -> Candidate:
            chosen = (zip(GROUPS[g], given.options[g][pick[g]], strict=True) for g in range(len(GROUPS)))
            splits = {dim: split for group in chosen for dim, split in group}
            nest = LoopNest(space.nest_levels(splits, order.tolist(), self.bypass), source=space.dataflow.name)
            return Candidate(nest, float(score[0]), float(score[1]), splits, tried)

        score = np.array([least, inf, inf])
        ranked = np.argmin(bounds, keepdims=True)
        for _ in range(2):  # the most promising first: what it comes to leaves few others to rank
            search(ranked, score)
            ranked = np.flatnonzero(bounds < score[0])
            ranked = ranked[np.argsort(bounds[ranked], kind="stable")]
        if not score[0] < least:
            return []
        found = [candidate(score, len(bounds))]
        if self.objective != "energy":
            ranked = np.argpartition(bounds, NEXT)[:NEXT] if len(bounds) > NEXT else np.arange(len(bounds))
            for at in ranked[np.argsort(bounds[ranked], kind="stable")]:
                own = np.full(3, inf)
                search(np.array([at]), own)
                if np.isfinite(own[0]):
                    found.append(candidate(own, 0))
        return found

    def _partitions(self) -> tuple[Ints, Ints]:
        """(level, slots of each tensor) of every partition, and its bits."""
        rows, limits = [], []
        for index, level in enumerate(self.machine.levels):
            for partition in level.capacity:
                slots = []
                for tensor in TENSORS:
                    passes = tensor in self.bypass.get(index, ())
                    held = tensor in partition.tensors and tensor in level.keeps and not passes
                    slots.append((2 if level.buffering(tensor) is Buffer.DOUBLE else 1) if held else 0)
                rows.append([index, *slots])
                limits.append(partition.bits)
        return np.array(rows, np.int64).reshape(-1, 4), np.array(limits, np.int64)
