"""Traces and drawn requests, and what of them fits nowhere."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from accelsim.errors import AccelsimError
from accelsim.serving.policy import Policy, Split
from accelsim.serving.requests import Asked, draw, read_trace

HEAD = "arrived_at,num_prefill_tokens,num_decode_tokens\n"


def trace(tmp_path, rows: str):
    file = tmp_path / "t.csv"
    file.write_text(HEAD + rows, encoding="utf-8")
    return file


def test_a_trace_is_exact(tmp_path):
    found = read_trace(trace(tmp_path, "0.1,3,4\n0.1000000015,5.0,6\n2,7,1\n"))
    assert found.arrival.tolist() == [100_000_000, 100_000_002, 2_000_000_000]
    assert found.prompt.tolist() == [3, 5, 7] and found.work.tolist() == [6, 10, 7]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("3,1,1\n2.5,1,1\n", "t.csv:3: arrived_at: 2.5 s is earlier than the request before, 3 s; sort them"),
        ("-1,1,1\n", "t.csv:2: arrived_at: a time must not be negative, got -1"),
        ("soon,1,1\n", "t.csv:2: arrived_at: should be a number of seconds, got 'soon'"),
        ("1e99,1,1\n", "t.csv:2: arrived_at: must be at most"),
        ("0,0,1\n", "t.csv:2: num_prefill_tokens: must be from 1 to"),
        ("0,1,1.5\n", "t.csv:2: num_decode_tokens: should be a whole number, got '1.5'"),
        ("", "t.csv: holds no requests"),
    ],
)
def test_bad_traces(tmp_path, rows, told):
    with pytest.raises(AccelsimError) as error:
        read_trace(trace(tmp_path, rows))
    assert told in str(error.value) and "\n" not in str(error.value)


def test_a_column_that_is_missing(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("arrival,num_prefill_tokens,num_decode_tokens\n0,1,1\n")
    with pytest.raises(AccelsimError, match="arrived_at: no such column; did you mean 'arrival'"):
        read_trace(file)


def test_draws_have_the_rate_and_sizes_asked_for():
    found = draw(5.0, 300, 40, 50_000, seed=3, spread=0.8)
    assert len(found) / (found.arrival[-1] / 1e9) == pytest.approx(5.0, rel=0.02)
    assert found.prompt.mean() == pytest.approx(300, rel=0.02) and found.prompt.std() == pytest.approx(240, rel=0.04)
    assert (draw(5.0, 300, 40, 50_000, seed=3, spread=0.8).arrival == found.arrival).all()
    assert set(draw(1.0, 7, 9, 100).prompt) == {7}
    with pytest.raises(AccelsimError, match="rate must be from 1e-06"):
        draw(0, 1, 1, 1)


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        (
            Policy(4, block=4),
            "request 1: a prompt of 10 and 8 tokens of output need 5 blocks of 4 tokens, and the KV cache has 4; "
            "1 of 3 requests fit nowhere",
        ),
        (Policy(9, "whole", budget=16), "request 1: a prompt of 10 and 8 tokens of output are 17 to compute at once"),
        (Policy(9, split=Split(1, Fraction(1))), "need 2 blocks of 16 tokens, and the KV cache of the decode side"),
    ],
)  # fmt: skip
def test_what_fits_nowhere_is_told_before_the_run(policy, told):
    asked = Asked.of([0, 0, 1], [3, 10, 12], [2, 8, 1])
    with pytest.raises(AccelsimError) as error:
        policy.check(asked)
    assert told in str(error.value)
    Policy(5, block=4, budget=1).check(asked)  # where prompts are cut, a budget never refuses


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"kv_blocks": 0}, "a KV cache of 0 blocks: it must hold at least one, of 16 tokens"),
        ({"name": "chunk"}, "unknown policy 'chunk'; did you mean 'chunked'?"),
        ({"budget": 0}, "budget must be from 1 to"),
        ({"name": "whole", "chunk": 5}, "policy 'whole' computes whole prompts: chunk goes with chunked and static"),
        (
            {"name": "static", "split": Split(4, Fraction(1))},
            "policy 'static' is not for split devices (chunked, whole)",
        ),
        ({"split": Split(4, Fraction(0))}, "needs a rate above 0"),
    ],
)
def test_policies_that_cannot_be(given, told):
    with pytest.raises(AccelsimError) as error:
        Policy(**{"kv_blocks": 4, **given})
    assert told in str(error.value)


def test_requests_must_be_in_order():
    for arrivals in ([1, 0], [-1, 0]):
        with pytest.raises(AccelsimError, match="in order, from 0 on"):
            Asked.of(arrivals, [1, 1], [1, 1])
    with pytest.raises(AccelsimError, match="at least one token"):
        Asked.of(np.array([0]), np.array([0]), np.array([1]))
