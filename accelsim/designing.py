"""The commands for those who design networks. Only what `--help` needs is imported here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from accelsim import options
from accelsim.errors import AccelsimError

if TYPE_CHECKING:
    from accelsim.codesign.costs import CostTable
    from accelsim.codesign.spaces.space import Space


def table(
    arch: options.Arch,
    space: Annotated[str, typer.Argument(metavar="SPACE", help="Search space: a built-in name or a YAML file.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The table: .csv or .parquet.")],
    dataflow: options.Dataflow = None,
    batch: options.Batch = 1,
    evaluator: options.Evaluator = "cycle",
    objective: options.Objective = "energy",
    energy: options.Energy = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A parameter of the search space.")
    ] = None,
    store: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where layers are kept, and a run that was cut short goes on.")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Processes; default: as many as there are cores.")] = None,
    price: Annotated[
        list[str] | None, typer.Option("--price", metavar="CHOICE", help="Also price this network (repeat it).")
    ] = None,
) -> None:
    """What every layer of a search space costs on a machine, each simulated once."""
    from accelsim import arguments
    from accelsim.codesign.costs import cost_table
    from accelsim.codesign.spaces.space import load_space
    from accelsim.report.files import check_place
    from accelsim.sweep.export import check_format
    from accelsim.sweeping import telling

    check_format(out)
    check_place(out)
    arguments.whole("batch", batch, 1)
    found = load_space(space, options.parameters(settings))
    for chosen in price or ():
        found.choice(chosen)
    more: dict[str, Any] = {} if energy is None else {"energy": energy}
    with telling() as tell:
        costs = cost_table(
            arch, found, dataflow, batch=batch, evaluator=evaluator, objective=objective, store=store, workers=workers,
            progress=tell, **more,
        )  # fmt: skip
    costs.save(out)
    for line in _told(costs, found, out):
        typer.echo(line)
    for chosen in price or ():
        total = costs.total(found.network(chosen, batch))
        typer.echo(
            f"{chosen}: {total.cycles:,} cycles, energy {float(total.energy):.4g} {costs.made['energy_unit']}, "
            f"{float(total.bytes) / 1e6:.4g} MB at the outermost level"
        )


def _told(costs: CostTable, space: Space, out: Path) -> list[str]:
    lines = [f"{space!r} on {costs.made['machine']}: {len(costs.entries)} layers that differ in {out}"]
    failed = [entry for entry in costs.entries.values() if entry.error]
    if len(failed) == len(costs.entries):
        raise AccelsimError(f"no layer of '{space.name}' can be mapped: {failed[0].error}")
    return lines + [f"not in it: {entry.name}: {entry.error}" for entry in failed]
