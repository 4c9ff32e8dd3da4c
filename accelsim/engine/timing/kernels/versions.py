"""Versions: when each stream's tile changes, and how many words move then (docs/model.md, T1).

One odometer walks the steps; per stream a product of the factors tabulated by `words.kernels.tables.tabulate` gives the
words of each version. All counts are fixed here; time comes later (`sweep`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from accelsim.engine.nest.kernels.groups import columns_of
from accelsim.engine.nest.kernels.records import (
    AWAY,
    CHILD,
    DIM,
    EARLIER,
    FRESH,
    GROUPS,
    IFMAP,
    KIND,
    LEVEL,
    NDIMS,
    OWN,
    PARENT,
    PSUM,
    RUNS,
    STEP,
    TENSOR,
)
from accelsim.engine.timing.kernels.odometer import Ints, odometer, open_sums, psum_level, step_on, step_rows, widest
from accelsim.engine.words.kernels.tables import FIRST, LISTED, OWN_LOOPS, WIDTH
from accelsim.jit import njit, part

NO_END = 1 << 62
REGISTER, ABOVE, ON_DRAIN, NARROWED, ADDED = 3, 5, 6, 7, 8  # columns of a stream, see `odometer.Tabled`
ALL_ADDED, BIASED = 1, 2  # in the column ADDED: sums begin with words of their own, or with those of a bias
# columns of `Past.since`: a stream's versions when its parent's version began, whether its own version was refilled,
# versions that took up sums of the same parent's version
SINCE, REFILLED, TAKEN_UP = range(3)


class Past(NamedTuple):
    """What a walk knows of the versions before.

    number : int64[x], versions so far. since : int64[x, 3], see SINCE ..; zeros at first. before : uint8[x, 3], psums
    at the beginning: whether the tiles were drained by an earlier body; whether that was before the parent's version
    began; whether the parent's version was refilled. at, last : where each psum stream's tiles lie in int32[tile],
    their last versions; see `forget`.
    """

    number: Ints
    since: Ints
    before: npt.NDArray[np.uint8]
    at: Ints
    last: npt.NDArray[np.int32]


class Room(NamedTuple):
    """Where a walk writes to.

    start, end : int64[x], version v lies at ``start[x] + v`` of `begin`, `back`, `tile` and (rows of) `work`, if that
    is less than ``end[x]``; else it is only counted. begin : int64[version], first step; work : int64[version, use
    slot], cycles; back : int64[version], psum: version of the latest earlier drain of this tile, else -1; FRESH:
    there are no sums to read; EARLIER, AWAY: the drain is in a body before; tile : int64[version], psum.
    step_n, step_phi : int64[step], cycles of C and the unit after which a psum drain may stream; with no room nobody
    asks. sums : int64[x, 2 * column], words, added to; behind them those of the drains that are narrowed.
    """

    start: Ints
    end: Ints
    begin: Ints
    work: Ints
    back: Ints
    tile: Ints
    step_n: Ints
    step_phi: Ints
    sums: Ints


class _Step(NamedTuple):
    """Scratch of a walk.

    extent, tile : int64[dim], of the step's MACs, and where nothing is clipped; ahead : see `last_touch`. cycles :
    int64[2], of C and until a psum drain may stream. others : int64[x, column], words but for the inner group; words,
    begun : int64[column], of a version and of the bias that it begins with. first_use : int64[x + 1]; carried,
    lasted : int64[use], words (times 3, plus which rate) and cycles of the version before.
    """

    extent: Ints
    ahead: Ints
    tile: Ints
    cycles: Ints
    others: Ints
    words: Ints
    begun: Ints
    first_use: Ints
    carried: Ints
    lasted: Ints


@njit(_nrt=True)
def generate(layer, cut, outer, carry, past, room):
    """Walk the steps of one body once and write every stream's versions; returns the steps.

    A body is what the step loops from `cut` on do in one iteration of those before: with `cut` 0 the whole layer.
    outer : int64[cut], where the loops outside the body are. carry : the one that just moved, or -1.
    """
    index = np.zeros(layer.loops.shape[0] + 1, np.int64)
    for t in range(cut):
        index[t] = outer[t]
    past.number[:] = 0
    past.since[:] = 0
    room.sums[:] = 0
    forget(layer.streams, past)
    return walk_steps(layer, cut, index, carry, 0, NO_END, past, room)[0]


@njit(cache=True)
def forget(streams, past):
    """Psum tiles as they are before a walk."""
    following = past.last.shape[0]
    for x in range(streams.shape[0] - 1, -1, -1):
        if streams[x, TENSOR] == PSUM:
            past.last[past.at[x] : following] = EARLIER if past.before[x, 0] else -1
            following = past.at[x]


@njit(cache=True)
def walk_steps(layer, cut, index, carry, first, most, past, room):
    """T1: walk at most `most` steps from where `index` is, and write the versions that begin in them.

    Parameters
    ----------
    layer : `odometer.Tabled`. cut : loops that stay as they are. index : int64[> step loops], where all are; advanced.
    carry : the loop that just moved, or -1. first : number of the first step.

    Returns
    -------
    (steps, loop that moves into the next one: less than `cut` after the last, cycles of C in all).
    """
    odo = odometer(layer, step_rows(layer.loops, layer.inside), cut, index)
    return _walk(layer, odo, _begin(layer), cut, carry, first, most, past, room)


@njit(_nrt=False)
def _walk(layer, odo, step, cut, carry, first, most, past, room):
    """See `walk_steps`; nothing is allocated here, so references need not be counted."""
    level = psum_level(layer.streams)
    k, busy, changed = 0, 0, True
    while True:
        if changed:
            _time_of(layer, odo, step)
        busy += step.cycles[0]
        if k < room.step_n.shape[0]:
            room.step_n[k] = step.cycles[0]
            room.step_phi[k] = 1 if _leaves_first(layer, odo, level) else step.cycles[1]
        for x in range(layer.streams.shape[0]):
            slider = _moved(layer, odo, x, carry)
            if slider != STAYS:
                _version(layer, odo, step, x, carry, slider, first + k, past, room)
        carry = step_on(layer, odo, cut)
        k += 1
        if carry < cut or k == most:
            return k, carry, busy
        changed = _resized(layer, odo, step, carry)


@njit(cache=True)
def _begin(layer):
    n, uses, columns = layer.streams.shape[0], layer.uses.shape[0], widest(layer.streams)
    step = _Step(
        np.zeros(NDIMS, np.int64), np.empty((2, NDIMS), np.int64), np.ones(NDIMS, np.int64), np.zeros(2, np.int64),
        np.zeros((n, columns), np.int64),
        np.zeros(columns, np.int64), np.zeros(columns, np.int64), np.zeros(n + 1, np.int64),
        np.full(uses, -1, np.int64), np.zeros(uses, np.int64),
    )  # fmt: skip
    for i in range(layer.loops.shape[0]):
        if layer.loops[i, KIND] == 0 and layer.loops[i, LEVEL] >= layer.inside:
            step.tile[layer.loops[i, DIM]] *= layer.loops[i, 1]
    for x in range(n):
        for u in range(uses):
            if layer.uses[u, 0] <= x:
                step.first_use[x + 1] = u + 1
    return step


@part
def _resized(layer, odo, step, carry):
    """Whether the next step has other extents than this one."""
    changed = False
    for t in range(carry, odo.rows.shape[0]):
        dim = layer.loops[odo.rows[t], DIM]
        changed |= _extent(layer, odo, step, dim) != step.extent[dim]
    return changed


@part
def _extent(layer, odo, step, dim):
    """Iterations of a dim in a step; of runs of pixels, their outputs."""
    first, last = odo.base[dim], min(odo.base[dim] + step.tile[dim], layer.bounds[dim])
    return layer.ends[last] - layer.ends[first] if dim == RUNS and layer.ends.shape[0] else last - first


@njit(_nrt=False)
def _time_of(layer, odo, step):
    """T2, T7: cycles of C in a step of these extents, and until a psum drain may stream."""
    macs = 1
    for dim in range(NDIMS):
        step.extent[dim] = _extent(layer, odo, step, dim)
        macs *= packed(0, step.extent[dim], layer.packs[dim])
    lanes = layer.macs_together
    step.cycles[0] = (macs + lanes - 1) // lanes
    step.cycles[1] = (last_touch(layer.loops, layer.inside, step.extent, layer.packs, step.ahead) + lanes - 1) // lanes


@part
def packed(first, count, pack):
    """Of `count` iterations from `first` on, those that begin `pack` which go together."""
    return (first + count + pack - 1) // pack - (first + pack - 1) // pack


@njit(_nrt=False)
def last_touch(loops, inside, extent, packs, ahead):
    """1 + index, in the loop order inside a step, of the last MAC that touches the first psum word (T7).

    MACs that go together (`packs`) are where the first of them is, and count as one. ahead : int64[2, dim], scratch.
    """
    left, at = ahead[0], ahead[1]
    for dim in range(NDIMS):
        left[dim], at[dim] = extent[dim], 0
    before = 0
    for i in range(loops.shape[0]):
        dim = loops[i, DIM]
        if loops[i, KIND] == 1 or loops[i, LEVEL] < inside:
            continue
        if OWN[PSUM, dim]:
            left[dim] = min(left[dim], loops[i, STEP])
            continue
        last = (extent[dim] - 1) // packs[dim] * packs[dim]
        trips = (last - at[dim]) // loops[i, STEP]
        rest = packed(at[dim], trips * loops[i, STEP], packs[dim])
        for other in range(NDIMS):
            if other != dim:
                rest *= packed(at[other], left[other], packs[other])
        before += rest
        at[dim] += trips * loops[i, STEP]
        left[dim] = min(left[dim] - trips * loops[i, STEP], loops[i, STEP])
    return before + 1


@part
def _leaves_first(layer, odo, level):
    """Whether a step does not touch the first word of its psum tile."""
    leaves = False
    for t in range(odo.rows.shape[0] - 1, -1, -1):
        if layer.loops[odo.rows[t], LEVEL] < level:
            break
        leaves |= odo.now[t] > 0 and OWN[PSUM, layer.loops[odo.rows[t], DIM]] == 1
    return leaves


STAYS, WHOLE = -2, -1  # of a stream's tile in a step, in place of the group along which alone it slides


@part
def _moved(layer, odo, x, carry):
    """Whether a stream's tile has moved with the loop that carried: STAYS, WHOLE, or an ifmap's group that slides."""
    if carry < 0:
        return WHOLE
    if odo.stride[x, carry] == 0:
        return STAYS
    columns = columns_of(layer.streams[x, PARENT], layer.streams[x, CHILD])
    moved, slider = 0, WHOLE
    for group in range(GROUPS):
        row = columns + odo.rows_at[x, carry, group]
        if odo.touched[x, carry, group] and layer.cells[_cell(layer, odo, x, group) + row] == 1:
            moved += 1
            slider = group
    if layer.streams[x, REGISTER]:
        return WHOLE
    if moved == 0:
        return STAYS
    return slider if layer.streams[x, TENSOR] == IFMAP and moved == 1 and slider >= 4 else WHOLE


@part
def _cell(layer, odo, x, group):
    """Where in the tables the row of a group's combination is."""
    row = layer.row_of[layer.at[x, group, LISTED] + odo.combo[x, group]]
    return layer.at[x, group, FIRST] + row * layer.at[x, group, WIDTH]


