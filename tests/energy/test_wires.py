"""Lengths of wires in pitches, by hand; clock and leakage; every account of a process adds up."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import fakes
from accelsim.architecture.model import MAY_REDUCE, Fanout, Network, NetworkKind, Partition
from accelsim.architecture.physical import ALL, Memory, MemoryKind, Physical
from accelsim.architecture.yaml import load_architecture
from accelsim.energy.account import account
from accelsim.energy.floor import floor_of
from accelsim.energy.load import load_table, nodes
from accelsim.energy.rows import total
from accelsim.energy.technology import FlipFlop
from accelsim.energy.wires import arrays, joins
from accelsim.engine import evaluate
from accelsim.errors import AccelsimError
from accelsim.mapping.mapping import LoopNest
from accelsim.workload.problem import REDUCTION_DIMS, TENSORS, Tensor
from strategies import case, mesh_case

TABLE = load_table("cmos_65nm")
KINDS = Physical(memories={"RF": {ALL: Memory(MemoryKind.FLIP_FLOP)}, "GLB": {ALL: Memory(port=64)}})
Y, X = 12, 14
OF_PROCESS = ("wire", "router", "register", "clock")
"""Actions at prices of the process alone, none of a component's or the arithmetic's."""


def machine(kind, physical=KINDS, **more):
    """The toy machine with 12 x 14 PEs and one kind of network for all tensors."""
    dram, glb, rf = fakes.machine().levels
    network = Network(kind, reduce=frozenset(REDUCTION_DIMS) if kind in MAY_REDUCE else frozenset(), **more)
    fanout = Fanout(Y, X, dict.fromkeys(TENSORS, network), declared=True)
    return replace(fakes.machine(physical=physical), levels=(dram, replace(glb, fanout=fanout), rf))


def pitches(toy, moved, tensor="ifmap", way="down", nest=None, tags=()):
    """What wires cost, in pitches of one word."""
    network = {("GLB", tensor, way, what): words for what, words in moved.items()}
    counts = replace(fakes.counts({}, network), tag_matches=tags)
    rows = account(toy, counts, TABLE, nest=nest)
    energy = sum((row.energy for row in rows if row.action == "wire"), Fraction(0))
    return energy / (16 * floor_of(toy, TABLE).pitch[1] * TABLE.technology.wire)


ALL_PES, ONE = {"sent": 1, "deliveries": 168, "hops": 168}, {"sent": 1, "deliveries": 1, "hops": 13}


@pytest.mark.parametrize(
    ("kind", "to_all", "to_one"),
    [
        ("multicast", 180, 180),
        ("unicast", 2184, 13),
        ("systolic", 168, 1),
        ("crossbar", 168 * 26, 26),
        ("mesh", 168, 13),
    ],
)
def test_a_word_to_all_and_to_one(kind, to_all, to_one):
    toy = machine(NetworkKind(kind))
    assert (pitches(toy, ALL_PES), pitches(toy, ONE)) == (to_all, to_one)


def test_a_tagged_bus_takes_as_many_pitches_as_tags_are_compared():
    toy = machine(NetworkKind.MULTICAST, tags=True)
    assert pitches(toy, ONE, tags=(("GLB", "ifmap", Y + X),)) == 26
    # before links are counted: a trunk, and at least a place for each child
    assert pitches(toy, ALL_PES) == Y + 168


def test_a_chain_pays_its_links_and_the_way_in_and_out():
    toy = machine(NetworkKind.CHAIN)
    assert pitches(toy, {"sent": 14, "deliveries": 168, "hops": 168}, "psum", "up") == 168 + 14 * 26
    assert pitches(toy, {"sent": 14, "deliveries": 14, "hops": 14}, "psum", "down") == 14 * 26


@pytest.mark.parametrize(("children", "length"), [(1, 0), (2, 1), (3, 3), (7, 11), (8, 12), (15, 31), (16, 32)])
def test_joins_of_a_tree(children, length):
    assert joins(children) == length


@given(st.integers(1, 2000))
def test_a_tree_is_no_shorter_than_its_joins(children):
    """And a second way: neighbours join in turn, each join as long as what lies between their first ones."""
    places, walked = list(range(children)), 0
    while len(places) > 1:
        walked += sum(b - a for a, b in zip(places[::2], places[1::2], strict=False))
        places = places[::2]
    assert joins(children) == walked >= children - 1


def test_a_tree_as_mapped():
    toy = machine(NetworkKind.TREE)
    moved = {"sent": 2, "deliveries": 14, "hops": 12}
    nest = LoopNest.parse("GLB: y C7 x M2")
    assert pitches(toy, moved, "psum", "up", nest) == 2 * 11 + 2 * 13
    assert pitches(toy, moved, "psum", "up") == 12 + 2 * 13


def test_what_is_handed_on_is_written_into_a_register():
    counts = fakes.counts({}, {("GLB", "ifmap", "down", "deliveries"): 10})
    rows = {row.action: row for row in account(machine(NetworkKind.SYSTOLIC), counts, TABLE)}
    assert rows["register"].energy == 10 * 16 * TABLE.technology.flip_flop.access
    quiet = machine(NetworkKind.SYSTOLIC, replace(KINDS, handed_on=False))
    assert "register" not in {row.action for row in account(quiet, counts, TABLE)}


def test_a_mesh_pays_a_router_for_each_link():
    counts = fakes.counts({}, {("GLB", "ifmap", "down", "hops"): 10})
    rows = {row.action: row for row in account(machine(NetworkKind.MESH), counts, TABLE)}
    assert float(rows["router"].energy) == pytest.approx(10 * 16 * 0.081)


def test_a_column_below_a_row_is_one_array():
    (array,) = arrays(load_architecture("tpu_v1"), load_table("cmos_28nm"))
    assert (array.y, array.x) == (256, 256)
    assert float(array.pitch) < 0.04


def test_a_layout_says_how_a_row_lies():
    dram, glb, rf = fakes.machine().levels
    glb = replace(glb, fanout=Fanout(1, 256, {}, declared=True))
    toy = fakes.machine(physical=replace(KINDS, layouts={"GLB": (16, 16)}))
    toy = replace(toy, levels=(dram, glb, rf))
    assert pitches(toy, {"sent": 1, "deliveries": 1, "hops": 1}) == 16 + 256


def test_words_of_one_of_several_memories_cross_half_of_them():
    banks = {**KINDS.memories, "GLB": {ALL: Memory(port=64, count=25)}}
    toy = machine(NetworkKind.UNICAST, replace(KINDS, memories=banks))
    rows = account(toy, fakes.counts({("GLB", "ifmap", "read"): 100}), TABLE)
    (row,) = (row for row in rows if row.action == "wire")
    own = floor_of(toy, TABLE).own[1]
    assert (row.component, row.count, row.energy) == ("GLB", 100, 1600 * own * TABLE.technology.wire)
    assert own**2 == pytest.approx(25 * float(TABLE.technology.memory(Memory(port=64), 4 * 8192, 16, "x").area))


def test_eyeriss_words_to_its_banks():
    """25 banks and a floorplan of 3.17: 1.49 mm, 1.8 pJ a word beside 1.07 of the bank's 64 b port."""
    chip = load_architecture("eyeriss")
    own = floor_of(chip, TABLE).own[1]
    assert float(own) == pytest.approx(1.49, abs=0.01)
    assert float(own * 16 * TABLE.technology.wire) == pytest.approx(1.8, abs=0.02)
    bank = TABLE.technology.memory(Memory(port=64), 4 * 8192, 16, "x")
    assert float(bank.access(False, 16, False)) == pytest.approx(1.07, abs=0.01)


