"""Steps of the arrays: beside the unrollings that the search looks at, and counted by hand."""

from __future__ import annotations

from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.architecture.yaml import load_architecture
from accelsim.codesign.predict import draw
from accelsim.codesign.predict.folds import arrays_from, arrays_of
from accelsim.codesign.predict.kinds import FEATURES, describe
from accelsim.codesign.predict.tiles import NUMBERS, filled, points
from accelsim.mapping.dataflows.dataflow import load
from accelsim.search.space import Space
from accelsim.search.unrolling import Unrollings
from accelsim.workload.problem import DIMS, Problem
from accelsim.yamlfile import builtin

EXACT = ("tpu_v1", "nvdla_full")


def fewest(machine, problem):
    """Steps of the unrolling that takes the fewest, of all that the search knows."""
    unrollings = Unrollings(Space(machine, problem, load(machine.dataflow)))
    return min(prod(-(-problem[dim] // (inner[dim].y * inner[dim].x)) for dim in DIMS) for inner in unrollings.arrays())


@pytest.mark.parametrize("name", EXACT)
@settings(max_examples=60, deadline=None)
@given(st.sampled_from([*FEATURES]), st.integers(0, 10_000))
def test_steps_are_those_of_the_searchs_widest_unrolling(name, kind, seed):
    machine, problem = load_architecture(name), next(draw.layers(kind, 1, seed))
    assert arrays_of(machine, load(machine.dataflow)).steps(problem.sizes) == fewest(machine, problem)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([*FEATURES]), st.integers(0, 10_000))
def test_where_dims_share_a_side_steps_are_no_fewer_than_the_searchs(kind, seed):
    machine, problem = load_architecture("eyeriss"), next(draw.layers(kind, 1, seed))
    steps = arrays_of(machine, load(machine.dataflow)).steps(problem.sizes)
    assert fewest(machine, problem) <= steps <= problem.macs


@pytest.mark.parametrize("name", sorted(builtin("arch")))
@settings(max_examples=10, deadline=None)
@given(st.sampled_from([*FEATURES]), st.integers(0, 10_000))
def test_no_step_holds_more_than_there_is_room_for(name, kind, seed):
    machine, layer = load_architecture(name), describe(next(draw.layers(kind, 1, seed)))
    arrays = arrays_of(machine, load(machine.dataflow) if machine.dataflow else None)
    assert arrays.places == machine.macs_at_once
    assert 0 < filled(layer, arrays) <= 1
    assert arrays_from(arrays.to_dict()) == arrays
    assert points([layer], arrays).shape == (1, len(NUMBERS))


def test_a_layer_that_is_lowered_is_counted_as_it_runs():
    machine = load_architecture("systolic_ws").with_(lowering="im2col")
    arrays = arrays_of(machine, load(machine.dataflow))
    rows, columns = arrays.arrays[0].rows, arrays.arrays[0].columns
    for problem in draw.layers("convolution", 20, 0):
        n, _, m, c, p, q, r, s = problem.sizes
        assert arrays.steps(problem.sizes) == -(-c * r * s // rows) * -(-m // columns) * n * p * q


def test_by_hand():
    tpu, flow = load_architecture("tpu_v1"), load("weight_stationary_direct")
    arrays = arrays_of(tpu, flow)
    assert arrays.steps((1, 1, 256, 256, 7, 7, 3, 3)) == 7 * 7 * 9
    assert arrays.steps((1, 1, 257, 256, 7, 7, 3, 3)) == 2 * 7 * 7 * 9  # one output channel more is a fold more
    assert arrays.steps((1, 1, 64, 3, 7, 7, 7, 7)) == 7 * 7  # an image's window lies beside its channels
    assert arrays.steps((1, 32, 1, 1, 7, 7, 3, 3)) == 32 * 7 * 7 * 9  # depthwise: one multiplier at work
    assert filled(describe(Problem((1, 1, 128, 256, 7, 7, 3, 3))), arrays) == 0.5
