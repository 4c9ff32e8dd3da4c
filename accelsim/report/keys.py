"""The page of every key of every kind of file, out of the same JSON Schemas that editors read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from accelsim.specs import PARAMETER, QUANTITY, REFUSED, json_schema, spelled
from accelsim.yamlfile import KINDS

Schema = dict[str, Any]

INTRO = """# The keys of every kind of file

`accelsim schema --markdown` writes this page, out of what `accelsim schema KIND` gives an editor; a test keeps it true.
Any value of a machine or a workload, but its name and source, may be a parameter: `$rows`, or `512 B * $rows`.
A unit is always written: `64 b`, never `64`. *b* is bits, *B* bytes; k, M, G are powers of 1000, Ki, Mi, Gi of 1024.
"""
HEAD = "| Key | What it is | Value | Unit | Default | If left out |\n|---|---|---|---|---|---|"


def page(kinds: Iterable[str]) -> str:
    """The Markdown of these kinds of files."""
    return "\n".join([INTRO, *("\n".join(_Kind(kind, json_schema(kind)).lines()) for kind in kinds)])


@dataclass
class _Kind:
    """One kind of file, and the tables it has so far: where in a file each model stands."""

    name: str
    schema: Schema
    places: dict[str, list[str]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def lines(self) -> Iterator[str]:
        """Its part of the page."""
        noun = KINDS[self.name].noun
        yield f"## {noun[0].upper()}{noun[1:]} files (`accelsim schema {self.name}`)\n"
        yield f"{_prose(self.schema['description'])}\n"
        if "properties" in self.schema:
            yield from self.table(self.schema["properties"])
        self.walk(self.schema, "")
        models = {name: self.schema["$defs"][name] for name in self.places}
        ops = [model["properties"] for model in models.values() if _op(model)]
        shared = {key: ops[0][key] for key in ops[0] if all(op.get(key) == ops[0][key] for op in ops)} if ops else {}
        told = False
        for name, model in models.items():
            own, heading = model["properties"], ", ".join(f"`{place}`" for place in self.places[name])
            if _op(model):
                if not told:
                    yield f"### {heading}\n\nWhat all of them may say, whatever their `op`.\n"
                    yield from self.table(shared)
                told, heading = True, f"`op: {_op(model)}`"
                own = {key: schema for key, schema in own.items() if key not in ("op", *shared)}
            yield f"### {heading}\n"
            yield f"{_prose(model['description'])}\n"
            yield from self.table(own)
        if self.names:
            yield "### Names\n"
            yield from (f"- {choices}: {text}" for choices, text in self.names.items())
            yield ""

    def walk(self, schema: Schema, place: str) -> None:
        """Note every model below a place, those right below it first."""
        for key, below in schema.get("properties", {}).items():
            self.visit(below, f"{place}.{key}" if place else key)
        if "properties" not in schema:
            self.visit(schema, place)

    def visit(self, schema: Schema, place: str) -> None:
        """Note the model that stands at a place, or all that may, before those below them."""
        forms = tuple(_forms(schema))
        for form in forms:
            name = form.get("$ref", "").rpartition("/")[2]
            if "properties" in self.schema["$defs"].get(name, {}) and place not in self.places.get(name, ()):
                self.places.setdefault(name, []).append(place)
        for form in forms:
            self.below(form, place)

    def below(self, form: Schema, place: str) -> None:
        """Note what stands below one form of a value."""
        if "$ref" in form:
            model = self.schema["$defs"][form["$ref"].rpartition("/")[2]]
            if "properties" in model:
                self.walk(model, place)
        if isinstance(form.get("items"), dict):
            self.visit(form["items"], f"{place}[]")
        if isinstance(form.get("additionalProperties"), dict):
            self.visit(form["additionalProperties"], f"{place}.{_names(form)}".removeprefix("."))

    def table(self, keys: Schema) -> Iterator[str]:
        """A row for each key."""
        if not keys:
            return
        yield HEAD
        for key, schema in keys.items():
            default, left_out = schema.get("default"), schema["if_left_out"]
            if left_out == REFUSED:
                default, left_out = "required", "an error"
            elif default in (None, "", [], {}) or isinstance(default, dict):
                default = "-"
            else:
                default = f"`{spelled(default)}`"
                left_out = left_out.removeprefix(default).removeprefix(": ") or "the default"
            cells = (f"`{key}`", schema["description"], self.value(schema), schema["unit"], default, left_out)
            yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
        yield ""

    def value(self, schema: Schema) -> str:
        """What may stand after a key, in words."""
        examples = ", ".join(f"`{spelled(example)}`" for example in _examples(schema))
        return f"{self.form(schema)}, such as {examples}" if examples else self.form(schema)

    def form(self, schema: Schema) -> str:
        """The same without examples."""
        forms = list(dict.fromkeys(filter(None, self.forms(schema))))
        return " or ".join(
            "a list of them" if one.removeprefix("list of ") in forms[:at] else one for at, one in enumerate(forms)
        )

    def forms(self, schema: Schema) -> Iterator[str]:
        """Each form it may have; a parameter, which any may be, is none."""
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            found = self.schema["$defs"][name]
            if "properties" in found:
                yield "a mapping"
            else:
                choices = " or ".join(self.forms(found))
                self.names.setdefault(choices, _prose(found["description"]))
                yield choices
        elif "anyOf" in schema or "oneOf" in schema:
            for one in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
                yield from self.forms(one)
        elif "const" in schema:
            yield f"`{schema['const']}`"
        elif "enum" in schema:
            yield ", ".join(f"`{one}`" for one in schema["enum"] if one != "$parameter")
        elif schema.get("pattern") != PARAMETER or schema["type"] != "string":
            yield self.of_type(schema)

    def of_type(self, schema: Schema) -> str:
        """The form that a JSON type is."""
        if schema.get("format") == QUANTITY:
            return "number with unit" if schema["type"] == "string" else "number, or one with unit"
        kinds = schema.get("type", "any")
        first = kinds if isinstance(kinds, str) else kinds[0]
        if first == "array":
            return f"list of {self.form(schema['items'])}".replace("of a mapping", "of mappings")
        if first == "object":
            if "properties" in schema:
                form = f"`{{{', '.join(schema['properties'])}}}`"
                self.names.setdefault(form, schema["description"])
                return form
            inner = schema.get("additionalProperties")
            self.form(schema.get("propertyNames", {}))
            return f"by {_names(schema)}: {self.form(inner) if isinstance(inner, dict) else 'anything'}"
        if first in ("integer", "number"):
            low, high = schema.get("minimum"), schema.get("maximum")
            what = "whole number" if first == "integer" else "number"
            return what + (f", {low} to {high}" if high is not None else f", at least {low}" if low is not None else "")
        words = {"boolean": "`true` or `false`", "string": "text"}
        return words.get(first, "")


def _forms(schema: Schema) -> Iterator[Schema]:
    """A schema and all that it may be instead."""
    yield schema
    for one in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from _forms(one)


def _op(model: Schema) -> str:
    """Ops of a layer's model: models that stand in one place are told apart by them."""
    op = model["properties"].get("op", {})
    names = [op["const"]] if "const" in op else _enum(op) or [op.get("default", "")]
    return "`, `".join(names)


def _enum(schema: Schema) -> list[str]:
    """The names it allows."""
    return schema.get("enum") or [name for one in schema.get("anyOf", ()) for name in _enum(one)]


def _names(schema: Schema) -> str:
    """What the keys of a table stand for."""
    inner = schema.get("propertyNames", {})
    named = schema.get("names") or inner.get("$ref", "").rpartition("/")[2].upper()
    return str(named or "|".join(_enum(inner)) or "NAME")


def _examples(schema: Schema) -> list[Any]:
    for one in (schema, *schema.get("anyOf", ())):
        if one.get("examples"):
            return list(one["examples"])
    return []


def _prose(text: str) -> str:
    return " ".join(text.split())
