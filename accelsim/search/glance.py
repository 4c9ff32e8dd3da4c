"""A first look at a dataflow's space: what some mapping of it costs, in a hundredth of a second."""

from __future__ import annotations

from math import inf

from accelsim.architecture.model import Architecture
from accelsim.energy.table import EnergyTable
from accelsim.errors import AccelsimError
from accelsim.mapping.dataflows.dataflow import Dataflow
from accelsim.search.moves import whole
from accelsim.search.scoring import Scorer
from accelsim.search.space import Space
from accelsim.workload.problem import Problem

FEW = 40, 10
"""Unrollings, and factors at a level, that are looked at."""


def glance(machine: Architecture, problem: Problem, dataflow: Dataflow, objective: str, table: EnergyTable) -> float:
    """The objective of the best mapping of a dataflow among few; infinite where none of these fits.

    A search that knows it leaves out at once what cannot cost less.
    """
    space = Space(machine, problem, dataflow)
    try:
        space.require()
        found = Scorer(space, space.passing, objective, table).best_of(space, whole(space, *FEW))
    except AccelsimError:
        return inf
    return min((one.score for one in found), default=inf)
