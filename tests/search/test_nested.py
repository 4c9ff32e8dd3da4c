"""Unrollings of arrays inside arrays: legal, all of them, in the order that is written down."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from math import prod

from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.architecture.model import Architecture, Fanout, Level
from accelsim.mapping.dataflows.dataflow import Axes, Dataflow
from accelsim.mapping.mapping import LoopNest, check
from accelsim.search.factors import tight
from accelsim.search.nested import Surrounding, unrollings
from accelsim.search.space import Space
from accelsim.search.spread import Spreads
from accelsim.search.unrolling import Unrollings
from accelsim.workload.problem import LOOP_DIMS, Problem, Tensor

SOME = st.lists(st.sampled_from("MCPQ"), max_size=3, unique=True).map(tuple)
SIDES = st.integers(1, 6)
AXES = st.builds(Axes, SOME, SOME)
ARRAYS = st.lists(st.builds(Surrounding, st.just(0), SIDES, SIDES, AXES), min_size=1, max_size=2)
TRIPS = st.fixed_dictionaries({dim: st.integers(1, 12) for dim in "MCPQ"})


def passes(left, factors):
    """Trips left when every array has had its part, from the innermost out."""
    for dim, own in factors.items():
        for y, x in reversed(own):
            left = {**left, dim: -(-left[dim] // (y * x))}
    return prod(left.values())


def brute(left, arrays):
    """Every choice of factors on both axes of every array, kept if legal and no smaller factor does as well."""
    choices = []
    for array in arrays:
        own = []
        for factors in product(*(product(range(1, array.y + 1), range(1, array.x + 1)) for _ in left)):
            named = dict(zip(left, factors, strict=True))
            allowed = all(
                (y == 1 or dim in array.axes.y) and (x == 1 or dim in array.axes.x) for dim, (y, x) in named.items()
            )
            if allowed and prod(y for y, _ in factors) <= array.y and prod(x for _, x in factors) <= array.x:
                own.append(named)
        choices.append(own)
    for chosen in product(*choices):
        factors = {dim: tuple(own[dim] for own in chosen) for dim in left}
        if all(is_tight(left[dim], factors[dim]) for dim in left):
            yield factors


def is_tight(trips, factors):
    """Whether each factor is one that no smaller replaces, from the innermost array out, y before x."""
    for pair in reversed(factors):
        for factor in pair:
            if factor not in tight(trips, factor):
                return False
            trips = -(-trips // factor)
    return True


@given(TRIPS, ARRAYS, st.sampled_from([1.0, 1.1, 2.0, 1e9]))
@settings(max_examples=60, deadline=None)
def test_all_that_is_legal_the_fewest_passes_first(left, arrays, most):
    arrays = [replace(array, y=min(array.y, 4), x=min(array.x, 3)) for array in arrays]
    found = [factors for _, factors in unrollings([left], arrays, most)]
    counts = [passes(left, factors) for factors in found]
    assert counts == sorted(counts)
    wanted = list(brute(left, arrays))
    fewest = min(passes(left, factors) for factors in wanted)
    # nothing legal is better, even with factors that are not tight
    assert counts[0] == fewest
    key = lambda factors: tuple(sorted(factors.items()))  # noqa: E731
    assert len(set(map(key, found))) == len(found)
    assert set(map(key, found)) == {key(f) for f in wanted if passes(left, f) <= most * fewest}


def test_of_equals_the_first_named_dim_of_the_inner_array_is_larger():
    arrays = [Surrounding(0, 2, 1, Axes(("C", "P"))), Surrounding(1, 2, 1, Axes(("C", "P")))]
    found = [(f["C"], f["P"]) for _, f in unrollings([{"C": 4, "P": 4}], arrays, 1.0)]
    assert found == [
        (((2, 1), (2, 1)), ((1, 1), (1, 1))),
        (((1, 1), (2, 1)), ((2, 1), (1, 1))),
        (((2, 1), (1, 1)), ((1, 1), (2, 1))),
        (((1, 1), (1, 1)), ((2, 1), (2, 1))),
    ]


def test_a_start_that_needs_more_passes_comes_later():
    arrays = [Surrounding(0, 2, 1, Axes(("C",)))]
    starts = [{"C": 6}, {"C": 4}]
    assert [at for at, _ in unrollings(starts, arrays, 1.0)] == [1]
    assert [at for at, _ in unrollings(starts, arrays, 1.5)] == [1, 0]


@given(
    st.fixed_dictionaries({dim: st.integers(1, 20) for dim in "MCPQ"}),
    st.lists(st.tuples(SIDES, SIDES), min_size=3, max_size=3),
    st.lists(AXES, max_size=3),
)
@settings(max_examples=60, deadline=None)
def test_every_unrolling_is_a_legal_mapping(sizes, sides, axes):
    """More arrays on the machine than in the dataflow, or fewer: what meets is used."""
    every, filters = frozenset(Tensor), frozenset({Tensor.FILTER})
    arrays = [Fanout(y, x, declared=True) for y, x in sides]
    levels = (*(Level(f"L{i}", every, fanout=fan) for i, fan in enumerate(arrays)), Level("RF", filters))
    machine = Architecture("drawn", levels)
    flow = Dataflow("drawn", "", "", filters, y=("C",), x=("M",), whole=("C", "M"), run=("P", "Q"), arrays=tuple(axes))
    problem = Problem.of(sizes)
    space = Space(machine, problem, flow)
    assert len(space.outer) == min(len(axes), 2)
    for inner in list(Unrollings(space).largest())[:40]:
        splits = {dim: Spreads(space).all(dim, inner[dim], 2)[0] for dim in LOOP_DIMS}
        nest = LoopNest(space.nest_levels(splits, [list(range(6)) for _ in levels], {}))
        check(machine, nest, problem)
        spatial = prod(loop.factor for _, level in nest.levels for loop in level.y + level.x)
        assert spatial == prod(own.pes for own in inner.values()) <= machine.pes
