"""Heat maps as tables: the more a number is above the least of its row, the darker its cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from accelsim.report.html.svg import between
from accelsim.report.html.tables import Cell, Table, count, named, table
from accelsim.report.text import visible

BEST, WORST = (255, 255, 255), (230, 159, 0)
"""White to the orange of the palette; what is written on it can be read."""
FACTOR = 4.0
"""How many times the least of its row has the full colour."""


def heat_table(columns: Mapping[str, Mapping[str, float]], rows: Sequence[str], title: str, sums: bool = True) -> Table:
    """The same of any values by column and row, rows in this order."""
    cells = []
    for name in rows:
        values = [own.get(name) for own in columns.values()]
        least = min((value for value in values if value is not None), default=0.0)
        cells.append((named(visible(name)), *(_cell(value, least) for value in values)))
    total = [(named("total"), *(count(sum(own.values())) for own in columns.values()))] if sums else []
    return table(f"{title}; darker: further above the least of its row", ("layer", *columns), cells, 1, total)


def _cell(value: float | None, least: float) -> Cell:
    if value is None:
        return Cell("")
    above = (value / least - 1) / (FACTOR - 1) if least else float(value > 0)
    return count(value)._replace(shade=shade(above))


def shade(above: float) -> str:
    """The colour of a share of 1."""
    part = min(max(above, 0.0), 1.0)
    return between(BEST, WORST, part) if part else ""
