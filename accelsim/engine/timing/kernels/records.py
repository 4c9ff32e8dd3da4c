"""What the time kernels read and write: a machine's streams, the versions of a layer, the state of a simulation.

Built in `timing.streams` and passed whole. A *stream* is one tensor between two levels; a *version* is one tile of it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from accelsim.jit import njit, part

# columns of a stream row. PARENT: the stream that holds what this one is filled from; -1: the outermost level does.
# SLOTS: of T6. STREAMED: into a `stream` buffer. INNERMOST: it feeds the PE. OLD_PSUM: old psums join on their way up
# (P), none is refilled. ABSENT: left out of the processing latency. RANK, DEPTH: its part in the order of T9. DOWN, UP:
# what a stall on its fills and drains is charged to. SKID: a fill of one unit finds a second slot.
# OLD_SLOTS: tiles of old psums that have room on their way down. OUTSTANDING: how many of its transfers down may be on
# their way at a time; 0: any number. POST: which column of `Versions.work` has the cycles that PEs take for a version
# behind the MACs of its step, -1: none; EACH: those of a word. RAMP: the first step of a pass takes it word by word.
# CLOSES: something waits for, or follows, the last step of a version
(
    TENSOR, PARENT, SLOTS, STREAMED, INNERMOST, OLD_PSUM, ABSENT, RANK, DEPTH, DOWN, UP, SKID, OLD_SLOTS, OUTSTANDING,
    POST, EACH, RAMP, CLOSES,
) = range(18)  # fmt: skip
COLUMNS = 18
# columns of a version's record. VID: the version. FILLED, KAPPA, ARRIVE, F_..: its fill F. USE: its last user ends.
# LANDED: its last child drain; DRAINED: whether there was one. D_..: its drain D; of an input, the C that used it last.
# HAS_P, P_..: its old psums P. Beside a time: _HOLD, what is charged for waiting for it, and _KEY, its key in T9
(
    VID, FILLED, KAPPA, ARRIVE, A_HOLD, A_KEY, F_START, F_END, F_UNITS,
    USE, U_HOLD, U_KEY, LANDED, L_HOLD, L_KEY, DRAINED, D_START, D_END, D_UNITS, D_HOLD, D_KEY,
    P_START, P_END, P_UNITS, HAS_P,
) = range(25)  # fmt: skip
FIELDS = 25
# columns of a stream's progress: the next version to fill, its parent's version, the version in use, the stationary
# version of the pass of the next one, and the step after which the last fill could begin; of psums with room for their
# delivery the cycles of all drains so far, and the first of them that was not needed so far: cycles before it, it;
# and the step before which the next version cannot be filled
TO_ISSUE, SERVING, CURRENT, IN_PASS, KAPPA_OF, DELIVERED, WENT, GOING, NOT_BEFORE = range(9)
PROGRESS = NOT_BEFORE + 1
# the scalars that live between two steps; C_FREE: when the array is free; PASS_END: what the stationary operand of the
# next pass waits for: time, hold, key
C_START, C_END, C_UNITS, C_FREE, LAST, TOTAL_C, AT_PASS, PASS_END = range(8)
SCALARS = 10
TIME, HOLD, KEY = range(3)
FILL, DRAIN = 0, 1  # directions of a stream
STEP = 2  # of the fixed cycles of a stream: those before the first step of a version
STAYS = 3  # beside them: whether some sums of it stay where they are
PIPELINE, FIXED, LEAST, ROOM, PE = 2, 3, 4, 5, 6  # causes of stalls, counted from `Machine.idle_fill`
TAKES, WITH, SHARED, FIRST = range(4)  # columns of `Machine.turns`
NOBODY = -1  # the walk back ends at a C
NO_GAP = -2  # the C before
NEVER = 1 << 60


class Machine(NamedTuple):
    """The streams of a machine and how they wait for each other.

    streams : int64[x, COLUMNS], see TENSOR .. (DOWN, UP: what a stall on that network is charged to).
    uses_at : int64[x, 2, 2], (first slot, slots) of fills and of drains. ports : int64[x, slot], the port of each slot.
    rest : int64[x, slot], cycles that a transfer leaves each port no use to others; int64[0, 0]: none anywhere.
    latency : int64[x, 2], after fills (old psums) and after drains.
    order : int64[x], streams outermost level first, then by rank. serial : the stationary stream, or -1 (T10).
    lead_first : whether moving operands wait for the stationary one of their pass.
    skew_rows : cycles of a stationary fill on a skewed machine, or 0 (T12). after_c : latency after C.
    paced : whether any step has fixed cycles, a least length, something behind its MACs, or sums that wait for room.
    fixed : int64[x, 4], cycles before the first word of a fill and of a drain, and before the first step of a version;
    and STAYS.
    delivery : int64[x, 2], psums: cycles of drains that have room on their way out, 0: any, and until it is free again.
    turns : int64[x, 4], how many fills take their port in turn with those of another stream as the layer begins, which
    stream, the slot of that port, and whether it is the stream that has one such fill.
    least : cycles from one C to the next at least. wave : latency after the first cycle of a pass, from which on the
    stationary operand of the next may come; -1: passes do not overlap.
    idle_fill : cause of what precedes the first C; those after it: drain, see PIPELINE ..
    known : uint8[x], psums: whether any version is ever read back (inputs: 1). looks : uint8[x], whether drains of
    earlier bodies may hold up a version read back. tile_at : int64[x], what to add to a body's tiles to find them in
    `State.drains`. These three are asked by `replay` alone.
    """

    streams: np.ndarray
    uses_at: np.ndarray
    ports: np.ndarray
    rest: np.ndarray
    latency: np.ndarray
    order: np.ndarray
    serial: int
    lead_first: bool
    skew_rows: int
    after_c: int
    paced: bool
    fixed: np.ndarray
    delivery: np.ndarray
    turns: np.ndarray
    least: int
    wave: int
    idle_fill: int
    known: np.ndarray
    looks: np.ndarray
    tile_at: np.ndarray


class Versions(NamedTuple):
    """The versions that are written down: low <= v < limit of each stream, version v of stream x at start[x] + v.

    number : int64[x], how many there are in all. begin : int64[at], first steps. back : the version of the same stream
    whose sums a psum version brings back, FRESH or EARLIER (see `versions.Room`; what EARLIER names is found by its
    tile). tile : the psum tile. work : int64[at, slot], cycles on each port.
    """

    start: np.ndarray
    number: np.ndarray
    low: np.ndarray
    limit: np.ndarray
    begin: np.ndarray
    back: np.ndarray
    tile: np.ndarray
    work: np.ndarray


class Steps(NamedTuple):
    """The steps of a layer. total : how many. n, phi : of those from step `first` on, cycles and when sums leave."""

    total: int
    first: int
    n: np.ndarray
    phi: np.ndarray


class State(NamedTuple):
    """A simulation as far as it has got.

    free : int64[port], when each is. drains : int64[tile, 3], (end, hold, last step) of the last drain of a psum tile.
    records : int64[x, ring, 25]; the ring is a power of two above 2 slots + 2 (fills run ahead by the slots, C looks
    as far back). progress : int64[x, 9], see TO_ISSUE .. scalars : int64[SCALARS], see C_START ..
    stalls : int64[cause]. seen : int64[tile] scratch of `replay`, zeros.
    best, late : int64[3] scratch, the latest bound so far of the activity at hand and of a streamed operand's end.
    log : int64[1 + transfers], the order of the outermost level's transfers (how many, then for each 2 * tensor + 1 if
    it is a drain); int64[1]: nobody asks.
    """

    free: np.ndarray
    drains: np.ndarray
    records: np.ndarray
    progress: np.ndarray
    scalars: np.ndarray
    stalls: np.ndarray
    seen: np.ndarray
    best: np.ndarray
    late: np.ndarray
    log: np.ndarray


@njit
def begin_state(state):
    """Set the state to what holds before the first step."""
    state.records[:, :, VID] = -1
    state.progress[:] = 0
    state.progress[:, CURRENT] = -1
    state.progress[:, KAPPA_OF] = -1
    state.progress[:, NOT_BEFORE] = -1
    state.scalars[:] = 0
    state.scalars[PASS_END + HOLD] = NOBODY


@part
def order_key(kappa, class_, depth, rank, streams):
    """T9's order as one integer; streams : how many there are."""
    return ((kappa + 1) * 3 + class_) * 4 * (streams + 70) + depth * 4 + rank


