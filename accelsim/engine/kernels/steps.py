"""The odometer of a nest: from one iteration of some loops to the next that lies in the problem."""

from __future__ import annotations

from accelsim.engine.kernels.jit import njit


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
