"""Parameters of a YAML file: ``parameters: {rows: 16}``, used as ``$rows`` or ``512 B * $rows``, set from outside."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from accelsim.quantities import short, times
from accelsim.yamlfile import Document, Place, unknown

PARAMETERS = (
    "Names that values below use, as `$rows` or `512 B * $rows`, with what they are unless `--set` says otherwise."
)
NO_PARAMETERS = "there is nothing to set"

_USE = re.compile(r"(?:[^$*]+\*\s*)?\$\w+(?:\s*\*\s*\$\w+)*")
MOST_BITS = 128
"""Of a whole number that stands for something."""
_PROSE = frozenset({"name", "source", "parameters"})


def substitute(document: Document, given: Mapping[str, object] | None = None) -> None:
    """Replace every ``$name`` in the document, in place; `given` values override the file's defaults.

    Notes an error for a name that does not exist, and for a parameter nothing uses: one that changes
    nothing is a mistake.
    """
    if not isinstance(document.data, dict):
        return
    defaults = document.data.get("parameters", {})
    if not isinstance(defaults, dict):
        defaults = {}
    given = given or {}
    for name in given:
        if name not in defaults:
            document.refuse(("parameters", name), unknown("parameter", name, defaults, shown=False))
    values = _Values(document, {name: given.get(name, default) for name, default in defaults.items()})
    for key, value in document.data.items():
        if key not in _PROSE:
            document.data[key] = values.replaced(value, (key,))
    for name in defaults:
        if name not in values.used:
            document.refuse(("parameters", name), f"nothing uses ${name}", key=True)


@dataclass
class _Values:
    """The parameters of one document, and which of them were used."""

    document: Document
    known: Mapping[str, Any]
    used: set[str] = field(default_factory=set)

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
