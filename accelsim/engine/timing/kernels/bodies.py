"""Bodies: what the inner step loops do in one iteration of the outer ones, written down once per kind.

Two iterations of the outer loops run the same body if every table the words come from (`tables.tabulate`) holds the
same there, the same loop has just moved, and psums find the same past. So the outer loops alone are walked; a body is
generated (`versions.generate`) when its kind is first met, and the whole layer is a list of kinds.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from accelsim.engine.nest.kernels.groups import in_group
from accelsim.engine.nest.kernels.records import (
    AWAY,
    CHILD,
    DIM,
    EARLIER,
    FACTOR,
    FRESH,
    GROUPS,
    LEVEL,
    NDIMS,
    OWN,
    PSUM,
    RUNS,
    STEP,
    TENSOR,
)
from accelsim.engine.timing.kernels.odometer import Odometer, odometer, open_sums, psum_level, step_on, step_rows
from accelsim.engine.timing.kernels.versions import ABOVE, NARROWED, ON_DRAIN, Past, Room, generate
from accelsim.engine.words.kernels.tables import COMBINATIONS, LISTED
from accelsim.jit import njit, part


class Kinds(NamedTuple):
    """Every kind of body, one after another in flat arrays.

    at, many : int64[kind, x], where a stream's versions lie and how many there are. steps_at : int64[kind + 1].
    begin, back, tile : int64[version], as of `versions.Room`, counted from the body's beginning.
    work : int64[version, slot]. n, phi : int64[step]. sums : int64[kind, x, column].
    """

    at: np.ndarray
    many: np.ndarray
    steps_at: np.ndarray
    begin: np.ndarray
    back: np.ndarray
    tile: np.ndarray
    work: np.ndarray
    n: np.ndarray
    phi: np.ndarray
    sums: np.ndarray


class Bodies(NamedTuple):
    """A layer as a list of bodies.

    kind : int32[body]. first : int64[body + 1], first steps. tiles : int64[body, x], psums: number of the body's first
    tile. number : int64[x], versions.
    Of slow streams, which begin at most one version a body and that at its start, all versions are written down:
    slow : uint8[x]; start : int64[x + 1]; begin, back, tile, work as above.
    """

    kind: np.ndarray
    first: np.ndarray
    tiles: np.ndarray
    number: np.ndarray
    slow: np.ndarray
    start: np.ndarray
    begin: np.ndarray
    back: np.ndarray
    tile: np.ndarray
    work: np.ndarray


class Outer(NamedTuple):
    """What the outer loops leave of a layer to its bodies.

    classes_at, classes : from `classify`. tiles_at, tiles : int64[x], where a stream's tiles of one body begin, and how
    many; most : int64[x + 1], where its versions of one body begin in a scratch.
    """

    classes_at: np.ndarray
    classes: np.ndarray
    tiles_at: np.ndarray
    tiles: np.ndarray
    most: np.ndarray


class Drained(NamedTuple):
    """What bodies before left of psums.

    at : int64[x + 1], where the tiles of a stream are in body, version : int64[tile], the last that drained each, -1
    for none. since : int64[x], the body in which the latest version began; refilled : uint8[x], whether it read back.
    """

    at: np.ndarray
    body: np.ndarray
    version: np.ndarray
    since: np.ndarray
    refilled: np.ndarray


class Table(NamedTuple):
    """Kinds found by their keys: keys int64[kind, ..]; slots int64[a power of two], all -1 at first."""

    keys: np.ndarray
    slots: np.ndarray


class _Walk(NamedTuple):
    """Where a walk has got to and what it has seen. extent : int64[dim], of a body; level : that keeps psums."""

    odo: Odometer
    extent: np.ndarray
    level: int
    drained: Drained
    past: Past
    room: Room
    key: np.ndarray


@njit(cache=True)
def _same_block(row_of, one, other, inner):
    """Whether two outer combinations see the same words in all inner ones."""
    i = 0
    while i < inner and row_of[one * inner + i] == row_of[other * inner + i]:
        i += 1
    return i == inner


@njit(cache=True)
def classify(layer, cut):
    """Number the outer combinations of every (stream, group) by what the tables hold there.

    Returns
    -------
    classes_at : int64[x, group], where a group's numbers begin in classes : int64[..], by outer combination.
    """
    loops, streams, at = layer.loops, layer.streams, layer.at
    rows = step_rows(loops, layer.inside)
    n = streams.shape[0]
    classes_at = np.zeros((n, GROUPS), np.int64)
    outer = np.ones((n, GROUPS), np.int64)
    total = 0
    for x in range(n):
        for group in range(GROUPS):
            for t in range(cut):
                if loops[rows[t], LEVEL] < streams[x, 2] and in_group(loops[rows[t], DIM], group):
                    outer[x, group] *= loops[rows[t], FACTOR]
            classes_at[x, group] = total
            total += outer[x, group]
    classes = np.empty(total, np.int64)
    for x in range(n):
        for group in range(GROUPS):
            listed, combinations = at[x, group, LISTED], at[x, group, COMBINATIONS]
            mine = layer.row_of[listed : listed + combinations]
            inner = combinations // outer[x, group]
            kept = np.empty(outer[x, group], np.int64)
            found = 0
            for o in range(outer[x, group]):
                own = -1
                for i in range(found):
                    if _same_block(mine, kept[i], o, inner):
                        own = i
                        break
                if own < 0:
                    own = found
                    kept[found] = o
                    found += 1
                classes[classes_at[x, group] + o] = own
    return classes_at, classes


@njit(cache=True)
def walk(layer, cut, outer, kinds, bodies, table):
    """Walk the outer loops; fill `kinds` and `bodies`.

    layer : `odometer.Tabled`. cut : the outer loops.

    Returns
    -------
    (kinds, bodies); kinds is -1 where `kinds` has no room left.
    """
    rows = step_rows(layer.loops, layer.inside)
    odo = odometer(layer, rows[:cut], 0, np.zeros(cut + 1, np.int64))
    extent = np.ones(NDIMS, np.int64)
    for t in range(cut):
        extent[layer.loops[rows[t], DIM]] = layer.loops[rows[t], STEP]
    drained, level = _nothing_drained(layer, odo), psum_level(layer.streams)
    past, room = _room(layer, rows[cut:], outer, kinds)
    bodies.number[:] = 0
    bodies.first[0] = kinds.steps_at[0] = 0
    key = np.zeros(table.keys.shape[1], np.int64)
    return _list_all(layer, cut, _Walk(odo, extent, level, drained, past, room, key), outer, kinds, bodies, table)


@njit(_nrt=False)
def _list_all(layer, cut, scratch, outer, kinds, bodies, table):
    """See `walk`; nothing is allocated here for a body like one before, so references need not be counted."""
    odo, extent, level, drained, past, room, key = scratch
    found, used, listed, carry = 0, 0, 0, -1
    while True:
        _lay_key(layer, odo, carry, level, extent, outer, drained, past.before, key)
        slot = _slot(table, key)
        kind = table.slots[slot]
        if kind < 0:
            steps = generate(layer, cut, odo.now, carry, past, room)
            used = _add_kind(found, used, steps, outer, past, room, kinds, table)
            if used < 0:
                return -1, 0
            kind = table.slots[slot] = found
            for i in range(key.shape[0]):
                table.keys[kind, i] = key[i]
            found += 1
        _add_body(layer, odo, kind, listed, outer, kinds, drained, bodies)
        listed += 1
        carry = step_on(layer, odo, 0)
        if carry < 0:
            return found, listed


@njit(cache=True)
def _nothing_drained(layer, odo):
    n = layer.streams.shape[0]
    at = np.zeros(n + 1, np.int64)
    for x in range(n):
        at[x + 1] = at[x] + (odo.tiles[x] if layer.streams[x, TENSOR] == PSUM else 0)
    none = np.full((2, at[n] + 1), -1, np.int64)
    return Drained(at, none[0], none[1], np.zeros(n, np.int64), np.zeros(n, np.uint8))


@njit(cache=True)
def _room(layer, inner, outer, kinds):
    """Scratch for one body; inner : rows of its loops."""
    n, most, steps = layer.streams.shape[0], outer.most[outer.most.shape[0] - 1] + 1, 1
    for t in range(inner.shape[0]):
        steps *= layer.loops[inner[t], FACTOR]
    last = np.empty(max(outer.tiles_at[n - 1] + outer.tiles[n - 1], 1) if n else 1, np.int32)
    past = Past(np.zeros(n, np.int64), np.zeros((n, 3), np.int64), np.zeros((n, 3), np.uint8), outer.tiles_at, last)
    room = Room(
        outer.most[:n], outer.most[1:], np.empty(most, np.int64), np.zeros((most, kinds.work.shape[1]), np.int64),
        np.empty(most, np.int64), np.zeros(most, np.int64), np.empty(steps, np.int64), np.empty(steps, np.int64),
        np.zeros((n, kinds.sums.shape[2]), np.int64),
    )  # fmt: skip
    return past, room


@part
def _lay_key(layer, odo, carry, level, extent, outer, drained, before, key):
    """The key of a body: equal ones are of one kind. level : that keeps psums. Fills `before`, see `versions.Past`."""
    streams = layer.streams
    key[0] = carry
    key[1] = 0
    for t in range(odo.rows.shape[0]):
        row = odo.rows[t]
        if layer.loops[row, LEVEL] >= level and odo.now[t] > 0 and OWN[PSUM, layer.loops[row, DIM]]:
            key[1] = 1
    for dim in range(NDIMS):
        key[2 + dim] = min(extent[dim], layer.bounds[dim] - odo.base[dim])
    if layer.ends.shape[0]:  # runs of pixels: as long as this one, or none is like these
        run = odo.base[RUNS]
        key[2 + RUNS] = layer.ends[run + 1] - layer.ends[run] if extent[RUNS] == 1 else -1 - run
    to = 2 + NDIMS
    for x in range(streams.shape[0]):
        for group in range(GROUPS):
            key[to] = outer.classes[outer.classes_at[x, group] + odo.combo[x, group]]
            to += 1
        if streams[x, TENSOR] == PSUM:
            last, above = drained.body[drained.at[x] + odo.tile[x]], streams[x, ABOVE]
            before[x, 0] = last >= 0
            before[x, 1] = above >= 0 and last < drained.since[above]
            before[x, 2] = above >= 0 and streams[above, ON_DRAIN] == 0 and drained.refilled[above] == 1
            key[to] = before[x, 0] + 2 * before[x, 1] + 4 * before[x, 2]
            if streams[x, NARROWED]:
                # of the loops outside, whether any goes on to other C, R or S; whether one does at all
                key[to] += 8 * open_sums(layer, odo, streams[x, CHILD], False)
                key[to] += 16 * open_sums(layer, odo, streams[x, CHILD], True)
            to += 1


@part
def _slot(table, key):
    """Where in the hash table a key is, or is to be."""
    h = 0
    for i in range(key.shape[0]):
        h = h * 1000003 + key[i]
    slot = (h ^ (h >> 31)) & (table.slots.shape[0] - 1)
    while table.slots[slot] >= 0:
        i = 0
        while i < key.shape[0] and table.keys[table.slots[slot], i] == key[i]:
            i += 1
        if i == key.shape[0]:
            break
        slot = (slot + 1) & (table.slots.shape[0] - 1)
    return slot


@njit(_nrt=True)
def _add_kind(kind, used, steps, outer, past, room, kinds, table):
    """Write down what was generated as a kind of its own; gives the versions of all kinds, -1: there is no room."""
    stepped, total = kinds.steps_at[kind] + steps, past.number.sum()
    if kind + 1 >= table.keys.shape[0] or used + total > kinds.begin.shape[0] or stepped > kinds.n.shape[0]:
        return -1
    kinds.sums[kind] = room.sums
    kinds.n[kinds.steps_at[kind] : stepped] = room.step_n[:steps]
    kinds.phi[kinds.steps_at[kind] : stepped] = room.step_phi[:steps]
    kinds.steps_at[kind + 1] = stepped
    for x in range(past.number.shape[0]):
        m, first = past.number[x], outer.most[x]
        kinds.at[kind, x] = used
        kinds.many[kind, x] = m
        kinds.begin[used : used + m] = room.begin[first : first + m]
        kinds.back[used : used + m] = room.back[first : first + m]
        kinds.tile[used : used + m] = room.tile[first : first + m]
        kinds.work[used : used + m] = room.work[first : first + m]
        used += m
    return used


@part
def _add_body(layer, odo, kind, body, outer, kinds, drained, bodies):
    """List one more body of a kind, with all versions of slow streams."""
    bodies.kind[body] = kind
    bodies.first[body + 1] = bodies.first[body] + kinds.steps_at[kind + 1] - kinds.steps_at[kind]
    for x in range(layer.streams.shape[0]):
        m, first = kinds.many[kind, x], kinds.at[kind, x]
        psum, tile = layer.streams[x, TENSOR] == PSUM, drained.at[x] + odo.tile[x]
        if psum:
            bodies.tiles[body, x] = odo.tile[x] * outer.tiles[x]
            if m > 0:
                drained.since[x] = body
                drained.refilled[x] = kinds.back[first + m - 1] != FRESH
                drained.body[tile] = body
        if bodies.slow[x] and m > 0:
            v = bodies.start[x] + bodies.number[x]
            bodies.begin[v] = bodies.first[body]
            for slot in range(kinds.work.shape[1]):
                bodies.work[v, slot] = kinds.work[first, slot]
            bodies.tile[v] = kinds.tile[first]
            bodies.back[v] = kinds.back[first]
            if psum:
                bodies.tile[v] += odo.tile[x] * outer.tiles[x]
                if kinds.back[first] == EARLIER or kinds.back[first] == AWAY:
                    bodies.back[v] = drained.version[tile]
                drained.version[tile] = bodies.number[x]
        bodies.number[x] += m
