"""The sweep of `sweep.advance` with a line for each activity, for who looks at a layer cycle by cycle.

The same rules are carried out, one activity at a time; nothing of this is part of a run that does not look.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from accelsim.engine.nest.kernels.records import FRESH, PSUM
from accelsim.engine.timing.kernels.body_window import cover
from accelsim.engine.timing.kernels.compute import compute, gap_cause, late_cause
from accelsim.engine.timing.kernels.drains import end_version
from accelsim.engine.timing.kernels.fills import hold_turns, issue_fills
from accelsim.engine.timing.kernels.records import (
    A_HOLD,
    ABSENT,
    C_END,
    C_START,
    CURRENT,
    D_END,
    D_HOLD,
    D_START,
    D_UNITS,
    DRAIN,
    F_END,
    F_START,
    F_UNITS,
    FILL,
    FIXED,
    INNERMOST,
    KEY,
    OLD_PSUM,
    OLD_SLOTS,
    P_END,
    P_START,
    P_UNITS,
    PE,
    SKID,
    SLOTS,
    STREAMED,
    TAKES,
    TENSOR,
    TIME,
    TO_ISSUE,
    TOTAL_C,
    USE,
    VID,
    Steps,
    Versions,
    ends_version,
    slot_of,
)
from accelsim.jit import njit, part

# columns of a line. ACTIVITY: see OLD, STEP_C; OF: the stream; NUMBER: the version, or the step. BEGIN: from when ports
# are held, of a step the end of the one before; START, END: of its first and its last unit, or word. UNITS: cycles that
# something moves, or is computed. AFTER: the step after which it is issued; OPENS: the first step of its version.
# CAUSE: what waiting for it is charged to; of a step, the gap before it. BEHIND: key of what it waited for; WAITED: the
# earliest start that allowed; PORT: which of its ports let it begin, -1: none. BEFORE: fixed cycles before START. LATE,
# LATE_CAUSE: a gap inside C, and its cause; POST: cycles behind the MACs. WORDS: that a version moves. MANY: how many
# are joined in the line. From FREED on: when each port is free for others.
(
    ACTIVITY, OF, NUMBER, BEGIN, START, END, UNITS, AFTER, OPENS, CAUSE, BEHIND, WAITED, PORT, BEFORE,
    LATE, LATE_CAUSE, POST, WORDS, MANY, FREED,
) = range(20)  # fmt: skip
OLD, STEP_C = 2, 3  # activities beside FILL and DRAIN


class Look(NamedTuple):
    """What is looked at, and what was seen.

    span : int64[2], the cycles from and to which. joins : whether what follows on its like without a gap is told with
    it, and what takes no time is not told. words : int64[x, 2], the column of `Versions.work` that has a version's
    words down and up. lines : int64[line, FREED + slots]. seen : int64[1], how many there are; more than there is room
    for are counted alone. latest : int64[2 * x + 1], the latest line of each direction of a stream, and of steps.
    free : int64[slot], scratch.
    """

    span: np.ndarray
    joins: bool
    words: np.ndarray
    lines: np.ndarray
    seen: np.ndarray
    latest: np.ndarray
    free: np.ndarray


@part
def _next_line(look):
    """Where the next line lies; the last one is written again and again where there is no room."""
    return min(look.seen[0], look.lines.shape[0] - 1)


@part
def _keep(to, whose, last, look):
    """Keep a line if what it tells lies in the span. whose : its place in `latest`. last : when its ports are free."""
    line, first = look.lines[to], look.lines[to, BEGIN]
    if first == last and not look.joins:
        look.seen[0] += look.span[0] <= first < look.span[1]
    elif first < last and first < look.span[1] and last > look.span[0]:
        before = look.latest[whose]
        if not (look.joins and before >= 0 and _joins(line, look.lines[before])):
            look.latest[whose] = to
            look.seen[0] += 1
            return
        joined = look.lines[before]
        joined[END] = line[END]
        for column in (UNITS, WORDS, MANY):
            joined[column] += line[column]
        for column in range(FREED, line.shape[0]):
            joined[column] = max(joined[column], line[column])


@part
def _joins(line, before):
    """Whether an activity follows on its like: at once, with nothing in it but units."""
    plain = line[BEFORE] == 0 and line[LATE] == 0 and line[POST] == 0 and before[LATE] == 0 and before[POST] == 0
    return plain and line[ACTIVITY] == before[ACTIVITY] and line[BEGIN] == before[END] and line[START] == line[BEGIN]


@part
def _ports_before(x, way, machine, state, look):
    """Note when the ports of a transfer are free; gives the last of them, -1: there is none."""
    last = -1
    for i in range(machine.uses_at[x, way, 1]):
        look.free[i] = state.free[machine.ports[x, machine.uses_at[x, way, 0] + i]]
        if last < 0 or look.free[i] > look.free[last]:
            last = i
    return last


@part
def _tell(activity, x, v, way, times, issued, machine, versions, state, look):
    """Write the line of a transfer that has just been issued.

    times : its start, end, units and hold. issued : the last of its ports to be free, the step after which it is.
    """
    to, (last, kappa) = _next_line(look), issued
    line, (start, end, units, hold) = look.lines[to], times
    first, slots, at = machine.uses_at[x, way, 0], machine.uses_at[x, way, 1], versions.start[x] + v
    in_turn = way == FILL and machine.turns[x, TAKES] > v
    begin, until = start - (0 if in_turn else machine.fixed[x, way]), end
    line[ACTIVITY], line[OF], line[NUMBER] = activity, x, v
    line[BEGIN], line[START], line[END], line[UNITS] = begin, start, end, units
    line[AFTER], line[OPENS], line[CAUSE] = kappa, versions.begin[at], hold
    line[BEHIND], line[WAITED], line[PORT] = state.best[KEY], state.best[TIME], -1
    if slots > 0 and not in_turn and look.free[last] == begin and begin > 0:
        line[PORT] = first + last
    line[BEFORE], line[LATE], line[LATE_CAUSE], line[POST] = start - begin, 0, -1, 0
    line[WORDS], line[MANY] = versions.work[at, look.words[x, way]], 1
    for i in range(look.free.shape[0]):
        line[FREED + i] = -1
    for i in range(slots):
        freed = state.free[machine.ports[x, first + i]]
        if in_turn:
            freed = end
        line[FREED + first + i] = max(freed, begin)
        until = max(until, freed)
    _keep(to, 2 * x + way, until, look)


@part
def _look_at_fills(x, k, machine, versions, state, look):
    """Issue all fills of a stream that may follow C(k), one at a time."""
    limit = versions.limit[x]
    while True:
        v = state.progress[x, TO_ISSUE]
        if v >= limit:
            break
        versions.limit[x] = v + 1
        last = _ports_before(x, FILL, machine, state, look)
        old = machine.streams[x, TENSOR] == PSUM and machine.streams[x, OLD_PSUM]
        brought = machine.streams[x, TENSOR] != PSUM or versions.back[versions.start[x] + v] != FRESH
        issue_fills(x, k, machine, versions, state)
        versions.limit[x] = limit
        if state.progress[x, TO_ISSUE] == v:
            break
        if brought:
            r = state.records[x, slot_of(state.records, x, v)]
            if old:
                times = r[P_START], r[P_END], r[P_UNITS], r[A_HOLD]
            else:
                times = r[F_START], r[F_END], r[F_UNITS], r[A_HOLD]
            _tell(OLD if old else FILL, x, v, FILL, times, (last, k), machine, versions, state, look)


@part
def _look_at_step(k, machine, versions, steps, state, look):
    """Carry out C(k)."""
    to, scalars = _next_line(look), state.scalars
    line, before, done = look.lines[to], scalars[C_END], scalars[TOTAL_C]
    fixed, post = state.stalls[machine.idle_fill + FIXED], state.stalls[machine.idle_fill + PE]
    compute(k, machine, versions, steps, state)
    line[:] = -1
    line[ACTIVITY], line[NUMBER], line[BEGIN], line[AFTER], line[OPENS] = STEP_C, k, before, k - 1, k
    line[START], line[END], line[UNITS] = scalars[C_START], scalars[C_END], scalars[TOTAL_C] - done
    line[BEFORE] = state.stalls[machine.idle_fill + FIXED] - fixed
    line[POST] = state.stalls[machine.idle_fill + PE] - post
    line[LATE] = scalars[C_END] - scalars[C_START] - line[UNITS] - line[POST]
    line[WAITED], line[BEHIND] = state.best[TIME], state.best[KEY]
    line[CAUSE] = gap_cause(k, machine, state) if state.best[TIME] > before else -1
    line[LATE_CAUSE] = late_cause(machine, state) if line[LATE] > 0 else -1
    line[WORDS], line[MANY] = 0, 1
    _keep(to, look.latest.shape[0] - 1, scalars[C_END], look)


@part
def _look_at_drain(x, k, machine, versions, steps, state, look):
    """End the version of a stream that C(k) was the last to use, if it was."""
    v = state.progress[x, CURRENT]
    drains = machine.streams[x, TENSOR] == PSUM and ends_version(x, k, versions, steps, state.progress)
    last = _ports_before(x, DRAIN, machine, state, look) if drains else -1
    end_version(x, k, machine, versions, steps, state)
    if drains:
        r = state.records[x, slot_of(state.records, x, v)]
        times = r[D_START], r[D_END], r[D_UNITS], r[D_HOLD]
        _tell(DRAIN, x, v, DRAIN, times, (last, k), machine, versions, state, look)


@part
def _fills_after(x, machine, state):
    """No fill of stream x that is left begins before."""
    streams, progress = machine.streams, state.progress
    ports_free = 0
    for i in range(machine.uses_at[x, FILL, 1]):
        ports_free = max(ports_free, state.free[machine.ports[x, machine.uses_at[x, FILL, 0] + i]])
    psum = streams[x, TENSOR] == PSUM
    slots = streams[x, OLD_SLOTS] if streams[x, OLD_PSUM] else streams[x, SLOTS]
    if streams[x, STREAMED] and streams[x, SKID]:
        slots = max(slots, 2)
    u = progress[x, TO_ISSUE] - slots
    if u < 0:
        return ports_free
    if (streams[x, INNERMOST] or psum) and u >= progress[x, CURRENT]:
        return max(ports_free, state.scalars[C_START])
    r = state.records[x, u & (state.records.shape[1] - 1)]
    if r[VID] != u:
        return ports_free
    return max(ports_free, r[D_START] if streams[x, INNERMOST] or psum else r[USE])


@part
def _is_over(machine, versions, state, look):
    """Whether nothing that is left begins in the span."""
    if state.scalars[C_START] < look.span[1]:
        return False
    for x in range(len(machine.streams)):
        left = state.progress[x, TO_ISSUE] < versions.number[x] and not machine.streams[x, ABSENT]
        if left and _fills_after(x, machine, state) < look.span[1]:
            return False
    return True


@njit(_nrt=False, nogil=True)
def observe(first, end, machine, versions, steps, state, look):
    """`sweep.advance`, with a line in `look` for all that lies in its span; returns the last step that was run.

    That is `end`, unless nothing that is left begins in the span, or there are too many lines.
    """
    order, streams = machine.order, machine.streams
    n = len(order)
    if first < 0:
        hold_turns(machine, versions, state)
    for k in range(first, end):
        for o in range(n):
            if not streams[order[o], ABSENT]:
                _look_at_fills(order[o], k, machine, versions, state, look)
        _look_at_step(k + 1, machine, versions, steps, state, look)
        for o in range(n - 1, -1, -1):
            if not streams[order[o], ABSENT]:
                _look_at_drain(order[o], k + 1, machine, versions, steps, state, look)
        if look.seen[0] > look.lines.shape[0] or _is_over(machine, versions, state, look):
            return k + 1
    return end


@njit(_nrt=False, nogil=True)
def observe_bodies(first, kinds, layer, machine, state, window, at, look):
    """The same for a list of bodies, from body `first` on; at : int64[x], its first versions, moved on.

    Returns
    -------
    The last step that was run; -2: the window is too small.
    """
    written = Versions(
        window.start, layer.number, window.low, window.limit, window.begin, window.back, window.tile, window.work
    )
    bodies = layer.kind.shape[0]
    done = layer.first[first] - 1
    for j in range(first, bodies):
        if not cover(j, at, kinds, layer, window, machine, state.progress):
            return -2
        here, before, after = kinds.steps_at[layer.kind[j]], layer.first[j] - 1, layer.first[j + 1] - 1
        steps = Steps(layer.first[bodies], before + 1, kinds.n[here:], kinds.phi[here:])
        done = observe(before, after, machine, written, steps, state, look)
        if done < after or look.seen[0] > look.lines.shape[0]:
            return done
        for x in range(at.shape[0]):
            at[x] += kinds.many[layer.kind[j], x]
    return done
