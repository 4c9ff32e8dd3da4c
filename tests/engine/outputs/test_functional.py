"""The nest carried out on integers gives numpy's convolution; a wrong one is told."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.architecture.yaml import load_architecture
from accelsim.engine.outputs.functional import check, operands, outputs, overflow, verdict
from accelsim.engine.program import build
from accelsim.errors import AccelsimError
from accelsim.mapping.mapping import LoopNest
from accelsim.sparsity.convolution import convolution
from accelsim.workload.precision import accumulator_bits, sum_bits
from accelsim.workload.problem import TENSORS, Problem, Tensor
from strategies import cases, cutting, draw_problem


@settings(deadline=None, max_examples=100)
@given(cases())
def test_any_mapping_of_any_problem(case):
    architecture, nest, problem = case
    outputs_words = problem["N"] * problem["G"] * problem["M"] * problem["P"] * problem["Q"]
    layer = replace(problem, slices=(1, 1))
    found = check(cutting(architecture, problem), nest, layer, seed=3)
    assert found.split(";")[0] == f"outputs equal numpy's convolution (seed 3, {outputs_words} words)"


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


def test_operands_lie_in_any_order():
    """What comes out of other code may be a view with its axes turned round."""
    machine, problem = load_architecture("systolic_os"), Problem.of({"M": 4, "C": 6, "P": 3, "Q": 5, "R": 3})
    ifmap, weights = operands(problem, 0)
    turned = [np.ascontiguousarray(x.transpose(4, 3, 2, 1, 0)).transpose(4, 3, 2, 1, 0) for x in (ifmap, weights)]
    program = build(machine, LoopNest.parse("DRAM: C6 M4 Q5 P3 R3"), problem)
    assert np.array_equal(outputs(program, *turned), convolution(problem, ifmap, weights))


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


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 8, 64])
def test_operands_fit_their_bits(bits):
    problem = Problem.of({"C": 16, "M": 16, "Q": 40})
    ifmap, weights = operands(problem, 0, {Tensor.IFMAP: bits, Tensor.FILTER: min(2 * bits, 64)})
    for array, width in ((ifmap, bits), (weights, min(2 * bits, 64))):
        far = min(8, 2 ** (width - 1))
        assert (array.min(), array.max()) == ((-far, far - 1) if width > 1 else (0, 1))


@given(st.integers(-(2**40), 2**40), st.integers(-(2**40), 2**40))
def test_the_bits_that_sums_need(one, other):
    low, high = sorted((one, other))
    bits = sum_bits(low, high)

    def holds(bits):
        return high < 2**bits if low >= 0 else -(2 ** (bits - 1)) <= low <= high < 2 ** (bits - 1)

    assert holds(bits)
    assert bits == 1 or not holds(bits - 1)


def test_an_overflow_is_told():
    machine, problem = load_architecture("systolic_os"), Problem.of({"M": 4, "C": 600, "Q": 5})
    nest = LoopNest.parse("DRAM: C600 M4 Q5")
    assert check(machine, nest, problem).endswith("; psums overflow: these sums need 11 b, a psum has 8 b")
    for bits, said in ((10, True), (11, False)):
        wide = replace(machine, word_bits={**machine.word_bits, Tensor.PSUM: bits}, levels=machine.levels[:1])
        assert ("overflow" in check(wide, nest, problem)) == said


def test_no_operands_overflow_the_bits_a_psum_needs():
    """27 products of 8-bit operands: 27 x 128 x 128 = 442,368 lies just below 2^19."""
    problem, bits = Problem.of({"C": 3, "R": 3, "S": 3, "P": 2}), dict.fromkeys(TENSORS, 8)
    assert accumulator_bits(problem, bits) == 20
    worst = -128 * np.ones((1, 1, 3, problem.height, problem.width), np.int64)
    sums = convolution(problem, worst, -128 * np.ones((1, 1, 3, 3, 3), np.int64))
    assert overflow(sums, 18)
    assert not overflow(-sums, 20)
    assert accumulator_bits(problem, dict.fromkeys(TENSORS, 1)) == 6
