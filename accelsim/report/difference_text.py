"""The difference of two results for a terminal: lines and tables, as wide as it is."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from accelsim.report.difference import Change, Changes, Difference
from accelsim.report.grid import Grid
from accelsim.report.text import component, many, number, percent, shown

MOST_GIVEN = 20
VALUE = 40
"""Letters of a value that was given."""


def headline(found: Difference) -> list[str]:
    """What is compared, the two totals that matter, and what cannot be compared."""
    lines = [f"from {shown(found.names[0])} to {shown(found.names[1])}"]
    known = {row.key[0]: row for row in found.changes[0].rows}
    told = [
        f"{name} {number(float(row.before))} to {number(float(row.after))} ({of(row)})"
        for name, row in known.items()
        if name in ("cycles", "time [ms]") or name.startswith("energy [")
    ]
    lines.append("; ".join(told) or "the same cycles and the same energy")
    lines += [found.note] if found.note else []
    lines += [f"{shown(layer)}: not run in {shown(name)}" for layer, name in found.failed]
    return lines


def blocks(found: Difference, most: int) -> Iterator[str | Grid]:
    """Lines and tables. most : rows of a table; what is left is added up in one more."""
    yield from headline(found)
    if found.inputs:
        yield _given(found)
        if (left := len(found.inputs) - MOST_GIVEN) > 0:
            yield f"and {left} more; the page that --out writes has all"
    else:
        yield "what was given is the same"
    if found.nests:
        yield f"the search found another mapping for {many(len(found.nests), 'layer')}"
    for changes in found.changes:
        if changes.rows:
            yield _grid(changes, most, found.names)


def of(row: Change) -> str:
    """A change over what there was: ``+12.5 %``."""
    if row.share is None:
        return "new"
    return f"{'+' if row.share > 0 else ''}{percent(row.share)} %"


def signed(value: float) -> str:
    """A number with its sign."""
    return f"{'+' if value > 0 else ''}{number(value)}"


def _given(found: Difference) -> Grid:
    rows = found.inputs[:MOST_GIVEN]
    cells = [(shown(row.place, 60), shown(row.before, VALUE), shown(row.after, VALUE)) for row in rows]
    return Grid("what was given", ("key", *map(shown, found.names)), tuple(cells), sums=0)


def _grid(changes: Changes, most: int, names: tuple[str, str]) -> Grid:
    rows = [_row(row, len(changes.heads)) for row in changes.rows[:most]]
    left = changes.rows[most:]
    if left and changes.total:
        before = sum((Fraction(row.before) for row in left), Fraction(0))
        after = sum((Fraction(row.after) for row in left), Fraction(0))
        rest = Change((f"{len(left)} others",), before, after)
        rows.append(_row(rest, len(changes.heads)))
    if changes.total:
        rows.append(_row(changes.total, len(changes.heads)))
    equal = f"; {changes.equal} more do not differ" if changes.equal else ""
    title = f"{changes.title[:1].lower()}{changes.title[1:]} [{changes.unit}]{equal}"
    heads = (*changes.heads, *map(shown, names), "change", "relative")
    return Grid(title, heads, tuple(rows), sums=1 if changes.total else 0)


def _row(row: Change, width: int) -> tuple[str, ...]:
    names = [component(shown(part)) for part in row.key] + [""] * (width - len(row.key))
    return (*names, number(float(row.before)), number(float(row.after)), signed(float(row.by)), of(row))
