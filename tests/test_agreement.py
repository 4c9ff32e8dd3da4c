"""Closed form, cycle evaluator and golden model agree on every word, cycle and stall; on real zeros the last two."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import golden
from accelsim.architecture.model import Architecture, Level, Sparsity
from accelsim.architecture.yaml import load_architecture
from accelsim.engine import analytical, cycle, evaluate_many, program
from accelsim.engine.counts import Counts
from accelsim.mapping.mapping import LoopNest, check
from accelsim.sparsity.masks import Masks
from accelsim.workload.problem import TENSORS, Padding, Problem
from strategies import (
    Case,
    SparseCase,
    case,
    cases,
    cutting,
    draw_masks,
    draw_sparsity,
    flat_cases,
    masked_operands,
    mesh_cases,
    operands,
    run_cases,
    sparse_case,
    sparse_cases,
    turn_cases,
)


def agree(architecture: Architecture, nest: LoopNest, problem: Problem) -> None:
    """Three evaluators, one answer; and the golden model's values are the convolution."""
    architecture = cutting(architecture, problem)
    check(architecture, nest, problem)
    lowered = program.build(architecture, nest, problem)
    counts, timing = cycle.evaluate(lowered)
    closed, bound = analytical.evaluate(lowered)
    ifmap, weights = operands(Random(0), problem)
    told = golden.run(architecture, nest, problem, ifmap, weights)
    processing = golden.run(architecture, nest, problem, processing=True)

    assert told.outputs is not None
    assert np.array_equal(told.outputs, golden.reference(problem, ifmap, weights, bool(architecture.bias)))
    for name, mine in (("cycle", counts), ("closed", closed)):
        assert np.array_equal(mine.words, told.words), differing(name, mine.levels, mine.words, told.words)
        assert np.array_equal(mine.network, told.network), differing(name, mine.levels, mine.network, told.network)
        assert (mine.slots, mine.compute_cycles) == (told.macs, told.compute_cycles), name
        assert mine.active_pes == told.active_pes, name
        same_links(mine, told)
        same_ofmaps(mine, told)
        assert np.array_equal(np.zeros_like(told.bias) if mine.bias is None else mine.bias, told.bias), name
    assert (timing.cycles, timing.stalls) == (told.cycles, told.stalls)
    assert (timing.processing, timing.processing_stalls) == (processing.cycles, processing.stalls)
    assert bound.cycles <= timing.cycles
    assert bound.processing <= timing.processing


def same_ofmaps(mine: Counts, told: golden.GoldenResult) -> None:
    """As many words that move as ofmap words."""
    narrow = np.zeros_like(told.narrow) if mine.narrow is None else mine.narrow
    assert np.array_equal(narrow, told.narrow), (narrow.tolist(), told.narrow.tolist())


def same_links(mine: Counts, told: golden.GoldenResult) -> None:
    """The same words on every link, and as many tags compared."""
    found = {(row.level, row.tensor, row.direction): dict(zip(row.names, row.words, strict=True)) for row in mine.links}
    walked = {(mine.levels[level], tensor.value, way): words for (level, tensor, way), words in told.links.items()}
    assert set(found) == set(walked)
    for key, words in found.items():
        assert words == {name: walked[key][name] for name in words} | dict(walked[key]), key
    tags = {(mine.levels[level], tensor.value): number for (level, tensor), number in told.tag_matches.items()}
    assert {(level, tensor): number for level, tensor, number in mine.tag_matches} == tags


def differing(name: str, levels: tuple[str, ...], mine: np.ndarray, told: np.ndarray) -> str:
    """The counts that differ, by level and tensor."""
    places = sorted({(int(i), int(t)) for i, t in np.argwhere(mine != told)[:, :2]})
    return "; ".join(
        f"{levels[i]} {TENSORS[t]}: {name} {mine[i, t].tolist()}, golden {told[i, t].tolist()}" for i, t in places
    )