def test_clock_and_leakage_are_paid_by_the_cycle():
    toy = machine(NetworkKind.UNICAST)
    rows = {(row.component, row.action): row for row in account(toy, fakes.counts({}), TABLE, 1000)}
    bits = 168 * (48 + 4096)
    assert rows["clock", "clock"].energy == 1000 * bits * TABLE.technology.flip_flop.clock
    # 100 KiB at 64 b: 0.017092 mW over 1000 cycles of 200 MHz
    assert float(rows["GLB", "leakage"].energy) == pytest.approx(0.017092e-3 * 5e-6 * 1e12)
    assert ("RF", "leakage") not in rows


def test_gated_pes_take_a_clock_while_they_work():
    toy = machine(NetworkKind.UNICAST, replace(KINDS, clock_gate=True))
    counts = replace(fakes.counts({}), compute_cycles=100, active_pes=42)
    (row,) = (row for row in account(toy, counts, TABLE, 1000) if row.action == "clock")
    assert row.energy == 100 * 42 * (48 + 4096) * TABLE.technology.flip_flop.clock


@given(st.sampled_from(list(NetworkKind)), st.lists(st.integers(0, 10**9), min_size=9, max_size=9), st.booleans())
def test_nothing_is_negative_and_no_delivery_free(kind, numbers, tags):
    toy = machine(kind, tags=tags and kind is NetworkKind.MULTICAST)
    network = {}
    for tensor, (sent, more, links) in zip(TENSORS, (numbers[:3], numbers[3:6], numbers[6:]), strict=True):
        way = "up" if tensor is Tensor.PSUM else "down"
        moved = {"sent": sent, "deliveries": sent + more, "hops": sent + more + links}
        network |= {("GLB", tensor.value, way, what): words for what, words in moved.items()}
    rows = account(toy, fakes.counts({}, network), TABLE, 100)
    assert all(row.energy >= 0 for row in rows)
    priced = {row.tensor for row in rows if row.action == "wire"}
    assert priced >= {tensor.value for tensor, sent in zip(TENSORS, numbers[::3], strict=True) if sent}
    assert total(rows) == sum(row.energy for row in rows)


