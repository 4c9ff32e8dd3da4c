"""What is told of a run: percentiles, goodput, rates, bounds, rows, traces; each against its definition."""

from __future__ import annotations

import csv
import json
import math
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import accelsim
from accelsim.cli import app
from accelsim.errors import AccelsimError
from accelsim.reproduce.serving import TABLE, asked, one_us_a_token, ours
from accelsim.serving import perfetto
from accelsim.serving.bounds import bounds_of
from accelsim.serving.bundle import Bundle, Table
from accelsim.serving.costing import costs_of, prices_of
from accelsim.serving.models import MODELS
from accelsim.serving.policy import Policy
from accelsim.serving.requests import Asked
from accelsim.serving.run import run
from accelsim.serving.served import PERCENTILES, Limits, Served, Spread
from serving.draws import asked_of, bundle_of, cases

COMMON = ("--budget", "2048", "--max-seqs", "128", "--kv-blocks", "2588")


def naive(values, p):
    """Nearest rank: the least value that p percent do not exceed."""
    values = sorted(values)
    return values[math.ceil(p * len(values) / 100) - 1]


@given(st.lists(st.integers(0, 50), min_size=1, max_size=300))
def test_percentiles_are_of_the_nearest_rank(values):
    found = Spread.of(np.array(values, np.float64))
    assert [getattr(found, f"p{p}") for p in PERCENTILES] == [naive(values, p) for p in PERCENTILES]
    assert found.mean == pytest.approx(np.mean(values))
    many = np.unique(values, return_counts=True)
    assert Spread.weighted(many[0].astype(np.float64), many[1]) == found


def test_gaps_are_those_between_tokens():
    """All gaps of a request add up to its time from first to last token."""
    found = ours().run
    assert int(found.gaps.times @ found.gaps.counts) == int((found.last - found.first).sum())


def test_goodput_counts_those_that_keep_both_limits():
    found = accelsim.serve(TABLE, asked(), kv_blocks=2588, slo="ttft=60s,tpot=35ms")
    good = [row for row in found.table if row["ttft_ms"] <= 60e3 and (row["tpot_ms"] or 0) <= 35]
    assert 0 < len(good) < 300 and [row["request"] for row in good] == np.flatnonzero(found.good).tolist()
    assert found.goodput == pytest.approx(len(good) / found.seconds)
    assert found.seconds == pytest.approx((found.run.last.max() - asked().arrival[0]) / 1e9)


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(cases())
def test_no_run_beats_its_bounds(case):
    table, policy, requests = case
    costs = costs_of(bundle_of(table))
    found = run(asked_of(requests), policy, costs, prices_of(bundle_of(table)), 64)
    bounds = bounds_of(found.asked, policy, costs)
    rounding = found.iterations + 1
    if bounds.work is not None:
        assert bounds.work <= max(found.busy) + rounding
        assert (bounds.prefill <= found.first - found.asked.arrival + rounding).all()
    if bounds.decode_rate is not None and policy.name == "static" and not policy.split:
        only = [row for row in found.kept.rows.tolist() if row[4] == row[5] == row[3]]  # decodes alone
        took = sum(row[1] - row[0] for row in only)
        contexts = found.asked.prompt.min()
        if only and contexts > 1 and (found.asked.prompt > 1).all():
            assert sum(row[5] for row in only) / max(took, 1) <= bounds.decode_rate / 1e9 * (1 + 1e-6) + 1e-9


def test_saturated_decode_is_exact():
    """By hand: 4 requests at once; prompts take an iteration of 40 us, then 9 iterations of 4 us."""
    bundle = one_us_a_token()
    found = run(Asked.of([0] * 4, [10] * 4, [10] * 4), Policy(100), costs_of(bundle), prices_of(bundle))
    assert found.first.tolist() == [40_000] * 4 and found.last.tolist() == [76_000] * 4
    assert dict(zip(found.gaps.times.tolist(), found.gaps.counts.tolist(), strict=True)) == {4000: 36}
    bounds = bounds_of(found.asked, found.policy, costs_of(bundle))
    assert bounds.work == 76_000 == found.span and bounds.prefill.tolist() == [10_000] * 4
    assert bounds.decode_rate == pytest.approx(1e6)


