"""Tables add up, name units, fit a terminal."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

import fakes
from accelsim.engine.counts import Encoded
from accelsim.report import table
from accelsim.simulate import compare, simulate


@pytest.fixture
def result(fake_engine):
    return simulate(fakes.machine(), fakes.network())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (7, "7"),
        (1234567, "1,234,567"),
        (0.12345, "0.123"),
        (12.345, "12.3"),
        (1234.5, "1,234"),
        (2e-5, "2.00e-05"),
    ],
)
def test_numbers(value, text):
    assert table.number(value) == text


def test_every_row_has_every_column(result):
    for grid in table.grids(fakes.with_zeros(result)):
        assert {len(row) for row in grid.rows} == {len(grid.header)}
        assert [row[0] for row in grid.rows] == ["CONV1", "CONV2", "FC3 x3", "total"]


def test_stalls_have_their_largest_causes_and_add_up(result):
    grid = table.stall_grid(result)
    for row in grid.rows:
        *causes, all_stalls = (int(cell.replace(",", "")) for cell in row[1:])
        assert sum(causes) == all_stalls
    totals = [int(cell.replace(",", "")) for cell in grid.rows[-1][1:-1]]
    assert totals == sorted(totals, reverse=True)


def test_many_causes_are_gathered(result, monkeypatch):
    monkeypatch.setattr(table, "SHOWN_CAUSES", 2)
    grid = table.stall_grid(result)
    assert grid.header == ("layer", "GLB->RF ifmap", "fill", "2 others", "all stalls")
    *causes, all_stalls = (int(cell.replace(",", "")) for cell in grid.rows[-1][1:])
    assert sum(causes) == all_stalls


@pytest.mark.parametrize("width", [100, 120])
def test_they_are_readable_at_a_terminals_width(result, width):
    console = Console(file=io.StringIO(), width=width)
    for grid in table.grids(fakes.with_zeros(result)):
        console.print(table.rich_table(grid))
    text = console.file.getvalue()
    assert "…" not in text
    assert "processing" in text


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
    assert grid.rows[-1][2] == table.number(macs / 1e6)


def test_a_machine_that_only_gates_has_neither_visits_nor_imbalance(result):
    layers = tuple(
        replace(layer, counts=replace(layer.counts, effectual=layer.counts.macs // 4)) for layer in result.layers
    )
    grid = table.zeros_grid(replace(result, layers=layers, operands="arrays in x"))
    assert grid.title == "zeros: MACs left"
    assert grid.header == ("layer", "effectual [M]", "of MACs [%]")
    assert {row[2] for row in grid.rows} == {"25.0"}
    assert "zeros: arrays in x" in table.notes(replace(result, operands="arrays in x"))


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


def test_energy_scale():
    assert table.energy_scale("pJ", 5e9) == (1e9, "mJ")
    assert table.energy_scale("MAC", 5e6) == (1e6, "MMAC")
    assert table.energy_scale("pJ", 5) == (1.0, "pJ")


def test_notes_say_what_was_searched_and_which_table(fake_engine):
    network = fakes.network()
    result = simulate(fakes.machine(), network, mapping={"CONV1": fakes.nest(network.layers[0].problem)})
    notes = "\n".join(table.notes(result))
    assert "* not in the mapping given: the best row_stationary mapping found" in notes
    assert [row[0] for row in table.time_grid(result).rows] == ["CONV1", "CONV2 *", "FC3 x3 *", "total"]
    assert "not in the totals: 1 layer without MACs: " in notes
    assert "ISCA 2016" in notes


def test_comparison_marks_what_is_incomplete(fake_engine):
    grid = table.comparison_grid(compare(fakes.machine(), fakes.network()))
    assert [row[0] for row in grid.rows] == ["row_stationary", "weight_stationary *"]
    assert {len(row) for row in grid.rows} == {len(grid.header)}
