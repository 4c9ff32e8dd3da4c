"""im2col: the matrix product of the lowered operands is the convolution, on any machine, with any zeros."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import golden
from accelsim.architecture.yaml import load_architecture
from accelsim.engine import evaluate
from accelsim.engine.outputs.functional import check, operands, overflow
from accelsim.errors import AccelsimError, MappingError
from accelsim.mapping.mapping import LoopNest
from accelsim.outputs import check_outputs
from accelsim.simulate import simulate
from accelsim.sparsity import im2col
from accelsim.sparsity.convolution import convolution
from accelsim.sparsity.masks import Masks, shape_of
from accelsim.workload.lowering import Lowering, lowered
from accelsim.workload.problem import TENSORS, Problem, Tensor
from accelsim.workload.yaml import load_network
from strategies import case_of, draw_problem

IM2COL = Lowering.IM2COL
PROBLEMS = st.randoms(use_true_random=False).map(lambda rng: draw_problem(rng, 400))
NETWORK = """\
name: small
source: made up
input: {C: 4, H: 9, W: 8}
layers:
  whole: {op: conv, M: 6, kernel: 3, stride: 2, pad: 1}
  grouped: {op: conv, M: 8, kernel: [3, 1], groups: 2, dilation: [2, 1], pad: [1, 0]}
  deep: {op: conv, M: 8, kernel: 3, groups: 8, pad: 1}
  out: {op: fc, M: 5}
"""


@settings(deadline=None, max_examples=150)
@given(PROBLEMS)
def test_the_product_of_the_matrices_is_the_convolution(problem):
    ifmap, weights = operands(problem, 5)
    wide = ifmap.astype(np.int64), weights.astype(np.int64)
    left = im2col.filter_matrix(problem, wide[1])[:, :, :, 0, 0]
    product = left @ im2col.ifmap_matrix(problem, wide[0])[0, :, :, 0]
    assert np.array_equal(im2col.ofmap_planes(problem, product), convolution(problem, ifmap, weights))


@settings(deadline=None, max_examples=150)
@given(PROBLEMS)
def test_shapes(problem):
    run, (ifmap, weights) = lowered(problem, IM2COL), operands(problem, 0)
    assert run.macs == problem.macs
    assert lowered(problem, Lowering.NONE) is problem
    # once lowered it stays as it is
    assert lowered(run, IM2COL) is run
    ofmap = np.arange(problem.words(Tensor.PSUM)).reshape(shape_of(problem, Tensor.PSUM))
    matrices = im2col.ifmap_matrix(problem, ifmap), im2col.filter_matrix(problem, weights)
    matrix = im2col.ofmap_matrix(problem, ofmap)
    assert [m.shape for m in (*matrices, matrix)] == [shape_of(run, tensor) for tensor in TENSORS]
    assert np.array_equal(im2col.ofmap_planes(problem, matrix), ofmap)


@settings(deadline=None, max_examples=60)
@given(st.randoms(use_true_random=False))
def test_any_mapping_of_the_lowered_problem(rng):
    """On drawn machines the outputs are the convolution's, and the golden model has the same counts and cycles."""
    problem = draw_problem(rng, 150)
    machine, nest, run = case_of(rng, lowered(problem, IM2COL))
    machine = replace(machine, lowering=IM2COL)
    words = problem.words(Tensor.PSUM)
    ifmap, weights = operands(problem, 2, machine.word_bits)
    # drawn psums may be too short for the sums
    more = overflow(golden.reference(problem, ifmap, weights), machine.word_bits[Tensor.PSUM])
    assert check(machine, nest, problem, seed=2) == f"outputs equal numpy's convolution (seed 2, {words} words){more}"
    told = golden.run(machine, nest, run, im2col.ifmap_matrix(problem, ifmap), im2col.filter_matrix(problem, weights))
    assert np.array_equal(im2col.ofmap_planes(problem, told.outputs), golden.reference(problem, ifmap, weights))
    counts, timing = evaluate(machine, nest, run)
    assert np.array_equal(counts.words, told.words)
    assert timing.cycles == told.cycles


def test_a_dynamic_filter_stays_one():
    assert lowered(Problem.of({"M": 2, "C": 3, "P": 4}, dynamic_filter=True), IM2COL).dynamic_filter


# ---- the pipeline ----------------------------------------------------------------------------------------------------


@pytest.fixture
def network(tmp_path):
    (tmp_path / "small.yaml").write_text(NETWORK)
    return tmp_path / "small.yaml"


@pytest.mark.parametrize("kind", ["os", "ws", "is"])
@pytest.mark.parametrize("lowering", Lowering)
def test_outputs_of_the_shipped_machines(network, kind, lowering):
    """Strides, dilation, groups, depthwise layers, batches."""
    options = {"parameters": {"rows": 4, "cols": 3, "lowering": lowering}}
    result = simulate(f"systolic_{kind}", network, batch=3, **options)
    assert len(list(check_outputs(result))) == 4
    assert {layer.name: layer.counts.macs for layer in result.layers} == {
        layer.name: layer.macs for layer in load_network(network, 3).layers
    }
    assert result.to_dict()["lowering"] == lowering
    sizes = [layer.problem.sizes for layer in result.layers]
    assert (sizes[1] == (1, 2, 4, 9, 1, 3 * 4 * 3, 1, 1)) == (lowering is IM2COL) == (sizes[2][3:7] == (9, 1, 36, 1))


