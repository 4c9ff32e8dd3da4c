"""Albireo from its parts beside its paper (Shiflett et al., ISCA 2021): converters counted from the nest."""

from __future__ import annotations

import pytest

from accelsim.architecture.yaml import load_architecture
from accelsim.energy.account import account
from accelsim.energy.load import load_table
from accelsim.energy.rows import total
from accelsim.engine import evaluate
from accelsim.engine.counts import Counts, Timing
from accelsim.mapping.mapping import LoopNest
from accelsim.workload.problem import Problem

POWER_W = 22.74
CYCLES = 120


@pytest.fixture(scope="module", params=["analytical", "cycle"])
def ran(request: pytest.FixtureRequest) -> tuple[Counts, Timing]:
    """Every part of the chip at work: 9 groups, 5 columns, 9 couplers, 3 words of a row; rows one after another."""
    problem = Problem.of({"M": 9, "C": 9, "P": 40, "Q": 5, "R": 3, "S": 3})
    nest = LoopNest.parse("CACHE: P40 R3 y Q5 x M9 | COLUMN: y C9 x S3")
    return evaluate(load_architecture("albireo"), nest, problem, request.param)


def test_converters_of_a_cycle_are_those_that_are_built(ran: tuple[Counts, Timing]) -> None:
    """63 inputs are five windows of three in 9 channels; 243 weights, 45 sums: as many as the machine has."""
    counts, timing = ran
    assert timing.compute == CYCLES
    sent = (counts.sent("CACHE", "ifmap", "down"), counts.sent("CACHE", "filter", "down"))
    assert sent == (63 * CYCLES, 243 * CYCLES)
    assert counts.sent("COLUMN", "psum", "up") == 45 * CYCLES
    parts = load_architecture("albireo").physical.parts
    assert (parts["DAC"].count, parts["MODULATORS"].count, parts["ADC"].count) == (306, 306, 45)


def test_power_of_a_chip(ran: tuple[Counts, Timing]) -> None:
    machine, (counts, _) = load_architecture("albireo"), ran
    spent = float(total(account(machine, counts, load_table("own_parts"), CYCLES)))
    assert spent * 1e-12 / (CYCLES / 5e9) == pytest.approx(POWER_W, rel=0.005)
