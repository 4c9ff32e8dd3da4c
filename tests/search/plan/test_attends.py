"""Attentions as steps of a plan: masks and what they hide are found, and cost what a run says."""

from __future__ import annotations

import pytest

from accelsim.energy.load import table_for
from accelsim.mapping.dataflows import load
from accelsim.search.plan.best import find_plan
from accelsim.search.plan.costs import Wanted
from accelsim.search.proof import NONE
from accelsim.simulate import simulate
from accelsim.workload.network import Network
from test_attending import LAYERS, machine

ORDER = ("q", "k", "v", "qk", "mask", "soft", "av", "out")


def network(causal: bool) -> Network:
    layers = {**LAYERS, "mask": {"op": "elementwise", "inputs": "qk", "causal": causal}}
    layers["soft"] = {"op": "softmax", "inputs": "mask"}
    return Network.of("n", {name: layers[name] for name in ORDER}, {"C": 8, "W": 200})


def test_a_causal_attention_costs_less() -> None:
    """Two heads of keys and values, two of queries on each; 200 tokens in a buffer of 2 KiB."""
    square = machine()
    wanted = Wanted(square, table_for(square), "GLB", load(square.dataflow), square.dataflow, "words", NONE)
    costs = {}
    for causal in (False, True):
        found = find_plan(wanted, network(causal), lambda _: square, "fused")
        (group,) = [one for one in found.plan.groups if one.attention]
        assert group.layers == ("qk", "mask", "soft", "av")
        result = simulate(square, network(causal), evaluator="analytical", plan=found.plan)
        energy = float(result.total.energy_exact + result.vector.energy_exact)
        assert energy == pytest.approx(found.cost.energy, rel=1e-9)
        costs[causal] = found.cost.words
    assert costs[True] < costs[False]
