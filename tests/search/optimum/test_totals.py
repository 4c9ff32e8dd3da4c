"""Words of dims that do not slide, in closed form, are those that the engine's tables count one iteration at a time."""

from __future__ import annotations

from random import Random

import pytest

from accelsim.energy.load import table_for
from accelsim.errors import AccelsimError
from accelsim.search.optimum import tables
from accelsim.search.optimum.clock import Clock
from accelsim.search.optimum.flow import flow_of
from accelsim.search.optimum.mapspace import Mapspace
from accelsim.search.optimum.scope import Scope
from accelsim.search.optimum.totals import loops_above, totals_of
from search.optimum import small


def compare(seed: int, folder) -> int:  # type: ignore[no-untyped-def]
    """Compare all chains of a drawn layer on a drawn machine, under all placements; how many groups that were."""
    rng, done = Random(seed), 0
    machine, problem = small.machine(rng, rng.choice([0, 1, 1, 2, 2]), folder), small.problem(rng)
    flow = flow_of(machine, problem, small.dataflow(rng, machine))
    scope = rng.choice([Scope(), Scope(imperfect=True), Scope(flow=flow)])
    try:
        space = Mapspace(machine, problem, table_for(machine, None), scope, False, Clock())
    except AccelsimError:
        return 0
    place = space.placements
    for group, chains in enumerate(space.chains):
        counted = tables._tables(
            place.program, group, chains.factors, place.edges, place.terms, space.array, 0, Clock()
        )
        assert (counted.above == loops_above(place.program, chains, place.edges, space.array)).all(), seed
        if group < tables.SLIDING:
            own = totals_of(place.program, chains, place.edges, place.terms, space.array)
            assert own is not None and (own == counted.total).all(), (seed, group)
            done += 1
    return done


def test_totals_are_those_of_the_tables(tmp_path):
    assert sum(compare(seed, tmp_path) for seed in range(10)) > 25


@pytest.mark.nightly
def test_totals_are_those_of_the_tables_at_length(tmp_path):
    assert sum(compare(seed, tmp_path) for seed in range(10, 2000)) > 5000
