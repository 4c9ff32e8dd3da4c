"""Splits as the kernels take them: per group of dims, arrays over all its options."""

from __future__ import annotations

import threading
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from accelsim.engine.limits import duration, refuse_bytes
from accelsim.engine.nest.laid import laid
from accelsim.engine.pool import in_slices
from accelsim.engine.program import Ints, Program
from accelsim.engine.words.kernels import options as tabulating
from accelsim.errors import MappingError
from accelsim.search.factors import longest
from accelsim.search.kernels import bounds as bounding
from accelsim.search.kernels import scores as kernel
from accelsim.search.kernels.records import Options, Pairs
from accelsim.search.space import GROUPS, Space
from accelsim.search.split import Split
from accelsim.workload.problem import DIM_INDEX

Option = tuple[Split, ...]
PLANE = (4, 5)
"""The groups that are rows and columns of an ifmap."""
MOST_TILES, TILES_A_SECOND = 3e8, 6e7
"""Tiles along a plane that tables of all options are made of, at most and in a second."""
TOGETHER = 32
"""Options tabulated in a slice at least: a millisecond."""
MOST_LOOKED_UP, MOST_KEPT = 2048, 1 << 26
"""Options of a list whose tables are kept, and bytes of all tables that are."""
Floats = npt.NDArray[np.float64]


class Tables(NamedTuple):
    """What is known of every option of one group, see `tabulating.option_tables`.

    loops : int64[option, loop, 2], (level, position) of its temporal loops; counts : int64[option], how many. totals :
    float64[option, term]; stays, kepts : float64[option, carry, term]; aboves : int64[option, edge]. extents :
    float64[option], iterations of the busiest PE; tiles : int64[option, level, 2], of each dim at each level. walked :
    float64[option], iterations of its temporal loops.
    """

    loops: Ints
    counts: Ints
    totals: Floats
    stays: Floats
    kepts: Floats
    aboves: Ints
    extents: Floats
    tiles: Ints
    walked: Floats


class _Known:
    """The options of one group that were tabulated so far: of dims of the same sizes, on the same machine."""

    def __init__(self) -> None:
        self.at: dict[Option, int] = {}
        self.tables: Tables | None = None

    def add(self, options: list[Option], tables: Tables) -> int:
        """Keep the tables of options that are new; gives their bytes."""
        first = len(self.at)
        self.at |= {option: first + i for i, option in enumerate(options)}
        if self.tables is None:
            self.tables = tables
        else:
            self.tables = Tables(*(np.concatenate(pair) for pair in zip(self.tables, tables, strict=True)))
        return sum(array.nbytes for array in tables)

    def of(self, options: list[Option]) -> Tables:
        """The tables of some of them."""
        assert self.tables is not None
        rows = np.array([self.at[option] for option in options])
        return Tables(*(array[rows] for array in self.tables))

    def walked(self, options: list[Option]) -> float:
        """Iterations of those of the options that are known."""
        rows = [self.at[option] for option in options if option in self.at]
        return float(self.tables.walked[rows].sum()) if self.tables and rows else 0.0


class _Memory(threading.local):
    """What a thread has tabulated: layers of a network have options in common, and so have the steps of a search."""

    def __init__(self) -> None:
        self.known: dict[tuple[object, ...], _Known] = {}
        self.left = MOST_KEPT

    def find(self, key: tuple[object, ...]) -> _Known:
        """What is known under a key, at first nothing; all is forgotten when it has become too much."""
        if self.left < 0:
            self.known, self.left = {}, MOST_KEPT
        return self.known.setdefault(key, _Known())


_memory = _Memory()


def tables_of(
    space: Space, program: Program, terms: Ints, group: int, options: list[Option], shared: tuple[object, ...]
) -> Tables:
    """Tabulate the options of one group for the terms (edge, column) an objective prices, or look them up.

    shared : by `shared_by`.
    """
    dims = GROUPS[group]
    if len(options) > MOST_LOOKED_UP:
        return _tabulate(space, program, terms, group, options, 0.0)
    # of a layer's sizes those of the group's own dims matter, and of its planes that of the group's own axis
    own = tuple(program.axes[group - 4].tolist()) if group >= 4 else ()
    sizes = tuple(space.problem[dim] for dim in dims)
    known = _memory.find((group, sizes, own, *map(space.slots, dims), *shared))
    new = [option for option in options if option not in known.at]
    walked = known.walked(options)
    if new:
        _memory.left -= known.add(new, _tabulate(space, program, terms, group, new, walked))
    else:
        _refuse(group, walked)
    return known.of(options)


def shared_by(program: Program, terms: Ints) -> tuple[object, ...]:
    """What the tables of every group depend on beside its own dims."""
    arrays = (terms, program.edges, program.unicast, program.merge, program.ends, program.held, program.packs)
    return program.on_chip, program.levels, program.inside, *(array.tobytes() for array in arrays)


