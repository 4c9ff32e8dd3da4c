"""JSON Schema, as far as the schemas of this package go: what an editor would say of a document."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "null": type(None),
}
SAID = {"title", "description", "default", "examples", "unit", "if_left_out", "names", "format", "$defs", "$schema"}


def errors(schema: Any, value: Any, root: Any = None, place: str = "") -> Iterator[str]:
    """What is wrong with a value; a keyword this knows nothing of is an error of its own."""
    root = root or schema
    for word, rule in schema.items():
        if word not in SAID:
            yield from (f"{place}: {text}" for text in _check(word, rule, schema, value, root, place))


def _check(word: str, rule: Any, schema: Any, value: Any, root: Any, place: str) -> Iterator[str]:
    match word:
        case "$ref":
            yield from errors(root["$defs"][rule.rpartition("/")[2]], value, root, place)
        case "type":
            kinds = [rule] if isinstance(rule, str) else rule
            wrong = isinstance(value, bool) and "boolean" not in kinds
            if wrong or not any(isinstance(value, TYPES[kind]) for kind in kinds):
                yield f"{value!r} is no {' or '.join(kinds)}"
        case "anyOf" | "oneOf":
            found = [list(errors(one, value, root, place)) for one in rule]
            fits = sum(not one for one in found)
            if not fits or (word == "oneOf" and fits > 1):
                yield f"{fits} of {len(rule)} forms fit {value!r}: {found}"
        case "enum":
            if value not in rule:
                yield f"{value!r} is none of {rule}"
        case "const":
            if value != rule:
                yield f"{value!r} is not {rule!r}"
        case "pattern":
            if isinstance(value, str) and not re.search(rule, value):
                yield f"{value!r} does not match {rule}"
        case "minimum" | "maximum":
            if isinstance(value, int | float) and (value < rule if word == "minimum" else value > rule):
                yield f"{value} is beyond the {word} {rule}"
        case "minLength" | "minItems" | "minProperties":
            if isinstance(value, str | list | dict) and len(value) < rule:
                yield f"{value!r} is too short"
        case "maxLength" | "maxItems":
            if isinstance(value, str | list) and len(value) > rule:
                yield f"{value!r} is too long"
        case "required":
            yield from (f"lacks {key}" for key in rule if isinstance(value, dict) and key not in value)
        case "properties":
            for key in rule.keys() & value.keys() if isinstance(value, dict) else ():
                yield from errors(rule[key], value[key], root, f"{place}.{key}")
        case "additionalProperties":
            for key in value.keys() - schema.get("properties", {}).keys() if isinstance(value, dict) else ():
                if rule is False:
                    yield f"unknown key {key}"
                elif rule is not True:
                    yield from errors(rule, value[key], root, f"{place}.{key}")
        case "propertyNames":
            for key in value if isinstance(value, dict) else ():
                yield from errors(rule, key, root, f"{place}.{key}")
        case "items":
            for index, one in enumerate(value if isinstance(value, list) else ()):
                yield from errors(rule, one, root, f"{place}.{index}")
        case _:
            yield f"the schema says {word}, which nothing here checks"
