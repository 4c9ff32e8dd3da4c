"""Energy tables: what the shipped ones say, how files are read, what is refused."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fakes
from accelsim.architecture.model import Level, Partition
from accelsim.architecture.yaml import load_architecture
from accelsim.energy.load import load_table, names, table_for
from accelsim.energy.yaml import build
from accelsim.errors import AccelsimError, SpecError
from accelsim.workload.problem import TENSORS, Tensor
from accelsim.yamlfile import parse

bits = st.integers(1, 64)
TABLES = {name: load_table(name) for name in names()}
WORDS16 = dict.fromkeys(TENSORS, 16)
GOOD = """
name: mine
source: a data sheet
unit: pJ
word: 16 b
mac: 0.5
network: {hop: 0.1, bits: 16}
components:
  RF: {read: 1, write: 2, bits: 32, leakage: 0.01}
  GLB: RF
"""


def sized(bits: int, component: str = "", name: str = "GLB") -> Level:
    return Level(name, capacity=(Partition(frozenset(TENSORS), bits),), component=component)


@pytest.mark.parametrize("name", names())
def test_every_shipped_table_says_where_it_is_from(name):
    table = load_table(name)
    assert table.name == name
    assert "20" in table.source or table.own_parts
    assert table.note


def test_eyeriss_relative_is_table_iv():
    table = load_table("eyeriss_relative")
    assert table.unit == "MAC"
    prices = [table.access(Level(name), "read", 16) for name in ("DRAM", "GLB", "RF")]
    assert [*prices, table.link(16), table.mac(WORDS16)] == [200, 6, 1, 2, 1]


def test_eyeriss_relative_is_for_16_bit_words():
    """Of moving a word of 8 b it charges half; its MAC is split as Horowitz's, to two digits."""
    table, known = load_table("eyeriss_relative"), load_table("horowitz_45nm")
    prices = [table.access(Level(name), "update", 8) for name in ("DRAM", "GLB", "RF")]
    assert [*prices, table.link(8)] == [100, 3, Fraction(1, 2), 1]
    multiply, add = known.multiply.at(16, "x"), known.add.at(16, "x")
    assert round(float(multiply / (multiply + add)), 2) == float(table.multiply.points[0][1])


def test_horowitz_scales_by_bits_and_capacity():
    table = load_table("horowitz_45nm")
    assert table.access(Level("DRAM"), "read", 16) == 320
    assert table.access(sized(8 * 8192), "read", 32) == 5
    assert table.access(sized(2**23), "update", 64) == 100
    assert 20 < table.access(sized(100 * 8192), "fill", 64) < 100
    assert table.access(sized(4096, name="RF"), "drain", 16) == Fraction(1, 2)


def test_horowitz_mac_is_multiply_plus_add():
    table = load_table("horowitz_45nm")
    assert table.mac(dict.fromkeys(TENSORS, 8)) == Fraction("0.23")
    assert table.mac(dict.fromkeys(TENSORS, 32)) == Fraction("3.2")
    assert table.mac({Tensor.IFMAP: 8, Tensor.FILTER: 8, Tensor.PSUM: 32}) == Fraction("0.3")
    assert table.mac({Tensor.IFMAP: 8, Tensor.FILTER: 8, Tensor.PSUM: 16}) == Fraction("0.25")


def mac(ifmap: int, filter: int, psum: int, name: str = "horowitz_45nm") -> Fraction:  # noqa: A002
    return TABLES[name].mac({Tensor.IFMAP: ifmap, Tensor.FILTER: filter, Tensor.PSUM: psum})


def test_a_multiplier_follows_the_product_of_its_widths():
    """0.2 pJ at 8 x 8 and 3.1 at 32 x 32: 15.5 times the energy for 16 times the cells."""
    add = Fraction("0.05")
    assert mac(8, 4, 16) - add == mac(4, 8, 16) - add == Fraction("0.1")
    assert mac(4, 4, 16) - add == Fraction("0.05")
    assert mac(1, 1, 16) - add == Fraction("0.2") / 64
    assert mac(64, 32, 16) - add == Fraction("6.2")
    assert mac(16, 4, 16) == mac(8, 8, 16)
    assert 0.98 < 2 * math.log(mac(16, 16, 16) - add, 4) - 2 * math.log(0.2, 4) < 2
    assert mac(4, 4, 16, "eyeriss_relative") == Fraction("0.94") / 16 + Fraction("0.06")


