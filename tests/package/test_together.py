"""Words that several parts read: once for each, or once for all where memory multicasts (rule C4)."""

from fractions import Fraction

import pytest

from accelsim.package.costs import Costs
from accelsim.package.layerwise import entries_of
from accelsim.package.running import simulate_package
from accelsim.package.split import Cut
from accelsim.package.yaml import package_of
from accelsim.yamlfile import parse


def chip(multicast, links="", cores=4, rate="4 GB/s"):
    return package_of(
        parse(
            f"name: chip\ncores: {{c: {{machine: systolic_ws, count: {cores}}}}}\n"
            f"memory: {{hbm: {{rate: {rate}, multicast: {str(multicast).lower()}}}}}\n{links}"
        )
    )


def bits(package, split, layer="CONV4", batch=4):
    """Bits on memory of a layer's parts, and those parts."""
    from accelsim.networks import network_from

    costs = Costs(package, network_from("alexnet", batch), {"layers": layer})
    chosen = costs.layers[0]
    placed, _ = entries_of(costs, chosen, Cut(chosen.problem, split), range(len(package.cores)))
    found = sum(
        flow.bits * dict(flow.shares).get(0, Fraction(0)) for one in placed for flow in one.entry.flows if flow.shares
    )
    return found, placed


@pytest.mark.parametrize(("split", "once"), [({"N": 4}, "filter"), ({"M": 4}, "ifmap")])
def test_what_all_parts_read_crosses_memory_once(split, once):
    each, placed = bits(chip(False), split)
    shared, _ = bits(chip(True), split)
    read = [one.costed.layer.counts.bits("DRAM", once, "read", one.costed.layer.bits) for one in placed]
    assert len(set(read)) == 1
    assert each - shared == 3 * read[0]


def test_a_part_alone_is_no_faster_for_it():
    capacities = [chip(multicast).capacities for multicast in (False, True)]
    for split in ({"N": 4}, {"M": 4}, {"N": 2, "M": 2}):
        (_, each), (_, shared) = (bits(chip(multicast), split) for multicast in (False, True))
        for one, other in zip(each, shared, strict=True):
            assert one.entry.private(capacities[0]) == other.entry.private(capacities[1])


def test_a_link_of_one_core_carries_all_of_its_words():
    links = "links: [{from: hbm, to: c, rate: 8 GB/s, per: 2}]\n"
    package = chip(True, links)
    _, placed = bits(package, {"N": 4})
    _, each = bits(chip(False, links), {"N": 4})
    names = [one.name for one in package.resources]
    for down in ("hbm 0 down", "hbm 1 down"):
        at = names.index(down)
        loads = [
            sum(flow.bits * dict(flow.shares).get(at, Fraction(0)) for one in parts for flow in one.entry.flows)
            for parts in (each, placed)
        ]
        read = placed[0].costed.layer.counts.bits("DRAM", "filter", "read", placed[0].costed.layer.bits)
        assert loads[0] - loads[1] == read


def test_memory_is_paid_once_and_a_memory_that_binds_lets_go_sooner():
    each, shared = (
        simulate_package(chip(multicast, "split: {N: 4}\n", rate="1 GB/s"), "alexnet", batch=4, layers="FC8")
        for multicast in (False, True)
    )
    reads = [
        {row.tensor: row.count for row in found.energy_rows if (row.component, row.action) == ("DRAM", "read")}
        for found in (each, shared)
    ]
    assert reads[0]["filter"] == 4 * reads[1]["filter"]
    assert reads[0]["ifmap"] == reads[1]["ifmap"]
    assert shared.makespan < each.makespan / 2
    for found in (each, shared):
        assert found.bound.cycles <= found.makespan
        for work, idle in zip(found.work, found.idle, strict=True):
            assert work + sum(idle.values()) == found.makespan


def test_one_core_has_nobody_to_share_with():
    found = [
        simulate_package(chip(multicast, cores=1), "alexnet", batch=2, layers="CONV5") for multicast in (False, True)
    ]
    assert found[0].makespan == found[1].makespan
    assert found[0].energy == found[1].energy


@pytest.mark.parametrize("split", [{"M": 2, "C": 2}, {"N": 2, "C": 2}])
def test_parts_of_sums_share_what_they_read_too(split):
    """Split over M, two parts read each block of the ifmap's channels; over N, each block of filters."""
    links = "links: [{kind: crossbar}]\n"
    each, placed = bits(chip(False, links), split)
    shared, _ = bits(chip(True, links), split)
    tensor = "ifmap" if "M" in split else "filter"
    parts = [one for one in placed if one.costed][:2]  # one of each block of C
    read = [one.costed.layer.counts.bits("DRAM", tensor, "read", one.costed.layer.bits) for one in parts]
    assert each - shared == sum(read) > 0


def test_sums_leave_reads_on_the_way_in():
    """Where reads and writes have a rate each, a part whose sums go to their owner holds nothing on the way out."""
    text = "name: chip\ncores: {c: {machine: systolic_ws, count: 2}}\nmemory: {hbm: {rate: 4 GB/s, duplex: true}}\n"
    package = package_of(parse(text + "links: [{kind: crossbar}]\n"))
    _, placed = bits(package, {"C": 2})
    names = [one.name for one in package.resources]
    for one in placed:
        if one.costed:
            held = {names[at] for flow in (one.entry.fill, one.entry.body) for at, share in flow.shares if share}
            assert held == {"hbm reads"}
            assert one.entry.body.bits == one.costed.phases.reads
