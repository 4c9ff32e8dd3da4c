"""The ISCA 2016 accounting equals the paper's reuse equations on counts made from reuse factors."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fakes
from accelsim.architecture.model import Fanout
from accelsim.energy import isca16
from accelsim.energy.account import account
from accelsim.energy.load import load_table
from accelsim.energy.rows import grouped, total

MACHINE = fakes.machine()
TABLE = load_table("eyeriss_relative")
reuse = st.integers(2, 9)
factors = st.tuples(reuse, reuse, reuse, reuse)


def input_cells(tensor, a, b, c, d, scale):
    """Each of `scale` values: read a times at the DRAM, b times at the GLB per stay, c PEs, d MACs."""
    cells = {
        ("DRAM", tensor, "read"): a * scale,
        ("GLB", tensor, "fill"): a * scale,
        ("GLB", tensor, "read"): a * b * scale,
        ("RF", tensor, "fill"): a * b * c * scale,
        ("RF", tensor, "read"): a * b * c * d * scale,
    }
    return cells, {("GLB", tensor, "down", "deliveries"): a * b * c * scale}


def psum_cells(a, b, c, d, words):
    """Each of `words` outputs: a x b x c x d additions, a stays at the DRAM, b in the GLB, c PEs, d in the RF."""
    cells = {
        ("DRAM", "psum", "update"): a * words,
        ("DRAM", "psum", "read"): (a - 1) * words,
        ("GLB", "psum", "update"): a * b * words,
        ("RF", "psum", "drain"): a * b * c * words,
        ("RF", "psum", "update"): a * b * c * d * words,
    }
    return cells, {("GLB", "psum", "up", "deliveries"): a * b * c * words}


def counted(ifmap, filters, psums):
    """Counts for 1 output word scaled so that all three tensors see the same number of MACs."""
    products = [a * b * c * d for a, b, c, d in (ifmap, filters, psums)]
    macs = products[0] * products[1] * products[2]
    cells, network = {}, {}
    for tensor, reuses, product in (("ifmap", ifmap, products[0]), ("filter", filters, products[1])):
        more, links = input_cells(tensor, *reuses, macs // product)
        cells, network = cells | more, network | links
    more, links = psum_cells(*psums, macs // products[2])
    return fakes.counts(cells | more, network | links, macs)


def input_energy(a, b, c, d):
    return Fraction(200 * a + 6 * a * b + 2 * a * b * c + a * b * c * d, a * b * c * d)


def psum_energy(a, b, c, d):
    energy = 200 * (2 * a - 1) + 2 * 6 * a * (b - 1) + 2 * a * b * (c - 1) + 2 * a * b * c * (d - 1)
    return Fraction(energy, a * b * c * d)


@given(factors, factors, factors)
def test_the_papers_equations(ifmap, filters, psums):
    counts = counted(ifmap, filters, psums)
    rows = isca16.account(MACHINE, counts, TABLE)
    types = grouped(rows, "tensor")
    assert types["ifmap"] == counts.macs * input_energy(*ifmap)
    assert types["filter"] == counts.macs * input_energy(*filters)
    assert types["psum"] == counts.macs * psum_energy(*psums)
    assert types["none"] == counts.macs
    roles = isca16.by_role(MACHINE, rows)
    assert sum(roles.values()) == sum(types.values()) == total(rows)
    assert set(roles) == set(isca16.ROLES)


def test_a_level_without_reuse_is_free():
    with_one, without = (counted((2, b, 3, 4), (2, 2, 2, 2), (2, 2, 2, 2)) for b in (1, 2))
    assert "GLB" not in {r.component for r in isca16.account(MACHINE, with_one, TABLE) if r.tensor == "ifmap"}
    assert "GLB" in {r.component for r in isca16.account(MACHINE, without, TABLE) if r.tensor == "ifmap"}
    register = counted((2, 2, 3, 1), (2, 2, 2, 2), (2, 2, 2, 2))
    assert "RF" not in {r.component for r in isca16.account(MACHINE, register, TABLE) if r.tensor == "ifmap"}


@pytest.mark.parametrize(
    ("dataflow", "hops"), [("row_stationary", True), ("weight_stationary", False), ("no_local_reuse", False)]
)
def test_filters_hop_or_not(dataflow, hops):
    table = replace(TABLE, accounting="isca16")
    rows = account(MACHINE, counted((2, 2, 2, 2), (2, 2, 2, 2), (2, 2, 2, 2)), table, dataflow=dataflow)
    assert hops == any((row.component, row.tensor) == ("network", "filter") for row in rows)


def test_without_a_register_file_psums_enter_the_network_at_every_mac():
    # 8 MACs for an output word that a tree of 4 adds: two visits of the GLB
    machine = replace(MACHINE, levels=MACHINE.levels[:2])
    counts = fakes.counts(
        {("DRAM", "psum", "update"): 1, ("GLB", "psum", "update"): 2, ("GLB", "psum", "read"): 1},
        {("GLB", "psum", "up", "deliveries"): 8},
        macs=8,
        levels=("DRAM", "GLB"),
    )
    types = grouped(isca16.account(machine, counts, TABLE), "tensor")
    assert types["psum"] == 200 + 12 * (2 - 1) + 2 * (8 - 2)


def test_a_window_of_registers_above_the_array_is_part_of_it():
    dram, glb, rf = MACHINE.levels
    window = replace(glb, name="WINDOW", component="RF", capacity=())
    machine = replace(MACHINE, levels=(dram, replace(glb, fanout=Fanout()), window, rf))
    cells = {("DRAM", "ifmap", "read"): 5, ("GLB", "ifmap", "read"): 10, ("WINDOW", "ifmap", "read"): 50}
    levels = ("DRAM", "GLB", "WINDOW", "RF")
    counts = fakes.counts(cells, {("WINDOW", "ifmap", "down", "deliveries"): 100}, macs=100, levels=levels)
    rows = isca16.account(machine, counts, TABLE)
    assert {(row.component, row.energy) for row in rows if row.tensor == "ifmap"} == {
        ("DRAM", 1000),
        ("GLB", 60),
        ("network", 200),
    }
    without_buffer = fakes.counts(
        {at: words for at, words in cells.items() if at[0] != "GLB"},
        {("WINDOW", "ifmap", "down", "deliveries"): 100},
        macs=100,
        levels=levels,
    )
    types = grouped(isca16.account(machine, without_buffer, TABLE), "tensor")
    assert types["ifmap"] == 1000 + 200


def test_it_is_not_the_default():
    counts = counted((2, 2, 2, 2), (2, 2, 2, 2), (2, 2, 2, 2))
    assert account(MACHINE, counts, TABLE) != account(MACHINE, counts, replace(TABLE, accounting="isca16"))
    assert TABLE.accounting == ""
