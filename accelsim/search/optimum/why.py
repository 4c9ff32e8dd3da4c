"""Why an optimum is what it is: how full memories and the array are, and what one step of each would save."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from accelsim.architecture.levers import room_name, roomier, side_name
from accelsim.architecture.model import Architecture
from accelsim.energy.table import EnergyTable
from accelsim.errors import MappingError
from accelsim.mapping.mapping import LoopNest, demands
from accelsim.search.optimum.optimum import optimum
from accelsim.search.optimum.scope import ALL, Scope
from accelsim.workload.problem import Problem


@dataclass(frozen=True)
class Limit:
    """A capacity or a side of the array.

    what : its name; used : the share of it that the mapping takes; saves : the share of the objective that twice of it
    saves, at the optimum of that machine; None: not worked out, or no bound was found in time.
    """

    what: str
    used: float
    saves: float | None = None

    def describe(self) -> str:
        """A clause."""
        saves = "" if self.saves is None else f", twice of it saves {self.saves:.1%}"
        return f"{self.what} {self.used:.0%} in use{saves}"


def limits(machine: Architecture, nest: LoopNest, problem: Problem) -> tuple[Limit, ...]:
    """What of every capacity and side of the array a mapping takes."""
    out = []
    asked = demands(machine, nest, problem)
    taken = {room_name(level, part): (bits + part.taken) / part.bits for level, part, bits, _ in asked}
    for spec in machine.levels:
        names = (room_name(spec, partition) for partition in spec.capacity)
        out += [Limit(name, taken[name]) for name in names]
        mapped = nest.level(spec.name)
        for axis, loops in (("y", mapped.y), ("x", mapped.x)):
            size, used = getattr(spec.fanout, axis), 1
            for loop in loops:
                used *= loop.factor
            if size > 1:
                out.append(Limit(side_name(machine, spec, axis), used / size))
    return tuple(out)


def steps(
    machine: Architecture,
    nest: LoopNest,
    problem: Problem,
    objective: str,
    table: EnergyTable | None = None,
    budget: float | None = None,
    scope_of: Callable[[Architecture], Scope] = lambda _: ALL,
) -> tuple[Limit, ...]:
    """`limits`, with what twice of each would save: the optimum is searched anew for each; parameters as of `optimum`.

    scope_of : which mappings of a machine are looked at. Raises MappingError where the machine has no bound.
    """
    before = optimum(machine, problem, objective, table, budget, scope_of(machine))
    changed = {lever.what: lever.machine for lever in roomier(machine)}
    out = []
    for one in limits(machine, nest, problem):
        try:
            larger = changed[one.what]
            after = optimum(larger, problem, objective, table, budget, scope_of(larger))
        except MappingError:
            out.append(one)
            continue
        out.append(replace(one, saves=max(1 - after.score / before.score, 0.0)) if after.certified else one)
    return tuple(out)
