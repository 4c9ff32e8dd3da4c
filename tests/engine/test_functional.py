"""The nest carried out on integers gives numpy's convolution; a wrong one is told."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings

from accelsim.architecture.yaml import load_architecture
from accelsim.engine.functional import check, operands, outputs, verdict
from accelsim.engine.program import build
from accelsim.errors import AccelsimError
from accelsim.mapping.mapping import LoopNest
from accelsim.sparsity.convolution import convolution
from accelsim.workload.problem import Problem
from strategies import cases, draw_problem


@settings(deadline=None, max_examples=200)
@given(cases())
def test_any_mapping_of_any_problem(case):
    architecture, nest, problem = case
    outputs_words = problem["N"] * problem["G"] * problem["M"] * problem["P"] * problem["Q"]
    assert check(architecture, nest, problem, seed=3) == (
        f"outputs equal numpy's convolution (seed 3, {outputs_words} words)"
    )


@pytest.mark.parametrize("seed", range(40))
def test_the_reference_by_definition(seed):
    """Eight Python loops, as the sum is written in a textbook."""
    problem = draw_problem(Random(seed), 200)
    ifmap, weights = operands(problem, seed)
    n, g, m, c, p, q, r, s = problem.sizes
    expected = np.zeros((n, g, m, p, q), np.int64)
    for b, e, f, d, y, x, i, j in np.ndindex(n, g, m, c, p, q, r, s):
        row = y * problem.stride[0] + i * problem.dilation[0] - problem.pad[0]
        column = x * problem.stride[1] + j * problem.dilation[1] - problem.pad[1]
        if 0 <= row < problem.height and 0 <= column < problem.width:
            expected[b, e, f, y, x] += int(ifmap[b, e, d, row, column]) * int(weights[e, f, d, i, j])
    assert np.array_equal(convolution(problem, ifmap, weights), expected)


def test_seeds_differ_and_repeat():
    problem = Problem.of({"C": 4, "P": 5, "Q": 5, "R": 3, "S": 3})
    one, again, other = operands(problem, 1), operands(problem, 1), operands(problem, 2)
    assert np.array_equal(one[0], again[0])
    assert np.array_equal(one[1], again[1])
    assert not np.array_equal(one[0], other[0])


def test_a_loop_left_out_is_found():
    machine, problem = load_architecture("systolic_os"), Problem.of({"M": 4, "C": 6, "Q": 5})
    program = build(machine, LoopNest.parse("DRAM: C6 M4 Q4"), problem)
    ifmap, weights = operands(problem, 0)
    with pytest.raises(AccelsimError, match=r"of 20 outputs differ .* first at N0 G0 M\d P0 Q4: 0, numpy"):
        verdict(outputs(program, ifmap, weights), convolution(problem, ifmap, weights), "drawn")
