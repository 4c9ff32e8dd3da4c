"""The command line. Only what `--help` needs is imported here; each command imports the rest itself."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from accelsim.errors import AccelsimError
from accelsim.options import (
    Accounting,
    Arch,
    Batch,
    Bits,
    Data,
    Dataflow,
    Energy,
    Evaluator,
    Json,
    Layers,
    Mapping,
    Objective,
    Out,
    Seed,
    Settings,
    Work,
    bits_of,
    known,
    parameters,
)
from accelsim.version import __version__
from accelsim.yamlfile import KINDS

if TYPE_CHECKING:
    from accelsim.result import Comparison, Result


PICTURES = ("png", "svg", "pdf")


class Commands(typer.core.TyperGroup):
    """The commands, with the exit codes this tool promises: 2 for what the user can mend, 130 for Ctrl-C."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command; errors become their own text on stderr."""
        try:
            return super().invoke(ctx)
        except AccelsimError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            typer.echo("interrupted; nothing half-written", err=True)
            raise typer.Exit(130) from None


app = typer.Typer(
    cls=Commands,
    help="Simulate DNN accelerators cycle by cycle: time, words moved, energy.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"accelsim {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
def run(
    context: typer.Context,
    architecture: Annotated[str, typer.Argument(metavar="ARCH", help="Machine: a built-in name or a YAML file.")],
    workload: Annotated[
        str | None,
        typer.Argument(metavar="WORKLOAD", help="Network: a built-in name or a YAML file.", show_default=False),
    ] = None,
    dataflow: Dataflow = None,
    mapping: Mapping = None,
    batch: Batch = 1,
    layers: Layers = None,
    evaluator: Evaluator = "cycle",
    objective: Objective = "energy",
    energy: Energy = None,
    accounting: Accounting = None,
    settings: Settings = None,
    data: Data = None,
    seed: Seed = 0,
    bits: Bits = None,
    out: Out = None,
    as_json: Json = False,
    check: Annotated[bool, typer.Option("--check", help="Also compute outputs, against numpy.")] = False,
) -> None:
    """Run a network on a machine; or run a result.json again, as ARCH alone."""
    if out:
        from accelsim.report.files import check_place

        check_place(out, folder=True)
    if workload is None:
        result = _again(context, architecture)
    else:
        result = _simulate(
            architecture,
            workload,
            dataflow=dataflow,
            mapping=mapping,
            batch=batch,
            layers=layers,
            evaluator=evaluator,
            objective=objective,
            energy=energy,
            accounting=accounting,
            parameters=parameters(settings),
            data=data,
            seed=seed,
            bits=bits_of(bits),
        )
    checks = []
    if check:
        from accelsim.simulate import check_outputs

        checks = list(check_outputs(result))
    if out:
        from accelsim.report.files import write_result

        write_result(out, result)
    if as_json:
        from accelsim.report.files import document_text

        typer.echo(document_text(result), nl=False)
    else:
        from accelsim.report import terminal

        terminal.show(terminal.report(result))
    for line in checks:
        typer.echo(line, err=as_json)
    _tell_failures(result)


def _again(context: typer.Context, file: str) -> Result:
    """Run a result again; what it ran is in it, so no option but for what is written may be given."""
    if not file.endswith(".json"):
        raise AccelsimError("run takes an ARCH and a WORKLOAD, or a result.json alone")
    for option in context.command.params:
        source = context.get_parameter_source(option.name or "")
        given = source is not None and source.name not in ("DEFAULT", "DEFAULT_MAP")
        if given and option.name not in ("architecture", "out", "as_json", "check"):
            raise AccelsimError(f"{option.opts[0]}: {file} says what is run; leave the option out")
    from accelsim.report.progress import progress
    from accelsim.simulate import rerun

    with progress() as step:
        result = rerun(file, progress=step)
    if not result.layers:
        _tell_failures(result)
    return result


def _tell_failures(result: Result) -> None:
    """End with all reasons where a layer could not be mapped; what could be is printed and written by then."""
    if result.failures:
        from accelsim.outcome import reasons

        raise AccelsimError("\n".join(f"not run: {reason}" for reason in reasons(result.failures)))


@app.command()
def compare(
    architecture: Arch,
    workload: Work,
    dataflow: Annotated[list[str] | None, typer.Option(help="A dataflow to compare (repeat it); default: all.")] = None,
    batch: Batch = 1,
    layers: Layers = None,
    evaluator: Evaluator = "cycle",
    objective: Objective = "energy",
    energy: Energy = None,
    accounting: Accounting = None,
    settings: Settings = None,
    data: Data = None,
    seed: Seed = 0,
    bits: Bits = None,
    plot_to: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Also draw it: .png, .svg, .pdf.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run a network under several dataflows, side by side."""
    if plot_to:
        _check_picture(plot_to)
    from accelsim.report.progress import progress
    from accelsim.simulate import compare as compare_all

    with progress() as step:
        comparison = compare_all(
            architecture,
            workload,
            dataflow,
            progress=lambda label, done, of, layer: step(done, of, f"{label} {layer}"),
            batch=batch,
            layers=layers,
            evaluator=evaluator,
            objective=objective,
            energy=energy,
            accounting=accounting,
            parameters=parameters(settings),
            data=data,
            seed=seed,
            bits=bits_of(bits),
        )
    _print_comparison(comparison, plot_to, as_json)


def _print_comparison(comparison: Comparison, plot_to: Path | None, as_json: bool) -> None:
    if not comparison.results:
        raise AccelsimError("\n".join(f"{label}: {reason}" for label, _, reason in comparison.failures))
    if plot_to:
        from accelsim.report.plot import save

        save(comparison.plot(), str(plot_to))
    if as_json:
        typer.echo(json.dumps(comparison.to_dict(), indent=1))
    else:
        from accelsim.report import terminal

        terminal.show(terminal.comparison_report(comparison))


@app.command("map")
def search(
    architecture: Arch,
    workload: Work,
    dataflow: Dataflow = None,
    batch: Batch = 1,
    layers: Layers = None,
    objective: Objective = "energy",
    energy: Energy = None,
    accounting: Accounting = None,
    settings: Settings = None,
    bits: Bits = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the mapping there.")] = None,
) -> None:
    """Find the best mapping of each layer; print it as YAML that `run --mapping` reads."""
    from accelsim.report.files import check_place, mapping_text, write_text

    if out:
        check_place(out)
    result = _simulate(
        architecture,
        workload,
        dataflow=dataflow,
        batch=batch,
        layers=layers,
        evaluator="analytical",
        objective=objective,
        energy=energy,
        accounting=accounting,
        parameters=parameters(settings),
        bits=bits_of(bits),
    )
    if not result.layers:
        raise AccelsimError(f"no layer that fits '{layers}' has MACs to map")
    text = f"# the best {objective} of {result.dataflow} found for {workload}, batch {batch}, on {architecture}\n"
    spaces = dict.fromkeys(layer.search.space for layer in result.layers if layer.search)
    text += "".join(f"# space: {space}\n" for space in spaces)
    text += mapping_text(result)
    if out:
        write_text(out, text)
    else:
        typer.echo(text, nl=False)
    _tell_failures(result)


@app.command()
def plot(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="ARCH WORKLOAD | RESULT.json...", help="What to run, or results already written."),
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The picture: .png, .svg or .pdf.")] = Path("energy.png"),
    dataflow: Dataflow = None,
    mapping: Mapping = None,
    batch: Batch = 1,
    layers: Layers = None,
    energy: Energy = None,
    settings: Settings = None,
    data: Data = None,
    seed: Seed = 0,
) -> None:
    """Draw energy per data type, stacked by level: of one result per layer, of several side by side."""
    from accelsim.report import plot as draw

    _check_picture(out)
    result = None
    if all(source.endswith(".json") for source in sources):
        from accelsim.report.document import read_document

        documents = [read_document(source) for source in sources]
        folders = [Path(source).parent.name for source in sources]
        labels = folders if len(set(folders)) == len(sources) else sources
        many = len(documents) > 1
        axes = draw.compare(dict(zip(labels, documents, strict=True))) if many else draw.energy(documents[0])
    elif len(sources) == 2:
        result = _simulate(
            *sources,
            dataflow=dataflow,
            mapping=mapping,
            batch=batch,
            layers=layers,
            energy=energy,
            parameters=parameters(settings),
            data=data,
            seed=seed,
        )
        axes = result.plot.energy()
    else:
        raise AccelsimError("plot takes an ARCH and a WORKLOAD, or result.json files")
    draw.save(axes, str(out))
    typer.echo(f"wrote {out}")
    if result:
        _tell_failures(result)


@app.command()
def validate(files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="YAML files of any kind.")]) -> None:
    """Check files and what they name; every error of every file is reported, and what is free in a machine."""
    from accelsim.checks import check_file

    errors = []
    for file in files:
        try:
            first, *others = check_file(file)
            typer.echo("\n".join((f"{file}: {first}", *others)))
        except AccelsimError as error:
            errors.append(str(error))
    if errors:
        raise AccelsimError("\n".join(errors))


@app.command("list")
def list_names() -> None:
    """List everything that ships and what each is: machines, networks, mappings, dataflows, energy tables."""
    import shutil

    from accelsim.report.catalogue import listing

    for line in listing(shutil.get_terminal_size().columns if sys.stdout.isatty() else 0):
        typer.echo(line)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A name that 'list' lists.")],
    path: Annotated[bool, typer.Option("--path", help="Say where the file is instead.")] = False,
) -> None:
    """Print a file that ships, to start from: accelsim show eyeriss > mine.yaml."""
    from accelsim.report.catalogue import find

    file = find(name).path
    typer.echo(file if path else file.read_text(encoding="utf-8"), nl=path)


@app.command()
def explain(
    metric: Annotated[str | None, typer.Argument(help="A heading of a table, a key of a document, a level.")] = None,
) -> None:
    """Say what a number means: formula and unit."""
    from accelsim.report.glossary import GLOSSARY
    from accelsim.report.glossary import explain as look_up

    if metric is None:
        for name, entry in GLOSSARY.items():
            typer.echo(f"{name} [{entry.unit}]")
        return
    entry = look_up(metric)
    typer.echo(f"{metric} [{entry.unit}]\n  {entry.meaning}\n  = {entry.formula}")


@app.command()
def schema(
    kind: Annotated[str | None, typer.Argument(help=f"{', '.join(KINDS)}; default, with --markdown: all.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="The keys as a page to read, docs/keys.md.")] = False,
) -> None:
    """Print the JSON Schema of a kind of file, for editors: every key, its unit, and what holds without it."""
    if kind is None and not markdown:
        raise AccelsimError(f"schema of which kind of file? ({', '.join(KINDS)})")
    if kind is not None:
        known("kind of file", kind, tuple(KINDS))
    if markdown:
        from accelsim.report.keys import page

        typer.echo(page([kind] if kind else KINDS), nl=False)
    elif kind:
        from accelsim.specs import json_schema

        typer.echo(json.dumps(json_schema(kind), indent=2))


@app.command()
def trace(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write.")],
    seed: Seed = 0,
    batch: Annotated[int, typer.Option(help="Pictures to trace.")] = 4,
    prune: Annotated[float, typer.Option(help="Share of the weights to prune by magnitude.")] = 0.0,
) -> None:
    """Train a small CNN on scikit-learn's digits; write its layers and their real operands."""
    from accelsim.report.files import check_place
    from accelsim.sparsity.trace import trace as capture

    check_place(directory, folder=True)
    found = capture(directory, seed=seed, batch=batch, prune=prune)
    typer.echo(f"accuracy {found.accuracy:.1%} on pictures not trained on; wrote {found.workload} and its arrays")
    typer.echo(f"try: accelsim run eyeriss {found.workload} --data {directory} --batch {found.batch} --check")


@app.command()
def warm(
    architectures: Annotated[
        list[str] | None, typer.Argument(metavar="[ARCH]...", help="Machines to be ready for; default: all that ship.")
    ] = None,
) -> None:
    """Compile ahead what runs need, for images and CI (minutes once, seconds again)."""
    from accelsim.cache import shown
    from accelsim.report.progress import progress
    from accelsim.warm import warm as compile_ahead

    with progress() as step:
        place = compile_ahead(architectures or (), step)
    typer.echo(f"kernels are ready in {shown(place)}" if place else "kernels could not be kept anywhere")


@app.command()
def reproduce(
    path: Annotated[Path, typer.Argument(help="The report to write.")] = Path("VALIDATION.md"),
) -> None:
    """Run everything that is validated and write the report with theirs, ours and the error."""
    from accelsim.report.files import check_place
    from accelsim.reproduce import main as write_report

    check_place(path)
    write_report(path)


def _simulate(architecture: str, workload: str, **options: Any) -> Result:
    from accelsim.report.progress import progress
    from accelsim.simulate import simulate

    with progress() as step:
        result = simulate(architecture, workload, progress=step, tolerant=True, **options)
    if not result.layers:
        _tell_failures(result)
    return result


def _check_picture(path: Path) -> None:
    """Refuse a picture that could not be saved, before it is computed what it shows."""
    from accelsim.report.files import check_place

    known("picture format", path.suffix.removeprefix("."), PICTURES)
    check_place(path)


def main() -> None:
    """The console script."""
    try:
        app(prog_name="accelsim")
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
