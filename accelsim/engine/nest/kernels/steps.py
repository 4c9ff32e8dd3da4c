"""The odometer of a nest: from one iteration of some loops to the next that lies in the problem; how many there are."""

from __future__ import annotations

from accelsim.engine.nest.kernels.records import DIM, FACTOR, KIND, LEVEL, STEP
from accelsim.jit import njit


@njit(cache=True)
def bases_below(loops, dim, kind, end, limit):
    """(how many iterations of a dim's loops of one kind, at levels above `end`, begin below `limit`, the last's base).

    Bases rise from one iteration to the next, for a loop's step is no less than all that lies in it. The base is -1
    where there are none.
    """
    if limit <= 0:
        return 0, -1
    inner = 1
    for i in range(loops.shape[0]):
        if loops[i, DIM] == dim and loops[i, KIND] == kind and loops[i, LEVEL] < end:
            inner *= loops[i, FACTOR]
    number, rest = 1, limit - 1
    for i in range(loops.shape[0]):
        if loops[i, DIM] == dim and loops[i, KIND] == kind and loops[i, LEVEL] < end:
            inner //= loops[i, FACTOR]
            index = min(loops[i, FACTOR] - 1, rest // loops[i, STEP])
            number += index * inner
            rest -= index * loops[i, STEP]
    return number, limit - 1 - rest


@njit(cache=True)
def next_step(loops, size8, index, base):
    """Move `index` and `base` to the next iteration; returns the loop that moved, -1 after the last.

    loops : int64[loop, >= 3], (dim, factor, step), outermost first. size8 : int64[8].
    index : int64[>= loop], base : int64[8], of index 0 at first.
    """
    t = len(loops) - 1
    while t >= 0:
        dim = loops[t, 0]
        if index[t] + 1 < loops[t, 1] and base[dim] + loops[t, 2] < size8[dim]:
            index[t] += 1
            base[dim] += loops[t, 2]
            return t
        base[dim] -= index[t] * loops[t, 2]
        index[t] = 0
        t -= 1
    return -1
