"""Energy table files: read whole, or every error at once with its place."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainValidator, WithJsonSchema

from accelsim import quantities, yamlfile
from accelsim.energy.curve import Curve
from accelsim.energy.table import UNITS, Component, EnergyTable
from accelsim.energy.technology_yaml import TechnologySpec, number, technology_of
from accelsim.errors import AccelsimError
from accelsim.specs import Count, Name, Spec, Word, key, validate
from accelsim.yamlfile import Document


def _number(value: object) -> Fraction:
    return number(value, "an energy ")


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
    found = quantities.capacity(f"{size} b" if size.isdigit() else size)
    if found.unit != "b":
        raise ValueError(f"'{size}': write a size in bits or bytes")
    return int(found.value)


_NUMBER_SCHEMA: dict[str, Any] = {"type": "number", "minimum": 0}
_CURVE_SCHEMA: dict[str, Any] = {
    "anyOf": [_NUMBER_SCHEMA, {"type": "object", "additionalProperties": _NUMBER_SCHEMA, "names": "SIZE"}]
}
ENERGY = "the table's `unit`"
Number = Annotated[Fraction, PlainValidator(_number), WithJsonSchema(_NUMBER_SCHEMA)]
Share = Annotated[Fraction, PlainValidator(_share), WithJsonSchema({**_NUMBER_SCHEMA, "maximum": 1})]
CurveField = Annotated[Curve, PlainValidator(_curve), WithJsonSchema(_CURVE_SCHEMA)]
Unit = Annotated[str, PlainValidator(_unit), WithJsonSchema({"enum": list(UNITS)})]
Text = Annotated[str, PlainValidator(_text), WithJsonSchema({"type": "string", "minLength": 1})]


class MacSpec(Spec):
    """A MAC: a multiply and an add, each one number or numbers by width; `EnergyTable.mac` has other widths."""

    multiply: CurveField = key("A multiply of two operands of one width.", unit=ENERGY)
    add: CurveField = key("An add to a psum.", unit=ENERGY)


class NetworkSpec(Spec):
    """A hop of a word below an array, and a tag."""

    hop: Number = key(
        "A delivery of `bits` below an array, on every kind of network; on a mesh one for each link crossed.",
        unit=ENERGY,
    )
    bits: Count | None = key("Width of a hop; wider and narrower words cost in proportion.", None, "`word`", "bits")
    tag: Number = key("Comparing one tag of a tagged bus.", Fraction(0), unit=ENERGY)


class ComponentSpec(Spec):
    """A memory: energies are one number, or numbers by its capacity.

    Each part of a level's capacity is a memory of its own.
    """

    read: CurveField = key("A read of `bits`: reads, and drains out of it.", unit=ENERGY)
    write: CurveField = key("A write of `bits`: fills, and updates of psums.", unit=ENERGY)
    bits: Count | None = key("Width of an access; wider and narrower words cost in proportion.", None, "`word`", "bits")
    leakage: Number = key("What one instance leaks.", Fraction(0), unit=f"{ENERGY}, per core cycle")
    activate: Number = key("Opening a row, where it is a DRAM with banks.", Fraction(0), unit=ENERGY)


def _mac(value: object) -> object:
    return value if isinstance(value, dict) else {"multiply": value, "add": 0}


class EnergySpec(Spec):
    """An energy table. A curve is one number for all sizes, or a number for each of some: `{8 KiB: 10, 1 MiB: 100}`.

    Between two sizes of a curve a power law holds. Outside them a capacity is refused; a width costs in proportion.
    """

    name: Name = key("What results and errors call it.")
    source: Text = key("Where its numbers are from.")
    unit: Unit = key("Unit of every energy in it: pJ, or one MAC where numbers are relative to it.")
    word: Word | None = key(
        "Width of the words of every number that names none itself.", None, "all numbers that are not 0 name theirs"
    )
    mac: Annotated[MacSpec, BeforeValidator(_mac, json_schema_input_type=MacSpec | Number)] = key(
        "A MAC; a bare number is its multiply, its add is then in it.", unit=ENERGY
    )
    gated_mac: Share = key(
        "What a MAC costs whose zero operand is gated.", Fraction(0), unit="share of a MAC's energy, 0 to 1"
    )
    network: NetworkSpec = key("Networks below arrays.")
    components: Annotated[
        dict[str, ComponentSpec],
        BeforeValidator(lambda value: value, json_schema_input_type=dict[str, ComponentSpec | str]),
    ] = key("Memories by name; a bare name stands for another entry.", names="COMPONENT")
    note: str = key("What else is to be known of its numbers.", "", "nothing more")
    accounting: str = key(
        "`isca16`: charged as in the analysis of Chen, Emer and Sze, ISCA 2016.", "", "counts times energies"
    )
    vector_op: Annotated[Curve | None, PlainValidator(_curve), WithJsonSchema(_CURVE_SCHEMA)] = key(
        "An operation that is no MAC, by the psum's width.", None, "they are counted, not priced", ENERGY
    )
    own_parts: bool = key(
        "Whether the parts that a machine declares are all that costs energy or takes room; `unit` is then pJ.", False
    )
    technology: TechnologySpec | None = key(
        "The process: memories without a component, wires, clock, leakage and area. The unit is then pJ.",
        None,
        "`components` are all there is",
    )


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
    hop_bits = width(spec.network.bits, "network") if spec.network.hop else spec.network.bits or 1
    technology = technology_of(document, spec.technology)
    if technology and spec.unit != "pJ":
        document.refuse(("unit",), "a technology's energies are in pJ")
    if spec.own_parts:
        if spec.unit != "pJ":
            document.refuse(("unit",), "what parts take is in pJ")
        for name in ("technology", "components", "accounting"):
            if getattr(spec, name):
                document.refuse((name,), "with own_parts nothing else has a price; leave it out", key=True)
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
        technology=technology,
        own_parts=spec.own_parts,
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
