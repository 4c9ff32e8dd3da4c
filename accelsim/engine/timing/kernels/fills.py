"""F and P: a tile, or the old psums of one, comes down into its buffer.

A fill may begin after the step *kappa* (T9): its slot is free (T6), what it is read from and the drain of the psums it
reads back have been issued (T5), and so has the stationary operand of its pass (T10). How long it waits then: `_wait`.
"""

from __future__ import annotations

from accelsim.engine.nest.kernels.records import EARLIER, FRESH, PSUM
from accelsim.engine.timing.kernels.ports import hold_ports, log_transfer, longest_work, start_of
from accelsim.engine.timing.kernels.records import (
    A_HOLD,
    A_KEY,
    ABSENT,
    ARRIVE,
    CURRENT,
    D_END,
    D_HOLD,
    D_KEY,
    D_START,
    D_UNITS,
    DEPTH,
    DOWN,
    F_END,
    F_START,
    F_UNITS,
    FILL,
    FILLED,
    FIRST,
    HAS_P,
    HOLD,
    IN_PASS,
    INNERMOST,
    KAPPA,
    KAPPA_OF,
    KEY,
    LAST,
    NEVER,
    NOBODY,
    NOT_BEFORE,
    OLD_PSUM,
    OLD_SLOTS,
    OUTSTANDING,
    P_END,
    P_START,
    P_UNITS,
    PARENT,
    PASS_END,
    RANK,
    SERVING,
    SHARED,
    SKID,
    SLOTS,
    STREAMED,
    TAKES,
    TENSOR,
    TIME,
    TO_ISSUE,
    U_HOLD,
    U_KEY,
    USE,
    WITH,
    is_filled,
    merge,
    order_key,
    slot_of,
    start_over,
    wait_for,
)
from accelsim.jit import part


@part
def issue_fills(x, k, machine, versions, state):
    """T9: issue all fills of stream x whose kappa is at most k, as far as versions are written down."""
    streams, progress = machine.streams, state.progress
    if k < progress[x, NOT_BEFORE]:
        return
    while progress[x, TO_ISSUE] < versions.limit[x]:
        v = progress[x, TO_ISSUE]
        at = versions.start[x] + v
        if streams[x, TENSOR] == PSUM and versions.back[at] == FRESH:
            progress[x, TO_ISSUE] += 1
            continue
        most = longest_work(x, FILL, at, machine, versions)
        if _preloads(x, machine):
            most = max(most, machine.skew_rows)
        slots = _slots(x, most, streams)
        kappa = -1
        # T6: after the last step of version v - slots
        if v >= slots and v - slots + 1 >= versions.low[x]:
            kappa = versions.begin[at - slots + 1] - 1
        if kappa > k:
            progress[x, NOT_BEFORE] = kappa
            return
        kappa = max(kappa, _parent_step(x, at, machine, versions, state))
        if kappa > k:
            return
        step, lead = _pass_step(x, at, machine, versions, state)
        kappa = max(kappa, step, _drain_step(x, v, machine, versions, state), progress[x, KAPPA_OF])
        if kappa > k:
            return
        progress[x, KAPPA_OF] = kappa
        stream_end = _wait(x, v, most, slots, lead, machine, versions, state)
        _fill(x, v, most, stream_end, machine, versions, state)
        progress[x, TO_ISSUE] += 1


@part
def _preloads(x, machine):
    """T12: a stationary operand is pushed through all rows of a skewed array, whatever part of them it fills."""
    return machine.skew_rows > 0 and x == machine.serial and not machine.streams[x, OLD_PSUM]


@part
def _slots(x, most, streams):
    """T6: how many versions the buffer holds; most : cycles of the fill."""
    if streams[x, OLD_PSUM]:
        return streams[x, OLD_SLOTS]
    if streams[x, STREAMED] and most <= 1 and streams[x, TENSOR] != PSUM and streams[x, SKID]:
        return 2  # one word, and a register behind the one that is read
    return streams[x, SLOTS]


@part
def _parent_step(x, at, machine, versions, state):
    """T5: the kappa of the parent version that serves this one; NEVER: it has not been issued yet."""
    streams, progress = machine.streams, state.progress
    parent = streams[x, PARENT]
    if parent < 0:
        return -1
    w = max(progress[x, SERVING], progress[parent, CURRENT])
    while w + 1 < versions.limit[parent] and versions.begin[versions.start[parent] + w + 1] <= versions.begin[at]:
        w += 1
    progress[x, SERVING] = w
    # a fresh psum version of the parent, or one that accumulates on drain, has no fill
    fresh = streams[parent, OLD_PSUM] == 1 or versions.back[versions.start[parent] + w] == FRESH
    if streams[parent, TENSOR] == PSUM and fresh:
        return -1
    if not is_filled(state.records, parent, w):
        return NEVER
    return state.records[parent, slot_of(state.records, parent, w)][KAPPA]


