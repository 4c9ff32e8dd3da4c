"""Attention in blocks: the closed form against a walk that moves real values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.engine.fused.attention import Attention, Blocks, Cut, moved
from accelsim.engine.fused.blocking import ORDERS
from accelsim.errors import WorkloadError
from attentions import drawn, drawn_home
from golden.attention_walk import Walk, truth

SEEDS = st.integers(0, 2**32 - 1)
LETTER = {"queries": "Q", "keys": "K", "values": "V", "outputs": "O"}


def walk_of(shape: Attention, blocks: Blocks, seed: int, at_home: frozenset[str]) -> Walk:
    values = np.random.default_rng(seed)
    return Walk(
        values.normal(size=(shape.rows, shape.width)),
        values.normal(size=(shape.keys, shape.width)),
        values.normal(size=(shape.keys, shape.value_width)),
        shape.heads_on_one,
        shape.causal,
        blocks.rows,
        blocks.columns,
        blocks.outside,
        blocks.whole_rows,
        blocks.kv_resident,
        frozenset(LETTER[name] for name in at_home),
    )


def check_walk(seed: int) -> None:
    shape, blocks = drawn(seed)
    at_home = drawn_home(seed, shape, blocks)
    walk = walk_of(shape, blocks, seed, at_home)
    wanted = truth(walk.queries, walk.keys, walk.values, shape.heads_on_one, shape.causal)
    np.testing.assert_allclose(walk.run(), wanted, rtol=1e-9, atol=1e-12)
    found, read, written = moved(shape, blocks, at_home), walk.memory.read, walk.memory.written
    assert (found.queries, found.keys, found.values) == (read["Q"], read["K"], read["V"])
    partly = written["max"] + written["sum"]
    spilled = partly // 2 * shape.value_width  # outputs in progress, with as many maxima
    assert found.outputs == written["O"] - spilled
    assert found.outputs == (0 if "outputs" in at_home else shape.rows * shape.value_width)
    assert found.partials == partly + spilled == read["O"] + read["max"] + read["sum"]
    assert found.reads == read.total() and found.updates == written.total()
    assert (found.macs, found.rescalings, found.blocks) == (walk.macs, walk.rescalings, walk.blocks)
    # of a mask, whole rows of scores are held as far as they are seen; room is for the last
    assert walk.buffer.most == found.room or (blocks.whole_rows and shape.causal and walk.buffer.most < found.room)


@given(SEEDS)
@settings(max_examples=400)
def test_the_closed_form_is_the_walk(seed: int) -> None:
    """Words of each tensor, room, MACs, rescalings; outputs equal numpy's."""
    check_walk(seed)


@pytest.mark.nightly
@given(SEEDS)
@settings(max_examples=5_000)
def test_the_closed_form_is_the_walk_nightly(seed: int) -> None:
    check_walk(seed)


@given(SEEDS)
@settings(max_examples=200)
def test_a_block_at_a_time_is_all_of_them(seed: int) -> None:
    """What is listed is what is counted: each pair that is seen once, nothing wholly masked."""
    shape, blocks = drawn(seed)
    listed = Cut(shape, blocks).listed
    assert len(listed.row) == moved(shape, blocks).blocks
    covered = np.zeros((shape.rows, shape.keys), np.int64)
    for row, rows, column, columns in zip(*(part.tolist() for part in listed[:4]), strict=True):
        covered[row : row + rows, column : column + columns] += 1
    assert covered.max() == 1
    for row in range(shape.rows):
        assert covered[row, : shape.seen(row)].all()
    assert covered.sum() * (shape.width + shape.value_width) == moved(shape, blocks).macs
    for row in set(listed.row.tolist()):
        own = listed.row == row
        assert listed.first[own].tolist() == [True] + [False] * (own.sum() - 1)
        assert listed.last[own].tolist() == [False] * (own.sum() - 1) + [True]
    outer = (listed.column if blocks.outside == "columns" else listed.row).tolist()
    assert outer == sorted(outer)


def test_a_mask_leaves_out_what_nobody_sees() -> None:
    """Without a mask as many words as with one that hides nothing: one query, which sees all keys."""
    for order in ORDERS:
        blocks = Blocks(1, 3, order.outside, order.whole_rows, order.kv_resident)
        one, masked = (Attention(1, 10, 4, 4, causal=causal) for causal in (False, True))
        assert moved(one, blocks) == moved(masked, blocks)


def test_heads_one_after_another_take_the_room_of_one() -> None:
    one = moved(Attention(8, 8, 2, 2), Blocks(4, 2))
    six = one.times(6)
    assert six.room == one.room
    assert (six.words, six.macs, six.blocks) == (6 * one.words, 6 * one.macs, 6 * one.blocks)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Attention(0, 4, 2, 2), "attention: queries is 0; it must be at least 1"),
        (lambda: Attention(4, 4, 2, 2, 0), "attention: heads_on_one is 0; it must be at least 1"),
        (
            lambda: Attention(5, 4, 2, 2, causal=True),
            "attention: causal, but the first of 5 queries sees none of 4 keys",
        ),
        (
            lambda: Attention(2**31, 2**31, 64, 64),
            "attention: its counts would pass 2^63; it is refused, not wrapped",
        ),
        (lambda: Blocks(1, 0), "attention: blocks of 0 columns; it must be at least 1"),
        (
            lambda: Blocks(1, 1, "column"),
            "attention: outside: 'column'; did you mean 'columns'? (columns, rows)",
        ),
        (
            lambda: moved(Attention(4, 4, 2, 2), Blocks(2, 2), frozenset({"output"})),
            "attention: at home: 'output'; did you mean 'outputs'? (keys, outputs, queries, values)",
        ),
        (
            lambda: moved(Attention(4, 4, 2, 2), Blocks(2, 2, "columns"), frozenset({"outputs"})),
            "attention: outputs live in the buffer, but with columns outside those in progress would leave it; take "
            "rows outside, or all rows in a block",
        ),
        (
            lambda: Blocks(1, 1, "columns", whole_rows=True),
            "attention: rows of scores are whole only where rows are outside",
        ),
    ],
)
def test_what_cannot_be_is_refused(make, message: str) -> None:
    with pytest.raises(WorkloadError) as caught:
        make()
    assert str(caught.value) == message
