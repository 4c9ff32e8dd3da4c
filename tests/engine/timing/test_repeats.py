"""A layer as a list of bodies, each kind simulated once, gives the words, cycles and stalls of the long way."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest

import strategies
from accelsim.architecture.yaml import load_architecture
from accelsim.engine import cycle, program
from accelsim.engine.timing import repeats, windows
from accelsim.errors import AccelsimError
from accelsim.mapping.mapping import LoopNest
from accelsim.mapping.yaml import load_mappings
from accelsim.reproduce.scalesim import fold_nest
from accelsim.workload.problem import Problem, Tensor
from accelsim.workload.yaml import load_network


def both_ways(lowered: program.Program) -> int:
    """Compare; returns how many bodies were looked up."""
    outline, (_, timing) = windows.outline(lowered), cycle.window_by_window(lowered, None)
    found = repeats.find_repeats(lowered)
    assert found is not None
    assert np.array_equal(found.sums, outline.sums)
    assert found.compute_cycles == outline.compute_cycles
    looked_up = 0
    for processing in (False, True):
        long_way = (timing.processing, timing.processing_stalls) if processing else (timing.cycles, timing.stalls)
        *each_body, simulated = cycle.run_repeats(lowered, found, processing, look_up=False)
        assert tuple(each_body) == long_way
        assert simulated == len(found.layer.kind)
        *known_bodies, simulated = cycle.run_repeats(lowered, found, processing)
        assert tuple(known_bodies) == long_way
        looked_up += len(found.layer.kind) - simulated
    return looked_up


@pytest.mark.parametrize("steps", [1, 5, 30])
@pytest.mark.parametrize("serial", [None, *Tensor], ids=str)
def test_random_machines(serial: Tensor | None, steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # a body of the least length gives small problems many of them
    monkeypatch.setattr(repeats, "STEPS", steps)
    looked_up = 0
    for lowered in strategies.serial_programs(range(200), serial):
        looked_up += both_ways(lowered)
    assert looked_up > 0, "no body was ever looked up: the test shows nothing"


# 2225, 3801: fills far ahead ask whether old psums lead their pass; 2739, 4439: a fill of no cycles ties with a drain
# 530633: so does the stationary one, which then is not later than all drains of the pass before
@pytest.mark.parametrize("seed", [12, 17, 35, 2225, 2739, 3801, 4439, 530633])
def test_what_once_differed(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    case = strategies.case(Random(seed), max_macs=300 if seed < 100 else 1500 if seed < 10_000 else 3000)
    for serial in (None, *Tensor):
        machine = replace(case.architecture, serial=serial, skew=False, lead=case.architecture.lead and bool(serial))
        try:
            lowered = program.build(machine, case.nest, case.problem)
        except AccelsimError:
            continue
        for steps in (1, 5):
            monkeypatch.setattr(repeats, "STEPS", steps)
            both_ways(lowered)


def test_an_operand_in_use_does_not_make_a_body_unknown() -> None:
    # folds of an output-stationary array: the third on is met again, in the second row of folds at the latest
    machine = load_architecture("systolic_os", {"rows": 8, "cols": 8, "sram": "640 B"})
    problem = Problem.of({"M": 32, "C": 80, "Q": 48})
    lowered = program.build(machine, fold_nest("os", problem, 8, 8), problem)
    assert both_ways(lowered) > 24, "more than half of twice 24 bodies"


@pytest.mark.parametrize("dataflow", ["ws", "is"])
def test_psums_read_back_do_not_make_a_body_unknown(dataflow: str) -> None:
    # every fold but the first row of them reads back what an earlier one drained, in the array and in the SRAM
    machine = load_architecture(f"systolic_{dataflow}", {"rows": 8, "cols": 8, "sram": "640 B"})
    problem = Problem.of({"M": 80, "C": 48, "Q": 80})
    lowered = program.build(machine, fold_nest(dataflow, problem, 8, 8), problem)
    assert both_ways(lowered) > 60, "more than half of twice 60 bodies"


def test_what_came_back_with_its_tile_does_not_make_a_body_unknown() -> None:
    # sums leave the accumulators and come back for more channels; drains of earlier channels, and those to come, are no
    # state of the machine: from the second channels on, what differs is the fill of the weights
    problem = Problem.of({"M": 256, "C": 960, "P": 9, "Q": 65, "R": 3, "S": 3})
    nest = LoopNest.parse("DRAM: M2 C5 P9 Q3 | CBUF: M4 x M32 | ACC: C3 R3 S3 Q22 y C64")
    lowered = program.build(load_architecture("nvdla_full"), nest, problem)
    assert both_ways(lowered) > 4860, "three quarters of twice 3,240 bodies"


def test_long_passes_are_cut_into_bodies() -> None:
    machine = load_architecture("systolic_os", {"rows": 8, "cols": 8, "sram": "64 KiB"})
    problem = Problem.of({"M": 8, "C": 4096, "Q": 8})
    lowered = program.build(machine, fold_nest("os", problem, 8, 8), problem)
    found = repeats.find_repeats(lowered)
    assert found is not None
    assert len(found.layer.kind) == 4096 // repeats.STEPS, "one pass, as many bodies as its steps allow"
    assert both_ways(lowered) > len(found.layer.kind)


@pytest.mark.parametrize("steps", [1, 5])
def test_skewed_machines(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "STEPS", steps)
    looked_up = 0
    for seed in range(300):
        case = strategies.case(Random(seed), max_macs=1500)
        if not case.architecture.skew:
            continue
        try:
            lowered = program.build(case.architecture, case.nest, case.problem)
        except AccelsimError:
            continue
        looked_up += both_ways(lowered)
    assert looked_up > 0, "no body was ever looked up: the test shows nothing"


@pytest.mark.parametrize("layer", ["CONV1", "CONV2", "CONV3", "CONV4", "CONV5"])
def test_alexnet_on_the_chip(layer: str) -> None:
    machine, nests = load_architecture("eyeriss"), load_mappings("eyeriss_alexnet_jssc17")
    problem = next(found.problem for found in load_network("alexnet", 4).layers if found.name == layer)
    assert problem is not None
    both_ways(program.build(machine, nests[layer], problem))
