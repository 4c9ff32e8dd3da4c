"""Training steps that run: their outputs, their phases, their documents, and what the command says."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest
from typer.testing import CliRunner

from accelsim.architecture.yaml import load_architecture
from accelsim.cli import app
from accelsim.engine.vector import Moved, latency
from accelsim.outputs import check_outputs
from accelsim.report import terminal
from accelsim.report.html import page
from accelsim.result import Result
from accelsim.shares import kept_of, shares
from accelsim.simulate import compare, rerun, simulate
from accelsim.workload.network import Network
from accelsim.workload.training.phases import ORDER, phase

LAYERS = {
    "C1": {"op": "conv", "M": 8, "kernel": 3, "stride": 2, "pad": 1},
    "D": {"op": "depthwise", "kernel": 3, "dilation": 2, "pad": 2},
    "C2": {"op": "conv", "M": 8, "kernel": 3, "stride": [2, 1], "pad": 1, "groups": 2},
    "P": {"op": "avgpool", "kernel": 2},
    "F": {"op": "fc", "M": 5},
}


def small(batch: int = 2) -> Network:
    return Network.of("small", LAYERS, (4, 16, 16), batch)


@pytest.fixture(scope="module")
def result() -> Result:
    return simulate("eyeriss", small(), training={"optimizer": "adam", "master_bits": 32})


@pytest.mark.parametrize("machine", ["eyeriss", "tpu_v1", "nvdla_full"])
@pytest.mark.parametrize("way", ["insert", "split", "scatter"])
def test_outputs_of_every_gradient_are_numpys(machine, way):
    found = simulate(machine, small(), training={"transposed": way})
    told = list(check_outputs(found))
    assert len(told) == len(found.layers) == len(small().training_step({"transposed": way}).mac_layers)
    assert all("outputs equal numpy's convolution" in line for line in told)


def test_phases_add_up_to_the_run(result):
    assert [one.phase for one in result.phases] == list(ORDER)
    total, beside = result.total, result.vector
    assert sum(one.macs for one in result.phases) == total.macs
    assert sum(one.cycles for one in result.phases) == total.cycles + beside.cycles
    spent = sum((one.energy_exact for one in result.phases), Fraction(0))
    assert spent == total.energy_exact + beside.energy_exact
    forward = simulate("eyeriss", small())
    assert result.phases[0].cycles == forward.total.cycles + forward.vector.cycles
    assert result.phases[0].energy_exact == forward.total.energy_exact + forward.vector.energy_exact
    assert shares(forward) == () and kept_of(forward) is None


def test_an_update_pays_for_its_words(result):
    """Weights and two words of state of 32 b come and go; DRAM of the table takes 200 for a word of 16 b."""
    words = {layer.name: layer for layer in result.vector_layers}
    weights = 8 * 4 * 9
    update, cast = words["C1.update"], words["C1.cast"]
    assert (update.reads, update.writes) == (3 * weights, 3 * weights)
    assert (cast.reads, cast.writes) == (weights, weights)
    assert update.energy == 2 * 200 * 6 * weights and cast.energy == 200 * 2 * weights
    assert {row.tensor for row in update.energy_rows} == {"filter"}
    # 64 b at 60 MHz carry two of these words at a time, for a core of 200 MHz; each way by itself
    assert update.cycles == 2 * -(-3 * weights * 32 * 200 // (64 * 60))


def test_weights_go_back_the_way_they_came():
    """TPU v1's activations stay on the chip, its weights come from a DRAM of 34 GB/s."""
    machine = load_architecture("tpu_v1")
    assert latency(machine, Moved(34_000, 0), 0)[0] == 0
    assert latency(machine, Moved(34_000, 0), 0, weights=True)[0] == 700
    assert latency(machine, Moved(34_000, 34_000), 0, weights=True)[0] == 1400


def test_a_document_has_its_phases_and_runs_again(result, tmp_path):
    document = result.to_dict()
    assert [one["phase"] for one in document["training"]["phases"]] == list(ORDER)
    file = tmp_path / "result.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    again = rerun(Result.load(file))
    assert again.to_dict() == document
    assert "training" not in simulate("eyeriss", small(), layers="F").to_dict()


def test_what_is_kept_is_told(result):
    # the input, C1, D, C2 (its pool's gradient needs no words again) and what the pool and F gave
    words = 2 * (4 * 256 + 8 * 64 + 8 * 64 + 8 * 4 * 2 + 5)
    assert kept_of(result).words == words and kept_of(result).bytes == 2 * words
    assert any(f"{words:,} words of activations of 16 b" in str(block) for block in terminal.report(result))


