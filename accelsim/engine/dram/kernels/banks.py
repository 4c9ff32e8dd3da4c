"""The banks of a DRAM: every burst of a layer in program order, its row and its commands (docs/model.md, "DRAM").

Commands of a burst are placed one after another as early as the timings let them; later bursts never move earlier
ones. A transfer's words are lists of indices per axis (see `moved`), walked as runs of consecutive addresses.
"""

from __future__ import annotations

import numpy as np

from accelsim.engine.nest.kernels.records import GROUP_DIMS, IFMAP, PSUM
from accelsim.engine.zeros.kernels.encoded import _axis_list, _one_dim
from accelsim.jit import njit

# parts of an address; the columns of a size table and the codes of an address map
CHANNEL, GROUP, BANK, COLUMN, ROW = range(5)
# timings, in clocks; BUS: clocks of a burst on the data bus
(
    CL, CWL, BUS, RCD, RP, RAS, RRD_S, RRD_L, FAW, CCD_S, CCD_L, WR, RTP, WTR_S, WTR_L, RTW, REFI, RFC,
) = range(18)  # fmt: skip
# what a bank, a group and a channel remember: times of the last commands, or from when on the next may come
OPEN, ACTIVATED, MAY_CLOSE, MAY_OPEN = range(4)
LAST_ACT, LAST_CAS, LAST_WRITE, LAST_READ, REFRESH, ACTS = range(6)
# running values of the whole DRAM
SERVED, NEWEST, END, REFRESHES = range(4)
HIT, MISS, CONFLICT = range(3)
AXES = np.array([[0, 1, 3, 4, 5], [1, 2, 3, 4, 5], [0, 1, 2, 4, 5]], np.int64)  # groups of dims along a tensor's axes
LONG_AGO = -(1 << 40)


@njit(cache=True)
def power_up(banks, groups, channels, acts, window, scalars, timing):
    """Clear all state: banks idle, nothing before time 0."""
    banks[:] = LONG_AGO
    banks[:, OPEN] = -1
    groups[:] = LONG_AGO
    channels[:] = LONG_AGO
    channels[:, REFRESH] = timing[REFI]
    channels[:, ACTS] = 0
    acts[:] = LONG_AGO
    window[:] = 0
    scalars[:] = 0


@njit(cache=True)
def _refresh(first, last, banks, channel, timing):
    """Close the banks first..last-1 of a channel and refresh them, due at channel[REFRESH]."""
    at = channel[REFRESH]
    closed = True
    for b in range(first, last):
        if banks[b, OPEN] >= 0:
            at = max(at, banks[b, MAY_CLOSE])
            closed = False
    ready = at if closed else at + timing[RP]
    for b in range(first, last):
        if banks[b, OPEN] < 0:
            ready = max(ready, banks[b, MAY_OPEN])
    for b in range(first, last):
        banks[b, OPEN] = -1
        banks[b, MAY_OPEN] = ready + timing[RFC]
    channel[REFRESH] += timing[REFI]


