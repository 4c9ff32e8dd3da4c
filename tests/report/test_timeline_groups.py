"""Slices of groups add up to their cycles and stalls, and lie where the machine tick by tick has them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from accelsim.architecture.model import Architecture
from accelsim.dataflows import known_dataflow
from accelsim.engine import evaluate
from accelsim.engine.copied import COPY
from accelsim.engine.fused.layers import group_of
from accelsim.engine.fused.schedule import timed
from accelsim.engine.fused.timeline import GroupTimeline, Inside, Ran, observe, tiles_of
from accelsim.errors import AccelsimError, MappingError, SpecError
from accelsim.report.slices import COMPUTE, MACS, PASSES, STALL, Slice
from accelsim.report.timeline import Window, tracks
from accelsim.report.timeline_groups import LANE
from accelsim.search.best import find
from accelsim.simulate import simulate
from accelsim.timelines import windows_of
from accelsim.workload.network import Network
from accelsim.workload.problem import Problem, Tensor
from golden.group_clock import Drawn, tick
from groups_in_time import PORTS, arrays, drawn
from plans import draw_network

SEEDS = st.integers(0, 2**32 - 1)
SIZES = ((2, 3, 1, 3, 3), (4, 2, 2, 4, 1), (3, 5, 1, 2, 3), (1, 2, 2, 5, 1))


def machine(buffer: str = "single", size: str = "4 KiB", bank: bool = False) -> Architecture:
    side = {"kind": "multicast", "width": "2 words"}
    chain = {"kind": "chain", "in": "2 words", "out": "2 words", "accumulate": "on-drain"}
    keeps = {"keeps": ["ifmap", "psum"]} if bank else {}
    levels = [
        {"name": "DRAM", "link": {"width": "24 b", "clock": "500 MHz"}},
        {"name": "GLB", "capacity": size, "buffer": buffer, **keeps,
         "array": {"size": {"y": 2, "x": 3}, "networks": {"ifmap": side, "filter": side, "psum": chain}}},
        {"name": "RF", "capacity": {"filter": "4 words"}, "keeps": ["filter"]},
    ]  # fmt: skip
    return Architecture.of(
        "tiny", levels, clock="500 MHz", word="16 b", pe={"macs": 1}, dataflow="weight_stationary",
        energy="eyeriss_relative", vector={"lanes": 2},
    )  # fmt: skip


@cache
def insides() -> tuple[Inside, ...]:
    """Small passes, each run by itself."""
    found, square = [], machine()
    flow = known_dataflow(square, square.dataflow, needed=True)
    for m, c, p, q, kernel in SIZES:
        problem = Problem((1, 1, m, c, p, q, kernel, kernel))
        nest = find(square, problem, flow, "energy").nest
        _, timing = evaluate(square, nest, problem, "cycle")
        found.append(Inside(square, problem, nest, timing))
    return tuple(found)


def ran_of(seed: int) -> tuple[Drawn, Ran]:
    """A drawn group; some of its layers run real passes."""
    random, group = Random(seed + 1), drawn(seed)
    kinds = [random.choice((None, *range(len(SIZES)))) for _ in group.reads]
    for tile in group.tiles:
        tile.passes = [
            (n, cycles if kinds[n] is None else insides()[kinds[n]].timing.cycles) for n, cycles in tile.passes
        ]
    clock = timed(arrays(group))
    operands = tuple(random.choice(list(Tensor)) for _ in range(group.sources))
    which = [len(SIZES) if kinds[n] is None else kinds[n] for n in clock.schedule.layer.tolist()]
    tiles = tiles_of([0], range(len(group.tiles)))
    layers = tuple(f"layer{n}" for n in range(len(kinds)))
    every = (*insides(), None)
    return group, Ran(clock, layers, operands, ("DRAM", "GLB"), PORTS, _array(which), every, tiles, ("P", "Q"))


def _array(values: list[int]) -> Any:
    import numpy as np

    return np.array(values, np.int64)


def shown(window: Window) -> dict[str, list[Slice]]:
    found = {}
    for track in tracks(window):
        slices = list(track.slices)
        assert len(slices) == track.many
        assert all(one.end <= other.begin for one, other in pairwise(slices)), track.name
        assert all(window.span[0] <= one.begin < one.end <= window.span[1] for one in slices)
        assert track.name not in found
        found[track.name] = slices
    return found


def sums(slices: list[Slice], span: tuple[int, int]) -> tuple[int, Counter[str]]:
    """Cycles that compute, and stalls by cause; without a gap."""
    at, compute, stalls = span[0], 0, Counter[str]()
    for one in slices:
        assert one.begin == at
        at = one.end
        if one.category == COMPUTE:
            compute += one.end - one.begin
        else:
            assert one.category == STALL
            stalls[one.name] += one.end - one.begin
    assert at == span[1]
    return compute, stalls


def expected(ran: Ran) -> tuple[int, Counter[str]]:
    compute, stalls = 0, Counter(ran.clock.stalls)
    for kind, cycles in zip(ran.which.tolist(), ran.clock.schedule.cycles.tolist(), strict=True):
        one = ran.insides[kind]
        if one is None:
            stalls["vector"] += cycles
        else:
            compute += one.timing.compute
            stalls.update(one.timing.stalls)
    return compute, +stalls


def of_group(found: dict[str, list[Slice]]) -> Counter[tuple[Any, ...]]:
    """(what, begin, end) of all that comes and goes."""
    own = [name for name in found if name.startswith(("DRAM->GLB", "DRAM<-GLB"))]
    return Counter((one.name, one.begin, one.end) for name in own for one in found[name] if "pass" not in one.told)


def check_slices(seed: int) -> None:
    group, ran = ran_of(seed)
    wanted = tick(group)
    assert ran.clock.cycles == wanted.cycles
    assume(wanted.cycles)
    whole = observe(ran, (0, wanted.cycles), 10**6)
    assert isinstance(whole, GroupTimeline)
    found = shown(whole)
    assert sums(found[MACS], whole.span) == expected(ran)
    passes = [(begin, end) for begin, end in wanted.passes if end > begin]
    assert [(one.begin, one.end) for one in found[PASSES]] == passes
    names = {
        "input": lambda which, _: f"fill {which}", "filter": lambda which, _: f"fill filter of layer{which}",
        "output": lambda *_: f"drain {ran.layers[-1]}",
    }  # fmt: skip
    transfers = Counter[tuple[Any, ...]]()
    for (kind, *which), (begin, end) in wanted.transfers.items():
        transfers[(names[kind](*(*which, 0)[:2]), begin, end)] += end > begin
    transfers = +transfers
    assert of_group(found) == transfers
    # in parts, and in sum
    random = Random(seed + 2)
    cuts = sorted({0, wanted.cycles, *(random.randrange(wanted.cycles) for _ in range(3))})
    compute, stalls, seen = 0, Counter[str](), Counter[tuple[Any, ...]]()
    for low, high in pairwise(cuts):
        part = observe(ran, (low, high), 10**6)
        assert isinstance(part, GroupTimeline)
        own = shown(part)
        more, idle = sums(own[MACS], part.span)
        compute, stalls = compute + more, stalls + idle
        for one in (one for name in own if name.startswith(("DRAM->GLB", "DRAM<-GLB")) for one in own[name]):
            if "pass" not in one.told:
                seen[one.name] += one.end - one.begin
                times = one.told.get("from", one.begin), one.told.get("to", one.end)
                assert (one.name, *times) in transfers
    assert (compute, stalls) == expected(ran)
    assert seen == sum((Counter({name: end - begin}) for name, begin, end in transfers.elements()), Counter())
    # without what crosses the outermost level
    alone = observe(ran, (0, sum(cycles for tile in group.tiles for _, cycles in tile.passes)), 10**6, True)
    assert isinstance(alone, GroupTimeline)
    compute, stalls = sums(shown(alone)[MACS], alone.span)
    assert compute == expected(ran)[0] and stalls.total() + compute == alone.cycles


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_slices_are_the_machine_tick_by_tick(seed: int) -> None:
    """Cycles and stalls of the array, every pass and transfer; whole, and in windows; single, double, streamed."""
    check_slices(seed)


@pytest.mark.nightly
@given(SEEDS)
@settings(max_examples=3000, deadline=None)
def test_slices_are_the_machine_tick_by_tick_nightly(seed: int) -> None:
    check_slices(seed)


def check_run(seed: int) -> bool:
    """A drawn network, all or part of it as a group, on a machine with single or double buffers, filters in or not."""
    random = Random(seed)
    try:
        network = draw_network(random)
    except SpecError:
        return False
    names = [layer.name for layer in network.layers]
    first = random.randrange(len(names) - 1)
    layers = names[first : random.randint(first + 2, len(names))]
    try:
        sink = group_of(network, layers).sink
    except MappingError:
        return False
    tile = {"P": random.randint(1, sink.plane[0]), "Q": random.randint(1, sink.plane[1])}
    filters = [name for name in layers if network.layers[names.index(name)].problem]
    bank = random.random() < 0.3
    group: dict[str, Any] = {"layers": layers, "tile": tile, "keep": random.choice(("both", "columns", "none"))}
    if not bank:
        group["filters"] = {name: "resident" for name in filters if random.random() < 0.5}
        group["filters"] |= {name: {"M": 1} for name in filters if random.random() < 0.3}
    tiny, launch = machine(random.choice(("single", "double")), "64 KiB", bank), random.choice((0, 0, 37))
    tiny = replace(tiny, before=launch, launch=launch)
    try:
        result = simulate(tiny, network, plan={"groups": [group]}, layers=layers)
    except AccelsimError:
        return False
    (one,) = result.groups
    if not one.cycles:
        return False
    for processing, parts in ((False, 1), (False, random.randint(2, 5)), (True, 1)):
        length = one.processing_cycles if processing else one.cycles
        each, compute, stalls = -(-length // parts), 0, Counter[str]()
        for low in range(0, length, each):
            (layer,) = windows_of(result, low, each, processing)
            assert isinstance(layer.window, GroupTimeline)
            more, idle = sums(shown(layer.window)[MACS], layer.window.span)
            compute, stalls = compute + more, stalls + idle
        assert compute == one.compute_cycles
        assert processing or stalls == one.stall_cycles
        assert compute + stalls.total() == length
    return True


def test_slices_of_groups_that_are_run_add_up() -> None:
    assert sum(check_run(seed) for seed in range(40)) >= 15


LAYERS = {
    "q": {"op": "matmul", "M": 16, "inputs": "input"},
    "k": {"op": "matmul", "M": 8, "inputs": "input"},
    "v": {"op": "matmul", "M": 8, "inputs": "input"},
    "qk": {"op": "matmul", "inputs": ["q", "k"], "groups": 4, "kv_groups": 2},
    "soft": {"op": "softmax"},
    "av": {"op": "matmul", "inputs": ["soft", "v"], "groups": 4, "kv_groups": 2, "over": "positions"},
    "out": {"op": "matmul", "M": 8},
}


@pytest.mark.parametrize("outside", ["", "rows", "columns"])
@pytest.mark.parametrize("buffer", ["single", "double"])
def test_attentions_have_slices_too(outside: str, buffer: str) -> None:
    """Blocks of scores: tiles are told by head, row and column; outputs in progress leave and come back."""
    network = Network.of("n", LAYERS, {"C": 8, "W": 12})
    tile: dict[str, Any] = {"rows": 8} if not outside else {"rows": 8, "columns": 4}
    group = {"layers": ["qk", "soft", "av"], "tile": tile, **({"outside": outside} if outside else {})}
    result = simulate(machine(buffer), network, plan={"groups": [group]}, layers=["qk", "soft", "av"])
    (one,), (layer,) = result.groups, windows_of(result)
    assert isinstance(layer.window, GroupTimeline)
    found = shown(layer.window)
    compute, stalls = sums(found[MACS], layer.window.span)
    assert compute == one.compute_cycles and stalls == one.stall_cycles
    words = one.counts.words[0].sum()
    own = [one for name in found if name.startswith(("DRAM->GLB", "DRAM<-GLB")) for one in found[name]]
    assert sum(one.told["words"] for one in own if "pass" not in one.told) == words
    tiles = {one.told["tile"] for one in found[PASSES]}
    assert {"first", "row8", "head1", "head1 row8"} <= tiles
    back = [one for name in found for one in found[name] if one.name == "fill outputs in progress"]
    assert bool(back) == (outside == "columns")
    assert all(one.told["waited for"] for one in back)


@pytest.mark.parametrize("attention", [False, True])
def test_starting_a_group_is_its_first_stall(attention: bool) -> None:
    """Its cycles come before all else, which keeps its order; a window of them alone has nothing else."""
    if attention:
        network = Network.of("n", LAYERS, {"C": 8, "W": 12})
        group: dict[str, Any] = {"layers": ["qk", "soft", "av"], "tile": {"rows": 8}}
    else:
        network = Network.of("n", {f"l{n}": {"op": "conv", "M": 3, "kernel": 3, "pad": 1} for n in range(2)}, (2, 9, 9))
        group = {"layers": ["l0", "l1"], "tile": {"P": 4}}
    plan, layers = {"groups": [group]}, group["layers"]
    shows = []
    for launch in (0, 50):
        built = replace(machine(), before=launch, launch=launch)
        result = simulate(built, network, plan=plan, layers=layers)
        (one,), (layer,) = result.groups, windows_of(result)
        found = shown(layer.window)
        assert layer.window.cycles == one.cycles
        assert sums(found[MACS], layer.window.span) == (one.compute_cycles, Counter(one.stall_cycles))
        shows.append({
            name: [(each.name, each.begin - launch, each.end - launch) for each in found[name] if each.name != "fixed"]
            for name in found
        })  # fmt: skip
    assert shows[0] == shows[1]
    (layer,) = windows_of(result, 10, 30)
    alone = {name: slices for name, slices in shown(layer.window).items() if slices}
    assert {name: [each[:4] for each in slices] for name, slices in alone.items()} == {
        MACS: [("fixed", STALL, 10, 40)]
    }  # fmt: skip


def test_words_of_slices_are_those_of_the_group() -> None:
    """What comes from the outermost level and goes there, by operand."""
    network = Network.of(
        "n", {f"l{n}": {"op": "conv", "M": 3, "kernel": 3, "pad": 1} for n in range(3)}, (2, 9, 9), batch=2
    )
    for keep in ("both", "none"):
        filters = {"l1": "resident", "l2": {"M": 2}}
        group = {"layers": ["l0", "l1", "l2"], "tile": {"P": 4, "Q": 3}, "keep": keep, "filters": filters}
        result = simulate(machine(), network, plan={"groups": [group]})
        (one,), (layer,) = result.groups, windows_of(result)
        assert isinstance(layer.window, GroupTimeline)
        found = shown(layer.window)
        for name, tensor, action in (
            ("DRAM->GLB ifmap", Tensor.IFMAP, "read"), ("DRAM->GLB filter", Tensor.FILTER, "read"),
            ("DRAM<-GLB psum", Tensor.PSUM, "update"),
        ):  # fmt: skip
            own = sum(each.told["words"] for track in found if LANE.sub("", track) == name for each in found[track])
            assert own == one.counts("DRAM", tensor, action), (keep, name)


@pytest.mark.parametrize("name", ["tiny", "eyeriss"])
def test_ofmaps_that_are_copied_out(name: str) -> None:
    """R5: behind the last MAC of the layer its ofmap goes to the outermost level; the stall, the way and its ports."""
    network = Network.of(
        "n",
        {
            "a": {"op": "conv", "M": 8, "kernel": 3, "pad": 1},
            "b": {"op": "conv", "M": 8, "kernel": 1},
            "c": {"op": "add", "inputs": ["b", "a"]},
        },
        (4, 10, 10),
    )
    on = machine() if name == "tiny" else name
    result = simulate(on, network, plan={"resident": {"a": {"level": "GLB", "until": "b"}}}, data="dense", layers="a")
    one = result.layer("a")
    copied = one.stall_cycles[COPY]
    for parts in (1, 3, 17):
        each, compute, stalls, words = -(-one.cycles // parts), 0, Counter[str](), set()
        for low in range(0, one.cycles, each):
            window = windows_of(result, low, each)[0].window
            found = shown(window)
            more, idle = sums(found[MACS], window.span)
            compute, stalls = compute + more, stalls + idle
            copies = [one for slices in found.values() for one in slices if one.name == COPY and one.told]
            words |= {one.told["words"] for one in copies if "words" in one.told}
        assert compute == one.compute_cycles and stalls == one.stall_cycles
        assert words == {800}
    window = windows_of(result)[0].window
    found = shown(window)
    (way,) = found["DRAM<-GLB psum"]
    assert (way.begin, way.end) == (one.cycles - copied, one.cycles)
    assert any(slices[-1].name == f"psum {COPY}" for track, slices in found.items() if track.startswith("port "))
    # its processing latency has no copy
    window = windows_of(result, processing=True)[0].window
    assert window.cycles == one.processing_cycles and COPY not in sums(shown(window)[MACS], window.span)[1]
