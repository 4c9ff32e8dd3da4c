"""Tensors of which some channels live on the chip: three evaluators, one answer; and how their words scale."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.architecture.model import Architecture, Part
from accelsim.architecture.yaml import load_architecture
from accelsim.engine import analytical, evaluate_many, program
from accelsim.errors import AccelsimError
from accelsim.mapping.mapping import LoopNest, kept
from accelsim.workload.problem import TENSORS, Problem, Tensor
from engine.test_timeline import same_events
from strategies import (
    Case,
    case,
    dram_case,
    mesh_case,
    run_case,
    with_homes,
    with_modes,
    with_ofmap,
    with_pace,
    with_parts,
)
from test_agreement import agree

FILL, READ, UPDATE, DRAIN = range(4)
PSUM = TENSORS.index(Tensor.PSUM)


def in_parts(draw=case, *more) -> st.SearchStrategy[Case]:
    """Cases where some channels of some tensors live on the chip."""

    def drawn(seed: int) -> Case:
        rng = Random(seed)
        while True:
            found = draw(rng)
            for change in (*more, with_parts):
                found = change(rng, found)
            if found.architecture.parts:
                return found

    return st.integers(0, 2**32).map(drawn)


@given(drawn=in_parts(case, with_pace, with_ofmap, with_modes, with_homes))
@settings(max_examples=80, deadline=None)
def test_agreement(drawn: Case) -> None:
    agree(*drawn)


@pytest.mark.nightly
@given(drawn=in_parts(case, with_pace, with_ofmap, with_modes, with_homes))
@settings(max_examples=2_000, deadline=None)
def test_agreement_at_length(drawn: Case) -> None:
    agree(*drawn)


@given(drawn=in_parts(mesh_case))
@settings(max_examples=15, deadline=None)
def test_agreement_on_meshes(drawn: Case) -> None:
    agree(*drawn)


@given(drawn=in_parts(run_case))
@settings(max_examples=15, deadline=None)
def test_agreement_on_runs_of_pixels(drawn: Case) -> None:
    agree(*drawn)


@given(drawn=in_parts(case, with_homes))
@settings(max_examples=40, deadline=None)
def test_what_is_seen(drawn: Case) -> None:
    """A timeline has the golden machine's events, those of tiles that stay among them."""
    same_events(drawn)


@given(drawn=in_parts(case, with_homes))
@settings(max_examples=60, deadline=None)
def test_many_mappings_at_once(drawn: Case) -> None:
    machine, nest, problem = drawn
    counts, timing = analytical.evaluate(program.build(machine, nest, problem))
    many = evaluate_many(machine, [nest, nest], problem)
    assert np.array_equal(many.words[1], counts.words)
    assert np.array_equal(many.network[1], counts.network)
    assert (many.cycles[1], many.processing[1]) == (timing.cycles, timing.processing)


@given(drawn=in_parts())
@settings(max_examples=75, deadline=None)
def test_what_parts_save(drawn: Case) -> None:
    """R6: under the same loops words above the home scale by the channels that are not there, whatever else is.

    Where tiles are clipped a tile may stay while others come anew; then words are no multiple of channels.
    """
    machine, nest, problem = drawn
    away = replace(machine, parts={})
    homes = {t: machine.parts_home(t) for t in machine.parts}
    if any(not kept(away, nest, home, t) for t, home in homes.items()):
        return
    there, _ = analytical.evaluate(program.build(away, nest, problem))
    here, _ = analytical.evaluate(program.build(machine, nest, problem))
    for t, tensor in enumerate(TENSORS):
        if tensor not in homes:
            assert np.array_equal(here.words[:, t], there.words[:, t])
            continue
        home, part = homes[tensor], machine.parts[tensor]
        tiled = [loop for level, mapped in nest.levels for _, loop in mapped.loops if loop.dim == part.dim]
        assert np.array_equal(here.words[home + 1 :, t], there.words[home + 1 :, t])
        if np.prod([loop.factor for loop in tiled], initial=1) > problem[part.dim]:
            continue
        size = problem[part.dim]
        for level in range(home):
            assert np.array_equal(here.words[level, t] * size, there.words[level, t] * part.outside)
        for action in (FILL, DRAIN):
            assert here.words[home, t, action] * size == there.words[home, t, action] * part.outside
        assert here.words[home, t, UPDATE] == there.words[home, t, UPDATE]
        if tensor is Tensor.PSUM:
            stay = problem.words(tensor) // size * (size - part.outside)
            moved = here.words[home, t, DRAIN] - here.words[home, t, FILL]
            assert here.words[home, t, READ] == here.words[home, t, UPDATE] - moved - stay
        else:
            assert here.words[home, t, READ] == there.words[home, t, READ]


def test_all_but_nothing_and_nothing_but_all() -> None:
    """Between no channel and every channel lie all others: in words of the outermost level, a straight line."""
    machine = load_architecture("eyeriss")
    problem = Problem.of({"N": 1, "M": 8, "C": 4, "P": 6, "Q": 6, "R": 3, "S": 3}, height=8, width=8)
    nest = LoopNest.parse("DRAM: C4 M2 | GLB: Q6 P6 | RF: R3 S3 M4")
    found = []
    for outside in (2, 4, 6):
        parts = {Tensor.PSUM: Part("GLB", "M", outside), Tensor.IFMAP: Part("GLB", "C", outside // 2)}
        counts, _ = analytical.evaluate(program.build(replace(machine, parts=parts), nest, problem))
        found.append(counts.words[0].sum(axis=1))
    whole, _ = analytical.evaluate(program.build(machine, nest, problem))
    for outside, words in zip((2, 4, 6), found, strict=True):
        assert words[0] == whole.words[0, 0].sum() * outside // 8
        assert words[PSUM] == whole.words[0, PSUM].sum() * outside // 8


def test_parts_that_cannot_be() -> None:
    machine = load_architecture("eyeriss")

    def lives(tensor: Tensor, level: str, **more: object) -> Architecture:
        return replace(machine, parts={tensor: Part(level, "C", 1)}, **more)

    with pytest.raises(AccelsimError, match="'GLC' is no home of ifmap: there is no such level"):
        lives(Tensor.IFMAP, "GLC")
    with pytest.raises(AccelsimError, match="ifmap lives in 'GLB' whole or not: it does so whole"):
        lives(Tensor.IFMAP, "GLB", homes={Tensor.IFMAP: "GLB"})
    dram = dram_case(Random(0)).architecture.levels[0].dram
    banked = replace(machine.levels[0], dram=dram, compression={})
    with pytest.raises(AccelsimError, match="what is left of it has no addresses in the banks of 'DRAM'"):
        lives(Tensor.IFMAP, "GLB", levels=(banked, *machine.levels[1:]))
