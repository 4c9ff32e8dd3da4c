"""``accelsim sweep``, and a point run again, as they are typed."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import accelsim
from accelsim import cli
from accelsim.errors import AccelsimError
from accelsim.sweep.again import again
from accelsim.sweep.swept import opened

FILE = """
arch: eyeriss_isca16_rs
workload: ds_cnn
evaluator: analytical
layers: conv1,block0.*
dataflow: [row_stationary, weight_stationary]
set:
  rows: [8, 16]
  levels.GLB.capacity: [16 KiB, 2 B]
"""


def typed(*words: str) -> int:
    with pytest.raises(SystemExit) as done:
        cli.app(list(map(str, words)), prog_name="accelsim")
    return int(done.value.code or 0)


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("swept")
    (folder / "mine.yaml").write_text(FILE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert typed("sweep", "mine.yaml", "--workers", "1", "--out", "p.csv", "--out-layers", "l.csv") == 0
    return folder


@pytest.fixture(autouse=True)
def there(swept, monkeypatch):
    monkeypatch.chdir(swept)


def test_what_is_written(swept):
    with (swept / "p.csv").open() as points, (swept / "l.csv").open() as layers:
        points, layers = list(csv.DictReader(points)), list(csv.DictReader(layers))
    assert len(points) == 8 and len(layers) == 8 * 3
    assert {row["key"] for row in layers} == {row["key"] for row in points}
    assert (swept / "mine.sweep").is_file()


def test_files_are_written_though_nobody_reads_on(tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    words = "sweep", "mine.yaml", "--workers", "1", "--out", str(tmp_path / "p.csv")
    with os.fdopen(writing, "w") as closed:
        run = subprocess.run(
            [sys.executable, "-m", "accelsim", *words], stdout=closed, stderr=subprocess.PIPE, text=True
        )
    with (tmp_path / "p.csv").open() as points:
        assert len(list(csv.DictReader(points))) == 8
    assert "Traceback" not in run.stderr


def test_what_is_said(capsys):
    assert typed("sweep", "mine.yaml", "--workers", "1") == 0
    said = capsys.readouterr().out
    assert "mine: 8 points in mine.sweep, 0 of them and 0 layers" in said
    assert "failed: point 1" in said and "points that no other is better than in energy, cycles:" in said
    assert typed("sweep", "mine.yaml", "--status") == 0
    said = capsys.readouterr().out
    assert said.startswith("mine: 8 points done of 8, 4 of them failed, 0 to be tried again; ")


def test_one_point_is_no_points(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("one.yaml").write_text("arch: eyeriss_isca16_rs\nworkload: alexnet\nlayers: FC8\nevaluator: analytical\n")
    assert typed("sweep", "one.yaml", "--workers", "1") == 0
    said = capsys.readouterr().out
    assert said.startswith("one: 1 point in one.sweep, 1 of them and 1 layer in ")
    assert "  1 point that no other is better than in " in said


def test_a_sweep_file_is_validated(capsys, swept):
    assert typed("validate", "mine.yaml") == 0
    assert capsys.readouterr().out == "mine.yaml: sweep 'mine' is fine: 8 points\n"
    (swept / "wrong.yaml").write_text(FILE.replace("rows", "rowz"))
    assert typed("validate", "wrong.yaml") == 2
    assert "wrong.yaml:8:9: set.rowz: unknown parameter 'rowz'; did you mean 'rows'" in capsys.readouterr().err


def test_status_of_what_was_never_run(capsys):
    assert typed("sweep", "rf_against_glb", "--status", "--store", "mine.sweep") == 2
    assert "has no point of this sweep" in capsys.readouterr().err
    assert typed("sweep", "mine.yaml", "--status", "--store", "none.sweep") == 2
    assert capsys.readouterr().err == "none.sweep: no such store\n"


@pytest.mark.parametrize("point", [0, 6])
def test_a_point_again_has_the_bytes_of_a_run(swept, point, capsys):
    row = list(opened("mine.sweep").rows())[point]
    assert typed("run", "--from", "mine.sweep", row["key"], "--json") == 0
    ours = capsys.readouterr().out
    settings = [f"--set=rows={row['rows']}", f"--set=levels.GLB.capacity={row['levels.GLB.capacity']}"]
    options = ["--dataflow", row["dataflow"], "--evaluator", "analytical", "--layers", "conv1,block0.*", *settings]
    assert typed("run", row["arch"], row["workload"], *options, "--json") == 0
    theirs = capsys.readouterr().out
    assert json.loads(ours)["total"]["cycles"] == row["cycles"]
    assert ours == theirs
    assert typed("run", "--from", "mine.sweep", row["key"][:16], "--out", "again") == 0
    assert (swept / "again" / "result.json").read_text() == ours


def test_a_point_that_cannot_be_run_again(capsys, swept):
    rows = list(opened("mine.sweep").rows())
    assert typed("run", "--from", "mine.sweep", rows[1]["key"]) == 2
    assert "not run: " in capsys.readouterr().err
    assert typed("run", "--from", "mine.sweep", "zzz") == 2
    assert "no point begins with 'zzz'" in capsys.readouterr().err
    assert typed("run", "--from", "mine.sweep", rows[0]["key"], "--batch", "2") == 2
    assert "--batch" in capsys.readouterr().err


def test_a_point_whose_numbers_are_others_now(monkeypatch):
    key = next(opened("mine.sweep").rows())["key"]
    module = sys.modules["accelsim.sweep.again"]
    whole = module.metrics_of
    monkeypatch.setattr(module, "metrics_of", lambda *at: {**whole(*at), "cycles": 1})
    with pytest.raises(
        AccelsimError, match=r"gives cycles 1 now, and gave \d+: the store was written by other sources"
    ):
        again("mine.sweep", key)


def test_a_point_with_zeros_again(tmp_path):
    """Drawn operands, another seed, batch, bits and a process's table: all of it is in the store."""
    fields = {"seed": 7, "batch": 2, "density": 0.5, "node": 65, "bits": "ifmap=8,filter=8"}
    found = accelsim.sweep(
        arch="eyeriss", workload="ds_cnn", layers="conv1", dataflow="row_stationary", store=tmp_path / "z.sweep",
        workers=1, **fields,
    )  # fmt: skip
    row = next(found.rows())
    assert not row["error"] and row["power_mw"] > 0 and row["area_mm2"] > 0
    result = again(tmp_path / "z.sweep", row["key"])
    assert result.total.cycles == row["cycles"] and result.batch == 2 and result.operands
    dense = accelsim.sweep(
        arch="eyeriss", workload="ds_cnn", layers="conv1", dataflow="row_stationary", store=tmp_path / "z.sweep",
        workers=1, **{**fields, "density": 1.0},
    )  # fmt: skip
    assert next(dense.rows())["energy"] > row["energy"]


