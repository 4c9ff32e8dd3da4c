"""Banks and rows: sequences worked out on paper, bandwidth, and agreement of kernel, golden model and closed form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings

import golden
from accelsim.architecture.dram.model import Dram, Page
from accelsim.architecture.yaml import architecture_of
from accelsim.engine import analytical, cycle, program
from accelsim.engine.dram.banks import Bursts
from accelsim.mapping.mapping import LoopNest
from accelsim.report.glossary import explain
from accelsim.report.table import dram_grid
from accelsim.simulate import simulate
from accelsim.workload.problem import Problem, Tensor
from accelsim.yamlfile import parse
from golden.dram import Banks
from strategies import Case, dram_case, dram_cases, sparse_case, with_dram

READ, WRITE = False, True
FOUND = ("hit", "miss", "conflict")


def preset(text: str) -> Dram:
    """A DRAM as YAML says it; the core runs at its clock."""
    head = "name: m\nsource: s\nclock: 1 GHz\nword: 16 b\nlevels:\n"
    found = architecture_of(parse(f"{head}  - name: DRAM\n    dram: {text}\n  - name: RF\n")).levels[0].dram
    assert found is not None
    return found


DDR4 = preset("{preset: ddr4_2400, tREFI: 0}")
# the default map counts channels, then groups, then columns, then banks, then rows
NEXT_GROUP, NEXT_COLUMN, NEXT_BANK, NEXT_ROW = 1, 4, 4 * 128, 4 * 128 * 4


def served(dram: Dram, bursts: Sequence[tuple[int, bool]]) -> list[tuple[str, int]]:
    """What each burst found, and when its data had moved; the golden model's banks say the same."""
    walk, banks, out = Bursts(dram), Banks(dram), []
    for burst, write in bursts:
        before = walk.kinds.copy()
        end = walk.run(burst, burst, write)
        out.append((FOUND[int(np.argmax(walk.kinds - before))], end))
        banks.burst(Tensor.IFMAP, burst, write)
        assert banks.end == end
    assert walk.refreshes == banks.refreshes
    for index, kind in enumerate(FOUND):
        assert sum(n for (*_, found), n in banks.found.items() if found == kind) == walk.kinds[index]
    return out


# ---- on paper: DDR4-2400, CL 17, CWL 12, tRCD 17, tRP 17, tRAS 39 ----------------------------------------------------


@pytest.mark.parametrize(
    ("bursts", "expected"),
    [
        # ACT 0, RD 17, data 34-38; the same group again tCCD_L = 6 later
        ([(0, READ), (NEXT_COLUMN, READ)], [("miss", 38), ("hit", 44)]),
        # another group: ACT 4 (tRRD_S), RD 21
        ([(0, READ), (NEXT_GROUP, READ)], [("miss", 38), ("miss", 42)]),
        # another bank of the group: ACT 6 (tRRD_L), RD 23
        ([(0, READ), (NEXT_BANK, READ)], [("miss", 38), ("miss", 44)]),
        # another row: PRE 39 (tRAS), ACT 56, RD 73
        ([(0, READ), (NEXT_ROW, READ)], [("miss", 38), ("conflict", 94)]),
        # the last of many reads holds the row: RD 17, 23, .. 47, PRE 56 (tRTP = 9), ACT 73, RD 90
        (
            [(NEXT_COLUMN * k, READ) for k in range(6)] + [(NEXT_ROW, READ)],
            [("miss", 38), *(("hit", 38 + 6 * k) for k in range(1, 6)), ("conflict", 111)],
        ),
        # WR 17, data 29-33; PRE 51 (tWR = 18), ACT 68, RD 85
        ([(0, WRITE), (NEXT_ROW, READ)], [("miss", 33), ("conflict", 106)]),
        # written until 33, RD 42 in the same group (tWTR_L = 9)
        ([(0, WRITE), (NEXT_COLUMN, READ)], [("miss", 33), ("hit", 63)]),
        # RD 36 in another one (tWTR_S = 3)
        ([(0, WRITE), (NEXT_GROUP, READ)], [("miss", 33), ("miss", 57)]),
        # RD 17, WR 28 (tRTW = 11)
        ([(0, READ), (NEXT_COLUMN, WRITE)], [("miss", 38), ("hit", 44)]),
        # ACT 0, 4, 8, 12, and the fifth at 26 (tFAW), RD 43
        (
            [(k, READ) for k in (0, 1, 2, 3, NEXT_BANK)],
            [("miss", 38), ("miss", 42), ("miss", 46), ("miss", 50), ("miss", 64)],
        ),
    ],
)
def test_on_paper(bursts: list[tuple[int, bool]], expected: list[tuple[str, int]]) -> None:
    assert served(DDR4, bursts) == expected


