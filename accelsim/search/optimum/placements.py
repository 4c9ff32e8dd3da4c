"""Which tensors every memory keeps: all placements of a machine, and what each charges for a word."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import NamedTuple

import numpy as np

from accelsim.architecture.model import Architecture, NetworkKind
from accelsim.energy.table import EnergyTable
from accelsim.engine import program as lowering
from accelsim.engine.program import PSUM, Ints, Program
from accelsim.mapping.mapping import LevelMapping, LoopNest
from accelsim.search.kernels.records import BUSY, LOADING, Floats
from accelsim.search.optimum.constraints import Bypass, NoBoundError
from accelsim.search.prices import Load, outermost, prices
from accelsim.search.space import unmerged
from accelsim.workload.problem import DIMS, TENSORS, Padding, Problem

WAITED = "waited for: "


class Toll(NamedTuple):
    """What each cycle costs in which a port is busy, or is waited for: of all with a name as of `load_name`."""

    ports: tuple[str, ...]
    price: float


class Trade(NamedTuple):
    """What a search makes small of two accounts, energy and words of the outermost level.

    words : whether it is words, else energy. price : of each unit that a mapping has of the other one above `most`; so
    of mappings that have no more, nothing is above its own account. kept : whether more of the other one is left out.
    """

    words: bool
    price: float = 0.0
    most: float = 0.0
    kept: bool = False


class Account(NamedTuple):
    """A sum over words: prices float64[term] of terms int64[term], and what no mapping changes."""

    terms: Ints
    prices: Floats
    constant: float


@dataclass(frozen=True)
class Placement:
    """One choice of what passes by each memory.

    terms : int64[term], of the union of all placements, with their `prices` float64[term]; constant : energy that no
    mapping changes. across : dims that may be spatial. inside : whether any tensor stays in the PE. ports : the same of
    cycles instead of energy, for each port that is busy over a layer and for what passes wait for; where they were
    asked for. name : of one of these, see `load_name`. words : of the outermost level, where they were asked for.
    accounts : of a trade, with the terms of the placement: its own and the other one, of which its prices are made.
    """

    bypass: Bypass
    terms: Ints
    prices: Floats
    constant: float
    across: frozenset[str]
    inside: bool
    ports: tuple[Placement, ...] = ()
    name: str = ""
    words: Account | None = None
    accounts: tuple[Account, ...] = ()

    def traded(self, trade: Trade) -> Placement:
        """With the price of a trade for what its other account has above its most."""
        assert self.words is not None
        own, other = Account(self.terms, self.prices, self.constant), self.words
        if trade.words:
            own, other = other, own
        priced = [dict(zip(one.terms.tolist(), one.prices.tolist(), strict=True)) for one in (own, other)]
        terms = list(dict.fromkeys([*priced[0], *priced[1]]))
        own, other = (
            Account(np.array(terms, np.int64), np.array([of.get(k, 0.0) for k in terms], np.float64), one.constant)
            for of, one in zip(priced, (own, other), strict=True)
        )
        constant = own.constant + trade.price * (other.constant - trade.most)
        prices = own.prices + trade.price * other.prices
        return replace(self, terms=own.terms, prices=prices, constant=constant, accounts=(own, other))

    def tolled(self, toll: Toll) -> Placement:
        """With a price for each cycle that a port is busy, beside that of its words."""
        priced = dict(zip(self.terms.tolist(), self.prices.tolist(), strict=True))
        constant = self.constant
        for port in self.ports:
            if port.name in toll.ports:
                constant += toll.price * port.constant
                for k, share in zip(port.terms.tolist(), port.prices.tolist(), strict=True):
                    priced[k] = priced.get(k, 0.0) + toll.price * share
        terms, prices = _arrays(priced)
        return replace(self, terms=terms, prices=prices, constant=constant)


@dataclass(frozen=True)
class Placements:
    """All of them, and the edges and terms they are made of.

    edges : int64[edge, 5]; terms : int64[term, 2], (edge, column). program : any of theirs; its nest is not looked at.
    """

    every: tuple[Placement, ...]
    edges: Ints
    terms: Ints
    program: Program


def placements_of(
    machine: Architecture,
    problem: Problem,
    table: EnergyTable,
    allowed: Sequence[Bypass],
    timed: bool = False,
    counted: bool = False,
) -> Placements:
    """Every placement that is `allowed`; timed : with what keeps each port busy; counted : with the outermost's words.

    Raises
    ------
    NoBoundError : a word whose price is below nothing, for which there is no bound.
    """
    union = _Union({}, {})
    found = []
    program = None
    for bypass in allowed:
        nest = LoopNest(tuple((machine.levels[i].name, LevelMapping(bypass=b)) for i, b in sorted(bypass.items())))
        program = lowering.build(machine, nest, problem)
        price = prices(program, table, "")
        priced = union.priced(program, price.terms, price.energy)
        if min(priced.values(), default=0.0) < 0:
            raise NoBoundError(f"'{machine.name}' gains by moving some words: there is no bound for its mapspace")
        rest = _across(machine, program), _inside(machine, bypass)
        ports = []
        for load in price.loads if timed else ():
            shares = union.priced(program, price.terms, load.share[price.terms[:, 0], price.terms[:, 1]])
            if load.kind in (BUSY, LOADING) and min(shares.values(), default=0.0) >= 0:
                name = load_name(load)
                ports.append(Placement(bypass, *_arrays(shares), load.fixed, *rest, name=name))
        words = None
        if counted:
            share, fixed = outermost(program)
            each = np.argwhere(share)
            moved = union.priced(program, each, share[each[:, 0], each[:, 1]])
            words = Account(*_arrays(moved), fixed)
        found.append(Placement(bypass, *_arrays(priced), price.constant, *rest, tuple(ports), words=words))
    assert program is not None
    edges, terms = (np.array(list(of), np.int64) for of in (union.edges, union.terms))
    return Placements(tuple(found), edges.reshape(-1, 5), terms.reshape(-1, 2), program)


class _Union(NamedTuple):
    """Edges and terms of all placements, numbered as they come."""

    edges: dict[tuple[int, ...], int]
    terms: dict[tuple[int, int], int]

    def priced(self, program: Program, terms: Ints, prices: Floats) -> dict[int, float]:
        """What each term costs; columns with the same words are one."""
        out: dict[int, float] = {}
        for (e, column), price in zip(terms.tolist(), prices.tolist(), strict=True):
            if price:
                edge = tuple(program.edges[e].tolist())
                key = self.edges.setdefault(edge, len(self.edges)), _same(program.architecture, edge, column)
                k = self.terms.setdefault(key, len(self.terms))
                out[k] = out.get(k, 0.0) + price
        return out


def load_name(load: Load) -> str:
    """What a load is called: its port, or that passes wait for it."""
    return load.name if load.kind == BUSY else WAITED + load.name


def is_waited(name: str) -> bool:
    """Whether that is what passes wait for, and no port alone."""
    return name.startswith(WAITED)


def _arrays(priced: dict[int, float]) -> tuple[Ints, Floats]:
    return np.array(list(priced), np.int64), np.array(list(priced.values()), np.float64)


def every_bypass(machine: Architecture) -> Iterator[Bypass]:
    """Every tensor by every memory but the outermost that would keep it."""
    may = [
        (i, t) for i, level in enumerate(machine.levels) for t in TENSORS if t in level.keeps and i > machine.home(t)
    ]
    for n in range(len(may) + 1):
        for chosen in combinations(may, n):
            yield {i: frozenset(t for at, t in chosen if at == i) for i in {at for at, _ in chosen}}


def _inside(machine: Architecture, bypass: Bypass) -> bool:
    """Whether any tensor stays in the PE."""
    levels = range(machine.pe_level, len(machine.levels))
    return any(machine.levels[i].keeps - bypass.get(i, frozenset()) for i in levels)


def _same(machine: Architecture, edge: tuple[int, ...], column: int) -> int:
    """The first column with the same words (see `nest.kernels.tiles`).

    What one child wants is what is sent to it, but for padding that is made on the way; and what a level's network
    sends is what each instance of the level wants, but for single wires.
    """
    t, parent, child, _, _ = edge
    hidden = t == 0 and machine.padding is Padding.ON_CHIP and parent == 0
    while column < 3 * (child - parent):
        fanout = machine.levels[parent + column // 3].fanout
        alone = fanout.y * fanout.x == 1
        if column % 3 == 2 and alone and not (hidden and column == 2):
            column -= 2
        elif column % 3 == 0 and column and (alone or fanout.network(TENSORS[t]).kind is not NetworkKind.UNICAST):
            column -= 1
        else:
            break
    return column


def _across(machine: Architecture, program: Program) -> frozenset[str]:
    """Dims that may be spatial: not those whose psums would meet where nothing adds them (`program.build` refuses)."""
    edges = [(int(parent), int(child)) for t, parent, child, _, _ in program.edges if t == PSUM]
    array = max(machine.pe_level - 1, 0)
    return frozenset(DIMS) - {dim for level, dim in unmerged(machine, edges) if level == array}
