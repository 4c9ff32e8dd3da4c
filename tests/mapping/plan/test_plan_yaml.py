"""Plan files: read, written, and what is wrong in one told in a line each."""

from __future__ import annotations

from pathlib import Path

import pytest

from accelsim.architecture.yaml import load_architecture
from accelsim.errors import AccelsimError, SpecError
from accelsim.mapping.plan.living import between_of
from accelsim.mapping.plan.plan import COLUMNS, ROWS, Group, Home, Plan
from accelsim.mapping.plan.yaml import data_of, dump_plan, load_plan, plan_from, refuse_wrong
from accelsim.networks import network_from
from accelsim.simulate import simulate
from accelsim.workload.network import Network

TEXT = """\
network: resnet50
resident:
  conv2_0a: GLB
  conv2_0b: {level: GLB, until: conv2_0c}
groups:
- {layers: [conv1, pool1], tile: {P: 2, Q: 56}, keep: both, filters: {conv1: streamed}}
- {layers: [conv2_0a, conv2_0b], filters: {conv2_0a: {M: 24}, conv2_0b: resident}}
- {layers: [conv2_0c, conv2_0], tile: {P: 14, Q: 28, M: 64}, epilogue: true}
- {layers: [conv2_1c, conv2_1], epilogue: true}
"""


def refused(tmp_path: Path, text: str, machine: str = "eyeriss") -> list[str]:
    file = tmp_path / "plan.yaml"
    file.write_text(text)
    with pytest.raises(SpecError) as caught:
        simulate(machine, "resnet50", layers="conv1", evaluator="analytical", plan=file)
    return [line.replace(str(file), "F") for line in str(caught.value).splitlines()]


