"""SCNN's PEs: every non-zero ifmap word of a block meets every non-zero filter word; products queue at banks.

A *block* is one input channel and one stride phase. The bank of a product is the sum of a number of its ifmap word
and one of its filter word, so all a vector of filter words adds to the banks is one pattern, rotated by each ifmap
word. Eight queues are the bytes of a 64-bit word: added to, compared and drained at once. docs/scnn.md has the rules.
"""

from __future__ import annotations

import numpy as np

from accelsim.jit import njit

STRIDE, DILATION, PAD, SIZE, TILE, CUT, OUTPUTS, TAPS = range(8)  # of each of the two axes
BANK, ROW, COLUMN, EDGE = range(4)  # of each word
IFMAPS, FILTERS, BANKS, FIFO, WEIGHTS, SPREAD = range(6)  # of the PE
LONGEST_RUN = 16  # zeros a 4-bit run and its own word stand for
LONGEST = 127  # words one byte can queue, with a bit left over to compare

ONE, LOW, HIGH = np.uint64(0x0101010101010101), np.uint64(0x7F7F7F7F7F7F7F7F), np.uint64(0x8080808080808080)
SEVEN, EIGHT, BYTE, LONG = np.uint64(7), np.uint64(8), np.uint64(0xFF), np.uint64(LONGEST)
FEW = 4  # rotations are worked out word by word where the words are fewer than one in so many banks
FOUR = 4  # rows added at a time: a compiler unrolls that


@njit(cache=True)
def outputs_of(axis, position, tap):
    """The output row (or column) where an ifmap row meets a tap of its own phase; it may lie outside the ofmap."""
    return (position + axis[PAD] - tap * axis[DILATION]) // axis[STRIDE]


@njit(cache=True)
def near_edge(axis, position):
    """Whether a row meets a tap of its phase whose output lies outside the ofmap."""
    for tap in range(axis[TAPS]):
        if (position + axis[PAD] - tap * axis[DILATION]) % axis[STRIDE] == 0:
            output = outputs_of(axis, position, tap)
            if output < 0 or output >= axis[OUTPUTS]:
                return 1
    return 0


@njit(cache=True)
def phase_start(axis, start, phase):
    """The first row from `start` on that belongs to a stride phase."""
    return start + (phase - start - axis[PAD]) % axis[STRIDE]


