"""Widths of words: what a port carries, what a memory holds, and what changes when a run chooses other widths."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from accelsim.architecture.model import Architecture, Port
from accelsim.architecture.precision import with_bits
from accelsim.architecture.yaml import architecture_of, load_architecture
from accelsim.energy.account import account
from accelsim.energy.load import load_table
from accelsim.engine import evaluate
from accelsim.engine.program import build
from accelsim.engine.timing.windows import outline, windows
from accelsim.errors import AccelsimError, MappingError
from accelsim.mapping.mapping import LoopNest, capacity_overflows, check
from accelsim.workload.problem import TENSORS, Problem, Tensor
from accelsim.yamlfile import builtin, parse
from strategies import cases

IFMAP, FILTER, PSUM = TENSORS


def machine(word: str, link: str = "64 b", capacity: str = "108 KiB") -> Architecture:
    return architecture_of(
        parse(
            f"name: m\nsource: test\nclock: 200 MHz\nword: {word}\nlevels:\n"
            f"  - name: DRAM\n    link: {{width: {link}}}\n  - name: GLB\n    capacity: {{ifmap: {capacity}}}\n"
        )
    )


def link_cycles(found: Architecture, words: int, tensor: Tensor = IFMAP) -> int:
    port = found.levels[0].fanout.network(tensor).down
    assert port is not None
    return port.cycles(words, found.word_bits[tensor])


@pytest.mark.parametrize(("bits", "words"), [(1, 64), (2, 32), (4, 16), (8, 8), (16, 4), (32, 2), (64, 1)])
def test_words_of_a_beat_follow_from_bits(bits, words):
    found = machine(f"{bits} b")
    assert link_cycles(found, words) == 1
    assert link_cycles(found, words + 1) == 2


def test_words_lie_end_to_end_on_a_port():
    """24-bit words on 64 b: eight of them take three beats, and a word wider than its port takes several."""
    assert [link_cycles(machine("24 b"), words) for words in (2, 3, 8)] == [1, 2, 3]
    assert link_cycles(machine("64 b", link="16 b"), 3) == 12


def room(found: Architecture) -> int:
    """The most ifmap words that fit the GLB: the longest row of a convolution."""
    problem = Problem.of({"M": 2, "C": 10**6})
    nest = LoopNest.parse("DRAM: M2 | GLB: C1000000")
    (over,) = capacity_overflows(found, nest, problem)
    assert over.demand == 10**6 * found.word_bits[IFMAP]
    return over.bound // found.word_bits[IFMAP]


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_a_memory_holds_words_by_their_bits(bits):
    """108 KiB are 55,296 words of 16 b and twice as many of 8 b."""
    found = with_bits(machine("16 b"), {IFMAP: bits})
    words = 55_296 * 16 // bits
    assert room(found) == words
    for size, fits in ((words, True), (words + 1, False)):
        problem, nest = Problem.of({"M": 2, "C": size}), LoopNest.parse(f"DRAM: M2 | GLB: C{size}")
        assert bool(capacity_overflows(found, nest, problem)) != fits


def test_what_a_file_says_in_words_is_of_its_own_width():
    """The chip's ports of 1 and 4 words are 16 b and 64 b, whatever it runs; its spads hold more shorter words."""
    chip = load_architecture("eyeriss")
    short = with_bits(chip, dict.fromkeys(TENSORS, 8))
    ports = {tensor: short.levels[2].fanout.network(tensor).down for tensor in TENSORS}
    assert {t: (p.rate, p.in_words) for t, p in ports.items()} == {
        IFMAP: (16, False),
        FILTER: (64, False),
        PSUM: (64, False),
    }
    assert short.levels[3].capacity == chip.levels[3].capacity
    problem, nest = Problem.of({"M": 48}), LoopNest.parse("DRAM: | RF: M48")
    with pytest.raises(MappingError, match="RF psum: needs 768 bits, has 384 bits"):
        check(chip, nest, problem)
    check(short, nest, problem)


def test_a_word_wider_than_its_memory_is_refused():
    systolic = load_architecture("systolic_ws", {"rows": 4, "cols": 4})
    with pytest.raises(
        MappingError, match=r"RF filter: needs 9 bits, has 8 bits, 1 bits too many \(shorter words; enlarge"
    ):
        check(with_bits(systolic, {FILTER: 9}), LoopNest.parse("DRAM: Q4"), Problem.of({"Q": 4}))


def test_the_machine_itself_is_what_runs_its_own_widths():
    for name in builtin("arch"):
        found = load_architecture(name)
        assert with_bits(found, {}) is found
        assert with_bits(found, found.word_bits) is found


