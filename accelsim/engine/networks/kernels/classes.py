"""Which transfers over a network with links are alike: the key of each, and the versions of a stream by key.

A key says, per group of dims, where a transfer begins and began before, and whether the edge of the plane clips it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from accelsim.engine.nest.kernels.records import GROUP_DIMS, GROUPS
from accelsim.engine.nest.kernels.steps import WHOLE, next_tile, slider
from accelsim.jit import njit, part

WIDE = 5  # numbers of a key for each group: begin and begin before along its two dims, whether the plane clips it


class Kin(NamedTuple):
    """What decides which transfers of a stream are alike.

    loops : int64[loop, 4], (dim, factor, step, level) of the steps. child : its level. slides : sliding reuse, ifmap
        only. hidden : padding that is made on the chip is not sent.
    bounds : int64[dim]. span : int64[dim], from the first to the last index of any child. axes : int64[2, 4].
    """

    loops: np.ndarray
    tensor: int
    child: int
    slides: bool
    hidden: bool
    bounds: np.ndarray
    span: np.ndarray
    axes: np.ndarray


class Known(NamedTuple):
    """The classes met so far. keys : int64[room, 30]; number : int64[1], how many there are.

    table : int64[a power of two, twice the room at least], where in `keys` the key of a hash is, -1: nowhere.
    """

    keys: np.ndarray
    number: np.ndarray
    table: np.ndarray


@part
def _key_part(group, kin, key):
    """Bring (now, before) of one group, key[:4], to what all equal transfers share; key[4]: clipped by the plane.

    A tile that nothing clips is like any other: it is shifted to where the last such one lies.
    """
    bounds, span = kin.bounds, kin.span
    clipped = False
    if kin.hidden and group >= 4:
        low, high = 0, 0
        for slot in range(2):
            dim = GROUP_DIMS[group, slot]
            low += kin.axes[group - 4, slot] * key[slot]
            high += kin.axes[group - 4, slot] * (min(key[slot] + span[dim], bounds[dim]) - 1)
        edge = kin.axes[group - 4, 2]
        clipped = low < edge or high >= edge + kin.axes[group - 4, 3]
    key[4] = 1 if clipped else 0
    for slot in range(2):
        dim = GROUP_DIMS[group, slot]
        if dim >= 0 and not clipped:
            shift = max(bounds[dim] - span[dim] - max(key[slot], key[2 + slot]), 0)
            key[slot] += shift
            key[2 + slot] += shift


@njit(cache=True, _nrt=False)
def key_parts(group, now, before, kin, out):
    """Fill out : int64[combination, 5], one group's part of keys, from bases int64[combination, 2] now and before."""
    for i in range(len(now)):
        for slot in range(2):
            out[i, slot] = now[i, slot]
            out[i, 2 + slot] = before[i, slot]
        _key_part(group, kin, out[i])


@part
def _look_up(known, row):
    """Where in the table the key in keys[row] is, or is to be."""
    mix = 0
    for i in range(known.keys.shape[1]):
        mix = (mix * 1000003 + known.keys[row, i]) & 0xFFFFFFFFFFFF
    at = mix & (len(known.table) - 1)
    while known.table[at] >= 0:
        same = True
        for i in range(known.keys.shape[1]):
            same = same and known.keys[known.table[at], i] == known.keys[row, i]
        if same:
            break
        at = (at + 1) & (len(known.table) - 1)
    return at


@njit(cache=True, _nrt=False)
def enter(known):
    """Enter all keys into an empty table, larger than before."""
    for row in range(known.number[0]):
        known.table[_look_up(known, row)] = row


@part
def _make_key(kin, slides, base, before, key):
    """The key of a transfer."""
    along = slider(kin.tensor, base, before) if slides else WHOLE
    for group in range(GROUPS):
        mine = key[WIDE * group : WIDE * (group + 1)]
        for slot in range(2):
            dim = GROUP_DIMS[group, slot]
            mine[slot], mine[2 + slot] = 0, 0
            if dim >= 0:
                mine[slot] = base[dim]
                mine[2 + slot] = before[dim] if along == group else base[dim]
        _key_part(group, kin, mine)


@njit(cache=True, _nrt=False)
def classify(begin, first, kin, walked, known, index):
    """Find the class of the versions that begin next, from begin[first] on; returns up to which there was room.

    begin : int64[version], first steps. Fills index : int64[version], the class of each.
    """
    v, going = first, 0
    while v < len(begin) and going >= 0:
        if begin[v] == walked.at[0]:
            row = known.number[0]
            if row == len(known.keys):
                break
            _make_key(kin, kin.slides and walked.at[0] > 0, walked.bases[1], walked.bases[2], known.keys[row])
            found = _look_up(known, row)
            if known.table[found] < 0:
                known.table[found] = row
                known.number[0] += 1
            index[v] = known.table[found]
            v += 1
            if v == len(begin):
                break
        going = next_tile(kin.loops, kin.bounds, kin.child, walked)
    return v
