"""A budget: where it does not end a search nothing differs, and wherever it does what is said to be proved holds."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from math import inf
from random import Random

import pytest

from accelsim.architecture.yaml import load_architecture
from accelsim.energy.load import table_for
from accelsim.errors import MappingError
from accelsim.search import find
from accelsim.search.found import OBJECTIVES
from accelsim.search.optimum.clock import Clock, OutOfTimeError
from accelsim.search.optimum.constraints import Constraints
from accelsim.search.optimum.floor import floor_of
from accelsim.search.optimum.optimum import optimum
from accelsim.search.optimum.scope import Scope
from accelsim.search.proof import Proof
from accelsim.workload.problem import Problem
from search.optimum import small

POINTWISE = Problem((1, 1, 64, 64, 6, 5, 1, 1))
ODD = Problem((2, 1, 12, 10, 1, 1, 1, 1))
CONV = Problem((1, 1, 16, 8, 7, 7, 3, 3), pad=(1, 1))
WIDE = Problem((1, 1, 96, 3, 55, 55, 11, 11), stride=(4, 4))
"""AlexNet's CONV1: tables of all chains with other factors too take half a minute."""


@dataclass(frozen=True)
class Looks(Clock):
    """Time is up at the n-th look."""

    budget: float | None = 1e9
    left: list[int] = field(default_factory=lambda: [0])

    @property
    def late(self) -> bool:
        self.left[0] -= 1
        return self.left[0] < 0


def test_parts_are_all_of_it():
    assert list(Clock().parts(10, 3)) == [slice(0, 10)]
    assert list(Clock().parts(10, 3, 4)) == [slice(0, 4), slice(4, 8), slice(8, 10)]
    for clock in (Clock(1e-6), Clock(1e9)):
        parts = list(clock.parts(1000, 2, 400))
        assert [i for part in parts for i in range(part.start, part.stop)] == list(range(1000))
        assert parts[0] == slice(0, 2) and max(part.stop - part.start for part in parts) <= 400
    assert list(Clock(1e9).parts(0, 1)) == []


def test_a_share_of_what_is_left():
    clock = Clock(100, start=time.monotonic() - 20)
    assert clock.within(0.5).budget == pytest.approx(60, abs=1)
    assert not clock.within(0.5).late and clock.within(0).late
    assert Clock().within(0.1).budget is None


@pytest.mark.parametrize("objective", ["energy", "edp"])
@pytest.mark.parametrize("imperfect", [False, True])
def test_a_budget_that_is_not_used_up_changes_nothing(objective, imperfect):
    machine = load_architecture("eyeriss_isca16_rs")
    problem = ODD if imperfect else CONV
    one, other = (optimum(machine, problem, objective, budget=b, scope=Scope(imperfect)) for b in (None, 1e6))
    assert one == replace(other, seconds=one.seconds)


@pytest.mark.parametrize(("problem", "imperfect"), [(CONV, False), (ODD, True)])
def test_whenever_time_is_up_the_bound_holds(problem, imperfect):
    machine = load_architecture("eyeriss_isca16_rs")
    whole = optimum(machine, problem, scope=Scope(imperfect))
    seen = set()
    for looks in (0, 1, 3, 8, 21, 55, 144):
        for firm in (False, True):
            try:
                found = optimum(machine, problem, budget=Looks(firm=firm, left=[looks]), scope=Scope(imperfect))
            except OutOfTimeError as error:
                seen.add(("nothing found", firm, error.size > 0))
                continue
            assert 0 < found.bound <= whole.score * (1 + 1e-9) <= found.score * (1 + 2e-9)
            assert found.certified == (found.score <= whole.score * (1 + 1e-9) and found.gap == 0)
            seen.add("gap" if found.gap else "certified")
    assert seen - {"certified"} == {("nothing found", True, True), "gap"}


def test_no_mapping_is_below_what_is_known_without_tables(tmp_path):
    done, shares = 0, []
    for seed in range(40):
        rng = Random(seed)
        machine, problem = small.machine(rng, rng.choice([0, 1, 2]), tmp_path), small.problem(rng)
        table, index = table_for(machine, None), seed % len(OBJECTIVES)
        few = Scope(constraints=Constraints(placements=small.placements(rng, machine, 3)))
        try:
            best = optimum(machine, problem, OBJECTIVES[index], table, Clock(3, firm=True), few)
        except (MappingError, OutOfTimeError):
            continue
        if best.certified:
            floor = floor_of(machine, problem, table, best.nest, index)
            assert 0 < floor <= best.score * (1 + 1e-12), seed
            shares.append(floor / best.score)
            done += 1
        if done == 8:
            break
    assert done == 8 and max(shares) > 0.3


@pytest.mark.parametrize("objective", ["energy", "edp"])
def test_a_budget_ends_tables_too(objective):
    machine = load_architecture("eyeriss_isca16_rs")
    proof = Proof(0.5, imperfect=True)
    find(machine, POINTWISE, "best", objective, proof=proof)  # compile
    start = time.monotonic()
    found = find(machine, WIDE, "best", objective, proof=proof)
    # what cannot be cut, and other work of this machine, beside it
    assert time.monotonic() - start < 8
    assert 0 < found.certificate.gap < inf
    assert found.certificate.bound * (1 + found.certificate.gap) == pytest.approx(found.bound)


def test_where_nothing_was_found_in_time_a_dataflow_is_taken():
    machine = load_architecture("eyeriss_isca16_rs")
    hasty, whole = (find(machine, CONV, "best", proof=Proof(budget)) for budget in (1e-9, None))
    assert "time was up before any was found, and this is of row_stationary" in hasty.space
    assert hasty.nest == find(machine, CONV, "row_stationary").nest
    assert 0 < hasty.certificate.bound <= whole.bound <= hasty.bound
    assert hasty.certificate.size == whole.certificate.size
