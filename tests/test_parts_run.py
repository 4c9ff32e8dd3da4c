"""Runs with a plan where blocks of channels of a tensor stay (R6): what moves, what takes room, and what cannot be."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from accelsim.engine.counts import ACTIONS
from accelsim.errors import AccelsimError, SpecError
from accelsim.mapping.plan.living import between_of
from accelsim.mapping.plan.plan import Home, Plan
from accelsim.mapping.plan.yaml import data_of, dump_plan, load_plan, plan_from
from accelsim.report.files import document_text
from accelsim.result import Result
from accelsim.simulate import rerun, simulate
from accelsim.workload.network import Network
from accelsim.workload.problem import TENSORS, Padding, Tensor

FILL, READ, UPDATE, DRAIN = (ACTIONS.index(action) for action in ("fill", "read", "update", "drain"))
IFMAP, FILTER, PSUM = (TENSORS.index(tensor) for tensor in (Tensor.IFMAP, Tensor.FILTER, Tensor.PSUM))
LAYERS = {
    "a": {"op": "conv", "M": 10, "kernel": 3, "pad": 1},
    "b": {"op": "conv", "M": 10, "kernel": 3, "pad": 1},
    "sum": {"op": "add", "inputs": ["b", "a"]},
    "d": {"op": "conv", "M": 6, "kernel": 1, "groups": 2},
    "pool": {"op": "maxpool", "kernel": 2},
}


def drawn(**more: object) -> Network:
    return Network.of("parts", LAYERS, (4, 8, 8), **more)


def run(plan: object, evaluator: str = "analytical", **more: object) -> Result:
    return simulate("eyeriss", more.pop("network", None) or drawn(), evaluator=evaluator, plan=plan, **more)


@pytest.mark.parametrize("evaluator", ["analytical", "cycle"])
@pytest.mark.parametrize(("stay", "outside"), [(1, 9), (2, 6), (3, 3)])
def test_words_scale_by_the_channels_that_do_not_stay(evaluator: str, stay: int, outside: int) -> None:
    """Ten channels in four blocks of three, the last clipped: the first ones go to the outermost level."""
    alone = run(None, evaluator)
    nests = {layer.name: layer.nest for layer in alone.layers}
    found = run({"resident": {"a": {"level": "GLB", "parts": f"{stay}/4"}}}, evaluator, mapping=nests)
    before, after = alone.layer("a").counts.words, found.layer("a").counts.words
    assert after[0, PSUM].sum() * 10 == before[0, PSUM].sum() * outside
    assert after[1, PSUM, DRAIN] * 10 == before[1, PSUM, DRAIN] * outside
    words = 10 * 10 * (10 - outside)  # with the padding that this machine stores
    assert after[1, PSUM, UPDATE] - after[1, PSUM, READ] == after[1, PSUM, DRAIN] + words - after[1, PSUM, FILL]
    before, after = alone.layer("b").counts.words, found.layer("b").counts.words
    assert after[0, IFMAP].sum() * 10 == before[0, IFMAP].sum() * outside
    assert after[1, IFMAP, FILL] * 10 == before[1, IFMAP, FILL] * outside
    assert after[1, IFMAP, READ] == before[1, IFMAP, READ]
    (added, _) = found.vector_layers
    assert (added.reads, added.reads_at_home) == (640 + 64 * outside, 64 * (10 - outside))
    assert found.layer("b").timing.cycles <= alone.layer("b").timing.cycles
    assert found.total.energy < alone.total.energy


def test_a_part_of_what_is_read_late_is_written_too() -> None:
    """R5 and R6: a part that stays for its first reader goes to the outermost level once as well."""
    found = run({"resident": {"a": {"level": "GLB", "until": "b", "parts": "3/4"}}})
    assert found.layer("a").counts.words[0, PSUM, UPDATE] == 640
    (added, _) = found.vector_layers
    assert (added.reads, added.reads_at_home) == (1280, 0)


def test_what_a_vector_layer_makes_and_groups_read_in_parts() -> None:
    """Of a grouped convolution whole groups stay; a layer without MACs writes each channel where it lives."""
    found = run({"resident": {"sum": {"level": "GLB", "parts": "1/2"}, "d": {"level": "GLB", "parts": "1/2"}}})
    added, pool = found.vector_layers
    assert (added.writes, added.writes_at_home) == (320, 320)
    assert found.layer("d").counts.words[0, PSUM, UPDATE] == 3 * 64
    assert (pool.reads, pool.reads_at_home) == (3 * 64, 3 * 64)


def test_room() -> None:
    """Channels that stay take their words, with their padding where that is stored; the tile of all is needed too."""
    network = drawn(batch=2)
    machine = run(None).architecture
    for padding, plane in ((Padding.ON_CHIP, 64), (Padding.STORED, 100)):
        own = replace(machine, padding=padding)
        between = between_of(Plan({"a": Home("GLB", "", (3, 4))}), own, network, {})
        assert between is not None
        assert between.bits("a") == 16 * 2 * 7 * plane
        stay = between.stay(network.layers[0])
        assert (stay.zeros, stay.taken) == (2 * 7 * (plane - 64), between.bits("a"))
        on = stay.on(own, "GLB")
        assert on.homes == {} and on.parts[Tensor.PSUM].outside == 3
        (part, *_) = on.levels[1].capacity
        assert part.taken == stay.taken and not part.whole


def test_a_part_is_read_and_run_again(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text("resident: {a: {level: GLB, parts: 3/4}, b: {level: GLB, parts: 4/4}}\n")
    plan, _ = load_plan(file)
    assert plan.resident == {"a": Home("GLB", "", (3, 4)), "b": Home("GLB")}
    file.write_text(dump_plan(plan))
    assert load_plan(file)[0] == plan == plan_from(data_of(plan))[0]
    found = run(file, "cycle")
    text = document_text(found)
    assert json.loads(text)["ran"]["plan"]["resident"]["a"] == {"level": "GLB", "parts": "3/4"}
    (tmp_path / "result.json").write_text(text)
    again = Result.load(tmp_path / "result.json")
    assert document_text(again) == text
    assert document_text(rerun(again)) == text


@pytest.mark.parametrize(
    ("home", "line"),
    [
        ("{level: GLB, parts: 5/4}", "'5/4' is no part: of 4 blocks 1 to 4 can stay"),
        ("{level: GLB, parts: 0/4}", "'0/4' is no part: of 4 blocks 1 to 4 can stay"),
        ("{level: GLB, parts: half}", "'half' is no part: write how many blocks of how many, as in 3/4"),
        ("{level: GLB, parts: 0.5}", "'0.5' is no part: write how many blocks of how many, as in 3/4"),
        ("{level: GLB, parts: 1/20}", "parts: 1/20 of its 10 channels, in blocks of 1, are none of them"),
        ("{level: GLB, parts: 1/16}", "parts: 1/16 of its 10 channels, in blocks of 1, are none of them"),
        ("{level: GLB, part: 1/2}", "unknown key; did you mean 'parts'?"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(tmp_path: Path, home: str, line: str) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(f"resident: {{a: {home}}}\n")
    with pytest.raises(SpecError) as caught:
        run(file)
    lines = [one.replace(str(file), "F") for one in str(caught.value).splitlines()]
    assert any(line in one for one in lines), lines


@pytest.mark.parametrize(
    ("layers", "plan", "reason"),
    [
        ({}, {"resident": {"sum": {"level": "GLB", "parts": "1/4"}}}, "its groups have 5 channels each, and a part of"),
        (
            {"both": {"op": "concat", "inputs": ["a", "b"]}, "e": {"op": "conv", "M": 2, "kernel": 1}},
            {"resident": {"a": {"level": "GLB", "parts": "1/2"}}},
            "'e' reads it, and it reads it as a part of something else; let it stay whole",
        ),
        (
            {},
            {
                "resident": {"a": {"level": "GLB", "parts": "1/2"}},
                "groups": [{"layers": ["b", "sum"], "tile": {"P": 2}}],
            },
            "'b', which reads it, is in a group; let it stay whole",
        ),
    ],
)
def test_parts_that_cannot_stay(layers: dict[str, object], plan: dict[str, object], reason: str) -> None:
    network = Network.of("parts", {**LAYERS, **layers}, (4, 8, 8))
    with pytest.raises(AccelsimError) as caught:
        run(plan, network=network)
    assert reason in str(caught.value), str(caught.value)


def test_searched_with_parts() -> None:
    with pytest.raises(AccelsimError, match="parts: no tensor is looked for that stays; add between 'resident' or"):
        simulate("eyeriss", drawn(), parts=4)
    with pytest.raises(AccelsimError, match="parts"):
        simulate("eyeriss", drawn(), between="resident", parts=0)
    small = {"levels.GLB.capacity": {"ifmap + psum": "2 KiB"}}
    machine = run(None).architecture.with_(**small)
    energy = [
        simulate(machine, drawn(), evaluator="analytical", between="resident", parts=parts).total.energy
        for parts in (1, 4)
    ]
    assert energy[1] <= energy[0]


def test_parts_are_searched_without_a_certificate() -> None:
    found = run({"resident": {"a": {"level": "GLB", "parts": "1/2"}}}, layers="a", exact=True).layer("a").search
    assert found is not None and found.certificate is None
    assert "not certified: its counts depend on more than tiles and orders" in found.space
