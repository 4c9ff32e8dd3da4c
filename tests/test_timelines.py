"""`accelsim timeline`: what it writes, and what it says where it cannot."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner

import pictures
from accelsim import timelines
from accelsim.cli import app
from accelsim.report import plot_timeline

RUN = ("timeline", "eyeriss", "alexnet", "--mapping", "eyeriss_alexnet_jssc17", "--data", "dense")


def accelsim(*words: object) -> tuple[int, str, str]:
    found = CliRunner().invoke(app, list(map(str, words)))
    assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
    return found.exit_code, found.stdout, found.stderr


def events(path: Path) -> list[dict]:
    return [each for each in json.loads(path.read_text())["traceEvents"] if each["ph"] == "X"]


def test_a_window_is_written_and_its_size_named(tmp_path):
    code, out, err = accelsim(*RUN, "--layers", "CONV5", "--from", 500_000, "--cycles", 5000, "-o", tmp_path / "t.json")
    assert (code, out) == (0, f"wrote {tmp_path / 't.json'}\n")
    found = events(tmp_path / "t.json")
    assert err.startswith(f"cycles 500,000 to 505,000: {len(found)} slices, about ")
    macs = [each for each in found if each["tid"] == 1]
    assert sum(each["dur"] for each in macs) == 5000
    assert [path.name for path in tmp_path.iterdir()] == ["t.json"]


def test_layers_are_processes_each_from_its_own_first_cycle(tmp_path):
    code, _, _ = accelsim(*RUN, "--layers", "CONV4,CONV5", "--cycles", 3000, "-o", tmp_path / "t.json")
    assert code == 0
    found = events(tmp_path / "t.json")
    assert {each["pid"] for each in found} == {1, 2}
    for layer in (1, 2):
        assert sum(each["dur"] for each in found if (each["pid"], each["tid"]) == (layer, 1)) == 3000


def test_a_dense_window_joins_what_follows_its_like(tmp_path):
    words = ("timeline", "tpu_v1", "alexnet", "--layers", "CONV3", "--batch", 64, "-o", tmp_path / "t.json")
    code, _, err = accelsim(*words)
    assert code == 0
    assert "what follows its like without a gap is one slice" in err
    found = events(tmp_path / "t.json")
    assert len(found) < 20_000
    assert any(each["name"].startswith("steps ") for each in found)


@pytest.mark.parametrize(
    ("machine", "layer"),
    [
        ("gemmini16", "CONV3"),
        ("redmule", "FC6"),
        ("eyeriss_isca16_nlr", "CONV2"),
        ("eie", "FC6"),
        ("eyeriss", "CONV2"),
        ("scnn", "CONV2"),
    ],
)
def test_a_window_of_a_million_cycles_takes_seconds(machine, layer, tmp_path):
    words = ("timeline", machine, "alexnet", "--layers", layer, "-o", tmp_path / "t.json")
    assert accelsim(*words)[0] == 0
    begun = time.process_time()
    assert accelsim(*words)[0] == 0
    assert time.process_time() - begun < 5


def test_a_picture_is_drawn(tmp_path):
    code, out, err = accelsim(*RUN, "--layers", "CONV5", "--cycles", 4000, "-o", tmp_path / "t.svg")
    assert (code, err, out) == (0, "", f"wrote {tmp_path / 't.svg'}\n")
    text = (tmp_path / "t.svg").read_text()
    assert "MAC array" in text
    assert "core cycle" in text


def test_what_is_drawn(tmp_path):
    """The lanes of a picture are the tracks in which anything happens, the array first."""
    from accelsim.simulate import simulate

    result = simulate("eyeriss", "alexnet", mapping="eyeriss_alexnet_jssc17", layers="CONV5", data="dense")
    (layer,) = timelines.windows_of(result, 0, 4000)
    shown = plot_timeline.lanes(layer)
    names = [track.name for track, _ in shown]
    assert names[:5] == [
        "MAC array", "DRAM->GLB ifmap", "DRAM->FILTER_BANK filter", "GLB->RF ifmap", "FILTER_BANK->RF filter",
    ]  # fmt: skip
    first = [(each.name, each.begin, each.end) for each in shown[0][1][:2]]
    assert first == [("fill", 0, 3267), ("step 0", 3267, 3411)]
    axes = plot_timeline.draw(layer)
    assert [text.get_text() for text in axes.get_yticklabels()] == names
    assert axes.get_xlabel() == "core cycle"
    assert axes.get_xlim() == (0, 4000)
    assert "fill" in [text.get_text() for text in axes.texts]
    # far from the beginning, too, ticks are whole cycles, and the last one is not cut off
    (layer,) = timelines.windows_of(result, 500_000, 4000)
    axes = plot_timeline.draw(layer)
    assert pictures.overlaps(axes) == pictures.outside(axes) == []
    ticks = [text.get_text() for text in axes.get_xticklabels()]
    # nor is a title of a long name and long numbers
    moved = replace(layer.window, cycles=987_654_321_012)
    long = plot_timeline.draw(layer._replace(name="long_" * 60, window=moved))
    assert pictures.overlaps(long) == pictures.outside(long) == []
    assert "502,000" in ticks and not axes.xaxis.get_offset_text().get_text()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ("--layers", "CONV5", "--from", 10**9),
            "--from: CONV5 has 1,017,732 cycles, 0 to 1,017,731; 1,000,",
        ),
        (("--layers", "CONV5", "--from", -1), "--from: -1 is no cycle"),
        (("--layers", "CONV5", "--cycles", 0), "--cycles: 0 is no window"),
        (("--layers", "POOL1"), "none that fits 'POOL1' has MACs"),
        (("--layers", "CONF5"), "no layer of 'alexnet' fits 'CONF5'; did you mean 'CONV5'?"),
    ],
)
def test_bad_windows_are_told_in_a_line(words, told, tmp_path):
    code, out, err = accelsim(*RUN, *words, "-o", tmp_path / "t.json")
    assert (code, out) == (2, "")
    assert told in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_places_that_cannot_be_written_are_told_before_anything_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(timelines, "simulated", None)
    (tmp_path / "file").write_text("")
    for place, told in (("file/t.json", "is no folder"), ("t.txt", "unknown timeline format 'txt'"), ("", "timeline")):
        code, out, err = accelsim(*RUN, "--layers", "CONV5", "-o", tmp_path / place if place else "t")
        assert (code, out) == (2, "")
        assert told in err
        assert err.count("\n") == 1


def test_too_much_is_refused_with_what_would_fit(tmp_path, monkeypatch):
    monkeypatch.setattr(timelines, "MOST", 300)
    for words in (("--cycles", 1_000_000), ("--cycles", 40_000)):
        code, out, err = accelsim(*RUN, "--layers", "CONV5", *words, "-o", tmp_path / "t.json")
        assert (code, out) == (2, "")
        assert "--cycles" in err
        assert err.count("\n") == 1
        assert not list(tmp_path.iterdir())
    code, _, err = accelsim(*RUN, "--layers", "CONV5", "--cycles", 6000, "-o", tmp_path / "t.json")
    assert code == 0, err


def test_cartesian_pes_have_a_track_each(tmp_path):
    code, _, err = accelsim(
        "timeline", "scnn", "alexnet", "--layers", "CONV5", "--cycles", 2000, "-o", tmp_path / "t.json"
    )
    assert code == 0, err
    told = json.loads((tmp_path / "t.json").read_text())["traceEvents"]
    names = {each["tid"]: each["args"]["name"] for each in told if each["name"] == "thread_name"}
    assert list(names.values()) == ["MAC array", *(f"PE {y},{x}" for y in range(7) for x in range(7))]
    for track in names:
        assert sum(each["dur"] for each in told if each["ph"] == "X" and each["tid"] == track) == 2000
    first = next(each for each in told if each["ph"] == "X" and each["tid"] == 1)
    assert first["name"] == "channels 0 to 7" and first["args"]["PEs with words"] == 49


def test_a_layer_that_takes_no_cycles_is_told_in_a_line(tmp_path):
    (tmp_path / "net.yaml").write_text(
        "name: none\nsource: made up\ninput: {C: 2, H: 4, W: 4}\n"
        "layers:\n  A: {op: conv, M: 2, kernel: 3, density: {ifmap: 0, filter: 0.5, ofmap: 0.5}}\n"
    )
    code, _, err = accelsim("timeline", "scnn", tmp_path / "net.yaml", "--layers", "A", "-o", tmp_path / "t.json")
    assert code == 2
    assert "A takes no cycles: zeros leave nothing to multiply" in err
    assert err.count("\n") == 1


PAIR = """
name: pair
source: made up for this test
input: {C: 4, H: 10, W: 10}
layers:
  A: {op: conv, M: 8, kernel: 3}
  B: {op: conv, M: 8, kernel: 3}
  C: {op: conv, M: 4, kernel: 1}
