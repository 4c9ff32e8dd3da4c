"""Layers that ran together, as a table of a page."""

from __future__ import annotations

from markupsafe import Markup

from accelsim.grouped import GroupResult
from accelsim.outcome import Outcome
from accelsim.report.html import nest
from accelsim.report.html.layers import LayerFacts, details, sizes_of
from accelsim.report.html.tables import Cell, Table, count, named, share, table
from accelsim.report.summary import binds
from accelsim.report.text import arrows, number, visible


def group_facts(result: Outcome, group: GroupResult, key: str) -> LayerFacts:
    """A group, opened: what ran together, the mappings of its passes, where cycles, words and energy go."""
    first, *others = map(visible, group.group.layers)
    if group.group.epilogue:
        what = f"{first} hands each finished tile of its ofmap to {', '.join(others)}"
        (own,) = group.passes
        drawn, told = nest.draw(own.nest, result.architecture, own.problem), f"mapping of {first}"
    else:
        what = f"{', '.join((first, *others))} together, tile by tile"
        drawn, told = Markup(""), ""
    rows = [
        (named(visible(one.layer)), named(sizes_of(one.problem)), named(str(one.nest)), count(one.runs))
        for one in group.passes
    ]
    passes = table("Passes that multiply", ("layer", "problem", "mapping", "runs"), rows, 3)
    room = f"{number(group.room / 8 / 1024)} KiB of {visible(group.home)}"
    bound = binds(group.compute_cycles, group.stall_cycles, group.cycles) if group.cycles else "takes no cycles"
    return LayerFacts(
        key, visible(group.name), f"{what}; {number(group.macs / 1e6)} M MACs, {room}", told, drawn, arrows(bound), (),
        (*details(result, group), passes),
    )  # fmt: skip


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
                    named(visible(group.name)),
                    named(visible(one.name)),
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
            (named(visible(group.name)), named("all"), *whole, named(""), count(group.cycles), count(outside), room)
        )  # fmt: skip
    outermost, home = result.architecture.levels[0].name, result.groups[0].home
    heads = (
        "group", "layer", "MACs", "made again [%]", "passes", "cycles", f"{outermost} [words]", f"{home} [KiB]",
    )  # fmt: skip
    return table("Layers that ran together", heads, rows, 2, [])
