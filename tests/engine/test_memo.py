"""Identical passes simulated once give the same cycles and the same stalls as simulating every pass."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

import strategies
from accelsim.architecture.yaml import load_architecture
from accelsim.engine import cycle, dram, program
from accelsim.engine.kernels import memo
from accelsim.engine.schedule import generate_schedule
from accelsim.errors import AccelsimError
from accelsim.mapping.yaml import load_mappings
from accelsim.workload.problem import Tensor
from accelsim.workload.yaml import load_network


def both_ways(lowered: program.Program) -> None:
    schedule = generate_schedule(lowered)
    if lowered.architecture.levels[0].dram:
        dram.serve(lowered, schedule, cycle.program_order(lowered, schedule))
    for processing in (False, True):
        long_way = cycle.run(lowered, schedule, processing, memo=False)
        assert cycle.run(lowered, schedule, processing, memo=True) == long_way


@pytest.mark.parametrize("banks", [False, True])
@pytest.mark.parametrize("first", range(0, 1000, 250))
def test_random_machines_with_serial_passes(first: int, banks: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up = []
    kernel = memo.sweep_memo

    def counted(*arguments: object) -> tuple[int, int]:
        end, simulated = kernel(*arguments)
        looked_up.append(len(arguments[-1]) - simulated)  # type: ignore[arg-type]
        return end, simulated

    monkeypatch.setattr(memo, "sweep_memo", counted)
    for seed in range(first, first + 250):
        case = strategies.case(Random(seed), max_macs=3000)
        for serial in (Tensor.FILTER, Tensor.IFMAP):
            machine = strategies.with_dram(Random(seed), case.architecture) if banks else case.architecture
            if machine.serial is not serial:
                machine = replace(machine, serial=serial, skew=False)
            try:
                lowered = program.build(machine, case.nest, case.problem)
            except AccelsimError:
                continue
            both_ways(lowered)
    assert sum(looked_up) > 0, "no pass was ever looked up: the test shows nothing"


@pytest.mark.parametrize("layer", ["CONV1", "CONV2", "CONV3", "CONV4", "CONV5"])
def test_alexnet_on_the_chip(layer: str) -> None:
    machine, nests = load_architecture("eyeriss"), load_mappings("eyeriss_alexnet_jssc17")
    problem = next(found.problem for found in load_network("alexnet", 4).layers if found.name == layer)
    assert problem is not None
    both_ways(program.build(machine, nests[layer], problem))
