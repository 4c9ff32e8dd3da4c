"""What does not fit is told with what would: by trying every tile there is."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.engine.fused.filters import choices, room
from accelsim.engine.fused.fit import fitting, overflow, sizes
from accelsim.engine.fused.group import Group, Op, Read, Source
from accelsim.engine.fused.storage import MODES, Measure, Tiling, Widths, measure
from accelsim.mapping.mapping import describe
from drawn_groups import drawn_group, drawn_tiling


@pytest.mark.parametrize("plane", [1, 2, 7, 56, 113])
def test_sizes_make_every_number_of_tiles(plane):
    numbers = {-(-plane // size) for size in range(1, plane + 1)}
    assert {-(-plane // size) for size in sizes(plane)} == numbers and len(sizes(plane)) == len(numbers)


@settings(max_examples=40)
@given(st.randoms(use_true_random=False))
def test_no_tile_with_fewer_fits(rng):
    group = drawn_group(rng, 4)
    tiling = drawn_tiling(rng, group)
    measuring = Measure(group)
    found = measuring(tiling)
    capacity = rng.randint(0, 2 * choices(found)[0].room)
    best = fitting(found, capacity)
    fits = {}
    for high in range(1, group.sink.plane[0] + 1):
        for wide in range(1, group.sink.plane[1] + 1):
            one = measuring(Tiling((high, wide), tiling.keep, tiling.own, tiling.double))
            if choices(one, capacity=capacity):
                fits[high, wide] = len(one.rows.made) * len(one.columns.made)
    # of tiles that make as many, only the smallest are tried: a larger one may not need less
    tried = {tile: tiles for tile, tiles in fits.items() if all(map(_tried, tile, group.sink.plane))}
    assert (best is None) == (not tried)
    if best is not None:
        assert fits[best.tile] == min(tried.values())
        assert (best.keep, best.own, best.double) == (tiling.keep, tiling.own, tiling.double)


def _tried(size, plane):
    return size in sizes(plane)


def chain(columns=64):
    first = Op("a", "conv", (Read("x", range(2)),), 4, (1, columns), kernel=(1, 3), pad=(0, 1))
    second = Op("b", "conv", (Read("a", range(4)),), 4, (1, columns), kernel=(1, 3), pad=(0, 1))
    return Group((Source("x", 2, (1, columns)),), (first, second))


def test_what_fits_is_no_overflow():
    found = measure(chain(), Tiling((1, 8)))
    assert overflow(found, room(found, ()), "GLB") is None
    assert overflow(found, room(found, ()) - 1, "GLB").gap == 1


def test_the_line_that_is_shown():
    """In bits: 8 for each word, 16 while a pass makes it."""
    widths = Widths(8, running={"a": 16, "b": 16})
    found = measure(chain(), Tiling((1, 64)), widths)
    told = describe(overflow(found, 3000, "GLB"))
    assert told == (
        "GLB fused group 'a' to 'b': needs 6528 bits, has 3000 bits, 3528 bits too many "
        "(a tile of 1 rows and 22 columns fits)"
    )
    fits = measure(chain(), Tiling((1, 22)), widths)
    assert room(fits, (), {}) <= 3000


def test_filters_that_could_stay_or_go():
    found = measure(chain(), Tiling((1, 8)))
    everything = room(found, "ab")
    told = overflow(found, everything - 1, "GLB", "ab")
    assert told.levers[0] == "let filters stay: b"


def test_where_only_keeping_nothing_helps():
    """Lines that are kept over the whole width are too much, whatever the tile."""
    tall = Op("a", "conv", (Read("x", range(1)),), 1, (40, 400), kernel=(9, 1), pad=(4, 0))
    found = measure(Group((Source("x", 1, (40, 400)),), (tall,)), Tiling((1, 8)))
    assert overflow(found, 60, "GLB").levers == ("keep none: then a tile of 20 rows and 1 columns fits",)
    assert room(measure(found.group, Tiling((20, 1), MODES["none"])), ()) == 24 + 20 + 9
    assert overflow(found, 15, "GLB").levers == ("fuse fewer layers, or enlarge the buffer",)
