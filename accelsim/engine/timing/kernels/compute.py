"""C: a step of the MAC array waits for its operands and for the array (T8), and idles for a cause (T15)."""

from __future__ import annotations

from accelsim.engine.nest.kernels.records import PSUM
from accelsim.engine.timing.kernels.ports import longest_work
from accelsim.engine.timing.kernels.records import (
    A_HOLD,
    A_KEY,
    ABSENT,
    ARRIVE,
    AT_PASS,
    C_END,
    C_FREE,
    C_START,
    C_UNITS,
    CLOSES,
    CURRENT,
    D_END,
    D_HOLD,
    D_KEY,
    D_START,
    D_UNITS,
    DELIVERED,
    DRAIN,
    F_START,
    F_UNITS,
    FILLED,
    FIXED,
    GOING,
    HOLD,
    INNERMOST,
    KEY,
    LAST,
    LEAST,
    NO_GAP,
    NOBODY,
    PASS_END,
    PE,
    PIPELINE,
    POST,
    RAMP,
    ROOM,
    SLOTS,
    STEP,
    STREAMED,
    TENSOR,
    TIME,
    TOTAL_C,
    WENT,
    ends_version,
    order_key,
    slot_of,
    start_over,
    wait_for,
)
from accelsim.jit import part


@part
def compute(k, machine, versions, steps, state):
    """T2, T8: C(k), from the latest of all it waits for, for as long as its busiest PE takes."""
    streams, scalars, progress = machine.streams, state.scalars, state.progress
    units, before, fixed, post = steps.n[k - steps.first], scalars[C_END], 0, 0
    start_over(state.best, before, NO_GAP)
    if machine.paced and scalars[C_FREE] > before:
        start_over(state.best, scalars[C_FREE], machine.idle_fill + LEAST)
    start_over(state.late, 0, NO_GAP)
    opens = _open_pass(k, machine, versions, state)
    for x in range(len(streams)):
        v = progress[x, CURRENT] + 1
        if v < versions.number[x] and versions.begin[versions.start[x] + v] == k:
            progress[x, CURRENT] = v
            if streams[x, INNERMOST] and not streams[x, ABSENT]:
                _wait_for_operand(x, v, units > 1, opens, machine, state)
            if machine.paced:
                fixed += machine.fixed[x, STEP]
                if streams[x, POST] >= 0 and streams[x, TENSOR] != PSUM:
                    post += versions.work[versions.start[x] + v, streams[x, POST]]
        if machine.paced and streams[x, CLOSES] and ends_version(x, k, versions, steps, progress):
            if machine.delivery[x, 0] > 0 and not streams[x, ABSENT]:
                _wait_for_room(x, machine, versions, state)
            if streams[x, POST] >= 0:
                post += versions.work[versions.start[x] + progress[x, CURRENT], streams[x, POST]]
    first = state.best[TIME] + fixed
    # what a PE does behind its MACs waits for all of them
    ends = max(first + units, state.late[TIME]) + post
    _charge(k, state.best[TIME] - before, ends - first - units - post, machine, state)
    if machine.paced:
        state.stalls[machine.idle_fill + FIXED] += fixed
        state.stalls[machine.idle_fill + PE] += post
    scalars[C_START], scalars[C_END], scalars[C_UNITS] = first, ends, units + post
    scalars[C_FREE] = max(ends, first + machine.least)
    scalars[TOTAL_C] += units
    out = ends + machine.after_c
    scalars[LAST] = max(scalars[LAST], out)
    follows = out > scalars[PASS_END]
    if machine.wave >= 0:
        # of a step of one cycle the first is the last
        follows, out = opens, (first + 1 if units + post > 1 else ends) + machine.wave
    if follows:
        scalars[PASS_END + TIME] = out
        scalars[PASS_END + HOLD] = NOBODY
        scalars[PASS_END + KEY] = order_key(k, 0, 0, 0, len(streams))


