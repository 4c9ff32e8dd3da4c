"""Why an optimum is what it is: how full memories and the array are, and what one step of each would save."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from accelsim.architecture.model import Architecture, Level, Partition
from accelsim.energy.table import EnergyTable
from accelsim.errors import MappingError
from accelsim.mapping.mapping import LoopNest, kept, tile_sizes, tile_words
from accelsim.search.optimum.optimum import optimum
from accelsim.search.optimum.scope import ALL, Scope
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
            out.append(Limit(_name(spec, partition), bits / partition.bits))
        mapped = nest.level(spec.name)
        for axis, loops in (("y", mapped.y), ("x", mapped.x)):
            size, used = getattr(spec.fanout, axis), 1
            for loop in loops:
                used *= loop.factor
            if size > 1:
                out.append(Limit(f"array {axis}", used / size))
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
    changed = dict(_doubled(machine))
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


def _name(level: Level, partition: Partition) -> str:
    """What a partition is called: as its level, if it is all of it."""
    if len(level.capacity) == 1:
        return level.name
    return f"{level.name} {'+'.join(t for t in TENSORS if t in partition.tensors)}"


def _doubled(machine: Architecture) -> Iterator[tuple[str, Architecture]]:
    """The machine with twice of one capacity or side of the array, by its name."""

    def changed(index: int, **values: object) -> Architecture:
        levels = list(machine.levels)
        levels[index] = replace(levels[index], **values)  # type: ignore[arg-type]
        return replace(machine, levels=tuple(levels))

    for index, spec in enumerate(machine.levels):
        for at, partition in enumerate(spec.capacity):
            capacity = list(spec.capacity)
            capacity[at] = replace(partition, bits=2 * partition.bits)
            yield _name(spec, partition), changed(index, capacity=tuple(capacity))
        for axis in ("y", "x"):
            size = getattr(spec.fanout, axis)
            if size > 1:
                yield f"array {axis}", changed(index, fanout=replace(spec.fanout, **{axis: 2 * size}))
