"""Time of a layer given as a list of bodies (`bodies.walk`): a kind of body is simulated once for each state before it.

Every time is a max and a sum of constants, so a body started from a state that differs by a shift in time runs shifted
by as much. `read_state` writes down what of the state can still bind, relative to a moment no later C can begin before;
a body met again in a known state is looked up. Only the versions around the body at hand are written out.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from accelsim.engine.kernels.sweep import (
    A_HOLD,
    A_KEY,
    ABSENT,
    ARRIVE,
    AT_PASS,
    C_END,
    C_START,
    CURRENT,
    D_END,
    D_HOLD,
    D_KEY,
    D_START,
    D_UNITS,
    DRAINED,
    F_END,
    F_START,
    F_UNITS,
    FILLED,
    HAS_P,
    INNERMOST,
    KAPPA,
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
    SLOTS,
    STREAMED,
    TENSOR,
    TO_ISSUE,
    TOTAL_C,
    U_HOLD,
    U_KEY,
    USE,
    VID,
    advance,
    begin_state,
)  # fmt: skip
from accelsim.engine.kernels.versions import EARLIER

PSUM = 2
ENTRIES = 512
MOST_RECORDS = 48
MOST_AHEAD = 8
WIDE = 1024
NEVER = 1 << 60
DEAD = -(1 << 60)
TIMES = np.array([ARRIVE, F_START, F_END, USE, LANDED, D_START, D_END, P_START, P_END], np.int64)
KEYS = np.array([A_KEY, U_KEY, L_KEY, D_KEY], np.int64)


class Machine(NamedTuple):
    """What `sweep.advance` needs of the machine; see there.

    known : uint8[x], psums: whether any version is ever read back (inputs: 1).
    """

    streams: np.ndarray
    uses_at: np.ndarray
    ports: np.ndarray
    latency: np.ndarray
    order: np.ndarray
    serial: int
    lead_first: bool
    skew_rows: int
    after_c: int
    idle_fill: int
    known: np.ndarray


class State(NamedTuple):
    """What lives between two bodies; see `sweep.advance`."""

    free: np.ndarray
    drains: np.ndarray
    records: np.ndarray
    progress: np.ndarray
    scalars: np.ndarray
    stalls: np.ndarray


class Window(NamedTuple):
    """The versions written out: of stream x those low <= v < limit, version v at start[x] + v.

    place : int64[x + 1], the room of each stream. body : int64[x], the next body to append.
    last : int64[tile], psums: latest version of each tile, where bodies look back at earlier ones.
    """

    place: np.ndarray
    start: np.ndarray
    low: np.ndarray
    limit: np.ndarray
    body: np.ndarray
    begin: np.ndarray
    back: np.ndarray
    tile: np.ndarray
    work: np.ndarray
    last: np.ndarray


@njit(cache=True)
def _keeps_apart(machine):
    """Whether no C of a body begins before all C of those before it have left the array."""
    serial = machine.serial
    return serial >= 0 and (machine.streams[serial, TENSOR] == PSUM or machine.streams[serial, ABSENT] == 0)


@njit(cache=True)
def _append(x, kinds, layer, window, tile_at):
    """Append stream x's versions of its next body; tile_at : see `replay`."""
    b = window.body[x]
    kind = layer.kind[b]
    first, m = kinds.at[kind, x], kinds.many[kind, x]
    v = window.limit[x]
    to = window.start[x] + v
    for i in range(m):
        window.begin[to + i] = layer.first[b] + kinds.begin[first + i]
        back, tile = kinds.back[first + i], kinds.tile[first + i]
        if tile_at >= 0:
            tile += tile_at + layer.tiles[b, x]
            if back == EARLIER:
                back = window.last[tile]
            elif back >= 0:
                back += v
            window.last[tile] = v + i
        elif back == EARLIER:
            back = -1
        elif back >= 0:
            back += v
        window.back[to + i] = back
        window.tile[to + i] = tile
        for s in range(kinds.work.shape[1]):
            window.work[to + i, s] = kinds.work[first + i, s]
    window.limit[x] = v + m
    window.body[x] = b + 1


