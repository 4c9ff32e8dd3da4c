"""How one dim is spread over a machine: inside the PE, over the arrays, and over time at every level."""

from __future__ import annotations

from math import prod
from typing import NamedTuple

from accelsim.search.nested import Factors


class Inner(NamedTuple):
    """How one dim is unrolled at and below the array: factors on y, on x and inside the PE.

    run : most iterations right above the array (dims the dataflow fills the accumulators with); 0: all.
    outer : (y, x) factors on the arrays around it, outermost first.
    """

    y: int = 1
    x: int = 1
    pe: int = 1
    run: int = 0
    outer: Factors = ()

    @property
    def pes(self) -> int:
        """PEs the dim takes, as many as its factors allow."""
        pes = self.y * self.x
        return pes * prod(y * x for y, x in self.outer) if self.outer else pes

    @property
    def factor(self) -> int:
        """Words of the dim one pass of all arrays covers."""
        return self.pes * self.pe


class Split(NamedTuple):
    """One dim, whole: its inner factors and its temporal factor at every level (those above or at the array)."""

    inner: Inner
    temporal: tuple[int, ...]
