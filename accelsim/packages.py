"""What `run` and `compare` do with a package of cores. Only what `--help` needs is imported here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from accelsim.errors import AccelsimError

if TYPE_CHECKING:
    from accelsim.package.outcome import Packaged

CORES = "Several cores (docs/cores.md)"
Mode = Annotated[
    str | None, typer.Option(metavar="MODE", help="split, pipeline or graph; default: split.", rich_help_panel=CORES)
]
Tenants = Annotated[
    list[str] | None,
    typer.Option(
        "--tenant", metavar="NET@CORES", help="A network on a group of cores; twice or more.", rich_help_panel=CORES
    ),
]
Trace = Annotated[
    Path | None,
    typer.Option("--trace", metavar="FILE", help="A timeline of cores, links and memories.", rich_help_panel=CORES),
]
FOR_PACKAGES = ("mode", "tenant", "trace")
TAKEN = (
    "architecture", "workload", "batch", "dataflow", "layers", "evaluator", "objective", "energy", "node", "supply",
    "accounting", "settings", "dims", "seed", "bits", "as_json", "exact", "data", *FOR_PACKAGES,
)  # fmt: skip
"""Options of `run` that a package takes."""


COMPARED = (*(name for name in TAKEN if name not in ("dataflow", "exact", *FOR_PACKAGES)), "plot_to")
"""Options of `compare` that a package takes."""


def is_one(name: str) -> bool:
    """Whether a name stands for a package."""
    from accelsim.package.yaml import is_package

    return is_package(name)


def wanted(context: typer.Context, name: str, taken: tuple[str, ...] = TAKEN) -> bool:
    """Whether a name stands for a package; refuses options that only one kind of machine takes."""
    found = is_one(name)
    for option in context.command.params:
        source = context.get_parameter_source(option.name or "")
        given = source is not None and source.name not in ("DEFAULT", "DEFAULT_MAP")
        if given and not found and option.name in FOR_PACKAGES:
            raise AccelsimError(
                f"{option.opts[0]}: '{name}' is no package of cores; docs/cores.md tells how to write one"
            )
        if given and found and option.name not in taken:
            raise AccelsimError(f"{option.opts[0]}: a package of cores does not take it; leave the option out")
    return found


def run(
    name: str, workload: str | None, mode: str | None, tenant: list[str] | None, trace: Path | None, as_json: bool,
    **options: Any,
) -> None:  # fmt: skip
    """Run a network, or tenants, on a package and print what came of it."""
    from accelsim.package.running import simulate_package
    from accelsim.report.files import check_place, write_text
    from accelsim.report.progress import progress

    if trace:
        check_place(trace)
    batch, parameters = options.pop("batch"), options.pop("parameters")
    with progress() as step:
        if tenant:
            from accelsim.package.tenants import simulate_tenants

            if workload is not None or mode not in (None, "tenants"):
                raise AccelsimError("--tenant names the networks; leave WORKLOAD and --mode out")
            found = simulate_tenants(name, tenant, batch, parameters, progress=step, **options)
        elif workload is None:
            raise AccelsimError("a package of cores takes a WORKLOAD, or --tenant NET@CORES twice or more")
        else:
            found = simulate_package(name, workload, mode or "split", batch, parameters, progress=step, **options)
    if trace:
        from accelsim.package.tracks import trace_text

        write_text(trace, trace_text(found.package, found.pieces))
    show(found, as_json)


def show(found: Packaged, as_json: bool) -> None:
    """Print it."""
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=1))
    else:
        from accelsim.package.shown import report
        from accelsim.report import terminal

        terminal.show(report(found))


def compare(
    name: str, workload: str, settings: list[str] | None, batch: int, as_json: bool, plot: Path | None, **options: Any
) -> None:
    """A package at several values of one thing that is set: speed-up over the first, and what binds."""
    from accelsim.package.compared import compared
    from accelsim.report.files import check_picture
    from accelsim.report.progress import progress

    if plot:
        check_picture(plot)
    with progress() as step:
        points = compared(name, workload, settings or [], batch, step, **options)
    if plot:
        from accelsim.package.pictures import speedup
        from accelsim.report.framing import save

        save(speedup(points, f"{Path(workload).stem} on {Path(name).stem}"), str(plot))
    if as_json:
        typer.echo(json.dumps([point.to_dict() for point in points], indent=1))
    else:
        from accelsim.package.shown import speedups
        from accelsim.report import terminal

        terminal.show(speedups(points))
