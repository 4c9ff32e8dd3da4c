"""Which filters of a fused group stay in the buffer, and which come again for every pass.

A resident filter is fetched once a group, for all images, and has room during every operation. A streamed one is
fetched once a pass; while its operation runs there is room for all of it, or for a slice where it comes in slices
(`Tiling.cut`), for two under double buffers. A dynamic filter is of one image: resident, it is fetched once an image.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from accelsim.engine.fused.group import Op
from accelsim.engine.fused.storage import NONE, Measured
from accelsim.mapping.mapping import LoopNest
from accelsim.workload.problem import DIMS, TENSOR_DIMS, Problem, Tensor

Ints = npt.NDArray[np.int64]
FEW = 10
"""Filters of which every set is looked at."""


@dataclass(frozen=True)
class Choice:
    """Filters that are resident, what the group then needs in all, and filter words read, of all images."""

    resident: frozenset[str]
    room: int
    reads: int


def slice_words(problem: Problem, nest: LoopNest, buffer: str) -> int:
    """Words of the filter that have room at a time while a pass streams it: all inside its outermost loop.

    nest : of the pass; its temporal loops at `buffer` and all further in. Where the outermost of those is over images
    or outputs, every iteration would fetch the filter again: then the slice is all of it.
    """
    names = [name for name, _ in nest.levels]
    inside = nest.levels[names.index(buffer) :] if buffer in names else nest.levels
    own = TENSOR_DIMS[Tensor.FILTER]
    outer = next((loop for loop in nest.level(buffer).temporal if loop.factor > 1), None)
    left_out = outer if outer is not None and outer.dim in own else None
    tile = dict.fromkeys(DIMS, 1)
    for _, level in inside:
        for _, loop in level.loops:
            if loop is not left_out and loop.dim in tile:
                tile[loop.dim] *= loop.factor
    if left_out is None:
        return problem.words(Tensor.FILTER)
    return prod(min(tile[dim], problem[dim]) for dim in own if dim in tile)


class _Item(NamedTuple):
    """One filter: what it takes if it is resident, during its operation else; words then read, and those it saves."""

    name: str
    room: int
    streamed: int
    whole: int
    gain: int


def fetched(measured: Measured, op: Op, resident: bool) -> int:
    """Words of one filter that are read, of all images."""
    once = measured.group.images if op.dynamic else 1
    return op.filters * (once if resident else measured.filter_runs[op.name])


def room(measured: Measured, resident: Iterable[str], slices: Mapping[str, int] = NONE) -> int:
    """What a group needs in all with these filters resident.

    slices : words of a slice of each streamed filter, by operation; those left out have it as `Tiling.cut` says.
    """
    stay = frozenset(resident)
    items = _items(measured, slices)
    during = {op.name: held for op, held in zip(measured.group.ops, measured.held.values(), strict=True)}
    for item in items:
        during[item.name] += 0 if item.name in stay else item.streamed
    return max(during.values()) + sum(item.room for item in items if item.name in stay)


def choices(measured: Measured, slices: Mapping[str, int] = NONE, capacity: int | None = None) -> tuple[Choice, ...]:
    """Every set of resident filters that no other beats in both room and words, by growing room.

    capacity : sets that need more are left out. Exact: of few filters every set is looked at. Of many a set is built
    filter by filter, and one that takes as much or more room than another and saves no more is dropped; once for every
    operation that may be the one to hold most.
    """
    names, taken, reads = fronts(measured, slices, capacity)
    return tuple(map(Choice, names, taken.tolist(), reads.tolist()))


def fronts(
    measured: Measured, slices: Mapping[str, int] = NONE, capacity: int | None = None
) -> tuple[list[frozenset[str]], Ints, Ints]:
    """The same as lists: filters that are resident, room, words read."""
    every, cut = _items(measured, slices), measured.tiling.cut
    items = [item for item in every if item.name not in cut]
    # what comes in slices does not stay: its slice is in the room of its operation in every set
    held = dict(measured.held)
    for item in every:
        held[item.name] += item.streamed if item.name in cut else 0
    beside = sum(item.whole for item in every if item.name in cut)
    if len(items) <= FEW:
        names, room, reads = _of_every_set(items, held, capacity)
        return names, room, reads + beside
    found = _of_many(items, held, capacity)
    room, reads = np.array([(one.room, one.reads) for one in found], np.int64).reshape(-1, 2).T
    return [one.resident for one in found], room, reads + beside


def _of_many(items: list[_Item], held: Mapping[str, int], capacity: int | None) -> tuple[Choice, ...]:
    # with all filters resident this much is held beside them; a streamed one lifts its own operation above it
    floor = max(held.values())
    levels = {floor, *(top for item in items if (top := held[item.name] + item.streamed) > floor)}
    everything = sum(item.whole for item in items)
    found: list[Choice] = []
    for level in sorted(levels):
        left = None if capacity is None else capacity - level
        if left is not None and left < 0:
            break
        must = [item for item in items if held[item.name] + item.streamed > level]
        begin = (sum(item.room for item in must), sum(item.gain for item in must), tuple(item.name for item in must))
        if left is None or begin[0] <= left:
            may = [item for item in items if held[item.name] + item.streamed <= level and item.gain]
            found += [
                Choice(frozenset(names), level + taken, everything - gain)
                for taken, gain, names in _fronts(begin, may, left)
            ]
    return _best_of(found)


def best(measured: Measured, capacity: int, slices: Mapping[str, int] = NONE) -> Choice | None:
    """The set that reads fewest words within a capacity; None: not even all streamed fits."""
    found = choices(measured, slices, capacity)
    return found[-1] if found else None


def cuts(measured: Measured, capacity: int, resident: Iterable[str] = ()) -> dict[str, int] | None:
    """The fewest slices (M by operation) with which a group fits its buffer; filters that fit whole are left out.

    resident : filters that stay. None: it does not fit even with one output channel at a time.
    """
    stay, slots, found = frozenset(resident), 2 if measured.tiling.double else 1, dict[str, int]()
    widths, ops = measured.widths, measured.group.ops
    left = capacity - sum(op.filters * widths.of_filter(op.name) for op in ops if op.name in stay)
    for op in ops:
        free = left - measured.held[op.name]
        if op.name in stay or not op.filters:
            if free < 0:
                return None
            continue
        most = free // (op.filters // op.outer * widths.of_filter(op.name) * slots or 1)
        if most < 1:
            return None
        if most < op.outer:
            # as many slices, as large as one another
            found[op.name] = -(-op.outer // -(-op.outer // most))
    return found


def _items(measured: Measured, slices: Mapping[str, int]) -> list[_Item]:
    found, slots = [], 2 if measured.tiling.double else 1
    for op in measured.group.ops:
        if op.filters:
            width = measured.widths.of_filter(op.name)
            most = measured.tiling.slices(op)[0][0]
            part = min(slices.get(op.name, op.filters // op.outer * most), op.filters)
            whole = fetched(measured, op, False)
            gain = whole - fetched(measured, op, True)
            found.append(_Item(op.name, width * op.filters, width * part * slots, whole, gain))
    return found


def _of_every_set(
    items: list[_Item], held: Mapping[str, int], capacity: int | None
) -> tuple[list[frozenset[str]], Ints, Ints]:
    """The same, of few filters."""
    names, stay = _sets(tuple(item.name for item in items))
    room, streamed, whole, gain = np.array([item[1:] for item in items], np.int64).reshape(-1, 4).T
    own = np.array([held[item.name] for item in items], np.int64)
    during = np.where(stay, own, own + streamed).max(axis=1, initial=max(held.values()))
    taken, reads = during + stay @ room, whole.sum() - stay @ gain
    order = np.lexsort((reads, taken))
    if capacity is not None:
        order = order[taken[order] <= capacity]
    some = reads[order]
    better = order[some < np.concatenate([[np.iinfo(np.int64).max], np.minimum.accumulate(some)[:-1]])]
    return [names[k] for k in better.tolist()], taken[better], reads[better]


@lru_cache(maxsize=1 << 10)
def _sets(names: tuple[str, ...]) -> tuple[list[frozenset[str]], npt.NDArray[np.bool_]]:
    """Every set of names, those without the last first, and bool[set, name]: of equals the first is taken."""
    stay = (np.arange(1 << len(names))[:, None] >> np.arange(len(names))[None, :] & 1).astype(np.bool_)
    return [frozenset(name for name, here in zip(names, row, strict=True) if here) for row in stay.tolist()], stay


Front = tuple[int, int, tuple[str, ...]]


def _fronts(begin: Front, items: Iterable[_Item], left: int | None) -> list[Front]:
    """(room, gain, names) of the sets that none beats, by growing room."""
    front = [begin]
    for item in items:
        more = [(taken + item.room, gain + item.gain, (*names, item.name)) for taken, gain, names in front]
        every = front + [one for one in more if left is None or one[0] <= left]
        every.sort(key=_by_room)
        front, most = [], -1
        for one in every:
            if one[1] > most:
                front.append(one)
                most = one[1]
    return front


def _by_room(one: Front) -> tuple[int, int]:
    return one[0], -one[1]


def _best_of(found: list[Choice]) -> tuple[Choice, ...]:
    """Those that no other beats."""
    front: list[Choice] = []
    for one in sorted(found, key=_by_words):
        if not front or one.reads < front[-1].reads:
            front.append(one)
    return tuple(front)


def _by_words(one: Choice) -> tuple[int, int, list[str]]:
    return one.room, one.reads, sorted(one.resident)
