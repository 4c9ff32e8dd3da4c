"""TPU v1: bounds of its six applications (Jouppi et al., ISCA 2017), folds by hand, a shrunken array tick by tick."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

import golden
import strategies
from accelsim.architecture.yaml import load_architecture
from accelsim.engine import evaluate
from accelsim.mapping.dataflows import load
from accelsim.mapping.mapping import LoopNest
from accelsim.outputs import check_outputs
from accelsim.reproduce import tpu
from accelsim.search import best
from accelsim.search.space import Space
from accelsim.search.unrolling import Unrollings
from accelsim.simulate import simulate
from accelsim.workload.problem import Problem

SIDE = 256
TILE_FETCH = -(-SIDE * SIDE * 700_000_000 // 34_000_000_000)
"""Cycles at 700 MHz in which 64 KiB of weights come at 34 GB/s."""
SKEW = 2 * (SIDE - 1)


def run(layer, network="resnet50", **options):
    """One layer of a network on the machine."""
    return simulate("tpu_v1", network, layers=layer, **options).layers[0]


# ---- published -------------------------------------------------------------------------------------------------------


def test_peak_and_ridge():
    # section 2: 92 TOPS; section 4: the ridge is at about 1350 MACs per byte of weights
    assert tpu.peak() == pytest.approx(92, abs=0.5)
    assert TILE_FETCH == 1350


@pytest.mark.parametrize("app", tpu.reference())
def test_no_application_is_above_its_bound(app):
    found = tpu.reference()[app]
    assert found.tops < tpu.tops(app) <= found.roofline
    # start and end of the stream, and a last tile of fewer columns that is fetched no slower
    assert tpu.tops(app) == pytest.approx(found.roofline, rel=0.02)


@pytest.mark.parametrize(("app", "least"), [("MLP0", 0.9), ("MLP1", 0.8), ("LSTM0", 0.8), ("CNN0", 0.9)])
def test_applications_near_their_bound(app, least):
    # what is missing is non-matrix work, 18 to 32 % of cycles, some of it behind weight stalls
    assert tpu.reference()[app].tops > least * tpu.tops(app)


def test_applications_whose_macs_go_unused():
    # LSTM1, CNN1: 40 and 51 % of the MACs are unused in active cycles, and CNN1's FC layers meet a weight 32 times
    for app in ("LSTM1", "CNN1"):
        found = tpu.reference()[app]
        assert found.unused >= 0.4 * found.active
        assert found.tops < 0.5 * tpu.tops(app)


def test_counters_make_all_cycles():
    for app in tpu.reference().values():
        # each number is rounded to a tenth
        assert app.active + app.stall + app.shift + app.other == pytest.approx(100, abs=0.21)
        assert app.useful + app.unused == pytest.approx(app.active, abs=0.16)


# ---- by hand ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vectors", [1, 200, 1350, 2000])
def test_one_fold(vectors):
    # the tile comes, is shifted in a row per cycle, meets the vectors; the last sums leave the far corner
    problem = Problem.of({"C": SIDE, "M": SIDE, "N": vectors})
    _, timing = evaluate(tpu.machine(), LoopNest.parse(f"UB: x M{SIDE} | FIFO: N{vectors} y C{SIDE}"), problem)
    assert timing.cycles == TILE_FETCH + SIDE + vectors + SKEW
    assert timing.processing == SIDE + vectors + SKEW


@pytest.mark.parametrize(("vectors", "bound"), [(200, TILE_FETCH), (1350, 1350), (2000, 2000)])
def test_tiles_hide_behind_each_other(vectors, bound):
    # double-buffered weights: each further tile costs its fetch or its vectors, whichever is more; never the shift
    tiles = 7
    problem = Problem.of({"C": tiles * SIDE, "M": SIDE, "N": vectors})
    nest = LoopNest.parse(f"UB: x M{SIDE} | ACC: C{tiles} | FIFO: N{vectors} y C{SIDE}")
    _, timing = evaluate(tpu.machine(), nest, problem)
    assert timing.cycles == TILE_FETCH + SIDE + (tiles - 1) * bound + vectors + SKEW


@pytest.mark.parametrize(
    ("layer", "active", "steps"),
    [
        ("conv1", 147 * 64, 112 * 112),  # an image: its window lies beside its three channels
        ("conv2_0b", 64 * 64, 9 * 56 * 56),
        ("conv3_0b", 128 * 128, 9 * 28 * 28),
        ("conv4_0b", SIDE * SIDE, 9 * 14 * 14),
        ("conv5_0c", SIDE * SIDE, 2 * 8 * 7 * 7),
        ("FC", SIDE * SIDE, 8 * 4),  # 1000 outputs: the last of four tiles is clipped
    ],
)
def test_active_pes_and_steps_of_layers(layer, active, steps):
    found = run(layer)
    assert (found.counts.active_pes, found.timing.compute) == (active, steps)


def test_a_matrix_vector_product_waits_for_weights():
    # AlexNet's FC7: 16 x 16 full tiles, one vector each
    found = run("FC7", "alexnet")
    assert found.timing.cycles == 16 * 16 * TILE_FETCH + SIDE + 1 + SKEW


def test_activations_may_come_over_the_host_link():
    inside, host = (
        run("FC7", "alexnet", parameters=given) for given in ({}, {"host": "20 words"})
    )  # 14 GB/s at 700 MHz
    # 4096 bytes in, and a tile's 256 sums out of each of 16 blocks, the last of them at the end
    assert host.timing.cycles == inside.timing.cycles + -(-256 // 20)
    assert host.counts.words.tolist() == inside.counts.words.tolist()


def test_blocks_of_outputs_fit_half_the_accumulators():
    machine = tpu.machine()
    for sizes in ({"P": 112, "Q": 112}, {"N": 5000}, {"N": 64, "P": 7, "Q": 7}, {"P": 1, "Q": 3000}):
        problem = Problem.of({"C": 64, "M": 64, **sizes})
        (inner,) = Unrollings(Space(machine, problem, load(machine.dataflow))).largest()
        held = inner["N"].run * inner["P"].run * inner["Q"].run
        assert held <= 2048
        # the next larger block of some dim would not fit, or all is held
        assert held > 1024 or held == problem["N"] * problem["P"] * problem["Q"]


# ---- shrunken: 4 x 3 PEs, tick by tick -------------------------------------------------------------------------------

SMALL = {"rows": 4, "cols": 3}
SHRUNKEN = {
    "stride": (Problem.of({"C": 3, "M": 5, "P": 4, "Q": 3, "R": 3, "S": 2}, stride=(2, 2), pad=(1, 0)), {}),
    "channels": (Problem.of({"C": 9, "M": 4, "P": 3, "Q": 3, "R": 2}, pad=(1, 0)), {}),
    "groups": (Problem.of({"G": 2, "C": 3, "M": 2, "P": 3, "Q": 2, "S": 2}), {}),
    "batch": (Problem.of({"N": 5, "C": 10, "M": 7}), {}),
    "slow weights": (Problem.of({"N": 5, "C": 10, "M": 7}), {"weights": "4 b"}),
    "host": (Problem.of({"N": 2, "C": 5, "M": 4, "P": 3, "Q": 2, "R": 2}), {"host": "2 words"}),
}


@pytest.mark.parametrize("case", SHRUNKEN)
def test_shrunken_layers_equal_the_golden_model(case):
    problem, parameters = SHRUNKEN[case]
    machine = load_architecture("tpu_v1", SMALL | parameters)
    nest = best(machine, problem, machine.dataflow)
    counts, timing = evaluate(machine, nest, problem)
    closed, bound = evaluate(machine, nest, problem, "analytical")
    total = golden.run(machine, nest, problem, *strategies.operands(Random(1), problem))
    processing = golden.run(machine, nest, problem, processing=True)
    for found in (counts, closed):
        assert np.array_equal(found.words, total.words)
        assert np.array_equal(found.network, total.network)
    assert (timing.cycles, timing.processing) == (total.cycles, processing.cycles)
    assert timing.stalls == total.stalls
    assert bound.cycles <= timing.cycles


def test_outputs_equal_numpy(tmp_path):
    file = tmp_path / "small.yaml"
    file.write_text(
        "name: small\nsource: test\ninput: {C: 3, H: 9, W: 9}\nlayers:\n"
        "  A: {op: conv, M: 7, kernel: 3, stride: 2, pad: 1}\n  B: {op: conv, M: 6, kernel: 1}\n  C: {op: fc, M: 5}\n"
    )
    result = simulate("tpu_v1", file, batch=2, parameters=SMALL)
    assert len(list(check_outputs(result))) == 3


@pytest.mark.parametrize("app", tpu.reference())
def test_either_switch_of_weights_takes_as_long(app):
    # whether a set of weights is switched in as a whole or behind a wave is not published; docs/rtl.md says 0.12 %
    wave = {"serial": "filter", "lead": False, "wave": 257}
    machine = load_architecture(tpu.MACHINE, {"levels.FIFO.array.passes": wave})
    nest, whole = tpu.run(app)
    behind = evaluate(machine, nest, tpu.stream(app))[1]
    assert whole.cycles <= behind.cycles <= 1.0012 * whole.cycles
