"""How full a machine is under a mapping, and what more of it would save."""

from __future__ import annotations

from functools import partial

import pytest

from accelsim.architecture.yaml import load_architecture
from accelsim.mapping.dataflows import load
from accelsim.mapping.mapping import LoopNest
from accelsim.search import find
from accelsim.search.optimum.optimum import optimum
from accelsim.search.optimum.why import limits, steps
from accelsim.search.proof import Proof
from accelsim.search.whole import scope_of
from accelsim.workload.problem import Problem

FC = Problem((4, 1, 120, 84, 1, 1, 1, 1))


def test_shares_are_what_the_tiles_take():
    machine = load_architecture("eyeriss_isca16_rs")
    nest = LoopNest.parse("DRAM: M30 | GLB: C21 y N4 x C4 | RF: M4")
    found = {one.what: one.used for one in limits(machine, nest, FC)}
    # 84 x 4 words of the ifmap, 84 x 4 of filters, 4 x 4 sums, of 131,070 B; 1 + 4 + 4 words of 512 B
    assert found["GLB"] == pytest.approx((4 * 84 + 84 * 4 + 4 * 4) * 2 / 131070)
    assert found["RF"] == pytest.approx(9 * 2 / 512)
    assert (found["array y"], found["array x"]) == (4 / 16, 4 / 16)


def test_a_step_saves_what_the_larger_machine_does():
    machine = load_architecture("eyeriss_isca16_rs").with_(glb="512 B", rows=2, cols=2)
    before = optimum(machine, FC)
    found = {one.what: one for one in steps(machine, before.nest, FC, "energy")}
    larger = optimum(machine.with_(glb="1024 B"), FC)
    assert found["GLB"].saves == pytest.approx(1 - larger.energy / before.energy)
    assert max(one.saves for one in found.values()) > 0
    assert "twice of it saves" in found["GLB"].describe()


def test_a_step_cuts_a_dataflow_where_its_search_does():
    machine, proof, flow = load_architecture("eyeriss"), Proof(exact=True), load("row_stationary")
    # a row of a filter is longer than the 12 words of the ifmap that a PE holds
    layer = Problem((1, 1, 4, 2, 5, 5, 3, 20))
    found = find(machine, layer, flow, proof=proof)
    within = partial(scope_of, problem=layer, dataflow=flow, proof=proof)
    assert optimum(machine, layer, scope=within(machine)).energy == pytest.approx(found.bound)
    assert all(one.saves is not None for one in steps(machine, found.nest, layer, "energy", scope_of=within))


def test_partitions_have_names_of_their_own():
    machine = load_architecture("systolic_ws")
    nest = optimum(machine, FC).nest
    assert {one.what for one in limits(machine, nest, FC)} == {
        "SRAM ifmap", "SRAM filter", "SRAM psum", "array y", "array x", "RF"
    }  # fmt: skip
