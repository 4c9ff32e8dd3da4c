"""PEs in lock step: what is not there takes its time, and is not counted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from accelsim.architecture.model import Fixed, Lock
from accelsim.architecture.yaml import load_architecture
from accelsim.engine import evaluate, program
from accelsim.engine.lockstep import filled
from accelsim.errors import MappingError
from accelsim.mapping.mapping import LoopNest
from accelsim.workload.problem import Problem, Tensor

NEST = LoopNest.parse("L1: P2 Q2 M2 C2 y P3 x Q3 | COLUMN: M32 C16 R3 S3")
PROBLEM = Problem.of({"M": 40, "C": 20, "P": 4, "Q": 6, "R": 3, "S": 3})


@pytest.fixture(scope="module")
def machine():
    return load_architecture("ne16")


def locked(machine, *of: str, dims: str = "CPQ"):
    """The machine with another lock step."""
    tensors = frozenset(Tensor(name) for name in of if name != "compute")
    return replace(machine, lock=Lock(frozenset(dims), tensors, "compute" in of))


def test_sizes_are_whole_tiles_and_the_plane_grows_with_them(machine):
    whole = filled(program.build(machine, NEST, PROBLEM))
    assert [whole[dim] for dim in "MCPQ"] == [40, 32, 6, 6]
    assert (whole.height, whole.width) == (8, 8)


@pytest.mark.parametrize("of", [("compute",), ("ifmap",), ("filter", "psum"), ("compute", "ifmap", "filter", "psum")])
@pytest.mark.parametrize("evaluator", ["cycle", "analytical"])
def test_only_time_changes(machine, of, evaluator):
    counts, timing = evaluate(replace(machine, lock=None), NEST, PROBLEM, evaluator)
    held, longer = evaluate(locked(machine, *of), NEST, PROBLEM, evaluator)
    assert (held.words == counts.words).all() and (held.network == counts.network).all()
    assert (held.macs, held.active_pes) == (counts.macs, counts.active_pes)
    assert longer.cycles >= timing.cycles
    assert (held.compute_cycles > counts.compute_cycles) == ("compute" in of)


def test_whole_tiles_take_what_they_take(machine):
    problem = Problem.of({"M": 64, "C": 32, "P": 6, "Q": 6, "R": 3, "S": 3})
    free = evaluate(replace(machine, lock=None), NEST, problem)
    assert evaluate(machine, NEST, problem) == free


def test_a_dim_that_is_not_mapped_there(machine):
    nest = LoopNest.parse("L1: P2 Q6 M2 C20 y P3 | COLUMN: M32 R3 S3")
    with pytest.raises(MappingError, match=r"^L1: PEs are in lock step over C, but no loop of their array or inside"):
        evaluate(machine, nest, PROBLEM)


def test_operands_in_several_memories():
    machine = load_architecture("eyeriss_v1_rtl")
    pads = replace(machine.levels[-1], keeps=frozenset({Tensor.IFMAP, Tensor.FILTER}), fixed=Fixed())
    machine = locked(replace(machine, levels=(machine.levels[0], pads)), "compute", dims="P")
    nest = LoopNest.parse("GLB: Q4 y R3 x P4 | SPAD: C4 S3 M16")
    with pytest.raises(MappingError, match="keep all their operands in one memory"):
        evaluate(machine, nest, Problem.of({"M": 16, "C": 4, "P": 4, "Q": 4, "R": 3, "S": 3}))
