"""What a page says of many designs: the front, what each field moves, who is best where, all points in a table."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from accelsim.report import designs as data
from accelsim.report.designs import Designs, Heat, Row
from accelsim.report.html import fronts, moved
from accelsim.report.html.bars import legend
from accelsim.report.html.heat import FACTOR, heat_table
from accelsim.report.html.pictures import Picture
from accelsim.report.html.scales import scaled
from accelsim.report.html.tables import Cell, Table, count, named, share, table
from accelsim.report.plot import COLOURS
from accelsim.report.text import energy_scale, many, number, shown, visible

MOST_ROWS = 1000
"""Designs of the table of all, and values of the table of what moves."""
MOST_FRONT = 200
"""Designs of the front that have a row."""
MOST_LAYERS = 300
"""Rows of a heat map."""
MOST_REASONS = 20
LONGEST = 400
"""Letters of a value of the sweep's file."""
METRICS = ("energy", "cycles", "ms", "utilization", "outermost_words", "pes", "buffer_bytes", "power_mw", "area_mm2")
"""Columns of a design, beside the objectives."""


@dataclass(frozen=True)
class DesignFacts:
    """lines : what it is. numbers : (value, unit, what it is). asked : keys of the file. hashes : of what was run."""

    lines: tuple[str, ...]
    numbers: tuple[tuple[str, str, str], ...]
    failed: tuple[str, ...]
    pictures: tuple[Picture, ...]
    tables: tuple[Table, ...]
    asked: tuple[tuple[str, str], ...]
    hashes: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class View:
    """Designs with what tables and pictures ask again and again.

    best : by what is run, the front. numbers : point -> its number in the table of the front. fields, metrics : the
    columns; metrics that no design has are left out. scales : metric -> (divisor, unit).
    """

    designs: Designs
    best: Mapping[str, Sequence[Row]]
    numbers: Mapping[int, int]
    fields: tuple[str, ...]
    metrics: tuple[str, ...]
    scales: Mapping[str, tuple[float, str]]


def view_of(designs: Designs) -> View:
    """Raises AccelsimError if no design has metrics."""
    data.require_done(designs)
    best = {label: data.front(rows, designs.objectives) for label, rows in data.runs(designs).items()}
    numbers = {row["point"]: at for at, row in enumerate((row for rows in best.values() for row in rows), 1)}
    done = designs.done
    told = dict.fromkeys((*designs.objectives, *METRICS))
    metrics = tuple(name for name in told if any(row.get(name) is not None for row in done))
    scales = {name: _scale(name, done) for name in metrics}
    return View(designs, best, numbers, tuple(designs.design), metrics, scales)


def design_facts(designs: Designs, asked: Mapping[str, Any] | None = None, where: str = "") -> DesignFacts:
    """Everything of a sweep.

    asked : the keys of its file. where : the store that has it.
    Raises AccelsimError if no design has metrics.
    """
    view = view_of(designs)
    layers = [heat_table_of(view, *heat) for heat in data.heats(designs, ("energy", "cycles")).items()]
    again = f"accelsim run --from {shown(where, 60)} KEY runs a design again" if where else ""
    return DesignFacts(
        tuple(_lines(designs)),
        tuple(_numbers(view)),
        tuple(reasons(designs)),
        (*front_pictures(view), *move_pictures(designs)),
        (front_table(view), *move_tables(designs), *layers, _points(view)),
        tuple((visible(name), shown(_text(value), LONGEST)) for name, value in (asked or {}).items()),
        tuple(_hashes(designs)),
        tuple(filter(None, (*_notes(designs), again))),
    )


def _lines(designs: Designs) -> Iterator[str]:
    varied = ", ".join(f"{data.short(name)} ({_values(designs, name)})" for name in designs.varied)
    yield f"Varied: {varied or 'nothing'}. Least is best: {', '.join(designs.objectives)}."


def _values(designs: Designs, name: str) -> str:
    found = list(dict.fromkeys(str(row[name]) for row in designs.rows))
    return ", ".join(map(shown, found)) if len(found) <= 6 else f"{len(found):,} values"


def _numbers(view: View) -> Iterator[tuple[str, str, str]]:
    designs, best = view.designs, view.best
    done, failed = len(designs.done), len(designs.rows) - len(designs.done)
    yield number(done), "designs", f"with metrics; {failed:,} could not be run"
    on = sum(map(len, best.values()))
    of = f", of {many(len(best), 'run')} each its own" if len(best) > 1 else ""
    yield number(on), "on the front", f"no other is better in {' and '.join(designs.objectives)}{of}"
    if len(best) > 1:
        return
    for metric in designs.objectives[:2]:
        rows = [row for row in designs.done if row.get(metric) is not None]
        if rows:
            values = [row[metric] for row in rows]
            least = rows[values.index(min(values))]
            divisor, unit = view.scales[metric]
            most = f"{number(max(values) / min(values))} times less than the most: " if min(values) > 0 else ""
            name = data.design_of(least, designs.design)
            times = "x " if unit.startswith("10") else ""
            yield number(least[metric] / divisor), f"{times}{unit}", f"least {metric}, {most}{name}"


