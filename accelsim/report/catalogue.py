"""What ships: every file by name, with a line that says what it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from accelsim.errors import AccelsimError

SENTENCE = re.compile(r"(?<!\b[A-Z])(?<! al)(?<!Fig)\. ")  # initials end no sentence


DATAFLOWS = Path(__file__).parents[1] / "mapping" / "dataflows"


class Shipped(NamedTuple):
    """One file that ships."""

    kind: str
    name: str
    path: Path


def shipped() -> Iterator[Shipped]:
    """All of them, kind by kind, sorted by name within."""
    from accelsim.energy.load import BUILT_IN
    from accelsim.yamlfile import folder

    for kind, where in (
        ("architectures", folder("arch")),
        ("workloads", folder("workload")),
        ("mappings", folder("mapping")),
        ("dataflows", DATAFLOWS),
        ("energy tables", BUILT_IN),
    ):
        for path in sorted(where.glob("*.yaml")):
            yield Shipped(kind, path.stem, path)


def find(name: str) -> Shipped:
    """The file of a name. Raises AccelsimError with the nearest."""
    from accelsim.yamlfile import meant

    found = {file.name: file for file in shipped()}
    if name not in found:
        raise AccelsimError(f"nothing that ships is called '{name}'{meant(name, found)}; 'accelsim list' names all")
    return found[name]


def described(path: Path) -> str:
    """One line: the first sentence of the comment a file begins with, else what it says it is about or comes from."""
    text = path.read_text(encoding="utf-8")
    comment = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        comment.append(line.removeprefix("#").strip())
    if not comment:
        from accelsim.yamlfile import read

        data = read(path).data
        comment = [str(data.get("about") or data.get("source", ""))]
    return SENTENCE.split(" ".join(comment))[0].rstrip(".")


def listing(width: int) -> Iterator[str]:
    """Lines of ``accelsim list``, cut at `width` columns if that is not 0."""
    files = list(shipped())
    column = max(len(file.name) for file in files) + 4
    kind = ""
    for file in files:
        if file.kind != kind:
            kind = file.kind
            yield f"{kind}:"
        line = f"  {file.name:{column - 2}}{described(file.path)}"
        yield line if not width or len(line) <= width else f"{line[: width - 1]}…"
