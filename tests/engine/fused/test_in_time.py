"""A fused group on its tiles, in time: as a walk lists and a machine ticks them; and never more room than is said."""

from __future__ import annotations

import zlib
from dataclasses import replace
from fractions import Fraction
from math import ceil
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.architecture.model import Port
from accelsim.architecture.yaml import load_architecture
from accelsim.engine.fused.group import Group, Op, Read, Source
from accelsim.engine.fused.in_time import Stays, schedule_of, timed
from accelsim.engine.fused.passes import passes
from accelsim.engine.fused.storage import Measure, Tiling, by_tensor, measure
from accelsim.engine.fused.ways import Way, Ways
from accelsim.errors import AccelsimError, MappingError
from accelsim.workload.problem import Tensor
from drawn_groups import drawn_cut, drawn_group, drawn_tiling
from golden import fused_walk
from golden.group_clock import Drawn, Moving, Tile, tick

RANDOM = st.randoms(use_true_random=False)
PORTS = tuple(
    Port(name, rate) for name, rate in (("read", Fraction(5)), ("bus", Fraction(16, 3)), ("write", Fraction(9)))
)


def drawn_ways(rng: Random) -> Ways:
    def way() -> Way:
        return Way(tuple(rng.sample(PORTS, rng.choice((0, 1, 1, 2)))), rng.choice((4, 8, 16)), rng.choice((0, 0, 5)))

    return Ways(way(), way(), way())


def lasts(op: str, plane: tuple[int, int], reads: int, writes: int) -> int:
    """Some number for each kind of pass."""
    return 1 + zlib.crc32(repr((op, *plane, reads, int(writes))).encode()) % 40


def drawn_stays(rng: Random, group: Group) -> Stays:
    outside = [source.name for source in (*group.sources, *group.sinks)]
    return Stays(
        frozenset(op.name for op in group.ops if rng.random() < 0.5),
        frozenset(name for name in outside if rng.random() < 0.15),
        {op.name: rng.randint(1, op.filters) for op in group.ops if op.filters and rng.random() < 0.6},
    )


def moving(way: Way, words: int, part: int = 0) -> Moving:
    def cycles(words: int) -> dict[str, int]:
        return {port.name: ceil(Fraction(words * way.bits) / port.rate) for port in way.ports}

    return Moving(cycles(words), way.latency, max(cycles(part).values(), default=0))