def agree_on_zeros(architecture: Architecture, nest: LoopNest, problem: Problem, masks: Masks) -> None:
    """Two evaluators, one answer, whatever is zero; outputs are the convolution."""
    architecture = cutting(architecture, problem)
    check(architecture, nest, problem)
    lowered = program.build(architecture, nest, problem)
    counts, timing = cycle.evaluate(lowered, masks=masks)
    assert cycle.evaluate(lowered, repeats=False, masks=masks)[1] == timing
    ifmap, weights = masked_operands(Random(0), problem, masks)
    told = golden.run(architecture, nest, problem, ifmap, weights, masks=masks)
    processing = golden.run(architecture, nest, problem, processing=True, masks=masks)

    assert np.array_equal(told.outputs, golden.reference(problem, ifmap, weights, bool(architecture.bias)))
    assert np.array_equal(counts.words, told.words), differing("cycle", counts.levels, counts.words, told.words)
    assert np.array_equal(counts.network, told.network), differing("cycle", counts.levels, counts.network, told.network)
    assert (counts.compute_cycles, counts.effectual) == (told.compute_cycles, told.effectual)
    assert counts.busy in (told.busy, -1)
    same_links(counts, told)
    same_ofmaps(counts, told)
    assert (timing.cycles, timing.stalls) == (told.cycles, told.stalls)
    assert (timing.processing, timing.processing_stalls) == (processing.cycles, processing.stalls)


def without_zeros(architecture: Architecture) -> Architecture:
    """A machine that makes nothing of zeros."""
    levels = tuple(replace(level, compression={}) for level in architecture.levels)
    return replace(architecture, levels=levels, sparsity=Sparsity())


@given(drawn=cases())
@settings(max_examples=250, deadline=None)
def test_agreement(drawn: Case) -> None:
    agree(*drawn)


@pytest.mark.nightly
@given(drawn=cases())
@settings(max_examples=10_000, deadline=None)
def test_agreement_at_length(drawn: Case) -> None:
    agree(*drawn)


@given(drawn=turn_cases())
@settings(max_examples=40, deadline=None)
def test_agreement_on_ports_taken_in_turn(drawn: Case) -> None:
    agree(*drawn)


@given(drawn=run_cases())
@settings(max_examples=40, deadline=None)
def test_agreement_on_runs_of_pixels(drawn: Case) -> None:
    agree(*drawn)


@given(drawn=flat_cases())
@settings(max_examples=60, deadline=None)
def test_agreement_without_an_array(drawn: Case) -> None:
    agree(*drawn)


