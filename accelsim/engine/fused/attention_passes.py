"""The passes of a fused attention: two products and the softmax of each block, and when they run.

A product is an ordinary problem: queries on Q, and on M the keys (Q K^T) or the words of a value (A V); what plays the
filter is an activation. Products that add to outputs in progress begin with those.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from accelsim.engine.fused.attention import NOWHERE, RUNNING, Attention, Blocks, Cut, check_home
from accelsim.engine.fused.passes import Pass
from accelsim.engine.fused.schedule import Clock, Fetches, Filters, Schedule, timed
from accelsim.engine.fused.ways import Way, Ways
from accelsim.workload.problem import Problem

Ints = npt.NDArray[np.int64]
LAYERS = ("scores", "softmax", "values")
SOURCES = ("queries", "keys", "values", "outputs in progress")
SCORES, SOFTMAX, VALUES, FINISH = range(4)
QUERIES, KEYS, WEIGHED, PARTIALS = range(4)
OF_A_SCORE, OF_A_ROW = 4, 3
"""Operations: maximum, subtract it, exp, add to the sum; where there is a maximum already, its difference to the new
one, exp, the sum by that. Outputs in progress are then multiplied by it once, and in the end divided by the sum. With
rows whole a score is divided instead: 5 for each, as of a softmax by itself."""


@dataclass(frozen=True)
class Walk:
    """An attention in blocks, pass by pass; one head. at_home : see `attention.TENSORS`."""

    attention: Attention
    blocks: Blocks
    at_home: frozenset[str] = NOWHERE

    def __post_init__(self) -> None:
        check_home(self.attention, self.cut.blocks, self.at_home)

    @cached_property
    def cut(self) -> Cut:
        """Its blocks, none larger than all there is."""
        return Cut(self.attention, self.blocks.clipped(self.attention))

    @cached_property
    def stays(self) -> bool:
        """Whether keys and values are fetched once: they are resident, or their only block stays in place."""
        blocks = self.cut.blocks
        only = blocks.columns == self.attention.keys and blocks.outside == "rows"
        return blocks.kv_resident or (only and not blocks.whole_rows)

    @cached_property
    def spills(self) -> bool:
        """Whether outputs in progress leave the buffer."""
        return self.cut.blocks.outside == "columns" and self.cut.blocks.rows < self.attention.rows

    @cached_property
    def _order(self) -> tuple[Ints, Ints, Ints]:
        """(pass, rows, columns, not the first), block and tile of each pass; int64[pass, 4], int64[pass] twice."""
        listed, many = self.cut.listed, len(self.cut.listed.row)
        later = (~listed.first).astype(np.int64)
        every, none = np.arange(many), np.zeros(many, np.int64)
        if not self.cut.blocks.whole_rows:
            parts = [(every, SCORES, listed.columns, none), (every, SOFTMAX, listed.columns, later)]
            parts += [(every, VALUES, listed.columns, later), (np.flatnonzero(listed.last), FINISH, none, none)]
        else:
            seen = listed.column + listed.columns
            parts = [(every, SCORES, listed.columns, none), (np.flatnonzero(listed.last), SOFTMAX, seen, none)]
            parts += [(every, VALUES, listed.columns, later)]
        block = np.concatenate([at for at, *_ in parts])
        kind = np.concatenate([np.full(len(at), which) for at, which, *_ in parts])
        wide = np.concatenate([columns[at] for at, _, columns, _ in parts])
        again = np.concatenate([after[at] for at, *_, after in parts])
        if self.cut.blocks.whole_rows:
            # all scores of a row of blocks, its softmax, all values
            place = np.lexsort((block, kind, listed.row[block]))
        else:
            place = np.lexsort((kind, block))
        block, kind, wide, again = (column[place] for column in (block, kind, wide, again))
        opens = kind == SCORES
        if self.cut.blocks.whole_rows:
            opens |= (kind == SOFTMAX) | ((kind == VALUES) & (again == 1))
        return np.stack([kind, listed.rows[block], wide, again], axis=1), block, np.cumsum(opens) - 1

    @cached_property
    def _distinct(self) -> tuple[Ints, Ints, Ints]:
        distinct, which, counts = np.unique(self._order[0], axis=0, return_inverse=True, return_counts=True)
        return distinct, which.ravel(), counts

    @cached_property
    def passes(self) -> tuple[Pass, ...]:
        """Every distinct pass: `runs` times in one head."""
        distinct, _, counts = self._distinct
        return tuple(self._pass(tuple(key), runs) for key, runs in zip(distinct.tolist(), counts.tolist(), strict=True))

    def _pass(self, key: tuple[int, ...], runs: int) -> Pass:
        kind, rows, columns, later = key
        d, e, scores = self.attention.width, self.attention.value_width, rows * columns
        if kind == SCORES:
            problem = Problem((1, 1, columns, d, 1, rows, 1, 1), dynamic_filter=True)
            return Pass(LAYERS[0], problem, (rows, columns), runs, rows * d, scores, 0)
        if kind == VALUES:
            problem = Problem((1, 1, e, columns, 1, rows, 1, 1), dynamic_filter=True, added=bool(later))
            return Pass(LAYERS[2], problem, (rows, e), runs, scores, rows * e, 0)
        if kind == FINISH:
            return Pass(LAYERS[1], None, (rows, e), runs, rows * (e + 1), rows * e, rows * e)
        each = OF_A_SCORE + self.attention.beside
        if self.cut.blocks.whole_rows:
            return Pass(LAYERS[1], None, (rows, columns), runs, scores, scores, (each + 1) * scores)
        again = later * rows
        return Pass(
            LAYERS[1], None, (rows, columns), runs, scores + again * (e + RUNNING),
            scores + RUNNING * rows + again * e, each * scores + again * (e + OF_A_ROW),
        )  # fmt: skip

    def schedule(self, ways: Ways, cycles: Sequence[int], heads: int = 1, double: bool = False) -> Schedule:
        """All passes and transfers, head after head. cycles : of each of `passes`, in their order."""
        (keys, _, tile), which = self._order, self._distinct[1]
        layer = np.array([0, 1, 2, 1])[keys[:, 0]]
        each = np.asarray(cycles, np.int64)[which]
        tiles, many = int(tile[-1]) + 1, len(tile)
        fetches = self._fetches(ways, double)
        (drains, leaves), writes = self._drains(ways, tiles), self._writes()
        e, filters = self.attention.value_width, np.full((len(LAYERS), len(ways.ports)), -1)
        whole = np.array([self.attention.width, 0, e]) * self.attention.keys
        renewed = np.zeros(0, np.int64)
        if self.stays:
            filters[[0, 2]] = ways.work(ways.filter, whole[[0, 2]])
            there = {"keys": 0, "values": 2}
            filters[[place for name, place in there.items() if name in self.at_home]] = -1
            comes = [place for name, place in there.items() if name not in self.at_home]
            first = [int(np.flatnonzero(layer == place)[0]) for place in comes]
            renewed = _shifted(np.array(first, np.int64), many, heads)[len(first) :]
        latency = np.array([ways.ifmap.latency, ways.filter.latency, ways.filter.latency, ways.refill.latency])
        return Schedule(
            SOURCES, LAYERS, _shifted(tile, tiles, heads), np.tile(layer, heads), np.tile(each, heads),
            _of_heads(fetches, tiles, many, heads),
            Filters(filters, np.zeros(len(LAYERS), np.bool_), np.zeros(len(LAYERS), np.int64), renewed, whole),
            np.tile(drains, (heads, 1)), (latency, np.full(len(LAYERS), ways.filter.latency), ways.psum.latency),
            double, _shifted(writes, many, heads), np.tile(leaves, heads),
        )  # fmt: skip

    @property
    def which(self) -> Ints:
        """int64[pass of one head], which of `passes` each is."""
        return self._distinct[1]

    def tiles(self, heads: int = 1) -> Ints:
        """int64[tile, 3]: head, row and column at which the block of each tile begins."""
        _, block, tile = self._order
        listed, first = self.cut.listed, np.unique(tile, return_index=True)[1]
        own = np.stack([listed.row[block[first]], listed.column[block[first]]], axis=1)
        return np.concatenate([np.repeat(np.arange(heads), len(own))[:, None], np.tile(own, (heads, 1))], axis=1)

    def timed(self, ways: Ways, cycles: Sequence[int], heads: int = 1, double: bool = False) -> Clock:
        """When it runs; see `schedule`."""
        return timed(self.schedule(ways, cycles, heads, double))

    def _first_pass(self, kind: int) -> Ints:
        """int64[block], the pass of this kind of each block."""
        keys, block, _ = self._order
        own = np.flatnonzero(keys[:, 0] == kind)
        found = np.full(len(self.cut.listed.row), -1)
        found[block[own]] = own
        return found

    def _fetches(self, ways: Ways, double: bool) -> Fetches:
        attention, listed, tile = self.attention, self.cut.listed, self._order[2]
        scores, values = self._first_pass(SCORES), self._first_pass(VALUES)
        d, e = attention.width, attention.value_width
        found: list[tuple[Ints, ...]] = []

        def fetch(source: int, way: Way, blocks: Ints, words: Ints, reader: Ints, back: Ints | None = None) -> None:
            if SOURCES[source] in self.at_home:
                blocks, words, reader = blocks[:0], words[:0], reader[:0]
            none, own = np.full(len(blocks), -1), tile[reader]
            # under double buffers outputs in progress come back to where those of the tile before the last leave
            freed = none if back is None else np.maximum(own - 2, -1)
            back = none if back is None else back
            found.append((np.full(len(blocks), source), own, reader, ways.work(way, words), back, freed, words))

        every = np.arange(len(listed.row))
        if self.cut.blocks.outside == "rows":
            new = np.flatnonzero(listed.first)
            columns = every
        else:
            new = every if self.spills else every[:1]
            columns = np.flatnonzero(np.diff(listed.column, prepend=-1))
        fetch(QUERIES, ways.ifmap, new, listed.rows[new] * d, scores[new])
        if not self.stays:
            fetch(KEYS, ways.filter, columns, listed.columns[columns] * d, scores[columns])
            fetch(WEIGHED, ways.filter, columns, listed.columns[columns] * e, values[columns])
        if self.spills:
            order = np.lexsort((listed.column, listed.row))
            before = np.full(len(every), -1)
            before[order[1:]] = order[:-1]
            again = np.flatnonzero(~listed.first)
            back = tile[scores[before[again]]]
            softmax = self._first_pass(SOFTMAX)
            fetch(PARTIALS, ways.refill, again, listed.rows[again] * (e + RUNNING), softmax[again], back)
        source, own, reader, work, back, freed, come = (np.concatenate(column) for column in zip(*found, strict=True))
        return Fetches(source, own, reader, work, back, freed if double else None, come)

    def _drains(self, ways: Ways, tiles: int) -> tuple[Ints, Ints]:
        """Outputs, or those in progress with their maximum and sum: int64[tile, port] cycles, int64[tile] words."""
        listed, e = self.cut.listed, self.attention.value_width
        tile, values = self._order[2], self._first_pass(VALUES)
        found, leaves = np.full((tiles, len(ways.ports)), -1), np.zeros(tiles, np.int64)
        done = np.flatnonzero(listed.last)
        if "outputs" not in self.at_home:
            leaves[tile[values[done]]] = listed.rows[done] * e
            found[tile[values[done]]] = ways.work(ways.psum, listed.rows[done] * e)
        if self.spills:
            away = np.flatnonzero(~listed.last)
            leaves[tile[values[away]]] = listed.rows[away] * (e + RUNNING)
            found[tile[values[away]]] = ways.work(ways.spill, leaves[tile[values[away]]])
        return found, leaves

    def _writes(self) -> Ints:
        """int64[tile], the first pass that writes where outputs lie."""
        keys, _, tile = self._order
        wanted = (keys[:, 0] == VALUES) | ((keys[:, 0] == SOFTMAX) & (self.spills | (keys[:, 3] == 1)))
        if self.cut.blocks.whole_rows:
            wanted = keys[:, 0] == VALUES
        closes = np.flatnonzero(np.diff(tile, append=tile[-1] + 1))
        found = closes.copy()
        own = np.flatnonzero(wanted)[::-1]
        found[tile[own]] = own
        return found


def _shifted(numbers: Ints, by: int, heads: int) -> Ints:
    found: Ints = (numbers[None] + by * np.arange(heads)[:, None]).ravel()
    return found


def _of_heads(fetches: Fetches, tiles: int, passes: int, heads: int) -> Fetches:
    """The same for heads one after another."""

    def shifted(numbers: Ints) -> Ints:
        moved = _shifted(numbers, tiles, heads)
        return np.where(np.tile(numbers, heads) < 0, -1, moved)

    return Fetches(
        np.tile(fetches.source, heads), _shifted(fetches.tile, tiles, heads), _shifted(fetches.reader, passes, heads),
        np.tile(fetches.work, (heads, 1)), shifted(fetches.back),
        None if fetches.freed is None else shifted(fetches.freed),
        None if fetches.words is None else np.tile(fetches.words, heads),
    )  # fmt: skip
