"""Slices of filters that a search looks at: they fit, are halves of halves, and none where filters need not."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from accelsim.architecture.yaml import load_architecture
from accelsim.energy.load import table_for
from accelsim.engine.fused.filters import room
from accelsim.engine.fused.layers import group_of
from accelsim.engine.fused.storage import measure
from accelsim.search.plan.costs import Wanted
from accelsim.search.plan.fused import tilings, widths_of
from accelsim.search.plan.slicing import MOST_ROOMS, slicings
from accelsim.search.proof import NONE
from accelsim.workload.network import Network


def looked_at(kib: int) -> list[tuple[int, int, list[dict[str, int]]]]:
    """Of each tiling: bits that it takes with whole filters, those of the home, and slices that are looked at."""
    conv = {"op": "conv", "kernel": 3, "pad": 1}
    layers = {"a": conv | {"M": 96, "inputs": "input"}, "b": conv | {"M": 40, "inputs": "a"}}
    group = group_of(Network.of("two", layers, (64, 8, 8)), ("a", "b"))
    machine = load_architecture("eyeriss_isca16_rs", {"glb": f"{kib} KiB"})
    wanted = Wanted(machine, table_for(machine, None), "GLB", machine.dataflow, machine.dataflow, "energy", NONE)
    sized = {op.name: machine for op in group.ops}
    out = []
    for tiling in tilings(wanted, group):
        found = measure(group, tiling, widths_of(group, sized, frozenset()))
        cuts = list(slicings(wanted, found))
        out.append((room(found, ()), wanted.capacity or 0, cuts))
        for cut in cuts:
            assert room(replace(found, tiling=replace(tiling, cut=cut)), ()) <= wanted.capacity
            for op in group.ops:
                if op.name in cut:
                    assert cut[op.name] in {-(-op.outer // 2**k) for k in range(1, 8)}
    return out


@pytest.mark.parametrize("kib", [32, 64, 108])
def test_slices_fit_and_are_looked_at_where_whole_filters_take_more_than_half(kib: int) -> None:
    found = looked_at(kib)
    assert any(cuts for _, _, cuts in found)
    for whole, capacity, cuts in found:
        assert len(cuts) <= MOST_ROOMS
        assert not cuts or 2 * whole > capacity
        # less of each filter at a time in the second room
        for more, less in pairwise(cuts):
            assert set(more) <= set(less)
            assert all(less[name] <= more[name] for name in more) and less != more


def test_where_there_is_room_for_all_filters_come_whole() -> None:
    assert not any(cuts for _, _, cuts in looked_at(2048))
