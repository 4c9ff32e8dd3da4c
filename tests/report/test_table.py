"""Tables add up, name units, have their columns in one order."""

from __future__ import annotations

from dataclasses import replace

import pytest

import fakes
from accelsim.engine.counts import Encoded
from accelsim.report import summary, table
from accelsim.report.text import number
from accelsim.simulate import compare, simulate


@pytest.fixture
def result(fake_engine):
    return simulate(fakes.machine(), fakes.network())


def test_every_row_has_every_column(result):
    for grid in table.grids(fakes.with_zeros(result)):
        assert {len(row) for row in grid.rows} == {len(grid.header)}
        names = [row[0] for row in grid.rows]
        assert names == ["CONV1", "CONV2", "FC3 x3", "total", "of cycles [%]"][: 3 + grid.sums]


def test_stalls_add_up_and_are_told_in_percent(result):
    grid = table.stall_grid(result)
    for row in grid.rows[:-1]:
        *causes, all_stalls = (int(cell.replace(",", "")) for cell in row[1:-1])
        assert sum(causes) == all_stalls
    sums = result.total
    shares = [f"{100 * sums.stall_cycles[cause] / sums.cycles:.1f}" for cause in grid.header[1:-2]]
    assert list(grid.rows[-1]) == [
        "of cycles [%]",
        *shares,
        f"{100 * sum(sums.stall_cycles.values()) / sums.cycles:.1f}",
        "",
    ]
    assert grid.rows[-2][-1] == grid.rows[-1][-2]


def test_causes_stand_in_the_order_of_the_machine(result):
    """However large they are: filling, the outermost level's transfers, the next one's, old psums, the rest."""
    causes = {
        "drain": 9,
        "GLB->RF filter": 8,
        "GLB->RF ifmap": 1,
        "GLB<-RF psum": 2,
        "DRAM->GLB psum": 3,
        "pipeline": 4,
    }
    layers = tuple(replace(layer, timing=replace(layer.timing, stalls=causes)) for layer in result.layers)
    header = table.stall_grid(replace(result, layers=layers)).header
    wanted = ("DRAM->GLB psum", "GLB->RF filter", "GLB<-RF psum", "drain", "pipeline")
    assert header == ("layer", *wanted, "1 others", "all stalls", "of cycles [%]")


def test_many_causes_are_gathered(result, monkeypatch):
    monkeypatch.setattr(table, "SHOWN_CAUSES", 2)
    grid = table.stall_grid(result)
    assert grid.header == ("layer", "fill", "GLB->RF ifmap", "2 others", "all stalls", "of cycles [%]")
    *causes, all_stalls = (int(cell.replace(",", "")) for cell in grid.rows[-2][1:-1])
    assert sum(causes) == all_stalls


def test_energy_by_type_and_by_level_add_up_to_the_same(result):
    types, levels = table.type_grid(result), table.level_grid(result)
    assert types.header == ("layer", "ifmap", "filter", "psum", "MAC unit", "all")
    assert levels.header == ("layer", "DRAM", "GLB", "RF", "network", "MAC unit", "all")
    assert [row[-1] for row in types.rows] == [row[-1] for row in levels.rows]
    assert types.rows[-1][-1] == number(float(result.total.energy))
    assert types.title == "energy by data type [MAC energies]"
    for row in (*types.rows, *levels.rows):
        *parts, everything = (float(cell.replace(",", "")) for cell in row[1:])
        assert sum(parts) == pytest.approx(everything, rel=0.02)