def walked(group: Group, tiling: Tiling, ways: Ways, stays: Stays) -> Drawn:
    """The tiles of a group, by a walk along each axis."""
    keep = {name: tiling.own.get(name, tiling.keep) for name in group.tensors}
    rows, columns = (fused_walk.along(group, axis, tiling.tile[axis], keep) for axis in (0, 1))
    planes = {one.name: one.plane for one in (*group.sources, *group.ops)}
    tiles: list[Tile] = []
    parts: dict[int, Moving] = {}
    for image in range(group.images):
        for row in rows:
            for column in columns:
                boxes = {name: (row[name][1], column[name][1]) for name in group.tensors}
                made = {name: box for name, box in boxes.items() if all(box)}
                size = {name: np.prod([end - begin for begin, end in box], dtype=int) for name, box in made.items()}
                each = []
                for number, op in enumerate(group.ops):
                    if op.name not in made:
                        continue
                    reads = 0
                    for read in op.reads:
                        used = [
                            fused_walk.interval(op, axis, *made[op.name][axis], planes[read.tensor][axis])
                            for axis in (0, 1)
                        ]
                        reads += len(read.channels) * np.prod([end - begin for begin, end in used], dtype=int)
                    plane = tuple(end - begin for begin, end in made[op.name])
                    before = sum(len(tile.passes) for tile in tiles)
                    cut, outer = tiling.cut.get(op.name, 0), op.channels // (op.groups * op.shared)
                    for begin in range(0, outer, cut or outer):
                        mine = min(cut or outer, outer - begin)
                        if cut:
                            words = op.filters // outer * mine
                            parts[before + len(each)] = moving(ways.filter, words, words)
                        each.append(
                            (number, lasts(op.name, plane, int(reads), size[op.name] * op.channels // outer * mine))
                        )
                inputs = {
                    number: moving(ways.ifmap, int(size[source.name]) * source.channels)
                    for number, source in enumerate(group.sources)
                    if source.name in size and source.name not in stays.at_home
                }
                away = [op for op in group.sinks if op.name not in stays.at_home]
                out = moving(ways.psum, sum(int(size[op.name]) * op.channels for op in away))
                this_image = tiles[image * len(rows) * len(columns) :]
                again = {
                    number
                    for number, op in enumerate(group.ops)
                    if image and op.dynamic and not any(number in dict(tile.passes) for tile in this_image)
                }
                first = group.ops.index(group.sinks[0])
                writes = sum(number >= first for number, _ in each) - 1
                tiles.append(Tile(each, inputs, out if away else None, writes, again))
    filters: dict[bool, dict[int, Moving]] = {True: {}, False: {}}
    for number, op in enumerate(group.ops):
        if op.filters:
            part = min(stays.slices.get(op.name, op.filters), op.filters)
            filters[op.name in stays.filters][number] = moving(ways.filter, op.filters, part)
    reads = [
        {n for n, source in enumerate(group.sources) if any(read.tensor == source.name for read in op.reads)}
        for op in group.ops
    ]
    return Drawn(len(group.sources), reads, tiles, filters[True], filters[False], tiling.double, parts)


def with_dynamic(rng: Random, group: Group) -> Group:
    """The same, where what some products multiply by comes with each image."""
    return replace(
        group,
        ops=tuple(
            replace(op, dynamic=f"{op.name}'s") if op.kind == "matmul" and rng.random() < 0.6 else op
            for op in group.ops
        ),
    )


def check_group(rng: Random) -> None:
    group = with_dynamic(rng, drawn_group(rng, 5, rng.choice([1, 1, 2, 3])))
    tiling = replace(drawn_tiling(rng, group), double=rng.random() < 0.5)
    ways, stays = drawn_ways(rng), drawn_stays(rng, group)
    tiling = replace(tiling, cut=drawn_cut(rng, group, stays.filters))
    found = measure(group, tiling)
    clock = timed(found, ways, [lasts(one.op, one.plane, one.reads, one.writes) for one in passes(found)], stays)
    wanted = tick(walked(group, tiling, ways, stays))
    assert list(zip(clock.begins.tolist(), clock.ends.tolist(), strict=True)) == wanted.passes
    assert (clock.cycles, sum(clock.stalls.values())) == (wanted.cycles, sum(wanted.stalls.values()))
    assert clock.processing == sum(one.runs * lasts(one.op, one.plane, one.reads, one.writes) for one in passes(found))
    assert clock.schedule.bound <= clock.cycles


@given(RANDOM)
@settings(max_examples=150)
def test_a_group_in_time_is_its_walk_tick_by_tick(rng: Random) -> None:
    check_group(rng)


@pytest.mark.nightly
@given(RANDOM)
@settings(max_examples=3_000)
def test_a_group_in_time_is_its_walk_tick_by_tick_nightly(rng: Random) -> None:
    check_group(rng)


def check_room(rng: Random) -> None:
    """At every begin and end: what is there of each tensor then, tiles on their way in and out with it."""
    group = drawn_group(rng, 5, rng.choice([1, 1, 2]))
    tiling = replace(drawn_tiling(rng, group), double=rng.random() < 0.5, cut=drawn_cut(rng, group))
    ways, measurer = drawn_ways(rng), Measure(group)
    found = measurer(tiling)
    plain = measurer(replace(tiling, double=False))
    clock = timed(found, ways, [lasts(one.op, one.plane, one.reads, one.writes) for one in passes(found)])
    schedule, inputs = clock.schedule, len(group.sources)
    across, tiles = len(found.columns.made), len(found.rows.made) * len(found.columns.made)
    during = [by_tensor(measurer._words, plain, *divmod(t, across)) for t in range(tiles)]
    after = [measurer.after(plain, *divmod(t, across)) for t in range(tiles)]
    sizes = [np.diff(axis.made, axis=2)[:, :, 0] for axis in (found.rows, found.columns)]
    made = (sizes[0][:, None] * sizes[1][None]).reshape(tiles, -1) * np.array(group.channels)
    leaves = made[:, [group.number[op.name] for op in group.sinks]].sum(axis=1)
    came, reader = {}, {}
    for at, cause in enumerate(schedule.transfers.cause.tolist()):
        if cause < inputs:
            needed = int(schedule.transfers.needed[at])
            came[cause, int(schedule.tile[needed])] = int(clock.came[at])
            reader[cause, int(schedule.tile[needed])] = needed

    def held(k: int, now: int, running: bool) -> int:
        """While pass k runs, or before it."""
        t, op = int(schedule.tile[k]), int(schedule.layer[k])
        before = after[t % tiles - 1] if t % tiles else np.zeros_like(after[0])
        row = during[t % tiles][op].copy()
        if not running:
            row[inputs + op] = before[inputs + op]
        for source in range(inputs):
            first = reader.get((source, t), -1)
            if k < first or (k == first and not running):
                row[source] = before[source] + (made[t % tiles, source] if came[source, t] <= now else 0)
        coming = sum(made[t_ % tiles, s] for (s, t_), when in came.items() if t_ > t and when <= now)
        leaving = sum(leaves[t_ % tiles] for t_ in range(t) if clock.gone[t_] > now)
        return int(row.sum() + coming + leaving)

    most = 0
    for now in sorted({*clock.begins.tolist(), *clock.ends.tolist(), *clock.came.tolist(), *clock.gone.tolist()}):
        k = int(np.searchsorted(clock.ends, now, side="right"))
        if k < len(clock.ends):
            most = max(most, held(k, now, bool(clock.begins[k] <= now)))
    assert most <= found.room
    if not tiling.double:
        assert most == found.room


@given(RANDOM)
@settings(max_examples=150)
def test_never_more_room_than_is_said(rng: Random) -> None:
    """Single buffers need all of it; of double ones no tile may meet the worst of transfers."""
    check_room(rng)


@pytest.mark.nightly
@given(RANDOM)
@settings(max_examples=3_000)
def test_never_more_room_than_is_said_nightly(rng: Random) -> None:
    check_room(rng)


def small() -> Group:
    conv = Op("conv", "conv", (Read("x", range(2)),), 3, (4, 4), kernel=(3, 3), pad=(1, 1))
    pool = Op("pool", "pool", (Read("conv", range(3)),), 3, (2, 2), kernel=(2, 2), stride=(2, 2))
    return Group((Source("x", 2, (4, 4)),), (conv, pool))


def test_by_hand() -> None:
    """Two rows of tiles; a port of one word a cycle, two cycles of latency.

    Filter 54, rows 0 to 2 of x 24: pass at 80. Row 3 of x, 8 words, waits for what the pool of the first tile made.
    """
    port = Port("bus", Fraction(16))
    ways = Ways(*(Way((port,), 16, latency) for latency in (2, 2, 0)))
    found = measure(small(), Tiling((1, 2)))
    each = [10 if one.op == "conv" else 3 for one in passes(found)]
    clock = timed(found, ways, each, Stays(frozenset({"conv"})))
    assert clock.begins.tolist() == [80, 90, 109, 119]
    # D of the first tile, 93 to 99, holds the port and the place; x comes from 99 to 107 and is there at 109
    assert (clock.cycles, clock.processing) == (128, 26)
    assert clock.stalls == {"fill": 80, "input x": 16, "drain": 6}
    assert clock.by_layer == {"conv": (20, {"fill": 80, "input x": 16}), "pool": (6, {"drain": 6})}


def test_ways_of_a_machine() -> None:
    """Eyeriss: 64 b at 60 MHz beside a core of 200 MHz carry 6/5 words of 16 b a cycle."""
    machine = load_architecture("eyeriss")
    homes = {tensor: next(level.name for level in machine.levels[1:] if tensor in level.keeps) for tensor in Tensor}
    ways = Ways.of(replace(machine, homes=homes))
    assert len(ways.ports) == 1
    assert ways.work(ways.ifmap, [0, 1, 6, 7, 600]).tolist() == [[0], [1], [5], [6], [500]]
    assert ways.ifmap.bits == ways.filter.bits == ways.psum.bits == 16
    with pytest.raises(AccelsimError, match="a fused group needs a home of ifmap on the chip"):
        Ways.of(machine)


@pytest.mark.parametrize(
    ("stays", "message"),
    [
        (Stays(frozenset({"con"})), "no layer 'con' in this fused group; did you mean 'conv'? (conv, pool)"),
        (Stays(slices={"poll": 1}), "no layer 'poll' in this fused group; did you mean 'pool'? (conv, pool)"),
        (Stays(at_home=frozenset({"conv"})), "'conv' is no input or output of this fused group (pool, x)"),
    ],
)
def test_names_that_are_none_of_the_group(stays: Stays, message: str) -> None:
    found = measure(small(), Tiling((1, 2)))
    ways = Ways(*(Way((), 16, 0) for _ in range(3)))
    with pytest.raises(MappingError) as caught:
        schedule_of(found, ways, [1] * len(passes(found)), stays)
    assert str(caught.value) == message


def test_as_many_cycles_as_passes() -> None:
    found = measure(small(), Tiling((1, 2)))
    for many in (len(passes(found)) - 1, len(passes(found)) + 1):
        with pytest.raises(ValueError, match="cycles are not one for each pass"):
            schedule_of(found, Ways(*(Way((), 16, 0) for _ in range(3))), [1] * many)
