"""What starting a layer takes, and the share of its width that a link reaches: declared, and nothing else changes."""

from __future__ import annotations

import pytest

from accelsim import simulate
from accelsim.architecture.yaml import load_architecture
from accelsim.errors import SpecError


@pytest.mark.parametrize(("launch", "cycles"), [("1.5us", 1500), (40, 40), ("1 ns", 1), ("1.2 ns", 2), (0, 0)])
@pytest.mark.parametrize("evaluator", ["cycle", "analytical"])
def test_a_launch_is_paid_once_a_layer(launch, cycles, evaluator):
    options = {"layers": "CONV4,CONV5", "evaluator": evaluator}
    plain = simulate("systolic_ws", "alexnet", **options)
    found = simulate("systolic_ws", "alexnet", parameters={"layer.launch": launch}, **options)
    for one, other in zip(found.layers, plain.layers, strict=True):
        assert one.cycles - other.cycles == cycles
        assert one.counts == other.counts
        assert one.energy == other.energy
        if evaluator == "cycle":
            assert sum(one.stall_cycles.values()) - sum(other.stall_cycles.values()) == cycles


def test_a_launch_is_beside_cycles_before():
    machine = load_architecture("systolic_ws", {"layer.launch": "1 us", "layer.before": 7})
    assert machine.before == 1007


def test_a_launch_given_as_time_follows_the_clock():
    assert load_architecture("systolic_ws", {"layer.launch": "1 us", "clock": "700 MHz"}).before == 700


@pytest.mark.parametrize("share", ["0.5", "1/2", 0.5])
def test_an_efficient_link_is_one_of_that_share_of_the_width(share):
    half = {"levels.DRAM.link.width": "32 b"}
    found = simulate("eyeriss", "alexnet", layers="CONV5", parameters={"levels.DRAM.link.efficiency": share})
    narrow = simulate("eyeriss", "alexnet", layers="CONV5", parameters=half)
    assert found.layers[0].counts == narrow.layers[0].counts
    assert found.total.cycles == narrow.total.cycles
    assert found.total.cycles > simulate("eyeriss", "alexnet", layers="CONV5").total.cycles


@pytest.mark.parametrize("share", ["0", "1.01", "-1", "most"])
def test_shares_are_above_0_and_1_at_most(share):
    with pytest.raises(
        SpecError, match=r"levels\.DRAM\.link\.efficiency: (must be above 0 and at most 1|should be a share)"
    ):
        load_architecture("eyeriss", {"levels.DRAM.link.efficiency": share})


def test_machines_that_can_be_bought_leave_both_out():
    for name in ("a100_like", "h100_like", "tpu_v3_mxu", "tpu_v6e_mxu", "aie2_core"):
        machine = load_architecture(name)
        assert machine.before == 0
        launched = load_architecture(name, {"launch": "2 us"})
        assert launched.before == -(-2 * int(machine.clock_hz) // 10**6)
    slower = load_architecture("a100_like", {"dram_efficiency": "0.5"})
    ports = [load.levels[0].fanout.networks for load in (slower, load_architecture("a100_like"))]
    assert all(2 * ports[0][tensor].down.rate == ports[1][tensor].down.rate for tensor in ports[0])
