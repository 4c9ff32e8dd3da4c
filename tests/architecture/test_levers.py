"""A machine with twice of one thing is the one whose file says so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from accelsim.architecture.levers import CAPACITY, CHANNELS, PORT, SIDE, levers
from accelsim.architecture.yaml import load_architecture
from accelsim.yamlfile import names


def found(name: str, kind: str) -> dict[str, object]:
    return {lever.what: lever.machine for lever in levers(load_architecture(name)) if lever.kind == kind}


def test_it_is_the_machine_whose_file_says_so():
    chip = load_architecture("eyeriss")
    ports, sides, rooms = (found("eyeriss", kind) for kind in (PORT, SIDE, CAPACITY))
    network = "levels.FILTER_BANK.array.networks"
    assert ports["FILTER_BANK filter down"] == chip.with_(**{f"{network}.filter.width": "8 words"})
    assert ports["DRAM link"] == chip.with_(**{"levels.DRAM.link.width": "128 b"})
    assert sides["array y"] == chip.with_(**{"levels.FILTER_BANK.array.size": {"y": 24, "x": 14}})
    assert sides["array x"] == chip.with_(**{"levels.FILTER_BANK.array.size": {"y": 12, "x": 28}})
    assert rooms["GLB"] == chip.with_(**{"levels.GLB.capacity": {"ifmap + psum": "200 KiB"}})
    assert rooms["RF filter"] == chip.with_(**{"levels.RF.capacity.filter": "448 words"})


def test_a_port_keeps_its_own_clock():
    machine = found("eyeriss", PORT)["DRAM link"]
    slower = replace(machine, clock_hz=100e6)
    (rate,) = {network.down.rate for network in slower.levels[0].fanout.networks.values()}
    assert float(rate) == pytest.approx(128 * 60 / 100)


def test_a_dram_has_twice_the_channels():
    machine = load_architecture("systolic_ws", {"dram": "ddr4_2400"})
    (lever,) = (one for one in levers(machine) if one.kind == CHANNELS)
    before, after = machine.levels[0], lever.machine.levels[0]
    assert after.dram.channels == 2 * before.dram.channels
    assert after.read_port.rate == 2 * before.read_port.rate
    assert not any(one.kind == PORT and "banks" in one.what for one in levers(machine))


@pytest.mark.parametrize("name", names("arch"))
def test_every_machine_has_some_and_each_changes_one_thing(name):
    machine = load_architecture(name)
    made = list(levers(machine))
    assert made and len({(lever.kind, lever.what) for lever in made}) == len(made)
    for lever in made:
        changed = [a != b for a, b in zip(machine.levels, lever.machine.levels, strict=True)]
        assert any(changed) and (lever.kind == PORT or sum(changed) == 1)
        assert lever.machine.pes == machine.pes * (2 if lever.kind == SIDE else 1)