def test_a_mapping_is_of_the_lowered_problem(network):
    options = {"layers": "whole", "parameters": {"rows": 4, "cols": 3}}
    nest = LoopNest.parse("DRAM: C9 M2 | SRAM: Q20 y C4 x M3")
    (layer,) = simulate("systolic_ws", network, mapping={"whole": nest}, **options).layers
    assert (layer.nest, layer.mapping_source) == (nest, "given")
    with pytest.raises(MappingError, match=r"whole: the factors of C multiply to 4, .* by im2col to M6 C36 Q20\)$"):
        simulate("systolic_ws", network, mapping={"whole": LoopNest.parse("DRAM: M6 C4 P5 Q4 R3 S3")}, **options)


# ---- zeros -----------------------------------------------------------------------------------------------------------

SPARSE = """\
name: gated
source: made up
clock: 1 GHz
word: 16 b
lowering: $lowering
parameters: {lowering: im2col}
dataflow: weight_stationary_systolic
energy: eyeriss_relative
levels:
  - name: DRAM
    compression: {ifmap: rlc}
  - name: SRAM
    component: GLB
    array:
      size: {y: 4, x: 4}
  - name: RF
    keeps: [filter]
pe: {gate: [ifmap], skip: [filter]}
"""


@pytest.fixture
def gated(tmp_path):
    (tmp_path / "gated.yaml").write_text(SPARSE)
    return tmp_path / "gated.yaml"


@settings(deadline=None, max_examples=60)
@given(PROBLEMS, st.integers(0, 2**32), st.booleans())
def test_lowered_masks_pair_the_same_words(problem, seed, dense):
    """The product of the masks counts the MACs of each output that are not zero, padding left out."""
    rng, problem = np.random.default_rng(seed), replace(problem, slices=(1, 1))  # a machine slices what it has lowered
    drawn = [(rng.random(shape_of(problem, t)) < 0.5).astype(np.uint8) for t in TENSORS]
    masks = Masks(None if dense else drawn[0], drawn[1], drawn[2])
    found = im2col.lowered_masks(problem, masks)
    found.check(lowered(problem, IM2COL))
    left = found.filter[:, :, :, 0, 0].astype(int)
    words = lowered(problem, IM2COL).sizes
    right = np.ones((words[1], words[3], words[5]), int) if found.ifmap is None else found.ifmap[0, :, :, 0]
    ifmap = np.ones(drawn[0].shape, int) if dense else drawn[0].astype(int)
    assert np.array_equal(im2col.ofmap_planes(problem, left @ right), convolution(problem, ifmap, masks.filter))


@pytest.mark.parametrize("evaluator", ["cycle", "analytical"])
def test_zeros_of_the_layer_are_those_of_the_matrix(gated, tmp_path, evaluator):
    """As many MACs are left as without lowering; the analytical mean is that of the matrix's own density."""
    text = NETWORK.replace("kernel: 3, stride", "density: {ifmap: 0.4, filter: 0.5}, kernel: 3, stride")
    (tmp_path / "net.yaml").write_text(text)
    plain = simulate(gated, tmp_path / "net.yaml", parameters={"lowering": "none"}, layers="whole")
    result = simulate(gated, tmp_path / "net.yaml", layers="whole", evaluator=evaluator)
    ours, theirs = result.layers[0].counts, plain.layers[0].counts
    if evaluator == "cycle":
        assert (ours.effectual, ours.visited) == (theirs.effectual, theirs.visited)
        assert result.operands == plain.operands
        assert len(list(check_outputs(result))) == 1
    else:
        # 15 %: which of the 20 windows a word of the ifmap lies in is drawn once, not for each word of the matrix
        assert ours.effectual == pytest.approx(theirs.effectual, rel=0.15)


def test_given_arrays(gated, network, tmp_path):
    rng = np.random.default_rng(1)
    network_of = load_network(network)
    for layer in network_of.layers:
        arrays = {
            name: rng.integers(-3, 3, shape_of(layer.problem, tensor))
            for name, tensor in (("ifmap", Tensor.IFMAP), ("filter", Tensor.FILTER))
        }
        np.savez(tmp_path / f"{layer.name}.npz", **arrays)
    result = simulate(gated, network, data=tmp_path)
    found = list(check_outputs(result))
    assert found[0] == "whole: outputs equal numpy's convolution (operands given, 120 words)"
    assert len(found) == 4


# ---- what is refused -------------------------------------------------------------------------------------------------


def test_a_cartesian_pe_convolves():
    with pytest.raises(AccelsimError, match=r"architecture 'scnn': a Cartesian PE convolves; it takes no lowering"):
        replace(load_architecture("scnn"), lowering=IM2COL)
