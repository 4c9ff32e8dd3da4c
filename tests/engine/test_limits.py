"""Layers too large are refused before time and memory are spent on them; what only looks large is computed."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import product
from random import Random

import numpy as np
import pytest

from accelsim import cache
from accelsim.architecture.model import Architecture, Level
from accelsim.architecture.yaml import load_architecture
from accelsim.engine import analytical, cycle, evaluate_many, limits
from accelsim.engine.nest.kernels.steps import bases_below
from accelsim.engine.outputs import functional
from accelsim.engine.program import build
from accelsim.engine.timing import repeats
from accelsim.engine.words.kernels.closed import lattice
from accelsim.errors import AccelsimError, MappingError
from accelsim.mapping.mapping import LoopNest
from accelsim.sparsity.masks import Masks, refuse_words
from accelsim.workload.problem import TENSORS, Problem, distinct_positions

FC = Problem.of({"C": 10**6, "M": 10**6})


def refused(machine: Architecture, nest: str, problem: Problem) -> str:
    begun = time.process_time()
    with pytest.raises(MappingError) as error:
        cycle.evaluate(build(machine, LoopNest.parse(nest), problem))
    assert time.process_time() - begun < 60
    message = str(error.value)
    assert "\n" not in message
    return message


def test_a_layer_of_too_many_steps_says_how_many_and_what_helps():
    """A serial psum that is read back is simulated step by step: 3.1e10 of them here."""
    message = refused(load_architecture("systolic_os"), "DRAM: C128 M31250 | SRAM: C7813 x M32", FC)
    assert message.startswith("about 3.1e+10 steps to simulate, some 52 minutes; at most 3e+08 are taken on: ")
    assert "--evaluator analytical" in message
    assert "larger tiles" in message


def test_drains_that_are_read_back_are_counted_before_they_are_kept():
    """Every pass over C reads back what the one before drained: a look-up is quick, its drains are not."""
    message = refused(load_architecture("diannao"), "DRAM: C62500 M62500 | BUFFERS: x M16 | NFU: y C16", FC)
    assert "drains that later passes read back, some 7 minutes" in message
    assert "--evaluator analytical" in message


@pytest.mark.parametrize(("seconds", "told"), [(4.9, ""), (90.0, "accelsim: nine steps, some 90 seconds\n")])
def test_what_takes_longer_than_a_moment_is_announced_once(capsys, monkeypatch, seconds, told):
    monkeypatch.delenv("ACCELSIM_QUIET", raising=False)
    cache.tell_once.cache_clear()
    for _ in range(2):
        limits.announce(seconds, "nine steps")
    assert capsys.readouterr().err == told


def test_a_mapping_of_a_thousand_million_iterations_is_refused():
    wide = Problem.of({"C": 10**9})
    message = refused(load_architecture("eyeriss_v2"), "DRAM: C1000000000", wide)
    assert message.startswith("tables of 7.0e+09 iterations take 84.0 GB")


def test_lists_that_take_too_much_memory_are_refused():
    wide = Problem.of({"M": 10**9, "C": 2})
    message = refused(load_architecture("diannao"), "DRAM: M1000000000 C2", wide)
    assert "GB" in message
    assert "--evaluator analytical" in message


def test_operands_too_many_to_look_at():
    systolic = load_architecture("systolic_ws")
    with pytest.raises(MappingError, match=r"the filter has 1.0e\+12 words"):
        functional.check(systolic, LoopNest.parse("DRAM: C31250 M31250 | SRAM: y C32 x M32"), FC)
    with pytest.raises(MappingError, match="the filter has"):
        refuse_words(FC, TENSORS)
    large, nest = (
        Problem.of({"C": 3000, "M": 3000, "Q": 3600}),
        LoopNest.parse("DRAM: C94 M94 Q3600 | SRAM: y C32 x M32"),
    )
    with pytest.raises(MappingError, match=r"3.2e\+10 MACs to carry out; --check takes on 2e\+10"):
        functional.check(systolic, nest, large)


def test_products_of_cartesian_pes():
    from accelsim.engine.zeros import cartesian

    large = Problem.of({"C": 1000, "M": 1000, "P": 300, "Q": 300})
    with pytest.raises(MappingError, match=r"about 9.0e\+10 products to walk, some 6 minutes"):
        cartesian.evaluate(load_architecture("scnn"), large, Masks())
    with pytest.raises(MappingError, match="the filter has"):
        cartesian.evaluate(load_architecture("scnn"), FC, Masks())
    apart = Problem.of({"M": 8, "C": 2, "P": 2, "R": 3}, stride=(1, 10**15))
    with pytest.raises(MappingError, match=r"2.0e\+15 channels and phases of strides on 64 PEs take .* no closed form"):
        cartesian.evaluate(load_architecture("scnn"), apart, Masks())


# ---- factors past the problem ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [5, 4_000_000_000_000, 10**30])
def test_a_temporal_factor_ends_where_the_dim_does(factor: int):
    machine, problem = load_architecture("eyeriss"), Problem.of({"C": 4, "M": 8, "P": 5, "Q": 5, "R": 3, "S": 3})
    wanted, other = (
        LoopNest.parse(f"DRAM: C{c} | GLB: M2 Q5 | FILTER_BANK: y R3 x P5 | RF: S3 M4") for c in (4, factor)
    )
    plain, clipped = build(machine, wanted, problem), build(machine, other, problem)
    assert (plain.loops == clipped.loops).all()
    batch = evaluate_many(machine, [wanted, other], problem)
    assert (batch.words[0] == batch.words[1]).all()
    assert batch.cycles[0] == batch.cycles[1] == analytical.evaluate(clipped)[1].cycles
    assert cycle.evaluate(plain)[1] == cycle.evaluate(clipped)[1]


def test_a_spatial_factor_past_the_array_is_refused():
    machine, problem = load_architecture("eyeriss"), Problem.of({"C": 4})
    with pytest.raises(MappingError, match="array x"):
        evaluate_many(machine, [LoopNest.parse(f"FILTER_BANK: x C{10**30}")], problem)


# ---- numbers that do not fit -----------------------------------------------------------------------------------------


def flat(**changes: object) -> Architecture:
    return replace(Architecture("flat", (Level("L0"), Level("RF"))), **changes)


def test_numbers_past_2_63_are_refused_by_name():
    """10^16 iterations are counted, but not the cycles of as many runs through a long pipeline."""
    machine, problem = flat(pipeline=1 << 16), Problem.of({"C": 10**16})
    nest = LoopNest.parse(f"L0: C{10**16}")
    for evaluate in (
        lambda: build(machine, nest, problem),
        lambda: evaluate_many(machine, [nest], problem),
    ):
        with pytest.raises(MappingError, match=f"MACs to {10**16} iterations; its cycles would pass 2\\^63"):
            evaluate()
    with pytest.raises(MappingError, match="its counts would pass"):
        limits.refuse_overflow([10**19], problem, machine)


def test_a_long_pipeline_takes_records_for_the_versions_there_are():
    machine, problem = load_architecture("simba"), Problem.of({"C": 8, "M": 8})
    nest = LoopNest.parse("ACC: y C8 x M8")
    short, long = (
        cycle.evaluate(build(replace(machine, pipeline=pipeline), nest, problem))[1].cycles
        for pipeline in (10, 10 + (1 << 15))
    )
    assert long - short == 1 << 15


# ---- counting without walking ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(30))
def test_bases_are_counted_as_they_are_walked(seed: int):
    rng, rows, step = Random(seed), [], 1
    for _ in range(rng.randint(1, 4)):
        factor = rng.randint(1, 5)
        rows.append([3, factor, rng.choice((0, 0, 1)), rng.randint(0, 2), step])
        step *= factor
    loops, size = np.array(rows[::-1], np.int64), rng.randint(1, step + 3)
    for kind, end in product((0, 1), (1, 2, 3)):
        mine = [row for row in loops.tolist() if row[2] == kind and row[3] < end]
        bases = [
            sum(i * row[4] for i, row in zip(at, mine, strict=True)) for at in product(*(range(r[1]) for r in mine))
        ]
        for limit in (0, 1, size, step + 5):
            below = [base for base in bases if base < limit]
            assert bases_below(loops, 3, kind, end, limit) == (len(below), max(below, default=-1))
        apart = min((row[4] for row in mine if row[1] > 1), default=1)
        for tile in {1, apart}:
            left = [size - base for base in bases if size - tile < base < size]
            whole = sum(base + tile <= size for base in bases)
            assert lattice(loops, 3, kind, end, tile, size) == (whole, left[0] if left else 0)


def test_positions_and_outputs_over_the_plane():
    for outputs, taps, stride, dilation in product((1, 2, 5), (1, 2, 4), (1, 2, 3, 4), (1, 2, 3, 6)):
        walked = {stride * i + dilation * j for i in range(outputs) for j in range(taps)}
        assert distinct_positions(outputs, taps, stride, dilation) == len(walked)
    for seed in range(40):
        rng = Random(seed)
        sizes = {"P": rng.randint(1, 5), "R": rng.randint(1, 4), "M": 2}
        stride, dilation, pad, height = (rng.randint(1, 3), rng.randint(1, 3), rng.randint(0, 4), rng.randint(1, 6))
        problem = Problem.of(sizes, stride=(stride, 1), dilation=(dilation, 1), pad=(pad, 0), height=height)
        rows = [
            sum(0 <= p * stride + r * dilation - pad < height for p in range(problem["P"])) for r in range(problem["R"])
        ]
        assert problem.over_plane(0) == rows
        assert problem.macs_over_plane == 2 * sum(rows)


@pytest.mark.parametrize("nest", ["DRAM: C1009 | GLB: M2 | RF: M2", "DRAM: M3 | GLB: C1009 | RF: M2"])
def test_loops_of_a_prime_number_are_cut_too(nest: str, monkeypatch: pytest.MonkeyPatch):
    """1009 is a prime: a body has some of its iterations, the last body fewer."""
    monkeypatch.setattr(repeats, "STEPS", 8)
    problem = Problem.of({"C": 1009, "M": 4})
    lowered = build(load_architecture("eyeriss_isca16_rs"), LoopNest.parse(nest), problem)
    found = repeats.find_repeats(lowered)
    assert found is not None
    assert 20 < len(found.layer.kind) < 1009
    short, long = (cycle.evaluate(lowered, repeats=way) for way in (True, False))
    assert short[1] == long[1]
    assert (short[0].words == long[0].words).all()
    assert (short[0].network == long[0].network).all()


def test_sizes_and_times_as_a_person_says_them():
    assert limits.size(3_400_000_000) == "3.4 GB"
    assert limits.size(512_000_000) == "512 MB"
    assert limits.duration(90) == "some 90 seconds"
    assert limits.duration(5400) == "some 90 minutes"
    assert limits.duration(10**9) == "some 32 years"
    assert issubclass(type(limits.too_many_steps(10**12)), AccelsimError)
