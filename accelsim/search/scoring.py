"""The best of many combinations of splits: bound them all, then try orders from the most promising on."""

from __future__ import annotations

from math import inf

import numpy as np

from accelsim.energy.table import EnergyTable
from accelsim.engine import program as lowering
from accelsim.engine.pool import in_slices
from accelsim.engine.program import Ints
from accelsim.mapping.mapping import LevelMapping, LoopNest
from accelsim.search.found import OBJECTIVES, Candidate, closed_form_chooses
from accelsim.search.kernels import bounds as bounding
from accelsim.search.kernels import orders as ordering
from accelsim.search.kernels.orders import Best
from accelsim.search.kernels.records import Combined
from accelsim.search.moves import Combinations
from accelsim.search.partitions import partitions_of
from accelsim.search.prices import Floats, prices
from accelsim.search.space import GROUPS, Space
from accelsim.search.tables import options_of
from accelsim.workload.problem import TENSORS, Tensor

Bypass = dict[int, frozenset[Tensor]]
NEXT = 64
"""Most candidates beside the best that the whole closed form chooses from."""

TOGETHER = 2048
"""Combinations bounded in a slice at least: a millisecond."""


class Scorer:
    """An objective on one machine and problem, with the same tensors passing by each level in all mappings."""

    def __init__(self, space: Space, bypass: Bypass, objective: str, table: EnergyTable) -> None:
        self.machine, self.problem, self.bypass, self.objective = space.machine, space.problem, bypass, objective
        names = tuple((self.machine.levels[i].name, LevelMapping(bypass=skip)) for i, skip in sorted(bypass.items()))
        self.program = lowering.build(self.machine, LoopNest(names), self.problem)
        self.price = prices(self.program, table, space.dataflow.name)
        self.charges = self.price.charges(OBJECTIVES.index(objective))
        bits = np.array([self.machine.moved_bits[t] for t in TENSORS], np.int64)
        strides = np.array(list(zip(self.problem.stride, self.problem.dilation, strict=True)), np.int64)
        partitions, self.limits = partitions_of(self.machine, bypass, range(len(self.machine.levels)))
        self.tiles = partitions, bits, strides

    def best_of(self, space: Space, given: Combinations, least: float = inf) -> list[Candidate]:
        """The best of these combinations in all orders of their free loops; empty if none fits or is below `least`.

        Where the whole closed form chooses among them, the next best bounds follow in their best orders.
        """
        if not len(given.units):
            return []
        terms, program = self.price.terms, self.program
        options, pairs = options_of(space, program, terms, given.options, self.tiles)
        combined = Combined(given.units, np.concatenate([[0], np.cumsum(given.sizes)[:-1]]).astype(np.int64))
        bounds = np.empty(int(given.sizes.sum()))
        tensor = program.edges[terms[:, 0], 0]

        def bound(first: int, end: int) -> None:
            some = Combined(combined.units[first:end], combined.starts[first:end])
            bounding.bound_all(some, tensor, pairs, options, self.limits, self.charges, bounds)

        in_slices(len(given.units), max(1, TOGETHER * len(given.units) // len(bounds)), bound)
        free = np.zeros(program.levels, np.int64)
        free[list(space.free)] = 1
        groups = np.tile(np.arange(len(GROUPS), dtype=np.int64), (program.levels, 1))

        def search(ranked: Ints, least: float) -> Best:
            found = Best(groups.copy(), np.zeros(len(GROUPS), np.int64), np.array([least, inf, inf]))
            ordering.search_orders(ranked, bounds, combined, free, pairs, options, self.charges, found)
            return found

        def candidate(found: Best, tried: int) -> Candidate:
            chosen = (zip(GROUPS[g], given.options[g][found.pick[g]], strict=True) for g in range(len(GROUPS)))
            splits = {dim: split for group in chosen for dim, split in group}
            order = found.order.tolist()

            def written() -> LoopNest:
                return LoopNest(space.nest_levels(splits, order, self.bypass), source=space.dataflow.name)

            return Candidate(written, float(found.score[0]), float(found.score[1]), splits, tried)

        # the most promising first: what it comes to leaves few others to rank
        best = search(np.argmin(bounds, keepdims=True), least)
        ranked = np.flatnonzero(bounds < best.score[0])
        better = search(ranked[np.argsort(bounds[ranked], kind="stable")], best.score[0])
        best = better if better.score[0] < best.score[0] else best
        if not best.score[0] < least:
            return []
        found = [candidate(best, len(bounds))]
        if closed_form_chooses(self.machine, self.objective):
            for at in least_of(bounds, NEXT):
                own = search(np.array([at]), inf)
                if np.isfinite(own.score[0]):
                    found.append(candidate(own, 0))
        return found


def least_of(bounds: Floats, number: int) -> Ints:
    """Where the least are, rising; of equal ones the first, whatever the processor (`np.argpartition` takes any)."""
    most = np.partition(bounds, number)[number] if len(bounds) > number else inf
    some = np.flatnonzero(bounds <= most)
    return some[np.argsort(bounds[some], kind="stable")][:number]
