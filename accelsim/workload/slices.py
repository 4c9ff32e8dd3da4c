"""Words cut into slices of their bits, as machines multiply them that take a few bits at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Integers = npt.NDArray[np.int64]

CHANNELS = 2
"""The axis of C in the arrays of ifmaps and filters, along which slices lie."""


@dataclass(frozen=True)
class Cut:
    """Words of `bits` in two's complement, cut from the least bit on into slices of `width`; the last may be shorter.

    A word is the sum of its slices, each times the power of two where it begins; the last one is signed.
    """

    bits: int
    width: int

    @property
    def count(self) -> int:
        """Slices of a word."""
        return -(-self.bits // self.width)

    def values(self, words: Integers) -> Iterator[Integers]:
        """Every slice times the power of two where it begins: they add up to the words, signed or unsigned."""
        *most, last = range(0, self.bits, self.width)
        for first in most:
            yield words & ((1 << self.width) - 1 << first)
        yield words >> last << last

    def nonzero(self, words: Integers) -> Iterator[npt.NDArray[np.uint8]]:
        """1 where a slice has a bit that is 1."""
        for first in range(0, self.bits, self.width):
            width = min(self.width, self.bits - first)
            yield (words >> first & ((1 << width) - 1) != 0).astype("uint8")

    @property
    def chance(self) -> float:
        """How many of its slices are not zero, of a word that is not zero itself and else equally often any other."""
        widths = (min(self.width, self.bits - first) for first in range(0, self.bits, self.width))
        every = (1 << self.bits) - 1
        return sum((every + 1 - (1 << self.bits - width)) / every for width in widths) / self.count