def test_ctrl_c(monkeypatch, capsys):
    def interrupted(*at, **more):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["accelsim.sweep.swept"], "sweep", interrupted)
    assert typed("sweep", "mine.yaml", "--workers", "1") == 130
    said = capsys.readouterr().err
    assert said == "interrupted; what is finished is in mine.sweep, and the same command goes on from there\n"


def test_a_page_is_written_by_the_sweep_by_status_and_of_the_store(swept, capsys):
    assert typed("sweep", "mine.yaml", "--workers", "1", "--report", "one.html") == 0
    assert typed("sweep", "mine.yaml", "--status", "--report", "two.html") == 0
    assert typed("report", "mine.sweep", "-o", "three.html") == 0
    assert capsys.readouterr().out.endswith("wrote three.html\n")
    found = opened("mine.sweep")
    found.report("four.html")
    texts = {(swept / f"{name}.html").read_text(encoding="utf-8") for name in ("one", "two", "three", "four")}
    assert len(texts) == 1
    (text,) = texts
    rows = list(found.rows())
    best = min((row for row in rows if not row["error"]), key=lambda row: row["cycles"])
    assert best["key"][:12] in text and f"<b>{sum(not row['error'] for row in rows)}</b> designs" in text
    reasons = {row["error"].partition("\n")[0] for row in rows if row["error"]}
    assert text.count("<li>not run: point ") == len(reasons) and "Energy of each layer by dataflow" in text