def test_an_adder_follows_its_width():
    multiply = Fraction("0.2")
    assert [mac(8, 8, psum) - multiply for psum in (4, 8, 16, 24, 32, 64)] == [
        Fraction(energy) for energy in ("0.015", "0.03", "0.05", "0.075", "0.1", "0.2")
    ]


@given(bits, bits, bits, bits)
def test_a_wider_mac_never_costs_less(ifmap, weights, psum, more):
    for name in names():
        least = mac(ifmap, weights, psum, name)
        assert least <= mac(max(ifmap, more), weights, psum, name)
        assert least <= mac(ifmap, weights, max(psum, more), name)
        assert least == mac(weights, ifmap, psum, name)


@given(st.sampled_from([name for name in names() if not TABLES[name].prices_parts]), bits)
def test_moving_a_word_costs_by_its_bits(name, width):
    table = TABLES[name]
    for level in (Level("DRAM"), sized(32 * 8192), sized(4096, name="RF")):
        for action in ("fill", "read", "update", "drain"):
            assert 16 * table.access(level, action, width) == width * table.access(level, action, 16)
    assert 16 * table.link(width) == width * table.link(16)


def test_horowitz_says_that_wires_are_free_and_why():
    table = load_table("horowitz_45nm")
    assert table.link(16) == 0
    assert "no wire energy" in table.note


def test_capacity_outside_the_source_is_refused():
    with pytest.raises(AccelsimError, match=r"level 'GLB' \(GLB\) capacity: 24 MiB is outside.*1 MiB"):
        load_table("horowitz_45nm").access(sized(24 * 2**23), "read", 16)
    with pytest.raises(AccelsimError, match="no capacity is outside"):
        load_table("horowitz_45nm").access(Level("GLB"), "read", 16)


def test_a_level_names_its_component():
    table = load_table("eyeriss_relative")
    assert table.access(Level("L2", component="GLB"), "read", 16) == 6
    with pytest.raises(AccelsimError, match=r"no component 'GLBB' for level 'L2'; did you mean 'GLB'\?"):
        table.access(Level("L2", component="GLBB"), "read", 16)


def test_a_file_reads_as_it_says(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD)
    table = load_table(path)
    assert table.access(Level("GLB"), "fill", 16) == 1
    assert table.access(Level("RF"), "drain", 32) == 1
    assert table.link(32) == Fraction(1, 5)
    assert table.mac(WORDS16) == Fraction(1, 2)
    assert table.components["RF"].leakage == Fraction("0.01")
    assert table.gated == 0


def test_a_share_for_gated_macs():
    assert build(parse(f"{GOOD}gated_mac: 0.1\n")).gated == Fraction(1, 10)
    assert build(parse(f"{GOOD}gated_mac: 1\n")).gated == 1
    with pytest.raises(AccelsimError, match=r"gated_mac is 1\.5; it must lie in 0 to 1"):
        replace(load_table("eyeriss_relative"), gated=Fraction(3, 2))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("unit: pJ", "unit: J", "4:7: unit: unknown unit 'J'; did you mean 'pJ'?"),
        (
            "word: 16 b\n",
            "",
            "5:1: mac.multiply: for words of which width? give its 'bits', or 'word' for the whole table",
        ),
        ("word: 16 b", "word: 65 b", "5:7: word: a word has at most 64 b, got '65 b'"),
        ("bits: 32", "bits: 0", "9:33: components.RF.bits: must be at least 1, got 0"),
        ("mac: 0.5", "mac: -1", "6:6: mac: an energy must be finite and at least 0, got -1"),
        ("mac: 0.5", "mac: .nan", "6:6: mac: an energy must be finite"),
        (
            "mac: 0.5",
            "mac: 0.5\ngated_mac: 1.5",
            "7:12: gated_mac: a share of a MAC's energy must lie in 0 to 1, got 1.5",
        ),
        ("mac: 0.5", "mac: 0.5\ngated_mac: half", "7:12: gated_mac: should be a number, got 'half'"),
        ("mac: 0.5", "mac: one", "6:6: mac: should be a number, got 'one'"),
        ("hop: 0.1", "hops: 0.1", "7:11: network.hops: unknown key; did you mean 'hop'?"),
        ("GLB: RF", "GLB: FR", "10:8: components.GLB: unknown component 'FR'; did you mean 'RF'?"),
        ("source: a data sheet", "source: ''", "3:9: source: should say something"),
        ("read: 1,", "read: {8 KB: 1},", "'8 KB': 'K' could be 1000 or 1024"),
        ("read: 1,", "read: {8 KiB: 2, 4 KiB: 1},", "9:14: components.RF.read: the sizes of a curve must ascend"),
    ],
)
def test_a_broken_file_says_where(old, new, message):
    assert old in GOOD
    with pytest.raises(SpecError) as error:
        build(parse(GOOD.replace(old, new), "mine.yaml"))
    assert message in str(error.value)


