"""The best blocks of a fused attention, against all pairs of integers."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.engine.fused.attention import Blocks, moved, room
from accelsim.engine.fused.blocking import ORDERS, best, choices, score_of, sizes
from attentions import drawn

SEEDS = st.integers(0, 2**32 - 1)


def check_best(seed: int) -> None:
    """Every pair of integers, in every order."""
    shape, _ = drawn(seed, most=10)
    random = Random(seed + 1)
    for order in ORDERS:
        all_of_them = [
            Blocks(rows, columns, order.outside, order.whole_rows, order.kv_resident)
            for rows in range(1, shape.rows + 1)
            for columns in range(1, shape.keys + 1)
        ]
        least, most = (f(room(shape, one) for one in all_of_them) for f in (min, max))
        words = random.randint(least - 1, random.choice((most, (3 * least + most) // 4)) + 1)
        scores = [score_of(moved(shape, one), one) for one in all_of_them if room(shape, one) <= words]
        found = best(shape, words, [order])
        assert (found is None) == (not scores), (shape, order, words)
        if found:
            assert room(shape, found) <= words
            assert score_of(moved(shape, found), found) == min(scores), (shape, order, words, found)


@given(SEEDS)
@settings(max_examples=120)
def test_the_best_blocks_are_the_best_of_all_pairs(seed: int) -> None:
    check_best(seed)


@pytest.mark.nightly
@given(SEEDS)
@settings(max_examples=3_000)
def test_the_best_blocks_are_the_best_of_all_pairs_nightly(seed: int) -> None:
    check_best(seed)


@given(st.integers(1, 3_000))
@settings(max_examples=60)
def test_sizes_are_the_smallest_of_each_number_of_blocks(whole: int) -> None:
    smallest: dict[int, int] = {}
    for size in range(whole, 0, -1):
        smallest[-(-whole // size)] = size
    assert sizes(whole) == sorted(smallest.values())


@given(SEEDS)
@settings(max_examples=100)
def test_more_room_is_never_worse(seed: int) -> None:
    """And never better than what has to move at least."""
    shape, _ = drawn(seed, most=40)
    before = None
    for words in range(0, 400, 23):
        found = best(shape, words)
        if found is None:
            assert before is None
            continue
        now = moved(shape, found).words
        assert now >= shape.least and (before is None or now <= before)
        before = now


@given(SEEDS)
@settings(max_examples=60)
def test_choices_are_those_that_none_beats(seed: int) -> None:
    """Without a mask of all integers; with one, none beats another, and the best of each order is among them."""
    shape, _ = drawn(seed, most=9)
    words = Random(seed).randint(10, 300)
    found = choices(shape, words)
    scores = [(one.words, one.blocks, one.room) for one, _ in found]
    assert [one for one, _ in found] == [moved(shape, blocks) for _, blocks in found]
    assert [room for *_, room in scores] == sorted(room for *_, room in scores) and all(r <= words for *_, r in scores)

    def beaten(one: tuple[int, ...], others: list[tuple[int, ...]]) -> bool:
        return any(other != one and all(a <= b for a, b in zip(other, one, strict=True)) for other in others)

    assert not any(beaten(one, scores) for one in scores)
    everything = [
        moved(shape, Blocks(rows, columns, order.outside, order.whole_rows, order.kv_resident))
        for order in ORDERS
        for rows in range(1, shape.rows + 1)
        for columns in range(1, shape.keys + 1)
    ]
    fitting = list({(one.words, one.blocks, one.room) for one in everything if one.room <= words})
    least = best(shape, words)
    assert (least is None) == (not scores)
    if least:
        assert min(scores)[0] == moved(shape, least).words
    if not shape.causal:
        assert sorted(scores) == sorted(one for one in fitting if not beaten(one, fitting))