@njit(cache=True)
def _drop(x, keep, window):
    """Forget versions before `keep`, to make room."""
    begin = window.start[x] + keep
    n = window.limit[x] - keep
    to = window.place[x]
    for i in range(n):
        window.begin[to + i] = window.begin[begin + i]
        window.back[to + i] = window.back[begin + i]
        window.tile[to + i] = window.tile[begin + i]
        for s in range(window.work.shape[1]):
            window.work[to + i, s] = window.work[begin + i, s]
    window.low[x] = keep
    window.start[x] = to - keep


@njit(cache=True)
def _room(x, kinds, layer, window, keep):
    """Make room for the next body of stream x; False if there is none to make."""
    m = kinds.many[layer.kind[window.body[x]], x]
    if window.start[x] + window.limit[x] + m > window.place[x + 1]:
        _drop(x, keep, window)
        return window.start[x] + window.limit[x] + m <= window.place[x + 1]
    return True


@njit(cache=True)
def _cover(j, at, kinds, layer, window, machine, progress, tile_at):
    """Write out what body j can look at; at : int64[x], first versions of body j. Returns whether there was room."""
    n = at.shape[0]
    bodies = layer.kind.shape[0]
    until = layer.first[j + 1]
    for x in range(n):
        if layer.slow[x]:
            continue
        keep = max(progress[x, CURRENT], 0)
        if window.limit[x] < at[x]:
            # begin anew at the body that holds the current version
            b, v = j, at[x]
            while v > keep and b > 0:
                b -= 1
                v -= kinds.many[layer.kind[b], x]
            window.body[x], window.limit[x], window.low[x] = b, v, v
            window.start[x] = window.place[x] - v
        need = at[x] + kinds.many[layer.kind[j], x] + machine.streams[x, SLOTS] + 2
        if machine.streams[x, TENSOR] == PSUM and not machine.known[x]:
            need = at[x] + kinds.many[layer.kind[j], x] + 2
        while window.body[x] < bodies and (window.limit[x] < need or window.body[x] <= j):
            if not _room(x, kinds, layer, window, keep):
                return False
            _append(x, kinds, layer, window, tile_at[x])
        if window.limit[x] > window.low[x]:
            until = max(until, window.begin[window.start[x] + window.limit[x] - 1])
    serial = machine.serial
    if serial >= 0 and machine.lead_first and machine.streams[serial, TENSOR] == PSUM and machine.known[serial]:
        # what is filled far ahead asks whether old psums lead its pass
        asked = 0
        for x in range(n):
            if layer.slow[x] and machine.streams[x, INNERMOST] and not machine.streams[x, ABSENT]:
                v = at[x] + kinds.many[layer.kind[j], x] + machine.streams[x, SLOTS]
                asked = max(asked, layer.begin[layer.start[x] + min(v, layer.number[x] - 1)])
        while not layer.slow[serial] and window.body[serial] < bodies and layer.first[window.body[serial]] <= asked:
            if not _room(serial, kinds, layer, window, max(progress[serial, CURRENT], 0)):
                return False
            _append(serial, kinds, layer, window, tile_at[serial])
    # a parent's versions must reach as far as its children's
    for x in range(n):
        if layer.slow[x]:
            continue
        while window.body[x] < bodies and layer.first[window.body[x]] <= until:
            if not _room(x, kinds, layer, window, max(progress[x, CURRENT], 0)):
                return False
            _append(x, kinds, layer, window, tile_at[x])
    return True


@njit(cache=True)
def _trim(x, machine, progress, window, layer):
    """Versions issued of stream x, those of fresh psums that may be skipped again left out."""
    issued = progress[x, TO_ISSUE]
    current = progress[x, CURRENT]
    if machine.streams[x, TENSOR] == PSUM:
        if not machine.known[x]:
            return current + 1
        while issued > current + 1 and window.back[window.start[x] + issued - 1] == -2:
            issued -= 1
    return issued


@njit(cache=True)
def _is_over(x, v, k, current, window, layer):
    """Whether version v of input x has had its last user before step k + 1."""
    return v < current or (v == current and v + 1 < layer.number[x] and window.begin[window.start[x] + v + 1] == k + 1)


