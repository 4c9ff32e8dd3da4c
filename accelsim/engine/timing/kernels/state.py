"""What of the state before a body can still bind, relative to a moment no later C can begin before.

Every time is a max and a sum of constants, so a body started from a state that differs by a shift in time runs shifted
by as much. A time goes into the state only if it is not below every other bound of all that may wait for it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from accelsim.engine.nest.kernels.records import EARLIER, PSUM
from accelsim.engine.timing.kernels.located import issued_of, locate, moment, opens_pass, reach, undrained
from accelsim.engine.timing.kernels.records import (
    A_HOLD,
    A_KEY,
    ABSENT,
    ARRIVE,
    C_END,
    C_FREE,
    CURRENT,
    D_END,
    D_HOLD,
    D_KEY,
    D_START,
    D_UNITS,
    DEPTH,
    DRAIN,
    DRAINED,
    F_START,
    F_UNITS,
    FILL,
    FILLED,
    HAS_P,
    INNERMOST,
    LANDED,
    NEVER,
    NOBODY,
    OLD_PSUM,
    P_END,
    P_START,
    P_UNITS,
    PARENT,
    PASS_END,
    RANK,
    SLOTS,
    STREAMED,
    TENSOR,
    USE,
    VID,
    order_key,
)
from accelsim.jit import njit, part

MOST_OF_A_VERSION = 64  # numbers that one more version may take, and what follows the last
ARRIVES, IS_USED, LANDS, DRAINS, BRINGS_OLD = 8, 16, 32, 64, 128  # facts of a version that can still bind


@part
def _slot_frees(x, u, k, origin, body, machine, state):
    """No writer of the slot of version u of stream x begins before."""
    streams = machine.streams
    current = state.progress[x, CURRENT]
    if u >= undrained(x, k, current, body) and (streams[x, INNERMOST] or streams[x, TENSOR] == PSUM):
        return origin
    r = state.records[x, u & (state.records.shape[1] - 1)]
    if r[VID] != u:
        return -NEVER
    if streams[x, TENSOR] == PSUM:
        return r[D_START] if streams[x, STREAMED] or streams[x, OLD_PSUM] else r[D_END]
    return r[D_START] if streams[x, STREAMED] and streams[x, INNERMOST] else r[USE]


@part
def drain_binds(x, v, r, issued, current, held, origin, machine):
    """Whether anything yet to come may begin before the drain of psum version v ends, all other bounds considered.

    Old psums and refills of its slot wait for it, and the first C of a fresh version there, which comes after a C for
    each version in between.
    """
    slots = machine.streams[x, SLOTS]
    if machine.known[x] and v + reach(x, machine) >= issued and r[D_END] >= held:
        return True
    return r[D_END] >= origin + (max(v + slots - current - 1, 0) if machine.streams[x, INNERMOST] else 0)


@njit(_nrt=False)
def _read_back(x, k, asked, origin, body, machine, state, out, m):
    """Append the drains in earlier bodies that fills yet to come wait for; asked : int64[2], of x, see `read_state`."""
    j, at, kinds, layer = body
    n, current = len(machine.streams), state.progress[x, CURRENT]
    issued, floor = asked[0] + current, asked[1] + origin
    first = undrained(x, k, current, body)
    end = min(at[x] + kinds.many[layer.kind[j], x] + reach(x, machine) + 1, layer.number[x])
    mark = (j + 1) << 32
    b, i = (0, 0) if layer.slow[x] else locate(x, first, body)
    for v in range(first, end):
        if layer.slow[x]:
            tile, back = layer.tile[layer.start[x] + v], layer.back[layer.start[x] + v]
            within = back - first if back >= first else -1
            waits = back >= 0
        else:
            while i >= kinds.many[layer.kind[b], x]:
                b, i = b + 1, 0
            at_kind = kinds.at[layer.kind[b], x] + i
            tile = machine.tile_at[x] + layer.tiles[b, x] + kinds.tile[at_kind]
            waits = kinds.back[at_kind] == EARLIER
            # `seen` finds the version of this tile that an earlier body, or this one, has not drained yet
            within = state.seen[tile] - mark if state.seen[tile] >= mark else -1
            state.seen[tile] = mark + v - first
            i += 1
        if v < issued or not waits:
            continue
        d = state.drains[tile]
        if within >= 0:
            out[m] = v - current
            out[m + 1] = NEVER
            out[m + 2] = within
            m += 3
        elif d[0] + machine.latency[x, 1] >= floor:
            out[m] = v - current
            out[m + 1] = d[0] - origin
            out[m + 2] = d[1]
            key = order_key(d[2], 1, 69 - machine.streams[x, DEPTH], machine.streams[x, RANK], n)
            out[m + 3] = key - order_key(k, 0, 0, 0, n)
            m += 4
        if m > out.shape[0] - MOST_OF_A_VERSION:
            return -1
    out[m] = NOBODY
    return m + 1


@njit(_nrt=False)
def reads_back(k, asked, origin, body, machine, state, scratch):
    """Whether any fill of body j waits for a drain of an earlier body; asked : as `read_state` left it."""
    for x in range(len(body.at)):
        looks = machine.looks[x] and asked[0, x] >= 0
        if looks and _read_back(x, k, asked[:, x], origin, body, machine, state, scratch, 0) != 1:
            return True
    return False


class Bounds(NamedTuple):
    """No fill yet to come begins before; of each stream.

    issued : versions issued. fills : whether any is left to fill. held : when its ports are free.
    waits : its other bounds; floor : both. ready : int64[port], no use yet to come begins before; NEVER: there is none.
    """

    issued: np.ndarray
    fills: np.ndarray
    held: np.ndarray
    waits: np.ndarray
    floor: np.ndarray
    ready: np.ndarray


@part
def _bound_fills(x, k, origin, led, body, bounds, machine, state):
    """Fill in the bounds of stream x; led : whether body j begins a pass of a stationary input."""
    streams = machine.streams
    v = bounds.issued[x] = issued_of(x, body, machine, state.progress)
    bounds.fills[x] = v < body.layer.number[x] and machine.known[x]
    follows = led and streams[x, INNERMOST] and (x == machine.serial or machine.lead_first)
    waits = origin if follows else -NEVER
    s = reach(x, machine)
    if v >= s and bounds.fills[x]:
        waits = max(waits, _slot_frees(x, v - s, k, origin, body, machine, state))
    first, slots = machine.uses_at[x, FILL, 0], machine.uses_at[x, FILL, 1]
    held = -NEVER
    for i in range(slots):
        port = machine.ports[x, first + i]
        held = max(held, state.free[port])
        if bounds.fills[x]:
            bounds.ready[port] = min(bounds.ready[port], waits)
    bounds.waits[x], bounds.held[x], bounds.floor[x] = waits, held, max(waits, held)
    if streams[x, TENSOR] == PSUM:
        for i in range(machine.uses_at[x, DRAIN, 1]):
            port = machine.ports[x, machine.uses_at[x, DRAIN, 0] + i]
            bounds.ready[port] = min(bounds.ready[port], origin)


@part
def _read_ports(origin, bounds, state, out, m):
    """Append when each port is free, as far as anything yet to come asks."""
    for p in range(state.free.shape[0]):
        unused, free = bounds.ready[p] == NEVER, state.free[p]
        out[m] = 0 if unused else max(free, bounds.ready[p]) - origin
        out[m + 1] = 2 if unused else free < bounds.ready[p]
        m += 2
    return m


@part
def _append_time(record, time, origin, key_origin, out, m):
    """Append the (time, hold, key) that a record keeps from column `time` on."""
    out[m] = record[time] - origin
    out[m + 1] = record[time + 1]
    out[m + 2] = record[time + 2] - key_origin
    return m + 3


@part
def _append_span(record, columns, origin, key_origin, out, m):
    """Append a transfer: when it ends and begins, whether word by word, and who held it up.

    columns : of its end, start, units, hold and key.
    """
    end, start, units, hold, key = columns
    out[m] = record[end] - origin
    out[m + 1] = record[start] - origin
    out[m + 2] = record[units] > 1
    out[m + 3] = record[hold]
    out[m + 4] = record[key] - key_origin
    return m + 5


@part
def _read_last_drains(x, origin, key_origin, machine, state, out, m):
    """Append the drains of psums that are over when the next pass begins; -1: too many.

    The last may be what a pass that loads nothing waited for.
    """
    current = state.progress[x, CURRENT]
    for v in range(max(current + 1 - machine.streams[x, SLOTS], 0), current + 1):
        r = state.records[x, v & (state.records.shape[1] - 1)]
        if r[VID] == v and r[D_END] >= origin:
            out[m] = current - v
            out[m + 1] = r[D_START] - origin
            out[m + 2] = r[D_UNITS] > 1
            out[m + 3] = r[D_HOLD]
            out[m + 4] = r[D_KEY] - key_origin
            m += 5
            if m > out.shape[0] - MOST_OF_A_VERSION:
                return -1
    out[m] = NOBODY
    return m + 1


@part
def _read_by(x, apart, bounds, machine):
    """No fill from a version of x, or in a pass that x leads, begins before."""
    streams, earliest = machine.streams, NEVER
    leads = x == machine.serial and streams[x, TENSOR] != PSUM and not apart and machine.lead_first
    for y in range(streams.shape[0]):
        if not bounds.fills[y]:
            continue
        if (streams[y, PARENT] == x and not streams[y, ABSENT]) or (leads and streams[y, INNERMOST]):
            earliest = min(earliest, bounds.floor[y])
    return earliest


@part
def _facts(x, v, over, read_by, origin, bounds, machine, state):
    """What of version v's record can still bind, as bits; 0: nothing. over : versions before it have been used."""
    streams, current = machine.streams, state.progress[x, CURRENT]
    r = state.records[x, v & (state.records.shape[1] - 1)]
    if r[VID] != v:
        return 0
    psum, innermost = streams[x, TENSOR] == PSUM, streams[x, INNERMOST] == 1
    arrive = r[FILLED] == 1 and (
        (v >= current and r[ARRIVE] >= read_by) or (r[ARRIVE] >= origin and (v > current or psum))
    )
    slot = bounds.fills[x] and v + streams[x, SLOTS] >= bounds.issued[x]
    use = (slot and r[USE] >= bounds.held[x] and r[USE] >= bounds.waits[x]) or (psum and r[USE] >= origin)
    landed = psum and v >= current and r[LANDED] >= origin
    if psum:
        # what has not been drained yet is known by what it waits for
        drain = v < over and drain_binds(x, v, r, bounds.issued[x], current, bounds.held[x], origin, machine)
    else:
        # an input in use has no last user yet, and nothing asks for one before there is
        drain = innermost and v < over and slot and r[D_END] >= bounds.held[x]
    old = r[HAS_P] == 1 and v >= current and r[P_END] + machine.latency[x, 0] >= origin
    flags = 0
    if v >= current:
        flags = r[FILLED] + 2 * r[DRAINED] + 4 * (r[HAS_P] == 1)
    return flags + ARRIVES * arrive + IS_USED * use + LANDS * landed + DRAINS * drain + BRINGS_OLD * old


