"""What the kernels of a search read, one record per idea; they are passed whole.

A *term* is one (edge, column) of `nest.kernels.tiles` that an objective prices. An *option* is one way to split the
dims of one group over the loops of a nest; a *combination* takes one option per group.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

BUSY, MOVING, LOADING, TAIL = range(4)  # kinds of loads, see `Charges`


class Charges(NamedTuple):
    """What an objective charges for the words of a mapping and for the cycles they take (docs/model.md, T13).

    energy : float64[term], of a word; constant : what no mapping changes.
    kinds : int64[load], BUSY for a port over the layer, MOVING for one that feeds the PE between the loads of passes,
        LOADING for what passes wait for, TAIL for what follows their last MAC. fixed : float64[load], cycles whatever
        the words; first : int64[load + 1], where each one's shares lie. of, share : int64, float64[share], the term
        and its cycles a word.
    either : bool[term], whether more of its words may cost less.
    objective : 0 energy, 1 cycles, 2 energy-delay product, 3 with the delay's square.
    """

    energy: Floats
    constant: float
    kinds: Ints
    fixed: Floats
    first: Ints
    of: Ints
    share: Floats
    either: npt.NDArray[np.bool_]
    macs_per_cycle: int
    objective: int


class Combined(NamedTuple):
    """Combinations of options, unit after unit.

    units : int64[unit, group, 2], range of each group's options; starts : int64[unit], where a unit's combinations
    begin, those of the last group's options next to each other.
    """

    units: Ints
    starts: Ints


class Options(NamedTuple):
    """The options of every group; each field has one array a group.

    loops : int64[option, loop, 2], (level, position) of temporal loops, `counts` of them. totals : float64[option,
    term], words if every iteration moved a whole tile. parts : float64[option, pair, 6], see `scores.pair_tables`.
    extents : float64[option], iterations of the busiest PE. factors : int64[option, partition, 3], see
    `bounds.tile_factors`.
    """

    loops: tuple[Any, ...]
    counts: tuple[Any, ...]
    totals: tuple[Any, ...]
    parts: tuple[Any, ...]
    extents: tuple[Any, ...]
    factors: tuple[Any, ...]


class Pairs(NamedTuple):
    """Where an order of loops matters: runs of loops in which groups follow one another, and the terms each keeps.

    segments : int64[segment, 2], (level, position; -1: free). rows : int64[pair, 2], (segment, term), by segment; runs
    : int64[segment, 2], the pairs of each.
    """

    segments: Ints
    rows: Ints
    runs: Ints
