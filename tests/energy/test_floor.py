"""Cells, floor and pitches, each added up a second way; published areas beside ours."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import sqrt

import pytest

import fakes
from accelsim.architecture.physical import ALL, Arithmetic, Memory, MemoryKind, OwnPart, Physical
from accelsim.architecture.yaml import load_architecture
from accelsim.energy.account import account
from accelsim.energy.floor import floor_of, mac, register_bits, root
from accelsim.energy.free import what_is_free
from accelsim.energy.load import load_table
from accelsim.errors import AccelsimError

TABLE = load_table("cmos_65nm")
KINDS = Physical(memories={"RF": {ALL: Memory(MemoryKind.FLIP_FLOP)}, "GLB": {ALL: Memory(port=64)}})
TOY = fakes.machine(physical=KINDS)
FLOP = 13.1099e-6
MAC_16 = (282 * (3495 / 282) ** 0.5 + 67) * 1.5e-6
"""mm2: Horowitz's 8 and 32 b multipliers and 16 b adder, 45 nm to 65 nm."""


def areas(machine, table):
    return {part.component: float(part.floor) for part in floor_of(machine, table).parts}


def test_the_toy_by_hand():
    found = floor_of(TOY, TABLE)
    # 8 PEs of 256 words of 16 b, a stage of 48 b and a psum handed on; 100 KiB at 64 b is a row of the grid
    pe = MAC_16 + (48 + 16 + 4096) * FLOP
    assert float(found.cells) == pytest.approx(8 * pe + 0.72751, rel=1e-4)
    assert found.area == found.cells
    assert float(found.pitch[1]) == pytest.approx(sqrt(pe), rel=1e-4)
    assert found.flip_flops == (8 * (48 + 16 + 4096), 0)
    assert found.missing == ()


def test_floor_is_cells_times_the_floorplan():
    wide = fakes.machine(physical=replace(KINDS, floorplan=Fraction(3)))
    one, three = floor_of(TOY, TABLE), floor_of(wide, TABLE)
    assert three.area == 3 * one.cells == 3 * three.cells
    assert float(three.pitch[1] / one.pitch[1]) == pytest.approx(sqrt(3))
    assert sum(part.floor for part in three.parts) == three.area


def test_a_memory_without_capacity_has_no_area_and_no_wires_around_it():
    dram, glb, rf = TOY.levels
    found = floor_of(replace(TOY, levels=(dram, glb, replace(rf, capacity=()))), TABLE)
    assert found.missing == ("RF (no capacity)",)
    assert found.pitch == (None, None, found.pitch[2])


def test_registers_are_what_is_said_and_what_is_handed_on():
    assert register_bits(TOY) == 48 + 16
    assert register_bits(fakes.machine(physical=replace(KINDS, registers=0))) == 16


def test_floating_point_only_at_the_widths_of_the_source():
    half = fakes.machine(physical=replace(KINDS, arithmetic=Arithmetic.FP16))
    by = 1.332 / 0.84433
    assert float(mac(half, TABLE)) == pytest.approx(1.5 * by, rel=1e-4)
    with pytest.raises(AccelsimError, match=r"no fp32 MAC of 16 b \(fp16, bf16, fp32, each of its own width\)"):
        mac(fakes.machine(physical=replace(KINDS, arithmetic=Arithmetic.FP32)), TABLE)


def test_brain_floats_cost_what_their_source_has_over_fp16():
    """ISCA 2021 at 7 nm: multiplies 0.21 and 0.34 pJ, adds 0.11 and 0.16; at 45 nm fp16 takes 1.1 and 0.4 pJ."""
    brain = fakes.machine(physical=replace(KINDS, arithmetic=Arithmetic.BF16))
    by_hand = 1.1 * 0.21 / 0.34 + 0.4 * 0.11 / 0.16
    assert float(mac(brain, load_table("cmos_45nm"))) == pytest.approx(by_hand, rel=1e-5)
    # no area of it is known: that of fp16, and said to be
    half = fakes.machine(physical=replace(KINDS, arithmetic=Arithmetic.FP16))
    assert floor_of(brain, TABLE).area == floor_of(half, TABLE).area
    told = " ".join(what_is_free(brain, TABLE))
    assert "area of bf16 MACs (fp16's stands for it)" in told
    assert "bf16" not in " ".join(what_is_free(half, TABLE))


def test_a_root_to_nine_digits():
    assert root(Fraction(2)) == Fraction(1414213562, 10**9)
    assert root(Fraction(0)) == 0


@pytest.mark.parametrize(
    ("machine", "table", "component", "published", "off"),
    [
        # Chen et al., JSSC 2017: shares of the 12.25 mm2 core; spads and buffer two thirds, 2.5 to 1, ALUs 7.4 %
        ("eyeriss", "cmos_65nm", ("RF",), 5.84, 0.15),
        ("eyeriss", "cmos_65nm", ("GLB", "FILTER_BANK"), 2.33, 0.15),
        ("eyeriss", "cmos_65nm", ("MAC",), 0.91, 0.15),
        # Jouppi et al., ISCA 2017, Fig. 2: shares of at most 331 mm2; the floorplan is from the first
        ("tpu_v1", "cmos_28nm", ("UB",), 96.0, 0.01),
        ("tpu_v1", "cmos_28nm", ("ACC",), 19.9, 0.15),
        ("tpu_v1", "cmos_28nm", ("MAC", "registers", "RF"), 79.4, 0.15),
    ],
)
def test_published_areas(machine, table, component, published, off):
    found = areas(load_architecture(machine), load_table(table))
    assert sum(found[name] for name in component) == pytest.approx(published, rel=off)


def test_diannaos_cells_are_below_its_layout():
    """Chen et al., ASPLOS 2014, Table 6: memories 1.158, combinational 0.609 mm2; cells are 10 to 60 % below."""
    found = areas(load_architecture("diannao"), TABLE)
    assert found["BUFFERS"] / 1.37 == pytest.approx(0.507, abs=0.001)
    assert found["MAC"] / 1.37 == pytest.approx(0.407, abs=0.001)
    assert 0.4 * 1.158 < found["BUFFERS"] / 1.37 < 0.9 * 1.158
    assert 0.4 * 0.609 < found["MAC"] / 1.37 < 0.9 * 0.609


def test_declared_parts_take_room_and_power():
    own = OwnPart("here", 3, Fraction(1, 2), Fraction(4))
    toy = fakes.machine(physical=replace(KINDS, floorplan=Fraction(2), parts={"PLL": own}))
    plain = fakes.machine(physical=replace(KINDS, floorplan=Fraction(2)))
    assert floor_of(toy, TABLE).area - floor_of(plain, TABLE).area == 2 * 3 * Fraction(1, 2)
    assert floor_of(toy, TABLE).pitch == floor_of(plain, TABLE).pitch
    (row,) = (row for row in account(toy, fakes.counts({}), TABLE, 1000) if row.action == "static")
    # 12 mW for 1000 cycles of 200 MHz
    assert (row.component, float(row.energy)) == ("PLL", pytest.approx(12e-3 * 5e-6 * 1e12))