def test_a_plan_is_read_and_written(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(TEXT)
    plan, _ = load_plan(file)
    assert plan.resident == {"conv2_0a": Home("GLB"), "conv2_0b": Home("GLB", "conv2_0c")}
    assert plan.groups == (
        Group(("conv1", "pool1"), 2, 56, {}, (ROWS, COLUMNS), {"conv1": "streamed"}),
        Group(("conv2_0a", "conv2_0b"), filters={"conv2_0b": "resident"}, slices={"conv2_0a": 24}),
        Group(("conv2_0c", "conv2_0"), 14, 28, M=64, epilogue=True),
        Group(("conv2_1c", "conv2_1"), epilogue=True),
    )
    file.write_text(dump_plan(plan))
    assert load_plan(file)[0] == plan
    assert plan_from(data_of(plan))[0] == plan
    assert plan_from(plan) == (plan, None)
    assert dump_plan(Plan()) == "{}\n" and not Plan()


@pytest.mark.parametrize("outside", ["", ROWS, COLUMNS])
@pytest.mark.parametrize("filters", [{}, {"qk": "resident", "av": "resident"}])
def test_an_attention_is_read_and_written(tmp_path: Path, outside: str, filters: dict[str, str]) -> None:
    group = Group(("qk", "softmax", "av"), filters=filters, rows=256, columns=64, outside=outside)
    file = tmp_path / "plan.yaml"
    file.write_text(dump_plan(Plan(groups=(group,))))
    (found,) = load_plan(file)[0].groups
    assert found == group
    assert plan_from(data_of(Plan(groups=(group,))))[0].groups == (group,)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "network: vgg16\nresident: {conv1: GLB}",
            "F:1:10: network: a plan for 'vgg16', and this network is 'resnet50'",
        ),
        ("resident: {conv9: GLB}", "F:1:12: resident.conv9: network 'resnet50' has no layer 'conv9'; did you mean"),
        ("resident: {input: GLB}", "the network's input comes from outside; only what a layer makes can stay"),
        ("resident: {conv1: GLC}", "'eyeriss' has no level 'GLC'; did you mean 'GLB'?"),
        ("resident: {conv1: DRAM}", "'DRAM' is the outermost level, where tensors live anyway"),
        ("resident: {conv1: RF}", "there are several of it; a tensor lives in one memory outside the array"),
        ("resident: {conv1: FILTER_BANK}", "'FILTER_BANK' keeps no ifmap"),
        ("resident: {FC: GLB}", "nobody reads what 'FC' makes"),
        ("resident: {conv1: {level: GLB, until: FC}}", "until: 'FC' does not read it (pool1)"),
        ("groups: [{layers: [conv1]}]", "F:1:19: groups.0.layers: a group has two layers or more"),
        ("groups: [{layers: [conv1, pool1]}, {layers: [pool1, conv2_0a]}]", "'pool1' is in a group already"),
        ("groups: [{layers: [conv1, pool1], keep: all}]", "groups.0.keep"),
        ("groups: [{layers: [conv1, pool1], tile: {P: 0}}]", "groups.0.tile.P"),
        ("resdient: {}", "resdient"),
        *(
            (
                f"groups: [{{layers: [conv1, pool1], filters: {{conv1: {given}}}}}]",
                "F:1:52: groups.0.filters.conv1: should be 'resident', 'streamed', or slices of some output channels, "
                f"as in {{M: 64}}; got {shown}",
            )
            for given, shown in (
                ("steamed", "'steamed'; did you mean 'streamed'?"),
                ("5", "5"),
                ("[M]", "['M']"),
                ("{M: 0}", "{'M': 0}"),
                ("{C: 4}", "{'C': 4}"),
                ("{M: 4, C: 4}", "{'M': 4, 'C': 4}"),
                ("{M: many}", "{'M': 'many'}"),
            )
        ),
        (
            "groups: [{layers: [conv1, pool1], tile: {M: 4}}]",
            "F:1:45: groups.0.tile.M: only tiles of an epilogue are cut along channels (epilogue: true)",
        ),
        (
            "groups: [{layers: [conv1, pool1], epilogue: true, keep: none}]",
            "groups.0.keep: an epilogue has one layer that multiplies, mapped as a layer is; leave it out",
        ),
        (
            "groups: [{layers: [conv1, pool1], epilogue: true, tile: {P: 4}}]",
            "groups.0.tile: the tile of an epilogue has P, Q and M, or is left to the search",
        ),
        (
            "groups: [{layers: [conv1, pool1], outside: rows}]",
            "F:1:44: groups.0.outside: only blocks of an attention are walked so; its tile has rows and columns",
        ),
        (
            "groups: [{layers: [conv1, pool1], tile: {columns: 4}}]",
            "F:1:51: groups.0.tile.columns: the tile of an attention has rows too; that of other groups has P and Q",
        ),
        (
            "groups: [{layers: [conv1, pool1], tile: {rows: 4, Q: 2}}]",
            "F:1:54: groups.0.tile.Q: the tile of an attention has rows and columns; that of other groups has P and Q",
        ),
        (
            "groups: [{layers: [conv1, pool1], tile: {rows: 4}, keep: none}]",
            "F:1:58: groups.0.keep: blocks of an attention keep nothing; leave it out",
        ),
        ("groups: [{layers: [pool1, conv1]}]", "F:1:19: groups.0.layers: they are not in the order they run in"),
        (
            "groups:\n- {layers: [conv1, pool1], tile: {P: 56}}",
            "F:2:12: groups.0.layers: GLB group conv1..pool1: needs ",
        ),
        ("groups: [{layers: [conv1, pool1], keep: {FC: both}}]", "F:1:19: groups.0.layers: group conv1..pool1: 'FC'"),
        (
            "resident: {pool1: {level: GLB, until: conv2_0a}}\ngroups: [{layers: [conv1, pool1], tile: {P: 1}}]",
            "F:1:12: resident.pool1: it would be written to 'DRAM' too, for later readers; what the group conv1..pool1",
        ),
        ("resident: {conv1: GLB}", "F:1:12: resident.conv1: while 'conv1' runs, tensors that stay take 12845056 bits"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(tmp_path: Path, text: str, line: str) -> None:
    lines = refused(tmp_path, text)
    assert any(line in one for one in lines), lines


def test_readers_are_listed_once(tmp_path: Path) -> None:
    (line,) = refused(tmp_path, "resident: {conv1: {level: GLB, until: FC}}")
    assert line.endswith("until: 'FC' does not read it (pool1)")


def test_of_a_plan_for_another_network_nothing_else_is_told(tmp_path: Path) -> None:
    lines = refused(tmp_path, "network: vgg16\nresident: {conv1_1: GLB, conv1_2: GLB}")
    assert lines == ["F:1:10: network: a plan for 'vgg16', and this network is 'resnet50'"]


def test_groups_of_layers_that_are_not_run_are_not_looked_at() -> None:
    plan = {"groups": [{"layers": ["conv1", "pool1"], "tile": {"P": 56}}]}
    assert simulate("eyeriss", "resnet50", layers="FC", evaluator="analytical", plan=plan).layers[0].name == "FC"


def test_a_plan_without_a_file_is_refused_too() -> None:
    network, machine = network_from("resnet50", 1), load_architecture("eyeriss")
    between = between_of(Plan({"conv9": Home("GLB")}), machine, network, {})
    assert between is not None
    with pytest.raises(AccelsimError, match=r"^plan: resident.conv9: network 'resnet50' has no layer 'conv9'"):
        refuse_wrong(between, None)


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        (
            {"resident": {"conv1": "GLB"}},
            "while 'conv1' runs, tensors that stay take 12845056 bits of 'GLB' (conv1 12845056), and it has 819200",
        ),
        (
            {"resident": {"conv1": "GLB"}, "groups": [{"layers": ["conv1", "pool1"], "tile": {"P": 2}}]},
            "it is inside the group conv1..pool1, whose tiles hold it",
        ),
        ({"groups": [{"layers": ["conv1", "conv2_0a"]}]}, "'pool1' runs between 'conv1' and 'conv2_0a'"),
        ({"groups": [{"layers": ["pool1", "conv2_0a"]}]}, "'pool1' is read by 'conv2_proj', which is not in the fused"),
        (
            {"groups": [{"layers": ["conv1", "pool1"], "tile": {"P": 56}}]},
            "a tile of P 2, Q 56 would fit",
        ),
        ({"groups": [{"layers": ["conv1", "pool1"], "keep": {"conv2_0a": "both"}}]}, "'conv2_0a' is no tensor of it"),
        (
            {"groups": [{"layers": ["conv1", "pool1"], "tile": {"P": 2}, "filters": {"pool1": "resident"}}]},
            "'pool1' has no filter",
        ),
        (
            {"groups": [{"layers": ["conv1", "pool1"], "tile": {"P": 2}, "filters": {"conv1": "resident"}}]},
            "'GLB' keeps no filter",
        ),
    ],
)
def test_what_does_not_fit_or_run_together(plan: dict[str, object], reason: str) -> None:
    with pytest.raises(AccelsimError) as caught:
        simulate("eyeriss", "resnet50", layers="conv1,pool1,conv2_0a", evaluator="analytical", plan=plan)
    assert reason in str(caught.value)


