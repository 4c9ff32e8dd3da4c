"""When the passes of a fused group run and its transfers go: one sweep in key order (docs/model.md, T3, T9, T15)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from accelsim.jit import njit, part

Ints = npt.NDArray[np.int64]


class Passes(NamedTuple):
    """int64[pass], in order.

    cycles : of the array. tile : it belongs to. ends : 1 where it is the last of its tile.
    """

    cycles: Ints
    tile: Ints
    ends: Ints


class Transfers(NamedTuple):
    """What comes into the buffer, in the order of its keys: int64[transfer], but for `work`.

    work : int64[transfer, port], cycles on each port. kappa : the pass after which it may go. needed : the first pass
    that waits for it. after : the pass whose end it waits for, beside : the pass it is streamed on, freed : the tile
    whose drain has to be over, back : the tile whose drained words it fetches; -1: none.
    slice : -1: the pass waits for all of it; else units of which it waits, the rest comes while it runs.
    cause : what a stall on it is charged to. latency : cycles behind it.
    """

    work: Ints
    kappa: Ints
    needed: Ints
    after: Ints
    beside: Ints
    freed: Ints
    back: Ints
    slice: Ints
    cause: Ints
    latency: Ints


class Drains(NamedTuple):
    """What leaves it, tile by tile.

    work : int64[tile, port], cycles on each port, all -1 where nothing leaves. closes : int64[tile], its last pass.
    opens : int64[tile], the pass that waits for its end, since it takes its place; -1: none. latency : behind it.
    cause : what a stall on it is charged to.
    """

    work: Ints
    closes: Ints
    opens: Ints
    latency: int
    cause: int


class Times(NamedTuple):
    """What comes of it, and what is remembered on the way.

    begins, ends : int64[pass]. gap, cause : int64[pass], cycles the array idles before it, and for what. stretch :
    int64[pass], cycles its last unit waits for the rest of its filter. arrived, late : int64[pass], when what it waits
    for is there, and the earliest end of its last unit.
    came, come : int64[transfer], its begin and end. left, gone : int64[tile], those of its drain.
    free : int64[port], until when it is held.
    """

    begins: Ints
    ends: Ints
    gap: Ints
    cause: Ints
    stretch: Ints
    arrived: Ints
    late: Ints
    came: Ints
    come: Ints
    left: Ints
    gone: Ints
    free: Ints


@njit(_nrt=False)
def run(passes, transfers, drains, times):
    """T9: all activities in key order; gives the cycle at which everything has landed."""
    at, last = 0, 0
    for k in range(-1, len(passes.cycles)):
        if k >= 0:
            last = max(last, compute(k, passes, times))
            if passes.ends[k]:
                last = max(last, drain(k, passes, drains, times))
        while at < len(transfers.kappa) and transfers.kappa[at] == k:
            last = max(last, fetch(at, passes, transfers, drains, times))
            at += 1
    return last


@part
def compute(k, passes, times):
    """C(k): from when all it waits for is there and the pass before is over; gives its end."""
    before = times.ends[k - 1] if k else 0
    times.begins[k] = max(before, times.arrived[k])
    times.gap[k] = times.begins[k] - before
    alone = times.begins[k] + passes.cycles[k]
    times.ends[k] = max(alone, times.late[k])
    times.stretch[k] = times.ends[k] - alone
    return times.ends[k]


@part
def drain(k, passes, drains, times):
    """D of the tile that pass k ends; gives when it has landed."""
    tile = passes.tile[k]
    times.left[tile] = times.gone[tile] = times.ends[k]
    most = longest(drains.work, tile)
    if most < 0:
        return 0
    begins = max(times.ends[k], port_free(drains.work, tile, times))
    times.left[tile] = begins
    times.gone[tile] = begins + most
    hold(drains.work, tile, begins, 0, times)
    if drains.opens[tile] >= 0:
        arrive(drains.opens[tile], times.gone[tile], drains.cause, times)
    return times.gone[tile] + drains.latency


@part
def fetch(at, passes, transfers, drains, times):
    """F or W: a tile of an input, or a filter, comes; gives when it has landed."""
    most, on_pass, stream_end = longest(transfers.work, at), 0, 0
    after, beside, needed = transfers.after[at], transfers.beside[at], transfers.needed[at]
    if after >= 0:
        on_pass = times.ends[after]
    if beside >= 0:
        # T6: a unit after the first of the pass before, it takes the place of what that has used
        began = times.begins[beside] + 1 if passes.cycles[beside] > 1 and most > 1 else times.ends[beside]
        on_pass = max(on_pass, began)
        stream_end = times.ends[beside] + 1 if most > 1 else 0
    on_drain, key = _drained(at, transfers, drains, times)
    free = port_free(transfers.work, at, times)
    begins = max(on_pass, on_drain, free)
    times.came[at] = begins
    times.come[at] = max(begins + most, stream_end)
    hold(transfers.work, at, begins, stream_end, times)
    cause = transfers.cause[at]
    # T15: it was held up by a drain, not by its own port, nor by an earlier pass at the same time
    if begins > free and begins == on_drain and not (on_pass == begins and after <= key):
        cause = drains.cause
    landed, units = times.come[at] + transfers.latency[at], transfers.slice[at]
    if units < 0 or passes.cycles[needed] <= 1:
        arrive(needed, landed, cause, times)
    else:
        first = begins + units if units < most else times.come[at]
        arrive(needed, first + transfers.latency[at], cause, times)
        times.late[needed] = landed + 1
    return landed


@part
def _drained(at, transfers, drains, times):
    """(when the drains are over that a transfer waits for, the last pass of the tile that is the last of them)."""
    over, key = 0, -1
    freed, back = transfers.freed[at], transfers.back[at]
    if freed >= 0 and drains.work[freed, 0] >= 0:
        over, key = times.gone[freed], drains.closes[freed]
    if back >= 0 and drains.work[back, 0] >= 0:
        read = times.gone[back] + drains.latency
        if read > over or (read == over and drains.closes[back] < key):
            over, key = read, drains.closes[back]
    return over, key


@part
def arrive(k, when, cause, times):
    """T15: pass k waits for the latest of all; of those as late, for the first in key order."""
    if when > times.arrived[k]:
        times.arrived[k] = when
        times.cause[k] = cause


@part
def longest(work, at):
    """T2: cycles on the busiest port."""
    most = work[at, 0]
    for port in range(1, work.shape[1]):
        most = max(most, work[at, port])
    return most


@part
def port_free(work, at, times):
    """T9: from when it has all its ports."""
    free = 0
    for port in range(work.shape[1]):
        if work[at, port] > 0:
            free = max(free, times.free[port])
    return free


@part
def hold(work, at, begins, stream_end, times):
    """T2, T3: each port is held for its share, and until the last word was streamed."""
    for port in range(work.shape[1]):
        if work[at, port] > 0:
            times.free[port] = max(begins + work[at, port], stream_end)