@njit(cache=True)
def read_content(j, at, kinds, layer, machine, out):
    """Write what body j and all it can look ahead at consist of; returns the length, 0 if it looks too far."""
    n = at.shape[0]
    bodies = layer.kind.shape[0]
    ahead = 0
    for x in range(n):
        if layer.slow[x] or machine.streams[x, ABSENT] or (machine.streams[x, TENSOR] == PSUM and not machine.known[x]):
            continue
        have, b = 0, j + 1
        while have < machine.streams[x, SLOTS] + 2 and b < bodies and b <= j + MOST_AHEAD + 1:
            have += kinds.many[layer.kind[b], x]
            b += 1
        ahead = max(ahead, b - 1 - j)
    ahead = min(max(ahead, 1), bodies - 1 - j)
    if ahead > MOST_AHEAD:
        return 0
    out[0] = ahead
    m = 1
    for b in range(j, j + ahead + 1):
        out[m] = layer.kind[b]
        m += 1
    end = layer.first[j + 1]
    for x in range(n):
        if not layer.slow[x] or machine.streams[x, ABSENT]:
            continue
        number = layer.number[x]
        following = at[x] + kinds.many[layer.kind[j], x]
        parent = machine.streams[x, PARENT]
        for p in range(following, following + machine.streams[x, SLOTS] + 1):
            if p >= number:
                out[m] = -1
                m += 1
                continue
            v = layer.start[x] + p
            out[m] = (layer.begin[v] == end) + 2 * (layer.back[v] == -2)
            m += 1
            for s in range(layer.work.shape[1]):
                out[m] = layer.work[v, s]
                m += 1
            if parent >= 0 and layer.slow[parent]:
                w = at[parent] + kinds.many[layer.kind[j], parent]
                up = layer.start[parent]
                first = w
                while w < layer.number[parent] and layer.begin[up + w] <= layer.begin[v] and w - first < 4:
                    w += 1
                out[m] = w - first
                m += 1
    return m


