"""Ofmaps that stay on the cores: which, which words cross links, and what memory no longer carries."""

from fractions import Fraction

import pytest

from accelsim.package.costs import Costs
from accelsim.package.running import groups_of, simulate_package
from accelsim.package.split import exchanged
from accelsim.package.yaml import package_of
from accelsim.workload.network import Network
from accelsim.yamlfile import parse

CHAIN = Network.of(
    "chain",
    {
        "A": {"op": "conv", "M": 16, "kernel": 3, "pad": 1},
        "B": {"op": "conv", "M": 16, "kernel": 3, "pad": 1},
        "P": {"op": "maxpool", "kernel": 2, "stride": 2},
        "C": {"op": "conv", "M": 24, "kernel": 1},
    },
    (8, 16, 16),
)
TEXT = """
name: chip
cores: {{c: {{machine: tpu_v3_mxu, count: {cores}, parameters: {{vmem: {vmem}}}}}}}
memory: {{hbm: {{rate: 2 GB/s}}}}
links:
  - {{kind: crossbar, over: [c], rate: 8 GB/s, energy: 0.25}}
  - {{from: hbm, to: c}}
split: {{P: {cores}}}
resident: {resident}
"""


def chip(resident="true", cores=2, vmem="64 KiB"):
    return package_of(parse(TEXT.format(resident=resident, cores=cores, vmem=vmem)))


@pytest.fixture(scope="module")
def both():
    return simulate_package(chip("false"), CHAIN), simulate_package(chip(), CHAIN)


def test_an_ofmap_stays_that_the_next_layer_reads_as_it_is(both):
    without, with_ = both
    assert [row.home for row in without.layers] == ["memory"] * 3
    # a pool lies between B and C
    assert [row.home for row in with_.layers] == ["cores", "memory", "memory"]


def test_words_of_others_cross_links_and_memory_carries_none_of_them(both):
    with_ = both[1]
    costs = Costs(chip(), CHAIN)
    first, second, _ = groups_of(costs, (0, 1))
    words = exchanged(first.cut, second.cut)
    # the halo: a row of 16 columns and 16 channels each way
    crossing = {pair: count for pair, count in words.items() if pair[0] != pair[1]}
    assert crossing == {(0, 1): 16 * 16, (1, 0): 16 * 16}
    links = next(row for row in with_.energy_rows if row.component == "links")
    assert links.energy == sum(crossing.values()) * 16 * Fraction(1, 4)
    reads = [
        sum(row.count for row in found.energy_rows if (row.component, row.action) == ("DRAM", "read")) for found in both
    ]
    assert reads[0] - reads[1] == sum(one.costed.layer.counts("DRAM", "ifmap", "read") for one in second.placed)
    writes = [
        sum(row.count for row in found.energy_rows if (row.component, row.action) == ("DRAM", "update"))
        for found in both
    ]
    assert writes[0] - writes[1] == 16 * 16 * 16


def test_a_memory_that_binds_lets_go_sooner(both):
    without, with_ = both
    assert with_.makespan < without.makespan
    words = [next(one.cycles for one in found.bounds if one.what == "words of hbm") for found in both]
    assert words[1] < words[0]
    for found in both:
        assert found.bound.cycles <= found.makespan
        for work, idle in zip(found.work, found.idle, strict=True):
            assert work + sum(idle.values()) == found.makespan
    assert with_.idle[0]["words from c.1"] > 0


def test_without_room_it_goes_to_memory():
    found = simulate_package(chip(vmem="12 KiB"), CHAIN)
    assert [row.home for row in found.layers] == ["memory"] * 3


def test_one_core_keeps_its_ofmaps_too():
    without, with_ = (simulate_package(chip(resident, 1), CHAIN) for resident in ("false", "true"))
    assert with_.layers[0].home == "cores"
    assert with_.makespan < without.makespan
    assert with_.energy < without.energy
