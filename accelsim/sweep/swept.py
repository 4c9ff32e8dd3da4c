"""The door: a sweep that is run, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accelsim import arguments
from accelsim.errors import AccelsimError
from accelsim.outcome import Row
from accelsim.report.designs import Designs, front
from accelsim.sweep import export, pools
from accelsim.sweep.plan import SweepPlan, plan_of, read_plan
from accelsim.sweep.record import METRICS
from accelsim.sweep.run import Progress, Run
from accelsim.sweep.store import Store, StoredPlan
from accelsim.yamlfile import Document, read, resolve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame


@dataclass(frozen=True, repr=False)
class Sweep:
    """The points of one sweep that a store has.

    path : the store. plan : what was asked for, as the store has it. state : how far the run came that gave this.
    """

    path: str
    plan: StoredPlan
    state: Progress

    def __repr__(self) -> str:
        state = self.state
        return f"Sweep({self.plan.name}: {state.found + state.evaluated:,} points in {self.path})"

    def rows(self) -> Iterator[Row]:
        """A row for each point, in the plan's order: fields, metrics, error, key."""
        with Store(self.path, read_only=True) as store:
            yield from export.rows(store, self.plan)

    def layer_rows(self) -> Iterator[Row]:
        """A row for each layer of each point."""
        with Store(self.path, read_only=True) as store:
            yield from export.layer_rows(store, self.plan)

    def to_pandas(self, layers: bool = False) -> DataFrame:
        """The same as a frame. Raises AccelsimError without pandas."""
        if layers:
            return export.frame(export.layer_columns(self.plan), self.layer_rows())
        return export.frame(export.columns(self.plan), self.rows())

    def export(self, path: str | Path, layers: bool = False) -> None:
        """Write rows to a .csv or a .parquet file."""
        if layers:
            export.export(path, export.layer_columns(self.plan), self.layer_rows())
        else:
            export.export(path, export.columns(self.plan), self.rows())

    def report(self, path: str | Path) -> None:
        """Write a page of it, whole or not at all: the front, what each field moves, who is best at which layer.

        Raises AccelsimError if no point has metrics, and for a page that cannot be written.
        """
        from accelsim.report.files import check_page, write_text
        from accelsim.report.html import designs_page

        check_page(path)
        write_text(path, designs_page(self._designs(), self.plan.data, self.path))

    def _designs(self) -> Designs:
        """As a page takes them: a field that is called as a metric, `energy`, is `energy given` there."""
        with Store(self.path, read_only=True) as store:
            given = {entry.ordinal: entry.fields for entry in store.entries(self.plan.id)}
        both = {name: f"{name} given" for name in self.plan.fields if name in METRICS}

        def told(row: Row) -> Row:
            return row | {new: export.plain(given[row["point"]].get(name)) for name, new in both.items()}

        fields = tuple(both.get(name, name) for name in self.plan.fields)
        rows, layers = list(map(told, self.rows())), map(told, self.layer_rows())
        return Designs(self.plan.name, rows, fields, self.plan.objectives, layers)

    @property
    def plot(self) -> SweepPlots:
        """Pictures: ``sweep.plot.pareto()`` gives matplotlib Axes."""
        return SweepPlots(self)

    def best(self, objective: str | None = None) -> Row:
        """The row of the point that does an objective best, by default the first one; of equal ones the first."""
        name = objective or self.plan.objectives[0]
        found = [row for row in self.rows() if row.get(name) is not None]
        if not found:
            raise AccelsimError(f"no point of '{self.plan.name}' has a value for '{name}'")
        return min(found, key=lambda row: row[name])

    def pareto(self) -> list[Row]:
        """The points that no other one of the same network and batch is better than in every objective.

        Network by network; of one the best of the first objective first.
        """
        return fronts(list(self.rows()), self.plan.objectives)


@dataclass(frozen=True)
class SweepPlots:
    """The pictures of a sweep (docs/sweeps.md); each takes and returns matplotlib Axes."""

    of: Sweep

    def _swept(self, layers: bool = False) -> Designs:
        of, plan = self.of, self.of.plan
        return Designs(plan.name, list(of.rows()), plan.fields, plan.objectives, of.layer_rows() if layers else ())

    def pareto(self, ax: Axes | None = None) -> Axes:
        """The first two objectives, and the designs that none is better than."""
        from accelsim.report import plot_sweep

        return plot_sweep.pareto(self._swept(), ax)

    def sensitivity(self, ax: Axes | None = None, objective: str | None = None) -> Axes:
        """What each field moves of an objective, by default the first."""
        from accelsim.report import plot_sweep

        return plot_sweep.sensitivity(self._swept(), ax, objective)

    def heatmap(self, ax: Axes | None = None, objective: str = "energy") -> Axes:
        """Dataflow by layer, or by network: times the best. objective : a column of layers."""
        from accelsim.report import plot_sweep

        return plot_sweep.heatmap(self._swept(layers=True), ax, objective)

    def skislope(self, ax: Axes | None = None) -> Axes:
        """The fewest words of the outermost level against bytes on chip."""
        from accelsim.report import plot_sweep

        return plot_sweep.skislope(self._swept(), ax)


def fronts(found: list[Row], objectives: tuple[str, ...]) -> list[Row]:
    """Those of each network, batch and unit of energy, as designs that run something else are not to be compared."""
    runs: dict[tuple[Any, ...], list[Row]] = {}
    for row in found:
        runs.setdefault(tuple(row.get(name) for name in ("workload", "batch", "energy_unit")), []).append(row)
    return [dict(row) for rows in runs.values() for row in front(rows, objectives)]


def opened(path: str | Path, plan: StoredPlan | None = None) -> Sweep:
    """What a store has of a sweep: of its last one, unless another is meant."""
    with Store(path, read_only=True) as store:
        found = plan or store.plan()
        counts = store.counts(found.id)
    state = Progress(points=counts["done"], of=found.size, found=counts["done"], failed=counts["failed"])
    return Sweep(str(path), found, state)


def asked(what: str | Path | Mapping[str, Any] | None, fields: Mapping[str, Any]) -> SweepPlan:
    """The plan of a file, of keys, or of a file with some keys over its own."""
    if what is None or isinstance(what, Mapping):
        return read_plan({**(what or {}), **fields})
    document = read(resolve("sweep", what))
    if fields and isinstance(document.data, dict):
        return plan_of(Document(document.file, {**document.data, **fields}, document.keys, document.values))
    return plan_of(document)


def default_store(plan: SweepPlan) -> str:
    """Where a sweep is kept if nothing is said."""
    return f"{plan.name}.sweep"


def sweep(
    what: str | Path | Mapping[str, Any] | None,
    fields: Mapping[str, Any],
    store: str | Path | None,
    workers: int | None,
    executor: Executor | None,
    scheduler: str | None,
    progress: Callable[[Progress], None] | None,
) -> Sweep:
    """What `accelsim.sweep` does."""
    if sum(one is not None for one in (workers, executor, scheduler)) > 1:
        raise AccelsimError("workers, an executor and a scheduler: give one of them")
    plan = asked(what, fields)
    count = None if workers is None else arguments.whole("workers", workers, 1)
    where = store or default_store(plan)
    with Store(where) as opened_store:
        pool = (
            pools.given(executor)
            if executor is not None
            else pools.scheduler(scheduler)
            if scheduler
            else pools.processes(count)
        )
        run = Run(plan, opened_store, pool, progress or (lambda state: None))
        if plan.search:
            from accelsim.sweep.search import searched

            state = searched(run)
        else:
            state = run.whole()
        stored = opened_store.plan(plan.identity)
    return Sweep(str(where), stored, state)
