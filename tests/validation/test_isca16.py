"""Six dataflows of one area against a re-computation of the ISCA 2016 analysis, 256 PEs, CONV layers of AlexNet."""

from __future__ import annotations

import numpy as np
import pytest

import golden
from accelsim.architecture.yaml import load_architecture
from accelsim.engine import evaluate
from accelsim.errors import MappingError
from accelsim.mapping.mapping import LoopNest
from accelsim.reproduce import isca16
from accelsim.simulate import compare
from accelsim.workload.problem import Problem

pytestmark = pytest.mark.slow
FEASIBLE = [(kind, batch) for kind in isca16.KINDS for batch in isca16.BATCHES if (kind, batch) != ("ws", 64)]


def off(ours, theirs):
    return 100 * (ours / theirs - 1)


def pair(kind, batch):
    return isca16.point(kind, batch), isca16.reference()[kind, batch]


@pytest.mark.parametrize("batch", isca16.BATCHES)
def test_row_stationary(batch):
    ours, theirs = pair("rs", batch)
    # the file searched tilings that divide the layers; ours may leave an edge over, narrow a strip, and keep less in a
    # PE than it holds, so it may be better: 3 % in all, 8 % of the filters, which are read less often
    assert -3 <= off(ours.total, theirs.total) <= 0
    for name in isca16.TYPES:
        assert -8 <= off(ours.types[name], theirs.types[name]) <= 1, name
    for name in isca16.LEVELS:
        assert abs(ours.levels[name] - theirs.levels[name]) <= 0.03 * theirs.total, name


@pytest.mark.parametrize("kind", ["ws", "nlr"])
@pytest.mark.parametrize("batch", isca16.BATCHES)
def test_weight_stationary_and_no_local_reuse(kind, batch):
    if (kind, batch) in FEASIBLE:
        ours, theirs = pair(kind, batch)
        # 2 %: the same nests (WS to the last digit), other buffer tilings
        assert abs(off(ours.total, theirs.total)) <= 2


def test_weight_stationary_has_no_room_for_64_images():
    assert isca16.reference()["ws", 64] is None
    with pytest.raises(MappingError, match="GLB"):
        isca16.run("ws", 64)


@pytest.mark.parametrize("kind", ["osa", "osb", "osc"])
@pytest.mark.parametrize("batch", isca16.BATCHES)
def test_output_stationary(kind, batch):
    ours, theirs = pair(kind, batch)
    # within 10 % or below: the file's tilings of these machines are a part of ours
    assert off(ours.total, theirs.total) <= 10


@pytest.mark.parametrize("batch", isca16.BATCHES)
def test_row_stationary_is_the_best(batch):
    found = {kind: isca16.point(kind, batch).total for kind, n in FEASIBLE if n == batch}
    assert min(found, key=found.__getitem__) == "rs"


def test_the_papers_order_without_any_option():
    """Counts times the table alone, a hop for each delivery: RS least, the others 1.3 to 2.6 times above it."""
    compared = compare("eyeriss_isca16", "alexnet", batch=16, layers="CONV*", evaluator="analytical")
    found = {
        label[-3:].strip("_"): result.total.energy / result.total.macs for label, result in compared.results.items()
    }
    least = found.pop("rs")
    others = {kind: energy / least for kind, energy in found.items()}
    assert set(others) == set(isca16.KINDS) - {"rs"}
    assert 1.3 <= min(others.values()) <= max(others.values()) <= 2.6


@pytest.mark.parametrize(("kind", "batch"), FEASIBLE)
def test_levels_and_types_add_up(kind, batch):
    ours, theirs = pair(kind, batch)
    for found in (ours, theirs):
        # 1e-4: five printed decimals
        assert sum(found.levels.values()) == pytest.approx(found.total, abs=1e-4)
        assert 1 + sum(found.types.values()) == pytest.approx(found.total, abs=1e-4)


@pytest.mark.parametrize(
    "text",
    [
        "DRAM: M2 C3 | WINDOW: N2 P4 Q3 x M2 R3 S2",
        "DRAM: M2 C2 | WINDOW: N2 P4 Q3 x M2 R3 C2 S2",
        "DRAM: C3 M2 | GLB: N2 | WINDOW: P4 Q3 x M2 R3 S2",
    ],
)
def test_filter_rows_joined_through_the_buffer_equal_the_golden_model(text):
    """Weight-stationary leaves psums unadded across the array and hands them on, past WINDOW, to the buffer."""
    machine, nest = load_architecture("eyeriss_isca16_ws"), LoopNest.parse(text)
    problem = Problem.of({"N": 2, "M": 4, "C": 3, "P": 4, "Q": 3, "R": 3, "S": 2})
    told = golden.run(machine, nest, problem)
    for evaluator in ("cycle", "analytical"):
        counts, _ = evaluate(machine, nest, problem, evaluator)
        assert np.array_equal(counts.words, told.words)
        assert np.array_equal(counts.network, told.network)
