"""No layer is above its roof, on any machine; roofs are the ports of the machine's file."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from accelsim.energy.load import load_table
from accelsim.engine import evaluate
from accelsim.outcome import GIVEN, LayerResult
from accelsim.report.rooflines import roofline
from accelsim.result import Result
from accelsim.simulate import simulate
from accelsim.workload.problem import Tensor
from strategies import Case, cases

RUNS = [
    ("eyeriss", "alexnet", "CONV1,FC8"),
    ("tpu_v1", "alexnet", "CONV2,FC8"),
    ("simba", "resnet50", "conv2_0a,conv5_0b,FC"),
    ("gemmini16", "alexnet", "CONV3"),
    ("nvdla_full", "alexnet", "CONV1,FC7"),
    ("ne16", "mobilenet_v1", "*1"),
    ("diannao", "alexnet", "CONV3,FC8"),
    ("eyeriss_v2_bus", "mobilenet_v1_0.5_128", "*1"),
]


@pytest.mark.parametrize(("machine", "network", "layers"), RUNS)
def test_no_layer_is_above_its_roof(machine, network, layers):
    result = simulate(machine, network, layers=layers, tolerant=True)
    found = roofline(result)
    assert result.layers and found.points
    for point in found.points:
        assert point.performance <= found.bound(point) * (1 + 1e-9), point


@settings(max_examples=100, deadline=None)
@given(cases())
def test_none_of_drawn_machines_is(drawn: Case):
    machine, nest, problem, *_ = drawn
    counts, timing = evaluate(machine, nest, problem)
    bits, moved = machine.widths, machine.moved_widths
    layer = LayerResult("drawn", problem, nest, GIVEN, counts, timing, (), bits=bits, moved=moved)
    result = Result(machine, "drawn", "", "cycle", load_table("eyeriss_relative"), (layer,))
    found = roofline(result)
    for point in found.points:
        assert point.performance <= found.bound(point) * (1 + 1e-9), point


def test_roofs_are_the_ports_of_the_file():
    result = simulate("eyeriss", "alexnet", layers="CONV3")
    found = roofline(result)
    assert found.peak == 168
    # 64 b at 60 MHz beside a core at 200; 1 + 4 + 4 + 4 words of 16 b
    roofs = {roof.level: roof for roof in found.roofs}
    assert roofs["DRAM"].bandwidth == pytest.approx(64 * 60 / 200 / 8)
    assert roofs["FILTER_BANK"].bandwidth == pytest.approx(13 * 2)
    assert roofs["DRAM"].ridge == pytest.approx(168 / 2.4)
    (layer,) = result.layers
    (point,) = (point for point in found.points if point.level == "DRAM")
    sent = sum(layer.counts.sent("DRAM", t, way) for t in Tensor for way in ("down", "up"))
    assert point.intensity == pytest.approx(layer.counts.visited / (2 * sent))
