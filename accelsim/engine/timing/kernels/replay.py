"""Time of a layer given as a list of bodies (`bodies.walk`): a kind of body is simulated once for each state before it.

A body met again in a known state (`state.read_state`) is looked up; for others the versions around them are written out
(`window.cover`) and simulated.
"""

from __future__ import annotations

import numpy as np

from accelsim.engine.nest.kernels.records import PSUM
from accelsim.engine.timing.kernels.located import Body, issued_of, locate, moment, opens_pass, read_content, undrained
from accelsim.engine.timing.kernels.records import (
    A_KEY,
    ABSENT,
    ARRIVE,
    AT_PASS,
    C_END,
    C_START,
    CURRENT,
    D_END,
    D_KEY,
    D_START,
    F_END,
    F_START,
    FIELDS,
    INNERMOST,
    KAPPA,
    KEY,
    L_KEY,
    LANDED,
    LAST,
    P_END,
    P_START,
    PASS_END,
    SLOTS,
    TENSOR,
    TO_ISSUE,
    TOTAL_C,
    U_KEY,
    USE,
    VID,
    Steps,
    Versions,
    order_key,
)  # fmt: skip
from accelsim.engine.timing.kernels.state import drain_binds, read_state, reads_back
from accelsim.engine.timing.kernels.sweep import advance, finish
from accelsim.engine.timing.kernels.window import cover
from accelsim.jit import njit

ENTRIES = 512
FORESEE = 1 << 24  # steps simulated before what is left is foreseen
MOST_RECORDS = 48
MOST_DRAINS = 1 << 18
WIDE = 1024
CONTENT = 256
TIMES = np.array([ARRIVE, F_START, F_END, USE, LANDED, D_START, D_END, P_START, P_END], np.int64)
KEYS = np.array([A_KEY, U_KEY, L_KEY, D_KEY], np.int64)


@njit(_nrt=False)
def _keep(body, k, machine, state, kept, kept_progress):
    """Copy what a later body may need of the records after one that ends with step k; how many, -1: too many."""
    streams, progress, records = machine.streams, state.progress, state.records
    m = 0
    apart = opens_pass(body.j + 1, machine, body.kinds, body.layer)
    over = apart and streams[machine.serial, TENSOR] != PSUM
    origin = moment(apart, state)
    for x in range(streams.shape[0]):
        kept_progress[x] = issued_of(x, body, machine, progress) - progress[x, CURRENT]
        if streams[x, ABSENT]:
            continue
        current, s = progress[x, CURRENT], streams[x, SLOTS]
        issued = current + kept_progress[x]
        psum = streams[x, TENSOR] == PSUM
        for v in range(max(min(issued, current + 1) - s, 0), max(issued, current + 1)):
            r = records[x, v & (records.shape[1] - 1)]
            if r[VID] != v or (over and psum and streams[x, INNERMOST] and not machine.known[x] and r[D_END] < origin):
                continue
            early = psum and streams[x, INNERMOST] and v < current
            if early and not drain_binds(x, v, r, issued, current, -1, origin, machine):
                continue
            if m >= kept.shape[0]:
                return -1
            for field in range(FIELDS):
                kept[m, field] = r[field]
            kept[m, VID] = v - current
            kept[m, FIELDS] = x
            m += 1
    return m


@njit(_nrt=False)
def _restore(machine, state, shift, steps, kept, m, kept_progress):
    """Put records and progress after a known body in place; CURRENT is already that after it."""
    streams, progress, records = machine.streams, state.progress, state.records
    later = order_key(steps - 1, 0, 0, 0, len(streams))  # of a key, as of times `shift`
    for x in range(streams.shape[0]):
        progress[x, TO_ISSUE] = 0 if streams[x, ABSENT] else progress[x, CURRENT] + kept_progress[x]
    for i in range(m):
        x = kept[i, FIELDS]
        v = kept[i, VID] + progress[x, CURRENT]
        to = records[x, v & (records.shape[1] - 1)]
        for field in range(FIELDS):
            to[field] = kept[i, field]
        to[VID] = v
        to[KAPPA] = -1
        for field in TIMES:
            to[field] += shift
        for field in KEYS:
            to[field] += later


