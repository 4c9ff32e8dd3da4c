"""Every chain of tile factors of each group of dims: inside the PE, over the array, at every level above it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
import numpy.typing as npt

from accelsim.engine.program import Ints
from accelsim.search.factors import divisors, tight
from accelsim.search.optimum.constraints import Chain, NoBoundError
from accelsim.search.space import GROUPS
from accelsim.workload.problem import Problem

ROWS = 2
"""A chain ends in two parts beside its temporal loops: its spatial factor, and its loop inside the PE."""
TURN = (2, 3, 4, 5, 0, 1)
"""Groups in the order they are chosen: M and C first, what most tensors depend on."""
MOST_CHAINS = 1 << 17
"""Chains of one group at most: their tables would not fit a memory."""


@dataclass(frozen=True)
class Chains:
    """All chains of one group; an *inner* is what lies at and below the array, a *tile* what a memory above it holds.

    Tiles that take as many trips of the level above are one: `tile_sizes` int64[tile, dim] has the smallest of them.

    factors : int64[chain, dim, part], the loops of every level from the outermost on, then the array's, then those
    inside the PE. inner : int64[chain]; inners : int64[inner, dim, 2], (spatial, inside the PE). tiles : int64[chain,
    level], index of the tile that each memory below the outermost and above the PE holds. below : int64[inner], the
    tile that the array covers. spans : int64[inner, tile, 2], the first chain with this inner and this tile in the
    memory above the array, and the one after the last. sides : of each dim, how many tiles differ in it; a tile's index
    counts them with the last dim fastest. reach : bool[memory, tile of a dim, tile of a dim] of each dim, whether the
    memory may hold the second where all inside it cover the first. last : int64[chain, dim, level], words of a dim in
    the last tile of a level at or above this one whose loop has one trip there and more elsewhere; 0: in none. merged :
    whether tiles of several sizes are one.
    """

    dims: tuple[str, ...]
    factors: Ints
    inner: Ints
    inners: Ints
    tiles: Ints
    tile_sizes: Ints
    below: Ints
    spans: Ints
    sides: tuple[int, ...]
    reach: tuple[npt.NDArray[np.bool_], ...]
    last: Ints
    merged: bool

    def __len__(self) -> int:
        return len(self.factors)

    @property
    def covers(self) -> Ints:
        """int64[chain, dim, part], words of a dim that a loop and all inside it cover, past the dim's end too."""
        found: Ints = np.cumprod(self.factors[:, :, ::-1], axis=2)[:, :, ::-1]
        return found

    @property
    def ragged(self) -> npt.NDArray[np.bool_]:
        """bool[chain], whether a loop has one trip in its last tile alone: orders then differ more than otherwise."""
        return np.asarray((self.last > 0).any(axis=(1, 2)))


