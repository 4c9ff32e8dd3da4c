"""Which factors are listed without a look at all of them, and what they come to."""

from __future__ import annotations

from itertools import product
from math import prod

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from accelsim.search.factors import divisors, fitting, largest, longest
from accelsim.search.room import Part, Stepped, Straight


@given(
    st.lists(st.lists(st.integers(1, 12), min_size=1, max_size=5, unique=True).map(sorted), max_size=3),
    st.integers(0, 60),
    st.lists(st.integers(1, 4), min_size=3, max_size=3),
)
def test_largest_choices_are_those_of_a_full_scan(lists, room, weights):
    def fits(choice):
        # rises in every place, as capacity does in every factor
        words = 1
        for value, weight in zip(choice, weights, strict=False):
            words *= value
            words += weight * value
        return words <= room

    fitting_ = {choice for choice in product(*lists) if fits(choice)}
    wanted = [
        choice
        for choice in sorted(fitting_, reverse=True)
        if not any(
            (*choice[:i], values[values.index(choice[i]) + 1], *choice[i + 1 :]) in fitting_
            for i, values in enumerate(lists)
            if choice[i] != values[-1]
        )
    ]
    assert list(largest(lists, Stepped(fits))) == wanted
    assert list(fitting(lists, Stepped(fits))) == sorted(fitting_)


@st.composite
def parts(draw, dims):
    sizes = tuple(draw(st.integers(4, 30)) for _ in range(dims))
    units = tuple(draw(st.integers(1, 4)) for _ in range(dims))
    own = st.sets(st.integers(0, dims - 1)) if dims else st.just(set())
    terms = draw(st.lists(st.tuples(st.integers(1, 9), own.map(sorted).map(tuple)), max_size=3))
    return Part(draw(st.integers(0, 300)), tuple(terms), units, sizes)


@given(st.data(), st.integers(0, 3))
def test_room_by_division_is_that_of_trying(data, dims):
    here = data.draw(st.lists(parts(dims), max_size=3))
    room = Straight(here)

    def holds(chosen):
        for bits, terms, units, sizes in here:
            tile = [min(f * unit, size) for f, unit, size in zip(chosen, units, sizes, strict=True)]
            if sum(words * prod(tile[at] for at in own) for words, own in terms) > bits:
                return False
        return True

    chosen = tuple(data.draw(st.integers(1, 12)) for _ in range(dims))
    assert room.holds(chosen) == holds(chosen)
    for place in range(dims):
        assert room.number(place, chosen, range(1, 40)) == Stepped(holds).number(place, chosen, range(1, 40))


@given(
    st.integers(1, 40),
    st.lists(st.tuples(st.integers(0, 2), st.integers(2, 4)), max_size=5),
)
def test_the_longest_pe_is_the_first(size, loops):
    """`longest` against a count of what every PE gets of one dim, over loops of any kind at any level."""
    work = {}
    for index in product(*(range(factor) for _, factor in loops)):
        position = 0
        for i, (_, factor) in zip(index, loops, strict=True):
            position = position * factor + i
        pe = tuple(i for i, (kind, _) in zip(index, loops, strict=True) if kind)
        work[pe] = work.get(pe, 0) + (position < size)
    factors, kinds = np.array([[f for _, f in loops]], np.int64), np.array([kind > 0 for kind, _ in loops], bool)
    assert longest(size, factors, kinds).tolist() == [max(work.values())]


@given(st.integers(1, 5_000))
def test_divisors_are_all_that_divide(size):
    assert divisors(size) == [f for f in range(1, size + 1) if size % f == 0]
