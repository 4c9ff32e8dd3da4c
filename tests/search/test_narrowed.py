"""What narrowing saves at most, beside what it saves of mappings that a search finds."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest

from accelsim.architecture.yaml import load_architecture
from accelsim.energy.account import account
from accelsim.energy.load import table_for
from accelsim.engine import evaluate
from accelsim.mapping.dataflows import load
from accelsim.search.moves import whole
from accelsim.search.narrowed import most_saved
from accelsim.search.scoring import Scorer
from accelsim.search.space import Space
from accelsim.workload.problem import Problem, Tensor

LAYERS = (
    Problem.of({"M": 24, "C": 20, "P": 7, "Q": 7, "R": 3, "S": 3}),
    Problem.of({"M": 40, "C": 6, "P": 9, "Q": 5}),
    Problem.of({"G": 12, "P": 6, "Q": 6, "R": 3, "S": 3}),
)


@pytest.mark.parametrize("name", ["nvdla_full", "tpu_v1", "eyeriss_v2_bus"])
@pytest.mark.parametrize("problem", LAYERS, ids=str)
def test_no_mapping_saves_more_than_the_most(name, problem):
    machine = load_architecture(name)
    assert machine.narrows
    table, flow = table_for(machine, None), load(machine.dataflow)
    space = Space(machine, problem, flow)
    found = Scorer(space, {}, "energy", table).best_of(space, whole(space))
    most = most_saved(machine, problem, table)
    assert 0 < most < inf and found
    for one in found[:20]:
        counts, _ = evaluate(machine, one.nest, problem, "analytical")
        energy = float(sum(row.energy for row in account(machine, counts, table)))
        assert energy <= one.score * (1 + 1e-9)
        assert one.score - energy <= most * (1 + 1e-9)


@pytest.mark.parametrize(("name", "home"), [("tpu_v1", "UB")])
@pytest.mark.parametrize("problem", LAYERS, ids=str)
def test_sums_that_stay_save_no_more_either(name, home, problem):
    """Above their home no sum is moved, so none is narrowed: the most is less, and still no mapping saves more."""
    plain = load_architecture(name)
    table, flow = table_for(plain, None), load(plain.dataflow)
    machine = replace(plain, homes={Tensor.PSUM: home, Tensor.IFMAP: home})
    most = most_saved(machine, problem, table)
    assert most < most_saved(plain, problem, table)
    space = Space(machine, problem, flow)
    found = Scorer(space, {}, "energy", table).best_of(space, whole(space))
    assert found
    for one in found[:40]:
        counts, _ = evaluate(machine, one.nest, problem, "analytical")
        energy = float(sum(row.energy for row in account(machine, counts, table)))
        assert energy <= one.score * (1 + 1e-9)
        assert one.score - energy <= most * (1 + 1e-9) + 1e-9 * one.score


def test_a_mesh_has_no_most():
    machine = load_architecture("simba")
    assert most_saved(machine, LAYERS[0], table_for(machine, None)) == inf


def test_nothing_is_saved_where_nothing_is_narrowed():
    machine = load_architecture("eyeriss")
    assert most_saved(machine, LAYERS[0], table_for(machine, None)) == 0
