"""What twice of one thing changes is what a run of that machine says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from accelsim import advice
from accelsim.architecture.levers import CAPACITY, CHANNELS, PORT, SIDE
from accelsim.errors import AccelsimError
from accelsim.report.gains import DATAFLOW, Gain, added
from accelsim.report.gains import advice as sentences
from accelsim.simulate import load, simulate

CHIP = "eyeriss"
LAYERS = "CONV3,FC8"
FILTERS = "levels.FILTER_BANK.array.networks.filter.width"


@pytest.fixture(scope="module")
def searched():
    return simulate(CHIP, "alexnet", layers=LAYERS)


@pytest.fixture(scope="module")
def gains(searched):
    return advice.advise(searched)


def one(gains, layer, kind, what):
    (found,) = (gain for gain in gains[layer] if (gain.kind, gain.what) == (kind, what))
    return found


def test_a_wider_port_is_that_of_a_file(searched, gains):
    machine, network = load(CHIP, "alexnet")
    nests = {layer.name: layer.nest for layer in searched.layers}
    other = simulate(machine.with_(**{FILTERS: "8 words"}), network, mapping=nests, layers=LAYERS)
    for before, after in zip(searched.layers, other.layers, strict=True):
        gain = one(gains, before.name, PORT, "FILTER_BANK filter down")
        assert gain.cycles == (before.cycles, after.cycles)
        assert gain.energy == (before.energy, after.energy)
        assert not gain.searched


@pytest.mark.parametrize(
    ("kind", "what", "path", "value"),
    [
        (SIDE, "array x", "levels.FILTER_BANK.array.size", {"y": 12, "x": 28}),
        (CAPACITY, "FILTER_BANK", "levels.FILTER_BANK.capacity", "16 KiB"),
    ],
)
def test_more_room_is_searched_for_anew(searched, gains, kind, what, path, value):
    machine, network = load(CHIP, "alexnet")
    other = simulate(machine.with_(**{path: value}), network, layers=LAYERS)
    for before, after in zip(searched.layers, other.layers, strict=True):
        gain = one(gains, before.name, kind, what)
        assert gain.cycles == (before.cycles, after.cycles) and gain.energy == (before.energy, after.energy)
        assert gain.searched


def test_a_wider_link_is_never_slower_here(gains):
    assert all(one(gains, layer, PORT, "DRAM link").faster >= 0 for layer in gains)
    assert one(gains, "FC8", PORT, "DRAM link").faster > 0 or one(gains, "FC8", PORT, "FILTER_BANK psum up").faster > 0


def test_a_given_mapping_makes_no_use_of_more_room():
    result = simulate(CHIP, "alexnet", mapping="eyeriss_alexnet_jssc17", layers="CONV5", batch=4)
    found = advice.advise(result)["CONV5"]
    reasons = {gain.kind: {g.reason for g in found if g.kind == gain.kind} for gain in found}
    assert reasons[CAPACITY] == reasons[SIDE] == {advice.FIXED} and reasons[PORT] == {""}


def test_a_proved_mapping_is_not_compared_with_one_that_is_not():
    found = advice.advise(simulate("eyeriss_isca16_rs", "alexnet", layers="FC8", evaluator="analytical", exact=True))
    assert {gain.reason for gain in found["FC8"] if gain.kind in (CAPACITY, SIDE)} == {advice.PROVED}


def test_another_dataflow_beside_a_proved_mapping_says_what_it_lacks():
    proved = simulate("eyeriss_isca16_rs", "alexnet", layers="FC8", evaluator="analytical", exact=True)
    plain = simulate("eyeriss_isca16_rs", "alexnet", layers="FC8", evaluator="analytical")
    for result, note in ((proved, advice.UNPROVED), (plain, "")):
        (gain,) = (one for one in advice.advise(result, dataflows=["no_local_reuse"])["FC8"] if one.kind == DATAFLOW)
        other = simulate("eyeriss_isca16_rs", "alexnet", "no_local_reuse", layers="FC8", evaluator="analytical")
        assert gain.cycles[1] == other.layers[0].cycles and gain.searched and gain.note == note
        (told,) = sentences([replace(gain, cycles=(2, 1))], "MAC")
        assert told.endswith(advice.UNPROVED) is bool(note)
        assert added([(gain, 2)])[0].note == note


def test_pes_that_map_by_themselves_keep_to_it():
    result = simulate("scnn", "alexnet", layers="CONV5")
    assert {gain.reason for gain in advice.advise(result)["CONV5"] if gain.kind == SIDE} == {advice.CARTESIAN}


def test_banks_have_more_channels():
    result = simulate("systolic_ws", "alexnet", layers="FC8", parameters={"dram": "ddr4_2400"})
    (gain,) = (gain for gain in advice.advise(result)["FC8"] if gain.kind == CHANNELS)
    assert gain.faster > 0


def test_what_did_not_say_what_it_ran_has_no_advice(searched):
    with pytest.raises(AccelsimError, match="does not say what it ran"):
        advice.advise(replace(searched, ran=None))


# ---- in words --------------------------------------------------------------------------------------------------------

FAST = Gain(PORT, "link", (100, 60), (10.0, 10.0))
SLOW = Gain(SIDE, "array y below GLB", (100, 110), (10.0, 9.0), searched=True)
IDLE = Gain(CAPACITY, "GLB", (100, 100), (10.0, 10.0), searched=True)
NONE = Gain(CAPACITY, "RF", (100, 100), (10.0, 10.0), reason="no price")


def test_sentences_say_both_ways_largest_first():
    assert sentences([IDLE, SLOW, FAST, NONE], "pJ") == [
        "Twice the width of port 'link', in the same mapping: 40.0 % fewer cycles (40)",
        "Twice the rows of the array below GLB, with the mapping searched for anew: 10.0 % more cycles (10), "
        "10.0 % less energy (1 pJ)",
        "Twice the capacity of GLB: less than 0.5 % of either.",
        "Twice the capacity of RF: not evaluated: no price",
    ]


def test_layers_add_up_with_their_runs_and_those_left_out_stay():
    bare = Gain(PORT, "link", (50, 50), (1.0, 1.0), reason="no mapping")
    (total,) = added([(FAST, 3), (bare, 2)])
    assert total.cycles == (400, 280) and total.energy == (32.0, 32.0)
    assert total.left == 1 and not total.reason
    assert total.sentence("pJ").endswith("; 1 of the layers could not be evaluated so")
    (none,) = added([(bare, 2)])
    assert none.reason == "no mapping"


def test_a_dataflow_that_is_gone_leaves_the_ports(searched, tmp_path):
    found = advice.advise(replace(searched, dataflow=str(tmp_path / "mine.yaml")))["FC8"]
    assert all("mine.yaml" in gain.reason for gain in found if gain.kind in (CAPACITY, SIDE))
    assert not any(gain.reason for gain in found if gain.kind == PORT)


def test_another_dataflow_is_a_run_under_it(searched):
    other = simulate(CHIP, "alexnet", "weight_stationary", layers=LAYERS)
    found = advice.advise(searched, dataflows=["weight_stationary", "nothing_known"])
    for before, after in zip(searched.layers, other.layers, strict=True):
        gain = one(found, before.name, DATAFLOW, "weight_stationary")
        assert gain.cycles == (before.cycles, after.cycles) and gain.energy == (before.energy, after.energy)
        assert gain.searched
        assert "nothing_known" in one(found, before.name, DATAFLOW, "nothing_known").reason


def test_a_given_mapping_may_have_another_dataflow():
    result = simulate(CHIP, "alexnet", mapping="eyeriss_alexnet_jssc17", layers="CONV5", batch=4)
    other = simulate(CHIP, "alexnet", "row_stationary", layers="CONV5", batch=4)
    gain = one(advice.advise(result, dataflows=["row_stationary"]), "CONV5", DATAFLOW, "row_stationary")
    assert gain.cycles == (result.total.cycles, other.total.cycles) and gain.searched
    assert gain.sentence("MAC").startswith("dataflow row_stationary instead, with the mapping searched for anew: ")
