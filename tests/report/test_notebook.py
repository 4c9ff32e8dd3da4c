"""A notebook shows what a terminal shows."""

from __future__ import annotations

from dataclasses import replace

import pytest

import fakes
from accelsim.report.table import grids
from accelsim.simulate import compare, simulate


@pytest.fixture
def result(fake_engine):
    return simulate(fakes.machine(), fakes.network())


def test_a_result_shows_its_tables(result):
    html = result._repr_html_()
    assert html.startswith("<p><b>") and "ms total latency" in html.split("</p>")[0]
    assert html.count("<table>") == len(grids(result))
    for grid in grids(result):
        assert grid.title in html
        assert all(f"<td>{cell}</td>" in html for row in grid.rows for cell in row if ">" not in cell)


def test_names_are_text_not_markup(result):
    assert "<script>" not in replace(result, workload="<script>")._repr_html_()


def test_a_comparison_shows_its_table(fake_engine):
    html = compare(fakes.machine(), fakes.network())._repr_html_()
    assert html.count("<table>") == 1
    assert "weight_stationary: CONV1, CONV2: GLB psum" in html


def test_a_picture_shows_itself(result):
    axes = result.plot.energy()
    for shown in (axes, axes.figure):
        assert shown._repr_png_().startswith(b"\x89PNG")
