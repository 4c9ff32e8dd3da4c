"""The `technology` of an energy table file, and the same as plain data."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema

from accelsim import quantities
from accelsim.energy.curve import Curve
from accelsim.energy.technology import DEVICES, FlipFlop, Macro, Technology, checked
from accelsim.errors import AccelsimError
from accelsim.specs import Count, Spec, key
from accelsim.yamlfile import Document, unknown

SRAM = ("capacity_B", "banks", "supply_V", "read_pJ", "write_pJ", "leakage_mW", "area_mm2", "rule")
FILES = ("words", "supply_V", "read_pJ", "write_pJ", "leakage_uW", "area_um2", "rule")
RATIO = re.compile(r"\d{1,400}/[1-9]\d{0,399}")
"""A number that no decimal gives exactly, as a result's own table may hold it."""
MOST_ROWS = 5000
MOST_PORT = 2**16


def number(value: object, what: str = "") -> Fraction:
    """An exact number of at least 0, as its decimals are written; what : said of one that is out of range."""
    if isinstance(value, str) and RATIO.fullmatch(value):
        quantities.bounded("an energy", Fraction(value))
        return Fraction(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"should be a number, got '{quantities.short(value)}'")
    if not 0 <= value < float("inf"):
        raise ValueError(f"{what}must be finite and at least 0, got {quantities.short(value)}")
    quantities.bounded("an energy", value)
    return Fraction(str(value))


def _supply(value: object) -> Fraction:
    try:
        return checked(number(value))
    except AccelsimError as error:
        raise ValueError(str(error)) from None


def _device(value: object) -> str:
    if value not in DEVICES:
        raise ValueError(unknown("device", value, DEVICES))
    return str(value)


def _areas(value: object) -> Curve:
    if not isinstance(value, dict) or not value:
        raise ValueError("should be areas by bits, such as {8: 282, 32: 3495}")
    try:
        return Curve(tuple((int(bits), number(area) / 10**6) for bits, area in value.items()))
    except (AccelsimError, TypeError) as error:
        raise ValueError(str(error)) from None


_NUMBER: dict[str, Any] = {"type": "number", "minimum": 0}
_AREAS: dict[str, Any] = {"type": "object", "additionalProperties": _NUMBER, "names": "BITS"}
Number = Annotated[Fraction, PlainValidator(number), WithJsonSchema(_NUMBER)]
Supply = Annotated[
    Fraction, PlainValidator(_supply), WithJsonSchema({"type": "number", "minimum": 0.7, "maximum": 1.3})
]
Device = Annotated[str, PlainValidator(_device), WithJsonSchema({"enum": list(DEVICES)})]
Areas = Annotated[Curve, PlainValidator(_areas), WithJsonSchema(_AREAS)]


def _rows(columns: tuple[str, ...]) -> Any:
    def read(value: object) -> tuple[tuple[Fraction | str, ...], ...]:
        if not isinstance(value, str):
            raise ValueError(f"should be lines of {' '.join(columns)}")
        lines = value.splitlines()
        if len(lines) > MOST_ROWS:
            raise ValueError(f"has {len(lines)} rows; at most {MOST_ROWS} are taken")
        return tuple(_row(index, line, columns) for index, line in enumerate(lines, 1))

    return read


def _row(index: int, line: str, columns: tuple[str, ...]) -> tuple[Fraction | str, ...]:
    cells = line.split()
    if len(cells) != len(columns):
        raise ValueError(f"row {index} has {len(cells)} cells, not {len(columns)}: {' '.join(columns)}")
    found: list[Fraction | str] = []
    for name, cell in zip(columns[:-1], cells, strict=False):
        try:
            value = number(float(cell))
        except ValueError:
            raise ValueError(f"row {index}: {name} is '{quantities.short(cell)}', not a number above 0") from None
        if not value or (name in WHOLE and value.denominator > 1):
            kind = "a whole number" if name in WHOLE else "a number"
            raise ValueError(f"row {index}: {name} is '{quantities.short(cell)}', not {kind} above 0")
        found.append(value)
    return (*found, cells[-1])


WHOLE = ("capacity_B", "banks", "words")
_TEXT = WithJsonSchema({"type": "string", "minLength": 1})
SramRows = Annotated[tuple[tuple[Any, ...], ...], PlainValidator(_rows(SRAM)), _TEXT]
FileRows = Annotated[tuple[tuple[Any, ...], ...], PlainValidator(_rows(FILES)), _TEXT]


class FlipFlopSpec(Spec):
    """One bit of a flip-flop."""

    access: Number = key("Writing or reading it.", unit="pJ")
    clock: Number = key("Its clock in each core cycle, whatever it does.", unit="pJ")
    area: Number = key("Its cell.", unit="um2")