@part
def _multiply(layer, odo, x, but, out):
    """The full tiles' factors of one stream, multiplied over all groups but one."""
    columns = columns_of(layer.streams[x, PARENT], layer.streams[x, CHILD])
    for col in range(columns):
        out[col] = 1
    for group in range(GROUPS):
        if group != but:
            cell = _cell(layer, odo, x, group)
            for col in range(columns):
                out[col] *= layer.cells[cell + col]


@part
def _words_of(layer, odo, step, x, carry, slider):
    """Words of a version: the product of its groups, one of them sliding if only it moved."""
    inner, columns = odo.inner[x], columns_of(layer.streams[x, PARENT], layer.streams[x, CHILD])
    if odo.stale[x]:
        _multiply(layer, odo, x, inner, step.others[x])
        odo.stale[x] = 0
    if slider >= 0 and slider != inner:
        _multiply(layer, odo, x, slider, step.words)
    else:
        for col in range(columns):
            step.words[col] = step.others[x, col]
    if slider >= 0:
        cell = _cell(layer, odo, x, slider) + columns + 2 * layer.at[x, slider, OWN_LOOPS] + 1
        cell += odo.rows_at[x, carry, slider] * columns
        for col in range(columns):
            step.words[col] *= layer.cells[cell + col]
    elif inner >= 0:
        cell = _cell(layer, odo, x, inner)
        for col in range(columns):
            step.words[col] *= layer.cells[cell + col]


