"""VALIDATION.md is what `accelsim reproduce` writes."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from accelsim import reproduce
from accelsim.cli import app
from accelsim.reproduce import devices, devices_attention, isca16_sizes, plans, serving
from accelsim.reproduce.markdown import error, table

COMMITTED = Path(__file__).parents[2] / "VALIDATION.md"


LONG = plans, isca16_sizes, devices, devices_attention
"""Sources that take minutes: 24 searches of plans; machines of three sizes under equations worked out anew; products
and attentions of devices, whose figures tests of their own hold each day."""


def named(module):
    return module.__name__.rpartition(".")[2]


def every():
    for module in reproduce.SOURCES:
        yield pytest.param(module, id=named(module), marks=[pytest.mark.nightly] if module in LONG else [])


@pytest.mark.slow
@pytest.mark.parametrize("module", every())
def test_each_section_is_what_is_committed(module):
    _, found, after = COMMITTED.read_text(encoding="utf-8").partition(f"\n{module.section()}")
    assert found
    # attention of devices stands in the section of their products
    assert after.startswith("\n### " if module is devices else "\n## ") or (module, after) == (serving, "")


def test_reproduce_writes_all_sections_in_their_order(tmp_path, monkeypatch):
    for i, module in enumerate(reproduce.SOURCES):
        monkeypatch.setattr(module, "section", lambda i=i: f"## {i}\n")
    file = tmp_path / "VALIDATION.md"
    result = CliRunner().invoke(app, ["reproduce", str(file)])
    assert result.exit_code == 0, result.output
    expected = [reproduce.INTRODUCTION, *(f"## {i}\n" for i in range(len(reproduce.SOURCES)))]
    assert file.read_text(encoding="utf-8") == "\n".join(expected)
    assert COMMITTED.read_text(encoding="utf-8").startswith(reproduce.INTRODUCTION)


def test_tables_are_aligned():
    assert table(["a", "bb"], [["ccc", "1"]]) == "| a   | bb |\n| --- | -: |\n| ccc |  1 |\n"


@pytest.mark.parametrize(
    ("ours", "text"), [(100, "0.0 %"), (99.99, "0.0 %"), (110, "+10.0 %"), (90, "−10.0 %"), (100.04, "0.0 %")]
)
def test_errors_have_a_sign_unless_they_are_nothing(ours, text):
    assert error(ours, 100) == text
