"""What the pydantic models of the YAML files share: a strict base, field types, and errors a person can act on."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from fractions import Fraction
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainValidator,
    RootModel,
    Tag,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from accelsim import quantities
from accelsim.quantities import Quantity
from accelsim.yamlfile import Document, Place, unknown

Choice = TypeVar("Choice", bound=StrEnum)
Model = TypeVar("Model", bound=BaseModel)


class Spec(BaseModel):
    """Base of every model: unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def pick(noun: str, choices: type[Choice]) -> Callable[[object], Choice]:
    """A validator for one of a few names; the error gives the nearest."""

    def read(value: object) -> Choice:
        try:
            return choices(str(value))
        except ValueError:
            raise PydanticCustomError("unknown_name", "unknown", {"noun": noun, "allowed": list(choices)}) from None

    return read


def whole(least: int) -> Callable[[object], int]:
    """A validator for an int that is at least `least`; neither true nor "3" nor 3.5 is one."""

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"should be a whole number, got {_text(value)}")
        if value < least:
            raise ValueError(f"must be at least {least}, got {value}")
        return value

    return read


def pair(least: int) -> Callable[[object], tuple[int, int]]:
    """A validator for one int, meant for both axes, or a list of two: rows, columns."""

    def read(value: object) -> tuple[int, int]:
        rows, columns = value if isinstance(value, list | tuple) and len(value) == 2 else (value, value)
        return whole(least)(rows), whole(least)(columns)

    return read


def listed(value: object) -> object:
    """A validator that lets one name stand for a list of one."""
    return [value] if isinstance(value, str) else value


def _schema(kind: str | list[str], text: str, *examples: object) -> WithJsonSchema:
    return WithJsonSchema({"type": kind, "description": text, "examples": list(examples)})


_PAIR = {"anyOf": [{"type": ["integer", "string"]}, {"type": "array", "minItems": 2, "maxItems": 2}]}

Count = Annotated[int, PlainValidator(whole(1)), _schema(["integer", "string"], "at least 1, or $parameter", 16)]
Natural = Annotated[int, PlainValidator(whole(0)), _schema(["integer", "string"], "at least 0, or $parameter", 3)]
Pair = Annotated[tuple[int, int], PlainValidator(pair(1)), WithJsonSchema(_PAIR)]
PadPair = Annotated[tuple[int, int], PlainValidator(pair(0)), WithJsonSchema(_PAIR)]
Names = Annotated[tuple[str, ...], BeforeValidator(listed, json_schema_input_type=str | list[str])]
Size = Annotated[Quantity, PlainValidator(quantities.size), _schema("string", "bits or words", "108 KiB", "24 words")]
Word = Annotated[int, PlainValidator(quantities.word), _schema("string", "width of a word", "16 b")]
Frequency = Annotated[Fraction, PlainValidator(quantities.frequency), _schema("string", "a clock", "200 MHz")]
Duration = Annotated[
    Quantity, PlainValidator(quantities.duration), _schema(["integer", "string"], "cycles or time", 5, "20 ns")
]


def validate(document: Document, model: type[Model]) -> Model:
    """The document as a pydantic model; raises SpecError with every error found, those noted before among them."""
    known = {issue.field for issue in document.issues}
    try:
        found = model.model_validate(document.data)
    except ValidationError as error:
        for place, message, key in explain(error, model, document.data):
            if ".".join(map(str, place)) not in known:
                document.refuse(place, message, key=key)
    document.check()
    return found


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
    if kind == "string_pattern_mismatch":
        return f"'{found['input']}' is no name here: letters, digits and _, a letter first"
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
    return str(value).lower() if isinstance(value, bool) else f"'{value}'"


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
