"""Arrays inside arrays: every joint way to unroll what the innermost one leaves of each dim."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from accelsim.mapping.dataflows.dataflow import Axes

Factors = tuple[tuple[int, int], ...]
"""(y, x) factors of one dim, a pair for each array."""


@dataclass(frozen=True)
class Surrounding:
    """An array around the innermost: the level above it, its size, and what may be spatial on it."""

    level: int
    y: int
    x: int
    dims: Axes


def unrollings(left: Mapping[str, int], arrays: Sequence[Surrounding]) -> Iterator[dict[str, Factors]]:
    """Factors of every dim on every array, outermost first; `left` has the trips of each dim around them all.

    Arrays are filled from the innermost out, each dim with no factor that a smaller one replaces. Of two unrollings the
    first has the larger factor where they first differ: inner array before outer, in the order the dims are named.
    """
    if not arrays:
        yield dict.fromkeys(left, ())
        return
    for chosen in _one(dict(left), arrays[-1]):
        rest = {dim: -(-trips // (chosen[dim][0] * chosen[dim][1])) for dim, trips in left.items()}
        for outer in unrollings(rest, arrays[:-1]):
            yield {dim: (*outer[dim], chosen[dim]) for dim in left}


def _one(left: dict[str, int], array: Surrounding) -> Iterator[dict[str, tuple[int, int]]]:
    """Factors on one array."""
    names = tuple(dict.fromkeys(array.dims.y + array.dims.x))

    def place(index: int, room_y: int, room_x: int, chosen: dict[str, tuple[int, int]]) -> Iterator[dict[str, tuple[int, int]]]:
        if index == len(names):
            yield chosen
            return
        dim = names[index]
        for fy in reversed(tight(left[dim], room_y if dim in array.dims.y else 1)):
            for fx in reversed(tight(-(-left[dim] // fy), room_x if dim in array.dims.x else 1)):
                yield from place(index + 1, room_y // fy, room_x // fx, {**chosen, dim: (fy, fx)})

    yield from place(0, array.y, array.x, dict.fromkeys(left, (1, 1)))


def tight(size: int, bound: int) -> list[int]:
    """Factors up to `bound` that no smaller one replaces: f = ceil(size / ceil(size / f)), rising."""
    found, f = [], 1
    while f <= min(size, bound):
        found.append(f)
        trips = -(-size // f)
        if trips == 1:
            break
        f = -(-size // (trips - 1))
    return found
