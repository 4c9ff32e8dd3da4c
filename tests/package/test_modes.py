"""Modes of a package against pencils: pipelines, tenants, graphs, sums that cross links."""

from fractions import Fraction

import pytest

from accelsim import simulate
from accelsim.errors import AccelsimError, MappingError
from accelsim.package.graph import multiplying_reads
from accelsim.package.pipeline import partition, shared_out
from accelsim.package.running import simulate_package
from accelsim.package.split import Cut, partial_sums
from accelsim.package.tenants import simulate_tenants
from accelsim.package.yaml import package_of
from accelsim.workload.network import Network
from accelsim.yamlfile import parse

SMALL = "parameters: {rows: 8, cols: 8}"
NETWORK = Network.of(
    "small",
    {
        "A": {"op": "conv", "M": 8, "kernel": 3, "pad": 1},
        "P": {"op": "maxpool", "kernel": 2, "stride": 2},
        "B": {"op": "conv", "M": 16, "kernel": 1},
        "C": {"op": "conv", "M": 16, "kernel": 1, "inputs": ["P"]},
        "S": {"op": "add", "inputs": ["B", "C"]},
        "D": {"op": "conv", "M": 24, "kernel": 3, "inputs": ["S"]},
    },
    (3, 12, 12),
)


def chip(cores=2, rate="", more=""):
    memory = f"{{rate: {rate}}}" if rate else "{}"
    core = f"{{machine: systolic_ws, count: {cores}, {SMALL}}}"
    text = f"name: chip\ncores: {{c: {core}}}\nmemory: {{m: {memory}}}\n{more}\n"
    return package_of(parse(text))


def alone(layer):
    return Fraction(simulate("systolic_ws", NETWORK, layers=layer, parameters={"rows": 8, "cols": 8}).total.cycles)


@pytest.mark.parametrize(("cores", "items"), [(2, 5), (3, 4)])
def test_a_pipeline_takes_all_stages_once_and_the_slowest_for_each_item_more(cores, items):
    found = simulate_package(chip(cores), NETWORK, "pipeline", items)
    stages = {}
    for row in found.layers:
        stage = row.split.split(",")[0]
        stages[stage] = stages.get(stage, 0) + row.cycles
    assert len(stages) == cores
    assert found.makespan == sum(stages.values()) + (items - 1) * max(stages.values())
    assert found.gap == 0
    assert {row.name: row.cycles for row in found.layers} == {name: alone(name) for name in "ABCD"}


def test_layers_are_cut_where_the_slowest_stage_is_as_fast_as_it_can_be():
    times = [[Fraction(t) for t in (5, 1, 1, 4, 2)]] * 3
    ends = partition(times)
    begins = [0, *ends[:-1]]
    assert max(sum(times[0][a:b]) for a, b in zip(begins, ends, strict=True)) == 6
    assert all(a < b for a, b in zip(begins, ends, strict=True))
    assert shared_out(7, 3) == [(0, 1, 2), (3, 4), (5, 6)]


def test_tenants_with_memories_to_themselves_do_not_slow_each_other_down():
    found = simulate_tenants(chip(3), ["alexnet@c.0", "alexnet@c.1+c.2"], layers="CONV5")
    assert [one.slowdown for one in found.tenants] == [1, 1]
    assert found.stp == 2
    assert found.makespan == max(one.alone for one in found.tenants)


def test_tenants_that_share_a_slow_memory_do():
    found = simulate_tenants(chip(2, "500 MB/s"), ["alexnet@c.0", "alexnet@c.1"], layers="FC8")
    first, second = found.tenants
    assert first.slowdown == second.slowdown
    # both have half of the memory nearly all the time, and never less; alone it is not all that holds them up
    assert Fraction(3, 2) < first.slowdown <= 2
    words = next(one for one in found.bounds if one.what == "words of m")
    assert words.cycles <= found.makespan
    for work, idle in zip(found.work, found.idle, strict=True):
        assert work + sum(idle.values()) == found.makespan
        assert set(idle) == {"share"}


