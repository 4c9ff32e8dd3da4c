"""Terms: what is written is what is computed."""

from __future__ import annotations

from math import comb, log2, prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelsim.codesign.predict.terms import ONE, Terms, logs, monomials
from accelsim.errors import AccelsimError

NAMES = ("batch", "kernel", "padding")


@given(st.integers(1, 7), st.integers(0, 3))
def test_there_are_as_many_monomials_as_there_are_multisets(count, degree):
    names = tuple("abcdefg"[:count])
    found = monomials(names, degree)
    assert len(set(found)) == len(found) == comb(count + degree, degree)
    assert found[0] == ONE


@given(st.lists(st.tuples(*[st.integers(0, 50)] * 3), min_size=1, max_size=5))
def test_values_are_those_of_the_text(rows):
    texts = (*monomials(NAMES, 3), *monomials(logs(NAMES), 2), "log2(kernel)^2*batch")
    got = Terms(texts, NAMES).values(np.array(rows, float))
    for row, values in zip(rows, got, strict=True):
        known = dict(zip(NAMES, row, strict=True)) | {
            f"log2({n})": log2(max(v, 1)) for n, v in zip(NAMES, row, strict=True)
        }
        for text, value in zip(texts, values, strict=True):
            factors = [factor.partition("^") for factor in text.split("*") if factor != ONE]
            assert value == pytest.approx(prod(known[name] ** int(power or 1) for name, _, power in factors))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("batch+kernel", "is no term"),
        ("kernal", "did you mean 'kernel'"),
        ("batch^0", "is no term"),
        ("", "is no term"),
    ],
)
def test_what_is_no_term_is_told(text, says):
    with pytest.raises(AccelsimError, match=says):
        Terms((text,), NAMES)
