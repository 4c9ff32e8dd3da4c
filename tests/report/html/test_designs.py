"""The page of a sweep: what it draws and lists is what the rows say; names are text; it is bounded."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from html.parser import HTMLParser
from itertools import product

import pytest

from accelsim.errors import AccelsimError
from accelsim.outcome import Outcomes
from accelsim.report.designs import Designs, front
from accelsim.report.html import designs as made
from accelsim.report.html import designs_page, page
from accelsim.report.html.designs import MOST_ROWS, design_facts, dot_of, view_of
from accelsim.report.html.several import comparable, designs_of, pictures
from accelsim.simulate import simulate

FLOWS = ("rs", "ws", "os")
EVIL = ("<script>alert(1)</script>", "[red]", '"><img src=x>', "{{ 7 * 7 }}")


def swept(sizes=(8, 16, 32), flows=FLOWS, networks=("net",), failed=(), **more):
    """Energy falls with the rows, cycles rise, but for some that are worse in both."""
    rows = []
    for point, (net, flow, size) in enumerate(product(networks, flows, sizes)):
        row = {
            "point": point, "workload": net, "batch": 1, "dataflow": flow, "levels.RF.rows": size,
            "key": f"{point:064x}", "machine": f"m{size}", "network": net, "energy_table": "t",
            "dataflow_sha256": flow, "error": None,
        }  # fmt: skip
        worse = 1 + flows.index(flow)
        metrics = {"energy": 4e9 / size * worse, "cycles": 1000 * size * worse, "utilization": 0.5, "energy_unit": "pJ"}
        rows.append({**row, "error": "no room\nmore"} if point in failed else {**row, **metrics})
    layers = [
        {**row, "layer": name, "energy": row.get("energy"), "cycles": row.get("cycles")}
        for row in rows
        for name in ("A", "B")
    ]
    return Designs("mine", rows, ("workload", "dataflow", "levels.RF.rows"), ("energy", "cycles"), layers, **more)


def column(table, head):
    at = [name for name, _ in table.heads].index(head)
    return [row[at].text for row in table.rows]


def named(facts, begin):
    (table,) = (one for one in facts.tables if one.title.startswith(begin))
    return table


def test_the_front_is_drawn_and_listed_with_its_numbers():
    facts = design_facts(swept())
    table = named(facts, "The front")
    best = front(swept().rows, ("energy", "cycles"))
    assert column(table, "number") == ["1", "2", "3"] and column(table, "dataflow") == ["rs"] * 3
    assert column(table, "RF.rows") == [str(row["levels.RF.rows"]) for row in best] == ["32", "16", "8"]
    assert column(table, "energy [mJ]") == ["0.125", "0.250", "0.500"]
    picture = facts.pictures[0]
    titles = re.findall(r"<title>(\d) net: (.*?): ", picture.svg)
    assert titles == [
        ("1", "dataflow rs, RF.rows 32"),
        ("2", "dataflow rs, RF.rows 16"),
        ("3", "dataflow rs, RF.rows 8"),
    ]
    assert picture.svg.count("<circle") == len(swept().rows) and picture.title == "Cycles against energy"
    assert re.findall(r"(?:energy|cycles) \[[^\]]*\]</text>", picture.svg) == [
        "energy [mJ]</text>", "cycles [core cycles]</text>",
    ]  # fmt: skip
    assert facts.numbers[0][:2] == ("9", "designs") and facts.numbers[1][:2] == ("3", "on the front")
    assert facts.numbers[2] == ("0.125", "mJ", "least energy, 12 times less than the most: dataflow rs, RF.rows 32")


def test_all_points_stand_in_a_table_with_their_keys():
    table = named(design_facts(swept()), "All designs")
    assert column(table, "point") == [str(at) for at in range(9)]
    assert column(table, "on the front") == ["3", "2", "1"] + [""] * 6
    assert column(table, "key") == [row["key"][:12] for row in swept().rows]
    assert column(table, "utilization [%]") == ["50.0"] * 9


def test_heat_maps_are_layer_by_dataflow():
    facts = design_facts(swept())
    table = named(facts, "Energy of each layer by dataflow [mJ]")
    assert [name for name, _ in table.heads] == ["layer", *FLOWS] and column(table, "layer") == ["A", "B"]
    assert [column(table, flow)[0] for flow in FLOWS] == ["0.125", "0.250", "0.375"]
    shades = [cell.shade for cell in table.rows[0][1:]]
    assert shades[0] == "" and len(set(shades)) == 3
    two = design_facts(swept(networks=("net", "other")))
    assert column(named(two, "Energy of each layer"), "layer") == ["net: A", "net: B", "other: A", "other: B"]


def test_what_moves_is_told_for_each_value():
    facts = design_facts(swept())
    table = named(facts, "What each field moves")
    found = {tuple(cell.text for cell in row[:2]): [cell.text for cell in row[2:]] for row in table.rows}
    assert found["RF.rows", "16"] == ["no", "1", "1"] and found["RF.rows", "8"] == ["no", "2", "0.500"]
    assert [picture.title for picture in facts.pictures[1:]] == [
        "What each field moves: energy", "What each field moves: cycles",
    ]  # fmt: skip
    assert "RF.rows 8: 2 times the mean" in facts.pictures[1].svg


def test_a_field_that_moves_nothing_is_one_row():
    own = swept()
    own = own._replace(
        rows=[{**row, "energy": 7.0 / (1 + FLOWS.index(row["dataflow"])), "cycles": 3} for row in own.rows]
    )
    facts = design_facts(own)
    table = named(facts, "What each field moves")
    assert [cell.text for cell in table.rows[-1]] == ["RF.rows", "all 3", "no", "1", "1"]
    assert len(table.rows) == len(FLOWS) + 1 and "moves nothing: 3 values" in facts.pictures[1].svg
    # a row of zeros and equal values is drawn, too
    assert facts.pictures[0].tall


def test_what_did_not_run_is_told_and_left_out():
    facts = design_facts(swept(failed=(0, 4)))
    assert facts.failed == ("not run: point 0 and 1 more: no room",)
    assert len(named(facts, "All designs").rows) == 7
    assert facts.numbers[0] == ("7", "designs", "with metrics; 2 could not be run")
    with pytest.raises(AccelsimError, match="nothing to show: no point of 'mine' has metrics: no room"):
        design_facts(swept(failed=range(9)))


def test_one_objective_and_several_units_are_told():
    facts = design_facts(swept()._replace(objectives=("energy",)))
    assert any("One objective, energy" in note for note in facts.notes)
    assert not any(picture.tall for picture in facts.pictures)
    rows = [{**row, "energy_unit": "pJ" if row["point"] % 2 else "MAC"} for row in swept().rows]
    facts = design_facts(swept()._replace(rows=rows))
    assert any("several units" in note for note in facts.notes)
    assert "energy [units differ]" in [name for name, _ in named(facts, "All designs").heads]
    assert len(facts.pictures[0].legend) == 2


def test_three_objectives_draw_no_line():
    facts = design_facts(swept()._replace(objectives=("energy", "cycles", "utilization")))
    assert "The front is of 1 more, too." in facts.pictures[0].note
    assert facts.pictures[0].svg.count('stroke-width="1.2"') == 0
    assert design_facts(swept()).pictures[0].svg.count('stroke-width="1.2"') == 4


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.data = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.data.append(data)


@pytest.mark.parametrize("evil", EVIL)
def test_names_are_text(evil):
    rows = [{**row, "dataflow": evil if row["dataflow"] == "rs" else row["dataflow"]} for row in swept().rows]
    rows[5]["error"] = evil
    layers = [{**row, "layer": evil} for row in rows]
    designs = Designs(evil, rows, ("workload", "dataflow", "levels.RF.rows", evil), ("energy", "cycles"), layers)
    designs = designs._replace(rows=[{**row, evil: at} for at, row in enumerate(rows)])
    text = designs_page(designs, {evil: evil}, evil)
    found = Tags(text)
    assert found.tags.count("script") == 1 and "img" not in found.tags
    assert evil in found.data and (evil not in text or evil in ("[red]", "{{ 7 * 7 }}")) and "49" not in found.data


def test_a_page_asks_no_network():
    text = designs_page(swept(), {"name": "mine"}, "mine.sweep")
    assert not re.search(r"(?:src|href)\s*=\s*[\"'](?!#|data:)", text) and "default-src 'none'" in text
    assert "accelsim run --from mine.sweep KEY" in text


def test_two_thousand_points_are_bounded():
    many = swept(sizes=tuple(range(1, 501)), flows=(*FLOWS, "nlr"))
    designs_page(many)
    begun = time.process_time()
    text = designs_page(many)
    assert time.process_time() - begun < 2 and len(text.encode()) < 3_000_000
    facts = design_facts(many)
    table = named(facts, f"{MOST_ROWS:,} of 2,000 designs")
    view = view_of(many)
    assert len(table.rows) == MOST_ROWS and set(view.numbers) <= {int(row[0].value) for row in table.rows}
    assert "more are not shown" in named(facts, "The front").title
    assert f"{made.MOST_ROWS:,}" in table.title


@pytest.fixture(scope="module")
def results():
    options = {"layers": "CONV3,CONV5", "evaluator": "analytical"}
    return {name: simulate(f"eyeriss_isca16_{name}", "alexnet", **options) for name in ("rs", "osc", "ws")}


def test_a_comparison_has_a_front_with_names(results):
    view = view_of(designs_of(results))
    first, *moves = pictures(results)
    for label, result in results.items():
        beaten = any(
            other.total.energy <= result.total.energy and other.total.cycles <= result.total.cycles
            for other in results.values()
            if other is not result
        )
        (row,) = (row for row in view.designs.rows if row["result"] == label)
        dot = dot_of(row, view, label)
        assert dot.best is not beaten and dot.x * view.scales["energy"][0] == pytest.approx(result.total.energy)
        assert f"result {label}: " in first.svg
    assert [one.title for one in moves] == ["What the choice moves: energy", "What the choice moves: cycles"]


def test_results_of_other_layers_have_no_place_in_it(results):
    part = replace(results["osc"], layers=results["osc"].layers[:1])
    mixed = {**results, "part": part}
    assert list(comparable(mixed)) == ["rs", "osc", "ws"]
    assert "Other layers were run by part." in pictures(mixed)[0].note
    assert pictures({"rs": results["rs"], "part": part}) == []
    assert "Cycles against energy" in page(mixed)


def test_a_comparison_writes_its_page(results, tmp_path):
    from accelsim.result import Comparison

    found = Comparison(results, {"nlr": "no room"})
    assert isinstance(found, Outcomes)
    found.report(tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "nlr: all: no room" in text and "Cycles against energy" in text
    with pytest.raises(AccelsimError, match="unknown page format 'txt'"):
        found.report(tmp_path / "page.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
