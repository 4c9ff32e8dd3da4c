"""Time of a layer given as a list of bodies (`bodies.walk`): a kind of body is simulated once for each state before it.

A body met again in a known state (`state.read_state`) is looked up; for others the versions around them are written out
(`body_window.cover`) and simulated.
"""

from __future__ import annotations

import numpy as np

from accelsim.engine.nest.kernels.records import PSUM
from accelsim.engine.timing.kernels.body_window import cover
from accelsim.engine.timing.kernels.located import Body, issued_of, locate, moment, opens_pass, read_content, undrained
from accelsim.engine.timing.kernels.memory import ENTRY, LIES_IN_ENTRY, SHIFT, STEPS_LATER, forget
from accelsim.engine.timing.kernels.records import (
    A_KEY,
    ABSENT,
    ARRIVE,
    AT_PASS,
    C_END,
    C_FREE,
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
    NEVER,
    NOT_BEFORE,
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
from accelsim.jit import njit, part

NEW = 512  # bodies that may be new before what is left is foreseen
FORESEE = 1 << 24  # steps simulated before what is left is foreseen
TIMES = np.array([ARRIVE, F_START, F_END, USE, LANDED, D_START, D_END, P_START, P_END], np.int64)
KEYS = np.array([A_KEY, U_KEY, L_KEY, D_KEY], np.int64)


@part
def _copy(row, to):
    for i in range(row.shape[0]):
        to[i] = row[i]


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


@part
def _restore_last(machine, state, memory):
    """Restore the records after the last body, if it was looked up; CURRENT is already that after it."""
    now, kept, entry = memory.now, memory.kept, memory.now[ENTRY]
    if now[LIES_IN_ENTRY]:
        now[LIES_IN_ENTRY] = 0
        _restore(
            machine, state, now[SHIFT], now[STEPS_LATER], kept.records[entry], kept.many[entry], kept.progress[entry]
        )
        for p in range(state.free.shape[0]):
            state.free[p] = kept.free[entry, p] + now[SHIFT]


@njit(_nrt=False)
def _restore(machine, state, shift, steps, kept, m, kept_progress):
    """Copy records and progress after a known body back, `shift` cycles and `steps` steps later."""
    streams, progress, records = machine.streams, state.progress, state.records
    later = order_key(steps - 1, 0, 0, 0, len(streams))  # of a key, as of times `shift`
    for x in range(streams.shape[0]):
        progress[x, TO_ISSUE] = 0 if streams[x, ABSENT] else progress[x, CURRENT] + kept_progress[x]
        progress[x, NOT_BEFORE] = -1
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
    """Write down when psums were drained in a body, after step k, or (`back`) copy them back; how many are in `pool`.

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


@part
def _slot_of(key, length, known):
    """Where a key is, or would be."""
    h = length
    for i in range(length):
        h = h * 1000003 + key[i]
    slot = (h ^ (h >> 31)) & (known.slots.shape[0] - 1)
    while known.slots[slot] >= 0:
        e = known.slots[slot]
        if known.lengths[e] == length:
            i = 0
            while i < length and known.keys[e, i] == key[i]:
                i += 1
            if i == length:
                break
        slot = (slot + 1) & (known.slots.shape[0] - 1)
    return slot


@part
def _enter(key, length, slot, known):
    """Enter a key where it would be; returns its number."""
    number = known.number[0]
    for i in range(length):
        known.keys[number, i] = key[i]
    known.lengths[number] = length
    known.slots[slot] = number
    known.number[0] += 1
    return number


@part
def _number_of(key, length, known):
    """The number of a key among those met; -1: there are too many, or it is too long."""
    if length > known.keys.shape[1]:
        return -1
    slot = _slot_of(key, length, known)
    if known.slots[slot] >= 0:
        return known.slots[slot]
    return _enter(key, length, slot, known) if known.number[0] < known.keys.shape[0] else -1


@part
def _link_of(pair, pairs):
    """Where a pair of numbers is, or would be, in a table of them."""
    slot = (pair ^ (pair >> 7)) & (pairs.shape[0] - 1)
    while pairs[slot] >= 0 and pairs[slot] != pair:
        slot = (slot + 1) & (pairs.shape[0] - 1)
    return slot


@njit(_nrt=False)
def _follow(body, length, origin, machine, state, memory):
    """(the last body and what this one consists of as one number, or -1; the entry that it runs as, or -1)."""
    content, entry, following = _number_of(memory.key, length, memory.contents), -1, memory.following
    if content < 0 or memory.now[ENTRY] < 0:
        return -1, -1
    pair = memory.now[ENTRY] * memory.kept.times.shape[0] + content
    link, before = _link_of(pair, following.pairs), body.layer.first[body.j] - 1
    known = following.pairs[link] >= 0
    if known and not reads_back(before, following.asks[link], origin, body, machine, state, memory.scratch):
        entry = following.entry[link]
    return pair, entry


@njit(_nrt=False)
def _meet(body, length, pair, machine, state, memory):
    """(where the state before a body is, or would be, or -1: it is too long; its length; the entry that it is, or -1).

    length, pair : of the content, which lies in the key; see `_follow`, for which what is found here is noted.
    """
    following = memory.following
    before = body.layer.first[body.j] - 1
    length, plain = read_state(before, memory.asked, body, memory.bounds, machine, state, memory.key, length)
    if length <= 0:
        return -1, length, -1
    slot = _slot_of(memory.key, length, memory.states)
    entry = memory.states.slots[slot]
    if entry >= 0 and plain and pair >= 0 and 2 * following.number[0] < following.pairs.shape[0]:
        link = _link_of(pair, following.pairs)
        if following.pairs[link] < 0:
            following.pairs[link], following.entry[link] = pair, entry
            for way in range(2):
                for x in range(memory.asked.shape[1]):
                    following.asks[link, way, x] = memory.asked[way, x]
            following.number[0] += 1
    return slot, length, entry


@njit(_nrt=False)
def _jump(body, entry, origin, machine, state, memory):
    """Run a body as a known one: the state after it is that one's, later."""
    kept, now, scalars, before = memory.kept, memory.now, state.scalars, body.layer.first[body.j] - 1
    _copy_drains(body, before, machine, state, origin, kept.drains, kept.drained_at[entry], True)
    shift, steps = origin - kept.begins[entry, 0], before - kept.begins[entry, 1]
    for x in range(machine.streams.shape[0]):
        state.progress[x, CURRENT] += body.kinds.many[body.layer.kind[body.j], x]
    last, total, passes = scalars[LAST], scalars[TOTAL_C], scalars[AT_PASS]
    for i in range(scalars.shape[0]):
        scalars[i] = kept.scalars[entry, i]
    for i in (C_START, C_END, C_FREE, LAST, PASS_END):
        scalars[i] += shift
    scalars[LAST] = max(scalars[LAST], last)
    scalars[TOTAL_C] += total
    scalars[AT_PASS] += passes
    scalars[PASS_END + KEY] += order_key(steps - 1, 0, 0, 0, machine.streams.shape[0])
    kept.times[entry] += 1
    now[ENTRY], now[SHIFT], now[STEPS_LATER], now[LIES_IN_ENTRY] = entry, shift, steps, 1


@njit(_nrt=False)
def _simulate(body, slot, length, origin, machine, written, state, memory):
    """Simulate a body; keep what is known after it under the key at hand, if there is room. slot -1: it has no key."""
    kinds, layer, j = body.kinds, body.layer, body.j
    scalars, kept, states = state.scalars, memory.kept, memory.states
    here, before, after = kinds.steps_at[layer.kind[j]], layer.first[j] - 1, layer.first[j + 1] - 1
    last, total, passes = scalars[LAST], scalars[TOTAL_C], scalars[AT_PASS]
    stalls = memory.stalls
    _copy(state.stalls, stalls)
    scalars[LAST] = 0
    steps = Steps(layer.first[layer.kind.shape[0]], before + 1, kinds.n[here:], kinds.phi[here:])
    advance(before, after, machine, written, steps, state)
    memory.now[ENTRY] = -1
    if slot >= 0 and states.number[0] < states.keys.shape[0]:
        e = states.number[0]
        found = _keep(body, after, machine, state, kept.records[e], kept.progress[e])
        drained = _copy_drains(body, before, machine, state, origin, kept.drains, kept.drained_at[e], False)
        if found >= 0 and drained >= 0:
            memory.now[ENTRY] = _enter(memory.key, length, slot, states)
            kept.many[e] = found
            kept.drained_at[e + 1] = drained
            _copy(scalars, kept.scalars[e])
            kept.scalars[e, TOTAL_C] -= total
            kept.scalars[e, AT_PASS] -= passes
            _copy(state.free, kept.free[e])
            for c in range(stalls.shape[0]):
                kept.stalls[e, c] = state.stalls[c] - stalls[c]
            kept.begins[e, 0], kept.begins[e, 1] = origin, before
    scalars[LAST] = max(scalars[LAST], last)


@njit(_nrt=False)
def run_bodies(kinds, layer, machine, state, window, memory, run, until):
    """Run bodies until one leaves something that lands after the cycle `until`.

    A state is that after a known body more often than not: then that one's number and what the body at hand consists of
    lead to the entry that it runs as, and records are restored only before something reads them.

    Parameters
    ----------
    memory : see `memory.remember`. run : whether bodies met again are looked up, steps to simulate at most, bodies to
        run at most.

    Returns
    -------
    (bodies run, but for the one that was too late; how many of them were simulated); (-1, 0): the window is too small;
    (-2, steps it would take): there are too many to simulate, judged by the bodies so far.
    """
    bodies, at = layer.kind.shape[0], memory.at
    look_up, most_steps, end = run
    forget(memory)
    at[:] = 0
    written = Versions(
        window.start, layer.number, window.low, window.limit, window.begin, window.back, window.tile, window.work
    )
    simulated, walked, done = 0, 0, end
    for j in range(end):
        body, origin = Body(j, at, kinds, layer), moment(opens_pass(j, machine, kinds, layer), state)
        length, pair, slot, entry = 0, -1, -1, -1
        if look_up and j > 0 and j + 1 < bodies:
            length = read_content(body, machine, memory.key)
        if length > 0:
            pair, entry = _follow(body, length, origin, machine, state, memory)
        if entry < 0:
            _restore_last(machine, state, memory)
            if length > 0:
                slot, length, entry = _meet(body, length, pair, machine, state, memory)
        if entry >= 0:
            _jump(body, entry, origin, machine, state, memory)
        else:
            if not cover(j, at, kinds, layer, window, machine, state.progress):
                return -1, 0
            _simulate(body, slot, length, origin, machine, written, state, memory)
            simulated += 1
            walked += layer.first[j + 1] - layer.first[j]
            # what is new comes early in a layer: only later bodies foretell the rest
            foreseen = walked if simulated <= NEW else walked // (j + 1) * bodies
            if foreseen > most_steps and walked > min(most_steps, FORESEE):
                return -2, foreseen
        for x in range(at.shape[0]):
            at[x] += kinds.many[layer.kind[j], x]
        if state.scalars[LAST] > until:
            done = j
            break
    for e in range(memory.states.number[0]):
        for c in range(state.stalls.shape[0]):
            state.stalls[c] += memory.kept.times[e] * memory.kept.stalls[e, c]
    return done, simulated


@njit(_nrt=False, nogil=True)
def replay(kinds, layer, machine, state, window, memory, look_up, most_steps):
    """Run a layer body by body.

    memory, look_up, most_steps : see `run_bodies`.

    Returns
    -------
    (the cycle at which the layer ends, bodies simulated); (-1, 0), (-2, steps): as of `run_bodies`.
    """
    run = look_up, most_steps, layer.kind.shape[0]
    done, simulated = run_bodies(kinds, layer, machine, state, window, memory, run, NEVER)
    return finish(machine, state) if done >= 0 else done, simulated


@njit(_nrt=False, nogil=True)
def approach(kinds, layer, machine, state, window, memory, run, until):
    """Run bodies as `run_bodies` does, and leave the state as it is after the last, looked up or not."""
    done, simulated = run_bodies(kinds, layer, machine, state, window, memory, run, until)
    if done >= 0:
        _restore_last(machine, state, memory)
    return done, simulated
