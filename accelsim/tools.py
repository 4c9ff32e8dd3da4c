"""Commands that simulate nothing: files checked, shown and explained, kernels compiled ahead, reports written.

As in `cli`, each imports what it needs when it runs.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from accelsim.errors import AccelsimError
from accelsim.options import Dims, Seed, dims_of, known
from accelsim.yamlfile import KINDS


def validate(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="YAML files of any kind, and ONNX graphs.")],
    dims: Dims = None,
) -> None:
    """Check files and what they name; every error of every file is reported, and what is free in a machine."""
    from accelsim.checks import check_file

    errors = []
    for file in files:
        try:
            first, *others = check_file(file, dims_of(dims))
            typer.echo("\n".join((f"{file}: {first}", *others)))
        except AccelsimError as error:
            errors.append(str(error))
    if errors:
        raise AccelsimError("\n".join(errors))


def convert(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An ONNX file.")],
    dims: Dims = None,
    weights: Annotated[bool, typer.Option("--weights", help="Read the weights too: their densities.")] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write it there.")] = None,
) -> None:
    """Turn an ONNX graph into a workload file, which gives the same results and can be edited."""
    from accelsim.onnx.network import convert as converted
    from accelsim.report.files import check_place, write_text

    if out:
        check_place(out)
    found = converted(file, dims_of(dims), weights)
    if out:
        write_text(out, found)
    else:
        typer.echo(found, nl=False)


def list_names() -> None:
    """List machines, networks, mappings, dataflows and energy tables, what each is, and where one's own come from."""
    import shutil

    from accelsim.report.catalogue import listing

    for line in listing(shutil.get_terminal_size().columns if sys.stdout.isatty() else 0):
        typer.echo(line)


def show(
    name: Annotated[str, typer.Argument(help="A name that 'list' lists.")],
    path: Annotated[bool, typer.Option("--path", help="Say where the file is instead.")] = False,
) -> None:
    """Print a file by its name, to start from: accelsim show eyeriss > mine.yaml."""
    from accelsim.report.catalogue import find

    file = find(name).path
    typer.echo(file if path else file.read_text(encoding="utf-8"), nl=path)


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


def reproduce(
    path: Annotated[Path, typer.Argument(help="The report to write.")] = Path("VALIDATION.md"),
) -> None:
    """Run everything that is validated and write the report with theirs, ours and the error."""
    from accelsim.report.files import check_place
    from accelsim.reproduce import main as write_report

    check_place(path)
    write_report(path)