@njit(cache=True)
def read_state(k, machine, state, window, layer, out, m):
    """Append the state before step k + 1, as far as it can bind; returns (length, the moment it is relative to).

    A time goes in only if it is not below every other bound of all that may wait for it: no C begins before `origin`;
    no fill before its ports are free, nor before its slot is.
    """
    streams, progress, records, free = machine.streams, state.progress, state.records, state.free
    n = streams.shape[0]
    per_step = 4 * (n + 70)
    key_origin = (k + 1) * 3 * per_step
    serial = machine.serial
    apart = _keeps_apart(machine)
    stationary_input = apart and streams[serial, TENSOR] != PSUM
    origin = state.scalars[PASS_END] if apart else state.scalars[C_END]
    out[m] = state.scalars[C_END] - origin
    out[m + 1] = state.scalars[PASS_END + 1] if apart else 0
    out[m + 2] = state.scalars[PASS_END + 2] - key_origin if apart else 0
    m += 3
    issued = np.empty(n, np.int64)
    waits = np.zeros(n, np.int64)  # no later fill of x begins before, its ports apart
    floor = np.zeros(n, np.int64)  # the same with its ports
    fills = np.zeros(n, np.uint8)
    held = np.full(n, -NEVER, np.int64)
    ready = np.full(free.shape[0], NEVER, np.int64)
    for x in range(n):
        if streams[x, ABSENT]:
            continue
        issued[x] = _trim(x, machine, progress, window, layer)
        v, s, current = issued[x], streams[x, SLOTS], progress[x, CURRENT]
        fills[x] = v < layer.number[x] and machine.known[x]
        first, slots = machine.uses_at[x, 0, 0], machine.uses_at[x, 0, 1]
        follows = stationary_input and streams[x, INNERMOST] and (x == serial or machine.lead_first)
        waits[x] = origin if follows else -NEVER
        if v >= s and streams[x, TENSOR] != PSUM:
            u = v - s
            if streams[x, INNERMOST] and not _is_over(x, u, k, current, window, layer):
                waits[x] = max(waits[x], origin)
            else:
                r = records[x, u & (records.shape[1] - 1)]
                if r[VID] == u:
                    streamed = streams[x, STREAMED] and streams[x, INNERMOST]
                    waits[x] = max(waits[x], r[D_START] if streamed else r[USE])
        floor[x] = waits[x]
        for i in range(slots):
            held[x] = max(held[x], free[machine.ports[x, first + i]])
        floor[x] = max(floor[x], held[x])
        if fills[x]:
            for i in range(slots):
                p = machine.ports[x, first + i]
                ready[p] = min(ready[p], waits[x])
        if streams[x, TENSOR] == PSUM:
            for i in range(machine.uses_at[x, 1, 1]):
                p = machine.ports[x, machine.uses_at[x, 1, 0] + i]
                ready[p] = min(ready[p], origin)
    for p in range(free.shape[0]):
        unused = ready[p] == NEVER
        out[m] = 0 if unused else max(free[p], ready[p]) - origin
        out[m + 1] = 2 if unused else free[p] < ready[p]
        m += 2
    for x in range(n):
        if streams[x, ABSENT]:
            continue
        psum, innermost = streams[x, TENSOR] == PSUM, streams[x, INNERMOST] == 1
        current, s = progress[x, CURRENT], streams[x, SLOTS]
        out[m] = issued[x] - current
        m += 1
        if innermost and psum and not machine.known[x] and stationary_input:
            # its drains are over when the next pass begins; the last may be what a pass that loads nothing waited for
            for v in range(max(current + 1 - s, 0), current + 1):
                r = records[x, v & (records.shape[1] - 1)]
                if r[VID] == v and r[D_END] >= origin:
                    out[m] = current - v
                    out[m + 1] = r[D_START] - origin
                    out[m + 2] = r[D_UNITS] > 1
                    out[m + 3] = r[D_HOLD]
                    out[m + 4] = r[D_KEY] - key_origin
                    m += 5
                    if m > out.shape[0] - 64:
                        return -1, origin
            out[m] = NOBODY
            m += 1
            continue
        read_by = NEVER  # no fill from a version of x begins before
        for y in range(n):
            if streams[y, PARENT] == x and not streams[y, ABSENT] and fills[y]:
                read_by = min(read_by, floor[y])
        for v in range(max(min(issued[x], current + 1) - s, 0), max(issued[x], current + 1)):
            r = records[x, v & (records.shape[1] - 1)]
            known = r[VID] == v
            arrive = known and r[FILLED] == 1 and (v >= current and r[ARRIVE] >= read_by)
            arrive |= known and r[FILLED] == 1 and r[ARRIVE] >= origin and (v > current or psum)
            slot = fills[x] and v + s >= issued[x]
            use = known and ((slot and r[USE] >= held[x] and r[USE] >= waits[x]) or (psum and r[USE] >= origin))
            landed = known and psum and v >= current and r[LANDED] >= origin
            last = NEVER
            if slot or (fills[x] and v + 1 >= issued[x]):
                last = held[x]
            if psum:
                last = min(last, origin)
            # an input in use has no last user yet, and nothing asks for one before there is
            ended = psum or (innermost and _is_over(x, v, k, current, window, layer))
            drain = known and ended and r[D_END] >= last
            old = known and r[HAS_P] == 1 and v >= current and r[P_END] + machine.latency[x, 0] >= origin
            flags = 0
            if known and v >= current:
                flags = r[FILLED] + 2 * r[DRAINED] + 4 * (r[HAS_P] == 1)
            out[m] = flags + 8 * arrive + 16 * use + 32 * landed + 64 * drain + 128 * old
            m += 1
            if arrive:
                out[m] = r[ARRIVE] - origin
                out[m + 1] = r[F_START] - r[ARRIVE]
                out[m + 2] = r[F_UNITS] > 1
                out[m + 3] = r[A_HOLD]
                out[m + 4] = r[A_KEY] - key_origin
                m += 5
            if use:
                out[m] = r[USE] - origin
                out[m + 1] = r[U_HOLD]
                out[m + 2] = r[U_KEY] - key_origin
                m += 3
            if landed:
                out[m] = r[LANDED] - origin
                out[m + 1] = r[L_HOLD]
                out[m + 2] = r[L_KEY] - key_origin
                m += 3
            if drain:
                out[m] = r[D_END] - origin
                out[m + 1] = r[D_START] - origin
                out[m + 2] = r[D_UNITS] > 1
                out[m + 3] = r[D_HOLD]
                out[m + 4] = r[D_KEY] - key_origin
                m += 5
            if old:
                out[m] = r[P_END] - origin
                out[m + 1] = r[P_START] - origin
                out[m + 2] = r[P_UNITS] > 1
                out[m + 3] = r[A_HOLD]
                out[m + 4] = r[A_KEY] - key_origin
                m += 5
            if m > out.shape[0] - 64:
                return -1, origin
    return m, origin


