"""What of the state before a body can still bind, relative to a moment no later C can begin before.

Every time is a max and a sum of constants, so a body started from a state that differs by a shift in time runs shifted
by as much. A time goes into the state only if it is not below every other bound of all that may wait for it.
"""

from __future__ import annotations

import numpy as np

from accelsim.engine.nest.kernels.tiles import PSUM
from accelsim.engine.timing.kernels.records import (
    A_HOLD,
    A_KEY,
    ABSENT,
    ARRIVE,
    C_END,
    CURRENT,
    D_END,
    D_HOLD,
    D_KEY,
    D_START,
    D_UNITS,
    DEPTH,
    DRAINED,
    F_START,
    F_UNITS,
    FILLED,
    HAS_P,
    INNERMOST,
    L_HOLD,
    L_KEY,
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
    TO_ISSUE,
    U_HOLD,
    U_KEY,
    USE,
    VID,
    order_key,
)
from accelsim.engine.timing.kernels.versions import EARLIER
from accelsim.jit import njit

MOST_AHEAD = 8


# ---- versions, found in the list of bodies ---------------------------------------------------------------------------


@njit(cache=True)
def locate(x, v, j, at, kinds, layer):
    """(body, index there) of version v of a stream that is not slow; at : int64[x], first versions of body j."""
    b, first = j, at[x]
    while v < first and b > 0:
        b -= 1
        first -= kinds.many[layer.kind[b], x]
    while b < layer.kind.shape[0] and v >= first + kinds.many[layer.kind[b], x]:
        first += kinds.many[layer.kind[b], x]
        b += 1
    return b, v - first


@njit(cache=True)
def _begin(x, v, j, at, kinds, layer):
    """The first step of version v; NEVER after the last."""
    if layer.slow[x]:
        return layer.begin[layer.start[x] + v] if v < layer.number[x] else NEVER
    b, i = locate(x, v, j, at, kinds, layer)
    return layer.first[b] + kinds.begin[kinds.at[layer.kind[b], x] + i] if b < layer.kind.shape[0] else NEVER


@njit(cache=True)
def _is_fresh(x, v, j, at, kinds, layer):
    """Whether psum version v brings no old psums."""
    if layer.slow[x]:
        return layer.back[layer.start[x] + v] == -2
    b, i = locate(x, v, j, at, kinds, layer)
    return kinds.back[kinds.at[layer.kind[b], x] + i] == -2


@njit(cache=True)
def undrained(x, k, current, j, at, kinds, layer):
    """The first version whose last user comes after step k."""
    return current + (current < 0 or _begin(x, current + 1, j, at, kinds, layer) == k + 1)


@njit(cache=True)
def issued_of(x, j, at, machine, progress, kinds, layer):
    """Versions issued of stream x, those of fresh psums that may be skipped again left out."""
    issued = progress[x, TO_ISSUE]
    current = progress[x, CURRENT]
    if machine.streams[x, TENSOR] == PSUM:
        if not machine.known[x]:
            return current + 1
        while issued > current + 1 and _is_fresh(x, issued - 1, j, at, kinds, layer):
            issued -= 1
    return issued


@njit(cache=True)
def reach(x, machine):
    """How many versions ahead of its use a fill of stream x can come; old psums wait for the drain just before."""
    return 1 if machine.streams[x, OLD_PSUM] else machine.streams[x, SLOTS]


# ---- what a body consists of -----------------------------------------------------------------------------------------


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
        while have < reach(x, machine) + 2 and b < bodies and b <= j + MOST_AHEAD + 1:
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


# ---- the state before it ---------------------------------------------------------------------------------------------


@njit(cache=True)
def opens_pass(j, machine, kinds, layer):
    """Whether body j begins a pass, and so with a C after all C before have left the array."""
    serial = machine.serial
    if serial < 0 or j >= layer.kind.shape[0]:
        return False
    if machine.streams[serial, TENSOR] != PSUM and machine.streams[serial, ABSENT]:
        return False
    kind = layer.kind[j]
    return kinds.many[kind, serial] > 0 and kinds.begin[kinds.at[kind, serial]] == 0


@njit(cache=True)
def moment(apart, state):
    """No C of the next body begins before; apart : whether it begins a pass."""
    return state.scalars[PASS_END] if apart else state.scalars[C_END]


@njit(cache=True)
def _slot_frees(x, u, k, origin, machine, state, j, at, kinds, layer):
    """No writer of the slot of version u of stream x begins before."""
    streams = machine.streams
    current = state.progress[x, CURRENT]
    if u >= undrained(x, k, current, j, at, kinds, layer) and (streams[x, INNERMOST] or streams[x, TENSOR] == PSUM):
        return origin
    r = state.records[x, u & (state.records.shape[1] - 1)]
    if r[VID] != u:
        return -NEVER
    if streams[x, TENSOR] == PSUM:
        return r[D_START] if streams[x, STREAMED] or streams[x, OLD_PSUM] else r[D_END]
    return r[D_START] if streams[x, STREAMED] and streams[x, INNERMOST] else r[USE]


@njit(cache=True)
def drain_binds(x, v, r, issued, current, held, origin, machine):
    """Whether anything yet to come may begin before the drain of psum version v ends, all other bounds considered.

    Old psums and refills of its slot wait for it, and the first C of a fresh version there, which comes after a C for
    each version in between.
    """
    slots = machine.streams[x, SLOTS]
    if machine.known[x] and v + reach(x, machine) >= issued and r[D_END] >= held:
        return True
    return r[D_END] >= origin + (max(v + slots - current - 1, 0) if machine.streams[x, INNERMOST] else 0)


