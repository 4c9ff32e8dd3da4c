"""Sharing units among the stages of a pipeline, so that the slowest is as fast as it can be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from accelsim.errors import MappingError


@dataclass(frozen=True, order=True)
class Choice:
    """One way to run a stage. cycles : for one batch. units : it takes. rows, columns : copies along P and Q."""

    cycles: int
    units: int
    rows: int
    columns: int


def choices(units: int, p: int, q: int, cycles: int, most: int) -> tuple[Choice, ...]:
    """The ways to run a stage with up to `most` units, fewer units first and each faster than the one before.

    One copy is always among them; copies stand side by side along P and Q, each with a rectangle of the outputs.

    units : of one copy of its weights. cycles : of one output position of a copy.
    """
    found: list[Choice] = []
    for rows in _factors(p):
        for columns in _factors(q):
            if rows == columns == 1 or units * rows * columns <= most:
                time = cycles * -(-p // rows) * -(-q // columns)
                found.append(Choice(time, units * rows * columns, rows, columns))
    found.sort(key=lambda one: (one.units, one.cycles, one.rows))
    fastest: list[Choice] = []
    for one in found:
        if not fastest or one.cycles < fastest[-1].cycles:
            fastest.append(one)
    return tuple(fastest)


def _factors(size: int) -> list[int]:
    """The least numbers of parts for each number of positions in the largest part."""
    return sorted({-(-size // part) for part in range(1, size + 1)})


def shared(stages: Sequence[Sequence[Choice]], names: Sequence[str], most: int) -> tuple[Choice, ...]:
    """A choice for each stage that together fit: the slowest stage is as fast as any sharing allows.

    Every stage takes the fewest units with which it is no slower than that one. Raises MappingError where not even one
    copy of each stage fits.
    """
    least = [stage[0].units for stage in stages]
    if sum(least) > most:
        largest = max(range(len(stages)), key=least.__getitem__)
        raise MappingError(
            f"the layers' weights need {sum(least):,} units in all, the machine has {most:,}; the most are those of "
            f"'{names[largest]}'; take a machine with more of them, or fewer layers (layers)"
        )
    times = sorted({choice.cycles for stage in stages for choice in stage})
    low, high = 0, len(times) - 1
    while low < high:
        middle = (low + high) // 2
        found = [_within(stage, times[middle]) for stage in stages]
        if all(found) and sum(one.units for one in found if one) <= most:
            high = middle
        else:
            low = middle + 1
    return tuple(one for stage in stages if (one := _within(stage, times[low])))


def _within(stage: Sequence[Choice], cycles: int) -> Choice | None:
    return next((choice for choice in stage if choice.cycles <= cycles), None)
