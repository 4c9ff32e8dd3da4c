"""The command line. Only what `--help` needs is imported here; each command imports the rest itself."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from accelsim import __version__
from accelsim.errors import AccelsimError, nearest

if TYPE_CHECKING:
    from accelsim.result import Comparison, Result

SCHEMAS = ("arch", "workload", "mapping", "energy")


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

Arch = Annotated[str, typer.Argument(metavar="ARCH", help="Machine: a built-in name or a YAML file.")]
Work = Annotated[str, typer.Argument(metavar="WORKLOAD", help="Network: a built-in name or a YAML file.")]
Dataflow = Annotated[str | None, typer.Option(help="Dataflow; default: the machine's own.")]
Mapping = Annotated[str | None, typer.Option(help="Mapping: a built-in name or a YAML file.")]
Batch = Annotated[int, typer.Option(help="Images at a time.")]
Layers = Annotated[str | None, typer.Option(metavar="GLOB", help="Only these layers, e.g. 'CONV*,FC6'.")]
Evaluator = Annotated[str, typer.Option(help="cycle, or analytical (closed form; cycles are a lower bound).")]
Objective = Annotated[str, typer.Option(help="What a mapping search minimises: energy, cycles or edp.")]
Energy = Annotated[str | None, typer.Option(help="Energy table; default: the machine's own.")]
Accounting = Annotated[str | None, typer.Option(help="Named way to account energy: isca16.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A parameter of the machine or the network.")
]
Data = Annotated[
    str | None,
    typer.Option(metavar="PATH", help="Operands: a directory or .npz, or 'dense'; default: the workload's densities."),
]
Seed = Annotated[int, typer.Option(help="Seed of operands that are drawn.")]
Bits = Annotated[
    str | None,
    typer.Option(metavar="TENSOR=N,...", help="Bits of words, e.g. 'ifmap=8,filter=4,psum=24'."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Out = Annotated[Path | None, typer.Option(metavar="DIR", help="Write result.json, counts.csv and mapping.yaml there.")]


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
    architecture: Arch,
    workload: Work,
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
    """Run a network on a machine."""
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
        parameters=_parameters(settings),
        data=data,
        seed=seed,
        bits=_bits(bits),
    )
    checks = []
    if check:
        from accelsim.simulate import check_outputs

        checks = list(check_outputs(result, workload, _parameters(settings), data, seed))
    if out:
        from accelsim.report.files import write_result

        write_result(out, result)
    if as_json:
        from accelsim.report.files import document_text

        typer.echo(document_text(result), nl=False)
    else:
        from accelsim.report.table import report

        _show(report(result))
    for line in checks:
        typer.echo(line, err=as_json)


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
            parameters=_parameters(settings),
            data=data,
            seed=seed,
            bits=_bits(bits),
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
        from accelsim.report.table import comparison_report

        _show(comparison_report(comparison))


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
    from accelsim.report.files import mapping_text, write_text

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
        parameters=_parameters(settings),
        bits=_bits(bits),
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

    _known("picture format", out.suffix.removeprefix("."), ("png", "svg", "pdf"))
    if all(source.endswith(".json") for source in sources):
        documents = [_document(source) for source in sources]
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
            parameters=_parameters(settings),
            data=data,
            seed=seed,
        )
        axes = result.plot.energy()
    else:
        raise AccelsimError("plot takes an ARCH and a WORKLOAD, or result.json files")
    draw.save(axes, str(out))
    typer.echo(f"wrote {out}")


@app.command()
def validate(files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="YAML files of any kind.")]) -> None:
    """Check files; every error of every file is reported."""
    errors = []
    for file in files:
        try:
            typer.echo(f"{file}: {_load(file)}")
        except AccelsimError as error:
            errors.append(str(error))
    if errors:
        raise AccelsimError("\n".join(errors))


def _load(file: Path) -> str:
    """Read a file as what its keys say it is."""
    from accelsim.architecture.yaml import load_architecture
    from accelsim.energy.load import load_table
    from accelsim.mapping.yaml import load_mappings
    from accelsim.workload.yaml import load_network
    from accelsim.yamlfile import read

    data = read(file).data
    keys = data.keys() if isinstance(data, dict) else set()
    if "levels" in keys:
        return f"architecture '{load_architecture(file).name}' is fine"
    if "components" in keys:
        return f"energy table '{load_table(file).name}' is fine"
    if "layers" in keys or "input" in keys:
        return f"workload '{load_network(file).name}' is fine"
    return f"mapping of {len(load_mappings(file))} layers is fine"


@app.command("list")
def list_names() -> None:
    """List everything that ships: machines, networks, mappings, dataflows, energy tables."""
    from accelsim.energy.load import names
    from accelsim.mapping.dataflows import NAMES
    from accelsim.yamlfile import builtin

    for title, known in (
        ("architectures", builtin("arch")),
        ("workloads", builtin("workload")),
        ("mappings", builtin("mapping")),
        ("dataflows", NAMES),
        ("energy tables", names()),
    ):
        typer.echo(f"{title}:")
        for name in known:
            typer.echo(f"  {name}")


@app.command()
def explain(metric: Annotated[str | None, typer.Argument(help="A name from any table or document.")] = None) -> None:
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
def schema(kind: Annotated[str, typer.Argument(help=f"{', '.join(SCHEMAS)}.")]) -> None:
    """Print the JSON Schema of a kind of file, for editors."""
    _known("kind of file", kind, SCHEMAS)
    if kind == "energy":
        from accelsim.energy.yaml import EnergySpec

        found = {"$schema": "https://json-schema.org/draft/2020-12/schema", **EnergySpec.model_json_schema()}
    else:
        from accelsim.yamlfile import json_schema

        found = json_schema(kind)
    typer.echo(json.dumps(found, indent=2))


@app.command()
def trace(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write.")],
    seed: Seed = 0,
    batch: Annotated[int, typer.Option(help="Pictures to trace.")] = 4,
    prune: Annotated[float, typer.Option(help="Share of the weights to prune by magnitude.")] = 0.0,
) -> None:
    """Train a small CNN on scikit-learn's digits; write its layers and their real operands."""
    from accelsim.sparsity.trace import trace as capture

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
    from accelsim.reproduce import main as write_report

    write_report(path)


