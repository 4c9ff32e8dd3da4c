"""Many designs as data: which none is better than, what each field moves of them, who is best at which layer.

Rows are those of a sweep (docs/sweeps.md), or of results side by side.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import exp, log
from typing import Any, NamedTuple

from accelsim.energy.table import energy_unit
from accelsim.errors import AccelsimError
from accelsim.report.text import shown

Row = Mapping[str, Any]
RUN = ("workload", "batch")
"""Fields that say what is run, not on what: designs are compared within each."""
OF_ENERGY = ("energy", "edp", "ed2p")
"""Metrics in the unit of the energy table, or in its products with time."""
UNITS = {
    "cycles": "core cycles", "processing_cycles": "core cycles", "compute_cycles": "core cycles", "ms": "ms",
    "utilization": "%", "outermost_words": "words", "power_mw": "mW", "area_mm2": "mm2", "buffer_bytes": "B",
    "pes": "PEs", "macs": "MACs",
}  # fmt: skip


class Designs(NamedTuple):
    """What a page or a picture is made of.

    rows : of designs: fields, metrics, `energy_unit`, `error`, `point`; those that failed have no metrics.
    fields : what was varied or set. objectives : metrics, least is best.
    layers : of layers, with the fields of their design.
    """

    name: str
    rows: Sequence[Row]
    fields: Sequence[str]
    objectives: Sequence[str]
    layers: Iterable[Row] = ()

    @property
    def done(self) -> list[Row]:
        """Those with metrics."""
        return [row for row in self.rows if not row["error"]]

    @property
    def varied(self) -> list[str]:
        """Fields that differ between designs."""
        return [name for name in self.fields if len({str(row[name]) for row in self.rows}) > 1]

    @property
    def design(self) -> list[str]:
        """Fields that tell one design from another, of those that run the same."""
        return [name for name in self.varied if name not in RUN]


class Move(NamedTuple):
    """What one field moves.

    of : value -> metric over the mean. alone : whether the other fields were equal. values : of the field, of which
    those have no ratio that no design has beside another one that is equal in all other fields.
    """

    field: str
    of: Mapping[str, float]
    alone: bool
    values: int

    @property
    def span(self) -> float:
        """The most over the least."""
        return max(self.of.values()) / min(self.of.values())

    @property
    def idle(self) -> bool:
        """Whether it moves nothing, but for what adding up logarithms leaves."""
        return self.span < 1 + 1e-9


class Heat(NamedTuple):
    """The least of a metric. down, across : what rows and columns are. cells : row -> column -> value."""

    down: str
    across: str
    columns: Sequence[str]
    cells: Mapping[str, Mapping[str, float]]


def run_of(row: Row, differ: Sequence[str]) -> str:
    """What a design runs, by what differs of it: ``alexnet, batch 4``."""
    told = (f"batch {row[name]}" if name == "batch" else shown(str(row[name])) for name in RUN if name in differ)
    return ", ".join(told) or shown(str(row.get("workload", "")))


def runs(designs: Designs) -> dict[str, list[Row]]:
    """Designs with metrics by what they run; of energies in several units, by unit too, as they do not compare."""
    done, differ = designs.done, designs.varied
    units = {row["energy_unit"] for row in done}
    found: dict[str, list[Row]] = {}
    for row in done:
        label = run_of(row, differ)
        if len(units) > 1:
            label += f", in {energy_unit(row['energy_unit'])}"
        found.setdefault(label, []).append(row)
    return found


def front(rows: Iterable[Row], objectives: Sequence[str]) -> list[Row]:
    """Rows that no other is better than in one objective and no worse in the others; of equal ones the first.

    In the order of the first objective.
    """
    valued = [row for row in rows if all(row.get(name) is not None for name in objectives)]
    valued.sort(key=lambda row: (*(row[name] for name in objectives), row["point"]))
    kept: list[Row] = []
    for row in valued:
        # those behind it in the order of the first objective cannot dominate
        if not any(all(one[name] <= row[name] for name in objectives) for one in kept):
            kept.append(row)
    return kept


def moves(designs: Designs, metric: str) -> list[Move]:
    """What each field moves of a metric, most first: over the mean of all its values, the other fields equal.

    Means are geometric, over all that the other fields are. Of a sample, in which no two designs differ in one field
    alone, over all of them.
    """
    rows = [row for row in designs.done if (row.get(metric) or 0) > 0]
    differ = [name for name in designs.varied if len({str(row[name]) for row in rows}) > 1]
    units = len({row["energy_unit"] for row in rows}) > 1 and metric in OF_ENERGY
    found = [move_of(rows, name, differ, metric) for name in differ if name not in RUN]
    return [] if units else sorted(found, key=lambda move: (-move.span, move.field))


def move_of(rows: Sequence[Row], name: str, fields: Sequence[str], metric: str) -> Move:
    """What one field moves of a metric; fields : all that differ between the rows."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(str(row[other]) for other in fields if other != name), []).append(row)
    alone = [group for group in groups.values() if len({str(row[name]) for row in group}) > 1]
    logs: dict[str, list[float]] = {}
    for group in alone or [[*rows]]:
        mean = sum(log(row[metric]) for row in group) / len(group)
        for row in group:
            logs.setdefault(str(row[name]), []).append(log(row[metric]) - mean)
    ratios = {text: exp(sum(each) / len(each)) for text, each in logs.items()}
    return Move(name, ratios, bool(alone), len({str(row[name]) for row in rows}))


