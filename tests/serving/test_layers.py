"""Tables of a machine: each value is a simulated layer's, and what is written is read back."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

import accelsim
from accelsim.cli import app
from accelsim.energy.standing import standing_rows
from accelsim.errors import AccelsimError
from accelsim.serving import shapes
from accelsim.serving.attention import fused
from accelsim.serving.bundle import read_bundle
from accelsim.serving.layers import Grid, simulated
from accelsim.serving.machine import Machine
from accelsim.serving.models import MODELS
from accelsim.serving.writing import write_bundle

NPU = Path(__file__).parents[2] / "docs" / "examples" / "npu.yaml"
GRID = Grid((1, 8), (1, 4), (4, 8), (0, 32), (0, 2, 4), (16, 64))
GPT2 = MODELS["gpt2"]


@pytest.fixture(scope="module")
def table():
    return simulated(NPU, "gpt2", grid=GRID)


@pytest.fixture(scope="module")
def machine():
    return Machine(NPU, GPT2, 1, None, {"objective": "cycles"})


def test_layers_are_those_simulated(table):
    result = accelsim.simulate(NPU, shapes.dense(GPT2, 8), objective="cycles")
    for layer in result.layers:
        us = layer.timing.cycles / 1500
        assert table.times.dense[layer.name][8] == pytest.approx(us, rel=1e-12)
    for vector in result.vector_layers:
        assert table.times.dense[vector.name][8] == pytest.approx(vector.cycles / 1500, rel=1e-12)
    assert set(table.times.dense) == set(GPT2.times())


def test_energy_and_what_stands_are_apart(table):
    """Together they are what a run of the layer takes: counts x prices, and leakage x time."""
    result = accelsim.simulate(NPU, shapes.dense(GPT2, 8), objective="cycles")
    for layer in result.layers:
        us, uj = (one.dense[layer.name][8] for one in (table.times, table.energies))
        idle = sum(row.energy for row in standing_rows(result.architecture, result.energy_table, layer.timing.cycles))
        assert table.standing * us == pytest.approx(float(idle) * 1e-6, rel=1e-6)
        clocked = float(layer.energy_exact) * 1e-6 - uj
        assert 0 <= clocked <= table.standing * us * (1 + 1e-9)  # gated clocks of MACs at work stand less


def test_words_and_products_of_a_models_layers():
    """llama3_8b at 16 tokens, by hand: 6,144 = 4,096 queries and 2 x 1,024; a gate and up at once."""
    network = shapes.dense(MODELS["llama3_8b"], 16)
    sizes = {layer.name: layer.problem.sizes for layer in network.layers if layer.problem}
    assert sizes["qkv_proj"] == (1, 1, 6144, 4096, 1, 16, 1, 1) and sizes["gate_up_proj"][2] == 2 * 14336
    reads, writes = (dict(zip([one.name for one in network.layers], counts, strict=True)) for counts in zip(
        *(network.traffic(one) for one in network.layers), strict=True))  # fmt: skip
    assert (reads["rotary_emb"], writes["rotary_emb"]) == (16 * 5120, 16 * 5120)
    assert (reads["act_fn"], writes["act_fn"]) == (16 * 2 * 14336, 16 * 14336)
    assert reads["layernorm"] == writes["layernorm"] == 2 * 16 * 4096
    assert reads["embedding"] == 16 * 4097
    assert "qk_norm" in {layer.name for layer in shapes.dense(MODELS["qwen3_8b"], 1).layers}
    assert "rotary_emb" not in {layer.name for layer in shapes.dense(GPT2, 1).layers}


@pytest.mark.parametrize("devices", [2, 4, 8])
def test_devices_share_all_macs(devices):
    model = MODELS["llama3_8b"]

    def macs(network) -> int:
        return sum(layer.problem.macs for layer in network.layers if layer.problem)

    for network in (
        shapes.dense,
        lambda *at: shapes.scores(at[0], 4 * at[1], 100, at[0].kv_heads // at[2]),
        shapes.sequences,
    ):
        assert macs(network(model, 16, devices)) * devices == macs(network(model, 16, 1))


def test_attention_takes_the_longer_of_words_and_products(machine):
    """Both products by themselves, level 0 left out; words by rule F9; 512 operations of the vector unit a cycle."""
    new, past = 8, 56
    found = fused(new, past, 1, 64, machine.room)
    result = accelsim.simulate(
        NPU, shapes.scores(GPT2, new, -(-found.scores // new), 12), objective="cycles"
    )  # the scores that are met, spread over the rows
    vector = -(-12 * (5 * found.scores + found.rescalings) // 8192)
    spent = machine.attention(new, past)
    assert spent.busy == sum(layer.timing.processing for layer in result.layers) + vector
    words = 12 * (found.queries + found.keys + found.outputs)
    assert spent.moved == pytest.approx(words * 2 / (819 / 1.5), abs=3)
    assert spent.cycles == max(spent.busy, spent.moved)


def test_prompts_and_decodes_share_an_iteration(table, machine):
    prompt, one = machine.attention(8, 32), machine.attention(1, 64)
    both = max(prompt.busy + 4 * one.busy, prompt.moved + 4 * one.moved)
    assert table.times.attention[8, 32, 4, 64] == pytest.approx(both / 1500, rel=1e-12)
    assert table.times.attention[0, 0, 2, 64] == pytest.approx(2 * one.cycles / 1500, rel=1e-12)
    assert table.energies.attention[8, 32, 4, 64] == pytest.approx(float(prompt.energy + 4 * one.energy) * 1e-6)


def test_every_kernel_is_started_once(table):
    """Attention is one kernel, whatever its products and requests; so is each layer, with MACs or without."""
    launched = simulated(NPU, "gpt2", grid=GRID, parameters={"layer.launch": "3 us"})
    ours, plain = launched.times, table.times
    for points, others in (
        (ours.attention, plain.attention),
        *((ours.dense[name], plain.dense[name]) for name in plain.dense),
        *((ours.sequences[name], plain.sequences[name]) for name in plain.sequences),
    ):
        assert {at: us - others[at] for at, us in points.items()} == pytest.approx(dict.fromkeys(others, 3.0))
    assert launched.energies.attention == table.energies.attention


@pytest.mark.parametrize("name", ["a100_like", "tpu_v6e_mxu"])
def test_words_of_attention_come_at_the_rate_that_memory_reaches(name):
    """What is computed stays as it is; a decode, bound by its keys and values, takes twice as long."""
    whole, half = (
        Machine(name, MODELS["llama3_8b"], 1, given, {"objective": "cycles"}).attention(1, 4095)
        for given in (None, {"dram_efficiency": "0.5"})
    )
    assert half.busy == whole.busy
    assert half.moved == pytest.approx(2 * whole.moved, abs=2)
    assert half.cycles > whole.cycles and half.energy == whole.energy


def test_written_and_read_back(table, tmp_path):
    place = write_bundle(table, tmp_path, "chip")
    assert place == tmp_path / "chip" / "openai-community" / "gpt2" / "bf16" / "tp1"
    back = read_bundle(tmp_path)
    assert (back.hardware, back.variant, back.model, back.budget, back.max_seqs) == ("chip", "bf16", GPT2, 8, 4)
    assert back.standing == pytest.approx(table.standing, rel=1e-8)
    for ours, theirs in ((table.times, back.times), (table.energies, back.energies)):
        for name, points in (ours.dense | ours.sequences).items():
            assert (theirs.dense | theirs.sequences)[name] == pytest.approx(points, rel=1e-8)
        assert theirs.attention == pytest.approx(ours.attention, rel=1e-8)
    with pytest.raises(AccelsimError, match="exists; remove it first"):
        write_bundle(table, tmp_path, "chip")
    assert [one.name for one in place.parent.iterdir() if one.name.startswith(".")] == []


def test_a_table_serves_as_its_machine_does(table):
    """Energy of one request by hand: its iterations' tables, added up."""
    found = accelsim.serve(table, accelsim.serving.requests.Asked.of([0], [4], [2]), kv_blocks=9)
    prices = table.energies
    first = sum(n * _at(prices.dense[name], 4) for name, n in GPT2.times().items())
    first += prices.sequences["lm_head"][1] + prices.sequences["sampler"][1] + 12 * prices.attention[4, 0, 0, 0]
    assert found.run.energy[0] > first > 0
    assert found.token_mj == pytest.approx(
        (found.run.energy[0] * 1e-3 + table.standing * sum(found.run.busy) * 1e-6) / 2, rel=1e-9
    )


