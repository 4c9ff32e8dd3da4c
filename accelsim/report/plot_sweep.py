"""Pictures of many designs: which are worth building, what each field moves, who is best where, what a buffer saves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import log
from typing import TYPE_CHECKING

from accelsim.errors import AccelsimError
from accelsim.report.designs import (
    OF_ENERGY,
    RUN,
    Designs,
    Row,
    design_of,
    front,
    move_of,
    run_of,
    short,
    unit_of,
)
from accelsim.report.framing import PLAIN
from accelsim.report.groups import MOST
from accelsim.report.palette import COLOURS, GREY
from accelsim.report.text import many, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KINDS = ("pareto", "sensitivity", "heatmap", "skislope")
NAMED = 12
"""Designs of a front that are named beside it."""
MARKS = "osD^vP*X"


def pareto(swept: Designs, ax: Axes | None = None) -> Axes:
    """The first two objectives of every point, and the designs that no other is better than, numbered and named.

    Each network and batch has a front of its own.
    """
    if len(swept.objectives) < 2:
        raise AccelsimError(f"a Pareto front is of two objectives, and '{swept.name}' has {swept.objectives[0]} alone")
    first, second = swept.objectives[:2]
    axes = ax or _new(8.6, 5.4)
    told: list[str] = []
    for index, (label, rows) in enumerate(_runs(swept)):
        colour, mark = COLOURS[index % len(COLOURS)], MARKS[index // len(COLOURS) % len(MARKS)]
        rows = [row for row in rows if row[first] is not None and row[second] is not None]
        best = front(rows, (first, second))
        axes.plot(_of(rows, first), _of(rows, second), mark, color=colour, alpha=0.3, markersize=4, linewidth=0)
        axes.step(_of(best, first), _of(best, second), where="post", color=colour, linewidth=1.2)
        axes.plot(_of(best, first), _of(best, second), mark, color=colour, markersize=6, linewidth=0, label=label)
        for row in best:
            told.append(shown(design_of(row, swept.design), 80))
            spot = (row[first], row[second])
            axes.annotate(
                str(len(told)), spot, xytext=(5, 5), textcoords="offset points", fontsize=8, color=colour, **PLAIN
            )
    for scale, axis, name in ((axes.set_xscale, axes.xaxis, first), (axes.set_yscale, axes.yaxis, second)):
        values = [row[name] for row in _done(swept) if row[name]]
        if values and max(values) > 8 * min(values):
            scale("log")
        elif values:
            # no power of ten at the end of an axis, where the title is
            axis.set_major_formatter(_Few(values))
    axes.set_xlabel(_label(first, _done(swept)), **PLAIN)
    axes.set_ylabel(_label(second, _done(swept)), **PLAIN)
    axes.set_title(f"{shown(swept.name)}: {many(len(_done(swept)), 'design')}, {len(told)} that none is better than",
                   loc="left", fontsize=10, **PLAIN)  # fmt: skip
    lines = [f"{number} {text}" for number, text in enumerate(told[:NAMED], 1)]
    lines += [f"and {len(told) - NAMED} more"] if len(told) > NAMED else []
    axes.text(1.02, 1.0, "\n".join(lines), transform=axes.transAxes, fontsize=8, va="top", color=GREY, **PLAIN)
    if len(axes.get_lines()) > 3:
        _plain_legend(axes)
    return axes


def sensitivity(swept: Designs, ax: Axes | None = None, objective: str | None = None) -> Axes:
    """What each field moves: an objective at each of its values over the mean of all of them, the other fields equal.

    Means are geometric, over all that the other fields are. Of a sample, in which no two points differ in one field
    alone, over all its points.
    """
    what = objective or swept.objectives[0]
    rows = [row for row in _done(swept) if row.get(what) is not None and row[what] > 0]
    differ = [name for name in swept.varied if len({str(row[name]) for row in rows}) > 1]
    fields = [name for name in differ if name not in RUN]
    if not fields:
        raise AccelsimError(f"'{swept.name}' varies nothing that its points differ in")
    moved = sorted((move_of(rows, name, differ, what) for name in fields), key=lambda move: move.span)
    axes = ax or _new(7.6, 0.75 * len(moved) + 1.6)
    for place, (_, found, alone, _) in enumerate(moved):
        low, high = min(found.values()), max(found.values())
        axes.plot([low, high], [place, place], color=COLOURS[0], linewidth=6, alpha=0.25, solid_capstyle="round")
        axes.plot(list(found.values()), [place] * len(found), "o", color=COLOURS[0], markersize=5, linewidth=0)
        ends = {min(found, key=lambda text: found[text]), max(found, key=lambda text: found[text])}
        for text in ends:
            side = -1 if found[text] == low else 1
            axes.annotate(
                shown(text), (found[text], place), xytext=(8 * side, 0), textcoords="offset points", fontsize=8,
                ha="right" if side < 0 else "left", va="center", **PLAIN,
            )  # fmt: skip
        if not alone:
            axes.annotate("others differ too", (1, place), xytext=(0, -14), textcoords="offset points", fontsize=7,
                          ha="center", color=GREY, **PLAIN)  # fmt: skip
    axes.axvline(1, color=GREY, linewidth=0.8)
    axes.set_xscale("log")
    axes.set_yticks(range(len(moved)), [short(move.field) for move in moved], **PLAIN)
    axes.set_ylim(-0.6, len(moved) - 0.4)
    axes.margins(x=0.25)
    axes.autoscale_view()
    _ratio_ticks(axes)
    axes.set_xlabel(f"{what} over its mean", **PLAIN)
    axes.set_title(f"{shown(swept.name)}: what each field moves", loc="left", fontsize=10, **PLAIN)
    return axes


def heatmap(swept: Designs, ax: Axes | None = None, objective: str = "energy") -> Axes:
    """Dataflow by layer: how many times the best of the layer, the best of all designs of each dataflow taken.

    Of several networks, dataflow by network.
    """
    networks = {str(row["workload"]) for row in swept.rows}
    across = "workload" if len(networks) > 1 else "layer"
    down = next((name for name in ("dataflow", "arch", *swept.varied) if name in swept.varied and name != across), "")
    if not down:
        raise AccelsimError(f"'{swept.name}' varies nothing to set side by side, such as dataflows")
    table, columns = _table(swept, down, across, objective)
    if not any(table.values()):
        raise AccelsimError(f"'{swept.name}' has no point with metrics to draw")
    names = list(table)
    axes = ax or _new(max(1.8 + 0.62 * len(columns), 6.0), 1.4 + 0.45 * len(names))
    best = {name: min((row[name] for row in table.values() if name in row), default=None) for name in columns}
    cells = [[_ratio(table[flow].get(name), best[name]) for name in columns] for flow in names]
    worst = max((one for row in cells for one in row if one is not None), default=1.0)
    most = max(min(worst, 8.0), 1.1)
    image = [[float("nan") if one is None else log(min(one, most)) for one in row] for row in cells]
    from matplotlib import colormaps

    colours = colormaps["cividis_r"].with_extremes(bad="#EEEEEE")
    axes.imshow(image, cmap=colours, vmin=0, vmax=log(most), aspect="auto")
    for y, row in enumerate(cells):
        for x, one in enumerate(row):
            dark = one is not None and log(min(one, most)) > 0.6 * log(most)
            text = "-" if one is None else "1" if one == 1 else f"{one:.3g}"
            axes.text(x, y, text, ha="center", va="center", fontsize=7, color="white" if dark else "black", **PLAIN)
    axes.set_xticks(
        range(len(columns)), [shown(name) for name in columns], rotation=60, ha="right", fontsize=8, **PLAIN
    )
    axes.set_yticks(range(len(names)), [shown(name) for name in names], fontsize=8, **PLAIN)
    axes.tick_params(length=0)
    title = f"{shown(swept.name)}: {objective}, times the best of each {'network' if across == 'workload' else across}"
    axes.set_title(f"{title} (-: {down} could not run it)" if any(None in row for row in cells) else title,
                   loc="left", fontsize=10, **PLAIN)  # fmt: skip
    return axes


def skislope(swept: Designs, ax: Axes | None = None) -> Axes:
    """The fewest words that pass the outermost level, against the bytes there are on chip: of designs no larger."""
    axes = ax or _new(7.4, 4.8)
    for index, (label, rows) in enumerate(_runs(swept)):
        colour = COLOURS[index % len(COLOURS)]
        points = sorted((row["buffer_bytes"], row["outermost_words"]) for row in rows)
        xs, ys = [one / 1024 for one, _ in points], [words for _, words in points]
        least = [min(ys[: at + 1]) for at in range(len(ys))]
        axes.plot(xs, ys, "o", color=colour, alpha=0.3, markersize=4, linewidth=0)
        axes.step(xs, least, where="post", color=colour, linewidth=1.5, label=label)
    from matplotlib.ticker import FuncFormatter

    sizes = [row["buffer_bytes"] for row in _done(swept)]
    if max(sizes) > 4 * min(sizes):
        axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("on chip [KiB]", **PLAIN)
    axes.set_ylabel("words of the outermost level", **PLAIN)
    axes.set_title(f"{shown(swept.name)}: fewest words, of designs no larger", loc="left", fontsize=10, **PLAIN)
    _plain_legend(axes)
    return axes


class _Few:
    """Ticks of an axis with as few digits as tell them apart."""

    def __init__(self, values: Sequence[float]) -> None:
        span = (max(values) - min(values)) / max(values)
        self.digits = 2 if span > 0.3 else 3 if span > 0.03 else 4

    def __call__(self, value: float, _: float) -> str:
        return f"{value:.{self.digits}g}".replace("e+0", "e").replace("e+", "e")


def _new(width: float, height: float) -> Axes:
    from accelsim.cache import prepare_matplotlib

    prepare_matplotlib()
    from accelsim.report.canvas import new_axes

    axes = new_axes(width, height)
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def _plain_legend(axes: Axes) -> None:
    legend = axes.legend(fontsize=8, frameon=False)
    for text in legend.get_texts():
        text.set_parse_math(False)


def _ratio_ticks(axes: Axes) -> None:
    """Ratios as they are, not as powers of ten, and not too many."""
    low, high = axes.get_xlim()
    for steps in ((0.9, 0.95, 1, 1.05, 1.1), (0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.25, 1.5, 2), (0.25, 0.5, 1, 2, 4),
                  (0.01, 0.1, 1, 10, 100)):  # fmt: skip
        within = [step for step in steps if low <= step <= high]
        if low >= steps[0] and high <= steps[-1]:
            break
    axes.set_xticks(within, [f"{step:g}" for step in within])
    axes.set_xticks([], minor=True)


def _done(swept: Designs) -> list[Row]:
    """Points with metrics. Raises AccelsimError where there are none."""
    if not swept.done:
        raise AccelsimError(f"'{swept.name}' has no point with metrics to draw")
    return swept.done


def _runs(swept: Designs) -> list[tuple[str, list[Row]]]:
    """Points by what they run, in the order of the sweep."""
    found: dict[str, list[Row]] = {}
    for row in _done(swept):
        found.setdefault(run_of(row, swept.varied), []).append(row)
    return list(found.items())


def _of(rows: Iterable[Row], name: str) -> list[float]:
    return [row[name] for row in rows]


def _label(name: str, rows: Sequence[Row]) -> str:
    units = {row["energy_unit"] for row in rows}
    one = len(units) == 1 or name not in OF_ENERGY
    return f"{name} [{unit_of(name, next(iter(units))) if one else 'units differ'}]"


def _ratio(value: float | None, best: float | None) -> float | None:
    return None if value is None or best is None else value / best if best else 1.0


def _table(swept: Designs, down: str, across: str, objective: str) -> tuple[dict[str, dict[str, float]], list[str]]:
    """Row -> column -> the least of an objective; and the columns, those with most of it where there is no room."""
    found: dict[str, dict[str, float]] = {str(row[down]): {} for row in swept.rows}
    columns: dict[str, float] = {}
    for row in swept.rows if across == "workload" else swept.layers:
        value, name = row.get(objective), str(row[across])
        columns.setdefault(name, 0.0)
        if value is not None:
            cells = found[str(row[down])]
            cells[name] = min(value, cells.get(name, value))
            columns[name] = max(columns[name], value)
    if len(columns) > MOST:
        largest = set(sorted(columns, key=lambda name: -columns[name])[:MOST])
        return found, [name for name in columns if name in largest]
    return found, list(columns)
