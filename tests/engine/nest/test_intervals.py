"""One axis of a chain under tiles: intervals, what stays, and which tiles stand for all."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.engine.nest.intervals import Link, chain, tiled


def two_convolutions(words=16):
    """3 taps each, no padding."""
    return chain([words + 4, words + 2, words], [Link(0, 1, 1, 3, 0), Link(1, 2, 1, 3, 0)])


def test_kept_is_made_once():
    found = tiled(two_convolutions(), 8, (True,) * 3, every=True)
    assert found.used.tolist() == [[[0, 12], [0, 10], [0, 8]], [[10, 20], [8, 18], [8, 16]]]
    assert found.made.tolist() == [[[0, 12], [0, 10], [0, 8]], [[12, 20], [10, 18], [8, 16]]]
    assert found.held.tolist() == [[2, 2], [0, 0]]
    assert found.touched.tolist() == [[12, 10], [10, 10]]
    assert found.seen.tolist() == [[12, 10], [20, 18]]
    assert found.words.tolist() == [20, 18, 16] and found.runs.tolist() == [2, 2, 2]


def test_made_again_is_held_only_where_all_are_counted():
    again = tiled(two_convolutions(), 8, (False,) * 3, every=False)
    assert again.words.tolist() == [24, 20, 16] and not again.held.any()
    assert tiled(two_convolutions(), 8, (False,) * 3, every=True).held.tolist() == [[4, 2], [0, 0]]


def test_padding_and_the_end_of_the_plane_clip():
    """Tiles of 3 of 8, a window of 5 with 2 zeros before: the last uses no more than there is."""
    found = tiled(chain([8, 8], [Link(0, 1, 1, 5, 2)]), 3, (True, True), every=True)
    assert found.used[:, 0].tolist() == [[0, 5], [1, 8], [4, 8]]
    assert found.made[:, 0].tolist() == [[0, 5], [5, 8], [8, 8]]
    assert found.runs.tolist() == [2, 3]


def test_a_gap_between_windows_is_not_made():
    """A window of 1 at each third word."""
    found = tiled(chain([10, 4], [Link(0, 1, 3, 1, 0)]), 1, (True, True), every=True)
    assert found.made[:, 0].tolist() == [[0, 1], [3, 4], [6, 7], [9, 10]]
    assert found.seen[:, 0].tolist() == [1, 2, 3, 4] and not found.held.any()


def test_passes_are_counted_by_what_they_use_themselves():
    """Two readers of one tensor: the hull is made, each uses its own."""
    links = [Link(0, 1, 1, 5, 2), Link(0, 2, 1, 1, 0), Link(1, 3, 1, 1, 0), Link(2, 3, 1, 1, 0)]
    found = tiled(chain([12] * 4, links), 4, (True,) * 4, every=True)
    assert found.used[:, 0].tolist() == [[0, 6], [2, 10], [6, 12]]
    assert found.passes(1, links[:1]) == (((4, ((6, 0),)), 1), ((4, ((6, 2),)), 1), ((4, ((8, 0),)), 1))
    assert found.which(1, links[:1]).tolist() == [1, 2, 0]
    assert found.passes(2, links[1:2]) == (((4, ((4, 0),)), 3),)


@pytest.mark.parametrize(("around", "tiles"), [(False, 4), (True, 8)])
def test_a_thousand_tiles_are_few(around, tiles):
    found = tiled(two_convolutions(8000), 8, (True,) * 3, every=True)
    chosen = found.chosen_among if around else found.chosen
    assert len(chosen) <= tiles and chosen[0] == 0 and chosen[-1] == 999


@settings(max_examples=200)
@given(st.randoms(use_true_random=False))
def test_one_reader_by_hand(rng: Random):
    """Sets of words, tile by tile."""
    plane, stride, reach = rng.randint(1, 40), rng.randint(1, 4), rng.randint(1, 7)
    pad = rng.randint(0, reach - 1)
    outputs = rng.randint(1, (plane - 1 + pad) // stride + 1)
    tile, keep = rng.randint(1, outputs), rng.random() < 0.5
    found = tiled(chain([plane, outputs], [Link(0, 1, stride, reach, pad)]), tile, (keep, keep), every=keep)
    uses = []
    for begin in range(0, outputs, tile):
        last = min(begin + tile, outputs) - 1
        uses.append({w for w in range(begin * stride - pad, last * stride - pad + reach) if 0 <= w < plane})
    made: set[int] = set()
    for i, used in enumerate(uses):
        low, high = found.used[i, 0]
        assert used == set(range(low, high))
        new = used - set(range(max(made) + 1)) if keep and made else used
        assert new == set(range(*found.made[i, 0]))
        made |= new
        later = set().union(*uses[i + 1 :])
        assert found.held[i, 0] == (len(later & made) if keep else 0)
        assert found.seen[i, 0] == len(set().union(*uses[: i + 1]))
        assert found.touched[i, 0] == len(used | (later & made if keep else set()))
