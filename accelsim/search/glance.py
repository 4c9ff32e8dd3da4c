"""A first look at a dataflow's space: what some mapping of it costs, in a hundredth of a second."""

from __future__ import annotations

from accelsim.architecture.model import Architecture
from accelsim.energy.table import EnergyTable
from accelsim.errors import AccelsimError
from accelsim.mapping.dataflows.dataflow import Dataflow
from accelsim.search.found import Candidate
from accelsim.search.moves import whole
from accelsim.search.scoring import Scorer
from accelsim.search.space import Space
from accelsim.workload.problem import Problem

FEW = 40, 10
"""Unrollings, and factors at a level, that are looked at."""


def glance(
    machine: Architecture, problem: Problem, dataflow: Dataflow, objective: str, table: EnergyTable
) -> Candidate | None:
    """The best mapping of a dataflow among few; None where none of these fits.

    A search that knows it leaves out at once what cannot cost less.
    """
    space = Space(machine, problem, dataflow)
    try:
        space.require()
        found = Scorer(space, space.passing, objective, table).best_of(space, whole(space, *FEW))
    except AccelsimError:
        return None
    return min(found, key=lambda one: one.score, default=None)
