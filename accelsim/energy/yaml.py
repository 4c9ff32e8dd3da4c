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
from accelsim.specs import Natural, Spec, validate
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
    """A MAC: a multiply at the wider operand's bits and an add at the psum's."""

    multiply: CurveField
    add: CurveField


class NetworkSpec(Spec):
    """A hop of one access of `bits` (0: one word of any width); `tag`: comparing one tag on a tagged bus."""

    hop: Number
    bits: Natural = 0
    tag: Number = Field(Fraction(0), json_schema_extra={"default": 0})


class ComponentSpec(Spec):
    """A memory: energy per access of `bits` (0: one word of any width), flat or by capacity of one instance.

    activate : of opening a row, where the memory is a DRAM with banks.
    """

    read: CurveField
    write: CurveField
    bits: Natural = 0
    leakage: Number = Field(Fraction(0), json_schema_extra={"default": 0})
    activate: Number = Field(Fraction(0), json_schema_extra={"default": 0})


def _mac(value: object) -> object:
    return value if isinstance(value, dict) else {"multiply": value, "add": 0}


class EnergySpec(Spec):
    """An energy table. `gated_mac` : share of a MAC's energy that one takes whose zero operand is gated.

    `vector_op` : an operation that is no MAC; without it they are counted, not priced.
    """

    name: Text
    source: Text
    unit: Unit
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
    components = {
        name: Component(entry.read, entry.write, entry.bits, entry.leakage, entry.activate)
        for name, entry in spec.components.items()
    }
    components |= {name: components[target] for name, target in aliases.items()}
    return EnergyTable(
        name=spec.name,
        unit=spec.unit,
        source=spec.source,
        multiply=spec.mac.multiply,
        add=spec.mac.add,
        components=components,
        hop=spec.network.hop,
        hop_bits=spec.network.bits,
        gated=spec.gated_mac,
        note=spec.note,
        accounting=spec.accounting,
        vector_op=spec.vector_op,
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