def test_a_closed_page_is_opened_for_every_burst() -> None:
    # RD 17, closed at 39 (tRAS), ACT 56, RD 73
    assert served(replace(DDR4, page=Page.CLOSED), [(0, READ), (NEXT_COLUMN, READ)]) == [("miss", 38), ("miss", 94)]


def test_refresh() -> None:
    # RD 17 + 6 k; k = 97 at 599 comes before the refresh due at 600, k = 98 would come at 605: close at 608 (tRTP),
    # refresh at 625, ACT 1045 (tRFC = 420), RD 1062
    found = served(replace(DDR4, t_refi=600), [(NEXT_COLUMN * k, READ) for k in range(100)])
    assert found[97:] == [("hit", 620), ("miss", 1083), ("hit", 1089)]


def test_a_short_queue_hides_less() -> None:
    # four reads of a row, then another bank: its row is opened beside them, or only when the read before it is gone
    bursts = [(NEXT_COLUMN * k, READ) for k in range(4)] + [(NEXT_BANK, READ)]
    assert served(DDR4, bursts)[-1] == ("miss", 38 + 6 * 4)
    # the last RD before it is at 35: ACT 35, RD 52
    assert served(replace(DDR4, queue=1), bursts)[-1] == ("miss", 73)


def test_channels_work_side_by_side() -> None:
    assert served(replace(DDR4, channels=2), [(0, READ), (1, READ)]) == [("miss", 38), ("miss", 38)]