def _at(points, tokens):
    (low, a), (high, b) = sorted(points.items())
    return a + (tokens - low) / (high - low) * (b - a)


def test_a_machine_that_is_an_object():
    own = accelsim.load_architecture(NPU, {"hbm": "100 GB/s"})
    asked = accelsim.serving.requests.Asked.of([0], [4], [2])
    found = accelsim.serve(own, asked, "gpt2", budget=4, max_seqs=1, kv_blocks=9)
    fast = accelsim.serve(NPU, asked, "gpt2", budget=4, max_seqs=1, kv_blocks=9)
    assert found.run.span > 4 * fast.run.span  # an eighth of the rate, for layers that wait for their weights
    with pytest.raises(AccelsimError, match="npu: a machine needs a model"):
        accelsim.serve(own, asked, kv_blocks=9)


def test_grids():
    found = Grid.up_to(100, 6, 500)
    assert found.tokens == (1, 2, 4, 8, 16, 32, 64, 100) and found.sequences == (1, 2, 4, 6)
    assert found.chunks == (16, 32, 64, 100) and found.contexts == (16, 64, 256, 500)
    assert found.pasts == (0, 64, 256, 500) and found.decodes == (0, 1, 4, 6)
    with pytest.raises(AccelsimError, match="context of a table must be from 16"):
        Grid.up_to(context=3)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["npu", "gpt2"], "npu"),
        ([str(NPU), "gpt3"], "unknown model 'gpt3'; did you mean 'gpt2'?"),
        ([str(NPU), "gpt2", "--devices", "5"], "5 devices do not share gpt2's 12 heads evenly"),
        ([str(NPU), "gpt2", "--tokens", "1"], "tokens of a table must be from 2"),
        ([str(NPU), "gpt2", "--name", "a/b"], "a table needs a name of its hardware that a folder may have, got 'a/b'"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(arguments, told, tmp_path):
    result = CliRunner().invoke(app, ["layers", *arguments, "--out", str(tmp_path / "perf")])
    assert result.exit_code == 2 and told in result.output and len(result.output.strip().split("\n")) == 1
    assert not (tmp_path / "perf").exists()


def test_commands(tmp_path, monkeypatch):
    sizes = ["--tokens", "16", "--sequences", "2", "--context", "64"]
    result = CliRunner().invoke(app, ["layers", str(NPU), "gpt2", "--out", str(tmp_path), "--name", "mine", *sizes])
    assert result.exit_code == 0, result.output
    requests = ["--rate", "50", "--count", "20", "--prompt", "57", "--output", "8", "--kv-blocks", "10"]
    monkeypatch.chdir(tmp_path)
    by_table = CliRunner().invoke(app, ["serve", "mine", *requests])
    assert by_table.exit_code == 0 and "gpt2 on mine, chunked: first token after" in by_table.output
    assert "mJ for a token of output" in by_table.output
    asked = ["--model", "gpt2", "--budget", "16", "--max-seqs", "2"]
    by_machine = CliRunner().invoke(app, ["serve", str(NPU), *asked, *requests])
    assert by_machine.exit_code == 0, by_machine.output
    assert by_machine.output.replace("npu", "mine").split("\n")[0] == by_table.output.split("\n")[0]
