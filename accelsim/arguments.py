"""What a caller may write for an argument, read once: one name or several, text or values; else one clear line."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from math import inf
from pathlib import Path
from typing import Any

from accelsim.errors import AccelsimError, MappingError, nearest
from accelsim.mapping.mapping import LoopNest
from accelsim.onnx.graph.read import is_onnx
from accelsim.quantities import BOUNDS, bounded, short
from accelsim.search.bound import bounds_of
from accelsim.search.proof import Proof
from accelsim.workload.network import Network
from accelsim.yamlfile import Document, bare

Nest = LoopNest | str | Mapping[str, Any]
"""A nest, its text, or the mapping of levels that YAML has for it."""


def seconds(what: str, value: object) -> float | None:
    """A time above 0, or none."""
    if value is None:
        return None
    try:
        found = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        found = 0.0
    if isinstance(value, bool) or not 0 < found < inf:
        raise AccelsimError(f"{what} is {short(value)}; it must be a number of seconds above 0")
    return found


def flag(what: str, value: object) -> bool:
    """True or false."""
    value = _plain(value)
    if not isinstance(value, bool):
        raise AccelsimError(f"{what} is {short(value)}; it must be true or false")
    return value


def proof(budget: object, exact: object, imperfect: object, constraints: object, bound: object = None) -> Proof:
    """What a search is to prove; constraints : a file, what is in it, or that as it was read; bound : of objectives."""
    wanted = None
    if constraints is not None:
        from accelsim.search.optimum.wanted import Wanted, constraints_of, load_constraints

        if isinstance(constraints, Wanted):
            wanted = constraints
        elif isinstance(constraints, str | Path):
            wanted = load_constraints(constraints)
        elif isinstance(constraints, Mapping):
            wanted = constraints_of(Document("constraints", bare(constraints)))
        else:
            raise AccelsimError(f"constraints: wanted a file or what is in it, got {_kind(constraints)}")
    return Proof(
        seconds("budget", budget), flag("exact", exact), flag("imperfect", imperfect), wanted, bounds_of(bound)
    )  # fmt: skip


def whole(what: str, value: object, least: int) -> int:
    """A whole number, as such or as text."""
    try:
        if isinstance(value, bool):
            raise TypeError
        found = int(value) if isinstance(value, str) else operator.index(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        shown = f"'{short(value)}'" if isinstance(value, str) else short(value)
        raise AccelsimError(f"{what} is {shown}; it must be a whole number") from None
    if found < least:
        raise AccelsimError(f"{what} is {short(found)}; it must be at least {least}")
    if f"a {what}" in BOUNDS:
        try:
            bounded(f"a {what}", found)
        except ValueError as error:
            raise AccelsimError(str(error)) from None
    return found


def names(what: str, value: object) -> list[str]:
    """Names in a list, or in text with commas between them."""
    found = [name for name in value.split(",") if name.strip()] if isinstance(value, str) else value
    if not isinstance(found, Iterable) or isinstance(found, Mapping):
        raise AccelsimError(f"{what}: wanted a name or a list of names, got {_kind(value)}")
    listed = [name.strip() if isinstance(name, str) else name for name in found]
    for name in listed:
        if not isinstance(name, str):
            raise AccelsimError(f"{what}: wanted names, got {_kind(name)}")
    return listed


def settings(what: str, value: object) -> dict[str, Any]:
    """A mapping, or ``KEY=VALUE`` in a list or with commas between them; a key given twice is refused."""
    if value is None or isinstance(value, Mapping):
        return {_text(what, str(key)): _text(what, _plain(given)) for key, given in (value or {}).items()}
    found: dict[str, Any] = {}
    for setting in names(what, value):
        _text(what, setting)
        key, equals, text = (part.strip() for part in setting.partition("="))
        if not equals or not key:
            raise AccelsimError(f"{what} {setting}: write KEY=VALUE")
        if key in found:
            raise AccelsimError(f"{what} {setting}: {key} is given twice, as {found[key]} too")
        found[key] = _value(text)
    return found


def _text(what: str, value: Any) -> Any:
    """What is given, unless it is a text that cannot be written: one from bytes that are no UTF-8."""
    try:
        str(value).encode()
    except UnicodeEncodeError:
        raise AccelsimError(f"{what} {value!a}: not UTF-8") from None
    return value


def mappings(value: str | Path | Mapping[str, Nest] | None, network: Network) -> dict[str, LoopNest]:
    """Nests by layer name; a name the network does not have is refused."""
    from accelsim.mapping.yaml import load_mappings

    if value is None:
        return {}
    if isinstance(value, str | Path):
        found = load_mappings(value)
    elif isinstance(value, Mapping):
        found = {name: _nest(str(name), nest) for name, nest in value.items()}
    else:
        raise AccelsimError(f"mapping: wanted a name, a file or nests by layer name, got {_kind(value)}")
    known = [layer.name for layer in network.layers]
    for name in found:
        if name not in known:
            raise MappingError(f"mapping: workload '{network.name}' has no layer '{name}'{nearest(name, known)}")
    return found


def _nest(layer: str, value: object) -> LoopNest:
    from accelsim.mapping.yaml import mappings_of

    if isinstance(value, LoopNest):
        return value
    if isinstance(value, str):
        try:
            return LoopNest.parse(value)
        except MappingError as error:
            raise MappingError(f"mapping: {layer}: {error}") from None
    if isinstance(value, Mapping):
        return mappings_of(Document("mapping", {layer: dict(value)}))[layer]
    raise AccelsimError(f"mapping: {layer}: wanted a nest, its text or its levels, got {_kind(value)}")


WEIGHTS = "weights"
"""Operands that are the weights of the workload itself."""


def data(value: str | Path | None, workload: object) -> str | Path | None:
    """Where operands are: of 'weights', the graph that is the workload."""
    if value != WEIGHTS:
        return value
    if not (isinstance(workload, str | Path) and is_onnx(workload)):
        raise AccelsimError("data: 'weights' are those of an ONNX file, and the workload is none")
    return workload


def known(what: str, name: object, allowed: Iterable[str]) -> str:
    """A name that is one of those allowed."""
    allowed = tuple(allowed)
    if name not in allowed:
        raise AccelsimError(f"unknown {what} '{name}'{nearest(str(name), allowed)}")
    return str(name)


def one_of(what: str, value: object, kinds: tuple[type, ...]) -> None:
    """Refuse what is neither a name, nor a file, nor of these types."""
    if not isinstance(value, (str, Path, *kinds)):
        raise AccelsimError(f"{what}: wanted a name, a file or {_article(kinds[0].__name__)}, got {_kind(value)}")


def _plain(value: object) -> object:
    """A value as a file could hold it: numpy's numbers become Python's, what is no number or text its text."""
    if value is None or isinstance(value, bool | int | float | str | list | dict):
        return value
    item = getattr(value, "item", None)
    return item() if callable(item) and getattr(value, "ndim", 1) == 0 else str(value)


def _kind(value: object) -> str:
    return "nothing" if value is None else _article(type(value).__name__)


def _article(name: str) -> str:
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def _value(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            found = kind(text)
        except ValueError:
            continue
        # what is no number, and what does not fit one, stays the text it is
        return found if abs(found) < float("inf") else text
    return text
