"""The commands that write pages: what they write, and what they say where they cannot."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from accelsim.cli import app

RUN = ["run", "eyeriss", "alexnet", "--mapping", "eyeriss_alexnet_jssc17", "--layers", "CONV5", "--batch", "4"]


def accelsim(*words: object) -> tuple[int, str, str]:
    found = CliRunner().invoke(app, list(map(str, words)))
    assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
    return found.exit_code, found.stdout, found.stderr


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    for name, more in (("slow", ()), ("fast", ("--set", "levels.DRAM.link.width=128 b"))):
        assert accelsim(*RUN, *more, "--out", folder / name)[0] == 0
    return folder


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_run_writes_a_page_that_report_writes_too(results, tmp_path):
    code, out, err = accelsim(*RUN, "--report", tmp_path / "one.html")
    assert (code, err) == (0, "") and "ms total latency" in out
    code, out, err = accelsim("report", results / "slow" / "result.json", "-o", tmp_path / "two.html")
    assert (code, err, out) == (0, "", f"wrote {tmp_path / 'two.html'}\n")
    one, two = ((tmp_path / name).read_text(encoding="utf-8") for name in ("one.html", "two.html"))
    assert one == two.replace(">slow<", "><") and "What would move it" in one
    assert files(tmp_path) == {"one.html", "two.html"}


def test_advice_can_be_left_out(results, tmp_path):
    page = tmp_path / "bare.html"
    assert accelsim("report", results / "slow" / "result.json", "-o", page, "--no-advice")[0] == 0
    assert "What would move it" not in page.read_text(encoding="utf-8")


def test_several_results_are_told_apart_by_their_folders(results, tmp_path):
    page = tmp_path / "both.html"
    both = [results / name / "result.json" for name in ("slow", "fast")]
    assert accelsim("report", *both, "-o", page, "--no-advice")[0] == 0
    text = page.read_text(encoding="utf-8")
    assert "Side by side" in text and "<h2>slow</h2>" in text and "<h2>fast</h2>" in text


def test_run_again_may_write_a_page(results, tmp_path):
    assert accelsim("run", results / "slow" / "result.json", "--report", tmp_path / "again.html")[0] == 0
    assert files(tmp_path) == {"again.html"}


def test_diff_says_what_was_given_and_what_it_did(results, tmp_path):
    both = [results / name / "result.json" for name in ("slow", "fast")]
    code, out, err = accelsim("diff", *both, "-o", tmp_path / "diff.html", "--most", 3)
    assert code == 0 and err == f"wrote {tmp_path / 'diff.html'}\n"
    assert "machine.levels.DRAM.link.width" in out and "128 b" in out
    fast, slow = (json.loads(file.read_text())["total"]["cycles"] for file in reversed(both))
    assert f"cycles {slow:,} to {fast:,}" in out and "cycles by cause [cycles]" in out
    assert "machine.levels.DRAM.link.width" in (tmp_path / "diff.html").read_text(encoding="utf-8")


BROKEN = {
    "empty.json": ("", "empty.json"),
    "list.json": ("[]", "not a result; write one with 'accelsim run ... --out DIR'"),
    "old.json": ('{"layers": [], "energy_unit": "pJ"}', "ran: missing: this result does not say what it ran"),
}


@pytest.mark.parametrize("command", ["report", "diff"])
@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_result_is_refused_in_one_line(results, tmp_path, command, name):
    text, message = BROKEN[name]
    file = tmp_path / name
    file.write_text(text)
    others = [results / "slow" / "result.json"] if command == "diff" else []
    code, out, err = accelsim(command, *others, file, "-o", tmp_path / "page.html")
    assert (code, out) == (2, "") and message in err and err.count("\n") == 1
    assert files(tmp_path) == {name}


def test_a_result_of_another_version_is_refused_in_one_line(results, tmp_path):
    document = json.loads((results / "slow" / "result.json").read_text())
    document["ran"]["versions"]["accelsim"] = "0.0.7"
    document["version"] = "0.0.7"
    document["layers"][0]["energy"] *= 2
    (tmp_path / "other.json").write_text(json.dumps(document))
    code, out, err = accelsim("report", tmp_path / "other.json", "-o", tmp_path / "page.html")
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert "layers.0.energy" in err and "written by another version (0.0.7)" in err
    assert files(tmp_path) == {"other.json"}


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("file/page.html", "no folder"),
        (".", "unknown page format"),
        ("page.pdf", "unknown page format 'pdf' (html)"),
    ],
)
def test_what_cannot_be_written_is_refused_before_anything_runs(results, tmp_path, page, message):
    (tmp_path / "file").write_text("")
    for words in (["report", results / "slow" / "result.json", "-o"], [*RUN, "--report"]):
        code, out, err = accelsim(*words, tmp_path / page)
        assert (code, out) == (2, "") and message in err and err.count("\n") == 1
    assert files(tmp_path) == {"file"}


def test_an_empty_selection_is_refused_in_one_line(tmp_path):
    code, _, err = accelsim("run", "eyeriss", "alexnet", "--layers", "POOL*", "--report", tmp_path / "page.html")
    assert code == 2 and err == "nothing to show: no layer was run\n"
    code, _, err = accelsim("run", "eyeriss", "alexnet", "--layers", "X*", "--report", tmp_path / "page.html")
    assert code == 2 and err.count("\n") == 1 and "no layer of 'alexnet' fits 'X*'" in err
    assert files(tmp_path) == set()


def test_twice_the_same_file_is_refused(results, tmp_path):
    file = results / "slow" / "result.json"
    code, out, err = accelsim("diff", file, file)
    assert (code, out, err) == (2, "", f"{file}: is given twice\n")


def test_layers_that_did_not_run_are_in_the_page_and_end_with_2(tmp_path):
    page = tmp_path / "page.html"
    words = [*RUN[:5], "--layers", "CONV1,CONV5", "--batch", 4, "--set", "levels.RF.capacity.filter=150 words"]
    code, out, err = accelsim(*words, "--report", page)
    assert code == 2 and err.startswith("not run: CONV1: RF filter: needs 2816 bits, has 2400 bits")
    text = page.read_text(encoding="utf-8")
    assert "CONV5" in out and "<summary>CONV5</summary>" in text
    assert "<summary>CONV1</summary>" not in text and "not run: CONV1: RF filter: needs 2816 bits" in text


def test_operands_that_are_gone_leave_the_rest_of_the_page(tmp_path):
    shape = {"ifmap": (1, 4, 6, 6), "filter": (8, 4, 3, 3)}
    operands = {f"A.{tensor}": np.ones(sizes, np.int64) for tensor, sizes in shape.items()}
    np.savez(tmp_path / "data.npz", **operands)
    (tmp_path / "net.yaml").write_text(
        "name: net\nsource: test\ninput: {C: 4, H: 6, W: 6}\nlayers:\n  A: {op: conv, M: 8, kernel: 3}\n"
    )
    ran = accelsim("run", "eyeriss", tmp_path / "net.yaml", "--data", tmp_path / "data.npz", "--out", tmp_path / "out")
    assert ran[0] == 0, ran
    (tmp_path / "data.npz").unlink()
    code, _, err = accelsim("report", tmp_path / "out" / "result.json", "-o", tmp_path / "page.html")
    assert code == 0 and err.startswith("what would move it is not worked out: ") and err.count("\n") == 1
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Not worked out: " in text and "<summary>A</summary>" in text


@pytest.mark.usefixtures("fake_engine")
def test_compare_writes_a_page_of_all_and_says_what_did_not_run(tmp_path):
    page = tmp_path / "page.html"
    words = ["compare", "eyeriss", "alexnet", "--layers", "CONV5", "--data", "dense"]
    code, out, _ = accelsim(*words, "--report", page)
    (reason,) = (line for line in out.splitlines() if line.startswith("weight_stationary: "))
    text = page.read_text(encoding="utf-8")
    assert code == 0 and reason.endswith("GLB psum: needs 9 bits, has 8 bits")
    assert f'<ul class="failed"><li>{reason}</li></ul>' in text
    code, out, err = accelsim(*words, "--report", tmp_path / "page.txt")
    assert (code, out) == (2, "") and "unknown page format 'txt' (html)" in err


def test_other_dataflows_are_evaluated_where_they_are_named(results, tmp_path):
    words = ["report", results / "slow" / "result.json", "-o", tmp_path / "page.html"]
    assert accelsim(*words, "--dataflow", "row_stationary")[0] == 0
    assert "Dataflow row_stationary instead" in (tmp_path / "page.html").read_text(encoding="utf-8")
    for more, message in (
        (["--dataflow", "row_stationry"], "row_stationary"),
        (["--dataflow", "row_stationary", "--no-advice"], "--dataflow is for advice, and --no-advice leaves it out"),
    ):
        code, out, err = accelsim(*words[:-1], tmp_path / "other.html", *more)
        assert (code, out) == (2, "") and message in err and err.count("\n") == 1
    assert files(tmp_path) == {"page.html"}
