"""Shares of unequal contexts by kind of batch: looked up as their labels say, in single batches and in whole runs."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.errors import AccelsimError
from accelsim.reproduce.serving import TABLE
from accelsim.serving.bundle import Table, read_bundle
from accelsim.serving.costing import Batch, costs_of, prices_of, time_of
from accelsim.serving.run import run
from accelsim.serving.screen import Peak, nonsense
from accelsim.serving.skew import Anchors, Axis, Buckets
from accelsim.serving.skew_files import DEFAULT_AXES
from accelsim.serving.writing import write_bundle
from serving.draws import SMALL, asked_of, bundle_of, cases, tables
from serving.slow import Server
from serving.slow import Table as SlowTable
from serving.test_scheduler import QUIET

SHARES = st.integers(-3, 12).map(lambda value: value / 8)
PARTS = st.lists(st.tuples(st.sampled_from((1, 1, 1, 2, 7, 30)), st.integers(0, 60)), min_size=1, max_size=9)
SMALL_AXES = {
    "n": Axis((0, 2, 4, 1000), ("n<=2", "n<=4", "n>4")),
    "skew_rate": Axis((-0.01, 0.25, 0.5, 1.01), ("low", "middle", "high")),
    "kv_big": Axis((0, 16, 1000), ("short", "long")),
    "kp": Axis((-1, 0, 20, 1000), ("kp=0", "kp<=20", "kp>20")),
}


@st.composite
def buckets(draw):
    cells = {}
    for _ in range(draw(st.integers(0, 60))):
        labels = [draw(st.sampled_from(axis.labels)) for axis in SMALL_AXES.values()]
        cells[draw(st.sampled_from((0, 2, 7, 8, 30))), *labels] = draw(SHARES)
    return Buckets(draw(st.integers(0, 8)) / 8, SMALL_AXES, cells)


@st.composite
def anchors(draw):
    axes = {"pc": Axis((-1, 1, 8, 1000), ("pc0", "pc1", "pc2")), "lev": Axis((0, 0.25, 1.5, 1e9), ("a", "b", "c"))}
    counts = draw(st.integers(2, 4)), draw(st.integers(4, 9))
    cells = {}
    for _ in range(draw(st.integers(0, 9))):
        key = draw(st.sampled_from(axes["pc"].labels)), draw(st.sampled_from(axes["lev"].labels))
        places = sorted(draw(st.sets(st.integers(*counts), min_size=1, max_size=4)))
        cells[key] = [(at, draw(SHARES)) for at in places]
    return Anchors(draw(SHARES), axes, cells, counts)


def label(axis, value):
    """The first label whose end is not below the value."""
    return next((name for end, name in zip(axis.bins[1:], axis.labels, strict=True) if value <= end), axis.labels[-1])


class Skewed(SlowTable):
    """The slow table with shares, by labels and in fractions."""

    def __init__(self, table, skew, keyed=False):
        super().__init__(
            table.dense, table.sequences, table.attention, SMALL.times(), SMALL.layers, SMALL.kv_bytes()
        )  # fmt: skip
        self.skew, self.keyed = skew, keyed

    def __call__(self, parts):
        even = super().__call__(parts)
        prompts = [part for part in parts if part[0] > 1]
        contexts = [past for new, past in parts if new == 1]
        chunk, past = sum(new for new, _ in prompts), sum(past for _, past in prompts)
        mean = sum(contexts) // len(contexts) if contexts else 0
        before = past
        if self.keyed and chunk:
            before = sum(new * (past + Fraction(new, 2)) for new, past in prompts) / chunk
        t_mean = self.look(self.tree, (chunk, before, len(contexts), mean))
        plain = self.look(self.tree, (chunk, past, len(contexts), mean))
        if len(contexts) < 2 or max(contexts) == mean or self.skew is None:
            return even + 1000 * self.layers * (t_mean - plain)
        t_max = self.look(self.tree, (chunk, before, len(contexts), max(contexts)))
        share = 0
        if t_max > t_mean:
            rate = Fraction(mean - min(contexts), max(contexts) - min(contexts))
            share = self.share(chunk, len(contexts), rate, max(contexts), before, t_mean, t_max)
        return even + 1000 * self.layers * (t_mean - plain + share * (t_max - t_mean))

    def share(self, chunk, count, rate, longest, past, t_mean, t_max):
        skew = self.skew
        if isinstance(skew, Buckets):
            values = {"n": count, "skew_rate": rate, "kv_big": longest, "kp": past}
            labels = [label(axis, values[name]) for name, axis in skew.axes.items()]
            return Fraction(skew.cells.get((chunk, *labels), skew.default))
        least, most = skew.counts
        lever = (t_max - t_mean) / t_mean if t_mean > 0 else 0
        cell = skew.cells.get((label(skew.axes["pc"], chunk), label(skew.axes["lev"], lever)))
        if not cell or not least <= count <= most:
            return Fraction(skew.default)
        # of the next by ratio the lower one: n / a against b / n
        return Fraction(min(cell, key=lambda one: (max(Fraction(count, one[0]), Fraction(one[0], count)), one[0]))[1])


def exact(table):
    return Table(
        *(
            {name: {at: Fraction(us) for at, us in points.items()} for name, points in one.items()}
            for one in (table.dense, table.sequences)
        ),
        {tuple(map(Fraction, key)): Fraction(us) for key, us in table.attention.items()},
    )


@settings(max_examples=150, **QUIET)
@given(tables(), buckets() | anchors(), PARTS)
def test_shares_are_those_of_their_labels(table, skew, parts):
    found = time_of(costs_of(replace(bundle_of(table), skews=skew)), Batch.of(parts))
    assert found == pytest.approx(float(Skewed(exact(table), skew)(parts)), abs=1e-3, rel=1e-9)


@settings(max_examples=80, **QUIET)
@given(cases(), buckets() | anchors())
def test_whole_runs_with_shares_equal_the_slow_server(case, skew):
    table, policy, requests = case
    bundle = replace(bundle_of(table), skews=skew)
    fast = run(asked_of(requests), policy, costs_of(bundle), prices_of(bundle), SMALL.kv_bytes())
    slow = Server(requests, policy, Skewed(exact(table), skew))
    slow.run()
    assert fast.first.tolist() == [request.tokens[0] for request in slow.all]
    assert fast.last.tolist() == [request.tokens[-1] for request in slow.all]


@settings(max_examples=150, **QUIET)
@given(tables(), st.none() | buckets(), PARTS)
def test_tables_by_mean_keys(table, skew, parts):
    """Tokens before a prompt's piece, and half of the piece: of several, the mean over their new tokens."""
    keyed = replace(
        table, attention={(c, p + c / 2 if c else 0, n, x): us for (c, p, n, x), us in table.attention.items()}
    )
    bundle = replace(bundle_of(keyed), keyed=True, skews=skew)
    found = time_of(costs_of(bundle), Batch.of(parts))
    assert found == pytest.approx(float(Skewed(exact(keyed), skew, keyed=True)(parts)), abs=1e-3, rel=1e-9)