def test_a_page_that_cannot_be_is_told_in_a_line(swept, capsys, monkeypatch):
    monkeypatch.setattr(sys.modules["accelsim.sweep.swept"], "sweep", None)  # nothing runs
    (swept / "file").write_text("")
    (swept / "other.sweep").write_bytes(b"SQLite format 3\0 and nothing of it")
    for words, message in (
        (("sweep", "mine.yaml", "--report", "page.pdf"), "unknown page format 'pdf' (html)"),
        (("sweep", "mine.yaml", "--report", "file/page.html"), "file/page.html: "),
        (("sweep", "mine.yaml", "--status", "--report", "page.html", "--store", "none.sweep"), "no such store"),
        (("report", "mine.sweep", "mine.yaml", "-o", "page.html"), "a store of sweeps has a page of its own"),
        (("report", "mine.sweep", "--dataflow", "row_stationary", "-o", "page.html"), "not with --dataflow"),
        (("report", "other.sweep", "-o", "page.html"), "other.sweep: is no store of sweeps"),
        (("diff", "mine.sweep", "mine.yaml"), "mine.sweep: "),
    ):  # fmt: skip
        assert typed(*words) == 2
        said = capsys.readouterr()
        assert message in said.err and said.err.count("\n") == 1 and said.out == ""
    assert not (swept / "page.html").exists() and not list(swept.glob(".page*"))


def test_energy_tables_that_are_varied_are_told_from_energies(tmp_path):
    found = accelsim.sweep(
        arch="eyeriss", workload="ds_cnn", layers="conv1", energy=["cmos_65nm", "cmos_45nm"], workers=1,
        dataflow="row_stationary", evaluator="analytical", data="dense", store=tmp_path / "e.sweep",
    )  # fmt: skip
    designs = found._designs()
    assert designs.varied == ["energy given"] and [row["energy given"] for row in designs.rows] == [
        "cmos_65nm", "cmos_45nm",
    ]  # fmt: skip
    assert [row["energy"] for row in designs.rows] == [row["energy"] for row in found.rows()]
    found.report(tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Energy of each layer by energy given [" in text and "cmos_45nm" in text


def test_a_sweep_of_which_nothing_ran_has_no_page(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "none.yaml").write_text(FILE.replace("[16 KiB, 2 B]", "2 B"))
    assert typed("sweep", "none.yaml", "--workers", "1", "--report", "page.html") == 2
    said = capsys.readouterr().err
    assert "nothing to show: no point of 'none' has metrics: conv1" in said and said.count("\n") == 1
    assert not (tmp_path / "page.html").exists()


def test_places_that_cannot_be_written(capsys):
    assert typed("sweep", "mine.yaml", "--out", "points.xlsx") == 2
    assert "unknown format 'xlsx'" in capsys.readouterr().err
    assert typed("sweep", "mine.yaml", "--store", "/proc/none/s.sweep") == 2
    assert "/proc/none/s.sweep: " in capsys.readouterr().err


def test_it_asks_for_one_way_to_run(capsys):
    assert typed("sweep", "mine.yaml", "--workers", "2", "--scheduler", "tcp://localhost:1") == 2
    assert "give one of them" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["pareto", "sensitivity", "heatmap", "skislope"])
def test_pictures_of_a_store(swept, kind, capsys):
    assert typed("plot", "mine.sweep", "--kind", kind, "--out", f"{kind}.png") == 0
    assert capsys.readouterr().out == f"wrote {kind}.png\n"
    first = (swept / f"{kind}.png").read_bytes()
    assert len(first) > 5_000
    assert typed("plot", "mine.sweep", "--kind", kind, "--out", f"{kind}.png") == 0
    assert (swept / f"{kind}.png").read_bytes() == first


def test_pictures_of_what_is_no_store(capsys):
    assert typed("plot", "mine.yaml", "--kind", "pareto") == 2
    assert "mine.yaml: is no store of sweeps" in capsys.readouterr().err
    assert typed("plot", "eyeriss", "alexnet", "--kind", "pareto") == 2
    assert "plot --kind pareto takes one store of sweeps, got eyeriss, alexnet" in capsys.readouterr().err
    assert typed("plot", "mine.sweep", "--kind", "parto") == 2
    assert "did you mean 'pareto'" in capsys.readouterr().err
