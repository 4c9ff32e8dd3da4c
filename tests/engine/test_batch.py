"""Many mappings at once count what each counts alone, to the word and the bound's cycle, and refuse the same ones."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.engine import batch, evaluate, evaluate_many
from accelsim.errors import AccelsimError, MappingError
from accelsim.mapping.mapping import LevelMapping, Loop, LoopNest
from accelsim.mapping.yaml import load_mappings
from accelsim.simulate import load
from strategies import Case, cases, mesh_cases


def varied(rng: Random, nest: LoopNest) -> LoopNest:
    """The same loops in another order, some at another level, one in a while longer, shorter or bypassing anew."""
    levels = dict(nest.levels)
    names = list(levels)
    for name in names:
        loops = list(levels[name].temporal)
        rng.shuffle(loops)
        if loops and rng.random() < 0.3:
            other = rng.choice(names)
            moved = loops.pop()
            levels[name] = replace(levels[name], temporal=tuple(loops))
            loops, name = [*levels[other].temporal, moved], other
        if loops and rng.random() < 0.2:
            loops[0] = Loop(loops[0].dim, max(1, loops[0].factor + rng.choice((-1, 1))))
        levels[name] = replace(levels[name], temporal=tuple(loops))
    if rng.random() < 0.2:
        name = rng.choice(names)
        levels[name] = replace(levels[name], x=levels[name].y, y=levels[name].x)
    if rng.random() < 0.2:
        levels[names[-1]] = replace(levels[names[-1]], bypass=frozenset())
    return LoopNest(tuple(levels.items()))


def same(drawn: Case, seed: int) -> None:
    """Equal where a mapping is legal; where not, the message is the one the mapping gets alone."""
    rng = Random(seed)
    nests = [drawn.nest, *(varied(rng, drawn.nest) for _ in range(12))]
    alone, legal = [], []
    for nest in nests:
        try:
            alone.append(evaluate(drawn.architecture, nest, drawn.problem, "analytical"))
            legal.append(nest)
        except MappingError as error:
            with pytest.raises(MappingError, match=f"^{re.escape(str(error))}$"):
                evaluate_many(drawn.architecture, [drawn.nest, nest], drawn.problem)
    found = evaluate_many(drawn.architecture, legal, drawn.problem)
    assert len(found) == len(alone)
    for index, (counts, timing) in enumerate(alone):
        mine, bound = found[index]
        for field in fields(counts):
            if field.name not in ("links", "tag_matches"):
                assert np.array_equal(getattr(mine, field.name), getattr(counts, field.name)), field.name
        assert bound == timing


@settings(max_examples=60, deadline=None)
@given(drawn=cases(), seed=st.integers(0, 1 << 30))
def test_as_alone(drawn: Case, seed: int) -> None:
    same(drawn, seed)


@pytest.mark.nightly
@settings(max_examples=3000, deadline=None)
@given(drawn=cases(), seed=st.integers(0, 1 << 30))
def test_as_alone_at_length(drawn: Case, seed: int) -> None:
    same(drawn, seed)


@settings(max_examples=10, deadline=None)
@given(drawn=mesh_cases(), seed=st.integers(0, 1 << 30))
def test_on_meshes(drawn: Case, seed: int) -> None:
    same(drawn, seed)


def test_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """More mappings than are evaluated together, and mappings that bypass different levels between each other."""
    machine, network = load("eyeriss", "alexnet", 1)
    problem = network.select("CONV3")[0].problem
    nest = load_mappings("eyeriss_alexnet_jssc17")["CONV3"]
    rng = Random(3)
    levels = dict(nest.levels)
    nests = []
    for index in range(50):
        loops = list(levels["GLB"].temporal)
        rng.shuffle(loops)
        bypass = levels["GLB"].bypass | ({"ifmap"} if index % 3 == 0 else set())
        glb = replace(levels["GLB"], temporal=tuple(loops), bypass=frozenset(bypass))
        nests.append(LoopNest(tuple((levels | {"GLB": glb}).items())))
    whole = evaluate_many(machine, nests, problem)
    monkeypatch.setattr(batch, "BLOCK", 7)
    parts = evaluate_many(machine, nests, problem)
    for field in fields(whole):
        assert np.array_equal(getattr(whole, field.name), getattr(parts, field.name)), field.name
    for index in (0, 1, 49):
        counts, timing = evaluate(machine, nests[index], problem, "analytical")
        assert np.array_equal(whole[index][0].words, counts.words)
        assert whole[index][1] == timing


def test_none() -> None:
    machine, network = load("eyeriss", "alexnet", 1)
    assert len(evaluate_many(machine, [], network.select("CONV3")[0].problem)) == 0


def test_a_factor_ends_where_its_dim_does() -> None:
    machine, network = load("eyeriss", "alexnet", 1)
    problem = network.select("CONV3")[0].problem
    dims = "NMCPQRS"
    whole, huge = (
        LoopNest((("DRAM", LevelMapping(tuple(Loop(dim, size(dim)) for dim in dims))),))
        for size in (lambda dim: problem[dim], lambda dim: 1 << 20)
    )
    found = evaluate_many(machine, [whole, huge], problem)
    assert np.array_equal(found.words[0], found.words[1])
    assert found.cycles[0] == found.cycles[1]


def test_cartesian() -> None:
    machine, network = load("scnn", "alexnet", 1)
    with pytest.raises(AccelsimError, match="no closed form"):
        evaluate_many(machine, [], network.select("CONV3")[0].problem)
