"""Final sums have a width of their own; the numbers are worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from accelsim.architecture.model import Architecture
from accelsim.architecture.yaml import architecture_of, load_architecture
from accelsim.engine import evaluate, evaluate_many
from accelsim.errors import AccelsimError, MappingError, SpecError
from accelsim.mapping.finals import Finals, finals_of, holds_finals
from accelsim.mapping.mapping import LoopNest, capacity_overflows, check
from accelsim.simulate import simulate
from accelsim.workload.network import Network
from accelsim.workload.problem import Problem, Tensor, Width
from accelsim.workload.yaml import network_of
from accelsim.yamlfile import parse

MACHINE = """
name: small
source: made up for this test
clock: 1 GHz
word: {ifmap: 8 b, filter: 8 b, psum: 32 b, ofmap: 8 b}
dataflow: output_stationary_moc_mop
energy: eyeriss_relative
levels:
  - name: DRAM
    link: {width: 32 b}
  - name: GLB
    capacity: 64 KiB
    array:
      size: {y: 2, x: 2}
      networks:
        ifmap: {kind: multicast}
        filter: {kind: multicast}
        psum: {kind: chain}
  - name: RF
    keeps: [psum]
    capacity: 4 KiB
"""
PROBLEM = Problem.of({"M": 4, "C": 8, "P": 2, "Q": 2})
SUMS = 16  # words of the ofmap


def machine(**changes: str) -> Architecture:
    text = MACHINE
    for old, new in changes.items():
        text = text.replace(old, new)
    return architecture_of(parse(text))


def narrow(nest: str, architecture: Architecture | None = None) -> tuple[dict[str, int], int, int]:
    """Words that move as ofmap words, updates at DRAM in all, and cycles, of the cycle evaluator; the others agree."""
    architecture = architecture or machine()
    mapping = LoopNest.parse(nest)
    counts, timing = evaluate(architecture, mapping, PROBLEM)
    closed, _ = evaluate(architecture, mapping, PROBLEM, "analytical")
    batch, _ = evaluate_many(architecture, [mapping], PROBLEM)[0]
    whats = ("update", "drain", "sent", "deliveries", "hops")
    found = [
        {f"{level} {what}": n for level in one.levels for what in whats if (n := one.narrowed(level, what))}
        for one in (counts, closed, batch)
    ]
    assert found[0] == found[1] == found[2]
    return found[0], counts("DRAM", "psum", "update"), timing.cycles


def test_a_tile_that_is_drained_once_leaves_as_ofmap_words() -> None:
    # C goes round outside GLB's tile, which stays: 16 sums are drained once, and arrive in GLB final the second time
    found, updates, _ = narrow("DRAM: C2 | GLB: M2 P2 Q2 y C2 x M2 | RF: C2")
    assert updates == SUMS
    assert found == {
        "DRAM update": 16, "GLB drain": 16, "GLB update": 16, "DRAM sent": 16, "DRAM deliveries": 16,
    }  # fmt: skip


def test_partial_sums_go_to_dram_and_back_as_psums() -> None:
    # P goes round inside C: each of GLB's tiles is drained twice, read back once as psums, and final the second time
    found, updates, _ = narrow("DRAM: C2 P2 | GLB: M2 Q2 y C2 x M2 | RF: C2")
    assert updates == 2 * SUMS
    assert found["DRAM update"] == found["GLB drain"] == SUMS
    counts, _ = evaluate(machine(), LoopNest.parse("DRAM: C2 P2 | GLB: M2 Q2 y C2 x M2 | RF: C2"), PROBLEM)
    assert counts("DRAM", "psum", "read") == SUMS
    assert counts.bits("DRAM", Tensor.PSUM, "update", machine().widths) == SUMS * 32 + SUMS * 8
    assert counts.bits("DRAM", Tensor.PSUM, "read", machine().widths) == SUMS * 32


def test_the_link_is_held_for_the_bits_there_are() -> None:
    nest = "DRAM: C2 | GLB: M2 P2 Q2 y C2 x M2 | RF: C2"
    wide = replace(machine(), ofmap_bits=0)
    # the last transfer, of 16 sums: 4 cycles of 32 b, or 16
    assert narrow(nest, wide)[2] - narrow(nest)[2] == 12


def test_energy_pays_for_the_bits_there_are() -> None:
    nest = LoopNest.parse("DRAM: C2 P2 | GLB: M2 Q2 y C2 x M2 | RF: C2")
    result = simulate(machine(), _network(), mapping={"L": nest})
    rows = {(row.component, row.tensor, row.action): row.energy for row in result.layers[0].energy_rows}
    # DRAM costs 200 for 16 b
    assert rows["DRAM", "psum", "update"] == Fraction(200, 16) * (SUMS * 32 + SUMS * 8)
    assert rows["DRAM", "psum", "read"] == Fraction(200, 16) * SUMS * 32


def _network() -> Network:
    return network_of(
        parse("name: one\nsource: made up\ninput: {C: 8, H: 2, W: 2}\nlayers:\n  L: {op: conv, M: 4, kernel: 1}\n")
    )


@pytest.mark.parametrize(
    ("nest", "expected"),
    [
        # nothing is split over C further out, everything is added on the chain
        ("DRAM: C2 | GLB: M2 P2 Q2 y C2 x M2 | RF: C2", {(0, 1): (True, True, {0}), (1, 2): (True, False, set())}),
        # RF's tile is drained for every C of GLB's loop; it is refilled, so the last drain has it all
        ("GLB: C2 M2 P2 Q2 y C2 x M2 | RF: C2", {(0, 1): (True, True, {0}), (1, 2): (True, False, set())}),
        # psums pass GLB by: DRAM's link adds nothing, the chain below it does
        ("GLB: M2 P2 Q2 y C2 x M2 bypass psum | RF: C4", {(0, 2): (True, False, {0})}),
    ],
)
def test_what_is_final_where(nest: str, expected: dict[tuple[int, int], tuple[bool, bool, set[int]]]) -> None:
    wanted = {edge: Finals(a, b, frozenset(c)) for edge, (a, b, c) in expected.items()}
    assert finals_of(machine(), LoopNest.parse(nest), PROBLEM) == wanted


def test_a_named_level_is_left_narrow() -> None:
    mapping = LoopNest.parse("GLB: M2 P2 Q2 x M2 | RF: C8")
    named = replace(machine(), narrow="RF")
    # RF's sums are complete as they leave it, so the array's network has them narrow too
    assert finals_of(named, mapping, PROBLEM)[1, 2] == Finals(True, False, frozenset({1}))
    late = replace(machine(), narrow="GLB")
    assert finals_of(late, mapping, PROBLEM) == {
        (0, 1): Finals(True, False, frozenset({0})), (1, 2): Finals(False, False, frozenset()),
    }  # fmt: skip


def test_a_level_that_holds_final_sums_alone_has_room_for_four_times_as_many() -> None:
    tight = machine(**{"capacity: 64 KiB": "capacity: {psum: 16 B, ifmap + filter: 64 KiB}"})
    final, partial = "GLB: M2 P2 Q2 y C2 x M2 | RF: C4", "GLB: C2 M2 P2 Q2 y C2 x M2 | RF: C2"
    check(tight, LoopNest.parse(final), PROBLEM)
    assert holds_finals(tight, LoopNest.parse(final), PROBLEM, 1)
    assert not holds_finals(tight, LoopNest.parse(partial), PROBLEM, 1)
    with pytest.raises(MappingError, match="GLB psum: needs 512 bits, has 128 bits"):
        check(tight, LoopNest.parse(partial), PROBLEM)
    assert not capacity_overflows(tight, LoopNest.parse(final), PROBLEM)


def test_what_a_file_may_not_say() -> None:
    for old, new, said in (
        ("ofmap: 8 b", "ofmap: 40 b", "an ofmap of 40 b is wider than its psum of 32 b"),
        ("dataflow: output", "narrow: DRAM\ndataflow: output", "unknown level that sums leave 'DRAM'"),
        ("dataflow: output", "narrow: RFF\ndataflow: output", "did you mean 'RF'"),
        (", ofmap: 8 b}", "}\nnarrow: RF", "nothing is narrowed: give word an ofmap"),
    ):
        with pytest.raises(SpecError, match=said):
            architecture_of(parse(MACHINE.replace(old, new)))
    with pytest.raises(AccelsimError, match="an ofmap of 40 b is wider than its psum of 32 b"):
        simulate(machine(), _network(), bits={"ofmap": 40})


def test_isca16_knows_one_width() -> None:
    with pytest.raises(AccelsimError, match="knows one width of sums"):
        simulate(machine(), _network(), accounting="isca16")


@pytest.mark.parametrize("name", ["tpu_v1", "nvdla_full", "eyeriss_v2_bus"])
def test_ofmaps_of_int8_machines_reach_dram_as_the_ifmaps_they_become(name: str) -> None:
    found = simulate(name, "alexnet", layers="CONV3,FC8", evaluator="analytical", data="dense")
    for layer in found.layers:
        assert layer.bits[Width.OFMAP] == layer.bits[Width.IFMAP] == 8
        words = layer.problem.words(Tensor.PSUM)
        assert layer.counts.narrowed("DRAM", "update") == words
        partial = layer.counts("DRAM", "psum", "update") - words
        bits = layer.counts.bits("DRAM", Tensor.PSUM, "update", layer.bits)
        assert bits == 8 * words + partial * load_architecture(name).word_bits[Tensor.PSUM]