@part
def _read_version(r, facts, origin, key_origin, out, m):
    """Append what `facts` name of a record."""
    if facts & ARRIVES:
        m = _append_span(r, (ARRIVE, F_START, F_UNITS, A_HOLD, A_KEY), origin, key_origin, out, m)
    if facts & IS_USED:
        m = _append_time(r, USE, origin, key_origin, out, m)
    if facts & LANDS:
        m = _append_time(r, LANDED, origin, key_origin, out, m)
    if facts & DRAINS:
        m = _append_span(r, (D_END, D_START, D_UNITS, D_HOLD, D_KEY), origin, key_origin, out, m)
    if facts & BRINGS_OLD:
        m = _append_span(r, (P_END, P_START, P_UNITS, A_HOLD, A_KEY), origin, key_origin, out, m)
    return m


@part
def _read_versions(x, over, read_by, origin, key_origin, bounds, machine, state, out, m):
    """Append what can still bind of the versions of stream x; -1: too many."""
    current, s = state.progress[x, CURRENT], machine.streams[x, SLOTS]
    issued = bounds.issued[x]
    for v in range(max(min(issued, current + 1) - s, 0), max(issued, current + 1)):
        facts = _facts(x, v, over, read_by, origin, bounds, machine, state)
        if facts:
            out[m] = v - current
            out[m + 1] = facts
            r = state.records[x, v & (state.records.shape[1] - 1)]
            m = _read_version(r, facts, origin, key_origin, out, m + 2)
            if m > out.shape[0] - MOST_OF_A_VERSION:
                return -1
    out[m] = -NEVER
    return m + 1


