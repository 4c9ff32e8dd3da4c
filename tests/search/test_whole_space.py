"""The best of the space that is claimed: no mapping that was written down, and no smaller machine's, beats it."""

from __future__ import annotations

from pathlib import Path

import pytest

from accelsim.architecture.yaml import load_architecture
from accelsim.energy.account import account
from accelsim.energy.load import table_for
from accelsim.engine import evaluate
from accelsim.engine.kernels import search as kernels
from accelsim.errors import MappingError
from accelsim.mapping.dataflows import NAMES, load
from accelsim.mapping.mapping import LoopNest
from accelsim.mapping.yaml import load_mappings
from accelsim.search import best, find
from accelsim.search.best import _walk
from accelsim.search.membership import why_not
from accelsim.search.space import Space
from accelsim.workload.lowering import lowered
from accelsim.workload.problem import Problem
from accelsim.workload.yaml import load_network

MACHINES = Path(__file__).parent / "machines"


def layer(network, name, batch=1):
    return next(layer.problem for layer in load_network(network, batch).layers if layer.name == name)


def figures(machine, nest, problem):
    """Energy and the bound of cycles, as anybody gets them from a mapping that is given."""
    counts, timing = evaluate(machine, nest, problem, "analytical")
    rows = account(machine, counts, table_for(machine, None), timing.cycles, machine.dataflow)
    return {"energy": float(sum(row.energy for row in rows)), "cycles": timing.cycles}


