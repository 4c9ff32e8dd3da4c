"""How long ports are busy at the least in any mapping."""

from __future__ import annotations

from math import inf

from accelsim.architecture.model import Architecture
from accelsim.energy.load import table_for
from accelsim.energy.table import EnergyTable
from accelsim.search.optimum.clock import Clock
from accelsim.search.optimum.floor import fewest_cycles
from accelsim.search.optimum.mapspace import Mapspace
from accelsim.search.optimum.placements import is_waited
from accelsim.search.optimum.scope import ALL, Scope
from accelsim.search.optimum.standing import busiest_port
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
    most, least = scope.ceilings.most[1], inf
    for placement in space.placements.every:
        least = min(least, busiest_port(space, placement, most, clock, least))
    return least


def on_top(machine: Architecture, problem: Problem, name: str) -> float:
    """Cycles that come on top of a load at the least: those of the MACs, where passes wait for it."""
    return fewest_cycles(machine, problem) * is_waited(name)
