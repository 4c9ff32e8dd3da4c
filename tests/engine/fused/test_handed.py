"""Epilogues: closed form, cycle engine and golden machine agree; what lands is numpy's."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.engine.fused.handed import evaluate
from drawn_epilogues import Drawn, draw
from golden import epilogue as golden
from golden import reference
from strategies import operands
from test_agreement import differing

SEEDS = st.integers(0, 2**32)


def agree(drawn: Drawn) -> None:
    found, problem = drawn.found, drawn.problem
    rng = Random(0)
    ifmap, weights = operands(rng, problem)
    beside = {
        one.name: np.random.default_rng(1).integers(-9, 9, (problem["N"], one.channels, *one.plane))
        for one in drawn.group.sources[1:]
    }
    epilogue = found.epilogue
    rules = (epilogue.at_home, epilogue.stays, epilogue.leaves)
    common = (drawn.machine, drawn.nest, problem, drawn.group, found.home, found.out_bits, *rules)
    told = golden.run(*common, (ifmap, weights), beside)
    inside = golden.run(*common, processing=True)

    made = reference(problem, ifmap, weights)
    for n, own in enumerate(made.reshape(problem["N"], -1, *drawn.group.ops[0].plane)):
        expected = golden.whole(drawn.group, own, {name: array[n] for name, array in beside.items()})
        np.testing.assert_array_equal(told.outputs[n], expected)
    counts, timing = evaluate(found, "cycle")
    closed, bound = evaluate(found, "analytical")
    for name, mine in (("cycle", counts), ("closed", closed)):
        assert np.array_equal(mine.words, told.words), differing(name, mine.levels, mine.words, told.words)
        assert np.array_equal(mine.network, told.network), differing(name, mine.levels, mine.network, told.network)
        narrow = np.zeros_like(told.narrow) if mine.narrow is None else mine.narrow
        assert mine.narrow is None or np.array_equal(narrow, told.narrow), (narrow.tolist(), told.narrow.tolist())
    assert (timing.cycles, timing.stalls) == (told.cycles, told.stalls)
    assert (timing.processing, timing.processing_stalls) == (inside.cycles, inside.stalls)
    assert bound.cycles <= timing.cycles
    assert bound.processing <= timing.processing


@settings(max_examples=80, deadline=None)
@given(SEEDS)
def test_agreement(seed: int) -> None:
    agree(draw(Random(seed)))


@pytest.mark.nightly
@settings(max_examples=2_000, deadline=None)
@given(SEEDS)
def test_agreement_at_length(seed: int) -> None:
    agree(draw(Random(seed)))