@pytest.mark.parametrize("name", builtin("arch"))
def test_every_shipped_machine_runs_other_widths(name):
    found = load_architecture(name)
    if name == "nvdla_full":  # its link counts words, of 8 b and 34 b (ofmaps are cut to 8 b on their way)
        with pytest.raises(AccelsimError, match="'DRAM link' of 'nvdla_full' is declared in words"):
            with_bits(found, {IFMAP: 64})
        return
    most = max((mode.ifmap for mode in found.modes), default=64)
    if found.modes:  # its multipliers have a width
        with pytest.raises(AccelsimError, match=f"modes: none takes ifmap words of {most + 1} b"):
            with_bits(found, {IFMAP: most + 1})
    wider = with_bits(found, {IFMAP: most if most == 64 else most // 2})
    ports = [p for level in wider.levels for n in level.fanout.networks.values() for p in (n.down, n.up) if p]
    assert not any(port.in_words for port in ports)


def test_a_port_in_words_of_several_widths_is_refused():
    found = machine("{ifmap: 8 b, filter: 8 b, psum: 24 b}", link="4 words")
    with pytest.raises(AccelsimError) as error:
        with_bits(found, {IFMAP: 4})
    assert str(error.value) == (
        "bits: port 'DRAM link' of 'm' is declared in words, which are of 8 and 24 b; "
        "declare it in bits to run words of other widths"
    )


@given(st.integers(0, 10**6), st.integers(1, 32), st.fractions(Fraction(1, 8), 999, max_denominator=10**6))
def test_half_the_bits_take_half_the_cycles(words, bits, rate):
    """Rounded up once a transfer: the half of a whole number of beats, rounded up."""
    port = Port("p", rate)
    assert port.cycles(words, bits) == -(-port.cycles(words, 2 * bits) // 2)


@settings(deadline=None, max_examples=150)
@given(cases())
def test_halving_all_widths_halves_the_cycles_of_every_port(case):
    """Each transfer's, on each of its ports; no count of words changes, and what moves them costs half."""
    drawn, nest, problem = case
    # what PEs do behind their MACs takes as long for a word of any width
    wide = replace(drawn, word_bits=dict.fromkeys(TENSORS, 16), ofmap_bits=0, narrow="", psum_in=0, window=0, bias=None)
    wide = replace(wide, modes=())  # shorter words may run in another mode
    half = with_bits(wide, dict.fromkeys(TENSORS, 8))
    assume(not wide.skew)  # there a preload lasts as long as the array is high
    # the last beat of a transfer takes a cycle, however far apart they are
    assume(all(network.every == 1 for level in wide.levels for network in level.fanout.networks.values()))
    lowered = [build(m, nest, problem) for m in (wide, half)]
    # streams of few versions, which all are here, come first
    before, after = (next(windows(p, outline(p))).schedule.work for p in lowered)
    assert np.array_equal(after, -(-before // 2))
    (counts, _), (shorter, timing) = (evaluate(m, nest, problem, "analytical") for m in (wide, half))
    assert np.array_equal(counts.words, shorter.words)
    assert timing.cycles <= evaluate(wide, nest, problem, "analytical")[1].cycles
    for table in map(load_table, ("eyeriss_relative", "horowitz_45nm")):
        prices = {"RF": table.components["RF"]} | {level.name: table.components["RF"] for level in wide.levels}
        priced = replace(table, components=prices)
        one, other = (account(m, counts, priced) for m in (wide, half))
        for row, short in zip(one, other, strict=True):
            ratio = (
                priced.mac(half.word_bits) / priced.mac(wide.word_bits) if row.component == "MAC" else Fraction(1, 2)
            )
            assert short.energy == ratio * row.energy


@settings(deadline=None, max_examples=60)
@given(cases())
def test_the_same_machine_with_its_ports_in_bits_gives_the_same(case):
    """Stated in words or in bits, a port is one port."""
    drawn, nest, problem = case
    problem = replace(problem, bias=False)  # a bias has a width of its own
    words = replace(drawn, word_bits=dict.fromkeys(TENSORS, 16), ofmap_bits=0, narrow="")
    bits = replace(with_bits(words, dict.fromkeys(TENSORS, 8)), word_bits=words.word_bits)
    for evaluator in ("cycle", "analytical"):
        (counts, time), (same, same_time) = (evaluate(m, nest, problem, evaluator) for m in (words, bits))
        assert np.array_equal(counts.words, same.words)
        assert time == same_time


def test_ports_of_children_and_of_banks_stay_as_wide():
    """A crossbar's child port in words becomes bits as its parent's does; a DRAM's banks are in bits already."""
    found = machine("{ifmap: 8 b, filter: 8 b, psum: 8 b}", link="4 words")
    outer = found.levels[0]
    network = outer.fanout.networks[IFMAP]
    child = Port("child", Fraction(2), in_words=True)
    networks = {**outer.fanout.networks, IFMAP: replace(network, child_down=child)}
    found = replace(found, levels=(replace(outer, fanout=replace(outer.fanout, networks=networks)), *found.levels[1:]))
    wider = with_bits(found, {IFMAP: 4}).levels[0].fanout.networks[IFMAP].child_down
    assert wider == Port("child", Fraction(16))
    assert wider.cycles(8, 4) == 2
