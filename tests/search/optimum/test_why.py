"""How full a machine is under a mapping, and what more of it would save."""

from __future__ import annotations

from functools import partial

import pytest

from accelsim.architecture.model import Architecture
from accelsim.architecture.yaml import load_architecture
from accelsim.mapping.mapping import LoopNest
from accelsim.search import find
from accelsim.search.bound import bounds_of
from accelsim.search.optimum.optimum import optimum
from accelsim.search.optimum.why import limits, steps
from accelsim.search.proof import NONE, Proof
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
    found = stepped(machine, FC, "best")
    larger = optimum(machine.with_(glb="1024 B"), FC)
    assert found["GLB"].saves == pytest.approx(1 - larger.energy / before.energy)
    assert max(one.saves for one in found.values()) > 0
    assert "twice of it saves" in found["GLB"].describe()


def test_a_step_cuts_a_dataflow_where_its_search_does():
    # a row of a filter is longer than the 12 words of the ifmap that a PE holds
    layer = Problem((1, 1, 4, 2, 5, 5, 3, 20))
    found = stepped(load_architecture("eyeriss"), layer, "row_stationary", proof=Proof(exact=True))
    assert all(one.saves is not None for one in found.values())


@pytest.mark.slow
def test_a_step_keeps_the_bounds_of_the_mapping():
    # without bounds twice of the register files saves 0.3 %
    layer, bounds = Problem((1, 1, 8, 8, 3, 2, 3, 3), stride=(2, 2)), bounds_of("cycles<=400")
    assert stepped(chip(), layer, "best", proof=Proof(bounds=bounds))["RF"].saves < 1e-3


def test_a_step_saves_no_cycles_that_a_port_takes():
    # a port of 8 b takes 72 cycles at the least, the MACs of twelve PEs take 16
    machine, layer = chip(link={"width": "8 b"}), Problem((1, 1, 4, 4, 2, 2, 3, 1))
    found = stepped(machine, layer, "best", objective="cycles")["array y"]
    assert found.saves < 0.1
    assert not found.most and "or more" in found.describe()


def chip(**buffer):
    """Twelve PEs below a buffer."""
    levels = [
        {"name": "DRAM"},
        {"name": "GLB", "capacity": "2 KiB", "array": {"size": {"y": 4, "x": 3}}, **buffer},
        {"name": "RF", "capacity": "64 B"},
    ]
    word = {"ifmap": "8 b", "filter": "4 b", "psum": "24 b"}
    return Architecture.of("chip", levels, clock="500 MHz", word=word, energy="eyeriss_relative")


def stepped(machine, layer, dataflow, objective="energy", proof=NONE):
    """What twice of each would save, by its name."""
    search = partial(find, problem=layer, dataflow=dataflow, objective=objective, proof=proof)
    found = search(machine)
    return {one.what: one for one in steps(machine, found.nest, layer, found.bound, search)}


def test_partitions_have_names_of_their_own():
    machine = load_architecture("systolic_ws")
    nest = optimum(machine, FC).nest
    assert {one.what for one in limits(machine, nest, FC)} == {
        "SRAM ifmap", "SRAM filter", "SRAM psum", "array y", "array x", "RF"
    }  # fmt: skip
