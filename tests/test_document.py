"""The document of a result: what it ran, the same bytes again, never the same for different runs."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

import fakes
from accelsim.canonical import sha256
from accelsim.document import versions
from accelsim.report.files import document_text
from accelsim.result import Result
from accelsim.simulate import rerun, simulate

pytestmark = pytest.mark.usefixtures("fake_engine")
RUN = ("eyeriss_isca16_rs", "alexnet")


def run(**options):
    return simulate(*RUN, **{"layers": "CONV1,POOL1,FC8", **options})


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"batch": 3, "parameters": {"rows": 8}, "bits": {"ifmap": 8}},
        {"objective": "cycles", "evaluator": "analytical", "seed": 7},
        {"energy": "horowitz_45nm"} | {"energy": None},
        {"accounting": "isca16"},
        {"mapping": {"FC8": "DRAM: | GLB: M1000 C4096"}},
        {"dataflow": "weight_stationary", "tolerant": True},
    ],
)
def test_it_is_read_back_and_runs_again_to_the_same_bytes(options, tmp_path):
    result = run(**options)
    text = document_text(result)
    (tmp_path / "r.json").write_text(text)
    loaded = Result.load(tmp_path / "r.json")
    assert loaded == result
    assert document_text(loaded) == text
    assert loaded.table == result.table
    assert loaded.vector_table == result.vector_table
    assert loaded.total == result.total
    assert loaded._repr_html_() == result._repr_html_()
    assert document_text(rerun(tmp_path / "r.json")) == text
    assert document_text(rerun(result)) == text


def test_what_ran_is_in_it():
    ran = run(batch=3, parameters={"rows": 8}, bits={"ifmap": 8}, seed=5).to_dict()["ran"]
    assert ran["machine"]["name"] == RUN[0]
    assert ran["machine"]["levels"][1]["array"]["size"]["y"] == 8
    assert ran["network"]["batch"] == 3
    assert ran["energy_table"]["components"]["DRAM"]["read"] == 200
    assert (ran["layers"], ran["objective"], ran["data"], ran["seed"]) == ("CONV1,POOL1,FC8", "energy", None, 5)
    assert (ran["parameters"], ran["bits"]) == ({"rows": 8}, {"ifmap": 8})
    assert set(ran["versions"]) == {"accelsim", "numba", "numpy", "python"} == set(versions())
    for name in ("machine", "network", "energy_table"):
        assert ran["sha256"][name] == sha256(ran[name])
    assert len(ran["sha256"]["mapping"]) == 64


def test_no_two_settings_give_the_same_document():
    """Not even one that gives what the default gives."""
    options = [
        {},
        {"parameters": {"rows": 16}},
        {"parameters": {"rows": 8}},
        {"parameters": {"rows": 8, "cols": 8}},
        {"batch": 2},
        {"seed": 1},
        {"objective": "cycles"},
        {"bits": {"ifmap": 16}},
        {"data": "dense"},
        {"layers": "CONV1,POOL1,FC8*"},
        {"accounting": "isca16"},
    ]
    texts = [document_text(run(**given)) for given in options]
    assert len(set(texts)) == len(texts)


def test_a_machine_no_file_can_describe_is_said_to_be_missing(monkeypatch):
    import accelsim.document
    from accelsim.errors import AccelsimError

    def refuse(_):
        raise AccelsimError("no file can describe it")

    monkeypatch.setattr(accelsim.document, "machine_document", refuse)
    ran = simulate(fakes.machine(), fakes.network()).to_dict()["ran"]
    assert ran["machine"] is None
    assert ran["machine_is_missing"] == "no file can describe it"


def test_without_a_run_there_is_no_ran():
    result = replace(run(), ran=None)
    assert "ran" not in result.to_dict()
    assert {**run().to_dict(), "ran": None} == {**result.to_dict(), "ran": None}


def test_it_holds_no_time_of_day():
    assert not {"date", "time", "seconds", "wall"} & set(re.findall(r'"(\w+)": ', json.dumps(run().to_dict())))
