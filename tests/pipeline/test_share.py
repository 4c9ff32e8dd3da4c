"""Sharing units among stages: never slower than any other sharing."""

from __future__ import annotations

from itertools import pairwise, product
from random import Random

import pytest

from accelsim.errors import MappingError
from accelsim.pipeline.share import choices, shared


def test_choices_are_faster_the_more_units_they_take() -> None:
    found = choices(3, 14, 14, 16, 600)
    assert (found[0].units, found[0].cycles) == (3, 14 * 14 * 16)
    assert (found[-1].units, found[-1].cycles) == (3 * 14 * 14, 16)
    assert all(a.units < b.units and a.cycles > b.cycles for a, b in pairwise(found))


@pytest.mark.parametrize("seed", range(20))
def test_the_slowest_stage_is_as_fast_as_any_sharing_allows(seed: int) -> None:
    """Beside all sharings there are."""
    random = Random(seed)
    most = random.randint(10, 60)
    stages = [
        choices(random.randint(1, 3), random.randint(1, 6), random.randint(1, 6), random.choice([1, 8]), most)
        for _ in range(3)
    ]
    found = shared(stages, "abc", most)
    every = [ways for ways in product(*stages) if sum(way.units for way in ways) <= most]
    assert max(way.cycles for way in found) == min(max(way.cycles for way in ways) for ways in every)
    assert sum(way.units for way in found) <= most


def test_weights_that_do_not_fit_are_refused() -> None:
    stages = [choices(5, 2, 2, 1, 8), choices(6, 2, 2, 1, 8)]
    with pytest.raises(MappingError, match=r"need 11 units in all, the machine has 8; the most are those of 'b'"):
        shared(stages, ["a", "b"], 8)
