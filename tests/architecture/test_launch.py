"""What starting a layer takes, and the share of its width that a link reaches: declared, and nothing else changes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim import simulate
from accelsim.architecture.document import document_of
from accelsim.architecture.yaml import architecture_of, load_architecture
from accelsim.errors import SpecError
from accelsim.workload.network import Network
from accelsim.yamlfile import Document


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
    assert (machine.before, machine.launch) == (1007, 1000)


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
    for name in ("a100_like", "h100_like", "rtx4090_like", "tpu_v3_mxu", "tpu_v6e_mxu", "aie2_core"):
        machine = load_architecture(name)
        assert machine.before == 0
        launched = load_architecture(name, {"launch": "2 us"})
        assert launched.before == -(-2 * int(machine.clock_hz) // 10**6)
    slower = load_architecture("a100_like", {"dram_efficiency": "0.5"})
    ports = [load.levels[0].fanout.networks for load in (slower, load_architecture("a100_like"))]
    assert all(2 * ports[0][tensor].down.rate == ports[1][tensor].down.rate for tensor in ports[0])


NETWORK = {
    "conv": {"op": "conv", "M": 8, "kernel": 3, "pad": 1},
    "pool": {"op": "maxpool", "kernel": 2, "stride": 2},
    "flat": {"op": "flatten"},
    "fc": {"op": "fc", "M": 4},
    "soft": {"op": "softmax"},
}


@pytest.mark.parametrize("evaluator", ["cycle", "analytical"])
def test_layers_without_macs_are_started_too(evaluator):
    """Each once; what only names words starts nothing."""
    network = Network.of("n", NETWORK, {"C": 3, "H": 8, "W": 8})
    runs = [
        simulate("eyeriss", network, evaluator=evaluator, parameters={"layer.launch": launch}) for launch in (0, 300)
    ]
    plain, found = ({one.name: one for one in run.vector_layers} for run in runs)
    assert {name: found[name].cycles - plain[name].cycles for name in plain} == {
        name: 300 if name in ("pool", "soft") else 0 for name in plain
    }
    assert [one.cycles - other.cycles for one, other in zip(runs[1].layers, runs[0].layers, strict=True)] == [300, 300]


@given(st.integers(1, 5000), st.integers(1, 300), st.sampled_from(["cycle", "analytical"]), st.data())
@settings(max_examples=12, deadline=None)
def test_layers_that_run_together_are_started_once(launch, before, evaluator, data):
    """A group is a kernel: its passes are not started one by one, but each has what `before` says."""
    rows = data.draw(st.sampled_from([1, 2, 3, 5, 8]))
    group = {"layers": ["conv", "pool"], "tile": {"P": rows, "Q": 4}, "keep": "both"}
    network = Network.of("n", {name: NETWORK[name] for name in ("conv", "pool")}, {"C": 3, "H": 16, "W": 8})

    def run(**given):
        parameters = {f"layer.{key}": value for key, value in given.items()}
        return simulate("eyeriss", network, evaluator=evaluator, plan={"groups": [group]}, parameters=parameters)

    plain, found = run(before=before), run(before=before, launch=launch)
    (one,), (other,) = found.groups, plain.groups
    assert one.cycles - other.cycles == one.processing_cycles - other.processing_cycles == launch
    assert one.counts == other.counts and one.shares[0].passes == -(-8 // rows)
    if evaluator == "cycle":
        assert one.stall_cycles["fixed"] - other.stall_cycles["fixed"] == launch
        assert one.compute_cycles + sum(one.stall_cycles.values()) == one.cycles
    spent = sum(share.cycles + sum(share.stalls.values()) for share in one.shares)
    assert spent == one.cycles
    assert other.cycles >= -(-8 // rows) * before


def test_a_launch_is_in_a_machines_document():
    machine = load_architecture("systolic_ws", {"layer.launch": "1 us", "layer.before": 7})
    machine = replace(machine, document=None)
    assert document_of(machine)["layer"] == {"before": 7, "after": 0, "launch": 1000}
    assert architecture_of(Document("again", document_of(machine))) == machine
