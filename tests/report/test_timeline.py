"""A timeline's slices add up to a layer's cycles and stalls on every machine that ships; its file is a Chrome trace."""

from __future__ import annotations

import io
import json
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from accelsim.architecture.yaml import load_architecture
from accelsim.report.slices import COMPUTE, MACS, PORT, STALL, TRANSFER
from accelsim.report.timeline import Layer, size_of, tracks, write
from accelsim.result import Result
from accelsim.simulate import simulate
from accelsim.timelines import windows_of
from accelsim.workload.network import Network
from accelsim.workload.yaml import network_of
from accelsim.yamlfile import builtin, parse

NETWORK = """
name: small
source: made up for this test
input: {C: 8, H: 12, W: 12}
layers:
  one: {op: conv, M: 16, kernel: 3, pad: 1, density: {ifmap: 0.6, filter: 0.5, ofmap: 0.5}}
"""
MACHINES = builtin("arch")


@pytest.fixture(scope="module")
def network() -> Network:
    return network_of(parse(NETWORK, "small"), batch=2)


def run(machine: str, network: Network) -> Result:
    made = load_architecture(machine)
    flow = None if made.dataflow or made.cartesian else "row_stationary"
    return simulate(machine, network, flow)


def sums(layer: Layer) -> tuple[int, Counter[str]]:
    """Cycles of the MAC array's slices: computing, and stalls by cause; they follow each other without a gap."""
    macs = next(iter(tracks(layer.window)))
    assert macs.name == MACS
    compute, stalls, at = 0, Counter[str](), layer.window.span[0]
    for shown in macs.slices:
        assert shown.begin == at
        at = shown.end
        if shown.category == COMPUTE:
            compute += shown.end - shown.begin
        else:
            assert shown.category == STALL
            stalls[shown.name] += shown.end - shown.begin
    assert at == layer.window.span[1]
    return compute, stalls


