"""The example of docs/pruning.md, shortened."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "prune_digits.py"


@pytest.mark.slow
@pytest.mark.skipif(not EXAMPLE.is_file(), reason="the examples are beside a checkout")
def test_the_example_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sklearn")
    example = runpy.run_path(str(EXAMPLE))
    points = example["main"](str(tmp_path / "p.png"), machines=("scnn",), splits=1, epochs=6, losses=(0.0, 0.02))
    assert (tmp_path / "p.png").stat().st_size > 10_000
    assert "scnn, energy-aware: " in capsys.readouterr().out
    own = [one for one in points if one.way == "energy-aware"]
    # a network that may lose more keeps fewer weights, and its zeros are skipped
    assert own[1].density < own[0].density < 1
    assert own[1].energy < own[0].energy < 1
    # energy falls with the weights, whoever prunes
    plain = sorted((one.density, one.energy) for one in points if one.way == "magnitude")
    assert [energy for _, energy in plain] == sorted(energy for _, energy in plain)