@njit(cache=True)
def serve(digits, write, closes, sizes, timing, banks, groups, channels, acts, window, scalars):
    """Place one burst; returns whether its row was open (hit), its bank idle (miss), or another row open (conflict).

    digits, sizes : int64[5], see CHANNEL .. ROW. closes : closed pages.
    banks : int64[bank, 4], groups : int64[group, 6], channels : int64[channel, 6], acts : int64[channel, 4] state.
    window : int64[queue], latest read or write up to each of the last bursts. scalars : int64[4], see SERVED ..
    """
    c = digits[CHANNEL]
    g = c * sizes[GROUP] + digits[GROUP]
    b = g * sizes[BANK] + digits[BANK]
    bank, group, channel = banks[b], groups[g], channels[c]
    slot = scalars[SERVED] % len(window)
    seen = window[slot]
    while True:
        kind = HIT
        act = bank[ACTIVATED]
        if bank[OPEN] != digits[ROW]:
            if bank[OPEN] >= 0:
                kind = CONFLICT
                act = max(seen, bank[MAY_CLOSE]) + timing[RP]
            else:
                kind = MISS
                act = max(seen, bank[MAY_OPEN])
            act = max(act, channel[LAST_ACT] + timing[RRD_S], group[LAST_ACT] + timing[RRD_L])
            act = max(act, acts[c, channel[ACTS] & 3] + timing[FAW])
        cas = max(seen, act + timing[RCD])
        cas = max(cas, channel[LAST_CAS] + timing[CCD_S], group[LAST_CAS] + timing[CCD_L])
        if write:
            cas = max(cas, channel[LAST_READ] + timing[RTW])
        else:
            written = timing[CWL] + timing[BUS]
            cas = max(cas, channel[LAST_WRITE] + written + timing[WTR_S], group[LAST_WRITE] + written + timing[WTR_L])
        if timing[REFI] == 0 or cas < channel[REFRESH]:
            break
        first = c * sizes[GROUP] * sizes[BANK]
        _refresh(first, first + sizes[GROUP] * sizes[BANK], banks, channel, timing)
        scalars[REFRESHES] += 1
    if kind != HIT:
        bank[OPEN] = digits[ROW]
        bank[ACTIVATED] = act
        bank[MAY_CLOSE] = act + timing[RAS]
        channel[LAST_ACT] = act
        group[LAST_ACT] = act
        acts[c, channel[ACTS] & 3] = act
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
    if closes:
        bank[OPEN] = -1
        bank[MAY_OPEN] = bank[MAY_CLOSE] + timing[RP]
    scalars[SERVED] += 1
    scalars[NEWEST] = max(scalars[NEWEST], cas)
    window[slot] = scalars[NEWEST]
    scalars[END] = max(scalars[END], end)
    return kind


@njit(cache=True)
def serve_run(
    first, last, write, closes, order, sizes, timing, banks, groups, channels, acts, window, scalars, digits, kinds
):
    """Place the bursts first..last; adds what they found to kinds int64[3].

    order : int64[5], codes of the parts of an address, least significant first.
    """
    rest = first
    for j in range(4):
        code = order[j]
        digits[code] = rest % sizes[code]
        rest //= sizes[code]
    digits[ROW] = rest
    for _ in range(first, last + 1):
        kinds[serve(digits, write, closes, sizes, timing, banks, groups, channels, acts, window, scalars)] += 1
        j = 0
        digits[order[0]] += 1
        while j < 4 and digits[order[j]] == sizes[order[j]]:
            digits[order[j]] = 0
            j += 1
            digits[order[j]] += 1


@njit(cache=True)
def _lists(tensor, axes, size8, tile, base, before, mode, inner, numbers, on_chip, marks, lists, counts):
    """Indices along each axis of what the children under an instance miss, from the plane's corner in DRAM on."""
    for a in range(5):
        group = AXES[tensor, a]
        plane = tensor == IFMAP and group >= 4
        if group >= 4 and not plane:
            # filter taps R, S or ofmap positions P, Q: one dim of the group's two
            slot = 0 if tensor == PSUM else 1
            counts[a] = _one_dim(
                GROUP_DIMS[group, slot], slot, base, inner[group], numbers[group], tile, size8, marks, lists[a]
            )
            continue
        axis = axes[group - 4] if plane else axes[0]
        low, high = 0, len(marks)
        if plane and on_chip:
            low, high = axis[2], axis[2] + axis[3]
        counts[a] = _axis_list(
            plane, group, axis, base, before, mode == group, inner[group], numbers[group], tile, size8, low, high,
            marks, lists[a],
        )  # fmt: skip
        if low > 0:
            for i in range(counts[a]):
                lists[a, i] -= low


