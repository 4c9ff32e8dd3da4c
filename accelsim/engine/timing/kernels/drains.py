"""D: what a step used for the last time is over: an input leaves its slot, psums go up (T7)."""

from __future__ import annotations

from accelsim.engine.nest.kernels.records import PSUM
from accelsim.engine.timing.kernels.ports import hold_ports, is_idle, log_transfer, longest_work, start_of
from accelsim.engine.timing.kernels.records import (
    A_HOLD,
    A_KEY,
    ARRIVE,
    C_END,
    C_START,
    C_UNITS,
    CURRENT,
    D_END,
    D_HOLD,
    D_KEY,
    D_START,
    D_UNITS,
    DELIVERED,
    DEPTH,
    DOWN,
    DRAIN,
    DRAINED,
    EACH,
    FILLED,
    HAS_P,
    HOLD,
    INNERMOST,
    KEY,
    L_HOLD,
    L_KEY,
    LANDED,
    LAST,
    NOBODY,
    P_END,
    P_START,
    P_UNITS,
    PARENT,
    PASS_END,
    POST,
    RANK,
    SLOTS,
    STAYS,
    STREAMED,
    TENSOR,
    TIME,
    U_HOLD,
    U_KEY,
    USE,
    ends_version,
    merge,
    order_key,
    slot_of,
    start_over,
    wait_for,
)
from accelsim.jit import part


@part
def end_version(x, k, machine, versions, steps, state):
    """T6, T7: if C(k) is the last to use the current version of stream x, an input leaves its slot and psums drain."""
    v = state.progress[x, CURRENT]
    if not ends_version(x, k, versions, steps, state.progress):
        return
    if machine.streams[x, TENSOR] == PSUM:
        _drain(x, v, k, machine, versions, steps, state)
    elif machine.streams[x, INNERMOST]:
        # the last user of an input version takes the place a drain has for psums
        scalars, r = state.scalars, state.records[x, slot_of(state.records, x, v)]
        key = order_key(k, 0, 0, 0, len(machine.streams))
        merge(r, USE, scalars[C_END], NOBODY, key)
        r[D_START] = scalars[C_START]
        r[D_END] = scalars[C_END]
        r[D_UNITS] = scalars[C_UNITS]
        r[D_HOLD] = NOBODY
        r[D_KEY] = key


@part
def _drain(x, v, k, machine, versions, steps, state):
    """T2, T4: D(v), hold the ports and write down when psum version v has left and landed."""
    streams, scalars = machine.streams, state.scalars
    at, parent = versions.start[x] + v, streams[x, PARENT]
    key = order_key(k, 1, 69 - streams[x, DEPTH], streams[x, RANK], len(streams))
    most = longest_work(x, DRAIN, at, machine, versions)
    r = state.records[x, slot_of(state.records, x, v)]
    stream_end = _wait_for_sums(x, k, most, r, machine, steps, state)
    if parent < 0:
        log_transfer(x, DRAIN, machine, state.log)
    else:
        _wait_for_slot(parent, machine, state)
    if machine.fixed[x, STAYS] and most == 1 and is_idle(x, DRAIN, at, machine, versions):  # all of it lives here
        most = 0
        begins, hold = state.best[TIME], streams[x, DOWN + DRAIN]
        if begins > 0 and state.best[HOLD] >= 0:
            hold = state.best[HOLD]
        ends = begins
    else:
        begins, hold = start_of(x, DRAIN, machine, state)
        begins += machine.fixed[x, DRAIN]
        ends = max(begins + most, stream_end)
        hold_ports(x, DRAIN, at, begins, 0, stream_end, machine, versions, state)
    r[D_START] = begins
    r[D_END] = ends
    r[D_UNITS] = most
    state.progress[x, DELIVERED] += most
    r[D_HOLD] = hold
    r[D_KEY] = key
    d = state.drains[versions.tile[at]]
    d[0], d[1], d[2] = ends, hold, k
    landed = ends + machine.latency[x, 1]
    scalars[LAST] = max(scalars[LAST], landed)
    serial = machine.serial
    apart = serial >= 0 and streams[serial, TENSOR] != PSUM and machine.wave < 0
    if streams[x, INNERMOST] and landed > scalars[PASS_END] and apart:
        scalars[PASS_END + TIME] = landed
        scalars[PASS_END + HOLD] = hold
        scalars[PASS_END + KEY] = key
    if parent >= 0:
        above = state.records[parent, slot_of(state.records, parent, state.progress[parent, CURRENT])]
        merge(above, LANDED, landed, hold, key)


@part
def _wait_for_sums(x, k, most, r, machine, steps, state):
    """T7: wait for C or for what drained into it, and for its old psums; returns when the last word can be streamed."""
    streams, scalars, best = machine.streams, state.scalars, state.best
    start_over(best, 0, NOBODY)
    stream_end = 0
    if streams[x, INNERMOST]:
        key, ready = order_key(k, 0, 0, 0, len(streams)), scalars[C_END]
        if streams[x, STREAMED] and most > 1:
            macs, phi = steps.n[k - steps.first], steps.phi[k - steps.first]
            if streams[x, POST] >= 0:
                phi = macs + streams[x, EACH]
            # the last MAC may be late, and all that follows is
            ready = scalars[C_START] + phi if phi < macs else scalars[C_END] - max(scalars[C_UNITS] - phi, 0)
            stream_end = scalars[C_END] + machine.after_c + 1
        wait_for(ready + machine.after_c, NOBODY, key, best)
    else:
        wait_for(r[LANDED], r[L_HOLD], r[L_KEY], best)
        wait_for(r[USE], r[U_HOLD], r[U_KEY], best)
    if r[HAS_P]:
        latency = machine.latency[x, 0]
        if most > 1:
            first = r[P_START] + 1 if r[P_UNITS] > 1 else r[P_END]
            wait_for(first + latency, r[A_HOLD], r[A_KEY], best)
            stream_end = max(stream_end, r[P_END] + latency + 1)
        else:
            wait_for(r[P_END] + latency, r[A_HOLD], r[A_KEY], best)
    return stream_end


@part
def _wait_for_slot(parent, machine, state):
    """T6: the first drain into a parent's version waits for its fill or, of a fresh one, for its slot."""
    w = state.progress[parent, CURRENT]
    above = state.records[parent, slot_of(state.records, parent, w)]
    if above[DRAINED]:
        return
    above[DRAINED] = 1
    slots = machine.streams[parent, SLOTS]
    if above[FILLED]:
        wait_for(above[ARRIVE], above[A_HOLD], above[A_KEY], state.best)
    elif w >= slots:
        d = state.records[parent, slot_of(state.records, parent, w - slots)]
        wait_for(d[D_END], d[D_HOLD], d[D_KEY], state.best)
