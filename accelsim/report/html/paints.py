"""Colours of a page: those of all pictures (`report.palette`)."""

from __future__ import annotations

from accelsim.energy.rows import MAC
from accelsim.outcome import Outcome
from accelsim.report.html.svg import Paint
from accelsim.report.palette import COMPUTE, colours, of_causes

__all__ = ["COMPUTE", "of_causes", "of_components"]


def of_components(result: Outcome) -> dict[str, Paint]:
    """By component of the energy account, levels first, outermost first."""
    levels = [level.name for level in result.architecture.levels]
    spent = dict.fromkeys(row.component for row in result.energy_rows())
    names = [*levels, *(name for name in spent if name not in levels and name != MAC), MAC]
    return colours(names, levels)
