"""Bounds of what the memories above the array cost, for every tile they may hold, and of what lies below them."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import cached_property, partial
from math import prod
from typing import NamedTuple

import numpy as np

from accelsim.engine.nest.kernels.records import FILTER, IFMAP, PSUM
from accelsim.engine.program import Ints
from accelsim.search.kernels.records import Floats
from accelsim.search.optimum.chains import TURN, Chains
from accelsim.search.optimum.classes import Classes, Rows
from accelsim.search.optimum.favours import IRRELEVANT, PLANES, Favour, M, field, through_field
from accelsim.search.optimum.heads import Heads, Limit, heads_of
from accelsim.search.optimum.kernels.above import Tiling, above
from accelsim.search.optimum.kernels.reach import reached
from accelsim.search.optimum.kernels.settle import Inside
from accelsim.search.optimum.placements import Placement, Placements
from accelsim.search.optimum.tables import SLIDING, Words
from accelsim.search.space import GROUPS
from accelsim.workload.problem import TENSORS


class Term(NamedTuple):
    """One priced column of what fills a memory: its number, price, tensor, and whether it is moved anew each time."""

    k: int
    price: float
    tensor: int
    anew: bool


MOST_TILES, FEW, SHARE = 1 << 15, 64, 12
"""Tiles that may win are listed where they are not more than the first, nor than few or that share of all: else tables
are quicker, which tell the least of any tiles at once."""
Kept = dict[Favour, Floats]
Fields = Callable[[int, bool], Callable[[int], str] | None]
"""Of a tensor, moved anew or not: the field of `tables.Words` for each group; None: it is counted elsewhere."""
_NONE = np.zeros((0, 0))
NEVER = 1e40
"""Words of tiles that no chain has."""


class Bounds:
    """Builds the classes of the placements of one layer on one machine."""

    def __init__(
        self,
        placements: Placements,
        chains: list[Chains],
        words: list[Words],
        array: int,
        room: Callable[[Placement, int], tuple[Ints, Ints]],
    ) -> None:
        self.placements, self.chains, self.words, self.array, self.room = placements, chains, words, array, room
        self.shape = tuple(len(chains[g].tile_sizes) for g in range(len(GROUPS)))
        self.sides = tuple(n for g in range(len(GROUPS)) for n in chains[g].sides)
        self._least: dict[tuple[str, int, int], Floats] = {}
        self._times: dict[tuple[str, int], Floats] = {}
        self._runs: dict[tuple[int, int], tuple[Ints, Ints, Ints]] = {}
        dims = [dim for g in range(len(GROUPS)) for dim in chains[g].dims]
        self.dims = tuple(dims)
        self._some: Ints | None = None

    def least(self, name: str, group: int, level: int) -> Floats:
        """float64[tile or inner, term]: the least of a field of `Words` of any chain with a tile at a level.

        level : of a memory; -1: by what lies at and below the array; 0: the outermost, with the whole dim.
        """
        key = name, group, level
        if key not in self._least:
            n = len(self.chains[group].inners) if level < 0 else len(self.chains[group].tile_sizes) if level else 1
            self._least[key] = self._lowest(getattr(self.words[group], name), group, level, n)
        return self._least[key]

    def _lowest(self, values: Floats, group: int, level: int, n: int) -> Floats:
        """float64[tile or inner, term], the least of the chains that have it; level : as of `least`."""
        chains = self.chains[group]
        if level == 0:
            one: Floats = values.min(axis=0, keepdims=True)
            return one
        if (group, level) not in self._runs:
            at = chains.inner if level < 0 else chains.tiles[:, level - 1]
            order = np.argsort(at, kind="stable")
            self._runs[group, level] = order, np.flatnonzero(np.diff(at[order], prepend=-1)), at
        order, first, at = self._runs[group, level]
        # what no chain has is no infinity: times nothing that would be no number
        out = np.full((n, values.shape[1]), NEVER)
        out[at[order[first]]] = np.minimum.reduceat(values[order], first, axis=0)
        return out

    def fits(self, placement: Placement, level: int) -> Floats:
        """float64[tile]: 0, or infinite where a memory above the array cannot hold the tile."""
        room, limits = self.room(placement, level)
        out = np.zeros(prod(self.shape))
        for p, limit in enumerate(limits):
            own = [[room[g, :n, p, t].astype(float) for g, n in enumerate(self.shape)] for t in range(len(TENSORS))]
            out[sum(self.product(factors, level) for factors in own) > limit] = np.inf
        return out

    def child(self, k: int) -> tuple[int, int, bool]:
        """(tensor, level of the tile the term moves: one above the array's for all in the PE, moved anew or not)."""
        t, _, child, anew, _ = (int(v) for v in self.placements.edges[self.placements.terms[k, 0]])
        return t, min(child, self.array + 1), bool(anew)

    def product(self, picks: list[Floats], level: int) -> Floats:
        """The product of one value per tile of each group, over all tiles of a level, or those that are looked at."""
        if level == 0:
            return np.array(np.prod([p[0] for p in picks]))
        if self._some is not None and level == self.array:
            own: Floats = np.prod([pick[at] for pick, at in zip(picks, self._some.T, strict=True)], axis=0)
            return own
        out = np.ones(1)
        for g in range(len(GROUPS)):
            out = np.multiply.outer(out, picks[g]).reshape(-1)
        return out

    def moved(self, k: int, level: int, names: Callable[[int], str]) -> Floats:
        """Words of a term at the least, by tile of a level. names : the field of each group."""
        return self.product([self.least(names(g), g, level)[:, k] for g in range(len(GROUPS))], level)

    @cached_property
    def favours(self) -> tuple[Favour, ...]:
        """Those that differ: an axis without loops lets nothing slide."""
        axes = [axis for axis in PLANES if self.words[axis].there.any()] or [PLANES[0]]
        found = [Favour(IFMAP, axis) for axis in axes]
        for tensor in (FILTER, PSUM):
            found += [Favour(tensor, axis, broad) for axis in axes for broad in (False, True)]
        return tuple(found)

    def compulsory(self, placement: Placement) -> float:
        """What any mapping of a placement costs at the least: every word moved once."""
        total = placement.constant
        for k, price in zip(placement.terms.tolist(), placement.prices.tolist(), strict=True):
            tensor, _, anew = self.child(k)
            names = self._weakest(tensor, anew)
            total += price * prod(float(self.least(names(g), g, 0)[0, k]) for g in range(len(GROUPS)))
        return total

    def classes(self, placement: Placement, limit: Limit | None = None) -> tuple[Classes, Heads | None]:
        """All classes of a placement; `outer` : see `kept` of `_next`.

        limit : what a mapping has to be below. Where few tiles may be, those alone are looked at: the rows of the
        classes are of these, and heads stand for tables of all. Else there are none.
        """
        kept = dict.fromkeys(self.favours, np.zeros(1))
        further: list[Floats] = []
        here = self._below(placement, limit) if limit is not None and self.array < 2 else self
        if self.array:
            fits = self.fits(placement, 1) if here is self else np.zeros(1)
            kept = {one: here._filled(placement, 1, partial(self._above, one, True)) + fits for one in self.favours}
        for level in range(1, self.array):
            further.append(np.minimum.reduce(list(kept.values())))
            kept = self._next(placement, kept, level)
        if self.array > 1 and limit is not None:
            least = np.minimum.reduce(list(kept.values())) + self._least_below(placement)
            here = self._looking_at(np.array(np.unravel_index(np.flatnonzero(limit.may(least)), self.shape)).T)
            if here is not self:
                assert here._some is not None
                at = np.ravel_multi_index(tuple(here._some.T), self.shape)
                kept = {one: row[at] for one, row in kept.items()}
        classes = here._innermost(placement, kept)
        if further:
            classes = classes._replace(further=np.array(further))
        if limit is None or here._some is None:
            return classes, None
        inners = [len(chains.inners) for chains in self.chains]
        return classes, heads_of(classes, inners, placement.constant, here._some, limit)

    def _least_below(self, placement: Placement) -> float:
        """What does not lie above the array costs at least, whatever the orders."""
        least = placement.constant
        for k, price, tensor, anew in self._terms(placement, self.array + 1):
            names = self._weakest(tensor, anew)
            least += price * prod(float(self.least(names(g), g, -1)[:, k].min()) for g in range(len(GROUPS)))
        return least

    def _below(self, placement: Placement, limit: Limit) -> Bounds:
        """Of those tiles of the one memory above the array that may be below a limit."""
        if not self.array:
            return self._looking_at(np.zeros((1, len(GROUPS)), np.int64))
        terms, groups = self._terms(placement, 1), range(len(GROUPS))
        words = np.ones((len(self.favours), len(GROUPS), max(self.shape), len(terms)))
        for f, one in enumerate(self.favours):
            for at, term in enumerate(terms):
                names = self._above(one, True, term.tensor, term.anew)
                assert names is not None
                for g in groups:
                    words[f, g, : self.shape[g], at] = self.least(names(g), g, 1)[:, term.k]
        room, limits = self.room(placement, 1)
        tiling = Tiling(
            np.array(self.shape), np.array(TURN), words, np.array([term.price for term in terms]), room,
            limits,
        )  # fmt: skip
        some = np.empty((MOST_TILES, len(GROUPS)), np.int64)
        number = above(tiling, limit.joules - self._least_below(placement), some)
        return self._looking_at(some[:number]) if number <= len(some) else self

    def _looking_at(self, some: Ints) -> Bounds:
        """Of these tiles alone, int64[tile, group]; of all, where these are too many for a list."""
        if len(some) > min(MOST_TILES, max(FEW, prod(self.shape) // SHARE)):
            return self
        found = copy(self)
        found._some = some
        return found

    def inside(self, placement: Placement) -> Inside:
        """What fills the memory above the array and what lies below it, where other memories lie further out."""
        levels = (self.array, self.array + 1) if self.array > 1 else ()
        terms = [(level - 1, term) for level in levels for term in self._terms(placement, level)]
        factors = []
        for g, words in enumerate(self.words):
            own = np.empty((len(self.chains[g]), len(terms), 3))
            for at, (_, term) in enumerate(terms):
                names = "runs", "runs_on", "through"
                if term.tensor == IFMAP and g in PLANES:
                    names = "slides", "slides_on", "through_slides"
                for which, name in enumerate(names):
                    own[:, at, which] = getattr(words, "totals" if term.anew else name)[:, term.k]
            factors.append(own)
        return Inside(
            tuple(factors), np.array([term.price for _, term in terms]),
            np.array([term.tensor for _, term in terms], np.int64), np.array([level for level, _ in terms], np.int64),
            placement.constant,
        )  # fmt: skip

    def _filled(self, placement: Placement, level: int, names: Fields) -> Floats:
        """What fills the memory at a level costs at least, by its tiles."""
        out = self.product([np.zeros(n) for n in self.shape], level)
        for k, price, tensor, anew in self._terms(placement, level):
            fields = names(tensor, anew)
            if fields is not None:
                out = out + price * self.moved(k, level, fields)
        return out

    def _above(self, one: Favour, all_of: bool, tensor: int, anew: bool) -> Callable[[int], str] | None:
        """all_of : the favoured tensor is counted too, for the tile above is known; else by `_stationary`."""
        if anew:
            return lambda group: "totals"
        return partial(field, tensor, one) if all_of or tensor != one.tensor else None

    def _through(self, one: Favour, tensor: int, anew: bool) -> Callable[[int], str]:
        return (lambda group: "totals") if anew else partial(through_field, tensor, one)

    def _on(self, one: Favour, tensor: int, anew: bool) -> Callable[[int], str]:
        """As `_through`; beside an ifmap that slides on, the innermost loop may leave a filter or a psum too."""
        if one.tensor == IFMAP != tensor:
            return self._weakest(tensor, anew)
        return self._through(one, tensor, anew)

    def _weakest(self, tensor: int, anew: bool) -> Callable[[int], str]:
        """Whatever the order of any level."""
        if anew:
            return lambda group: "totals"
        return lambda group: "through_slides" if tensor == IFMAP and group >= SLIDING else "distinct"

    def _terms(self, placement: Placement, level: int) -> list[Term]:
        """What fills the memory at a level."""
        out = []
        for k, price in zip(placement.terms.tolist(), placement.prices.tolist(), strict=True):
            tensor, child, anew = self.child(k)
            if child == level:
                out.append(Term(k, price, tensor, anew))
        return out

    def _stationary(self, placement: Placement, level: int, one: Favour) -> Floats:
        """What a favoured tensor's tiles one level further in cost, by the tiles of this level: each brings one."""
        out = self.product([np.zeros(n) for n in self.shape], level)
        for k, price, tensor, anew in self._terms(placement, level + 1):
            if tensor == one.tensor and not anew:
                out = out + price * self.moved(k, level, partial(field, tensor, one, own=False))
        return out

    def _reached(self, values: Floats, level: int, dims: str) -> Floats:
        """The least over all tiles that hold a tile, larger along some dims alone; by the smaller tile."""
        out = values.copy()
        self._reach_in(out, level, dims)
        return out

    def _reach_in(self, values: Floats, level: int, dims: str | None) -> None:
        """The same in place; dims : None: of all, and the smallest tile of one stands for any: it is not chosen yet."""
        free, may = np.array([dims is None or dim in dims for dim in self.dims], np.int64), self._reach[level - 1]
        if dims is None:
            may = may.copy()
            may[:, 0, :] = 1
        reached(values, np.array(self.sides, np.int64), may, free)

    @cached_property
    def _reach(self) -> Ints:
        """int64[memory, dim, tile, tile]: whether a memory may hold the second around what covers the first."""
        most = max(self.sides)
        out = np.zeros((self.array, len(self.dims), most, most), np.int64)
        for d, may in enumerate(may for g in range(len(GROUPS)) for may in self.chains[g].reach):
            out[:, d, : may.shape[1], : may.shape[2]] = may
        return out

    def times(self, name: str, group: int) -> Floats:
        """float64[tile, term]: how many times the least of an inner's a field of `Words` is at least with this tile."""
        if (name, group) not in self._times:
            chains, values = self.chains[group], getattr(self.words[group], name)
            inner = self.least(name, group, -1)[chains.inner]
            ratio = np.divide(values, inner, out=np.ones_like(values), where=inner > 0)
            out = self._lowest(ratio, group, self.array, len(chains.tile_sizes))
            self._times[name, group] = np.where(out < NEVER, out, 1.0)
        return self._times[name, group]

    def _next(self, placement: Placement, kept: Kept, level: int) -> Kept:
        """From the tiles of one memory to those of the next one in.

        kept : by what loops right above this memory favour, float64[tile], all that lies further out.
        """
        any_of, everything = np.minimum.reduce(list(kept.values())), "".join(self.dims)
        fits = self.fits(placement, level + 1)
        out = {}
        for one in self.favours:
            outer = self._reached(any_of + self._stationary(placement, level, one), level, everything)
            out[one] = outer + self._filled(placement, level + 1, partial(self._above, one, False)) + fits
        for one in self.favours:
            outer = self._reached(self._goes_on(kept, one), level, one.loops)
            here = outer + self._filled(placement, level + 1, partial(self._on, one)) + fits
            for other in self.favours:
                if one.tensor in (IFMAP, other.tensor):
                    out[other] = np.minimum(out[other], here)
        return out

    def _goes_on(self, kept: Kept, one: Favour) -> Floats:
        """All further out where the loops right above go on with what all loops here leave, or let slide."""
        if one.tensor == IFMAP:
            same = [v for other, v in kept.items() if other.tensor == IFMAP or one.axis == other.axis]
        else:
            alike = [other for other in kept if other.tensor == one.tensor]
            same = [kept[other] for other in alike if not one.broad or other.axis == one.axis]
        least: Floats = np.minimum.reduce(same)
        return least

    def _innermost(self, placement: Placement, kept: Kept) -> Classes:
        """The classes: what is above the array by its tile, and what is below by what lies in it."""
        level = self.array
        any_of, terms = np.minimum.reduce(list(kept.values())), self._terms(placement, level + 1)
        found = []
        for one in self.favours:
            if one.tensor == IFMAP and one.axis != self.favours[0].axis:
                continue  # both axes slide in this class
            found.append((*self._counted(terms, one, any_of, partial(self._above, one, True)), "".join(self.dims)))
        for one in self.favours if level else ():
            outer = self._goes_on(kept, one)
            if one.tensor != IFMAP:
                found.append((*self._counted(terms, None, outer, partial(self._through, one)), one.loops))
                continue
            # all loops above the array are M: they leave the tile; or M is the innermost; or one of the axis is
            found.append((*self._counted(terms, None, outer, partial(self._through, one)), IRRELEVANT[IFMAP]))
            found.append((*self._counted(terms, one, outer, partial(self._through, one), on=True), one.loops))
            for tensor in (FILTER, PSUM):
                innermost = Favour(tensor, one.axis, broad=True)
                found.append((*self._counted(terms, innermost, outer, partial(self._through, innermost)), one.loops))
        return self._packed(found, terms)

    def _counted(
        self,
        terms: list[Term],
        one: Favour | None,
        outer: Floats,
        fields: Fields,
        on: bool = False,
    ) -> tuple[Floats, list[list[Floats] | None]]:
        """What lies further out with what a favoured tensor costs below, and factors of all below by inner.

        on : what slides goes on sliding further out.
        """
        weight: dict[int, list[Floats] | None] = {}
        if one is not None:
            outer, weight = self._split(terms, one, outer, on)
        return outer, [
            weight[term.k] if term.k in weight else self._inner(term.k, fields(term.tensor, term.anew))
            for term in terms
        ]

    def _inner(self, k: int, names: Callable[[int], str] | None) -> list[Floats]:
        assert names is not None
        return [self.least(names(g), g, -1)[:, k] for g in range(len(GROUPS))]

    def _split(
        self, terms: list[Term], one: Favour, outer: Floats, on: bool
    ) -> tuple[Floats, dict[int, list[Floats] | None]]:
        """What a favoured tensor costs below the array: by the tile above it, and by what lies in it.

        Base words, x times by the tile and y times by the inner, are at least base (x + y - 1). Where they are the same
        for every inner, all is counted by the tile.
        """
        weight: dict[int, list[Floats] | None] = {}
        for k, price, tensor, anew in terms:
            if tensor != one.tensor or anew:
                continue
            names = [field(tensor, one, g, own=False) for g in range(len(GROUPS))]
            if on:
                names = ["runs" if g == M else through_field(tensor, one, g) for g in range(len(GROUPS))]
            inside = [self.least(names[g], g, -1)[:, k] for g in range(len(GROUPS))]
            stays = [g for g in range(len(GROUPS)) if names[g] == "runs"]
            of_these = [M] if tensor == IFMAP else range(len(GROUPS))
            if all(np.all(inside[g] <= inside[g].min() * (1 + 1e-12)) for g in of_these):
                outer = outer + price * self.moved(k, self.array, names.__getitem__)
                weight[k] = None
                continue
            picks = [np.ones(n) for n in self.shape]
            for g in stays if self.array else ():
                picks[g] = self.times(names[g], g)[:, k]
            base = float(np.prod([v.min() for v in inside]))
            outer = outer + price * base * (self.product(picks, self.array) - 1)
            weight[k] = inside
        return outer, weight

    def _packed(self, found: list[tuple[Floats, list[list[Floats] | None], str]], terms: list[Term]) -> Classes:
        most = max(len(c.inners) for c in self.chains)
        n, groups = len(found), len(GROUPS)
        inner, prices = np.ones((n, groups, most, len(terms))), np.zeros((n, len(terms)))
        free = np.zeros((n, len(self.dims)), np.int64)
        for c, (_, values, dims) in enumerate(found):
            free[c] = [dim in dims for dim in self.dims]
            for k, term in enumerate(terms):
                for g, own in enumerate(values[k] or ()):
                    inner[c, g, : len(own), k] = own
                    prices[c, k] = term.price
        size = found[0][0].size
        outer, reach, partial = (Rows(n, size) for _ in range(3))
        rows = []
        for own, _, dims in found:
            at = outer.made(own.tobytes(), own)
            if not self.array or self._some is not None:
                rows.append((at, at, at))
                continue
            near, far = (
                some.made((at, free_of), own, lambda row, of=free_of: self._reach_in(row, self.array, of))  # type: ignore[misc]
                for some, free_of in ((reach, dims), (partial, None))
            )
            rows.append((at, near, far))
        if not self.array or self._some is not None:
            reach = partial = outer
        # what differs in nothing is one class
        keys = [(row, free[c].tobytes(), inner[c].tobytes(), prices[c].tobytes()) for c, row in enumerate(rows)]
        kept = [c for c, key in enumerate(keys) if keys.index(key) == c]
        return Classes(
            outer.array, reach.array, partial.array, np.array(rows, np.int64)[kept], inner[kept], prices[kept],
            free[kept], _NONE,
        )  # fmt: skip
