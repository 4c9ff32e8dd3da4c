"""The examples of docs/examples as they stand: short, and (nightly) run whole; other tests run them shortened."""

from __future__ import annotations

import inspect
import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
ALL = sorted(path.stem for path in EXAMPLES.glob("*.py"))
MOST_LINES = 150
pytestmark = pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the examples are beside a checkout")


@pytest.mark.parametrize("name", ALL)
def test_an_example_is_short(name):
    assert len((EXAMPLES / f"{name}.py").read_text(encoding="utf-8").splitlines()) < MOST_LINES


@pytest.mark.nightly
@pytest.mark.parametrize("name", ALL)
def test_an_example_runs_whole(name, tmp_path, monkeypatch):
    """With no argument but where the picture goes; what comes of it is what its page says."""
    pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    main = runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"]
    swept = any(one.kind is one.VAR_KEYWORD for one in inspect.signature(main).parameters.values())
    more = {"workers": 1} if swept else {}
    found = main("picture.png", **more)
    assert (tmp_path / "picture.png").stat().st_size > 10_000
    if name in SAYS:
        SAYS[name](found)


def _adapted(points):
    """NetAdapt keeps more than narrowing alike at the least energy, and is nowhere far below it."""
    ways = {way: sorted((p.energy, p.accuracy) for p in points if p.way == way) for way in {p.way for p in points}}
    ours, alike = ways["NetAdapt"], ways["all layers alike"]
    assert ours[0][0] <= alike[0][0] + 0.05 and ours[0][1] > alike[0][1]


def _priced(points):
    """What is searched for costs less than anything chosen alike, and loses little."""
    alike = [p for p in points if p.way == "alike"]
    least = min(alike, key=lambda p: p.cycles)
    better = [p for p in points if p.way == "searched" and p.cycles < least.cycles]
    assert better and max(p.accuracy for p in better) > least.accuracy - 0.02


SAYS = {"adapt_digits": _adapted, "single_path_digits": _priced}
