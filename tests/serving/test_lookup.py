"""Look-ups equal exact fractions, within the table and beyond it."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import accelsim
from accelsim.errors import AccelsimError
from accelsim.reproduce.serving import TABLE
from accelsim.serving.bundle import Bundle, Table, read_bundle
from accelsim.serving.costing import Batch, Link, costs_of, time_of
from accelsim.serving.kernels.lookup import cost
from accelsim.serving.requests import Asked
from serving.draws import SMALL, bundle_of, slow_table, tables
from serving.slow import Table as SlowTable

PARTS = st.lists(st.tuples(st.sampled_from((1, 1, 2, 7, 100, 900)), st.integers(0, 20_000)), min_size=1, max_size=9)


@pytest.fixture(scope="module")
def measured():
    bundle = read_bundle(TABLE)
    times, model = bundle.times, bundle.model
    exact = [{name: {at: Fraction(us) for at, us in points.items()} for name, points in one.items()}
             for one in (times.dense, times.sequences)]  # fmt: skip
    attention = {key: Fraction(us) for key, us in times.attention.items()}
    return costs_of(bundle), SlowTable(*exact, attention, model.times(), model.layers)


@settings(max_examples=150)
@given(PARTS)
def test_of_a_measured_table(measured, parts):
    costs, slow = measured
    assert time_of(costs, Batch.of(parts)) == pytest.approx(float(slow(parts)), abs=1e-3)


@settings(max_examples=300)
@given(tables(), PARTS)
def test_of_drawn_tables(table, parts):
    assert time_of(costs_of(bundle_of(table)), Batch.of(parts)) == pytest.approx(
        float(slow_table(table)(parts)), abs=1e-3, rel=1e-9
    )


def test_a_batch_counts_one_new_token_as_a_decode():
    assert Batch.of([(1, 10), (5, 3), (1, 13), (4, 0)]) == Batch(
        11, 4, 9, 3, 2, 11, 13, 10, 5 * (2 * 3 + 5) + 4 * (2 * 0 + 4)
    )  # fmt: skip


def test_layers_count_as_often_as_they_run(measured):
    """By hand: two norms a layer, one embedding, one head; attention of one point of the table."""
    bundle = read_bundle(TABLE)
    dense, one = bundle.times.dense, bundle.times.sequences
    each = sum(dense[name][64] for name in ("qkv_proj", "rotary_emb", "o_proj", "gate_up_proj", "act_fn", "down_proj"))
    us = dense["embedding"][64] + dense["final_layernorm"][64] + 32 * (each + 2 * dense["layernorm"][64])
    us += one["lm_head"][1] + one["sampler"][1] + 32 * bundle.times.attention[64, 512, 0, 0]
    assert time_of(measured[0], Batch(64, 1, 64, 512, 0, 0, 0)) == pytest.approx(1000 * us, rel=1e-12)


def test_leaving_the_table_is_told(measured):
    inside = (64, 2, 62, 100, 2, 100, 100)
    for at, out in ((inside, False), ((64, 2, 62, 20_000, 2, 100, 100), True), ((64, 2, 62, 9, 2, 8, 8), True)):
        assert bool(cost(measured[0], *at, at[-1], 0)[1]) is out


def test_skew_goes_from_the_mean_to_the_longest(measured):
    bundle = read_bundle(TABLE)
    batch = Batch(8, 8, 0, 0, 8, 512, 4096)
    even, longest = (time_of(costs_of(bundle), Batch(8, 8, 0, 0, 8, at, at)) for at in (512, 4096))
    assert time_of(costs_of(bundle, skew=0.25), batch) == pytest.approx(even + 0.25 * (longest - even), rel=1e-12)
    assert time_of(measured[0], batch) == pytest.approx(even, rel=1e-12)


def test_a_table_of_all_reduces_is_read_as_layers_are(tmp_path):
    """16 B a token: 10 us at 16 B, 30 at 48, linear between and beyond; twice in each of 3 layers."""
    us = {name: {1: 0.0, 9: 80.0} for name in SMALL.times()}
    table = Table(us, {"lm_head": {1: 0.0}, "sampler": {1: 0.0}}, {(0, 0, 1, 1): 0.0, (2, 0, 0, 0): 0.0})
    bundle = Bundle(TABLE, SMALL, 2, table)
    plain = costs_of(bundle)
    for tokens, each in ((1, 10), (2, 20), (3, 30), (7, 70)):
        batch = Batch(tokens, 1, tokens, 0, 0, 0, 0)
        found = time_of(costs_of(bundle, {16: 10.0, 48: 30.0}), batch) - time_of(plain, batch)
        assert found == pytest.approx(6 * each * 1000, rel=1e-12)
    file = tmp_path / "reduce.csv"
    file.write_text("bytes,time_us\n16,10\n48,30\n")
    served = [
        accelsim.serve(bundle, Asked.of([0], [2], [2]), kv_blocks=9, all_reduce=link).run.span
        for link in (str(file), f"{1.6e-3 * 1} GB/s")  # 2 (k - 1) / k is 1 of two devices: 10 us for 16 B
    ]
    assert served[0] == served[1]
    file.write_text("bytes,time_us\n16,soon\n")
    with pytest.raises(AccelsimError, match="should be a number"):
        accelsim.serve(bundle, Asked.of([0], [2], [2]), kv_blocks=9, all_reduce=str(file))


@pytest.mark.parametrize("devices", [1, 2, 8])
def test_all_reduces(devices):
    """Twice a layer: 2 (k - 1) / k of the bytes, and 2 (k - 1) latencies."""
    us = {name: {1: 0.0} for name in SMALL.times()}
    table = Table(us, {"lm_head": {1: 0.0}, "sampler": {1: 0.0}}, {(0, 0, 1, 1): 0.0, (2, 0, 0, 0): 0.0})
    bundle = Bundle(TABLE, SMALL, devices, table)
    k, tokens, rate, latency = devices, 50, 16e9, 20e-6
    exact = 3 * 2 * (2 * (k - 1) / k * tokens * 8 * 2 / rate + 2 * (k - 1) * latency) * 1e9
    found = time_of(costs_of(bundle, Link(rate, latency)), Batch(tokens, 1, tokens, 0, 0, 0, 0))
    assert found == pytest.approx(exact if k > 1 else 0.0, rel=1e-12)
