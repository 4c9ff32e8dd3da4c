"""Groups whose filters come in slices: as passes of fewer output channels, cut by hand; what cannot be is told."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.architecture.model import Architecture
from accelsim.energy.load import table_for
from accelsim.engine import evaluate
from accelsim.engine.fused.group import Group
from accelsim.engine.fused.layers import group_of
from accelsim.engine.fused.storage import Tiling, measure
from accelsim.errors import AccelsimError, MappingError
from accelsim.grouped import GroupResult
from accelsim.report.files import document_text
from accelsim.result import Result
from accelsim.search.plan.costs import Wanted, pass_machine
from accelsim.search.plan.fused import widths_of
from accelsim.search.proof import NONE
from accelsim.simulate import rerun, simulate
from accelsim.workload.network import Network
from accelsim.workload.problem import Problem
from plans import draw_network

FLOW = "weight_stationary"
SEEDS = st.integers(0, 2**32 - 1)


def machine(buffer: str = "single", size: str = "64 KiB", **more: Any) -> Architecture:
    side = {"kind": "multicast", "width": "2 words"}
    chain = {"kind": "chain", "in": "2 words", "out": "2 words", "accumulate": "on-drain"}
    levels = [
        {"name": "DRAM", "link": {"width": "24 b", "clock": "500 MHz"}},
        {"name": "GLB", "capacity": size, "buffer": buffer, **more,
         "array": {"size": {"y": 2, "x": 3}, "networks": {"ifmap": side, "filter": side, "psum": chain}}},
        {"name": "RF", "capacity": {"filter": "4 words"}, "keeps": ["filter"]},
    ]  # fmt: skip
    return Architecture.of(
        "tiny", levels, clock="500 MHz", word={"ifmap": "8 b", "filter": "8 b", "psum": "24 b"}, pe={"macs": 1},
        dataflow=FLOW, energy="eyeriss_relative", vector={"lanes": 2},
    )  # fmt: skip


def drawn(rng: Random) -> tuple[Network, Group, dict[str, Any], dict[str, int]]:
    """A network that can run as one group, the plan, and the slices in it."""
    while True:
        try:
            network = draw_network(rng, 4, rng.choice((1, 1, 2)))
            names = [layer.name for layer in network.layers]
            group = group_of(network, names)
        except (AccelsimError, MappingError):
            continue
        may = [op for op in group.ops if op.multiplies and op.outer > 1]
        if may:
            break
    slices = {op.name: rng.randint(1, op.outer) for op in may if rng.random() < 0.7}
    stay = [op.name for op in group.ops if op.filters and op.name not in slices and rng.random() < 0.5]
    tile = dict(zip("PQ", (rng.randint(1, size) for size in group.sink.plane), strict=True))
    plan = {"layers": names, "tile": tile, "keep": rng.choice(("both", "columns", "rows", "none"))}
    ways: dict[str, Any] = {**dict.fromkeys(stay, "resident"), **{name: {"M": most} for name, most in slices.items()}}
    return network, group, plan | {"filters": ways}, slices


def ran(chip: Architecture, network: Network, group: dict[str, Any], evaluator: str) -> GroupResult:
    return simulate(chip, network, evaluator=evaluator, plan={"groups": [group]}).groups[0]


def cut(problem: Problem, most: int) -> list[Problem]:
    """A pass as one for each slice."""
    n, g, m, *rest = problem.sizes
    return [replace(problem, sizes=(n, g, min(most, m - first), *rest)) for first in range(0, m, most)]


def words_of(chip: Architecture, found: GroupResult) -> np.ndarray:
    """All passes that multiply, each evaluated by itself, cycle by cycle."""
    wanted = Wanted(chip, table_for(chip, None), "GLB", FLOW, FLOW, "energy", NONE)
    inside, total = pass_machine(chip, wanted), np.zeros_like(found.counts.words)
    for one in found.passes:
        total += evaluate(inside, one.nest, one.problem, "cycle")[0].words * one.runs
    return total


def check_slices(rng: Random) -> None:
    network, geometry, plan, slices = drawn(rng)
    buffer = rng.choice(("single", "double"))
    chip = machine(buffer)
    whole = ran(
        chip, network, plan | {"filters": {n: w for n, w in plan["filters"].items() if w == "resident"}}, "cycle"
    )
    found, closed = (ran(chip, network, plan, evaluator) for evaluator in ("cycle", "analytical"))
    # passes : those of the whole filters, cut by hand
    expected, passes = Counter[tuple[str, Problem]](), Counter[tuple[str, Problem]]()
    for one in whole.passes:
        for part in cut(one.problem, slices.get(one.layer, one.problem["M"])):
            expected[one.layer, part] += one.runs
    for one in found.passes:
        passes[one.layer, one.problem] += one.runs
    assert passes == expected
    # words : of the outermost level the same, inside those of the passes
    assert np.array_equal(found.counts.words, closed.counts.words)
    assert np.array_equal(found.counts.words[0], whole.counts.words[0])
    inside = words_of(chip, found) - words_of(chip, whole)
    assert np.array_equal(found.counts.words - whole.counts.words, inside)
    assert (found.macs, found.again, found.vector_ops) == (whole.macs, whole.again, whole.vector_ops)
    # room : filters that stay, and of the others a slice while their layer runs, in bits
    tiling = Tiling(tuple(plan["tile"].values()), KEEPS[plan["keep"]], {}, buffer == "double")
    sized = dict.fromkeys((op.name for op in geometry.ops), chip)
    held, slots = measure(geometry, tiling, widths_of(geometry, sized, frozenset())).held, 2 if tiling.double else 1
    stay = {name for name, way in plan["filters"].items() if way == "resident"}
    each = {op.name: 8 * op.filters // op.outer * slices.get(op.name, op.outer) for op in geometry.ops}
    most = max(held[name] + (0 if name in stay else slots * bits) for name, bits in each.items())
    assert found.room == most + sum(each[name] for name in stay)
    # time
    assert closed.cycles <= found.cycles
    assert sum(found.stall_cycles.values()) + found.compute_cycles == found.cycles
    times = {op.name: -(-op.outer // slices.get(op.name, op.outer)) for op in geometry.ops}
    for before, after in zip(whole.shares, found.shares, strict=True):
        assert (after.macs, after.again, after.passes) == (before.macs, before.again, before.passes * times[after.name])


KEEPS = {"both": (True, True), "columns": (False, True), "rows": (True, False), "none": (False, False)}


@given(SEEDS)
@settings(max_examples=25)
def test_slices_are_passes_of_fewer_channels(seed: int) -> None:
    check_slices(Random(seed))


@pytest.mark.nightly
@given(SEEDS)
@settings(max_examples=500)
def test_slices_are_passes_of_fewer_channels_nightly(seed: int) -> None:
    check_slices(Random(seed))


def network() -> Network:
    layers = {
        "a": {"op": "conv", "M": 12, "kernel": 3, "pad": 1},
        "b": {"op": "depthwise", "kernel": 3, "pad": 1},
        "c": {"op": "conv", "M": 20, "kernel": 1},
    }
    return Network.of("three", layers, (4, 8, 8))


GROUP = {"layers": ["a", "b", "c"], "tile": {"P": 4, "Q": 8}}


def test_a_slice_as_large_as_the_filter_is_the_filter() -> None:
    chip = machine()
    whole, one = (ran(chip, network(), GROUP | more, "cycle") for more in ({}, {"filters": {"a": {"M": 12}}}))
    assert (one.cycles, one.room, one.energy, one.passes) == (whole.cycles, whole.room, whole.energy, whole.passes)
    assert one.to_dict() == whole.to_dict()


def test_smaller_slices_need_less_room_and_read_the_input_more() -> None:
    chip, before = machine(), None
    for outer in (12, 6, 4, 3, 2, 1):
        found = ran(chip, network(), GROUP | {"filters": {"a": {"M": outer}, "c": {"M": outer}}}, "analytical")
        if before is not None:
            assert found.room <= before.room
            assert found.counts.words[1, 0].sum() >= before.counts.words[1, 0].sum()
        before = found


@pytest.mark.parametrize(
    ("more", "filters", "told"),
    [
        ({}, {"a": {"M": 13}}, "the filter of 'a': a slice of M 13, and it has 12 output channels"),
        ({}, {"b": {"M": 2}}, "the filter of 'b': a slice of M 2, and it has 1 output channels of one group"),
        ({}, {"d": {"M": 2}}, "'d' has no filter (a, b, c)"),
        ({"keeps": ["ifmap", "psum"]}, {"a": {"M": 2}}, "the filter of 'a' comes in no slices: 'GLB' keeps no filter"),
    ],
)
def test_what_cannot_be_sliced_is_told(
    more: dict[str, Any], filters: dict[str, Any], told: str, tmp_path: Path
) -> None:
    with pytest.raises(AccelsimError) as caught:
        ran(machine(**more), network(), GROUP | {"filters": filters}, "analytical")
    assert str(caught.value).splitlines() == [f"plan: groups.0.layers: group a..c: {told}"]


def test_what_does_not_fit_is_told_with_slices_that_do() -> None:
    chip, chain = machine(size="1000 B"), GROUP | {"tile": {"P": 1, "Q": 8}}
    told = re.escape("(a tile of P 1, Q 4 would fit; filters in slices would: a: {M: 6}, c: {M: 10})")
    for filters in ({}, {"a": {"M": 6}}, {"c": {"M": 10}}):
        with pytest.raises(AccelsimError, match=told) as caught:
            ran(chip, network(), chain | {"filters": filters}, "analytical")
        assert len(str(caught.value).splitlines()) == 1
    assert ran(chip, network(), chain | {"filters": {"a": {"M": 6}, "c": {"M": 10}}}, "analytical").room <= 8000


def test_a_result_with_slices_is_read_and_run_again(tmp_path: Path) -> None:
    plan = {"groups": [GROUP | {"filters": {"a": {"M": 5}, "c": "streamed", "b": "resident"}}]}
    text = document_text(simulate(machine(), network(), evaluator="cycle", plan=plan))
    file = tmp_path / "result.json"
    file.write_text(text)
    again = Result.load(file)
    assert again.ran.plan.groups[0].slices == {"a": 5}
    assert document_text(again) == text
    assert document_text(rerun(again)) == text