@njit(cache=True)
def walk(
    log, fresh, narrow, base_of, before_of, mode_of, parts, offsets, instances, inner, numbers, tile, extent, origin,
    axes, size8, on_chip, word_bits, burst_bits, closes, order, sizes, timing, queue, per_clock, down, up, kinds,
):  # fmt: skip
    """Serve every transfer of a layer in program order.

    Parameters (the first axis of most is the tensor)
    ----------
    log : int64[transfer], 2 * tensor + 1 for a drain. fresh : uint8[3, version], psums that
        have nothing to read. narrow : uint8[version], psums that are written as ofmap words.
    base_of, before_of : int64[3, version, 8], mode_of : int64[3, version], see
        `moved.version_bases`. parts : int64[3, version], times a psum is moved (unmerged sums).
    offsets : int64[3, instance, 8], instances : int64[3], sets of words that are read apart (unicast).
    inner : int64[3, group, child, 2], numbers : int64[3, group], children under one of them. tile : int64[3, 8].
    word_bits : int64[4], of the tensors and of ofmap words, which lie where their psums do, without gaps.
    extent : int64[3, 5], the tensor in DRAM. origin : int64[3], its first burst.
    per_clock : int64[2], core cycles per DRAM clock as a fraction.

    Fills
    -----
    down, up : int64[3, version], core cycles. kinds : int64[3, 2, 3], bursts that hit, miss and conflict, by direction.
    Returns (core cycles in all, clocks in all, refreshes).
    """
    banks = np.zeros((sizes[CHANNEL] * sizes[GROUP] * sizes[BANK], 4), np.int64)
    groups = np.zeros((sizes[CHANNEL] * sizes[GROUP], 6), np.int64)
    channels = np.zeros((sizes[CHANNEL], 6), np.int64)
    acts = np.zeros((sizes[CHANNEL], 4), np.int64)
    window, scalars, digits = np.zeros(queue, np.int64), np.zeros(4, np.int64), np.zeros(5, np.int64)
    power_up(banks, groups, channels, acts, window, scalars, timing)
    longest = 1
    for a in range(2):
        longest = max(longest, (size8[4 + a] - 1) * axes[a, 0] + (size8[6 + a] - 1) * axes[a, 1] + 1)
    for dim in range(8):
        longest = max(longest, size8[dim])
    marks = np.zeros(longest + 1, np.uint8)
    lists, counts, index = np.zeros((5, longest), np.int64), np.zeros(5, np.int64), np.zeros(5, np.int64)
    base, before = np.zeros(8, np.int64), np.zeros(8, np.int64)
    at = np.zeros((3, 2), np.int64)
    passed = 0
    for entry in log:
        t, drain = entry // 2, entry % 2
        while not drain and fresh[t, at[t, drain]]:
            at[t, drain] += 1
        v = at[t, drain]
        at[t, drain] += 1
        bits = word_bits[3] if drain and narrow[v] else word_bits[t]
        for i in range(instances[t]):
            inside = True
            for dim in range(8):
                base[dim] = base_of[t, v, dim] + offsets[t, i, dim]
                before[dim] = before_of[t, v, dim] + offsets[t, i, dim]
                inside = inside and base[dim] < size8[dim]
            if not inside:
                continue
            _lists(
                t,
                axes,
                size8,
                tile[t],
                base,
                before,
                mode_of[t, v],
                inner[t],
                numbers[t],
                on_chip,
                marks,
                lists,
                counts,
            )
            if counts.min() == 0:
                continue
            # axes that are moved whole make longer runs of the one before them
            axis, unit = 4, 1
            while axis > 0 and counts[axis] == extent[t, axis]:
                unit *= extent[t, axis]
                axis -= 1
            for _ in range(parts[t, v]):
                index[:] = 0
                done = -1
                more = True
                while more:
                    above = 0
                    for a in range(axis):
                        above = above * extent[t, a] + lists[a, index[a]]
                    above *= extent[t, axis]
                    j = 0
                    while j < counts[axis]:
                        start = lists[axis, j]
                        while j + 1 < counts[axis] and lists[axis, j + 1] == lists[axis, j] + 1:
                            j += 1
                        stop = lists[axis, j] + 1
                        j += 1
                        first = max((above + start) * unit * bits // burst_bits, done + 1)
                        last = ((above + stop) * unit * bits - 1) // burst_bits
                        if first <= last:
                            serve_run(
                                origin[t] + first, origin[t] + last, drain == 1, closes, order, sizes, timing, banks,
                                groups, channels, acts, window, scalars, digits, kinds[t, drain],
                            )  # fmt: skip
                            done = last
                    a = axis - 1
                    while a >= 0 and index[a] + 1 == counts[a]:
                        index[a] = 0
                        a -= 1
                    more = a >= 0
                    if more:
                        index[a] += 1
        now = (scalars[END] * per_clock[0] + per_clock[1] - 1) // per_clock[1]
        if drain:
            up[t, v] = now - passed
        else:
            down[t, v] = now - passed
        passed = now
    return passed, scalars[END], scalars[REFRESHES]