def drawn_table(rng, node):
    """A process with prices of its own: wires, routers, flip-flops and tags from nothing dear to absurdly dear."""
    table = load_table(f"cmos_{node}nm")

    def price():
        return Fraction(rng.randint(1, 10**6), 10 ** rng.randint(3, 9))

    own = FlipFlop(access=price(), clock=price(), area=price())
    technology = replace(table.technology, wire=price(), router=price(), flip_flop=own, tag_area=price())
    return replace(table, technology=technology)


@pytest.mark.parametrize("draw", [case, mesh_case])
@settings(deadline=None, max_examples=150)
@given(
    seed=st.integers(0, 2**32), node=st.sampled_from(nodes()), supply=st.fractions(Fraction(7, 10), Fraction(13, 10))
)
def test_drawn_machines_pay_for_every_array(draw, seed, node, supply):
    """Rows are of different things, none is negative, and what crosses an array has a wire, a router or a register.

    At another supply all that moves goes with its square; leakage and area stay.
    """
    rng = Random(seed)
    drawn, table = draw(rng), drawn_table(rng, node)
    outermost, *inner = drawn.architecture.levels
    room = Partition(frozenset(TENSORS), 4096)
    inner = [replace(level, capacity=(room,) if level.keeps else (), keeps=level.keeps) for level in inner]
    kinds = {level.name: {ALL: Memory(MemoryKind.FLIP_FLOP)} for level in inner}
    levels = (replace(outermost, component="DRAM"), *inner)
    toy = replace(drawn.architecture, levels=levels, physical=Physical(memories=kinds))
    try:
        counts, timing = evaluate(toy, drawn.nest, drawn.problem, "analytical")
        rows = account(toy, counts, table, timing.cycles, nest=drawn.nest)
    except AccelsimError as error:
        assume("words are no register file" not in str(error) and "bits too many" not in str(error))
        raise
    keys = [(row.component, row.tensor, row.action) for row in rows]
    assert len(keys) == len(set(keys))
    assert all(row.energy >= 0 for row in rows)
    priced = {row.tensor for row in rows if row.action in ("wire", "router", "register")}
    for level in toy.levels:
        if level.fanout.y * level.fanout.x > 1:
            for tensor in TENSORS:
                crossed = counts.sent(level.name, tensor) + counts.sent(level.name, tensor, "up")
                assert not crossed or tensor.value in priced
    least = account(toy, counts, table, timing.cycles)
    assert total(least) <= total(rows)
    assert total(rows) == sum(row.energy for row in rows)
    other = replace(table, technology=table.technology.at(supply))
    by = (supply / table.technology.supply) ** 2
    moves = {key: by * row.energy for key, row in zip(keys, rows, strict=True) if key[2] in OF_PROCESS}
    again = account(toy, counts, other, timing.cycles, nest=drawn.nest)
    for row in again:
        key = row.component, row.tensor, row.action
        if key in moves:
            assert row.energy == moves[key]
        elif row.action == "leakage":
            assert row.energy == rows[keys.index(key)].energy
    assert floor_of(toy, other) == floor_of(toy, table)
    cells = sum((part.instances * part.cells for part in floor_of(toy, table).parts), Fraction(0))
    assert cells == floor_of(toy, table).area > 0