@njit(_nrt=False)
def _copy_drains(body, k, machine, state, origin, pool, m, back):
    """Write down when psums were drained in a body, after step k, or (`back`) put it in place; how many are in `pool`.

    -1: there is no room for them.
    """
    j, at, kinds, layer = body
    drains = state.drains
    for x in range(at.shape[0]):
        if not machine.looks[x]:
            continue
        first = undrained(x, k, at[x] - 1, body)
        last = at[x] - 1 + kinds.many[layer.kind[j], x]
        end = undrained(x, layer.first[j + 1] - 1, last, body)
        if m + end - first > pool.shape[0]:
            return -1
        b, i = (0, 0) if layer.slow[x] else locate(x, first, body)
        for v in range(first, end):
            if layer.slow[x]:
                tile = layer.tile[layer.start[x] + v]
            else:
                while i >= kinds.many[layer.kind[b], x]:
                    b, i = b + 1, 0
                tile = machine.tile_at[x] + layer.tiles[b, x] + kinds.tile[kinds.at[layer.kind[b], x] + i]
                i += 1
            if back:
                drains[tile, 0], drains[tile, 1] = pool[m, 0] + origin, pool[m, 1]
                drains[tile, 2] = pool[m, 2] + k
            else:
                pool[m, 0], pool[m, 1] = drains[tile, 0] - origin, drains[tile, 1]
                pool[m, 2] = drains[tile, 2] - k
            m += 1
    return m


@njit(cache=True)
def _slot_of(key, length, keys, lengths, slots):
    """Where a key is, or would be, in a table of rows of `keys`."""
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
    return slot


@njit(cache=True)
def _number_of(key, length, keys, lengths, slots, numbers):
    """The number of a key among those met; -1: there are too many, or it is too long. numbers : int64[1], how many."""
    if length == 0 or length > keys.shape[1]:
        return -1
    slot = _slot_of(key, length, keys, lengths, slots)
    if slots[slot] < 0:
        if numbers[0] == keys.shape[0]:
            return -1
        keys[numbers[0], :length] = key[:length]
        lengths[numbers[0]] = length
        slots[slot] = numbers[0]
        numbers[0] += 1
    return slots[slot]


@njit(cache=True)
def _link_of(pair, links):
    """Where a pair of numbers is, or would be, in a table of them."""
    slot = (pair ^ (pair >> 7)) & (links.shape[0] - 1)
    while links[slot] >= 0 and links[slot] != pair:
        slot = (slot + 1) & (links.shape[0] - 1)
    return slot


