"""How long ports are busy: at the least in any mapping, and in one."""

from __future__ import annotations

from math import inf

import numpy as np

from accelsim.architecture.model import Architecture
from accelsim.energy.load import table_for
from accelsim.energy.table import EnergyTable
from accelsim.engine.analytical import edge_columns
from accelsim.engine.program import build
from accelsim.mapping.mapping import LoopNest
from accelsim.search.kernels.records import BUSY, LOADING
from accelsim.search.optimum.clock import Clock
from accelsim.search.optimum.floor import fewest_cycles
from accelsim.search.optimum.kernels import descend as descending
from accelsim.search.optimum.mapspace import Mapspace
from accelsim.search.optimum.optimum import leaves_of
from accelsim.search.optimum.placements import WAITED, load_name
from accelsim.search.optimum.scope import ALL, Scope
from accelsim.search.prices import prices
from accelsim.workload.problem import Problem

ANY_TIME = Clock()


def least_busy(
    architecture: Architecture,
    problem: Problem,
    table: EnergyTable | None = None,
    scope: Scope = ALL,
    clock: Clock = ANY_TIME,
) -> float:
    """Cycles that some port is busy at the least in any mapping; parameters and errors as of `optimum`.

    Each port of a placement is bounded by itself, in the mapping that is best for it; of placements the least counts.
    """
    space = Mapspace(architecture, problem, table or table_for(architecture, None), scope, True, clock)
    # a port has no energy, and what the others say of cycles alone is of the MACs too
    ceilings = np.array([inf, scope.ceilings.most[1], inf, inf])
    least = inf
    for placement in space.placements.every:
        most = 0.0
        for port in placement.ports:
            if port.name.startswith(WAITED):
                continue
            clock.check()
            leaves = leaves_of(1)
            descending.descend(
                space.bounds.classes(port)[0],
                port.constant,
                space.inners(port)._replace(most=ceilings),
                0.0,
                descending.ENERGY,
                inf,
                False,
                leaves,
            )
            # of what nothing fits no mapping has any
            most = max(most, float(leaves.bound[0]) if leaves.number[0] else inf)
            if most >= least:
                break
        least = min(least, most)
    return least


def waits(machine: Architecture, problem: Problem, table: EnergyTable, nest: LoopNest) -> dict[str, float]:
    """For how many cycles a mapping keeps each port busy, or waits for it, unrounded, by `placements.load_name`."""
    program = build(machine, nest, problem)
    columns = edge_columns(program)
    return {
        load_name(load): load.fixed + float((load.share * columns).sum())
        for load in prices(program, table, "").loads
        if load.kind in (BUSY, LOADING)
    }


def on_top(machine: Architecture, problem: Problem, name: str) -> float:
    """Cycles that come on top of a load at the least: those of the MACs, where passes wait for it."""
    return fewest_cycles(machine, problem) * name.startswith(WAITED)
