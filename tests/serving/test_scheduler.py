"""The fast server equals the slow one, on every drawn table, policy and set of requests."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings

from accelsim.serving.costing import costs_of, prices_of
from accelsim.serving.kernels import state
from accelsim.serving.run import run
from serving.draws import SMALL, asked_of, bundle_of, cases, slow_table
from serving.slow import Server

QUIET = {"deadline": None, "suppress_health_check": list(HealthCheck)}


def agree(case) -> None:
    table, policy, requests = case
    bundle = bundle_of(table)
    fast = run(asked_of(requests), policy, costs_of(bundle), prices_of(bundle), SMALL.kv_bytes())
    slow = Server(requests, policy, slow_table(table))
    slow.run()
    assert fast.first.tolist() == [request.tokens[0] for request in slow.all]
    assert fast.last.tolist() == [request.tokens[-1] for request in slow.all]
    assert fast.puts.tolist() == [request.puts for request in slow.all]
    assert fast.again.tolist() == [request.again for request in slow.all]
    gaps = Counter(b - a for one in slow.all for a, b in zip(one.tokens, one.tokens[1:], strict=False))
    assert dict(zip(fast.gaps.times.tolist(), fast.gaps.counts.tolist(), strict=True)) == gaps
    columns = [state.ROW_START, state.ROW_END, state.ROW_TOKENS, state.ROW_SEQUENCES]
    assert list(map(tuple, fast.kept.rows[:, columns].tolist())) == slow.iterations
    devices = [slow.first] + ([slow.second] if slow.second else [])
    assert fast.peak == tuple(device.peak for device in devices)
    assert fast.busy == tuple(device.busy for device in devices)


@settings(max_examples=200, **QUIET)
@given(cases())
def test_fast_equals_slow(case):
    agree(case)


@pytest.mark.nightly
@settings(max_examples=2500, **QUIET)
@given(cases(24))
def test_fast_equals_slow_often(case):
    agree(case)
