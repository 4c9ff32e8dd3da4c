"""What is seen of SCNN's PEs in a window of cycles: cycle by cycle what the golden walk does."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from accelsim.engine.counts import Timing
from accelsim.engine.zeros import cartesian
from accelsim.engine.zeros.cartesian_seen import PeTimeline, observe
from accelsim.engine.zeros.kernels import cartesian_seen as seen
from accelsim.errors import MappingError
from accelsim.report.slices import COMPUTE
from accelsim.report.timeline import tracks
from accelsim.sparsity.masks import masks_of
from cartesian_cases import draw
from golden.cartesian import tick_by_tick

MOST = 1 << 20
BUSY = 0
"""A seed whose layer has hundreds of blocks."""


def look(architecture, problem, masks, span, cycles, joined=False, most=MOST) -> PeTimeline:
    timing = Timing(cycles, cycles, cycles, {}, {})
    found = observe(architecture, problem, masks, span, timing, most, joined=joined)
    assert isinstance(found, PeTimeline)
    return found


def said(found: PeTimeline) -> dict[int, list[str]]:
    """What each PE that owns a word does in each cycle of a window; a step or a full queue are both a block."""
    doing = {}
    for track in list(tracks(found))[1:]:
        y, x = map(int, track.name.removeprefix("PE ").split(","))
        mine, at = [], found.span[0]
        for one in track.slices:
            assert one.begin == at, track.name
            at = one.end
            mine += ["block" if one.category == COMPUTE else one.name] * (one.end - one.begin)
        doing[y * found.plan.grid[1] + x] = mine
    return doing


def agree(seed: int) -> bool:
    rng = Random(seed)
    architecture, problem, ifmap, weights = draw(rng)
    masks = masks_of(ifmap, weights)
    try:
        done = cartesian.walk(architecture, problem, masks.ifmap, masks.filter)
    except MappingError:
        return False
    if not done.cycles:
        return False
    told = tick_by_tick(architecture, problem, ifmap, weights)
    whole = look(architecture, problem, masks, (0, done.cycles), done.cycles)
    assert sum(b.span[1] - b.span[0] for b in whole.barriers) == done.cycles
    words = {pe: ["block" if what in ("step", "full") else what for what in did] for pe, did in told.did.items()}
    found = said(whole)
    assert set(found) <= set(words)
    for pe, did in words.items():
        assert found.get(pe, ["no words"] * done.cycles) == did, pe
    totals = sum(each.totals for each in whole.barriers)
    flat = [what for did in told.did.values() for what in did]
    for column, what in ((seen.T_STEPS, "step"), (seen.T_FULL, "full"), (seen.T_WAIT, "weights")):
        assert totals[:, column].sum() == flat.count(what), what
    assert totals[:, seen.T_QUEUES].sum() == flat.count("queues")
    assert (totals[:, [seen.T_STEPS, seen.T_FULL, seen.T_QUEUES]].sum(axis=1) == done.busy).all()
    assert sum(each.lines[:, seen.STEPS].sum() for each in whole.barriers) == done.steps
    windows(rng, architecture, problem, masks, done.cycles, found)
    return True


def windows(rng, architecture, problem, masks, cycles, whole) -> None:
    """A window is part of the whole; joined lines say the same more shortly."""
    first = rng.randrange(cycles)
    span = first, rng.randint(first + 1, cycles)
    part = look(architecture, problem, masks, span, cycles)
    joined = look(architecture, problem, masks, span, cycles, joined=True)
    for found in (part, joined):
        assert said(found) == {pe: did[slice(*span)] for pe, did in whole.items()}
    assert joined.many <= part.many
    assert [b.totals.tolist() for b in joined.barriers] == [b.totals.tolist() for b in part.barriers]


def test_each_cycle_is_that_of_the_golden_walk():
    assert sum(agree(seed) for seed in range(120)) > 70


@pytest.mark.nightly
def test_each_cycle_is_that_of_the_golden_walk_at_length():
    assert sum(agree(seed) for seed in range(1000, 4000)) > 1600


def test_too_many_lines_are_told_by_the_cycle_up_to_which_they_fit():
    architecture, problem, ifmap, weights = draw(Random(BUSY))
    masks = masks_of(ifmap, weights)
    done = cartesian.walk(architecture, problem, masks.ifmap, masks.filter)
    whole = look(architecture, problem, masks, (0, done.cycles), done.cycles)
    begins = np.sort(np.concatenate([each.lines[:, seen.BEGIN] for each in whole.barriers]))
    for most in (1, 7, len(begins) // 2, len(begins) - 1):
        timing = Timing(done.cycles, done.cycles, done.cycles, {}, {})
        until = observe(architecture, problem, masks, (0, done.cycles), timing, most, joined=False)
        assert isinstance(until, int) and (begins < until).sum() <= most
    assert look(architecture, problem, masks, (0, done.cycles), done.cycles, most=len(begins)).many == len(begins)
