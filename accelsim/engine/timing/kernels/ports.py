"""T9: a transfer holds all its ports at once, from when it and the last of them are ready."""

from __future__ import annotations

from accelsim.engine.timing.kernels.records import DOWN, HOLD, TENSOR, TIME
from accelsim.jit import part


@part
def longest_work(x, way, at, machine, versions):
    """T2: cycles on the busiest port of the version at `at`; one at least if it has any port."""
    first, slots = machine.uses_at[x, way, 0], machine.uses_at[x, way, 1]
    most = min(slots, 1)
    for i in range(slots):
        most = max(most, versions.work[at, first + i])
    return most


@part
def is_idle(x, way, at, machine, versions):
    """Whether the version at `at` passes ports, and has no word for any of them."""
    first, slots = machine.uses_at[x, way, 0], machine.uses_at[x, way, 1]
    for i in range(slots):
        if versions.work[at, first + i] > 0:
            return False
    return slots > 0


@part
def start_of(x, way, machine, state):
    """T3, T15: (when a transfer that waits for `state.best` begins, what a stall until then is charged to)."""
    first, slots = machine.uses_at[x, way, 0], machine.uses_at[x, way, 1]
    ports_free = 0
    for i in range(slots):
        ports_free = max(ports_free, state.free[machine.ports[x, first + i]])
    best = state.best
    if best[TIME] > ports_free and best[HOLD] >= 0:
        return best[TIME], best[HOLD]
    return max(best[TIME], ports_free), machine.streams[x, DOWN + way]


@part
def hold_ports(x, way, at, begins, least, stream_end, machine, versions, state):
    """T2, T3: hold each port for its share of the transfer, at least `least`, and until its last word was streamed."""
    first, slots = machine.uses_at[x, way, 0], machine.uses_at[x, way, 1]
    for i in range(slots):
        port, mine = machine.ports[x, first + i], max(versions.work[at, first + i], least)
        # a share of nothing is let go with the first word, but not before it
        until = max(begins + mine, stream_end if mine > 0 else 0)
        if machine.rest.shape[0] > 0 and mine > 0:
            until += machine.rest[x, first + i]
        state.free[port] = max(state.free[port], until)


@part
def log_transfer(x, way, machine, log):
    """Log a transfer of the outermost level, where the order of these is asked for (`timing.simulation.Ahead`)."""
    if len(log) > 1:
        log[0] += 1
        log[log[0]] = 2 * machine.streams[x, TENSOR] + way