@settings(max_examples=60, **QUIET)
@given(tables(), PARTS.filter(lambda parts: sum(new > 1 for new, _ in parts) <= 1))
def test_of_one_prompt_both_kinds_say_the_same_at_their_points(table, parts):
    """A chunk of the table: its key is what lies before it and half of it, so both lie alike between their points."""
    chunk = next((new for new, _ in parts if new > 1), 0)
    keyed = {(c, p + c / 2 if c else 0, n, x): us for (c, p, n, x), us in table.attention.items()}
    if chunk and not any(key[0] == chunk for key in table.attention):
        return
    plain, by_key = bundle_of(table), replace(bundle_of(replace(table, attention=keyed)), keyed=True)
    if any(p == 0 for c, p, _, _ in table.attention if c == chunk and c) and chunk:
        return  # 0 stands for a prompt's beginning in one, and is half a chunk in the other
    assert time_of(costs_of(plain), Batch.of(parts)) == pytest.approx(time_of(costs_of(by_key), Batch.of(parts)))


@pytest.fixture
def copy(tmp_path):
    return shutil.copytree(TABLE, tmp_path / "chip")


def fit(copy, **entry):
    meta = copy / "meta.yaml"
    meta.write_text(meta.read_text() + f"skew_fit: {json.dumps({'enabled': True, 'per_tp': {1: entry}})}\n")


COLUMNS = "pc,n_label,skew_rate_label,kv_big_label,kp_label,alpha,n_samples\n"
CELLS = COLUMNS + "0,n<=8,sr<=15%,kvB<=4k,kp=0,0.25,4\n64,n<=128,sr>70%,kvB>16k,kp<=2k,-0.125,9\n"


