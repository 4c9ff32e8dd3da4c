"""Energy tables: what the shipped ones say, how files are read, what is refused."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

import fakes
from accelsim.architecture.model import Level, Partition
from accelsim.energy.load import load_table, names, table_for
from accelsim.energy.yaml import build
from accelsim.errors import AccelsimError, SpecError
from accelsim.workload.problem import TENSORS, Tensor
from accelsim.yamlfile import parse

WORDS16 = dict.fromkeys(TENSORS, 16)
GOOD = """
name: mine
source: a data sheet
unit: pJ
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
    assert "20" in table.source
    assert table.note


def test_eyeriss_relative_is_table_iv():
    table = load_table("eyeriss_relative")
    assert table.unit == "MAC"
    prices = [table.access(Level(name), "read", 16) for name in ("DRAM", "GLB", "RF")]
    assert [*prices, table.link(16), table.mac(WORDS16)] == [200, 6, 1, 2, 1]


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
    with pytest.raises(AccelsimError, match="4 b is outside"):
        table.mac(dict.fromkeys(TENSORS, 4))


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
        ("mac: 0.5", "mac: -1", "5:6: mac: an energy must be finite and at least 0, got -1"),
        ("mac: 0.5", "mac: .nan", "5:6: mac: an energy must be finite"),
        (
            "mac: 0.5",
            "mac: 0.5\ngated_mac: 1.5",
            "6:12: gated_mac: a share of a MAC's energy must lie in 0 to 1, got 1.5",
        ),
        ("mac: 0.5", "mac: 0.5\ngated_mac: half", "6:12: gated_mac: should be a number, got 'half'"),
        ("mac: 0.5", "mac: one", "5:6: mac: should be a number, got 'one'"),
        ("hop: 0.1", "hops: 0.1", "6:11: network.hops: unknown key; did you mean 'hop'?"),
        ("GLB: RF", "GLB: FR", "9:8: components.GLB: unknown component 'FR'; did you mean 'RF'?"),
        ("source: a data sheet", "source: ''", "3:9: source: should say something"),
        ("read: 1,", "read: {8 KB: 1},", "'8 KB': 'K' could be 1000 or 1024"),
        ("read: 1,", "read: {8 KiB: 2, 4 KiB: 1},", "8:14: components.RF.read: the sizes of a curve must ascend"),
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
