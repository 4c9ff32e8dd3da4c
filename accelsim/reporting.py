"""The commands that show results as a page, and what two of them differ in. Each imports what it needs when it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from accelsim.errors import AccelsimError

if TYPE_CHECKING:
    from accelsim.outcome import Outcome
    from accelsim.report.gains import Gains

Page = Annotated[Path, typer.Option("--out", "-o", metavar="FILE.html", help="The page.")]


def report(
    files: Annotated[
        list[str], typer.Argument(metavar="RESULT.json...", help="What 'run --out' wrote; or a store of 'sweep'.")
    ],
    out: Page = Path("report.html"),
    advice: Annotated[
        bool, typer.Option("--advice/--no-advice", help="Evaluate each layer again with twice of one thing.")
    ] = True,
    dataflow: Annotated[
        list[str] | None, typer.Option(help="Also search for mappings under this dataflow (repeat it).")
    ] = None,
) -> None:
    """Write one page that shows it all: no network, no JavaScript needed."""
    from accelsim.report.files import check_page

    check_page(out)
    flows = dataflow or ()
    stores = [file for file in files if is_store(file)]
    if stores:
        if len(files) > 1 or flows:
            told = f"beside {len(files) - 1} other files" if len(files) > 1 else "with --dataflow"
            raise AccelsimError(f"{stores[0]}: a store of sweeps has a page of its own, not {told}")
        from accelsim.sweep.swept import opened

        opened(stores[0]).report(out)
        typer.echo(f"wrote {out}")
        return
    if flows and not advice:
        raise AccelsimError("--dataflow is for advice, and --no-advice leaves it out")
    for name in flows:
        from accelsim.mapping.dataflows.dataflow import BEST, load

        if name != BEST:
            load(name)  # a name that is none is refused before anything runs
    write_page(out, loaded(files), advice, flows)
    typer.echo(f"wrote {out}")


def diff(
    first: Annotated[str, typer.Argument(metavar="A.json", help="A result.")],
    second: Annotated[str, typer.Argument(metavar="B.json", help="What it is compared with.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE.html", help="Also write it as a page.")
    ] = None,
    most: Annotated[int, typer.Option(min=1, help="Rows of each table on the terminal.")] = 12,
) -> None:
    """Say what differs in what two results ran, then what that did: by layer, level and cause, largest first."""
    if out:
        from accelsim.report.files import check_page

        check_page(out)
    from accelsim.report import terminal
    from accelsim.report.difference import difference
    from accelsim.report.difference_text import blocks

    one, other = loaded([first, second]).items()
    found = difference(*one, *other)
    terminal.show(list(blocks(found, most)))
    if out:
        from accelsim.report.files import write_text
        from accelsim.report.html import difference_page

        write_text(out, difference_page(found))
        typer.echo(f"wrote {out}", err=True)


def write_page(path: Path, results: Mapping[str, Outcome], advice: bool = True, dataflows: Sequence[str] = ()) -> None:
    """The page of results by label, whole or not at all."""
    from accelsim.report.files import write_text
    from accelsim.report.html import page

    gains: dict[str, Gains | str] = {}
    if advice:
        from accelsim.advice import advise
        from accelsim.report.progress import progress

        with progress() as step:
            for label, result in results.items():
                try:
                    gains[label] = advise(result, step, dataflows)
                except AccelsimError as error:  # such as operands that are not here: the rest of the page needs none
                    gains[label] = str(error)
    write_text(path, page(results, gains))
    for told in gains.values():
        if isinstance(told, str):
            typer.echo(f"what would move it is not worked out: {told}", err=True)


def is_store(file: str) -> bool:
    """Whether a file is an SQLite database, as stores of sweeps are; its beginning says so."""
    try:
        with Path(file).open("rb") as opened:
            return opened.read(16) == b"SQLite format 3\0"
    except OSError:
        return False


def loaded(files: Sequence[str]) -> dict[str, Outcome]:
    """Results by the shortest part of their paths that tells them apart: a folder's name, or all of it."""
    from accelsim.result import Result

    for file in files:
        if files.count(file) > 1:
            raise AccelsimError(f"{file}: is given twice")
    folders = [Path(file).parent.name for file in files]
    stems = [Path(file).stem for file in files]
    names = next((own for own in (folders, stems) if all(own) and len(set(own)) == len(own)), list(files))
    return {name: Result.load(file) for name, file in zip(names, files, strict=True)}
