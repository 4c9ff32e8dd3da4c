"""The passes of a fused attention: as many MACs, words and operations as are counted, in time as a machine ticks."""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.architecture.model import Port
from accelsim.engine.fused.attention import Attention, moved, room
from accelsim.engine.fused.attention_passes import Walk
from accelsim.engine.fused.passes import Pass
from accelsim.engine.fused.ways import Way, Ways
from attentions import drawn, drawn_home
from golden.group_clock import Drawn, Moving, Tile, tick

SEEDS = st.integers(0, 2**32 - 1)
QUERIES, KEYS, VALUES, PARTIALS = range(4)
READS: list[set[int]] = [{QUERIES, KEYS}, {PARTIALS}, {VALUES}, set()]
WORD = Ways(*(Way((Port("bus", Fraction(1), in_words=True),), 16, 0),) * 5)


def drawn_ways(random: Random) -> Ways:
    ports = [Port(name, random.choice((Fraction(3), Fraction(16), Fraction(20, 3)))) for name in ("a", "b", "c")]

    def way() -> Way:
        return Way(tuple(random.sample(ports, random.choice((0, 1, 1, 2)))), 8, random.choice((0, 0, 4)))

    found = [way() for _ in range(5)]
    found[3] = found[3]._replace(latency=found[2].latency)  # all outputs leave over one network
    return Ways(*found)


def lasts(layer: str, rows: int, columns: int, again: bool) -> int:
    return 1 + (7 * rows + 3 * columns + 5 * again + len(layer)) % 23


def lasting(one: Pass, shape: Attention) -> int:
    """Of a pass of the package."""
    rows, columns = one.plane
    if one.problem:
        columns = one.problem["M"] if one.op == "scores" else one.problem["C"]
        return lasts(one.op, rows, columns, one.problem.added)
    finish = one.operations == rows * shape.value_width and one.reads == rows * (shape.value_width + 1)
    return lasts("finish" if finish else "softmax", rows, columns, False)


def tiles_of(walk: Walk, ways: Ways, heads: int, double: bool) -> Drawn:
    """Block by block, by hand; finishing is a layer of its own here."""
    shape, blocks = walk.attention, walk.blocks
    d, e, keys = shape.width, shape.value_width, shape.keys
    rows_ = [range(start, min(start + blocks.rows, shape.rows)) for start in range(0, shape.rows, blocks.rows)]
    columns_ = [range(start, min(start + blocks.columns, keys)) for start in range(0, keys, blocks.columns)]
    seen = {rows: [c for c in columns_ if any(shape.seen(row) > c.start for row in rows)] for rows in rows_}
    spills = blocks.outside == "columns" and len(rows_) > 1
    stays = blocks.kv_resident or (len(columns_) == 1 and blocks.outside == "rows" and not blocks.whole_rows)

    def go(way: Way, words: int) -> Moving:
        return Moving({port.name: ceil(Fraction(words * way.bits) / port.rate) for port in way.ports}, way.latency)

    tiles: list[Tile] = []
    for _ in range(heads):
        renewed, last_of = {0, 2} if stays and tiles else set(), {}
        if blocks.whole_rows:
            for rows in rows_:
                many = len(rows)
                for c in seen[rows]:
                    inputs = {} if stays else {KEYS: go(ways.filter, len(c) * d)}
                    if c == seen[rows][0]:
                        inputs[QUERIES] = go(ways.ifmap, many * d)
                    tiles.append(Tile([(0, lasts("scores", many, len(c), False))], inputs, None, 0, renewed & {0}))
                    renewed = renewed - {0}
                for c in seen[rows]:
                    inputs = {} if stays else {VALUES: go(ways.filter, len(c) * e)}
                    first, last = c == seen[rows][0], c == seen[rows][-1]
                    each = [(1, lasts("softmax", many, seen[rows][-1].stop, False))] if first else []
                    each.append((2, lasts("values", many, len(c), not first)))
                    tiles.append(Tile(each, inputs, go(ways.psum, many * e) if last else None, 0, renewed))
                    renewed = set()
            continue
        pairs = [(rows, c) for rows in rows_ for c in seen[rows]]
        if blocks.outside == "columns":
            pairs = [(rows, c) for c in columns_ for rows in rows_ if c in seen[rows]]
        for n, (rows, c) in enumerate(pairs):
            many, first, last = len(rows), c == seen[rows][0], c == seen[rows][-1]
            each = [(0, lasts("scores", many, len(c), False)), (1, lasts("softmax", many, len(c), False))]
            each.append((2, lasts("values", many, len(c), not first)))
            if last:
                each.append((3, lasts("finish", many, e, False)))
            inputs = {}
            new_column = n == 0 or pairs[n - 1][1] != c
            if not stays and (blocks.outside == "rows" or new_column):
                inputs = {KEYS: go(ways.filter, len(c) * d), VALUES: go(ways.filter, len(c) * e)}
            if spills or (first and (blocks.outside == "rows" or n == 0)):
                inputs[QUERIES] = go(ways.ifmap, many * d)
            if spills and not first:
                inputs[PARTIALS] = go(ways.refill, many * (e + 2))
                inputs[PARTIALS].back = last_of[rows]
                inputs[PARTIALS].freed = len(tiles) - 2
            out = go(ways.psum, many * e) if last else go(ways.spill, many * (e + 2)) if spills else None
            writes = len(each) - 1 - (1 if spills or not first else 2)
            last_of[rows] = len(tiles)
            tiles.append(Tile(each, inputs, out, writes, renewed))
            renewed = set()
    filters = {0: go(ways.filter, keys * d), 2: go(ways.filter, keys * e)} if stays else {}
    for number, name in enumerate(("queries", "keys", "values")):
        if name in walk.at_home:
            filters.pop({1: 0, 2: 2}.get(number, -1), None)
            for tile in tiles:
                tile.inputs.pop(number, None)
    for tile in tiles if "outputs" in walk.at_home else ():
        tile.out = None
    return Drawn(4, READS, tiles, filters, {}, double)


