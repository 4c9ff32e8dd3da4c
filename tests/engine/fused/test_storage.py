"""What a fused group computes, moves and holds: the closed form against a walk that moves real values."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.engine.fused.filters import fetched, room
from accelsim.engine.fused.group import Group, Op, Read, Source
from accelsim.engine.fused.kernels import storage as kernel
from accelsim.engine.fused.storage import MODES, Measure, Tiling, Widths, arrays, measure
from accelsim.errors import MappingError
from drawn_groups import drawn_cut, drawn_group, drawn_tiling
from golden import fused_walk

RANDOM = st.randoms(use_true_random=False)


def drawn(rng: Random, most_ops: int = 6) -> tuple[Group, Tiling]:
    group = drawn_group(rng, most_ops, rng.choice([1, 1, 1, 2, 3, 5]))
    return group, replace(drawn_tiling(rng, group), cut=drawn_cut(rng, group) if rng.random() < 0.5 else {})


def keep_of(group: Group, tiling: Tiling) -> dict[str, tuple[bool, bool]]:
    return {name: tiling.own.get(name, tiling.keep) for name in group.tensors}


def compare(group: Group, tiling: Tiling, seed: int = 0) -> None:
    """Everything that is counted, tile by tile and tensor by tensor, and the values."""
    walked = fused_walk.walk(group, tiling.tile, keep_of(group, tiling), tiling.double, seed, tiling.cut)
    for tiled, whole in walked.outputs:
        np.testing.assert_array_equal(tiled, whole)
    measuring = Measure(group)
    found = measuring(tiling)
    assert found.reads == {source.name: walked.reads[source.name] for source in group.sources}
    assert found.updates == walked.updates
    assert found.macs == {op.name: walked.macs[op.name] for op in group.ops}
    assert {name: int(found.made[k]) * group.images for k, name in enumerate(group.tensors)} == walked.made
    runs = {op.name: int(found.runs[group.number[op.name]]) * group.images for op in group.ops}
    times = {op.name: sum(blocks for _, blocks in tiling.slices(op)) for op in group.ops}
    assert {name: runs[name] * times[name] for name in runs} == {op.name: walked.runs[op.name] for op in group.ops}
    for i in range(len(found.rows.made)):
        for j in range(len(found.columns.made)):
            after = measuring.after(found, i, j)
            assert list(after[:-1]) == [walked.states[i, j, name][2] for name in group.tensors[:-1]], (i, j)
            for image in range(group.images):
                during = measuring.during(found, i, j, image)
                for k, op in enumerate(group.ops):
                    held = walked.held.get((image, i, j, op.name))
                    assert (during[k] == -1).all() if held is None else during[k].sum() == held, (image, i, j, op.name)
    most = dict.fromkeys(found.held, 0)
    for (*_, name), held in walked.held.items():
        most[name] = max(most[name], held)
    most[group.sinks[0].name] = max(most[group.sinks[0].name], *walked.waits.values(), 0)
    assert found.held == most
    assert found.room == max(most.values())
    # filters, all of them streamed: what comes of each, and room for a slice, two under double buffers
    slots = 2 if tiling.double else 1
    with_filters = [held + slots * walked.sliced[at] for at, held in walked.held.items()]
    # a sink that waits for the place of its tile has its filter already
    first = group.sinks[0].name
    with_filters += [held + slots * walked.sliced[*at, first] for at, held in walked.waits.items()]
    assert room(found, ()) == max(with_filters)
    assert {op.name: fetched(found, op, False) for op in group.ops if op.filters} == {
        op.name: walked.filters[op.name] for op in group.ops if op.filters
    }
    assert found.between == walked.between


@settings(max_examples=300)
@given(RANDOM)
def test_closed_form_is_the_walk(rng):
    compare(*drawn(rng))


@pytest.mark.nightly
@settings(max_examples=20_000)
@given(RANDOM)
def test_closed_form_is_the_walk_nightly(rng):
    compare(*drawn(rng, 8))


@settings(max_examples=100)
@given(RANDOM)
def test_few_tiles_stand_for_all(rng):
    """On planes too large to walk, with small tiles: the most of some tiles is the most of every tile."""
    group = drawn_group(rng, 5, rng.choice([1, 3]), 60)
    tiling = drawn_tiling(rng, group)
    tiling = Tiling(tuple(min(size, rng.randint(1, 4)) for size in tiling.tile), tiling.keep, tiling.own, tiling.double)
    measuring = Measure(group)
    found = measuring(tiling)
    every = [np.arange(len(axis.made)) for axis in (found.rows, found.columns)]
    most = np.empty_like(found.most)
    axes = [arrays(axis) for axis in (found.rows, found.columns)]
    between = kernel.largest(measuring._words, *axes, *every, tiling.double, group.images, *measuring._scratch, most)
    assert (most == found.most).all() and between == found.between


@settings(max_examples=60)
@given(RANDOM)
def test_widths_weigh_words(rng):
    """A word that a pass makes has another width while it runs than when it is held."""
    group, tiling = drawn(rng)
    tiling = Tiling(tiling.tile, tiling.keep, tiling.own)
    held = {name: rng.randint(0, 16) for name in group.tensors}
    running = {op.name: rng.randint(0, 40) for op in group.ops}
    walked = fused_walk.walk(group, tiling.tile, keep_of(group, tiling))
    found = Measure(group, Widths(8, held, running))(tiling)
    most = dict.fromkeys(running, 0)
    for (*place, name), words in walked.parts.items():
        own = walked.own[*place, name]
        total = sum(held[tensor] * count for tensor, count in words.items() if tensor != name)
        most[name] = max(most[name], total + held[name] * (words[name] - own) + running[name] * own)
    assert found.held == most


@settings(max_examples=60)
@given(RANDOM)
def test_keeping_everything_makes_every_word_once(rng):
    """Whatever the tile: what is used at all is made once. Recomputing never makes less, nor does fewer MACs."""
    group, tiling = drawn(rng)
    measuring = Measure(group)
    once = measuring(Tiling(group.sink.plane))
    kept, other = measuring(Tiling(tiling.tile)), measuring(tiling)
    assert (kept.made <= other.made).all()
    assert (kept.made <= [rows * columns for rows, columns in group.planes]).all()
    assert kept.updates == other.updates == once.updates
    # hulls of several readers may leave gaps between tiles that a whole plane closes
    assert (kept.made <= once.made).all()
    assert kept.between <= kept.line_bound()


def test_the_three_modes_are_of_rows_and_columns():
    assert MODES["both"] == (True, True) and MODES["none"] == (False, False)
    assert MODES["columns"] == (False, True) and MODES["rows"] == (True, False)


# ---- small ones, by hand ---------------------------------------------------------------------------------------------


def two(rows=1, columns=16, taps=3):
    """Two 1-D convolutions along columns, a channel each."""
    sizes = {"kernel": (1, taps)}
    first = Op("mid", "conv", (Read("x", range(1)),), 1, (rows, columns + taps - 1), **sizes)
    second = Op("out", "conv", (Read("mid", range(1)),), 1, (rows, columns), **sizes)
    return Group((Source("x", 1, (rows, columns + 2 * (taps - 1))),), (first, second))


def test_a_pencil_chain():
    """16 outputs in tiles of 8, 3 taps: x 12 then 8 words, mid 10 then 8; 2 columns of each stay between them."""
    found = measure(two(), Tiling((1, 8)))
    assert found.columns.made.tolist() == [[[0, 12], [0, 10], [0, 8]], [[12, 20], [10, 18], [8, 16]]]
    assert found.reads == {"x": 20} and found.updates == 16
    assert found.macs == {"mid": 18 * 3, "out": 16 * 3}
    assert found.between == 4
    # mid: 12 of x, 10 made; in tile 1 10 and 10. out: 2 of x stay, 10 of mid, its own 8
    assert found.held == {"mid": 22, "out": 20}


def test_recomputing_makes_the_overlap_again():
    found = measure(two(), Tiling((1, 8), MODES["none"]))
    assert found.reads == {"x": 24}
    assert found.macs == {"mid": 20 * 3, "out": 16 * 3}
    assert found.again == {"mid": 2 * 3, "out": 0}
    assert found.between == 0


def test_storage_is_found_at_few_tiles():
    """A thousand tiles of two kinds: those at an edge and those between."""
    found = measure(two(1, 8000), Tiling((1, 8)))
    assert len(found.columns.made) == 1000
    assert len(found.columns.chosen) <= 4


@pytest.mark.parametrize(
    ("tile", "message"),
    [
        ((1, 17), "a tile of 17 columns: the sink 'out' has 16 (1 to 16)"),
        ((0, 8), "a tile of 0 rows: the sink 'out' has 1 (1 to 1)"),
    ],
)
def test_a_tile_is_within_the_plane(tile, message):
    with pytest.raises(MappingError) as error:
        measure(two(), Tiling(tile))
    assert str(error.value) == message


def test_a_mode_is_of_a_tensor():
    with pytest.raises(MappingError) as error:
        measure(two(), Tiling((1, 8), own={"mit": (True, True)}))
    assert str(error.value) == "no tensor 'mit' in this fused group; did you mean 'mid'? (mid, out, x)"
