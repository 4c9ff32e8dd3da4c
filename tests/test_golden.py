"""The golden model against numpy, conservation, and cycle counts worked out on paper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings

import golden
from accelsim.architecture.model import (
    Architecture,
    Buffer,
    Fanout,
    Format,
    Level,
    Network,
    NetworkKind,
    Pairing,
    Port,
    Sparsity,
)
from accelsim.engine.counts import ACTIONS, DIRECTIONS, TRAFFIC
from accelsim.mapping.mapping import LoopNest, check
from accelsim.sparsity.masks import Mask, Masks, shape_of
from accelsim.workload.problem import TENSORS, Padding, Problem, Tensor
from golden.formats import Tile, bits_of, csc_entries, rlc_pairs
from golden.slots import round_ends
from strategies import Case, SparseCase, case, cases, masked_operands, operands, sparse_case, sparse_cases

IFMAP, FILTER, PSUM = TENSORS

DOT = Problem.of({"C": 4})
TWO_TILES = LoopNest.parse("DRAM: C2 | RF: C2")
TWO_FILTERS = LoopNest.parse("DRAM: M2 | RF: C2")
CRS = frozenset("CRS")


def link(name: str, rate: int = 1) -> Port:
    """A port of so many words per cycle."""
    return Port(name, Fraction(rate), in_words=True)


def links(prefix: str = "", latency: int = 0, accumulate: bool = False) -> dict[Tensor, Network]:
    """One word per cycle for every tensor and direction."""
    return {
        IFMAP: Network(down=link(prefix + "i"), latency=latency),
        FILTER: Network(down=link(prefix + "f"), latency=latency),
        PSUM: Network(NetworkKind.TREE, link(prefix + "od"), link(prefix + "ou"), latency, accumulate, CRS),
    }


def two_levels(buffer: Buffer, networks: Mapping[Tensor, Network] | None = None, **machine: object) -> Architecture:
    """DRAM and one PE with an RF."""
    fanout = Fanout(1, 1, networks if networks is not None else links(), True)
    levels = (Level("DRAM", fanout=fanout), Level("RF", buffer=dict.fromkeys(TENSORS, buffer)))
    return Architecture("two levels", levels, **machine)  # type: ignore[arg-type]


def cell(result: golden.GoldenResult, level: int, tensor: Tensor, action: str) -> int:
    """One word count."""
    return int(result.words[level, TENSORS.index(tensor), ACTIONS.index(action)])


# ---- generated cases -------------------------------------------------------------------------------------------------


def verify(drawn: Case, rng: Random) -> None:
    """Outputs equal numpy, every sum leaves once, nothing is lost on the way."""
    architecture, nest, problem = drawn
    check(architecture, nest, problem)
    ifmap, weights = operands(rng, problem)
    result = golden.run(architecture, nest, problem, ifmap, weights)
    assert result.outputs is not None
    assert np.array_equal(result.outputs, golden.reference(problem, ifmap, weights, bool(architecture.bias)))
    assert result.macs == problem.slots
    assert result.compute_cycles + sum(result.stalls.values()) == result.cycles
    assert result.words.min() >= 0 and result.network.min() >= 0 and min(result.stalls.values(), default=0) >= 0
    finals = cell(result, 0, PSUM, "update") - cell(result, 0, PSUM, "read")
    assert finals == (0 if problem.added else problem.words(PSUM)), "every ofmap word ends once, where none was before"
    for level in range(1, len(architecture.levels)):
        got = {action: cell(result, level, PSUM, action) for action in ACTIONS}
        begun = problem.words(PSUM) if result.bias[level, 1] else 0
        assert got["read"] == got["update"] - (got["drain"] - got["fill"]) + begun, "the psum identity"
    if architecture.padding is Padding.STORED:
        for tensor in (IFMAP, FILTER):
            assert result.words[0, TENSORS.index(tensor), ACTIONS.index("read")] >= problem.words(tensor)
    sent, delivered = TRAFFIC.index("sent"), TRAFFIC.index("deliveries")
    assert (result.network[..., sent] <= result.network[..., delivered]).all()
    processing = golden.run(architecture, nest, problem, processing=True)
    assert np.array_equal(processing.words, result.words)


@given(drawn=cases())
@settings(max_examples=100, deadline=None)
def test_outputs_and_conservation(drawn: Case) -> None:
    verify(drawn, Random(0))


@pytest.mark.parametrize("seed", range(100))
def test_outputs_and_conservation_seeded(seed: int) -> None:
    rng = Random(seed)
    verify(case(rng), rng)


def test_case_is_reproducible() -> None:
    assert case(Random(7)) == case(Random(7))
    one, other = sparse_case(Random(7)), sparse_case(Random(7))
    assert (one.architecture, one.nest, one.problem) == (other.architecture, other.nest, other.problem)
    assert repr(one.masks) == repr(other.masks)


# ---- cycles on paper -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("buffer", "cycles", "stalls"),
    [
        # F0 0-2, C0 2-4, F1 4-6, C1 6-8, D 8-9
        (Buffer.SINGLE, 9, {"fill": 2, "DRAM->RF ifmap": 2, "drain": 1}),
        # F0 0-2, F1 2-4 beside C0 2-4, C1 4-6, D 6-7
        (Buffer.DOUBLE, 7, {"fill": 2, "drain": 1}),
        # F0 0-2, C0 1-3, F1 2-4, C1 3-5, D 5-6
        (Buffer.STREAM, 6, {"fill": 1, "drain": 1}),
    ],
)
def test_buffers(buffer: Buffer, cycles: int, stalls: dict[str, int]) -> None:
    result = golden.run(two_levels(buffer), TWO_TILES, DOT)
    assert (result.cycles, result.stalls) == (cycles, stalls)


def test_latency_and_pipeline_come_once_per_edge() -> None:
    # F0 0-2 (+3), C0 5-7, F1 7-9 (+3), C1 12-14 (+2), D 16-17 (+3)
    result = golden.run(two_levels(Buffer.SINGLE, links(latency=3), pipeline=2), TWO_TILES, DOT)
    assert result.cycles == 20
    assert result.stalls == {"fill": 5, "DRAM->RF ifmap": 5, "drain": 6}


def test_stretched_compute_is_a_stall() -> None:
    # the ifmap comes at half a word per cycle: F0 0-4, C0 1-5 for 2 units of work, F1 4-8, C1 5-9, D 9-10
    networks = links() | {IFMAP: Network(down=Port("i", Fraction(1, 2), True))}
    result = golden.run(two_levels(Buffer.STREAM, networks), TWO_TILES, DOT)
    assert result.cycles == 10
    assert result.stalls == {"fill": 1, "DRAM->RF ifmap": 4, "drain": 1}


def test_psum_refill_waits_for_its_own_drain() -> None:
    # M2 inside C2: tiles M0 M1 M0 M1; one word each, one MAC each, single buffers, untimed inputs:
    # C0 0-1 D0 1-2 C1 2-3 D1 3-4 F2 4-5 C2 5-6 D2 6-7 F3 7-8 C3 8-9 D3 9-10
    networks = {PSUM: links()[PSUM]}
    result = golden.run(
        two_levels(Buffer.SINGLE, networks), LoopNest.parse("DRAM: C2 M2"), Problem.of({"C": 2, "M": 2})
    )
    assert result.cycles == 10
    assert cell(result, 1, PSUM, "fill") == 2 and cell(result, 1, PSUM, "drain") == 4


def test_old_psums_travel_beside_the_compute() -> None:
    # as above, accumulate on drain: P2 waits for D0 (2) and, in its ring, for D1 (4):
    # P2 4-5 beside C2 4-5, D2 5-6, P3 6-7 beside C3 6-7, D3 7-8
    networks = {PSUM: links(accumulate=True)[PSUM]}
    result = golden.run(
        two_levels(Buffer.SINGLE, networks), LoopNest.parse("DRAM: C2 M2"), Problem.of({"C": 2, "M": 2})
    )
    assert result.cycles == 8
    assert cell(result, 1, PSUM, "fill") == 0 and cell(result, 0, PSUM, "read") == 2


def test_shared_port_serves_in_program_order() -> None:
    # ifmap and filter on one link: I0 0-2 F0 2-4 C0 4-6, then I1 6-8 F1 8-10 C1 10-12, D 12-13
    bus = link("bus")
    networks = links() | {IFMAP: Network(down=bus), FILTER: Network(down=bus)}
    result = golden.run(two_levels(Buffer.SINGLE, networks), TWO_TILES, DOT)
    assert result.cycles == 13
    assert result.stalls == {"fill": 4, "DRAM->RF filter": 4, "drain": 1}


def test_serial_passes_do_not_overlap() -> None:
    # double buffers would prefetch; serial passes with the filter stationary (one pass per m) do not:
    # F0 0-2, I0 2-4, C0 4-6, D0 6-7, F1 7-9, C1 9-11, D1 11-12 (the ifmap tile stays)
    problem = Problem.of({"M": 2, "C": 2})
    assert golden.run(two_levels(Buffer.DOUBLE, serial=FILTER), TWO_FILTERS, problem).cycles == 12
    # F0 0-2, F1 2-4 beside C0 2-4, C1 4-6, D1 6-7
    assert golden.run(two_levels(Buffer.DOUBLE), TWO_FILTERS, problem).cycles == 7


def test_processing_latency_leaves_the_outermost_level_out() -> None:
    slow = links("slow", latency=9)
    levels = (
        Level("DRAM", fanout=Fanout(networks=slow)),
        Level("GLB", fanout=Fanout(1, 1, links(), True)),
        Level("RF"),
    )
    machine = Architecture("three levels", levels)
    nest = LoopNest.parse("GLB: C2 | RF: C2")
    # GLB to RF as in test_buffers, single: 9
    assert golden.run(machine, nest, DOT, processing=True).cycles == 9
    # total: 4 words and 9 cycles first; one word and 9 cycles after: 13 + 9 + 10
    assert golden.run(machine, nest, DOT).cycles == 32


# ---- systolic folds (SCALE-Sim) --------------------------------------------------------------------------------------


def systolic(rows: int, columns: int, stationary: Tensor) -> Architecture:
    """A rows x columns array that keeps one tensor; only the preload of the stationary tensor takes time."""
    fill = {stationary: Network(NetworkKind.SYSTOLIC, down=link("preload", 7))} if stationary is not PSUM else {}
    levels = (
        Level("GLB", fanout=Fanout(rows, columns, fill, True)),
        Level("RF", frozenset({stationary})),
    )
    return Architecture("systolic", levels, serial=stationary, skew=True)


ROWS, COLUMNS = 4, 3


@pytest.mark.parametrize(
    ("stationary", "nest", "problem", "folds", "fold"),
    [
        (PSUM, "GLB: M2 Q2 C5 y Q4 x M3", {"C": 5, "Q": 7, "M": 6}, 4, 5 + ROWS + COLUMNS - 2),
        (FILTER, "GLB: C2 M2 Q6 y C4 x M3", {"C": 8, "Q": 6, "M": 5}, 4, ROWS + (6 + ROWS + COLUMNS - 2)),
        (IFMAP, "GLB: C2 Q2 M6 y C4 x Q3", {"C": 7, "Q": 5, "M": 6}, 4, ROWS + (6 + ROWS + COLUMNS - 2)),
    ],
)
def test_folds(stationary: Tensor, nest: str, problem: dict[str, int], folds: int, fold: int) -> None:
    result = golden.run(systolic(ROWS, COLUMNS, stationary), LoopNest.parse(nest), Problem.of(problem))
    assert result.cycles == folds * fold


def test_preload_takes_its_time_without_a_port() -> None:
    levels = (Level("GLB", fanout=Fanout(ROWS, COLUMNS, {}, True)), Level("RF", frozenset({FILTER})))
    machine = Architecture("systolic", levels, serial=FILTER, skew=True)
    result = golden.run(machine, LoopNest.parse("GLB: C2 Q6 y C4 x M3"), Problem.of({"C": 8, "Q": 6, "M": 3}))
    assert result.cycles == 2 * (ROWS + (6 + ROWS + COLUMNS - 2))


# ---- counts on paper -------------------------------------------------------------------------------------------------


def test_row_stationary_diagonals_are_sent_once() -> None:
    # 3 filter rows on y, 4 ofmap rows on x: 6 ifmap rows of one word, 12 PEs; sums of 3 rise in each column
    networks = {PSUM: Network(NetworkKind.CHAIN, reduce=CRS)}
    machine = Architecture("diagonal", (Level("GLB", fanout=Fanout(3, 4, networks, True)), Level("RF")))
    result = golden.run(machine, LoopNest.parse("GLB: y R3 x P4"), Problem.of({"R": 3, "P": 4}))
    down, up = DIRECTIONS.index("down"), DIRECTIONS.index("up")
    assert result.network[0, 0, down].tolist() == [6, 12, 6]
    assert result.network[0, 1, down].tolist() == [3, 12, 3]
    assert result.network[0, 2, up].tolist() == [4, 12, 12]
    assert result.active_pes == 12


def test_sliding_window_and_padding() -> None:
    # 5 columns, 3 taps, pad 1: the window slides by one word; padding is no word of the outermost level
    problem = Problem.of({"Q": 5, "S": 3}, pad=(0, 1))
    for padding, read in ((Padding.ON_CHIP, 5), (Padding.STORED, 7)):
        result = golden.run(two_levels(Buffer.SINGLE, padding=padding), LoopNest.parse("DRAM: Q5 | RF: S3"), problem)
        assert (cell(result, 0, IFMAP, "read"), cell(result, 1, IFMAP, "fill")) == (read, 7)
        assert cell(result, 1, IFMAP, "read") == result.macs == 15


# ---- zeros: generated cases ------------------------------------------------------------------------------------------

BOTH = frozenset({IFMAP, FILTER})


def verify_sparse(drawn: SparseCase, rng: Random) -> None:
    """Outputs equal numpy whatever is gated, skipped and encoded; every sum still leaves once."""
    architecture, nest, problem, masks = drawn
    check(architecture, nest, problem)
    ifmap, weights = masked_operands(rng, problem, masks)
    result = golden.run(architecture, nest, problem, ifmap, weights, masks=masks)
    assert result.outputs is not None
    assert np.array_equal(result.outputs, golden.reference(problem, ifmap, weights))
    assert result.compute_cycles + sum(result.stalls.values()) == result.cycles
    assert result.words.min() >= 0 and result.network.min() >= 0 and min(result.stalls.values(), default=0) >= 0
    assert result.effectual <= result.macs == problem.slots
    if not architecture.sparsity.skip and not architecture.sparsity.gate:
        assert result.effectual == result.macs
    if architecture.sparsity.drift == 1:
        assert result.busy <= result.compute_cycles * result.active_pes
    for level, spec in enumerate(architecture.levels):
        if PSUM not in spec.compression:
            got = {action: cell(result, level, PSUM, action) for action in ACTIONS}
            ends = 0 if problem.added else problem.words(PSUM)
            left = got["drain"] - got["fill"] if level else ends
            assert got["read"] == got["update"] - left, "the psum identity"
    processing = golden.run(architecture, nest, problem, processing=True, masks=masks)
    assert np.array_equal(processing.words, result.words)


@given(drawn=sparse_cases())
@settings(max_examples=50, deadline=None)
def test_zeros(drawn: SparseCase) -> None:
    verify_sparse(drawn, Random(0))


@pytest.mark.parametrize("seed", range(100))
def test_zeros_seeded(seed: int) -> None:
    rng = Random(seed)
    verify_sparse(sparse_case(rng), rng)


@pytest.mark.parametrize("seed", range(20))
def test_without_zeros_nothing_is_saved(seed: int) -> None:
    architecture, nest, problem, _ = sparse_case(Random(seed))
    levels = tuple(replace(level, compression={}) for level in architecture.levels)
    raw = replace(architecture, levels=levels, macs_per_cycle=1)
    dense = golden.run(replace(raw, sparsity=Sparsity()), nest, replace(problem, pad=(0, 0), height=0, width=0))
    told = golden.run(raw, nest, replace(problem, pad=(0, 0), height=0, width=0))
    assert np.array_equal(told.words, dense.words)
    assert np.array_equal(told.network, dense.network)
    assert (told.effectual, told.busy) == (dense.macs, dense.busy)
    if architecture.sparsity.drift == 1:
        assert told.compute_cycles == dense.compute_cycles


# ---- zeros: formats on paper -----------------------------------------------------------------------------------------


def zeros(count: int, *, then: bool) -> list[bool]:
    """So many zeros, perhaps followed by a word."""
    return [False] * count + [True] * then


@pytest.mark.parametrize(
    ("flags", "pairs"),
    [
        (zeros(0, then=True), [(0, True)]),
        (zeros(31, then=True), [(31, True)]),
        (zeros(32, then=True), [(31, False), (0, True)]),
        (zeros(33, then=True), [(31, False), (1, True)]),
        (zeros(64, then=True), [(31, False), (31, False), (0, True)]),
        (zeros(1, then=False), [(0, False)]),
        (zeros(31, then=False), [(30, False)]),
        (zeros(32, then=False), [(31, False)]),
        (zeros(33, then=False), [(31, False), (0, False)]),
        (zeros(64, then=False), [(31, False), (31, False)]),
    ],
)
def test_rlc_pairs(flags: list[bool], pairs: list[tuple[int, bool]]) -> None:
    assert rlc_pairs(flags) == pairs


@pytest.mark.parametrize(
    ("flags", "entries"),
    [
        (zeros(15, then=True), [(15, True)]),
        (zeros(16, then=True), [(15, False), (0, True)]),
        (zeros(17, then=True), [(15, False), (1, True)]),
        (zeros(32, then=True), [(15, False), (15, False), (0, True)]),
        ([True, *zeros(16, then=True)], [(0, True), (15, False), (0, True)]),
        (zeros(40, then=False), []),
        ([True, *zeros(40, then=False)], [(0, True)]),
    ],
)
def test_csc_entries(flags: list[bool], entries: list[tuple[int, bool]]) -> None:
    assert csc_entries(flags) == entries


def test_bits_of_each_format() -> None:
    # a filter of two output channels by five taps: 10000 and 01001
    tile: Tile = {(0, m, 0, 0, s): (m, s) in ((0, 0), (1, 1), (1, 4)) for m in range(2) for s in range(5)}
    # pairs (0,x) (5,x) (2,x): one block of 3 * (5 + 16) + 1
    assert bits_of(Format.RLC, FILTER, tile, 16) == 64
    # one pair more begins another block
    assert bits_of(Format.RLC, FILTER, tile | {(0, 1, 0, 0, 5): False}, 16) == 128
    assert bits_of(Format.BITMASK, FILTER, tile, 16) == 10 + 3 * 16
    # five vectors along m, six addresses that tell 0..10 apart
    assert bits_of(Format.CSC, FILTER, tile, 16) == 3 * (4 + 16) + 6 * 4
    # two rows of five places (3 bits), three pointers
    assert bits_of(Format.CSR, FILTER, tile, 16) == 3 * (3 + 16) + 3 * 4
    # m takes a bit, s takes three
    assert bits_of(Format.COORDINATE, FILTER, tile, 16) == 3 * (16 + 1 + 3)
    assert [bits_of(form, FILTER, {}, 16) for form in Format] == [0] * 5


def test_csc_vectors_run_along_the_channels() -> None:
    # ifmap: 17 channels of one pixel, the last one non-zero: a placeholder; as 17 pixels of one channel there is none
    channels: Tile = {(0, 0, c, 0, 0): c == 16 for c in range(17)}
    pixels: Tile = {(0, 0, 0, 0, w): w == 16 for w in range(17)}
    assert bits_of(Format.CSC, IFMAP, channels, 16) == 2 * 20 + 2 * 5
    assert bits_of(Format.CSC, IFMAP, pixels, 16) == 1 * 20 + 18 * 5


# ---- zeros: slots on paper -------------------------------------------------------------------------------------------


def mask(problem: Problem, tensor: Tensor, flags: object) -> Mask:
    """A mask from nested lists, or a flat one, in tensor order."""
    return np.array(flags, np.uint8).reshape(shape_of(problem, tensor))


def pe(sparsity: Sparsity, **machine: object) -> Architecture:
    """One PE, nothing but the MAC array takes time."""
    return two_levels(Buffer.SINGLE, {}, sparsity=sparsity, **machine)


@pytest.mark.parametrize(
    ("gate", "skip", "ifmap", "filter_", "effectual", "cycles"),
    [
        # slots: both, filter only, ifmap only, none
        ("", "", 4, 4, 4, 4),
        ("i", "", 4, 2, 2, 4),
        ("f", "", 2, 4, 2, 4),
        ("if", "", 4, 2, 1, 4),
        ("", "i", 2, 2, 2, 2),
        ("", "f", 2, 2, 2, 2),
        ("f", "i", 1, 2, 1, 2),
        ("i", "f", 2, 1, 1, 2),
        ("", "if", 1, 1, 1, 1),
    ],
)
def test_reads_of_slots(gate: str, skip: str, ifmap: int, filter_: int, effectual: int, cycles: int) -> None:
    named = {"i": IFMAP, "f": FILTER}
    machine = pe(Sparsity(frozenset(named[x] for x in gate), frozenset(named[x] for x in skip)))
    masks = Masks(mask(DOT, IFMAP, [1, 0, 1, 0]), mask(DOT, FILTER, [1, 1, 0, 0]))
    result = golden.run(machine, LoopNest.parse("RF: C4"), DOT, masks=masks)
    assert (cell(result, 1, IFMAP, "read"), cell(result, 1, FILTER, "read")) == (ifmap, filter_)
    # the first slot is effectual: nothing is written beside the MACs, which read what is there but for the first
    assert (cell(result, 1, PSUM, "update"), cell(result, 1, PSUM, "read")) == (effectual, effectual - 1)
    assert (result.effectual, result.compute_cycles, result.busy) == (effectual, cycles, cycles)


def test_first_slot_writes_whatever_is_zero() -> None:
    machine = pe(Sparsity(skip=BOTH))
    # the only pair comes second: the first slot writes, the second reads and writes
    late = Masks(mask(DOT, IFMAP, [0, 1, 1, 0]), mask(DOT, FILTER, [1, 1, 0, 0]))
    result = golden.run(machine, LoopNest.parse("RF: C4"), DOT, masks=late)
    assert (cell(result, 1, PSUM, "update"), cell(result, 1, PSUM, "read"), result.compute_cycles) == (2, 1, 1)
    # nothing at all: one word written, drained, and no cycle
    nothing = Masks(mask(DOT, IFMAP, [0, 0, 0, 0]))
    result = golden.run(machine, LoopNest.parse("RF: C4"), DOT, masks=nothing)
    assert [cell(result, 1, PSUM, action) for action in ACTIONS] == [0, 0, 1, 1]
    assert (result.effectual, result.compute_cycles, result.cycles) == (0, 0, 0)


def test_refilled_psum_is_not_written_first() -> None:
    # M0 M1 M0 M1, a slot each, the ifmap of the second channel zero: its psums come back, wait, and leave
    problem = Problem.of({"C": 2, "M": 2})
    machine = pe(Sparsity(skip=frozenset({IFMAP})))
    masks = Masks(mask(problem, IFMAP, [1, 0]))
    result = golden.run(machine, LoopNest.parse("DRAM: C2 M2"), problem, masks=masks)
    assert [cell(result, 1, PSUM, action) for action in ACTIONS] == [2, 0, 2, 4]


@pytest.mark.parametrize("lanes", [1, 2])
def test_column_pairing_of_a_pointwise_layer(lanes: int) -> None:
    # S1 of one PE: the sum over c of nI(c) * ceil(nW(c) / lanes)
    problem = Problem.of({"C": 3, "M": 5, "P": 4})
    ifmap = [[1, 0, 1, 1], [0, 0, 0, 0], [0, 1, 1, 0]]  # nI: 3, 0, 2
    weights = [[1, 1, 0], [1, 0, 0], [1, 1, 1], [0, 1, 0], [0, 1, 0]]  # nW: 3, 4, 1
    masks = Masks(mask(problem, IFMAP, ifmap), mask(problem, FILTER, weights))
    machine = pe(Sparsity(skip=BOTH), macs_per_cycle=lanes)
    result = golden.run(machine, LoopNest.parse("RF: P4 C3 M5"), problem, masks=masks)
    assert result.compute_cycles == {1: 3 * 3 + 2 * 1, 2: 3 * 2 + 2 * 1}[lanes]
    assert result.effectual == 3 * 3 + 2 * 1


def test_columns_of_one_skipped_tensor() -> None:
    problem = Problem.of({"C": 3, "M": 5, "P": 4})
    ifmap = [[1, 0, 1, 1], [0, 0, 0, 0], [0, 1, 1, 0]]
    weights = [[1, 1, 0], [1, 0, 0], [1, 1, 1], [0, 1, 0], [0, 1, 0]]
    masks = Masks(mask(problem, IFMAP, ifmap), mask(problem, FILTER, weights))
    nest = LoopNest.parse("RF: P4 C3 M5")
    by_ifmap = golden.run(pe(Sparsity(skip=frozenset({IFMAP})), macs_per_cycle=2), nest, problem, masks=masks)
    assert by_ifmap.compute_cycles == (3 + 0 + 2) * 3  # all five words, two at a time
    by_filter = golden.run(pe(Sparsity(skip=frozenset({FILTER})), macs_per_cycle=2), nest, problem, masks=masks)
    assert by_filter.compute_cycles == 4 * 2 + 4 * 2 + 4 * 1


def test_placeholders_take_lanes() -> None:
    # one column of 40: words at 0 and 36, two placeholders for the 35 zeros between them
    problem = Problem.of({"M": 40})
    masks = Masks(filter=mask(problem, FILTER, [m in (0, 36) for m in range(40)]))
    nest = LoopNest.parse("RF: M40")
    machine = pe(Sparsity(skip=frozenset({FILTER})))
    assert golden.run(machine, nest, problem, masks=masks).compute_cycles == 2
    levels = (machine.levels[0], replace(machine.levels[1], compression={FILTER: Format.CSC}))
    assert golden.run(replace(machine, levels=levels), nest, problem, masks=masks).compute_cycles == 4
    lanes = replace(machine, levels=levels, macs_per_cycle=3)
    assert golden.run(lanes, nest, problem, masks=masks).compute_cycles == 2


def test_padding_is_skipped() -> None:
    problem = Problem.of({"Q": 5, "S": 3}, pad=(0, 1))
    result = golden.run(pe(Sparsity(skip=frozenset({IFMAP}))), LoopNest.parse("RF: Q5 S3"), problem)
    assert (result.effectual, result.compute_cycles) == (13, 13)


# ---- zeros: lanes and PEs that drift, on paper -----------------------------------------------------------------------


@pytest.mark.parametrize(("queue", "cycles"), [(1, 3 + 1 + 3), (2, 6), (3, 5)])
def test_lanes_of_output_pairing(queue: int, cycles: int) -> None:
    # pairs of the two lanes: (3, 0), (1, 0), (1, 3). Queue 1: the longer one each time. Queue 2: the second lane may
    # not begin its third output before the first is through with its first: 3 + 3. Queue 3: 3 + 1 + 1 against 3
    problem = Problem.of({"C": 6, "M": 2, "P": 3})
    ifmap = [[1, 1, 1], [1, 0, 0], [1, 0, 0], [0, 0, 1], [0, 0, 1], [0, 0, 1]]
    weights = [[1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]]
    masks = Masks(mask(problem, IFMAP, ifmap), mask(problem, FILTER, weights))
    machine = pe(Sparsity(skip=BOTH, pairing=Pairing.OUTPUT, queue=queue), macs_per_cycle=2)
    result = golden.run(machine, LoopNest.parse("RF: C6 M2 P3"), problem, masks=masks)
    assert (result.compute_cycles, result.effectual) == (cycles, 8)


def test_channels_come_in_rounds() -> None:
    # three channels on two lanes: rounds (2, 1) and (2, -) for the first pixel, (1, 0) and (1, -) for the second
    problem = Problem.of({"C": 2, "M": 3, "P": 2})
    masks = Masks(mask(problem, IFMAP, [[1, 0], [1, 1]]), mask(problem, FILTER, [[1, 1], [1, 0], [1, 1]]))
    machine = pe(Sparsity(skip=BOTH, pairing=Pairing.OUTPUT), macs_per_cycle=2)
    assert golden.run(machine, LoopNest.parse("RF: M3 P2 C2"), problem, masks=masks).compute_cycles == 2 + 2 + 1 + 1


def test_rounds() -> None:
    assert round_ends([[3, 1], [1, 3]], 1) == [3, 6]
    assert round_ends([[3, 1], [1, 3]], 2) == [3, 4]
    assert round_ends([[4, 1], [0, 1], [0, 1]], 2) == [4, 4, 5]
    assert round_ends([[0, 0], [0, 0]], 1) == [0, 0]
    assert round_ends([], 1) == []


def drifting(drift: int, serial: Tensor | None = None) -> golden.GoldenResult:
    """Two PEs, an output channel each, three steps: 4, 0, 0 cycles against 1, 1, 1."""
    problem = Problem.of({"M": 2, "C": 12})
    weights = [[1, 1, 1, 1, *[0] * 8], [1, 0, 0, 0] * 3]
    levels = (Level("DRAM", fanout=Fanout(1, 2, {}, True)), Level("RF"))
    machine = Architecture("two PEs", levels, sparsity=Sparsity(skip=frozenset({FILTER}), drift=drift), serial=serial)
    masks = Masks(filter=mask(problem, FILTER, weights))
    return golden.run(machine, LoopNest.parse("DRAM: C3 x M2 | RF: C4"), problem, masks=masks)


def lengths(result: golden.GoldenResult) -> list[int]:
    """Cycles of every step."""
    return [compute.length for compute in result.program.computes]


def test_drift() -> None:
    assert lengths(drifting(1)) == [4, 1, 1]
    # the second PE does its second step beside the first PE's first, and waits for that with its third
    assert lengths(drifting(2)) == [4, 0, 1]
    assert lengths(drifting(3)) == [4, 0, 0]
    # busy: 4 against 3; imbalance in lock step 6 * 2 / 7
    assert (drifting(1).busy, drifting(1).active_pes) == (7, 2)
    assert drifting(2).busy == 7


def test_drift_ends_with_a_pass() -> None:
    assert lengths(drifting(3, serial=FILTER)) == [4, 1, 1]
    assert lengths(drifting(3, serial=PSUM)) == [4, 0, 0]


# ---- zeros: time and traffic on paper --------------------------------------------------------------------------------


def test_a_step_may_take_no_time() -> None:
    # F0 0-2, C0 2-4, F1 4-6, C1 at 6, D 6-7
    machine = two_levels(Buffer.SINGLE, sparsity=Sparsity(skip=frozenset({IFMAP})))
    masks = Masks(mask(DOT, IFMAP, [1, 1, 0, 0]))
    result = golden.run(machine, TWO_TILES, DOT, masks=masks)
    assert (result.cycles, result.compute_cycles) == (7, 2)
    assert result.stalls == {"fill": 2, "DRAM->RF ifmap": 2, "drain": 1}


def test_encoded_fills_take_what_they_take() -> None:
    # 2 bits and two words: 3 words; 2 bits: 1 word. F0 0-3, C0 3-5, F1 5-6, C1 at 6, D 6-7
    machine = two_levels(Buffer.SINGLE, links() | {FILTER: Network()}, sparsity=Sparsity(skip=frozenset({IFMAP})))
    levels = (replace(machine.levels[0], compression={IFMAP: Format.BITMASK}), machine.levels[1])
    masks = Masks(mask(DOT, IFMAP, [1, 1, 0, 0]))
    result = golden.run(replace(machine, levels=levels), TWO_TILES, DOT, masks=masks)
    assert result.cycles == 7
    assert (cell(result, 0, IFMAP, "read"), cell(result, 1, IFMAP, "fill")) == (4, 4)
    assert result.network[0, 0, DIRECTIONS.index("down")].tolist() == [4, 4, 4]
    # an all-zero tile in coordinates takes nothing, and a cycle
    levels = (replace(machine.levels[0], compression={IFMAP: Format.COORDINATE}), machine.levels[1])
    result = golden.run(replace(machine, levels=levels), TWO_TILES, DOT, masks=masks)
    assert (result.cycles, cell(result, 0, IFMAP, "read")) == (7, 3)  # two words and a bit each: 3 words


def test_each_union_is_encoded_on_its_own() -> None:
    # two PEs that share one of three ifmap columns: 3 + 2 * 16 bits at the parent, 2 + 16 and 2 + 2 * 16 below
    problem = Problem.of({"Q": 2, "S": 2})
    masks = Masks(mask(problem, IFMAP, [0, 1, 1]))
    down = DIRECTIONS.index("down")
    for kind, told in ((NetworkKind.SYSTOLIC, [3, 5, 5]), (NetworkKind.UNICAST, [5, 5, 5])):
        fanout = Fanout(1, 2, {IFMAP: Network(kind)}, True)
        levels = (
            Level("DRAM", fanout=fanout, compression={IFMAP: Format.BITMASK}),
            Level("RF", compression={IFMAP: Format.RLC}),
        )
        result = golden.run(
            Architecture("two PEs", levels), LoopNest.parse("DRAM: x Q2 | RF: S2"), problem, masks=masks
        )
        assert result.network[0, 0, down].tolist() == told
        assert cell(result, 0, IFMAP, "read") == told[0]
        assert cell(result, 1, IFMAP, "fill") == 2 * 4  # a block of 64 bits each


def test_padding_made_on_the_chip_is_encoded_inside_only() -> None:
    # words of the outermost level: 5 and 5 bits; words of the RF: 7 of 7 with two zeros
    problem = Problem.of({"Q": 5, "S": 3}, pad=(0, 1))
    levels = tuple(Level(name, compression={IFMAP: Format.BITMASK}) for name in ("DRAM", "RF"))
    result = golden.run(Architecture("one PE", levels), LoopNest.parse("RF: Q5 S3"), problem)
    assert (cell(result, 0, IFMAP, "read"), cell(result, 1, IFMAP, "fill")) == (5 + 1, 5 + 1)
    stored = golden.run(
        Architecture("one PE", levels, padding=Padding.STORED), LoopNest.parse("DRAM: S3 | RF: Q5"), problem
    )
    # tiles of 5 words: 0xxxx xxxxx xxxx0, sliding by one: 5 + 4 * 16, 1 + 16, 1 bits
    assert cell(stored, 0, IFMAP, "read") == 5 + 2 + 1


def test_only_finished_sums_are_encoded() -> None:
    # tiles M0 M1 M0 M1 of two words; the last two are final: 2 + 16 and 2 bits
    problem = Problem.of({"C": 2, "M": 4})
    masks = Masks(ofmap=mask(problem, PSUM, [1, 0, 0, 0]))
    machine = two_levels(Buffer.SINGLE, {PSUM: links()[PSUM]})
    levels = (replace(machine.levels[0], compression={PSUM: Format.BITMASK}), machine.levels[1])
    nest = LoopNest.parse("DRAM: C2 M2 | RF: M2")
    result = golden.run(replace(machine, levels=levels), nest, problem, masks=masks)
    assert [cell(result, 0, PSUM, action) for action in ACTIONS] == [0, 4, 2 + 2 + 2 + 1, 0]
    assert [cell(result, 1, PSUM, action) for action in ACTIONS] == [4, 4, 8, 8]
    assert result.network[0, 2, DIRECTIONS.index("up")].tolist() == [7, 7, 0]  # a tree adds nothing here
    # C0 0-2 D0 2-4 C1 4-6 D1 6-8 F2 8-10 C2 10-12 D2 12-14 F3 14-16 C3 16-18 D3 18-19
    assert result.cycles == 19
    child = (machine.levels[0], replace(machine.levels[1], compression={PSUM: Format.BITMASK}))
    result = golden.run(replace(machine, levels=child), nest, problem, masks=masks)
    assert (cell(result, 0, PSUM, "update"), cell(result, 1, PSUM, "drain")) == (8, 7)


def test_parts_of_a_sum_are_not_final() -> None:
    # two buffers, half of the channels each: what arrives there is a part, and so is what leaves them, until it is
    # added on the way
    levels = (
        Level("DRAM", fanout=Fanout(1, 2, {PSUM: Network(NetworkKind.TREE, reduce=CRS)}, True)),
        Level("GLB", compression={PSUM: Format.BITMASK}),
        Level("RF"),
    )
    problem = Problem.of({"C": 2, "M": 4})
    masks = Masks(ofmap=mask(problem, PSUM, [0, 0, 0, 0]))
    result = golden.run(
        Architecture("halves", levels), LoopNest.parse("DRAM: x C2 | GLB: M2 | RF: M2"), problem, masks=masks
    )
    assert cell(result, 1, PSUM, "update") == cell(result, 1, PSUM, "drain") == 8
    assert cell(result, 0, PSUM, "update") == 4
    # one buffer has all the channels: its tiles of two zeros arrive in a word each, the four leave in one
    alone = golden.run(Architecture("whole", levels), LoopNest.parse("GLB: M2 | RF: M2 C2"), problem, masks=masks)
    assert (cell(alone, 1, PSUM, "update"), cell(alone, 1, PSUM, "drain"), cell(alone, 0, PSUM, "update")) == (2, 1, 4)


def test_old_psums_complete_a_sum_on_its_way() -> None:
    # accumulated on drain, the RF holds half a sum each time; the second time the other half joins before it arrives
    problem = Problem.of({"C": 2, "M": 4})
    masks = Masks(ofmap=mask(problem, PSUM, [0, 0, 0, 0]))
    machine = two_levels(Buffer.SINGLE, links(accumulate=True))
    levels = tuple(replace(level, compression={PSUM: Format.BITMASK}) for level in machine.levels)
    nest = LoopNest.parse("DRAM: C2 M2 | RF: M2")
    result = golden.run(replace(machine, levels=levels), nest, problem, masks=masks)
    assert (cell(result, 0, PSUM, "update"), cell(result, 1, PSUM, "drain")) == (2 + 2 + 1 + 1, 8)
