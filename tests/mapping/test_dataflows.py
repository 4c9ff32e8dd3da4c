"""Dataflow files: all that ship can be read; what is wrong in one is told with the nearest right name."""

from __future__ import annotations

import pytest

from accelsim.errors import AccelsimError, SpecError
from accelsim.mapping.dataflows import NAMES, Dataflow, load
from accelsim.mapping.dataflows.dataflow import Axes
from accelsim.workload.problem import LOOP_DIMS, Tensor


@pytest.mark.parametrize("name", NAMES)
def test_everything_shipped_loads(name):
    flow = load(name)
    assert flow.name == name
    assert flow.source
    assert flow.about
    assert {*flow.y, *flow.x, *flow.whole, *flow.above, *flow.run, *flow.pe} <= set(LOOP_DIMS)
    assert all({*array.y, *array.x} <= set(LOOP_DIMS) for array in flow.arrays)
    # a dim has one place for its temporal loops
    assert not set(flow.run) & set(flow.above)
    assert not set(flow.pe) & {*flow.run, *flow.above} or name == "weight_stationary"


def test_the_five_dataflows_ship():
    families = {name.split("_moc")[0].split("_soc")[0] for name in NAMES}
    assert families >= {
        "row_stationary", "weight_stationary", "output_stationary", "input_stationary", "no_local_reuse",
    }  # fmt: skip


def test_what_stays_gives_the_name():
    assert load("weight_stationary").keeps == {Tensor.FILTER}
    assert load("input_stationary").keeps == {Tensor.IFMAP}
    assert all(load(n).keeps == {Tensor.PSUM} for n in NAMES if n.startswith("output"))
    assert load("row_stationary").keeps == set(Tensor)
    assert load("no_local_reuse").keeps == set()


def test_unknown_name():
    with pytest.raises(AccelsimError, match=r"^unknown dataflow 'row_stationry'; did you mean 'row_stationary'\?"):
        load("row_stationry")
    with pytest.raises(AccelsimError, match=r"unknown dataflow 'nowhere\.yaml'"):
        load("nowhere.yaml")


def test_a_file_of_your_own(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("source: me\nabout: all in the PE\nkeeps: [filter]\ny: [C]\nx: [M]\nrun: [P, Q]\n")
    assert load(file) == Dataflow(
        "mine", "me", "all in the PE", frozenset({Tensor.FILTER}), y=("C",), x=("M",), run=("P", "Q")
    )


def test_arrays_around_the_innermost(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("source: me\nabout: two\nkeeps: [filter]\ny: [C]\narrays:\n  - {y: [C, P], x: [M]}\n  - {x: [Q]}\n")
    assert load(file).arrays == (Axes(("C", "P"), ("M",)), Axes(x=("Q",)))
    file.write_text("source: me\narrays:\n  - {y: [C, Z], z: [M]}\n  - {x: [q]}\n")
    with pytest.raises(SpecError) as error:
        load(file)
    wanted = (
        "3:13: arrays.0.y.1: unknown dim 'Z'",
        "3:17: arrays.0.z: unknown key",
        "4:10: arrays.1.x.0: unknown dim 'q'",
    )
    lines = [line.removeprefix(f"{file}:") for line in str(error.value).splitlines()]
    assert len(lines) == len(wanted)
    for line, start in zip(lines, wanted, strict=True):
        assert line.startswith(start)


def test_every_error_at_once_with_the_nearest_name(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("source: me\nkeep: [filter]\nskips: [fliter]\ny: [c]\nrun: [P, Z]\n")
    with pytest.raises(SpecError) as error:
        load(file)
    lines = [line.removeprefix(f"{file}:") for line in str(error.value).splitlines()]
    expected = (
        "2:1: keep: unknown key; did you mean 'keeps'?",
        "3:9: skips.0: unknown tensor 'fliter'; did you mean 'filter'?",
        "4:5: y.0: unknown dim 'c'",
        "5:10: run.1: unknown dim 'Z'",
    )
    assert len(lines) == len(expected)
    for line, start in zip(lines, expected, strict=True):
        assert line.startswith(start)


def test_one_name_stands_for_a_list_of_one(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("source: me\nkeeps: filter\ny: C\nx: [M]\nstrip: M\n")
    assert load(file) == Dataflow("mine", "me", "", frozenset({Tensor.FILTER}), y=("C",), x=("M",), strip="M")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("keeps: 3", "1:8: keeps: should be a list, got '3'"),
        ("y: {C: 3}", "1:4: y: should be a list, got a mapping"),
        ("arrays: {y: [C]}", "1:9: arrays: should be a list, got a mapping"),
        ("arrays: [C]", "1:10: arrays.0: should be a mapping of keys to values, got 'C'"),
        ("run: [C, 3]", "1:10: run.1: unknown dim '3'"),
        ("strip: [C]", "1:8: strip: unknown dim"),
        ("about: 3", "1:8: about: should be a string, got '3'"),
        ("- C", "1:1: should be a mapping of keys to values, got a list"),
    ],
)
def test_what_is_no_dataflow_is_one_line(tmp_path, text, message):
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(SpecError) as error:
        load(file)
    assert str(error.value).startswith(f"{file}:{message}")
    assert "\n" not in str(error.value)
