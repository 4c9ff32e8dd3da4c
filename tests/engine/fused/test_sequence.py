"""Passes in the order they run, and what comes and goes with each tile, as the walk does them."""

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.engine.fused.group import Group, Op, Read, Source
from accelsim.engine.fused.passes import passes
from accelsim.engine.fused.sequence import sequence
from accelsim.engine.fused.storage import Tiling, measure
from drawn_groups import drawn_cut, drawn_group, drawn_tiling
from golden import fused_walk


@settings(max_examples=150)
@given(st.randoms(use_true_random=False))
def test_the_order_is_the_walk(rng):
    group = drawn_group(rng, 6, rng.choice([1, 1, 2, 3]))
    tiling = replace(drawn_tiling(rng, group), cut=drawn_cut(rng, group))
    keep = {name: tiling.own.get(name, tiling.keep) for name in group.tensors}
    walked = fused_walk.walk(group, tiling.tile, keep, tiling.double, cut=tiling.cut)
    measured = measure(group, tiling)
    found = sequence(measured)
    tiles = len(measured.rows.made) * len(measured.columns.made)
    names = [op.name for op in group.ops]
    kinds = [found.kinds[which] for which in found.which]
    assert [one.op for one in kinds] == [names[op] for op in found.op]
    ran = [(*divmod(int(tile), tiles), one.op, one.writes) for tile, one in zip(found.tile, kinds, strict=True)]
    assert ran == walked.order
    assert list(found.leaving) == walked.left
    sinks = {op.name for op in group.sinks}
    firsts = {}
    for at, (image, tile, name, _) in enumerate(walked.order):
        if name in sinks:
            firsts.setdefault((image, tile), at)
    assert list(found.writes) == list(firsts.values())
    fetched = [
        (*divmod(int(tile), tiles), group.sources[source].name, int(words), names[found.op[reader]])
        for source, tile, words, reader in zip(found.source, found.fetched, found.words, found.reader, strict=True)
    ]
    assert sorted(fetched) == sorted(walked.fetched)
    assert (found.tile[found.reader] == found.fetched).all()
    # as many of each kind as they are counted, in the same list
    assert found.kinds == passes(measured)
    assert Counter(found.which.tolist()) == {k: one.runs for k, one in enumerate(found.kinds)}


def test_what_comes_in_is_first_read_behind_slices_of_layers_before():
    """Five output channels, two at a time: three passes, then the one that reads y; the sink in slices of its own."""
    ops = (
        Op("a", "conv", (Read("x", range(2)),), 5, (2, 4)),
        Op("b", "add", (Read("a", range(5)), Read("y", range(5))), 5, (2, 4), operations=5),
        Op("c", "conv", (Read("b", range(5)),), 4, (2, 4)),
    )
    group = Group((Source("x", 2, (2, 4)), Source("y", 5, (2, 4))), ops)
    found = sequence(measure(group, Tiling((1, 4), cut={"a": 2, "c": 3})))
    assert found.op.tolist() == [0, 0, 0, 1, 2, 2] * 2
    assert [found.kinds[k].problem["M"] for k in found.which if found.kinds[k].problem] == [2, 2, 1, 3, 1] * 2
    assert [found.kinds[k].writes for k in found.which] == [8, 8, 4, 20, 12, 4] * 2
    assert list(zip(found.source.tolist(), found.reader.tolist(), strict=True)) == [(0, 0), (1, 3), (0, 6), (1, 9)]
    assert found.writes.tolist() == [4, 10] and found.leaving.tolist() == [16, 16]
