"""Machines whose array takes the outputs of a plane as runs of pixels, across the ends of rows."""

from __future__ import annotations

from dataclasses import dataclass

from accelsim.errors import AccelsimError
from accelsim.specs import Count, Spec, key
from accelsim.workload.lowering import in_runs
from accelsim.workload.problem import Problem


class RunsSpec(Spec):
    """Outputs taken as runs of pixels, row by row across the ends of rows, in place of rectangles (docs/model.md)."""

    level: str = key("The level down to which the ifmap lies as planes; below, every window is read word by word.")
    length: Count = key("Outputs of a run, while twice as many are left.", unit="outputs")
    least: Count = key("Outputs of a run where less than that, but more than `length` are left.", unit="outputs")


@dataclass(frozen=True)
class RunRule:
    """How long runs are (`workload.lowering.in_runs`), and the level that holds an ifmap as planes."""

    level: str
    length: int
    least: int

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.length:
            raise AccelsimError(f"runs: least is {self.least}; it must lie in 1 .. {self.length}, the length")

    def lower(self, problem: Problem) -> Problem:
        """The problem whose P counts runs."""
        return in_runs(problem, self.length, self.least)
