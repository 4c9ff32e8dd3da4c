"""Slices of layers with an epilogue: the golden machine's drains, tile by tile; they add up to cycles and stalls."""

from __future__ import annotations

from collections import Counter
from itertools import islice, pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import test_epilogues
from accelsim.engine.counts import ACTIONS, Counts, Timing
from accelsim.engine.fused.handed import LANES, evaluate
from accelsim.engine.fused.handed_seen import HandedTimeline, observe
from accelsim.report.slices import EPILOGUE, HANDED, LANE, MACS, TRANSFER, Slice
from accelsim.simulate import simulate
from accelsim.timelines import windows_of
from accelsim.workload.network import Network
from accelsim.workload.problem import TENSORS, Tensor
from drawn_epilogues import Drawn, draw
from golden import epilogue as golden
from report.test_timeline_groups import shown, sums

SEEDS = st.integers(0, 2**32)
MOST = 1 << 20
READ, UPDATE = ACTIONS.index("read"), ACTIONS.index("update")
IFMAP, PSUM = TENSORS.index(Tensor.IFMAP), TENSORS.index(Tensor.PSUM)


def window_of(drawn: Drawn, span: tuple[int, int], cycles: int, processing: bool, joined: bool) -> HandedTimeline:
    found = observe(drawn.found, span, cycles, MOST, processing, joined)
    assert isinstance(found, HandedTimeline)
    return found


def told_by_golden(drawn: Drawn, processing: bool) -> golden.Ran:
    epilogue = drawn.found.epilogue
    return golden.run(
        drawn.machine, drawn.nest, drawn.problem, drawn.group, drawn.found.home, drawn.found.out_bits,
        epilogue.at_home, epilogue.stays, epilogue.leaves, processing=processing,
    )  # fmt: skip


def all_lanes(found: dict[str, list[Slice]], name: str) -> list[Slice]:
    return sorted((one for track in found if LANE.sub("", track) == name for one in found[track]), key=lambda o: o[2:4])


