"""What a run gives back, with its ways out and in: a document, tables, pictures, and the file it is read from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accelsim.document import document_of
from accelsim.errors import AccelsimError
from accelsim.outcome import COLUMNS, LayerResult, Outcome, Outcomes, Ran, Row, Totals
from accelsim.shares import Share, shares

if TYPE_CHECKING:
    from pandas import DataFrame

    from accelsim.report.plot import Plots

__all__ = ["COLUMNS", "Comparison", "LayerResult", "Ran", "Result", "Totals"]


@dataclass(frozen=True, repr=False, eq=False)
class Result(Outcome):
    """A network on a machine.

    layers : the layers that have MACs, in network order. vector_layers : what the others do, and the gates of an LSTM.
    operands : where zeros come from, in words; empty for a dense run.
    failures : (layer, reason) of layers that could not be mapped, where the run let them pass.
    ran : what was asked for.
    """

    @staticmethod
    def load(path: str | Path) -> Result:
        """The result that a result.json holds. Raises AccelsimError, one line, for a file that is none."""
        from accelsim.loading import load

        return load(path, Result)

    def to_pandas(self, vector: bool = False) -> DataFrame:
        """`table`, or `vector_table`, as a DataFrame, units in the column names. AccelsimError without pandas."""
        try:
            import pandas
        except ImportError:
            raise AccelsimError("to_pandas needs pandas: pip install 'accelsim[pandas]'") from None

        columns = [*COLUMNS[:-2], "words [words]", f"energy [{self.energy_unit}]"]
        rows = self.vector_table if vector else self.table
        return pandas.DataFrame([[row[name] for name in COLUMNS] for row in rows], columns=columns)

    def to_parquet(self, path: str | Path, vector: bool = False) -> None:
        """Write `to_pandas` as a Parquet file, whole or not at all. AccelsimError without pandas and pyarrow."""
        from accelsim.report.files import replacing

        frame = self.to_pandas(vector)
        try:
            import pyarrow  # noqa: F401
        except ImportError:
            raise AccelsimError("to_parquet needs pyarrow: pip install 'accelsim[sweep]'") from None
        with replacing(path) as temporary:
            frame.to_parquet(temporary, index=False)

    @property
    def phases(self) -> tuple[Share, ...]:
        """Of a training step: MACs, cycles and energy of the forward pass, its gradients and the update; else empty."""
        return shares(self)

    def to_dict(self) -> Row:
        """The document that ``accelsim run --json`` prints: plain lists, dicts, strings and numbers."""
        return document_of(self)

    @property
    def plot(self) -> Plots:
        """Pictures: ``result.plot.energy()`` gives matplotlib Axes."""
        from accelsim.report.plot import Plots

        return Plots(self)

    def _repr_html_(self) -> str:
        from accelsim.report.notebook import html

        return html(self)


@dataclass(frozen=True, repr=False, eq=False)
class Comparison(Outcomes):
    """Several results of one workload, side by side, by label (the dataflow's or the machine's name).

    missing : label -> why nothing of the workload could be run.
    """

    results: dict[str, Result]

    def __getitem__(self, label: str) -> Result:
        return self.results[label]

    def to_dict(self) -> Row:
        """The documents of all results by label, and what failed."""
        failures = [{"label": label, "layer": layer, "reason": reason} for label, layer, reason in self.failures]
        return {"results": {name: result.to_dict() for name, result in self.results.items()}, "failures": failures}

    def plot(self, ax: Any = None, kind: str = "energy", width: str | None = None) -> Any:
        """Energy per MAC by data type and level for each, or cycles by cause; takes and returns matplotlib Axes.

        kind : 'energy' or 'cycles'. width : of a figure of its own, 'column', 'page' or 'slide'.
        """
        from accelsim.report.plot import compare_results

        return compare_results(self.results, kind, ax, tuple(self.missing), width)

    def report(self, path: str | Path) -> None:
        """Write a page of all, side by side and each by itself, whole or not at all.

        Raises AccelsimError if nothing could be run, and for a page that cannot be written.
        """
        from accelsim.report.files import check_page, write_text
        from accelsim.report.html import page
        from accelsim.report.summary import comparison_failures

        check_page(path)
        write_text(path, page(self.results, lines=comparison_failures(self)))

    def _repr_html_(self) -> str:
        from accelsim.report.notebook import comparison_html

        return comparison_html(self)
