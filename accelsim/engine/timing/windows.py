"""A schedule window by window: a layer's steps are walked once to count, then again to write versions down.

Streams of few versions are written down whole, for their next version may lie far ahead; of the others only the
versions around the steps at hand. What a layer takes in memory is then the same for one image or for many.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from accelsim.engine.limits import refuse_bytes, refuse_steps
from accelsim.engine.networks.ports import Crossed
from accelsim.engine.program import PSUM, Ints, Program
from accelsim.engine.timing.kernels.odometer import count_steps
from accelsim.engine.timing.kernels.versions import NO_END, TAKEN_UP, Past, Room, forget, lend_slots, walk_steps
from accelsim.engine.timing.schedule import Schedule, Tables, tabled, tabulate, tile_ids
from accelsim.workload.problem import TENSORS

STEPS = 1 << 14
"""Steps of a window."""
FEW = 1 << 15
"""Versions of a stream that is written down whole."""


@dataclass(frozen=True)
class Versions:
    """Room for versions, as `walk_steps` fills it."""

    begin: Ints
    work: Ints
    back: Ints
    tile: Ints

    @staticmethod
    def room(size: int, slots: int) -> Versions:
        """So many versions of nothing yet."""
        begin, back, tile = (np.zeros(size, np.int64) for _ in range(3))
        return Versions(begin, np.zeros((size, slots), np.int64), back, tile)


@dataclass(frozen=True)
class Window:
    """Some steps and the versions that begin in them.

    schedule : its arrays hold no more than that; steps and versions are numbered through the layer.
    first : the first step. before : int64[x], versions before those here. slots : of psum tiles, see
    `TileSlots`.
    """

    schedule: Schedule
    first: int
    before: Ints
    slots: int


@dataclass(frozen=True)
class Outline:
    """What one walk over the steps finds.

    number : int64[x], versions. sums : int64[x, column], words. taken_up : int64[x], psum versions that take up sums
    which the parent's version holds. tile_at : where psum streams' tiles lie in last : int32[tile], the last version
    of every tile. few : bool[x], streams of few versions, all of which are written down in `versions`, stream x's from
    room_at[x] on.
    step_n, step_phi : int64[step] of a layer that is as short as these streams, else int64[0].
    """

    tables: Tables
    steps: int
    number: Ints
    sums: Ints
    compute_cycles: int
    taken_up: Ints
    tile_at: Ints
    last: npt.NDArray[np.int32]
    few: npt.NDArray[np.bool_]
    room_at: Ints
    versions: Versions
    step_n: Ints
    step_phi: Ints


class Walk:
    """Where a walk over the steps has got to; see `kernels.versions.walk_steps`."""

    def __init__(self, program: Program, tables: Tables, tile_at: Ints, tiles: int) -> None:
        n = len(tables.edges)
        self.layer, self.mac_cycles = tabled(program, tables), program.architecture.mac_cycles
        self.index, self.carry, self.step = np.zeros(len(program.loops) + 1, np.int64), -1, 0
        none, before = np.zeros((n, 3), np.int64), np.zeros((n, 3), np.uint8)
        self.past = Past(np.zeros(n, np.int64), none, before, tile_at, np.empty(tiles, np.int32))
        self.sums = np.zeros((n, 2 * tables.columns), np.int64)
        forget(tables.streams, self.past)

    @property
    def number(self) -> Ints:
        """int64[x], versions so far."""
        return self.past.number

    def on(self, most: int, at: Ints, end: Ints, versions: Versions, step_n: Ints, step_phi: Ints) -> int:
        """Walk at most so many steps, their versions laid down from at[x] on, below end[x]; gives cycles of C."""
        room = Room(
            at - self.number, end, versions.begin, versions.work, versions.back, versions.tile, step_n, step_phi,
            self.sums,
        )  # fmt: skip
        steps, self.carry, cycles = walk_steps(self.layer, 0, self.index, self.carry, self.step, most, self.past, room)
        self.step += int(steps)
        for counted in (step_n, step_phi):
            counted[:steps] *= self.mac_cycles
        return int(cycles) * self.mac_cycles

    @property
    def over(self) -> bool:
        """Whether no step is left."""
        return self.step > 0 and self.carry < 0


class TileSlots:
    """Slots of the table of last drains: a psum tile has one from its first version to its last.

    of : int32[tile], -1 for none. free : int64[x, ..], slots given back; count : int64[1 + x], slots in all, and how
    many are free.
    """

    def __init__(self, tiles: int, streams: int) -> None:
        self.of, self.free = np.full(tiles, -1, np.int32), np.zeros((streams, 1), np.int64)
        self.count = np.zeros(1 + streams, np.int64)

    def lend(self, x: int, tile: Ints, final: npt.NDArray[np.uint8]) -> None:
        """Replace the tiles of a stream's next versions by their slots."""
        room = int(self.count[1 + x]) + len(tile)
        if room > self.free.shape[1]:
            free = np.empty((len(self.free), 2 * room), np.int64)
            free[:, : self.free.shape[1]] = self.free
            self.free = free
        lend_slots(tile, final, self.of, self.free[x], self.count, 1 + x)


