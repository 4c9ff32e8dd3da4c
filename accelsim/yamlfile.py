"""YAML files read into typed objects, or every error in them at once, each with its line and column."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from accelsim import folders
from accelsim.cache import tell_once
from accelsim.errors import Issue, SpecError, listing, near, plain, reason, unshowable
from accelsim.yamlnodes import MOST_LETTERS, Mark, Node, read_nodes

Place = tuple[str | int, ...]
"""Where in a document: the keys and list positions on the way down, ``("levels", 1, "array")``."""


class Kind(NamedTuple):
    """One sort of file: what to call it, where built-in ones lie, and the model that reads it."""

    noun: str
    folder: str
    module: str
    model: str


# models are named by text, so that this module imports nothing that builds on it
KINDS = {
    "arch": Kind("architecture", "arch", "accelsim.architecture.spec", "ArchitectureSpec"),
    "package": Kind("package", "arch/packages", "accelsim.package.spec", "PackageSpec"),
    "workload": Kind("workload", "workloads", "accelsim.workload.yaml", "WorkloadSpec"),
    "mapping": Kind("mapping", "workloads/mappings", "accelsim.mapping.yaml", "MappingFile"),
    "energy": Kind("energy table", "accelsim/energy/tables", "accelsim.energy.yaml", "EnergySpec"),
    "dataflow": Kind("dataflow", "accelsim/mapping/dataflows", "accelsim.mapping.dataflows.spec", "DataflowSpec"),
    "sweep": Kind("sweep", "accelsim/sweep/files", "accelsim.sweep.yaml", "SweepSpec"),
    "space": Kind("search space", "accelsim/codesign/spaces/files", "accelsim.codesign.spaces.spec", "SpaceSpec"),
}


MOST_ISSUES = 100
"""Told of one file; whatever has more is another kind of file."""


@dataclass
class Document:
    """One file: its plain data, where every key and value of it stands, and what is wrong with it so far.

    origins : where the file has what the data has at another place, ``("layers", "l3_q")``, of what was written once.
    """

    file: str
    data: Any
    keys: dict[Place, Mark] = field(default_factory=dict)
    values: dict[Place, Mark] = field(default_factory=dict)
    issues: list[Issue] = field(default_factory=list)
    origins: dict[Place, Place] = field(default_factory=dict)

    def written(self, place: Place) -> Place:
        """Where the file has what stands at a place of the data."""
        return (*self.origins.get(place[:2], place[:2]), *place[2:])

    def refuse(self, place: Place, message: str, *, key: bool = False) -> None:
        """Note an error at a value (or at its key); the nearest place that exists gives the position."""
        place = self.written(place)
        first, second = (self.keys, self.values) if key else (self.values, self.keys)
        mark, at = None, place
        while mark is None:
            mark = first.get(at) or second.get(at)
            if not at:
                break
            # a key that is missing is reported where its parent begins
            first, second, at = self.keys, self.values, at[:-1]
        self.note(place, message, mark)

    def note(self, place: Place, message: str, mark: Mark | None) -> None:
        """Note an error at a position; the hundredth is the last, and raises SpecError with them all."""
        self.issues.append(Issue(self.file, ".".join(map(str, place)), message, *(mark or (None, None))))
        if len(set(self.issues)) >= MOST_ISSUES:
            self.check()

    def check(self) -> None:
        """Raise SpecError with everything noted so far, in file order; return if there is nothing."""
        if self.issues:
            found = sorted(dict.fromkeys(self.issues), key=lambda i: (i.line or 0, i.column or 0, i.field))
            if len(found) >= MOST_ISSUES:
                found.append(Issue(self.file, "", f"no more than {MOST_ISSUES} errors are told at once"))
            raise SpecError(found)


def bare(value: Any) -> Any:
    """Data of code as a file would have it: tuples as lists, keys and paths as text, nothing shared with the caller."""
    if isinstance(value, Mapping):
        return {str(key): bare(one) for key, one in value.items()}
    if isinstance(value, Path):
        return str(value)
    return [bare(one) for one in value] if isinstance(value, list | tuple) else value


def unknown(noun: str, name: object, allowed: Iterable[object], *, shown: bool = True) -> str:
    """One clause: ``unknown tensor 'psums'; did you mean 'psum'? (ifmap, filter, psum)``."""
    return f"unknown {noun}{f' {str(name)!r}' if shown else ''}{hint(name, allowed)}"


def hint(name: object, allowed: Iterable[object]) -> str:
    """The end of such a clause, the names in the order given: ``; did you mean 'psum'? (ifmap, filter, psum)``."""
    names = [str(a) for a in allowed]
    return meant(name, names) + (f" ({listing(names)})" if names else "")


def meant(name: object, allowed: Iterable[str]) -> str:
    """The nearest name alone: ``; did you mean 'psum'?``, or nothing."""
    close = near(str(name), allowed)
    return f"; did you mean '{close[0]}'?" if close else ""


def read(path: str | Path) -> Document:
    """Read a file. Raises SpecError for what is not YAML, a duplicate key (all of them) or an empty file."""
    try:
        with Path(path).open("rb") as opened:
            # a letter takes four bytes at most: enough to see that a file is too large, whatever it holds
            data = opened.read(4 * MOST_LETTERS + 1)
        if len(data) > 4 * MOST_LETTERS:
            raise SpecError([Issue(shown(path), "", f"too large: more than {MOST_LETTERS:,} letters")])
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SpecError([Issue(shown(path), "", f"not a text file: byte {error.start} is not UTF-8")]) from None
    except (OSError, ValueError) as error:
        raise SpecError([Issue(shown(path), "", reason(error))]) from None
    return parse(text, shown(path))


def parse(text: str, file: str = "<text>") -> Document:
    """Read YAML text; `file` is what errors call it."""
    document = Document(file, None)
    document.data = _plain(document, read_nodes(text, file), ())
    return document


def _plain(document: Document, node: Node, place: Place) -> Any:
    """A node as dict, list or scalar, its places noted; keys stay the text they are."""
    # a value left out has no place of its own: its key's is used
    if node.placed:
        document.values[place] = node.mark
    if node.wrong:
        document.refuse(place, node.wrong)
        return None
    if node.kind == "list":
        return [_plain(document, child, (*place, i)) for i, child in enumerate(node.items)]
    if node.kind != "mapping":
        return node.value
    found: dict[str, Any] = {}
    for key, value in zip(node.items[::2], node.items[1::2], strict=True):
        at = (*place, key.text)
        if wrong := _wrong_key(key):
            document.note(place, wrong, key.mark)
        elif key.text in found:
            first = document.keys[at].line
            document.note(at, f"duplicate key '{key.text}', first given in line {first}", key.mark)
        else:
            document.keys[at] = key.mark
            found[key.text] = _plain(document, value, at)
    return found


def _wrong_key(key: Node) -> str:
    """Why a node cannot be a key, or nothing."""
    if key.kind != "scalar":
        return f"a key should be a word, got a {key.kind}"
    if key.wrong:
        return f"a key that cannot be read: {key.wrong}"
    if key.plain and key.text == "<<":
        return "'<<' merges nothing here; write the keys out, or give a whole value an alias"
    wrong = unshowable(key.text)
    return f"a key {wrong}" if wrong else ""


def shown(path: str | Path) -> str:
    """A path as a person knows it: relative where it lies below the working directory."""
    try:
        relative = os.path.relpath(path)
    except ValueError:
        # on another drive than the working directory, or no path at all
        return str(path)
    return str(path) if relative.startswith("..") else relative


def folder(kind: str) -> Path:
    """Where the built-in files of a kind lie: in the wheel, or at the top of a source checkout."""
    package = Path(__file__).parent
    shipped = package / "data" / KINDS[kind].folder
    return shipped if shipped.is_dir() else package.parent / KINDS[kind].folder


def is_file(path: Path) -> bool:
    """Whether there is such a file; a name that no file can have (too long, a NUL in it) is no file's."""
    return os.path.isfile(path)  # noqa: PTH113  (pathlib raises)


