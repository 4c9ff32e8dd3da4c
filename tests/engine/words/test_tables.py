"""Combinations that do alike are tabulated once: the rows that stand for others are theirs."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.engine.nest.kernels.groups import columns_of, group_shape
from accelsim.engine.nest.kernels.records import DIM, FACTOR, GROUP_DIMS, IFMAP, KIND, LEVEL, STEP, Nest, Rows
from accelsim.engine.nest.kernels.runs import runs_of
from accelsim.engine.nest.kernels.tiles import group_rows

LEVELS = 3
LOOPS = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from([2, 3, 5, 7, 40, 90]), st.integers(0, 1), st.integers(0, LEVELS)),
    max_size=6,
)


def nest(group, drawn):
    """Loop rows (dim, factor, kind, level, step) in the order of a nest; few iterations."""
    dims = [int(dim) for dim in GROUP_DIMS[group] if dim >= 0]
    rows = [[dims[which % len(dims)], factor, kind, level, 1] for which, factor, kind, level in drawn]
    rows.sort(key=lambda row: (row[LEVEL], row[KIND]))
    while prod(row[FACTOR] for row in rows if not row[KIND]) > 4000 or any(
        prod(row[FACTOR] for row in rows if row[DIM] == dim) > 5000 for dim in dims
    ):
        rows.remove(max(rows, key=lambda row: row[FACTOR]))
    step = dict.fromkeys(dims, 1)
    for row in reversed(rows):
        row[STEP] = step[row[DIM]]
        step[row[DIM]] *= row[FACTOR]
    return np.array(rows, np.int64).reshape(-1, 5), step


def tabulated(nest, edge, group):
    """Every combination's (full, moved, slide where it moved) by a listing of all of them."""
    loops, axes, bounds, (tensor, parent, child, *_) = nest.loops, nest.axes, nest.bounds, edge
    n, combinations = group_shape(loops, group, child, np.empty(len(loops) + 1, np.int64))
    columns, carries = columns_of(parent, child), 2 * n + 1
    spatial = prod([int(row[FACTOR]) for row in loops if row[KIND]])
    reach = 2 + max(int(axes[a, 0] * (bounds[4 + a] - 1) + axes[a, 1] * (bounds[6 + a] - 1)) for a in (0, 1))
    full, moved = np.zeros((combinations, columns), np.int64), np.empty((carries, combinations), np.int64)
    slide = np.zeros((carries, combinations, columns), np.int64)
    room = Rows(
        np.empty((3, spatial, 2), np.int64), np.empty(3, np.int64), np.zeros((2, reach), np.int64), full, moved, slide,
        np.empty((3, len(loops) + 1), np.int64), np.empty((6, 2), np.int64),
    )  # fmt: skip
    group_rows(nest, edge, group, 0, combinations, room)
    slides = tensor == IFMAP and group >= 4
    return [
        (full[c].tolist(), moved[:, c].tolist(), (slide[:, c] * (moved[:, c, None] == 1)).tolist() if slides else None)
        for c in range(combinations)
    ]


@pytest.mark.parametrize("group", [2, 4, 5])
@given(LOOPS, st.data())
@settings(max_examples=150, deadline=None)
def test_a_row_stands_for_all_that_do_alike(group, drawn, data):
    loops, whole = nest(group, drawn)
    bounds = np.ones(10, np.int64)
    for dim, most in whole.items():
        bounds[dim] = data.draw(st.integers(max(1, most - 50), most), label=f"size of {dim}")
    axes = np.array(data.draw(st.tuples(*[st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(0, 3))] * 2)))
    plane = [axes[a, 0] * (bounds[4 + a] - 1) + axes[a, 1] * (bounds[6 + a] - 1) + 1 - axes[a, 2] for a in (0, 1)]
    cut = data.draw(st.integers(0, 3), label="of the padding behind")
    axes = np.concatenate([axes, np.maximum(1, np.array(plane) - cut)[:, None]], axis=1).astype(np.int64)
    parent = data.draw(st.integers(0, LEVELS - 1), label="parent")
    child = data.draw(st.integers(parent + 1, LEVELS), label="child")
    tensor = data.draw(st.integers(0, 2), label="tensor")
    unicast = np.array(data.draw(st.lists(st.integers(0, 1), min_size=LEVELS, max_size=LEVELS)), np.uint8)
    reuse, on_chip = data.draw(st.booleans(), label="reuse"), data.draw(st.booleans(), label="on chip")
    edge = np.array([tensor, parent, child, 0, reuse], np.int64)
    no_runs = np.zeros(0, np.int64), np.zeros(6, np.int64)
    apart = np.zeros((3, LEVELS, 10), np.uint8)
    parts = np.zeros((4, 3), np.int64)
    here = Nest(loops, bounds, axes, np.stack([unicast] * 3), apart, on_chip, LEVELS, *no_runs, parts)
    rows = tabulated(here, edge, group)
    runs, copies = runs_of(here, edge, group)
    stands = [-1] * len(rows)
    times = [0] * len(rows)
    for begin, end, often in runs:
        stands[begin:end] = range(begin, end)
        times[begin:end] = [often] * (end - begin)
    for begin, many, often in copies:
        for c in range(begin + many, begin + often * many):
            stands[c] = stands[c - many]
    assert [rows[c] for c in stands] == rows
    assert times == [stands.count(c) for c in range(len(rows))]
