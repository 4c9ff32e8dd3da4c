"""What a search says of a mapping, from tables of its factors, is what the closed form says of the mapping itself."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.architecture.model import Architecture
from accelsim.architecture.yaml import load_architecture
from accelsim.energy.account import account
from accelsim.energy.load import table_for
from accelsim.engine import evaluate
from accelsim.mapping.dataflows import load
from accelsim.mapping.mapping import LoopNest
from accelsim.search import find
from accelsim.search.best import _Search
from accelsim.search.scoring import least_of
from accelsim.search.space import Space
from accelsim.workload.lowering import lowered
from accelsim.workload.problem import Problem

MACHINE = """\
name: small
source: test
clock: 200 MHz
word: 16 b
dataflow: {flow}
energy: eyeriss_relative
levels:
  - name: DRAM
    link: {{width: 40 b}}
  - name: GLB
    capacity: 200 words
    ports: {{read: 3 words, write: 1 word}}
    array:
      size: {{y: 4, x: 3}}
      networks:
        ifmap: {{kind: multicast, width: 1 word}}
        filter: {{kind: multicast, width: 2 words}}
        psum: {{kind: chain, in: 1 word, out: 1 word, accumulate: {accumulate}}}
{passes}  - name: RF
    capacity: 12 words
pe: {{macs: 1, pipeline: 3}}
"""
FLOWS = ("weight_stationary", "output_stationary_moc_mop", "row_stationary", "input_stationary")
ROUNDINGS = 16
"""Cycles: each port's words last a whole number of them, and the closed form adds up what several streams take."""


@cache
def machine(flow: str, passes: str, skew: bool, accumulate: str, folder: Path) -> Architecture:
    path = folder / f"{flow}-{passes}-{skew}-{accumulate}.yaml"
    serial = f"      passes: {{serial: {passes}}}\n      skew: {str(skew).lower()}\n" if passes else ""
    path.write_text(MACHINE.format(flow=flow, passes=serial, accumulate=accumulate))
    return load_architecture(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("arch")


def closed_form(arch: Architecture, nest: LoopNest, problem: Problem) -> tuple[float, int]:
    """(energy, cycles)."""
    counts, timing = evaluate(arch, nest, problem, "analytical")
    rows = account(arch, counts, table_for(arch, None), timing.cycles, arch.dataflow)
    return float(sum(row.energy for row in rows)), timing.cycles


def compare(arch: Architecture, problem: Problem, objective: str) -> None:
    search = _Search(Space(arch, problem, load(arch.dataflow)), table_for(arch, None))
    for one in search.candidates(objective):
        energy, cycles = closed_form(arch, one.nest, problem)
        if arch.narrows:  # a search takes all sums to be wide
            assert one.energy >= energy * (1 - 1e-9), one.nest
        else:
            assert one.energy == pytest.approx(energy, rel=1e-9), one.nest
            if objective == "cycles":
                assert one.score <= cycles * (1 + 1e-6), one.nest  # of equals the one of less energy is preferred
                assert one.score >= cycles - ROUNDINGS, one.nest
    found = find(arch, problem, arch.dataflow, objective)
    energy, cycles = closed_form(arch, found.nest, problem)
    bound = {"energy": energy, "cycles": cycles, "edp": energy * cycles}[objective]
    assert found.bound == pytest.approx(bound, rel=1e-9)


@settings(deadline=None)
@given(
    st.sampled_from(FLOWS),
    st.sampled_from(["", "ifmap", "filter", "psum"]),
    st.booleans(),
    st.sampled_from(["on-drain", "refill"]),
    st.builds(
        lambda n, m, c, p, q, r, s, stride: Problem.of(
            {"N": n, "M": m, "C": c, "P": p, "Q": q, "R": r, "S": s}, stride=(stride, 1)
        ),
        *([st.integers(1, 5)] * 5), st.integers(1, 3), st.integers(1, 2), st.integers(1, 2),
    ),
    st.sampled_from(["energy", "cycles", "edp"]),
)  # fmt: skip
def test_scores_are_those_of_the_closed_form(folder, flow, passes, skew, accumulate, problem, objective):
    compare(machine(flow, passes, skew, accumulate, folder), problem, objective)


@pytest.mark.parametrize(
    "name", ["eyeriss", "systolic_ws", "systolic_os", "systolic_is", "tpu_v1", "nvdla_full", "shidiannao"]
)
@pytest.mark.parametrize("objective", ["energy", "cycles"])
def test_scores_of_shipped_machines(name, objective):
    arch = load_architecture(name)
    compare(arch, lowered(Problem.of({"M": 48, "C": 20, "P": 13, "Q": 13, "R": 3, "S": 3}), arch.lowering), objective)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(1, 20))
def test_of_equal_bounds_the_first_are_taken(bounds, number):
    """On any processor: what a partition leaves where depends on its instructions."""
    values = np.array(bounds, np.float64)
    assert least_of(values, number).tolist() == np.argsort(values, kind="stable")[:number].tolist()
