"""Layers without MACs: prices that are fitted, beside what a run of them gives."""

from __future__ import annotations

import numpy as np
import pytest

import accelsim
from accelsim.codesign.predict.measure import synthetic
from accelsim.codesign.predict.pooling import NUMBERS, Pooling, drawn, fit_pooling, numbers_of
from accelsim.simulate import prepare
from accelsim.workload.network import VIEWS
from accelsim.workload.problem import Problem
from accelsim.workload.yaml import load_network


def fitted(machine, **options):
    plan = prepare(machine, synthetic([Problem((1,) * 8)]), data="dense", **options)
    return fit_pooling(plan, 200, 0, 0.15)


@pytest.mark.parametrize("machine", ["eyeriss", "nvdla_full", "gemmini16"])
@pytest.mark.parametrize("network", ["googlenet", "bert_base"])
def test_what_they_take_is_what_a_run_gives(machine, network):
    model, whole = fitted(machine), load_network(network)
    names = [layer.name for layer in whole.layers if not layer.problem and layer.op not in VIEWS]
    result = accelsim.simulate(machine, network, layers=names)
    ran = {layer.name: layer for layer in result.vector_layers}
    layers, numbers = numbers_of(whole, [layer for layer in whole.layers if layer.name in ran])
    assert len(layers) == len(ran) > 0
    for layer, row in zip(layers, numbers, strict=True):
        own = ran[layer.name]
        assert tuple(row) == (own.reads, own.writes, own.vector_ops)
    ms, energy = model.costs(numbers)
    assert ms == pytest.approx([result.milliseconds(ran[layer.name].cycles) for layer in layers], rel=0.02)
    assert energy == pytest.approx([ran[layer.name].energy for layer in layers], rel=1e-6)
    assert max(model.errors.values()) < 0.01


def test_where_they_take_no_time():
    model = fitted("tpu_v1")
    assert model.runtime is None and (model.costs(np.ones((2, 3)))[0] == 0).all()
    timed = fitted("tpu_v1", parameters={"host": "20 words"})
    assert timed.runtime is not None and timed.errors["runtime"] < 0.01


def test_it_is_read_as_it_was_written():
    model = fitted("eyeriss")
    again = Pooling.of(model.to_dict())
    assert again.to_dict() == model.to_dict() and again.ranges == model.ranges
    assert drawn(20, 5) == drawn(20, 5) != drawn(20, 6)
    assert set(model.ranges) == set(NUMBERS)
