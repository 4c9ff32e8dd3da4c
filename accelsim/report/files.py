"""Files written whole or not at all."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from accelsim.arguments import known
from accelsim.errors import AccelsimError, nearest, reason

if TYPE_CHECKING:
    from accelsim.outcome import Outcome

PICTURES = ("png", "svg", "pdf")


@contextmanager
def replacing(path: str | Path) -> Iterator[str]:
    """A temporary name beside `path`, which takes its place when the block ends well and is gone otherwise."""
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{target.stem}.", suffix=target.suffix, dir=target.parent)
    except (OSError, ValueError) as error:
        raise AccelsimError(f"{path}: {reason(error)}") from None
    os.close(handle)
    try:
        yield temporary
        Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(target)
    except OSError as error:
        raise AccelsimError(f"{path}: {reason(error)}") from None
    finally:
        Path(temporary).unlink(missing_ok=True)


def check_place(path: str | Path, *, folder: bool = False) -> None:
    """Refuse in one line, before a run, a place where `replacing` could write nothing after it; makes nothing.

    folder : the path is a folder that files are written into.
    """
    try:
        target = Path(os.path.abspath(path))  # noqa: PTH100
        there = _exists(target)
        if there and target.is_dir() != folder:
            raise (
                NotADirectoryError(errno.ENOTDIR, "is no folder")
                if folder
                else IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            )
        above = target if there and folder else target.parent
        while not _exists(above):
            above = above.parent
        if not above.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, f"'{above}' is no folder")
        if not os.access(above, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, f"nothing can be written into '{above}'")
    except (OSError, ValueError) as error:
        raise AccelsimError(f"{path}: {reason(error)}") from None


def check_picture(path: str | Path) -> None:
    """Refuse a picture that could not be saved, before it is computed what it shows."""
    known("picture format", Path(path).suffix.removeprefix("."), PICTURES)
    check_place(path)


def check_page(path: str | Path) -> None:
    """Refuse a page that could not be written, before it is computed what it shows."""
    suffix = Path(path).suffix.removeprefix(".")
    if suffix != "html":
        raise AccelsimError(f"unknown page format '{suffix}'{nearest(suffix, ('html',))}")
    check_place(path)


def _exists(path: Path) -> bool:
    """Like `Path.exists`, but a name that no file can have raises OSError."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def write_text(path: str | Path, text: str) -> None:
    """Write a text file whole."""
    with replacing(path) as temporary:
        Path(temporary).write_text(text, encoding="utf-8")


def write_result(folder: str | Path, result: Outcome) -> None:
    """result.json, counts.csv, vector.csv (energies in the table's unit) and mapping.yaml, each whole."""
    where = Path(folder)
    write_text(where / "result.json", document_text(result))
    write_text(where / "counts.csv", counts_csv(result))
    write_text(where / "vector.csv", counts_csv(result, vector=True))
    write_text(where / "mapping.yaml", mapping_text(result))


def document_text(result: Outcome) -> str:
    """The JSON document of a result."""
    from accelsim.document import document_of

    return json.dumps(document_of(result), indent=1) + "\n"


def counts_csv(result: Outcome, vector: bool = False) -> str:
    """`Outcome.table`, or `Outcome.vector_table`, as CSV, the energy's unit in its column name."""
    from accelsim.outcome import COLUMNS

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([f"energy_{result.energy_table.unit}" if name == "energy" else name for name in COLUMNS])
    writer.writerows([row[name] for name in COLUMNS] for row in (result.vector_table if vector else result.table))
    return text.getvalue()


def mapping_text(result: Outcome, notes: Mapping[str, str] | None = None) -> str:
    """The nests of a result as YAML that ``run --mapping`` reads; above each, of what it is the best, and notes."""
    from accelsim.mapping.yaml import dump_mappings

    comments = {layer.name: layer.search.describe() for layer in result.layers if layer.search}
    comments = {name: "\n".join(filter(None, (text, (notes or {}).get(name)))) for name, text in comments.items()}
    return dump_mappings({layer.name: layer.nest for layer in result.layers}, comments)


def plan_text(result: Outcome, way: str, objective: str) -> str:
    """The plan of a result as YAML that ``run --plan`` reads, under a line about what it saves."""
    from accelsim.mapping.plan.yaml import dump_plan
    from accelsim.search.plan.costs import Wanted
    from accelsim.search.plan.mapped import ABOUT, kept

    assert result.ran is not None
    ran, plan = result.ran, result.ran.plan
    flow = result.dataflow
    wanted = Wanted(result.architecture, result.energy_table, "", flow, flow, ran.objective, ran.proof)
    passes = {group.name: tuple(one.nest for one in group.passes) for group in result.groups}
    about = f"# between layers, the best by {objective} of '{way}': {plan.source or 'nothing'}\n"
    whole = replace(plan, mapped=kept(plan, ran.network, wanted, ran.bits, passes))
    return about + dump_plan(whole, {"mapped": ABOUT})


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