@part
def _version(layer, odo, step, x, carry, slider, at_step, past, room):
    """T1: count a stream's next version and write it down; what brings nothing new is none."""
    stream, columns = layer.streams[x], columns_of(layer.streams[x, PARENT], layer.streams[x, CHILD])
    _words_of(layer, odo, step, x, carry, slider)
    if stream[TENSOR] == PSUM or step.words[columns - 4] != 0:
        v = past.number[x]
        past.number[x] += 1
        for col in range(columns):
            room.sums[x, col] += step.words[col]
        final, reads = 0, -1
        if stream[NARROWED] and not open_sums(layer, odo, stream[CHILD], stream[REGISTER] == 1):
            final = 2
            for col in range(columns):
                room.sums[x, room.sums.shape[1] // 2 + col] += step.words[col]
        if stream[TENSOR] == PSUM:
            reads = _read_back(layer.streams, x, v, past.at[x] + odo.tile[x], past)
            if step.words[columns - 4] == 0:
                reads = FRESH  # all of it has been there since: nothing comes back
        to = room.start[x] + v
        if to < room.end[x]:
            room.begin[to] = at_step
            room.back[to] = reads
            if stream[TENSOR] == PSUM:
                room.tile[to] = past.at[x] + odo.tile[x]
            begun = stream[ADDED] == BIASED and reads == -1
            if begun:
                _bias_of(layer, odo, x, columns, step.begun)
            _lay_work(layer, step, x, reads == FRESH, begun, final, room.work[to])


@part
def _read_back(streams, x, v, tile, past):
    """T5: the version whose drain of the same tile this one reads back; see `Room.back`.

    An old psum exists if the parent was refilled with it, or a child drained it there since, or sums begin in memory.
    """
    last, above = past.last[tile], streams[x, ABOVE]
    past.last[tile] = v
    refilled, lost = streams[x, ADDED] > 0, last == -1
    if above >= 0 and past.number[above] > 0:
        refilled = past.since[above, REFILLED] == 1
        lost = last < 0 or last < past.since[x, SINCE]
    elif above >= 0:
        refilled = past.before[x, 2] == 1
        lost = lost or (last == EARLIER and past.before[x, 1] == 1)
    reads = FRESH if lost and not refilled else last
    if above >= 0 and lost and reads == EARLIER:
        reads = AWAY
    past.since[x, REFILLED] = 1 if streams[x, ON_DRAIN] == 0 and reads != FRESH else 0
    if not lost:
        past.since[x, TAKEN_UP] += 1
    for y in range(streams.shape[0]):
        if streams[y, ABOVE] == x:
            past.since[y, SINCE] = past.number[y]
    return reads


@part
def _bias_of(layer, odo, x, columns, out):
    """Words of the bias of a psum tile; its tables are the last."""
    of = layer.streams.shape[0]
    for col in range(columns):
        out[col] = 1
    for group in range(GROUPS):
        row = layer.row_of[layer.at[of, group, LISTED] + odo.combo[x, group]]
        cell = layer.at[of, group, FIRST] + row * layer.at[of, group, WIDTH]
        for col in range(columns):
            out[col] *= layer.cells[cell + col]


@part
def _lay_work(layer, step, x, fresh, begun, final, work):
    """T2, T14: cycles on each port of a version; most carry as much as the one before: divide only when they do not."""
    for u in range(step.first_use[x], step.first_use[x + 1]):
        moving, rate = step.words[layer.uses[u, 1]], final
        if layer.uses[u, 3] != 1:
            moving, rate = 0 if fresh else moving, 0
            if begun:
                moving, rate = step.begun[layer.uses[u, 1]], 2
        if 3 * moving + rate != step.carried[u]:
            step.carried[u] = 3 * moving + rate
            beats = (moving * layer.rates[u, rate] + layer.rates[u, 1] - 1) // layer.rates[u, 1]
            step.lasted[u] = (beats - 1) * layer.rates[u, 3] + 1 if beats > 0 else 0
        work[u - layer.uses[u, 2]] = step.lasted[u]


@njit(cache=True)
def lend_slots(tile, final, of, free, count, x):
    """Replace tiles by their slots in a table, lent from a tile's first version to its last.

    tile : int64[version]. final : uint8[version], a tile's last. of : int32[tile], -1 where no slot is lent.
    free : int64[..], slots given back, count[x] of them; count[0] : slots in all.
    """
    for v in range(tile.shape[0]):
        t = tile[v]
        if of[t] < 0:
            if count[x] > 0:
                count[x] -= 1
                of[t] = free[count[x]]
            else:
                of[t] = count[0]
                count[0] += 1
        tile[v] = of[t]
        if final[v]:
            free[count[x]] = of[t]
            count[x] += 1
