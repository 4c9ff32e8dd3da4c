"""Versions: when each stream's tile changes, and how many words move then (docs/model.md, T1).

One odometer walks the steps; per stream a product of the factors tabulated by `tables.tabulate` gives the words of
each version. All counts are fixed here; time comes later (`sweep`).
"""

from __future__ import annotations

import numpy as np

from accelsim.engine.nest.kernels.steps import bases_below
from accelsim.engine.nest.kernels.tiles import (
    DIM,
    FACTOR,
    GROUPS,
    IFMAP,
    KIND,
    LEVEL,
    OWN,
    PSUM,
    STEP,
    columns_of,
    in_group,
)
from accelsim.engine.words.kernels.tables import FIRST, LISTED, OWN_LOOPS, WIDTH
from accelsim.jit import njit

FRESH, EARLIER = -2, -3  # `back`: a psum version brings nothing back; what an earlier body drained
NO_END = 1 << 62


@njit(cache=True)
def count_steps(loops, inside, size8):
    """Iterations of the temporal loops above level `inside` (they exist iff their base lies in the problem)."""
    steps = 1
    for dim in range(8):
        steps *= bases_below(loops, dim, 0, inside, size8[dim])[0]
    return steps


@njit(cache=True)
def widest(streams):
    """The most columns a stream has."""
    most = 1
    for x in range(streams.shape[0]):
        most = max(most, columns_of(streams[x, 1], streams[x, 2]))
    return most


@njit(cache=True)
def last_touch(loops, inside, extent):
    """1 + index, in the loop order inside a step, of the last MAC that touches the first psum word (T7)."""
    left = extent.copy()
    before = 0
    for i in range(loops.shape[0]):
        dim = loops[i, DIM]
        if loops[i, KIND] == 1 or loops[i, LEVEL] < inside:
            continue
        if OWN[PSUM, dim]:
            left[dim] = min(left[dim], loops[i, STEP])
            continue
        trips = (left[dim] + loops[i, STEP] - 1) // loops[i, STEP]
        rest = 1
        for other in range(8):
            if other != dim:
                rest *= left[other]
        before += (trips - 1) * loops[i, STEP] * rest
        left[dim] -= (trips - 1) * loops[i, STEP]
    return before + 1


@njit(cache=True)
def open_sums(loops, rows, index, base, size8, child, register):
    """Whether loops outside a psum tile still go on to other C, R or S, now that it comes in place.

    Those inside the innermost loop that changes the tile run to their end while it stays; so do all that lie outside
    it where it never changes.

    rows : int64[..], temporal loops, outermost first; index : int64[..], where they are. base : int64[8], of the tile.
    register : it changes at every iteration.
    """
    left = base.copy()
    changes = register
    for t in range(rows.shape[0] - 1, -1, -1):
        dim, step = loops[rows[t], DIM], loops[rows[t], STEP]
        if loops[rows[t], LEVEL] < child:
            more = index[t] + 1 < loops[rows[t], FACTOR] and left[dim] + step < size8[dim]
            if OWN[PSUM, dim]:
                changes = changes or more or index[t] > 0
            elif changes and more:
                return True
        left[dim] -= index[t] * step
    return False


# columns of what a walk knows of a psum stream: its versions when its parent's version began, whether its own version
# was refilled, versions that took up sums of the same parent's version
SINCE, REFILLED, TAKEN_UP = range(3)


@njit(cache=True)
def generate(
    loops, inside, size8, streams, at, row_of, cells, macs_per_cycle, uses, rates,
    cut, outer, carry, before, start, number, begin, work, back, tile, tile_at, tile_last, step_n, step_phi, sums,
):  # fmt: skip
    """Walk the steps of one body once and write every stream's versions; returns the steps.

    A body is what the step loops from `cut` on do in one iteration of those before: with `cut` 0 the whole layer.
    Parameters are those of `walk_steps`, but for

    outer : int64[cut], where the loops outside the body are. carry : the one that just moved, or -1.
    start : int64[x + 1], where each stream's versions lie in `begin`, `back`, `tile` and (rows of) `work`.
    """
    index = np.zeros(loops.shape[0] + 1, np.int64)
    index[:cut] = outer[:cut]
    number[:] = 0
    sums[:] = 0
    forget(streams, before, tile_at, tile_last)
    steps, _, _ = walk_steps(
        loops, inside, size8, streams, at, row_of, cells, macs_per_cycle, uses, rates, cut, index,
        carry, before, np.zeros((streams.shape[0], 3), np.int64), 0, NO_END, start, start[1:], number, begin, work,
        back, tile, tile_at, tile_last, step_n, step_phi, sums,
    )  # fmt: skip
    return steps


