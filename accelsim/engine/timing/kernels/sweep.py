"""Time: one sweep over the activities of a layer in key order (T9), in max/plus form (docs/model.md, T2 to T15).

Everything that can wait for something is an activity: C(k) on the MAC array (`compute`), fills F and old psums P
(`fills`), drains D (`drains`). Each is evaluated once, after all it can wait for. A version's record lives in a ring:
only the last few can still be named.
"""

from __future__ import annotations

from accelsim.engine.timing.kernels.compute import compute
from accelsim.engine.timing.kernels.drains import end_version
from accelsim.engine.timing.kernels.fills import hold_turns, issue_fills
from accelsim.engine.timing.kernels.records import ABSENT, C_END, LAST
from accelsim.jit import njit


@njit(_nrt=False)
def advance(first, end, machine, versions, steps, state):
    """T9: run from after the drains of step `first` to after those of step `end`; -1 <= first < end < steps.total."""
    order, streams = machine.order, machine.streams
    n = len(order)
    if first < 0:
        hold_turns(machine, versions, state)
    for k in range(first, end):
        # what may come after C(k), outer levels first; then C, then what it ends, inner levels first
        for o in range(n):
            if not streams[order[o], ABSENT]:
                issue_fills(order[o], k, machine, versions, state)
        compute(k + 1, machine, versions, steps, state)
        for o in range(n - 1, -1, -1):
            if not streams[order[o], ABSENT]:
                end_version(order[o], k + 1, machine, versions, steps, state)


@njit(_nrt=False)
def finish(machine, state):
    """Charge what comes after the last step; returns the cycle at which all has landed (T4)."""
    last = state.scalars[LAST]
    state.stalls[machine.idle_fill + 1] += last - state.scalars[C_END]
    return last
