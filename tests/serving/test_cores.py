"""Tables of packages: one core is its machine, products are those of `run PACKAGE`, words beside them share ways."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import accelsim
from accelsim.cli import app
from accelsim.errors import AccelsimError
from accelsim.package.events import carried_out
from accelsim.package.running import simulate_package
from accelsim.package.split import blocks
from accelsim.package.yaml import load_package, package_of
from accelsim.serving import shapes
from accelsim.serving.cores import Cores
from accelsim.serving.layers import Grid, table_of
from accelsim.serving.machine import Machine
from accelsim.vector import vector_layers
from accelsim.workload.problem import Width
from accelsim.yamlfile import parse
from package.drawn import golden
from serving.draws import SMALL

MODEL = replace(SMALL, heads=8, kv_heads=4)
OPTIONS = {"objective": "cycles", "evaluator": "cycle"}
GRID = Grid((1, 6), (1, 3), (2, 5), (0, 9), (0, 1, 4), (3, 16))
ARRAY = "{machine: systolic_ws, parameters: {rows: 8, cols: 8}"


def package(memory, count=1, rest="", machine=ARRAY):
    cores = f"cores: {{core: {machine}, count: {count}}}}}"
    return package_of(parse(f"name: chip\nclock: 1 GHz\n{cores}\nmemory: {{hbm: {memory}}}\n{rest}"))


def cores_of(*arguments, **more):
    return Cores(package(*arguments, **more), MODEL, 1, OPTIONS)


@pytest.mark.parametrize(
    ("memory", "rest"),
    [("{}", ""), ("{rate: 16 B}", ""), ("{rate: 16 B, duplex: true}", ""), ("{rate: 16 B, multicast: true}", "")],
)
def test_a_package_of_one_core_is_its_machine_to_the_digit(memory, rest):
    one = cores_of(memory, rest=rest)
    plain = Machine(next(iter(one.machines.values())).machine, MODEL, 1, None, OPTIONS)
    ours, theirs = table_of(one, GRID), table_of(plain, GRID)
    assert ours.times == theirs.times
    assert ours.energies == theirs.energies
    assert ours.standing == theirs.standing
    assert (ours.budget, ours.max_seqs, ours.variant) == (theirs.budget, theirs.max_seqs, theirs.variant)


PACKAGES = [
    ("{rate: 4 B}", 2, ""),
    ("{rate: 4 B, multicast: true}", 3, "sync: 7\n"),
    ("{rate: 8 B}", 4, "split: {'*_proj': {M: 2}}\n"),
    ("{rate: 4 B}", 2, "links: [{kind: bus, rate: 2 B, latency: 5}]\nsplit: {o_proj: {C: 2}, down_proj: {C: 2}}\n"),
    ("{rate: 4 B}", 4, "links: [{kind: mesh, size: [1, 5], rate: 3 B, latency: 2}]\nsearched: share\n"),
]


@pytest.mark.parametrize(("memory", "count", "rest"), PACKAGES)
def test_products_take_what_a_run_of_the_package_says(memory, count, rest):
    own = cores_of(memory, count, rest)
    for shape, size in ((shapes.dense, 1), (shapes.dense, 6), (shapes.sequences, 3)):
        found = own.layers(shape, size)
        result = simulate_package(own.package, shape(MODEL, size), **OPTIONS) if size > 1 else None
        for row in result.layers if result else ():
            assert found[row.name][0] == ceil(row.cycles) * 1e6 / 1e9
        assert set(found) == {layer.name for layer in shape(MODEL, size).layers}


@pytest.mark.parametrize(("memory", "count", "rest"), PACKAGES)
def test_energy_is_that_of_parts_ways_and_nothing_that_stands(memory, count, rest):
    """Together with what stands it is what a run of the package takes."""
    own = cores_of(memory, count, rest)
    found = own.layers(shapes.sequences, 3)
    result = simulate_package(own.package, shapes.sequences(MODEL, 3), layers="lm_head", **OPTIONS)
    stands = sum(
        (row.energy for row in result.energy_rows if row.action in ("leakage", "static", "clock")), Fraction(0)
    )
    assert found["lm_head"][1] == pytest.approx(float(result.energy - stands) * 1e-6, rel=1e-12)


def test_sums_cross_links_word_by_word():
    """C of two blocks: all outputs of one part go to the other as sums, once both are done (rules C2, C3)."""
    links = "links: [{from: hbm, to: core}, {from: core.0, to: core.1, rate: %s}]\nsplit: {o_proj: {C: 2}}\n"
    slow, fast = (cores_of("{rate: 64 B}", 2, links % rate) for rate in ("2 B", "4 B"))
    width = slow.package.cores[0].machine.widths[Width.PSUM]
    cycles = [own.layers(shapes.dense, 64)["o_proj"][0] * 1e3 for own in (slow, fast)]
    assert cycles[0] - cycles[1] == pytest.approx(64 * MODEL.hidden * width * (1 / 16 - 1 / 32), abs=1e-6)


@pytest.mark.parametrize(("memory", "count", "rest"), PACKAGES)
def test_ways_over_links_are_those_of_the_golden_machine(monkeypatch, memory, count, rest):
    """What moves words and attention, on links too: every schedule again, instant by instant."""
    schedules = []

    def kept(schedule):
        schedules.append(schedule)
        return carried_out(schedule)

    monkeypatch.setattr("accelsim.serving.cores.carried_out", kept)
    own = cores_of(memory, count, rest)
    own.layers(shapes.dense, 11)
    own.took(tuple(a + b * 3 for a, b in zip(own.shares(9, 20), own.shares(1, 50), strict=True)))
    assert len(schedules) == 6  # embedding, two norms, rotation, gates, attention
    for schedule in schedules:
        theirs = golden(schedule)
        assert carried_out(schedule).ends == [theirs.ends[entry] for entry in range(len(schedule.entries))]


def by_hand(own, parts, bits):
    """Everything at one memory: the longest part, or all words at its rate (no schedule leaves it idle before)."""
    rate = own.package.capacities[0]
    return ceil(max(*parts, Fraction(sum(bits)) / rate))


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 5), st.sampled_from([1, 2, 3, 16]), st.integers(1, 40), st.integers(0, 60), st.integers(0, 5),
    st.integers(0, 300),
)  # fmt: skip
def test_words_beside_products_share_the_memory(count, rate, tokens, past, decodes, context):
    own = cores_of(f"{{rate: {rate} B}}", count, "sync: 3\n")
    machine = own.machines["core"].machine
    found = own.layers(shapes.dense, tokens)
    spans = [last - first for first, last in blocks(tokens, count)]
    sync = 3 * (len(spans) > 1)
    for name in ("embedding", "layernorm", "act_fn"):
        parts = []
        for span in spans:
            network = shapes.dense(MODEL, span)
            rows = vector_layers(machine, network, network.layers, own.machines["core"].table, {})
            parts.append(next(row for row in rows if row.name == name))
        bits = [part.reads * 8 + part.writes * 8 for part in parts]
        assert found[name][0] == (by_hand(own, [part.cycles for part in parts], bits) + sync) * 1e6 / 1e9
    prompt, one = own.shares(tokens, past), own.shares(1, context)
    both = tuple(a + b * decodes for a, b in zip(prompt, one, strict=True))
    busy = [share for share in both if share.cycles]
    assert len(busy) == len(blocks(MODEL.kv_heads, count))
    cycles = by_hand(own, [share.cycles for share in busy], [share.reads + share.writes for share in busy])
    assert own.took(both)[0] == (cycles + 3 * (len(busy) > 1)) * 1e6 / 1e9


def test_all_cores_together_have_all_words_and_scores():
    one, three = cores_of("{rate: 8 B}"), cores_of("{rate: 8 B}", 3)
    for new, past in ((7, 20), (1, 33)):
        (all_,), parts = one.shares(new, past), three.shares(new, past)
        assert sum(share.reads for share in parts) == all_.reads
        assert sum(share.writes for share in parts) == all_.writes


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("split: {}", "split: {o_prj: {M: 2}}"), "split: o_prj: no layer of gpt2 is split so; did you mean 'o_proj'?"),
        (("count: 2", "count: 0"), "chip.yaml:3:40: cores.core.count: must be at least 1, got 0"),
        (("machine: tpu_v1", "machine: tpu_v9"), "cores.core.machine: tpu_v9: neither a file nor a built-in arch"),
        (("rate: 8", "rate: -8"), "chip.yaml:4:22: memory.hbm.rate"),
        (("split: {}", "split: {M: 3}"), "package 'chip': split: M3 makes 3 parts; it has 2 cores"),
        (("split: {}", "split: {N: 2}"), "N: 2 blocks leave a part empty in every layer; 1 at most are not empty"),
        (("split: {}", "links: [{from: hbm, to: cor}]"), "links.0.to: unknown end of a link 'cor'; did you"),
        (("split: {}", "links: [{from: hbm, to: core.0}]"), "links: no link joins core 'core.1' and memory 'hbm'"),
        (("count: 2}", "count: 2}, b: {machine: eyeriss}"), "words of one width, these have bf16, int8"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", ["layers", "serve"])
def test_bad_packages_are_one_line(tmp_path, monkeypatch, change, told, command):
    text = "name: chip\nclock: 1 GHz\ncores: {core: {machine: tpu_v1, count: 2}}\n"
    text += "memory: {hbm: {rate: 8 GB/s}}\nsplit: {}\n"
    (tmp_path / "chip.yaml").write_text(text.replace(*change))
    monkeypatch.chdir(tmp_path)
    more = {
        "layers": ["gpt2", "--out", "perf"],
        "serve": ["--model", "gpt2", "--rate", "1", "--kv-blocks", "9", "--prompt", "9", "--output", "9"],
    }
    result = CliRunner().invoke(app, [command, "chip.yaml", *more[command]])
    assert result.exit_code == 2
    assert told in result.output
    assert len(result.output.strip().split("\n")) == 1
    assert not (tmp_path / "perf").exists()


def test_a_package_is_served(tmp_path, monkeypatch):
    """By its name, by its file and by its table: the same run."""
    monkeypatch.chdir(tmp_path)
    sizes = ["--tokens", "16", "--sequences", "2", "--context", "64"]
    made = CliRunner().invoke(app, ["layers", "tpu_v3_core", "gpt2", "--out", "perf", *sizes])
    assert made.exit_code == 0, made.output
    asked = ["--rate", "50", "--count", "20", "--prompt", "57", "--output", "8", "--kv-blocks", "10"]
    runs = [
        CliRunner().invoke(app, ["serve", *what, *asked])
        for what in (["perf"], ["tpu_v3_core", "--model", "gpt2", "--budget", "16", "--max-seqs", "2"])
    ]
    assert all(run.exit_code == 0 for run in runs), runs[1].output
    assert "gpt2 on tpu_v3_core, chunked: first token after" in runs[0].output
    assert runs[0].output.split("\n")[0] == runs[1].output.split("\n")[0]
    one = accelsim.serve(
        load_package("tpu_v3_core", {"mxus": 1}), accelsim.serving.requests.Asked.of([0], [16], [2]), "gpt2", budget=16,
        max_seqs=1, kv_blocks=9,
    )  # fmt: skip
    assert one.what == "gpt2 on tpu_v3_core"
    with pytest.raises(AccelsimError, match="tpu_v3_core: a machine needs a model to serve"):
        accelsim.serve(load_package("tpu_v3_core"), rate=1.0, kv_blocks=99)
