"""Colours of a page, the same in all pictures: `report.plot` has those of levels, `report.plot_machine` of tensors."""

from __future__ import annotations

from collections.abc import Iterable

from accelsim.energy.rows import MAC
from accelsim.outcome import Outcome
from accelsim.report.html.svg import Paint
from accelsim.report.plot import COLOURS, HATCHES, MAC_COLOUR, colours
from accelsim.report.plot_machine import PAINT
from accelsim.workload.problem import Tensor

COMPUTE = "compute"
OTHERS = (COLOURS[3], COLOURS[5], COLOURS[4], COLOURS[6])
"""Of stalls that no one tensor causes: 'fill', 'drain' and so on."""


def of_components(result: Outcome) -> dict[str, Paint]:
    """By component of the energy account, levels first, outermost first."""
    levels = [level.name for level in result.architecture.levels]
    spent = dict.fromkeys(row.component for row in result.energy_rows())
    names = [*levels, *(name for name in spent if name not in levels and name != MAC), MAC]
    return colours(names, levels)


def of_causes(causes: Iterable[str]) -> dict[str, Paint]:
    """By cause of a stall, after 'compute': the tensor's colour, a hatch for each way that it takes."""
    found: dict[str, Paint] = {COMPUTE: (MAC_COLOUR, "")}
    ways: dict[str, int] = {}
    others = 0
    for cause in causes:
        way, _, name = cause.rpartition(" ")
        if way and name in set(Tensor):
            index = ways.setdefault(way, len(ways))
            found[cause] = (PAINT[Tensor(name)], HATCHES[index % len(HATCHES)])
        else:
            turn, at = divmod(others, len(OTHERS))
            found[cause] = (OTHERS[at], HATCHES[turn % len(HATCHES)])
            others += 1
    return found
