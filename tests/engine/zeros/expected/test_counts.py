"""The closed form under densities against means of the cycle evaluator over drawn masks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from random import Random

import numpy as np
import pytest

import accelsim
from accelsim.architecture.model import Architecture, Fanout, Format, Level, Network, NetworkKind, Pairing, Sparsity
from accelsim.engine import analytical, cycle, evaluate
from accelsim.engine.counts import Counts, Timing
from accelsim.engine.program import PSUM, Program, build
from accelsim.engine.zeros.expected.laws import Laws
from accelsim.engine.zeros.expected.slots import fresh_words
from accelsim.engine.zeros.expected.transfers import Transfers, lengths, stored
from accelsim.mapping.mapping import LoopNest, check
from accelsim.sparsity.draw import draw
from accelsim.sparsity.masks import Masks, shape_of
from accelsim.workload.density import Densities, Density
from accelsim.workload.problem import REDUCTION_DIMS, TENSORS, Padding, Problem, Tensor
from strategies import sparse_case

IFMAP, FILTER, OFMAP = TENSORS
GATE, BOTH = frozenset({IFMAP}), frozenset({IFMAP, FILTER})
Formats = Mapping[Tensor, Format]
DENSE = Sparsity()
REFILL = Network(NetworkKind.CHAIN, reduce=frozenset(REDUCTION_DIMS))
SUM = replace(REFILL, accumulate_on_drain=True)


@dataclass(frozen=True)
class Small:
    """DRAM, a GLB over 2 x 2 PEs with an RF each."""

    nest: str
    sizes: dict[str, int]
    sparsity: Sparsity = DENSE
    dram: Formats = field(default_factory=dict)
    glb: Formats = field(default_factory=dict)
    rf: Formats = field(default_factory=dict)
    lanes: int = 1
    padding: Padding = Padding.STORED
    more: dict[str, object] = field(default_factory=dict)
    network: Network = REFILL
    serial: Tensor | None = None

    def program(self) -> Program:
        glb = Fanout(2, 2, {OFMAP: self.network, FILTER: Network(NetworkKind.UNICAST)}, declared=True)
        levels = (
            Level("DRAM", compression=self.dram),
            Level("GLB", fanout=glb, compression=self.glb),
            Level("RF", compression=self.rf),
        )
        machine = Architecture(
            "small", levels, padding=self.padding, macs_per_cycle=self.lanes, sparsity=self.sparsity, serial=self.serial
        )
        problem, nest = Problem.of(self.sizes, **self.more), LoopNest.parse(self.nest)
        check(machine, nest, problem)
        return build(machine, nest, problem)


# a plane with padding all around, channels cut unevenly, taps and channels split between memories and PEs
NEST = "DRAM: M2 N2 C2 | GLB: P2 Q3 y M2 x C2 | RF: P3 Q2 M3 C2 R3 S3"
SIZES = {"N": 2, "M": 10, "C": 7, "P": 6, "Q": 5, "R": 3, "S": 3}
PADDED: dict[str, object] = {"pad": (1, 1), "height": 6, "width": 5}

CASES = {
    "gate ifmap": Small(NEST, SIZES, Sparsity(gate=GATE), more=PADDED),
    "gate both": Small(NEST, SIZES, Sparsity(gate=BOTH), more=PADDED),
    "gate filter, accumulate on drain": Small(
        NEST, SIZES, Sparsity(gate=frozenset({FILTER})), more=PADDED, network=SUM
    ),
    "skip ifmap": Small(NEST, SIZES, Sparsity(skip=GATE), lanes=2, more=PADDED, serial=FILTER),
    "skip filter, gate ifmap": Small(
        NEST, SIZES, Sparsity(gate=GATE, skip=frozenset({FILTER})), lanes=2, more=PADDED
    ),
    "skip both": Small(NEST, SIZES, Sparsity(skip=BOTH), more=PADDED, padding=Padding.ON_CHIP),
    "skip both, drifting": Small(NEST, SIZES, Sparsity(skip=BOTH, drift=3), more=PADDED),
    "skip both by output": Small(
        NEST, SIZES, Sparsity(skip=BOTH, pairing=Pairing.OUTPUT, queue=2), lanes=2, more=PADDED
    ),
    # 40 channels in a tile: runs that outgrow the 4-bit counts
    "csc filter on two lanes": Small(
        "DRAM: C3 | GLB: Q4 y M2 x P2 | RF: M40 P2 S2", {"M": 75, "C": 3, "P": 4, "Q": 4, "S": 2},
        Sparsity(skip=BOTH), rf={FILTER: Format.CSC}, dram={FILTER: Format.CSC}, lanes=2,
    ),
    "rlc, stored padding": Small(
        NEST, SIZES, dram={IFMAP: Format.RLC, OFMAP: Format.RLC}, more=PADDED
    ),
    "rlc, padding on chip": Small(
        NEST, SIZES, dram={IFMAP: Format.RLC, OFMAP: Format.RLC}, more=PADDED,
        padding=Padding.ON_CHIP,
    ),
    "bitmask inside, stride and groups": Small(
        "DRAM: G2 M2 | GLB: P2 Q5 y C2 x P2 | RF: M3 C2 P2 R3 S3",
        {"G": 2, "M": 5, "C": 4, "P": 7, "Q": 5, "R": 3, "S": 3}, Sparsity(gate=BOTH),
        glb={IFMAP: Format.BITMASK, FILTER: Format.BITMASK}, rf={IFMAP: Format.BITMASK}, more={"stride": (2, 2)},
    ),
    "csr outside, coordinates inside, dilation": Small(
        "DRAM: N2 C2 M2 | GLB: P3 Q5 y M2 x C2 | RF: M2 C2 P2 R3 S3",
        {"N": 2, "M": 7, "C": 6, "P": 6, "Q": 5, "R": 3, "S": 3}, Sparsity(skip=GATE),
        dram={IFMAP: Format.CSR, FILTER: Format.COORDINATE, OFMAP: Format.CSR}, rf={IFMAP: Format.COORDINATE},
        more={"dilation": (2, 1), "pad": (2, 1)},
    ),
    "csc ifmap, sliding": Small(
        "DRAM: M2 | GLB: Q5 M2 y M2 x P2 | RF: C20 P3 R3 S3",
        {"M": 7, "C": 20, "P": 6, "Q": 5, "R": 3, "S": 3}, glb={IFMAP: Format.CSC}, dram={OFMAP: Format.BITMASK},
    ),
}  # fmt: skip


def draw_masks(densities: Densities, problem: Problem, seed: int) -> Masks:
    masks = []
    for tensor in TENSORS:
        density = densities.of(tensor)
        masks.append(None if density is None else draw(density, shape_of(problem, tensor), tensor, seed))
    return Masks(*masks)


def numbers(counts: Counts, busy: bool) -> np.ndarray:
    """All that is counted."""
    slots = [counts.visited, counts.effectual, *([counts.busy] if busy else [])]
    return np.concatenate([counts.words.reshape(-1), counts.network.reshape(-1), slots]).astype(float)


def samples_of(program: Program, densities: Densities, seeds: int, busy: bool) -> tuple[np.ndarray, np.ndarray]:
    """(counts, cycles) of the cycle evaluator, a row for each seed."""
    found: list[tuple[Counts, Timing]] = []
    for seed in range(seeds):
        found.append(cycle.evaluate(program, masks=draw_masks(densities, program.problem, seed)))
    times = np.array([(c.compute_cycles, t.cycles, t.processing) for c, t in found], float)
    return np.array([numbers(counts, busy) for counts, _ in found]), times


def standard_error(samples: np.ndarray) -> np.ndarray:
    return samples.std(axis=0, ddof=1) / np.sqrt(len(samples))


@cache
def padded_transfers(case: str) -> int:
    """Encoded transfers that have padding, at each set of instances they are counted at."""
    program, most = CASES[case].program(), 0
    for edge in program.edges:
        if edge[0] or edge[3]:
            continue
        parent, child = int(edge[1]), int(edge[2])
        formats = [program.architecture.levels[level].compression.get(IFMAP) for level in (parent, child)]
        for low in (parent, child) if any(formats) else ():
            kinds = Transfers(program, edge).of(low, low, False, False)
            most = max(most, sum(n for shape, n in kinds.items() if stored(shape) < np.prod(lengths(shape))))
    return most


@pytest.mark.parametrize("bernoulli", [False, True], ids=["exact", "bernoulli"])
@pytest.mark.parametrize("case", CASES)
def test_means_of_drawn_masks(case: str, bernoulli: bool) -> None:
    program = CASES[case].program()
    densities = Densities(Density(0.45, bernoulli), Density(0.3, bernoulli), Density(0.6, bernoulli))
    counts, timing = analytical.evaluate(program, Laws.of(program.problem, densities))
    busy = counts.busy >= 0
    drawn, times = samples_of(program, densities, 100, busy)
    # half a word: expected counts are rounded; an encoded transfer with padding in it is less than a word off
    slack = 0.5 + padded_transfers(case)
    away = np.abs(drawn.mean(axis=0) - numbers(counts, busy))
    far = np.flatnonzero(away > 4 * standard_error(drawn) + slack)
    assert not far.size, (far, away[far])
    bounds = np.array([counts.compute_cycles, timing.cycles, timing.processing])
    # one cycle: words are rounded before they become cycles
    assert (bounds <= times.mean(axis=0) + 4 * standard_error(times) + 1).all()
    if not CASES[case].sparsity.skip:
        assert (times[:, 0] == counts.compute_cycles).all()


@pytest.mark.parametrize("case", ["rlc, stored padding", "csr outside, coordinates inside, dilation"])
def test_encoded_words_with_padding_are_close(case: str) -> None:
    """The bound of a word per padded transfer is generous: a percent of what level 0 sends and takes is not."""
    program = CASES[case].program()
    densities = Densities(Density(0.45), Density(0.3), Density(0.6))
    counts, _ = analytical.evaluate(program, Laws.of(program.problem, densities))
    found = [cycle.evaluate(program, masks=draw_masks(densities, program.problem, seed))[0] for seed in range(60)]
    for tensor, action in ((IFMAP, "read"), (OFMAP, "update")):
        mean = np.mean([drawn("DRAM", tensor, action) for drawn in found])
        assert counts("DRAM", tensor, action) == pytest.approx(mean, rel=0.01)


def padded(problem: Problem) -> bool:
    rows = zip(problem.touched, problem.pad, (problem.height, problem.width), strict=True)
    return any(pad or touched > plane for touched, pad, plane in rows)


# padding among words that are not zero is left out: its transfers are rounded as `words` says
ALL_OR_NOTHING = [
    (seed, d) for seed in range(60) for d in (0, 1) if not (d and padded(sparse_case(Random(seed)).problem))
]


@pytest.mark.parametrize(("seed", "density"), ALL_OR_NOTHING)
def test_all_or_nothing_is_counted_exactly(seed: int, density: int) -> None:
    """One mask is all there is: machines of every kind, clipped, sliding, skewed; no tolerance."""
    architecture, nest, problem, _ = sparse_case(Random(seed))
    program = build(architecture, nest, problem)
    masks = Masks(*(np.full(shape_of(problem, tensor), density, np.uint8) for tensor in TENSORS))
    told, timing = cycle.evaluate(program, masks=masks)
    counts, bound = analytical.evaluate(program, Laws.of_masks(problem, masks))
    busy = counts.busy >= 0
    assert np.array_equal(numbers(counts, busy), numbers(told, busy))
    assert [e for e in counts.encoded if e.tensor != "psum"] == [e for e in told.encoded if e.tensor != "psum"]
    assert counts.compute_cycles <= told.compute_cycles
    assert bound.cycles <= timing.cycles
    assert bound.processing <= timing.processing


@pytest.mark.parametrize("case", [name for name in CASES if CASES[name].sparsity != DENSE])
def test_fresh_words_are_those_drained_but_not_filled(case: str) -> None:
    program = CASES[case].program()
    counts, _ = analytical.evaluate(program)
    words, seen = fresh_words(program, padding=True)
    assert words == counts("RF", OFMAP, "drain") - counts("RF", OFMAP, "fill")
    assert 0 < seen <= words


STRUCTURED = {
    "2:4": Densities(Density.structured(2, 4), Density.structured(1, 4), Density.structured(2, 4)),
    "blocks": Densities(Density(0.5, block=(2, 3)), Density(0.3, block=(4, 2)), Density(0.6, block=(2, 2))),
}


@pytest.mark.parametrize("kind", STRUCTURED)
@pytest.mark.parametrize("case", ["gate both", "skip both", "csc filter on two lanes"])
def test_linear_counts_of_patterns_and_blocks(kind: str, case: str) -> None:
    """Slots, operand reads and psum updates; and cycles are bounded whatever lies together."""
    # 8 channels for 7: whole groups of a pattern
    sizes = {dim: 8 if size == 7 else size for dim, size in CASES[case].sizes.items()}
    program, densities = replace(CASES[case], sizes=sizes).program(), STRUCTURED[kind]
    counts, _ = analytical.evaluate(program, Laws.of(program.problem, densities))
    found = [cycle.evaluate(program, masks=draw_masks(densities, program.problem, seed))[0] for seed in range(100)]
    for drawn in (
        lambda c: c.visited,
        lambda c: c.effectual,
        lambda c: c("RF", IFMAP, "read"),
        lambda c: c("RF", OFMAP, "update"),
    ):
        samples = np.array([drawn(each) for each in found])
        # half a word of rounding
        assert abs(samples.mean() - drawn(counts)) <= 4 * standard_error(samples) + 0.5
    cycles = np.array([each.compute_cycles for each in found])
    assert counts.compute_cycles <= cycles.mean() + 4 * standard_error(cycles)


def test_no_density_no_change() -> None:
    program = CASES["skip both"].program()
    dense, timing = analytical.evaluate(program)
    # a machine that makes nothing of zeros is not told of them
    blind = replace(program, architecture=replace(program.architecture, sparsity=Sparsity()))
    found, again = analytical.evaluate(blind, Laws.of(program.problem, Densities(Density(0.1), Density(0.1))))
    assert np.array_equal(dense.words, found.words)
    assert np.array_equal(dense.network, found.network)
    assert timing == again


def test_masks_stand_for_their_number_of_words() -> None:
    case = CASES["skip both"]
    program = case.program()
    machine, nest, problem = program.architecture, program.nest, program.problem
    densities = Densities(Density(0.4), Density(0.5))
    by_masks, _ = evaluate(machine, nest, problem, "analytical", draw_masks(densities, problem, 3))
    by_density, _ = evaluate(machine, nest, problem, "analytical", densities=densities)
    assert np.array_equal(by_masks.words, by_density.words)
    assert by_masks.effectual == by_density.effectual < problem.macs


def test_raw_input_is_not_encoded() -> None:
    program = CASES["rlc, padding on chip"].program()
    densities = Densities(ifmap=Density(0.2))
    dense, _ = analytical.evaluate(program)
    raw, _ = analytical.evaluate(program, Laws.of(program.problem, densities, raw_ifmap=True))
    assert raw("DRAM", IFMAP, "read") == dense("DRAM", IFMAP, "read")
    assert [e.tensor for e in raw.encoded] == ["psum"]


def test_psum_tiles_are_drained_encoded_once() -> None:
    """C is split over DRAM: of its two drains the first is of partial sums, raw."""
    program = CASES["rlc, stored padding"].program()
    counts, _ = analytical.evaluate(program, Laws.of(program.problem, Densities(ofmap=Density(0.6))))
    (told,) = [e for e in counts.encoded if e.tensor == "psum"]
    dense, _ = analytical.evaluate(program)
    assert told.raw == program.problem.words(TENSORS[PSUM])
    assert counts("DRAM", OFMAP, "update") == dense("DRAM", OFMAP, "update") - told.raw + told.words


def test_the_chip_on_alexnet() -> None:
    """CONV3 of the shipped network: one seed is a mean over 65 thousand words, and within a percent of it."""
    drawn, closed = (
        accelsim.simulate("eyeriss", "alexnet", layers="CONV3", evaluator=name).layers[0].counts
        for name in ("cycle", "analytical")
    )
    for tensor, action in ((IFMAP, "read"), (FILTER, "read"), (OFMAP, "update")):
        assert closed("DRAM", tensor, action) == pytest.approx(drawn("DRAM", tensor, action), rel=0.01)
    assert closed.effectual == pytest.approx(drawn.effectual, rel=0.01)
    assert closed("RF", OFMAP, "update") == pytest.approx(drawn("RF", OFMAP, "update"), rel=0.01)
