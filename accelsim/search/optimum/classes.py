"""Classes of mappings as the kernels read them: bounds of each, by the tile above the array and by what lies below."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from accelsim.engine.program import Ints
from accelsim.search.kernels.records import Floats


class Classes(NamedTuple):
    """The classes of one placement, as the kernels read them.

    outer : float64[row, tile], at least what the memories above the array cost with this tile above it; reach : the
    least of those of any tile that a class may have above an array that covers the tile; partial : the least of any at
    all; rows : int64[class, 3], which row of each is a class's. inner : float64[class, group, inner, term], factors of
    what is moved below, with `prices` float64[class, term]. free : bool[class, dim of a tile], whether a class may have
    loops of a dim there. further : float64[memory, tile], of every memory but the one above the array, what it and all
    further out cost at least.
    """

    outer: Floats
    reach: Floats
    partial: Floats
    rows: Ints
    inner: Floats
    prices: Floats
    free: Ints
    further: Floats


class Rows:
    """Rows that many classes share, each once; room that no row takes is not touched."""

    def __init__(self, most: int, size: int) -> None:
        self._rows = np.empty((most, size))
        self._known: dict[object, int] = {}

    def made(self, key: object, values: Floats, change: Callable[[Floats], None] = lambda _: None) -> int:
        """The number of the row that a key stands for: these values, changed in place."""
        if key not in self._known:
            at = self._known[key] = len(self._known)
            self._rows[at] = values
            change(self._rows[at])
        return self._known[key]

    @property
    def array(self) -> Floats:
        """float64[row, tile]."""
        return self._rows[: len(self._known)]
