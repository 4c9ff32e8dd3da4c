"""Files written whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from accelsim.errors import AccelsimError

if TYPE_CHECKING:
    from accelsim.result import Result

COLUMNS = ("layer", "level", "tensor", "action", "words", "energy")


@contextmanager
def replacing(path: str | Path) -> Iterator[str]:
    """A temporary name beside `path`, which takes its place when the block ends well and is gone otherwise."""
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{target.stem}.", suffix=target.suffix, dir=target.parent)
    except OSError as error:
        raise AccelsimError(f"{path}: {error.strerror}") from None
    os.close(handle)
    try:
        yield temporary
        Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(target)
    except OSError as error:
        raise AccelsimError(f"{path}: {error.strerror}") from None
    finally:
        Path(temporary).unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file whole."""
    with replacing(path) as temporary:
        Path(temporary).write_text(text, encoding="utf-8")


def write_result(folder: str | Path, result: Result) -> None:
    """result.json, counts.csv (energies in the table's unit) and mapping.yaml, each whole."""
    where = Path(folder)
    write_text(where / "result.json", document_text(result))
    write_text(where / "counts.csv", counts_csv(result))
    write_text(where / "mapping.yaml", mapping_text(result))


def document_text(result: Result) -> str:
    """The JSON document of a result."""
    return json.dumps(result.to_dict(), indent=1) + "\n"


def counts_csv(result: Result) -> str:
    """`Result.table` as CSV, the energy's unit in its column name."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([f"energy_{result.energy_table.unit}" if name == "energy" else name for name in COLUMNS])
    writer.writerows([row[name] for name in COLUMNS] for row in result.table)
    return text.getvalue()


def mapping_text(result: Result) -> str:
    """The nests of a result as YAML that ``run --mapping`` reads; above each, of what it is the best."""
    from accelsim.mapping.yaml import dump_mappings

    comments = {layer.name: layer.search.describe() for layer in result.layers if layer.search}
    return dump_mappings({layer.name: layer.nest for layer in result.layers}, comments)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
