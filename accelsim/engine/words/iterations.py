"""How often the array below a level is at work: iterations of the nest, one for each instance of the level."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

import numpy as np

from accelsim.engine.program import Ints, Program
from accelsim.workload.problem import LOOP_DIMS


def iterations(program: Program, levels: Iterable[str]) -> tuple[tuple[str, int], ...]:
    """(level, times) : iterations of all temporal loops in which an instance of the level has work below it, added up
    over its instances. Spatial loops at and below the level work in one of these.
    """
    found, bounds = [], np.array(program.problem.bounds, np.int64)
    for name in levels:
        level = program.architecture.level_index(name)
        # the loops that tell one time, or one instance, from another
        apart = [row for row in program.loops if not row[2] or row[3] < level]
        times = prod(
            int(begun(bounds[d], [(int(row[4]), int(row[1])) for row in apart if row[0] == d]))
            for d in range(len(LOOP_DIMS))
        )
        found.append((name, times))
    return tuple(found)


def begun(left: Ints, loops: Iterable[tuple[int, int]]) -> Ints:
    """How many iterations of one dim's loops begin within what is left of it (`nest.kernels.steps.bases_below`).

    left : int64[..]. loops : (step, factor); a step is no less than all that lies in it.
    """
    outermost_first = sorted(loops, reverse=True)
    inner, rest, number = prod(factor for _, factor in outermost_first), left - 1, np.ones_like(left)
    for step, factor in outermost_first:
        inner //= factor
        index = np.minimum(factor - 1, rest // step)
        number = number + index * inner
        rest = rest - index * step
    found: Ints = np.where(left > 0, number, 0)
    return found