# ---- bandwidth -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "share"),
    [
        # what is lost is refresh: tRFC of every tREFI (350 of 7,800 ns, 180 of 3,904, 260 of 3,900), and closing and
        # opening rows around it
        ("ddr4_2400", 0.9510),
        ("lpddr4_3200", 0.9439),
        ("hbm2", 0.9243),
    ],
)
def test_a_stream_comes_near_the_peak(name: str, share: float) -> None:
    dram = preset(name)
    walk = Bursts(dram)
    walk.run(0, 2**26 * 8 // dram.burst_bits - 1)  # 64 MiB
    assert walk.efficiency == pytest.approx(share, abs=1e-4)  # given to four digits
    assert walk.efficiency < 1 - dram.t_rfc / dram.t_refi


def test_rows_of_one_bank_come_once_in_trc() -> None:
    walk = Bursts(DDR4)
    for row in range(1000):
        end = walk.run(row * NEXT_ROW, row * NEXT_ROW)
    # ACT every tRAS + tRP, the last one's data 17 + 17 + 4 later
    assert end == 999 * (39 + 17) + 38
    assert walk.kinds.tolist() == [0, 1, 999]


def test_random_rows_are_bounded_by_tfaw() -> None:
    rng, walk, count = Random(1), Bursts(DDR4), 20_000
    for _ in range(count):
        burst = rng.randrange(2**24)
        end = walk.run(burst, burst)
    assert end >= (count // 4 - 1) * DDR4.t_faw
    # and by banks that come again before tRC is over, with 16 banks and commands in order; as measured with this seed
    assert walk.efficiency == pytest.approx(0.2825, abs=1e-4)
    assert walk.kinds[0] < 20  # one in 8192 rows is open


def test_rows_of_all_banks_in_turn_reach_tfaw() -> None:
    walk = Bursts(DDR4)
    for index in range(4000):
        burst = index % 4 + NEXT_BANK * (index // 4 % 4) + NEXT_ROW * (index // 16)
        end = walk.run(burst, burst)
    # four rows every 26 clocks: 16 clocks of data in them
    assert end / 4000 == pytest.approx(26 / 4, rel=0.01)


# ---- agreement -------------------------------------------------------------------------------------------------------


def agree(drawn: Case) -> None:
    """Kernel and golden model agree on every burst, cycle and stall; the closed form bounds the cycles."""
    architecture, nest, problem = drawn
    lowered = program.build(architecture, nest, problem)
    counts, timing = cycle.evaluate(lowered)
    assert cycle.evaluate(lowered, repeats=False)[1] == timing
    told = golden.run(architecture, nest, problem)
    processing = golden.run(architecture, nest, problem, processing=True)
    banks, dram = told.program.banks, counts.dram
    assert banks is not None and dram is not None
    mine = {
        (row.tensor, row.direction, kind): number
        for row in dram.rows
        for kind, number in zip(FOUND, (row.hits, row.misses, row.conflicts), strict=True)
        if number
    }
    assert mine == dict(banks.found)
    assert (dram.refreshes, dram.clocks) == (banks.refreshes, banks.end)
    assert (timing.cycles, timing.stalls) == (told.cycles, told.stalls)
    assert (timing.processing, timing.processing_stalls) == (processing.cycles, processing.stalls)
    closed, bound = analytical.evaluate(lowered)
    assert closed.dram is None
    assert np.array_equal(closed.words, told.words)
    assert bound.cycles <= timing.cycles and bound.processing <= timing.processing


@given(drawn=dram_cases())
@settings(max_examples=100, deadline=None)
def test_agreement(drawn: Case) -> None:
    agree(drawn)


@pytest.mark.parametrize("seed", range(100))
def test_agreement_seeded(seed: int) -> None:
    agree(dram_case(Random(seed)))


@pytest.mark.nightly
@given(drawn=dram_cases())
@settings(max_examples=10_000, deadline=None)
def test_agreement_at_length(drawn: Case) -> None:
    agree(drawn)


@pytest.mark.parametrize("seed", range(40))
def test_agreement_on_zeros(seed: int) -> None:
    drawn = sparse_case(Random(seed))
    machine = with_dram(Random(seed), drawn.architecture)
    counts, timing = cycle.evaluate(program.build(machine, drawn.nest, drawn.problem), masks=drawn.masks)
    told = golden.run(machine, drawn.nest, drawn.problem, masks=drawn.masks)
    assert (timing.cycles, timing.stalls) == (told.cycles, told.stalls)
    assert counts.dram is not None and told.program.banks is not None
    assert counts.dram.clocks == told.program.banks.end


EYERISS = """
name: m
source: the Eyeriss chip on the banks of a DRAM
clock: 200 MHz
word: 16 b
levels:
  - name: DRAM
    dram: {preset: lpddr4_3200, tREFI: 500 ns}
  - {name: GLB, keeps: [ifmap, psum]}
  - name: BANK
    keeps: [filter]
    array:
      size: {y: 12, x: 14}
      networks:
        ifmap: {kind: multicast, width: 1 word}
        filter: {kind: multicast, width: 4 words}
        psum: {kind: chain, in: 4 words, out: 4 words, accumulate: on-drain, reduce: [C, R]}
      passes: {serial: filter}
  - name: RF
    buffer: {ifmap: stream, psum: stream}
pe: {macs: 1, pipeline: 3}
"""


@pytest.mark.parametrize("padding", ["stored", "on-chip"])
def test_agreement_on_the_chip(padding: str) -> None:
    machine = architecture_of(parse(f"{EYERISS}padding: {padding}\n"))
    nest = LoopNest.parse("DRAM: G2 N2 C2 | GLB: M2 | BANK: Q3 y P2 R5 x P14 | RF: C2 S5 M2")
    problem = Problem.of({"N": 2, "G": 2, "M": 4, "C": 4, "P": 27, "Q": 3, "R": 5, "S": 5}, pad=(2, 2))
    agree(Case(machine, nest, problem))


# ---- which bursts ----------------------------------------------------------------------------------------------------


def bursts(machine: str, nest: str, problem: Problem) -> dict[tuple[str, str], int]:
    """Bursts by tensor and direction."""
    lowered = program.build(architecture_of(parse(machine)), LoopNest.parse(nest), problem)
    dram = cycle.evaluate(lowered)[0].dram
    assert dram is not None
    return {(row.tensor, row.direction): row.bursts for row in dram.rows}


PLAIN = "name: m\nsource: s\nclock: 1 GHz\nword: 16 b\nlevels:\n  - {name: DRAM, dram: ddr4_2400}\n  - name: RF\n"


def test_a_burst_is_read_once_per_transfer() -> None:
    # 100 words of 16 b lie in 4 bursts of 32 words, whole or in two transfers (50 words: bursts 0-1 and 1-3)
    problem = Problem.of({"C": 100})
    assert bursts(PLAIN, "DRAM: | RF: C100", problem)["ifmap", "read"] == 4
    assert bursts(PLAIN, "DRAM: C2 | RF: C50", problem)["ifmap", "read"] == 5
    assert bursts(PLAIN, "DRAM: C100 | RF:", problem)["ifmap", "read"] == 100


def test_sliding_windows_bring_their_new_words_only() -> None:
    # columns 0-2, then one more each: 2 B of a 64 B burst
    problem = Problem.of({"Q": 8, "S": 3})
    assert bursts(PLAIN, "DRAM: Q8 | RF: S3", problem)["ifmap", "read"] == 8


def test_psums_are_written_and_read_back() -> None:
    problem = Problem.of({"C": 2, "M": 64})
    found = bursts(PLAIN, "DRAM: C2 M2 | RF: M32", problem)
    # a tile of 32 psums is one burst: four drains, two of them found partial sums and read them before
    assert (found["psum", "write"], found["psum", "read"]) == (4, 2)


# ---- what a user sees ------------------------------------------------------------------------------------------------


def test_the_result_tells_of_rows() -> None:
    parameters = {"rows": 8, "cols": 8, "dram": "hbm2"}
    result = simulate("systolic_ws", "alexnet", layers="CONV1,CONV2", parameters=parameters)
    document = result.to_dict()
    told, layers = document["total"]["dram"], [layer["dram"] for layer in document["layers"]]
    for key in ("bursts", "hits", "misses", "conflicts", "refreshes", "dram_cycles"):
        assert told[key] == sum(layer[key] for layer in layers)
        assert key in explain("dram").meaning + explain("dram").formula
    for part in [told, *layers]:
        assert part["hits"] + part["misses"] + part["conflicts"] == part["bursts"]
        assert part["row_hit_rate"] == part["hits"] / part["bursts"]
        assert 0 < part["bus_efficiency"] <= 1
    assert {(row["tensor"], row["direction"]) for row in layers[0]["by_tensor"]} >= {
        ("ifmap", "read"),
        ("psum", "write"),
    }
    grid = dram_grid(result)
    assert grid is not None and [row[0] for row in grid.rows] == ["CONV1", "CONV2", "total"]


def test_the_closed_form_tells_of_none_and_bounds() -> None:
    exact, bound = (
        simulate("systolic_ws", "alexnet", layers="FC8", evaluator=evaluator, parameters={"dram": "lpddr4_3200"})
        for evaluator in ("cycle", "analytical")
    )
    assert "dram" in exact.to_dict()["total"] and "dram" not in bound.to_dict()["total"]
    assert dram_grid(bound) is None
    assert bound.total.cycles <= exact.total.cycles


def test_without_a_dram_nothing_is_told() -> None:
    assert "dram" not in simulate("systolic_ws", "alexnet", layers="FC8").to_dict()["total"]
