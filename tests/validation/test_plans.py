"""Plans of whole networks: words of DRAM beside those that a prototype of the same rules, another program, found."""

from __future__ import annotations

import pytest

from accelsim.mapping.dataflows.dataflow import BEST
from accelsim.mapping.plan.plan import WAYS
from accelsim.reproduce import plans
from accelsim.reproduce.source import rows
from accelsim.search.plan.best import VALUES, best_plan
from accelsim.search.plan.costs import NOTHING, Wanted
from accelsim.search.plan.parted import Parted
from accelsim.search.proof import NONE
from accelsim.simulate import simulate
from accelsim.workload.yaml import load_network

SIZES = (108, 512, 2048)


def test_all_numbers_are_there() -> None:
    given = {(row["network"], int(row["kib"]), row["way"]) for row in rows("fused_plans")}
    assert given == {(network, kib, way) for network in ("resnet50", "mobilenet_v2") for kib in SIZES for way in WAYS}


@pytest.mark.nightly
@pytest.mark.parametrize("kib", SIZES)
@pytest.mark.parametrize("network", ["resnet50", "mobilenet_v2"])
def test_layer_by_layer_and_resident_are_equal(network: str, kib: int) -> None:
    """To the word: both are optima, of all nests and of those of one loop a dim."""
    mine = [one for one in plans.found() if (one.network, one.kib) == (network, kib)]
    assert {one.way: one.ours for one in mine if one.way in ("none", "resident")} == {
        one.way: one.theirs for one in mine if one.way in ("none", "resident")
    }


@pytest.mark.nightly
@pytest.mark.parametrize("kib", SIZES)
@pytest.mark.parametrize("network", ["resnet50", "mobilenet_v2"])
def test_fused_is_near(network: str, kib: int) -> None:
    """At most 0.3 % above, where fewer tiles are looked at; filters in slices let groups of late layers fit."""
    for one in plans.found():
        if (one.network, one.kib) == (network, kib) and one.way in ("fused", "best"):
            assert one.ours <= 1.003 * one.theirs, one


@pytest.mark.nightly
def test_more_room_and_more_ways_are_never_worse() -> None:
    """Nothing is cut short by a clock here, so every pair that can be compared is in order."""
    for one in plans.found():
        for other in plans.found():
            more = one.way == other.way or other.way == "none" or one.way == "best"
            if one.network == other.network and one.kib >= other.kib and more:
                assert one.ours <= other.ours, (one, other)


@pytest.mark.slow
@pytest.mark.parametrize("kib", [108, 2048])
def test_a_plan_runs_to_the_words_that_were_found(kib: int) -> None:
    """The other way to a number: layers and passes of the plan are mapped, run and counted by themselves."""
    network = load_network("resnet50")
    walk = plans.walk_of(network, kib, "fused")
    path = plans.least(walk)
    plan = walk.plan_of(path)
    result = simulate(plans.machine(kib), network, BEST, energy=plans.prices(), evaluator="analytical", plan=plan)
    assert len(result.groups) == len(plan.groups) > 0
    assert any(group.slices for group in plan.groups) == (kib == 2048)
    words = sum(int(one.counts.words[0].sum()) for one in result.multiplied)
    words += result.vector.reads + result.vector.writes
    assert words == sum(step.cost.words for step in path)
    given = {(row["network"], row["kib"], row["way"]): int(row["words"]) for row in rows("fused_plans")}
    assert words <= 1.003 * given["resnet50", str(kib), "fused"]


@pytest.mark.nightly
def test_eight_parts_of_tensors_move_no_more_than_the_prototype() -> None:
    """Where the prototype keeps blocks of eight of ResNet-50's tensors in 512 KiB: 51.7 M words for 55.6 M."""
    chip = plans.machine(512)
    wanted = Wanted(chip, plans.prices(), "GLB", BEST, BEST, "energy", NONE)
    walk = Parted(wanted, load_network("resnet50"), lambda _: chip, VALUES["energy"], True, False, blocks=8)
    found = best_plan(walk, None, NOTHING)
    assert found.bound >= found.value * (1 - 1e-9)
    assert round(found.cost.words) == 51_469_992 <= 51.7e6
