"""The golden model against numpy, conservation, and cycle counts worked out on paper."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings

import golden
from accelsim.architecture.model import Architecture, Buffer, Fanout, Level, Network, NetworkKind, Port
from accelsim.engine.counts import ACTIONS, DIRECTIONS, TRAFFIC
from accelsim.mapping.mapping import LoopNest, check
from accelsim.workload.problem import TENSORS, Padding, Problem, Tensor
from strategies import Case, case, cases, operands

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
    assert np.array_equal(result.outputs, golden.reference(problem, ifmap, weights))
    assert result.macs == problem.macs
    assert result.compute_cycles + sum(result.stalls.values()) == result.cycles
    assert result.words.min() >= 0 and result.network.min() >= 0 and min(result.stalls.values(), default=0) >= 0
    finals = cell(result, 0, PSUM, "update") - cell(result, 0, PSUM, "read")
    assert finals == problem.words(PSUM), "every ofmap word ends once"
    for level in range(1, len(architecture.levels)):
        got = {action: cell(result, level, PSUM, action) for action in ACTIONS}
        assert got["read"] == got["update"] - (got["drain"] - got["fill"]), "the psum identity"
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
