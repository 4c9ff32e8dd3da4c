"""SCALE-Sim 3.0.0: compute cycles and SRAM words of every row, equal (accelsim/reference/scalesim.csv)."""

from __future__ import annotations

from collections import Counter

import pytest

from accelsim.reproduce import scalesim
from accelsim.search import best
from accelsim.simulate import load_mappings, simulate
from accelsim.workload.yaml import load_network

ROWS = scalesim.reference()


def cases(rows):
    return [pytest.param(row, id=f"{row.dataflow}-{row.size[0]}x{row.size[1]}-{row.layer}") for row in rows]


def quick():
    """The smallest layer of each dataflow, size of array and kind."""
    found = {}
    for row in sorted(ROWS, key=lambda row: row.theirs[0]):
        found.setdefault((row.dataflow, row.size, row.kind), row)
    return list(found.values())


def test_the_file():
    """Both kinds of layers and all four sizes under each dataflow; it is the whole file."""
    assert len(ROWS) == 232
    assert len({(row.dataflow, row.size) for row in ROWS}) == 12
    assert Counter(row.kind for row in ROWS)["gemm"] == 26
    # two of the 24 combinations have no matrix product in the file
    assert len(quick()) == 22


def test_words_of_all_rows():
    wrong = [row for row in ROWS if row.ours("analytical")[1:] != row.theirs[1:]]
    assert not wrong


@pytest.mark.parametrize("row", cases(quick()))
def test_cycles_and_words(row):
    assert row.ours() == row.theirs


@pytest.mark.nightly
def test_cycles_and_words_of_all_rows():
    wrong = [row for row in ROWS if row.ours() != row.theirs]
    assert not wrong


@pytest.mark.parametrize("row", cases(row for row in quick() if row.kind == "conv"))
def test_the_machines_find_the_folds_by_themselves(row):
    """What the shipped dataflows search for takes as long and reads as much, whatever the order of the folds."""
    machine = row.machine
    nest = best(machine, row.matmul, machine.dataflow)
    # the search balances what is left for the last fold: other tiles, as many
    assert scalesim.run(machine, nest, row.matmul) == row.theirs


@pytest.mark.parametrize("dataflow", scalesim.DATAFLOWS)
def test_grouped_layers_run_group_by_group(dataflow):
    """AlexNet as it ships, on the machines as they ship, against the folds of one group."""
    network = load_network("alexnet")
    layer = next(layer for layer in network.layers if layer.name == "CONV4")
    (found,) = simulate(f"systolic_{dataflow}", network, layers="CONV4").layers
    one = scalesim.Row("", "conv", dataflow, (32, 32), layer.problem.of({"M": 192, "C": 192 * 9, "Q": 13 * 13}), ())
    cycles, *words = one.ours()
    assert found.problem.sizes == (1, 2, 192, 192 * 9, 1, 13 * 13, 1, 1)
    assert found.counts.macs == layer.macs
    assert found.timing.processing == 2 * cycles
    assert list(scalesim.sram_words(found.counts)) == [2 * number for number in words]
    assert load_mappings({"CONV4": found.nest}, network)
