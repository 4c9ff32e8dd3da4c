"""One core with a memory of its own is the machine itself, to the digit (rule C1)."""

from fractions import Fraction

import pytest

from accelsim import simulate
from accelsim.package.running import simulate_package
from accelsim.package.yaml import load_package, package_of
from accelsim.yamlfile import parse

MACHINES = [
    # machine, rate of its own outermost link, network, layers, batch, parameters
    ("eyeriss", "480 MB/s", "alexnet", "CONV3,CONV5", 2, {}),
    ("eyeriss", None, "alexnet", "CONV4", 1, {}),
    ("systolic_ws", None, "alexnet", "CONV5", 1, {}),
    ("tpu_v1", None, "alexnet", "FC8", 4, {}),
    ("systolic_ws", "dram: ddr4_2400", "ds_cnn", "*", 1, {"dram": "ddr4_2400"}),
]


@pytest.mark.parametrize(("machine", "rate", "network", "layers", "batch", "parameters"), MACHINES)
def test_one_core_with_a_memory_of_its_own_is_the_plain_machine(machine, rate, network, layers, batch, parameters):
    memory = "{}" if rate is None else f"{{{rate}}}" if rate.startswith("dram") else f"{{rate: {rate}}}"
    package = package_of(parse(f"name: one\ncores: {{core: {{machine: {machine}}}}}\nmemory: {{own: {memory}}}\n"))
    plain = simulate(machine, network, layers=layers, batch=batch, parameters=parameters)
    for mode in ("split", "graph"):
        found = simulate_package(package, network, mode, batch, layers=layers)
        assert found.makespan == plain.total.cycles
        assert found.energy == plain.total.energy_exact
        theirs = {(row.component, row.tensor, row.action): (row.count, row.energy) for row in plain.energy_rows()}
        ours = {(row.component, row.tensor, row.action): (row.count, row.energy) for row in found.energy_rows}
        assert ours == theirs
        assert [row.cycles for row in found.layers] == [layer.cycles for layer in plain.layers]
        assert found.work == (plain.total.cycles,)
        assert not found.idle_total
        assert found.gap == 0


def test_a_link_slower_than_the_memory_is_the_link_of_the_machine():
    text = """
name: linked
cores: {core: {machine: eyeriss}}
memory: {own: {rate: 10 GB/s}}
links: [{from: own, to: core, rate: 480 MB/s, latency: 100}]
"""
    found = simulate_package(package_of(parse(text)), "alexnet", layers="CONV5")
    # each way of the link is its own: no slower than the shared one, latency once each way at most
    plain = simulate("eyeriss", "alexnet", layers="CONV5").total.cycles
    wide = simulate("eyeriss", "alexnet", layers="CONV5", parameters={"levels.DRAM.link.width": "1280 b"}).total.cycles
    assert wide < found.makespan
    assert found.makespan <= plain + 200


@pytest.mark.parametrize("clock", ["100 MHz", "200 MHz", "1 GHz"])
def test_the_clock_of_a_package_changes_no_time(clock):
    text = f"name: one\nclock: {clock}\ncores: {{core: {{machine: eyeriss}}}}\nmemory: {{own: {{rate: 480 MB/s}}}}\n"
    package = package_of(parse(text))
    found = simulate_package(package, "alexnet", layers="CONV5")
    plain = simulate("eyeriss", "alexnet", layers="CONV5")
    assert found.makespan / package.clock == Fraction(plain.total.cycles, 200_000_000)


def test_work_and_idle_cycles_add_up_in_every_mode(tmp_path):
    file = tmp_path / "two.yaml"
    file.write_text(
        "name: two\ncores: {a: {machine: systolic_ws, count: 2}, b: {machine: systolic_os}}\n"
        "memory: {hbm: {rate: 4 GB/s}}\nsync: 50\n"
    )
    package = load_package(file)
    for mode in ("split", "pipeline", "graph"):
        found = simulate_package(package, "alexnet", mode, layers="CONV*", batch=2)
        for work, idle in zip(found.work, found.idle, strict=True):
            assert work + sum(idle.values()) == found.makespan
            assert all(cycles > 0 for cycles in idle.values())
        assert found.bound.cycles <= found.makespan
        assert found.cycles - 1 < found.makespan <= found.cycles
