"""Every default that was taken: keys that files leave out, and what holds without them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

from accelsim.report.text import visible
from accelsim.specs import REFUSED, json_schema
from accelsim.workload.problem import TENSORS, Width

Data = Mapping[str, Any]
FEW = 3
"""Layers that are named; of more, how many they are."""
OF_FILE, OF_LAYER, OF_PROBLEM = ("batch", "padding", "bits"), ("repeat", "added", "bias"), ("stride", "dilation", "pad")
"""Keys of a network's file, of its layers, and of those that slide a window over a plane."""


class Default(NamedTuple):
    """A key of a network, what holds as it is at its default, and in which layers."""

    key: str
    value: str
    layers: str


@cache
def _schema(kind: str) -> Data:
    """Made once: every result of a page asks for it, and none changes it."""
    return json_schema(kind)


def defaults(kind: str, data: Data) -> Iterator[tuple[str, str]]:
    """(key, what holds) of all that a file of this kind may say and does not, as its JSON Schema has it."""
    schema = _schema(kind)
    yield from _missing(schema, schema["$defs"], data, "")


def _missing(schema: Data, models: Data, data: Any, place: str) -> Iterator[tuple[str, str]]:
    for form in _forms(schema, models):
        keys = form.get("properties")
        if isinstance(data, Mapping) and keys and set(data) <= set(keys):
            for key, below in keys.items():
                path = f"{place}.{key}".removeprefix(".")
                if key in data:
                    yield from _missing(below, models, data[key], path)
                elif below.get("if_left_out") not in (None, "", REFUSED):
                    yield path, below["if_left_out"].replace("`", "")
            return
        if isinstance(data, Mapping) and isinstance(form.get("additionalProperties"), Mapping):
            for key, value in data.items():
                yield from _missing(form["additionalProperties"], models, value, f"{place}.{key}")
            return
        if isinstance(data, list) and isinstance(form.get("items"), Mapping):
            for index, value in enumerate(data):
                name = value.get("name", index) if isinstance(value, Mapping) else index
                yield from _missing(form["items"], models, value, f"{place}.{name}")
            return


def _forms(schema: Data, models: Data) -> Iterator[Data]:
    """All that a value may be, names looked up."""
    if "$ref" in schema:
        yield from _forms(models[schema["$ref"].rpartition("/")[2]], models)
    else:
        yield schema
        for one in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
            yield from _forms(one, models)


def of_network(data: Data) -> Iterator[Default]:
    """Every key of a network that is at its default, as a workload file has them; alike ones of layers together.

    data : of a network, resolved (`workload.document`). A key that a file gives the value it has anyway is one, too.
    """
    schema = _schema("workload")
    for key in OF_FILE:
        if data.get(key) in (None, {}):
            yield Default(key, _said(schema["properties"][key]), "")
    models = {str(each["properties"]["op"].get("const")): each for each in schema["$defs"].values() if _has_op(each)}
    density = schema["$defs"]["DensitySpec"]["properties"]
    every = [layer for layer in data["layers"] if "problem" in layer]
    found: dict[tuple[str, str], list[str]] = {}
    for layer in every:
        # what is no op of a file, such as a gradient, is laid down as a problem
        keys = models.get(layer["op"], schema["$defs"]["Explicit"])["properties"]
        for key, value in _of_layer(layer, keys, density):
            found.setdefault((key, value), []).append(layer["name"])
    for (key, value), names in found.items():
        if len(names) == len(every):
            where = "all" if len(every) > 1 else visible(names[0])
        else:
            where = ", ".join(map(visible, names)) if len(names) <= FEW else f"{len(names)} of {len(every)}"
        yield Default(f"layers.{key}", value, where)


def _has_op(model: Data) -> bool:
    return "const" in model.get("properties", {}).get("op", {})


def _of_layer(layer: Data, keys: Data, density: Data) -> Iterator[tuple[str, str]]:
    """(key, what holds) of what a layer with a problem is at the default of."""
    for key in (*OF_LAYER, *OF_PROBLEM):
        if key in keys and key not in layer and key not in layer["problem"]:
            yield key, _said(keys[key])
    if "groups" in keys and layer["problem"]["sizes"][1] == 1:
        yield "groups", _said(keys["groups"])
    for tensor in (each.value for each in TENSORS[:2]):
        own = layer.get("density", {}).get(tensor)
        if not own:
            yield f"density.{tensor}", "no word is zero"
        else:
            yield from (
                (f"density.{tensor}.{key}", _said(density[key])) for key in ("pattern", "block") if not own.get(key)
            )
    for width in Width:
        if width.value not in layer.get("bits", {}):
            yield f"bits.{width.value}", "the workload's, else the machine's"


def _said(schema: Data) -> str:
    told: str = schema["if_left_out"].replace("`", "")
    return told