def test_buckets_are_read_written_and_read(copy, tmp_path):
    fit(copy, alpha_default=0.5, bucket_table="tp1/skew_fit.csv")
    (copy / "tp1" / "skew_fit.csv").write_text(CELLS)
    found = read_bundle(copy)
    assert found.skews == Buckets(0.5, DEFAULT_AXES, {
        (0, "n<=8", "sr<=15%", "kvB<=4k", "kp=0"): 0.25, (64, "n<=128", "sr>70%", "kvB>16k", "kp<=2k"): -0.125,
    })  # fmt: skip
    even, longest = (time_of(costs_of(found), Batch(8, 8, 0, 0, 8, at, at, at)) for at in (512, 4096))
    for shortest, share in ((460, 0.25), (0, 0.25), (511, 0.25), (512, 0.5)):
        rate = (512 - shortest) / (4096 - shortest)
        batch = Batch(8, 8, 0, 0, 8, 512, 4096, shortest)
        own = share if 0.05 < rate <= 0.15 else 0.5
        assert time_of(costs_of(found), batch) == pytest.approx(even + own * (longest - even), rel=1e-9)
        assert time_of(costs_of(found, skew=0.0), batch) == pytest.approx(even, rel=1e-12)
    place = write_bundle(replace(found, hardware="again", variant="bf16"), tmp_path)
    assert read_bundle(place).skews == found.skews
    assert (place / "skew_fit.csv").read_text().splitlines()[0] == COLUMNS.removesuffix(",n_samples\n")
    # a table of two devices beside it leaves what is there
    write_bundle(replace(found, hardware="again", variant="bf16", degree=2, skews=None, skew=0.125), tmp_path)
    assert read_bundle(place).skews == found.skews
    assert read_bundle(place.parent, None, 2).skew == 0.125


def test_inline_cells_and_those_of_other_kernels(copy):
    cells = {"attention|pc=0|n<=8|sr<=15%|kvB<=4k|kp=0": 0.25, "indexer|pc=0|n<=8|sr<=15%|kvB<=4k|kp=0": 1}
    fit(copy, alpha_default=0.5, alpha_default_by_layer={"attention": 0.125}, alpha_by_bucket=cells)
    found = read_bundle(copy)
    assert found.skew == 0.125
    assert found.skews.cells == {(0, "n<=8", "sr<=15%", "kvB<=4k", "kp=0"): 0.25}


CALIBRATED = {
    "schema": "runtime-skew-calibration-v1",
    "axes": {
        "pc_bins": [-1, 1, 256, 10**9], "pc_labels": ["pc0", "pc1", "pc2"],
        "lev_bins": [0, 0.5, 10**9], "lev_labels": ["lev0", "lev1"],
    },
    "n_range_by_kernel": {"attention|q=1": [2, 64]}, "alpha_default_by_kernel": {"attention|q=1": 0.0535},
    "bucket_table": "tp1/skew_fit.csv",
}  # fmt: skip
ANCHORS = "layer,decode_q_len,pc_label,lev_label,n_anchor,alpha,direct_rows,pooled_rows\n"
ANCHORS += "attention,1,pc0,lev1,4,0.25,20,20\nattention,1,pc0,lev1,16,0.75,20,20\nindexer,1,pc0,lev1,4,1,20,20\n"


def test_numbers_of_decodes_are_read(copy, tmp_path):
    fit(copy, **CALIBRATED)
    (copy / "tp1" / "skew_fit.csv").write_text(ANCHORS)
    found = read_bundle(copy)
    for count, share in ((2, 0.25), (8, 0.25), (9, 0.75), (64, 0.75), (65, 0.0535)):
        even, longest, batch = (
            time_of(costs_of(found), Batch(count, count, 0, 0, count, *at, 0)) for at in
            ((512, 512), (8192, 8192), (512, 8192))
        )  # fmt: skip
        assert batch == pytest.approx(even + share * (longest - even), rel=1e-9)
    with pytest.raises(AccelsimError, match="bound to its own tables by checksums"):
        write_bundle(replace(found, hardware="again", variant="bf16"), tmp_path)
    assert not list((tmp_path / "again").glob("**/*.csv"))


