"""Layers that ran together are in all that adds a result up: pictures, files read again, differences."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import test_epilogues
from accelsim.energy.account import account
from accelsim.errors import AccelsimError
from accelsim.report import plot
from accelsim.report.difference import difference
from accelsim.report.document import multiplied, read_document
from accelsim.report.files import document_text
from accelsim.report.plot_cycles import cycles_bars
from accelsim.report.plot_roofline import title_of
from accelsim.report.plot_traffic import traffic_data
from accelsim.report.rooflines import roofline
from accelsim.result import Result
from accelsim.simulate import simulate
from accelsim.workload.network import Network
from accelsim.workload.problem import Width

LAYERS = {
    "p": {"op": "conv", "M": 4, "kernel": 3, "pad": 1},
    "q": {"op": "conv", "M": 4, "kernel": 3, "pad": 1},
    **test_epilogues.LAYERS,
}
NETWORK = Network.of("planned", LAYERS, (4, 8, 8))
PLAN = {
    "groups": [
        {"layers": ["p", "q"], "tile": {"P": 4}},
        {**test_epilogues.GROUP, "tile": {"P": 2, "Q": 4, "M": 4}},
    ],
}
ORDER = ["p..q", "a", "b..pool", "c"]


@pytest.fixture(scope="module")
def planned() -> Result:
    return simulate(test_epilogues.machine("4 KiB"), NETWORK, plan=PLAN)


@pytest.fixture(scope="module")
def alone() -> Result:
    return simulate(test_epilogues.machine("4 KiB"), NETWORK)


def test_bars_add_up_to_the_totals(planned: Result) -> None:
    energy, cycles = plot.energy_bars(planned.to_dict()), cycles_bars(planned)
    for bars, own in (
        (energy, [one.energy for one in planned.in_order]), (cycles, [one.cycles for one in planned.in_order]),
    ):  # fmt: skip
        drawn = [sum(row["value"] for row in bars.rows() if row["group"] == name) for name in ORDER]
        assert list(bars.stacks) == ORDER
        assert [each / sum(drawn) for each in drawn] == pytest.approx([each / sum(own) for each in own])
    assert sum(one.cycles for one in planned.in_order) == planned.total.cycles
    words = traffic_data(planned).words
    for level, tensor, action in (("DRAM", "ifmap", "read"), ("GLB", "psum", "drain")):
        moved = sum(one.counts(level, tensor, action) for one in planned.multiplied)
        assert moved and words[level, tensor][action] == moved


def test_a_file_is_read_again(planned: Result, tmp_path: Path) -> None:
    """In run order; a group whose energy is not that of its parts is named by its place."""
    file = tmp_path / "result.json"
    file.write_text(document_text(planned))
    document = read_document(file)
    assert [one["name"] for one in multiplied(document)] == ORDER == [one.name for one in planned.in_order]
    document["groups"][1]["energy"] *= 2
    file.write_text(json.dumps(document))
    with pytest.raises(AccelsimError, match=r"groups\.1\.energy: is .* but its energy_breakdown adds up to"):
        read_document(file)
    del document["groups"]
    file.write_text(json.dumps(document))
    with pytest.raises(AccelsimError, match=r"total\.macs: is \d+, but the layers' add up to \d+"):
        read_document(file)


def test_a_picture_of_some_has_the_groups_that_fit(planned: Result) -> None:
    assert [one.name for one in plot.picked(planned, "pool").multiplied] == ["b..pool"]
    assert [one.name for one in plot.picked(planned, "p*,c").multiplied] == ["c", "p..q", "b..pool"]
    with pytest.raises(AccelsimError, match="no layer of this result fits 'pol'; did you mean 'pool'"):
        plot.picked(planned, "pol")


def test_differences_of_layers_are_that_of_the_total(planned: Result, alone: Result) -> None:
    found = {one.title: one for one in difference("alone", alone, "planned", planned).changes}
    total = found["Cycles by layer"].total
    assert total is not None and (total.before, total.after) == (alone.total.cycles, planned.total.cycles)
    energy = found["Energy by layer"].total
    assert energy is not None and (energy.before, energy.after) == (
        alone.total.energy_exact,
        planned.total.energy_exact,
    )
    assert {("p..q",), ("b..pool",), ("p",), ("q",), ("b",)} <= {row.key for row in found["Cycles by layer"].rows}
    words = {row.key: row.after for row in found["Words by level"].rows}
    for key, moved in words.items():
        assert moved == sum(one.counts(*key) for one in planned.multiplied)


def test_a_roofline_has_a_point_for_each(planned: Result) -> None:
    """No group is above its roof; what crosses below DRAM is what its energy is counted from."""
    found = roofline(planned)
    assert [point.layer for point in found.points if point.level == "DRAM"] == ORDER
    assert all(point.performance <= found.bound(point) * (1 + 1e-9) for point in found.points)
    for group in planned.groups:
        (point,) = (point for point in found.points if (point.layer, point.level) == (group.name, "DRAM"))
        words = sum(row.count for row in group.energy_rows if row.component == "DRAM")
        assert point.intensity == pytest.approx(group.counts.visited / (2 * words))
    assert title_of(planned)[1] == "a point for each of 2 layers and 2 groups at each level with a port of a width"


@pytest.mark.parametrize("machine", ["tpu_v1", "eyeriss_isca16_rs"])
def test_words_of_a_group_have_their_widths(machine: str) -> None:
    """Sums of 32 bits leave a TPU as words of 8: what counts say is what the account of all passes adds up to."""
    plan = {"groups": [{"layers": ["b2_exp", "b2_dw", "b2_pw"], "tile": {"P": 2}, "keep": "both"}]}
    found = simulate(machine, "mobilenet_v2", layers="b2_*", evaluator="analytical", plan=plan)
    ((group,), whole) = found.groups, found.architecture
    again = account(whole, group.counts, found.energy_table, 0, found.dataflow, group.passes[-1].nest)
    assert {row for row in again if row.count} == {row for row in group.energy_rows if row.count}
    bits = {"ifmap": Width.IFMAP, "filter": Width.FILTER, "psum": Width.OFMAP}
    moved = [(row.count, bits[row.tensor]) for row in group.energy_rows if row.component == "DRAM"]
    assert group.megabytes("DRAM") == pytest.approx(sum(words * group.bits[width] for words, width in moved) / 8e6)
