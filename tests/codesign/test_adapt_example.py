"""The narrowing example of docs/pruning.md, shortened."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "adapt_digits.py"


@pytest.mark.slow
@pytest.mark.skipif(not EXAMPLE.is_file(), reason="the examples are beside a checkout")
def test_the_example_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sklearn")
    example = runpy.run_path(str(EXAMPLE))
    points = example["main"](str(tmp_path / "p.png"), splits=1, epochs=6, shares=(0.6, 0.4))
    assert (tmp_path / "p.png").stat().st_size > 10_000
    assert "NetAdapt 0." in capsys.readouterr().out
    for share, one in zip((0.6, 0.4), (one for one in points if one.way == "NetAdapt"), strict=True):
        assert share - 0.15 < one.energy <= share
        # of ten digits: far from chance
        assert one.accuracy > 0.8
