"""How large the factors of some dims may be before what they make of tiles overflows a level."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol


class Room(Protocol):
    """What fits beside a choice of factors."""

    def holds(self, chosen: Sequence[int]) -> bool:
        """Whether a factor of each dim fits."""

    def number(self, place: int, chosen: Sequence[int], values: Sequence[int]) -> int:
        """How many of the rising values fit in one place of a choice."""


class Part(NamedTuple):
    """One partition of a level: its bits, and what is in it.

    terms : of each tensor, the bits without the dims that are asked for, and which of those it has. units, sizes : of
    each of these dims, its extent in the tile where its factor is 1, and its whole extent.
    """

    bits: int
    terms: tuple[tuple[int, tuple[int, ...]], ...]
    units: tuple[int, ...]
    sizes: tuple[int, ...]


class Straight:
    """Room for tiles that are products of their extents."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = parts

    def holds(self, chosen: Sequence[int]) -> bool:
        """Whether a factor of each dim fits."""
        last = len(chosen) - 1
        return self._most(last, chosen) >= chosen[last] if chosen else self._most(-1, ()) > 0

    def number(self, place: int, chosen: Sequence[int], values: Sequence[int]) -> int:
        """How many of the rising values fit in one place of a choice."""
        return bisect_right(values, self._most(place, chosen))

    def _most(self, place: int, chosen: Sequence[int]) -> float:
        """The largest factor in one place; 0: none."""
        most = float("inf")
        for bits, terms, units, sizes in self.parts:
            each = 0
            for words, own in terms:
                here = False
                for at in own:
                    if at == place:
                        here = True
                    else:
                        extent = chosen[at] * units[at]
                        words *= extent if extent < sizes[at] else sizes[at]
                if here:
                    each += words
                else:
                    bits -= words
            if bits < 0:
                return 0
            if each and bits // each < sizes[place]:
                most = min(most, bits // each // units[place])
        return most


class Stepped:
    """Room for any other tiles, larger where a factor is."""

    def __init__(self, holds: Callable[[Sequence[int]], bool]) -> None:
        self._holds = holds

    def holds(self, chosen: Sequence[int]) -> bool:
        """Whether a factor of each dim fits."""
        return self._holds(chosen)

    def number(self, place: int, chosen: Sequence[int], values: Sequence[int]) -> int:
        """How many of the rising values fit in one place of a choice."""
        before, after = chosen[:place], chosen[place + 1 :]
        return bisect_left(values, True, key=lambda value: not self._holds((*before, value, *after)))
