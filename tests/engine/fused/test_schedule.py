"""A fused group in time, against the same tick by tick."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.engine.fused.schedule import timed
from golden.group_clock import tick
from groups_in_time import arrays, drawn

SEEDS = st.integers(0, 2**32 - 1)


def check_clock(seed: int) -> None:
    group = drawn(seed)
    wanted, schedule = tick(group), arrays(group)
    found = timed(schedule)
    assert list(zip(found.begins.tolist(), found.ends.tolist(), strict=True)) == wanted.passes, seed
    assert found.cycles == wanted.cycles
    sink = f"output {schedule.layers[-1]}"
    assert found.stalls == {sink if cause == "output" else cause: n for cause, n in wanted.stalls.items()}, seed
    assert sum(found.stalls.values()) + int(schedule.cycles.sum()) == found.cycles
    transfers = {}
    for at, cause in enumerate(schedule.transfers.cause.tolist()):
        kind, _, name = schedule.causes[cause].partition(" ")
        needed = int(schedule.transfers.needed[at])
        which = int(schedule.tile[needed]) if kind == "input" else needed
        transfers[kind, int(name), which] = int(found.came[at]), int(found.come[at])
    for t, tile in enumerate(group.tiles):
        if tile.out:
            transfers["output", t] = int(found.left[t]), int(found.gone[t])
    assert transfers == wanted.transfers
    assert schedule.bound <= found.cycles
    shares = found.by_layer
    assert sum(cycles for cycles, _ in shares.values()) == int(schedule.cycles.sum())
    for cause, cycles in found.stalls.items():
        assert sum(stalls.get(cause, 0) for _, stalls in shares.values()) == cycles


@given(SEEDS)
@settings(max_examples=500)
def test_the_clock_is_the_machine_tick_by_tick(seed: int) -> None:
    """Every begin and end, and every idle cycle's cause; single and double, resident and streamed filters."""
    check_clock(seed)


@pytest.mark.nightly
@given(SEEDS)
@settings(max_examples=10_000)
def test_the_clock_is_the_machine_tick_by_tick_nightly(seed: int) -> None:
    check_clock(seed)
