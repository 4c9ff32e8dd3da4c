"""What the pydantic models of the YAML files share: a strict base, field types, and errors a person can act on."""

from __future__ import annotations

import importlib
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from fractions import Fraction
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    RootModel,
    Tag,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from accelsim import quantities
from accelsim.errors import MOST_NAME, Issue, SpecError, unshowable
from accelsim.quantities import Quantity
from accelsim.yamlfile import KINDS, Document, Place, unknown

Choice = TypeVar("Choice", bound=StrEnum)
Model = TypeVar("Model", bound=BaseModel)


class Spec(BaseModel):
    """Base of every model: unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


PARAMETER = r"\$\w"
"""Text that a parameter is in: ``$rows``, ``2 * $rows``."""
QUANTITY = "quantity"
"""The format of text that is a number and its unit."""
REFUSED = "an error: it has to be given"


def key(text: str, default: Any = ..., left_out: str = "", unit: str = "", **more: Any) -> Any:
    """A field, with the words that the JSON Schema and docs/keys.md have of it; without a default it has to be given.

    left_out : what a file without the key means; of a default that says it all, nothing. unit : by default its type's.
    more : `names`, what the keys of a table stand for (``LAYER``), and whatever pydantic's Field takes.
    """
    names = more.pop("names", None)
    value = plain(default)
    if default is ...:
        said = REFUSED
    elif value in (None, "", []) or isinstance(value, dict):
        said = left_out
    else:
        said = ": ".join(filter(None, (f"`{spelled(value)}`", left_out)))

    def finish(schema: dict[str, Any]) -> None:
        schema |= {"unit": unit or _unit(schema) or "none", "if_left_out": said}
        for one in (schema, *schema.get("anyOf", ())) if names else ():
            if "additionalProperties" in one:
                one["names"] = names
        if isinstance(default, Fraction):
            schema["default"] = value

    return Field(default, description=text, json_schema_extra=finish, **more)


def json_schema(kind: str) -> dict[str, Any]:
    """The JSON Schema of a kind of file, for editors; where a file may have parameters, any scalar may be one."""
    if kind not in KINDS:
        raise SpecError([Issue(kind, "", unknown("kind of file", kind, KINDS, shown=False))])
    model = getattr(importlib.import_module(KINDS[kind].module), KINDS[kind].model)
    schema = model.model_json_schema()
    if "parameters" in schema.get("properties", {}):
        schema = _or_parameter(schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _or_parameter(schema: Any) -> Any:
    """The same schema, in which a flag or one of a few names may also be text that a parameter is in."""
    if isinstance(schema, list):
        return [_or_parameter(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: value if name == "default" else _or_parameter(value) for name, value in schema.items()}
    if found.get("type") == "boolean" or isinstance(found.get("enum"), list):
        own = {name: found.pop(name) for name in ("type", "enum") if name in found}
        found["anyOf"] = [own, {"type": "string", "pattern": PARAMETER}]
    return found


def plain(value: object) -> Any:
    """A default as JSON has it."""
    if isinstance(value, Fraction):
        return int(value) if value.denominator == 1 else float(value)
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return [plain(one) for one in value] if isinstance(value, list | tuple) else value


def spelled(value: object) -> str:
    """A default as YAML has it."""
    if isinstance(value, list):
        return f"[{', '.join(map(spelled, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _unit(schema: Mapping[str, Any]) -> str | None:
    """The unit that a type names, also where it is one of several or what a table holds."""
    inner = [*schema.get("anyOf", ()), schema.get("additionalProperties"), schema.get("items")]
    found = (_unit(one) for one in inner if isinstance(one, dict))
    return schema.get("unit") or next(filter(None, found), None)


def pick(noun: str, choices: type[Choice]) -> Callable[[object], Choice]:
    """A validator for one of a few names; the error gives the nearest."""

    def read(value: object) -> Choice:
        try:
            return choices(str(value))
        except ValueError:
            raise PydanticCustomError("unknown_name", "unknown", {"noun": noun, "allowed": list(choices)}) from None

    return read


def whole(least: int, what: str = "a whole number") -> Callable[[object], int]:
    """A validator for an int from `least` to what `quantities.BOUNDS` has; neither true nor "3" nor 3.5 is one."""

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"should be a whole number, got {_text(value)}")
        if value < least:
            raise ValueError(f"must be at least {least}, got {quantities.short(value)}")
        quantities.bounded(what, value)
        return value

    return read


def share(value: object) -> Fraction:
    """A validator for a share above 0, of 1 at most: ``0.9``, ``9/10``."""
    try:
        found = Fraction(str(value)) if not isinstance(value, bool) else Fraction(0)
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"should be a share of 1, got {_text(value)}") from None
    if not 0 < found <= 1:
        raise ValueError(f"must be above 0 and at most 1, got {quantities.short(value)}")
    return found


def pair(least: int) -> Callable[[object], tuple[int, int]]:
    """A validator for one int, meant for both axes, or a list of two: rows, columns."""

    def read(value: object) -> tuple[int, int]:
        rows, columns = value if isinstance(value, list | tuple) and len(value) == 2 else (value, value)
        return whole(least)(rows), whole(least)(columns)

    return read


def sizes(axes: int, least: int) -> Callable[[object], tuple[int, ...]]:
    """A validator for one int, meant for every axis, or a list of one for each."""

    def read(value: object) -> tuple[int, ...]:
        found = value if isinstance(value, list | tuple) else [value] * axes
        if len(found) != axes:
            raise ValueError(f"should be one number or a list of {axes}, got a list of {len(found)}")
        return tuple(whole(least)(one) for one in found)

    return read


def pads(axes: int) -> Callable[[object], tuple[int, ...] | str]:
    """A validator for zeros around a plane: as `sizes` gives them, or twice as many, befores then afters; or a name."""

    def read(value: object) -> tuple[int, ...] | str:
        if isinstance(value, str):
            if value not in SAMES:
                raise ValueError(unknown("padding", value, SAMES))
            return value
        if isinstance(value, list | tuple) and len(value) == 2 * axes:
            return tuple(whole(0)(one) for one in value)
        if isinstance(value, list | tuple) and len(value) != axes:
            raise ValueError(f"should be one number or a list of {axes} or {2 * axes}, got a list of {len(value)}")
        return sizes(axes, 0)(value)

    return read


SAMES = ("same", "same-lower")
"""As many zeros as give an output for every `stride` words; an odd one goes after the plane, or before it."""


def listed(value: object) -> object:
    """A validator that lets one name stand for a list of one."""
    return [value] if isinstance(value, str) else value


def name(value: object) -> str:
    """A validator for what is shown and drawn as a name: letters that print, at least one and not more than 200."""
    if not isinstance(value, str):
        raise ValueError(f"should be a name, got {_text(value)}")
    if not value.strip():
        raise ValueError("must not be empty")
    if wrong := unshowable(value):
        raise ValueError(f"a name {wrong}")
    return value


def quantity(unit: str, *examples: object) -> dict[str, Any]:
    """The schema of a number with unit."""
    return {"type": "string", "format": QUANTITY, "unit": unit, "examples": list(examples)}


def number(*examples: object, kind: str = "integer", **bounds: int) -> dict[str, Any]:
    """The schema of a number, by default a whole one, or text that a parameter is in."""
    return {"type": [kind, "string"], **bounds, "pattern": PARAMETER, "examples": list(examples)}


def _pair(least: int) -> WithJsonSchema:
    one = number(minimum=least)
    return WithJsonSchema(
        {"anyOf": [one, {"type": "array", "items": one, "minItems": 2, "maxItems": 2}], "examples": [least + 1, [3, 1]]}
    )


def _several(least: int, *lengths: int, names: Sequence[str] = ()) -> WithJsonSchema:
    """One number, or a list of as many as one of `lengths`; or a name."""
    one = number(minimum=least)
    lists = [{"type": "array", "items": one, "minItems": count, "maxItems": count} for count in lengths]
    said = [{"enum": list(names)}] if names else []
    return WithJsonSchema({"anyOf": [one, *lists, *said], "examples": [least + 1, [3, *[1] * (lengths[0] - 1)]]})


Count = Annotated[int, PlainValidator(whole(1)), WithJsonSchema(number(16, minimum=1))]
Natural = Annotated[int, PlainValidator(whole(0)), WithJsonSchema(number(3, minimum=0))]
_COUNT, _NATURAL = WithJsonSchema(number(16, minimum=1)), WithJsonSchema(number(3, minimum=0))
Axis = Annotated[int, PlainValidator(whole(1, "rows or columns of an array")), _COUNT]
Macs = Annotated[int, PlainValidator(whole(1, "MACs per cycle")), _COUNT]
Pipeline = Annotated[int, PlainValidator(whole(0, "pipeline")), _NATURAL]
Share = Annotated[
    Fraction,
    PlainValidator(share),
    WithJsonSchema(number(0.9, kind="number", minimum=0, maximum=1)),
]
Drift = Annotated[int, PlainValidator(whole(1, "drift")), _COUNT]
Queue = Annotated[int, PlainValidator(whole(1, "queue")), _COUNT]
Part = Annotated[int, PlainValidator(whole(1, "a part of a Cartesian PE")), _COUNT]
Part0 = Annotated[int, PlainValidator(whole(0, "a part of a Cartesian PE")), _NATURAL]
Lanes = Annotated[int, PlainValidator(whole(1, "vector lanes")), _COUNT]
Pair = Annotated[tuple[int, int], PlainValidator(pair(1)), _pair(1)]
PadPair = Annotated[tuple[int, int], PlainValidator(pair(0)), _pair(0)]
Triple = Annotated[tuple[int, int, int], PlainValidator(sizes(3, 1)), _several(1, 3)]
Natural3 = Annotated[tuple[int, int, int], PlainValidator(sizes(3, 0)), _several(0, 3)]
Pads1 = Annotated[tuple[int, ...] | str, PlainValidator(pads(1)), _several(0, 2, names=SAMES)]
Pads2 = Annotated[tuple[int, ...] | str, PlainValidator(pads(2)), _several(0, 2, 4, names=SAMES)]
Pads3 = Annotated[tuple[int, ...] | str, PlainValidator(pads(3)), _several(0, 3, 6, names=SAMES)]
Name = Annotated[
    str,
    PlainValidator(name),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": MOST_NAME}),
]
Names = Annotated[tuple[str, ...], BeforeValidator(listed, json_schema_input_type=str | list[str])]
Size = Annotated[
    Quantity,
    PlainValidator(quantities.capacity),
    WithJsonSchema(quantity(quantities.SIZE.shown, "108 KiB", "24 words")),
]
Word = Annotated[int, PlainValidator(quantities.word), WithJsonSchema(quantity(quantities.WORD.shown, "16 b"))]
Frequency = Annotated[
    Fraction, PlainValidator(quantities.frequency), WithJsonSchema(quantity(quantities.FREQUENCY.shown, "200 MHz"))
]
Duration = Annotated[
    Quantity,
    PlainValidator(quantities.duration),
    WithJsonSchema(
        {"type": ["integer", "string"], "format": QUANTITY, "unit": quantities.DURATION.shown, "examples": [5, "20 ns"]}
    ),
]


def validate(document: Document, model: type[Model]) -> Model:
    """The document as a pydantic model; raises SpecError with every error found, those noted before among them."""
    known = {issue.field for issue in document.issues}
    try:
        found = model.model_validate(document.data)
    except ValidationError as error:
        for place, message, key in explain(error, model, document.data):
            if ".".join(map(str, document.written(place))) not in known:
                document.refuse(place, message, key=key)
    document.check()
    return found


def part(document: Document, place: Place, data: object, model: type[Model]) -> Model | None:
    """A part of a document as a model; None, and every error noted at its place, if it is none."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        for below, message, key in explain(error, model, data):
            document.refuse((*place, *below), message, key=key)
        return None