def test_energy_adds_up_over_iterations():
    """1 uJ a token and 2 W that stand: by hand."""
    bundle = one_us_a_token()
    nothing = {1: 0.0}
    prices = Table(
        {**dict.fromkeys(MODELS["gpt2"].times(), nothing), "embedding": {1: 1.0, 2: 2.0}},
        {"lm_head": nothing, "sampler": nothing}, bundle.times.attention,
    )  # fmt: skip
    own = Bundle(TABLE, bundle.model, 1, bundle.times, prices, 2.0)
    found = accelsim.serve(own, Asked.of([0, 10**6], [10, 10], [5, 5]), kv_blocks=100)
    assert found.run.energy == (28.0,)  # 2 x (10 + 5 - 1) tokens
    busy, span = 28e-6, 1e-3 + 14e-6
    assert found.token_mj == pytest.approx((28e-3 + 2 * busy * 1e3) / 10)
    assert found.idle_j == pytest.approx(2 * (span - busy))


def test_energy_is_that_of_all_devices():
    """Tables are of one device each; so is what stands."""
    bundle = one_us_a_token()
    two = Bundle(TABLE, bundle.model, 2, bundle.times, bundle.times, 3.0)
    found = accelsim.serve(two, Asked.of([0], [10], [5]), kv_blocks=100, devices=2, all_reduce="1 GB/s")
    assert found.run.energy == (2 * 14.0,)
    assert found.token_mj == pytest.approx((28e-3 + 2 * 3 * found.run.busy[0] * 1e-6) / 5)


def test_rows_and_document_agree(tmp_path):
    file = tmp_path / "requests.csv"
    trace = tmp_path / "t.csv"
    lines = [f"{a / 1e9:.9f},{p},{o}" for a, p, o in zip(*map(np.ndarray.tolist, vars(asked()).values()), strict=True)]
    trace.write_text("arrived_at,num_prefill_tokens,num_decode_tokens\n" + "\n".join(lines) + "\n")
    result = CliRunner().invoke(
        app, ["serve", str(TABLE), "--requests", str(trace), *COMMON, "--out", str(file), "--json"]
    )
    assert result.exit_code == 0, result.output
    document = json.loads(result.output)
    rows = list(csv.DictReader(file.open()))
    assert len(rows) == document["requests"] == 300
    assert np.mean([float(row["ttft_ms"]) for row in rows]) == pytest.approx(document["ttft_ms"]["mean"])
    assert sum(int(row["recomputed_tokens"]) for row in rows) == document["recomputed_tokens"] == 112_366
    assert document["preemptions"] == 192 and document["kv_peak_blocks"] == [2588]
    assert document["itl_ms"]["mean"] == ours().itl.mean


def test_a_trace_is_a_flow_through_iterations(tmp_path):
    file = tmp_path / "trace.json"
    arguments = ["--rate", "3", "--count", "40", "--prompt", "900", "--output", "30", *COMMON[:4], "--kv-blocks", "150"]
    result = CliRunner().invoke(app, ["serve", str(TABLE), *arguments, "--trace", str(file)])
    assert result.exit_code == 0, result.output
    events = json.loads(file.read_text())["traceEvents"]
    slices = [event for event in events if event["ph"] == "X"]
    ends = [slice_["ts"] + slice_["dur"] for slice_ in slices]
    assert all(after["ts"] >= end - 1e-6 for end, after in zip(ends, slices[1:], strict=False))
    kinds = {kind: [event for event in events if event["ph"] == kind] for kind in "bestf"}
    assert len(kinds["s"]) == len(kinds["f"]) == 40  # each begins and ends once
    assert len(kinds["b"]) == len(kinds["e"])
    starts = {slice_["ts"] for slice_ in slices}
    assert {event["ts"] for event in kinds["s"]} <= starts
    assert all(any(s["ts"] <= event["ts"] <= s["ts"] + s["dur"] for s in slices) for event in kinds["f"])


