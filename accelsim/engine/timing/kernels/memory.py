"""What `replay` remembers of the bodies that it has simulated, in tables of hashes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from accelsim.engine.nest.kernels.records import Ints
from accelsim.engine.timing.kernels.records import FIELDS
from accelsim.engine.timing.kernels.state import Bounds
from accelsim.jit import njit

ENTRIES = 4096  # a power of two
MOST_RECORDS = 48
MOST_DRAINS = 1 << 18
WIDE = 1024
CONTENT = 256
ENTRY, SHIFT, STEPS_LATER, LIES_IN_ENTRY = range(4)
"""What `Memory.now` has: the known body that the last one ran as, or -1; how many cycles and steps later; whether its
records are still to be restored."""


class Keyed(NamedTuple):
    """Keys that have been met, in a table of hashes.

    keys : int64[room, ..], the first lengths : int64[room] of each count; number : int64[1], how many there are.
    slots : int64[a power of two], which of the keys lies there, or -1.
    """

    keys: Ints
    lengths: Ints
    number: Ints
    slots: Ints


class Following(NamedTuple):
    """Which known body follows a known one, if the body at hand consists of something known.

    pairs : int64[a power of two], a known body and a content as one number, or -1; entry : int64[slot], what follows;
    asks : int64[slot, 2, x], what `reads_back` asks. number : int64[1], how many there are.
    """

    pairs: Ints
    entry: Ints
    asks: Ints
    number: Ints


class Kept(NamedTuple):
    """What is known of bodies that have been simulated; the first axis is the entry.

    records : int64[.., record, FIELDS + 1], many : int64[..] of them, progress : int64[.., x], scalars, free : see
    `records.State`, after the body; stalls, and of the scalars the sums: what it added. begins : int64[.., 2], its
    `moment` and the step before it. times : int64[..], how often it has been looked up. drained_at : int64[.. + 1],
    where its own begin in drains : int64[.., 3].
    """

    records: Ints
    many: Ints
    progress: Ints
    scalars: Ints
    free: Ints
    stalls: Ints
    begins: Ints
    times: Ints
    drained_at: Ints
    drains: Ints


class Memory(NamedTuple):
    """What is remembered of the bodies so far. now : int64[4], see ENTRY ..; all behind it is scratch.

    Room for it is found once and used again: no kernel here allocates, so none counts references.
    """

    states: Keyed
    contents: Keyed
    following: Following
    kept: Kept
    now: Ints
    asked: Ints
    key: Ints
    scratch: Ints
    stalls: Ints
    at: Ints
    bounds: Bounds


def remember(n: int, ports: int, scalars: int, stalls: int) -> Memory:
    """Room for what is remembered of bodies of n streams."""
    most = ENTRIES
    kept = Kept(
        np.empty((most, MOST_RECORDS, FIELDS + 1), np.int64), np.empty(most, np.int64), np.empty((most, n), np.int64),
        np.empty((most, scalars), np.int64), np.empty((most, ports), np.int64), np.empty((most, stalls), np.int64),
        np.empty((most, 2), np.int64), np.empty(most, np.int64), np.empty(most + 1, np.int64),
        np.empty((MOST_DRAINS, 3), np.int64),
    )  # fmt: skip
    following = Following(
        np.empty(8 * most, np.int64), np.empty(8 * most, np.int64), np.empty((8 * most, 2, n), np.int64),
        np.empty(1, np.int64),
    )  # fmt: skip
    issued, fills, held, waits, floor = np.empty((5, n), np.int64)
    bounds = Bounds(issued, fills, held, waits, floor, np.empty(ports, np.int64))
    return Memory(
        _keyed(most, WIDE), _keyed(most, CONTENT), following, kept, np.empty(4, np.int64), np.empty((2, n), np.int64),
        np.empty(WIDE, np.int64), np.empty(WIDE, np.int64), np.empty(stalls, np.int64), np.empty(n, np.int64),
        bounds,
    )  # fmt: skip


def less(memory: Memory, bodies: int) -> Memory:
    """The beginning of all, for so many bodies: what is not used need not be emptied."""
    most = 1 << (min(bodies, ENTRIES) - 1).bit_length()  # tables have powers of two for sizes
    links, kept = memory.following, memory.kept
    return memory._replace(
        states=_less_keyed(memory.states, most),
        contents=_less_keyed(memory.contents, most),
        following=Following._make([*(array[: 8 * most] for array in links[:-1]), links.number]),
        kept=Kept._make([*(array[:most] for array in kept[:-2]), kept.drained_at[: most + 1], kept.drains]),
    )


def _less_keyed(known: Keyed, most: int) -> Keyed:
    return Keyed(known.keys[:most], known.lengths[:most], known.number, known.slots[: 4 * most])


def _keyed(most: int, wide: int) -> Keyed:
    return Keyed(
        np.empty((most, wide), np.int64), np.empty(most, np.int64), np.empty(1, np.int64), np.empty(4 * most, np.int64)
    )


@njit(_nrt=False)
def forget(memory):
    """Begin with nothing known; what was kept stays where it is, and is not looked at."""
    for known in (memory.states, memory.contents):
        known.slots[:] = -1
        known.number[0] = 0
    memory.following.pairs[:] = -1
    memory.following.number[0] = 0
    memory.kept.times[:] = 0
    memory.kept.drained_at[0] = 0
    memory.now[:] = 0
    memory.now[ENTRY] = -1
