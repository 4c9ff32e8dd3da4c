"""What passes and transfers of drawn groups waited for, against the machine that runs them tick by tick."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.engine.fused.schedule import Schedule, timed
from accelsim.engine.fused.waits import DRAIN, PASS, PORT, TRANSFER, Wait, Waits
from golden.group_clock import tick
from groups_in_time import PORTS, arrays, drawn

SEEDS = st.integers(0, 2**32 - 1)


def name_of(schedule: Schedule, at: int) -> tuple[Any, ...]:
    kind, _, name = schedule.causes[int(schedule.transfers.cause[at])].partition(" ")
    needed = int(schedule.transfers.needed[at])
    return kind, int(name), int(schedule.tile[needed]) if kind == "input" else needed


def told(schedule: Schedule, wait: Wait | None) -> tuple[Any, ...] | None:
    if wait is None:
        return None
    kinds = {PORT: lambda n: ("port", PORTS[n]), PASS: lambda n: ("pass", n), DRAIN: lambda n: ("output", n)}
    return name_of(schedule, wait.at) if wait.kind == TRANSFER else kinds[wait.kind](wait.at)


def check_waits(seed: int) -> int:
    group = drawn(seed)
    wanted, schedule = tick(group), arrays(group)
    clock = timed(schedule)
    waits, known = Waits(clock), 0
    for at, begins in enumerate(clock.came.tolist()):
        why, reasons = told(schedule, waits.of_transfer(at)), wanted.reasons[name_of(schedule, at)]
        assert why in reasons if begins else why is None, (seed, at)
        known += begins > 0
    for tile, one in enumerate(group.tiles):
        if one.out:
            why = told(schedule, waits.of_drain(tile))
            assert why in wanted.reasons["output", tile] or not clock.left[tile], (seed, tile)
    for k, gap in enumerate(clock.gap.tolist()):
        why, reasons = told(schedule, waits.of_pass(k)), wanted.reasons["pass", k]
        assert why in reasons if gap else why is None, (seed, k)
    return known


@given(SEEDS)
@settings(max_examples=300)
def test_what_is_waited_for_ended_then(seed: int) -> None:
    """Passes, drains, transfers and ports; nothing for what began with the group, or behind the pass before it."""
    check_waits(seed)


@pytest.mark.nightly
@given(SEEDS)
@settings(max_examples=10_000)
def test_what_is_waited_for_ended_then_nightly(seed: int) -> None:
    check_waits(seed)


def test_most_transfers_wait() -> None:
    assert sum(check_waits(seed) for seed in range(40)) > 100
