"""Sweep files: what they ask for, and one line for each thing that is wrong in them."""

from __future__ import annotations

import pytest

import accelsim
from accelsim.errors import AccelsimError, SpecError
from accelsim.sweep.plan import read_plan
from accelsim.yamlfile import builtin

BASE = {"arch": "eyeriss_isca16_rs", "workload": "ds_cnn", "evaluator": "analytical"}


def fields(**more):
    return [point for _, point in read_plan({**BASE, **more}).points()]


def test_the_first_field_moves_slowest():
    points = fields(dataflow=["row_stationary", "weight_stationary"], batch=[1, 2])
    assert [(point["dataflow"], point["batch"]) for point in points] == [
        ("row_stationary", 1), ("row_stationary", 2), ("weight_stationary", 1), ("weight_stationary", 2),
    ]  # fmt: skip


def test_zip_moves_together():
    points = fields(zip={"rows": [8, 16], "cols": [8, 16]}, batch=[1, 2])
    assert [(point["rows"], point["cols"], point["batch"]) for point in points] == [
        (8, 8, 1), (8, 8, 2), (16, 16, 1), (16, 16, 2),
    ]  # fmt: skip


def test_a_sample():
    plan = read_plan({**BASE, "set": {"rows": {"from": 1, "to": 16, "step": 1}}, "sample": {"points": 4, "seed": 3}})
    assert plan.size == 4 == len(list(plan.points()))
    ordinals = [ordinal for ordinal, _ in plan.points()]
    assert [ordinal // 4 for ordinal in ordinals] == [0, 1, 2, 3]


def test_settings_reach_the_machine_and_the_network():
    plan = read_plan(
        {
            **BASE,
            "workload": "bert_base",
            "set": {"rows": 4, "seq": 64, "levels.RF.capacity": "256 B", "clock": "1 GHz"},
        }
    )
    run = plan.resolver.plan(next(plan.points())[1])
    assert run.machine.pes == 4 * 16 and run.machine.clock_hz == 10**9
    assert run.machine == accelsim.load_architecture(
        "eyeriss_isca16_rs", {"rows": 4, "levels.RF.capacity": "256 B", "clock": "1 GHz"}
    )
    assert run.ran.network == accelsim.load_network("bert_base", 1, {"seq": 64})
    assert run.ran.parameters == {"rows": 4, "seq": 64, "levels.RF.capacity": "256 B", "clock": "1 GHz"}


def test_density_reaches_every_layer_that_multiplies():
    plan = read_plan({**BASE, "arch": "scnn", "density": [0.5, 0.25]})
    for (_, point), share in zip(plan.points(), (0.5, 0.25), strict=True):
        layers = plan.resolver.plan(point).ran.network.mac_layers
        assert {layer.density.filter.fraction for layer in layers} == {share}


def test_objects_are_fields_too():
    machine = accelsim.load_architecture("eyeriss_isca16_rs")
    plan = read_plan({**BASE, "arch": [machine, machine.with_(clock="1 GHz", name="fast")]})
    assert [plan.resolver.plan(point).machine.clock_hz for _, point in plan.points()] == [2 * 10**8, 10**9]


def test_the_identity_is_that_of_what_is_asked_for():
    assert read_plan(BASE).identity == read_plan(dict(BASE)).identity
    others = [{"batch": 2}, {"workload": "lstm"}, {"dataflow": "weight_stationary"}, {"where": "pes > 1"}]
    assert len({read_plan({**BASE, **other}).identity for other in [{}, *others]}) == 5


def test_the_identity_changes_with_a_file_that_is_named(tmp_path):
    (tmp_path / "mine.yaml").write_text(
        machine := (yaml := accelsim.yamlfile.folder("arch") / "eyeriss_isca16_rs.yaml").read_text()
    )
    assert yaml.stem == "eyeriss_isca16_rs"
    (tmp_path / "s.yaml").write_text("arch: mine.yaml\nworkload: ds_cnn\n")
    first = read_plan(tmp_path / "s.yaml")
    assert next(first.points())[1]["arch"] == str(tmp_path / "mine.yaml")
    (tmp_path / "mine.yaml").write_text(machine.replace("200 MHz", "100 MHz"))
    assert read_plan(tmp_path / "s.yaml").identity != first.identity


@pytest.mark.parametrize("name", builtin("sweep"))
def test_those_that_ship_can_be_run(name):
    assert read_plan(name).size > 1


WRONG = [
    ("arch: eyeris", "s.yaml:1:7: arch: eyeris: neither a file nor a built-in architecture; did you mean 'eyeriss'"),
    ("arch: [eyeriss, eyeris]", "s.yaml:1:17: arch.1: eyeris"),
    ("dataflow: [row_stationary, row_stationery]", "s.yaml:4:28: dataflow.1: unknown dataflow 'row_stationery'; did"),
    ("set: {rowz: 3}", "s.yaml:4:13: set.rowz: unknown parameter 'rowz'; did you mean 'rows'"),
    ("set: {levels.GLB.capcity: 3 KiB}", r"set.levels.GLB.capcity: unknown key; did you mean 'capacity'"),
    ("set: {levels.GLV.capacity: [3 KiB]}", r"set.levels.GLV.capacity: no level 'GLV'; did you mean 'GLB'"),
    ("set: {levels.GLB.capacity: [3 KX, 4 KX]}", r"set.levels.GLB.capacity: "),
    ("set: {rows: []}", "s.yaml:4:13: set.rows: an empty list"),
    ("set: {rows: {from: 8, to: 4, step: 1}}", "set.rows: to is 4, which is less than from, 8: the range is empty"),
    ("set: {batch: 3}", "'batch' is a key of its own"),
    ("batch: [1, 2]\nzip: {batch: [1], rows: [2]}", "batch is swept twice: here and at batch"),
    ("zip: [{rows: [1, 2], cols: [1]}]", "zip.0: what moves together is equally long: rows 2, cols 1"),
    ("sample: {points: 5}\nsearch: {trials: 3}", "leave one of sample and search out"),
    ("sample: {kind: random, points: 5}", "sample.points: 5 points, but the grid has 1"),
    ("sample: {kind: randm, points: 5}", "sample.kind: unknown kind of sample 'randm'; did you mean 'random'"),
    ("objectives: [energie]", "objectives.0: unknown objective 'energie'; did you mean 'energy'"),
    ("objectives: [energy, area_mm2]", "objectives.1: area_mm2: energy table 'eyeriss_relative' has no technology"),
    ("objectives: power_mw", "objectives: power_mw: energy table 'eyeriss_relative' is in MAC, so it gives no power"),
    ("where: pess == 3", "where: unknown field 'pess'; did you mean 'pes'"),
    ("where: area_mm2 < 3", "where: unknown field 'area_mm2': energy table 'eyeriss_relative' has no technology"),
    ("where: [pes == 256, 'pes ==']", "where.1: 'pes ==' cannot be read"),
    ("evaluator: cycles", "evaluator: unknown evaluator 'cycles'; did you mean 'cycle'"),
    ("exact: [true, yes please]", "exact.1: exact is yes please; it must be true or false"),
    ("imperfect: 1", "imperfect: imperfect is 1; it must be true or false"),
    ("budget: [2, 0]", "budget.1: budget is 0; it must be a number of seconds above 0"),
    ("budget: 3 s", "budget: budget is 3 s; it must be a number of seconds above 0"),
    ("constraints: mine.yaml", "constraints: mine.yaml: "),
    ("constraints: {pes: 3}", "constraints: a table is a range"),
    ("constraints: [{pes: 3}, {loop: {C: {GLB: 1}}}]", "loop: unknown key; did you mean 'loops'?"),
    ("constraints: [null, {loops: {C: {GLV: 1}}}]", "loops.C.GLV: unknown level 'GLV'; did you mean 'GLB'?"),
    ("layers: FC9", "s.yaml:4:9: layers: no layer of 'ds_cnn' fits 'FC9' (conv1,"),
    ("layers: FC9\nset: {clock: [1 GHz]}", "s.yaml:4:9: layers: no layer of 'ds_cnn' fits 'FC9' (conv1,"),
    ("dataflow: bst", "dataflow: unknown dataflow 'bst'"),
    ("sets: {rows: 3}", "s.yaml:4:1: sets: unknown key; did you mean 'set'"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "error"), WRONG, ids=[text for text, _ in WRONG])
def test_what_is_wrong_is_told_in_a_line(text, error, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    base = "" if text.startswith("arch") else "arch: eyeriss_isca16_rs\n"
    (tmp_path / "s.yaml").write_text(f"{base}workload: ds_cnn\nbatch: 1\n{text}\n".replace("batch: 1\nbatch", "batch"))
    if text.startswith("arch"):
        (tmp_path / "s.yaml").write_text(f"{text}\nworkload: ds_cnn\n")
    with pytest.raises(SpecError) as raised:
        read_plan("s.yaml")
    lines = str(raised.value).splitlines()
    assert len(lines) == 1 and error in lines[0], lines


def test_a_constraint_that_no_design_meets_is_named():
    plan = read_plan({**BASE, "set": {"rows": [4, 8]}, "where": ["pes < 1000", "pes > 1000"]})
    assert str(plan.nothing_left()) == "where: 'pes > 1000': none of 2 points meets it"
    plan = read_plan({**BASE, "set": {"rows": [4, 8]}, "where": ["pes == 64", "pes == 128"]})
    assert "none of 2 points meets all of 'pes == 64', 'pes == 128'" in str(plan.nothing_left())


def test_no_such_sweep():
    with pytest.raises(AccelsimError, match="rf_against_gl: neither a file nor a built-in sweep; did you mean"):
        read_plan("rf_against_gl")
