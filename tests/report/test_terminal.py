"""Tables fit every terminal without losing a digit, and the first line answers."""

from __future__ import annotations

import io
import sys
from dataclasses import replace

import pytest
from rich.console import Console

import fakes
from accelsim.report import summary, terminal
from accelsim.report.table import Grid, grids
from accelsim.simulate import compare, simulate


@pytest.fixture
def result(fake_engine):
    return simulate(fakes.machine(), fakes.network())


def printed(blocks: list[terminal.Block], width: int) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False, markup=False)
    terminal.write(blocks, console)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [40, 80, 100, 120])
def test_no_digit_is_lost_at_any_width(result, width):
    sparse = fakes.with_zeros(result)
    text = printed(terminal.report(sparse), width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    words = set(text.split())
    for grid in grids(sparse):
        for row in grid.rows:
            assert {cell for cell in row[1:] if cell} <= words


@pytest.mark.parametrize("width", [80, 100])
def test_a_table_too_wide_is_split_between_columns(width):
    grid = Grid("wide", ("layer", *(f"LEVEL_{index}" for index in range(20))), (("A", *("1,234,567,890",) * 20),) * 2)
    parts = list(terminal.fitted(grid, width))
    assert [name for part in parts for name in part.header[1:]] == list(grid.header[1:])
    assert {part.header[0] for part in parts} == {"layer"}
    assert [part.title for part in parts][:2] == ["wide", "wide, continued"]
    assert max(len(part.header) for part in parts) - min(len(part.header) for part in parts) <= 1
    assert printed([grid], width).count("1,234,567,890") == 40


def test_one_column_wider_than_the_terminal_is_folded_not_cut():
    grid = Grid("t", ("layer", "x"), (("A", "123456789012345678901234567890"),), sums=0)
    assert "".join(printed([grid], 16).split("A")[-1].split()) == "123456789012345678901234567890"


def test_names_of_any_kind_are_printed_in_one_line(result):
    names = ("\x1b[31m", "a\nb", "x" * 99_999)
    layers = tuple(replace(layer, name=name) for layer, name in zip(result.layers, names, strict=True))
    odd = replace(result, layers=layers, workload="w\x07\n", failures=(("l\r", "because\x1b"),))
    text = printed(terminal.report(odd), 80)
    assert not set(text) & set("\x1b\x07\r")
    assert max(map(len, text.splitlines())) <= 80


def test_the_first_line_answers(result):
    first, second, *_ = terminal.report(result)
    sums = result.total
    milliseconds = 1e3 * sums.cycles / 200e6
    assert first.startswith(f"{milliseconds:.3g} ms total latency (processing ")
    for part in ("images/s; ", " TOPS, ", " % of the peak of 0.0032; ", "MAC energies per image; ", " per MAC; "):
        assert part in first
    assert first.endswith(
        f"; compute binds ({100 * sums.compute_cycles / sums.cycles:.1f} % of the cycles), "
        f"then GLB->RF ifmap ({100 * sums.stall_cycles['GLB->RF ifmap'] / sums.cycles:.1f} %)"
    )
    assert second.startswith("toynet on toy: 8 PEs at 200 MHz, row_stationary")


def test_the_first_lines_say_what_is_free(result):
    assert result.free
    lines = terminal.report(result)[2 : 2 + len(result.free)]
    assert [line[11:] for line in lines] == list(result.free)
    assert lines[0].startswith("free here: ")


def test_the_first_line_tells_skipped_macs_apart(result):
    first, *_ = terminal.report(fakes.with_zeros(result))
    sums = result.total
    rate = 2e-12 * sums.macs / (sums.cycles / 200e6)
    assert f"{0.75 * rate:.3g} TOPS, " in first
    assert f"({rate:.3g} with the MACs that were skipped, {sums.macs / (8 * sums.cycles):.2f} x the peak)" in first


def test_a_repeat_is_explained_and_a_reason_said_once(result):
    partly = replace(result, failures=(("A", "too large"), ("B", "too large"), ("C", "odd")))
    text = printed([*terminal.report(partly), *summary.not_run(partly)], 400)
    assert "; without 3 layers that did not run" in text
    assert "x2, x3, ...: a layer that runs so often; its row is one run" in text
    assert "not run: A, B: too large" in text
    assert text.count("too large") == 1


def test_a_comparison_says_a_reason_once(fake_engine):
    comparison = compare(fakes.machine(), fakes.network())
    text = printed(terminal.comparison_report(comparison), 200)
    assert text.count("needs 9 bits") == 1
    assert "weight_stationary: CONV1, CONV2: GLB psum: needs 9 bits, has 8 bits" in text


def test_a_terminal_without_letters_gets_what_it_has(monkeypatch):
    """Powers become ``10^9``; what else is lacking becomes an escape, and nothing is cut off."""
    grid = Grid("energy [10⁹ MAC energies]", ("layer", "a"), (("网络", "1 × 10⁻³"),))
    for encoding, title, row in (
        ("ascii", "energy [10^9 MAC energies]", ("\\u7f51\\u7edc", "1 x 10^-3")),
        ("utf-8", grid.title, grid.rows[0]),
    ):
        told = terminal.taken(grid, encoding)
        assert (told.title, told.rows[0]) == (title, row)
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    terminal.show(["2.69 × 10⁹ MAC energies", grid])
    out.flush()
    text = out.buffer.getvalue().decode("ascii")
    assert "2.69 x 10^9 MAC energies" in text and "\\u7f51\\u7edc" in text
