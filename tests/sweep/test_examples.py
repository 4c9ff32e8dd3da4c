"""The examples run as they stand, on a layer or two."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from accelsim.reproduce.isca16 import reference

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
QUICK = {"dataflows_resnet50": "conv1,FC", "rf_against_glb": "CONV3", "isca16": "CONV*"}


@pytest.mark.slow
@pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the examples are beside a checkout")
@pytest.mark.parametrize("name", QUICK)
def test_an_example(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    main = runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"]
    found = main("picture.png", layers=QUICK[name], workers=1)
    assert (tmp_path / "picture.png").stat().st_size > 10_000
    rows = list(found.rows())
    if name == "dataflows_resnet50":
        assert "takes least; the best dataflow of each layer would take" in capsys.readouterr().out
        assert {row["dataflow"] for row in rows if row["energy"]} > {"row_stationary"}
    elif name == "rf_against_glb":
        assert all(abs(row["area_mm2"] - 2.5) <= 0.025 for row in rows)
        assert "least energy: " in capsys.readouterr().out
    else:
        for row in rows:
            theirs = reference()[row["arch"].removeprefix("eyeriss_isca16_"), row["batch"]]
            assert (theirs is None) == (row["energy"] is None)
            if theirs and "_rs" in row["arch"]:
                assert row["energy"] / row["macs"] == pytest.approx(theirs.total, rel=0.03)


def test_there_is_one_for_each():
    # those that sweep nothing are run by other tests shortened, and by tests/test_examples_whole.py
    others = {"convergence", "energy_per_pixel", "prune_digits", "adapt_digits", "single_path_digits", "serving_buy"}
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {*QUICK, *others}