@njit(cache=True)
def _keep(machine, state, window, layer, kept, kept_progress):
    """Copy what a later body may need of the records; returns how many, -1 if there are too many."""
    streams, progress, records = machine.streams, state.progress, state.records
    m = 0
    for x in range(streams.shape[0]):
        kept_progress[x, 0] = _trim(x, machine, progress, window, layer) - progress[x, CURRENT]
        if streams[x, ABSENT]:
            continue
        current, s = progress[x, CURRENT], streams[x, SLOTS]
        issued = current + kept_progress[x, 0]
        over = _keeps_apart(machine) and streams[machine.serial, TENSOR] != PSUM
        over = over and streams[x, INNERMOST] and streams[x, TENSOR] == PSUM and not machine.known[x]
        for v in range(max(min(issued, current + 1) - s, 0), max(issued, current + 1)):
            r = records[x, v & (records.shape[1] - 1)]
            if r[VID] != v or (over and r[D_END] < state.scalars[PASS_END]):
                continue
            if m >= kept.shape[0]:
                return -1
            kept[m, :25] = r
            kept[m, VID] = v - current
            kept[m, 25] = x
            m += 1
    return m


@njit(cache=True)
def _restore(machine, state, shift, steps, kept, m, kept_progress):
    """Put records and progress after a known body in place; CURRENT is already that after it."""
    streams, progress, records = machine.streams, state.progress, state.records
    per_step = 4 * (streams.shape[0] + 70)
    for x in range(streams.shape[0]):
        progress[x, TO_ISSUE] = 0 if streams[x, ABSENT] else progress[x, CURRENT] + kept_progress[x, 0]
    for i in range(m):
        x = kept[i, 25]
        v = kept[i, VID] + progress[x, CURRENT]
        to = records[x, v & (records.shape[1] - 1)]
        to[:] = kept[i, :25]
        to[VID] = v
        to[KAPPA] = -1
        for field in TIMES:
            to[field] += shift
        for field in KEYS:
            to[field] += steps * 3 * per_step