def check_time(seed: int) -> None:
    shape, blocks = drawn(seed, most=9)
    random = Random(seed + 1)
    ways, heads, double = drawn_ways(random), random.choice((1, 1, 2, 3)), random.random() < 0.5
    walk = Walk(shape, blocks, drawn_home(seed, shape, blocks))
    clock = walk.timed(ways, [lasting(one, shape) for one in walk.passes], heads, double)
    wanted = tick(tiles_of(walk, ways, heads, double))
    assert list(zip(clock.begins.tolist(), clock.ends.tolist(), strict=True)) == wanted.passes
    assert clock.cycles == wanted.cycles
    assert sum(clock.stalls.values()) + clock.processing == clock.cycles


@given(SEEDS)
@settings(max_examples=200)
def test_an_attention_in_time_is_ticked(seed: int) -> None:
    """Causal or not, heads one after another, single and double buffers, all orders."""
    check_time(seed)


@pytest.mark.nightly
@given(SEEDS)
@settings(max_examples=3_000)
def test_an_attention_in_time_is_ticked_nightly(seed: int) -> None:
    check_time(seed)


@given(SEEDS)
@settings(max_examples=200)
def test_passes_are_what_is_counted(seed: int) -> None:
    """MACs, operations, and every word that a transfer brings or takes."""
    shape, blocks = drawn(seed)
    at_home = drawn_home(seed, shape, blocks)
    walk, found = Walk(shape, blocks, at_home), moved(shape, blocks, at_home)
    e = shape.value_width
    assert sum(one.runs * one.problem.macs for one in walk.passes if one.problem) == found.macs
    assert sum(one.runs for one in walk.passes if one.op == "scores") == found.blocks
    scores = found.macs // (shape.width + e)
    visits = found.rescalings // e
    operations = 5 * scores if blocks.whole_rows else 4 * scores + 3 * visits + found.rescalings + shape.rows * e
    assert sum(one.runs * one.operations for one in walk.passes) == operations
    schedule = walk.schedule(WORD, [1] * len(walk.passes))
    brought = np.bincount(schedule.transfers.cause, weights=schedule.transfers.work[:, 0], minlength=7).astype(int)
    queries, keys, values, partials, of_scores, _, of_values = brought.tolist()
    assert (queries, keys + of_scores, values + of_values) == (found.queries, found.keys, found.values)
    assert partials == found.partials
    assert np.maximum(schedule.drains, 0).sum() == found.updates
    # what the products read and write, block by block
    assert sum(one.runs * one.writes for one in walk.passes if one.op == "scores") == scores