@part
def _drain_step(x, v, machine, versions, state):
    """T5: the step of the drain that version v reads back; -1: there is none, or it is over."""
    if machine.streams[x, TENSOR] != PSUM:
        return -1
    start = versions.start[x]
    drained = versions.back[start + v]
    if drained == EARLIER:
        # the last version before v of the same tile, unless that has been drained long ago
        drained = v - 1
        first = max(versions.low[x], state.progress[x, CURRENT], 0)
        while drained >= first and versions.tile[start + drained] != versions.tile[start + v]:
            drained -= 1
        if drained < first:
            return -1
    return versions.begin[start + drained + 1] - 1 if drained >= versions.low[x] else -1


@part
def _pass_step(x, at, machine, versions, state):
    """T10: (the step after which the pass of a fill can begin, the stationary version it follows; -1: none)."""
    streams, progress, serial = machine.streams, state.progress, machine.serial
    if serial < 0:
        return -1, -1
    stationary_input = streams[serial, TENSOR] != PSUM
    if x == serial:
        if not stationary_input:
            return -1, -1
        if machine.wave < 0:
            return versions.begin[at] - 1, -1
        return versions.begin[at - 1] if at > versions.start[x] + max(versions.low[x], 0) else -1, -1
    if not machine.lead_first or streams[x, INNERMOST] == 0 or streams[serial, ABSENT]:
        return -1, -1
    start = versions.start[serial]
    j = max(progress[x, IN_PASS], progress[serial, CURRENT])
    while j + 1 < versions.limit[serial] and versions.begin[start + j + 1] <= versions.begin[at]:
        j += 1
    progress[x, IN_PASS] = j
    # P of a stationary psum does not lead; nor does a fresh one
    if not stationary_input and (versions.back[start + j] == FRESH or streams[serial, OLD_PSUM]):
        return -1, -1
    if not is_filled(state.records, serial, j):
        return NEVER, -1
    return state.records[serial, slot_of(state.records, serial, j)][KAPPA], j


@part
def _wait(x, v, most, slots, lead, machine, versions, state):
    """T3: put into `state.best` what the fill waits for; returns when the last word can follow what leaves its slot."""
    streams, records, best = machine.streams, state.records, state.best
    at, psum = versions.start[x] + v, streams[x, TENSOR] == PSUM
    start_over(best, 0, NOBODY)
    # T5: what it is read from, and the drain of psums that it reads back
    if streams[x, PARENT] >= 0:
        above = records[streams[x, PARENT], slot_of(records, streams[x, PARENT], state.progress[x, SERVING])]
        if above[FILLED]:
            wait_for(above[ARRIVE], above[A_HOLD], above[A_KEY], best)
    if psum and (versions.back[at] >= 0 or versions.back[at] == EARLIER):
        d = state.drains[versions.tile[at]]
        key = order_key(d[2], 1, 69 - streams[x, DEPTH], streams[x, RANK], len(streams))
        wait_for(d[0] + machine.latency[x, 1], d[1], key, best)
    # T10: the stationary operand of its pass; before that one, all C and drains of earlier passes
    if lead >= 0:
        r = records[machine.serial, slot_of(records, machine.serial, lead)]
        wait_for(r[ARRIVE], r[A_HOLD], r[A_KEY], best)
    if x == machine.serial and not psum:
        pass_end = state.scalars[PASS_END:]
        wait_for(pass_end[TIME], pass_end[HOLD], pass_end[KEY], best)
    if 0 < streams[x, OUTSTANDING] <= v:
        _wait_for_earlier(x, v - streams[x, OUTSTANDING], machine, state)
    # T6: the last user of its slot
    if v < slots:
        return 0
    old = records[x, slot_of(records, x, v - slots)]
    streamed = streams[x, STREAMED] and (psum or slots == 1)
    if most > 1 and (streamed or (psum and streams[x, OLD_PSUM])):
        # word by word behind what leaves
        follows = old[D_START] + 1 if old[D_UNITS] > 1 else old[D_END]
        wait_for(follows, old[D_HOLD], old[D_KEY], best)
        return old[D_END] + 1
    if psum:
        wait_for(old[D_END], old[D_HOLD], old[D_KEY], best)
    else:
        wait_for(old[USE], old[U_HOLD], old[U_KEY], best)
    return 0


