"""Arrays inside arrays: every joint way to unroll what the innermost one leaves of each dim."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import inf, prod

from accelsim.mapping.dataflows.dataflow import Axes
from accelsim.search.factors import tight

NARROWEST = 1.1
"""Most passes of an unrolling of nested arrays (and trips of one dim), as a multiple of the fewest: energy alone would
leave chiplets idle."""
Factors = tuple[tuple[int, int], ...]
"""(y, x) factors: of one dim on several arrays, or of several dims on one."""


@dataclass(frozen=True)
class Surrounding:
    """An array around the innermost: the level above it, its size, and what may be spatial on it."""

    level: int
    y: int
    x: int
    axes: Axes

    @cached_property
    def dims(self) -> tuple[str, ...]:
        """What may be spatial on either axis."""
        return tuple(dict.fromkeys(self.axes.y + self.axes.x))

    def factors(self, trips: Sequence[int]) -> tuple[Factors, ...]:
        """All choices for its dims of so many trips each, see `unrollings`."""
        sides = tuple((dim in self.axes.y, dim in self.axes.x) for dim in self.dims)
        return _factors(tuple(trips), sides, self.y, self.x)


def unrollings(
    starts: Sequence[Mapping[str, int]], arrays: Sequence[Surrounding], most: float
) -> Iterator[tuple[int, dict[str, Factors]]]:
    """(which start, factors of every dim on every array, outermost first), the fewest passes first.

    A start has the trips of each dim that one unrolling of the innermost array leaves. Arrays are filled from the
    innermost out, each dim with no factor that a smaller one replaces. Of as many passes the earlier start comes first,
    then what has the larger factor where two first differ: inner array before outer, in the order the dims are named.
    What needs more than `most` times the fewest passes is left out.
    """
    room = prod(array.y * array.x for array in arrays)
    found: list[tuple[int, int, tuple[Factors, ...]]] = []
    fewest = inf
    for least, at in sorted((prod(left.values()) / room, at) for at, left in enumerate(starts)):
        if least > most * fewest:
            break
        for passes, chosen in _joint(dict(starts[at]), arrays):
            found.append((passes, at, chosen))
            fewest = min(fewest, passes)
    found.sort(key=lambda entry: entry[:2])
    for passes, at, chosen in found:
        if passes <= most * found[0][0]:
            factors = [dict(zip(array.dims, own, strict=True)) for array, own in zip(arrays, chosen, strict=True)]
            yield at, {dim: tuple(own.get(dim, (1, 1)) for own in factors) for dim in starts[at]}


def _joint(left: dict[str, int], arrays: Sequence[Surrounding]) -> Iterator[tuple[int, tuple[Factors, ...]]]:
    """(passes, factors of its dims for each array)."""
    if not arrays:
        yield prod(left.values()), ()
        return
    array = arrays[-1]
    trips = [left[dim] for dim in array.dims]
    if len(arrays) == 1 and array.y == 1 and set(array.dims) == set(array.axes.x) and prod(trips) <= array.x:
        # all of it fits: any smaller factor takes twice the passes, which `unrollings` leaves out
        yield prod(left.values()) // prod(trips), (tuple((1, trip) for trip in trips),)
        return
    for own in array.factors(trips):
        rest = dict(left)
        for dim, (y, x) in zip(array.dims, own, strict=True):
            rest[dim] = -(-left[dim] // (y * x))
        for passes, outer in _joint(rest, arrays[:-1]):
            yield passes, (*outer, own)


@lru_cache(maxsize=1 << 14)
def _factors(trips: tuple[int, ...], sides: tuple[tuple[bool, bool], ...], y: int, x: int) -> tuple[Factors, ...]:
    """Choices for dims that may be on y, on x or on both, where y by x instances are left."""
    if not trips:
        return ((),)
    on_y, on_x = sides[0]
    return tuple(
        ((fy, fx), *others)
        for fy in reversed(tight(trips[0], y if on_y else 1))
        for fx in reversed(tight(-(-trips[0] // fy), x if on_x else 1))
        for others in _factors(trips[1:], sides[1:], y // fy, x // fx)
    )