@pytest.mark.parametrize("machine", MACHINES)
def test_slices_add_up(machine: str, network: Network) -> None:
    result = run(machine, network)
    one = result.layers[0]
    for processing in (False, True):
        (layer,) = windows_of(result, processing=processing)
        compute, stalls = sums(layer)
        assert compute == one.timing.compute
        assert stalls == (one.timing.processing_stalls if processing else one.stall_cycles)
        assert compute + stalls.total() == (one.timing.processing if processing else one.cycles)
    # cut in three, the parts are the whole
    parts = [windows_of(result, first, one.cycles // 3 + 1)[0] for first in range(0, one.cycles, one.cycles // 3 + 1)]
    added = [sums(part) for part in parts]
    assert sum(compute for compute, _ in added) == one.timing.compute
    assert sum((stalls for _, stalls in added), Counter()) == one.stall_cycles


@pytest.mark.parametrize("machine", ["eyeriss", "tpu_v1", "simba", "eyeriss_v2", "nvdla_full", "scnn"])
def test_no_two_slices_of_a_track_overlap(machine: str, network: Network) -> None:
    (layer,) = windows_of(run(machine, network))
    names = []
    for track in tracks(layer.window):
        names.append(track.name)
        shown = list(track.slices)
        assert len(shown) == track.many
        for before, after in pairwise(shown):
            assert before.end <= after.begin
            assert before.begin < before.end
        kinds = {each.category for each in shown}
        assert kinds <= ({PORT} if track.name.startswith("port ") else {TRANSFER, COMPUTE, STALL})
    assert len(set(names)) == len(names)


def test_transfers_have_words_tile_and_what_they_waited_for() -> None:
    result = simulate("eyeriss", "alexnet", mapping="eyeriss_alexnet_jssc17", layers="CONV5", data="dense")
    (layer,) = windows_of(result, 0, 5000)
    found = {track.name: list(track.slices) for track in tracks(layer.window)}
    first, second = found["GLB->RF ifmap"][:2]
    assert first.told == {
        "words": 270, "tile": "first", "from step": 0, "waited for": "FILTER_BANK->RF filter", "rule": "T10",
    }  # fmt: skip
    assert second.told["tile"] == "Q1"
    assert second.told["waited for"] == "step 0"
    assert second.told["rule"] == "T6"
    drain = found["GLB<-RF psum"][0]
    assert drain.told == {"words": 416, "tile": "first", "from step": 0, "waited for": "step 0", "rule": "T7"}
    assert {track for track in found if track.startswith("port ")} >= {"port DRAM link"}
    assert found["port DRAM link"][0].name == "ifmap fill 0"


def test_the_file_is_a_chrome_trace(network: Network) -> None:
    layers = windows_of(run("eyeriss", network), 100, 3000)
    text = io.StringIO()
    write(text, layers, {"architecture": "eyeriss"})
    document: dict[str, Any] = json.loads(text.getvalue())
    events = [event for event in document["traceEvents"] if event["ph"] == "X"]
    slices, size = size_of(layers)
    assert len(events) == slices
    assert size == pytest.approx(len(text.getvalue()), rel=0.2)
    assert all(event["ts"] >= 100 and event["ts"] + event["dur"] <= 3100 for event in events)
    named = {event["tid"] for event in document["traceEvents"] if event["name"] == "thread_name"}
    assert {event["tid"] for event in events} <= named
    cut = [event["args"] for event in events if "from" in event.get("args", {})]
    assert cut
    assert all(args["from"] < 100 or args["to"] > 3100 for args in cut)
    assert document["otherData"]["unit"] == "1 us is one core cycle"


@pytest.mark.parametrize("machine", ["eyeriss", "tpu_v1", "simba", "eie", "redmule", "gemmini16", "scnn"])
def test_events_keep_the_rules_of_the_format(machine: str, network: Network) -> None:
    """Trace Event Format, Google 2016: what a viewer may rely on."""
    (layer,) = windows_of(run(machine, network), 50, 4000)
    text = io.StringIO()
    write(text, [layer, layer._replace(name='</script> "quoted" \\ \n')], {"architecture": machine})
    document = json.loads(text.getvalue())
    assert document["displayTimeUnit"] in ("ms", "ns")
    named: dict[str, list[tuple[int, ...]]] = {"process_name": [], "thread_name": [], "thread_sort_index": []}
    last: dict[tuple[int, int], int] = {}
    for event in document["traceEvents"]:
        assert {type(event[key]) for key in ("pid", "tid")} == {int} and isinstance(event["name"], str)
        where = event["pid"], event["tid"]
        if event["ph"] == "M":
            value = event["args"]["sort_index" if event["name"] == "thread_sort_index" else "name"]
            assert isinstance(value, int if event["name"] == "thread_sort_index" else str) and value != ""
            named[event["name"]].append(where[:1] if event["name"] == "process_name" else where)
            continue
        # complete events alone: each has an end of its own, so that no B waits for an E
        assert event["ph"] == "X" and set(event) <= {"ph", "pid", "tid", "ts", "dur", "name", "cat", "args"}
        assert type(event["ts"]) is type(event["dur"]) is int and event["dur"] > 0
        # in order on each track, none inside another
        assert event["ts"] >= last.get(where, 0)
        last[where] = event["ts"] + event["dur"]
        assert isinstance(event.get("args", {}), dict)
    for many in named.values():
        assert len(many) == len(set(many))
    assert named["thread_name"] == named["thread_sort_index"]
    assert set(last) <= set(named["thread_name"]) and {pid for pid, _ in last} == {
        pid for (pid,) in named["process_name"]
    }


def add_up(result: Result, parts: int) -> None:
    """The array's slices are the layer's cycles and stalls, whole and in parts."""
    one = result.layers[0]
    for processing in (False, True):
        length = one.timing.processing if processing else one.cycles
        stalls = one.timing.processing_stalls if processing else one.stall_cycles
        each = -(-length // parts)
        added = [sums(windows_of(result, first, each, processing)[0]) for first in range(0, length, each)]
        assert sum(compute for compute, _ in added) == one.timing.compute
        assert sum((found for _, found in added), Counter()) == stalls


@pytest.mark.parametrize("bits", [4, 8])
def test_slices_of_a_slower_mode_are_core_cycles(network: Network, bits: int) -> None:
    result = simulate("envision", network, bits={"ifmap": bits, "filter": bits, "psum": 3 * bits})
    for parts in (1, 3, 7):
        add_up(result, parts)
    whole, cut = windows_of(result)[0], windows_of(result, 101, 999)[0]
    known = {(track.name, one.name): (one.begin, one.end) for track in tracks(whole.window) for one in track.slices}
    seen = 0
    for track in tracks(cut.window):
        shown = list(track.slices)
        assert len(shown) == track.many
        for one in shown:
            assert 101 <= one.begin < one.end <= 1100
            if one.name.startswith(("fill", "drain", "old")):
                begin, end = one.told.get("from", one.begin), one.told.get("to", one.end)
                assert known[track.name, one.name] == (begin, end)
                seen += 1
    assert seen


def test_dram_stalls_of_cartesian_pes_are_behind_their_barriers(network: Network) -> None:
    """A link of one bit in a cycle binds; the stall is at the layer's end, and all before it computes."""
    machine = load_architecture("scnn", {"levels.DRAM.link": {"width": "1 b"}})
    result = simulate(machine, network)
    assert result.layers[0].timing.cycles > result.layers[0].timing.compute
    for parts in (1, 3):
        add_up(result, parts)
    (layer,) = windows_of(result)
    found = {track.name: list(track.slices) for track in tracks(layer.window)}
    stall = found[MACS][-1]
    assert (stall.category, stall.name) == (STALL, *result.layers[0].stall_cycles)
    assert stall.begin == result.layers[0].timing.compute
    pes = {name: shown for name, shown in found.items() if name.startswith("PE ")}
    assert len(pes) == result.layers[0].counts.active_pes
    for shown in pes.values():
        assert shown[0].begin == 0
        assert all(before.end == after.begin for before, after in pairwise(shown))
        assert shown[-1].end == stall.begin
    busy = sum(
        one.end - one.begin
        for shown in pes.values()
        for one in shown
        if one.category == COMPUTE or one.name == "queues"
    )
    assert busy == result.layers[0].counts.busy