@njit(cache=True)
def forget(streams, before, tile_at, tile_last):
    """Psum tiles as they are before a walk; see `walk_steps`."""
    n_streams = streams.shape[0]
    for x in range(n_streams):
        if streams[x, 0] == PSUM:
            following = tile_last.shape[0]
            for y in range(n_streams - 1, x, -1):
                if streams[y, 0] == PSUM:
                    following = tile_at[y]
            tile_last[tile_at[x] : following] = EARLIER if before[x, 0] else -1


@njit(cache=True)
def _multiply(at, row_of, cells, combo, but, columns, out):
    """The full tiles' factors of one stream, multiplied over all groups but one."""
    out[:columns] = 1
    for group in range(GROUPS):
        if group != but:
            cell = at[group, FIRST] + row_of[at[group, LISTED] + combo[group]] * at[group, WIDTH]
            for col in range(columns):
                out[col] *= cells[cell + col]


@njit(cache=True)
def walk_steps(
    loops, inside, size8, streams, at, row_of, cells, macs_per_cycle, uses, rates, cut, index,
    carry, before, past, first, most, start, end, number, begin, work, back, tile, tile_at, tile_last, step_n, step_phi,
    sums,
):  # fmt: skip
    """Walk at most `most` steps from where `index` is, and write the versions that begin in them.

    Parameters
    ----------
    streams : int64[x, 8], (tensor, parent, child, register, reuse, parent stream or -1, accumulates on drain, the last
        drains of tiles are narrowed).
    at, row_of, cells : see `tables.tabulate`.
    uses : int64[use, 4], (stream, column, first use of its class, activity: 0 fill, 1 drain, 2 old psum).
    rates : int64[use, 3], cycles = ceil(words * rates[0] / rates[1]), of a narrowed drain rates[2] in place of [0].
    cut : loops that do not move. index : int64[> step loops], where all are, moved on.
    carry : the loop that just moved, or -1. first : number of the first step.
    before : uint8[x, 3], psums: whether the tiles were drained by an earlier body; whether that was before the parent's
        version began; whether the parent's version was refilled.
    past : int64[x, 3], see SINCE ..; zeros at first, moved on.
    start, end : int64[x], version v lies at ``start[x] + v`` of `begin`, `back`, `tile` and (rows of) `work`, if that
        is less than ``end[x]``; else it is only counted.
    tile_at, tile_last : where each psum stream's tiles lie in int32[tile], their last versions; see `forget`.
    step_n, step_phi : int64[step], of these steps; with no room nobody asks.

    Fills
    -----
    number : int64[x], versions, added to. begin : int64[version], first step a_v. work : int64[version, use slot],
        cycles.
    back : int64[version], psum: version of the latest earlier drain of this tile, else -1; -2: nothing to read;
        -3: an earlier body drained it. tile : int64[version], psum: the tile.
    step_n, step_phi : int64[step], cycles of C and the unit after which a psum drain may stream.
    sums : int64[x, 2 * column], words, added to; behind them those of the drains that are narrowed.

    Returns
    -------
    (steps, loop that moves into the next one: less than `cut` after the last, cycles of C in all).
    """
    n_streams = streams.shape[0]
    n_loops = loops.shape[0]
    temporal = np.empty(n_loops + 1, np.int64)
    nt = 0
    for i in range(n_loops):
        if loops[i, KIND] == 0 and loops[i, LEVEL] < inside:
            temporal[nt] = i
            nt += 1
    base = np.zeros(8, np.int64)
    # per stream and loop: stride of the loop in its group's table; per stream and carry: which groups may have moved
    group_of = np.zeros(nt + 1, np.int64)
    stride = np.zeros((n_streams, nt + 1), np.int64)
    tile_stride = np.zeros((n_streams, nt + 1), np.int64)
    carry_row = np.zeros((n_streams, nt + 1, GROUPS), np.int64)
    touched = np.zeros((n_streams, nt + 1, GROUPS), np.int64)
    inner_group = np.full(n_streams, -1, np.int64)
    for t in range(nt):
        for group in range(GROUPS):
            if in_group(loops[temporal[t], DIM], group):
                group_of[t] = group
    for x in range(n_streams):
        tensor, child = streams[x, 0], streams[x, 2]
        running = np.ones(GROUPS, np.int64)
        tiles = 1
        for t in range(nt - 1, -1, -1):
            row = temporal[t]
            if loops[row, LEVEL] >= child:
                continue
            if inner_group[x] < 0:
                inner_group[x] = group_of[t]
            stride[x, t] = running[group_of[t]]
            running[group_of[t]] *= loops[row, FACTOR]
            if OWN[tensor, loops[row, DIM]]:
                tile_stride[x, t] = tiles
                tiles *= loops[row, FACTOR]
        outside = np.zeros(GROUPS, np.int64)
        for t in range(nt):
            row = temporal[t]
            if loops[row, LEVEL] >= child:
                continue
            for group in range(GROUPS):
                inner = False
                for u in range(t, nt):
                    if loops[temporal[u], LEVEL] < child and group_of[u] == group:
                        inner = True
                touched[x, t, group] = 1 if inner else 0
                carry_row[x, t, group] = (
                    outside[group] if group == group_of[t] else at[x, group, OWN_LOOPS] + outside[group]
                )
            outside[group_of[t]] += 1
    combo = np.zeros((n_streams, GROUPS), np.int64)
    tile_id = np.zeros(n_streams, np.int64)
    most_columns = widest(streams)
    others = np.zeros((n_streams, most_columns), np.int64)
    stale = np.ones(n_streams, np.int64)
    words = np.zeros(most_columns, np.int64)
    narrow_at = sums.shape[1] // 2
    moved_before = np.full(uses.shape[0], -1, np.int64)
    lasted = np.zeros(uses.shape[0], np.int64)
    first_use = np.zeros(n_streams + 1, np.int64)
    for x in range(n_streams):
        for u in range(uses.shape[0]):
            if uses[u, 0] <= x:
                first_use[x + 1] = u + 1
    extent = np.ones(8, np.int64)
    tile_of = np.ones(8, np.int64)
    for i in range(n_loops):
        if loops[i, KIND] == 0 and loops[i, LEVEL] >= inside:
            tile_of[loops[i, DIM]] *= loops[i, FACTOR]
    psum_level = 0
    for x in range(n_streams):
        if streams[x, 0] == PSUM:
            psum_level = max(psum_level, streams[x, 2])
    for t in range(nt):
        base[loops[temporal[t], DIM]] += index[t] * loops[temporal[t], STEP]
        for x in range(n_streams):
            combo[x, group_of[t]] += index[t] * stride[x, t]
            if t >= cut:
                tile_id[x] += index[t] * tile_stride[x, t]
    for dim in range(8):
        extent[dim] = min(tile_of[dim], size8[dim] - base[dim])
    macs = 1
    for dim in range(8):
        macs *= extent[dim]
    phi = last_touch(loops, inside, extent)
    cycles = (macs + macs_per_cycle - 1) // macs_per_cycle
    streams_at = (phi + macs_per_cycle - 1) // macs_per_cycle
    k, busy = 0, 0
    while True:
        busy += cycles
        if k < step_n.shape[0]:
            step_n[k] = cycles
            step_phi[k] = streams_at
            for t in range(nt - 1, -1, -1):
                if loops[temporal[t], LEVEL] < psum_level:
                    break
                if index[t] > 0 and OWN[PSUM, loops[temporal[t], DIM]]:
                    step_phi[k] = 1  # this step does not touch the first word of the psum tile
        for x in range(n_streams):
            tensor, child = streams[x, 0], streams[x, 2]
            columns = columns_of(streams[x, 1], child)
            axes_moved, slider = 0, -1
            if carry >= 0:
                if stride[x, carry] == 0:
                    continue
                for group in range(GROUPS):
                    if touched[x, carry, group]:
                        cell = (
                            at[x, group, FIRST] + row_of[at[x, group, LISTED] + combo[x, group]] * at[x, group, WIDTH]
                        )
                        if cells[cell + columns + carry_row[x, carry, group]] == 1:
                            axes_moved += 1
                            slider = group
            if carry >= 0 and axes_moved == 0 and streams[x, 3] == 0:
                continue
            # words of this version: the product of the groups, one of them sliding if only it moved
            inner = inner_group[x]
            if stale[x]:
                _multiply(at[x], row_of, cells, combo[x], inner, columns, others[x])
                stale[x] = 0
            slides = tensor == IFMAP and axes_moved == 1 and slider >= 4 and streams[x, 3] == 0
            if slides and slider != inner:
                _multiply(at[x], row_of, cells, combo[x], slider, columns, words)
            else:
                for col in range(columns):
                    words[col] = others[x, col]
            if slides:
                cell = at[x, slider, FIRST] + row_of[at[x, slider, LISTED] + combo[x, slider]] * at[x, slider, WIDTH]
                cell += columns + 2 * at[x, slider, OWN_LOOPS] + 1 + carry_row[x, carry, slider] * columns
                for col in range(columns):
                    words[col] *= cells[cell + col]
            elif inner >= 0:
                cell = at[x, inner, FIRST] + row_of[at[x, inner, LISTED] + combo[x, inner]] * at[x, inner, WIDTH]
                for col in range(columns):
                    words[col] *= cells[cell + col]
            if tensor != PSUM and words[columns - 4] == 0:
                continue  # nothing new: no version
            v = number[x]
            number[x] += 1
            for col in range(columns):
                sums[x, col] += words[col]
            reads, final = -1, 0
            if streams[x, 7] and not open_sums(loops, temporal[:nt], index, base, size8, child, streams[x, 3] == 1):
                final = 2
                for col in range(columns):
                    sums[x, narrow_at + col] += words[col]
            if tensor == PSUM:
                at_tile = tile_at[x] + tile_id[x]
                last = tile_last[at_tile]
                tile_last[at_tile] = v
                # an old psum exists if the parent was refilled with it, or a child drained it there since
                above = streams[x, 5]
                refilled, lost = False, last == -1
                if above >= 0 and number[above] > 0:
                    refilled = past[above, REFILLED] == 1
                    lost = last < 0 or last < past[x, SINCE]
                elif above >= 0:
                    refilled = before[x, 2] == 1
                    lost = lost or (last == EARLIER and before[x, 1] == 1)
                reads = -2 if lost and not refilled else last
                past[x, REFILLED] = streams[x, 6] == 0 and reads != -2
                if not lost:
                    past[x, TAKEN_UP] += 1
                for y in range(n_streams):
                    if streams[y, 5] == x:
                        past[y, SINCE] = number[y]
            v += start[x]
            if v >= end[x]:
                continue
            begin[v] = first + k
            back[v] = reads
            if tensor == PSUM:
                tile[v] = at_tile
            for u in range(first_use[x], first_use[x + 1]):
                moving = words[uses[u, 1]]
                if uses[u, 3] != 1 and reads == -2:
                    moving = 0
                if 3 * moving + final != moved_before[u]:
                    # most versions of a stream carry as much as the one before: divide only when they do not
                    moved_before[u] = 3 * moving + final
                    lasted[u] = (moving * rates[u, final] + rates[u, 1] - 1) // rates[u, 1]
                work[v, u - uses[u, 2]] = lasted[u]
        # next step
        carry = nt - 1
        while carry >= cut:
            row = temporal[carry]
            dim = loops[row, DIM]
            if index[carry] + 1 < loops[row, FACTOR] and base[dim] + loops[row, STEP] < size8[dim]:
                break
            if index[carry] > 0:
                base[dim] -= index[carry] * loops[row, STEP]
                for x in range(n_streams):
                    if stride[x, carry] > 0:
                        combo[x, group_of[carry]] -= index[carry] * stride[x, carry]
                        tile_id[x] -= index[carry] * tile_stride[x, carry]
                        if group_of[carry] != inner_group[x]:
                            stale[x] = 1
                index[carry] = 0
            carry -= 1
        k += 1
        if carry < cut:
            return k, carry, busy
        row = temporal[carry]
        dim = loops[row, DIM]
        index[carry] += 1
        base[dim] += loops[row, STEP]
        for x in range(n_streams):
            if stride[x, carry] > 0:
                combo[x, group_of[carry]] += stride[x, carry]
                tile_id[x] += tile_stride[x, carry]
                if group_of[carry] != inner_group[x]:
                    stale[x] = 1
        changed = False
        for t in range(carry, nt):
            dim = loops[temporal[t], DIM]
            now = min(tile_of[dim], size8[dim] - base[dim])
            if now != extent[dim]:
                extent[dim] = now
                changed = True
        if changed:
            macs = 1
            for dim in range(8):
                macs *= extent[dim]
            phi = last_touch(loops, inside, extent)
            cycles = (macs + macs_per_cycle - 1) // macs_per_cycle
            streams_at = (phi + macs_per_cycle - 1) // macs_per_cycle
        if k == most:
            return k, carry, busy


@njit(cache=True)
def lend_places(tile, final, of, free, count, x):
    """Replace tiles by places, lent from a tile's first version to its last.

    tile : int64[version]. final : uint8[version], a tile's last. of : int32[tile], -1 where no place is lent.
    free : int64[..], places given back, count[x] of them; count[0] : places in all.
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
