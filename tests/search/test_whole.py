"""`best` as a dataflow: proved where it can be, never worse than a dataflow, and honest where it is neither."""

from __future__ import annotations

import pytest

from accelsim.architecture.yaml import load_architecture
from accelsim.engine import evaluate
from accelsim.errors import AccelsimError, MappingError
from accelsim.mapping.dataflows import NAMES
from accelsim.search import find
from accelsim.workload.problem import Problem

FC = Problem((4, 1, 120, 84, 1, 1, 1, 1))
ODD = Problem((1, 1, 34, 19, 7, 7, 3, 3), pad=(1, 1))


def energies(machine, problem):
    for name in NAMES:
        try:
            yield find(machine, problem, name).bound
        except AccelsimError:
            continue


@pytest.mark.parametrize("problem", [FC, ODD])
def test_no_dataflow_is_better(problem):
    machine = load_architecture("eyeriss_isca16_rs")
    found = find(machine, problem, "best")
    assert found.certificate is not None
    assert found.certificate.gap == 0
    assert found.bound <= min(energies(machine, problem)) * (1 + 1e-9)


def test_a_lower_mapping_with_other_factors_is_said():
    machine = load_architecture("eyeriss_isca16_rs")
    found = find(machine, ODD, "best")
    assert ("lower still" in found.space) == (found.bound < found.certificate.bound * (1 - 1e-9))


def test_where_nothing_is_proved_the_best_dataflow_is_taken():
    machine = load_architecture("diannao")
    found = find(machine, FC, "best")
    assert found.certificate is None
    assert "not of the whole mapspace: it has arrays below BUFFERS and NFU" in found.space
    assert found.bound <= min(energies(machine, FC)) * (1 + 1e-9)


def test_where_cycles_count_the_evaluator_chooses():
    machine = load_architecture("eyeriss")
    found = find(machine, FC, "best", "edp", evaluator="cycle")
    assert found.simulated >= 2
    assert f"the best of {found.simulated} simulated" in found.describe()


def test_a_machine_that_runs_nothing_says_why():
    machine = load_architecture("scnn")
    with pytest.raises(MappingError, match="no built-in dataflow maps this layer on 'scnn', and its counts depend"):
        find(machine, FC, "best")


def test_no_mapping_takes_fewer_cycles_than_the_bound():
    machine = load_architecture("eyeriss")
    found = find(machine, FC, "best", "cycles")
    for name in NAMES:
        try:
            nest = find(machine, FC, name, "cycles").nest
        except AccelsimError:
            continue
        assert evaluate(machine, nest, FC, "analytical")[1].cycles >= found.certificate.bound * (1 - 1e-9)
    assert found.certificate.gap == pytest.approx(max(found.bound / found.certificate.bound - 1, 0), abs=1e-9)
