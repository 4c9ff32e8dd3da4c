"""Which places of an array hold work: those of active PEs, where the nest puts them."""

from __future__ import annotations

from math import prod

import pytest
from hypothesis import given, settings

import fakes
from accelsim.engine.program import active_pes
from accelsim.mapping.mapping import LoopNest
from accelsim.report.arrays import placed, uses
from accelsim.simulate import simulate
from accelsim.workload.problem import Problem
from strategies import Case, cases


@settings(max_examples=150, deadline=None)
@given(cases())
def test_places_that_hold_work_are_the_active_pes(drawn: Case):
    architecture, nest, problem, *_ = drawn
    masks = placed(architecture, nest, problem)
    active = active_pes(architecture, nest, problem)
    spatial = [
        {loop.dim for kind, loop in level.loops if kind != "temporal" and loop.factor > 1} for _, level in nest.levels
    ]
    several = sum(len(dims) for dims in spatial) > len(set().union(*spatial))
    product = prod(int(mask.sum()) for mask in masks.values())
    # a dim over two arrays is cut in both: then places of each are those that any of the other's make full
    assert product >= active if several else product == active
    assert all(mask[0, 0] for mask in masks.values())


def test_rows_and_columns_are_where_the_nest_puts_them():
    toy = fakes.machine()
    problem = Problem((1, 1, 3, 2, 5, 1, 1, 1))
    masks = placed(toy, LoopNest.parse("GLB: P5 y M2 C2 x M2"), problem)
    # M0 M2 on y are steps of 2, on x of 1: channel 3 is none
    assert masks["GLB"].astype(int).tolist() == [[1, 1], [1, 1], [1, 0], [1, 0]]


def test_use_is_weighted_by_cycles_with_macs():
    result = simulate("eyeriss", "alexnet", mapping="eyeriss_alexnet_jssc17", layers="CONV*", batch=4)
    (use,) = uses(result)
    assert use.level == "FILTER_BANK" and use.share.shape == (12, 14)
    spent = sum(layer.compute_cycles * layer.repeat for layer in result.layers)
    assert use.share.sum() * spent == pytest.approx(sum(one.active_pes * one.compute_cycles for one in result.layers))
    assert use.share.sum() == pytest.approx(result.total.active_pes)


def test_pes_that_map_by_themselves_have_no_map():
    result = simulate("scnn", "alexnet", layers="CONV5")
    assert uses(result) == []
