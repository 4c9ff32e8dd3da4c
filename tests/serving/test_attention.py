"""The closed form of fused attention equals a walk over its blocks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from accelsim.serving.attention import _counted, fused


def walk(new, past, heads, width, blocks, whole):
    """Words and scores, block by block, of queries in the order position, head."""
    height, breadth = blocks
    rows, keys = heads * new, past + new
    fetched = scores = rescaled = 0
    met = set()
    for first in range(0, rows, height):
        own = range(first, min(first + height, rows))
        sees = max(past + row // heads for row in own)  # the last key that any row may see
        for number, start in enumerate(range(0, keys, breadth)):
            if start > sees:
                continue
            block = range(start, min(start + breadth, keys))
            fetched += len(block)
            met.update(block)
            scores += len(own) * len(block)
            rescaled += len(own) * width if number else 0
    # the only block of rows meets each key once; the only block of keys stays in its place (F9)
    stays = whole or rows <= height or breadth >= keys
    return 2 * width * (keys if stays else fetched), scores, rescaled, met == set(range(keys))


@given(
    st.integers(1, 12), st.integers(0, 20), st.integers(1, 4), st.integers(1, 5), st.integers(1, 50),
    st.integers(1, 40), st.booleans(),
)  # fmt: skip
def test_counts_equal_a_walk(new, past, heads, width, height, breadth, whole):
    blocks = (min(height, heads * new), min(breadth, past + new))
    found = _counted(new, past, heads, width, blocks, whole=whole)
    keys, scores, rescaled, all_ = walk(new, past, heads, width, blocks, whole)
    assert (found.keys, found.scores, found.rescalings) == (keys, scores, rescaled) and all_
    assert found.queries == found.outputs == heads * new * width


@given(st.integers(1, 12), st.integers(0, 20), st.integers(1, 4), st.integers(1, 5), st.integers(1, 400))
def test_blocks_fit_and_none_that_fit_move_less(new, past, heads, width, room):
    found = fused(new, past, heads, width, room)
    rows, keys = heads * new, past + new

    def fits(height, breadth, whole):
        return height * (breadth + 2 * width + 2) + 2 * width * (keys if whole else breadth) <= room

    every = [
        _counted(new, past, heads, width, (height, breadth), whole=whole).keys
        for height in range(1, rows + 1)
        for breadth in range(1, keys + 1)
        for whole in (False, True)
        if fits(height, breadth, whole)
    ]
    assert (found is None) == (not every)
    if found is not None:
        assert fits(*found.blocks, whole=True) or fits(*found.blocks, whole=False)
        if found.keys != min(every):  # with a mask, more blocks of queries may meet fewer keys in all
            assert found.blocks[0] < rows
            assert found.keys <= 1.5 * min(every)


def test_gpt2_at_1024_in_108_kib():
    """The project's rule has 4.7 M words for its 12 heads in 108 KiB of 16 b words."""
    one = fused(1024, 0, 1, 64, 108 * 512)
    assert round(12 * (one.queries + one.keys + one.outputs) / 1e6, 1) == 4.7
