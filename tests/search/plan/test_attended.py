"""A fused attention on a machine: its products are problems of the engine; block by block they add up to the whole."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from random import Random

import pytest

from accelsim.architecture.model import Architecture
from accelsim.architecture.yaml import load_architecture
from accelsim.energy.account import account
from accelsim.energy.load import table_for
from accelsim.energy.rows import total
from accelsim.energy.standing import standing_rows
from accelsim.engine import evaluate
from accelsim.engine.fused.attention import Attention, Blocks, Cut, moved
from accelsim.engine.fused.attention_passes import Walk
from accelsim.engine.fused.blocking import ORDERS
from accelsim.errors import MappingError
from accelsim.mapping.dataflows import load
from accelsim.search.best import find
from accelsim.search.plan.attended import Attended, attended
from accelsim.search.plan.costs import Wanted
from accelsim.search.proof import NONE
from accelsim.workload.problem import Problem, Tensor
from test_agreement import agree


@cache
def square() -> Architecture:
    """16 PEs, weights stationary, a buffer for all, a vector unit of four lanes."""
    side = {"kind": "multicast", "width": "4 words"}
    chain = {"kind": "chain", "in": "4 words", "out": "4 words", "accumulate": "on-drain"}
    networks = {"ifmap": side, "filter": side, "psum": chain}
    levels = [
        {"name": "DRAM", "link": {"width": "32 b", "clock": "500 MHz"}},
        {"name": "GLB", "capacity": "2 KiB", "array": {"size": {"y": 4, "x": 4}, "networks": networks}},
        {"name": "RF", "capacity": {"filter": "4 words"}, "keeps": ["filter"]},
    ]
    return Architecture.of(
        "square", levels, clock="500 MHz", word="16 b", pe={"macs": 1}, dataflow="weight_stationary",
        energy="eyeriss_relative", vector={"lanes": 4},
    )  # fmt: skip


def wanted(machine: Architecture) -> Wanted:
    return Wanted(machine, table_for(machine), "GLB", load(machine.dataflow), machine.dataflow, "energy", NONE)


def drawn(seed: int) -> tuple[Attention, Blocks, int]:
    random = Random(seed)
    queries, causal = random.randint(2, 9), random.random() < 0.5
    shape = Attention(queries, random.randint(queries, 12), 4, random.choice((4, 6)), random.choice((1, 2)), causal)
    order = random.choice(ORDERS)
    return shape, replace(order, rows=random.randint(1, 6), columns=random.randint(1, 6)), random.randint(1, 3)


@pytest.mark.parametrize("seed", range(6))
def test_block_by_block(seed: int) -> None:
    """Each product of each block evaluated by itself: cycles, counts and energy of the array add up."""
    shape, blocks, heads = drawn(seed)
    found = attended(shape, blocks, heads, wanted(square()), "analytical")
    cycles, energy, words, listed = 0, 0, 0, Cut(shape, blocks).listed
    for rows, columns, first in zip(listed.rows.tolist(), listed.columns.tolist(), listed.first.tolist(), strict=True):
        for problem in (
            Problem.of({"M": columns, "C": shape.width, "Q": rows}, dynamic_filter=True),
            Problem.of({"M": shape.value_width, "C": columns, "Q": rows}, dynamic_filter=True, added=not first),
        ):
            table, flow = found.wanted.table, found.wanted.flow
            nest = find(found.inner, problem, flow, "energy", table, None, "analytical", NONE).nest
            counts, timing = evaluate(found.inner, nest, problem, "analytical")
            assert not counts.words[0].any()
            cycles += heads * timing.cycles
            energy += heads * total(account(found.inner, counts, table, 0, "weight_stationary", nest))
            words += heads * counts.words
    vector = [one for one in found.walk.passes if one.problem is None]
    assert found.clock.processing == cycles + heads * sum(one.runs * found.cycles_of(one, None) for one in vector)
    moved = found.moved
    # Eyeriss's relative table: DRAM 200, the buffer 6, a word of the vector unit is read and written there
    beside = 206 * moved.words + 6 * heads * sum(one.runs * (one.reads + one.writes) for one in vector)
    operation = found.wanted.table.operation(square().word_bits)
    beside += found.vector_ops * operation if operation is not None else 0
    standing = total(standing_rows(square(), found.wanted.table, found.clock.cycles, found.counts))
    assert float(energy + beside + standing) == pytest.approx(found.energy, rel=1e-12)
    assert int(found.counts.words[0].sum()) == moved.words
    assert int(found.counts.words[2:].sum()) == int(words[2:].sum())
    assert found.counts.macs == moved.macs


@pytest.mark.parametrize("seed", range(6))
def test_products_are_right(seed: int) -> None:
    """Closed form, engine and golden machine agree on every product, outputs with the sums they begin with."""
    shape, blocks, heads = drawn(seed)
    found = attended(shape, blocks, heads, wanted(square()))
    for one, done in zip(found.walk.passes, found.done, strict=True):
        if done:
            assert one.problem is not None
            agree(found.inner, done.nest, one.problem)


def test_fusing_pays() -> None:
    """Scores that never leave: fewer words, less energy than three layers alone need for those words by themselves."""
    shape = Attention(48, 48, 8, 8)
    found = attended(shape, Blocks(16, 8), 2, wanted(square()), "analytical")
    assert found.moved.words == 2 * (2 * 48 * 8 + 3 * 48 * 16)
    assert 3 * found.moved.words < 2 * shape.unfused
    assert found.energy < 2 * 206 * shape.unfused


def test_twice_the_room_hides_transfers() -> None:
    shape, blocks = Attention(48, 48, 8, 8), Blocks(8, 8)
    one, two = (attended(shape, blocks, 2, wanted(square()), "analytical", double) for double in (False, True))
    assert two.room > one.room
    assert (one.clock.processing, one.moved) == (two.clock.processing, two.moved)
    assert one.clock.schedule.bound <= two.clock.cycles < one.clock.cycles


def test_what_does_not_fit() -> None:
    shape = Attention(48, 48, 8, 8)
    with pytest.raises(MappingError) as caught:
        attended(shape, Blocks(48, 16), 1, wanted(square()))
    assert str(caught.value) == (
        "GLB a fused attention: needs 30208 bits, has 16384 bits, 13824 bits too many "
        "(rows: 3, columns: 48 would fit; enlarge the capacity)"
    )
    eyeriss = load_architecture("eyeriss")
    with pytest.raises(MappingError, match="'GLB' keeps no filter: keys and values of a fused attention cannot stay"):
        attended(shape, Blocks(8, 8, kv_resident=True), 1, wanted(eyeriss))


@cache
def straight() -> Architecture:
    """The same where filters pass the buffer by."""
    level = replace(square().levels[1], keeps=frozenset({Tensor.IFMAP, Tensor.PSUM}))
    return replace(square(), levels=(square().levels[0], level, square().levels[2]))


@pytest.mark.parametrize("seed", range(6))
def test_keys_and_values_that_pass_the_buffer_by(seed: int) -> None:
    """Each product fetches its own: a block for each block of queries it meets, as often as its mapping has it, in its
    own time; all else is as with keys and values that are at home."""
    shape, blocks, heads = drawn(seed)
    blocks = replace(blocks, kv_resident=False)
    found = attended(shape, blocks, heads, wanted(straight()), "analytical")
    there = Walk(shape, blocks, frozenset({"keys", "values"}))
    listed = Cut(shape, blocks).listed
    words, cycles, least = 0, 0, 0
    for rows, columns, first in zip(listed.rows.tolist(), listed.columns.tolist(), listed.first.tolist(), strict=True):
        for problem in (
            Problem.of({"M": columns, "C": shape.width, "Q": rows}, dynamic_filter=True),
            Problem.of({"M": shape.value_width, "C": columns, "Q": rows}, dynamic_filter=True, added=not first),
        ):
            nest = find(
                found.inner, problem, found.wanted.flow, "energy", found.wanted.table, None, "analytical", NONE
            ).nest
            counts, timing = evaluate(found.inner, nest, problem, "analytical")
            assert not counts.words[0, [0, 2]].any()
            words += heads * int(counts.words[0, 1].sum())
            cycles += heads * timing.cycles
            least += heads * problem.words(Tensor.FILTER)
    assert int(found.counts.words[0, 1].sum()) == words >= least
    assert least == heads * int(listed.columns.sum()) * (shape.width + shape.value_width)
    vector = sum(one.runs * found.cycles_of(one, None) for one in found.walk.passes if one.problem is None)
    assert found.clock.processing == cycles + heads * vector
    other = moved(shape, blocks, there.at_home).times(heads)
    assert int(found.counts.words[0, [0, 2]].sum()) == other.words
    assert found.room == 16 * other.room


@pytest.mark.parametrize("seed", range(4))
def test_products_with_filters_of_their_own_are_right(seed: int) -> None:
    shape, blocks, heads = drawn(seed)
    blocks = replace(blocks, kv_resident=False)
    found = attended(shape, blocks, heads, wanted(straight()))
    for one, done in zip(found.walk.passes, found.done, strict=True):
        if done:
            assert one.problem is not None
            agree(found.inner, done.nest, one.problem)


def test_on_a_machine_that_sees_zeros() -> None:
    """Eyeriss's buffer keeps no filters, and its products run dense: K and V come for each of three rows of blocks."""
    found = attended(Attention(48, 48, 8, 8), Blocks(16, 8), 2, wanted(load_architecture("eyeriss")), "analytical")
    assert found.counts.words[0].sum(axis=1).tolist() == [768, 2 * 3 * 48 * 16, 768]
    assert found.counts.macs == 2 * 48 * 48 * 16


def test_a_fused_attention_is_what_its_parts_say() -> None:
    """Those of the result: an order, heads, a room."""
    found = attended(Attention(12, 12, 4, 4), Blocks(4, 4), 3, wanted(square()), "analytical")
    assert isinstance(found, Attended)
    assert found.room == 16 * (4 * (4 + 4 + 4 + 2) + 4 * 8)
    assert set(found.clock.by_layer) == {"scores", "softmax", "values"}
    spent = sum(cycles + sum(stalls.values()) for cycles, stalls in found.clock.by_layer.values())
    assert spent == found.clock.cycles
