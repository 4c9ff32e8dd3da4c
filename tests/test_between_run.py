"""Runs with a plan: what moves, what it costs, and that a result of one is read and run again to the same bytes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from accelsim.architecture.yaml import load_architecture
from accelsim.engine.counts import ACTIONS
from accelsim.engine.fused.layers import group_of
from accelsim.engine.fused.storage import Tiling, measure
from accelsim.mapping.plan.living import between_of
from accelsim.networks import network_from
from accelsim.report import terminal
from accelsim.report.files import document_text
from accelsim.report.html import page
from accelsim.report.html.machine import fills
from accelsim.report.summary import between_notes, vector_note
from accelsim.result import Result
from accelsim.simulate import rerun, simulate
from accelsim.workload.network import Network
from accelsim.workload.problem import TENSORS, Padding, Tensor

FILL, READ, UPDATE, DRAIN = (ACTIONS.index(action) for action in ("fill", "read", "update", "drain"))
IFMAP, FILTER, PSUM = (TENSORS.index(tensor) for tensor in (Tensor.IFMAP, Tensor.FILTER, Tensor.PSUM))
BLOCK = "conv2_0*"


def run(machine="tpu_v1", network="resnet50", **more) -> Result:
    return simulate(machine, network, evaluator=more.pop("evaluator", "analytical"), **more)


@pytest.mark.parametrize("network", ["alexnet", "resnet50", "mobilenet_v2"])
def test_residency_saves_what_the_rule_says(network: str) -> None:
    """R2, on every layer of a network under the same loops, on a buffer with room for everything."""
    machine = load_architecture("tpu_v1").with_(**{"levels.UB.capacity": "4 GiB"})
    alone = run(machine, network)
    names = [layer.name for layer in alone.ran.network.layers]
    read = {name for layer in alone.ran.network.layers for name in layer.inputs}
    stay = {
        name: "UB" for name in names if name in read and alone.ran.network.layers[names.index(name)].op != "flatten"
    }
    nests = {layer.name: layer.nest for layer in alone.layers}
    found = run(machine, network, mapping=nests, plan={"resident": stay})
    home = machine.level_index("UB")
    between = between_of(found.ran.plan, machine, found.ran.network, {})
    padding = found.ran.network.padding or machine.padding
    zeros = between.zeros if padding is Padding.STORED else lambda _: 0
    for before, after in zip(alone.layers, found.layers, strict=True):
        expected = before.counts.words.copy()
        if Tensor.IFMAP in after.homes:
            expected[0, IFMAP] = 0
            expected[home, IFMAP, FILL] = 0
        if Tensor.PSUM in after.homes:
            words = after.problem.words(Tensor.PSUM)
            expected[0, PSUM] = 0
            expected[home, PSUM, [FILL, DRAIN]] = 0
            expected[home, PSUM, READ] = expected[home, PSUM, UPDATE] - words
            expected[home, PSUM, UPDATE] += zeros(before.name)
        assert np.array_equal(after.counts.words, expected), before.name
    assert found.total.energy < alone.total.energy


def test_padding_is_written_by_who_makes_the_plane() -> None:
    machine = load_architecture("tpu_v1")
    for padding, zeros in ((Padding.ON_CHIP, 0), (Padding.STORED, 64 * (58 * 58 - 56 * 56))):
        network = network_from("resnet50", 1)
        found = run(machine, replace(network, padding=padding), layers=BLOCK, plan={"resident": {"conv2_0a": "UB"}})
        home = machine.level_index("UB")
        made, read = found.layer("conv2_0a"), found.layer("conv2_0b")
        words = made.problem.words(Tensor.PSUM)
        assert made.counts.words[home, PSUM, UPDATE] - made.counts.words[home, PSUM, READ] == words + zeros
        assert read.homes == {Tensor.IFMAP: "UB"}


def test_what_is_read_late_is_written_too() -> None:
    """R5: a shortcut that stays for its first reader only goes to the outermost level as well, once."""
    machine, home = load_architecture("tpu_v1"), 1
    whole = run(machine, layers="conv2_*", plan={"resident": {"conv2_proj": "UB", "conv2_0a": "UB"}})
    assert whole.layer("conv2_proj").counts.words[0, PSUM].sum() == 0
    first = run(machine, layers="pool1,conv2_*", plan={"resident": {"pool1": {"level": "UB", "until": "conv2_0a"}}})
    assert [layer.homes.get(Tensor.IFMAP) for layer in first.layers[:4]] == ["UB", None, None, None]
    late = run(machine, layers="conv2_*", plan={"resident": {"conv2_0": {"level": "UB", "until": "conv2_1a"}}})
    (added,) = [layer for layer in late.vector_layers if layer.name == "conv2_0"]
    assert added.writes == added.writes_at_home == 56 * 56 * 256
    made = run(machine, "alexnet", layers="CONV3,CONV4", plan={"resident": {"CONV3": "UB"}})
    assert made.layer("CONV3").counts.words[0, PSUM, UPDATE] == 0 < made.layer("CONV3").counts.words[home, PSUM, UPDATE]


def test_a_group_moves_what_its_geometry_says() -> None:
    plan = {"groups": [{"layers": ["conv2_0a", "conv2_0b"], "tile": {"P": 8, "Q": 28}}]}
    found = run("eyeriss", layers=BLOCK, plan=plan, evaluator="cycle")
    (group,) = found.groups
    geometry = group_of(found.ran.network, ("conv2_0a", "conv2_0b"))
    counted = measure(geometry, Tiling((8, 28)))
    assert group.counts.words[0, IFMAP, READ] == sum(counted.reads.values())
    assert group.counts.words[0, PSUM, UPDATE] == counted.updates
    assert group.macs + group.again == sum(counted.macs.values())
    assert sum(group.stall_cycles.values()) + group.compute_cycles == group.cycles
    assert sum(share.cycles for share in group.shares) == group.processing_cycles
    alone = run("eyeriss", layers=BLOCK)
    assert found.total.macs == alone.total.macs
    assert group.name == "conv2_0a..conv2_0b" and [layer.name for layer in found.layers] == ["conv2_0c"]
    assert found.total.energy == pytest.approx(sum(one.energy for one in found.multiplied))


def test_a_result_is_read_and_run_again(tmp_path: Path) -> None:
    plan = {
        "resident": {"conv2_0b": "UB"},
        "groups": [{"layers": ["conv1", "pool1"], "tile": {"P": 4, "Q": 56}, "filters": {}}],
    }
    found = run(layers="conv1,pool1,conv2_0*", plan=plan, evaluator="cycle")
    text = document_text(found)
    assert json.loads(text)["ran"]["plan"]["resident"] == {"conv2_0b": {"level": "UB"}}
    file = tmp_path / "result.json"
    file.write_text(text)
    again = Result.load(file)
    assert document_text(again) == text
    assert document_text(rerun(again)) == text


def test_pages_and_tables_tell_groups() -> None:
    """Of a group a row in every table, and a table of its layers; what lives at home is in how full the machine is."""
    plan = {"resident": {"conv2_0b": "UB"}, "groups": [{"layers": ["conv1", "pool1"], "tile": {"P": 4}}]}
    found = run(layers="conv1,pool1,conv2_0*", plan=plan, evaluator="cycle")
    grids = {block.title.partition(" [")[0]: block for block in terminal.report(found) if hasattr(block, "rows")}
    for name in ("time", "stalled cycles by cause", "words moved at each level", "energy by data type"):
        assert any("conv1..pool1" in row[0] for row in grids[name].rows), name
    assert len(grids["groups"].rows) == 3
    lines = [block for block in terminal.report(found) if isinstance(block, str)]
    assert "between layers: 1 tensor lives in UB, 1 group of layers run together" in lines
    assert "Layers that ran together" in page({"": found})
    whole = 56 * 56 * 64 / 25165824
    assert any(fill.most >= whole for fill in fills(found).values())
    assert found.machine_of(found.layer("conv2_0b")).homes == {Tensor.PSUM: "UB"}


def test_words_of_vector_layers_that_stay_are_told_and_prices_of_a_search_as_dense() -> None:
    layers = {
        "a": {"op": "conv", "M": 4, "kernel": 1, "density": {"ifmap": 0.5, "filter": 0.5}},
        "relu": {"op": "elementwise"},
        "b": {"op": "conv", "M": 2, "kernel": 1},
    }
    found = run("eyeriss", Network.of("n", layers, (3, 4, 4)), between="resident")
    assert "layer without MACs: 0 words read and written, 128 more where they stay on the chip, " in vector_note(found)
    (note,) = between_notes(found)
    assert " (looked for with dense operands: 2 tensors stay, " in note
    (dense,) = between_notes(run("eyeriss", Network.of("n", layers, (3, 4, 4)), between="resident", data="dense"))
    assert " (2 tensors stay, " in dense
