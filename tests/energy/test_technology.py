"""Memories, flip-flops and supplies of a process, each beside the row or the rule it follows from."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.architecture.physical import Access, Memory, MemoryKind
from accelsim.energy.load import load_table, nodes
from accelsim.errors import AccelsimError
from accelsim.workload.problem import TENSORS

TABLE = load_table("cmos_65nm")
AT_65 = TABLE.technology
KIB = 8192
SRAM, FLIP_FLOP = Memory(MemoryKind.SRAM), Memory(MemoryKind.FLIP_FLOP)


def near(value, digits=4):
    return pytest.approx(value, rel=10.0**-digits)


def words(bits):
    return dict.fromkeys(TENSORS, bits)


def test_the_isca_2016_table_follows_from_the_rows():
    """Register file, buffer and DRAM over a MAC: 1, 6 and 200 there; rows of the grid at 1.2 V taken to 1.0 V here."""
    mac = TABLE.mac(words(16))
    # Horowitz's 0.2 and 3.1 pJ at 8 and 32 b: a power law in cells; 0.05 pJ of the adder; P of 65 nm over P of 45 nm
    by = (3.755 - 4.398 + 1.975) / (1.103 * 0.81 - 0.362 * 0.9 + 0.2767)
    assert float(mac) == near((0.2 * (3.1 / 0.2) ** 0.5 + 0.05) * by)
    file = AT_65.memory(SRAM, 512 * 8, 16, "x")
    assert float(file.access(False, 16, False)) == near(1.1774 / 1.44)
    assert float(file.access(True, 16, False)) == near(3.4181 / 1.44)
    buffer = AT_65.memory(Memory(port=64), 108 * KIB, 16, "x")
    assert float(buffer.access(False, 16, False)) == near(54.302 / 1.44 / 4)
    ratios = [float(price / mac) for price in (file.access(False, 16, False), buffer.access(False, 16, False))]
    assert ratios == [pytest.approx(0.62, abs=0.01), pytest.approx(7.1, abs=0.1)]
    assert float(16 * TABLE.components["DRAM"].read.at(0, "x") / mac) == pytest.approx(192, abs=1)


def test_between_two_rows_is_a_power_law():
    # 4 KiB and 8 KiB at 64 b: 6.1677 and 11.125 pJ, 0.028163 and 0.054811 mm2
    found = AT_65.memory(Memory(port=64), 6 * KIB, 16, "x")
    share = 0.5849625007  # log2(1.5)
    assert float(found.read) == near(6.1677 * (11.125 / 6.1677) ** share / 1.44)
    assert float(found.area) == near(0.028163 * (0.054811 / 0.028163) ** share)


def test_the_next_wider_port_is_paid_for():
    narrow, wide = (AT_65.memory(Memory(port=port), 8 * KIB, 16, "x") for port in (48, 64))
    assert (narrow.read, narrow.area) == (wide.read, wide.area)
    assert narrow.access(False, 16, False) == wide.read / 3
    assert wide.access(False, 16, True) == wide.read
    assert wide.access(False, 65, True) == 2 * wide.read


def test_what_is_wider_than_any_row_is_several_memories():
    one, two = AT_65.memory(Memory(port=1024), 16 * KIB, 16, "x"), AT_65.memory(Memory(port=2048), 32 * KIB, 16, "x")
    assert (two.read, two.area, two.leakage) == (2 * one.read, 2 * one.area, 2 * one.leakage)
    sliced = AT_65.memory(Memory(port=4096, slices=16), 32 * KIB, 16, "x")
    assert sliced.area == 16 * AT_65.memory(Memory(port=256), 2 * KIB, 16, "x").area


def test_count_shares_the_capacity():
    bank = AT_65.memory(Memory(port=64), 4 * KIB, 16, "x")
    assert AT_65.memory(Memory(port=64, count=25), 100 * KIB, 16, "x") == bank


def test_flip_flops_cost_by_the_bit():
    # 9 fJ and 5.98 um2 a bit at 40 nm are 12.85 fJ (0.8 V) and 13.11 um2 here; energy goes with V^2
    for depth in (1, 12, 500):
        found = AT_65.memory(FLIP_FLOP, depth * 16, 16, "x")
        assert float(found.read) == float(found.write) == near(0.20559 / 0.64)
        assert float(found.area) == near(depth * 16 * 13.1099e-6)
        assert found.leakage is None


@pytest.mark.parametrize(
    ("what", "bits", "message"),
    [
        (Memory(), 64 * 16, "x: a memory of 64 words is flip-flops or an SRAM, and the machine does not say which"),
        (FLIP_FLOP, 513 * 16, "513 words are no register file"),
        (SRAM, 4 * 16, "4 words is outside what its source gives"),
        (Memory(port=1024), 2048, "no row of the 65 nm data covers 256 B at a port of 1024 b with 1 bank "),
        (Memory(port=64, banks=3), 8 * KIB, r"8192 B at a port of 64 b with 3 banks \(none at all\)"),
    ],
)
def test_what_the_data_does_not_cover_is_refused(what, bits, message):
    with pytest.raises(AccelsimError, match=message):
        AT_65.memory(what, bits, 16, "x")


def test_high_performance_devices_leak_three_thousand_times_as_much():
    hot = replace(AT_65, device="HP")
    cold, warm = (one.memory(Memory(port=64), 32 * KIB, 16, "x") for one in (AT_65, hot))
    assert float(cold.leakage) == near(0.0061155)
    assert warm.leakage == 3000 * cold.leakage
    assert warm.read == cold.read * Fraction(83, 100)
    with pytest.raises(AccelsimError, match="unknown device 'XP'"):
        replace(AT_65, device="XP")


@given(st.sampled_from(nodes()), st.fractions(Fraction(7, 10), Fraction(13, 10)))
@settings(deadline=None)
def test_dynamic_energy_goes_with_the_square_of_the_supply(node, supply):
    table = load_table(f"cmos_{node}nm")
    other, by = table.at(supply), (supply / table.technology.supply) ** 2
    assert other.mac(words(8)) == by * table.mac(words(8))
    assert (other.technology.wire, other.tag) == (by * table.technology.wire, by * table.tag)
    one, two = (each.technology.memory(Memory(port=64), 64 * KIB, 8, "x") for each in (table, other))
    assert (two.read, two.leakage, two.area) == (by * one.read, one.leakage, one.area)
    assert other.components == table.components


def test_a_supply_nothing_is_known_of():
    for volts in (Fraction(69, 100), Fraction(2)):
        with pytest.raises(AccelsimError, match=r"energies are known from 0\.7 to 1\.3 V"):
            TABLE.at(volts)
    with pytest.raises(AccelsimError, match="'eyeriss_relative' has no technology, so no supply to change"):
        load_table("eyeriss_relative").at(Fraction(1))


@given(
    st.sampled_from(nodes()),
    st.sampled_from((32, 64, 128, 256, 512, 1024, 3000)),
    st.integers(64 * KIB, 64 * 1024 * KIB),
    st.sampled_from(list(Access)),
)
@settings(deadline=None, max_examples=200)
def test_nothing_is_free_or_negative(node, port, bits, access):
    found = load_table(f"cmos_{node}nm").technology.memory(Memory(port=port, access=access), bits, 16, "x")
    assert min(found.read, found.write, found.leakage, found.area) > 0
    assert found.access(True, 16, access is Access.WORD) > 0


def test_newer_nodes_cost_less():
    tables = [load_table(f"cmos_{node}nm") for node in nodes()]
    at_one = [table.at(Fraction(9, 10)).mac(words(16)) for table in tables]
    assert at_one == sorted(at_one, reverse=True)
    areas = [table.technology.multiply.proportional(8) for table in tables]
    assert areas == sorted(areas, reverse=True)