# a mapping of the same dataflow that somebody wrote down
GIVEN = {
    "part of the PE": (
        "eyeriss", "alexnet", "CONV1", 4, "energy",
        "DRAM: N4 P4 M10 | GLB: C3 | FILTER_BANK: Q55 y R11 x P14 | RF: S11 M10",
    ),
    "paper": (
        "eyeriss", "alexnet", "CONV1", 4, "cycles",
        "DRAM: N4 P8 C3 | GLB: M3 | FILTER_BANK: Q55 y R11 x M2 P7 | RF: S11 M16",
    ),
    "thinned": (
        "eyeriss_isca16_rs", "alexnet_two_tower", "FC6", 16, "energy",
        "DRAM: M5 C154 | GLB: N16 y M5 C3 x M15 | RF: C20 M11",
    ),
    "cut runs": (
        MACHINES / "mine.yaml", "vgg16", "CONV1-2", 1, "energy",
        "DRAM: P8 Q8 C32 | GLB: M32 P28 Q28 y C2 R3 x M2 S3",
    ),
    "cut folds": (
        "systolic_os", "vgg16", "CONV5-1", 1, "energy", "DRAM: C32 | SRAM: M16 Q7 C144 y Q32 x M32",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", GIVEN)
def test_no_mapping_that_was_written_down_is_better(case):
    machine, network, name, batch, objective, text = GIVEN[case]
    machine = load_architecture(machine)
    problem = lowered(layer(network, name, batch), machine.lowering)
    found = find(machine, problem, machine.dataflow, objective)
    nest = LoopNest.parse(text)
    assert why_not(Space(machine, problem, load(machine.dataflow)), nest) == ""
    ours, given = (figures(machine, one, problem)[objective] for one in (found.nest, nest))
    assert ours <= given * (1 + 1e-12)
    assert found.cut == () or name == "FC6"
    assert found.bound == pytest.approx(ours, rel=1e-12)


SIZES = ["256 B", "512 B", "1 KiB", "1536 B", "2 KiB", "4 KiB", "16 KiB", "64 KiB"]
WORDS = ["96 words", "128 words", "160 words", "224 words", "300 words", "448 words"]


@pytest.mark.parametrize("objective", ["energy", "cycles"])
@pytest.mark.parametrize(
    ("machine", "network", "parameter", "sizes"),
    [("sweep.yaml", "small.yaml", "glb", SIZES), ("rf.yaml", "conv1.yaml", "rf", WORDS)],
)
def test_a_larger_buffer_is_never_worse(machine, network, parameter, sizes, objective):
    problem = layer(MACHINES / network, "a")
    scores = []
    for size in sizes:
        sized = load_architecture(MACHINES / machine, {parameter: size})
        walk = _walk(Space(sized, problem, load(sized.dataflow)), objective, table_for(sized, None), 1)
        assert not walk.left
        scores.append(walk.best[0].score)
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    ("machine", "network", "settings", "most"),
    [
        ("sweep.yaml", "small.yaml", {"glb": "512 B"}, 32_059_828),
        ("sweep.yaml", "small.yaml", {"glb": "1 KiB"}, 32_059_828),
        ("rf.yaml", "conv1.yaml", {"rf": "128 words"}, 884_455_176),
        ("rf.yaml", "conv1.yaml", {"rf": "224 words"}, 884_455_176),
    ],
)
def test_figures_that_a_given_mapping_had(machine, network, settings, most):
    sized = load_architecture(MACHINES / machine, settings)
    assert find(sized, layer(MACHINES / network, "a"), sized.dataflow).bound <= most


PUBLISHED = [("eyeriss", "alexnet", 4, "eyeriss_alexnet_jssc17")]
PUBLISHED += [("eyeriss_isca16_rs", "alexnet_two_tower", 16, "nn_dataflow_alexnet_b16")]


@pytest.mark.parametrize(("machine", "network", "batch", "mapping"), PUBLISHED)
def test_shipped_mappings_of_a_dataflow_are_in_its_space(machine, network, batch, mapping):
    """Those of Eyeriss v2 (docs/eyeriss_v2.md) are of a space of their own, of no dataflow here."""
    machine = load_architecture(machine)
    reasons = {}
    for name, nest in load_mappings(mapping).items():
        space = Space(machine, layer(network, name, batch), load("row_stationary"))
        if reason := why_not(space, nest):
            reasons[name] = reason
    assert reasons == {}


@pytest.mark.parametrize("objective", ["energy", "cycles", "edp"])
@pytest.mark.parametrize("flow", ["row_stationary", "weight_stationary", "output_stationary_shift", "no_local_reuse"])
def test_what_is_found_is_in_the_space(flow, objective):
    machine = load_architecture("eyeriss")
    problem = Problem.of({"N": 2, "M": 24, "C": 12, "P": 13, "Q": 13, "R": 3, "S": 3})
    assert why_not(Space(machine, problem, load(flow)), best(machine, problem, flow, objective)) == ""


def test_why_a_mapping_is_not_in_the_space():
    machine, problem = load_architecture("eyeriss"), layer("alexnet", "CONV1", 4)
    space = Space(machine, problem, load("row_stationary"))
    inside = "FILTER_BANK: Q55 y R11 x M2 P7"
    for text, reason in {
        f"DRAM: N4 P8 C3 | GLB: M3 | {inside} | RF: M16 S11": "RF: M S is not the dataflow's order",
        f"DRAM: N4 P8 C3 | GLB: M3 M2 | {inside} | RF: S11 M8": "GLB: M has 2 temporal loops",
        "DRAM: N4 C3 | GLB: M6 P4 | FILTER_BANK: Q28 y R11 x Q2 P7 | RF: S11 M16": "Q has a loop at FILTER_BANK, x",
        "DRAM: N4 P55 C3 | GLB: M6 | FILTER_BANK: Q55 y R11 | RF: S11 M16": "no such unrolling of the arrays",
    }.items():
        assert why_not(space, LoopNest.parse(text)) == reason


# ---- what no network adds up -----------------------------------------------------------------------------------------


def test_a_network_that_adds_nothing_has_channels_one_after_another():
    machine = load_architecture(MACHINES / "unicast.yaml")
    problem = layer(MACHINES / "pw.yaml", "a")
    nest = best(machine, problem, "weight_stationary")
    counts, timing = evaluate(machine, nest, problem)
    rows = account(machine, counts, table_for(machine, None), timing.cycles, "weight_stationary")
    assert float(sum(row.energy for row in rows)) <= 233_651.3
    assert timing.cycles <= 886
    assert [str(loop) for loop in nest.level("GLB").x] == ["M8"]


@pytest.mark.parametrize("flow", NAMES)
@pytest.mark.parametrize("name", ["dcnn", "shidiannao", "eie", "nvdla_full"])
def test_a_foreign_dataflow_runs_or_says_what_the_user_chose(name, flow):
    machine = load_architecture(name)
    for problem in (layer(MACHINES / "pw.yaml", "a"), Problem.of({"M": 4, "C": 3, "P": 4, "Q": 4, "R": 11, "S": 11})):
        reason = ""
        try:
            best(machine, problem, flow)
        except MappingError as error:
            reason = str(error)
        assert "psum network" not in reason


# ---- what cycles cost ------------------------------------------------------------------------------------------------


def test_the_best_few_are_simulated_where_cycles_count():
    machine = load_architecture("eyeriss")
    problem = Problem.of({"M": 16, "C": 8, "P": 13, "Q": 13, "R": 3, "S": 3})
    found = find(machine, problem, machine.dataflow, "cycles", evaluator="cycle")
    energy, bound = (find(machine, problem, machine.dataflow, goal).nest for goal in ("energy", "cycles"))
    mine, *others = (evaluate(machine, nest, problem)[1].cycles for nest in (found.nest, energy, bound))
    assert mine <= min(others)
    assert found.simulated >= 1
    assert found.bound <= mine


def test_a_search_says_of_what_it_is_the_best():
    machine = load_architecture("eyeriss")
    found = find(machine, layer("alexnet", "CONV3"), machine.dataflow).scored(1.5, 7)
    assert found.score == 1.5
    assert found.describe().startswith(f"best of {found.splits:,} splits in every order, nothing cut; energy by ")
    document = found.to_dict()
    assert list(document) == ["objective", "space", "splits", "looked_at", "cut", "bound", "score", "simulated"]
    assert document["space"].startswith("row_stationary, unrollings of at least 25% of the PEs of the widest")


def test_the_same_bytes_with_one_thread_and_many(monkeypatch):
    from accelsim.engine import pool

    machine, problem = load_architecture("eyeriss"), layer("alexnet", "CONV3", 4)
    found = []
    for threads in (1, 3):
        pool._pool.cache_clear()
        monkeypatch.setattr(pool, "threads", lambda threads=threads: threads)
        found.append(find(machine, problem, machine.dataflow, "edp"))
    pool._pool.cache_clear()
    assert found[0] == found[1]
    assert not any(kernel.targetoptions.get("parallel") for kernel in (kernels.option_tables, kernels.pair_tables))
