"""What is seen in a window of cycles: the golden machine's events, and the layer's own cycles and stalls."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st

import golden
import strategies
from accelsim.engine import evaluate
from accelsim.engine.counts import ACTIONS
from accelsim.engine.timeline import DRAIN, FILL, OLD, STEP, Timeline, observe
from accelsim.engine.timing.kernels import observe as line
from accelsim.errors import AccelsimError
from accelsim.simulate import simulate
from accelsim.workload.problem import LOOP_DIMS, TENSOR_DIMS, TENSORS, Tensor
from golden.program import Activity, Program
from golden.stalls import start_bound

MOST = 1 << 16
KINDS = {"F": FILL, "D": DRAIN, "P": OLD, "C": STEP}


def possible(drawn: Any) -> bool:
    """Whether the evaluator takes a drawn problem, and a timeline its clock: what does not is no case."""
    masks = drawn.masks if isinstance(drawn, strategies.SparseCase) else None
    try:
        evaluate(drawn.architecture, drawn.nest, drawn.problem, masks=masks)
    except AccelsimError:
        return False
    return bool(drawn.architecture.mode.divider == 1)


def seen(drawn: Any, span: tuple[int, int] | None = None, processing: bool = False) -> tuple[Timeline, Any]:
    """The window of a drawn problem, all of the layer unless a span is given, and the layer's timing."""
    masks = drawn.masks if isinstance(drawn, strategies.SparseCase) else None
    _, timing = evaluate(drawn.architecture, drawn.nest, drawn.problem, masks=masks)
    cycles = timing.processing if processing else timing.cycles
    found = observe(
        drawn.architecture, drawn.nest, drawn.problem, masks, span or (0, cycles + 1), cycles, MOST, processing, False
    )
    assert isinstance(found, Timeline)
    return found, timing


def stalls_of(found: Timeline) -> tuple[int, Counter[str]]:
    """Cycles that the array works and those it stands still, by cause, out of the lines of a whole layer."""
    steps, around = found.lines[found.lines[:, line.ACTIVITY] == STEP], found.architecture
    stalls: Counter[str] = Counter({"fixed": around.before + around.after})
    for row in steps.tolist():
        stalls[found.causes[row[line.CAUSE]]] += row[line.START] - row[line.BEFORE] - row[line.BEGIN]
        stalls[found.causes[row[line.LATE_CAUSE]]] += row[line.LATE]
        stalls["fixed"] += row[line.BEFORE]
        stalls["pe"] += row[line.POST]
    assert found.drain is not None
    stalls["drain"] += found.drain[1] - found.drain[0]
    return int(steps[:, line.UNITS].sum()), Counter({cause: cycles for cause, cycles in stalls.items() if cycles})


def same_events(drawn: Any, processing: bool = False) -> None:
    """Every activity of the golden machine is a line, with its times, its tile and what it waited for."""
    machine = strategies.cutting(drawn.architecture, drawn.problem)
    masks = drawn.masks if isinstance(drawn, strategies.SparseCase) else None
    drawn = strategies.Case(machine, drawn.nest, drawn.problem) if masks is None else drawn
    found, timing = seen(drawn, processing=processing)
    told = golden.run(machine, drawn.nest, drawn.problem, processing=processing, masks=masks)
    compute, stalls = stalls_of(found)
    assert compute == timing.compute
    assert stalls == (timing.processing_stalls if processing else timing.stalls)
    program, before = told.program, machine.before
    ours = {}
    for row, tile in zip(found.lines.tolist(), found.tiles.tolist(), strict=True):
        x = row[line.OF]
        level, tensor = (None, None) if x < 0 else (int(found.edges[x, 2]), TENSORS[found.edges[x, 0]])
        ours[row[line.ACTIVITY], tensor, level, row[line.NUMBER]] = row, tile
    theirs = {key_of(activity): activity for activity in program.activities if activity.kind != "J"}
    assert set(ours) == set(theirs)
    previous = before_on_ports(program)
    for key, activity in theirs.items():
        row, tile = ours[key]
        in_turn = any(wait.on.kind == "J" for wait in activity.waits)
        if not in_turn:
            assert row[line.START] + before == activity.start + activity.hold, (key, activity)
            assert row[line.UNITS] == activity.length - activity.post, key
            assert row[line.BEFORE] == activity.hold, key
        assert row[line.END] + before == activity.end, key
        first = activity.version.first if activity.version else activity.number
        assert row[line.OPENS] == first, key
        base = activity.version.base if activity.version else program.walk.steps[first][-1]
        for dim, at, want in zip(LOOP_DIMS, tile, base, strict=True):
            if activity.stream is None or (dim in TENSOR_DIMS[activity.stream.tensor] and not activity.stream.register):
                assert at == want, (key, dim)
        if activity.kind != "C" and not in_turn:
            same_reason(found, row, activity, previous[activity], before)


