"""Changes to a machine by paths into its file: ``clock``, ``pe.pipeline``, ``levels.GLB.capacity``.

Two have short names: ``glb``, a level's in small letters, is its capacity, ``pes`` the rows and columns of the array.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from accelsim.architecture.model import Architecture
from accelsim.architecture.spec import ArchitectureSpec
from accelsim.errors import Issue
from accelsim.workload.problem import TENSORS
from accelsim.yamlfile import Document, Place, hint, parse, unknown

KEYS = tuple(field.alias or name for name, field in ArchitectureSpec.model_fields.items())
"""What stands at the top of a machine's file."""
PES = "pes"
"""Short for the rows and columns of the array."""
SET = "set"
"""What the place of an error names instead of a file, where a change is wrong."""
_WORDS = ("true", "false", "null", "~")


@dataclass
class Edited(Document):
    """A document with changes; what is wrong at or below one is reported as it was typed. changed : place, path."""

    changed: dict[Place, str] = field(default_factory=dict)

    def refuse(self, place: Place, message: str, *, key: bool = False) -> None:
        """Note an error."""
        for length in range(len(place), 0, -1):
            typed = self.changed.get(place[:length])
            if typed is not None:
                rest = "".join(f".{step}" for step in place[length:])
                self.issues.append(Issue(SET, f"{typed}{rest}", message))
                return
        super().refuse(place, message, key=key)


def is_path(name: str, declared: Mapping[str, object] | tuple[str, ...] = ()) -> bool:
    """Whether a name that is set means a key of a machine's file, not one of the parameters it declares."""
    return name not in declared and (name.partition(".")[0] in KEYS)


def edited(document: Document, given: Mapping[str, object]) -> tuple[Document, dict[str, object]]:
    """The document with what paths name set, and the values of parameters among what was given."""
    data = document.data if isinstance(document.data, dict) else {}
    parameters = data.get("parameters")
    declared = parameters if isinstance(parameters, dict) else {}
    values = _spelled_out(document, declared, {name: _meant(value) for name, value in given.items()})
    if document.issues:
        return document, values
    paths = {name: value for name, value in values.items() if name not in declared and (is_path(name) or "." in name)}
    rest = {name: value for name, value in values.items() if name not in paths}
    if not paths or not data:
        return document, rest
    new = Edited(document.file, deepcopy(data), document.keys, document.values, document.issues)
    before = _uses(new.data)
    for path, value in paths.items():
        _set(new, path, value)
    # a parameter whose every use has been written over is no mistake, unless it is set too
    gone = before - _uses(new.data) - set(rest)
    if gone:
        new.data["parameters"] = {name: value for name, value in declared.items() if name not in gone}
    return new, rest


def is_short(name: str, data: object) -> bool:
    """Whether a name is short for something of a machine's file, where the file declares no parameter of that name."""
    return isinstance(data, dict) and (name == PES or name in _levels(data))


