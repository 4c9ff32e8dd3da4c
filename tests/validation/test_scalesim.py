"""SCALE-Sim 3.0.0: compute cycles and SRAM words of every row, equal (accelsim/reference/scalesim.csv)."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from accelsim.arguments import mappings
from accelsim.reproduce import scalesim
from accelsim.search import best
from accelsim.simulate import simulate
from accelsim.workload.yaml import load_network

ROWS = scalesim.reference()


def cases(rows):
    return [pytest.param(row, id=f"{row.dataflow}-{row.size[0]}x{row.size[1]}-{row.layer}") for row in rows]


def sample():
    """The layer of median length of each dataflow, size of array and kind."""
    found = {}
    for row in sorted(ROWS, key=lambda row: row.theirs[0]):
        found.setdefault((row.dataflow, row.size, row.kind), []).append(row)
    return [rows[len(rows) // 2] for rows in found.values()]


def test_the_file():
    """Both kinds of layers and all four sizes under each dataflow; it is the whole file."""
    assert len(ROWS) == 232
    assert len({(row.dataflow, row.size) for row in ROWS}) == 12
    assert Counter(row.kind for row in ROWS)["gemm"] == 26
    # three of the 24 combinations have no matrix product in the file
    assert len(sample()) == 21


def test_cycles_and_words_of_all_rows():
    assert not [row for row in ROWS if row.ours() != row.theirs]


def test_all_rows_in_closed_form():
    """Its cycles are a lower bound in general; with one-word steps and no port in the way they are the cycles."""
    assert not [row for row in ROWS if row.ours("analytical") != row.theirs]


@pytest.mark.parametrize("row", cases(sample()))
def test_what_the_rules_add(row):
    """Without skew (T12) nothing but one vector a cycle is left of a fold: fill, preload and drain are its doing."""
    (rows, columns), run = row.size, row.matmul["C" if row.dataflow == "os" else "Q" if row.dataflow == "ws" else "M"]
    bare, *_ = scalesim.run(replace(row.machine, skew=False), row.nest, row.matmul)
    folds, rest = divmod(bare, run)
    assert rest == 0
    preload = 0 if row.dataflow == "os" else rows
    assert row.theirs[0] == folds * (preload + run + rows + columns - 2)


@pytest.mark.parametrize("row", cases(sample()))
def test_the_machines_find_the_folds_by_themselves(row):
    """What the shipped dataflows search for takes as long and reads as much, whatever the order of the folds.

    Where cycles count: energy may want a fold cut, so that its psums need not go to DRAM and back.
    """
    machine = row.machine
    nest = best(machine, row.matmul, machine.dataflow, "cycles")
    assert scalesim.run(machine, nest, row.matmul) == row.theirs


@pytest.mark.parametrize("dataflow", scalesim.DATAFLOWS)
def test_grouped_layers_run_group_by_group(dataflow):
    """AlexNet as it ships, on the machines as they ship, against the folds of one group."""
    network = load_network("alexnet")
    layer = next(layer for layer in network.layers if layer.name == "CONV4")
    (found,) = simulate(f"systolic_{dataflow}", network, layers="CONV4", objective="cycles").layers
    one = scalesim.Row("", "conv", dataflow, (32, 32), layer.problem.of({"M": 192, "C": 192 * 9, "Q": 13 * 13}), ())
    cycles, *words = one.ours()
    assert found.problem.sizes == (1, 2, 192, 192 * 9, 1, 13 * 13, 1, 1)
    assert found.counts.macs == layer.macs
    assert found.timing.processing == 2 * cycles
    assert list(scalesim.sram_words(found.counts)) == [2 * number for number in words]
    assert mappings({"CONV4": found.nest}, network)