def builtin(kind: str) -> tuple[str, ...]:
    """Names of the built-in files of a kind, sorted."""
    return tuple(sorted(path.stem for path in folder(kind).glob("*.yaml")))


class Found(NamedTuple):
    """A file that a name stands for. origin : of one that does not ship. hides : what else has that name."""

    path: Path
    origin: str = ""
    hides: Found | None = None


def found(kind: str) -> dict[str, Found]:
    """All files of a kind that have a name, sorted; one's own (`accelsim.folders`) hide those that ship."""
    files = {name: Found(folder(kind) / f"{name}.yaml") for name in builtin(kind)}
    for place in reversed(folders.own(kind)):
        for path in sorted(filter(is_file, place.path.glob("*.y*ml")), reverse=True):
            files[path.stem] = Found(path, place.origin, files.get(path.stem))
    return dict(sorted(files.items()))


def names(kind: str) -> tuple[str, ...]:
    """What `found` has names for."""
    return tuple(found(kind))


def named(kind: str, name: str) -> Path | None:
    """The file that a name stands for, if it does; where that hides another one, a line on stderr says so."""
    file = found(kind).get(name)
    if file and file.hides:
        noun, where = KINDS[kind].noun, plain(shown(file.path))
        tell_once(f"{noun} '{plain(name)}' is {where}, which hides {plain(shown(file.hides.path))}")
    return file.path if file else None


def resolve(kind: str, name: str | Path) -> Path:
    """The file meant by a path or a name; `kind` is ``arch``, ``workload`` or ``mapping``.

    Raises SpecError, one line with the nearest names that exist.
    """
    path, text = Path(name), str(name)
    if is_file(path):
        return path
    if file := named(kind, text):
        return file
    if os.path.isdir(path):  # noqa: PTH112
        raise SpecError([Issue(text, "", f"is a directory, not {_article(KINDS[kind].noun)} file")])
    if path.suffix or len(path.parts) > 1:
        beside = sorted(str(p) for p in path.parent.glob("*.y*ml")) if os.path.isdir(path.parent) else []  # noqa: PTH112
        close = near(text, beside, 0.6) or near(path.stem, names(kind), 0.6)
        meant = f"; did you mean '{close[0]}'?" if close else ""
        raise SpecError([Issue(text, "", f"no such file{meant}")])
    message = f"neither a file nor a built-in {KINDS[kind].noun}{hint(text, names(kind))}"
    raise SpecError([Issue(text, "", message)])


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
