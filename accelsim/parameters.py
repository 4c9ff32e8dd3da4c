"""Parameters of a YAML file: ``parameters: {rows: 16}``, used as ``$rows`` or ``512 B * $rows``, set from outside."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from accelsim.quantities import short, times
from accelsim.yamlfile import Document, Place, unknown

PARAMETERS = (
    "Names that values below use, as `$rows` or `512 B * $rows`, with what they are unless `--set` says otherwise."
)
NO_PARAMETERS = "there is nothing to set"

_USE = re.compile(r"(?:[^$*]+\*\s*)?\$\w+(?:\s*\*\s*\$\w+)*")
_NAME = re.compile(r"\$(\w+)")
MOST_BITS = 128
"""Of a whole number that stands for something."""
_PROSE = frozenset({"name", "source", "parameters"})


def substitute(document: Document, given: Mapping[str, object] | None = None) -> None:
    """Replace every ``$name`` in the document, in place; `given` values override the file's defaults.

    Notes an error for a name that does not exist, and for a parameter nothing uses: one that changes
    nothing is a mistake.
    """
    values = declared(document, given)
    values.fill()
    values.refuse_unused()


def declared(document: Document, given: Mapping[str, object] | None = None) -> Values:
    """The parameters that a document declares; notes an error for a given one that it does not."""
    defaults = document.data.get("parameters", {}) if isinstance(document.data, dict) else {}
    if not isinstance(defaults, dict):
        defaults = {}
    given = given or {}
    for name in given if isinstance(document.data, dict) else ():
        if name not in defaults:
            document.refuse(("parameters", name), unknown("parameter", name, defaults, shown=False))
    return Values(document, {name: given.get(name, default) for name, default in defaults.items()})


def mentioned(value: Any) -> set[str]:
    """Names of the parameters that text anywhere below a value is written with."""
    if isinstance(value, dict | list):
        return {name for one in (value.values() if isinstance(value, dict) else value) for name in mentioned(one)}
    return set(_NAME.findall(value)) if isinstance(value, str) else set()


@dataclass
class Values:
    """The parameters of one document, and which of them were used."""

    document: Document
    known: Mapping[str, Any]
    used: set[str] = field(default_factory=set)

    def inside(self, own: Mapping[str, Any]) -> Values:
        """These and some more, which hide those of the same name."""
        return Values(self.document, {**self.known, **own})

    def fill(self, but: Collection[str] = ()) -> None:
        """Replace every ``$name`` in the document, in place, but below some of its keys."""
        for key, value in self.document.data.items() if isinstance(self.document.data, dict) else ():
            if key not in _PROSE and key not in but:
                self.document.data[key] = self.replaced(value, (key,))

    def refuse_unused(self) -> None:
        """Note an error for every parameter that nothing used."""
        for name in self.known:
            if name not in self.used:
                self.document.refuse(("parameters", name), f"nothing uses ${name}", key=True)

    def replaced(self, value: Any, place: Place) -> Any:
        """The value with every ``$name`` below it replaced."""
        if isinstance(value, dict):
            return {k: self.replaced(v, (*place, k)) for k, v in value.items()}
        if isinstance(value, list):
            return [self.replaced(v, (*place, i)) for i, v in enumerate(value)]
        if not isinstance(value, str) or "$" not in value:
            return value
        if not _USE.fullmatch(value.strip()):
            self.document.refuse(place, f"'{value}': write '$name', or a product such as '512 B * $name'")
            return value
        try:
            return self.product([factor.strip() for factor in value.split("*")])
        except ValueError as error:
            self.document.refuse(place, str(error))
            return value

    def product(self, factors: list[str]) -> Any:
        """The first factor, which may have a unit, times the others, which are whole numbers."""
        found: Any = self.factor(factors[0])
        for text in factors[1:]:
            count = self.factor(text)
            if isinstance(count, bool) or not isinstance(count, int):
                raise ValueError(f"{text} is '{count}'; only a whole number can multiply")
            found = times(found, count)
        return found

    def factor(self, text: str) -> Any:
        """What one factor stands for."""
        if not text.startswith("$"):
            return text
        name = text[1:]
        self.used.add(name)
        if name not in self.known:
            raise ValueError(unknown("parameter", name, self.known))
        value = self.known[name]
        if isinstance(value, int) and value.bit_length() > MOST_BITS:
            raise ValueError(f"${name} is {short(value)}; nothing here is that large")
        return value
