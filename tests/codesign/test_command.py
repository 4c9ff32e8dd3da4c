"""`accelsim table`: what it writes and says, and one line for what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from accelsim.cli import app
from accelsim.codesign.costs import load_table

CELL = "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|nor_conv_1x1~2|"


def test_a_table_and_a_price(tmp_path: Path) -> None:
    out = tmp_path / "t.csv"
    given = ["table", "tpu_v1", "nasbench201", "-o", str(out), "--evaluator", "analytical", "--workers", "1"]
    found = CliRunner().invoke(app, [*given, "--price", CELL])
    assert found.exit_code == 0, found.output
    assert "12 layers that differ" in found.output
    table = load_table(out)
    assert len(table.entries) == 12
    assert f"{CELL}: " in found.output


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["nasbench2", "-o", "t.csv"], "did you mean 'nasbench201'"),
        (["fbnet", "-o", "t.txt"], "unknown format 'txt'"),
        (["fbnet", "-o", "t.csv", "--price", "k3_e1"], "a choice has 22 operations, got 1"),
        (["fbnet", "-o", "t.csv", "--set", "hed=3"], "did you mean 'head'"),
        (["fbnet", "-o", "t.csv", "--evaluator", "cycl"], "did you mean 'cycle'"),
    ],
)
def test_bad_input(more: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from accelsim.errors import AccelsimError

    monkeypatch.chdir(tmp_path)
    found = CliRunner().invoke(app, ["table", "tpu_v1", *more])
    assert found.exit_code != 0
    told = str(found.exception) if isinstance(found.exception, AccelsimError) else found.output
    assert said in told
    assert not list(tmp_path.iterdir())