def test_every_error_is_reported_at_once():
    with pytest.raises(SpecError) as error:
        build(parse(GOOD.replace("unit: pJ", "unit: J").replace("mac: 0.5", "mac: x").replace("GLB: RF", "GLB: x")))
    assert len(error.value.issues) == 3


def test_unknown_table_names_the_nearest():
    with pytest.raises(AccelsimError, match=r"unknown energy table 'horowitz'; did you mean 'horowitz_45nm'\?"):
        load_table("horowitz")


def test_there_is_no_silent_default():
    assert table_for(fakes.machine()).name == "eyeriss_relative"
    assert table_for(fakes.machine(), "horowitz_45nm").unit == "pJ"
    with pytest.raises(AccelsimError, match="names no energy table and none was given"):
        table_for(fakes.machine(energy=""))


def test_unknown_accounting_is_refused():
    with pytest.raises(AccelsimError, match=r"unknown accounting 'isca'; did you mean 'isca16'\?"):
        replace(load_table("eyeriss_relative"), accounting="isca")


def test_each_part_of_a_capacity_is_a_memory():
    """Hand: the power law through 32 KiB (20 pJ) and 1 MiB (100 pJ for 64 b): 52.5 pJ at 256 KiB, 87.5 at 768 KiB."""
    table = load_table("horowitz_45nm")
    level = load_architecture("systolic_os").levels[1]
    assert len(level.capacity) == 3
    for tensor in TENSORS:
        assert float(table.access(level, "read", 64, tensor)) == pytest.approx(52.53, abs=0.01)
    # a byte for 6.566 pJ; the price of one memory of their sum is 10.937
    assert float(table.access(level, "read", 8, TENSORS[0])) == pytest.approx(6.566, abs=0.001)
    assert float(table.access(sized(3 * 256 * 8192), "read", 8)) == pytest.approx(10.937, abs=0.001)
    larger = load_architecture("systolic_os", {"sram": "512 KiB"}).levels[1]
    law = 20 * 16 ** (math.log(5) / math.log(32))
    assert float(table.access(larger, "fill", 64, TENSORS[0])) == pytest.approx(law, 1e-5)
    small = load_architecture("systolic_os", {"sram": "4 KiB"}).levels[1]
    with pytest.raises(AccelsimError, match=r"filter\) capacity: 4 KiB is outside"):
        table.access(small, "read", 8, TENSORS[1])
    with pytest.raises(AccelsimError, match="has 3 memories: which tensor"):
        table.access(level, "read", 8)
    # two tensors that share a part share a memory
    shared = load_architecture("eyeriss").levels[1]
    assert table.access(shared, "read", 64, TENSORS[0]) == table.access(shared, "read", 64)


@pytest.mark.parametrize("energy", ["1" + "0" * 90, "1e16", "-1", ".inf", ".nan"])
def test_energies_out_of_bounds(energy):
    text = (
        "name: t\nsource: s\nunit: pJ\nword: 8 b\nmac: 1\nnetwork: {hop: 0}\n"
        f"components:\n  DRAM: {{read: {energy}, write: 1}}\n"
    )
    with pytest.raises(SpecError) as error:
        build(parse(text, "t.yaml"))
    assert str(error.value).startswith("t.yaml:8:16: components.DRAM.read: an energy must be ")
    assert len(str(error.value)) < 200
