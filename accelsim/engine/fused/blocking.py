"""The best blocks of a fused attention for a buffer: any integers, found without looking at all pairs.

What makes it exact, for blocks of B_r rows and B_c columns (`tests/engine/fused/test_blocking.py` tries all pairs):

* Of all B_r that cut the rows into as many blocks, the smallest ends each block no later than the others do, so it sees
  no more columns, computes no more blocks, and takes no more room: at most 2 sqrt(rows) sizes are worth a look.
* Without a mask, words and blocks fall with B_c, so the largest that fits is best.
* With one and rows outside, a row of blocks fetches its seen keys rounded up to B_c: B_c = 1 moves the least, and so
  does a divisor of what each block sees, up to the last column.
* With one and columns outside, a row of blocks moves as often as it computes a block: B_r = 1 moves the least, and so
  does a size whose blocks lie within rows that see as many blocks.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from math import gcd, isqrt

import numpy as np

from accelsim.engine.fused.attention import RUNNING, Attention, Blocks, Cut, Moved, moved, room

ORDERS = tuple(
    Blocks(1, 1, outside, whole, resident)
    for resident in (False, True)
    for outside, whole in (("rows", False), ("columns", False), ("rows", True))
)
"""The rows of the table: which loop is outside, rows of scores whole or not, keys and values resident or not."""
Score = tuple[int, int, int, int]


def best(attention: Attention, words: int, orders: Iterable[Blocks] = ORDERS) -> Blocks | None:
    """The blocks with the fewest words at the outermost level, of all orders given; None if none fits.

    Ties: the fewest blocks, then the least room, then the fewest rows, then the order given first.

    words : of the buffer. orders : of each, all but its sizes counts.
    """
    found: tuple[Score, Blocks] | None = None
    for order in orders:
        for blocks in _worth_a_look(attention, words, order):
            score = score_of(moved(attention, blocks), blocks)
            if found is None or score < found[0]:
                found = score, blocks
    return found[1] if found else None


def choices(attention: Attention, words: int, orders: Iterable[Blocks] = ORDERS) -> list[tuple[Moved, Blocks]]:
    """Blocks that no others beat in words of the outermost level, in blocks and in room; by growing room.

    Of each order, of every number of rows and columns of blocks, the smallest sizes. Without a mask none is left out;
    with one, sizes between those may move a little less: the best of each order (`best`) is always among them.
    """
    found: list[tuple[tuple[int, int, int], Blocks]] = []
    for order in orders:
        least = best(attention, words, [order])
        if least is None:
            continue
        result = moved(attention, least)
        found.append(((result.words, result.blocks, result.room), least))
        for rows in sizes(attention.rows):
            most = _widest(attention, words, order, rows)
            columns = [size for size in sizes(attention.keys) if size <= most]
            found += [
                (score, replace(order, rows=rows, columns=size))
                for size, score in zip(columns, _scores(attention, replace(order, rows=rows), columns), strict=True)
            ]
    kept = _unbeaten(sorted(found, key=lambda one: (one[0], one[1].rows)))
    return sorted(((moved(attention, blocks), blocks) for blocks in kept), key=lambda one: one[0].room)


def _unbeaten(found: Iterable[tuple[tuple[int, int, int], Blocks]]) -> Iterator[Blocks]:
    """Those that none before them beats in the last two scores; sorted by the first."""
    # of all so far, by growing number of blocks the least room: a staircase down
    stairs: list[tuple[int, int]] = []
    for (_, many, space), blocks in found:
        at = bisect_right(stairs, (many, space))
        if (at and stairs[at - 1][1] <= space) or (at < len(stairs) and stairs[at] == (many, space)):
            continue
        end = at
        while end < len(stairs) and stairs[end][1] >= space:
            end += 1
        stairs[at:end] = [(many, space)]
        yield blocks


def _scores(attention: Attention, order: Blocks, columns: Sequence[int]) -> list[tuple[int, int, int]]:
    """(words, blocks, room) for blocks of as many rows and each of these numbers of columns."""
    if not columns:
        return []
    wide = np.array(columns)
    cut = Cut(attention, replace(order, columns=1))
    # what each row of blocks sees, int64[row block, 1]; its blocks, int64[row block, columns]
    counts = -(-cut.columns[:, None] // wide)
    seen, rows, keys = np.minimum(attention.keys, counts * wide), attention.rows, attention.keys
    visits = (cut.rows[:, None] * counts).sum(axis=0)
    d, e = attention.width, attention.value_width
    fetched = np.full(len(wide), keys)
    queries, partials = rows * d, np.zeros(len(wide), np.int64)
    if order.outside == "rows":
        if not order.kv_resident:
            fetched = seen.sum(axis=0)
            if not order.whole_rows:
                fetched[wide == keys] = keys
    elif order.rows < rows:
        queries, partials = visits * d, (visits - rows) * (e + RUNNING)
    words = queries + fetched * (d + e) + 2 * partials + rows * e
    one, two = (room(attention, replace(order, columns=size)) for size in (1, 2))
    each = one + (wide - 1) * (two - one)
    return list(zip(words.tolist(), counts.sum(axis=0).tolist(), each.tolist(), strict=True))


def score_of(found: Moved, blocks: Blocks) -> Score:
    """What is least for the best: words, blocks, room, rows."""
    return found.words, found.blocks, found.room, blocks.rows


def sizes(whole: int) -> list[int]:
    """For each number of blocks that `whole` can be cut into evenly, the size: the smallest that gives as many."""
    root = isqrt(whole)
    small = range(1, root + 1)
    return sorted({*small, *(-(-whole // count) for count in range(1, root + 2))})


def _widest(attention: Attention, words: int, order: Blocks, rows: int) -> int:
    """The most columns of a block of so many rows for which there is room, at most all; 0 if there is none."""
    one, two = (room(attention, replace(order, rows=rows, columns=columns)) for columns in (1, 2))
    if one > words:
        return 0
    return min(attention.keys, 1 + (words - one) // (two - one)) if two > one else attention.keys


def _worth_a_look(attention: Attention, words: int, order: Blocks) -> Iterator[Blocks]:
    """Blocks among which the best of an order is."""
    stepped = attention.causal and order.outside == "columns"
    # of columns outside and a mask, one block of rows stays in place; smaller ones go by steps
    for rows in (attention.rows,) if stepped else sizes(attention.rows):
        cut = replace(order, rows=rows)
        if most := _widest(attention, words, cut, rows):
            for columns in _columns(attention, cut, most):
                yield replace(cut, columns=columns)
    if stepped:
        yield from _within_steps(attention, words, order)


def _columns(attention: Attention, order: Blocks, most: int) -> Iterator[int]:
    """Columns of a block, up to `most`, among which the best are, given its rows."""
    keys = attention.keys
    cut = Cut(attention, replace(order, columns=1))
    seen = set(cut.columns.tolist()) - {keys}
    if order.kv_resident or order.outside == "columns" or not seen:
        yield _fewest(cut, most)
        return
    if most == keys and not order.whole_rows:
        yield keys  # stays in place
    common = gcd(*seen)
    yield max(divisor for divisor in _divisors(common) if divisor <= most)


def _fewest(cut: Cut, most: int) -> int:
    """The fewest columns with as few blocks as `most` columns make."""

    def computed(columns: int) -> int:
        return int(Cut(cut.attention, replace(cut.blocks, columns=columns)).counts.sum())

    least, low, high = computed(most), 1, most
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if computed(middle) == least else (middle + 1, high)
    return low


def _within_steps(attention: Attention, words: int, order: Blocks) -> Iterator[Blocks]:
    """Columns outside, with a mask: blocks of rows that all see as many blocks of columns, and move as one row does."""
    most = _widest(attention, words, order, 1)
    least = _visits(attention, most) if most else 0
    for columns in range(most, 0, -1):
        if _visits(attention, columns) > least:
            return
        free = room(attention, replace(order, rows=1, columns=columns))
        each = room(attention, replace(order, rows=2, columns=columns)) - free
        fits = min(1 + (words - free) // each, attention.rows)
        hidden, h = attention.keys - attention.queries, attention.heads_on_one
        steps = range(columns - hidden % columns, attention.queries, columns)
        if common := gcd(*(h * step for step in steps[:2])):
            yield replace(order, rows=max(d for d in _divisors(common) if d <= fits), columns=columns)
        else:
            count = -(-attention.rows // fits)
            yield replace(order, rows=-(-attention.rows // count), columns=columns)


def _visits(attention: Attention, columns: int) -> int:
    """Blocks that all rows see, one by one, of a causal attention."""

    def up_to(seen: int) -> int:
        whole, rest = divmod(seen, columns)
        return columns * whole * (whole + 1) // 2 + rest * (whole + 1)

    return attention.heads_on_one * (up_to(attention.keys) - up_to(attention.keys - attention.queries))


def _divisors(number: int) -> set[int]:
    small = [d for d in range(1, isqrt(number) + 1) if number % d == 0]
    return {*small, *(number // d for d in small)}