@part
def _open_pass(k, machine, versions, state):
    """T10: whether C(k) begins a pass; one of a stationary psum waits for the end of the one before."""
    serial, scalars = machine.serial, state.scalars
    if serial < 0:
        return False
    following = min(scalars[AT_PASS], versions.number[serial] - 1)
    if versions.begin[versions.start[serial] + following] != k:
        return False
    scalars[AT_PASS] += 1
    if machine.streams[serial, TENSOR] == PSUM and k > 0:
        wait_for(scalars[PASS_END + TIME], scalars[PASS_END + HOLD], scalars[PASS_END + KEY], state.best)
    return True


@part
def _wait_for_operand(x, v, lasts, opens, machine, state):
    """T5: wait for the tile to come, of a streamed one for its first word; T6: for the slot of fresh psums.

    lasts : whether the step takes more than one cycle. opens : whether it begins a pass.
    """
    streams, best = machine.streams, state.best
    r, psum = state.records[x, slot_of(state.records, x, v)], streams[x, TENSOR] == PSUM
    if r[FILLED]:
        by_word = streams[x, RAMP] if opens else streams[x, STREAMED]
        if by_word and r[F_UNITS] > 1 and lasts:
            wait_for(r[F_START] + 1 + machine.latency[x, 0], r[A_HOLD], r[A_KEY], best)
            wait_for(r[ARRIVE] + 1, r[A_HOLD], r[A_KEY], state.late)
        else:
            wait_for(r[ARRIVE], r[A_HOLD], r[A_KEY], best)
    elif psum and v >= streams[x, SLOTS]:
        old = state.records[x, slot_of(state.records, x, v - streams[x, SLOTS])]
        if streams[x, STREAMED] and lasts:
            follows = old[D_START] + 1 if old[D_UNITS] > 1 else old[D_END]
            wait_for(follows, old[D_HOLD], old[D_KEY], best)
            wait_for(old[D_END] + 1, old[D_HOLD], old[D_KEY], state.late)
        else:
            wait_for(old[D_END], old[D_HOLD], old[D_KEY], best)


@part
def _wait_for_room(x, machine, versions, state):
    """X12: before the last step of a psum tile, so much has left that there is room for all of the tile."""
    progress, room, back = state.progress, machine.delivery[x, 0], machine.delivery[x, 1]
    v = progress[x, CURRENT]
    mine = longest_work(x, DRAIN, versions.start[x] + v, machine, versions)
    # a tile that is larger than the room waits until that is empty
    left = min(progress[x, DELIVERED] + mine - room, progress[x, DELIVERED])
    if left <= 0:
        return
    r = state.records[x, slot_of(state.records, x, progress[x, GOING])]
    while progress[x, WENT] + r[D_UNITS] < left:
        progress[x, WENT] += r[D_UNITS]
        progress[x, GOING] += 1
        r = state.records[x, slot_of(state.records, x, progress[x, GOING])]
    words = left - progress[x, WENT]
    gone = r[D_START] + words if words < r[D_UNITS] else r[D_END]
    wait_for(gone + back, machine.idle_fill + ROOM, r[D_KEY], state.best)


@part
def gap_cause(k, machine, state):
    """T15: what a gap before C(k) is charged to: what it waited for."""
    if k == 0:
        return machine.idle_fill
    return state.best[HOLD] if state.best[HOLD] >= 0 else machine.idle_fill + PIPELINE


@part
def late_cause(machine, state):
    """T15: what a gap inside C is charged to: the streamed operand that is late."""
    return state.late[HOLD] if state.late[HOLD] >= 0 else machine.idle_fill + PIPELINE


@part
def _charge(k, gap, stretch, machine, state):
    """T15: charge the gap before C(k), and that inside it."""
    if gap > 0:
        state.stalls[gap_cause(k, machine, state)] += gap
    if stretch > 0:
        state.stalls[late_cause(machine, state)] += stretch
