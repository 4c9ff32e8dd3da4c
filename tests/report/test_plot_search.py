"""How a search converges, as data and as a picture."""

from __future__ import annotations

import runpy
from math import inf
from pathlib import Path

import pytest

from accelsim.architecture.yaml import load_architecture
from accelsim.errors import AccelsimError
from accelsim.report.plot_search import convergence, curve
from accelsim.search.optimum.optimum import Step, optimum
from accelsim.search.optimum.scope import Scope
from accelsim.workload.problem import Problem

CONV = Problem((1, 1, 16, 8, 7, 7, 3, 3), pad=(1, 1))
ODD = Problem((2, 1, 12, 10, 1, 1, 1, 1))
EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "convergence.py"


@pytest.mark.parametrize(("problem", "imperfect"), [(CONV, False), (ODD, True)])
def test_a_curve_ends_at_the_optimum_and_at_its_proof(problem, imperfect):
    steps: list[Step] = []
    found = optimum(load_architecture("eyeriss_isca16_rs"), problem, scope=Scope(imperfect), steps=steps)
    one = curve("CONV", steps)
    assert one.best[-1] == 1 and one.bound[-1] == pytest.approx(1) and one.gap == pytest.approx(0)
    assert list(one.at) == sorted(one.at) and list(one.best) == sorted(one.best, reverse=True)
    assert list(one.bound) == sorted(one.bound) and (one.bound[0] > 0) == (not imperfect)
    assert all(0 <= bound <= 1 + 1e-12 <= best + 2e-12 for best, bound in zip(one.best, one.bound, strict=True))
    assert one.at[-1] >= found.nodes and steps[-1].best == found.score
    if imperfect:  # what was proved of factors that divide is not proved of all
        assert one.at[-1] > found.nodes + found.tried
    by_time = curve("CONV", steps, "seconds")
    assert by_time.best == one.best and list(by_time.at) == sorted(by_time.at)


def test_a_search_finds_the_same_whether_its_steps_are_noted_or_not():
    machine, steps = load_architecture("eyeriss_isca16_rs"), []
    one, other = optimum(machine, CONV), optimum(machine, CONV, steps=steps)
    assert (one.nest, one.score, one.nodes) == (other.nest, other.score, other.nodes)


def test_what_is_drawn_is_the_data():
    steps = [Step(0.0, 1, inf, 5.0), Step(0.1, 10, 12.0, 5.0), Step(0.2, 100, 10.0, 8.0), Step(0.3, 1000, 10.0, 9.0)]
    axes = convergence({"<a> $b": steps})
    best, bound, end = axes.get_lines()
    assert list(best.get_xdata()) == [10, 100, 1000] and list(best.get_ydata()) == [1.2, 1, 1]
    assert list(bound.get_ydata()) == [0.5, 0.8, 0.9] and list(end.get_xdata()) == [1000]
    assert axes.get_legend().get_texts()[0].get_text() == "<a> $b, gap 11.1%"
    assert convergence({"a": steps}, by="seconds").get_xlabel() == "time [s]"
    assert convergence({"a": steps}, axes) is axes and axes.get_lines()[0] is best


def test_what_is_refused():
    with pytest.raises(AccelsimError, match="unknown axis 'second'; did you mean 'seconds'"):
        convergence({"a": [Step(0.0, 1, 1.0, 1.0)]}, by="second")
    with pytest.raises(AccelsimError, match="a picture has 1 to 8 searches, got 0"):
        convergence({})
    with pytest.raises(AccelsimError, match="nothing was found for 'a'"):
        convergence({"a": [Step(0.0, 1, inf, 1.0)]})


@pytest.mark.slow
@pytest.mark.skipif(not EXAMPLE.is_file(), reason="the examples are beside a checkout")
def test_the_example(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    found = runpy.run_path(str(EXAMPLE))["main"](layers="FC8", machine="eyeriss_isca16_rs")
    assert list(found) == ["FC8"] and (tmp_path / "convergence.png").stat().st_size > 10_000
    assert "FC8: within 1 % after " in capsys.readouterr().out
