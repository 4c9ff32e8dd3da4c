"""What sums go through that are added up as currents or as light, before they are words: noise and a converter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, PlainValidator, WithJsonSchema

from accelsim import quantities
from accelsim.architecture.actions import Amount
from accelsim.specs import Spec, key, number, pick, plain, whole
from accelsim.workload.problem import Tensor
from accelsim.yamlfile import Document, Place, unknown

if TYPE_CHECKING:
    from accelsim.architecture.model import Level

MOST_CONVERTER_BITS = 32
MOST_SUM = 2**52
"""A sum beyond this is no exact float any more."""


class Storage(StrEnum):
    """How a cell holds its slice of a weight.

    `signed`: as it is, the last slice negative where the word is. `offset`: half the range is added to each word, so
    that no cell is negative, and taken off again behind the converter. `inverted`: the same, and a column whose cells
    add up to more than half of what they could is stored the other way round.
    """

    SIGNED = "signed"
    OFFSET = "offset"
    INVERTED = "inverted"


def _converter(value: object) -> int:
    found = whole(1)(value)
    if found > MOST_CONVERTER_BITS:
        raise ValueError(f"must be at most {MOST_CONVERTER_BITS}, got {quantities.short(found)}")
    return found


def _range(value: object) -> tuple[Fraction, Fraction]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError("should be a list of two numbers: the lowest sum and the highest")
    for one in value:
        if isinstance(one, bool) or not isinstance(one, int | float) or not -MOST_SUM <= one <= MOST_SUM:
            raise ValueError(f"should be two numbers of at most 2^52, got '{quantities.short(one)}'")
    low, high = (Fraction(str(one)) for one in value)
    if low >= high:
        raise ValueError(f"the lowest sum, {float(low):g}, is not below the highest, {float(high):g}")
    return low, high


_END = number(255, kind="number")
ConverterBits = Annotated[
    int, PlainValidator(_converter), WithJsonSchema(number(8, minimum=1, maximum=MOST_CONVERTER_BITS))
]
Range = Annotated[
    tuple[Fraction, Fraction],
    PlainValidator(_range),
    WithJsonSchema({"type": "array", "items": _END, "minItems": 2, "maxItems": 2}),
]
StorageName = Annotated[Storage, BeforeValidator(pick("way to store weights", Storage))]


class DeviationSpec(Spec):
    """A Gaussian deviation; its standard deviation is the root of the sum of the squares of both parts."""

    relative: Amount = key("Part that grows with the value.", Fraction(0), unit="of the value")
    absolute: Amount = key("Part that does not.", Fraction(0), unit="units of a cell, or of a sum")


class AnalogSpec(Spec):
    """What sums go through that leave an array as currents or as light (docs/noise.md); `--check` shows it."""

    level: str = key("The level; each sum that leaves the array below it is converted, and no level below keeps psums.")
    bits: ConverterBits | None = key(
        "Bits of the converter.", None, "sums are rounded to whole units, however large", unit="b"
    )
    range: Range | None = key(
        "Lowest and highest sum that it tells apart, the first and the last of its codes.",
        None,
        "a code for each unit: from 0 on, with `weights: signed` as many below 0 as from 0 on",
        unit="units of a sum",
    )
    weights: StorageName = key("How cells hold weights.", Storage.SIGNED)
    cell: DeviationSpec | None = key("Of what a cell holds from what it should, drawn once.", None, "none")
    read: DeviationSpec | None = key("Of a sum as it is read, drawn each time.", None, "none")


@dataclass(frozen=True)
class Deviation:
    """Standard deviation of a Gaussian: sqrt((relative x value)^2 + absolute^2)."""

    relative: Fraction = Fraction(0)
    absolute: Fraction = Fraction(0)

    def __bool__(self) -> bool:
        return bool(self.relative or self.absolute)


@dataclass(frozen=True)
class Analog:
    """`AnalogSpec` tells its fields. bits : 0: no bound. range : None: a code for each unit."""

    level: str
    bits: int = 0
    range: tuple[Fraction, Fraction] | None = None
    weights: Storage = Storage.SIGNED
    cell: Deviation = Deviation()
    read: Deviation = Deviation()

    @property
    def low(self) -> float:
        """The sum that the first code stands for."""
        if self.range:
            return float(self.range[0])
        return -float(1 << self.bits - 1) if self.bits and self.weights is Storage.SIGNED else 0.0

    @property
    def step(self) -> float:
        """Units from one code to the next."""
        return float((self.range[1] - self.range[0]) / ((1 << self.bits) - 1)) if self.range else 1.0


def unreadable(analog: Analog, levels: Sequence[Level]) -> str:
    """Why sums cannot be read where they leave the array below its level, which is one of `levels`; '': they can."""
    below = levels[[level.name for level in levels].index(analog.level) :]
    for level in below[1:]:
        if Tensor.PSUM in level.keeps:
            return f"level '{level.name}' keeps psums, below {analog.level}, where they are read"
    for level in below:
        for dim in sorted(level.fanout.network(Tensor.PSUM).reduce & {"IB", "WB"}):
            return f"sums of different slices are read apart, but the array below {level.name} adds over {dim}"
    return ""


def analog_of(document: Document, spec: AnalogSpec | None, levels: Sequence[Level]) -> Analog | None:
    """The value; notes an error for a level that is not there, has nothing to add up or cannot be read."""
    if spec is None:
        return None
    place: Place = ("physical", "analog")
    if spec.range and not spec.bits:
        document.refuse((*place, "range"), "a range is that of a converter: give its bits", key=True)
    found = Analog(
        spec.level,
        spec.bits or 0,
        spec.range if spec.bits else None,
        spec.weights,
        *(Deviation(one.relative, one.absolute) if one else Deviation() for one in (spec.cell, spec.read)),
    )
    arrays = {level.name: level.fanout.y * level.fanout.x for level in levels}
    if spec.level not in arrays:
        why = unknown("level", spec.level, list(arrays))
    elif arrays[spec.level] == 1:
        why = f"'{spec.level}' has one child, so nothing is added up below it"
    else:
        why = unreadable(found, levels)
    if why:
        document.refuse((*place, "level"), why)
    return found


def written(analog: Analog) -> dict[str, Any]:
    """As a file has it; what is as by default is left out."""
    found: dict[str, Any] = {"level": analog.level}
    if analog.bits:
        found["bits"] = analog.bits
    if analog.range:
        found["range"] = plain(analog.range)
    if analog.weights is not Storage.SIGNED:
        found["weights"] = analog.weights.value
    for name in ("cell", "read"):
        given: Deviation = getattr(analog, name)
        parts = {part: float(getattr(given, part)) for part in ("relative", "absolute") if getattr(given, part)}
        if parts:
            found[name] = parts
    return found
