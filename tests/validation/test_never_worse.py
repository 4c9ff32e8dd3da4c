"""The optimum is no worse than what shipped dataflows, nn-dataflow and ZigZag have, at the same costs."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from accelsim.architecture.model import Partition
from accelsim.architecture.yaml import load_architecture
from accelsim.energy.account import account
from accelsim.energy.curve import Curve
from accelsim.energy.load import table_for
from accelsim.energy.table import Component, EnergyTable
from accelsim.engine import evaluate
from accelsim.errors import AccelsimError
from accelsim.mapping.dataflows import NAMES
from accelsim.networks import network_from
from accelsim.reproduce import nn_dataflow, zigzag
from accelsim.search import find
from accelsim.search.optimum.optimum import optimum
from accelsim.workload.problem import Tensor

REAL = [
    ("alexnet", "CONV1"), ("alexnet", "CONV5"), ("alexnet", "FC8"), ("resnet50", "conv5_0c"), ("mobilenet_v1", "pw13"),
    ("bert_base", "l0_ff1"),
]  # fmt: skip
# zigzag-dse 3.9.1, its r_cost and w_cost (pJ of an access as wide as the port) and unit_energy of each case; P01 has
# arrays between its memories, and P08 three memories above the array, which take minutes
COSTS = {
    "P02": ({"o_rf": (0.2, 0.2), "glb": (6.0, 6.5), "dram": (100.0, 100.0)}, 0.5),
    "P03": ({"i_rf": (0.1, 0.1), "glb": (10.0, 11.0), "dram": (640.0, 640.0)}, 0.5),
    "P04": ({"i_rf": (1, 1), "w_rf": (1, 1), "o_rf": (1, 1), "glb": (6, 6), "dram": (200, 200)}, 1.0),
    "P05": ({"o_rf": (0.2, 0.2), "glb": (6.0, 6.5), "dram": (100.0, 100.0)}, 0.5),
    "P06": ({"o_rf": (0.2, 0.2), "glb": (6.0, 6.5), "dram": (100.0, 100.0)}, 0.5),
    "P07": (
        {"rf_128B": (0.095, 0.095), "rf_2B": (0.021, 0.021), "sram_2MB": (416.16, 378.4), "dram": (700, 750)}, 0.04,
    ),
    "P09": ({"o_rf": (0.2, 0.2), "glb": (6.0, 6.5), "dram": (100.0, 100.0)}, 0.5),
}  # fmt: skip


def energy_of(machine, table, nest, problem):
    counts, timing = evaluate(machine, nest, problem, "analytical")
    return float(sum(row.energy for row in account(machine, counts, table, timing.cycles, "", nest)))


@pytest.mark.slow
@pytest.mark.parametrize("machine", ["eyeriss_isca16_rs", "systolic_ws"])
@pytest.mark.parametrize(("network", "layer"), REAL)
def test_no_shipped_dataflow_is_better(machine, network, layer):
    architecture = load_architecture(machine)
    problem = next(one.problem for one in network_from(network).select(layer) if one.problem)
    best, looked = find(architecture, problem, "best"), 0
    assert best.certificate is not None
    assert best.certificate.gap == 0
    for name in NAMES:
        try:
            found = find(architecture, problem, name)
        except AccelsimError:
            continue
        looked += 1
        assert best.bound <= found.bound * (1 + 1e-9), name
    assert looked


@pytest.mark.slow
@pytest.mark.parametrize("layer", [layer.name for layer in nn_dataflow.run().layers])
def test_nn_dataflows_blocking_is_not_better(layer):
    """Its costs are those of the table: 1 a MAC and RF access, 2 a hop, 6 the buffer, 200 DRAM."""
    result = nn_dataflow.run()
    theirs = result.layer(layer)
    machine, table = result.architecture, result.energy_table
    found = optimum(machine, theirs.problem, table=table)
    assert found.certified
    assert found.energy == pytest.approx(energy_of(machine, table, found.nest, theirs.problem), rel=1e-9)
    assert found.energy <= energy_of(machine, table, theirs.nest, theirs.problem)


def priced(case):
    """ZigZag's machine with its sizes and its costs."""
    found, (costs, mac) = zigzag.setup(case), COSTS[case]
    memories, levels = zigzag.cases()[case]["memories"], []
    components = {}
    for level in found.machine.levels:
        if level.name == zigzag.MAC:
            # a register of each operand, buffered double: no loop runs inside
            own = [Partition(frozenset({t}), 2 * found.machine.word_bits[t]) for t in sorted(level.keeps)]
            read, write, width = 0, 0, 1
        else:
            memory = memories[level.name]
            own = [Partition(level.keeps, memory["size"])]
            (read, write), width = costs[level.name], next(iter(memory["ports"].values()))
        read_curve, write_curve = (Curve(((0, Fraction(str(cost))),)) for cost in (read, write))
        components[level.name] = Component(read_curve, write_curve, width)
        levels.append(
            replace(level, capacity=tuple(own) if level is not found.machine.levels[0] else (), component=level.name)
        )
    none = Curve(((0, Fraction(0)),))
    table = EnergyTable(
        "zigzag", "pJ", "zigzag-dse 3.9.1", Curve(((0, Fraction(str(mac))),)), none, components, Fraction(0), 1
    )
    return replace(found.machine, levels=tuple(levels)), table, found.layer.problem, found.nest


@pytest.mark.slow
@pytest.mark.parametrize("case", COSTS)
def test_zigzags_mapping_is_not_better(case):
    machine, table, problem, nest = priced(case)
    found = optimum(machine, problem, table=table)
    theirs = energy_of(machine, table, nest, problem)
    assert found.certified
    assert found.energy == pytest.approx(energy_of(machine, table, found.nest, problem), rel=1e-9)
    assert found.energy <= theirs * (1 + 1e-9)


def test_each_machine_is_theirs():
    assert {t for level in priced("P04")[0].levels for t in level.keeps} == set(Tensor)
    assert table_for(nn_dataflow.run().architecture, None).name == "eyeriss_relative"
