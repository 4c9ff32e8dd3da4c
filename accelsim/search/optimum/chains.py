"""Every chain of perfect tile factors of each group of dims: inside the PE, over the array, at every level above it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np

from accelsim.engine.program import Ints
from accelsim.errors import MappingError
from accelsim.search.factors import divisors
from accelsim.search.optimum.constraints import Constraints
from accelsim.search.space import GROUPS
from accelsim.workload.problem import Problem

ROWS = 2
"""A chain ends in two parts beside its temporal loops: its spatial factor, and its loop inside the PE."""


@dataclass(frozen=True)
class Chains:
    """All chains of one group; an *inner* is what lies at and below the array, a *tile* what a memory above it holds.

    factors : int64[chain, dim, part], the loops of every level from the outermost on, then the array's, then those
    inside the PE. inner : int64[chain]; inners : int64[inner, dim, 2], (spatial, inside the PE). tiles : int64[chain,
    level], index of the tile that each memory below the outermost and above the PE holds; tile_sizes : int64[tile,
    dim]. below : int64[inner], the tile that the array covers. spans : int64[inner, tile, 2], the first chain with this
    inner and this tile in the memory above the array, and the one after the last. divisors : of each dim, rising; a
    tile's index counts them with the last dim fastest.
    """

    dims: tuple[str, ...]
    factors: Ints
    inner: Ints
    inners: Ints
    tiles: Ints
    tile_sizes: Ints
    below: Ints
    spans: Ints
    divisors: tuple[tuple[int, ...], ...]

    def __len__(self) -> int:
        return len(self.factors)


@cache
def _factorizations(size: int, parts: int) -> tuple[tuple[int, ...], ...]:
    """Every way to write a size as a product of so many factors, in order."""
    if parts == 1:
        return ((size,),)
    return tuple((f, *rest) for f in divisors(size) for rest in _factorizations(size // f, parts - 1))


def chains_of(
    problem: Problem, group: int, levels: int, spatial: bool, inside: bool, constraints: Constraints
) -> Chains:
    """The chains of one group.

    levels : memories above the PE, the outermost included. spatial : whether its dims may be spatial. inside : whether
    they may have loops in the PE; dims of G have neither there nor in a buffer: they give no reuse and take room.
    """
    dims = GROUPS[group]
    only_outermost = dims == ("G",)
    own = [
        [c for c in _chains_of_dim(problem[dim], levels, spatial, inside, only_outermost) if constraints.allows(dim, c)]
        for dim in dims
    ]
    for dim, some in zip(dims, own, strict=True):
        if not some:
            raise MappingError(f"no loops over {dim} {problem[dim]} keep the constraints")
    factors = np.array(list(product(*own)), np.int64).reshape(-1, len(dims), levels + ROWS)
    lists = tuple(tuple(divisors(problem[dim])) if spatial or not only_outermost else (1,) for dim in dims)
    inner_sizes = factors[:, :, -ROWS:].reshape(len(factors), -1)
    inners, inner = np.unique(inner_sizes, axis=0, return_inverse=True)
    inners = inners.reshape(len(inners), len(dims), ROWS)
    inside_of = np.cumprod(factors[:, :, ::-1], axis=2)[:, :, ::-1]  # what each loop and those in it cover
    tiles = (
        np.stack([_index(lists, inside_of[:, :, level]) for level in range(1, levels)], axis=1)
        if levels > 1
        else (np.zeros((len(factors), 0), np.int64))
    )
    tile_sizes = np.array(list(product(*lists)), np.int64).reshape(-1, len(dims))
    covered = inners.prod(axis=2)
    # those with one inner and one tile above the array lie next to each other
    order = np.lexsort((*tiles.T, inner.ravel()))
    factors, inner, tiles = factors[order], inner.ravel()[order], tiles[order]
    below = _index(lists, covered)
    spans = np.zeros((len(inners), len(tile_sizes), 2), np.int64)
    last = tiles[:, -1] if levels > 1 else np.zeros(len(factors), np.int64)
    first = np.flatnonzero(np.diff(inner, prepend=-1) | np.diff(last, prepend=-1))
    spans[inner[first], last[first], 0] = first
    spans[inner[first], last[first], 1] = np.append(first[1:], len(factors))
    return Chains(dims, factors, inner, inners, tiles, tile_sizes, below, spans, lists)


def _chains_of_dim(
    size: int, levels: int, spatial: bool, inside: bool, only_outermost: bool
) -> Iterator[tuple[int, ...]]:
    for chain in _factorizations(size, levels + ROWS):
        across, within = chain[-2:]
        if (across > 1 and not spatial) or (within > 1 and not inside):
            continue
        if only_outermost and (within > 1 or any(f > 1 for f in chain[1:-2])):
            continue
        yield chain


def _index(lists: tuple[tuple[int, ...], ...], sizes: Ints) -> Ints:
    """The tile of so many of each dim; sizes : int64[any, dim]."""
    out = np.zeros(len(sizes), np.int64)
    for values, own in zip(lists, sizes.T, strict=True):
        out = out * len(values) + np.searchsorted(np.array(values, np.int64), own)
    return out