def test_a_trace_of_a_split_run_has_every_iteration(tmp_path):
    file = tmp_path / "trace.json"
    arguments = ["--rate", "0.03", "--count", "6", "--prompt", "200", "--output", "1500", "--split", "1 GB/s,5us"]
    result = CliRunner().invoke(app, ["serve", str(TABLE), *arguments, "--kv-blocks", "400", "--trace", str(file)])
    assert result.exit_code == 0, result.output
    document = json.loads(file.read_text())
    slices = [event for event in document["traceEvents"] if event["ph"] == "X"]
    assert document["otherData"]["one iteration of"] == 1 and len(slices) > 4096
    names = [event["name"] for event in document["traceEvents"] if event["ph"] == "b"]
    assert names.count("waits for the link") == names.count("crosses") == 6
    assert {event["tid"] for event in slices} == {0, 1}
    crossings = [event["ts"] for event in document["traceEvents"] if event["ph"] == "b" and event["name"] == "crosses"]
    milliseconds = 200 * 131_072 / 1e9 * 1e3  # on the link, which is held by one at a time
    assert min(np.diff(sorted(crossings))) >= milliseconds * 1e3 - 1e-6


def test_pictures(tmp_path):
    for rate in ("4", "1,2,4"):
        file = tmp_path / f"{rate}.png"
        arguments = ["--rate", rate, "--count", "50", *COMMON, "--plot", str(file)]
        result = CliRunner().invoke(app, ["serve", str(TABLE), *arguments])
        assert result.exit_code == 0, result.output
        assert file.read_bytes().startswith(b"\x89PNG")
    assert "rate" in result.output
    axes = ours().plot()
    batch = max(line.get_ydata().max() for line in axes.get_lines())
    assert batch == ours().run.kept.rows[:, 6].max()  # all that are in the system


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--rate", "1"], "give the KV cache in blocks (kv_blocks=2588) or as memory"),
        (["--rate", "1", "--kv-blocks", "0"], "a KV cache of 0 blocks: it must hold at least one"),
        (["--rate", "1", "--memory", "16 GB"], "leave"),
        (["--kv-blocks", "9"], "give requests, a trace, or a rate"),
        (["--rate", "fast", "--kv-blocks", "9"], "--rate fast: should be requests/s"),
        (["--rate", "1", "--kv-blocks", "9"], "request 0: a prompt of 1,024 and 256 tokens of output need 80 blocks"),
        (["--rate", "1", "--kv-blocks", "99", "--slo", "ttf=1s"], "slo: unknown limit 'ttf'; did you mean 'ttft'?"),
        (["--rate", "1", "--kv-blocks", "99", "--slo", "ttft=1"], "should be a number and a unit, as in '50 ms'"),
        (["--rate", "1", "--kv-blocks", "99", "--policy", "orca"], "unknown policy 'orca'"),
        (["--rate", "1", "--kv-blocks", "99", "--devices", "2"], "no tp2/dense.csv, for 2 device(s)"),
        (["--rate", "1", "--kv-blocks", "99", "--decode-blocks", "2"], "decode blocks go with a split"),
        (["--rate", "1", "--kv-blocks", "99", "--split", "0 GB/s"], "a rate must be above 0"),
        (["--rate", "1,2", "--kv-blocks", "99", "--out", "x.csv"], "--out and --trace are of one run"),
        (["--rate", "1", "--kv-blocks", "99", "--peak", "1 TFLOP/s"], "rows are faster than it can be"),
    ],
)
def test_bad_input_is_one_line(arguments, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["serve", str(TABLE), *arguments])
    assert result.exit_code == 2 and told in result.output and "Traceback" not in result.output
    assert len(result.output.strip().split("\n")) == 1 and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("table", "arguments", "told"),
    [
        ("tpu_v2", [], "nor is it a folder of layer times (rtx4090_llama3_8b ships)"),
        ("no/where", [], "nor is it a folder of layer times"),
        ("tpu_v1", [], "tpu_v1: a machine needs a model to serve (--model llama3_8b)"),
        ("tpu_v1", ["--model", "llama"], "unknown model 'llama'"),
        ("rtx4090_llama3_8b", ["--set", "rows=3"], "parameters are those of a machine, and this is a table of one"),
    ],
)
def test_a_table_or_machine_that_is_none(table, arguments, told):
    result = CliRunner().invoke(app, ["serve", table, "--rate", "1", "--count", "1", "--kv-blocks", "99", *arguments])
    assert result.exit_code == 2 and told in result.output and len(result.output.strip().split("\n")) == 1


def test_a_table_of_two_devices_is_of_two():
    bundle = one_us_a_token()
    two = Bundle(TABLE, bundle.model, 2, bundle.times)
    with pytest.raises(AccelsimError, match="a table of 2 devices, where 3 are asked for"):
        accelsim.serve(two, rate=1, count=1, kv_blocks=99, devices=3, all_reduce="1 GB/s")
    with pytest.raises(AccelsimError, match="2 devices add up their sums: give their link"):
        accelsim.serve(two, rate=1, count=1, kv_blocks=99)


