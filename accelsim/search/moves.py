"""Which combinations of splits a search looks at: a whole space, thinned to a budget, then what lies around a find.

An *unrolling* is a joint choice of inner factors (arrays and PE); each leaves of every dim something to spread over the
levels above. A space too large to be bounded whole is thinned, so the best of it is then taken as a start: other
unrollings and all factors above the arrays are tried around it, in turn, until neither finds anything better.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cached_property, partial
from itertools import islice, product
from typing import NamedTuple

import numpy as np

from accelsim.engine.program import Ints
from accelsim.search.space import GROUPS, Space
from accelsim.search.split import Inner, Split
from accelsim.search.spread import Spreads
from accelsim.search.tables import Option
from accelsim.search.unrolling import Unrolling, Unrollings

BUDGET = 60_000
"""Most combinations of splits bounded at once; above it, the free splits of each dim are thinned evenly."""
MOST_FACTORS = 24
"""Most factors of a dim tried at a level, spread evenly over those there are."""
MOST_UNITS = 120
"""Most unrollings looked at whole, the widest use of the array first."""
AROUND, LEFT_OUT = 60, 400
"""Most unrollings tried around a find, and where some had been left out."""
Splits = Mapping[str, Split]
Move = Callable[[Splits], "Combinations"]


class Combinations(NamedTuple):
    """What is bounded at once.

    options : per group of dims, the splits tried. units : int64[unit, group, 2], the range of options of each group
    that belong to an unrolling. cut : what was left out, in words.
    """

    options: list[list[Option]]
    units: Ints
    cut: tuple[str, ...] = ()

    @property
    def sizes(self) -> Ints:
        """Combinations of each unit, int64[unit]."""
        found: Ints = (self.units[:, :, 1] - self.units[:, :, 0]).prod(axis=1)
        return found


def whole(space: Space, units: int = MOST_UNITS, factors: int = MOST_FACTORS) -> Combinations:
    """All of a space, thinned to `BUDGET`; units, factors : at most so many unrollings, and factors at a level."""
    unrollings = list(islice(Unrollings(space).largest(), units + 1))
    cut = [f"all but the {units} unrollings that use most PEs"] if len(unrollings) > units else []
    spreads = Spreads(space)
    found = _thinned(spreads, unrollings[:units], factors)
    return found._replace(cut=(*cut, *sorted(spreads.cut)))


class Moves:
    """What is tried around a find, where strips may be narrower than in the whole space.

    freed : runs above a global buffer may be cut, too. bounded : the part of the whole space that was.
    """

    def __init__(self, space: Space, freed: bool, bounded: Combinations) -> None:
        self.space = replace(space, tiled=True) if freed else space
        self.spreads, self.unrollings = Spreads(self.space), Unrollings(self.space, narrower=True)
        self._inside = bool(set(space.dataflow.pe) - set(space.dataflow.whole))
        thinned = bool(bounded.cut)
        self._most = LEFT_OUT if len(bounded.units) == MOST_UNITS else AROUND
        self._outside = freed or thinned or self.unrollings.narrower
        others: list[Move] = [self.unroll] if self._inside or self._outside else []
        self.first = [*others, *[self.spread] * (freed or thinned)]
        self.after: dict[Move, list[Move]] = {self.unroll: [self.spread], self.spread: others}

    def unroll(self, splits: Splits) -> Combinations:
        """Other factors in the PE and other unrollings of the arrays, with about the tiles of a find."""
        unrollings = self._largest if self._outside else []
        if self._inside:
            unrollings = [*self.unrollings.within(_inner(splits), 2 * AROUND), *unrollings]
        return _enumerated(unrollings, lambda dim, inner: self.spreads.near(dim, inner, splits[dim]))

    def spread(self, splits: Splits) -> Combinations:
        """All factors above the arrays, with the unrolling of a find."""
        return _thinned(self.spreads, [_inner(splits)], 3 * MOST_FACTORS)

    @cached_property
    def _largest(self) -> list[Unrolling]:
        return list(islice(self.unrollings.largest(), self._most))


def _inner(splits: Splits) -> Unrolling:
    return {dim: split.inner for dim, split in splits.items()}


def _thinned(spreads: Spreads, unrollings: list[Unrolling], most: int) -> Combinations:
    """Their combinations with at most so many factors at a level, or as many as the budget allows."""
    while True:
        spreads.cut.clear()
        found = _enumerated(unrollings, partial(spreads.all, most=most))
        if found.sizes.sum() <= BUDGET or most <= 2:
            return found
        most = most * 3 // 4


def _enumerated(unrollings: Iterable[Unrolling], splits: Callable[[str, Inner], list[Split]]) -> Combinations:
    units = list(unrollings)
    options: list[list[Option]] = []
    ranges = np.empty((len(units), len(GROUPS), 2), np.int64)
    for g, dims in enumerate(GROUPS):
        inners = list(zip(*([inner[dim] for inner in units] for dim in dims), strict=True))
        here: list[Option] = []
        at: dict[tuple[Inner, ...], tuple[int, int]] = {}
        for key in dict.fromkeys(inners):
            first = len(here)
            here += product(*map(splits, dims, key))
            at[key] = first, len(here)
        options.append(here)
        ranges[:, g] = np.array([at[key] for key in inners], np.int64).reshape(-1, 2)
    return Combinations(options, ranges)
