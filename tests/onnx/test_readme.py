"""The table of graphs on the README's front page is what the runs give."""

from __future__ import annotations

from pathlib import Path

import pytest

from graphs import GRAPHS, at_hand, dims

pytest.importorskip("onnx.helper")

import accelsim

README = Path(__file__).parents[2] / "README.md"


def rows():
    """(graph, cells by heading)."""
    if not README.is_file():
        return []
    table = README.read_text(encoding="utf-8").partition("<!-- graphs -->\n")[2].partition("\n\n")[0]
    head, _, *lines = ([cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines())
    return [(cells[0].split("`")[1], dict(zip(head, cells, strict=True))) for cells in lines]


@at_hand
@pytest.mark.slow
@pytest.mark.parametrize(("name", "cells"), rows())
def test_a_row(name, cells):
    for heading, cell in cells.items():
        if not heading.startswith("`"):
            continue
        result = accelsim.simulate(heading.strip("`"), GRAPHS / f"{name}.onnx", dims=dims(name))
        assert cell == f"{result.total.ms:.3f} ms"
        told = (f"{result.coverage.nodes:,}", str(result.coverage.layers.nodes), f"{result.total.macs:,}")
        assert (cells["Nodes"], cells["Layers with MACs"], cells["MACs"]) == told


def test_there_are_rows():
    assert len(rows()) >= 4
