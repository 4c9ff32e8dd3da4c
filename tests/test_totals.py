"""Mappings of a network whose sum is bounded: what is printed is what runs, and what cannot be is one line."""

from __future__ import annotations

import pytest
import yaml
from typer.testing import CliRunner

import accelsim
from accelsim.cli import app
from accelsim.errors import AccelsimError, MappingError
from accelsim.totals import within_total

MACHINE, NETWORK = "eyeriss_isca16_rs", "ds_cnn"
LAYERS = {"layers": "block0.*,fc"}


def sums(nests):
    result = accelsim.simulate(MACHINE, NETWORK, mapping=nests, evaluator="analytical", **LAYERS)
    return float(result.total.energy), sum(layer.repeat * layer.counts.compute_cycles for layer in result.layers)


def test_a_total_is_kept_and_each_layer_gives_what_it_costs_least():
    free, _ = within_total(MACHINE, NETWORK, "cycles<=1e12", **LAYERS)
    energy, cycles = sums(free)
    fast, found = within_total(MACHINE, NETWORK, "energy<=1e15", objective="cycles", **LAYERS)
    most, least = sums(fast)
    assert found.objective == least
    assert least < cycles
    middle = (least + cycles) / 2
    nests, found = within_total(MACHINE, NETWORK, f"cycles<={middle}", **LAYERS)
    assert found.certified
    here = sums(nests)
    assert here == pytest.approx((found.objective, found.bounded))
    assert here[1] <= middle
    assert energy < here[0] < most


def test_what_is_printed_runs(tmp_path):
    path = tmp_path / "m.yaml"
    given = ["map", MACHINE, NETWORK, "--layers", LAYERS["layers"], "--total", "cycles<=1e12", "--dataflow", "best"]
    done = CliRunner().invoke(app, [*given, "--out", str(path)])
    assert done.exit_code == 0
    text = path.read_text()
    assert "# total cycles<=1e12: " in text
    assert "the optimum, certified" in text
    assert set(yaml.safe_load(text)) == {"block0.dw", "block0.pw", "fc"}
    energy, _ = sums(str(path))
    separately = accelsim.simulate(MACHINE, NETWORK, "best", evaluator="analytical", **LAYERS)
    assert energy == pytest.approx(sum(layer.repeat * layer.search.certificate.bound for layer in separately.layers))


@pytest.mark.parametrize(
    ("total", "options", "says"),
    [
        ("cycles<=10", {}, "no mappings of all layers keep cycles <= 10 together: the least is "),
        ("energy<=1e9", {}, "total 'energy<=1e9': energy is the objective"),
        ("GLB words<=1e9", {}, "of '.*' words of its outermost level are bounded, 'DRAM words'"),
        ("edp<=1e9", {}, "total 'edp<=1e9': energy is the objective, so it is cycles that is bounded"),
        ("cycles<=1e9", {"objective": "edp"}, "a total is of sums over layers, of energy or cycles; edp is none"),
        ("cycles<=1e9", {"bound": "cycles<=3"}, "a total and bounds of each layer at once"),
        ("cycles=3", {}, "bound 'cycles=3': write NAME<=VALUE"),
    ],
)
def test_what_is_refused(total, options, says):
    with pytest.raises(AccelsimError, match=says):
        within_total(MACHINE, NETWORK, total, **LAYERS, **options)


def test_a_machine_that_is_not_searched_whole_says_so():
    with pytest.raises(MappingError, match="a total is kept where mapspaces are searched to their end: it has arrays"):
        within_total("diannao", NETWORK, "cycles<=1e9", **LAYERS)
