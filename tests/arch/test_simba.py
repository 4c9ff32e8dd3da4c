"""Simba: what its papers publish, how its arrays are used, all evaluators on a shrunken one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from accelsim.architecture.model import NetworkKind
from accelsim.architecture.yaml import load_architecture
from accelsim.mapping.mapping import check
from accelsim.search import best
from accelsim.simulate import simulate
from accelsim.workload.problem import Problem, Tensor
from test_agreement import agree

KIB = 8 * 1024
SIMBA = load_architecture("simba")


def level(name, machine=SIMBA):
    return machine.levels[machine.level_index(name)]


def held(name):
    """Capacity by tensors, bits."""
    return {part.tensors: part.bits for part in level(name).capacity}


def test_sizes():
    arrays = {spec.name: (spec.fanout.y, spec.fanout.x) for spec in SIMBA.levels if spec.fanout.declared}
    assert arrays == {"DRAM": (6, 6), "GLOBAL": (4, 4), "ACC": (8, 8)}
    assert SIMBA.pes == 36 * 1024
    assert load_architecture("simba", {"chiplets_y": 1, "chiplets_x": 1}).pes == 1024
    assert held("GLOBAL") == {frozenset({Tensor.IFMAP, Tensor.PSUM}): 64 * KIB}
    assert held("PE") == {frozenset({Tensor.IFMAP}): 8 * KIB, frozenset({Tensor.FILTER}): 32 * KIB}
    # 128 sums of 24 bits for each of 8 lanes
    assert held("ACC") == {frozenset({Tensor.PSUM}): 128 * 8 * 24}


def test_peak_and_links():
    # published: 127.8 TOPS, two operations a MAC
    assert 2 * SIMBA.pes * SIMBA.clock_hz / 1e12 == pytest.approx(127.8, rel=1e-3)
    package, chiplet = level("DRAM").fanout, level("GLOBAL").fanout
    assert all(network.kind is NetworkKind.MESH for fan in (package, chiplet) for network in fan.networks.values())
    port = package.network(Tensor.FILTER).down
    # 100 Gb/s a link: 8 of them are the 100 GB/s of a chiplet; 20 ns a hop
    assert float(port.rate) * SIMBA.clock_hz == pytest.approx(100e9)
    assert package.network(Tensor.IFMAP).hop_latency == pytest.approx(20e-9 * SIMBA.clock_hz, abs=1)
    assert float(chiplet.network(Tensor.IFMAP).down.rate) * SIMBA.clock_hz == pytest.approx(68e9 * 8)


@pytest.mark.parametrize("channels", [64, 128, 256, 512, 1024, 2048])
def test_lanes_and_vectors_are_full(channels):
    nest = best(SIMBA, Problem.of({"M": channels, "C": channels, "P": 7, "Q": 7}), SIMBA.dataflow)
    assert (str(nest.level("ACC").y[0]), str(nest.level("ACC").x[0])) == ("C8", "M8")


def test_a_chiplet_is_busy_on_resnet():
    """Most of its multipliers are; the network between chiplets feeds 36 of them less well.

    Mappings are those of least energy: the 14 x 14 outputs of conv4_1b are cut so that 82 % work, for 0.4 % less of it.
    """
    layers = "conv2_0b,conv3_1b,conv4_1b,conv5_1b"
    one = simulate("simba", "resnet50", layers=layers, parameters={"chiplets_y": 1, "chiplets_x": 1})
    for layer in one.layers:
        assert layer.counts.macs > 0.8 * 1024 * layer.timing.processing
    package = simulate("simba", "resnet50", layers=layers)
    for layer in package.layers:
        assert layer.counts.active_pes > 0.7 * SIMBA.pes
    # more chiplets are faster, but not 36 times
    cycles = [sum(layer.timing.cycles for layer in result.layers) for result in (package, one)]
    assert cycles[0] < cycles[1] < 36 * cycles[0]


def shrunk(*sides):
    """Simba with other arrays, y and x of each, and buffers of a few words."""
    fans = iter(sides)
    levels = []
    for spec in SIMBA.levels:
        fan = spec.fanout
        if fan.declared:
            y, x = next(fans)
            fan = replace(fan, y=y, x=x)
        parts = tuple(replace(part, bits=part.bits // 256) for part in spec.capacity if spec.name != "REG")
        levels.append(replace(spec, fanout=fan, capacity=parts))
    return replace(SIMBA, levels=tuple(levels))


SMALL = shrunk((2, 2), (1, 2), (2, 2))


@given(
    st.fixed_dictionaries(
        {dim: st.integers(1, most) for dim, most in zip("GMCPQRS", (2, 9, 9, 4, 4, 2, 2), strict=True)}
    ),
    st.integers(1, 2),
    st.sampled_from(["energy", "cycles"]),
)
@example({"G": 2, "M": 2, "C": 3, "P": 3, "Q": 3, "R": 2, "S": 1}, 1, "energy")  # a fill of padding alone
@settings(max_examples=40, deadline=None)
def test_evaluators_agree_on_what_is_found(sizes, stride, objective):
    while Problem.of(sizes).macs > 1500:
        sizes = {dim: -(-size // 2) for dim, size in sizes.items()}
    problem = Problem.of(sizes, stride=(stride, stride), pad=(sizes["R"] - 1, 0))
    nest = best(SMALL, problem, SMALL.dataflow, objective)
    check(SMALL, nest, problem)
    agree(SMALL, nest, problem)
