"""A network as a pipeline on crossbars: what each layer has, and what it comes to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from accelsim.architecture.yaml import load_architecture
from accelsim.engine import evaluate
from accelsim.errors import MappingError
from accelsim.pipeline import pipelined
from accelsim.workload.yaml import network_of
from accelsim.yamlfile import parse

NETWORK = """
name: tiny
source: none
input: {C: 3, H: 18, W: 18}
layers:
  CONV1: {op: conv, M: 40, kernel: 3}
  POOL: {op: maxpool, kernel: 2, stride: 2}
  CONV2: {op: conv, M: 8, kernel: 3}
  FC: {op: fc, M: 10}
"""


def tiny():
    return network_of(parse(NETWORK, "tiny"))


def test_copies_and_counts_of_a_small_network() -> None:
    """CONV1's 27 rows fill a crossbar for each 16 channels; CONV2's 360 take three, FC's 288 three."""
    found = pipelined("isaac", tiny())
    units = {stage.layer.name: stage.units // stage.copies for stage in found.stages}
    assert units == {"CONV1": 3, "CONV2": 3, "FC": 3}
    assert [stage.cycles for stage in found.stages] == [16, 16, 16] == [found.interval] * 3
    for stage, (outputs, channels, folds) in zip(found.stages, ((256, 40, 1), (36, 8, 3), (1, 10, 3)), strict=True):
        # a psum for each output, fold, slice of an input and of a weight
        assert stage.counts.sent("REGISTERS", "psum", "up") == outputs * channels * folds * 16 * 8
    total = sum(stage.layer.macs for stage in found.stages)
    assert found.efficiency.tops == pytest.approx(2 * total / 16e-7 / 1e12)


def test_fewer_arrays_take_more_time_and_the_same_work() -> None:
    machine = load_architecture("isaac")
    above = machine.levels[1]
    small = replace(machine, levels=(machine.levels[0], replace(above, fanout=replace(above.fanout, x=60)),
                                     *machine.levels[2:]))  # fmt: skip
    few, many = pipelined(small, tiny()), pipelined(machine, tiny())
    assert few.used <= 60 and few.interval > many.interval
    converted = [sum(row.count for row in run.energy_rows if row.action == "convert") for run in (few, many)]
    assert converted[0] == converted[1]
    above = replace(above, fanout=replace(above.fanout, x=8))
    none = replace(small, levels=(machine.levels[0], above, *machine.levels[2:]))
    with pytest.raises(MappingError, match="need 9 units in all, the machine has 8"):
        pipelined(none, tiny())


def test_stages_are_what_the_cycle_engine_makes_of_their_mappings() -> None:
    (stage,) = pipelined("isaac", tiny(), layers="CONV2").stages
    problem = stage.machine.lower(stage.layer.problem)
    counts, timing = evaluate(stage.machine, stage.nest, problem)
    assert (timing.cycles, list(counts.rows())) == (stage.cycles, list(stage.counts.rows()))


@pytest.mark.parametrize(
    ("machine", "network", "said"),
    [
        ("eyeriss", "alexnet", "no row of units with an array in each"),
        ("isaac", "vgg16", "need 67,576 units in all, the machine has 16,128; the most are those of 'FC6'"),
        ("isaac", "bert_base", "has no weights that could stay"),
    ],
)
def test_what_is_refused(machine: str, network: str, said: str) -> None:
    with pytest.raises(MappingError, match=said):
        pipelined(machine, network)