def test_a_page_has_the_phases(result):
    found = page({"": result})
    assert "Training step by phase" in found and "weight gradient" in found and "kept for the backward pass" in found
    assert "Training step by phase" not in page({"": simulate("eyeriss", small(), layers="F")})


def test_gradients_are_compared_too():
    found = compare("eyeriss", small(), ["row_stationary", "no_local_reuse"], training=True, evaluator="analytical")
    assert {len(one.layers) for one in found.results.values()} == {len(small().training_step().mac_layers)}


def test_inserted_zeros_are_skipped_where_a_machine_gates(result):
    """Of C2's gradient as many products are left as its forward pass has with words that are no padding."""
    layers = {layer.name: layer for layer in result.layers}
    problem = layers["C2"].problem
    assert layers["C2.ifmap_grad"].counts.effectual == problem.macs_over_plane < layers["C2.ifmap_grad"].macs


def test_each_layer_says_its_phase(result):
    names = {layer.name: phase(layer.op) for layer in (*result.layers, *result.vector_layers)}
    assert names["C2.ifmap_grad"] == names["P.grad"] == names["F.loss"] == "input gradient"
    assert names["C2.filter_grad"] == "weight gradient" and names["C2.update"] == names["C2.cast"] == "update"


def test_the_command(tmp_path):
    file = tmp_path / "small.yaml"
    layers = "".join(f"  {name}: {json.dumps(keys)}\n" for name, keys in LAYERS.items())
    file.write_text(f"name: small\nsource: test\ninput: {{C: 4, H: 16, W: 16}}\nlayers:\n{layers}", encoding="utf-8")
    run = CliRunner().invoke
    told = run(app, ["run", "eyeriss", str(file), "--training", "--optimizer", "adam"])
    assert told.exit_code == 0
    assert "training step; layers without MACs and updates included" in told.stdout
    assert "kept for the backward pass" in told.stdout
    as_json = run(app, ["run", "eyeriss", str(file), "--training", "--gradients", "split", "--json"])
    assert json.loads(as_json.stdout)["workload"] == "small, training step (sgd)"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--training", "--optimizer", "adm"], "unknown optimizer 'adm'; did you mean 'adam'? (adam, momentum, sgd)"),
        (["--optimizer", "adam"], "--optimizer is of a training step: give --training too"),
        (["--master-bits", "32"], "--master-bits is of a training step: give --training too"),
        (["--gradients", "split"], "--gradients is of a training step: give --training too"),
    ],
)
def test_bad_options_are_one_line(options, told):
    found = CliRunner().invoke(app, ["run", "eyeriss", "alexnet", *options])
    assert (found.exit_code, found.stdout, found.stderr) == (2, "", f"{told}\n")


def test_map_and_timeline_take_the_step(tmp_path, monkeypatch, capsys):
    """A mapping of the step, found by `map`, is one that `run` takes for its gradients too."""
    monkeypatch.chdir(tmp_path)
    runner, asked = CliRunner(), ["eyeriss", "alexnet", "--layers", "CONV5*", "--training"]
    found = runner.invoke(app, ["map", *asked, "--out", "m.yaml"])
    assert found.exit_code == 0, found.output
    text = (tmp_path / "m.yaml").read_text(encoding="utf-8")
    assert text.startswith("# the best energy of row_stationary found for alexnet, training step, batch 1, on eyeriss")
    assert "\nCONV5.filter_grad:\n" in text and "\nCONV5.ifmap_grad:\n" in text
    given = simulate("eyeriss", "alexnet", layers="CONV5*", training=True, mapping="m.yaml", evaluator="analytical")
    searched = simulate("eyeriss", "alexnet", layers="CONV5*", training=True, evaluator="analytical", exact=True)
    assert given.total.energy == searched.total.energy and given.layers[0].mapping_source == "given"
    seen = runner.invoke(app, ["timeline", *asked[:2], "--training", "--layers", "CONV5.filter_grad", "--cycles", "50"])
    assert seen.exit_code == 0 and (tmp_path / "timeline.json").is_file()


@pytest.mark.parametrize("command", ["compare", "map"])
def test_options_of_a_step_without_one(command):
    found = CliRunner().invoke(app, [command, "eyeriss", "alexnet", "--master-bits", "32"])
    assert found.exit_code == 2
    assert isinstance(found.exception, SystemExit) or "--master-bits is of a training step" in str(found.exception)
