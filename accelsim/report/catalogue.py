"""Every file that has a name, with a line that says what it is: what ships, and what is one's own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from accelsim.errors import AccelsimError, plain

if TYPE_CHECKING:
    from accelsim.yamlfile import Found

SENTENCE = re.compile(r"(?<!\b[A-Z])(?<! al)(?<!Fig)\. ")  # initials end no sentence


KINDS = {
    "architectures": "arch",
    "packages": "package",
    "workloads": "workload",
    "mappings": "mapping",
    "dataflows": "dataflow",
    "energy tables": "energy",
    "sweeps": "sweep",
    "search spaces": "space",
}


class Named(NamedTuple):
    """One file that has a name. origin : where from, if it does not ship. hidden : by another of that name."""

    kind: str
    name: str
    path: Path
    origin: str = ""
    hidden: bool = False


def named() -> Iterator[Named]:
    """All of them, kind by kind: those that ship, then those of each folder of one's own, sorted by name within."""
    from accelsim.yamlfile import found, shown

    for kind, key in KINDS.items():
        files = []
        for name, file in found(key).items():
            seen: Found | None = file
            while seen:
                origin = seen.origin and f"{shown(seen.path.parent)}, {seen.origin}"
                files.append(Named(kind, name, seen.path, origin, seen is not file))
                seen = seen.hides
        yield from sorted(files, key=lambda file: (file.origin, file.name))


def find(name: str) -> Named:
    """The file of a name. Raises AccelsimError with the nearest."""
    from accelsim.yamlfile import meant

    found = {file.name: file for file in named() if not file.hidden}
    if name not in found:
        raise AccelsimError(f"nothing is called '{name}'{meant(name, found)}; 'accelsim list' names all")
    return found[name]


def described(path: Path) -> str:
    """One line: the first sentence of the comment a file begins with, else what it says it is about or comes from."""
    comment = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        comment.append(line.removeprefix("#").strip())
    if not comment:
        from accelsim.yamlfile import read

        data = read(path).data
        comment = [str(data.get("about") or data.get("source", "")) if isinstance(data, dict) else ""]
    return SENTENCE.split(" ".join(comment))[0].rstrip(".")


def listing(width: int) -> Iterator[str]:
    """Lines of ``accelsim list``, cut at `width` columns if that is not 0."""
    files = list(named())
    column = max(len(file.name) for file in files) + 4
    heading = ""
    for file in files:
        own = f"{file.kind}{file.origin and f' of {file.origin}'}:"
        if own != heading:
            heading = own
            yield plain(heading)
        try:
            text = described(file.path)
        except (AccelsimError, OSError, UnicodeError) as error:
            text = f"cannot be read: {str(error).splitlines()[0]}"
        line = plain(f"  {file.name:{column - 2}}{'(hidden) ' if file.hidden else ''}{text}")
        yield line if not width or len(line) <= width else f"{line[: width - 1]}…"
