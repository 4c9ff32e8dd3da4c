"""A search of designs: the same whatever runs it and however often it is cut short, and better than chance."""

from __future__ import annotations

import sqlite3
import sys

import pytest

import accelsim
from accelsim.errors import AccelsimError

optuna = pytest.importorskip("optuna", reason="the extra 'sweep' is not installed")

SPACE = {
    "arch": "eyeriss_isca16_rs",
    "workload": "ds_cnn",
    "layers": "conv1",
    "evaluator": "analytical",
    "dataflow": ["row_stationary", "weight_stationary", "input_stationary"],
    "set": {
        "rows": {"from": 4, "to": 16, "step": 4},
        "cols": {"from": 4, "to": 16, "step": 4},
        "levels.GLB.capacity": {"from": "8 KiB", "to": "64 KiB", "times": 2},
        "levels.RF.capacity": {"from": "128 B", "to": "1 KiB", "times": 2},
    },
}


def rows(swept: accelsim.Sweep) -> list[dict[str, object]]:
    return list(swept.rows())


@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_what_is_found_is_the_seeds(sampler, tmp_path):
    what = {
        **SPACE,
        "search": {"sampler": sampler, "trials": 24, "at_once": 8, "seed": 5},
        "objectives": ["edp", "pes"],
    }
    first = accelsim.sweep(what, store=tmp_path / "a.sweep", workers=1)
    assert first.state.points == 24 and len(rows(first)) == 24
    again = accelsim.sweep(what, store=tmp_path / "b.sweep", workers=1)
    assert rows(again) == rows(first)
    other = accelsim.sweep({**what, "search": {**what["search"], "seed": 6}}, store=tmp_path / "a.sweep", workers=1)
    assert rows(other) != rows(first)


def test_one_that_was_cut_short_goes_on_as_if_it_had_not_been(tmp_path, monkeypatch):
    what = {**SPACE, "search": {"trials": 32, "at_once": 8, "seed": 1}, "objectives": "edp"}
    whole = accelsim.sweep(what, store=tmp_path / "a.sweep", workers=1)
    module, calls = sys.modules["accelsim.sweep.run"], []
    add = module.Run._add

    def cut(run, *at):
        calls.append(at)
        if len(calls) == 20:
            raise KeyboardInterrupt
        add(run, *at)

    monkeypatch.setattr(module.Run, "_add", cut)
    with pytest.raises(KeyboardInterrupt):
        accelsim.sweep(what, store=tmp_path / "b.sweep", workers=1)
    monkeypatch.undo()
    found = accelsim.sweep(what, store=tmp_path / "b.sweep", workers=1)
    assert found.state.found >= 19 and found.state.found + found.state.evaluated == 32
    assert rows(found) == rows(whole)


@pytest.mark.slow
def test_it_finds_what_the_grid_has(tmp_path):
    """Of 256 designs 48 are tried; the best of them is among the best twentieth."""
    grid = accelsim.sweep(
        {**SPACE, "dataflow": ["row_stationary"], "objectives": "edp"}, store=tmp_path / "s.sweep", workers=1
    )
    values = sorted(row["edp"] for row in rows(grid) if row["edp"])
    what = {**SPACE, "dataflow": ["row_stationary"], "objectives": "edp"}
    found = accelsim.sweep({**what, "search": {"trials": 48, "at_once": 8}}, store=tmp_path / "s.sweep", workers=1)
    assert found.best()["edp"] <= values[len(values) // 20]
    # designs that the grid had are not evaluated again
    assert found.state.layers == 0


def test_constraints_and_designs_that_do_not_fit_are_told_to_the_sampler(tmp_path):
    what = {**SPACE, "where": "pes >= 64", "search": {"trials": 24, "at_once": 8}}
    found = accelsim.sweep(what, store=tmp_path / "s.sweep", workers=1)
    assert 0 < len(rows(found)) < 24 == found.state.points == len(rows(found)) + found.state.forbidden
    assert all(row["rows"] * row["cols"] >= 64 for row in rows(found))
    with pytest.raises(AccelsimError, match=r"none of (the first|768)"):
        accelsim.sweep({**what, "where": "pes >= 10000"}, store=tmp_path / "s.sweep", workers=1)


def test_a_storage_of_optunas(tmp_path):
    url = f"sqlite:///{tmp_path}/study.db"
    what = {**SPACE, "name": "mine", "search": {"trials": 8, "at_once": 4, "storage": url}}
    accelsim.sweep(what, store=tmp_path / "s.sweep", workers=1)
    accelsim.sweep(what, store=tmp_path / "s.sweep", workers=1)
    assert optuna.get_all_study_names(url) == ["mine", "mine 2"]
    first, second = (optuna.load_study(study_name=name, storage=url) for name in ("mine", "mine 2"))
    assert [trial.values for trial in first.trials] == [trial.values for trial in second.trials]
    with sqlite3.connect(tmp_path / "study.db") as db:
        assert db.execute("SELECT count(*) FROM trials").fetchone() == (16,)


def test_a_storage_that_is_none(tmp_path):
    what = {**SPACE, "search": {"trials": 4, "storage": "sqlite:////none/none/study.db"}}
    with pytest.raises(AccelsimError, match=r"^search.storage: 'sqlite:////none/none/study.db': "):
        accelsim.sweep(what, store=tmp_path / "s.sweep", workers=1)


def test_without_optuna(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(AccelsimError, match=r"a search needs Optuna: pip install 'accelsim\[sweep\]'"):
        accelsim.sweep({**SPACE, "search": {"trials": 4}}, store=tmp_path / "s.sweep", workers=1)


@pytest.mark.parametrize(
    ("module", "line", "use"),
    [
        (
            "distributed",
            "--scheduler needs Dask",
            lambda f: accelsim.sweep(SPACE, store=f / "s", scheduler="tcp://a:1"),
        ),
        (
            "pyarrow",
            "a Parquet file needs pyarrow",
            lambda f: accelsim.sweep(ONE, store=f / "s", workers=1).export(f / "p.parquet"),
        ),
        ("pandas", "to_pandas needs pandas", lambda f: accelsim.sweep(ONE, store=f / "s", workers=1).to_pandas()),
    ],
)
def test_without_the_other_extras(module, line, use, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(AccelsimError, match=line):
        use(tmp_path)


ONE = {"arch": "eyeriss_isca16_rs", "workload": "ds_cnn", "layers": "conv1", "evaluator": "analytical"}
