"""Energy as a function of a size, known at a few sizes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from accelsim.errors import AccelsimError


@dataclass(frozen=True)
class Curve:
    """The energy of one action against a size in bits, at the sizes a source gives.

    Between two of them the curve is a power law (a straight line on log-log paper), rounded to six
    significant digits; outside them nothing is known and the size is refused. A curve of the single
    point ``(0, energy)`` holds for every size.

    points : (size in bits, energy), ascending sizes.
    """

    points: tuple[tuple[int, Fraction], ...]

    def __post_init__(self) -> None:
        if not self.points:
            raise AccelsimError("an energy needs at least one number")
        for size, energy in self.points:
            if energy < 0 or size < 0:
                raise AccelsimError(f"an energy cannot be negative, got {float(energy):g}")
            if len(self.points) > 1 and (energy == 0 or size == 0):
                raise AccelsimError("a power law needs energies and sizes above 0")
        if any(a >= b for (a, _), (b, _) in pairwise(self.points)):
            raise AccelsimError("the sizes of a curve must ascend")

    @staticmethod
    def flat(energy: Fraction | int | str) -> Curve:
        """The same energy for every size."""
        return Curve(((0, Fraction(energy)),))

    def at(self, size: int, what: str, show: Callable[[int], str] = lambda size: f"{size} b") -> Fraction:
        """Energy at a size in bits; `what` and `show` word the refusal outside the known sizes."""
        if self.points[0][0] == 0:
            return self.points[0][1]
        for known, energy in self.points:
            if known == size:
                return energy
        for (low, below), (high, above) in pairwise(self.points):
            if low < size < high:
                slope = math.log(above / below) / math.log(high / low)
                return Fraction(f"{float(below) * (size / low) ** slope:.6g}")
        sizes = ", ".join(show(known) for known, _ in self.points)
        raise AccelsimError(
            f"{what}: {show(size)} is outside what its source gives ({sizes}), and nothing is extrapolated; "
            "use a size between these, another component, or an energy table of your own"
        )

    def proportional(self, size: int) -> Fraction:
        """As `at`, but outside the known sizes energy is proportional to size, from the nearest known one on."""
        low, high = self.points[0], self.points[-1]
        if low[0] and not low[0] <= size <= high[0]:
            known, energy = low if size < low[0] else high
            return energy * Fraction(size, known)
        return self.at(size, "width")

    def squared(self) -> Curve:
        """The same energies against the squares of the sizes."""
        return Curve(tuple((size * size, energy) for size, energy in self.points))

    def times(self, factor: Fraction) -> Curve:
        """Every energy so many times as large."""
        return Curve(tuple((size, energy * factor) for size, energy in self.points))