class FloatSpec(Spec):
    """A MAC of floating-point numbers, of the width of its source alone."""

    energy: Number = key("A multiply and an add.", unit="pJ")
    area: Number = key("Both.", unit="um2")


class TechnologySpec(Spec):
    """A process: what memories, flip-flops, wires and clock edges cost (docs/energy.md)."""

    node: Count = key("Its node.", unit="nm")
    supply: Supply = key("Its supply; all prices but those of memories are for it.", unit="V")
    temperature: Count = key("Of the leakage.", unit="K")
    device: Device = key("Devices of the memories: low standby power, or high performance.")
    wire: Number = key("A bit over a wire, random data.", unit="pJ/mm")
    router: Number = key("A bit through the router of a mesh's link.", Fraction(0), unit="pJ")
    flip_flop: FlipFlopSpec = key("A bit of a flip-flop.")
    multiply_area: Areas = key("A multiplier by the bits of its operands.", unit="um2")
    add_area: Areas = key("An adder by its bits.", unit="um2")
    floats: dict[str, FloatSpec] = key(
        "MACs of other numbers: fp16, bf16, fp32.", {}, "there are none", names="ARITHMETIC"
    )
    tag_area: Number = key("A comparator of a tag.", Fraction(0), unit="um2")
    sram: dict[str, SramRows] = key(
        f"Memories by the bits of their port, a line each: {' '.join(SRAM)}.", names="BITS", min_length=1
    )
    register_files: FileRows = key(f"Register files of 16 b a word, a line each: {' '.join(FILES)}.")


def technology_of(document: Document, spec: TechnologySpec | None) -> Technology | None:
    """The value; notes an error where its rows are none."""
    if spec is None:
        return None
    for port in spec.sram:
        if not (port.isascii() and port.isdigit() and 0 < int(port) <= MOST_PORT):
            document.refuse(("technology", "sram", port), f"no port in bits, 1 to {MOST_PORT}", key=True)
    document.check()
    sram = tuple(
        Macro(int(size * 8), int(port), int(banks), supply, read, write, leakage, area, rule)
        for port, lines in spec.sram.items()
        for size, banks, supply, read, write, leakage, area, rule in lines
    )
    files = tuple(
        Macro(int(words * 16), 16, 1, supply, read, write, leakage / 1000, area / 10**6, rule)
        for words, supply, read, write, leakage, area, rule in spec.register_files
    )
    flip_flop = spec.flip_flop
    try:
        return Technology(
            spec.node,
            spec.supply,
            spec.temperature,
            spec.device,
            sram,
            files,
            FlipFlop(flip_flop.access, flip_flop.clock, flip_flop.area / 10**6),
            spec.wire,
            spec.router,
            spec.multiply_area,
            spec.add_area,
            {name: (one.energy, one.area / 10**6) for name, one in spec.floats.items()},
            spec.tag_area / 10**6,
        )
    except AccelsimError as error:
        document.refuse(("technology",), str(error), key=True)
        document.check()
        raise


def written(value: Fraction) -> int | float | str:
    """The number as a file would write it; as 'a/b' where no float reads back as the same."""
    if value.denominator == 1:
        return value.numerator
    return float(value) if Fraction(str(float(value))) == value else str(value)


def document_of(technology: Technology) -> dict[str, Any]:
    """As the file has it."""

    def um2(area: Fraction) -> int | float | str:
        return written(area * 10**6)

    def cells(*values: Fraction | int | str) -> str:
        return " ".join(value if isinstance(value, str) else f"{float(value):.12g}" for value in values)

    found = technology
    return {
        "node": found.node,
        "supply": written(found.supply),
        "temperature": found.temperature,
        "device": found.device,
        "wire": written(found.wire),
        "router": written(found.router),
        "flip_flop": {
            "access": written(found.flip_flop.access),
            "clock": written(found.flip_flop.clock),
            "area": um2(found.flip_flop.area),
        },
        "multiply_area": {str(bits): um2(area) for bits, area in found.multiply.points},
        "add_area": {str(bits): um2(area) for bits, area in found.add.points},
        "floats": {name: {"energy": written(e), "area": um2(a)} for name, (e, a) in found.floats.items()},
        "tag_area": um2(found.tag_area),
        "sram": {
            str(port): "\n".join(
                cells(Fraction(m.bits, 8), m.banks, m.supply, m.read, m.write, m.leakage, m.area, m.rule)
                for m in found.sram
                if m.port == port
            )
            for port in dict.fromkeys(m.port for m in found.sram)
        },
        "register_files": "\n".join(
            cells(m.bits // 16, m.supply, m.read, m.write, m.leakage * 1000, m.area * 10**6, m.rule)
            for m in found.files
        ),
    }
