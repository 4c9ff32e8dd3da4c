"""Layers that do not need one another: the time they have in common."""

from __future__ import annotations

import re
from dataclasses import replace
from random import Random

import pytest

import accelsim
from accelsim.architecture.document import document_of
from accelsim.architecture.pace import Overlap
from accelsim.architecture.yaml import architecture_of, load_architecture
from accelsim.engine.counts import Timing
from accelsim.engine.overlap import shared
from accelsim.errors import SpecError
from accelsim.workload.yaml import network_of
from accelsim.yamlfile import Document, parse

LAYERS = """
name: pair
source: none
input: {C: 8, H: 12, W: 12}
layers:
  one: {op: conv, M: 8, kernel: 1, inputs: input}
  other: {op: conv, M: 16, kernel: 1, inputs: INPUTS}
"""
MACHINE = load_architecture("nv_small")


def layer(load: int, macs: int) -> Timing:
    """A layer that loads for so long and then computes; 92 cycles of latency and 50 around it."""
    cycles = 27 + load + 92 + macs + 23
    return Timing(cycles, macs + 50, macs, {"fill": load + 92, "fixed": 50}, {"fixed": 50})


@pytest.mark.parametrize("seed", range(50))
def test_layers_one_by_one(seed):
    # two resources, one after the other: loads on the ports, MACs on the array
    rng = Random(seed)
    load, macs = rng.randint(1, 2000), rng.randint(1, 2000)
    rule = Overlap(rng.randint(0, 100), rng.randint(0, 100))
    machine = replace(MACHINE, overlap=rule)
    begins = load
    for _ in range(3):  # a layer loads from when the one before computes
        loaded = begins + rule.load + load
        begins = max(begins + macs + rule.macs, loaded)
    one = layer(load, macs)
    assert 4 * one.cycles - 3 * shared(machine, one, one) == one.cycles - load + begins


def run(inputs: str, machine=MACHINE):
    network = network_of(parse(LAYERS.replace("INPUTS", inputs)))
    return accelsim.simulate(machine, network)


def test_a_layer_that_needs_the_one_before_waits():
    result = run("one")
    assert result.total.cycles == sum(layer.cycles for layer in result.layers)
    assert result.total.stall_cycles["overlap"] == 0


def test_neighbours_that_need_nothing_of_one_another():
    result = run("input")
    one, other = (layer.timing for layer in result.layers)
    together = shared(MACHINE, one, other)
    assert 0 < together == -result.total.stall_cycles["overlap"]
    assert result.total.cycles == one.cycles + other.cycles - together
    assert result.total.cycles == result.total.compute_cycles + sum(result.total.stall_cycles.values())
    apart = run("input", replace(MACHINE, overlap=None, document=None))
    assert "overlap" not in apart.total.stall_cycles
    assert apart.total.cycles == one.cycles + other.cycles


def test_the_file_of_a_machine_comes_back():
    assert architecture_of(Document("again", document_of(replace(MACHINE, document=None)))) == MACHINE


def test_a_bad_file():
    text = document_of(MACHINE)
    text["layer"]["overlap"]["macs"] = -1
    with pytest.raises(SpecError, match=re.escape("layer.overlap.macs")):
        architecture_of(Document("bad", text))
