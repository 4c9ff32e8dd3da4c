"""What the pictures of docs/rtl.md show is what the evaluator says."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from accelsim.architecture.yaml import load_architecture
from accelsim.engine import evaluate
from accelsim.mapping.mapping import LoopNest, check
from accelsim.reproduce import nvdla_networks, pictures
from accelsim.reproduce.activities import COMPUTE, activities
from accelsim.workload.problem import Problem, Tensor


def scene(name):
    """A machine, its mapping, its layer, and what happens when."""
    shown = pictures.SCENES[name]
    machine, nest = load_architecture(name, dict(shown.parameters)), LoopNest.parse(shown.nest)
    problem = machine.lower(shown.problem)
    check(machine, nest, problem)
    return machine, evaluate(machine, nest, problem)[1], activities(machine, nest, problem)


@pytest.mark.parametrize("name", pictures.SCENES)
def test_activities_add_up_to_the_time(name):
    machine, timing, found = scene(name)
    macs = [each for each in found if each.lane == COMPUTE]
    assert sum(each.end - each.begin - each.waits for each in macs) == timing.compute
    assert all(one.end <= other.begin for one, other in pairwise(macs))
    # what comes after the last word is latency, what follows the layer `after`
    assert timing.cycles - 40 <= max(each.end for each in found) <= timing.cycles
    assert machine.after + max(each.end for each in found) <= timing.cycles


@pytest.mark.parametrize("name", ["ne16", "redmule"])
def test_one_port_serves_one_at_a_time(name):
    # pixels, weights and sums share a port, in both directions
    _, _, found = scene(name)
    moved = [each for each in found if each.lane != COMPUTE]
    assert all(one.end <= other.begin for one, other in pairwise(moved))


def test_weights_follow_the_wave():
    machine, _, found = scene("opentpu")
    weights = [each for each in found if each.tensor is Tensor.FILTER]
    macs = [each for each in found if each.lane == COMPUTE][::40]
    # the next tile's weights start `wave` cycles after the first cycle of a tile's MACs
    assert [each.begin for each in weights[1:]] == [each.begin + 1 + machine.wave for each in macs[:-1]]


@pytest.mark.parametrize(("machine", "lanes", "columns"), [("nv_small", 8, 8), ("nv_large", 64, 32)])
def test_macs_of_whole_networks(machine, lanes, columns):
    # by hand: a cycle for each output, tap, block of channels and of kernels; runs are no shorter than their least
    for spent in nvdla_networks.network(machine, "resnet50"):
        _, g, m, c, p, q, r, s = spent.layer.problem.sizes
        blocks = r * -(-4 * s // lanes) if c == 3 else r * s * -(-c // lanes)
        if p * q >= columns and c != 3:
            assert spent.cycles[0] == spent.layer.repeat * g * -(-m // columns) * blocks * p * q, spent.layer.name
        assert min(spent.cycles) >= 0 and spent.hardware_layers >= g


def test_strips_have_all_rows():
    problem = Problem.of({"P": 9, "Q": 4, "R": 3, "S": 3}, stride=(2, 1), pad=(1, 1), height=17, width=4)
    for count in range(1, 10):
        found = list(nvdla_networks.strips(problem, count))
        assert sum(strip["P"] for strip in found) == 9
        assert sum(strip.macs for strip in found) == problem.macs
        assert sum(strip.macs_over_plane for strip in found) == problem.macs_over_plane


def test_pictures_are_drawn_and_shown(tmp_path):
    names = [path.name for path in pictures.plot(tmp_path)]
    page = (Path(__file__).parents[2] / "docs" / "rtl.md").read_text(encoding="utf-8")
    for name in names:
        assert (tmp_path / name).stat().st_size > 1000
        assert (Path(__file__).parents[2] / pictures.FOLDER / name).exists() and f"(figures/{name})" in page
