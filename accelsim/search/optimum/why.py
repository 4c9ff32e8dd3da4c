"""Why an optimum is what it is: how full memories and the array are, and what one step of each would save."""

from __future__ import annotations

from dataclasses import dataclass, replace

from accelsim.architecture.levers import room_name, roomier, side_name
from accelsim.architecture.model import Architecture
from accelsim.energy.table import EnergyTable
from accelsim.errors import MappingError
from accelsim.mapping.mapping import LoopNest, kept, tile_sizes, tile_words
from accelsim.search.optimum.optimum import optimum
from accelsim.workload.problem import TENSORS, Problem


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
    for index, spec in enumerate(machine.levels):
        tile = tile_sizes(machine, nest, problem, index)
        for partition in spec.capacity:
            held = [t for t in TENSORS if t in partition.tensors and kept(machine, nest, index, t)]
            bits = sum(spec.slots(t) * tile_words(problem, tile, t) * machine.word_bits[t] for t in held)
            out.append(Limit(room_name(spec, partition), bits / partition.bits))
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
) -> tuple[Limit, ...]:
    """`limits`, with what twice of each would save: the optimum is searched anew for each; parameters as of `optimum`.

    Raises MappingError where the machine has no bound.
    """
    before = optimum(machine, problem, objective, table, budget)
    changed = {lever.what: lever.machine for lever in roomier(machine)}
    out = []
    for one in limits(machine, nest, problem):
        try:
            after = optimum(changed[one.what], problem, objective, table, budget)
        except MappingError:
            out.append(one)
            continue
        out.append(replace(one, saves=max(1 - after.score / before.score, 0.0)) if after.certified else one)
    return tuple(out)
