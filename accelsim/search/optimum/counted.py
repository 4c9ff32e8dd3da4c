"""What the closed form counts of a mapping that a search has found by an account of its own."""

from __future__ import annotations

from dataclasses import replace

from accelsim.architecture.model import Architecture
from accelsim.energy.account import account
from accelsim.energy.standing import standing_rows
from accelsim.energy.table import EnergyTable
from accelsim.engine import evaluate
from accelsim.engine.counts import Counts, Timing
from accelsim.mapping.mapping import LoopNest
from accelsim.search.bound import WORDS
from accelsim.search.found import objective_of
from accelsim.search.optimum.floor import fewest_cycles
from accelsim.search.optimum.proved import Optimum
from accelsim.workload.problem import Problem


def closed_form(
    machine: Architecture, problem: Problem, table: EnergyTable, nest: LoopNest
) -> tuple[float, Counts, Timing]:
    """Energy in the table's unit, counts and time of a mapping, dense."""
    counts, timing = evaluate(machine, nest, problem, "analytical")
    rows = account(machine, counts, table, timing.cycles, "", nest)
    return float(sum(row.energy for row in rows)), counts, timing


def as_counted(
    found: Optimum, machine: Architecture, problem: Problem, table: EnergyTable, priced: bool = False
) -> Optimum:
    """With the energy that the closed form counts.

    A search takes all final sums to be narrowed that may be. Unless it has `priced` what every cycle costs, that is
    left out, which is more than that of the fewest cycles.
    """
    each, fewest = float(sum(row.energy for row in standing_rows(machine, table, 1))), fewest_cycles(machine, problem)
    if found.objective in ("cycles", WORDS) or not (each or machine.narrows):
        return found
    standing = 0.0 if priced else fewest * each
    energy, _, _ = closed_form(machine, problem, table, found.nest)
    score = objective_of(found.objective, energy, found.cycles)
    return replace(
        found, energy=energy, score=score, bound=found.bound + objective_of(found.objective, standing, fewest)
    )
