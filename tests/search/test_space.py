"""What is listed of a space without looking at all of it."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from accelsim.search.space import _largest


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

    fitting = {choice for choice in product(*lists) if fits(choice)}
    wanted = [
        choice
        for choice in sorted(fitting, reverse=True)
        if not any(
            (*choice[:i], values[values.index(choice[i]) + 1], *choice[i + 1 :]) in fitting
            for i, values in enumerate(lists)
            if choice[i] != values[-1]
        )
    ]
    assert list(_largest(lists, fits)) == wanted