def explain(error: ValidationError, model: type[BaseModel], data: object) -> Iterator[tuple[Place, str, bool]]:
    """(place, message, whether it is about the key) for everything pydantic found."""
    for found in error.errors(include_url=False):
        kind, loc = found["type"], found["loc"]
        key = kind == "extra_forbidden" or bool(loc and loc[-1] == "[key]")
        place = _place(loc, data, kind == "missing")
        if kind in ("union_tag_invalid", "union_tag_not_found") and isinstance(found["input"], dict):
            place = (*place, "op")
        yield place, _message(found, model, place[-1] if place else "", key), key


def _place(loc: Sequence[str | int], data: object, missing: bool) -> Place:
    """The location pydantic gives, without what is not in the file: union tags and ``[key]``."""
    place: list[str | int] = []
    for index, step in enumerate(loc):
        inside = (isinstance(data, dict) and step in data) or (isinstance(data, list) and isinstance(step, int))
        if inside:
            data = data[step]  # type: ignore[index]
        if inside or (missing and index == len(loc) - 1):
            place.append(step)
    return tuple(place)


def _message(found: Any, model: type[BaseModel], name: str | int, key: bool) -> str:
    kind, context = found["type"], found.get("ctx", {})
    if kind == "missing":
        return "missing"
    if kind == "extra_forbidden":
        return unknown("key", name, _keys(_at(model, found["loc"][:-1])), shown=False)
    if kind == "unknown_name":
        return unknown(context["noun"], found["input"], context["allowed"], shown=not key)
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return _wrong_op(found["input"], context)
    if kind == "value_error":
        return str(context["error"])
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return f"should be a mapping of keys to values, got {_text(found['input'])}"
    if kind in ("list_type", "tuple_type"):
        return f"should be a list, got {_text(found['input'])}"
    if kind in ("too_short", "string_too_short"):
        return "must not be empty"
    return f"{found['msg'].replace('Input should', 'should').replace('valid ', '')}, got {_text(found['input'])}"


