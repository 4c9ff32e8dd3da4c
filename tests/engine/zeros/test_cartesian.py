"""SCNN's machine against a walk cycle by cycle, in plain Python, that multiplies real words."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from random import Random

import numpy as np
import pytest

from accelsim.architecture.model import Level, Port
from accelsim.architecture.yaml import load_architecture
from accelsim.engine.outputs import functional
from accelsim.engine.zeros import cartesian
from accelsim.errors import AccelsimError, MappingError
from accelsim.mapping.mapping import check
from accelsim.sparsity.masks import Masks, masks_of, shape_of
from accelsim.workload.problem import TENSORS, Problem, Tensor
from accelsim.workload.yaml import load_network
from cartesian_cases import draw, machine
from golden.cartesian import tick_by_tick


def agree(seed: int) -> bool:
    """Cycles, steps, busy cycles and products equal the walk's; its sums are the convolution. False: too small."""
    found, problem, ifmap, weights = draw(Random(seed))
    masks = masks_of(ifmap, weights)
    try:
        done = cartesian.walk(found, problem, masks.ifmap, masks.filter)
    except MappingError:
        return False
    told = tick_by_tick(found, problem, ifmap, weights)
    assert (done.cycles, done.steps, done.products) == (told.cycles, told.steps, told.products)
    assert done.busy.tolist() == [told.busy[pe] for pe in range(len(done.busy))]
    assert cartesian.landed(problem, masks.ifmap, masks.filter) == told.landed
    assert np.array_equal(told.outputs, functional.convolution(problem, ifmap.astype(np.int8), weights.astype(np.int8)))
    return True


def test_cycles_are_those_of_the_walk():
    assert sum(agree(seed) for seed in range(150)) > 100


@pytest.mark.nightly
def test_cycles_are_those_of_the_walk_at_length():
    assert sum(agree(seed) for seed in range(1000, 5000)) > 3000


def layer(seed: int = 3, density: float = 0.5, **options) -> tuple[Problem, Masks]:
    problem = Problem((1, 1, 12, 6, 13, 13, 3, 3), pad=(1, 1))
    rng = np.random.default_rng(seed)
    drawn = (rng.random(shape_of(problem, tensor)) < density for tensor in TENSORS)
    return problem, Masks(*(mask.astype(np.uint8) for mask in drawn))


# ---- the rules one by one -------------------------------------------------------------------------------------------


