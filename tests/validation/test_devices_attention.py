"""Attention of devices one can buy: measured times beside those of fused groups, of three layers, and a roofline.

Tolerances are the errors that were found, rounded up: nothing is fitted, so a change of a rule shows here.
"""

from __future__ import annotations

import pytest

from accelsim.architecture.yaml import load_architecture
from accelsim.engine.fused.attention import moved
from accelsim.reproduce import devices_attention as devices
from accelsim.reproduce.devices import LARGE, mean
from accelsim.serving.layers import Machine
from accelsim.serving.models import MODELS

EVERY = [(kernel, op) for _, kernel, op in devices.EVERY]


def misses(kernel, op, begun=0.0):
    return [row.reached.miss(begun) for row in devices.attentions(kernel, op)]


def test_every_measured_row_is_there():
    assert [len(devices.cases(kernel.device, op)) for kernel, op in EVERY] == [16, 18, 6, 3, 3]


@pytest.mark.parametrize(("kernel", "op"), EVERY)
def test_measured_rows_are_not_faster_than_the_device(kernel, op):
    """But for one, whose keys and values its L2 of 72 MiB holds from the run before: 67 MB at 1,187 GB/s."""
    faster = []
    for case in devices.cases(kernel.device, op):
        attention, heads = case.attention, case.heads
        seen = sum(attention.seen(row) for row in range(attention.rows))
        flop = 2 * heads * seen * (attention.width + attention.value_width)
        assert flop / case.theirs * 1e6 <= 1.02 * kernel.device.flops
        if 2 * heads * attention.least / case.theirs * 1e6 > kernel.device.rate:
            faster.append(case.what)
            assert 2 * heads * attention.words < load_architecture(kernel.machine).levels[1].capacity[0].bits / 8
    assert faster == (["1 x 16,384, 32 heads"] if (kernel, op) == (devices.ON_RTX4090, devices.DECODE) else [])


@pytest.mark.parametrize(("kernel", "op"), [(devices.ON_A100, devices.DECODE), (devices.ON_RTX4090, devices.DECODE)])
def test_a_decode_moves_each_word_once_and_is_bound_by_memory(kernel, op):
    """Its one row of blocks meets each key once, so the roofline's words are its words: it is never below, and a few
    blocks' fills above.
    """
    for case, row in zip(devices.cases(kernel.device, op), devices.attentions(kernel, op), strict=True):
        found = moved(case.attention, devices.chosen(kernel, case.attention)[0])
        assert found.words == case.attention.least
        for one in (row.whole, row.reached):
            assert one.roofline <= one.ours <= 1.05 * one.roofline + 0.6


def test_decode_on_an_a100():
    found = devices.attentions(devices.ON_A100, devices.DECODE)
    # at the peak of its memory, started in no time; then with what others measured of both
    assert 0.35 < mean([row.whole for row in found]) <= 0.47
    reached = mean([row.reached for row in found])
    assert reached <= 0.35 < mean([row.reached for row in found], roofline=True)
    # vLLM's start, read off the shortest row: within 30 % each, 13 % on average
    assert devices.started(found) <= 0.13
    assert max(abs(miss) for miss in misses(devices.ON_A100, devices.DECODE, devices.start(found))) <= 0.30


def test_decode_on_an_rtx_4090():
    found = devices.attentions(devices.ON_RTX4090, devices.DECODE)
    reached = mean([row.reached for row in found])
    assert reached <= 0.22 < mean([row.whole for row in found]) <= 0.27
    assert devices.started(found) <= 0.15
    # long ones are memory's rate and little else
    assert all(abs(row.reached.miss()) <= 0.02 for row in found if row.whole.theirs > 1000)


def test_attention_on_a_tpu_v3_is_three_layers():
    found = devices.attentions(devices.ON_V3, devices.FULL)
    three = devices.apart(devices.ON_V3, devices.FULL)
    # three layers are nearer, and neither is near: how the device ran them is not published
    assert all(row.reached.ours < one.ours < one.theirs for row, one in zip(found, three, strict=True))
    assert mean(three) <= 0.44 and mean([row.reached for row in found]) <= 0.69


@pytest.mark.parametrize(("kernel", "op"), EVERY[2:])
def test_misses_of_more_than_a_quarter_are_explained(kernel, op):
    found = devices.attentions(kernel, op)
    lines = "".join(devices.reasons(kernel, found))
    for row in found:
        assert (row.whole.what in lines) == (abs(row.reached.miss()) > LARGE)


def test_served_decodes_take_as_long():
    """A table of layers counts a decode's words and products by themselves, and takes the longer of both; here they are
    passes and transfers of a group. Both are started once, and have as much of the memory's rate.
    """
    kernel = devices.ON_A100
    machine = Machine(kernel.machine, MODELS["llama3_8b"], 1, dict(kernel.reached), {"objective": "cycles"})
    found = [case for case in devices.cases(kernel.device, devices.DECODE) if case.sizes["Hq"] == machine.model.heads]
    assert len(found) == 8
    for case in found:
        served = machine.attention(1, case.attention.keys - 1) * case.sizes["B"]
        assert machine.us(machine.machine.launch + served.cycles) == pytest.approx(
            devices.fused(kernel, case, kernel.reached), rel=0.02
        )


def test_prefill_on_an_rtx_4090():
    found = devices.attentions(devices.ON_RTX4090, devices.PREFILL)
    assert max(abs(row.reached.miss()) for row in found if row.whole.theirs > 20) <= 0.26
    # scores stay on the chip: as three layers, through memory, it is no prefill of this device
    assert min(one.miss() for one in devices.apart(devices.ON_RTX4090, devices.PREFILL)[1:]) > 1


@pytest.mark.slow
@pytest.mark.nightly
def test_prefill_on_an_a100():
    found = devices.attentions(devices.ON_A100, devices.PREFILL)
    assert mean([row.reached for row in found]) <= 0.22
    assert mean([row.reached for row in found], roofline=True) > 0.58
    # what is left is the start of short ones
    assert devices.started(found) <= 0.14
    assert max(abs(row.reached.miss()) for row in found if row.whole.theirs > 100) <= 0.25
