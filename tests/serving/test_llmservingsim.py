"""What is written is what LLMServingSim's loader reads: columns, kinds of numbers, layers, and what it makes of them.

Facts of serving/core/trace_generator.py and profiler/models/llama.yaml and qwen3.yaml of casys-kaist/LLMServingSim
(MIT) at 007f472, in words of our own: a checkout is not at hand here. `benchmarks/llmservingsim.py` runs the real one.
"""

from __future__ import annotations

import csv
import random
from bisect import bisect_right
from dataclasses import replace
from itertools import product

import pytest

from accelsim.serving.bundle import Bundle
from accelsim.serving.costing import costs_of
from accelsim.serving.kernels.lookup import attention
from accelsim.serving.layers import Grid, table_of
from accelsim.serving.machine import Machine
from accelsim.serving.models import MODELS
from accelsim.serving.writing import write_bundle
from accelsim.yamlfile import read
from serving.draws import SMALL

MODEL = replace(SMALL, names=("org/small-1B",))
GRID = Grid((1, 2, 4, 8), (1, 2), (2, 4, 8), (0, 8, 32), (0, 1, 2, 4), (4, 16, 64))
LLAMA = {
    "dense": {"embedding", "layernorm", "qkv_proj", "rotary_emb", "o_proj", "gate_up_proj", "act_fn", "down_proj",
              "final_layernorm"},
    "per_sequence": {"lm_head", "sampler"},
}  # fmt: skip
QWEN3 = LLAMA | {"dense": LLAMA["dense"] | {"qk_norm"}}
"""Layers that its models run: what is not in a table is left out of a run, after a warning."""


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    machine = Machine("systolic_ws", MODEL, 1, {"rows": 8, "cols": 8}, {"objective": "cycles", "evaluator": "cycle"})
    return table_of(machine, GRID)


@pytest.fixture(scope="module")
def place(bundle, tmp_path_factory):
    return write_bundle(bundle, tmp_path_factory.mktemp("perf"), "mychip")


def rows_of(file):
    with file.open(newline="") as text:
        return list(csv.DictReader(text))


def whole_ns(us: str) -> int:
    """Times are kept in whole ns, one at least."""
    return max(1, round(float(us) * 1000))


def test_folders_and_meta(place, bundle):
    """`<hardware>/<model>/<variant>/tp<N>`; meta.yaml has to be there: a run beyond its two limits is warned."""
    assert place.relative_to(place.parents[4]).as_posix() == f"mychip/org/small-1B/{bundle.variant}/tp1"
    meta = read(place.parent / "meta.yaml").data
    assert (meta["hardware"], meta["model"], meta["variant"]) == ("mychip", "org/small-1B", bundle.variant)
    assert meta["tp_degrees"] == [1]
    assert meta["engine_effective"] == {"max_num_batched_tokens": 8, "max_num_seqs": 2}
    assert "skew_fit" not in meta  # nothing was measured: no correction, in every version of the loader
    assert {one.name for one in place.parent.iterdir()} == {"meta.yaml", "tp1"}


def test_columns_and_numbers(place):
    """Comma, one header, whole numbers without a point (`astype(int)` of what is read), times that are finite."""
    for name, axis in (("dense", "tokens"), ("per_sequence", "sequences")):
        text = (place / f"{name}.csv").read_text()
        assert text.splitlines()[0] == f"layer,{axis},time_us"
        for row in rows_of(place / f"{name}.csv"):
            assert row[axis].isdecimal() and 0 <= float(row["time_us"]) < 1e9
        assert {row["layer"] for row in rows_of(place / f"{name}.csv")} == LLAMA[name]
    rows = rows_of(place / "attention.csv")
    assert list(rows[0]) == ["prefill_chunk", "kv_prefill", "n_decode", "kv_decode", "time_us"]
    assert all(row[name].isdecimal() for row in rows for name in list(row)[:4])
    keys = [tuple(int(row[name]) for name in list(row)[:4]) for row in rows]
    assert len(set(keys)) == len(keys)


def test_all_corners_are_there(place):
    """It looks for (chunk, decodes) first; each pair has every (tokens before, context), 0 standing for none."""
    rows = rows_of(place / "attention.csv")
    found = {tuple(int(row[name]) for name in list(row)[:4]) for row in rows}
    wanted = {
        (chunk, past, count, context)
        for chunk, count in product((0, *GRID.chunks), GRID.decodes) if chunk or count
        for past, context in product(GRID.pasts if chunk else (0,), GRID.contexts if count else (0,))
    }  # fmt: skip
    assert found == wanted


@pytest.mark.parametrize(("name", "layers"), [("llama3_8b", LLAMA), ("qwen3_8b", QWEN3)])
def test_layers_of_models_that_it_knows(name, layers):
    """gpt2 is not among its models."""
    assert set(MODELS[name].times()) == layers["dense"]


def pair(values, at):
    """Neighbours of a value and how far it is to the second; below all, the first; above all, the last two go on."""
    if len(values) == 1 or at <= values[0]:
        return values[0], values[0], 0.0
    high = min(bisect_right(values, at), len(values) - 1)
    low, high = values[high - 1], values[high]
    return low, high, (at - low) / (high - low)


def theirs(rows, chunk, past, count, context):
    """Between (chunk, decodes) at four corners; at each between tokens before, then between contexts."""
    table: dict = {}
    for row in rows:
        c, p, n, x = (int(row[name]) for name in ("prefill_chunk", "kv_prefill", "n_decode", "kv_decode"))
        table.setdefault((c, n), {}).setdefault(p, {})[x] = whole_ns(row["time_us"])

    def inside(own):
        low, high, share = pair(sorted(own), past)
        ends = []
        for one in (low, high):
            near, far, part = pair(sorted(own[one]), context)
            ends.append(own[one][near] + part * (own[one][far] - own[one][near]))
        return ends[0] + share * (ends[1] - ends[0])

    def corner(c, n):
        near = (c, n) if (c, n) in table else min(table, key=lambda one: (one[0] - c) ** 2 + (one[1] - n) ** 2)
        return inside(table[near])

    low, high, share = pair(sorted({key[0] for key in table}), chunk)
    few, many, part = pair(sorted({key[1] for key in table}), count)
    left, right = (corner(c, few) + part * (corner(c, many) - corner(c, few)) for c in (low, high))
    return max(1, int(left + share * (right - left)))


def test_look_ups_are_ours(place, bundle):
    """From the least chunk, count and context on, and at a prompt's beginning or from the least past on.

    Below these it goes towards 0, which means none here.
    """
    rows, tree = rows_of(place / "attention.csv"), costs_of(bundle).attention
    rng = random.Random(0)
    for _ in range(300):
        chunk, past = rng.choice((0, rng.randint(2, 12))), rng.choice((0, rng.randint(8, 50)))
        count = rng.randint(1 if not chunk else 0, 6)
        context = rng.randint(4, 100) if count else 0
        past = past if chunk else 0
        ours, _ = attention(tree, float(chunk), float(past), float(count), float(context))
        assert theirs(rows, chunk, past, count, context) == pytest.approx(ours, abs=2)
    for name, axis, layers in (
        ("dense", "tokens", bundle.times.dense), ("per_sequence", "sequences", bundle.times.sequences),
    ):  # fmt: skip
        for row in rows_of(place / f"{name}.csv"):
            assert whole_ns(row["time_us"]) == pytest.approx(1000 * layers[row["layer"]][int(row[axis])], abs=1)
