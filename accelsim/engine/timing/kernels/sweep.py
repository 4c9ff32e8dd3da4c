"""Time: one sweep over the activities of a layer in key order, in max/plus form (docs/model.md, T2 to T15).

Everything that can wait for something is an activity: C(k) on the MAC array, fills F, drains D and old psums P on their
ports. Each is evaluated once, after all it can wait for. A version's record lives in a ring: only the last few can
still be named.
"""

from __future__ import annotations

import numpy as np

from accelsim.engine.timing.kernels.versions import EARLIER
from accelsim.jit import njit

# columns of a stream row
TENSOR, PARENT, SLOTS, STREAMED, INNERMOST, OLD_PSUM, ABSENT, RANK, DEPTH, DOWN, UP, SKID = range(12)
# columns of a version record
(
    VID, FILLED, KAPPA, ARRIVE, A_HOLD, A_KEY, F_START, F_END, F_UNITS,
    USE, U_HOLD, U_KEY, LANDED, L_HOLD, L_KEY, DRAINED, D_START, D_END, D_UNITS, D_HOLD, D_KEY,
    P_START, P_END, P_UNITS, HAS_P,
) = range(25)  # fmt: skip
NOBODY = -1  # the walk back ends at a C


@njit(cache=True)
def _later(time, hold, key, best):
    """Keep in best = [time, hold, key] the latest bound, ties to the smaller key."""
    if time > best[0] or (time == best[0] and key < best[2]):
        best[0] = time
        best[1] = hold
        best[2] = key


@njit(cache=True)
def _merge(record, at, time, hold, key):
    """The same for a [time, hold, key] kept in a record from column `at`."""
    if time > record[at] or (time == record[at] and key < record[at + 2]):
        record[at] = time
        record[at + 1] = hold
        record[at + 2] = key


@njit(cache=True)
def _record(records, x, v):
    """The record of version v of stream x, cleared if the ring still holds an older one."""
    r = records[x, v & (records.shape[1] - 1)]
    if r[VID] != v:
        r[:] = 0
        r[VID] = v
        r[U_HOLD] = NOBODY
        r[A_HOLD] = NOBODY
        r[L_HOLD] = NOBODY
    return r


@njit(cache=True)
def _is_filled(records, x, v):
    """Whether version v of stream x, which may lie ahead of the ring, has been filled."""
    r = records[x, v & (records.shape[1] - 1)]
    return r[VID] == v and r[FILLED] == 1


@njit(cache=True)
def order_key(kappa, class_, depth, rank, per_step):
    """T9's order as one integer."""
    return ((kappa + 1) * 3 + class_) * per_step + depth * 4 + rank


@njit(cache=True)
def _not_drained(x, v, current, start, tile):
    """The last version from `current` to v whose tile is that of v; -1: an earlier one, which has been drained."""
    for u in range(v - 1, max(current, 0) - 1, -1):
        if tile[start[x] + u] == tile[start[x] + v]:
            return u
    return -1


# columns of a stream's progress
TO_ISSUE, SERVING, CURRENT, IN_PASS, KAPPA_OF = range(5)
# the scalars that live between two steps; PASS_END: time, hold, key
C_START, C_END, C_UNITS, LAST, TOTAL_C, AT_PASS, PASS_END = range(7)
SCALARS = 9


@njit(cache=True)
def begin_state(records, progress, scalars):
    """Clear the state to what holds before the first step."""
    records[:, :, VID] = -1
    progress[:] = 0
    progress[:, CURRENT] = -1
    progress[:, KAPPA_OF] = -1
    scalars[:] = 0
    scalars[PASS_END + 1] = NOBODY


