"""Slices of layers with an epilogue: the golden machine's drains, tile by tile; they add up to cycles and stalls."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.engine.counts import ACTIONS, Counts, Timing
from accelsim.engine.fused.handed import LANES, evaluate
from accelsim.engine.fused.handed_seen import HandedTimeline, observe
from accelsim.report.slices import EPILOGUE, HANDED, LANE, MACS, Slice
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
        own = found[f"{EPILOGUE}{name}"]
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
                    lasting[name] += sum(one.end - one.begin for one in own[name])
        assert (compute, +idle) == (timing.compute, Counter(stalls))
        assert lasting == +Counter({
            name: sum(one.end - one.begin for one in tracks[name]) for name in tracks if name.startswith(EPILOGUE)
        })  # fmt: skip
    together = shown(window_of(drawn, (0, cycles), cycles, processing, True))
    for name in tracks:
        if name.startswith(EPILOGUE):
            for what in ("words made", "operations"):
                one, other = (sum(each.told[what] for each in of[name]) for of in (tracks, together))
                assert one == other


def check(seed: int) -> None:
    drawn, random = draw(Random(seed)), Random(seed)
    counts, timing = evaluate(drawn.found)
    for processing in (False, True):
        if timing.processing if processing else timing.cycles:
            check_whole(drawn, counts, timing, processing)
            check_parts(drawn, timing, processing, random)


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_slices_are_the_golden_machines_drains(seed: int) -> None:
    check(seed)


@pytest.mark.nightly
@settings(max_examples=2_000, deadline=None)
@given(SEEDS)
def test_slices_are_the_golden_machines_drains_at_length(seed: int) -> None:
    check(seed)
