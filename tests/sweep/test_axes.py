"""Values of fields, ranges, and points of a grid in a fixed order."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelsim.sweep.axes import Axis, Grid, values_of


@pytest.mark.parametrize(
    ("raw", "values"),
    [
        (16, (16,)),
        ("64 KiB", ("64 KiB",)),
        ([8, 16], (8, 16)),
        ([[8, 8], [16, 16]], ([8, 8], [16, 16])),
        ({"from": 8, "to": 32, "step": 8}, (8, 16, 24, 32)),
        ({"from": 0.1, "to": 0.3, "step": 0.1}, (0.1, 0.2, 0.3)),
        ({"from": "8 KiB", "to": "64 KiB", "times": 2}, ("8 KiB", "16 KiB", "32 KiB", "64 KiB")),
        ({"from": "100 MHz", "to": "1 GHz", "count": 4}, ("100 MHz", "400 MHz", "700 MHz", "1 GHz")),
        ({"from": 1, "to": 100, "times": 10}, (1, 10, 100)),
    ],
)
def test_values(raw, values):
    assert values_of(raw) == values


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        ([], "an empty list"),
        ([1, 2, 1], "1 is given twice"),
        ({"rows": 1}, "a table is a range"),
        ({"from": 1, "to": 2}, "one of step, times and count, got none"),
        ({"from": 1, "to": 2, "step": 1, "times": 2}, "got step and times"),
        ({"from": 1, "to": 2, "stp": 1}, "unknown key 'stp'; did you mean 'step'"),
        ({"from": 4, "to": 2, "step": 1}, "the range is empty"),
        ({"from": "1 KiB", "to": 2, "times": 2}, "from is in b, to in no unit"),
        ({"from": "1 KiB", "to": "2 KiB", "step": 2}, "step is in no unit, from in b"),
        ({"from": 1, "to": 2, "step": 0}, "more than 0"),
        ({"from": 1, "to": 2, "times": 1}, "more than 1"),
        ({"from": 0, "to": 2, "times": 2}, "more than 0"),
        ({"from": 1, "to": 2, "count": 1.5}, "a whole number"),
        ({"from": "a lot", "to": 2, "count": 2}, "from is a lot"),
        ({"from": 0, "to": 10**12, "step": 1}, "at most 1,000,000"),
    ],
)
def test_values_that_are_wrong(raw, error):
    with pytest.raises(ValueError, match=error):
        values_of(raw)


GRIDS = st.lists(st.integers(1, 5), min_size=1, max_size=4).map(
    lambda sizes: Grid(tuple(Axis((f"f{i}",), tuple((v,) for v in range(size))) for i, size in enumerate(sizes)))
)


@given(GRIDS)
def test_the_grid_is_the_product_of_its_axes(grid):
    names = [axis.names[0] for axis in grid.axes]
    rows = [dict(zip(names, values, strict=True)) for values in product(*(range(len(axis)) for axis in grid.axes))]
    assert [grid.at(ordinal) for ordinal in range(grid.size)] == rows
    assert all(grid.ordinal(grid.steps(ordinal)) == ordinal for ordinal in range(grid.size))


@given(GRIDS, st.integers(0, 9))
def test_a_random_sample_differs_and_is_the_seeds(grid, seed):
    points = grid.random(grid.size // 2, seed)
    assert len(set(points)) == len(points) == grid.size // 2
    assert points == sorted(points) == grid.random(grid.size // 2, seed)


def test_a_latin_hypercube_takes_every_value_equally_often():
    grid = Grid(tuple(Axis((name,), tuple((v,) for v in range(10))) for name in "abc"))
    points = grid.latin_hypercube(20, 1)
    assert points != grid.latin_hypercube(20, 2)
    # of equal points one is kept, so a value may be taken less often, but by no more than those
    for name in "abc":
        taken = [grid.at(point)[name] for point in points]
        assert sum(2 - taken.count(value) for value in range(10)) == 20 - len(points)
        assert max(map(taken.count, range(10))) == 2


def test_a_large_grid_is_never_written_out():
    grid = Grid(tuple(Axis((f"f{i}",), tuple((v,) for v in range(1000))) for i in range(6)))
    assert grid.size == 10**18
    assert grid.at(10**18 - 1) == {f"f{i}": 999 for i in range(6)}
    assert len(grid.random(100, 0)) == 100
