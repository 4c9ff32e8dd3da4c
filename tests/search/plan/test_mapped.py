"""Mappings that a plan's file keeps: a run under them is the one that searches, and of anything else they are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from accelsim.errors import MappingError, SpecError
from accelsim.mapping.plan.yaml import load_plan
from accelsim.report.files import document_text, plan_text
from accelsim.search.plan import handing, passed
from accelsim.simulate import simulate
from accelsim.workload.network import Network

MACHINE = "eyeriss_isca16_rs"
CONV = {"op": "conv", "M": 8, "kernel": 3, "pad": 1}
CHAIN = {"a": CONV | {"inputs": "input"}, "b": CONV | {"inputs": "a"}, "c": {"op": "add", "inputs": ["a", "b"]}}


def network(batch: int = 1, layers: dict | None = None, plane: int = 12) -> Network:
    return Network.of("chain", layers or CHAIN, (4, plane, plane), batch=batch)


@pytest.fixture
def searched(monkeypatch) -> list[str]:
    """The names of dataflows that passes are searched in, as they are."""
    asked: list[str] = []
    for room in (passed, handing):

        def counted(*args, find=room.find, **more):
            asked.append("")
            return find(*args, **more)

        monkeypatch.setattr(room, "find", counted)
    return asked


def written(tmp_path: Path, of: Network, objective: str = "energy", machine: str = MACHINE, **more) -> Path:
    file = tmp_path / "plan.yaml"
    found = simulate(machine, of, between="fused", evaluator="analytical", objective=objective, **more)
    assert found.groups
    file.write_text(plan_text(found, "fused", objective), encoding="utf-8")
    return file


@pytest.mark.parametrize("objective", ["energy", "edp"])
@pytest.mark.parametrize("evaluator", ["analytical", "cycle"])
def test_a_run_is_the_same_and_searches_no_pass(tmp_path, searched, evaluator, objective):
    file = written(tmp_path, network(), objective)
    plan, _ = load_plan(file)
    assert plan.mapped is not None
    searched.clear()
    kept = simulate(MACHINE, network(), plan=plan, evaluator=evaluator, objective=objective)
    assert not searched
    if evaluator == "analytical":
        bare = tmp_path / "bare.yaml"
        bare.write_text(file.read_text().split("# mappings of passes")[0])
        anew = simulate(MACHINE, network(), plan=bare, evaluator=evaluator, objective=objective)
        assert searched
        assert document_text(anew) == document_text(kept)
    assert [one.nest for group in kept.groups for one in group.passes] == [
        nest for nests in plan.mapped.passes.values() for nest in nests
    ]


@pytest.mark.parametrize(
    "other",
    [
        {"of": {"plane": 13}},
        {"of": {"batch": 2}},
        {"parameters": {"glb": "64 KiB"}},
        {"node": 45},
        {"objective": "cycles"},
        {"dataflow": "weight_stationary"},
        {"exact": True},
        {"bits": {"ifmap": 8}},
    ],
    ids=lambda other: next(iter(other)),
)
def test_of_anything_else_passes_are_searched_for(tmp_path, searched, other):
    file = written(tmp_path, network())
    searched.clear()
    more = dict(other)
    simulate(MACHINE, network(**more.pop("of", {})), plan=file, evaluator="analytical", **more)
    assert searched


def test_of_a_plan_that_was_changed_passes_are_searched_for(tmp_path, searched):
    file = written(tmp_path, network())
    text = file.read_text()
    changed = text.replace("network: chain", "network: chain\nresident: {a: GLB}") if "{layers: [b" in text else None
    changed = changed or text.replace("keep: both", "keep: none")
    assert changed != text
    file.write_text(changed)
    searched.clear()
    simulate(MACHINE, network(), plan=file, evaluator="analytical")
    assert searched


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (("- 'GLB: Q", "- 'GLB Q"), r"plan.yaml:10:7: mapped.passes.a..c.0: 'GLB Q12 y R3 x P12': a level reads"),
        (("- 'GLB: Q", "- 'GLBA: Q"), "'GLBA'"),
        (("x P12", "x P6"), "a..c"),
    ],
)
def test_a_mapping_that_is_none_is_refused(tmp_path, change, line):
    file = written(tmp_path, network())
    file.write_text(file.read_text().replace(*change))
    with pytest.raises((SpecError, MappingError), match=line):
        simulate(MACHINE, network(), plan=file, evaluator="analytical")


def test_mappings_of_no_group_or_of_too_many_passes_are_refused(tmp_path):
    file = written(tmp_path, network())
    text = file.read_text()
    name = next(iter(load_plan(file)[0].mapped.passes))
    file.write_text(text.replace(f"    {name}:", f"    {name}x:"))
    with pytest.raises(SpecError, match=rf"plan.yaml:\d+:5: mapped.passes.{name}x: no group of this plan; did you"):
        simulate(MACHINE, network(), plan=file, evaluator="analytical")
    lines = text.splitlines(keepends=True)
    file.write_text("".join([*lines, lines[-1]]))
    with pytest.raises(MappingError, match="mappings are given, and"):
        simulate(MACHINE, network(), plan=file, evaluator="analytical")