def test_a_plan_and_a_search_for_one() -> None:
    with pytest.raises(AccelsimError, match="a plan is given, so none is looked for"):
        simulate("eyeriss", "alexnet", between="best", plan={"resident": {"CONV1": "GLB"}})
    with pytest.raises(AccelsimError, match="between"):
        simulate("eyeriss", "alexnet", between="besst")


def test_a_view_stays_as_a_whole() -> None:
    """Of a concatenation one part on the chip, or all: one alone would be nowhere where the others are read."""
    part = {"op": "conv", "M": 4, "kernel": 1, "inputs": "input"}
    layers = {
        "a": part,
        "b": part,
        "both": {"op": "concat", "inputs": ["a", "b"]},
        "c": {"op": "conv", "M": 2, "kernel": 1},
    }
    network = Network.of("views", layers, (4, 6, 6))
    with pytest.raises(AccelsimError, match="'c' reads it as a part of 'both', with 'b', which is not on the chip"):
        simulate("eyeriss", network, evaluator="analytical", plan={"resident": {"a": "GLB"}})
    found = simulate("eyeriss", network, evaluator="analytical", plan={"resident": {"a": "GLB", "b": "GLB"}})
    assert found.layer("c").homes and not found.layer("c").counts.words[0, 0].any()


def test_a_plan_where_nothing_can_stay_and_one_by_another_account() -> None:
    group = {"groups": [{"layers": ["CONV1", "POOL1"], "tile": {"P": 1}}]}
    with pytest.raises(AccelsimError, match="nothing can stay on the chip of 'nvdla_full': 'CBUF' keeps no psum"):
        simulate("nvdla_full", "alexnet", layers="CONV1", evaluator="analytical", plan=group)
    with pytest.raises(AccelsimError, match="accounting 'isca16' does not know tensors that stay on the chip"):
        simulate(
            "eyeriss_isca16_rs", "alexnet", layers="CONV1", accounting="isca16", plan={"resident": {"CONV1": "GLB"}}
        )