@given(drawn=flat_cases(), seed=st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_agreement_on_zeros_without_an_array(drawn: Case, seed: int) -> None:
    rng = Random(seed)
    machine = replace(drawn.architecture, sparsity=draw_sparsity(rng))
    agree_on_zeros(machine, drawn.nest, drawn.problem, draw_masks(rng, drawn.problem))


@pytest.mark.parametrize("machine", ["closed", "cycle", "batch"])
def test_padding_made_on_the_chip_is_never_read_outside(machine: str) -> None:
    """One word of ifmap, all of it padding: nothing is read."""
    flat = Architecture("flat", (Level("L0"),), padding=Padding.ON_CHIP)
    problem = Problem.of({}, pad=(2, 0), height=1, width=1)
    lowered = program.build(flat, LoopNest(()), problem)
    evaluate = {
        "closed": lambda: analytical.evaluate(lowered)[0],
        "cycle": lambda: cycle.evaluate(lowered)[0],
        "batch": lambda: evaluate_many(flat, [LoopNest(())], problem)[0][0],
    }[machine]
    assert [evaluate()("L0", tensor, "read") for tensor in TENSORS] == [0, 1, 0]


@given(drawn=mesh_cases())
@settings(max_examples=150, deadline=None)
def test_agreement_on_meshes(drawn: Case) -> None:
    agree(*drawn)


@pytest.mark.nightly
@given(drawn=mesh_cases())
@settings(max_examples=10_000, deadline=None)
def test_agreement_on_meshes_at_length(drawn: Case) -> None:
    agree(*drawn)


@given(drawn=sparse_cases())
@settings(max_examples=100, deadline=None)
def test_agreement_on_zeros(drawn: SparseCase) -> None:
    agree_on_zeros(*drawn)


@pytest.mark.nightly
@given(drawn=sparse_cases())
@settings(max_examples=10_000, deadline=None)
def test_agreement_on_zeros_at_length(drawn: SparseCase) -> None:
    agree_on_zeros(*drawn)


# seeds that once disagreed: C that takes no time (633, 8887), sums complete though a sibling of the parent took part in
# earlier ones (2516), sums finished in a level that was never refilled (4350), drained before they were (24)
@pytest.mark.parametrize("seed", [633, 8887, 2516, 4350, 24])
def test_what_once_disagreed_on_zeros(seed: int) -> None:
    agree_on_zeros(*sparse_case(Random(seed)))


# seeds that once disagreed: records of a ring cleared too early (191, 125), a preload that was none (174), tables that
# overlapped where streams cross different numbers of fan-outs (2876, 1366), psums unmerged over two fan-outs (19, 243)
@pytest.mark.parametrize("seed", [191, 125, 174, 2876, 1366, 19, 243])
def test_what_once_disagreed(seed: int) -> None:
    agree(*case(Random(seed)))


# ---- shrunken AlexNet on the chip: fewer M, C, Q and N; strides, diagonals, folding and clipping kept ----------------

EYERISS = {
    # stride 4, 11 filter rows; the last strip has 2 of 7 rows
    "CONV1": (
        {"N": 2, "M": 8, "C": 2, "P": 9, "Q": 3, "R": 11, "S": 11},
        {"stride": (4, 4)},
        "DRAM: N2 P2 C2 | GLB: M2 | FILTER_BANK: Q3 y R11 x M2 P7 | RF: S11 M2",
    ),
    # the 27 rows of a plane fold into 14 + 13, side by side on y
    "CONV2": (
        {"N": 2, "G": 2, "M": 4, "C": 4, "P": 27, "Q": 3, "R": 5, "S": 5},
        {"pad": (2, 2)},
        "DRAM: G2 N2 C2 | GLB: M2 | FILTER_BANK: Q3 y P2 R5 x P14 | RF: C2 S5 M2",
    ),
    # two groups of channels and two of filters on y; the last channel pass is clipped (10 of 12)
    "CONV3": (
        {"N": 2, "M": 8, "C": 10, "P": 13, "Q": 3, "R": 3, "S": 3},
        {"pad": (1, 1)},
        "DRAM: M2 C2 | GLB: N2 | FILTER_BANK: Q3 y M2 C2 R3 x P13 | RF: C3 S3 M2",
    ),
    "CONV4": (
        {"N": 2, "G": 2, "M": 4, "C": 11, "P": 13, "Q": 2, "R": 3, "S": 3},
        {"pad": (1, 1)},
        "DRAM: G2 M2 C2 | GLB: N2 | FILTER_BANK: Q2 y M2 C2 R3 x P13 | RF: C3 S3",
    ),
    # steps long enough to hide what streams
    "CONV5": (
        {"M": 32, "C": 8, "P": 13, "Q": 4, "R": 3, "S": 3},
        {"pad": (1, 1)},
        "DRAM: C2 | GLB: M2 | FILTER_BANK: Q4 y M2 C2 R3 x P13 | RF: C2 S3 M8",
    ),
}


@pytest.mark.parametrize("layer", EYERISS)
def test_eyeriss_chip(layer: str) -> None:
    sizes, options, nest = EYERISS[layer]
    machine, mapping, problem = load_architecture("eyeriss"), LoopNest.parse(nest), Problem.of(sizes, **options)
    agree(without_zeros(machine), mapping, problem)
    agree_on_zeros(machine, mapping, problem, draw_masks(Random(layer), problem))


# ---- the other machines that come with the package -------------------------------------------------------------------

MACHINES = {
    "systolic_ws": (
        {"rows": 4, "cols": 3},
        {"C": 7, "M": 5, "Q": 6},
        "DRAM: C2 M2 | SRAM: Q6 y C4 x M3",
    ),
    "systolic_os": (
        {"rows": 4, "cols": 3},
        {"C": 6, "M": 5, "Q": 7},
        "DRAM: M2 Q2 | SRAM: C6 y Q4 x M3",
    ),
    "systolic_is": (
        {"rows": 4, "cols": 3},
        {"C": 7, "M": 6, "Q": 5},
        "DRAM: C2 Q2 | SRAM: M6 y C4 x Q3",
    ),
    "eyeriss_isca16_rs": (
        {},
        {"N": 2, "M": 4, "C": 5, "P": 7, "Q": 4, "R": 3, "S": 3},
        "DRAM: P2 C2 | GLB: M2 N2 Q4 y R3 x P4 | RF: C3 S3 M2",
    ),
    # filter rows meet in the buffer: R stays unmerged on the array
    "eyeriss_isca16_ws": (
        {},
        {"N": 2, "M": 4, "C": 4, "P": 3, "Q": 3, "R": 3, "S": 2},
        "DRAM: M2 C2 | GLB: N2 P3 Q3 | WINDOW: x M2 C2 R3 S2",
    ),
    "eyeriss_isca16_nlr": (
        {},
        {"M": 6, "C": 5, "P": 3, "Q": 3, "R": 2, "S": 2},
        "DRAM: M2 | GLB: C2 P3 Q3 R2 S2 x C3 M3",
    ),
}


@pytest.mark.parametrize("machine", MACHINES)
def test_machines_of_the_package(machine: str) -> None:
    parameters, sizes, nest = MACHINES[machine]
    architecture = load_architecture(machine, parameters)
    agree(architecture, LoopNest.parse(nest), Problem.of(sizes))
