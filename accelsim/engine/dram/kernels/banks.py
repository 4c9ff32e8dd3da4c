"""The banks of a DRAM: every burst of a layer in program order, its row and its commands (docs/model.md, "DRAM").

Commands of a burst are placed one after another as early as the timings let them; later bursts never move earlier
ones. A transfer's words are lists of indices per axis (`zeros.kernels.lists`), walked as runs of consecutive
addresses.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from accelsim.engine.nest.kernels.records import FRESH, IFMAP, PSUM
from accelsim.engine.nest.kernels.steps import WHOLE, next_step, slider, tile_base
from accelsim.engine.zeros.kernels.lists import Lists, Tiles, list_words, stand_at
from accelsim.jit import njit, part

# parts of an address; the columns of a size table and the codes of an address map
CHANNEL, GROUP, BANK, COLUMN, ROW = range(5)
# timings, in clocks; BUS: clocks of a burst on the data bus
(
    CL, CWL, BUS, RCD, RP, RAS, RRD_S, RRD_L, FAW, CCD_S, CCD_L, WR, RTP, WTR_S, WTR_L, RTW, REFI, RFC,
) = range(18)  # fmt: skip
# what a bank, a group and a channel remember: times of the last commands, or from when on the next may come
OPEN, ACTIVATED, MAY_CLOSE, MAY_OPEN = range(4)
LAST_ACT, LAST_CAS, LAST_WRITE, LAST_READ, REFRESH, ACTS = range(6)
# running values of the whole DRAM; PASSED: core cycles up to the last transfer
SERVED, NEWEST, END, REFRESHES, PASSED = range(5)
HIT, MISS, CONFLICT = range(3)
LONG_AGO = -(1 << 40)


class Device(NamedTuple):
    """A DRAM. closes : closed pages. order : int64[5], codes of the parts of an address, least significant first.

    sizes : int64[5], see CHANNEL .. ROW. timing : int64[18], see CL ..
    """

    closes: bool
    order: np.ndarray
    sizes: np.ndarray
    timing: np.ndarray


class State(NamedTuple):
    """A DRAM as far as it has served.

    banks : int64[bank, 4], groups, channels : int64[.., 6], acts : int64[channel, 4], see OPEN ..
    window : int64[queue], latest read or write up to each of the last bursts. scalars : int64[5], see SERVED ..
    digits : int64[5] scratch, the address at hand.
    """

    banks: np.ndarray
    groups: np.ndarray
    channels: np.ndarray
    acts: np.ndarray
    window: np.ndarray
    scalars: np.ndarray
    digits: np.ndarray


class Layout(NamedTuple):
    """Where tensors lie and how transfers cut them; the first axis of most is the tensor.

    offsets : int64[3, instance, dim], instances : int64[3], sets of words that are read apart (unicast).
    inner : int64[3, group, child, 2], numbers : int64[3, group], children under one of them. tile : int64[3, dim].
    child : int64[3], the level filled. slides : uint8[3], whether tiles may slide.
    parts : int64[dim, k], offsets along C, R, S, IB and WB of psums that no network adds up: each is sent once for
    each part.
    extent : int64[3, 5], the tensor in DRAM. origin : int64[3], its first burst. axes, bounds : see `Program`.
    on_chip : padding is not sent. word_bits : int64[4], of the tensors and of ofmap words, which lie where their psums
        do, without gaps. burst_bits : of a burst. per_clock : int64[2], core cycles per DRAM clock as a fraction.
    steps : int64[loop, 4], (dim, factor, step, level) of the steps.
    """

    offsets: np.ndarray
    instances: np.ndarray
    inner: np.ndarray
    numbers: np.ndarray
    tile: np.ndarray
    child: np.ndarray
    slides: np.ndarray
    parts: np.ndarray
    extent: np.ndarray
    origin: np.ndarray
    axes: np.ndarray
    bounds: np.ndarray
    on_chip: bool
    word_bits: np.ndarray
    burst_bits: int
    per_clock: np.ndarray
    steps: np.ndarray


class Walked(NamedTuple):
    """Where the transfers of each tensor have got to, by direction; zeros at first.

    number : int64[3, 2], the next version. loops_at : int64[3, 2, loop], base : int64[3, 2, dim], of the steps.
    step : int64[3, 2].
    """

    number: np.ndarray
    loops_at: np.ndarray
    base: np.ndarray
    step: np.ndarray


class Written(NamedTuple):
    """The versions that are written down; version v of tensor t lies at start[t] + v.

    begin, back : int64[..], see `versions.Room`; limit : int64[3], how far. narrow : uint8[..], of psums from
    version `first` on, whether they are written as ofmap words.
    """

    start: np.ndarray
    limit: np.ndarray
    begin: np.ndarray
    back: np.ndarray
    first: int
    narrow: np.ndarray


class Transfer(NamedTuple):
    """Scratch: the words of one transfer.

    words : of the instance at hand. nth : int64[axis]. tile, last : int64[dim], of the transfer, and before it slid.
    """

    words: Lists
    nth: np.ndarray
    tile: np.ndarray
    last: np.ndarray


@njit(cache=True, _nrt=False)
def power_up(device, state):
    """Clear all state: banks idle, nothing before time 0."""
    state.banks[:] = LONG_AGO
    state.banks[:, OPEN] = -1
    state.groups[:] = LONG_AGO
    state.channels[:] = LONG_AGO
    state.channels[:, REFRESH] = device.timing[REFI]
    state.channels[:, ACTS] = 0
    state.acts[:] = LONG_AGO
    state.window[:] = 0
    state.scalars[:] = 0


@njit(cache=True, _nrt=False)
def _refresh(c, device, state):
    """Close the banks of channel c and refresh them, due at channels[c, REFRESH]."""
    banks, timing = state.banks, device.timing
    each = device.sizes[GROUP] * device.sizes[BANK]
    at = state.channels[c, REFRESH]
    closed = True
    for b in range(c * each, (c + 1) * each):
        if banks[b, OPEN] >= 0:
            at = max(at, banks[b, MAY_CLOSE])
            closed = False
    ready = at if closed else at + timing[RP]
    for b in range(c * each, (c + 1) * each):
        if banks[b, OPEN] < 0:
            ready = max(ready, banks[b, MAY_OPEN])
    for b in range(c * each, (c + 1) * each):
        banks[b, OPEN] = -1
        banks[b, MAY_OPEN] = ready + timing[RFC]
    state.channels[c, REFRESH] += timing[REFI]
    state.scalars[REFRESHES] += 1


@part
def _commands(write, c, g, b, seen, device, state):
    """(what a burst finds, when its row is activated, when it is read or written), as things are."""
    timing, bank, group, channel = device.timing, state.banks[b], state.groups[g], state.channels[c]
    kind = HIT
    act = bank[ACTIVATED]
    if bank[OPEN] != state.digits[ROW]:
        if bank[OPEN] >= 0:
            kind = CONFLICT
            act = max(seen, bank[MAY_CLOSE]) + timing[RP]
        else:
            kind = MISS
            act = max(seen, bank[MAY_OPEN])
        act = max(act, channel[LAST_ACT] + timing[RRD_S], group[LAST_ACT] + timing[RRD_L])
        act = max(act, state.acts[c, channel[ACTS] & 3] + timing[FAW])
    cas = max(seen, act + timing[RCD])
    cas = max(cas, channel[LAST_CAS] + timing[CCD_S], group[LAST_CAS] + timing[CCD_L])
    if write:
        cas = max(cas, channel[LAST_READ] + timing[RTW])
    else:
        written = timing[CWL] + timing[BUS]
        cas = max(cas, channel[LAST_WRITE] + written + timing[WTR_S], group[LAST_WRITE] + written + timing[WTR_L])
    return kind, act, cas


@part
def _serve(write, device, state):
    """Place one burst; returns whether its row was open (hit), its bank idle (miss), or another row open (conflict)."""
    timing, sizes, scalars = device.timing, device.sizes, state.scalars
    c = state.digits[CHANNEL]
    g = c * sizes[GROUP] + state.digits[GROUP]
    b = g * sizes[BANK] + state.digits[BANK]
    bank, group, channel = state.banks[b], state.groups[g], state.channels[c]
    slot = scalars[SERVED] % len(state.window)
    seen = state.window[slot]
    kind, act, cas = _commands(write, c, g, b, seen, device, state)
    while timing[REFI] != 0 and cas >= channel[REFRESH]:
        _refresh(c, device, state)
        kind, act, cas = _commands(write, c, g, b, seen, device, state)
    if kind != HIT:
        bank[OPEN] = state.digits[ROW]
        bank[ACTIVATED] = act
        bank[MAY_CLOSE] = act + timing[RAS]
        channel[LAST_ACT] = act
        group[LAST_ACT] = act
        state.acts[c, channel[ACTS] & 3] = act
        channel[ACTS] += 1
    channel[LAST_CAS] = cas
    group[LAST_CAS] = cas
    if write:
        channel[LAST_WRITE] = cas
        group[LAST_WRITE] = cas
        end = cas + timing[CWL] + timing[BUS]
        bank[MAY_CLOSE] = max(bank[MAY_CLOSE], end + timing[WR])
    else:
        channel[LAST_READ] = cas
        end = cas + timing[CL] + timing[BUS]
        bank[MAY_CLOSE] = max(bank[MAY_CLOSE], cas + timing[RTP])
    if device.closes:
        bank[OPEN] = -1
        bank[MAY_OPEN] = bank[MAY_CLOSE] + timing[RP]
    scalars[SERVED] += 1
    scalars[NEWEST] = max(scalars[NEWEST], cas)
    state.window[slot] = scalars[NEWEST]
    scalars[END] = max(scalars[END], end)
    return kind


@part
def _serve_run(first, last, write, device, state, kinds):
    """The same, in place: most runs are short."""
    order, sizes, digits = device.order, device.sizes, state.digits
    rest = first
    for j in range(4):
        code = order[j]
        digits[code] = rest % sizes[code]
        rest //= sizes[code]
    digits[ROW] = rest
    for _ in range(first, last + 1):
        kinds[_serve(write, device, state)] += 1
        j = 0
        digits[order[0]] += 1
        while j < 4 and digits[order[j]] == sizes[order[j]]:
            digits[order[j]] = 0
            j += 1
            digits[order[j]] += 1


@njit(cache=True, _nrt=False)
def serve_run(first, last, write, device, state, kinds):
    """Place the bursts first..last; adds what they found to kinds int64[3]."""
    _serve_run(first, last, write, device, state, kinds)


@part
def _begin(t, way, v, layout, walked, written, transfer):
    """Put the bases of a version, and of its tile one step earlier, into `transfer`; returns the group that slides."""
    steps, child = layout.steps, layout.child[t]
    index, begin = walked.loops_at[t, way], written.begin[written.start[t] + v]
    while walked.step[t, way] + 1 < begin:
        next_step(steps, layout.bounds, index, walked.base[t, way])
        walked.step[t, way] += 1
    tile_base(steps, index, child, transfer.last)
    if walked.step[t, way] < begin:
        next_step(steps, layout.bounds, index, walked.base[t, way])
        walked.step[t, way] += 1
    tile_base(steps, index, child, transfer.tile)
    return slider(t, transfer.tile, transfer.last) if begin > 0 and layout.slides[t] else WHOLE


@part
def _list(t, i, along, layout, transfer):
    """List what the children under instance i miss, from the plane's corner in DRAM on; returns how many words."""
    room = transfer.words
    if not stand_at(layout.offsets[t, i], transfer.tile, transfer.last, layout.bounds, room):
        return 0
    words = list_words(
        Tiles(t, layout.tile[t], layout.inner[t], layout.numbers[t], layout.bounds, layout.axes, layout.on_chip),
        along,
        room,
    )
    if t == IFMAP and layout.on_chip:
        for a in range(2):
            for j in range(room.counts[3 + a]):
                room.lists[3 + a, j] -= layout.axes[a, 2]
    return words


