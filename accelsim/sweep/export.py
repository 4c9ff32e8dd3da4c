"""What a store has of a sweep, as rows in the order of its plan: CSV, Parquet, a pandas frame."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accelsim.energy.rows import total
from accelsim.errors import AccelsimError, nearest, reason
from accelsim.outcome import Row
from accelsim.sweep.record import METRICS
from accelsim.sweep.store import Entry, Store, StoredPlan

if TYPE_CHECKING:
    from pandas import DataFrame

FORMATS = ("csv", "parquet")
MADE = ("machine", "network", "energy_table", "dataflow_sha256")
LAYER = ("layer", "op", "repeat", "macs", "cycles", "energy", "outermost_words", "gap", "mapping")
"""Columns of a layer in a point; totals are times `repeat`."""


def columns(plan: StoredPlan) -> list[str]:
    """Of the export of points: where, what was varied, what came of it, what made it."""
    metrics = list(METRICS)
    at = metrics.index("energy") + 1
    return ["point", *plan.fields, *metrics[:at], "energy_unit", *metrics[at:], "error", "key", *MADE]


def rows(store: Store, plan: StoredPlan) -> Iterator[Row]:
    """A row for each point that is done, in the plan's order, each with all columns; what is not known is None."""
    names = columns(plan)
    for entry in store.entries(plan.id):
        found = {
            "point": entry.ordinal,
            **{name: plain(value) for name, value in entry.fields.items()},
            **entry.point.row,
            "error": entry.point.error or None,
            "key": entry.key,
            **{name: entry.made.get(name) for name in MADE},
        }
        yield {name: found.get(name) for name in names}


def layer_columns(plan: StoredPlan) -> list[str]:
    """Of the export of layers."""
    return ["point", *plan.fields, *LAYER, "error", "key"]


def layer_rows(store: Store, plan: StoredPlan) -> Iterator[Row]:
    """A row for each layer of each point that is done."""
    names = layer_columns(plan)
    for entry in store.entries(plan.id):
        for found in layers_of(store, entry):
            fields = {name: plain(value) for name, value in entry.fields.items()}
            row = {"point": entry.ordinal, **fields, **found, "key": entry.key}
            yield {name: row.get(name) for name in names}


def layers_of(store: Store, entry: Entry) -> Iterator[Row]:
    """The layers of one point, times their repeats."""
    if not entry.layers:
        return
    network = store.document(entry.made["network"])
    machine = store.document(entry.made["machine"])
    outermost = str(machine["levels"][0]["name"])
    globs = entry.made["layers"]
    named = _chosen(network, globs)
    for layer, number in zip(named, entry.layers, strict=True):
        record, repeat = store.record(number), layer.get("repeat", 1)
        row: Row = {"layer": layer["name"], "op": layer["op"], "repeat": repeat, "error": record.error or None}
        if not record.error:
            words = sum(words for level, _, _, words in record.words if level == outermost)
            row |= {
                "macs": record.macs * repeat,
                "cycles": record.cycles * repeat,
                "energy": float(total(record.energy_rows) * repeat),
                "outermost_words": words * repeat,
                "gap": record.gap,
                "mapping": record.mapping,
            }
        yield row


def _chosen(network: dict[str, Any], globs: str) -> list[dict[str, Any]]:
    """The layers that multiply among those that globs fit, as `Network.select` has them."""
    from fnmatch import fnmatchcase

    wanted = [glob.strip() for glob in globs.split(",") if glob.strip()]
    return [
        layer
        for layer in network["layers"]
        if layer.get("problem")
        and any(fnmatchcase(name, glob) for glob in wanted for name in (layer["name"], layer.get("whole", "")))
    ]


def plain(value: Any) -> Any:
    """A field's value as one cell: tables and lists as their JSON."""
    return json.dumps(value) if isinstance(value, dict | list) else value


def check_format(path: str | Path) -> str:
    """Refuse a file that nothing is exported to."""
    suffix = Path(path).suffix.removeprefix(".")
    if suffix not in FORMATS:
        raise AccelsimError(f"unknown format '{suffix}' of {path}{nearest(suffix, FORMATS)}")
    return suffix


def export(path: str | Path, names: Sequence[str], found: Iterator[Row]) -> None:
    """Write rows to a CSV or a Parquet file, whole; the same rows give the same bytes.

    Raises AccelsimError for another kind of file, and for Parquet without pyarrow.
    """
    from accelsim.report.files import replacing

    kind = check_format(path)
    with replacing(path) as temporary:
        if kind == "csv":
            with Path(temporary).open("w", newline="", encoding="utf-8") as opened:
                writer = csv.writer(opened, lineterminator="\n")
                writer.writerow(names)
                writer.writerows(["" if row[name] is None else row[name] for name in names] for row in found)
        else:
            _parquet(temporary, names, found)


def load(path: str | Path) -> Iterator[dict[str, Any]]:
    """The rows of such a file; of CSV as text. Raises AccelsimError, one line, for one that cannot be read."""
    kind = check_format(path)
    try:
        if kind == "csv":
            with Path(path).open(newline="", encoding="utf-8") as opened:
                yield from csv.DictReader(opened, strict=True)
            return
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise AccelsimError("a Parquet file needs pyarrow: pip install 'accelsim[sweep]'") from None
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise AccelsimError(f"{path}: {reason(error) if isinstance(error, OSError) else error}") from None
    try:
        yield from parquet.read_table(path).to_pylist()
    except (OSError, ArrowException) as error:
        raise AccelsimError(f"{path}: {str(error).splitlines()[0]}") from None


def _parquet(path: str, names: Sequence[str], found: Iterator[Row]) -> None:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise AccelsimError("a Parquet file needs pyarrow: pip install 'accelsim[sweep]'") from None
    listed = list(found)
    table = pyarrow.table({name: pyarrow.array(_column([row[name] for row in listed])) for name in names})
    parquet.write_table(table, path, compression="zstd")


def _column(values: list[Any]) -> list[Any]:
    """Values of one type: text where numbers and text are mixed."""
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) < 2 or kinds == {int, float}:
        return [float(value) if kinds == {int, float} and value is not None else value for value in values]
    return [None if value is None else str(value) for value in values]


def frame(names: Sequence[str], found: Iterator[Row]) -> DataFrame:
    """Rows as a pandas frame. Raises AccelsimError without pandas."""
    try:
        import pandas
    except ImportError:
        raise AccelsimError("to_pandas needs pandas: pip install 'accelsim[sweep]'") from None
    listed = list(found)
    return pandas.DataFrame({name: _column([row[name] for row in listed]) for name in names}, columns=list(names))
