"""How often the array below a level is at work: iterations of the nest, one for each instance of the level."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod

from accelsim.engine.program import Program
from accelsim.workload.problem import LOOP_DIMS

Steps = Sequence[tuple[int, int]]


def iterations(program: Program, levels: Iterable[str]) -> tuple[tuple[str, int], ...]:
    """(level, times) : iterations of all temporal loops in which an instance of the level has work below it, added up
    over its instances. Spatial loops at and below the level work in one of these.
    """
    found = []
    for name in levels:
        level = program.architecture.level_index(name)
        # the loops that tell one time, or one instance, from another
        apart = [row for row in program.loops if not row[2] or row[3] < level]
        times = prod(
            below(program.problem.bounds[d], [(int(row[4]), int(row[1])) for row in apart if row[0] == d])
            for d in range(len(LOOP_DIMS))
        )
        found.append((name, times))
    return tuple(found)


def below(bound: int, loops: Steps) -> int:
    """How many iterations of loops of one dim begin below its bound. loops : (step, factor); steps are multiples of
    each other, and loops of smaller ones reach no further than the next step.
    """
    if bound <= 0:
        return 0
    if not loops:
        return 1
    (step, factor), *inner = sorted(loops, reverse=True)
    reach = 1 + sum((count - 1) * far for far, count in inner)
    whole = min(factor, max(0, (bound - reach) // step + 1))
    found = whole * prod(count for _, count in inner)
    return found + (below(bound - whole * step, inner) if whole < factor else 0)
