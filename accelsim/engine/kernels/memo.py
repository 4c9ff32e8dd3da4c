"""Identical passes simulated once: a memo over the passes of a machine whose passes are serial.

Every time is a max and a sum of constants, so a pass started from a state that differs by a shift in time runs
shifted by as much. What a pass does follows from its content (`pass_classes`) and from the state before it. With
serial passes whose moving operands follow the stationary one, nothing inside the array starts before the end of the
passes before it; of the state only the levels further out and their ports are left (`read_state`).
"""

from __future__ import annotations

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
    C_UNITS,
    CURRENT,
    D_END,
    D_HOLD,
    D_KEY,
    D_START,
    DRAINED,
    F_END,
    F_START,
    FILLED,
    IN_PASS,
    INNERMOST,
    KAPPA,
    KAPPA_OF,
    L_HOLD,
    L_KEY,
    LANDED,
    LAST,
    PARENT,
    PASS_END,
    SERVING,
    SLOTS,
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

PSUM = 2
LOOK_AHEAD = 2  # a fill runs at most two versions ahead of its stream
ENTRIES = 256
TIMES = np.array([ARRIVE, F_START, F_END, USE, LANDED, D_START, D_END], np.int64)
KEYS = np.array([A_KEY, U_KEY, L_KEY, D_KEY], np.int64)


@njit(cache=True)
def eligible(streams, start, number, begin, back, serial, lead_first, lasts, at_pass):
    """Whether `read_state` is the whole state at every pass boundary; fills at_pass int64[x, pass], first versions.

    lasts : shortest stationary fill, cycles: it must take time, so that nothing ties with it.
    """
    if serial < 0 or streams[serial, TENSOR] == PSUM or streams[serial, ABSENT] or not lead_first or lasts < 1:
        return False
    passes = number[serial]
    for x in range(streams.shape[0]):
        if streams[x, ABSENT]:
            continue
        if streams[x, INNERMOST] == 0 and streams[x, TENSOR] == PSUM:
            for v in range(start[x], start[x] + number[x]):
                if back[v] != -2:
                    return False
        v = 0
        for j in range(passes):
            first = begin[start[serial] + j]
            while v < number[x] and begin[start[x] + v] < first:
                v += 1
            at_pass[x, j] = v
            if streams[x, INNERMOST] and (v == number[x] or begin[start[x] + v] != first):
                return False
        at_pass[x, passes] = number[x]
    return True


@njit(cache=True)
def _same_versions(one, other, n, base, first_one, first_other, begin, work, back):
    """Whether n versions begin at the same distance, carry the same work and read back the same drains of the pass."""
    for i in range(n):
        a, b = one + i, other + i
        # a drain of an earlier pass is over before this one: which does not matter
        if max(back[a] - (one - base), -1) != max(back[b] - (other - base), -1):
            return False
        if begin[a] - first_one != begin[b] - first_other or (back[a] == -2) != (back[b] == -2):
            return False
        for s in range(work.shape[1]):
            if work[a, s] != work[b, s]:
                return False
    return True


@njit(cache=True)
def same_pass(i, j, streams, start, number, begin, work, back, step_n, step_phi, steps, serial, at_pass):
    """Whether two passes are the same program: every activity, and every fill that may be issued ahead of time."""
    a, b = begin[start[serial] + i], begin[start[serial] + j]
    passes = number[serial]
    end_a = begin[start[serial] + i + 1] if i + 1 < passes else steps
    end_b = begin[start[serial] + j + 1] if j + 1 < passes else steps
    if end_a - a != end_b - b:
        return False
    for k in range(end_a - a):
        if step_n[a + k] != step_n[b + k] or step_phi[a + k] != step_phi[b + k]:
            return False
    for x in range(streams.shape[0]):
        if streams[x, ABSENT]:
            continue
        v, w = at_pass[x, i], at_pass[x, j]
        n = at_pass[x, i + 1] - v
        if at_pass[x, j + 1] - w != n:
            return False
        if not _same_versions(start[x] + v, start[x] + w, n, start[x], a, b, begin, work, back):
            return False
        if streams[x, INNERMOST]:
            continue  # what feeds the PE is not issued ahead of its pass
        # what may be issued meanwhile, and whether a version ends with the pass
        for ahead in range(-1, streams[x, SLOTS] + 1):
            p, q = v + n + ahead, w + n + ahead
            if (p < 0 or p >= number[x]) != (q < 0 or q >= number[x]):
                return False
            if p < 0 or p >= number[x]:
                continue
            p, q = start[x] + p, start[x] + q
            if (begin[p] == end_a) != (begin[q] == end_b) or (back[p] == -2) != (back[q] == -2):
                return False
            for s in range(work.shape[1]):
                if work[p, s] != work[q, s]:
                    return False
            parent = streams[x, PARENT]
            if parent < 0:
                continue
            serving = _above(parent, p, start, number, begin) - at_pass[parent, i]
            if serving != _above(parent, q, start, number, begin) - at_pass[parent, j]:
                return False
    return True