@njit(cache=True)
def advance(
    first, end, steps, streams, start, number, low, limit, begin, work, back, tile, uses_at, ports, latency, free,
    order, serial, lead_first, skew_rows, after_c, step_from, step_n, step_phi, drains, records, progress, scalars,
    stalls, idle_fill, log,
):  # fmt: skip
    """Run from after the drains of step `first` to after those of step `end`; all state is in the arrays.

    Parameters
    ----------
    first, end : -1 <= first < end < steps.
    low, limit : int64[x], the versions low <= v < limit that are written down: version v of stream x lies at
        ``start[x] + v``. step_from : the step whose cycles come first in `step_n`, `step_phi`.
    streams : int64[x, 12], see TENSOR .. SKID (DOWN, UP: what a stall on that network is charged to).
    start, number, begin, back, tile : versions, see `versions.generate`; what a `back` of
        EARLIER names is found by its tile. work : int64[version, slot] cycles per port.
    uses_at : int64[x, 2, 2], (first slot, slots) of fills and of drains. ports : int64[x, slot] port of each slot.
    latency : int64[x, 2], after fills (old psums) and drains. free : int64[port] scratch, zeros.
    order : int64[x], streams outermost level first, then rank. serial : stationary stream or -1.
    lead_first : whether moving operands wait for the stationary one of their pass.
    skew_rows : cycles of a stationary fill on a skewed machine, or 0. after_c : latency after C (pipeline and skew).
    drains : int64[tile, 3], (end, hold, last step) of the last drain of each psum tile.
    records : int64[x, ring, 25] scratch; ring a power of two above 2 slots + 2 (fills run ahead by the slots, C looks
        as far back).
    progress : int64[x, 5], see TO_ISSUE ..; scalars : int64[SCALARS], see C_START ..
    stalls : int64[cause], added to; idle_fill : cause of what precedes the first C; after it: drain, pipeline.
    log : int64[1 + transfers], filled with the order of the outermost level's transfers (how many, then for each
        2 * tensor + 1 if it is a drain); int64[1]: nobody asks.
    """
    n = streams.shape[0]
    per_step = 4 * (streams.shape[0] + 70)
    to_issue = progress[:, TO_ISSUE]
    serving = progress[:, SERVING]  # parent version of the next version to issue
    current = progress[:, CURRENT]
    in_pass = progress[:, IN_PASS]
    kappa_of = progress[:, KAPPA_OF]
    best = np.zeros(3, np.int64)
    late = np.zeros(3, np.int64)
    pass_end = scalars[PASS_END : PASS_END + 3]
    c_start, c_end, c_units = scalars[C_START], scalars[C_END], scalars[C_UNITS]
    last, total_c, at_pass = scalars[LAST], scalars[TOTAL_C], scalars[AT_PASS]
    stationary_input = serial >= 0 and streams[serial, TENSOR] != 2
    for before in range(first, end):
        k = before
        # fills and old psums with kappa = k, outer levels first
        for o in range(n):
            x = order[o]
            if streams[x, ABSENT]:
                continue
            while to_issue[x] < limit[x]:
                v = to_issue[x]
                at = start[x] + v
                psum = streams[x, TENSOR] == 2
                if psum and back[at] == -2:
                    to_issue[x] += 1
                    continue
                first_slot, slots = uses_at[x, 0, 0], uses_at[x, 0, 1]
                most = min(slots, 1)
                for i in range(slots):
                    most = max(most, work[at, first_slot + i])
                old = psum and streams[x, OLD_PSUM]
                preload = skew_rows > 0 and x == serial and not old
                if preload:
                    most = max(most, skew_rows)
                s = streams[x, SLOTS]
                if old:
                    s = 1
                elif streams[x, STREAMED] and most <= 1 and not psum and streams[x, SKID]:
                    s = 2
                kappa = -1
                if v >= s and v - s + 1 >= low[x]:
                    kappa = begin[at - s + 1] - 1
                if kappa > k:
                    break
                parent = streams[x, PARENT]
                if parent >= 0:
                    w = max(serving[x], current[parent])
                    while w + 1 < limit[parent] and begin[start[parent] + w + 1] <= begin[at]:
                        w += 1
                    serving[x] = w
                    # a fresh psum version of the parent, or one that accumulates on drain, has no fill
                    fresh = streams[parent, OLD_PSUM] == 1 or back[start[parent] + w] == -2
                    if streams[parent, TENSOR] != 2 or not fresh:
                        if not _is_filled(records, parent, w):
                            break
                        above = _record(records, parent, w)
                        kappa = max(kappa, above[KAPPA])
                drained = back[at] if psum else -1
                if drained == EARLIER:
                    drained = _not_drained(x, v, max(low[x], current[x]), start, tile)
                if drained >= low[x]:
                    kappa = max(kappa, begin[start[x] + drained + 1] - 1)
                j = 0
                follows = serial >= 0 and x != serial and streams[x, INNERMOST] == 1 and streams[serial, ABSENT] == 0
                follows = follows and lead_first
                if stationary_input and x == serial:
                    kappa = max(kappa, begin[at] - 1)
                elif follows:
                    j = max(in_pass[x], current[serial])
                    while j + 1 < limit[serial] and begin[start[serial] + j + 1] <= begin[at]:
                        j += 1
                    in_pass[x] = j
                    # P of a stationary psum does not lead; nor does a fresh one
                    follows = stationary_input or (back[start[serial] + j] != -2 and streams[serial, OLD_PSUM] == 0)
                    if follows:
                        if not _is_filled(records, serial, j):
                            break
                        lead = _record(records, serial, j)
                        kappa = max(kappa, lead[KAPPA])
                kappa = max(kappa, kappa_of[x])
                if kappa > k:
                    break
                # issue
                if parent < 0 and len(log) > 1:
                    log[0] += 1
                    log[log[0]] = 2 * streams[x, TENSOR]
                best[0] = 0
                best[1] = NOBODY
                best[2] = -1
                stream_end = 0
                key = order_key(kappa, 2, streams[x, DEPTH], streams[x, RANK], per_step)
                if parent >= 0:
                    above = _record(records, parent, serving[x])
                    if above[FILLED]:
                        _later(above[ARRIVE], above[A_HOLD], above[A_KEY], best)
                if psum and (back[at] >= 0 or back[at] == EARLIER):
                    d = drains[tile[at]]
                    b_key = order_key(d[2], 1, 69 - streams[x, DEPTH], streams[x, RANK], per_step)
                    _later(d[0] + latency[x, 1], d[1], b_key, best)
                if follows:
                    lead = _record(records, serial, j)
                    _later(lead[ARRIVE], lead[A_HOLD], lead[A_KEY], best)
                if stationary_input and x == serial:
                    _later(pass_end[0], pass_end[1], pass_end[2], best)
                if v >= s:
                    d = _record(records, x, v - s)
                    if psum or (streams[x, STREAMED] and s == 1):
                        if (old or streams[x, STREAMED]) and most > 1:
                            first = d[D_START] + 1 if d[D_UNITS] > 1 else d[D_END]
                            _later(first, d[D_HOLD], d[D_KEY], best)
                            stream_end = d[D_END] + 1
                        elif psum:
                            _later(d[D_END], d[D_HOLD], d[D_KEY], best)
                        else:
                            _later(d[USE], d[U_HOLD], d[U_KEY], best)
                    else:
                        _later(d[USE], d[U_HOLD], d[U_KEY], best)
                own_free = 0
                for i in range(slots):
                    own_free = max(own_free, free[ports[x, first_slot + i]])
                begins = max(best[0], own_free)
                hold = streams[x, DOWN]
                if best[0] > own_free and best[1] >= 0:
                    hold = best[1]
                ends_at = max(begins + most, stream_end if most > 1 else 0)
                for i in range(slots):
                    p, mine = ports[x, first_slot + i], work[at, first_slot + i]
                    if preload:
                        mine = max(mine, skew_rows)
                    # a share of nothing is let go at the start, but not before it
                    free[p] = max(free[p], begins + mine, stream_end if mine > 0 and most > 1 else 0)
                r = _record(records, x, v)
                arrives = ends_at + latency[x, 0]
                last = max(last, arrives)
                r[KAPPA] = kappa
                kappa_of[x] = kappa
                r[A_HOLD] = hold
                r[A_KEY] = key
                if old:
                    r[HAS_P] = 1
                    r[P_START] = begins
                    r[P_END] = ends_at
                    r[P_UNITS] = most
                else:
                    r[FILLED] = 1
                    r[ARRIVE] = arrives
                    r[F_START] = begins
                    r[F_END] = ends_at
                    r[F_UNITS] = most
                    if not psum:
                        _merge(r, USE, arrives, hold, key)
                if parent >= 0:
                    # a user of the parent's version: a child fill or old psum that read it
                    _merge(above, USE, ends_at, hold, key)
                to_issue[x] += 1
        k = before + 1
        # C(k)
        best[0] = c_end
        best[1] = -2  # the previous C: no gap
        best[2] = -1
        late[0] = 0
        late[1] = -2
        late[2] = -1
        units = step_n[k - step_from]
        opens_pass = serial >= 0 and begin[start[serial] + min(at_pass, number[serial] - 1)] == k
        if opens_pass:
            at_pass += 1
            if not stationary_input and k > 0:
                _later(pass_end[0], pass_end[1], pass_end[2], best)
        for x in range(n):
            v = current[x] + 1
            if v >= number[x] or begin[start[x] + v] != k:
                continue
            current[x] = v
            if streams[x, INNERMOST] == 0 or streams[x, ABSENT]:
                continue
            r = _record(records, x, v)
            if r[FILLED]:
                ramp = opens_pass and streams[x, TENSOR] != 2
                if streams[x, STREAMED] and r[F_UNITS] > 1 and not ramp and units > 1:
                    _later(r[F_START] + 1 + latency[x, 0], r[A_HOLD], r[A_KEY], best)
                    _later(r[ARRIVE] + 1, r[A_HOLD], r[A_KEY], late)
                else:
                    _later(r[ARRIVE], r[A_HOLD], r[A_KEY], best)
            elif streams[x, TENSOR] == 2:
                s = streams[x, SLOTS]
                if v >= s:
                    d = _record(records, x, v - s)
                    if streams[x, STREAMED] and units > 1:
                        first = d[D_START] + 1 if d[D_UNITS] > 1 else d[D_END]
                        _later(first, d[D_HOLD], d[D_KEY], best)
                        _later(d[D_END] + 1, d[D_HOLD], d[D_KEY], late)
                    else:
                        _later(d[D_END], d[D_HOLD], d[D_KEY], best)
        gap = best[0] - c_end
        if gap > 0:
            cause = best[1]
            if k == 0:
                cause = idle_fill
            elif cause < 0:
                cause = idle_fill + 2
            stalls[cause] += gap
        c_start = best[0]
        c_units = units
        c_end = max(c_start + units, late[0])
        # a streamed operand that ends late stretches the step: the array idles inside it
        if c_end > c_start + units:
            stalls[late[1] if late[1] >= 0 else idle_fill + 2] += c_end - c_start - units
        total_c += units
        last = max(last, c_end + after_c)
        c_key = order_key(k, 0, 0, 0, per_step)
        if c_end + after_c > pass_end[0]:
            pass_end[0] = c_end + after_c
            pass_end[1] = NOBODY
            pass_end[2] = c_key
        # what C(k) frees, then drains with b = k, inner levels first
        for o in range(n - 1, -1, -1):
            x = order[o]
            v = current[x]
            if streams[x, ABSENT] or v < 0:
                continue
            ends = (v + 1 == number[x] and k == steps - 1) or (v + 1 < number[x] and begin[start[x] + v + 1] == k + 1)
            if not ends:
                continue
            r = _record(records, x, v)
            if streams[x, TENSOR] != 2:
                if streams[x, INNERMOST]:
                    _merge(r, USE, c_end, NOBODY, c_key)
                    # the last user of an input version takes the place a drain has for psums
                    r[D_START] = c_start
                    r[D_END] = c_end
                    r[D_UNITS] = units
                    r[D_HOLD] = NOBODY
                    r[D_KEY] = c_key
                continue
            # D(v)
            first_slot, slots = uses_at[x, 1, 0], uses_at[x, 1, 1]
            key = order_key(k, 1, 69 - streams[x, DEPTH], streams[x, RANK], per_step)
            most = min(slots, 1)
            own_free = 0
            for i in range(slots):
                most = max(most, work[start[x] + v, first_slot + i])
                own_free = max(own_free, free[ports[x, first_slot + i]])
            best[0] = 0
            best[1] = NOBODY
            best[2] = -1
            stream_end = 0
            if streams[x, INNERMOST]:
                if streams[x, STREAMED] and most > 1:
                    phi = step_phi[k - step_from]
                    _later((c_start + phi if phi < c_units else c_end) + after_c, NOBODY, c_key, best)
                    stream_end = c_end + after_c + 1
                else:
                    _later(c_end + after_c, NOBODY, c_key, best)
            else:
                _later(r[LANDED], r[L_HOLD], r[L_KEY], best)
                _later(r[USE], r[U_HOLD], r[U_KEY], best)
            if r[HAS_P]:
                if most > 1:
                    _later((r[P_START] + 1 if r[P_UNITS] > 1 else r[P_END]) + latency[x, 0], r[A_HOLD], r[A_KEY], best)
                    stream_end = max(stream_end, r[P_END] + latency[x, 0] + 1)
                else:
                    _later(r[P_END] + latency[x, 0], r[A_HOLD], r[A_KEY], best)
            parent = streams[x, PARENT]
            if parent < 0 and len(log) > 1:
                log[0] += 1
                log[log[0]] = 2 * streams[x, TENSOR] + 1
            if parent >= 0:
                w = current[parent]
                above = _record(records, parent, w)
                if above[DRAINED] == 0:
                    above[DRAINED] = 1
                    if above[FILLED]:
                        _later(above[ARRIVE], above[A_HOLD], above[A_KEY], best)
                    elif w >= streams[parent, SLOTS]:
                        d = _record(records, parent, w - streams[parent, SLOTS])
                        _later(d[D_END], d[D_HOLD], d[D_KEY], best)
            begins = max(best[0], own_free)
            hold = streams[x, UP]
            if best[0] > own_free and best[1] >= 0:
                hold = best[1]
            ends_at = max(begins + most, stream_end if most > 1 else 0)
            for i in range(slots):
                p, mine = ports[x, first_slot + i], work[start[x] + v, first_slot + i]
                # a share of nothing is let go at the start, but not before it
                free[p] = max(free[p], begins + mine, stream_end if mine > 0 and most > 1 else 0)
            r[D_START] = begins
            r[D_END] = ends_at
            r[D_UNITS] = most
            r[D_HOLD] = hold
            r[D_KEY] = key
            d = drains[tile[start[x] + v]]
            d[0], d[1], d[2] = ends_at, hold, k
            landed = ends_at + latency[x, 1]
            last = max(last, landed)
            if stationary_input and streams[x, INNERMOST] and landed > pass_end[0]:
                pass_end[0] = landed
                pass_end[1] = hold
                pass_end[2] = key
            if parent >= 0:
                _merge(above, LANDED, landed, hold, key)
    scalars[C_START], scalars[C_END], scalars[C_UNITS] = c_start, c_end, c_units
    scalars[LAST], scalars[TOTAL_C], scalars[AT_PASS] = last, total_c, at_pass


@njit(cache=True)
def sweep(
    steps, streams, start, number, begin, work, back, tile, uses_at, ports, latency, free, order, serial, lead_first,
    skew_rows, after_c, step_n, step_phi, drains, records, progress, scalars, stalls, idle_fill, log,
):  # fmt: skip
    """Run a whole layer, every step of it (see `advance`); returns the cycle at which it ends."""
    begin_state(records, progress, scalars)
    advance(
        -1, steps - 1, steps, streams, start, number, np.zeros_like(number), number, begin, work, back, tile, uses_at,
        ports, latency, free, order, serial, lead_first, skew_rows, after_c, 0, step_n, step_phi, drains, records,
        progress, scalars, stalls, idle_fill, log,
    )  # fmt: skip
    stalls[idle_fill + 1] += scalars[LAST] - scalars[C_END]
    return scalars[LAST]
