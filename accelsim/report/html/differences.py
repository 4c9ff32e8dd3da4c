"""The difference of two results as the tables of a page."""

from __future__ import annotations

from dataclasses import dataclass

from accelsim.report.difference import Change, Changes, Difference, Given
from accelsim.report.difference_text import headline, of, signed
from accelsim.report.html.tables import Cell, Table, count, named, table
from accelsim.report.text import arrows, component, visible


@dataclass(frozen=True)
class Differences:
    """Lines that say it, and tables that say it all."""

    lines: tuple[str, ...]
    tables: tuple[Table, ...]


def differences(found: Difference) -> Differences:
    """What a page shows of it."""
    tables = [_given("What was given", found, found.inputs)] if found.inputs else []
    tables += [_changes(changes, found.names) for changes in found.changes if changes.rows]
    tables += [_given("Mappings that the search found", found, found.nests)] if found.nests else []
    lines = [*headline(found), *([] if found.inputs else ["what was given is the same"])]
    return Differences(tuple(lines), tuple(tables))


def _given(title: str, found: Difference, rows: tuple[Given, ...]) -> Table:
    cells = [(named(row.place), named(row.before), named(row.after)) for row in rows]
    return table(title, ("key", *map(visible, found.names)), cells, 3)


def _changes(changes: Changes, names: tuple[str, str]) -> Table:
    width = len(changes.heads)
    heads = (*changes.heads, *map(visible, names), "change", "relative")
    total = [_row(changes.total, width)] if changes.total else []
    equal = f"; {changes.equal} more do not differ" if changes.equal else ""
    rows = [_row(row, width) for row in changes.rows]
    return table(f"{changes.title} [{changes.unit}]{equal}", heads, rows, width, total)


def _row(row: Change, width: int) -> tuple[Cell, ...]:
    by = float(row.by)
    share = "" if row.share is None else f"{row.share:.6g}"
    cells = [named(arrows(component(part))) for part in row.key] + [named("")] * (width - len(row.key))
    return (*cells, count(row.before), count(row.after), Cell(signed(by), f"{by:.6g}"), Cell(of(row), share))