@njit(cache=True)
def _read_back(x, k, issued, floor, origin, machine, state, j, at, kinds, layer, out, m):
    """Append the drains in earlier bodies that fills yet to come wait for; none of these begins before `floor`."""
    n, current = len(machine.streams), state.progress[x, CURRENT]
    first = undrained(x, k, current, j, at, kinds, layer)
    end = min(at[x] + kinds.many[layer.kind[j], x] + reach(x, machine) + 1, layer.number[x])
    mark = (j + 1) << 32
    b, i = (0, 0) if layer.slow[x] else locate(x, first, j, at, kinds, layer)
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
            # within a body the kind tells; `seen` finds what an earlier one has not drained yet
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
        if m > out.shape[0] - 64:
            return -1
    out[m] = NOBODY
    return m + 1


@njit(cache=True)
def reads_back(k, asked, origin, machine, state, j, at, kinds, layer, scratch):
    """Whether any fill of body j waits for a drain of an earlier body; asked : as `read_state` left it."""
    for x in range(at.shape[0]):
        if machine.looks[x] and asked[0, x] >= 0:
            issued, floor = asked[0, x] + state.progress[x, CURRENT], asked[1, x] + origin
            if _read_back(x, k, issued, floor, origin, machine, state, j, at, kinds, layer, scratch, 0) != 1:
                return True
    return False


@njit(cache=True)
def read_state(k, asked, machine, state, j, at, kinds, layer, out, m):
    """Append the state before step k + 1, the first of body j, relative to `moment`.

    Parameters
    ----------
    asked : int64[2, x], filled with what `reads_back` asks of streams that look back: versions issued, counted from the
        current one (-1: none is left to fill), and when the next fill can begin.

    Returns
    -------
    (length, whether no fill waits for a drain of an earlier body); length -1: it is too long.
    """
    streams, progress, records, free = machine.streams, state.progress, state.records, state.free
    n = streams.shape[0]
    key_origin = order_key(k, 0, 0, 0, n)
    serial = machine.serial
    apart = opens_pass(j, machine, kinds, layer)
    stationary_input = apart and streams[serial, TENSOR] != PSUM
    origin = moment(apart, state)
    out[m] = state.scalars[C_END] - origin
    out[m + 1] = state.scalars[PASS_END] - origin if serial >= 0 else 0
    out[m + 2] = state.scalars[PASS_END + 1] if serial >= 0 else 0
    out[m + 3] = state.scalars[PASS_END + 2] - key_origin if serial >= 0 else 0
    m += 4
    plain = True
    asked[0, :] = -1
    issued = np.empty(n, np.int64)
    waits = np.zeros(n, np.int64)  # no later fill of x begins before, its ports apart
    floor = np.zeros(n, np.int64)  # the same with its ports
    fills = np.zeros(n, np.uint8)
    held = np.full(n, -NEVER, np.int64)
    ready = np.full(free.shape[0], NEVER, np.int64)
    for x in range(n):
        if streams[x, ABSENT]:
            continue
        issued[x] = issued_of(x, j, at, machine, progress, kinds, layer)
        v = issued[x]
        fills[x] = v < layer.number[x] and machine.known[x]
        first, slots = machine.uses_at[x, 0, 0], machine.uses_at[x, 0, 1]
        follows = stationary_input and streams[x, INNERMOST] and (x == serial or machine.lead_first)
        waits[x] = origin if follows else -NEVER
        s = reach(x, machine)
        if v >= s and fills[x]:
            waits[x] = max(waits[x], _slot_frees(x, v - s, k, origin, machine, state, j, at, kinds, layer))
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
                        return -1, False
            out[m] = NOBODY
            m += 1
            continue
        read_by = NEVER  # no fill from a version of x begins before
        for y in range(n):
            if streams[y, PARENT] == x and not streams[y, ABSENT] and fills[y]:
                read_by = min(read_by, floor[y])
            if x == serial and not psum and not apart and machine.lead_first and streams[y, INNERMOST] and fills[y]:
                read_by = min(read_by, floor[y])
        over = undrained(x, k, current, j, at, kinds, layer)
        for v in range(max(min(issued[x], current + 1) - s, 0), max(issued[x], current + 1)):
            r = records[x, v & (records.shape[1] - 1)]
            known = r[VID] == v
            arrive = known and r[FILLED] == 1 and (v >= current and r[ARRIVE] >= read_by)
            arrive |= known and r[FILLED] == 1 and r[ARRIVE] >= origin and (v > current or psum)
            slot = fills[x] and v + s >= issued[x]
            use = known and ((slot and r[USE] >= held[x] and r[USE] >= waits[x]) or (psum and r[USE] >= origin))
            landed = known and psum and v >= current and r[LANDED] >= origin
            if psum:
                drain = known and drain_binds(x, v, r, issued[x], current, held[x], origin, machine)
            else:
                # an input in use has no last user yet, and nothing asks for one before there is
                drain = known and innermost and v < over and slot and r[D_END] >= held[x]
            old = known and r[HAS_P] == 1 and v >= current and r[P_END] + machine.latency[x, 0] >= origin
            flags = 0
            if known and v >= current:
                flags = r[FILLED] + 2 * r[DRAINED] + 4 * (r[HAS_P] == 1)
            facts = flags + 8 * arrive + 16 * use + 32 * landed + 64 * drain + 128 * old
            if facts == 0:
                continue
            out[m] = v - current
            out[m + 1] = facts
            m += 2
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
                return -1, False
        out[m] = -NEVER
        m += 1
        if machine.looks[x] and fills[x]:
            length = m
            m = _read_back(x, k, issued[x], floor[x], origin, machine, state, j, at, kinds, layer, out, m)
            if m < 0:
                return -1, False
            plain &= m == length + 1
            asked[0, x], asked[1, x] = issued[x] - current, floor[x] - origin
    return m, plain