def _tabulate(space: Space, program: Program, terms: Ints, group: int, options: list[Option], walked: float) -> Tables:
    """The tables of options; walked : iterations of others in the same search."""
    dims, n, levels = GROUPS[group], len(options), program.levels
    slots = [(lv, kind, pos, a) for a, dim in enumerate(dims) for lv, pos, kind in space.slots(dim)]
    order = sorted(range(len(slots)), key=lambda i: slots[i])
    level, kinds, position, axis = np.array(slots, np.int64)[order].T
    spatial = kinds > 0
    factors = np.array([[f for split in option for f in space.factors(split)] for option in options], np.int64)
    factors = factors[:, order]
    iterations = np.where(spatial, 1.0, factors).prod(axis=1)
    _refuse(group, walked + float(iterations.sum()))

    steps, tiles, extents = np.ones_like(factors), np.ones((n, levels, 2), np.int64), np.ones(n)
    for a, dim in enumerate(dims):
        own = factors[:, axis == a]
        inside = np.cumprod(own[:, ::-1], axis=1)[:, ::-1]  # what each loop and those in it cover
        steps[:, axis == a] = inside // own
        extents *= longest(space.problem[dim], own, spatial[axis == a])
        if (pack := int(program.packs[DIM_INDEX[dim]])) > 1:
            # no step takes fewer cycles than its iterations, as many at a time as go together
            here = own[:, (level[axis == a] >= program.inside) & ~spatial[axis == a]]
            extents /= np.minimum(here.prod(axis=1), pack)
        outermost = np.searchsorted(level[axis == a], np.arange(levels))
        whole = np.concatenate([inside, np.ones((n, 1), np.int64)], axis=1)[:, outermost]
        tiles[:, :, a] = np.minimum(whole, space.problem[dim])

    there, temporal = factors > 1, (factors > 1) & ~spatial
    columns = (np.array([DIM_INDEX[dim] for dim in dims])[axis], factors, spatial, level, steps)
    rows, lengths = _packed(there, columns)
    loops, counts = _packed(temporal, (level, position))
    most = (
        int(np.where(temporal, factors, 1).prod(axis=1).max()),
        2 * int((~spatial).sum()) + 1,
        int(np.where(spatial, factors, 1).prod(axis=1).max()),
    )
    totals, (stays, kepts) = np.zeros((n, len(terms))), np.zeros((2, n, most[1], len(terms)))
    aboves, nest = np.zeros((n, len(program.edges)), np.int64), laid(program)

    def tabulate(first: int, end: int) -> None:
        part = slice(first, end)
        table = tabulating.Table(totals[part], stays[part], kepts[part], aboves[part])
        tabulating.option_tables(nest, rows[part], lengths[part], group, program.edges, terms, most, table)

    in_slices(n, TOGETHER, tabulate)
    return Tables(loops, counts, totals, stays, kepts, aboves, extents, tiles, iterations)


def _refuse(group: int, tiles: float) -> None:
    """Raise MappingError if tables of a plane would take too long; of other dims they are products."""
    if group in PLANE and tiles > MOST_TILES:
        raise MappingError(
            f"a search would look at {tiles:.1e} tiles along {' and '.join(GROUPS[group])}, each time for "
            f"{duration(tiles / TILES_A_SECOND)}; at most {MOST_TILES:.0e} are taken on: give a mapping "
            "(--mapping), or a smaller layer"
        )


def _refuse_far(program: Program) -> None:
    """Raise MappingError if tables of a plane would take too much, as far as its ifmap reaches."""
    reach = _reach(program)
    refuse_bytes(16 * reach, f"a search among planes of {reach:.1e} rows or columns would")


def _reach(program: Program) -> int:
    """The furthest a row or a column of the ifmap lies from the first one an output takes, and room to mark it."""
    sizes = program.problem.sizes
    return 2 + max(
        int(program.axes[a, 0] * (sizes[4 + a] - 1) + program.axes[a, 1] * (sizes[6 + a] - 1)) for a in (0, 1)
    )


def _packed(there: npt.NDArray[np.bool_], columns: tuple[Ints, ...]) -> tuple[Ints, Ints]:
    """The loops that are there, first in each row: int64[option, loop, column]; and how many are."""
    lengths = there.sum(axis=1)
    out = np.zeros((len(there), tabulating.MOST_LOOPS, len(columns)), np.int64)
    option, loop = np.nonzero(there)
    at = (np.cumsum(there, axis=1) - 1)[option, loop]
    for c, column in enumerate(columns):
        out[option, at, c] = np.broadcast_to(column, there.shape)[option, loop]
    return out, lengths


def options_of(
    space: Space, program: Program, terms: Ints, given: list[list[Option]], capacity: tuple[Ints, Ints, Ints]
) -> tuple[Options, Pairs]:
    """The options of every group as the kernels read them, and where their orders matter.

    terms : int64[term, 2], (edge, column) that an objective prices. capacity : partitions, bits and strides, as
    `bounds.tile_factors` has them.
    """
    _refuse_far(program)
    shared = shared_by(program, terms)
    tables = [tables_of(space, program, terms, g, some, shared) for g, some in enumerate(given)]
    pairs = _pairs(program, terms, tables)
    parts = []
    for t in tables:
        parts.append(np.zeros((len(t.loops), len(pairs.rows), 6)))
        kernel.pair_tables(
            t.loops, t.counts, t.aboves, t.stays, t.kepts, pairs.rows, terms, program.edges, pairs.segments, parts[-1]
        )
    factors = tuple(bounding.tile_factors(g, t.tiles, *capacity) for g, t in enumerate(tables))
    loops, counts, totals, _, _, _, extents, _, _ = zip(*tables, strict=True)
    return Options(loops, counts, totals, tuple(parts), extents, factors), pairs


def _pairs(program: Program, terms: Ints, tables: list[Tables]) -> Pairs:
    loops = [t.loops[np.arange(t.loops.shape[1]) < t.counts[:, None]] for t in tables]
    segments = np.unique(np.concatenate(loops), axis=0)
    of_edge = program.edges[terms[:, 0]]
    rows = np.argwhere((segments[:, :1] < of_edge[:, 2]) & (of_edge[:, 3] == 0)).astype(np.int64).reshape(-1, 2)
    ends = np.searchsorted(rows[:, 0], np.arange(len(segments) + 1)).astype(np.int64)
    return Pairs(segments, rows, np.stack([ends[:-1], ends[1:]], axis=1))