def test_keyed_tables_are_read_and_written(copy, tmp_path):
    file = copy / "tp1" / "attention.csv"
    rows = [line.split(",") for line in file.read_text().splitlines() if not line.startswith("#")]
    plain = read_bundle(copy)
    lines = ["layer,prefill_chunk,prefill_key,n_decode,kv_decode,decode_q_len,time_us"]
    for chunk, past, count, context, us in rows[1:]:
        key = float(past) + int(chunk) / 2
        lines.append(f"attention,{chunk},{key:g},{count},{context},1,{us}")
        lines.append(f"attention,{chunk},{key:g},{count},{context},4,9")
    lines.append("indexer,16,8,1,16,1,7")
    file.write_text("\n".join(lines) + "\n")
    found = read_bundle(copy)
    assert found.keyed
    assert len(found.times.attention) == len(plain.times.attention)
    for parts in ([(64, 512)], [(64, 512), (1, 128)], [(1, 64), (1, 64)], [(256, 1024), *[(1, 256)] * 16]):
        assert time_of(costs_of(found), Batch.of(parts)) == pytest.approx(time_of(costs_of(plain), Batch.of(parts)))
    peak = Peak(165e12 / 1.02, None)
    assert [one.where for one in nonsense(found, peak) if "attention" not in one.file] == [
        one.where for one in nonsense(plain, peak) if "attention" not in one.file
    ]
    place = write_bundle(replace(found, hardware="again", variant="bf16"), tmp_path)
    assert read_bundle(place).times.attention == pytest.approx(found.times.attention, rel=1e-8)


@pytest.mark.parametrize(
    ("entry", "cells", "told"),
    [
        ({"alpha_default": 3}, "", "meta.yaml: skew_fit.alpha_default must be from 0 to 1, got 3"),
        ({"bucket_table": "tp1/none.csv"}, "", "skew_fit: bucket_table: there is no file 'tp1/none.csv' beside it"),
        ({}, CELLS.replace("n<=8", "n<=9"), "skew_fit.csv:2: n_label: no such label 'n<=9' in bucket_axes; did you"),
        ({}, CELLS.replace("0.25", "much"), "skew_fit.csv:2: alpha: should be a number, got 'much'"),
        ({}, CELLS.replace("0.25", "-2"), "skew_fit.csv:2: alpha: must be from -1 to 10, got -2"),
        ({}, CELLS.replace("64,", "6.5,"), "skew_fit.csv:3: pc: should be a whole number"),
        ({}, CELLS + CELLS.splitlines()[1] + "\n", "skew_fit.csv:4: pc: 0|n<=8|sr<=15%|kvB<=4k|kp=0 is given twice"),
        ({}, CELLS.replace("n_label", "label"), "skew_fit.csv:1: n_label: no such column"),
        ({"bucket_axes": {"n_bins": [0, 1]}}, CELLS, "bucket_axes.n_bins: should be numbers, one more than n_labels"),
        ({"bucket_axes": {"n_bins": [2, 1], "n_labels": ["a"]}}, CELLS, "n_bins: bins should rise, and labels differ"),
        ({"alpha_by_bucket": {"n<=8": 1}}, "", "'n<=8' should be as pc=0|n<=2|sr<=5%|kvB<=1k|kp=0"),
        ({"alpha_by_bucket": {"pc=0|n<=8|sr<=15%|kvB<=4k|kp=0": "x"}}, "", "alpha_by_bucket must be from -1 to 10"),
        (CALIBRATED, ANCHORS.replace(",16,", ",3,"), "skew_fit.csv:3: n_anchor: should rise from row to row, got 3"),
        (CALIBRATED, ANCHORS.replace(",16,", ",99,"), "skew_fit.csv:3: n_anchor: must be from 2 to 64, got 99"),
        (CALIBRATED, ANCHORS.replace("pc0,lev1,4", "pc9,lev1,4"), "skew_fit.csv:2: pc_label: no such label 'pc9'"),
        (CALIBRATED | {"axes": 3}, ANCHORS, "skew_fit.axes.pc_bins: should be numbers, one more than pc_labels"),
        (CALIBRATED | {"n_range_by_kernel": {"attention|q=1": [1]}}, ANCHORS, "should be the least and the most"),
    ],
)  # fmt: skip
def test_bad_shares_are_one_line(copy, entry, cells, told):
    fit(copy, **(({"bucket_table": "tp1/skew_fit.csv"} if cells else {}) | entry))
    if cells:
        (copy / "tp1" / "skew_fit.csv").write_text(cells)
    with pytest.raises(AccelsimError) as error:
        read_bundle(copy)
    assert told in str(error.value)
    assert "\n" not in str(error.value)