def _simulate(architecture: str, workload: str, **options: Any) -> Result:
    from accelsim.report.progress import progress
    from accelsim.simulate import simulate

    with progress() as step:
        return simulate(architecture, workload, progress=step, **options)


def _show(lines: list[Any]) -> None:
    from rich.console import Console

    # a pipe has no width: wide enough for every table, so that nothing is cut
    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 120)
    for line in lines:
        console.print(line, soft_wrap=isinstance(line, str) and not sys.stdout.isatty())


def _document(file: str) -> dict[str, Any]:
    try:
        document = json.loads(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise AccelsimError(f"{file}: {error.strerror}") from None
    except ValueError as error:
        raise AccelsimError(f"{file}: not JSON: {error}") from None
    if not isinstance(document, dict) or "layers" not in document or "energy_unit" not in document:
        raise AccelsimError(f"{file}: not a result; write one with 'accelsim run ... --out DIR'")
    return document


def _parameters(settings: list[str] | None) -> dict[str, int | float | str]:
    """``--set rows=16`` as values: a number where it is one, else text."""
    parameters: dict[str, int | float | str] = {}
    for setting in settings or []:
        key, equals, value = setting.partition("=")
        if not equals or not key:
            raise AccelsimError(f"--set {setting}: write KEY=VALUE")
        parameters[key] = _value(value)
    return parameters


def _bits(text: str | None) -> dict[str, int | float | str]:
    """``--bits ifmap=8,filter=4`` as a mapping; what it may hold is checked where it is used."""
    bits: dict[str, int | float | str] = {}
    for part in text.split(",") if text else []:
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or name in bits:
            raise AccelsimError(f"--bits {text}: {f'{name} twice' if equals else 'write TENSOR=N, such as ifmap=8'}")
        bits[name] = _value(value)
    return bits


def _value(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _known(what: str, name: str, allowed: tuple[str, ...]) -> None:
    if name not in allowed:
        raise AccelsimError(f"unknown {what} '{name}'{nearest(name, allowed)}")


def main() -> None:
    """The console script."""
    try:
        app(prog_name="accelsim")
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
