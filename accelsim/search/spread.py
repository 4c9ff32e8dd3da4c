"""How what is left of a dim above the arrays is spread over the levels."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate
from operator import mul

from accelsim.mapping.mapping import RUN_DIMS, planes_to
from accelsim.search.factors import divisors, thin, tight
from accelsim.search.nested import NARROWEST
from accelsim.search.space import Space
from accelsim.search.split import Inner, Split

RUNS = 6
"""Most ways tried to cut a loop that runs right above a small buffer; whole is always one of them."""
Temporal = tuple[int, ...]
Choose = Callable[[int, int, Sequence[int]], Sequence[int]]
"""Which factors are tried of those there are, rising: (level, how much of the dim lies inside it, factors)."""


class Spreads:
    """The temporal factors of a space, by dim.

    cut : what `all` has left out so far, in words.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self.cut = set[str]()
        # most unrollings leave the same of a dim
        self._spread_evenly: dict[tuple[str, int, int, int], list[Temporal]] = {}
        self._spread_near: dict[tuple[str, int, int, Split], list[Temporal]] = {}

    def all(self, dim: str, inner: Inner, most: int) -> list[Split]:
        """Ways to spread what is left of a dim over the levels above the array; at most `most` where it is free."""
        rest = self._rest(dim, inner)
        key = dim, rest, inner.run, most
        if key not in self._spread_evenly:
            self._spread_evenly[key] = self._spread(dim, inner, partial(self._thinned, most))
        splits = [Split(inner, temporal) for temporal in self._spread_evenly[key]]
        if not inner.outer:
            return splits
        # loops below an outer array that cover more than is left leave instances of it without work
        trips = self.space.longest(dim, splits)
        return [split for split, few in zip(splits, trips <= NARROWEST * trips.min(), strict=True) if few]

    def near(self, dim: str, inner: Inner, like: Split) -> list[Split]:
        """Those that cover at every level about as much of the dim as another split does, from below and above."""
        key = dim, inner.factor, inner.run, like
        if key not in self._spread_near:
            covers = list(accumulate(reversed(like.temporal), mul, initial=like.inner.factor))[:0:-1]
            self._spread_near[key] = self._spread(dim, inner, partial(_nearest, covers), near=True)
        return [Split(inner, temporal) for temporal in self._spread_near[key]]

    def _rest(self, dim: str, inner: Inner) -> int:
        return -(-self.space.problem[dim] // inner.factor)

    def _spread(self, dim: str, inner: Inner, choose: Choose, near: bool = False) -> list[Temporal]:
        """Temporal factors of every level that cover what is left; a run above the array as long as it may be.

        near : what is chosen of free factors is chosen of the few ways to cut a run, too.
        """
        space, flow = self.space, self.space.dataflow
        rest, levels = self._rest(dim, inner), space.array + 1
        free = [i for i in reversed(space.free) if i]
        found: list[Temporal] = []

        def spread(left: int, inside: int, slots: list[int], chosen: dict[int, int]) -> None:
            if not slots:
                found.append(tuple(chosen.get(i, left if i == 0 else 1) for i in range(levels)))
                return
            # a batch is cut into equal parts; other dims may leave a clipped last tile
            factors: Sequence[int] = divisors(left) if dim == "N" else tight(left, left)
            for factor in choose(slots[0], inside, factors):
                spread(-(-left // factor), inside * factor, slots[1:], {**chosen, slots[0]: factor})

        if dim not in flow.run and dim not in flow.above:
            spread(rest, inner.factor, free, {})
            return self._uncut(dim, found)
        at, whole = space.above if dim in flow.above else space.array, inner.run or rest
        runs = self._runs(rest, whole) if space.tiled and at > 0 else [whole]
        if near:
            runs = choose(at, inner.factor, runs)
        for run in reversed(runs):
            spread(-(-rest // run), inner.factor * run, free if inner.run else [], {at: run})
        return self._uncut(dim, found)

    def _uncut(self, dim: str, found: list[Temporal]) -> list[Temporal]:
        """Those that leave planes whole outside the level that holds them, where outputs come as runs of pixels."""
        if self.space.problem.runs is None or dim not in RUN_DIMS:
            return found
        held = planes_to(self.space.machine)
        return [temporal for temporal in found if all(factor == 1 for factor in temporal[:held])]

    def _runs(self, rest: int, whole: int) -> Sequence[int]:
        """Lengths up to `whole` tried of a loop that runs right above the array, where an outer level may cut it."""
        if self.space.array in self.space.free:
            # whole it may not fit a global buffer: the longest that fits is wanted, and this is half of it at worst
            return sorted({-(-whole >> i) for i in range(whole.bit_length())})
        lengths = tight(rest, whole)
        if len(lengths) > RUNS:
            self.cut.add(f"all but {RUNS} lengths of a run")
        return thin(lengths, RUNS)

    def _thinned(self, most: int, level: int, inside: int, factors: Sequence[int]) -> Sequence[int]:
        if len(factors) > most:
            self.cut.add(f"all but {most} factors of a dim at a level")
        return thin(factors, most)


def _nearest(covers: list[int], level: int, inside: int, factors: Sequence[int]) -> Sequence[int]:
    """The factors on either side of the one that would cover as much as `covers` has for the level."""
    least = bisect_left(factors, covers[level] / inside)
    return factors[max(least - 1, 0) : least + 1]