def reasons(designs: Designs) -> Iterator[str]:
    """Why designs were not run, those of one reason together."""
    found: dict[str, list[Row]] = {}
    for row in designs.rows:
        if row["error"]:
            found.setdefault(str(row["error"]).partition("\n")[0], []).append(row)
    for text, rows in list(found.items())[:MOST_REASONS]:
        more = f" and {len(rows) - 1:,} more" if len(rows) > 1 else ""
        yield f"not run: point {rows[0]['point']}{more}: {visible(text)}"
    if len(found) > MOST_REASONS:
        yield f"{len(found) - MOST_REASONS:,} more reasons are in the export of the points"


def front_pictures(view: View) -> Iterator[Picture]:
    """Designs by their first two objectives."""
    designs = view.designs
    if len(designs.objectives) < 2 or not set(designs.objectives[:2]) <= set(view.metrics):
        return
    first, second = designs.objectives[:2]
    found = []
    for label, rows in data.runs(designs).items():
        valued = [row for row in rows if row.get(first) is not None and row.get(second) is not None]
        # those of the front in its order, which is that of the first objective
        valued.sort(key=lambda row: view.numbers.get(row["point"], 0))
        found.append((label, tuple(dot_of(row, view) for row in valued)))
    if not any(dots for _, dots in found):
        return
    more = len(designs.objectives) - 2
    note = "Large dots: no other design is better; numbered as in the table of the front."
    note += f" The front is of {more} more, too." if more else ""
    note += " Numbers that would lie on each other are left out; pointed at, a dot says which it is."
    yield front_picture(view, found, note)


def front_picture(view: View, found: Sequence[tuple[str, tuple[fronts.Dot, ...]]], note: str) -> Picture:
    """The picture of dots of these runs."""
    first, second = view.designs.objectives[:2]
    colours = tuple(COLOURS[at % len(COLOURS)] for at in range(len(found)))
    axes = (f"{first} [{view.scales[first][1]}]", f"{second} [{view.scales[second][1]}]")
    svg = fronts.draw(fronts.Fronts(axes, tuple(found), colours, len(view.designs.objectives) == 2))
    paint = {label: (colour, "") for (label, _), colour in zip(found, colours, strict=True)}
    names = legend(paint, list(paint)) if len(found) > 1 else []
    return Picture(f"{second.capitalize()} against {first}", svg, tuple(names), note, tall=True)


def dot_of(row: Row, view: View, label: str = "") -> fronts.Dot:
    """A design as it is drawn. label : beside it; '': its number, if it is on the front."""
    first, second = view.designs.objectives[:2]
    at = row[first] / view.scales[first][0], row[second] / view.scales[second][0]
    place = view.numbers.get(row["point"], 0)
    name = data.design_of(row, view.fields) if place or label else ""
    return fronts.Dot(*at, label or (str(place) if place else ""), name, bool(place))


def front_table(view: View) -> Table:
    """The designs that no other is better than, by number."""
    best, fields = view.best, view.fields
    rows = [(label, row) for label, own in best.items() for row in own]
    runs = ("run",) if len(best) > 1 else ()
    cells = [
        (count(view.numbers[row["point"]]), *(named(label) for _ in runs), *_design(view, row, fields))
        for label, row in rows[:MOST_FRONT]
    ]
    left = f"; {len(rows) - MOST_FRONT:,} more are not shown" if len(rows) > MOST_FRONT else ""
    title = f"The front: designs that no other is better than in {' and '.join(view.designs.objectives)}{left}"
    return table(title, ("number", *runs, *_heads(view, fields)), cells, 1 + len(runs) + len(fields))


def move_pictures(designs: Designs) -> Iterator[Picture]:
    """What each field moves of the first two objectives."""
    for metric in designs.objectives[:2]:
        found = data.moves(designs, metric)
        if found:
            note = "Each dot: a value of the field, over the mean of all its values with the other fields equal."
            left = (
                f" {len(found) - moved.MOST:,} fields that move less are left out." if len(found) > moved.MOST else ""
            )
            yield Picture(f"What each field moves: {metric}", moved.draw(found, metric), (), note + left)


def move_tables(designs: Designs) -> Iterator[Table]:
    """The same in numbers, a row for each value of each field."""
    metrics = [metric for metric in designs.objectives if data.moves(designs, metric)]
    found = {metric: {move.field: move for move in data.moves(designs, metric)} for metric in metrics}
    if not metrics:
        return
    rows = []
    for field in dict.fromkeys(field for own in found.values() for field in own):
        values = dict.fromkeys(value for own in found.values() if field in own for value in own[field].of)
        alone = all(own[field].alone for own in found.values() if field in own)
        if all(own[field].idle for own in found.values() if field in own):
            cells = [count(1) for _ in found]
            rows.append(
                (named(data.short(field)), named(f"all {len(values)}"), named("no" if alone else "yes"), *cells)
            )
            continue
        for value in values:
            ratios = [own[field].of.get(value) if field in own else None for own in found.values()]
            cells = [Cell("") if ratio is None else count(float(f"{ratio:.6g}")) for ratio in ratios]
            rows.append((named(data.short(field)), named(shown(value)), named("no" if alone else "yes"), *cells))
    left = f"; the first {MOST_ROWS:,} of {len(rows):,} values" if len(rows) > MOST_ROWS else ""
    heads = ("field", "value", "others differ too", *(f"{metric} [times the mean]" for metric in metrics))
    yield table(f"What each field moves{left}", heads, rows[:MOST_ROWS], 3)