def _wrong_op(value: object, context: Any) -> str:
    """Models that are alternatives are told apart by their key `op`."""
    if not isinstance(value, dict):
        return f"should be a mapping of keys to values, got {_text(value)}"
    allowed = [tag.strip(" '") for tag in context.get("expected_tags", "").split(",")]
    return unknown("op", value["op"], allowed) if "op" in value else f"missing ({', '.join(allowed)})"


def _text(value: object) -> str:
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    if value is None:
        return "nothing"
    return str(value).lower() if isinstance(value, bool) else f"'{quantities.short(value)}'"


def _keys(annotation: Any) -> list[str]:
    if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return []
    return [field.alias or name for name, field in annotation.model_fields.items()]


def _at(annotation: Any, loc: Sequence[str | int]) -> Any:
    """The type found by walking a model along pydantic's location."""
    annotation = _bare(annotation)
    for step in loc:
        if isinstance(annotation, type) and issubclass(annotation, RootModel):
            annotation = _bare(annotation.model_fields["root"].annotation)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            fields = {field.alias or name: field for name, field in annotation.model_fields.items()}
            annotation = fields[str(step)].annotation
        elif get_origin(annotation) in (Union, types.UnionType):
            annotation = next((a for a in get_args(annotation) if Tag(str(step)) in get_args(a)[1:]), None)
        elif get_origin(annotation) in (dict, list, tuple):
            annotation = get_args(annotation)[1 if get_origin(annotation) is dict else 0]
        annotation = _bare(annotation)
    return annotation


def _bare(annotation: Any) -> Any:
    """A type without Annotated and without ``| None``."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, types.UnionType):
        real = [a for a in get_args(annotation) if a is not type(None)]
        if len(real) == 1:
            return _bare(real[0])
    return annotation
