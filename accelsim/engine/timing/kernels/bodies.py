"""Bodies: what the inner step loops do in one iteration of the outer ones, written down once per kind.

Two iterations of the outer loops run the same body if every table the words come from (`tables.tabulate`) holds the
same there, the same loop has just moved, and psums find the same past. So the outer loops alone are walked; a body is
generated (`versions.generate`) when its kind is first met, and the whole layer is a list of kinds.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from accelsim.engine.nest.kernels.tiles import (
    DIM,
    FACTOR,
    GROUPS,
    KIND,
    LEVEL,
    OWN,
    PSUM,
    STEP,
    in_group,
)
from accelsim.engine.timing.kernels.versions import EARLIER, generate, open_sums
from accelsim.engine.words.kernels.tables import COMBINATIONS, LISTED
from accelsim.jit import njit


class Kinds(NamedTuple):
    """Every kind of body, one after another in flat arrays.

    at, many : int64[kind, x], where a stream's versions lie and how many there are. steps_at : int64[kind + 1].
    begin, back, tile : int64[version], as of `versions.generate`, counted from the body's beginning.
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


class Layer(NamedTuple):
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


@njit(cache=True)
def step_rows(loops, inside):
    """Rows of the temporal loops above level `inside`, outermost first."""
    rows = np.empty(loops.shape[0], np.int64)
    n = 0
    for i in range(loops.shape[0]):
        if loops[i, KIND] == 0 and loops[i, LEVEL] < inside:
            rows[n] = i
            n += 1
    return rows[:n]


@njit(cache=True)
def _same_block(row_of, one, other, inner):
    """Whether two outer combinations see the same words in all inner ones."""
    i = 0
    while i < inner and row_of[one * inner + i] == row_of[other * inner + i]:
        i += 1
    return i == inner


@njit(cache=True)
def classify(loops, inside, streams, at, row_of, cut):
    """Number the outer combinations of every (stream, group) by what the tables hold there.

    Returns
    -------
    place : int64[x, group], where a group's numbers begin in classes : int64[..], by outer combination.
    """
    rows = step_rows(loops, inside)
    n = streams.shape[0]
    place = np.zeros((n, GROUPS), np.int64)
    outer = np.ones((n, GROUPS), np.int64)
    total = 0
    for x in range(n):
        for group in range(GROUPS):
            for t in range(cut):
                if loops[rows[t], LEVEL] < streams[x, 2] and in_group(loops[rows[t], DIM], group):
                    outer[x, group] *= loops[rows[t], FACTOR]
            place[x, group] = total
            total += outer[x, group]
    classes = np.empty(total, np.int64)
    for x in range(n):
        for group in range(GROUPS):
            listed, combinations = at[x, group, LISTED], at[x, group, COMBINATIONS]
            mine = row_of[listed : listed + combinations]
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
                classes[place[x, group] + o] = own
    return place, classes


