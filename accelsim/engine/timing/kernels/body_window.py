"""The versions around the body at hand, written out for `sweep.advance`; the rest of a layer stays a list of bodies."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from accelsim.engine.nest.kernels.records import EARLIER, PSUM
from accelsim.engine.timing.kernels.located import reach
from accelsim.engine.timing.kernels.records import ABSENT, CURRENT, INNERMOST, SLOTS, TENSOR
from accelsim.jit import njit


class BodyWindow(NamedTuple):
    """The versions written out: of stream x those low <= v < limit, version v at start[x] + v.

    room_at : int64[x + 1], where the room of each stream begins. body : int64[x], the next body to append.
    begin, back, tile, work : as of `versions.Room`.
    """

    room_at: np.ndarray
    start: np.ndarray
    low: np.ndarray
    limit: np.ndarray
    body: np.ndarray
    begin: np.ndarray
    back: np.ndarray
    tile: np.ndarray
    work: np.ndarray


@njit(_nrt=False)
def _append(x, kinds, layer, window, machine):
    """Append stream x's versions of its next body."""
    b = window.body[x]
    kind = layer.kind[b]
    first, m = kinds.at[kind, x], kinds.many[kind, x]
    v = window.limit[x]
    to = window.start[x] + v
    tiles = machine.tile_at[x] + (layer.tiles[b, x] if machine.looks[x] else 0)
    for i in range(m):
        window.begin[to + i] = layer.first[b] + kinds.begin[first + i]
        back = kinds.back[first + i]
        if back >= 0:
            back += v
        elif back == EARLIER and not machine.looks[x]:
            back = -1
        window.back[to + i] = back
        window.tile[to + i] = tiles + kinds.tile[first + i]
        for s in range(kinds.work.shape[1]):
            window.work[to + i, s] = kinds.work[first + i, s]
    window.limit[x] = v + m
    window.body[x] = b + 1


@njit(_nrt=False)
def _drop(x, keep, window):
    """Forget versions before `keep`, to make room."""
    begin = window.start[x] + keep
    n = window.limit[x] - keep
    to = window.room_at[x]
    for i in range(n):
        window.begin[to + i] = window.begin[begin + i]
        window.back[to + i] = window.back[begin + i]
        window.tile[to + i] = window.tile[begin + i]
        for s in range(window.work.shape[1]):
            window.work[to + i, s] = window.work[begin + i, s]
    window.low[x] = keep
    window.start[x] = to - keep


@njit(_nrt=False)
def _room(x, kinds, layer, window, keep):
    """Make room for the next body of stream x; False if there is none to make."""
    m = kinds.many[layer.kind[window.body[x]], x]
    if window.start[x] + window.limit[x] + m > window.room_at[x + 1]:
        _drop(x, keep, window)
        return window.start[x] + window.limit[x] + m <= window.room_at[x + 1]
    return True


@njit(_nrt=False)
def cover(j, at, kinds, layer, window, machine, progress):
    """Write out what body j can look at; at : int64[x], first versions of body j. Returns whether there was room."""
    n = at.shape[0]
    bodies = layer.kind.shape[0]
    until = layer.first[j + 1]
    for x in range(n):
        if layer.slow[x]:
            continue
        keep = max(progress[x, CURRENT], 0)
        if window.limit[x] < at[x]:
            # begin anew at the body that holds the current version
            b, v = j, at[x]
            while v > keep and b > 0:
                b -= 1
                v -= kinds.many[layer.kind[b], x]
            window.body[x], window.limit[x], window.low[x] = b, v, v
            window.start[x] = window.room_at[x] - v
        need = at[x] + kinds.many[layer.kind[j], x] + reach(x, machine) + 2
        if machine.streams[x, TENSOR] == PSUM and not machine.known[x]:
            need = at[x] + kinds.many[layer.kind[j], x] + 2
        while window.body[x] < bodies and (window.limit[x] < need or window.body[x] <= j):
            if not _room(x, kinds, layer, window, keep):
                return False
            _append(x, kinds, layer, window, machine)
        if window.limit[x] > window.low[x]:
            until = max(until, window.begin[window.start[x] + window.limit[x] - 1])
    serial = machine.serial
    if serial >= 0 and machine.lead_first and machine.streams[serial, TENSOR] == PSUM and machine.known[serial]:
        # what is filled far ahead asks whether old psums lead its pass
        asked = 0
        for x in range(n):
            if layer.slow[x] and machine.streams[x, INNERMOST] and not machine.streams[x, ABSENT]:
                v = at[x] + kinds.many[layer.kind[j], x] + machine.streams[x, SLOTS]
                asked = max(asked, layer.begin[layer.start[x] + min(v, layer.number[x] - 1)])
        while not layer.slow[serial] and window.body[serial] < bodies and layer.first[window.body[serial]] <= asked:
            if not _room(serial, kinds, layer, window, max(progress[serial, CURRENT], 0)):
                return False
            _append(serial, kinds, layer, window, machine)
    # a parent's versions must reach as far as its children's
    for x in range(n):
        if layer.slow[x]:
            continue
        while window.body[x] < bodies and layer.first[window.body[x]] <= until:
            if not _room(x, kinds, layer, window, max(progress[x, CURRENT], 0)):
                return False
            _append(x, kinds, layer, window, machine)
    return True