@njit(_nrt=False)
def read_state(k, asked, body, bounds, machine, state, out, m):
    """Append the state before step k + 1, the first of a body, relative to `moment`.

    Parameters
    ----------
    asked : int64[2, x], filled with what `reads_back` asks of streams that look back: versions issued, counted from the
        current one (-1: none is left to fill), and when the next fill can begin.

    Returns
    -------
    (length, whether no fill waits for a drain of an earlier body); length -1: it is too long.
    """
    streams, serial, scalars = machine.streams, machine.serial, state.scalars
    n = len(streams)
    key_origin = order_key(k, 0, 0, 0, n)
    apart = opens_pass(body.j, machine, body.kinds, body.layer)
    led = apart and streams[serial, TENSOR] != PSUM
    origin = moment(apart, state)
    out[m : m + 5] = 0
    out[m] = scalars[C_END] - origin
    out[m + 1] = scalars[C_FREE] - origin
    if serial >= 0:
        m = _append_time(scalars, PASS_END, origin, key_origin, out, m + 2)
    else:
        m += 5
    bounds.fills[:], bounds.held[:], bounds.waits[:], bounds.floor[:], bounds.ready[:] = 0, -NEVER, 0, 0, NEVER
    asked[0, :] = -1
    for x in range(n):
        if not streams[x, ABSENT]:
            _bound_fills(x, k, origin, led, body, bounds, machine, state)
    m = _read_ports(origin, bounds, state, out, m)
    plain = True
    for x in range(n):
        if streams[x, ABSENT]:
            continue
        current = state.progress[x, CURRENT]
        out[m] = bounds.issued[x] - current
        m += 1
        if streams[x, INNERMOST] and streams[x, TENSOR] == PSUM and not machine.known[x] and led:
            m = _read_last_drains(x, origin, key_origin, machine, state, out, m)
            if m < 0:
                return -1, False
            continue
        read_by = _read_by(x, apart, bounds, machine)
        over = undrained(x, k, current, body)
        m = _read_versions(x, over, read_by, origin, key_origin, bounds, machine, state, out, m)
        if m < 0:
            return -1, False
        if machine.looks[x] and bounds.fills[x]:
            length = m
            asked[0, x], asked[1, x] = bounds.issued[x] - current, bounds.floor[x] - origin
            m = _read_back(x, k, asked[:, x], origin, body, machine, state, out, m)
            if m < 0:
                return -1, False
            plain &= m == length + 1
    return m, plain