@njit(cache=True)
def replay(kinds, layer, machine, state, window, look_up, most_steps):
    """Run a layer body by body.

    A state is that after a known body more often than not: then that one's number and what the body at hand consists of
    lead to the entry that it runs as, and records are put in place when somebody wants to read them.

    Parameters
    ----------
    look_up : whether bodies met again are looked up. most_steps : to simulate.

    Returns
    -------
    (the cycle at which the layer ends, bodies simulated); (-1, 0): the window is too small; (-2, steps it would take):
    there are too many to simulate, as far as can be told from the bodies so far.
    """
    streams, progress, scalars, stalls, free = machine.streams, state.progress, state.scalars, state.stalls, state.free
    n, bodies = streams.shape[0], layer.kind.shape[0]
    steps = layer.first[bodies]
    at = np.zeros(n, np.int64)
    key, scratch = np.zeros(WIDE, np.int64), np.zeros(WIDE, np.int64)
    most = 1  # tables have powers of two for sizes
    while look_up and most < min(bodies, ENTRIES):
        most *= 2
    slots = np.full(4 * most, -1, np.int64)
    keys, lengths = np.empty((most, WIDE), np.int64), np.zeros(most, np.int64)
    kept, kept_number = np.empty((most, MOST_RECORDS, FIELDS + 1), np.int64), np.zeros(most, np.int64)
    kept_progress = np.zeros((most, n), np.int64)
    kept_scalars, kept_free = np.zeros((most, scalars.shape[0]), np.int64), np.zeros((most, free.shape[0]), np.int64)
    kept_stalls, kept_origin = np.zeros((most, stalls.shape[0]), np.int64), np.zeros((most, 2), np.int64)
    pool, kept_drains = np.empty((MOST_DRAINS, 3), np.int64), np.zeros(most + 1, np.int64)
    times = np.zeros(most, np.int64)
    contents, content_lengths = np.empty((most, CONTENT), np.int64), np.zeros(most, np.int64)
    content_slots, content_numbers = np.full(4 * most, -1, np.int64), np.zeros(1, np.int64)
    # of a known state and a content: the entry, and what `reads_back` asks
    links, linked = np.full(8 * most, -1, np.int64), np.zeros(8 * most, np.int64)
    asks = np.zeros((8 * most, 2, n), np.int64)
    asked = np.zeros((2, n), np.int64)
    entries, simulated, chained, walked = 0, 0, 0, 0
    last_entry, shift, moved, in_place = -1, 0, 0, True
    written = Versions(
        window.start, layer.number, window.low, window.limit, window.begin, window.back, window.tile, window.work
    )
    for j in range(bodies):
        body = Body(j, at, kinds, layer)
        kind = layer.kind[j]
        before = layer.first[j] - 1
        slot, length, link, e = -1, 0, -1, -1
        origin = moment(opens_pass(j, machine, kinds, layer), state)
        if look_up and j > 0 and j + 1 < bodies:
            length = read_content(body, machine, key)
        if length > 0:
            content = _number_of(key, length, contents, content_lengths, content_slots, content_numbers)
            if content >= 0 and last_entry >= 0:
                link = _link_of(last_entry * most + content, links)
                if links[link] >= 0 and not reads_back(before, asks[link], origin, body, machine, state, scratch):
                    e = linked[link]
        if e < 0 and not in_place:
            _restore(machine, state, shift, moved, kept[last_entry], kept_number[last_entry], kept_progress[last_entry])
            for p in range(free.shape[0]):
                free[p] = kept_free[last_entry, p] + shift
            in_place = True
        if e < 0 and length > 0:
            length, plain = read_state(before, asked, body, machine, state, key, length)
            if length > 0:
                slot = _slot_of(key, length, keys, lengths, slots)
                e = slots[slot]
                if e >= 0 and plain and link >= 0 and links[link] < 0 and chained < 4 * most:
                    links[link], linked[link] = last_entry * most + content, e
                    asks[link] = asked
                    chained += 1
        if e >= 0:
            _copy_drains(body, before, machine, state, origin, pool, kept_drains[e], True)
            for x in range(n):
                progress[x, CURRENT] += kinds.many[kind, x]
                at[x] += kinds.many[kind, x]
            shift, moved, in_place = origin - kept_origin[e, 0], before - kept_origin[e, 1], False
            last, total, passes = scalars[LAST], scalars[TOTAL_C], scalars[AT_PASS]
            for i in range(scalars.shape[0]):
                scalars[i] = kept_scalars[e, i]
            for i in (C_START, C_END, LAST, PASS_END):
                scalars[i] += shift
            scalars[LAST] = max(scalars[LAST], last)
            scalars[TOTAL_C] += total
            scalars[AT_PASS] += passes
            scalars[PASS_END + KEY] += order_key(moved - 1, 0, 0, 0, n)
            times[e] += 1
            last_entry = e
            continue
        if not cover(j, at, kinds, layer, window, machine, progress):
            return -1, 0
        last, total, passes = scalars[LAST], scalars[TOTAL_C], scalars[AT_PASS]
        old_stalls = stalls.copy()
        scalars[LAST] = 0
        here = kinds.steps_at[kind]
        advance(
            before,
            layer.first[j + 1] - 1,
            machine,
            written,
            Steps(steps, before + 1, kinds.n[here:], kinds.phi[here:]),
            state,
        )
        simulated += 1
        walked += layer.first[j + 1] - layer.first[j]
        # what is new comes early in a layer: only later bodies tell of those to come
        foreseen = walked if simulated <= ENTRIES else walked // (j + 1) * bodies
        if foreseen > most_steps and walked > min(most_steps, FORESEE):
            return -2, foreseen
        last_entry = -1
        if slot >= 0 and entries < most:
            e = entries
            found = _keep(body, layer.first[j + 1] - 1, machine, state, kept[e], kept_progress[e])
            drained = kept_drains[e]
            drained = _copy_drains(body, before, machine, state, origin, pool, drained, False)
            if found >= 0 and drained >= 0:
                last_entry = e
                entries += 1
                slots[slot] = e
                keys[e, :length] = key[:length]
                lengths[e] = length
                kept_number[e] = found
                kept_drains[e + 1] = drained
                kept_scalars[e] = scalars
                kept_scalars[e, TOTAL_C] -= total
                kept_scalars[e, AT_PASS] -= passes
                kept_free[e] = free
                kept_stalls[e] = stalls - old_stalls
                kept_origin[e, 0], kept_origin[e, 1] = origin, before
        for x in range(n):
            at[x] += kinds.many[kind, x]
        scalars[LAST] = max(scalars[LAST], last)
    for e in range(entries):
        for c in range(stalls.shape[0]):
            stalls[c] += times[e] * kept_stalls[e, c]
    return finish(machine, state), simulated
