"""VALIDATION.md is what `accelsim reproduce` writes."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from accelsim.cli import app
from accelsim.reproduce.markdown import error, table

COMMITTED = Path(__file__).parents[2] / "VALIDATION.md"


@pytest.mark.slow
def test_the_committed_report_is_what_reproduce_writes(tmp_path):
    result = CliRunner().invoke(app, ["reproduce", str(tmp_path / "VALIDATION.md")])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "VALIDATION.md").read_text(encoding="utf-8") == COMMITTED.read_text(encoding="utf-8")


def test_tables_are_aligned():
    assert table(["a", "bb"], [["ccc", "1"]]) == "| a   | bb |\n| --- | -: |\n| ccc |  1 |\n"


@pytest.mark.parametrize(
    ("ours", "text"), [(100, "0.0 %"), (99.99, "0.0 %"), (110, "+10.0 %"), (90, "−10.0 %"), (100.04, "0.0 %")]
)
def test_errors_have_a_sign_unless_they_are_nothing(ours, text):
    assert error(ours, 100) == text