def heat_table_of(view: View, metric: str, heat: Heat) -> Table:
    """Layer by dataflow: the best of all designs of each, darker where it is further above the best of the layer."""
    rows = sorted(heat.cells, key=lambda row: -max(heat.cells[row].values(), default=0.0))
    kept = set(rows[:MOST_LAYERS])
    divisor, unit = view.scales[metric]
    what = f"{metric.capitalize()} of each layer by {data.short(heat.across)} [{unit}], the least of all its designs"
    left = f"; the {MOST_LAYERS:,} layers with most of {len(rows):,}" if len(rows) > MOST_LAYERS else ""
    columns = {
        shown(column): {row: own[column] / divisor for row, own in heat.cells.items() if column in own and row in kept}
        for column in heat.columns
    }
    order = [row for row in heat.cells if row in kept]
    return heat_table(columns, order, f"{what}{left}; empty: none could run it", sums=False)


def _points(view: View) -> Table:
    """All designs, or those of the front and the best of the first objective."""
    designs, numbers = view.designs, view.numbers
    fields = (*(name for name in data.RUN if name in designs.varied), *view.fields)
    first = designs.objectives[0]
    done = designs.done
    if len(done) > MOST_ROWS:
        done.sort(key=lambda row: (row["point"] not in numbers, _or_most(row.get(first)), row["point"]))
        done = sorted(done[:MOST_ROWS], key=lambda row: int(row["point"]))
    cells = [
        (count(row["point"]), count(numbers[row["point"]]) if row["point"] in numbers else Cell(""),
         *_design(view, row, fields), named(str(row.get("key") or "")[:12]))
        for row in done
    ]  # fmt: skip
    title = "All designs"
    if len(done) < len(designs.done):
        title = f"{len(done):,} of {len(designs.done):,} designs: the front, then those of least {first}"
    heads = ("point", "on the front", *_heads(view, fields), "key")
    found = table(title, heads, cells, 2 + len(fields))
    return Table(found.title, (*found.heads[:-1], (heads[-1], "l")), found.rows)


def _or_most(value: float | None) -> float:
    return float("inf") if value is None else value


def _heads(view: View, fields: Sequence[str]) -> list[str]:
    return [*map(data.short, fields), *(f"{name} [{view.scales[name][1]}]" for name in view.metrics)]


def _design(view: View, row: Row, fields: Sequence[str]) -> list[Cell]:
    cells = [named(shown(str(row[name]))) for name in fields]
    for name in view.metrics:
        value = row.get(name)
        if value is None:
            cells.append(Cell(""))
        else:
            cells.append(share(value) if name == "utilization" else count(value / view.scales[name][0]))
    return cells


def _scale(metric: str, rows: Sequence[Row]) -> tuple[float, str]:
    """A divisor that makes a metric readable, and its unit."""
    units = {row["energy_unit"] for row in rows}
    most = max((abs(row[metric]) for row in rows if row.get(metric) is not None), default=0.0)
    if metric == "utilization":
        return 0.01, "%"
    if metric in data.OF_ENERGY and len(units) > 1:
        return 1.0, "units differ"
    unit = next(iter(units))
    if metric == "energy":
        return energy_scale(unit, most)
    return scaled(most, data.unit_of(metric, unit))


def _hashes(designs: Designs) -> Iterator[tuple[str, str]]:
    """Of machines, networks, tables and dataflows; of many of a kind how many there are."""
    for kind in ("machine", "network", "energy_table", "dataflow_sha256"):
        found = list(dict.fromkeys(str(row[kind]) for row in designs.rows if row.get(kind)))
        name = kind.removesuffix("_sha256").replace("_", " ")
        if len(found) > FEW:
            yield name, f"{len(found):,} differ; the export of the points has each"
        else:
            yield from ((name, one) for one in found)


FEW = 4
"""Hashes of a kind that are listed."""


def _notes(designs: Designs) -> Iterator[str]:
    units = {row["energy_unit"] for row in designs.done}
    if len(units) > 1:
        yield "Energies are in several units: fronts are of each, and fields that move energy are not told."
    if len(designs.objectives) < 2:
        yield f"One objective, {designs.objectives[0]}: the front is the best design, and there is no picture of it."
    if not data.set_side_by_side(designs):
        yield "Nothing but what is run was varied: no design stands beside another."
    yield f"Heat maps: white is the least of its row, the full colour {FACTOR:g} times of it and more."


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