def lifetimes(walk: Walk, heads: int, double: bool, ways: Ways) -> list[tuple[int, int, int]]:
    """(begin, end, words) of everything the buffer holds, from what the clock says began and ended."""
    shape, blocks = walk.attention, walk.cut.blocks
    clock = walk.timed(ways, [lasting(one, shape) for one in walk.passes], heads, double)
    schedule, d, e = clock.schedule, shape.width, shape.value_width
    begins, ends, gone = clock.begins.tolist(), clock.ends.tolist(), clock.gone.tolist()
    came = {}
    for at, cause in enumerate(schedule.transfers.cause.tolist()):
        came[cause, int(schedule.transfers.needed[at])] = int(clock.came[at])
    listed = walk.cut.listed
    passes = {kind: walk._first_pass(kind).tolist() for kind in range(4)}
    many, found = len(schedule.layer) // heads, []
    rows, columns = listed.rows.tolist(), listed.columns.tolist()
    tile = schedule.tile.tolist()

    def until_next(begun: list[int], last_pass: list[int], words: list[int], head: int, source: int) -> None:
        """Each lies there from when it comes until the last pass before the next one comes that uses it."""
        for n, b in enumerate(begun):
            end = begun[n + 1] if n + 1 < len(begun) else len(last_pass)
            use = max(last_pass[b:end])
            reader = min(p for p in ((passes[0] if source != 2 else passes[2])[b:end]) if p >= 0)
            found.append((came[source, reader + head * many], ends[use + head * many], words[b]))

    for head in range(heads):
        shift = head * many
        every = range(len(rows))
        by_row = blocks.outside == "rows"
        new = [b for b in every if listed.first[b]] if by_row else list(every) if walk.spills else [0]
        until_next(new, passes[0], [r * d for r in rows], head, 0)
        if walk.stays:
            for layer, size, place in ((0, d, 4), (2, e, 6)):
                own = [p + shift for p in passes[layer] if p >= 0]
                found.append((came[place, min(own)], ends[max(own)], shape.keys * size))
        else:
            fresh = [b for b in every if by_row or not b or listed.column[b] != listed.column[b - 1]]
            until_next(fresh, passes[0], [c * d for c in columns], head, 1)
            until_next(fresh, passes[2], [c * e for c in columns], head, 2)
        for row in dict.fromkeys(listed.row.tolist()):
            own = [b for b in every if listed.row[b] == row]
            pass_of = {kind: [passes[kind][b] + shift for b in own if passes[kind][b] >= 0] for kind in passes}
            out = gone[tile[pass_of[2][-1]]]
            if blocks.whole_rows:
                found.append((begins[pass_of[0][0]], ends[pass_of[2][-1]], rows[own[0]] * sum(columns[b] for b in own)))
                found.append((begins[pass_of[2][0]], out, rows[own[0]] * e))
                continue
            for scores, values, b in zip(pass_of[0], pass_of[2], own, strict=True):
                found.append((begins[scores], ends[values], rows[b] * columns[b]))
            if not walk.spills:
                found.append((begins[pass_of[1][0]], ends[pass_of[3][-1]], 2 * rows[own[0]]))
                found.append((begins[pass_of[2][0]], out, rows[own[0]] * e))
                continue
            for n, (softmax, values, b) in enumerate(zip(pass_of[1], pass_of[2], own, strict=True)):
                there = came.get((3, softmax))
                left = gone[tile[values]]
                found.append((begins[values] if there is None else there, left, rows[b] * e))
                last = n == len(own) - 1
                found.append(
                    (begins[softmax] if there is None else there, ends[pass_of[3][-1]] if last else left, 2 * rows[b])
                )
    return found


def check_room(seed: int) -> None:
    shape, blocks = drawn(seed, most=9)
    random = Random(seed + 2)
    walk, heads, double = Walk(shape, blocks), random.choice((1, 1, 2)), random.random() < 0.5
    held = lifetimes(walk, heads, double, drawn_ways(random))
    steps = sorted({when for begin, end, _ in held for when in (begin, end)})
    most = max(sum(words for begin, end, words in held if begin <= now < end) for now in steps)
    assert most <= room(shape, walk.cut.blocks, double)


@given(SEEDS)
@settings(max_examples=200)
def test_never_more_room_than_is_said(seed: int) -> None:
    """Single and double buffers, whatever the transfers take."""
    check_room(seed)