@njit(cache=True)
def replay(kinds, layer, machine, state, window, tile_at, look_up):
    """Run a layer body by body.

    Parameters
    ----------
    tile_at : int64[x], what to add to a body's tiles to find them among all in `window.last` and `state.drains`; -1:
        bodies do not look back at earlier ones' drains, or need not. look_up : whether bodies met again may be looked
        up; not where they look back.

    Returns
    -------
    (the cycle at which the layer ends, bodies simulated); (-1, 0): the window is too small.
    """
    streams, progress, scalars, stalls, free = machine.streams, state.progress, state.scalars, state.stalls, state.free
    n, bodies = streams.shape[0], layer.kind.shape[0]
    per_step = 4 * (n + 70)
    steps = layer.first[bodies]
    begin_state(state.records, progress, scalars)
    at = np.zeros(n, np.int64)
    key = np.zeros(WIDE, np.int64)
    slots = np.full(4 * ENTRIES, -1, np.int64)
    most = ENTRIES if look_up else 1
    keys, lengths = np.empty((most, WIDE), np.int64), np.zeros(most, np.int64)
    kept, kept_number = np.empty((most, MOST_RECORDS, 26), np.int64), np.zeros(most, np.int64)
    kept_progress = np.zeros((most, n, 1), np.int64)
    kept_scalars, kept_free = np.zeros((most, scalars.shape[0]), np.int64), np.zeros((most, free.shape[0]), np.int64)
    kept_stalls, kept_origin = np.zeros((most, stalls.shape[0]), np.int64), np.zeros((most, 2), np.int64)
    entries, simulated = 0, 0
    log = np.zeros(1, np.int64)  # nobody asks
    for j in range(bodies):
        kind = layer.kind[j]
        before = layer.first[j] - 1
        slot, length, origin = -1, 0, 0
        if look_up and j > 0 and j + 1 < bodies and entries < ENTRIES:
            length = read_content(j, at, kinds, layer, machine, key)
            if length > 0:
                if not _cover(j, at, kinds, layer, window, machine, progress, tile_at):
                    return -1, 0
                length, origin = read_state(before, machine, state, window, layer, key, length)
        if length > 0:
            h = length
            for i in range(length):
                h = h * 1000003 + key[i]
            slot = (h ^ (h >> 31)) & (slots.shape[0] - 1)
            while slots[slot] >= 0:
                e = slots[slot]
                if lengths[e] == length:
                    i = 0
                    while i < length and keys[e, i] == key[i]:
                        i += 1
                    if i == length:
                        break
                slot = (slot + 1) & (slots.shape[0] - 1)
            e = slots[slot]
            if e >= 0:
                shift, last = origin - kept_origin[e, 0], scalars[LAST]
                for x in range(n):
                    progress[x, CURRENT] += kinds.many[kind, x]
                    at[x] += kinds.many[kind, x]
                moved = before - kept_origin[e, 1]
                _restore(machine, state, shift, moved, kept[e], kept_number[e], kept_progress[e])
                total, passes = scalars[TOTAL_C], scalars[AT_PASS]
                for i in range(scalars.shape[0]):
                    scalars[i] = kept_scalars[e, i]
                for i in (C_START, C_END, LAST, PASS_END):
                    scalars[i] += shift
                scalars[LAST] = max(scalars[LAST], last)
                scalars[TOTAL_C] += total
                scalars[AT_PASS] += passes
                scalars[PASS_END + 2] += moved * 3 * per_step
                for p in range(free.shape[0]):
                    free[p] = kept_free[e, p] + shift
                for c in range(stalls.shape[0]):
                    stalls[c] += kept_stalls[e, c]
                continue
        if not _cover(j, at, kinds, layer, window, machine, progress, tile_at):
            return -1, 0
        last, total, passes = scalars[LAST], scalars[TOTAL_C], scalars[AT_PASS]
        old_stalls = stalls.copy()
        scalars[LAST] = 0
        here = kinds.steps_at[kind]
        advance(
            before, layer.first[j + 1] - 1, steps, streams, window.start, layer.number, window.low, window.limit,
            window.begin, window.work, window.back, window.tile, machine.uses_at, machine.ports, machine.latency, free,
            machine.order, machine.serial, machine.lead_first, machine.skew_rows, machine.after_c, before + 1,
            kinds.n[here:], kinds.phi[here:], state.drains, state.records, progress, scalars, stalls,
            machine.idle_fill, log,
        )  # fmt: skip
        simulated += 1
        if slot >= 0:
            found = _keep(machine, state, window, layer, kept[entries], kept_progress[entries])
            if found >= 0:
                e = entries
                entries += 1
                slots[slot] = e
                keys[e, :length] = key[:length]
                lengths[e] = length
                kept_number[e] = found
                kept_scalars[e] = scalars
                kept_scalars[e, TOTAL_C] -= total
                kept_scalars[e, AT_PASS] -= passes
                kept_free[e] = free
                kept_stalls[e] = stalls - old_stalls
                kept_origin[e, 0], kept_origin[e, 1] = origin, before
        for x in range(n):
            at[x] += kinds.many[kind, x]
        scalars[LAST] = max(scalars[LAST], last)
    stalls[machine.idle_fill + 1] += scalars[LAST] - scalars[C_END]
    return scalars[LAST], simulated