@part
def _parts(layout, tile):
    """How many times a psum is sent."""
    number = 1
    for d in range(len(layout.parts)):
        dim = (3, 6, 7, 8, 9)[d]
        here = 0
        for i in range(layout.parts.shape[1]):
            if tile[dim] + layout.parts[d, i] < layout.bounds[dim]:
                here += 1
        number *= here
    return number


@njit(cache=True, _nrt=False)
def _move(t, write, bits, layout, transfer, device, state, kinds):
    """Serve the bursts of the words that are listed, each once, ascending."""
    extent, lists, counts, index = layout.extent[t], transfer.words.lists, transfer.words.counts, transfer.nth
    # axes that are sent whole make longer runs of the one before them
    axis, unit = 4, 1
    while axis > 0 and counts[axis] == extent[axis]:
        unit *= extent[axis]
        axis -= 1
    for a in range(axis):
        index[a] = 0
    done = -1
    more = True
    while more:
        above = 0
        for a in range(axis):
            above = above * extent[a] + lists[a, index[a]]
        above *= extent[axis]
        j = 0
        while j < counts[axis]:
            start = lists[axis, j]
            while j + 1 < counts[axis] and lists[axis, j + 1] == lists[axis, j] + 1:
                j += 1
            stop = lists[axis, j] + 1
            j += 1
            first = max((above + start) * unit * bits // layout.burst_bits, done + 1)
            last = ((above + stop) * unit * bits - 1) // layout.burst_bits
            if first <= last:
                _serve_run(layout.origin[t] + first, layout.origin[t] + last, write, device, state, kinds)
                done = last
        a = axis - 1
        while a >= 0 and index[a] + 1 == counts[a]:
            index[a] = 0
            a -= 1
        more = a >= 0
        if more:
            index[a] += 1


@njit(cache=True, _nrt=False)
def walk(log, layout, walked, written, transfer, device, state, kinds, out):
    """Serve the transfers of a log in this order.

    log : int64[1 + transfer], how many, then 2 * tensor + 1 for a drain, 2 * tensor for a fill.
    kinds : int64[3, 2, 3], bursts that hit, miss and conflict, by tensor and direction; added to.
    out : int64[transfer, 2], filled with the version that each is and its core cycles.
    """
    number, scalars = walked.number, state.scalars
    for i in range(log[0]):
        t, way = log[1 + i] // 2, log[1 + i] % 2
        if way == 0:
            _skip_fresh(t, walked, written)
        v = number[t, way]
        number[t, way] += 1
        along = _begin(t, way, v, layout, walked, written, transfer)
        bits, times = layout.word_bits[t], 1
        if t == PSUM:
            times = _parts(layout, transfer.tile)
            if way == 1 and written.narrow[v - written.first]:
                bits = layout.word_bits[3]
        for instance in range(layout.instances[t]):
            if _list(t, instance, along, layout, transfer) > 0:
                for _ in range(times):
                    _move(t, way == 1, bits, layout, transfer, device, state, kinds[t, way])
        now = (scalars[END] * layout.per_clock[0] + layout.per_clock[1] - 1) // layout.per_clock[1]
        out[i, 0] = v
        out[i, 1] = now - scalars[PASSED]
        scalars[PASSED] = now
    _skip_fresh(PSUM, walked, written)


@part
def _skip_fresh(t, walked, written):
    """Pass over psums that have nothing to read."""
    if t == PSUM:
        v = walked.number[t, 0]
        while v < written.limit[t] and written.back[written.start[t] + v] == FRESH:
            v += 1
        walked.number[t, 0] = v
