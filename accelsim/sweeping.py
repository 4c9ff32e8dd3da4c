"""The command that sweeps. Only what `--help` needs is imported here."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from accelsim.errors import AccelsimError
from accelsim.options import Report

if TYPE_CHECKING:
    from accelsim.sweep.plan import SweepPlan
    from accelsim.sweep.run import Progress, Tell
    from accelsim.sweep.swept import Sweep

EVERY = 30.0
"""Seconds between lines that say how far it is, where nobody watches a bar."""
SHOWN = 20
"""Designs of a Pareto front that are printed."""


def sweep(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A sweep: a YAML file or a built-in name.")],
    store: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where it is kept, and goes on from; default: NAME.sweep.")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Processes; default: as many as there are cores.")] = None,
    scheduler: Annotated[str | None, typer.Option(metavar="ADDRESS", help="A Dask cluster instead.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write the points there: .csv or .parquet.")
    ] = None,
    out_layers: Annotated[
        Path | None, typer.Option("--out-layers", metavar="FILE", help="The same, a row for each layer.")
    ] = None,
    report_to: Report = None,
    status: Annotated[bool, typer.Option("--status", help="Run nothing: say how far the store is.")] = False,
) -> None:
    """Run many designs, keep what is done, go on where it was cut short."""
    from accelsim.sweep import sweep as run
    from accelsim.sweep.export import check_format
    from accelsim.sweep.swept import asked, default_store, opened

    for path in filter(None, (out, out_layers)):
        from accelsim.report.files import check_place

        check_format(path)
        check_place(path)
    if report_to:
        from accelsim.report.files import check_page

        check_page(report_to)
    plan = asked(file, {})
    where = store or Path(default_store(plan))
    if status:
        _say_status(plan, where)
        found = opened(where) if out or out_layers or report_to else None
    else:
        try:
            with telling() as tell:
                found = run(file, store=where, workers=workers, scheduler=scheduler, progress=tell)
        except KeyboardInterrupt:
            typer.echo(
                f"interrupted; what is finished is in {where}, and the same command goes on from there", err=True
            )
            raise typer.Exit(130) from None
    # files first: whoever reads what is said may stop reading
    if found and out:
        found.export(out)
    if found and out_layers:
        found.export(out_layers, layers=True)
    if found and report_to:
        found.report(report_to)
    if found and not status:
        for line in _told(found):
            typer.echo(line)
    if not status and found and found.state.crashed:
        raise AccelsimError("\n".join(_crashes(where, plan)))


@contextmanager
def telling() -> Iterator[Tell]:
    """How far a sweep is: a bar on a terminal, else a line on stderr now and then."""
    if sys.stderr.isatty():
        from accelsim.report.progress import progress

        with progress() as step:
            yield lambda state: step(max(state.points - 1, 0), state.of, _pace(state))
        return
    from accelsim.cache import tell

    last = 0.0

    def line(state: Progress) -> None:
        nonlocal last
        if state.seconds - last >= EVERY:
            last = state.seconds
            tell(f"{state.points:,} of {state.of:,} points, {_pace(state)}")

    yield line


def _pace(state: Progress) -> str:
    left = state.seconds_left
    rest = "" if left is None else f", {_time(left)} left"
    failed = f", {state.failed + state.crashed:,} failed" if state.failed + state.crashed else ""
    return f"{state.points_per_second:.3g} points/s, {state.layers_per_second:.3g} layers/s{rest}{failed}"


def _time(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"


def _say_status(plan: SweepPlan, where: Path) -> None:
    from accelsim.report.text import many
    from accelsim.sweep.store import Store

    with Store(where, read_only=True) as store:
        found = store.plan(plan.identity)
        counts = store.counts(found.id)
    most = " before constraints" if plan.constraints else ""
    typer.echo(
        f"{plan.name}: {many(counts['done'], 'point')} done of {plan.size:,}{most}, {counts['failed']:,} of them "
        f"failed, {counts['crashed']:,} to be tried again; {many(counts['layers'], 'layer')} in {where}"
    )
    for line in _crashes(where, plan) if counts["crashed"] else ():
        typer.echo(line)


def _crashes(where: Path, plan: SweepPlan) -> list[str]:
    from accelsim.report.text import many
    from accelsim.sweep.store import Store

    with Store(where, read_only=True) as store:
        crashes = store.crashes(store.plan(plan.identity).id)
    told = [f"point {ordinal} broke: {error}" for ordinal, _, error in crashes[:SHOWN]]
    return [*told, f"{many(len(crashes), 'point')} broke; the same command tries them again"]


def _told(found: Sweep) -> Iterator[str]:
    """What was done, what failed and why, and the designs that no other is better than."""
    from accelsim.report.text import many

    state, plan = found.state, found.plan
    done = state.found + state.evaluated
    yield (
        f"{plan.name}: {many(done, 'point')} in {found.path}, {state.evaluated:,} of them and "
        f"{many(state.layers, 'layer')} in {_time(state.seconds)} ({_pace(state)})"
    )
    if state.forbidden:
        yield f"  {many(state.forbidden, 'point')} outside the constraints"
    rows = list(found.rows())
    reasons: dict[str, list[int]] = {}
    for row in rows:
        if row["error"]:
            reasons.setdefault(row["error"].split("\n")[0], []).append(row["point"])
    for text, points in list(reasons.items())[:SHOWN]:
        more = f" and {len(points) - 1:,} more" if len(points) > 1 else ""
        yield f"  failed: point {points[0]}{more}: {text}"
    yield from _front(found, rows)


def _front(found: Sweep, rows: list[dict[str, Any]]) -> Iterator[str]:
    from accelsim.report.text import many
    from accelsim.sweep.swept import fronts

    objectives = found.plan.objectives
    best = fronts(rows, objectives)
    if not best:
        return
    varied = [name for name in found.plan.fields if len({str(row[name]) for row in rows}) > 1]
    yield f"  {many(len(best), 'point')} that no other is better than in {', '.join(objectives)}:"
    for row in best[:SHOWN]:
        values = ", ".join(f"{name} {row[name]:.6g}" for name in objectives)
        design = ", ".join(f"{name} {row[name]}" for name in varied)
        yield f"    {row['key'][:12]}  {values}{f'  ({design})' if design else ''}"


def drawn(stores: list[str], kind: str) -> Any:
    """A picture of the last sweep in a store: matplotlib Axes."""
    from accelsim.sweep.swept import opened

    if len(stores) != 1:
        raise AccelsimError(f"plot --kind {kind} takes one store of sweeps, got {', '.join(stores)}")
    return getattr(opened(stores[0]).plot, kind)()