def test_skipped_macs_take_no_slot(result):
    """Three in four are visited; a machine that skips is never used by more than 100 %."""
    skipping = fakes.with_zeros(result)
    dense, sparse = table.time_grid(result), table.time_grid(skipping)
    assert sparse.header == (*dense.header, "dense equivalent [x]")
    for plain, row in zip(dense.rows, sparse.rows, strict=True):
        assert float(row[6]) == pytest.approx(0.75 * float(plain[6]), abs=0.1)
        assert float(row[7]) == pytest.approx(float(plain[6]) / 100, abs=0.01)
    fast = tuple(
        replace(layer, counts=replace(layer.counts, visited=layer.counts.macs // 20),
                timing=replace(layer.timing, cycles=-(-layer.counts.macs // 80)))
        for layer in result.layers
    )  # fmt: skip
    document = replace(result, layers=fast, operands="arrays in x").to_dict()
    for part in (*document["layers"], document["total"]):
        assert 0 < part["utilization"] <= 1 < part["dense_equivalent"]


def test_zeros_have_a_table_only_where_they_are_seen(result):
    assert table.zeros_grid(result) is None
    assert table.zeros_grid(replace(fakes.with_zeros(result), layers=())) is None
    grid = table.zeros_grid(fakes.with_zeros(result))
    assert grid.header == (
        "layer",
        "visited [M]",
        "effectual [M]",
        "of MACs [%]",
        "imbalance [ratio]",
        "DRAM ifmap [ratio]",
    )
    assert [row[0] for row in grid.rows] == ["CONV1", "CONV2", "FC3 x3", "total"]
    # made up: half of all MACs are effectual, PEs are busy half of the time, one word in four is moved
    assert {row[3:] for row in grid.rows} == {("50.0", "2.00", "4.00")}
    macs = sum(layer.repeat * (layer.counts.macs // 2) for layer in result.layers)
    assert grid.rows[-1][2] == number(macs / 1e6)


def test_a_machine_that_only_gates_has_neither_visits_nor_imbalance(result):
    layers = tuple(
        replace(layer, counts=replace(layer.counts, effectual=layer.counts.macs // 4)) for layer in result.layers
    )
    grid = table.zeros_grid(replace(result, layers=layers, operands="arrays in x"))
    assert grid.title == "zeros: MACs left"
    assert grid.header == ("layer", "effectual [M]", "of MACs [%]")
    assert {row[2] for row in grid.rows} == {"25.0"}
    assert "zeros: arrays in x" in summary.notes(replace(result, operands="arrays in x"))


def test_a_total_weighs_layers_by_their_repeats(result):
    """A layer that moves three words for one, run three times, and one that moves one for one."""
    few, many = result.layers[0], result.layers[2]
    assert (few.repeat, many.repeat) == (1, 3)
    layers = tuple(
        replace(layer, counts=replace(layer.counts, encoded=(Encoded("GLB", "psum", "drain", "csc", raw, 10, 60),)))
        for layer, raw in ((few, 60), (many, 180))
    )
    grid = table.zeros_grid(replace(result, layers=layers, operands="arrays in x"))
    assert [row[-1] for row in grid.rows] == ["1.00", "3.00", "2.50"]
    other = replace(few, counts=replace(few.counts, encoded=()))
    grid = table.zeros_grid(replace(result, layers=(other, layers[1]), operands="arrays in x"))
    assert [row[-1] for row in grid.rows] == ["", "3.00", "3.00"]


def test_notes_say_what_was_searched_and_which_table(fake_engine):
    network = fakes.network()
    result = simulate(fakes.machine(), network, mapping={"CONV1": fakes.nest(network.layers[0].problem)})
    notes = "\n".join(summary.notes(result))
    assert "* not in the mapping given: the best row_stationary mapping found" in notes
    assert [row[0] for row in table.time_grid(result).rows] == ["CONV1", "CONV2 *", "FC3 x3 *", "total"]
    assert "not in the totals: 1 layer without MACs: " in notes
    assert "ISCA 2016" in notes


def test_comparison_marks_what_is_incomplete(fake_engine):
    grid = table.comparison_grid(compare(fakes.machine(), fakes.network()))
    assert [row[0] for row in grid.rows] == ["row_stationary", "weight_stationary *"]
    assert {len(row) for row in grid.rows} == {len(grid.header)}
