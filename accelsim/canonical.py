"""Plain data of any value, and its hash: what tells whether two things are the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from fractions import Fraction
from typing import Any


def canonical(value: Any) -> Any:
    """Plain data that is equal exactly for equal values: of objects, the fields that count when they are compared."""
    if value is None or isinstance(value, bool | int | float | str):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Fraction):
        return f"{value.numerator}/{value.denominator}"
    if isinstance(value, Mapping):
        return sorted(([canonical(key), canonical(one)] for key, one in value.items()), key=json.dumps)
    if isinstance(value, frozenset | set):
        return sorted((canonical(one) for one in value), key=json.dumps)
    if isinstance(value, list | tuple):
        return [canonical(one) for one in value]
    if is_dataclass(value):
        # a field that is left at its class's default today may be new tomorrow: then the sources have changed too
        return [type(value).__name__, *(canonical(getattr(value, f.name)) for f in fields(value) if f.compare)]
    raise TypeError(f"{type(value).__name__} has no canonical form")


def sha256(document: object) -> str:
    """Of plain data: of its JSON, keys sorted, without blanks."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