def key_of(activity: Activity) -> tuple[int, Tensor | None, int | None, int]:
    """Which line an activity is."""
    stream = activity.stream
    where = (None, None) if stream is None else (stream.tensor, stream.level)
    return KINDS[activity.kind], *where, activity.number


def before_on_ports(program: Program) -> dict[Activity, dict[str, Activity]]:
    """Of each activity, who had each of its ports before."""
    last: dict[str, Activity] = {}
    found = {}
    for activity in program.activities:
        found[activity] = {port: last[port] for port in activity.ports if port in last}
        last.update(dict.fromkeys(activity.ports, activity))
    return found


def same_reason(found: Timeline, row: list[int], activity: Activity, own: dict[str, Activity], before: int) -> None:
    """A transfer waited for its own port, or for the activity that let it start last, the smaller key first."""
    if activity.start == before:
        return
    held = any(one.releases[port] == activity.start for port, one in own.items())
    assert (row[line.PORT] >= 0) == held, activity
    setters = [wait.on for wait in activity.waits if start_bound(wait) == activity.start]
    if held or not setters:
        return
    setter, waited = min(setters, key=lambda a: a.key), found.waited(row[line.BEHIND])
    assert waited is not None
    stream = None if waited.stream < 0 else found.edges[waited.stream].tolist()
    where = (None, None) if stream is None else (TENSORS[stream[0]], stream[2])
    assert (waited.kind, *where) == key_of(setter)[:3], activity
    assert waited.after == (setter.number if setter.kind == "C" else setter.key[0]), activity


CASES = {
    "dense": strategies.cases(),
    "zeros": strategies.sparse_cases(),
    "links": strategies.mesh_cases(),
    "banks": strategies.dram_cases(),
    "flat": strategies.flat_cases(),
    "runs": strategies.run_cases(),
    "turns": strategies.turn_cases(),
}


@pytest.mark.parametrize("kind", CASES)
def test_lines_are_the_golden_machines_events(kind: str) -> None:
    @given(drawn=CASES[kind], processing=st.booleans(), rng=st.randoms(use_true_random=False))
    @settings(max_examples=30, deadline=None)
    def compare(drawn: Any, processing: bool, rng: Random) -> None:
        if kind not in ("turns", "flat"):  # they have their own pace, or none
            try:
                drawn = strategies.with_pace(rng, strategies.with_ofmap(rng, drawn))
            except AccelsimError:
                reject()
        assume(possible(drawn))
        same_events(drawn, processing)

    compare()


def words_moved(found: Timeline) -> dict[tuple[int, str, str], int]:
    """Words by parent's level, tensor and activity, all lines added up."""
    moved: Counter[tuple[int, str, str]] = Counter()
    for row in found.lines[found.lines[:, line.ACTIVITY] != STEP].tolist():
        tensor, parent, _ = found.edges[row[line.OF], :3].tolist()
        moved[parent, TENSORS[tensor].value, "down" if row[line.ACTIVITY] != DRAIN else "up"] += row[line.WORDS]
    return dict(moved)


@pytest.mark.parametrize("kind", ["dense", "zeros", "links", "banks", "runs"])
def test_words_of_transfers_are_those_counted(kind: str) -> None:
    """Inputs are read, and psums updated, as often as the counts say; where some are encoded, so are these."""

    @given(drawn=CASES[kind])
    @settings(max_examples=30, deadline=None)
    def compare(drawn: Any) -> None:
        masks = drawn.masks if isinstance(drawn, strategies.SparseCase) else None
        assume(possible(drawn))
        machine = strategies.cutting(drawn.architecture, drawn.problem) if masks is None else drawn.architecture
        counts, _ = evaluate(machine, drawn.nest, drawn.problem, masks=masks)
        assume(not machine.lock)  # a timeline has the words that take time, also those that are not there
        found, _ = seen(drawn if masks else strategies.Case(machine, drawn.nest, drawn.problem))
        moved = words_moved(found)
        for tensor, parent, _, anew in found.edges[:, :4].tolist():
            name, words = TENSORS[tensor].value, counts.words[parent, tensor]
            if TENSORS[tensor] is Tensor.PSUM:
                assert moved.get((parent, name, "up"), 0) == words[ACTIONS.index("update")]
            elif not anew:
                assert moved.get((parent, name, "down"), 0) == words[ACTIONS.index("read")], (name, parent)

    compare()


