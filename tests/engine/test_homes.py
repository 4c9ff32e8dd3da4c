"""Tensors that live on the chip between layers: three evaluators, one answer; and what it saves."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.architecture.model import Architecture
from accelsim.architecture.yaml import load_architecture
from accelsim.engine import analytical, evaluate, evaluate_many, program
from accelsim.errors import AccelsimError
from accelsim.mapping.mapping import LoopNest, kept
from accelsim.workload.problem import TENSORS, Problem, Tensor
from engine.dram.test_banks import agree as agree_on_banks
from strategies import Case, SparseCase, case, dram_case, mesh_case, sparse_case, with_homes, with_modes, with_ofmap
from test_agreement import agree, agree_on_zeros

IFMAP, FILTER, PSUM = (TENSORS.index(tensor) for tensor in (Tensor.IFMAP, Tensor.FILTER, Tensor.PSUM))
FILL, READ, UPDATE, DRAIN = range(4)


def housed(draw, *more) -> st.SearchStrategy:
    """Cases where some tensors live on the chip."""

    def drawn(rng: Random):
        found = draw(rng)
        for change in (*more, with_homes):
            found = change(rng, found)
        return found

    return st.randoms(use_true_random=False).map(drawn).filter(lambda found: bool(found.architecture.homes))


@given(drawn=housed(case, with_ofmap, with_modes))
@settings(max_examples=60, deadline=None)
def test_agreement(drawn: Case) -> None:
    agree(*drawn)


@pytest.mark.nightly
@given(drawn=housed(case, with_ofmap, with_modes))
@settings(max_examples=2_000, deadline=None)
def test_agreement_at_length(drawn: Case) -> None:
    agree(*drawn)


@given(drawn=housed(sparse_case))
@settings(max_examples=25, deadline=None)
def test_agreement_on_zeros(drawn: SparseCase) -> None:
    agree_on_zeros(drawn.architecture, drawn.nest, drawn.problem, drawn.masks)


@given(drawn=housed(mesh_case))
@settings(max_examples=15, deadline=None)
def test_agreement_on_meshes(drawn: Case) -> None:
    agree(*drawn)


@given(drawn=housed(dram_case))
@settings(max_examples=15, deadline=None)
def test_agreement_on_banks(drawn: Case) -> None:
    agree_on_banks(drawn)


@given(drawn=housed(case))
@settings(max_examples=100, deadline=None)
def test_what_a_home_saves(drawn: Case) -> None:
    """R2: level 0's words of a tensor and those that its home drains and fills; nothing else of any tensor."""
    machine, nest, problem = drawn
    homes = {t: machine.home(t) for t in machine.homes}
    # the same loops, where homes held what is in them before too
    away = replace(machine, homes={})
    if problem.added or any(not kept(away, nest, home, t) for t, home in homes.items()):
        return
    there, _ = analytical.evaluate(program.build(away, nest, problem))
    here, _ = analytical.evaluate(program.build(machine, nest, problem))
    for t, tensor in enumerate(TENSORS):
        home = homes.get(tensor, 0)
        assert not here.words[:home, t].any()
        expected = there.words[home:, t].copy()
        if tensor is Tensor.PSUM and home:
            # sums that began anew with every stay in the home now add to those that are there
            assert here.words[home, t, READ] == expected[0, UPDATE] - problem.words(tensor) >= expected[0, READ]
            assert np.array_equal(here.words[home:, t, UPDATE], expected[:, UPDATE])
            assert np.array_equal(here.words[home + 1 :, t, DRAIN], expected[1:, DRAIN])
            if expected[0, READ] < here.words[home, t, READ]:
                continue
        expected[0, [FILL, DRAIN] if home else []] = 0
        assert np.array_equal(here.words[home:, t], expected)


def test_all_at_home_moves_nothing_outside() -> None:
    machine = load_architecture("eyeriss")
    inside = replace(machine, homes=dict.fromkeys((Tensor.IFMAP, Tensor.PSUM), "GLB"))
    problem = Problem.of({"N": 1, "M": 8, "C": 4, "P": 6, "Q": 6, "R": 3, "S": 3}, height=8, width=8)
    nest = LoopNest.parse("DRAM: C2 | GLB: M2 Q6 P6 C2 | RF: R3 S3 M4")
    counts, timing = evaluate(inside, nest, problem)
    assert not counts.words[0, [IFMAP, PSUM]].any()
    assert counts.words[0, FILTER].any()
    assert timing.processing <= timing.cycles
    # outputs come to be where they stay: as many new ones as there are
    level = inside.level_index("GLB")
    assert counts.words[level, PSUM, UPDATE] - counts.words[level, PSUM, READ] == problem.words(Tensor.PSUM)
    many = evaluate_many(inside, [nest], problem)
    assert np.array_equal(many.words[0], counts.words)


def test_a_home_that_is_none() -> None:
    machine = load_architecture("eyeriss")

    def lives(tensor: Tensor, level: str) -> Architecture:
        return replace(machine, homes={tensor: level})

    with pytest.raises(AccelsimError, match="'GLC' is no home of psum: there is no such level; did you mean 'GLB'"):
        lives(Tensor.PSUM, "GLC")
    with pytest.raises(AccelsimError, match="there are several of it; a tensor lives in one memory outside the array"):
        lives(Tensor.PSUM, machine.levels[-1].name)
