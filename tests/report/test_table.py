"""Tables add up, name units, fit a terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

import fakes
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
    for grid in table.grids(result):
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
    for grid in table.grids(result):
        console.print(table.rich_table(grid))
    text = console.file.getvalue()
    assert "…" not in text
    assert "processing" in text


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
    assert "no MACs, not counted: POOL1" in notes
    assert "ISCA 2016" in notes


def test_comparison_marks_what_is_incomplete(fake_engine):
    grid = table.comparison_grid(compare(fakes.machine(), fakes.network()))
    assert [row[0] for row in grid.rows] == ["row_stationary", "weight_stationary *"]
    assert {len(row) for row in grid.rows} == {len(grid.header)}
