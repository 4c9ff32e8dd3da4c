"""YAML files read into typed objects, or every error in them at once, each with its line and column."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from accelsim.errors import Issue, SpecError

if TYPE_CHECKING:
    from ruamel.yaml.nodes import Node

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
    "workload": Kind("workload", "workloads", "accelsim.workload.yaml", "WorkloadSpec"),
    "mapping": Kind("mapping", "workloads/mappings", "accelsim.mapping.yaml", "MappingFile"),
    "energy": Kind("energy table", "accelsim/energy/tables", "accelsim.energy.yaml", "EnergySpec"),
    "dataflow": Kind("dataflow", "accelsim/mapping/dataflows", "accelsim.mapping.dataflows.spec", "DataflowSpec"),
}


class Mark(NamedTuple):
    """A position in a file, counted from 1."""

    line: int
    column: int


@dataclass
class Document:
    """One file: its plain data, where every key and value of it stands, and what is wrong with it so far."""

    file: str
    data: Any
    keys: dict[Place, Mark] = field(default_factory=dict)
    values: dict[Place, Mark] = field(default_factory=dict)
    issues: list[Issue] = field(default_factory=list)

    def refuse(self, place: Place, message: str, *, key: bool = False) -> None:
        """Note an error at a value (or at its key); the nearest place that exists gives the position."""
        first, second = (self.keys, self.values) if key else (self.values, self.keys)
        mark, at = None, place
        while mark is None:
            mark = first.get(at) or second.get(at)
            if not at:
                break
            # a key that is missing is reported where its parent begins
            first, second, at = self.keys, self.values, at[:-1]
        line, column = mark or (None, None)
        self.issues.append(Issue(self.file, ".".join(map(str, place)), message, line, column))

    def check(self) -> None:
        """Raise SpecError with everything noted so far, in file order; return if there is nothing."""
        if self.issues:
            raise SpecError(sorted(dict.fromkeys(self.issues), key=lambda i: (i.line or 0, i.column or 0, i.field)))


def unknown(noun: str, name: object, allowed: Iterable[object], *, shown: bool = True) -> str:
    """One clause: ``unknown tensor 'psums'; did you mean 'psum'? (ifmap, filter, psum)``."""
    return f"unknown {noun}{f' {str(name)!r}' if shown else ''}{hint(name, allowed)}"


def hint(name: object, allowed: Iterable[object]) -> str:
    """The end of such a clause, the names in the order given: ``; did you mean 'psum'? (ifmap, filter, psum)``."""
    names = [str(a) for a in allowed]
    return meant(name, names) + (f" ({', '.join(names)})" if names else "")


def meant(name: object, allowed: Iterable[str]) -> str:
    """The nearest name alone: ``; did you mean 'psum'?``, or nothing."""
    close = difflib.get_close_matches(str(name), list(allowed), n=1, cutoff=0.5)
    return f"; did you mean '{close[0]}'?" if close else ""


def read(path: str | Path) -> Document:
    """Read a file. Raises SpecError for what is not YAML, a duplicate key (all of them) or an empty file."""
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SpecError([Issue(_shown(path), "", f"not a text file: byte {error.start} is not UTF-8")]) from None
    except OSError as error:
        raise SpecError([Issue(_shown(path), "", error.strerror or str(error))]) from None
    return parse(text, _shown(path))


def parse(text: str, file: str = "<text>") -> Document:
    """Read YAML text; `file` is what errors call it."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    yaml = YAML(typ="safe", pure=True)
    document = Document(file, None)
    try:
        node = yaml.compose(text)
        if node is None:
            raise SpecError([Issue(file, "", "the file is empty", 1, 1)])
        document.data = _plain(document, yaml.constructor, node, (), ())
    except MarkedYAMLError as error:
        mark = error.problem_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
        raise SpecError([Issue(file, "", f"not YAML: {error.problem or error.context}", line, column)]) from None
    except YAMLError as error:
        raise SpecError([Issue(file, "", f"not YAML: {' '.join(str(error).split())}")]) from None
    except RecursionError:
        raise SpecError([Issue(file, "", "nested too deeply")]) from None
    return document


def _plain(document: Document, constructor: Any, node: Node, place: Place, above: tuple[int, ...]) -> Any:
    """A node as dict, list or scalar, its places noted; keys stay the text they are."""
    from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

    # a value left out has no place of its own: its key's is used
    if node.start_mark.index != node.end_mark.index:
        document.values[place] = _mark(node)
    if id(node) in above:
        document.refuse(place, "an alias that contains itself")
        return None
    above = (*above, id(node))
    if isinstance(node, SequenceNode):
        return [_plain(document, constructor, child, (*place, i), above) for i, child in enumerate(node.value)]
    if isinstance(node, MappingNode):
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, ScalarNode) else str(key_node.value)
            at = (*place, key)
            if key in found:
                first = document.keys[at]
                document.keys[at] = _mark(key_node)
                document.refuse(at, f"duplicate key '{key}', first given in line {first.line}", key=True)
                document.keys[at] = first
                continue
            document.keys[at] = _mark(key_node)
            found[key] = _plain(document, constructor, value_node, at, above)
        return found
    if str(node.tag).endswith((":str", ":timestamp")):
        return node.value
    try:
        return constructor.construct_object(node)
    except ValueError as error:
        document.refuse(place, str(error))
        return None


def _mark(node: Node) -> Mark:
    return Mark(node.start_mark.line + 1, node.start_mark.column + 1)


def _shown(path: str | Path) -> str:
    """A path as a person knows it: relative where it lies below the working directory."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def folder(kind: str) -> Path:
    """Where the built-in files of a kind lie: in the wheel, or at the top of a source checkout."""
    package = Path(__file__).parent
    shipped = package / "data" / KINDS[kind].folder
    return shipped if shipped.is_dir() else package.parent / KINDS[kind].folder


def builtin(kind: str) -> tuple[str, ...]:
    """Names of the built-in files of a kind, sorted."""
    return tuple(sorted(path.stem for path in folder(kind).glob("*.yaml")))


def resolve(kind: str, name: str | Path) -> Path:
    """The file meant by a path or a built-in name; `kind` is ``arch``, ``workload`` or ``mapping``.

    Raises SpecError, one line with the nearest names that exist.
    """
    path = Path(name)
    if path.is_file():
        return path
    text = str(name)
    if text in builtin(kind):
        return folder(kind) / f"{text}.yaml"
    if path.is_dir():
        raise SpecError([Issue(text, "", f"is a directory, not {_article(KINDS[kind].noun)} file")])
    if path.suffix or len(path.parts) > 1:
        beside = sorted(str(p) for p in path.parent.glob("*.y*ml")) if path.parent.is_dir() else []
        close = difflib.get_close_matches(text, beside, n=1) or difflib.get_close_matches(path.stem, builtin(kind), n=1)
        meant = f"; did you mean '{close[0]}'?" if close else ""
        raise SpecError([Issue(text, "", f"no such file{meant}")])
    message = f"neither a file nor a built-in {KINDS[kind].noun}{hint(text, builtin(kind))}"
    raise SpecError([Issue(text, "", message)])


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
