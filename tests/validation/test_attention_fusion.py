"""Words of a fused attention beside those of a prototype of the same rules, and the orders of FLAT and FlashAttention.

The prototype is another program, written from the same rules; its figures are of one layer of all heads, 16-bit words.
Its columns outside are of blocks of powers of two, so any integers may do better and never worse.
"""

from __future__ import annotations

import pytest

from accelsim.engine.fused.attention import Attention, Blocks, moved
from accelsim.engine.fused.blocking import ORDERS, best

HEADS, WIDTH = 12, 64
WHOLE, ROWS, COLUMNS = "rows whole (FLAT)", "rows outside", "columns outside"
PROTOTYPE = {
    (512, 108): (5_505_024, 2_359_296, 2_777_088),
    (512, 512): (1_572_864, 1_572_864, 1_572_864),
    (512, 2048): (1_572_864, 1_572_864, 1_572_864),
    (4096, 108): (1_994_391_552, 69_206_016, 157_089_792),
    (4096, 512): (427_819_008, 25_165_824, 41_484_288),
    (4096, 2048): (12_582_912, 12_582_912, 12_582_912),
}
"""Tokens and KiB: words of DRAM in the three orders. BERT-base's heads, and the same at 4,096 tokens."""


def least(tokens: int, kib: int, order: str, causal: bool = False) -> int:
    """Words of all heads with the best blocks for a buffer, keys and values resident or not."""
    attention = Attention(tokens, tokens, WIDTH, WIDTH, causal=causal)
    meant = {
        WHOLE: lambda one: one.whole_rows,
        ROWS: lambda one: one.outside == "rows" and not one.whole_rows,
        COLUMNS: lambda one: one.outside == "columns",
    }[order]
    found = best(attention, kib * 1024 // 2, filter(meant, ORDERS))
    assert found is not None
    return moved(attention, found).times(HEADS).words


@pytest.mark.parametrize(
    ("tokens", "unfused", "floor"), [(512, 14_155_776, 1_572_864), (4096, 817_889_280, 12_582_912)]
)
def test_unfused_and_floor(tokens: int, unfused: int, floor: int) -> None:
    attention = Attention(tokens, tokens, WIDTH, WIDTH)
    assert (HEADS * attention.unfused, HEADS * attention.least) == (unfused, floor)


@pytest.mark.parametrize(("tokens", "kib"), PROTOTYPE)
def test_words_of_the_three_orders(tokens: int, kib: int) -> None:
    """Equal, to the word; columns outside at most as many."""
    whole, rows, columns = PROTOTYPE[tokens, kib]
    assert (least(tokens, kib, WHOLE), least(tokens, kib, ROWS)) == (whole, rows)
    assert least(tokens, kib, COLUMNS) <= columns


def test_columns_in_powers_of_two_are_the_prototypes() -> None:
    """So that what it gives with fewer choices is reproduced, too."""
    for (tokens, kib), (_, _, columns) in PROTOTYPE.items():
        attention = Attention(tokens, tokens, WIDTH, WIDTH)
        powers = [2**n for n in range(tokens.bit_length())]
        blocks = [Blocks(r, c, "columns", kv_resident=kept) for r in powers for c in powers for kept in (False, True)]
        fitting = [one for one in (moved(attention, b) for b in blocks) if one.room <= kib * 1024 // 2]
        assert HEADS * min(one.words for one in fitting) == columns


@pytest.mark.parametrize(
    ("causal", "order", "millions"),
    [(False, WHOLE, 36.2), (False, ROWS, 6.3), (False, COLUMNS, 8.0), (True, WHOLE, 19.8), (True, ROWS, 4.7)],
)
def test_gpt2(causal: bool, order: str, millions: float) -> None:
    """1,024 tokens, 108 KiB; 53.5 unfused and 3.1 at least. As rounded by the prototype."""
    assert round(least(1024, 108, order, causal) / 1e6, 1) == millions


def test_gpt2_causal_with_columns_outside() -> None:
    """The prototype has 5.0 M; of all integers the least is 4.95, rows one by one."""
    assert least(1024, 108, COLUMNS, causal=True) == 4_949_712


def test_gpt2_unfused_and_floor() -> None:
    attention = Attention(1024, 1024, WIDTH, WIDTH)
    assert round(HEADS * attention.unfused / 1e6, 1) == 53.5
    assert round(HEADS * attention.least / 1e6, 1) == 3.1


def test_rows_whole_can_lose_to_no_fusion() -> None:
    """4,096 tokens at 108 KiB: 2.4 times the words of the three layers alone."""
    attention = Attention(4096, 4096, WIDTH, WIDTH)
    assert round(least(4096, 108, WHOLE) / (HEADS * attention.unfused), 1) == 2.4
