"""Layers that ran together, as a table of a page."""

from __future__ import annotations

from accelsim.outcome import Outcome
from accelsim.report.html.tables import Cell, Table, count, named, share, table
from accelsim.report.text import visible


def saved_table(result: Outcome) -> Table:
    """Words of the outermost level of each tensor, without the plan and with it."""
    rows = [
        (named(visible(row.tensor)), named(visible(row.lives)), *map(count, (row.without, row.planned, row.words)),
         share(row.words / row.without) if row.without else named(""))
        for row in result.saved
    ]  # fmt: skip
    without, planned = (sum(getattr(row, what) for row in result.saved) for what in ("without", "planned"))
    total = (named("total"), named(""), *map(count, (without, planned, without - planned)))
    outermost = visible(result.architecture.levels[0].name)
    heads = ("tensor", "lives in", "without", "with", "saved", "saved [%]")
    sums = [(*total, share((without - planned) / without) if without else named(""))]
    return table(f"Words of {outermost} that the plan saves, by tensor", heads, rows, 2, sums)


def groups_table(result: Outcome) -> Table:
    """Of each layer of a group its MACs, those made again, passes and their cycles; of each group what it took."""
    rows: list[tuple[Cell, ...]] = []
    for group in result.groups:
        for one in group.shares:
            again = share(one.again / one.macs) if one.macs else named("")
            rows.append(
                (
                    named(group.name),
                    named(one.name),
                    count(one.macs),
                    again,
                    count(one.passes),
                    count(one.cycles),
                    named(""),
                    named(""),
                )
            )
        outside = sum(words for level, _, _, words in group.counts.rows() if level == group.counts.levels[0])
        whole = count(group.macs), share(group.again / group.macs) if group.macs else named("")
        room = count(group.room / 8 / 1024)
        rows.append(
            (named(group.name), named("all"), *whole, named(""), count(group.cycles), count(outside), room)
        )  # fmt: skip
    outermost, home = result.architecture.levels[0].name, result.groups[0].home
    heads = (
        "group", "layer", "MACs", "made again [%]", "passes", "cycles", f"{outermost} [words]", f"{home} [KiB]",
    )  # fmt: skip
    return table("Layers that ran together", heads, rows, 2, [])