@part
def _wait_for_earlier(x, v, machine, state):
    """X14: only so many transfers of a stream are on their way: wait for version v to have come, if it was to come."""
    r = state.records[x, slot_of(state.records, x, v)]
    if r[HAS_P] or r[FILLED]:
        wait_for(r[P_END] + machine.latency[x, 0] if r[HAS_P] else r[ARRIVE], r[A_HOLD], r[A_KEY], state.best)


@part
def _fill(x, v, most, stream_end, machine, versions, state):
    """T2, T4: hold the ports and write down when the version comes, and for its parent that it was read."""
    streams, progress = machine.streams, state.progress
    kappa, parent = progress[x, KAPPA_OF], streams[x, PARENT]
    key = order_key(kappa, 2, streams[x, DEPTH], streams[x, RANK], len(streams))
    if parent < 0:
        log_transfer(x, FILL, machine, state.log)
    if machine.turns[x, TAKES] > v:
        begins, hold = 0, streams[x, DOWN]
        ends = _take_turns(x, v, machine, versions)
    else:
        begins, hold = start_of(x, FILL, machine, state)
        begins += machine.fixed[x, FILL]
        ends = max(begins + most, stream_end)
        least = machine.skew_rows if _preloads(x, machine) else 0
        hold_ports(x, FILL, versions.start[x] + v, begins, least, stream_end, machine, versions, state)
    arrives = ends + machine.latency[x, 0]
    state.scalars[LAST] = max(state.scalars[LAST], arrives)
    r = state.records[x, slot_of(state.records, x, v)]
    r[KAPPA] = kappa
    r[A_HOLD] = hold
    r[A_KEY] = key
    if streams[x, TENSOR] == PSUM and streams[x, OLD_PSUM]:
        r[HAS_P] = 1
        r[P_START] = begins
        r[P_END] = ends
        r[P_UNITS] = most
    else:
        r[FILLED] = 1
        r[ARRIVE] = arrives
        r[F_START] = begins
        r[F_END] = ends
        r[F_UNITS] = most
        if streams[x, TENSOR] != PSUM:
            merge(r, USE, arrives, hold, key)
    if parent >= 0:
        above = state.records[parent, slot_of(state.records, parent, progress[x, SERVING])]
        merge(above, USE, ends, hold, key)


@part
def hold_turns(machine, versions, state):
    """X13: hold all ports of fills that take one of them in turn, from the start and before all others."""
    for x in range(len(machine.streams)):
        if machine.turns[x, FIRST] and not machine.streams[x, ABSENT]:
            other = machine.turns[x, WITH]
            _, _, over = _in_turn(x, other, 0, machine, versions)
            for y in (x, other):
                for i in range(machine.uses_at[y, FILL, 1]):
                    state.free[machine.ports[y, machine.uses_at[y, FILL, 0] + i]] = over


@part
def _take_turns(x, v, machine, versions):
    """X13: when a fill is over that takes its port in turn with those of another stream."""
    other = machine.turns[x, WITH]
    if machine.turns[x, FIRST]:
        ends, _, _ = _in_turn(x, other, 0, machine, versions)
    else:
        _, ends, _ = _in_turn(other, x, v, machine, versions)
    return ends


@part
def _in_turn(one, other, v, machine, versions):
    """X13: when the first fill of a stream is over, fill v of another, and all of both, word by word from the start.

    The first takes `whole` cycles of the port, `alone` where it has that to itself; the others those that find room,
    one after the other, no less than they take alone.
    """
    at, many = versions.start[one], 0
    whole, alone = versions.work[at, machine.turns[one, SHARED]], longest_work(one, FILL, at, machine, versions)
    all_, mine, least, least_mine = 0, 0, 0, 0
    while many < min(machine.turns[other, TAKES], versions.number[other]):
        all_ += versions.work[versions.start[other] + many, machine.turns[other, SHARED]]
        least += longest_work(other, FILL, versions.start[other] + many, machine, versions)
        many += 1
        if many == v + 1:
            mine, least_mine = all_, least
    first = 2 * whole - 1
    if all_ < whole:
        first = 2 * all_ + ((whole - all_) * alone + whole - 1) // whole
    first = max(first, alone)
    return first, max(2 * mine if mine <= whole else whole + mine, least_mine), max(first, whole + all_, least)