@njit(cache=True)
def _above(parent, at, start, number, begin):
    """Version of the parent stream that serves a version (a flat index)."""
    low, high = 0, number[parent] - 1
    while low < high:
        middle = (low + high + 1) // 2
        if begin[start[parent] + middle] <= begin[at]:
            low = middle
        else:
            high = middle - 1
    return low


@njit(cache=True)
def pass_classes(streams, start, number, begin, work, back, step_n, step_phi, steps, serial, at_pass, finer, classes):
    """Number the passes by content; equal numbers are compared word for word, not by a hash alone.

    finer : int64[pass], an earlier numbering of more content: passes equal there are equal here; -1 if there is none.
    """
    passes = number[serial]
    buckets = np.full(4096, -1, np.int64)
    after = np.full(passes, -1, np.int64)
    for j in range(passes):
        if finer[j] >= 0 and finer[j] != j:
            classes[j] = classes[finer[j]]
            continue
        h = 0
        for x in range(streams.shape[0]):
            if streams[x, ABSENT]:
                continue
            v = start[x] + min(at_pass[x, j], number[x] - 1)
            versions = at_pass[x, j + 1] - at_pass[x, j]
            h = h * 31 + versions
            for i in range(max(versions, 1)):
                for s in range(work.shape[1]):
                    h = h * 31 + work[v + i, s]
        h = (h * 31 + step_n[begin[start[serial] + j]]) & 4095
        i = buckets[h]
        while i >= 0:
            if same_pass(i, j, streams, start, number, begin, work, back, step_n, step_phi, steps, serial, at_pass):
                break
            i = after[i]
        if i >= 0:
            classes[j] = i
        else:
            classes[j] = j
            after[j] = buckets[h]
            buckets[h] = j


@njit(cache=True)
def _above_floor(value, floor, origin):
    """A time as the state names it: relative, or one mark for all that can no longer bind."""
    return value - origin if value > floor else -(1 << 60)


@njit(cache=True)
def read_state(k, streams, number, uses_at, ports, latency, free, records, progress, scalars, per_step, state):
    """Write the normalised state at a pass boundary; returns its length.

    Exact clamps: what only feeds activities of the array cannot bind before the end of the passes so far; what only
    feeds one stream's ports cannot bind before these are free; an idle port is as good as free when its next user is.
    """
    origin = scalars[PASS_END]
    key_origin = (k + 1) * 3 * per_step
    n = 0
    state[n] = scalars[C_END] - origin
    state[n + 1] = scalars[PASS_END + 1]
    n += 2
    ready = np.full(free.shape[0], origin, np.int64)
    for x in range(streams.shape[0]):
        if streams[x, ABSENT] or streams[x, INNERMOST]:
            continue
        v, s = progress[x, TO_ISSUE], streams[x, SLOTS]
        at = 0
        if v >= s and v < number[x] and streams[x, TENSOR] != PSUM:
            r = records[x, (v - s) & (records.shape[1] - 1)]
            at = r[USE] if r[VID] == v - s else 0
        elif v >= number[x]:
            at = origin
        for i in range(uses_at[x, 0, 1]):
            p = ports[x, uses_at[x, 0, 0] + i]
            ready[p] = min(ready[p], at)
    for p in range(free.shape[0]):
        state[n] = max(free[p], ready[p]) - origin
        state[n + 1] = 1 if free[p] < ready[p] else 0
        n += 2
    for x in range(streams.shape[0]):
        if streams[x, ABSENT] or streams[x, INNERMOST]:
            continue
        current, s = progress[x, CURRENT], streams[x, SLOTS]
        parent = streams[x, PARENT]
        # fresh psum versions have no fill and are skipped ahead: how far says nothing
        psum = streams[x, TENSOR] == PSUM
        issued = current + 1 if psum else progress[x, TO_ISSUE]
        state[n] = issued - current
        state[n + 1] = progress[x, SERVING] - progress[parent, CURRENT] if parent >= 0 and not psum else 0
        state[n + 2] = max(progress[x, KAPPA_OF] - k, -1)
        n += 3
        floor = 1 << 62
        for i in range(uses_at[x, 0, 1]):
            p = ports[x, uses_at[x, 0, 0] + i]
            floor = min(floor, max(free[p], ready[p]))
        if uses_at[x, 0, 1] == 0:
            floor = -1
        child_inside = True
        for y in range(streams.shape[0]):
            if streams[y, PARENT] == x and streams[y, INNERMOST] == 0 and not streams[y, ABSENT]:
                child_inside = False
        inside = origin if child_inside else -1
        for v in range(min(issued, current + 1) - s, max(issued, current + 1)):
            if v < 0:
                continue
            r = records[x, v & (records.shape[1] - 1)]
            state[n] = v - current if r[VID] == v else -(1 << 60)
            n += 1
            if r[VID] != v:
                continue
            state[n] = r[FILLED] + 2 * r[DRAINED]
            state[n + 1] = r[KAPPA] - k if r[FILLED] and r[KAPPA] > k else 0
            n += 2
            for field, hold, key, least in (
                (ARRIVE, A_HOLD, A_KEY, inside),
                (USE, U_HOLD, U_KEY, floor),
                (LANDED, L_HOLD, L_KEY, inside),
                (D_END, D_HOLD, D_KEY, inside),
            ):
                time = _above_floor(r[field], least, origin)
                state[n] = time
                state[n + 1] = r[hold] if time > -(1 << 60) else 0
                state[n + 2] = r[key] - key_origin if time > -(1 << 60) else 0
                n += 3
    return n


