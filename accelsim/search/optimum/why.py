"""Why an optimum is what it is: how full memories and the array are, and what one step of each would save."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from accelsim.architecture.levers import room_name, roomier, side_name
from accelsim.architecture.model import Architecture
from accelsim.errors import AccelsimError
from accelsim.mapping.mapping import LoopNest, demands
from accelsim.search.found import Found
from accelsim.workload.problem import Problem


@dataclass(frozen=True)
class Limit:
    """A capacity or a side of the array.

    what : its name; used : the share of it that the mapping takes; saves : the share of the objective that twice of it
    saves, at the best mapping of that machine; None: not worked out. most : whether that mapping is proved to be the
    optimum; else it may save more.
    """

    what: str
    used: float
    saves: float | None = None
    most: bool = True

    def describe(self) -> str:
        """A clause."""
        saves = "" if self.saves is None else f", twice of it saves {self.saves:.1%}{'' if self.most else ' or more'}"
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
    machine: Architecture, nest: LoopNest, problem: Problem, score: float, search: Callable[[Architecture], Found]
) -> tuple[Limit, ...]:
    """`limits`, with what twice of each would save of a mapping's score: another machine is searched for each.

    search : of the same layer on a machine, with all that was asked of the mapping. Where it raises AccelsimError, or
    proves nothing, what twice of it would save is not said.
    """
    changed = {lever.what: lever.machine for lever in roomier(machine)}
    out = []
    for one in limits(machine, nest, problem):
        try:
            after = search(changed[one.what])
        except AccelsimError:
            out.append(one)
            continue
        proved = after.certificate
        saves = max(1 - after.bound / score, 0.0) if proved else None
        out.append(replace(one, saves=saves, most=proved is None or proved.gap == 0))
    return tuple(out)