def test_an_infinite_fifo_gives_the_steps():
    """Weights for everybody and one PE: nothing is left but the steps."""
    problem, masks = layer()
    found = machine((1, 1), fifo=0, weights=10**6, entries=10**4)
    done = cartesian.walk(found, problem, masks.ifmap, masks.filter)
    assert done.cycles == done.steps == done.busy[0]
    per_channel = [np.count_nonzero(masks.ifmap[0, 0, c]) for c in range(6)]
    taps = [[np.count_nonzero(masks.filter[0, m : m + 8, c]) for c in range(6)] for m in (0, 8)]
    assert done.steps == sum(-(-per_channel[c] // 4) * -(-some[c] // 4) for some in taps for c in range(6))


def test_the_slowest_pe_sets_the_pace():
    """With weights for everybody, a barrier waits for the largest sum of steps."""
    problem, masks = layer()
    found = machine((2, 2), fifo=0, weights=10**6)
    done = cartesian.walk(found, problem, masks.ifmap, masks.filter)
    quarters = [masks.ifmap[0, 0, :, 7 * i : 7 * i + 7, 7 * j : 7 * j + 7] for i, j in product(range(2), repeat=2)]
    expected = 0
    for m in (0, 8):
        taps = np.count_nonzero(masks.filter[0, m : m + 8], axis=(0, 2, 3))
        expected += max(sum(-(-np.count_nonzero(q[c]) // 4) * -(-taps[c] // 4) for c in range(6)) for q in quarters)
    assert done.cycles == expected


def test_queues_only_cost():
    problem, masks = layer(density=1)
    cycles = [
        cartesian.walk(machine(fifo=fifo), problem, masks.ifmap, masks.filter).cycles for fifo in (1, 2, 4, 16, 100)
    ]
    assert cycles == sorted(cycles, reverse=True)
    assert cycles[-1] >= cartesian.walk(machine(fifo=0), problem, masks.ifmap, masks.filter).cycles


def test_sub_tiles_fit_the_accumulators():
    """VGG-16's first planes: 28 x 28 a PE, halved four times (Kc 8, 3 x 3): 8 x 9 x 9 accumulators."""
    found = load_architecture("scnn")
    layout = cartesian.plan(found, load_network("vgg16").select("CONV1-2")[0].problem)
    assert (layout.tile, layout.cut, layout.cuts, layout.halo) == ((28, 28), (7, 7), (4, 4), (9, 9))
    assert layout.active_pes == 64
    layout = cartesian.plan(found, load_network("alexnet").select("CONV1")[0].problem)
    assert (layout.tile, layout.cuts, layout.halo, layout.groups) == ((29, 29), (1, 1), (10, 10), 12)


def test_nothing_but_zeros_takes_no_time():
    problem, masks = layer(density=0)
    counts, timing = cartesian.evaluate(load_architecture("scnn"), problem, masks)
    assert timing.cycles == timing.processing == timing.compute == 0
    assert counts("ACC", "psum", "read") == counts("DRAM", "ifmap", "read") == 0


# ---- words ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("zeros", "stored"), [(0, 1), (15, 1), (16, 2), (17, 2), (31, 2), (32, 3)])
def test_a_placeholder_for_every_sixteen_zeros(zeros, stored):
    """On one PE, one row of zeros and then one word; what follows it is not stored."""
    problem = Problem((1, 1, 1, 1, 1, 40, 1, 1))
    ifmap = np.zeros(shape_of(problem, Tensor.IFMAP), np.uint8)
    ifmap[..., zeros] = 1
    counts, _ = cartesian.evaluate(machine((1, 1)), problem, Masks(ifmap=ifmap, ofmap=ifmap))
    bits = 16 + 20 * stored
    assert counts("DRAM", "ifmap", "read") == -(-bits // 16)
    assert counts("DRAM", "psum", "update") == -(-bits // 24)


def test_words_of_a_layer():
    """One image, dense, 13 x 13 x 6 to 12 channels on 7 x 7 PEs of 2 x 2 words; 2 groups of channels."""
    problem, _ = layer()
    counts, _ = cartesian.evaluate(load_architecture("scnn"), problem, Masks())
    tiles = 7 * 7 * 6
    ifmap = -(-(tiles * 16 + 20 * 13 * 13 * 6) // 16)
    assert counts.active_pes == 49
    assert counts("DRAM", "ifmap", "read") == counts("IARAM", "ifmap", "fill") == ifmap
    assert counts("IARAM", "ifmap", "read") == -(-2 * (tiles * 16 + 20 * 13 * 13 * 6) // 16)
    weights = -(-(12 * 16 + 20 * 12 * 6 * 9) // 16)
    assert counts("DRAM", "filter", "read") == counts.sent("DRAM", "filter") == weights
    assert counts("FIFO", "filter", "fill") == counts.sent("DRAM", "filter", kind="deliveries") == 49 * weights
    # every tile is one ifmap vector, so every weight is read once for each
    assert counts("FIFO", "filter", "read") == 49 * weights
    products = 12 * 6 * (13 * 3 - 2) ** 2
    drained = 12 * (6 * 4 + 2 - 2 + 1) ** 2
    assert counts("ACC", "psum", "read") == counts.effectual == products
    assert counts("ACC", "psum", "update") - counts("ACC", "psum", "drain") == products
    assert counts("ACC", "psum", "drain") == drained
    ofmap = -(-(49 * 12 * 16 + 20 * 13 * 13 * 12) // 24)
    assert counts("OARAM", "psum", "update") == counts("DRAM", "psum", "update") == ofmap
    # of what leaves the accumulators, 13 x 13 words of each channel stay where they are
    assert counts.sent("DRAM", "psum", "up", "hops") == ofmap + drained - 13 * 13 * 12


def test_a_plane_too_large_for_its_ram_comes_again_for_every_group():
    problem = Problem((2, 1, 24, 64, 10, 10, 3, 3), pad=(1, 1))
    small, large = machine((1, 1)), machine((1, 1), capacity=False)
    words = [cartesian.evaluate(found, problem, Masks())[0] for found in (small, large)]
    assert words[0]("DRAM", "ifmap", "read") == 3 * words[1]("DRAM", "ifmap", "read")
    assert words[0]("IARAM", "ifmap", "read") == words[1]("IARAM", "ifmap", "read")
    # a batch brings its weights along for each image
    one = cartesian.evaluate(large, replace(problem, sizes=(1, *problem.sizes[1:])), Masks())[0]
    assert words[1]("DRAM", "filter", "read") == 2 * one("DRAM", "filter", "read")


def test_psums_balance_at_every_level():
    problem, masks = layer()
    counts, _ = cartesian.evaluate(load_architecture("scnn"), problem, masks)
    for level in ("ACC", "OARAM"):
        read, update, drain, fill = (counts(level, "psum", action) for action in ("read", "update", "drain", "fill"))
        assert read == update - (drain - fill)


# ---- time, DRAM included --------------------------------------------------------------------------------------------


def test_dram_and_compute_overlap():
    problem, masks = layer()
    free, slow = (machine(link=link) for link in (None, Port("DRAM link", 1)))
    counts, timing = cartesian.evaluate(free, problem, masks)
    assert timing.cycles == timing.processing == timing.compute == counts.compute_cycles
    counts, slowed = cartesian.evaluate(slow, problem, masks)
    moved = [counts("DRAM", tensor, action) for tensor, action in (("ifmap", "read"), ("filter", "read"))]
    assert slowed.processing == timing.processing
    assert slowed.cycles > 16 * sum(moved) - 32
    assert slowed.compute + sum(slowed.stalls.values()) == slowed.cycles
    assert list(slowed.stalls) == ["DRAM<-PE psum"]


# ---- the nest -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", ["alexnet", "vgg16", "googlenet"])
def test_the_nest_is_legal(network):
    found = load_architecture("scnn")
    for problem in load_network(network, batch=2).groups():
        check(found, cartesian.nest(found, problem), problem)


def test_the_nest_gives_the_outputs():
    found = load_architecture("scnn")
    for seed in range(20):
        _, problem, _, _ = draw(Random(seed))
        assert "outputs equal" in functional.check(found, cartesian.nest(found, problem), problem)


def test_the_nest_reads_as_the_machine_works():
    problem = load_network("alexnet").select("CONV3")[0].problem
    text = str(cartesian.nest(load_architecture("scnn"), problem))
    assert text == "DRAM: M48 C256 y P7 x Q7 | IARAM: R3 S3 | ACC: P2 Q2 M8"


# ---- what is refused ------------------------------------------------------------------------------------------------


def test_refused():
    problem, masks = layer()
    with pytest.raises(AccelsimError, match=r"has no 'pe: \{cartesian"):
        cartesian.evaluate(load_architecture("eyeriss"), problem, masks)
    with pytest.raises(AccelsimError, match="a fifo of 112 products is not modelled; at most 111, or 0"):
        cartesian.evaluate(machine(fifo=112), problem, masks)
    with pytest.raises(MappingError, match="one ifmap word needs 72 accumulators"):
        cartesian.evaluate(machine(entries=2), problem, masks)
    levels = (*load_architecture("scnn").levels[:-1], Level("ACC", frozenset({Tensor.FILTER})))
    odd = replace(load_architecture("scnn"), levels=levels)
    with pytest.raises(AccelsimError, match="below the first level's array"):
        cartesian.evaluate(odd, problem, masks)
    with pytest.raises(AccelsimError, match="ifmap mask"):
        cartesian.evaluate(machine(), problem, Masks(ifmap=np.ones((1, 1, 1, 1, 1), np.uint8)))