@njit(cache=True)
def walk(
    loops, inside, size8, streams, at, row_of, cells, macs_per_cycle, uses, rates, cut, place, classes,
    inner_at, inner_tiles, most, kinds, layer, keys, table,
):  # fmt: skip
    """Walk the outer loops; fill `kinds` and `layer`.

    Parameters
    ----------
    streams : int64[x, 8] and the tables as of `versions.generate`. place, classes : from `classify`.
    inner_at, inner_tiles : int64[x], where a stream's tiles of one body begin, and how many; most : int64[x + 1], where
        its versions of one body begin in a scratch.
    keys : int64[kind, ..] scratch. table : int64[a power of two], all -1.

    Returns
    -------
    (kinds, bodies); kinds is -1 where `kinds` has no room left.
    """
    rows = step_rows(loops, inside)
    n, nt = streams.shape[0], rows.shape[0]
    index, base = np.zeros(cut + 1, np.int64), np.zeros(8, np.int64)
    stride = np.zeros((n, cut + 1), np.int64)
    group_of = np.zeros(cut + 1, np.int64)
    own_stride = np.zeros((n, cut + 1), np.int64)
    own_tiles = np.ones(n, np.int64)
    for x in range(n):
        running = np.ones(GROUPS, np.int64)
        for t in range(cut - 1, -1, -1):
            row = rows[t]
            for group in range(GROUPS):
                if in_group(loops[row, DIM], group):
                    group_of[t] = group
            if loops[row, LEVEL] >= streams[x, 2]:
                continue
            stride[x, t] = running[group_of[t]]
            running[group_of[t]] *= loops[row, FACTOR]
            if OWN[streams[x, 0], loops[row, DIM]]:
                own_stride[x, t] = own_tiles[x]
                own_tiles[x] *= loops[row, FACTOR]
    extent = np.ones(8, np.int64)
    for t in range(cut):
        extent[loops[rows[t], DIM]] = loops[rows[t], STEP]
    psum_level = 0
    past = np.zeros(n + 1, np.int64)
    for x in range(n):
        past[x + 1] = past[x]
        if streams[x, 0] == PSUM:
            past[x + 1] += own_tiles[x]
            psum_level = max(psum_level, streams[x, 2])
    last_body = np.full(past[n] + 1, -1, np.int64)
    last_version = np.full(past[n] + 1, -1, np.int64)
    since = np.zeros(n, np.int64)  # the body in which a psum version began, and whether it was refilled
    refilled = np.zeros(n, np.uint8)
    number = layer.number
    number[:] = 0
    combo = np.zeros((n, GROUPS), np.int64)
    own = np.zeros(n, np.int64)
    before = np.zeros((n, 3), np.uint8)
    # one body's scratch
    steps = 1
    for t in range(cut, nt):
        steps *= loops[rows[t], FACTOR]
    s_number = np.zeros(n, np.int64)
    s_begin, s_back = np.empty(most[n] + 1, np.int64), np.empty(most[n] + 1, np.int64)
    s_tile, s_work = np.zeros(most[n] + 1, np.int64), np.zeros((most[n] + 1, kinds.work.shape[1]), np.int64)
    s_n, s_phi = np.empty(steps, np.int64), np.empty(steps, np.int64)
    s_sums = np.zeros((n, kinds.sums.shape[2]), np.int64)
    tile_last = np.empty(max(inner_at[n - 1] + inner_tiles[n - 1], 1) if n else 1, np.int32)
    found, used, bodies = 0, 0, 0
    carry = -1
    layer.first[0] = 0
    kinds.steps_at[0] = 0
    key = np.zeros(keys.shape[1], np.int64)
    while True:
        # what tells this body from others
        key[0] = carry
        key[1] = 0
        for t in range(cut):
            if loops[rows[t], LEVEL] >= psum_level and index[t] > 0 and OWN[PSUM, loops[rows[t], DIM]]:
                key[1] = 1
        for dim in range(8):
            key[2 + dim] = min(extent[dim], size8[dim] - base[dim])
        at_key = 10
        for x in range(n):
            for group in range(GROUPS):
                key[at_key] = classes[place[x, group] + combo[x, group]]
                at_key += 1
            if streams[x, 0] == PSUM:
                last, above = last_body[past[x] + own[x]], streams[x, 5]
                before[x, 0] = last >= 0
                before[x, 1] = above >= 0 and last < since[above]
                before[x, 2] = above >= 0 and streams[above, 6] == 0 and refilled[above]
                key[at_key] = before[x, 0] + 2 * before[x, 1] + 4 * before[x, 2]
                if streams[x, 7]:
                    # of the loops outside, whether any goes on to other C, R or S; whether one does at all
                    child = streams[x, 2]
                    key[at_key] += 8 * open_sums(loops, rows[:cut], index, base, size8, child, False)
                    key[at_key] += 16 * open_sums(loops, rows[:cut], index, base, size8, child, True)
                at_key += 1
        h = 0
        for i in range(at_key):
            h = h * 1000003 + key[i]
        slot = (h ^ (h >> 31)) & (table.shape[0] - 1)
        while table[slot] >= 0:
            other = keys[table[slot]]
            i = 0
            while i < at_key and other[i] == key[i]:
                i += 1
            if i == at_key:
                break
            slot = (slot + 1) & (table.shape[0] - 1)
        kind = table[slot]
        if kind < 0:
            steps = generate(
                loops, inside, size8, streams, at, row_of, cells, macs_per_cycle, uses, rates, cut, index, carry,
                before, most, s_number, s_begin, s_work, s_back, s_tile, inner_at, tile_last, s_n, s_phi, s_sums,
            )  # fmt: skip
            kind = found
            total = 0
            for x in range(n):
                total += s_number[x]
            stepped = kinds.steps_at[kind] + steps
            if kind + 1 >= keys.shape[0] or used + total > kinds.begin.shape[0] or stepped > kinds.n.shape[0]:
                return -1, 0
            found += 1
            table[slot] = kind
            keys[kind] = key
            kinds.sums[kind] = s_sums
            kinds.n[kinds.steps_at[kind] : stepped] = s_n[:steps]
            kinds.phi[kinds.steps_at[kind] : stepped] = s_phi[:steps]
            kinds.steps_at[kind + 1] = stepped
            for x in range(n):
                m = s_number[x]
                kinds.at[kind, x] = used
                kinds.many[kind, x] = m
                kinds.begin[used : used + m] = s_begin[most[x] : most[x] + m]
                kinds.back[used : used + m] = s_back[most[x] : most[x] + m]
                kinds.tile[used : used + m] = s_tile[most[x] : most[x] + m]
                kinds.work[used : used + m] = s_work[most[x] : most[x] + m]
                used += m
        layer.kind[bodies] = kind
        steps = kinds.steps_at[kind + 1] - kinds.steps_at[kind]
        layer.first[bodies + 1] = layer.first[bodies] + steps
        for x in range(n):
            m, first = kinds.many[kind, x], kinds.at[kind, x]
            if streams[x, 0] == PSUM:
                layer.tiles[bodies, x] = own[x] * inner_tiles[x]
                p = past[x] + own[x]
                if m > 0:
                    since[x] = bodies
                    refilled[x] = kinds.back[first + m - 1] != -2
                    last_body[p] = bodies
            if layer.slow[x] and m > 0:
                v = layer.start[x] + number[x]
                layer.begin[v] = layer.first[bodies]
                layer.work[v] = kinds.work[first]
                layer.tile[v] = kinds.tile[first]
                layer.back[v] = kinds.back[first]
                if streams[x, 0] == PSUM:
                    layer.tile[v] += own[x] * inner_tiles[x]
                    if kinds.back[first] == EARLIER:
                        layer.back[v] = last_version[past[x] + own[x]]
                    last_version[past[x] + own[x]] = number[x]
            number[x] += m
        bodies += 1
        # the next body
        carry = cut - 1
        while carry >= 0:
            dim = loops[rows[carry], DIM]
            step = loops[rows[carry], STEP]
            if index[carry] + 1 < loops[rows[carry], FACTOR] and base[dim] + step < size8[dim]:
                break
            base[dim] -= index[carry] * step
            for x in range(n):
                combo[x, group_of[carry]] -= index[carry] * stride[x, carry]
                own[x] -= index[carry] * own_stride[x, carry]
            index[carry] = 0
            carry -= 1
        if carry < 0:
            return found, bodies
        index[carry] += 1
        base[loops[rows[carry], DIM]] += loops[rows[carry], STEP]
        for x in range(n):
            combo[x, group_of[carry]] += stride[x, carry]
            own[x] += own_stride[x, carry]
