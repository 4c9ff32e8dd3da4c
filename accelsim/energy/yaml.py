"""Energy table files: read whole, or every error at once with its place."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema

from accelsim import quantities, yamlfile
from accelsim.energy.curve import Curve
from accelsim.energy.table import UNITS, Component, EnergyTable
from accelsim.errors import AccelsimError
from accelsim.specs import Count, Name, Spec, Word, validate
from accelsim.yamlfile import Document


def _number(value: object) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"should be a number, got '{value}'")
    if not 0 <= value < float("inf"):
        raise ValueError(f"an energy must be finite and at least 0, got {value}")
    return Fraction(str(value))


def _share(value: object) -> Fraction:
    share = _number(value)
    if share > 1:
        raise ValueError(f"a share of a MAC's energy must lie in 0 to 1, got {value}")
    return share


def _unit(value: object) -> str:
    if value not in UNITS:
        raise ValueError(yamlfile.unknown("unit", value, UNITS))
    return str(value)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("should say something")
    return value


def _curve(value: object) -> Curve:
    """One number, or numbers by size: ``{8 KiB: 10, 1 MiB: 100}``, bare sizes in bits: ``{8: 0.2, 32: 3.1}``."""
    if not isinstance(value, dict):
        return Curve.flat(_number(value))
    try:
        return Curve(tuple((_bits(size), _number(energy)) for size, energy in value.items()))
    except AccelsimError as error:
        raise ValueError(str(error)) from None


def _bits(size: str) -> int:
    found = quantities.size(f"{size} b" if size.isdigit() else size)
    if found.unit != "b":
        raise ValueError(f"'{size}': write a size in bits or bytes")
    return int(found.value)


_NUMBER_SCHEMA: dict[str, Any] = {"type": "number", "minimum": 0}
_CURVE_SCHEMA: dict[str, Any] = {"anyOf": [_NUMBER_SCHEMA, {"type": "object", "additionalProperties": _NUMBER_SCHEMA}]}
Number = Annotated[Fraction, PlainValidator(_number), WithJsonSchema(_NUMBER_SCHEMA)]
Share = Annotated[Fraction, PlainValidator(_share), WithJsonSchema({**_NUMBER_SCHEMA, "maximum": 1})]
CurveField = Annotated[Curve, PlainValidator(_curve), WithJsonSchema(_CURVE_SCHEMA)]
Unit = Annotated[str, PlainValidator(_unit), WithJsonSchema({"enum": list(UNITS)})]
Text = Annotated[str, PlainValidator(_text), WithJsonSchema({"type": "string", "minLength": 1})]


class MacSpec(Spec):
    """A MAC: a multiply and an add, each one number or numbers by bits; other widths: `EnergyTable.mac`."""

    multiply: CurveField
    add: CurveField


class NetworkSpec(Spec):
    """A hop of `bits` (default: the table's `word`); `tag`: comparing one tag on a tagged bus."""

    hop: Number
    bits: Count | None = None
    tag: Number = Field(Fraction(0), json_schema_extra={"default": 0})


class ComponentSpec(Spec):
    """A memory: energy per access of `bits` (default: the table's `word`), flat or by capacity of one instance.

    activate : of opening a row, where the memory is a DRAM with banks.
    """

    read: CurveField
    write: CurveField
    bits: Count | None = None
    leakage: Number = Field(Fraction(0), json_schema_extra={"default": 0})
    activate: Number = Field(Fraction(0), json_schema_extra={"default": 0})


def _mac(value: object) -> object:
    return value if isinstance(value, dict) else {"multiply": value, "add": 0}


class EnergySpec(Spec):
    """An energy table. `gated_mac` : share of a MAC's energy that one takes whose zero operand is gated.

    word : the width that every number is for which names none itself.
    vector_op : an operation that is no MAC; without it they are counted, not priced.
    """

    name: Name
    source: Text
    unit: Unit
    word: Word | None = None
    mac: Annotated[
        MacSpec,
        BeforeValidator(_mac),
        WithJsonSchema({"anyOf": [_NUMBER_SCHEMA, {"type": "object", "required": ["multiply", "add"]}]}),
    ]
    gated_mac: Share = Field(Fraction(0), json_schema_extra={"default": 0})
    network: NetworkSpec
    components: dict[str, ComponentSpec]
    note: str = ""
    accounting: str = ""
    vector_op: Annotated[Curve | None, PlainValidator(_curve), WithJsonSchema(_CURVE_SCHEMA)] = None


def read_table(path: str | Path) -> EnergyTable:
    """The table in a file. Raises SpecError with everything wrong in it."""
    return build(yamlfile.read(path))


def build(document: Document) -> EnergyTable:
    """The table in a document."""
    aliases = _aliases(document)
    spec = validate(document, EnergySpec)

    def width(stated: int | None, *place: str) -> int:
        if not (stated or spec.word):
            document.refuse(place, "for words of which width? give its 'bits', or 'word' for the whole table", key=True)
        return stated or spec.word or 1

    def by_bits(curve: Curve, *place: str) -> Curve:
        size, energy = curve.points[0]
        return curve if size or not energy else Curve(((width(None, *place), energy),))

    components = {
        name: Component(entry.read, entry.write, width(entry.bits, "components", name), entry.leakage, entry.activate)
        for name, entry in spec.components.items()
    }
    multiply, add = by_bits(spec.mac.multiply, "mac", "multiply"), by_bits(spec.mac.add, "mac", "add")
    operation = by_bits(spec.vector_op, "vector_op") if spec.vector_op else None
    hop_bits = width(spec.network.bits, "network") if spec.network.hop else 1
    document.check()
    components |= {name: components[target] for name, target in aliases.items()}
    return EnergyTable(
        name=spec.name,
        unit=spec.unit,
        source=spec.source,
        multiply=multiply,
        add=add,
        components=components,
        hop=spec.network.hop,
        hop_bits=hop_bits,
        gated=spec.gated_mac,
        note=spec.note,
        accounting=spec.accounting,
        vector_op=operation,
        tag=spec.network.tag,
    )


def _aliases(document: Document) -> dict[str, str]:
    """``GLB: SRAM``: an entry that is another one's name; taken out of the data so that the rest is one type."""
    entries = document.data.get("components") if isinstance(document.data, dict) else None
    if not isinstance(entries, dict):
        return {}
    aliases = {name: entry for name, entry in entries.items() if isinstance(entry, str)}
    own = [name for name in entries if name not in aliases]
    for name, target in aliases.items():
        if target not in own:
            document.refuse(("components", name), yamlfile.unknown("component", target, own))
    document.data["components"] = {name: entries[name] for name in own}
    return aliases
