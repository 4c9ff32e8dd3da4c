"""Axes of pictures that begin at no zero: where a value lies, and where the ticks are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

LOGARITHMIC = 8.0
"""From how many times the least value on an axis is logarithmic."""
POWERS = "⁰¹²³⁴⁵⁶⁷⁸⁹"


@dataclass(frozen=True)
class Scale:
    """low, high : its ends, low < high. log : whether it is logarithmic; then both are above 0."""

    low: float
    high: float
    log: bool = False

    def share(self, value: float) -> float:
        """Where a value lies between the ends, 0 to 1."""
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self, most: int = 5) -> list[float]:
        """Round numbers between the ends, at most so many: 1, 2 or 5 times a power of ten."""
        found: list[float] = []
        for choice in self._choices(most):
            found = [value for value in choice if self.low <= value <= self.high]
            if len(found) <= most:
                break
        return found

    def _choices(self, most: int) -> Iterator[list[float]]:
        first, last = (math.floor(math.log10(abs(end) or 1.0)) for end in (self.low, self.high))
        if self.log:
            for steps in ((1.0, 2.0, 5.0), (1.0, 3.0), (1.0,)):
                yield [step * 10.0**power for power in range(first, last + 1) for step in steps]
            for every in range(2, last - first + 2):
                yield [10.0**power for power in range(first, last + 1, every)]
            return
        power = 10.0 ** math.floor(math.log10((self.high - self.low) / most))
        for times in (1, 2, 5, 10, 20):
            step = power * times
            yield [step * at for at in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]


def around(values: Sequence[float], room: float = 0.06) -> Scale:
    """A scale with all values on it and some room at its ends; logarithmic where they span much and are above 0."""
    low, high = min(values), max(values)
    if low > 0 and high > LOGARITHMIC * low:
        wider = (high / low) ** room
        return Scale(low / wider, high * wider, True)
    wider = room * (high - low) or abs(high) * room or 1.0
    return Scale(max(low - wider, 0.0) if low >= 0 else low - wider, high + wider)


def scaled(highest: float, unit: str) -> tuple[float, str]:
    """A divisor and the unit that go with it, so that ticks of numbers up to `highest` are short."""
    power = 3 * (int(math.log10(highest)) // 3) if highest >= 1e5 else 0
    return (10.0**power, f"10{''.join(POWERS[int(digit)] for digit in str(power))} {unit}") if power else (1.0, unit)
