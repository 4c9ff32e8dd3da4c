"""The command that counts carbon, and the same for a run. Only what `--help` needs is imported here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from accelsim.errors import AccelsimError

if TYPE_CHECKING:
    from accelsim.codesign.carbon import CarbonSpec
    from accelsim.outcome import Outcome

MAKING = "Making the device"
OFTEN = "How often"


def _option(help_: str, metavar: str, panel: str | None = None, *names: str) -> Any:
    return typer.Option(*names, help=help_, metavar=metavar, rich_help_panel=panel)


def footprint(
    result: Annotated[
        str | None, typer.Argument(metavar="RESULT.json", help="What 'run --out' wrote; or --energy, or --power.")
    ] = None,
    grid: Annotated[
        list[str] | None,
        _option("Region, intensity ('432.7 g/kWh'), or file of intensities over time (repeat it).", "GRID"),
    ] = None,
    factors: Annotated[Path | None, _option("The options below, as keys of a YAML file.", "FILE.yaml")] = None,
    pue: Annotated[str | None, _option("Energy of the building over that of its machines.", "X")] = None,
    energy: Annotated[str | None, _option("Of a job without a result, before PUE: '85.7 MWh'.", "E")] = None,
    power: Annotated[str | None, _option("Or its power, of each device: '310 W'.", "W")] = None,
    time: Annotated[str | None, _option("How long it takes: '20 days'.", "T")] = None,
    devices: Annotated[str | None, _option("At work on it.", "N")] = None,
    start: Annotated[str | None, _option("When it starts, UTC; default: when it emits least.", "TIME")] = None,
    length: Annotated[str | None, _option("Of the window looked for, if not the job's time.", "T")] = None,
    direct: Annotated[bool, typer.Option("--direct", help="Of files with both, direct emissions.")] = False,
    fab_grid: Annotated[str | None, _option("Where the die is made: region or intensity.", "GRID", MAKING)] = None,
    node: Annotated[str | None, _option("Of the die; default: the result's.", "NM", MAKING)] = None,
    area: Annotated[str | None, _option("Of the die: '331 mm2'; default: the result's.", "A", MAKING)] = None,
    fab_yield: Annotated[str | None, _option("Share that is good; default: ACT's 0.875.", "X", MAKING)] = None,
    abatement: Annotated[str | None, _option("Of the fab's gases: 95, 97 (default) or 99 %.", "%", MAKING)] = None,
    fab_energy: Annotated[str | None, _option("Of a fab of your own: '1.2 kWh/cm2'.", "E", MAKING)] = None,
    fab_gas: Annotated[str | None, _option("Its gases: '150 g/cm2'.", "M", MAKING)] = None,
    fab_material: Annotated[str | None, _option("Its raw materials: '500 g/cm2'.", "M", MAKING)] = None,
    memory: Annotated[
        list[str] | None, _option("DRAM, SSD, HDD: 'ddr4_10nm=8 GB' (repeat it).", "NAME=SIZE", MAKING)
    ] = None,
    packages: Annotated[str | None, _option("Default: one a die and memory.", "N", MAKING)] = None,
    lifetime: Annotated[str | None, _option("Of the device: '3 years'.", "T", MAKING)] = None,
    use: Annotated[str | None, _option("Share of its lifetime it works; default: 1.", "X", MAKING)] = None,
    requests: Annotated[str | None, _option("Times the job is done.", "N", OFTEN)] = None,
    dataset: Annotated[str | None, _option("Examples of a training.", "N", OFTEN)] = None,
    epochs: Annotated[str | None, _option("Passes through them.", "N", OFTEN)] = None,
    tries: Annotated[str | None, _option("Trainings until one is kept.", "N", OFTEN)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Count the carbon of running a result, or a job of known energy, and of making the machine."""
    given = dict(locals())
    for name in ("result", "factors", "as_json"):
        del given[name]
    given |= {"direct": direct or None, "memory": _memory(memory), "grid": grid or None}
    from accelsim.codesign.carbon.footprint import footprint as found_of
    from accelsim.codesign.carbon.show import blocks, document_of

    outcome = None
    if result is not None:
        from accelsim.result import Result

        outcome = Result.load(result)
    found = found_of(outcome, factors, **given)
    if as_json:
        typer.echo(json.dumps(document_of(found), indent=1))
        return
    from accelsim.report import terminal

    terminal.show(list(blocks(found)))


def _memory(given: list[str] | None) -> dict[str, str] | None:
    found: dict[str, str] = {}
    for text in given or ():
        name, equals, size = (part.strip() for part in text.partition("="))
        if not (name and equals and size):
            raise AccelsimError(f"--memory {text}: write NAME=SIZE, such as ddr4_10nm=8 GB")
        if name in found:
            raise AccelsimError(f"--memory {text}: {name} is given twice, as {found[name]} too")
        found[name] = size
    return found or None


def asked(
    text: str, architecture: str | None, energy: str | None, node: int | None, parameters: dict[str, Any]
) -> CarbonSpec:
    """What ``run --carbon`` takes, a YAML file of factors or a grid; what cannot be counted is refused before a run.

    architecture : None where a result is run again, which says itself what it runs.
    """
    from accelsim.codesign.carbon.footprint import check_grids, footprint_of
    from accelsim.codesign.carbon.job import job_before
    from accelsim.codesign.carbon.spec import load_spec, spec_of

    found = load_spec(text) if text.endswith((".yaml", ".yml")) else spec_of({"grid": text}, "--carbon")
    check_grids(found)
    if architecture is not None:
        from accelsim.architecture.yaml import load_architecture
        from accelsim.energy.load import table_for

        try:
            machine = load_architecture(architecture, parameters)
            table = table_for(machine, energy, node)
        except AccelsimError:
            return found  # the run tells it, with all that it was asked for
        footprint_of(job_before(machine, table, found), found)
    return found


def show_carbon(result: Outcome, spec: CarbonSpec, aside: bool) -> None:
    """Print the footprint of a run; aside : as JSON to stderr, for stdout is a document."""
    from accelsim.codesign.carbon.footprint import footprint as found_of
    from accelsim.codesign.carbon.show import blocks, document_of

    found = found_of(result, spec)
    if aside:
        typer.echo(json.dumps({"carbon": document_of(found)}, indent=1), err=True)
        return
    from accelsim.report import terminal

    terminal.show(list(blocks(found)))
