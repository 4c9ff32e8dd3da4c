"""Energy is counts times a table, and every way to group it adds up exactly."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fakes
from accelsim.architecture.model import MAY_REDUCE, Fanout, Network, NetworkKind
from accelsim.architecture.physical import ALL, Memory, MemoryKind, Physical
from accelsim.energy.account import account
from accelsim.energy.load import load_table, names
from accelsim.energy.rows import grouped, total
from accelsim.engine import evaluate
from accelsim.engine.counts import Counts, DramCounts, Encoded, RowCounts
from accelsim.errors import AccelsimError
from accelsim.mapping.mapping import LoopNest
from accelsim.workload.problem import REDUCTION_DIMS, TENSORS, Problem, Tensor

MACHINE = fakes.machine()
PRICED = fakes.machine(physical=Physical(memories={"RF": {ALL: Memory(MemoryKind.SRAM)}}))


def cell(rows, component, tensor, action):
    found = [row for row in rows if (row.component, row.tensor, row.action) == (component, tensor, action)]
    assert len(found) == 1
    return found[0].count, found[0].energy


def test_every_count_has_its_price():
    counts = fakes.counts(
        {("DRAM", "ifmap", "read"): 10, ("GLB", "psum", "update"): 7, ("RF", "filter", "fill"): 5},
        {
            ("GLB", "ifmap", "down", "deliveries"): 4,
            ("GLB", "psum", "up", "deliveries"): 3,
            ("GLB", "psum", "down", "deliveries"): 2,
        },
        macs=100,
    )
    rows = account(MACHINE, counts, load_table("eyeriss_relative"))
    assert cell(rows, "MAC", "none", "mac") == (100, 100)
    assert cell(rows, "DRAM", "ifmap", "read") == (10, 2000)
    assert cell(rows, "GLB", "psum", "update") == (7, 42)
    assert cell(rows, "RF", "filter", "fill") == (5, 5)
    assert cell(rows, "network", "ifmap", "hop") == (4, 8)
    assert cell(rows, "network", "psum", "hop") == (5, 10)
    assert total(rows) == 100 + 2000 + 42 + 5 + 8 + 10


def test_links_between_single_memories_are_in_the_access():
    counts = fakes.counts({}, {("DRAM", "ifmap", "down", "deliveries"): 4})
    assert [row.component for row in account(MACHINE, counts, load_table("eyeriss_relative"))] == ["MAC"]


def one_network(kind, y=4, x=2, **more):
    """The toy machine with one kind of network for all tensors below its buffer."""
    dram, glb, rf = MACHINE.levels
    network = Network(kind, reduce=frozenset(REDUCTION_DIMS) if kind in MAY_REDUCE else frozenset(), **more)
    fanout = Fanout(y, x, dict.fromkeys(TENSORS, network), declared=True)
    return replace(MACHINE, levels=(dram, replace(glb, fanout=fanout), rf))


@pytest.mark.parametrize("kind", NetworkKind)
def test_no_kind_of_network_is_free_and_all_are_comparable(kind):
    # 3 words that 8 PEs each want, and 8 sums that become 1: a hop for each PE, or on a mesh for each link crossed
    moved = {"sent": 3, "deliveries": 24, "hops": 27}
    up = {"sent": 1, "deliveries": 8, "hops": 7}
    network = {("GLB", "ifmap", "down", what): words for what, words in moved.items()}
    network |= {("GLB", "psum", "up", what): words for what, words in up.items()}
    rows = account(one_network(kind), fakes.counts({}, network), load_table("eyeriss_relative"))
    mesh = kind is NetworkKind.MESH
    assert cell(rows, "network", "ifmap", "hop") == ((27, 54) if mesh else (24, 48))
    assert cell(rows, "network", "psum", "hop") == ((7, 14) if mesh else (8, 16))


def test_a_level_with_one_child_has_no_array_to_cross():
    counts = fakes.counts({}, {("GLB", "ifmap", "down", "deliveries"): 4})
    rows = account(one_network(NetworkKind.MULTICAST, 1, 1), counts, load_table("eyeriss_relative"))
    assert [row.component for row in rows] == ["MAC"]


@pytest.mark.parametrize(("kind", "words"), [("multicast", 6), ("unicast", 12), ("systolic", 6), ("crossbar", 6)])
def test_deliveries_of_a_layer_by_hand(kind, words):
    """2 x 2 PEs, M over y and C over x: 6 ifmap words that both rows take, 4 filter words, 12 psums handed up."""
    dram, glb, rf = one_network(NetworkKind(kind), 2, 2).levels
    networks = {**glb.fanout.networks, Tensor.PSUM: fakes.PSUM_CHAIN}
    glb = replace(glb, fanout=replace(glb.fanout, networks=networks))
    machine, problem = replace(MACHINE, levels=(dram, glb, rf)), Problem.of({"M": 2, "C": 2, "Q": 3})
    counts, _ = evaluate(machine, LoopNest.parse("DRAM: Q3 | GLB: y M2 x C2"), problem, "analytical")
    rows = account(machine, counts, load_table("eyeriss_relative"))
    assert counts.sent("GLB", "ifmap") == words
    assert cell(rows, "network", "ifmap", "hop") == (12, 24)  # 6 words, 2 rows
    assert cell(rows, "network", "filter", "hop") == (4, 8)
    assert cell(rows, "network", "psum", "hop") == (12, 24)  # of 4 PEs, 3 pixels each


def test_several_arrays_have_a_network_each():
    levels = list(MACHINE.levels)
    levels[0] = replace(levels[0], fanout=replace(levels[1].fanout))
    machine = replace(MACHINE, levels=tuple(levels))
    counts = fakes.counts({}, {("DRAM", "ifmap", "down", "deliveries"): 4, ("GLB", "ifmap", "down", "deliveries"): 9})
    rows = account(machine, counts, load_table("eyeriss_relative"))
    assert cell(rows, "DRAM network", "ifmap", "hop") == (4, 8)
    assert cell(rows, "GLB network", "ifmap", "hop") == (9, 18)


def test_leakage_is_paid_by_instance_and_cycle():
    table = load_table("eyeriss_relative")
    rf = replace(table.components["RF"], leakage=Fraction(1, 1000))
    table = replace(table, components={**table.components, "RF": rf})
    rows = account(MACHINE, fakes.counts({}), table, cycles=500)
    assert cell(rows, "RF", "none", "leakage") == (500, Fraction(500 * 8, 1000))


class TestZeros:
    COUNTS = replace(fakes.counts({("RF", "ifmap", "read"): 60}, macs=100), visited=80, effectual=50)

    def test_gated_macs_cost_their_share_and_skipped_ones_nothing(self):
        table = replace(load_table("eyeriss_relative"), gated=Fraction(1, 10))
        rows = account(MACHINE, self.COUNTS, table)
        assert cell(rows, "MAC", "none", "mac") == (50, 50)
        assert cell(rows, "MAC", "none", "gated") == (30, 3)
        assert total(rows) == 50 + 3 + 60

    def test_a_table_without_a_share_charges_none(self):
        rows = account(MACHINE, self.COUNTS, load_table("eyeriss_relative"))
        assert cell(rows, "MAC", "none", "gated") == (30, 0)

    def test_a_dense_run_has_no_gated_macs(self):
        rows = account(MACHINE, fakes.counts({}), replace(load_table("eyeriss_relative"), gated=Fraction(1, 10)))
        assert [row.action for row in rows] == ["mac"]

    def test_isca16_knows_none(self):
        table = replace(load_table("eyeriss_relative"), accounting="isca16")
        encoded = replace(fakes.counts({}), encoded=(Encoded("DRAM", "ifmap", "read", "rlc", 9, 1, 3),))
        for counts in (self.COUNTS, encoded):
            with pytest.raises(AccelsimError, match="isca16 knows no zeros"):
                account(MACHINE, counts, table)


@st.composite
def drawn(draw) -> Counts:
    numbers = st.integers(0, 2**40)
    words = np.array(draw(st.lists(numbers, min_size=36, max_size=36)), np.int64).reshape(3, 3, 4)
    network = np.array(draw(st.lists(numbers, min_size=54, max_size=54)), np.int64).reshape(3, 3, 2, 3)
    effectual, visited, macs = sorted(draw(st.tuples(numbers, numbers, numbers)))
    return Counts(("DRAM", "GLB", "RF"), words, network, macs, 1, 1, visited, effectual)


@given(drawn(), st.sampled_from(names()), st.fractions(0, 1))
def test_every_breakdown_adds_up_exactly(counts, name, gated):
    rows = account(PRICED, counts, replace(load_table(name), gated=gated))
    for key in ("component", "tensor", "action"):
        assert sum(grouped(rows, key).values()) == total(rows)
    keys = [(row.component, row.tensor, row.action) for row in rows]
    assert len(keys) == len(set(keys))
    moved = sum(row.count for row in rows if row.action in ("fill", "read", "update", "drain"))
    assert moved == (0 if load_table(name).own_parts else counts.words.sum())


@pytest.mark.parametrize("name", names())
def test_energy_is_linear_in_the_counts(name):
    one = fakes.simple_counts(Problem.of({"M": 4, "C": 4}))
    three = Counts(one.levels, 3 * one.words, 3 * one.network, 3 * one.macs, 1, 1)
    table = load_table(name)
    assert total(account(PRICED, three, table)) == 3 * total(account(PRICED, one, table))


def test_rows_opened_cost_what_the_table_says():
    rows = (RowCounts("ifmap", "read", 90, 4, 6), RowCounts("psum", "write", 0, 1, 2))
    counts = replace(fakes.counts({("DRAM", "ifmap", "read"): 100}), dram=DramCounts(rows, 0, 0, 0, 0.0))
    table = load_table("eyeriss_relative")
    assert not [row for row in account(fakes.machine(), counts, table) if row.action == "dram_activate"]
    priced = replace(table.components["DRAM"], activate=Fraction(3))
    table = replace(table, components={**table.components, "DRAM": priced})
    (row,) = [row for row in account(fakes.machine(), counts, table) if row.action == "dram_activate"]
    assert (row.component, row.count, row.energy) == ("DRAM", 13, 39)
