"""Element moves and cycles of ZigZag's nine fixed mappings."""

from __future__ import annotations

import pytest

from accelsim.reproduce import zigzag
from accelsim.reproduce.zigzag import DIRECTIONS
from accelsim.workload.problem import Tensor

CASES = tuple(f"P0{number}" for number in range(1, 10))
EVALUATORS = ("analytical", "cycle")


def test_all_cells_are_there():
    assert tuple(zigzag.cases()) == CASES
    assert sum(zigzag.equal(case, "analytical")[0] for case in CASES) == 268


@pytest.mark.parametrize("evaluator", EVALUATORS)
@pytest.mark.parametrize("case", CASES)
def test_fills_and_evictions_need_no_conversion(case, evaluator):
    counts, _ = zigzag.run(case, evaluator)
    tensors = zigzag.setup(case).layer.tensors
    for (memory, operand), moves in zigzag.reference(case).items():
        drained = tensors[operand] is Tensor.PSUM
        action, direction = ("drain", "rd_out_to_high") if drained else ("fill", "wr_in_by_high")
        assert counts(memory, tensors[operand], action) == moves[direction], (memory, operand)


@pytest.mark.parametrize("evaluator", EVALUATORS)
@pytest.mark.parametrize("case", CASES)
def test_every_cell(case, evaluator):
    ours, theirs = zigzag.convert(case, zigzag.run(case, evaluator)[0]), zigzag.reference(case)
    assert ours == theirs


def test_where_the_conversion_matters():
    """Two cells of 268: innermost psum reads of the cases that add psums above a psum memory in each PE."""
    found = []
    for case in CASES:
        counts, tensors = zigzag.run(case, "analytical")[0], zigzag.setup(case).layer.tensors
        for (memory, operand), moves in zigzag.reference(case).items():
            raw = [counts(memory, tensors[operand], action) for action in ("read", "update", "drain", "fill")]
            found += [
                (case, memory, operand, direction)
                for direction, ours in zip(DIRECTIONS, raw, strict=True)
                if ours != moves[direction]
            ]
    assert found == [("P04", "o_rf", "O", "rd_out_to_low"), ("P07", "rf_2B", "O", "rd_out_to_low")]


@pytest.mark.parametrize("case", CASES)
def test_spatial_cycles_and_bound(case):
    counts, timing = zigzag.run(case, "analytical")
    cycles = zigzag.cases()[case]["cycles"]
    assert counts.compute_cycles == cycles["spatial"]
    # its stall is that of one port, at least of the busiest
    assert counts.compute_cycles <= timing.cycles <= cycles["total"]
    assert timing.cycles <= zigzag.run(case, "cycle")[1].cycles


def test_total_cycles_with_two_tiles():
    """P02 has one port that never waits for another: load, GLB, drain; only rounding is left."""
    assert abs(zigzag.double_buffered("P02").cycles - zigzag.cases()["P02"]["cycles"]["total"]) <= 1
    # ZigZag's maximum over ports leaves out what they wait for each other: a few percent where one port dominates
    for case in ("P04", "P05", "P06", "P09"):
        total = zigzag.cases()[case]["cycles"]["total"]
        assert zigzag.double_buffered(case).cycles == pytest.approx(total, rel=0.06), case


def test_one_port_explains_p01():
    """Without time on the accumulators' ports what is left is the GLB's, 4 cycles a step in both."""
    total = zigzag.cases()["P01"]["cycles"]["total"]
    assert zigzag.untimed("P01", "o_acc").cycles == pytest.approx(total, rel=0.02)