@part
def slot_of(records, x, v):
    """Where version v of stream x has its record in the ring; it is cleared if it still holds an older version."""
    slot = v & (records.shape[1] - 1)
    r = records[x, slot]
    if r[VID] != v:
        r[:] = 0
        r[VID] = v
        r[U_HOLD] = NOBODY
        r[A_HOLD] = NOBODY
        r[L_HOLD] = NOBODY
    return slot


@part
def is_filled(records, x, v):
    """Whether version v of stream x, which may lie ahead of the ring, has been filled."""
    r = records[x, v & (records.shape[1] - 1)]
    return r[VID] == v and r[FILLED] == 1


@part
def ends_version(x, k, versions, steps, progress):
    """Whether C(k) is the last to use the current version of stream x."""
    v = progress[x, CURRENT]
    if v < 0:
        return False
    if v + 1 < versions.number[x]:
        return versions.begin[versions.start[x] + v + 1] == k + 1
    return k == steps.total - 1


@part
def start_over(best, time, hold):
    """Begin to collect bounds, with `time` alone."""
    best[TIME] = time
    best[HOLD] = hold
    best[KEY] = -1


@part
def wait_for(time, hold, key, best):
    """T3, T15: keep in `best` the latest bound, of equal ones that with the smaller key."""
    if time > best[TIME] or (time == best[TIME] and key < best[KEY]):
        best[TIME] = time
        best[HOLD] = hold
        best[KEY] = key


@part
def merge(record, at, time, hold, key):
    """The same for a (time, hold, key) kept in a record from column `at`."""
    if time > record[at] or (time == record[at] and key < record[at + 2]):
        record[at] = time
        record[at + 1] = hold
        record[at + 2] = key