def test_a_graph_runs_side_by_side_what_does_not_wait():
    found = simulate_package(chip(2), NETWORK, "graph")
    times = {name: alone(name) for name in "ABCD"}
    assert found.makespan == times["A"] + max(times["B"], times["C"]) + times["D"]
    assert found.gap == 0
    assert multiplying_reads(NETWORK, [NETWORK.layers[i] for i in (0, 2, 3, 5)]) == [[], [0], [0], [1, 2]]


def test_a_hand_over_between_cores_takes_its_sync():
    free, held = (simulate_package(chip(2, more=more), NETWORK, "graph") for more in ("", "sync: 100"))
    assert free.makespan < held.makespan <= free.makespan + 200
    split = {"more": "split: {M: 2}"}
    free = simulate_package(chip(2, **split), NETWORK)
    held = simulate_package(chip(2, more="split: {M: 2}\nsync: 100"), NETWORK)
    assert held.makespan == free.makespan + 4 * 100
    assert held.idle[0]["sync"] == 400


def test_the_best_placement_of_a_few_layers():
    pytest.importorskip("ortools")
    found = simulate_package(chip(2), NETWORK, "graph", exact=True)
    assert found.makespan == simulate_package(chip(2), NETWORK, "graph").makespan
    assert found.notes == ("placement: the optimum of private times; the list schedule is 0.0% above it",)


def test_sums_of_a_split_over_c_cross_links_to_their_owner():
    link = "links:\n  - {kind: ring, over: [c], rate: 1 GB/s, energy: 0.5}\n  - {from: m, to: c}\nsplit: {C: 2}\n"
    found = simulate_package(chip(2, more=link), NETWORK, layers="D")
    layer = next(layer for layer in NETWORK.layers if layer.name == "D")
    cut = Cut(layer.problem, {"C": 2})
    machine = chip(2).cores[0].machine
    bits = partial_sums(cut) * machine.word_bits["psum"]
    links = next(row for row in found.energy_rows if row.component == "links")
    assert links.energy == bits * Fraction(1, 2)
    parts = simulate_package(chip(1), NETWORK, layers="D", parameters=None)
    assert found.makespan > parts.makespan / 2
    # the other core's sums: bits over a link of 8 bits a cycle, after its part
    assert found.idle[0]["words from c.1"] >= Fraction(bits, 8)


def test_a_split_over_c_needs_a_link_between_cores():
    with pytest.raises(MappingError, match=r"split C2: no link joins 'c\.1' and 'c\.0' for its sums"):
        simulate_package(chip(2, more="split: {C: 2}"), NETWORK, layers="D")


def test_a_split_may_be_given_by_glob():
    found = simulate_package(chip(2, more="split: {A: {P: 2}, '*': {M: 2}}"), NETWORK)
    assert [row.split for row in found.layers] == ["P2", "M2", "M2", "M2"]


def test_unlike_cores_of_unlike_clocks():
    text = (
        f"name: unlike\ncores:\n  fast: {{machine: systolic_ws, {SMALL}}}\n"
        "  slow: {machine: systolic_ws, parameters: {rows: 8, cols: 8, clock: 500 MHz}}\nmemory: {m: {}}\n"
    )
    package = package_of(parse(text))
    assert package.clock == 10**9
    found = simulate_package(package, NETWORK, "graph")
    assert found.bound.cycles <= found.makespan
    one = simulate_package(chip(1), NETWORK, "graph")
    assert found.makespan <= one.makespan


def test_stages_that_are_too_many_are_refused():
    with pytest.raises(AccelsimError, match="stages: 9 are more than its 2 cores or the 4 layers"):
        simulate_package(chip(2, more="stages: 9"), NETWORK, "pipeline")


def test_more_cores_are_no_slower_where_memory_does_not_bind():
    times = [simulate_package(chip(cores), "alexnet", batch=4, layers="CONV5").makespan for cores in (1, 2, 4)]
    assert times == sorted(times, reverse=True)
    assert times[0] / times[2] > 3
