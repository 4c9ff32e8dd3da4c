"""What a footprint is asked with, from a file (YAML) or from options: one set of keys, checked in one place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainValidator

from accelsim.codesign.carbon import units
from accelsim.codesign.carbon.tables import ABATEMENTS
from accelsim.quantities import Quantity, capacity, short
from accelsim.specs import Spec, key, listed, validate
from accelsim.yamlfile import Document, bare, read

MOST = 10**18


def number(least: Fraction | int, most: Fraction | int = MOST, *, above: bool = False) -> Callable[[object], Fraction]:
    """A validator of a number from `least` (or above it) to `most`."""

    def found(value: object) -> Fraction:
        try:
            if isinstance(value, bool) or len(text := str(value).replace(",", "").strip()) > 40:
                raise ValueError
            one = Fraction(text)
        except (ValueError, ZeroDivisionError):
            raise ValueError(f"should be a number, got '{short(value)}'") from None
        if one < least or (above and one == least):
            raise ValueError(f"must be {'above' if above else 'at least'} {least}, got {short(value)}")
        if one > most:
            raise ValueError(f"must be at most {float(most):.4g}, got {short(value)}")
        return one

    return found


def _whole(value: object) -> int:
    found = number(1)(value)
    if found.denominator != 1:
        raise ValueError(f"should be a whole number, got {short(value)}")
    return int(found)


def _node(value: object) -> int:
    return _whole(value.strip().removesuffix("nm") if isinstance(value, str) else value)


def _abatement(value: object) -> int:
    found = _whole(value.strip().removesuffix("%") if isinstance(value, str) else value)
    if found not in ABATEMENTS:
        raise ValueError(f"should be one of {', '.join(map(str, ABATEMENTS))} %, got {short(value)}")
    return found


def _time(value: object) -> datetime:
    try:
        found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).strip())
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"should be a time in UTC such as 2024-03-30T05:00, got '{short(value)}'") from None


def _gigabytes(value: object) -> Fraction:
    size: Quantity = capacity(value)
    return units.gigabytes(size)


def _share(value: object) -> Fraction:
    """A number above 0 and at most 1, or a percentage."""
    if isinstance(value, str) and value.strip().endswith("%"):
        return number(0, 100, above=True)(value.strip().removesuffix("%")) / 100
    return number(0, 1, above=True)(value)


def _value(read_one: Callable[[object], Any]) -> Any:
    return PlainValidator(read_one)


Count = Annotated[Fraction, _value(number(0, above=True))]
Whole = Annotated[int, _value(_whole)]
Share = Annotated[Fraction, _value(_share)]
PerArea = Annotated[Fraction, _value(units.per_area)]


class CarbonSpec(Spec):
    """What a footprint is made of; every key may be left out, and nothing of a place is assumed."""

    grid: Annotated[tuple[str, ...], BeforeValidator(listed)] = key(
        "Where it runs: a region, an intensity such as 432.7 g/kWh, or files of intensities over time.", ()
    )
    pue: Annotated[Fraction, _value(number(1, 10))] | None = key(
        "Energy of the building over that of its machines.", None
    )
    direct: bool = key("Of files that have both, direct emissions instead of those of the life cycle.", False)
    start: Annotated[datetime, _value(_time)] | None = key(
        "When the job starts, UTC; by default when it emits least.", None
    )
    length: Annotated[Fraction, _value(units.span)] | None = key("Of the job that a start is looked for.", None)
    energy: Annotated[Fraction, _value(units.energy)] | None = key(
        "Of a job, before PUE; instead of power and time.", None
    )
    power: Annotated[Fraction, _value(units.power)] | None = key("Of each device.", None)
    time: Annotated[Fraction, _value(units.span)] | None = key("That the job takes.", None)
    devices: Whole | None = key("At work on the job.", None)
    node: Annotated[int, _value(_node)] | None = key("Of the die, nm.", None)
    area: Annotated[Fraction, _value(units.area)] | None = key("Of the die.", None)
    fab_grid: str | None = key("Where it is made: a region or an intensity.", None)
    fab_yield: Share | None = key("Share of dies, and of GB of memory, that are good.", None)
    abatement: Annotated[int, _value(_abatement)] | None = key("Of the fab's gases, percent.", None)
    fab_energy: Annotated[Fraction, _value(units.fab_energy)] | None = key("Of a fab of one's own, kWh/cm2.", None)
    fab_gas: PerArea | None = key("Of a fab of one's own, CO2e of gases.", None)
    fab_material: PerArea | None = key("Of a fab of one's own, CO2e of raw materials.", None)
    memory: dict[str, Annotated[Fraction, _value(_gigabytes)]] = key("By process or product, how much of it.", {})
    packages: Annotated[Fraction, _value(number(0, 10**6))] | None = key("Packaged parts of a device.", None)
    lifetime: Annotated[Fraction, _value(units.span)] | None = key("Of the device.", None)
    use: Share | None = key("Share of its lifetime in which the device works.", None)
    requests: Count | None = key("How often the job is done.", None)
    dataset: Count | None = key("Examples of a training's data set.", None)
    epochs: Count | None = key("Times that a training goes through them.", None)
    tries: Count | None = key("Trainings until one is kept.", None)

    def over(self, other: CarbonSpec) -> CarbonSpec:
        """The keys that are given here, and those of another where they are not."""
        return other.model_copy(update={name: getattr(self, name) for name in self.model_fields_set})


def load_spec(path: str | Path) -> CarbonSpec:
    """The keys of a YAML file. Raises SpecError with line and column of everything that is wrong."""
    return validate(read(path), CarbonSpec)


def spec_of(given: Mapping[str, Any], what: str = "footprint") -> CarbonSpec:
    """The same of values by key, such as options; None is left out."""
    return validate(Document(what, bare({name: one for name, one in given.items() if one is not None})), CarbonSpec)
