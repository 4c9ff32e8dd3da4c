"""Machines and networks built and changed in code are what a file gives."""

from __future__ import annotations

import pytest

import accelsim
from accelsim import Architecture, Network, load_architecture, load_network
from accelsim.errors import AccelsimError, SpecError
from accelsim.workload.yaml import network_of
from accelsim.yamlfile import builtin, folder, parse, read

TINY = """
name: tiny
source: none
input: {C: 3, H: 32, W: 32}
layers:
  C1: {op: conv, M: 8, kernel: 3, pad: 1}
  P1: {op: maxpool, kernel: 2}
  F: {op: fc, M: 10, density: {filter: 0.5}}
"""
LAYERS = {
    "C1": {"op": "conv", "M": 8, "kernel": 3, "pad": 1},
    "P1": {"op": "maxpool", "kernel": 2},
    "F": {"op": "fc", "M": 10, "density": {"filter": 0.5}},
}


def test_a_network_is_that_of_the_file():
    for given in ((3, 32, 32), [3, 32, 32], {"C": 3, "H": 32, "W": 32}):
        assert Network.of("tiny", LAYERS, input=given, batch=4) == network_of(parse(TINY), 4)


def test_keys_and_parameters_of_a_network():
    text = (
        "name: n\nsource: none\nparameters: {out: 8}\nbits: {ifmap: 8}\ninput: {C: 16}\nlayers: {F: {op: fc, M: $out}}"
    )
    for values in ({}, {"out": 32}):
        keys = {"parameters": {"out": 8}, "bits": {"ifmap": 8}}
        built = Network.of("n", {"F": {"op": "fc", "M": "$out"}}, (16,), 1, values, **keys)
        assert built == network_of(parse(text), 1, values)


@pytest.mark.parametrize("name", builtin("arch"))
def test_a_machine_by_its_keys(name):
    data = dict(read(folder("arch") / f"{name}.yaml").data)
    built = Architecture.of(data.pop("name"), data.pop("levels"), **data)
    assert built == load_architecture(name)


def test_short_names_are_paths():
    machine = load_architecture("eyeriss_isca16_rs")
    small = machine.with_(glb="64 KiB", pes=(8, 12), rf="256 B")
    assert small.pes == 96
    paths = {"levels.GLB.capacity": "64 KiB", "levels.GLB.array.size": {"y": 8, "x": 12}, "levels.RF.capacity": "256 B"}
    assert small == machine.with_(**paths) == load_architecture("eyeriss_isca16_rs", paths)
    assert load_architecture("eyeriss", {"pes": "[4, 4]"}).pes == 16


def test_the_only_part_of_a_capacity_keeps_its_tensors():
    part = load_architecture("eyeriss").with_(glb="64 KiB").levels[1].capacity[0]
    assert part.bits == 64 * 8192 and len(part.tensors) == 2


def test_they_reach_a_run():
    options = {"layers": "CONV3", "evaluator": "analytical"}
    short = accelsim.simulate(
        "eyeriss", "alexnet", "row_stationary", parameters={"glb": "64 KiB", "pes": [8, 8]}, **options
    )
    machine = load_architecture("eyeriss").with_(glb="64 KiB", pes=(8, 8))
    assert accelsim.simulate(machine, "alexnet", "row_stationary", **options).total == short.total


@pytest.mark.parametrize(
    ("name", "changes", "error"),
    [
        (
            "eyeriss",
            {"rf": "1 KiB"},
            r"set: rf: its capacity is in parts; set one of them \(levels.RF.capacity.ifmap, ",
        ),
        ("eyeriss", {"pes": 64}, "set: pes: should be rows and columns, such as"),
        ("eyeriss", {"pes": (8, 8, 8)}, "set: pes: should be rows and columns"),
        ("simba", {"pes": (8, 8)}, r"set: pes: is short for the only array's size \(levels\."),
        ("eyeriss", {"gbl": "1 KiB"}, "unknown parameter"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(name, changes, error):
    with pytest.raises(SpecError, match=error) as raised:
        load_architecture(name).with_(**changes)
    assert "\n" not in str(raised.value)


def test_what_is_wrong_in_a_network_or_a_machine():
    with pytest.raises(SpecError, match=r"tiny: layers.C1.kernl: unknown key; did you mean 'kernel'\?"):
        Network.of("tiny", {"C1": {"op": "conv", "M": 8, "kernl": 3}}, (3, 8, 8))
    with pytest.raises(SpecError, match=r"toy: levels: missing|toy: clock: missing"):
        Architecture.of("toy", [{"name": "DRAM"}])


def test_a_network_of_other_densities_and_bits():
    network = load_network("ds_cnn")
    half = network.with_(density=0.5, ifmap=8)
    for before, after in zip(network.layers, half.layers, strict=True):
        assert after.problem == before.problem
        assert not after.problem or (after.density.ifmap.fraction, after.density.filter.fraction) == (0.5, 0.5)
        assert after.bits["ifmap"] == 8
    pruned = network.with_(density={"filter": {"pattern": "2:4"}})
    assert str(pruned.mac_layers[0].density.filter) == "2:4" and pruned.mac_layers[0].density.ifmap is None
    with pytest.raises(AccelsimError, match="a density must lie in 0 to 1"):
        network.with_(density=2)
    with pytest.raises(AccelsimError, match="unknown tensor 'ifmp'"):
        network.with_(ifmp=8)


def test_a_machine_may_be_run_as_it_is_built():
    machine = Architecture.of(
        "toy",
        [
            {"name": "DRAM", "link": {"width": "64 b"}},
            {"name": "GLB", "capacity": "32 KiB", "array": {"size": {"y": 4, "x": 4}}},
            {"name": "RF", "capacity": "256 B"},
        ],
        clock="500 MHz",
        word="8 b",
        energy="eyeriss_relative",
    )
    result = accelsim.simulate(machine, Network.of("tiny", LAYERS, (3, 32, 32)), "weight_stationary")
    assert result.total.macs == 3 * 8 * 9 * 1024 + 2048 * 10 and result.total.cycles > 0