@pytest.mark.parametrize("kind", ["dense", "zeros", "links", "banks"])
def test_a_window_is_part_of_the_whole(kind: str) -> None:
    @given(drawn=CASES[kind], data=st.data())
    @settings(max_examples=40, deadline=None)
    def compare(drawn: Any, data: Any) -> None:
        assume(possible(drawn))
        whole, timing = seen(drawn)
        low = data.draw(st.integers(0, max(timing.cycles - 1, 0)))
        high = data.draw(st.integers(low + 1, timing.cycles + 1))
        part_of(whole, seen(drawn, (low, high))[0])

    compare()


def part_of(whole: Timeline, window: Timeline) -> None:
    """All lines of a layer that last and lie in a window, and no others, are that window's."""
    low, high = (cycle - whole.architecture.before for cycle in window.span)
    shown = []
    for lines, tiles in ((whole.lines, whole.tiles), (window.lines, window.tiles)):
        until = np.maximum(lines[:, line.END], lines[:, line.FREED :].max(axis=1))
        begin = lines[:, line.BEGIN]
        inside = (begin < high) & (until > low) & (begin < until)
        shown.append((lines[inside].tolist(), tiles[inside].tolist()))
    assert shown[0] == shown[1]
    assert window.drain in (None, whole.drain)
    assert window.drain is not None or whole.drain is None or whole.drain[0] >= window.span[1]


LONG = [
    ("eyeriss", "alexnet", "CONV3", {"mapping": "eyeriss_alexnet_jssc17"}),
    ("tpu_v1", "alexnet", "CONV3", {}),
    ("nvdla_full", "alexnet", "CONV5", {}),
    ("systolic_ws", "alexnet", "CONV5", {}),
    ("simba", "alexnet", "CONV5", {}),
]


@pytest.mark.parametrize(("machine", "network", "layer", "more"), LONG, ids=lambda value: str(value))
def test_what_repeats_is_jumped_over(machine: str, network: str, layer: str, more: dict[str, Any]) -> None:
    """Windows behind stretches that are looked up are those of the layer run step by step."""
    result = simulate(machine, network, layers=layer, data="dense", **more)
    one = result.layers[0]
    given_ = result.architecture, one.nest, one.problem, None
    whole = observe(*given_, (0, one.cycles), one.cycles, 1 << 22, joined=False)
    assert isinstance(whole, Timeline)
    for at in (one.cycles // 7, one.cycles // 2, one.cycles - 2000, one.cycles - 1):
        span = max(at, 0), min(at + 3000, one.cycles)
        window = observe(*given_, span, one.cycles, MOST, joined=False)
        assert isinstance(window, Timeline)
        part_of(whole, window)


def test_too_many_lines_are_told_with_how_far_they_go() -> None:
    result = simulate("eyeriss", "alexnet", mapping="eyeriss_alexnet_jssc17", layers="CONV5", data="dense")
    one = result.layers[0]
    found = observe(result.architecture, one.nest, one.problem, None, (0, one.cycles), one.cycles, 100, joined=False)
    assert isinstance(found, int)
    assert 0 < found < 50_000
    again = observe(
        result.architecture, one.nest, one.problem, None, (0, found * 9 // 10), one.cycles, 100, joined=False
    )
    assert isinstance(again, Timeline)


@pytest.mark.parametrize("kind", ["dense", "zeros", "links"])
def test_joined_lines_add_up_to_single_ones(kind: str) -> None:
    @given(drawn=CASES[kind])
    @settings(max_examples=30, deadline=None)
    def compare(drawn: Any) -> None:
        assume(possible(drawn))
        masks = drawn.masks if isinstance(drawn, strategies.SparseCase) else None
        given_ = drawn.architecture, drawn.nest, drawn.problem, masks
        _, timing = evaluate(*given_[:3], masks=masks)
        single, joined = (
            observe(*given_, (0, timing.cycles + 1), timing.cycles, MOST, joined=j) for j in (False, True)
        )
        assert isinstance(single, Timeline)
        assert isinstance(joined, Timeline)
        assert stalls_of(joined) == stalls_of(single)
        assert len(joined.lines) <= len(single.lines)
        lasting = single.lines[
            single.lines[:, line.BEGIN]
            < np.maximum(single.lines[:, line.END], single.lines[:, line.FREED :].max(axis=1))
        ]
        for column in (line.MANY, line.UNITS, line.WORDS):
            for activity in (FILL, DRAIN, OLD, STEP):
                one, other = (
                    each[each[:, line.ACTIVITY] == activity, column].sum() for each in (lasting, joined.lines)
                )
                assert one == other

    compare()
