"""Versions found in a list of bodies, and what a body and all that it can look ahead at consist of."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from accelsim.engine.nest.kernels.records import FRESH, PSUM
from accelsim.engine.timing.kernels.bodies import Bodies, Kinds
from accelsim.engine.timing.kernels.records import (
    ABSENT,
    C_END,
    CURRENT,
    NEVER,
    OLD_PSUM,
    OLD_SLOTS,
    PARENT,
    PASS_END,
    POST,
    SLOTS,
    TENSOR,
    TO_ISSUE,
)
from accelsim.jit import njit, part

MOST_AHEAD = 8


class Body(NamedTuple):
    """Body j of a layer. at : int64[x], the first version of each stream in it. kinds, layer : as of `bodies`."""

    j: int
    at: np.ndarray
    kinds: Kinds
    layer: Bodies


@part
def locate(x, v, body):
    """(body, index there) of version v of a stream that is not slow; at : int64[x], first versions of body j."""
    j, at, kinds, layer = body
    b, first = j, at[x]
    while v < first and b > 0:
        b -= 1
        first -= kinds.many[layer.kind[b], x]
    while b < layer.kind.shape[0] and v >= first + kinds.many[layer.kind[b], x]:
        first += kinds.many[layer.kind[b], x]
        b += 1
    return b, v - first


@part
def _begin(x, v, body):
    """The first step of version v; NEVER after the last."""
    kinds, layer = body.kinds, body.layer
    if layer.slow[x]:
        return layer.begin[layer.start[x] + v] if v < layer.number[x] else NEVER
    b, i = locate(x, v, body)
    return layer.first[b] + kinds.begin[kinds.at[layer.kind[b], x] + i] if b < layer.kind.shape[0] else NEVER


@part
def _is_fresh(x, v, body):
    """Whether psum version v brings no old psums."""
    kinds, layer = body.kinds, body.layer
    if layer.slow[x]:
        return layer.back[layer.start[x] + v] == FRESH
    b, i = locate(x, v, body)
    return kinds.back[kinds.at[layer.kind[b], x] + i] == FRESH


@part
def undrained(x, k, current, body):
    """The first version whose last user comes after step k."""
    return current + (current < 0 or _begin(x, current + 1, body) == k + 1)


@part
def issued_of(x, body, machine, progress):
    """Versions issued of stream x, those of fresh psums that may be skipped again left out."""
    issued = progress[x, TO_ISSUE]
    current = progress[x, CURRENT]
    if machine.streams[x, TENSOR] == PSUM:
        if not machine.known[x]:
            return current + 1
        while issued > current + 1 and _is_fresh(x, issued - 1, body):
            issued -= 1
    return issued


@part
def reach(x, machine):
    """How many versions ahead of its use a fill of stream x can come; old psums wait for the drain just before."""
    return machine.streams[x, OLD_SLOTS] if machine.streams[x, OLD_PSUM] else machine.streams[x, SLOTS]


@njit(_nrt=False)
def read_content(body, machine, out):
    """Write what body j and all it can look ahead at consist of; returns the length, 0 if it looks too far."""
    j, at, kinds, layer = body
    n = at.shape[0]
    bodies = layer.kind.shape[0]
    ahead = 0
    for x in range(n):
        if layer.slow[x] or machine.streams[x, ABSENT] or (machine.streams[x, TENSOR] == PSUM and not machine.known[x]):
            continue
        have, b = 0, j + 1
        while have < reach(x, machine) + 2 and b < bodies and b <= j + MOST_AHEAD + 1:
            have += kinds.many[layer.kind[b], x]
            b += 1
        ahead = max(ahead, b - 1 - j)
    ahead = min(max(ahead, 1), bodies - 1 - j)
    if ahead > MOST_AHEAD:
        return 0
    out[0] = ahead
    m = 1
    for b in range(j, j + ahead + 1):
        out[m] = layer.kind[b]
        m += 1
    end = layer.first[j + 1]
    for x in range(n):
        if not layer.slow[x] or (machine.streams[x, ABSENT] and machine.streams[x, POST] < 0):
            continue
        number = layer.number[x]
        following = at[x] + kinds.many[layer.kind[j], x]
        parent = machine.streams[x, PARENT]
        for p in range(following, following + machine.streams[x, SLOTS] + 1):
            if p >= number:
                out[m] = -1
                m += 1
                continue
            v = layer.start[x] + p
            out[m] = (layer.begin[v] == end) + 2 * (layer.back[v] == FRESH)
            m += 1
            for s in range(layer.work.shape[1]):
                out[m] = layer.work[v, s]
                m += 1
            if parent >= 0 and layer.slow[parent]:
                w = at[parent] + kinds.many[layer.kind[j], parent]
                up = layer.start[parent]
                first = w
                while w < layer.number[parent] and layer.begin[up + w] <= layer.begin[v] and w - first < 4:
                    w += 1
                out[m] = w - first
                m += 1
    return m


@part
def opens_pass(j, machine, kinds, layer):
    """Whether body j begins a pass, and so with a C after all C before have left the array."""
    serial = machine.serial
    if serial < 0 or machine.wave >= 0 or j >= layer.kind.shape[0]:
        return False
    if machine.streams[serial, TENSOR] != PSUM and machine.streams[serial, ABSENT]:
        return False
    kind = layer.kind[j]
    return kinds.many[kind, serial] > 0 and kinds.begin[kinds.at[kind, serial]] == 0


@part
def moment(apart, state):
    """No C of the next body begins before; apart : whether it begins a pass."""
    return state.scalars[PASS_END] if apart else state.scalars[C_END]
