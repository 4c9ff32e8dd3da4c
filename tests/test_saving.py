"""What a plan saves by tensor: rows are the tensors' own words, and add up to what the totals differ by."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest
from typer.testing import CliRunner

from accelsim.cli import app
from accelsim.engine.fused.filters import fetched
from accelsim.engine.fused.layers import group_of
from accelsim.engine.fused.storage import Tiling, measure
from accelsim.errors import AccelsimError, SpecError
from accelsim.outcome import Outcome
from accelsim.report import terminal
from accelsim.report.files import document_text
from accelsim.report.html import page
from accelsim.result import Result
from accelsim.simulate import rerun, simulate
from accelsim.workload.network import Network
from plans import draw_network
from report.test_timeline_groups import LAYERS, machine

PLAN = {
    "resident": {"l1": "GLB", "sum": {"level": "GLB", "until": "l3"}},
    "groups": [{"layers": ["l3", "l4"], "tile": {"P": 3}, "filters": {"l3": "resident"}}],
}
NET = {
    "l0": {"op": "conv", "M": 4, "kernel": 3, "pad": 1},
    "l1": {"op": "conv", "M": 4, "kernel": 1},
    "sum": {"op": "add", "inputs": ["l1", "l0"]},
    "l3": {"op": "conv", "M": 2, "kernel": 3, "pad": 1},
    "l4": {"op": "conv", "M": 3, "kernel": 1},
    "cat": {"op": "concat", "inputs": ["l4", "sum"]},
    "l5": {"op": "conv", "M": 2, "kernel": 1},
}


def outside(result: Outcome) -> int:
    """Words of the outermost level of all a run does."""
    words = sum(int(one.counts.words[0].sum()) * one.repeat for one in result.multiplied)
    return words + result.vector.reads + result.vector.writes


def run(plan, network=None, **more) -> Result:
    network = network or Network.of("n", NET, (2, 7, 7), batch=2)
    more = {"evaluator": "analytical", "saved": True, **more}
    return simulate(machine("single", "64 KiB"), network, plan=plan, **more)


def test_each_tensor_has_its_own_words() -> None:
    """By hand: 2 images of 4 × 7 × 7 words; what stays moves no more, what is read late is written once."""
    found = {row.tensor: row for row in run(PLAN).saved}
    plane = 2 * 4 * 49
    assert (found["l1"].lives, found["l1"].without, found["l1"].planned) == ("GLB", 2 * plane, 0)
    late = found["sum"]
    assert (late.lives, late.without, late.planned) == ("GLB until l3", 2 * plane, plane)
    assert (found["l3"].lives, found["l3"].planned) == ("l3..l4", 0)
    # two layers read l4 and the sum as a concatenation, which has its own row
    assert found["cat"].words == 0 and found["cat"].without == 2 * 7 * 49
    group = group_of(Network.of("n", NET, (2, 7, 7), batch=2), ["l3", "l4"])
    counted = measure(group, Tiling((3, 7)))
    filters = sum(fetched(counted, op, op.name == "l3") for op in group.ops)
    assert found["filters of l3..l4"].planned == filters
    assert "filters of l3" not in found and found["filters of l0"].words == 0


def test_rows_add_up_to_the_difference() -> None:
    """Of drawn networks and plans, and both evaluators; every row of the run without is that of a run without."""
    ran = 0
    for seed in range(40):
        random = Random(seed)
        try:
            network = draw_network(random, 6)
        except SpecError:
            continue
        names = [layer.name for layer in network.layers]
        readers = {name for layer in network.layers for name in layer.inputs}
        first = random.randrange(len(names) - 1)
        inside = names[first : first + random.randint(2, 3)]
        stays = {name: "GLB" for name in names if name in readers - set(inside[:-1]) and random.random() < 0.5}
        plan = {"resident": stays, "groups": [{"layers": inside, "tile": {"P": 2}}]}
        evaluator = random.choice(("analytical", "cycle"))
        try:
            found = run(plan, network, evaluator=evaluator)
        except AccelsimError:
            continue
        alone = simulate(machine("single", "64 KiB"), network, evaluator=evaluator)
        assert sum(row.without for row in found.saved) == outside(alone)
        assert sum(row.planned for row in found.saved) == outside(found)
        assert all(min(row.without, row.planned) >= 0 for row in found.saved)
        ran += 1
    assert ran > 15


@pytest.mark.parametrize("outside_", ["", "rows", "columns"])
def test_attentions_are_told_by_queries_keys_and_values(outside_: str) -> None:
    network = Network.of("n", LAYERS, {"C": 8, "W": 12})
    tile = {"rows": 8, **({"columns": 4} if outside_ else {})}
    group = {"layers": ["qk", "soft", "av"], "tile": tile, **({"outside": outside_} if outside_ else {})}
    found = run({"groups": [group], "resident": {"k": "GLB"}}, network)
    rows = {row.tensor: row for row in found.saved}
    assert sum(row.planned for row in found.saved) == outside(found)
    # scores and what softmax makes of them see the outermost level no more; nor do keys, which stay
    assert [rows[name].planned for name in ("qk", "soft", "k")] == [0, 0, 0]
    assert rows["filters of qk..av"].planned == 0 if "filters of qk..av" in rows else True
    assert rows["v"].planned >= 8 * 12


@pytest.mark.parametrize("attention", [True, False])
def test_keys_and_values_that_pass_home_by_are_theirs(attention: bool) -> None:
    """The buffer of eyeriss keeps no filters: passes fetch keys and values themselves, again for each tile of rows."""
    heads = {"groups": 4, "kv_groups": 2}
    layers = {
        "q": {"op": "matmul", "M": 16},
        "k": {"op": "matmul", "M": 8, "inputs": "input"},
        "v": {"op": "matmul", "M": 8, "inputs": "input"},
        "qk": {"op": "matmul", "inputs": ["q", "k"], **heads},
        "softmax": {"op": "softmax"},
        "av": {"op": "matmul", "inputs": ["softmax", "v"], "over": "positions", **heads},
        "out": {"op": "matmul", "M": 16},
    }
    names, tile = ["qk", "softmax", "av"], {"rows": 14, "columns": 24}
    if not attention:
        # a tile of 7 positions has 14 rows of scores for each head of keys, too
        names, tile = [*names, "out"], {"Q": 7}
    plan = {"groups": [{"layers": names, "tile": tile, **({"outside": "rows"} if attention else {})}]}
    network = Network.of("n", layers, (16, 1, 24))
    result = simulate("eyeriss", network, plan=plan, evaluator="analytical", saved=True)
    found, words = {row.tensor: row for row in result.saved}, 8 * 24
    for name in ("k", "v"):
        assert (found[name].without, found[name].planned) == (2 * words, words + 4 * words)
    weights = found.get("filters of qk..out")
    assert attention or (weights is not None and (weights.without, weights.planned) == (256, 4 * 256))
    assert sum(row.planned for row in result.saved) == outside(result)


def test_of_some_layers_groups_are_whole() -> None:
    """A group runs whole where any of its layers is chosen: so do its layers alone."""
    found = run(PLAN, layers="l4")
    assert {row.tensor for row in found.saved} >= {"l3", "l4", "filters of l3..l4"}
    assert found.ran.layers == "l4"


def test_it_is_told_everywhere_and_read_again(tmp_path: Path) -> None:
    found = run(PLAN)
    text = document_text(found)
    rows = json.loads(text)["saved"]
    assert rows[0].keys() == {"tensor", "lives", "without", "planned", "saved"}
    assert sum(row["saved"] for row in rows) == sum(row.words for row in found.saved)
    (tmp_path / "result.json").write_text(text)
    again = Result.load(tmp_path / "result.json")
    assert document_text(again) == text
    assert document_text(rerun(again)) == text
    (grid,) = [one for one in terminal.report(found) if not isinstance(one, str) and one.title.endswith("and with it")]
    assert grid.rows[-1][0] == "total" and "l1" in [row[0] for row in grid.rows]
    shown = page({"": found})
    assert "Words of DRAM that the plan saves, by tensor" in shown and "The plan over the network" in shown
    alone = run(None, saved=False)
    assert "saved" not in json.loads(document_text(alone)) and "The plan over" not in page({"": alone})


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AccelsimError, match="nothing is saved: this run has no plan"):
        run(None)
    done = CliRunner().invoke(app, ["run", "eyeriss", "alexnet", "--layers", "CONV5", "--saved"])
    assert done.exit_code == 2 and done.stderr.count("\n") == 1
    assert "this run has no plan" in done.stderr
    file = tmp_path / "plan.yaml"
    file.write_text("network: alexnet\nresident: {CONV3: GLB}\n")
    words = ["run", "eyeriss_isca16_rs", "alexnet", "--layers", "CONV3,CONV4", "--plan", str(file)]
    words += ["--evaluator", "analytical", "--set", "levels.GLB.capacity=512KiB"]
    done = CliRunner().invoke(app, [*words, "--saved"])
    assert done.exit_code == 0, done.stderr
    assert "words of DRAM, without the plan and with it" in done.stdout
    assert "without the plan and with it" not in CliRunner().invoke(app, words).stdout
