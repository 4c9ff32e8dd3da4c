"""Policies by hand, where an iteration takes a us for each token; and that what is lost is found."""

from __future__ import annotations

import tracemalloc
from fractions import Fraction

import numpy as np
import pytest

from accelsim.reproduce.serving import one_us_a_token
from accelsim.serving import run as running
from accelsim.serving.costing import costs_of, prices_of
from accelsim.serving.policy import Policy, Split
from accelsim.serving.requests import Asked, draw
from accelsim.serving.run import ConservationError, run

US = 1000


def served(policy, requests, kv_bytes=0):
    """First and last tokens in us. requests : (arrival in us, prompt, output)."""
    bundle = one_us_a_token()
    arrivals, prompts, outputs = zip(*requests, strict=True)
    asked = Asked.of([US * at for at in arrivals], prompts, outputs)
    found = run(asked, policy, costs_of(bundle), prices_of(bundle), kv_bytes)
    return list(zip((found.first / US).tolist(), (found.last / US).tolist(), strict=True)), found


def test_static_admits_only_when_nobody_runs():
    waits, _ = served(Policy(99, "static", max_seqs=2), [(0, 4, 3), (0, 2, 1), (0, 3, 2)])
    assert waits == [(6, 8), (6, 6), (11, 12)]


def test_static_takes_blocks_to_the_end():
    """Two blocks of 4 each for 5 tokens to compute: the second waits for the first."""
    waits, found = served(Policy(3, "static", block=4), [(0, 4, 2), (0, 4, 2)])
    assert waits == [(4, 5), (9, 10)] and found.peak == (2,)


def test_whole_prompts_are_not_cut():
    requests = [(0, 3, 3), (0, 3, 1)]
    assert served(Policy(99, "whole", budget=5), requests)[0] == [(3, 8), (7, 7)]
    assert served(Policy(99, "chunked", budget=5), requests)[0] == [(5, 8), (7, 7)]


def test_a_chunk_bounds_one_prompt():
    waits, found = served(Policy(99, chunk=2), [(0, 5, 1), (0, 3, 1)])
    assert waits == [(8, 8), (7, 7)] and found.kept.rows[:, 3].tolist() == [4, 3, 1]


def test_prompts_come_first():
    requests = [(0, 2, 3), (1, 4, 2)]
    assert served(Policy(99, "prompts-first"), requests)[0] == [(2, 9), (6, 8)]
    assert served(Policy(99), requests)[0] == [(2, 9), (7, 9)]


def test_nobody_passes_who_waits():
    """The second does not fit beside the first, the third would."""
    waits, _ = served(Policy(5, block=1), [(0, 3, 2), (0, 4, 1), (0, 1, 1)])
    assert waits == [(3, 4), (9, 9), (9, 9)]


def test_who_arrives_at_the_instant_of_a_plan_is_in_it():
    for arrives, waits in ((3, [(3, 5), (5, 5)]), (4, [(3, 4), (5, 5)])):
        assert served(Policy(99), [(0, 3, 2), (arrives, 1, 1)])[0] == waits


def test_prompts_cross_one_after_another():
    """2 us a token on the link, 1 us of latency that does not hold it."""
    policy = Policy(99, split=Split(99, Fraction(10**9), US))
    waits, found = served(policy, [(0, 3, 3), (0, 2, 2), (0, 1, 1)], kv_bytes=2000)
    # 6 us of prompts; crossings from 6 to 12 and 12 to 16
    assert waits == [(6, 15), (6, 18), (6, 6)]
    assert found.busy == (6 * US, 3 * US)


def test_a_crossing_waits_for_blocks_there():
    """Room there for one request of 4 tokens: the second crosses when the first is done."""
    policy = Policy(99, block=1, split=Split(4, Fraction(10**9)))
    waits, found = served(policy, [(0, 3, 2), (0, 3, 2)], kv_bytes=1000)
    assert waits == [(6, 10), (6, 14)] and found.peak == (6, 4)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda side, requests: requests.computed.__setitem__(0, 1), "computed more or fewer tokens"),
        (lambda side, requests: requests.reached.__setitem__(0, 1), "not all of its tokens"),
        (lambda side, requests: requests.last.__setitem__(1, 10**9), "area under the requests"),
        (lambda side, requests: requests.again.__setitem__(0, 3), "tokens computed do not add up"),
        (lambda side, requests: requests.puts.__setitem__(0, 1), "put back do not add up"),
        (lambda side, requests: side.after.__setitem__(int(side.at[2]), -1), "blocks did not come back"),
        (lambda side, requests: requests.first.__setitem__(0, 0), "out of order"),
    ],
)
def test_a_fault_is_found(spoil, told, monkeypatch):
    kernel = running.advance

    def spoiled(requests, side, *rest):
        more = kernel(requests, side, *rest)
        spoil(side, requests)
        return more

    monkeypatch.setattr(running, "advance", spoiled)
    with pytest.raises(ConservationError, match=told):
        served(Policy(9), [(0, 3, 2), (1, 3, 4)])


def test_finished_requests_take_no_memory_but_their_row():
    """A dozen numbers each, and as many of the input; nothing for each token."""
    bundle = one_us_a_token()

    def peak(requests: int) -> int:
        asked = draw(1e3, 100, 200, requests)
        tracemalloc.start()
        run(asked, Policy(4000, budget=64), costs_of(bundle), prices_of(bundle))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(10)
    assert peak(6000) - peak(3000) < 3000 * 8 * (3 * 12)


def test_waits_are_exact_over_years():
    """10^8 s after the epoch of a trace, to the ns."""
    bundle = one_us_a_token()
    late = 10**17
    asked = Asked.of(np.array([0, late, late + 1]), [5, 5, 5], [2, 2, 2])
    found = run(asked, Policy(99), costs_of(bundle), prices_of(bundle))
    assert found.last.tolist() == [6 * US, late + 11 * US, late + 12 * US]
