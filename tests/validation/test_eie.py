"""EIE: times on AlexNet's pruned FC layers (Han et al., ISCA 2016), and its queue by hand."""

from __future__ import annotations

import numpy as np
import pytest

from accelsim.architecture.yaml import load_architecture
from accelsim.engine import evaluate
from accelsim.mapping.mapping import LoopNest
from accelsim.report.table import zeros_grid
from accelsim.reproduce import eie
from accelsim.search.best import best
from accelsim.simulate import simulate
from accelsim.sparsity.draw import draw
from accelsim.sparsity.masks import Masks, shape_of
from accelsim.workload.density import Density
from accelsim.workload.problem import Problem, Tensor

PES = 64


@pytest.mark.parametrize("layer", eie.reference())
def test_time_of_a_layer(layer):
    # 15 %: filter densities are printed in whole percents (.09 may be 6 % off), activations are those of another run
    # of the network, and zeros of a pruned matrix do not lie evenly over its rows
    ours, theirs = eie.times(layer), eie.reference()[layer]
    assert ours.actual == pytest.approx(theirs.actual, rel=0.15)
    assert ours.theoretical == pytest.approx(theirs.theoretical, rel=0.15)


def test_time_of_all_layers():
    # 10 %: the same reasons, which partly cancel
    assert eie.total() == pytest.approx(sum(layer.actual for layer in eie.reference().values()), rel=0.1)


@pytest.mark.parametrize("layer", ["FC7", "FC8"])
def test_the_queue_hides_imbalance(layer):
    # section VI: "around half" of the cycles are idle with a queue of one, and little is left to gain beyond eight;
    # Table IV has 4 to 10 % idle with eight
    idle = {depth: eie.times(layer, depth).idle for depth in (1, 8, 64)}
    assert 0.4 < idle[1] < 0.6
    assert 0 < idle[8] < 0.1
    assert idle[8] - idle[64] < 0.05


@pytest.mark.parametrize("layer", ["FC7", "FC8"])
def test_pes_wait_for_each_other_alone(layer):
    run = eie.as_run()[layer].timing
    # operands are at hand: a PE only waits for others, and for the pipeline at the end
    assert run.processing == run.compute + load_architecture("eie").pipeline


def test_imbalance_is_reported():
    grid = zeros_grid(simulate("eie", "alexnet", layers="FC8"))
    row = dict(zip(grid.header, grid.rows[0], strict=True))
    assert float(row["imbalance [ratio]"]) > 1
    assert float(row["SPMAT filter [ratio]"]) > 1


@pytest.mark.parametrize("layer", eie.reference())
def test_the_dataflow_finds_the_nest(layer):
    assert eie.as_run()[layer].nest == eie.nest(eie.as_run()[layer].problem)


def test_more_outputs_than_accumulators():
    problem = Problem.of({"M": 3 * PES * 64, "C": 32})
    nest = best(load_architecture("eie"), problem, "column_broadcast", "cycles")
    assert [str(loop) for loop in nest.level("ACC").temporal] == ["M64"]


def test_the_matrix_fits_the_srams():
    """Loaded once and for all, with the columns inside the PE, it takes the same cycles and less than 128 KiB a PE."""
    found, machine = eie.as_run()["FC6"], load_architecture("eie")
    resident = LoopNest.parse("ACT: x M64 | SPMAT: C9216 | ACC: M64")
    counts, timing = evaluate(machine, resident, found.problem, masks=eie.masks("FC6"))
    assert timing.processing == found.timing.processing
    (filled,) = [part for part in counts.encoded if (part.level, part.action) == ("SPMAT", "fill")]
    assert filled.words * machine.word_bits[Tensor.FILTER] / 8 / PES < 128 * 1024


# ---- by hand ---------------------------------------------------------------------------------------------------------


def drawn(problem, ifmap, filters):
    """Masks with zeros anywhere."""
    pairs = ((Tensor.IFMAP, ifmap), (Tensor.FILTER, filters))
    return Masks(*(draw(Density(density), shape_of(problem, tensor), tensor) for tensor, density in pairs))


def stored(column):
    """Entries of a part of a column: non-zero words, and one for each 16 zeros run over before one."""
    entries, run = 0, 0
    for word in column:
        entries += (1 + run // 16) * word
        run = 0 if word else run + 1
    return entries


def finish(cycles, depth):
    """When the last PE is through: cycles [step, pe]; a PE starts a step once all have ended that `depth` before."""
    ends = np.zeros((len(cycles), cycles.shape[1]), int)
    for k, own in enumerate(cycles):
        before = ends[k - 1] if k else 0
        ends[k] = np.maximum(before, ends[k - depth].max() if k >= depth else 0) + own
    return ends[-1].max()


@pytest.mark.parametrize("depth", [1, 2, 8])
def test_cycles_by_hand(depth):
    rows = 40
    problem = Problem.of({"M": rows * PES, "C": 60})
    masks = drawn(problem, 0.5, 0.1)
    parts = masks.filter.reshape(PES, rows, 60)
    cycles = np.array([[stored(parts[pe, :, c]) for pe in range(PES)] for c in range(60)])
    cycles *= masks.ifmap.reshape(-1, 1)
    counts, _ = evaluate(load_architecture("eie", {"drift": depth}), eie.nest(problem), problem, masks=masks)
    # a zero activation is not sent to the queues
    assert counts.compute_cycles == finish(cycles[cycles.any(axis=1)], depth)
    assert counts.busy == cycles.sum()


def test_padding_zeros_take_a_cycle():
    problem = Problem.of({"M": 32 * PES, "C": 1})
    column = np.zeros((1, 32 * PES, 1, 1, 1), np.uint8)
    # the rows of the first PE: a word, 16 zeros, a word; 15 zeros before a word need no padding
    column[0, [0, 17]] = 1
    counts, _ = evaluate(load_architecture("eie"), eie.nest(problem), problem, masks=Masks(filter=column))
    assert (counts.compute_cycles, counts.effectual) == (3, 2)
    column[0, 17], column[0, 16] = 0, 1
    counts, _ = evaluate(load_architecture("eie"), eie.nest(problem), problem, masks=Masks(filter=column))
    assert (counts.compute_cycles, counts.effectual) == (2, 2)