"""
PLAN = "network: pair\nresident: {B: GLB}\ngroups:\n- {layers: [A, B], tile: {P: 3}}\n"


def pair(folder: Path, *words: object) -> tuple[int, str, str]:
    (folder / "pair.yaml").write_text(PAIR)
    (folder / "plan.yaml").write_text(PLAN)
    plan = ("--plan", folder / "plan.yaml") if "--between" not in words else ()
    return accelsim("timeline", "eyeriss", folder / "pair.yaml", "--data", "dense", *plan, *words)


def test_groups_are_processes_of_their_own(tmp_path):
    """In run order, called after their first and last layer; chosen by any of their layers."""
    out = tmp_path / "t.json"
    code, _, err = pair(tmp_path, "--layers", "*", "-o", out)
    assert code == 0, err
    told = json.loads(out.read_text())["traceEvents"]
    assert [each["args"]["name"].partition(":")[0] for each in told if each["name"] == "process_name"] == ["A..B", "C"]
    names = [each["args"]["name"] for each in told if each["name"] == "thread_name" and each["pid"] == 1]
    assert names[:2] == ["MAC array", "passes"]
    passes = [each for each in told if each["ph"] == "X" and (each["pid"], each["tid"]) == (1, 2)]
    assert [each["name"] for each in passes] == ["A", "B"] * 2
    assert [each["args"]["tile"] for each in passes] == ["first", "first", "P3", "P3"]
    assert passes[2]["args"]["waited for"] == "fill input, tile P3"
    assert pair(tmp_path, "--layers", "B", "-o", out)[0] == 0
    whole = [each for each in events(out) if each["tid"] == 1]
    # in windows as layers are: cycles of its own
    length = sum(each["dur"] for each in whole)
    code, _, err = pair(tmp_path, "--layers", "B", "--from", 1000, "--cycles", 700, "-o", out)
    assert code == 0 and err.startswith("cycles 1,000 to 1,700: ")
    assert sum(each["dur"] for each in events(out) if each["tid"] == 1) == 700
    code, _, err = pair(tmp_path, "--layers", "A", "--from", length, "-o", out)
    assert (code, err) == (2, f"--from: A..B has {length:,} cycles, 0 to {length - 1:,}; {length:,} is behind\n")


def test_too_much_of_a_group_is_refused_or_told_in_sum(tmp_path, monkeypatch):
    from accelsim.engine.fused import timeline

    monkeypatch.setattr(timeline, "DETAIL", 30)
    code, _, err = pair(tmp_path, "--layers", "A", "-o", tmp_path / "t.json")
    assert code == 0
    assert "A..B: what follows its like without a gap is one slice, and passes are told in sum" in err
    assert "A pass" in {each["name"] for each in events(tmp_path / "t.json")}
    monkeypatch.setattr(timelines, "MOST", 7)
    code, _, err = pair(tmp_path, "--layers", "A", "-o", tmp_path / "u.json")
    assert code == 2 and err.count("\n") == 1 and "A..B: cycles 0 to " in err and "--cycles " in err
    assert not (tmp_path / "u.json").exists()


def test_a_picture_of_a_group(tmp_path, monkeypatch):
    """Passes in the colours of their layers; in sum where there is more inside than is seen."""
    from accelsim.simulate import simulate

    (tmp_path / "pair.yaml").write_text(PAIR)
    result = simulate("eyeriss", tmp_path / "pair.yaml", plan={"groups": [{"layers": ["A", "B"]}]}, data="dense")
    axes = plot_timeline.draw(timelines.windows_of(result)[0])
    assert pictures.overlaps(axes) == pictures.outside(axes) == []
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["A", "B"]
    monkeypatch.setattr(plot_timeline, "MOST", 40)
    assert pair(tmp_path, "--layers", "A", "-o", tmp_path / "t.svg")[0] == 0
    drawn = (tmp_path / "t.svg").read_text()
    assert "passes" in drawn and "RF" not in drawn


HANDED = """
name: handed
source: made up for this test
input: {C: 4, H: 8, W: 8}
layers:
  A: {op: conv, M: 8, kernel: 3, pad: 1}
  B: {op: conv, M: 8, kernel: 3, pad: 1}
  a_sum_with_a_name_that_is_longer_than_any_name_of_a_layer_should_ever_be: {op: add, inputs: [B, A]}
  pool: {op: maxpool, kernel: 2, stride: 2}