@njit(cache=True)
def sweep_memo(
    steps, streams, start, number, begin, work, back, uses_at, ports, latency, free, order, serial, lead_first,
    skew_rows, after_c, step_n, step_phi, drain_end, drain_hold, records, progress, scalars, stalls, idle_fill, log,
    at_pass, classes,
):  # fmt: skip
    """`sweep.sweep` with every pass of a known content and state looked up; returns (end, passes simulated)."""
    begin_state(records, progress, scalars)
    n, passes = streams.shape[0], number[serial]
    per_step = 4 * (n + 70)
    wide = 2 + 2 * free.shape[0] + n * (3 + (2 * LOOK_AHEAD + 4) * 15)
    state = np.zeros(wide, np.int64)
    slot_of = np.full(2 * ENTRIES, -1, np.int64)
    keys = np.empty((ENTRIES, wide + 2), np.int64)
    kept_records = np.empty((ENTRIES, *records.shape), np.int64)
    kept_progress = np.empty((ENTRIES, *progress.shape), np.int64)
    kept_scalars = np.empty((ENTRIES, scalars.shape[0]), np.int64)
    kept_free = np.empty((ENTRIES, free.shape[0]), np.int64)
    kept_stalls = np.empty((ENTRIES, stalls.shape[0]), np.int64)
    kept_from = np.empty((ENTRIES, 2), np.int64)  # (origin in time, step) of the state an entry was simulated from
    kept_versions = np.empty((ENTRIES, n), np.int64)
    entries, simulated = 0, 0
    for j in range(passes):
        first = begin[start[serial] + j] - 1
        end = begin[start[serial] + j + 1] - 1 if j + 1 < passes else steps - 1
        slot, length = -1, 0
        if j > 0 and j + 1 < passes:
            length = read_state(
                first, streams, number, uses_at, ports, latency, free, records, progress, scalars, per_step, state
            )
            h = classes[j] * 1000003
            for i in range(length):
                h = h * 1000003 + state[i]
            slot = (h ^ (h >> 29)) & (2 * ENTRIES - 1)
            while slot_of[slot] >= 0:
                row = keys[slot_of[slot]]
                if row[0] == classes[j] and row[1] == length:
                    i = 0
                    while i < length and row[2 + i] == state[i]:
                        i += 1
                    if i == length:
                        break
                slot = (slot + 1) & (2 * ENTRIES - 1)
            if slot_of[slot] >= 0:
                e = slot_of[slot]
                _restore(
                    e, kept_records, kept_progress, kept_scalars, kept_free, kept_stalls, kept_from, kept_versions,
                    streams, records, progress, scalars, free, stalls, first, per_step,
                )  # fmt: skip
                continue
        origin, before = scalars[PASS_END], scalars[LAST]
        versions = progress[:, CURRENT].copy()
        total_c, at = scalars[TOTAL_C], scalars[AT_PASS]
        old_stalls = stalls.copy()
        scalars[LAST] = 0
        advance(
            first, end, steps, streams, start, number, begin, work, back, uses_at, ports, latency, free, order, serial,
            lead_first, skew_rows, after_c, step_n, step_phi, drain_end, drain_hold, records, progress, scalars,
            stalls, idle_fill, log,
        )  # fmt: skip
        simulated += 1
        if slot >= 0 and entries < ENTRIES:
            e = entries
            entries += 1
            slot_of[slot] = e
            keys[e, 0], keys[e, 1] = classes[j], length
            keys[e, 2 : 2 + length] = state[:length]
            kept_records[e] = records
            kept_progress[e] = progress
            kept_scalars[e] = scalars
            kept_scalars[e, TOTAL_C] -= total_c
            kept_scalars[e, AT_PASS] -= at
            kept_free[e] = free
            kept_stalls[e] = stalls - old_stalls
            kept_from[e, 0], kept_from[e, 1] = origin, first
            kept_versions[e] = versions
        scalars[LAST] = max(scalars[LAST], before)
    stalls[idle_fill + 1] += scalars[LAST] - scalars[C_END]
    return scalars[LAST], simulated


