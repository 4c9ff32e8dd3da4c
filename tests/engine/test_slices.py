"""Words cut into slices: what is multiplied, moved, added up and paid for."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from random import Random

import numpy as np
import pytest

import golden
from accelsim.architecture.model import Architecture, Fanout, Format, Level, Network, NetworkKind, Partition, Sparsity
from accelsim.energy.account import account
from accelsim.energy.load import load_table
from accelsim.engine import analytical, cycle, evaluate_many
from accelsim.engine.counts import Counts
from accelsim.engine.outputs.functional import check, operands
from accelsim.engine.program import build
from accelsim.engine.zeros.expected.laws import Laws
from accelsim.errors import AccelsimError, MappingError
from accelsim.mapping.mapping import LoopNest, capacity_overflows
from accelsim.search import find
from accelsim.sparsity.convolution import convolution
from accelsim.sparsity.masks import Masks
from accelsim.workload.density import Densities, Density
from accelsim.workload.problem import ADDED_DIMS, TENSORS, Problem, Tensor
from accelsim.workload.slices import Cut

IFMAP, FILTER, PSUM = TENSORS
LAYER = Problem.of({"M": 2, "C": 2, "Q": 3, "S": 2})
NEST = LoopNest.parse("DRAM: S2 | GLB: Q3 IB4 y C2 x M2 WB2 | RF: ")
"""One slice of a filter in each PE; channels are added down a column, ifmap words come bit by bit."""


def machine(reduce: str = "CRS", **more: object) -> Architecture:
    """8-b words, ifmaps in slices of 2 b, filters in slices of 4 b; each PE keeps one."""
    dims = frozenset([*"CRS", "WB"] if "WB" in reduce else reduce)
    psum = Network(NetworkKind.TREE, reduce=dims, accumulate_on_drain="WB" not in reduce)
    levels = (
        Level("DRAM"),
        Level("GLB", fanout=Fanout(2, 4, {PSUM: psum}, declared=True)),
        Level("RF", keeps=frozenset({FILTER}), capacity=(Partition(frozenset({FILTER}), 4),)),
    )
    bits = {IFMAP: 8, FILTER: 8, PSUM: 24}
    return Architecture("sliced", levels, word_bits=bits, slices={IFMAP: 2, FILTER: 4}, **more)  # type: ignore[arg-type]


def counted(found: Counts) -> tuple[int, ...]:
    """Slots, slices read out of the buffer, slices that fill PEs, psums that leave the array."""
    return found.slots, found("GLB", IFMAP, "read"), found("RF", FILTER, "fill"), found("GLB", PSUM, "update")


@pytest.mark.parametrize(("reduce", "leaving"), [("CRS+WB", 48), ("CRS", 96)])
def test_the_example_by_every_evaluator(reduce: str, leaving: int) -> None:
    """2 x 2 x 3 x 2 MACs are 192 products of slices; WB is added where the network says so, else it is a psum."""
    sliced = machine(reduce)
    problem = sliced.lower(LAYER)
    assert (problem.slices, problem.macs, problem.slots) == ((4, 2), 24, 192)
    program = build(sliced, NEST, problem)
    told = golden.run(sliced, NEST, problem)
    several = evaluate_many(sliced, [NEST], problem)[0][0]
    for found in (cycle.evaluate(program)[0], analytical.evaluate(program)[0], several):
        assert counted(found) == (192, 48, 16, leaving)
        assert np.array_equal(found.words, told.words)
    assert told.macs == 192
    assert ADDED_DIMS == ("C", "R", "S")


def test_slices_are_what_fits_and_what_is_priced() -> None:
    """A PE has room for one slice of 4 b; a slot costs as a MAC of 2 x 4 b that adds to 24 b."""
    sliced, table = machine(), load_table("horowitz_45nm")
    problem = sliced.lower(LAYER)
    assert not capacity_overflows(sliced, NEST, problem)
    (over,) = capacity_overflows(sliced, LoopNest.parse("GLB: S2 Q3 IB4 y C2 x M2 | RF: WB2"), problem)
    assert (over.demand, over.bound) == (8, 4)
    counts, _ = cycle.evaluate(build(sliced, NEST, problem))
    priced = replace(sliced, levels=tuple(replace(level, component="GLB") for level in sliced.levels))
    relative = load_table("eyeriss_relative")
    (row,) = (row for row in account(priced, counts, relative) if row.action == "mac")
    assert (row.count, row.energy) == (192, 192 * relative.mac({IFMAP: 2, FILTER: 4, PSUM: 24}))
    cells = Fraction(2 * 4, 8 * 8) * Fraction("0.2")
    assert table.mac(sliced.mac_bits) == cells + table.add.proportional(24)


@pytest.mark.parametrize("bits", [(8, 8), (7, 5), (3, 16)])
def test_outputs_are_those_of_whole_words(bits: tuple[int, int]) -> None:
    """Bits that do not divide leave a shorter last slice; given operands may be unsigned or negative."""
    sliced = replace(machine(), word_bits={IFMAP: bits[0], FILTER: bits[1], PSUM: 40}, levels=machine().levels[:2])
    problem = sliced.lower(LAYER)
    ib, wb = problem.slices
    nest = LoopNest.parse(f"DRAM: S2 WB{wb} | GLB: Q3 IB{ib} y C2 x M2")
    assert "equal" in check(sliced, nest, LAYER, seed=1)
    rng = np.random.default_rng(0)
    ifmap, weights = (
        rng.integers(*ends, array.shape).astype(np.int64)
        for array, ends in zip(operands(LAYER, 0), ((0, 2 ** bits[0]), (-(2 ** (bits[1] - 1)), 0)), strict=True)
    )
    assert "equal" in check(sliced, nest, LAYER, given=lambda: (ifmap, weights))


@pytest.mark.parametrize(("bits", "width"), [(8, 1), (8, 3), (16, 4), (5, 4), (64, 8)])
def test_slices_add_up_to_their_word(bits: int, width: int) -> None:
    cut, rng = Cut(bits, width), np.random.default_rng(bits)
    words = rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1, 1000, np.int64, endpoint=True)
    parts = list(cut.values(words))
    assert len(parts) == cut.count == -(-bits // width)
    assert np.array_equal(sum(parts), words)
    nonzero = np.stack(list(cut.nonzero(words)))
    # the sign bits of a negative word are ones
    assert np.array_equal(nonzero, np.stack([part != 0 for part in parts]))
    share = nonzero[:, words != 0].mean()
    assert share == pytest.approx(cut.chance, abs=0.02)


def test_zero_slices_of_real_words_are_skipped() -> None:
    """Small positive words have zeros in their upper bits: slots are those of non-zero pairs of slices."""
    skips = Sparsity(skip=frozenset({IFMAP, FILTER}))
    sliced = machine(sparsity=skips)
    problem = sliced.lower(LAYER)
    ifmap = np.array([3, 0, 16, 64] * 2).reshape(1, 1, 2, 1, 4)
    weights = np.array([1, 16, 17, 0] * 2).reshape(1, 2, 2, 1, 2)
    both = ((IFMAP, ifmap), (FILTER, weights))
    masks = [np.concatenate(list(sliced.cuts[t].nonzero(words)), axis=2) for t, words in both]
    counts, _ = cycle.evaluate(build(sliced, NEST, problem), masks=Masks(*masks))
    slots = 0
    for m, c, q, s in np.ndindex(2, 2, 3, 2):
        word, weight = int(ifmap[0, 0, c, 0, q + s]), int(weights[0, m, c, 0, s])
        slots += sum(1 for i in range(4) for w in range(2) if word >> 2 * i & 3 and weight >> 4 * w & 15)
    assert counts.visited == counts.effectual == slots < 192


@pytest.mark.parametrize("formats", [{}, {IFMAP: Format.RLC, FILTER: Format.CSC}])
def test_expected_zero_slices_are_the_mean_of_drawn_ones(formats: dict[Tensor, Format]) -> None:
    """Densities are of words; slices of a word that is not zero are those of any other word, equally often."""
    base = machine(sparsity=Sparsity(gate=frozenset({IFMAP, FILTER})))
    sliced = replace(base, levels=(replace(base.levels[0], compression=formats), *base.levels[1:]))
    layer = Problem.of({"N": 2, "M": 6, "C": 8, "Q": 5, "P": 4, "S": 2})
    problem = sliced.lower(layer)
    program = build(sliced, LoopNest.parse("DRAM: N2 M3 C4 | GLB: P4 S2 Q5 IB4 y C2 x M2 WB2"), problem)
    laws = Laws.of(problem, Densities(Density(0.5), Density(0.4)), cuts=sliced.cuts)
    expected, _ = analytical.evaluate(program, laws)
    rng, drawn = np.random.default_rng(0), []
    for _ in range(60):
        masks = []
        for tensor, share in ((IFMAP, 0.5), (FILTER, 0.4)):
            shape = (2, 1, 8, 4, 6) if tensor is IFMAP else (1, 6, 8, 1, 2)
            words = rng.integers(1, 256, shape) * (rng.random(shape) < share)
            masks.append(np.concatenate(list(sliced.cuts[tensor].nonzero(words)), axis=2))
        counts, _ = cycle.evaluate(program, masks=Masks(*masks))
        drawn.append([counts.effectual, counts("DRAM", IFMAP, "read"), counts("DRAM", FILTER, "read")])
    mean = np.mean(drawn, axis=0)
    found = [expected.effectual, expected("DRAM", IFMAP, "read"), expected("DRAM", FILTER, "read")]
    assert found == pytest.approx(mean, rel=0.03)


def test_a_search_places_slices() -> None:
    """Where a dataflow says nothing of them they run innermost right above the array; its own file may bind them."""
    from accelsim.mapping.dataflows.dataflow import load

    sliced = machine("CRS+WB")
    problem = sliced.lower(LAYER)
    flow = replace(load("weight_stationary"), keeps=frozenset({FILTER}))
    found = find(sliced, problem, flow, "cycles", load_table("eyeriss_relative")).nest
    assert [loop.dim for loop in found.level("GLB").temporal][-2:] == ["IB", "WB"]
    bound = find(sliced, problem, replace(flow, x=("M", "WB")), "cycles", load_table("eyeriss_relative")).nest
    assert "WB2" in [str(loop) for loop in bound.level("GLB").x]


def test_what_is_refused() -> None:
    sliced = machine()
    problem = sliced.lower(LAYER)
    with pytest.raises(MappingError, match=r"factors of IB multiply to 2, below its size 4; add a loop IB2"):
        build_checked(sliced, "DRAM: S2 | GLB: Q3 IB2 y C2 x M2 WB2", problem)
    counts, _ = cycle.evaluate(build(sliced, NEST, problem))
    table = replace(load_table("eyeriss_relative"), accounting="isca16")
    with pytest.raises(AccelsimError, match="isca16 knows no slices"):
        account(sliced, counts, table)


def build_checked(sliced: Architecture, nest: str, problem: Problem) -> None:
    from accelsim.mapping.mapping import check as check_mapping

    check_mapping(sliced, LoopNest.parse(nest), problem)


def test_values_of_the_golden_model_are_the_convolution() -> None:
    """Slices of 2 b, whatever a machine moves them at, with shifts as it adds them."""
    problem = replace(LAYER, slices=(3, 2))
    rng = np.random.default_rng(Random(3).randrange(99))
    ifmap, weights = rng.integers(-32, 32, (1, 1, 2, 1, 4)), rng.integers(-8, 8, (1, 2, 2, 1, 2))
    nest = LoopNest.parse("DRAM: S2 | GLB: Q3 IB3 y C2 x M2 WB2 | RF: ")
    told = golden.run(machine(), nest, problem, ifmap, weights)
    assert np.array_equal(told.outputs, convolution(LAYER, ifmap, weights))