"""
SUM = "a_sum_with_a_name_that_is_longer_than_any_name_of_a_layer_should_ever_be"


def handed(folder: Path, machine: str, *words: object) -> tuple[int, str, str]:
    (folder / "handed.yaml").write_text(HANDED)
    group = f"{{layers: [B, {SUM}, pool], epilogue: true, tile: {{P: 1, Q: 4, M: 8}}}}"
    (folder / "plan.yaml").write_text(f"network: handed\ngroups: [{group}]\n")
    plan = ("--plan", folder / "plan.yaml", "--data", "dense")
    return accelsim("timeline", machine, folder / "handed.yaml", *plan, *words)


def test_a_layer_that_hands_its_tiles_on(tmp_path):
    """Found by any of its layers; each layer of the epilogue is a track, each tile a slice of it."""
    out = tmp_path / "t.json"
    code, _, err = handed(tmp_path, "eyeriss", "--set", "vector.lanes=4", "--layers", "pool", "-o", out)
    assert code == 0 and err.count("\n") == 1, err
    told = json.loads(out.read_text())["traceEvents"]
    assert [each["args"]["name"].partition(":")[0] for each in told if each["name"] == "process_name"] == ["B..pool"]
    names = [each["args"]["name"] for each in told if each["name"] == "thread_name"]
    assert names[:4] == ["MAC array", f"epilogue {SUM}", "epilogue pool", "DRAM->GLB ifmap"]
    tiles = [each for each in events(out) if each["tid"] == 3]
    assert [(each["name"], each["args"]["tile"]) for each in tiles] == [
        ("tile 0", "first"), ("tile 1", "P2"), ("tile 2", "P4"), ("tile 3", "P6"),
    ]  # fmt: skip
    code, _, err = handed(tmp_path, "eyeriss_isca16_rs", "--layers", "B", "-o", out)
    assert code == 0 and "B..pool: its tiles take no time on their way, so none is shown" in err


def test_a_picture_of_a_layer_that_hands_its_tiles_on(tmp_path):
    from accelsim.simulate import simulate

    (tmp_path / "handed.yaml").write_text(HANDED)
    group = {"layers": ["B", SUM, "pool"], "epilogue": True, "tile": {"P": 1, "Q": 4, "M": 8}}
    result = simulate(
        "eyeriss", tmp_path / "handed.yaml", layers="B", plan={"groups": [group]}, parameters={"vector.lanes": 4},
        data="dense",
    )  # fmt: skip
    (layer,) = timelines.windows_of(result)
    axes = plot_timeline.draw(layer)
    assert pictures.overlaps(axes) == pictures.outside(axes) == []
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert labels[0] == "MAC array" and labels[1].startswith("epilogue a_sum") and "…" in labels[1]
    # where there is room, tiles have their names
    (layer,) = timelines.windows_of(result, 2400, 400)
    axes = plot_timeline.draw(layer)
    assert [text.get_text() for text in axes.texts].count("tile 0") == 2
    assert pictures.overlaps(axes) == pictures.outside(axes) == []


def test_a_plan_may_be_looked_for(tmp_path):
    code, _, err = pair(tmp_path, "--layers", "C", "--between", "resident", "--cycles", 500, "-o", tmp_path / "t.json")
    assert code == 0, err
    told = json.loads((tmp_path / "t.json").read_text())["traceEvents"]
    assert "DRAM->GLB ifmap" not in {each["args"]["name"] for each in told if each["name"] == "thread_name"}


def test_the_worked_layer_of_the_page(tmp_path, monkeypatch):
    """docs/timeline.md: the layer it writes has the cycles that its table gives reasons for."""
    page = (Path(__file__).parents[1] / "docs" / "timeline.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(page.split("<<'EOF'\n")[1].split("EOF\n")[0])
    code, _, _ = accelsim("timeline", "eyeriss", "small.yaml", "--layers", "A", "--data", "dense", "-o", "t.json")
    assert code == 0
    macs = [(each["ts"], each["ts"] + each["dur"], each["name"]) for each in events(Path("t.json")) if each["tid"] == 1]
    told = re.findall(r"^\| (\d+) to (\d+) \| (.*?) \|", page, re.MULTILINE)
    assert (told[0][0], told[-1][1]) == ("0", "735")
    for (_, end, _), (begin, _, _) in pairwise(told):
        assert end == begin
    for first, last, what in told:
        inside = [each for each in macs if int(first) <= each[0] and each[1] <= int(last)]
        assert (inside[0][0], inside[-1][1]) == (int(first), int(last))
        stands = re.fullmatch(r"stands still: `(.*)`", what)
        if stands:
            assert [name for _, _, name in inside] == [stands[1]]
        else:
            steps = list(dict.fromkeys(name for *_, name in inside if name.startswith("step ")))
            assert [name.removeprefix("step ") for name in (steps[0], steps[-1])] == [
                re.findall(r"\d+", what)[0], re.findall(r"steps? \d+(?: (?:to|and) (\d+))?", what)[0] or steps[0][5:]
            ]  # fmt: skip


def test_the_cartesian_layer_of_the_page(tmp_path, monkeypatch):
    """docs/timeline.md: the first barrier is after 122 cycles, and PE 0,1 comes last."""
    page = (Path(__file__).parents[1] / "docs" / "timeline.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    Path("zeros.yaml").write_text(page.split("<<'EOF'\n")[2].split("EOF\n")[0])
    (command,) = re.findall(r"^accelsim (timeline scnn .*)scnn\.svg$", page, re.MULTILINE)
    code, _, _ = accelsim(*command.split(), "t.json")
    assert code == 0
    first = next(each for each in events(Path("t.json")) if each["tid"] == 1)
    end, slowest = re.findall(r"after (\d+) cycles; PE (\d,\d) was", page)[0]
    assert (first["ts"], str(first["dur"]), first["args"]["slowest PE"]) == (0, end, slowest)