def outline(program: Program, words: bool = False, tables: Tables | None = None) -> Outline:
    """Walk the steps, writing only what has few versions; words : see `tabulate`. Raises MappingError if too many.

    tables : what `tabulate` gives, where something was added to it.
    """
    steps = int(count_steps(program.loops, program.inside, program.bounds))
    refuse_steps(steps)
    tables = tables or tabulate(program, words)
    edges, n = tables.edges, len(tables.edges)
    tile_at, tiles = tile_ids(program, edges)
    refuse_bytes(12 * tiles, f"the last drains of {tiles:.1e} psum tiles")
    most = [count_steps(program.loops, min(int(c), program.inside), program.bounds) for c in edges[:, 2]]
    room = np.minimum(np.array(most, np.int64), FEW)
    serial = [x for x in range(n) if TENSORS[edges[x, 0]] is program.architecture.serial and edges[x, 0] == PSUM]
    step_n, step_phi = (np.zeros(steps if steps <= FEW else 0, np.int64) for _ in range(2))
    while True:
        room_at = np.concatenate([[0], np.cumsum(room)]).astype(np.int64)
        versions, walk = Versions.room(int(room_at[-1]), tables.slots), Walk(program, tables, tile_at, tiles)
        cycles = walk.on(NO_END, room_at[:-1], room_at[1:], versions, step_n, step_phi)
        # a fill far ahead asks whether old psums lead its pass (T10)
        missing = [x for x in serial if walk.number[x] > room[x]]
        if not missing:
            break
        room[missing] = walk.number[missing]
    return Outline(
        tables, walk.step, walk.number, walk.sums, cycles, walk.past.since[:, TAKEN_UP].copy(), tile_at, walk.past.last,
        walk.number <= room, room_at, versions, step_n, step_phi,
    )  # fmt: skip


def windows(program: Program, found: Outline) -> Iterator[Window]:
    """First the streams with few versions, without steps; then all steps and the other streams' versions.

    Each window is overwritten by the next.
    """
    tables, n = found.tables, len(found.number)
    slots, none = TileSlots(len(found.last), n), np.zeros(n, np.int64)
    steps = np.zeros(0, np.int64)
    yield _window(
        found, slots, found.room_at, np.where(found.few, found.number, 0), found.versions, none, 0, steps, steps
    )
    if found.few.all() and len(found.step_n) == found.steps:
        # a short layer: nothing is left to write down
        yield _window(found, slots, found.room_at, none, found.versions, none, 0, found.step_n, found.step_phi)
        return
    walk = Walk(program, tables, found.tile_at, len(found.last))
    room_at = np.concatenate([[0], np.cumsum(np.where(found.few, 0, STEPS))]).astype(np.int64)
    end = np.where(found.few, -1, room_at[1:])
    versions = Versions.room(int(room_at[-1]), tables.slots)
    step_n, step_phi = np.empty(STEPS, np.int64), np.empty(STEPS, np.int64)
    while not walk.over:
        before, first = walk.number.copy(), walk.step
        walk.on(STEPS, room_at[:-1], end, versions, step_n, step_phi)
        number, length = np.where(found.few, 0, walk.number - before), walk.step - first
        yield _window(found, slots, room_at, number, versions, before, first, step_n[:length], step_phi[:length])


def first_steps(program: Program, found: Outline, x: int) -> Ints:
    """int64[version], the steps in which the versions of a stream begin."""
    if found.few[x]:
        begin: Ints = found.versions.begin[found.room_at[x] : found.room_at[x] + found.number[x]]
        return begin
    walk, n = Walk(program, found.tables, found.tile_at, len(found.last)), len(found.number)
    at, none = np.zeros(n, np.int64), np.zeros(0, np.int64)
    end = np.where(np.arange(n) == x, found.number[x], -1)
    versions = Versions.room(int(found.number[x]), found.tables.slots)
    walk.on(NO_END, at, end, versions, none, none)
    return versions.begin


def across_links(parts: Iterable[Window], crossed: Sequence[Crossed]) -> Iterator[Window]:
    """The windows, with how long transfers hold the ports of links written into them."""
    for window in parts:
        schedule = window.schedule
        for each in crossed:
            rows = schedule.rows(each.x)
            each.hold(schedule.begin[rows], schedule.back[rows], schedule.final[rows], schedule.work[rows])
        yield window


def _window(
    found: Outline, slots: TileSlots, at: Ints, number: Ints, versions: Versions, before: Ints, first: int,
    step_n: Ints, step_phi: Ints,
) -> Window:  # fmt: skip
    tables, tile = found.tables, versions.tile
    final = np.ones(len(tile) + 1, np.uint8)
    for x in np.flatnonzero((tables.edges[:, 0] == PSUM) & (number > 0)):
        rows = slice(int(at[x]), int(at[x] + number[x]))
        final[rows] = found.last[tile[rows]] == before[x] + np.arange(number[x])
        slots.lend(int(x), tile[rows], final[rows])
    schedule = Schedule(
        tables.edges, found.steps, at, number, versions.begin, versions.work, versions.back, tile, len(found.last),
        step_n, step_phi, found.sums, tables.ports, final,
    )  # fmt: skip
    return Window(schedule, first, before, int(slots.count[0]))
