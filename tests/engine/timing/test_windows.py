"""A schedule that is never in memory as a whole gives the counts, cycles and stalls of one that is."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import strategies
from accelsim.engine import cycle, program
from accelsim.engine.counts import Counts, Timing
from accelsim.engine.timing import windows
from accelsim.errors import AccelsimError
from accelsim.sparsity.masks import Masks
from accelsim.workload.problem import Tensor

WHOLE = (1 << 20, 1 << 20)
# steps of a window, versions of a stream written down whole: small problems have many windows then, and streams of few
# versions beside those of many; one long window in which no stream is written down ahead
SMALL = [(1, 0), (5, 2), (40, 10), (1 << 20, 0)]


def evaluated(lowered: program.Program, masks: Masks | None, steps: int, few: int) -> tuple[Counts, Timing]:
    """Counts and times in windows of so many steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows, "STEPS", steps)
        patch.setattr(windows, "FEW", few)
        return cycle.window_by_window(lowered, masks)


def alike(lowered: program.Program, masks: Masks | None = None, sizes: tuple[tuple[int, int], ...] = ()) -> None:
    """Compare windows of different sizes with one of all steps and versions."""
    counts, timing = evaluated(lowered, masks, *WHOLE)
    for size in sizes or SMALL:
        found, times = evaluated(lowered, masks, *size)
        assert np.array_equal(found.words, counts.words)
        assert np.array_equal(found.network, counts.network)
        assert (found.narrow is None) == (counts.narrow is None)
        assert found.narrow is None or np.array_equal(found.narrow, counts.narrow)
        assert replace(found, words=counts.words, network=counts.network, narrow=counts.narrow) == counts
        assert times == timing


@pytest.mark.parametrize("serial", [None, *Tensor], ids=str)
def test_random_machines(serial: Tensor | None) -> None:
    compared = 0
    for lowered in strategies.serial_programs(range(60), serial):
        alike(lowered)
        compared += 1
    assert compared > 20


def test_zeros() -> None:
    for seed in range(60):
        machine, nest, problem, masks = strategies.sparse_case(Random(seed))
        alike(program.build(machine, nest, problem), masks)


@pytest.mark.parametrize("size", SMALL, ids=str)
def test_drawn_banks_and_links(size: tuple[int, int]) -> None:
    @given(rng=st.randoms(use_true_random=False), banks=st.booleans(), links=st.booleans(), zeros=st.booleans())
    @settings(max_examples=60, deadline=None)
    def compare(rng: Random, banks: bool, links: bool, zeros: bool) -> None:
        drawn, masks = draw(rng, banks, links, zeros)
        try:
            lowered = program.build(*drawn)
        except AccelsimError:
            return
        alike(lowered, masks, (size,))

    compare()


def draw(rng: Random, banks: bool, links: bool, zeros: bool) -> tuple[strategies.Case, Masks | None]:
    """A problem on a machine with banks, networks that have links, both or neither, and with zeros or none."""
    drawn: strategies.Case | strategies.SparseCase
    if zeros:
        drawn = (strategies.sparse_mesh_case if links else strategies.sparse_case)(rng)
    else:
        drawn = (strategies.mesh_case if links else strategies.case)(rng)
    drawn = strategies.with_ofmap(rng, drawn)
    machine = strategies.with_dram(rng, drawn.architecture) if banks else drawn.architecture
    masks = drawn.masks if isinstance(drawn, strategies.SparseCase) else None
    return strategies.Case(machine, drawn.nest, drawn.problem), masks


def test_drawn_problems_reach_all_that_is_carried_from_window_to_window() -> None:
    """Serial passes, psums that come back, meshes and crossbars, PEs that drift: the test above meets each."""
    met = set()
    for seed in range(200):
        rng = Random(seed)
        drawn, masks = draw(rng, seed % 2 == 0, seed % 3 > 0, seed % 5 == 0)
        machine = drawn.architecture
        if masks is not None:
            met |= {"drift"} if machine.sparsity.drift > 1 and machine.sparsity.skip else set()
        lowered = program.build(*drawn)
        met |= {str(network.kind) for level in machine.levels for network in level.fanout.networks.values()}
        found = windows.outline(lowered)
        met |= {"taken up"} if found.taken_up.any() else set()
        met |= {"serial"} if machine.serial else set()
        met |= {"many"} if int(found.number.max(initial=0)) > 40 else set()
        met |= {"several links"} if len(found.tables.crossings) > 2 else set()
    assert met >= {"mesh", "crossbar", "drift", "taken up", "serial", "many", "several links"}
