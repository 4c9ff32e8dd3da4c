"""Sums with noise and through converters: against a slow twin, against numpy, and against what theory expects."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import inf, sqrt
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.architecture.analog import Analog, Deviation, Storage
from accelsim.architecture.model import Architecture
from accelsim.architecture.physical import Physical
from accelsim.architecture.yaml import load_architecture
from accelsim.engine.outputs.analog import Noise, converted
from accelsim.engine.outputs.functional import noisy, outputs
from accelsim.engine.program import build
from accelsim.errors import AccelsimError
from accelsim.mapping.mapping import LoopNest, check
from accelsim.sparsity.convolution import convolution
from accelsim.workload.problem import Problem, Tensor
from golden import analog as golden
from strategies import Case, case

IFMAP, FILTER, PSUM = Tensor.IFMAP, Tensor.FILTER, Tensor.PSUM
SHARES = [Fraction(0), Fraction(1, 20), Fraction(1, 2)]


def analog_case(rng: Random) -> Case:
    """A machine that reads sums below one of its levels, where no level below keeps any, slices of any width among
    them.
    """
    while True:
        machine, nest, problem = case(rng, 250)
        at, levels = rng.randrange(len(machine.levels)), list(machine.levels)
        for index in range(at, len(levels)):
            level, fanout = levels[index], levels[index].fanout
            networks = dict(fanout.networks)
            if PSUM in networks:
                reduce = networks[PSUM].reduce - {"IB", "WB"}
                networks[PSUM] = replace(networks[PSUM], reduce=reduce)
            keeps = level.keeps - {PSUM} if index > at else level.keeps
            levels[index] = replace(
                level, keeps=keeps, capacity=(), compression={}, fanout=replace(fanout, networks=networks)
            )
        bits, slices = {**machine.word_bits}, {}
        for tensor, count in zip((IFMAP, FILTER), problem.slices, strict=True):
            width = rng.choice((1, 2, 3))
            bits[tensor] = width * (count - 1) + rng.randint(1, width) if count > 1 else rng.choice((1, 2, 5))
            if count > 1:
                slices[tensor] = width
        try:
            machine = replace(
                machine,
                levels=tuple(levels),
                word_bits=bits,
                slices=slices,
                physical=Physical(analog=drawn(rng, machine.levels[at].name)),
            )
            check(machine, nest, problem)
            build(machine, nest, problem)
        except AccelsimError:
            continue
        return Case(machine, nest, problem)


def drawn(rng: Random, level: str) -> Analog:
    bits, ends = rng.choice((0, 1, 2, 4, 6, 9)), None
    if bits and rng.random() < 0.4:
        low = rng.randint(-40, 10)
        ends = Fraction(low), Fraction(low + rng.randint(1, 60))
    cell, read = (
        Deviation(rng.choice(SHARES), rng.choice(SHARES)) if rng.random() < 0.5 else Deviation() for _ in "cr"
    )
    return Analog(level, bits, ends, rng.choice(list(Storage)), cell, read)


def words(rng: Random, machine: Architecture, problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """Of all values that the bits allow; sometimes unsigned."""
    n, g, m, c, _, _, r, s = problem.sizes
    draw, found = np.random.default_rng(rng.randrange(2**32)), []
    for tensor, shape in ((IFMAP, (n, g, c, problem.height, problem.width)), (FILTER, (g, m, c, r, s))):
        bits = machine.word_bits[tensor]
        low = 0 if rng.random() < 0.3 else -(1 << bits - 1)
        found.append(draw.integers(low, low + (1 << bits), shape, np.int64))
    return found[0], found[1]


@settings(deadline=None, max_examples=100)
@given(st.randoms(use_true_random=False))
def test_any_mapping_of_any_problem_as_its_slow_twin(rng: Random) -> None:
    machine, nest, problem = analog_case(rng)
    ifmap, weights = words(rng, machine, problem)
    layer = replace(problem, slices=(1, 1))
    found = noisy(machine, nest, layer, ifmap, weights, seed=5)
    assert np.array_equal(found, golden.outputs(machine, nest, problem, ifmap, weights, 5))


@settings(deadline=None, max_examples=60)
@given(st.randoms(use_true_random=False))
def test_without_noise_and_without_an_end_outputs_are_numpys(rng: Random) -> None:
    machine, nest, problem = analog_case(rng)
    plain = Analog(machine.physical.analog.level, weights=machine.physical.analog.weights)
    machine = replace(machine, physical=Physical(analog=plain))
    ifmap, weights = words(rng, machine, problem)
    layer = replace(problem, slices=(1, 1))
    assert np.array_equal(noisy(machine, nest, layer, ifmap, weights), convolution(layer, ifmap, weights))


# ---- ISAAC: 128 rows, cells of 2 bits, inputs bit by bit -------------------------------------------------------------

FULL = Problem.of({"N": 3, "C": 300, "M": 16})
NEST = LoopNest.parse("EDRAM: N3 IB16 x C3 | REGISTERS: y C128 x M16 WB8 | CELL:")


def isaac(**given: object) -> Architecture:
    machine = load_architecture("isaac")
    return replace(machine, physical=replace(machine.physical, analog=Analog("REGISTERS", **given)))


def extremes(machine: Architecture) -> tuple[np.ndarray, np.ndarray]:
    """Words that drive a crossbar to its largest sums: all inputs all ones, and cells full, empty and in between."""
    draw = np.random.default_rng(0)
    ifmap = draw.integers(-(1 << 15), 1 << 15, (3, 1, 300, 1, 1))
    ifmap[0] = -1  # every bit is 1
    weights = draw.integers(-(1 << 15), 1 << 15, (1, 16, 300, 1, 1))
    weights[0, 0], weights[0, 1], weights[0, 2] = (1 << 15) - 1, -(1 << 15), 0
    return ifmap, weights


@pytest.mark.parametrize(
    ("weights", "bits", "exact"),
    [
        # 128 x 3 = 384 at most: 9 bits; stored the other way round where more than half: 192 at most
        (Storage.OFFSET, 9, True),
        (Storage.OFFSET, 8, False),
        (Storage.INVERTED, 8, True),
        (Storage.INVERTED, 7, False),
    ],
)
def test_bits_that_a_crossbar_needs(weights: Storage, bits: int, exact: bool) -> None:
    machine = isaac(bits=bits, weights=weights)
    operands = extremes(machine)
    found = noisy(machine, NEST, FULL, *operands)
    assert np.array_equal(found, convolution(FULL, *operands)) == exact


def test_the_machine_as_it_ships_is_exact() -> None:
    """Eight bits and columns stored the other way round (Shafiee et al., ISCA 2016, section V)."""
    machine = load_architecture("isaac")
    assert machine.physical.analog == Analog("REGISTERS", bits=8, weights=Storage.INVERTED)
    operands = extremes(machine)
    assert np.array_equal(noisy(machine, NEST, FULL, *operands), convolution(FULL, *operands))


def in_crossbars(ifmap: np.ndarray, weights: np.ndarray, clip: int, ends: tuple[int, int] | None = None) -> np.ndarray:
    """An FC layer on crossbars of 128 rows in numpy: every plane of input bits times every plane of cells, clipped."""
    x, w = ifmap[:, 0, :, 0, 0], weights[0, :, :, 0, 0] + (1 << 15)
    total = np.zeros((len(x), len(w)), np.int64)
    for first in range(0, x.shape[1], 128):
        rows = slice(first, first + 128)
        for bit in range(16):
            plane = (x[:, rows] >> bit) & 1
            sign = -1 if bit == 15 else 1
            for cell in range(8):
                sums = plane @ ((w[:, rows] >> 2 * cell) & 3).T
                if ends:
                    step = (ends[1] - ends[0]) / clip
                    sums = np.rint(ends[0] + step * np.clip(np.rint((sums - ends[0]) / step), 0, clip)).astype(int)
                total += sign * np.minimum(sums, clip if not ends else sums.max()) << bit + 2 * cell
            total -= sign * plane.sum(1)[:, None] << bit + 15
    return total[:, None, :, None, None]


@pytest.mark.parametrize("bits", [5, 6, 7, 8])
def test_clipped_sums_in_numpy(bits: int) -> None:
    machine = isaac(bits=bits, weights=Storage.OFFSET)
    operands = extremes(machine)
    found = noisy(machine, NEST, FULL, *operands)
    assert np.array_equal(found, in_crossbars(*operands, (1 << bits) - 1))


@pytest.mark.parametrize("bits", [4, 6, 10])
def test_coarser_codes_in_numpy(bits: int) -> None:
    machine = isaac(bits=bits, weights=Storage.OFFSET, range=(Fraction(0), Fraction(384)))
    operands = extremes(machine)
    found = noisy(machine, NEST, FULL, *operands)
    assert np.array_equal(found, in_crossbars(*operands, (1 << bits) - 1, (0, 384)))


# ---- deviations ------------------------------------------------------------------------------------------------------


def ones() -> tuple[Architecture, LoopNest, Problem, np.ndarray, np.ndarray]:
    """A dot product of 64 whole words on an array that adds them up, 4,000 outputs of it."""
    problem = Problem.of({"N": 4000, "C": 64})
    machine = Architecture.of(
        "row",
        [
            {"name": "DRAM"},
            {
                "name": "BUF",
                "array": {"size": {"y": 64}, "networks": {"psum": {"kind": "tree", "accumulate": "on-drain"}}},
            },
            {"name": "CELL", "keeps": ["filter"]},
        ],
        clock="1 GHz",
        word={"ifmap": "16 b", "filter": "16 b", "psum": "48 b"},
    )
    draw = np.random.default_rng(1)
    ifmap, weights = draw.integers(-999, 1000, (4000, 1, 64, 1, 1)), draw.integers(-999, 1000, (1, 1, 64, 1, 1))
    return machine, LoopNest.parse("BUF: N4000 y C64"), problem, ifmap, weights


def with_analog(machine: Architecture, **given: object) -> Architecture:
    return replace(machine, physical=Physical(analog=Analog("BUF", **given)))


@pytest.mark.parametrize("of", ["absolute", "relative"])
def test_reads_deviate_as_much_as_they_should(of: str) -> None:
    machine, nest, problem, ifmap, weights = ones()
    exact = convolution(problem, ifmap, weights)
    machine = with_analog(
        machine, read=Deviation(**{of: Fraction(1000 if of == "absolute" else 1, 1 if of == "absolute" else 10)})
    )
    off = noisy(machine, nest, problem, ifmap, weights, seed=2) - exact
    off = off / (1000 if of == "absolute" else 0.1 * exact)
    assert abs(off.mean()) < 4 / sqrt(off.size)
    assert off.std() == pytest.approx(1, rel=4 / sqrt(2 * off.size))


def test_cells_deviate_once() -> None:
    """Every read of one cell meets the same deviation: two equal inputs give equal outputs, and over seeds the standard
    deviation is that of the cells that are driven.
    """
    machine, nest, problem, ifmap, weights = ones()
    ifmap[1] = ifmap[0]
    machine = with_analog(machine, cell=Deviation(Fraction(1, 20), Fraction(3)))
    exact = convolution(problem, ifmap, weights)
    off = np.array(
        [(noisy(machine, nest, problem, ifmap, weights, seed) - exact)[:, 0, 0, 0, 0] for seed in range(300)]
    )
    assert np.array_equal(off[:, 0], off[:, 1])
    x, w = ifmap[:, 0, :, 0, 0], weights[0, 0, :, 0, 0]
    expected = np.sqrt((x**2) @ ((0.05 * w) ** 2 + 9))
    assert np.median(off.std(0) / expected) == pytest.approx(1, rel=0.02)
    assert abs(np.median(off.mean(0) / expected)) < 4 / sqrt(300)


def test_seeds_differ_and_repeat_and_loops_do_not_matter() -> None:
    machine, nest, problem, ifmap, weights = ones()
    machine = with_analog(machine, read=Deviation(absolute=Fraction(50)), cell=Deviation(Fraction(1, 9)), bits=12)
    one, again, other = (noisy(machine, nest, problem, ifmap, weights, seed) for seed in (1, 1, 2))
    assert np.array_equal(one, again) and not np.array_equal(one, other)
    turned = LoopNest.parse("DRAM: N40 | BUF: N100 y C64")
    assert np.array_equal(one, noisy(machine, turned, problem, ifmap, weights, 1))


def test_operands_lie_in_any_order() -> None:
    machine, nest, problem, ifmap, weights = ones()
    machine = with_analog(machine, cell=Deviation(Fraction(1, 9)), weights=Storage.INVERTED)
    turned = (np.ascontiguousarray(x.transpose(4, 3, 2, 1, 0)).transpose(4, 3, 2, 1, 0) for x in (ifmap, weights))
    assert np.array_equal(noisy(machine, nest, problem, ifmap, weights), noisy(machine, nest, problem, *turned))


def test_signal_to_noise() -> None:
    exact = np.array([10, -20, 0, 1 << 40])
    found = Noise.between(exact, exact + np.array([0, 1, 0, 1 << 20]))
    assert found.decibels == pytest.approx(10 * np.log10((500 + 2.0**80) / (1 + 2.0**40)))
    assert (found.differ, found.worst, found.words) == (2, 1 << 20, 4)
    assert Noise.between(exact, exact).decibels == inf
    assert Noise.between(0 * exact, exact).decibels == -inf


def test_a_machine_that_reads_nothing_is_told() -> None:
    machine, nest, problem, ifmap, weights = ones()
    with pytest.raises(AccelsimError, match=r"'row' says nothing of how sums are read"):
        noisy(machine, nest, problem, ifmap, weights)
    program = build(with_analog(machine), nest, problem)
    assert np.array_equal(converted(program, ifmap, weights), outputs(program, ifmap, weights))
