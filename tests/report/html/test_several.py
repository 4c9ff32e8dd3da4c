"""Several results side by side: a cell for each layer and result, darker where it is worse."""

from __future__ import annotations

from dataclasses import replace

import pytest

from accelsim.report.html import page
from accelsim.report.html.heat import shade
from accelsim.report.html.several import heat, side_by_side
from accelsim.simulate import simulate


@pytest.fixture(scope="module")
def results():
    options = {"layers": "CONV3,CONV5", "evaluator": "analytical"}
    return {name: simulate(f"eyeriss_isca16_{name}", "alexnet", **options) for name in ("rs", "osc")}


def test_cells_are_the_results_numbers(results):
    totals, cycles, energy = side_by_side(results)
    for at, result in enumerate(results.values()):
        assert [row[at + 1].text for row in cycles.rows] == [f"{one.cycles * one.repeat:,}" for one in result.layers]
        assert cycles.sums[0][at + 1].text == f"{result.total.cycles:,}" == totals.rows[at][4].text
        assert float(energy.sums[0][at + 1].value) == pytest.approx(result.total.energy / 1e9, rel=1e-5)


def test_the_least_of_a_row_is_white_and_four_times_of_it_is_full():
    assert (shade(0.0), shade(1.0), shade(9.0)) == ("", "#e69f00", "#e69f00")
    assert shade(0.5) == "#f2cf80"


def test_the_better_one_is_never_darker(results):
    table = side_by_side(results)[1]
    for row in table.rows:
        one, other = row[1:]
        better, worse = sorted((one, other), key=lambda cell: float(cell.value))
        assert better.shade == "" and (worse.shade != "") == (worse.value != better.value)


def test_a_layer_that_did_not_run_is_an_empty_cell(results):
    less = replace(results["osc"], layers=results["osc"].layers[:1])
    table = heat({"rs": results["rs"], "osc": less}, "cycles", lambda layer: layer.cycles, 1.0)
    assert table.rows[1][2].text == "" and table.rows[1][1].shade == ""


def test_energies_in_two_units_have_no_common_map(results):
    other = simulate("eyeriss_isca16_rs", "alexnet", layers="CONV3", evaluator="analytical", energy="horowitz_45nm")
    titles = [one.title for one in side_by_side({"a": results["rs"], "b": other})]
    assert len(titles) == 2 and not any(title.startswith("Energy") for title in titles)


def test_what_did_not_run_at_all_is_said(results):
    assert '<ul class="failed"><li>ws: all: too &lt;large&gt;</li></ul>' in page(
        results, lines=["ws: all: too <large>"]
    )
