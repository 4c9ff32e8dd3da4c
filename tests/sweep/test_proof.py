"""What searches are to prove, as fields of a sweep: which points and layers are the same, and what runs again."""

from __future__ import annotations

import json

import pytest

import accelsim
from accelsim.jobs import jobs
from accelsim.simulate import rerun
from accelsim.sweep.again import again
from accelsim.sweep.identity import layer_keys
from accelsim.sweep.plan import read_plan
from accelsim.sweep.store import Store

LAYER = {"arch": "eyeriss_isca16_rs", "workload": "ds_cnn", "evaluator": "analytical", "layers": "block0.pw"}
RULES = {"loops": {"C": {"RF": "2.."}}}
GRID = {**LAYER, "dataflow": ["best", "row_stationary"], "exact": [False, True], "constraints": [None, RULES]}
WIDE = "loops: {C: {RF: 2 ..}}  # more than one\n"


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    return accelsim.sweep(GRID, store=tmp_path_factory.mktemp("proof") / "s.sweep", workers=1)


def test_a_row_is_what_simulate_gives(swept):
    rows = list(swept.rows())
    assert len(rows) == 8
    for row in rows:
        rules = row["constraints"] and json.loads(row["constraints"])
        options = {name: row[name] for name in ("evaluator", "exact")}
        result = accelsim.simulate(
            row["arch"], row["workload"], row["dataflow"], layers="block0.pw", constraints=rules, **options
        )
        assert row["energy"] == result.total.energy
        (layer,) = result.layers
        certified = layer.search.certificate is not None
        assert certified == (row["dataflow"] == "best" or row["exact"] or bool(rules))
        assert row["gap"] == (0 if certified else None)
    least = {(row["dataflow"], row["exact"], bool(row["constraints"])): row["energy"] for row in rows}
    assert least["best", False, False] <= least["best", False, True]
    assert least["best", False, False] <= least["row_stationary", True, False] <= least["row_stationary", False, False]


def test_a_layer_is_searched_once_however_the_same_is_asked_for(swept, tmp_path):
    # of `best` nothing is more exact, constraints make any search so: six searches that differ become five
    with Store(swept.path, read_only=True) as store:
        assert store.counts(swept.plan.id)["layers"] == 5
    (tmp_path / "c.yaml").write_text(WIDE)
    keys = {}
    for name, rules in {"table": [RULES], "file": "c.yaml", "other": [{"loops": {"C": {"RF": "3.."}}}]}.items():
        (tmp_path / "s.yaml").write_text(json.dumps({**LAYER, "dataflow": "best", "constraints": rules}))
        plan = read_plan(tmp_path / "s.yaml")
        run = plan.resolver.plan(next(plan.points())[1])
        keys[name] = layer_keys(jobs(run), run)
    assert keys["table"] == keys["file"] != keys["other"]


def test_what_is_proved_matters_where_a_mapping_is_searched_for(tmp_path):
    def keys(**fields):
        plan = read_plan({**LAYER, **fields})
        run = plan.resolver.plan(next(plan.points())[1])
        return layer_keys(jobs(run), run)

    flow = {"dataflow": "row_stationary"}
    assert keys(**flow) == keys(**flow, budget=3) == keys(**flow, imperfect=True) != keys(**flow, exact=True)
    assert keys(dataflow="best") == keys(dataflow="best", exact=True) != keys(dataflow="best", imperfect=True)
    assert keys(dataflow="best") != keys(dataflow="best", budget=3)


def test_a_constraints_file_that_changes_makes_another_plan(tmp_path):
    (tmp_path / "s.yaml").write_text(json.dumps({**LAYER, "dataflow": "best", "constraints": "c.yaml"}))
    (tmp_path / "c.yaml").write_text(WIDE)
    first = read_plan(tmp_path / "s.yaml")
    assert next(first.points())[1]["constraints"] == str(tmp_path / "c.yaml")
    (tmp_path / "c.yaml").write_text(WIDE.replace("2", "3"))
    assert read_plan(tmp_path / "s.yaml").identity != first.identity


def test_a_point_runs_again_to_the_bytes_that_a_run_by_hand_gives(swept, tmp_path):
    for row in swept.rows():
        found = again(swept.path, row["key"])
        by_hand = accelsim.simulate(
            row["arch"], row["workload"], row["dataflow"], layers="block0.pw", evaluator="analytical",
            exact=row["exact"], constraints=row["constraints"] and json.loads(row["constraints"]),
        )  # fmt: skip
        assert found.to_dict() == by_hand.to_dict()
        asked = {"exact": True} if row["exact"] else {}
        asked |= {"constraints": RULES} if row["constraints"] else {}
        assert found.to_dict()["ran"].get("proof", {}) == asked
        # a document read back, and run again, says the same
        path = tmp_path / "result.json"
        path.write_text(json.dumps(found.to_dict()))
        assert accelsim.Result.load(path).ran.proof == found.ran.proof
        assert rerun(path).to_dict() == found.to_dict()


def test_what_was_found_in_a_time_is_found_again(tmp_path):
    grid = {**LAYER, "dataflow": "best", "imperfect": True, "budget": 0.05, "layers": "conv1"}
    row = next(accelsim.sweep(grid, store=tmp_path / "s.sweep", workers=1).rows())
    assert row["gap"] > 0
    found = again(tmp_path / "s.sweep", row["key"])
    (layer,) = found.layers
    assert found.total.energy == row["energy"]
    assert (layer.mapping_source, layer.search.certificate.gap) == ("search", row["gap"])
    assert found.to_dict()["ran"]["proof"] == {"budget": 0.05, "imperfect": True}


def test_a_document_whose_proof_is_edited_is_refused(tmp_path):
    path = tmp_path / "result.json"
    result = accelsim.simulate(
        "eyeriss_isca16_rs", "ds_cnn", layers="block0.pw", evaluator="analytical", constraints=RULES
    )
    for proof, error in (
        ({"constraints": {"loop": {}}}, "ran.proof.constraints: loop: unknown key; did you mean 'loops'?"),
        ({"budget": -1}, "ran.proof.budget: "),
        ({"exact": "maybe"}, "ran.proof.exact: "),
    ):
        document = result.to_dict()
        document["ran"]["proof"] = proof
        path.write_text(json.dumps(document))
        with pytest.raises(accelsim.AccelsimError) as caught:
            accelsim.Result.load(path)
        assert error in str(caught.value) and len(str(caught.value).splitlines()) == 1


def test_a_bound_is_a_field_and_counts_where_it_is_given(tmp_path):
    grid = {**LAYER, "dataflow": "best", "bound": [None, "cycles<=10", "cycles <= 1e9, DRAM words<=1e9"]}
    done = accelsim.sweep(grid, store=tmp_path / "b.sweep", workers=1)
    free, low, loose = done.rows()
    assert free["energy"] == loose["energy"]
    assert low["energy"] is None
    with Store(done.path, read_only=True) as store:
        assert store.counts(done.plan.id)["layers"] == 3
    plan = accelsim.simulate("eyeriss_isca16_rs", "ds_cnn", "best", layers="block0.pw", evaluator="analytical")
    assert free["energy"] == plan.total.energy


def test_a_bound_that_is_none_is_told_with_its_line(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text("arch: eyeriss_isca16_rs\nworkload: ds_cnn\ndataflow: best\nbound: [cycles<=1e6, cycle<=3]\n")
    with pytest.raises(accelsim.AccelsimError, match=r"s.yaml:4:22: bound.1: bound 'cycle<=3': unknown"):
        read_plan(path)