def of_layers(drawn: Drawn, told: golden.Ran, pace: int) -> dict[str, list[tuple[int, ...]]]:
    """Of each layer of the epilogue (begin, end, words made, operations) of each tile that takes time."""
    found: dict[str, list[tuple[int, ...]]] = {op.name: [] for op in drawn.found.epilogue.ops}
    for activity, taken in told.program.passing:
        begin, end = pace * (activity.start + activity.hold), pace * activity.end
        operations = 0
        for place, op in enumerate(drawn.found.epilogue.ops):
            channels = len({word[1] for word in taken.made[place]})
            each = -(-op.operations * channels // op.channels) * len(taken.made[place]) // max(channels, 1)
            operations += each
            if begin < end:
                found[op.name].append((begin, end, len(taken.made[place]), each))
        assert operations == taken.operations
    return found


def check_whole(drawn: Drawn, counts: Counts, timing: Timing, processing: bool) -> None:
    """Every cycle has its reason; every tile is where the golden machine has it, in every layer and on every port."""
    cycles = timing.processing if processing else timing.cycles
    told = told_by_golden(drawn, processing)
    window = window_of(drawn, (0, cycles), cycles, processing, False)
    found, pace = shown(window), drawn.machine.mode.divider
    assert told.cycles == cycles and pace == window.layer.pace
    assert sums(found[MACS], window.span) == (timing.compute, Counter(told.stalls))

    for name, wanted in of_layers(drawn, told, pace).items():
        own = all_lanes(found, f"{EPILOGUE}{name}")
        assert {one.category for one in own} <= {HANDED}
        assert [(o.begin, o.end, o.told["words made"], o.told["operations"]) for o in own] == wanted
    outermost, home = drawn.machine.levels[0].name, drawn.machine.levels[drawn.found.home].name
    fills = [one for one in all_lanes(found, f"{outermost}->{home} ifmap") if "for" in one.told]
    drains = all_lanes(found, f"{outermost}<-{home} psum")
    passing = [(a, taken) for a, taken in told.program.passing if a.end > a.start + a.hold]
    wanted = Counter(
        (f"fill {tensor}", pace * (a.start + a.hold), pace * a.end, len(words))
        for a, taken in passing
        for (_, tensor), words in taken.read.items()
        if tensor not in drawn.found.epilogue.at_home and words
    )
    assert Counter((one.name, one.begin, one.end, one.told["words"]) for one in fills) == wanted
    leaves = drawn.found.epilogue.leaves
    assert [(one.begin, one.end, one.told["words"]) for one in drains] == [
        (pace * (a.start + a.hold), pace * a.end, len(taken.made[-1])) for a, taken in passing if leaves
    ]
    last = drawn.found.epilogue.last.name
    assert [one.name for one in drains] == [f"{last} drain {a.number}" for a, _ in passing if leaves]
    for activity, _ in told.program.passing:
        for port, released in activity.releases.items():
            held = all_lanes(found, f"port {LANES if port == 'lanes' else port}")
            name = f"tile {activity.number}" if port == "lanes" else f"psum drain {activity.number}"
            own = [(one.begin, one.end) for one in held if one.name == name]
            # a port may rest behind the last cycle
            end = min(pace * released, cycles)
            assert end <= pace * activity.start or (pace * activity.start, end) in own, (port, own)
    if not processing:
        # what takes no time is not shown, and its words are not told
        if passing:
            assert sum(one.told["words"] for one in drains) == counts.words[0, PSUM, UPDATE]
        own = sum(int(sizes.sum()) for sizes, away in zip(
            drawn.found.tiles.operands, drawn.found.fetched, strict=True) if away)  # fmt: skip
        assert not passing or sum(one.told["words"] for one in fills) == own


def check_parts(drawn: Drawn, timing: Timing, processing: bool, random: Random) -> None:
    """Windows, of single lines or joined ones, are parts of the whole."""
    cycles = timing.processing if processing else timing.cycles
    whole = window_of(drawn, (0, cycles), cycles, processing, False)
    tracks = shown(whole)
    stalls = timing.processing_stalls if processing else timing.stalls
    cuts = sorted({0, cycles, *(random.randrange(cycles) for _ in range(3))})
    for joined in (False, True):
        compute, idle, lasting = 0, Counter[str](), Counter[str]()
        for low, high in pairwise(cuts):
            part = window_of(drawn, (low, high), cycles, processing, joined)
            own = shown(part)
            more, still = sums(own[MACS], part.span)
            compute, idle = compute + more, idle + still
            for name in own:
                if name.startswith(EPILOGUE):
                    lasting[LANE.sub("", name)] += sum(one.end - one.begin for one in own[name])
        assert (compute, +idle) == (timing.compute, Counter(stalls))
        wanted = Counter[str]()
        for name in (name for name in tracks if name.startswith(EPILOGUE)):
            wanted[LANE.sub("", name)] += sum(one.end - one.begin for one in tracks[name])
        assert +lasting == +wanted
    together = shown(window_of(drawn, (0, cycles), cycles, processing, True))
    for name in (f"{EPILOGUE}{op.name}" for op in drawn.found.epilogue.ops):
        for what in ("words made", "operations"):
            one, other = (sum(each.told[what] for each in all_lanes(of, name)) for of in (tracks, together))
            assert one == other


def check(seed: int) -> None:
    drawn, random = draw(Random(seed)), Random(seed)
    counts, timing = evaluate(drawn.found)
    for processing in (False, True):
        if timing.processing if processing else timing.cycles:
            check_whole(drawn, counts, timing, processing)
            check_parts(drawn, timing, processing, random)


@settings(max_examples=60, deadline=None)
@example(5598)  # tiles of no words on the port that others hold: two at a time
@given(SEEDS)
def test_slices_are_the_golden_machines_drains(seed: int) -> None:
    check(seed)


@pytest.mark.nightly
@settings(max_examples=2_000, deadline=None)
@given(SEEDS)
def test_slices_are_the_golden_machines_drains_at_length(seed: int) -> None:
    check(seed)


LAYERS = {**test_epilogues.LAYERS, "d": {"op": "conv", "M": 4, "kernel": 1, "inputs": "pool"}}
NET = Network.of("n", LAYERS, (4, 8, 8))
PLANS: dict[str, tuple[dict[str, Any], str, list[str]]] = {
    "away": ({}, "DRAM", ["DRAM"]),
    "stays": ({"a": "GLB", "pool": "GLB"}, "GLB", ["GLB"]),
    "operand away": ({"pool": "GLB"}, "DRAM", ["GLB"]),
    "both": ({"pool": {"level": "GLB", "until": "c"}}, "DRAM", ["GLB and DRAM"]),
}
"""What lives in the buffer; where the sum reads its other operand, and where the last output goes."""


@pytest.mark.parametrize("kind", PLANS)
@pytest.mark.parametrize("buffer", ["", "double"])
def test_epilogues_that_are_run_add_up(kind: str, buffer: str) -> None:
    """The array's slices are the result's cycles and stalls; words of slices are those counted."""
    resident, reads, goes = PLANS[kind]
    group = {**test_epilogues.GROUP, "tile": {"P": 2, "Q": 4, "M": 4}}
    built = test_epilogues.machine("4 KiB", buffer)
    result = simulate(built, NET, layers="b", plan={"groups": [group], "resident": resident})
    (one,) = result.groups
    for processing, parts in ((False, 1), (False, 3), (False, 17), (True, 1), (True, 4)):
        length = one.processing_cycles if processing else one.cycles
        each, compute, stalls = -(-length // parts), 0, Counter[str]()
        for low in range(0, length, each):
            (layer,) = windows_of(result, low, each, processing)
            assert layer.name == one.name and isinstance(layer.window, HandedTimeline)
            more, idle = sums(shown(layer.window)[MACS], layer.window.span)
            compute, stalls = compute + more, stalls + idle
        assert (compute, +stalls) == (
            one.compute_cycles, Counter(one.timing.processing_stalls if processing else one.stall_cycles)
        )  # fmt: skip
    found, counts = shown(windows_of(result)[0].window), one.counts
    assert list(found)[:3] == [MACS, "epilogue sum", "epilogue pool"]
    added, pooled = found["epilogue sum"], found["epilogue pool"]
    assert sum(each.told[f"words of a, from {reads}"] for each in added) == 8 * 8 * 8
    assert sum(each.told["words made"] for each in added) == 8 * 8 * 8
    assert [each.told["to"] for each in pooled] == goes * 4
    assert sum(each.told["operations"] for each in (*added, *pooled)) == one.vector_ops
    drains, fills = (all_lanes(found, name) for name in ("DRAM<-GLB psum", "DRAM->GLB ifmap"))
    assert sum(each.told["words"] for each in drains) == counts("DRAM", Tensor.PSUM, "update")
    assert bool(drains) == ("DRAM" in goes[0])
    assert sum(each.told["words"] for each in fills) == counts("DRAM", Tensor.IFMAP, "read")
    own = [each for each in fills if each.name == "fill a"]
    assert [each.told["for"] for each in own] == [f"sum, tile {k}" for k in range(4)] * (reads == "DRAM")
    assert all(each.category == TRANSFER for each in own)
    # each tile's operations hold the lanes
    lanes = found[f"port {LANES}"]
    assert [each.name for each in lanes] == [f"tile {k}" for k in range(4)]
    assert [each.end - each.begin for each in lanes] == [-(-each.told["operations"] // 4) for each in lanes]


def test_what_a_tile_carries_over_each_port() -> None:
    """Pool leaves, a comes: both over the link, for as long as their words take together."""
    group = {**test_epilogues.GROUP, "tile": {"P": 2, "Q": 4, "M": 8}}
    result = simulate(test_epilogues.machine("4 KiB"), NET, layers="b", plan={"groups": [group]})
    found = shown(windows_of(result)[0].window)
    link = [one for one in found["port DRAM link"] if one.name.startswith("psum drain")]
    assert [one.told for one in link] == [{"words of pool": 64, "words of a": 256}] * 2
    assert [one.end - one.begin for one in link] == [64 // 2 + 256 // 2] * 2


@pytest.mark.parametrize(
    ("seed", "many"), [(102, [5]), (471, [2, 2]), (1399, [2, 1, 1, 1, 1, 1]), (1421, [1, 1, 2] * 6)]
)
def test_tiles_that_follow_each_other_are_told_together(seed: int, many: list[int]) -> None:
    """Where more happens than can be told one by one: so many tiles, from when to when, and all their words."""
    drawn = draw(Random(seed))
    _, timing = evaluate(drawn.found)
    apart, joined = (window_of(drawn, (0, timing.cycles), timing.cycles, False, way) for way in (False, True))
    assert [one.many for one in joined.passing] == many
    single, together = shown(apart), shown(joined)
    for op in drawn.found.epilogue.ops:
        tiles = iter(single[f"{EPILOGUE}{op.name}"])
        for one, number in zip(together[f"{EPILOGUE}{op.name}"], many, strict=True):
            own = list(islice(tiles, number))
            first = int(own[0].name.removeprefix("tile "))
            assert one.name == (own[0].name if number == 1 else f"tiles {first} to {first + number - 1}")
            assert (one.begin, one.end, one.told["tile"]) == (own[0].begin, own[-1].end, own[0].told["tile"])
            for what in ("words made", "operations"):
                assert one.told[what] == sum(each.told[what] for each in own)