@njit(cache=True)
def gather_ifmap(plane, axes, grid, cut, pitch, banks, words, ends, stored):
    """The non-zero words of one sub-tile of every PE, by block, then PE, each row by row.

    plane : uint8[C, height, width]. axes : int64[2, 8]. grid : int64[2], PEs. cut : int64[2], which sub-tile.
    pitch : accumulator columns of a sub-tile.
    words : int32[word, 4], written. ends : int64[block * PE + 1], written.
    stored : int64[block * PE], written: words as they are stored, with the placeholders of long runs of zeros.
    """
    y_axis, x_axis = axes[0], axes[1]
    far_y, far_x = np.zeros(y_axis[SIZE], np.int32), np.zeros(x_axis[SIZE], np.int32)
    for y in range(y_axis[SIZE]):
        far_y[y] = near_edge(y_axis, y)
    for x in range(x_axis[SIZE]):
        far_x[x] = near_edge(x_axis, x)
    n, block = 0, 0
    ends[0] = 0
    for c in range(plane.shape[0]):
        for phase in range(y_axis[STRIDE] * x_axis[STRIDE]):
            for pe in range(grid[0] * grid[1]):
                y0, y1 = span(y_axis, pe // grid[1], cut[0])
                x0, x1 = span(x_axis, pe % grid[1], cut[1])
                run, stored[block] = 0, 0
                for y in range(phase_start(y_axis, y0, phase // x_axis[STRIDE]), y1, y_axis[STRIDE]):
                    row = (y + y_axis[PAD]) // y_axis[STRIDE]
                    for x in range(phase_start(x_axis, x0, phase % x_axis[STRIDE]), x1, x_axis[STRIDE]):
                        if plane[c, y, x] == 0:
                            run += 1
                        else:
                            column = (x + x_axis[PAD]) // x_axis[STRIDE]
                            words[n, BANK] = (column + pitch * row) % banks
                            words[n, ROW] = row
                            words[n, COLUMN] = column
                            words[n, EDGE] = far_y[y] | far_x[x]
                            n += 1
                            stored[block] += 1 + run // LONGEST_RUN
                            run = 0
                block += 1
                ends[block] = n


@njit(cache=True)
def span(axis, pe, cut):
    """First and past the last row of a PE's sub-tile, clipped."""
    first = pe * axis[TILE] + cut * axis[CUT]
    return first, min(first + axis[CUT], (pe + 1) * axis[TILE], axis[SIZE])


@njit(cache=True)
def gather_filter(weights, axes, pitch, banks, spread, words, ends, stored):
    """The non-zero filter words of one group of output channels, by block, each in order r, s, m.

    weights : uint8[M, C, R, S]. words : int32[word, 4], written. ends : int64[block + 1], written.
    stored : int64[block], written, as for `gather_ifmap`.
    """
    y_axis, x_axis = axes[0], axes[1]
    channels, taps_y, taps_x = weights.shape[1], weights.shape[2], weights.shape[3]
    n, block = 0, 0
    ends[0] = 0
    for c in range(channels):
        for phase in range(y_axis[STRIDE] * x_axis[STRIDE]):
            run, stored[block] = 0, 0
            for r in range(taps_y):
                if r * y_axis[DILATION] % y_axis[STRIDE] != phase // x_axis[STRIDE]:
                    continue
                row = r * y_axis[DILATION] // y_axis[STRIDE]
                for s in range(taps_x):
                    if s * x_axis[DILATION] % x_axis[STRIDE] != phase % x_axis[STRIDE]:
                        continue
                    column = s * x_axis[DILATION] // x_axis[STRIDE]
                    for m in range(weights.shape[0]):
                        if weights[m, c, r, s] == 0:
                            run += 1
                        else:
                            words[n, BANK] = (spread * m - column - pitch * row) % banks
                            words[n, ROW] = row
                            words[n, COLUMN] = column
                            words[n, EDGE] = 0
                            n += 1
                            stored[block] += 1 + run // LONGEST_RUN
                            run = 0
            block += 1
            ends[block] = n


@njit(cache=True)
def one_hot(banks):
    """uint64[3 banks, word]: a product at each bank, once more so that no rotation wraps, then rows of no product."""
    rows = np.zeros((3 * banks, (banks + 7) // 8), np.uint64)
    banked = rows.view(np.uint8)
    for row in range(2 * banks):
        banked[row, row % banks] = 1
    return rows


@njit(cache=True)
def patterns(filters, lanes, hot, table):
    """table[vector, rotation] : what each vector of a block's filter words adds to the banks."""
    banks, packed, count = len(hot) // 3, hot.shape[1], len(filters)
    at = np.empty(FOUR, np.int64)
    for vector in range(-(-count // lanes)):
        end = min(vector * lanes + lanes, count)
        table[vector] = 0
        for chunk in range(vector * lanes, end, FOUR):
            for i in range(FOUR):
                at[i] = filters[chunk + i, BANK] if chunk + i < end else 2 * banks
            a, b, c, d = at[0], at[1], at[2], at[3]
            for turn in range(banks):
                for w in range(packed):
                    more = hot[a + turn, w] + hot[b + turn, w] + hot[c + turn, w] + hot[d + turn, w]
                    table[vector, turn, w] += more


@njit(cache=True)
def few_patterns(filters, lanes, hot, ifmaps, table):
    """The same for the rotations of a few ifmap words only."""
    packed, count = hot.shape[1], len(filters)
    for i in range(len(ifmaps)):
        turn = ifmaps[i, BANK]
        for vector in range(-(-count // lanes)):
            table[vector, turn] = 0
            for j in range(vector * lanes, min(vector * lanes + lanes, count)):
                for w in range(packed):
                    table[vector, turn, w] += hot[filters[j, BANK] + turn, w]


@njit(cache=True)
def retire(queue):
    """Eight queues after one more cycle: each that is not empty gives up a product."""
    return queue - (((queue + LOW) & HIGH) >> SEVEN)


@njit(cache=True)
def wait(queue, cycles):
    """Every bank retires a product in each of some cycles in which none arrives."""
    away = ONE * np.uint64(min(cycles, LONGEST))
    for w in range(len(queue)):
        left = (queue[w] | HIGH) - away
        queue[w] = left & (((left & HIGH) >> SEVEN) * LONG)


@njit(cache=True)
def fullest(queue):
    """Products in the longest queue."""
    most = np.uint64(0)
    for w in range(len(queue)):
        left = queue[w]
        while left:
            most = max(most, left & BYTE)
            left >>= EIGHT
    return np.int64(most)


@njit(cache=True)
def stall(queue, room):
    """Cycles until no bank holds more than its FIFO; see `workspace`."""
    cycles, packed = 0, len(queue)
    while True:
        full = np.uint64(0)
        for w in range(packed):
            full |= queue[w] + room
        if not full & HIGH:
            return cycles
        for w in range(packed):
            queue[w] = retire(queue[w])
        cycles += 1


@njit(cache=True)
def meet(table, vectors, turns, queue, room):
    """Cycles in which one ifmap vector, away from the edges, meets every filter vector of the block.

    turns : int64[I], the rotation of each ifmap word; I padded to a multiple of four by the row of no product.
    """
    cycles, packed = vectors, len(queue)
    e, f, g, h = turns[0], turns[1], turns[2], turns[3]
    full = HIGH
    for v in range(vectors):
        if full & HIGH:
            cycles += stall(queue, room)
        for i in range(FOUR, len(turns), FOUR):
            a, b, c, d = turns[i], turns[i + 1], turns[i + 2], turns[i + 3]
            for w in range(packed):
                queue[w] += table[v, a, w] + table[v, b, w] + table[v, c, w] + table[v, d, w]
        full = np.uint64(0)
        for w in range(packed):
            left = retire(queue[w] + table[v, e, w] + table[v, f, w] + table[v, g, w] + table[v, h, w])
            queue[w] = left
            full |= left + room
    return cycles


@njit(cache=True)
def meet_edge(filters, vectors, lanes, edges, outputs, queue, work):
    """The same for a vector with words near an edge; products outside the ofmap go to no bank.

    edges : how many words of `near` lie near an edge; `turns` has the others. outputs : int64[2], rows and columns.
    """
    table, turns, near, more, banked, room = work
    banks, packed = table.shape[1] - 1, len(queue)
    for v in range(vectors):
        for w in range(packed):
            more[v, w] = 0
        for i in range(0, len(turns), FOUR):
            a, b, c, d = turns[i], turns[i + 1], turns[i + 2], turns[i + 3]
            for w in range(packed):
                more[v, w] += table[v, a, w] + table[v, b, w] + table[v, c, w] + table[v, d, w]
    for i in range(edges):
        bank, row, column = near[i, BANK], near[i, ROW], near[i, COLUMN]
        for v in range(vectors):
            for j in range(v * lanes, min(v * lanes + lanes, len(filters))):
                y, x, at = row - filters[j, ROW], column - filters[j, COLUMN], bank + filters[j, BANK]
                at -= banks if at >= banks else 0
                # added as 0 or 1: whether a product lies outside is hard to predict for a branch
                banked[v, at] += (y >= 0) & (y < outputs[0]) & (x >= 0) & (x < outputs[1])
    cycles = vectors
    for v in range(vectors):
        cycles += stall(queue, room)
        for w in range(packed):
            queue[w] = retire(queue[w] + more[v, w])
    return cycles


@njit(cache=True)
def meet_block(ifmaps, filters, vectors, pe, outputs, queue, work):
    """Cycles in which the ifmap words of one PE meet the filter words of a block, `vectors` of them.

    ifmaps, filters : int32[word, 4].
    """
    table, turns, near, _, _, room = work
    lanes = pe[IFMAPS]
    if pe[FIFO] == 0:
        return -(-len(ifmaps) // lanes) * vectors
    cycles, i = 0, 0
    # most blocks are one vector: a range with a step would divide to count it
    while i < len(ifmaps):
        edges = 0
        for j in range(len(turns)):
            turns[j] = pe[BANKS]
            if j < min(lanes, len(ifmaps) - i):
                if ifmaps[i + j, EDGE]:
                    for k in range(EDGE):
                        near[edges, k] = ifmaps[i + j, k]
                    edges += 1
                else:
                    turns[j] = ifmaps[i + j, BANK]
        if edges:
            cycles += meet_edge(filters, vectors, pe[FILTERS], edges, outputs, queue, work)
        else:
            cycles += meet(table, vectors, turns, queue, room)
        i += lanes
    return cycles


@njit(cache=True)
def workspace(pe, longest):
    """What a block's products are added up in, for at most `longest` filter vectors.

    table : `patterns`. turns : int64[I], rotations of a vector's words away from edges. near : int32[I, 4], the others.
    more : uint64[vector, word], products of each bank; banked : its bytes.
    room : LONGEST less the length of a FIFO, in every byte.
    """
    packed = (pe[BANKS] + 7) // 8
    table = np.zeros((longest, pe[BANKS] + 1, packed), np.uint64)
    turns = np.empty(-(-pe[IFMAPS] // FOUR) * FOUR, np.int64)
    near = np.empty((pe[IFMAPS], 4), np.int32)
    more = np.zeros((longest, packed), np.uint64)
    return table, turns, near, more, more.view(np.uint8), ONE * np.uint64(LONGEST - pe[FIFO])


@njit(cache=True)
def run(ifmaps, ifmap_ends, filters, filter_ends, pe, outputs, working, busy):
    """Cycles of one group of output channels and one sub-tile, to the barrier at its end.

    ifmaps, ifmap_ends, filters, filter_ends : see `gather_ifmap` and `gather_filter`. pe : int64[6]. outputs :
    int64[2], ofmap rows and columns. working : int64[], PEs with any ifmap word; nobody waits for the others.
    busy : int64[PE], added to: cycles with a step, a stall or the last products.
    """
    blocks, pes = len(filter_ends) - 1, len(busy)
    longest = 0
    for block in range(blocks):
        longest = max(longest, -(-(filter_ends[block + 1] - filter_ends[block]) // pe[FILTERS]))
    work = workspace(pe, longest if pe[FIFO] else 0)
    hot = one_hot(pe[BANKS])
    queues = np.zeros((pes, hot.shape[1]), np.uint64)
    time, done = np.zeros(pes, np.int64), np.zeros(blocks + 1, np.int64)
    held, oldest = 0, 0
    for block in range(blocks):
        first, last = filter_ends[block], filter_ends[block + 1]
        # the weights of this block wait until enough earlier blocks have left every PE's weight FIFO
        vectors = -(-(last - first) // pe[FILTERS])
        held += vectors
        while held > pe[WEIGHTS] and oldest < block:
            held -= -(-(filter_ends[oldest + 1] - filter_ends[oldest]) // pe[FILTERS])
            oldest += 1
        start, some = done[oldest], filters[first:last]
        if first < last and pe[FIFO]:
            words = ifmaps[ifmap_ends[block * pes] : ifmap_ends[block * pes + pes]]
            if FEW * len(words) < pe[BANKS]:
                few_patterns(some, pe[FILTERS], hot, words, work[0])
            else:
                patterns(some, pe[FILTERS], hot, work[0])
        latest = start
        for p in working:
            if time[p] < start:
                wait(queues[p], start - time[p])
                time[p] = start
            begin, end = ifmap_ends[block * pes + p], ifmap_ends[block * pes + p + 1]
            if first < last and begin < end:
                spent = meet_block(ifmaps[begin:end], some, vectors, pe, outputs, queues[p], work)
                time[p] += spent
                busy[p] += spent
            latest = max(latest, time[p])
        done[block + 1] = latest
    longest = 0
    for p in working:
        left = fullest(queues[p])
        busy[p] += left
        longest = max(longest, time[p] + left)
    return longest