def chains_of(problem: Problem, group: int, levels: int, own: Sequence[Ints]) -> Chains:
    """The chains of one group.

    levels : memories above the PE, the outermost included. own : int64[chain, part], those of each of its dims.
    """
    dims = GROUPS[group]
    number = int(np.prod([len(some) for some in own]))
    if number > MOST_CHAINS:
        raise NoBoundError(
            f"loops over {' and '.join(dims)} may have {number:,} chains of factors, and up to {MOST_CHAINS:,} are "
            "searched: fix or bound some, or take factors that divide"
        )
    every = np.indices([len(some) for some in own]).reshape(len(dims), -1)
    factors = np.stack([some[at] for some, at in zip(own, every, strict=True)], axis=1)
    sizes = np.array([problem[dim] for dim in dims], np.int64)
    key = np.zeros(len(factors), np.int64)
    for part in factors[:, :, -ROWS:].reshape(len(factors), -1).T:
        key = key * (int(part.max()) + 1) + part
    _, one, inner = np.unique(key, return_index=True, return_inverse=True)
    inners = factors[one][:, :, -ROWS:]
    covers = np.cumprod(factors[:, :, ::-1], axis=2)[:, :, ::-1]
    covered = inners.prod(axis=2)
    trips = -(-sizes[None, :, None] // covers[:, :, 1 : levels + 1])  # of each memory's tiles, then of the array's
    lists, smallest, merged = [], [], False
    for a in range(len(dims)):
        values, at = np.unique(trips[:, a].reshape(-1), return_inverse=True)
        least = np.full(len(values), sizes[a])
        words = np.minimum(covers[:, a, 1 : levels + 1], sizes[a]).reshape(-1)
        np.minimum.at(least, at.ravel(), words)
        merged |= bool((words > least[at.ravel()]).any())
        lists.append(values[::-1])  # most trips first: tiles rise
        smallest.append(least[::-1].tolist())
    tile_sizes = np.array(list(product(*smallest)), np.int64).reshape(-1, len(dims))
    at_levels = np.stack([_numbers(lists, trips[:, :, level]) for level in range(levels)], axis=1)
    tiles = _index(lists, at_levels)[:, :-1]
    # those with one inner and one tile above the array lie next to each other
    order = np.lexsort((*tiles.T, inner.ravel()))
    factors, inner, tiles, at_levels = factors[order], inner.ravel()[order], tiles[order], at_levels[order]
    reach = []
    for a, values in enumerate(lists):
        may = np.zeros((levels - 1, len(values), len(values)), np.bool_)
        for level in range(levels - 1):
            may[level, at_levels[:, level + 1, a], at_levels[:, level, a]] = True
        reach.append(may)
    below = _index(lists, _numbers(lists, -(-sizes // covered))[:, None])[:, 0]
    spans = np.zeros((len(inners), len(tile_sizes), 2), np.int64)
    last = tiles[:, -1] if levels > 1 else np.zeros(len(factors), np.int64)
    first = np.flatnonzero(np.diff(inner, prepend=-1) | np.diff(last, prepend=-1))
    spans[inner[first], last[first], 0] = first
    spans[inner[first], last[first], 1] = np.append(first[1:], len(factors))
    return Chains(
        dims, factors, inner, inners, tiles, tile_sizes, below, spans, tuple(len(values) for values in lists),
        tuple(reach), _last(factors, covers[order], sizes, levels), merged,
    )  # fmt: skip


def _last(factors: Ints, covers: Ints, sizes: Ints, levels: int) -> Ints:
    """`Chains.last`."""
    out = np.zeros((len(factors), len(sizes), levels), np.int64)
    for level in range(levels):
        outer, inner = covers[:, :, level], covers[:, :, level + 1]
        left = sizes - (-(-sizes // outer) - 1) * outer
        one = (factors[:, :, level] > 1) & (left <= inner)
        out[:, :, level] = np.where(one, left, 0)
    found: Ints = np.maximum.accumulate(out, axis=2)
    return found


def perfect(size: int, levels: int, spatial: bool, inside: bool, only_outermost: bool) -> Iterator[Chain]:
    """Every chain of factors whose product is a dim.

    spatial : whether it may be spatial; inside : whether it may have loops in the PE; only_outermost : whether it may
    have loops at the outermost level alone, and on the array.
    """
    for chain in factorizations(size, levels + ROWS):
        across, within = chain[-2:]
        if (across > 1 and not spatial) or (within > 1 and not inside):
            continue
        if only_outermost and (within > 1 or any(f > 1 for f in chain[1:-2])):
            continue
        yield chain


def imperfect(size: int, levels: int, inside: bool, only_outermost: bool, pes: int) -> Iterator[Chain]:
    """Every chain of factors that cover a dim, none of which a smaller one replaces; parameters as of `perfect`.

    Chosen from the inside out: over the array, at most `pes`, then in the PE, then level by level; each is the least
    of those that leave as many trips.
    """
    for across in tight(size, pes):
        trips = -(-size // across)
        for within in tight(trips, trips) if inside and not only_outermost else (1,):
            rest = -(-trips // within)
            outermost = ((rest, *(1,) * (levels - 1)),)
            for above in outermost if only_outermost else covering(rest, levels):
                yield (*above, across, within)


@cache
def covering(trips: int, parts: int) -> tuple[Chain, ...]:
    """Every way to cover so many trips with so many loops, outermost first, none of which a smaller one replaces."""
    if parts == 1:
        return ((trips,),)
    return tuple((*rest, f) for f in tight(trips, trips) for rest in covering(-(-trips // f), parts - 1))


@cache
def factorizations(size: int, parts: int) -> tuple[Chain, ...]:
    """Every way to write a size as a product of so many factors, in order."""
    if parts == 1:
        return ((size,),)
    return tuple((f, *rest) for f in divisors(size) for rest in factorizations(size // f, parts - 1))


def _numbers(lists: Sequence[Ints], trips: Ints) -> Ints:
    """int64[any, dim], the tile of each dim that takes so many trips; trips : int64[any, dim]."""
    falling = [len(values) - 1 - np.searchsorted(values[::-1], own) for values, own in zip(lists, trips.T, strict=True)]
    return np.stack(falling, axis=1)


def _index(lists: Sequence[Ints], numbers: Ints) -> Ints:
    """The tile of such tiles of each dim; numbers : int64[any, level, dim]."""
    out = np.zeros(numbers.shape[:2], np.int64)
    for a, values in enumerate(lists):
        out = out * len(values) + numbers[:, :, a]
    return out
