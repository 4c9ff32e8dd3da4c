"""Multipliers that split: what goes together, how long it takes, what it costs."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from random import Random

import numpy as np
import pytest

import golden
from accelsim.architecture.model import Architecture, Buffer, Fanout, Level, Mode, Network, NetworkKind, Partition, Port
from accelsim.architecture.precision import with_bits
from accelsim.energy.account import account
from accelsim.energy.floor import ARITHMETIC, floor_of
from accelsim.energy.load import load_table
from accelsim.engine import analytical, cycle, evaluate_many
from accelsim.engine.program import build
from accelsim.engine.timing.kernels.versions import last_touch
from accelsim.errors import AccelsimError
from accelsim.mapping.dataflows.dataflow import load
from accelsim.mapping.mapping import LoopNest
from accelsim.search import find
from accelsim.workload.problem import LOOP_DIMS, TENSORS, Problem, Width
from strategies import case, with_modes

IFMAP, FILTER, PSUM = TENSORS
FOUR = Mode(4, 4, 4, "M")


def machine(*modes: Mode, bits: int = 4, buffer: Buffer = Buffer.SINGLE, **more: object) -> Architecture:
    """One PE under a DRAM; ports of a word a cycle for sums, the others take no time."""
    link = Port("up", Fraction(1), in_words=True)
    networks = {PSUM: Network(NetworkKind.TREE, up=link)}
    levels = (Level("DRAM", fanout=Fanout(1, 1, networks, True)), Level("RF", buffer={PSUM: buffer}))
    words = {IFMAP: bits, FILTER: bits, PSUM: 24}
    return Architecture("split", levels, word_bits=words, modes=modes, **more)  # type: ignore[arg-type]


def compute(architecture: Architecture, nest: str, problem: Problem) -> int:
    """Cycles of the MAC array, the same by every evaluator."""
    lowered = build(architecture, LoopNest.parse(nest), problem)
    told = golden.run(architecture, LoopNest.parse(nest), problem)
    several = evaluate_many(architecture, [LoopNest.parse(nest)], problem)
    found = {
        told.compute_cycles,
        cycle.evaluate(lowered)[0].compute_cycles,
        cycle.evaluate(lowered, repeats=False)[0].compute_cycles,
        analytical.evaluate(lowered)[0].compute_cycles,
        several[0][0].compute_cycles,
    }
    (cycles,) = found
    return cycles


@pytest.mark.parametrize(
    ("nest", "cycles"),
    [
        ("DRAM: C3 | RF: M10", 3 * 3),  # 4 + 4 + 2 channels of each c
        ("DRAM: M10 | RF: C3", 30),  # one channel a step: three of four sub-words idle
        ("DRAM: M5 | RF: C3 M2", 5 * 3),  # two channels a step
        ("DRAM: C3 | RF: M5 M2", 3 * 3),  # the dim may be cut inside the PE
        ("DRAM: | RF: C3 M10", 3 * 3),
    ],
)
def test_sub_words_along_a_dim_are_macs_of_one_step_that_differ_in_it(nest: str, cycles: int) -> None:
    """10 channels of 3 products each; four at a time along M."""
    assert compute(machine(Mode(16, 16), FOUR), nest, Problem.of({"M": 10, "C": 3})) == cycles


def test_sub_words_of_any_macs_fill_up_in_order() -> None:
    split = machine(Mode(16, 16), Mode(4, 4, 4))
    assert compute(split, "DRAM: C3 | RF: M10", Problem.of({"M": 10, "C": 3})) == 3 * 3
    assert compute(split, "DRAM: | RF: C3 M10", Problem.of({"M": 10, "C": 3})) == 8  # ceil(30 / 4)
    assert compute(split, "DRAM: M10 | RF: C3", Problem.of({"M": 10, "C": 3})) == 10


def test_several_multipliers_take_several_groups() -> None:
    split = machine(Mode(16, 16), FOUR, macs_per_cycle=2)
    assert compute(split, "DRAM: | RF: C3 M10", Problem.of({"M": 10, "C": 3})) == 5  # 9 groups, 2 at a time
    whole = machine(Mode(16, 16), FOUR, bits=16, macs_per_cycle=2)
    assert compute(whole, "DRAM: | RF: C3 M10", Problem.of({"M": 10, "C": 3})) == 15


@pytest.mark.parametrize(
    ("nest", "phi"),
    [
        ("RF: M4 C4", 2),  # groups along C: (m0, c0..2), (m0, c3), (m1, ..); channel 0 is done in the second
        ("RF: C4 M4", 5),  # four channels begin with c0..2; of the second groups channel 0's is the first
        ("RF: C2 M4 C2", 5),  # a group is where its first MAC is: of c2, c3 only c3 begins one
    ],
)
def test_when_the_first_sum_is_done(nest: str, phi: int) -> None:
    """Three products at a time along C, of four: a second group holds what is left."""
    split = machine(Mode(16, 16), Mode(4, 4, 3, "C"), buffer=Buffer.STREAM)
    problem = Problem.of({"M": 4, "C": 4})
    lowered = build(split, LoopNest.parse(nest), problem)
    extent = np.array([problem[dim] for dim in LOOP_DIMS], np.int64)
    assert last_touch(lowered.loops, lowered.inside, extent, lowered.packs, np.empty((2, 10), np.int64)) == phi
    told = golden.run(split, LoopNest.parse(nest), problem)
    assert cycle.evaluate(lowered)[1].cycles == told.cycles


def test_a_divider_slows_the_chip_and_nothing_off_it() -> None:
    """At a third of the clock all takes three times as long, but for a DRAM that keeps its own."""
    nest, problem = LoopNest.parse("DRAM: M4 C5 | RF: Q3"), Problem.of({"M": 4, "C": 5, "Q": 3})

    def run(divider: int, port: Port) -> tuple[int, int]:
        levels = (Level("DRAM", read_port=port), Level("RF"))
        words = dict.fromkeys(TENSORS, 8)
        split = Architecture("slow", levels, word_bits=words, modes=(Mode(8, 8, divider=divider),), clock_hz=1e8)
        counts, timing = cycle.evaluate(build(split, nest, problem))
        assert timing.cycles == timing.compute + sum(timing.stalls.values())
        assert timing.cycles == golden.run(split, nest, problem).cycles
        assert counts.compute_cycles == timing.compute
        return timing.cycles, timing.compute

    on_chip = Port("p", Fraction(4))
    assert run(3, on_chip) == tuple(3 * cycles for cycles in run(1, on_chip))
    own = Port("p", Fraction(4), per_second=Fraction(4 * 10**8))
    whole, slow = run(1, own), run(3, own)
    assert slow[1] == 3 * whole[1]
    assert whole[0] < slow[0] < 3 * whole[0]


@pytest.mark.parametrize("seed", range(40))
def test_many_mappings_at_once_agree_with_one(seed: int) -> None:
    rng = Random(seed)
    drawn = with_modes(rng, case(rng))
    lowered = build(drawn.architecture, drawn.nest, drawn.problem)
    if drawn.problem.slices != (1, 1):
        return
    one, bound = analytical.evaluate(lowered)
    counts, timing = evaluate_many(drawn.architecture, [drawn.nest], drawn.problem)[0]
    assert (counts.compute_cycles, timing) == (one.compute_cycles, bound)


def test_the_words_choose_the_mode_of_the_fewest_cells() -> None:
    modes = Mode(16, 16), Mode(8, 8, 2), Mode(8, 4, 4), Mode(4, 4, 4)
    split = machine(*modes, bits=16)

    def of(ifmap: int, filters: int) -> Mode:
        return with_bits(split, {Width.IFMAP: ifmap, Width.FILTER: filters}).mode

    assert [of(16, 16), of(9, 2), of(8, 8), of(5, 4), of(4, 5), of(1, 4)] == [
        modes[0], modes[0], modes[1], modes[2], modes[1], modes[3],
    ]  # fmt: skip
    assert split.macs_at_once == 1
    assert with_bits(split, {Width.IFMAP: 8, Width.FILTER: 4}).macs_at_once == 4
    with pytest.raises(AccelsimError, match="modes: none takes ifmap words of 17 b and filter words of 16 b"):
        of(17, 16)


def test_a_search_gives_each_sub_word_a_channel() -> None:
    """A PE has room for channels or for pixels; only channels go together."""
    rf = Level("RF", capacity=(Partition(frozenset(TENSORS), 4 * (1 + 4 + 4 * 6)),))
    array = Fanout(1, 4, {}, declared=True)
    words = {IFMAP: 4, FILTER: 4, PSUM: 24}
    split = Architecture("s", (Level("DRAM", fanout=array), rf), word_bits=words, modes=(Mode(16, 16), FOUR))
    flow = replace(load("subword_parallel"), whole=())
    problem = Problem.of({"M": 16, "C": 8, "Q": 8})
    found = find(split, problem, flow, "cycles", load_table("own_parts"), None, "analytical")
    assert found.nest.level("RF").temporal[0].dim == "M"
    lowered = build(split, found.nest, problem)
    assert analytical.evaluate(lowered)[0].compute_cycles == problem.macs // (4 * 4)


# ---- energy ----------------------------------------------------------------------------------------------------------


def priced(bits: int, *modes: Mode, table: str = "horowitz_45nm") -> dict[tuple[str, str], Fraction]:
    """Energy by component and action of a small layer."""
    split = replace(machine(*modes, bits=bits), levels=(Level("DRAM"), Level("RF", component="GLB")))
    split = replace(split, levels=tuple(replace(level, component="DRAM") for level in split.levels))
    lowered = build(split, LoopNest.parse("DRAM: C3 | RF: M4"), Problem.of({"M": 4, "C": 3}))
    counts, timing = cycle.evaluate(lowered)
    rows = account(split, counts, load_table(table), timing.cycles)
    return {(row.component, f"{row.tensor} {row.action}"): row.energy for row in rows}


def test_a_mac_costs_as_its_part_of_the_multiplier() -> None:
    """5 x 5 b in the mode of 8 b costs as 8 x 8 b; a declared energy is a share of a MAC of the whole multiplier."""
    table, mac = load_table("horowitz_45nm"), ("MAC", "none mac")

    def of(width: int) -> Fraction:
        return table.mac({IFMAP: width, FILTER: width, PSUM: 24})

    assert priced(5, Mode(16, 16), Mode(8, 8, 2))[mac] == 12 * of(8)
    assert priced(16, Mode(16, 16), Mode(8, 8, 2))[mac] == 12 * of(16)
    assert priced(5, Mode(16, 16), Mode(8, 8, 2, share=Fraction(1, 3)))[mac] == 4 * of(16)


def test_what_switches_on_the_chip_goes_with_the_square_of_the_supply() -> None:
    plain = priced(8, Mode(16, 16), Mode(8, 8, 2))
    low = priced(8, Mode(16, 16, supply=Fraction(1)), Mode(8, 8, 2, supply=Fraction(4, 5)))
    assert plain.keys() == low.keys()
    for (component, action), energy in plain.items():
        assert low[component, action] == energy * (1 if component == "DRAM" else Fraction(16, 25)), component
    whole = priced(16, Mode(16, 16, supply=Fraction(1)), Mode(8, 8, 2, supply=Fraction(4, 5)))
    assert whole == priced(16)


def test_of_a_process_a_supply_is_in_volts_and_the_clock_runs_at_its_own_rate() -> None:
    """`cmos_28nm` is at 0.9 V; at half the clock a cycle of the core clock has half an edge."""
    from accelsim.reproduce import envision

    chip, table = envision.sized(8), load_table("cmos_28nm")
    nest = envision.mapping(8)
    lowered = build(chip, nest, envision.LAYER)
    counts, timing = cycle.evaluate(lowered)
    free = replace(chip, modes=tuple(replace(mode, supply=None) for mode in chip.modes))
    scaled, plain = (account(one, counts, table, timing.cycles, nest=nest) for one in (chip, free))
    by = (Fraction("0.8") / Fraction("0.9")) ** 2
    for now, before in zip(scaled, plain, strict=True):
        stays = before.component == "DRAM" or before.action in ("leakage", "static")
        assert now.energy == before.energy * (1 if stays else by)
    (clock,) = (row for row in plain if row.action == "clock")
    flip_flops = sum(floor_of(free, table).flip_flops)
    assert table.technology is not None
    assert clock.energy == flip_flops * Fraction(timing.cycles, 2) * table.technology.flip_flop.clock


def test_the_area_is_that_of_the_whole_multiplier_in_every_mode() -> None:
    from accelsim.reproduce import envision

    table = load_table("cmos_28nm")
    floors = [floor_of(envision.sized(bits), table) for bits in envision.MODES]
    areas = {next(part.cells for part in floor.parts if part.component == ARITHMETIC) for floor in floors}
    assert len(areas) == 1


def test_accounting_of_a_paper_that_knows_no_modes_is_refused() -> None:
    table = replace(load_table("eyeriss_relative"), accounting="isca16")
    split = machine(Mode(16, 16))
    counts, _ = cycle.evaluate(build(split, LoopNest.parse("RF: M4"), Problem.of({"M": 4})))
    with pytest.raises(AccelsimError, match="knows no modes of a multiplier"):
        account(split, counts, table)