def test_memory_less_weights_are_blocks():
    """24 GB less 8.03 G words of 2 B, in blocks of 2 MiB."""
    found = accelsim.serve(TABLE, rate=1, count=3, memory="24 GB")
    weights = 2 * MODELS["llama3_8b"].weights
    assert found.run.policy.kv_blocks == (24 * 10**9 - weights) // 2**21
    assert found.blocks_from.startswith("24,000,000,000 B of memory less")


def test_limits_by_name():
    found = accelsim.serve(TABLE, rate=1, count=3, kv_blocks=999, slo={"ttft": "1 ms"})
    assert found.limits == Limits(10**6, None) and found.goodput == 0
    with pytest.raises(AccelsimError, match="needs what happened"):
        perfetto.write(None, found)
    assert isinstance(found, Served) and "3 requests" in repr(found)


@pytest.mark.slow
def test_a_hundred_thousand_requests_in_thirty_seconds():
    begun = time.process_time()
    found = accelsim.serve(TABLE, rate=4, count=100_000, kv_blocks=20_000, spread=0.5)
    assert time.process_time() - begun < 30
    assert found.requests == 100_000 and len(found.run.kept.rows) <= 4096


TRACE = "arrived_at,num_prefill_tokens,num_decode_tokens\n"


@pytest.mark.parametrize(
    ("arguments", "trace", "told"),
    [
        (["--kv-blocks", "100"], "0,4,2\n-1,4,2\n", "asked.csv:3: arrived_at: a time must not be negative, got -1"),
        (["--kv-blocks", "100"], "5,4,2\n1,4,2\n", "asked.csv:3: arrived_at: 1 s is earlier than the request before"),
        (["--kv-blocks", "100"], "0,99999,2\n", "need 6,250 blocks of 16 tokens, and the KV cache has 100; 1 of 1"),
        (["--kv-blocks", "0"], "0,4,2\n", "a KV cache of 0 blocks: it must hold at least one, of 16 tokens"),
        (["--memory", "16 GB"], "0,4,2\n", "leave -59,990,016 B, less than one block of 16 tokens, 2,097,152 B"),
        (["--kv-blocks", "9", "--skew", "3"], "0,4,2\n", "skew must be from 0 (the mean context's attention) to 1"),
        (["--kv-blocks", "9", "--plot", "x.xyz"], "0,4,2\n", "unknown picture format 'xyz' (pdf, png, svg)"),
        (["--kv-blocks", "9", "--devices", "2"], "0,4,2\n", "no tp2/dense.csv, for 2 device(s) (tp1)"),
        (["--kv-blocks", "9", "--policy", "chunk"], "0,4,2\n", "unknown policy 'chunk'; did you mean 'chunked'?"),
        (["--kv-blocks", "9", "--memory", "9 GB"], "0,4,2\n", "give the KV cache in blocks (kv_blocks=2588) or as"),
        (["--kv-blocks", "9", "--decode-blocks", "9"], "0,4,2\n", "decode blocks go with a split"),
    ],
)  # fmt: skip
def test_what_users_get_wrong_is_one_line(tmp_path, monkeypatch, arguments, trace, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "asked.csv").write_text(TRACE + trace)
    result = CliRunner().invoke(app, ["serve", "rtx4090_llama3_8b", "--requests", "asked.csv", *arguments])
    assert result.exit_code == 2
    assert told in result.output
    assert len(result.output.strip().split("\n")) == 1
    assert [one.name for one in tmp_path.iterdir()] == ["asked.csv"]


def test_what_fits_nowhere_is_told_before_a_machine_is_simulated(monkeypatch):
    def never(*_):
        raise AssertionError("simulated")

    monkeypatch.setattr("accelsim.serving.door._simulated", never)
    for what in (["eyeriss", "--model", "gpt2"], ["tpu_v3_core", "--model", "gpt2"]):
        result = CliRunner().invoke(app, ["serve", *what, "--rate", "1", "--count", "3", "--kv-blocks", "9"])
        assert result.exit_code == 2
        assert "need 80 blocks of 16 tokens, and the KV cache has 9; 3 of 3 requests fit nowhere" in result.output
