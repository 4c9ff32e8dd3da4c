"""A dataflow's mappings searched to their end."""

from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner

from accelsim.architecture.yaml import load_architecture
from accelsim.cli import app
from accelsim.energy.account import account
from accelsim.energy.load import table_for
from accelsim.engine import evaluate
from accelsim.errors import AccelsimError
from accelsim.mapping.dataflows import NAMES
from accelsim.search import find
from accelsim.search.proof import Proof
from accelsim.workload.problem import Problem

EXACT = Proof(exact=True)
FC = Problem((4, 1, 120, 84, 1, 1, 1, 1))
ODD = Problem((1, 1, 34, 19, 7, 7, 3, 3), pad=(1, 1))
POINTWISE = Problem((1, 1, 64, 32, 112, 112, 1, 1))


@pytest.mark.parametrize("name", ["eyeriss_isca16_rs", "eyeriss", "systolic_ws"])
@pytest.mark.parametrize("problem", [FC, ODD], ids=["fc", "conv"])
def test_no_search_of_the_same_dataflow_is_better(name, problem):
    machine, done = load_architecture(name), 0
    for flow in NAMES:
        try:
            thinned = find(machine, problem, flow)
        except AccelsimError:
            continue
        found = find(machine, problem, flow, proof=EXACT)
        assert found.bound <= thinned.bound * (1 + 1e-9), flow
        if found.certificate:
            assert found.certificate.gap == 0
            done += 1
        else:
            assert "not certified" in found.space
    assert done >= 4


def test_a_find_is_priced_as_it_is_said():
    machine = load_architecture("eyeriss")
    # memories of the PE that hold one tensor each: 12 words of the ifmap are all it has
    found = find(machine, POINTWISE, "row_stationary", proof=EXACT)
    assert found.bound <= find(machine, POINTWISE, "row_stationary").bound
    counts, timing = evaluate(machine, found.nest, POINTWISE, "analytical")
    rows = account(machine, counts, table_for(machine, None), timing.cycles, "row_stationary", found.nest)
    assert found.bound == pytest.approx(float(sum(row.energy for row in rows)), rel=1e-9)


def test_it_says_why_nothing_is_proved():
    nvdla, tpu = (load_architecture(name) for name in ("nvdla_full", "tpu_v1"))
    assert "not certified: it has arrays below CBUF and ACC" in find(nvdla, FC, nvdla.dataflow, proof=EXACT).space
    found = find(tpu, FC, tpu.dataflow, proof=EXACT)
    assert "not certified" in found.space
    assert found.nest == find(tpu, FC, tpu.dataflow).nest


def test_where_cycles_count_it_is_never_worse():
    machine = load_architecture("eyeriss")
    for objective in ("cycles", "edp"):
        found, thinned = (find(machine, FC, "row_stationary", objective, proof=proof) for proof in (EXACT, Proof()))
        assert found.bound <= thinned.bound * (1 + 1e-9)
        assert found.certificate is not None


def test_where_time_is_up_it_is_never_worse():
    machine = load_architecture("eyeriss_isca16_rs")
    hasty = find(machine, ODD, "row_stationary", proof=Proof(budget=1e-9, exact=True))
    assert hasty.bound <= find(machine, ODD, "row_stationary").bound * (1 + 1e-9)
    assert hasty.certificate.bound <= find(machine, ODD, "row_stationary", proof=EXACT).bound * (1 + 1e-9)


def test_other_factors_are_never_worse():
    machine = load_architecture("eyeriss_isca16_rs")
    perfect, imperfect = (find(machine, FC, "best", proof=Proof(imperfect=yes)) for yes in (False, True))
    assert imperfect.certificate.gap == 0
    assert imperfect.certificate.bound <= perfect.certificate.bound * (1 + 1e-9)
    assert "every chain of factors" in imperfect.space


def test_map_proves_and_quick_does_not():
    def mapped(*more):
        found = CliRunner().invoke(app, ["map", "eyeriss_isca16_rs", "alexnet", "--layers", "FC8", *more])
        assert found.exit_code == 0, found.output
        return found.stdout, float(re.search(r"score ([0-9.e+]+)", found.stdout)[1])

    (proved, least), (quick, more) = mapped(), mapped("--quick")
    assert "the optimum, certified" in proved and "certified" not in quick
    assert mapped("--exact") == (proved, least)
    assert least <= more
