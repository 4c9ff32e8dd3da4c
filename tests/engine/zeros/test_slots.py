"""Zeros in the cycle evaluator: short cuts equal the long way, blocks change nothing, memory grows with words."""

from __future__ import annotations

import tracemalloc
from random import Random

import numpy as np
import pytest

from accelsim.architecture.model import Architecture, Fanout, Format, Level, Pairing, Sparsity
from accelsim.engine import cycle, evaluate
from accelsim.engine.program import PSUM, build
from accelsim.engine.timing.windows import outline, windows
from accelsim.engine.zeros import slots as zeros
from accelsim.engine.zeros.fresh import IdleFirstSlots, psums_start_afresh
from accelsim.mapping.mapping import LoopNest
from accelsim.sparsity.masks import Masks
from accelsim.workload.problem import Problem, Tensor
from strategies import sparse_case

BOTH = frozenset({Tensor.IFMAP, Tensor.FILTER})


def one_pe(lanes: int = 1, **options: object) -> Architecture:
    """A memory and a PE that skips."""
    skips = Sparsity(skip=BOTH, **options)  # type: ignore[arg-type]
    return Architecture("one", (Level("DRAM"), Level("PE")), macs_per_cycle=lanes, sparsity=skips)


def drawn(problem: Problem, density: float, seed: int = 0) -> Masks:
    """Masks of a plain layer."""
    n, g, m, c, _, _, r, s = problem.sizes
    rng = np.random.default_rng(seed)
    shapes = (n, g, c, problem.height, problem.width), (g, m, c, r, s)
    return Masks(*((rng.random(shape) < density).astype(np.uint8) for shape in shapes))


def test_one_lane_takes_a_cycle_for_each_pair_of_a_column():
    problem = Problem.of({"C": 40, "M": 24, "Q": 30})
    masks = drawn(problem, 0.4)
    counts, _ = evaluate(one_pe(), LoopNest.parse("PE: C40 M24 Q30"), problem, masks=masks)
    pairs = masks.ifmap.sum(axis=(0, 1, 3, 4)).astype(int) @ masks.filter.sum(axis=(0, 1, 3, 4)).astype(int)
    assert counts.compute_cycles == counts.effectual == counts.visited == counts.busy == pairs


def test_lanes_of_an_output_each_wait_for_the_slowest():
    # two channels, three taps: 2 and 1 pairs for the first pixel, 0 and 2 for the second
    problem = Problem.of({"C": 3, "M": 2, "Q": 2})
    ifmap = np.array([[1, 0], [1, 1], [1, 1]], np.uint8).reshape(1, 1, 3, 1, 2)
    weights = np.array([[1, 1, 0], [0, 1, 1]], np.uint8).reshape(1, 2, 3, 1, 1)
    nest, masks = LoopNest.parse("PE: Q2 M2 C3"), Masks(ifmap, weights)
    for queue, cycles in ((1, 4), (2, 4)):
        machine = one_pe(2, pairing=Pairing.OUTPUT, queue=queue)
        assert evaluate(machine, nest, problem, masks=masks)[0].compute_cycles == cycles


@pytest.mark.parametrize("entries", [1, 100])
def test_blocks_change_nothing(entries, monkeypatch):
    found = []
    for size in (zeros.ENTRIES, entries):
        monkeypatch.setattr(zeros, "ENTRIES", size)
        for seed in range(40):
            machine, nest, problem, masks = sparse_case(Random(seed))
            counts, timing = cycle.evaluate(build(machine, nest, problem), masks=masks)
            found.append((counts.compute_cycles, counts.busy, timing))
    assert found[:40] == found[40:]


def test_first_slots_of_a_product_equal_the_walk():
    short = 0
    for seed in range(300):
        machine, nest, problem, masks = sparse_case(Random(seed))
        program = build(machine, nest, problem)
        kept = any(e[0] == PSUM and e[3] and e[1] >= machine.pe_level for e in program.edges)
        if not kept or not (machine.sparsity.gate or machine.sparsity.skip):
            continue
        slots = zeros.Slots(program, masks)
        found = outline(program)
        psums = [x for x, edge in enumerate(found.tables.edges) if edge[0] == PSUM]
        firsts = slots.first_taps(int(found.number[psums[-1]]) if psums else 1)
        if not psums_start_afresh(program, found) or firsts is None:
            continue
        walk = IdleFirstSlots(program, slots, found.tables.edges)
        for window in windows(program, found):
            walk.take(window)
        assert walk.fresh.all()
        dense = cycle.count(program, found.sums, found.compute_cycles)
        level = zeros.psum_level(program)
        words = dense(machine.levels[level].name, "psum", "drain") - dense(machine.levels[level].name, "psum", "fill")
        words = words if level else problem.words(Tensor.PSUM)
        assert slots.idle_at(firsts, words) == walk.idle
        short += 1
    assert short > 50


def test_memory_grows_with_the_words_not_with_the_slots():
    most = []
    for channels in (64, 128):
        problem = Problem.of({"M": channels, "C": channels, "P": 24, "Q": 24, "R": 3, "S": 3}, pad=(1, 1))
        psums = {"psum": 20, "ifmap": 8, "filter": 8}
        machine = Architecture(
            "array",
            (Level("DRAM", fanout=Fanout(3, 8, {}, True)), Level("PE", compression={Tensor.FILTER: Format.CSC})),
            word_bits={Tensor(name): bits for name, bits in psums.items()},
            macs_per_cycle=2,
            sparsity=Sparsity(skip=BOTH),
        )
        nest = LoopNest.parse(f"DRAM: M{channels // 32} C{channels // 4} P3 Q24 y R3 x P8 | PE: C4 S3 M32")
        masks = drawn(problem, 0.4)
        evaluate(machine, nest, problem, masks=masks)
        tracemalloc.start()
        counts, _ = evaluate(machine, nest, problem, masks=masks)
        most.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert counts.busy > 0
    # four times the slots and filter words, twice the ifmap's: a table of slots or of im2col would show
    assert most[1] < 4 * most[0]
    assert most[1] < 40 * (128 * 24 * 24 + 128 * 128 * 9)