def set_side_by_side(designs: Designs) -> str:
    """The field whose values are the columns of a heat map: the dataflow, the machine, or the first that varies."""
    return next((name for name in ("dataflow", "arch", *designs.design) if name in designs.design), "")


def heats(designs: Designs, metrics: Sequence[str]) -> dict[str, Heat]:
    """By metric of layers, the least of each layer under each value of `set_side_by_side`; {} where nothing varies.

    Layers of different networks, batches and units of energy are rows of their own. `Designs.layers` is read once.
    """
    across = set_side_by_side(designs)
    if not across:
        return {}
    columns = list(dict.fromkeys(str(row[across]) for row in designs.rows))
    differ = [name for name in RUN if name in designs.varied]
    units = {row["point"]: row["energy_unit"] for row in designs.done}
    several = len(set(units.values())) > 1
    found: dict[str, dict[str, dict[str, float]]] = {metric: {} for metric in metrics}
    for row in designs.layers:
        run = f"{run_of(row, differ)}: " if differ else ""
        unit = f", in {energy_unit(units[row['point']])}" if several and row["point"] in units else ""
        for metric in metrics:
            cells = found[metric].setdefault(f"{run}{row['layer']}{unit}", {})
            value, column = row.get(metric), str(row[across])
            if value is not None:
                cells[column] = min(value, cells.get(column, value))
    return {metric: Heat("layer", across, columns, cells) for metric, cells in found.items() if cells}


def short(field: str) -> str:
    """A field as it is shown: ``levels.GLB.capacity`` is ``GLB.capacity``."""
    return shown(field.removeprefix("levels."))


def design_of(row: Row, names: Sequence[str]) -> str:
    """A design by what sets it apart: ``GLB.capacity 64 KiB, rows 16``."""
    return ", ".join(f"{short(name)} {shown(str(row[name]))}" for name in names) or shown(str(row.get("arch", "")))


def unit_of(metric: str, unit: str) -> str:
    """Of a metric; unit : of the energy table."""
    if metric in OF_ENERGY:
        return energy_unit(unit) + {"edp": " x ms", "ed2p": " x ms2"}.get(metric, "")
    return UNITS[metric]


def require_done(designs: Designs) -> None:
    """Refuse a page of nothing."""
    if not designs.done:
        reason = next((str(row["error"]).partition("\n")[0] for row in designs.rows), "it has no point")
        raise AccelsimError(f"nothing to show: no point of '{shown(designs.name)}' has metrics: {reason}")
