"""Every way to carry out a convolution, on drawn machines: golden model and nest give what its definition gives."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import golden
from accelsim.engine.outputs.functional import outputs
from accelsim.engine.program import build
from accelsim.outputs import check_outputs
from accelsim.simulate import simulate
from accelsim.sparsity.operands import Operands
from accelsim.workload.network import Layer, Network
from accelsim.workload.problem import Problem
from drawn_layers import WAYS, Drawn, network
from strategies import case_of, draw_compression, draw_sparsity
from test_agreement import agree, agree_on_zeros

ATTENTION = """op: matmul, M: {kv}}}
  q: {{op: matmul, M: {q}, inputs: input}}
  qk: {{op: matmul, groups: {heads}, kv_groups: {kv}, inputs: [q, A]}}
  e: {{op: experts, M: 2, experts: 3, top: 2}}
  g: {{op: gru, M: 2, steps: {steps}, directions: 2}}
  l: {{op: lstm, M: 1, projection: 2, steps: {steps}"""


def drawn_convolution(rng: Random, way: str, most: int) -> Drawn:
    """One whose problems have few MACs."""
    while True:
        drawn = Drawn(rng, rng.choice((2, 2, 3)), bool(way))
        if way and not (min(drawn.output()) > 0 and drawn.definition(True).any()):
            continue
        if all(layer.problem is None or layer.problem.macs <= most for layer in drawn.lowered(way).layers):
            return drawn


def drawn_layers(rng: Random, most: int) -> list[tuple[Network, Layer]]:
    """Layers with MACs of one drawn operation."""
    if rng.random() < 0.3:
        kv = rng.randint(1, 2)
        text = ATTENTION.format(kv=kv, q=kv * 2, heads=kv * 2, steps=(steps := rng.randint(1, 3)))
        found = network(text, {"C": rng.randint(1, 3), "W": steps}, rng.randint(1, 2))
    else:
        way = rng.choice(WAYS)
        found = drawn_convolution(rng, way, most).lowered(way)
    return [(found, layer) for layer in found.mac_layers if layer.problem and layer.problem.macs <= most]


def same_outputs(rng: Random, way: str) -> None:
    """The golden model and the nest carry out what the layer is lowered to; its definition is what comes out."""
    drawn = drawn_convolution(rng, way, 250)

    def golden_model(problem: Problem, ifmap: np.ndarray, weights: np.ndarray) -> np.ndarray:
        machine, nest, _ = case_of(rng, problem)
        told = golden.run(machine, nest, problem, ifmap.astype(np.int64), weights.astype(np.int64))
        assert np.array_equal(told.outputs, outputs(build(machine, nest, problem), ifmap, weights))
        return told.outputs

    assert np.array_equal(drawn.result(way, golden_model), drawn.definition(bool(way)))


@given(st.randoms(use_true_random=False), st.sampled_from(WAYS))
@settings(max_examples=60, deadline=None)
def test_outputs_on_drawn_machines(rng, way):
    same_outputs(rng, way)


@pytest.mark.nightly
@given(st.randoms(use_true_random=False), st.sampled_from(WAYS))
@settings(max_examples=3_000, deadline=None)
def test_outputs_on_drawn_machines_at_length(rng, way):
    same_outputs(rng, way)


def same_counts(rng: Random) -> None:
    """Three evaluators agree on every layer with MACs; two of them on the zeros that it inserts."""
    for _, layer in drawn_layers(rng, 250)[:4]:
        agree(*case_of(rng, layer.problem))
    for found, layer in drawn_layers(rng, 150)[:4]:
        masks = Operands(found).masks(layer)
        machine, nest, problem = case_of(rng, layer.problem)
        levels = tuple(replace(level, compression=draw_compression(rng, level)) for level in machine.levels)
        machine = replace(machine, levels=levels, sparsity=draw_sparsity(rng))
        agree_on_zeros(machine, nest, problem, masks)


@given(st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_agreement_on_drawn_layers(seed):
    same_counts(Random(seed))


@pytest.mark.nightly
@given(st.integers(0, 2**32))
@settings(max_examples=3_000, deadline=None)
def test_agreement_on_drawn_layers_at_length(seed):
    same_counts(Random(seed))


LAYERS = """op: conv, M: 8, kernel: 3, stride: 2, pad: 1, output_padding: 1, transposed: insert}
  B: {op: conv, M: 4, kernel: 4, stride: 2, pad: 1, transposed: split}
  S: {op: conv, M: 4, kernel: 2, stride: 2, transposed: scatter}
  R: {op: reshape, C: 4, D: 4, H: 16, W: 16}
  D: {op: conv3d, M: 8, kernel: 3, pad: 1, stride: [1, 2, 2]}
  P: {op: maxpool3d, kernel: [2, 4, 4]}
  X: {op: reshape, C: 16, W: 4}
  k: {op: matmul, M: 4}
  q: {op: matmul, M: 8, inputs: X}
  qk: {op: matmul, groups: 4, kv_groups: 2, inputs: [q, k]}
  E: {op: experts, M: 8, experts: 3, top: 2}
  C: {op: combine, parts: 2}
  G: {op: gru, M: 8, steps: 4, directions: 2}
  L: {op: lstm, M: 8, steps: 4, projection: 4"""


@pytest.mark.parametrize("machine", ["eyeriss", "systolic_ws", "nvdla_full"])
def test_every_kind_runs_and_is_checked(machine):
    found = network(LAYERS, {"C": 4, "H": 4, "W": 4}, batch=2)
    result = simulate(machine, found)
    told = list(check_outputs(result))
    assert len(told) == len(result.layers) == len(found.mac_layers)
    assert all("outputs equal numpy's convolution" in line for line in told)
    assert result.total.macs == found.macs
    # 'S' adds its sums, gates are beside their MACs
    names = {layer.name for layer in result.vector_layers}
    assert {"S sums", "G gates", "L.gates gates", "P", "C"} <= names and "k" not in names


def test_inserted_zeros_are_gated_by_a_machine_that_gates():
    """Of a stride of 2 a quarter of the plane, less at its edges, is no zero: so many MACs are left."""
    text = "op: conv, M: 8, kernel: 3, stride: 2, pad: 1, output_padding: 1, transposed: "
    shape = {"C": 4, "H": 8, "W": 8}
    inserted, split = (simulate("eyeriss", network(text + way, shape)) for way in ("insert", "split"))
    (layer,) = inserted.layers
    # each word meets the taps whose outputs are there: along an axis 3 of each but the first, which meets 2
    assert layer.counts.effectual == 4 * 8 * 23**2
    assert layer.macs == 4 * 8 * 16**2 * 9 and split.total.macs == 4 * 8 * 8**2 * 9
    dense = simulate("eyeriss", network(text + "insert", shape), data="dense")
    assert layer.energy < dense.layers[0].energy
