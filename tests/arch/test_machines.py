"""Machines of the papers: what they publish, both evaluators on AlexNet and ResNet-50, numpy on a small network."""

from __future__ import annotations

from math import prod

import pytest

from accelsim.architecture.yaml import load_architecture
from accelsim.outputs import check_outputs
from accelsim.simulate import simulate
from accelsim.workload.problem import Tensor

KIB = 8 * 1024
SMALL = (
    "name: small\nsource: test\ninput: {C: 3, H: 9, W: 9}\nlayers:\n"
    "  A: {op: conv, M: 7, kernel: 3, stride: 2, pad: 1}\n  B: {op: conv, M: 6, kernel: 1}\n  C: {op: fc, M: 5}\n"
)
MACHINES = ("diannao", "eyeriss_l2", "shidiannao", "simba")
LAYERS = {"alexnet": "CONV2,CONV3,FC8", "resnet50": "conv1,conv2_0a,conv2_0b,conv2_1a"}


def bits(name, level, **parameters):
    """Capacity of a level by tensors, bits."""
    machine = load_architecture(name, parameters)
    return {part.tensors: part.bits for part in machine.levels[machine.level_index(level)].capacity}


def macs_per_cycle(name):
    """All multipliers of a machine."""
    machine = load_architecture(name)
    return prod(level.fanout.y * level.fanout.x for level in machine.levels) * machine.macs_per_cycle


def rows(counts):
    """Words at memories and on networks."""
    return counts.words.tolist(), counts.network.tolist(), counts.macs, counts.active_pes


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("network", LAYERS)
def test_evaluators_agree(machine, network):
    # expected zeros are exact only in the mean (docs/model.md, Zeros): dense
    cycle = simulate(machine, network, layers=LAYERS[network], data="dense")
    bound = simulate(
        machine,
        network,
        layers=LAYERS[network],
        data="dense",
        evaluator="analytical",
        mapping={r.name: r.nest for r in cycle.layers},
    )
    for one, other in zip(cycle.layers, bound.layers, strict=True):
        assert rows(one.counts) == rows(other.counts)
        assert other.timing.cycles <= one.timing.cycles
        assert one.timing.cycles >= one.counts.macs / macs_per_cycle(machine)


@pytest.mark.parametrize("machine", MACHINES)
def test_outputs_equal_numpy(machine, tmp_path):
    file = tmp_path / "small.yaml"
    file.write_text(SMALL)
    result = simulate(machine, file, batch=2)
    assert len(list(check_outputs(result))) == 3


def test_diannao():
    # 16 neurons of 16 synapses; 64 entries each: NBin and NBout 2 KB, SB 32 KB
    assert macs_per_cycle("diannao") == 256
    assert bits("diannao", "BUFFERS") == {
        frozenset({Tensor.IFMAP}): 2 * KIB, frozenset({Tensor.FILTER}): 32 * KIB, frozenset({Tensor.PSUM}): 2 * KIB,
    }  # fmt: skip


def test_l2_takes_words_off_dram():
    # the same mapping work with and without L2: what is read again comes from L2
    def words(result, level):
        return sum(row[3] for layer in result.layers for row in layer.counts.rows() if row[0] == level)

    with_l2, without = (simulate(name, "alexnet", batch=4, layers="CONV*") for name in ("eyeriss_l2", "eyeriss"))
    assert words(with_l2, "DRAM") <= words(without, "DRAM")
    assert words(with_l2, "L2") > 0
    # the larger it is the less is left for DRAM
    large = simulate("eyeriss_l2", "alexnet", batch=4, layers="CONV*", parameters={"l2": "16 MiB"})
    assert words(large, "DRAM") <= words(with_l2, "DRAM")


def test_l2_is_all_that_differs():
    chip, more = load_architecture("eyeriss"), load_architecture("eyeriss_l2")
    assert tuple(level for level in more.levels if level.name != "L2") == chip.levels


def test_shidiannao():
    # 8 x 8 PEs; NBin and NBout 64 KB each, SB 128 KB
    assert macs_per_cycle("shidiannao") == 64
    assert bits("shidiannao", "NB") == {
        frozenset({Tensor.IFMAP}): 64 * KIB,
        frozenset({Tensor.FILTER}): 128 * KIB,
        frozenset({Tensor.PSUM}): 64 * KIB,
    }


def test_shidiannao_reads_an_input_once_while_the_filter_moves_over_it(tmp_path):
    # one block of 8 x 8 outputs of a 5 x 5 filter: 12 x 12 words from NBin in place of 64 x 25
    file = tmp_path / "block.yaml"
    file.write_text(
        "name: block\nsource: test\ninput: {C: 1, H: 12, W: 12}\nlayers:\n  A: {op: conv, M: 1, kernel: 5}\n"
    )
    counts = simulate("shidiannao", file).layers[0].counts
    assert counts("NB", "ifmap", "read") == 12 * 12
    assert counts("WINDOW", "ifmap", "read") == 64 * 25
    assert counts.compute_cycles == 25
