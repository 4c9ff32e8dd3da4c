"""SCNN's machine against a walk cycle by cycle, in plain Python, that multiplies real words."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field, replace
from itertools import product
from random import Random

import numpy as np
import pytest

from accelsim.architecture.model import Architecture, Cartesian, Fanout, Level, Port
from accelsim.architecture.yaml import load_architecture
from accelsim.engine.outputs import functional
from accelsim.engine.zeros import cartesian
from accelsim.errors import AccelsimError, MappingError
from accelsim.mapping.mapping import check
from accelsim.sparsity.masks import Masks, masks_of, shape_of
from accelsim.workload.problem import TENSORS, Problem, Tensor
from accelsim.workload.yaml import load_network

# ---- the walk: every queue holds its products, every cycle is one turn of a loop ------------------------------------


@dataclass
class Told:
    """What the walk saw."""

    outputs: np.ndarray
    cycles: int = 0
    steps: int = 0
    products: int = 0
    landed: int = 0
    busy: dict[int, int] = field(default_factory=lambda: defaultdict(int))


@dataclass
class Pe:
    """One PE between two barriers: steps[block] is a list of lists of (bank, output, product)."""

    steps: list
    products: int
    queues: list
    block: int = 0
    step: int = 0
    sums: dict = field(default_factory=lambda: defaultdict(int))


def chunks(words: list, size: int) -> list:
    return [words[i : i + size] for i in range(0, len(words), size)]


def tick_by_tick(architecture: Architecture, problem: Problem, ifmap: np.ndarray, weights: np.ndarray) -> Told:
    """The whole layer. ifmap [N, G, C, height, width], weights [G, M, C, R, S], integers."""
    machine, layout = architecture.cartesian, cartesian.plan(architecture, problem)
    told = Told(np.zeros(shape_of(problem, Tensor.PSUM), np.int64))
    for n, g in product(range(problem["N"]), range(problem["G"])):
        for first in range(0, problem["M"], layout.group):
            group = range(first, min(first + layout.group, problem["M"]))
            for cut in product(range(layout.cuts[0]), range(layout.cuts[1])):
                blocks, pes = program(machine, layout, problem, ifmap[n, g], weights[g], group, cut)
                for pe in pes:
                    told.steps += sum(map(len, pe.steps))
                    told.products += pe.products
                    told.landed += sum(len(step) for steps in pe.steps for step in steps)
                told.cycles += barrier(machine, blocks, pes, told)
                for pe in pes:
                    assert len(pe.sums) <= machine.banks * machine.entries
                    for (m, oy, ox), total in pe.sums.items():
                        told.outputs[n, g, m, oy, ox] += total
    return told


def program(machine, layout, problem, planes, filters, group, cut):
    """(vectors of each block, PEs): what is to be done between two barriers."""
    (uy, ux), (dy, dx), (top, left) = problem.stride, problem.dilation, problem.pad
    pitch, spread = layout.halo[1], max(1, machine.banks // machine.group)
    grid = list(product(range(layout.grid[0]), range(layout.grid[1])))
    blocks, steps, products = [], {pe: [] for pe in grid}, dict.fromkeys(grid, 0)
    for c, fy, fx in product(range(problem["C"]), range(uy), range(ux)):
        taps = [
            (k, r, s, int(filters[m, c, r, s]))
            for r, s in product(range(problem["R"]), range(problem["S"]))
            for k, m in enumerate(group)
            if filters[m, c, r, s] and (r * dy) % uy == fy and (s * dx) % ux == fx
        ]
        blocks.append(len(chunks(taps, machine.filters)))
        for pe in grid:
            rows, columns = (
                range(
                    min(size, pe[a] * layout.tile[a] + cut[a] * layout.cut[a]),
                    min(size, pe[a] * layout.tile[a] + min(layout.tile[a], (cut[a] + 1) * layout.cut[a])),
                )
                for a, size in enumerate((problem.height, problem.width))
            )
            words = [
                (y, x, int(planes[c, y, x]))
                for y, x in product(rows, columns)
                if planes[c, y, x] and (y + top) % uy == fy and (x + left) % ux == fx
            ]
            products[pe] += len(words) * len(taps)
            mine = []
            for some, others in product(chunks(words, machine.ifmaps), chunks(taps, machine.filters)):
                step = []
                for (y, x, a), (k, r, s, b) in product(some, others):
                    oy, ox = (y + top - r * dy) // uy, (x + left - s * dx) // ux
                    if 0 <= oy < problem["P"] and 0 <= ox < problem["Q"]:
                        bank = (spread * k + ox + pitch * oy) % machine.banks
                        step.append((bank, (group[k], oy, ox), a * b))
                mine.append(step)
            steps[pe].append(mine)
    return blocks, [Pe(steps[pe], products[pe], [deque() for _ in range(machine.banks)]) for pe in grid]


def barrier(machine: Cartesian, blocks: list[int], pes: list[Pe], told: Told) -> int:
    """Cycles until the last product of the last PE is in its accumulator."""
    cycles = 0
    while True:
        admit(machine, blocks, pes)
        left = any(pe.block < len(blocks) or any(pe.queues) for pe in pes)
        if not left:
            return cycles
        oldest = min(pe.block for pe in pes)
        for number, pe in enumerate(pes):
            full = machine.fifo and any(len(queue) > machine.fifo for queue in pe.queues)
            if pe.block < len(blocks) and fits(machine, blocks, oldest, pe.block):
                told.busy[number] += 1
                if not full:
                    for bank, output, value in pe.steps[pe.block][pe.step]:
                        if machine.fifo:
                            pe.queues[bank].append((output, value))
                        else:
                            pe.sums[output] += value
                    pe.step += 1
            elif pe.block == len(blocks) and any(pe.queues):
                told.busy[number] += 1
            for queue in pe.queues:
                if queue:
                    output, value = queue.popleft()
                    pe.sums[output] += value
        cycles += 1


def admit(machine: Cartesian, blocks: list[int], pes: list[Pe]) -> None:
    """Move every PE on past blocks it has done, as far as the weight FIFO lets it."""
    moved = True
    while moved:
        moved = False
        oldest = min(pe.block for pe in pes)
        for pe in pes:
            if (
                pe.block < len(blocks)
                and pe.step == len(pe.steps[pe.block])
                and fits(machine, blocks, oldest, pe.block)
            ):
                pe.block, pe.step, moved = pe.block + 1, 0, True


def fits(machine: Cartesian, blocks: list[int], oldest: int, block: int) -> bool:
    return oldest == block or sum(blocks[oldest : block + 1]) <= machine.weights


# ---- drawn layers and machines --------------------------------------------------------------------------------------


def machine(grid=(2, 3), link: Port | None = None, capacity=True, **pe) -> Architecture:
    """arch/scnn.yaml with another array, PE and link."""
    found = load_architecture("scnn")
    networks = {tensor: replace(found.levels[0].fanout.network(tensor), down=link, up=link) for tensor in TENSORS}
    top = replace(found.levels[0], fanout=Fanout(*grid, networks, declared=True))
    inner = found.levels[1:] if capacity else tuple(replace(level, capacity=()) for level in found.levels[1:])
    return replace(found, levels=(top, *inner), cartesian=Cartesian(**pe))


def draw(rng: Random) -> tuple[Architecture, Problem, np.ndarray, np.ndarray]:
    """A small layer on a small machine: strides, dilation, padding, groups, odd sizes, all densities."""
    stride, dilation, pad = (tuple(rng.choice(pick) for _ in "yx") for pick in ((1, 1, 2, 3), (1, 1, 1, 2), (0, 1, 2)))
    taps, plane = [rng.choice((1, 2, 3, 5)) for _ in "yx"], [rng.randint(1, 13) for _ in "yx"]
    outputs = [
        max(1, (plane[a] + 2 * pad[a] - dilation[a] * (taps[a] - 1) - 1) // stride[a] + 1 - rng.choice((0, 0, 1)))
        for a in range(2)
    ]
    sizes = (rng.choice((1, 1, 2)), rng.choice((1, 1, 2)), rng.randint(1, 9), rng.randint(1, 3), *outputs, *taps)
    problem = Problem(sizes, stride, dilation, pad, *plane)
    values = np.random.default_rng(rng.randrange(2**32))

    def words(tensor: Tensor) -> np.ndarray:
        shape = shape_of(problem, tensor)
        return values.integers(1, 99, shape) * (values.random(shape) < rng.choice((0, 0.1, 0.4, 0.7, 1)))

    banks = rng.choice((4, 8, 9, 16, 32))
    found = machine(
        (rng.randint(1, 3), rng.randint(1, 3)),
        ifmaps=rng.choice((1, 2, 4, 4, 5)),
        filters=rng.choice((1, 3, 4, 4, 8)),
        banks=banks,
        entries=rng.choice((8, 16, 64)) * 32 // banks,
        fifo=rng.choice((0, 1, 2, 4, 9)),
        group=rng.choice((1, 2, 4, 8)),
        weights=rng.choice((1, 2, 5, 50)),
    )
    return found, problem, words(Tensor.IFMAP), words(Tensor.FILTER)


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
