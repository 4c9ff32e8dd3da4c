"""What a pipe gets is what rich would print there, to the byte."""

from __future__ import annotations

import io
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

import fakes
from accelsim.report import plain, terminal
from accelsim.report.grid import Grid
from accelsim.simulate import simulate

WORDS = st.text("ab:0% -.…", max_size=9)


@st.composite
def grids(draw):
    columns = draw(st.integers(2, 5))
    row = st.tuples(*[WORDS] * columns)
    rows = tuple(draw(st.lists(row, min_size=1, max_size=4)))
    return Grid(draw(WORDS), draw(row), rows, sums=draw(st.integers(0, len(rows))))


def by_rich(blocks, width):
    console = Console(file=io.StringIO(), width=width, highlight=False, markup=False)
    terminal.write(blocks, console, wrap=False)
    return console.file.getvalue()


def by_hand(blocks, width):
    return plain.text_of((one if isinstance(one, str) else [*terminal.fitted(one, width)] for one in blocks), width)


@given(st.lists(grids() | st.lists(WORDS, max_size=3).map("\n".join), max_size=4), st.sampled_from([20, 40, 120]))
def test_it_is_what_rich_prints(blocks, width):
    found = by_hand(blocks, width)
    assert found is None or found == by_rich(blocks, width)


def test_reports_are_printed_by_hand(fake_engine):
    result = simulate(fakes.machine(), fakes.network())
    for one in (result, fakes.with_zeros(result)):
        blocks = terminal.report(one)
        assert by_hand(blocks, 120) == by_rich(blocks, 120)


@pytest.mark.parametrize("text", [":smile:", "\x1b", "a\tb"])
def test_what_rich_changes_is_left_to_it(text):
    assert by_hand([text], 120) is None
    assert by_hand([Grid("t", ("layer", "x"), ((text, "1"),))], 120) is None


def test_shortened_names_are_printed_by_hand():
    blocks = [Grid("t", ("layer", "x"), (("features.…downsample.0", "1"),))]
    assert by_hand(blocks, 120) == by_rich(blocks, 120)


def test_what_is_as_wide_as_two_is_left_to_rich():
    assert by_hand([Grid("t", ("layer", "x"), (("層", "1"),))], 120) is None


def test_colours_where_they_are_asked_for(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
    for name in plain.STYLED:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert plain.is_plain()
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert not plain.is_plain()
