"""What every cycle of a mapping costs by itself, where a search of a mapspace can know its cycles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf

import numpy as np

from accelsim.architecture.model import Architecture
from accelsim.energy.standing import standing_rows
from accelsim.energy.table import EnergyTable
from accelsim.engine.analytical import edge_columns
from accelsim.engine.program import build
from accelsim.mapping.mapping import LoopNest
from accelsim.search.found import objective_of
from accelsim.search.kernels.records import BUSY, LOADING
from accelsim.search.optimum.case import Case
from accelsim.search.optimum.clock import Clock
from accelsim.search.optimum.kernels import descend as descending
from accelsim.search.optimum.mapspace import Mapspace, leaves_of
from accelsim.search.optimum.placements import Placement, Toll, is_waited, load_name
from accelsim.search.optimum.proved import Optimum, Step
from accelsim.search.optimum.scope import Scope
from accelsim.search.prices import prices


def price_of_cycle(machine: Architecture, table: EnergyTable, scope: Scope) -> float:
    """Energy of one cycle of the MACs, in the table's unit: what leaks, and clocks that are never gated.

    0 where the cycles of a mapping are not those of its MACs and ports, or its energy is traded for something else.
    """
    rounded = machine.macs_together > 1 and (scope.imperfect or scope.flow)
    if machine.paced or machine.narrows or rounded or scope.trade or scope.toll:
        return 0.0
    return machine.mode.divider * float(sum(row.energy for row in standing_rows(machine, table, 1)))


def busiest_port(space: Mapspace, placement: Placement, most: float, clock: Clock, enough: float = inf) -> float:
    """Cycles that some port is busy at the least in any mapping of a placement, each port bounded by itself.

    most : cycles that a mapping may take. enough : where a port is busy for so long, others are not looked at.
    """
    # a port has no energy, and what the others say of cycles alone is of the MACs too
    ceilings = np.array([inf, most, inf, inf])
    found = 0.0
    for port in placement.ports:
        if is_waited(port.name):
            continue
        clock.check()
        leaves = leaves_of(1)
        descending.descend(
            space.bounds.classes(port)[0], port.constant, space.inners(port)._replace(most=ceilings), 0.0,
            descending.ENERGY, inf, False, leaves,
        )  # fmt: skip
        # of what nothing fits no mapping has any
        found = max(found, float(leaves.bound[0]) if leaves.number[0] else inf)
        if found >= enough:
            break
    return found


def waits(case: Case, nest: LoopNest) -> dict[str, float]:
    """For how many cycles a mapping keeps each port busy, or waits for it, unrounded, by `placements.load_name`."""
    program = build(case.machine, nest, case.problem)
    columns = edge_columns(program)
    return {
        load_name(load): load.fixed + float((load.share * columns).sum())
        for load in prices(program, case.table, "").loads
        if load.kind in (BUSY, LOADING)
    }


ANEW = 2
"""How often a search is made anew where something else takes time than it thought."""
SUMS = "nodes", "leaves", "tried", "seconds"
"""What several searches take together."""


@dataclass(frozen=True)
class Standing:
    """The search of one layer where every cycle costs something by itself.

    Cycles are those of the MACs, on top of what passes wait for, or those that a port is busy. A search knows one of
    these: the one that lasts longest in the mapping known so far, and again where that is another one in what it finds.

    price : of a cycle. search : with a toll on what is waited for or none, an objective that some mapping has, and
    steps to fill; the energy is that of the closed form.
    """

    case: Case
    objective: str
    price: float
    clock: Clock
    search: Callable[[Toll | None, float, list[Step] | None], Optimum]

    def run(self, nest: LoopNest | None, known: float | None, steps: list[Step] | None) -> Optimum:
        """The best of all searches, with the highest of their bounds. nest, known : of a mapping, if one is known."""
        toll = None
        if nest is not None:
            score, toll = self._cost(nest)
            known = score if known is None else known
        best, tried = self.search(toll, inf if known is None else known, steps), [toll]
        while not (best.certified or self.clock.late or len(tried) > ANEW):
            _, toll = self._cost(best.nest)
            if toll in tried:
                break
            tried.append(toll)
            other = self.search(toll, best.score, None)
            sums = {name: getattr(best, name) + getattr(other, name) for name in SUMS}
            bound = max(best.bound, other.bound)
            best = replace(min((best, other), key=lambda one: one.score), bound=bound, **sums)
        return best

    def _cost(self, nest: LoopNest) -> tuple[float, Toll | None]:
        """The objective of a mapping, and what its passes wait for, where MACs on top of it last longer than a port."""
        energy, counts, timing = self.case.counted(nest)
        every = waits(self.case, nest)
        busy = max((cycles for name, cycles in every.items() if not is_waited(name)), default=0.0)
        name = max(filter(is_waited, every), key=every.__getitem__, default="")
        on_top = bool(name) and every[name] + counts.compute_cycles > busy
        return objective_of(self.objective, energy, timing.cycles), Toll((name,), self.price) if on_top else None