@njit(cache=True)
def _restore(
    e, kept_records, kept_progress, kept_scalars, kept_free, kept_stalls, kept_from, kept_versions, streams, records,
    progress, scalars, free, stalls, first, per_step,
):  # fmt: skip
    """Put the state after a known pass in place, shifted in time, steps and versions."""
    shift = scalars[PASS_END] - kept_from[e, 0]
    steps = first - kept_from[e, 1]
    last = scalars[LAST]
    for x in range(streams.shape[0]):
        moved = progress[x, CURRENT] - kept_versions[e, x]
        above = 0
        if streams[x, PARENT] >= 0:
            above = progress[streams[x, PARENT], CURRENT] - kept_versions[e, streams[x, PARENT]]
        kept = kept_progress[e, x]
        progress[x, TO_ISSUE] = kept[TO_ISSUE] + moved
        progress[x, SERVING] = kept[SERVING] + above
        progress[x, KAPPA_OF] = kept[KAPPA_OF] + steps
        if streams[x, ABSENT]:
            continue
        for i in range(records.shape[1]):
            records[x, i, VID] = -1
        if streams[x, INNERMOST]:
            continue
        for i in range(records.shape[1]):
            r = kept_records[e, x, i]
            if r[VID] < 0:
                continue
            v = r[VID] + moved
            to = records[x, v & (records.shape[1] - 1)]
            to[:] = r
            to[VID] = v
            to[KAPPA] += steps
            for field in TIMES:
                to[field] += shift
            for field in KEYS:
                to[field] += steps * 3 * per_step
    for x in range(streams.shape[0]):
        progress[x, IN_PASS] = scalars[AT_PASS] + kept_scalars[e, AT_PASS] - 1
        progress[x, CURRENT] += kept_progress[e, x, CURRENT] - kept_versions[e, x]
    for x in range(streams.shape[0]):
        if streams[x, TENSOR] == PSUM:
            progress[x, TO_ISSUE] = progress[x, CURRENT] + 1
            progress[x, SERVING] = max(progress[streams[x, PARENT], CURRENT], 0) if streams[x, PARENT] >= 0 else 0
    scalars[C_START] = kept_scalars[e, C_START] + shift
    scalars[C_END] = kept_scalars[e, C_END] + shift
    scalars[C_UNITS] = kept_scalars[e, C_UNITS]
    scalars[LAST] = max(last, kept_scalars[e, LAST] + shift)
    scalars[TOTAL_C] += kept_scalars[e, TOTAL_C]
    scalars[AT_PASS] += kept_scalars[e, AT_PASS]
    scalars[PASS_END] = kept_scalars[e, PASS_END] + shift
    scalars[PASS_END + 1] = kept_scalars[e, PASS_END + 1]
    scalars[PASS_END + 2] = kept_scalars[e, PASS_END + 2] + steps * 3 * per_step
    for p in range(free.shape[0]):
        free[p] = kept_free[e, p] + shift
    for c in range(stalls.shape[0]):
        stalls[c] += kept_stalls[e, c]
