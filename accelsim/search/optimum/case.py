"""What a search of a mapspace is of: a layer, its machine and table; and what the closed form counts of a mapping."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

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


class Case(NamedTuple):
    """A layer as its machine runs it, and the table of its energies."""

    machine: Architecture
    problem: Problem
    table: EnergyTable

    def counted(self, nest: LoopNest) -> tuple[float, Counts, Timing]:
        """Energy in the table's unit, counts and time of a mapping by the closed form, dense."""
        counts, timing = evaluate(self.machine, nest, self.problem, "analytical")
        rows = account(self.machine, counts, self.table, timing.cycles, "", nest)
        return float(sum(row.energy for row in rows)), counts, timing

    @property
    def fewest_cycles(self) -> float:
        """Cycles of the MACs that no mapping has less of."""
        return fewest_cycles(self.machine, self.problem)


def outermost_words(machine: Architecture, problem: Problem, nest: LoopNest) -> float:
    """Words that the outermost level reads and writes in a mapping."""
    counts, _ = evaluate(machine, nest, problem, "analytical")
    return float(counts.words[0].sum())


def as_counted(found: Optimum, case: Case, priced: bool = False) -> Optimum:
    """What a search has found by an account of its own, with the energy that the closed form counts.

    A search takes all final sums to be narrowed that may be. Unless it has `priced` what every cycle costs, that is
    left out, which is more than that of the fewest cycles.
    """
    each = float(sum(row.energy for row in standing_rows(case.machine, case.table, 1)))
    if found.objective in ("cycles", WORDS) or not (each or case.machine.narrows):
        return found
    standing = 0.0 if priced else case.fewest_cycles * each
    energy, _, _ = case.counted(found.nest)
    score = objective_of(found.objective, energy, found.cycles)
    bound = found.bound + objective_of(found.objective, standing, case.fewest_cycles)
    return replace(found, energy=energy, score=score, bound=bound)
