"""What one field takes in a sweep: a value, a list of them, or a range; and the grid that several fields span."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from random import Random
from typing import Any

from accelsim import quantities
from accelsim.quantities import short, written
from accelsim.yamlfile import hint

MOST_VALUES = 1_000_000
"""Of one field."""
MOST_POINTS = 2**62
RANGE = ("from", "to", "step", "times", "count")


@dataclass(frozen=True)
class Axis:
    """Fields that move together, and the values they take, one for each field at a time.

    values : [step][field], as a file would have them.
    """

    names: tuple[str, ...]
    values: tuple[tuple[Any, ...], ...]

    def __len__(self) -> int:
        return len(self.values)

    def at(self, index: int) -> dict[str, Any]:
        """The fields at one step."""
        return dict(zip(self.names, self.values[index], strict=True))


@dataclass(frozen=True)
class Grid:
    """All combinations of the steps of some axes, in order: the last axis moves fastest. Nothing is written out."""

    axes: tuple[Axis, ...]

    @property
    def size(self) -> int:
        """Combinations."""
        return prod(len(axis) for axis in self.axes)

    def steps(self, ordinal: int) -> list[int]:
        """The step of each axis in one combination."""
        found = []
        for axis in reversed(self.axes):
            ordinal, step = divmod(ordinal, len(axis))
            found.append(step)
        return found[::-1]

    def ordinal(self, steps: Sequence[int]) -> int:
        """The combination of some steps."""
        found = 0
        for axis, step in zip(self.axes, steps, strict=True):
            found = found * len(axis) + step
        return found

    def at(self, ordinal: int) -> dict[str, Any]:
        """The fields in one combination."""
        fields: dict[str, Any] = {}
        for axis, step in zip(self.axes, self.steps(ordinal), strict=True):
            fields |= axis.at(step)
        return fields

    def random(self, points: int, seed: int) -> list[int]:
        """So many different combinations, in the order of the grid."""
        return sorted(Random(seed).sample(range(self.size), points))

    def latin_hypercube(self, points: int, seed: int) -> list[int]:
        """Combinations that take each axis evenly (McKay, Beckman and Conover, Technometrics 21(2), 1979).

        Each axis is cut into `points` equal parts, and each part is taken once, in an order drawn for the axis; the
        middle of a part says which value it is. Equal combinations are one, so there may be fewer than `points`.
        """
        draw, columns = Random(seed), []
        for axis in self.axes:
            parts = list(range(points))
            draw.shuffle(parts)
            columns.append([(2 * part + 1) * len(axis) // (2 * points) for part in parts])
        return sorted({self.ordinal(steps) for steps in zip(*columns, strict=True)})


def values_of(raw: Any) -> tuple[Any, ...]:
    """The values that a field's entry stands for. Raises ValueError, one line, for none, and for one given twice."""
    if isinstance(raw, Mapping):
        return _range(raw)
    found = tuple(raw) if isinstance(raw, list | tuple) else (raw,)
    if not found:
        raise ValueError("an empty list: nothing is swept")
    seen: list[str] = [repr(value) for value in found]
    if len(set(seen)) < len(seen):
        twice = next(value for value in found if seen.count(repr(value)) > 1)
        raise ValueError(f"{short(twice)} is given twice")
    return found


def _range(raw: Mapping[str, Any]) -> tuple[Any, ...]:
    """``{from: 8 KiB, to: 128 KiB, times: 2}``; `step` adds, `times` multiplies, `count`: so many, evenly, ends in."""
    if "from" not in raw or "to" not in raw:
        raise ValueError(f"a table is a range, {{{', '.join(RANGE)}}}; put one that is a value into a list")
    for name in raw:
        if name not in RANGE:
            raise ValueError(f"unknown key '{name}'{hint(name, RANGE)}")
    ways = [name for name in ("step", "times", "count") if name in raw]
    if len(ways) != 1:
        raise ValueError(f"a range has one of step, times and count, got {' and '.join(ways) or 'none'}")
    first, unit = _amount("from", raw["from"])
    last, other = _amount("to", raw["to"])
    if unit != other:
        raise ValueError(f"from is in {unit or 'no unit'}, to in {other or 'no unit'}")
    if last < first:
        raise ValueError(f"to is {raw['to']}, which is less than from, {raw['from']}: the range is empty")
    way, least = ways[0], {"step": 0, "times": 1, "count": 1}[ways[0]]
    by, by_unit = _amount(way, raw[way])
    if way == "step" and by_unit != unit:
        raise ValueError(f"step is in {by_unit or 'no unit'}, from in {unit or 'no unit'}")
    if by <= least or (way == "count" and by.denominator != 1):
        raise ValueError(f"{way} is {raw[way]}; it must be {'a whole number ' * (way == 'count')}more than {least}")
    if way == "times" and first <= 0:
        raise ValueError(f"from is {raw['from']}; what is multiplied must be more than 0")
    found: list[Fraction] = []
    if way == "count":
        _few(int(by))
        found = [first + (last - first) * index / (int(by) - 1) for index in range(int(by))]
    else:
        if way == "step":
            _few((last - first) / by)
        value = first
        while value <= last:
            found.append(value)
            _few(len(found))
            value = value + by if way == "step" else value * by
    return tuple(_spelled(value, unit) for value in found)


def _few(count: Fraction | int) -> None:
    if count > MOST_VALUES:
        raise ValueError(f"a field takes at most {MOST_VALUES:,} values")


def _amount(what: str, value: Any) -> tuple[Fraction, str]:
    """A number without unit, or with one of those that files have."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Fraction(str(value)), ""
    for read in (quantities.size, quantities.frequency, quantities.rate, quantities.duration):
        try:
            found = read(value)
        except ValueError:
            continue
        return (found, "Hz") if isinstance(found, Fraction) else (found.value, found.unit)
    raise ValueError(f"{what} is {short(value)}; it should be a number, with a unit if the field has one")


def _spelled(value: Fraction, unit: str) -> Any:
    if unit:
        return written(value, unit)
    return int(value) if value.denominator == 1 else float(value)
