"""Fused groups: Alwani et al. to the digits of its abstract; every number of DeFiNES and AccelForge exactly."""

from __future__ import annotations

import pytest

from accelsim.architecture.model import Architecture
from accelsim.energy.load import table_for
from accelsim.engine.fused.storage import MODES, Tiling, measure
from accelsim.mapping.dataflows import load
from accelsim.reproduce import fusion
from accelsim.reproduce.source import rows
from accelsim.search.plan import chains
from accelsim.search.plan.best import find_plan
from accelsim.search.plan.costs import Wanted
from accelsim.search.proof import NONE
from accelsim.workload.yaml import load_network


def test_all_numbers_are_there():
    assert len(fusion.counts()) == 3 * (8 + 2) + 3 * 29
    assert {one.mode for one in fusion.counts()} == {"none", "columns", "both"}


@pytest.mark.parametrize("network", ["fsrcnn", "mobilenetv1"])
@pytest.mark.parametrize("mode", ["none", "columns", "both"])
def test_every_count_of_defines(network, mode):
    """Integers of a deterministic model: nothing is tolerated."""
    mine = [one for one in fusion.counts() if (one.network, one.mode) == (network, mode)]
    assert mine
    assert {one.what: one.ours for one in mine} == {one.what: one.theirs for one in mine}


def test_all_layers_in_one_stack_do_the_same_macs_if_everything_is_kept():
    """Fully cached, DeFiNES's counts do not tell where its stacks were cut: every word is made once."""
    whole = measure(fusion.stack("mobilenetv1", range(29)), Tiling((1, 1)))
    theirs = {one.what: one.theirs for one in fusion.counts() if (one.network, one.mode) == ("mobilenetv1", "both")}
    assert whole.macs == theirs


@pytest.mark.parametrize(("what", "digits"), [("fused", 1), ("unfused", 0), ("extra storage", 0)])
def test_alwani(what, digits):
    """An abstract rounds: ours, rounded to as many digits, is the same."""
    theirs, ours = fusion.alwani()[what]
    assert round(ours, digits) == theirs


def test_what_is_kept_of_vgg():
    """The bound of whole lines and columns, with the rows of a tile in the middle; live; with the largest rows."""
    found = fusion.vgg()
    assert fusion.kept_bytes() == 361_872
    assert fusion.BYTES * found.between == 355_680
    assert fusion.BYTES * found.line_bound() == 367_696
    assert fusion.BYTES * found.room == 375_136


def test_vgg_by_layer_with_pools_apart():
    """Every layer and pool alone, everything crossing once: 86.32 MB (2^20)."""
    group = fusion.vgg().group
    words, plane = 0, dict(zip(group.tensors, group.planes, strict=True))
    for op in group.ops:
        rows_, columns = plane[op.reads[0].tensor]
        words += op.arriving * rows_ * columns + op.channels * op.plane[0] * op.plane[1]
    assert round(fusion.BYTES * words / fusion.MB, 2) == 86.32


@pytest.mark.parametrize("what", [row["what"] for row in rows("fused_published") if row["source"] == "accelforge"])
def test_accelforge(what):
    theirs, ours = fusion.accelforge()[what]
    assert ours == theirs


def test_recomputing_alwani_costs_macs():
    """With nothing kept the pyramid of one output is computed anew for each."""
    none = measure(fusion.vgg().group, Tiling((1, 1), MODES["none"]))
    assert none.between == 0
    assert sum(none.again.values()) > 9 * sum(fusion.vgg().macs.values())


@pytest.mark.nightly
def test_epilogues_of_vgg_at_108_kib(monkeypatch: pytest.MonkeyPatch) -> None:
    """The prototype's fused plans of least words move 179.4 M without epilogues and 173.6 M with them, 5.8 M fewer.

    Ours have the mapping of least energy in each layer that runs alone, and so 1.1 M words more either way.
    """
    networks = {name: {"kind": "multicast", "width": "16 words"} for name in ("ifmap", "filter")}
    networks["psum"] = {"kind": "chain", "in": "16 words", "out": "16 words", "accumulate": "on-drain"}
    array = {"size": {"y": 16, "x": 16}, "networks": networks}
    square = Architecture.of(
        "square",
        [
            {"name": "DRAM", "link": {"width": "64 b", "clock": "500 MHz"}},
            {"name": "GLB", "capacity": "108 KiB", "array": array},
            {"name": "RF", "capacity": {"filter": "16 words"}, "keeps": ["filter"]},
        ],
        clock="500 MHz", word="16 b", energy="eyeriss_relative", dataflow="weight_stationary",
    )  # fmt: skip
    wanted = Wanted(square, table_for(square), "GLB", load(square.dataflow), square.dataflow, "words", NONE)
    network = load_network("vgg16")
    fused = find_plan(wanted, network, lambda _: square, "fused")
    assert sum(group.epilogue for group in fused.plan.groups) == 4
    monkeypatch.setattr(chains, "may_hand", lambda _: False)
    without = find_plan(wanted, network, lambda _: square, "fused")
    assert without.cost.words - fused.cost.words == pytest.approx(5.8e6, rel=0.01)
    assert fused.cost.words == pytest.approx(173.6e6, rel=0.01)
    assert without.cost.words == pytest.approx(179.4e6, rel=0.01)
