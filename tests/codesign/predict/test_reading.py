"""The text of a model's file."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelsim.codesign.predict.reading import floats, text

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_it_is_the_same_json(data):
    assert json.loads(text(data)) == data


def test_numbers_are_on_a_line():
    assert text({"a": [1.5, 2], "b": [[1, 2], [3, 4]]}) == '{\n "a": [1.5, 2],\n "b": [\n  [1, 2],\n  [3, 4]\n ]\n}\n'


@pytest.mark.parametrize(("data", "says"), [(3, "list"), ([1, "2"], "list"), ([1, True], "list"), ([1], "expected 2")])
def test_what_is_no_list_of_numbers(data, says):
    with pytest.raises((TypeError, ValueError), match=says):
        floats(data, 2)