def _levels(data: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The levels of a machine's file by their names in small letters, but for names that are not one level's then."""
    levels = data.get("levels")
    listed = [one for one in levels if isinstance(one, dict)] if isinstance(levels, list) else []
    small = [str(one.get("name", "")).lower() for one in listed]
    return {name: one for name, one in zip(small, listed, strict=True) if small.count(name) == 1 and name}


def _spelled_out(document: Document, declared: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Changes with their short names as paths. Notes an error for one that could mean several things."""
    data = document.data if isinstance(document.data, dict) else {}
    found: dict[str, Any] = {}
    for name, value in values.items():
        if name in declared or is_path(name) or not is_short(name, data):
            found[name] = value
        elif name == PES:
            arrays = [str(one["name"]) for one in _levels(data).values() if isinstance(one.get("array"), dict)]
            pair = list(value) if isinstance(value, list | tuple) else []
            if len(arrays) != 1:
                several = ", ".join(f"levels.{one}.array.size" for one in arrays) or "there is none"
                document.issues.append(Issue(SET, name, f"is short for the only array's size ({several})"))
            elif len(pair) != 2:
                text = f"should be rows and columns, such as [8, 8], got '{value}'"
                document.issues.append(Issue(SET, name, text))
            else:
                found[f"levels.{arrays[0]}.array.size"] = {"y": pair[0], "x": pair[1]}
        else:
            level = _levels(data)[name]
            parts = level.get("capacity")
            if not isinstance(parts, dict) or isinstance(value, dict):
                found[f"levels.{level['name']}.capacity"] = value
            elif len(parts) == 1:
                found[f"levels.{level['name']}.capacity"] = dict.fromkeys(parts, value)
            else:
                each = ", ".join(f"levels.{level['name']}.capacity.{part}" for part in parts)
                document.issues.append(Issue(SET, name, f"its capacity is in parts; set one of them ({each})"))
    return found


def with_changes(machine: Architecture, changes: Mapping[str, object]) -> Architecture:
    """The machine whose file says this too: paths into the file, or parameters that it declares."""
    from accelsim.architecture.document import document_of, source_of
    from accelsim.architecture.yaml import architecture_of

    source = source_of(machine)
    data = document_of(machine) if source is None else source
    return architecture_of(Document(machine.name, deepcopy(data)), changes)


def _meant(value: object) -> object:
    """Text of a list, a mapping, a truth or nothing as what it says."""
    if isinstance(value, str) and (value.strip().startswith(("[", "{")) or value.strip() in _WORDS):
        return parse(value, SET).data
    return value


def _uses(data: Mapping[str, Any]) -> set[str]:
    """Parameters that are used in a document."""
    used: set[str] = set()
    below: list[Any] = [value for key, value in data.items() if key not in ("parameters", "name", "source")]
    while below:
        value = below.pop()
        if isinstance(value, str):
            used |= set(re.findall(r"\$(\w+)", value))
        else:
            below += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return used


def _set(document: Edited, path: str, value: object) -> None:
    """Put a value at a path; keys on the way that are not there yet are made. Notes an error for one with no place."""
    steps = path.split(".")
    if steps[0] not in KEYS:
        document.issues.append(Issue(SET, path, unknown("key", steps[0], KEYS)))
        return
    here: Any = document.data
    place: Place = ()
    anchor = False
    for index, step in enumerate(steps):
        typed, last = ".".join(steps[: index + 1]), index == len(steps) - 1
        key: str | int = step
        if isinstance(here, list):
            found = _entry(here, step)
            if found is None:
                names = [str(e["name"]) if isinstance(e, dict) and "name" in e else i for i, e in enumerate(here)]
                document.issues.append(Issue(SET, path, f"no level '{step}'{hint(step, names)}"))
                return
            key = found
        elif not isinstance(here, dict):
            above = ".".join(steps[:index])
            document.issues.append(Issue(SET, path, f"{above} is '{here}', which has no '{step}'; set it whole"))
            return
        place = (*place, key)
        if not anchor and (last or (isinstance(here, dict) and key not in here)):
            document.changed[place] = typed
            anchor = True
        if last:
            here[key] = value
        else:
            below = _opened(here.get(key) if isinstance(here, dict) else here[key], step, here)
            here[key] = below
            here = below


def _entry(entries: list[Any], step: str) -> int | None:
    """The place in a list that a name, or a number, means."""
    for index, entry in enumerate(entries):
        if isinstance(entry, dict) and entry.get("name") == step:
            return index
    return int(step) if step.isascii() and step.isdigit() and len(step) < 6 and int(step) < len(entries) else None


def _opened(value: Any, key: str, above: Any) -> Any:
    """What stands at a key, as something that has keys of its own: one value for all tensors is one for each."""
    if value is None or (key == "dram" and value == "none"):
        return {}
    if isinstance(value, str) and key == "dram":
        return {"preset": value}
    if key in ("word", "buffer") and not isinstance(value, dict):
        kept = above.get("keeps", TENSORS) if key == "buffer" and isinstance(above, dict) else TENSORS
        return {str(tensor): value for tensor in (kept if isinstance(kept, list | tuple) else ())}
    return value
