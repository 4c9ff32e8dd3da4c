"""When the passes of a fused group run: what comes for the next tile, and leaves of the last, while one runs.

Rules T2, T3, T9 and T15 of docs/model.md, one level up: a pass is a step, a tile of the sink is what comes and goes.
Passes run one after another; groups do not overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from accelsim.engine.fused.kernels import clock

Ints = npt.NDArray[np.int64]
NONE = -1
FILL, DRAIN = "fill", "drain"


@dataclass(frozen=True, eq=False)
class Fetches:
    """Tiles of the group's inputs that come in, those without words left out. int64[fetch], but for `work`.

    source : which input. tile : for which it comes. reader : the first pass of that tile that reads it.
    work : int64[fetch, port], cycles on each port, 0 where it does not use one.
    back : the tile whose drained words it fetches, -1: it fetches what lay there from the start.
    freed : the tile whose drain has to be over before, since it takes its place, -1: none. None: under single buffers
    the tile before, else none.
    words : that come; only told.
    """

    source: Ints
    tile: Ints
    reader: Ints
    work: Ints
    back: Ints
    freed: Ints | None = None
    words: Ints | None = None

    @staticmethod
    def none(ports: int) -> Fetches:
        """Nothing comes in."""
        empty = np.zeros(0, np.int64)
        return Fetches(empty, empty, empty, np.zeros((0, ports), np.int64), empty)


@dataclass(frozen=True, eq=False)
class Filters:
    """Filters by layer, and behind them slices of those that come in slices, each for a pass.

    work : int64[filter, port], cycles on each port; a row of -1: the layer has none, or it is there already.
    streamed : bool[layer], fetched for every pass; else once, before the first.
    slices : int64[filter], units of a streamed one that have to be there before its pass begins.
    renewed : int64[any], passes for which the filter of their layer is fetched anew, in the place of the one before:
    a dynamic one of the next image, or head.
    words : int64[filter]; only told. row : int64[pass], which of these it needs; None: its layer's.
    """

    work: Ints
    streamed: npt.NDArray[np.bool_]
    slices: Ints
    renewed: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    words: Ints | None = None
    row: Ints | None = None


@dataclass(frozen=True, eq=False)
class Schedule:
    """All passes and transfers of a group, as plain arrays.

    sources, layers : names, the sink last. tile, layer, cycles : int64[pass], in order; a tile has at least one.
    fetches, filters : what comes in. drains : int64[tile, port], cycles of the tile of the sink that leaves, or all -1.
    latency : cycles behind transfers, int64[source], int64[layer] of filters, and of the sink.
    double : inputs and the sink have room for two tiles.
    writes : int64[tile], the first pass of each that writes the sink's tile; None: its last.
    leaves : int64[tile], words that leave; only told.
    """

    sources: Sequence[str]
    layers: Sequence[str]
    tile: Ints
    layer: Ints
    cycles: Ints
    fetches: Fetches
    filters: Filters
    drains: Ints
    latency: tuple[Ints, Ints, int]
    double: bool = False
    writes: Ints | None = None
    leaves: Ints | None = None

    @cached_property
    def causes(self) -> tuple[str, ...]:
        """What stalls are charged to: transfers of a source, a filter, the sink; then `fill` and `drain`."""
        return (
            *(f"input {name}" for name in self.sources),
            *(f"filter {name}" for name in self.layers),
            f"output {self.layers[-1]}",
            FILL,
            DRAIN,
        )

    @cached_property
    def closes(self) -> Ints:
        """int64[tile], its last pass."""
        return np.flatnonzero(np.diff(self.tile, append=self.tile[-1] + 1))

    @cached_property
    def opens(self) -> Ints:
        """int64[tile], its first pass."""
        return np.concatenate([[0], self.closes[:-1] + 1])

    @cached_property
    def opened(self) -> Ints:
        """int64[tile], the pass that waits for the end of its drain, since it takes its place; -1: none."""
        found = np.full(len(self.closes), NONE)
        if self.double:
            writes = self.closes if self.writes is None else self.writes
            found[: max(len(found) - 2, 0)] = writes[2:]
        else:
            found[:-1] = self.opens[1:]
        return found

    @property
    def bound(self) -> int:
        """No group ends before its busiest port, or the array, is through with its work."""
        works = (self.transfers.work, np.maximum(self.drains, 0))
        ports = sum((work.sum(axis=0) for work in works), np.zeros(self.drains.shape[1], np.int64))
        return int(max(self.cycles.sum(), *ports.tolist(), 0))

    @property
    def transfers(self) -> clock.Transfers:
        """What comes in, in the order in which ports serve it.

        By the pass waited for (-1: none), filters before inputs, by the first pass that needs it, by source.
        """
        return self._served[0]

    @property
    def rows(self) -> Ints:
        """int64[pass], which of `filters` each needs."""
        return self.layer if self.filters.row is None else self.filters.row

    @property
    def fetch(self) -> Ints:
        """int64[transfer], which of `fetches` each of `transfers` is; from their number on: filters."""
        return self._served[1]

    @cached_property
    def _served(self) -> tuple[clock.Transfers, Ints]:
        parts = (self._inputs(), self._resident(), self._renewed(), self._streamed())
        columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
        found = clock.Transfers(*columns)
        is_input = found.cause < len(self.sources)
        order = np.lexsort((found.cause, found.needed, is_input, found.kappa))
        return clock.Transfers(*(column[order] for column in columns)), order

    def _inputs(self) -> clock.Transfers:
        fetches, none = self.fetches, np.full(len(self.fetches.tile), NONE)
        if self.double:
            before = np.concatenate([[NONE, NONE], self.closes])
            after, freed = before[fetches.tile], none
        else:
            after, freed = fetches.reader - 1, fetches.tile - 1
        freed = freed if fetches.freed is None else fetches.freed
        closes = np.append(self.closes, NONE)
        kappa = np.maximum(after, np.maximum(closes[fetches.back], closes[freed]))
        latency = self.latency[0][fetches.source]
        return clock.Transfers(
            fetches.work, kappa, fetches.reader, after, none, freed, fetches.back, none, fetches.source, latency
        )

    def _resident(self) -> clock.Transfers:
        layers, first = np.unique(self.layer, return_index=True)
        stays = (self.filters.work[layers, 0] >= 0) & ~self.filters.streamed[layers]
        return self._filters(first[stays].astype(np.int64))

    def _renewed(self) -> clock.Transfers:
        before = np.full(len(self.layer), NONE)
        for layer in np.unique(self.layer[self.filters.renewed]):
            own = np.flatnonzero(self.layer == layer)
            before[own[1:]] = own[:-1]
        return self._filters(self.filters.renewed, after=before[self.filters.renewed])

    def _streamed(self) -> clock.Transfers:
        comes = self.filters.streamed & (self.filters.work[: len(self.layers), 0] >= 0)
        passes = np.flatnonzero(comes[self.layer])
        beside = np.concatenate([[NONE], passes[:-1]]) if len(passes) else passes
        return self._filters(passes, beside=beside, slices=self.filters.slices[self.rows[passes]])

    def _filters(
        self, needed: Ints, after: Ints | None = None, beside: Ints | None = None, slices: Ints | None = None
    ) -> clock.Transfers:
        """Filters of the layers of passes that need them; they wait for one pass, or none."""
        layers, none = self.layer[needed], np.full(len(needed), NONE)
        after, beside, slices = (none if one is None else one for one in (after, beside, slices))
        work, latency = self.filters.work[self.rows[needed]], self.latency[1][layers]
        cause = len(self.sources) + layers
        kappa = np.maximum(after, beside)
        return clock.Transfers(work, kappa, needed, after, beside, none, none, slices, cause, latency)


@dataclass(frozen=True, eq=False)
class Clock:
    """When a group runs.

    cycles : until everything has landed. begins, ends : int64[pass]. gap : int64[pass], cycles the array stands before
    it; cause : int64[pass], for what, of `Schedule.causes`. stretch : int64[pass], cycles its last unit waits for the
    rest of its filter. drain : cycles behind the last pass.
    came, come : int64[transfer], when each of `Schedule.transfers` begins and ends. left, gone : int64[tile], drains.
    """

    schedule: Schedule
    cycles: int
    begins: Ints
    ends: Ints
    gap: Ints
    cause: Ints
    stretch: Ints
    came: Ints
    come: Ints
    left: Ints
    gone: Ints

    @property
    def processing(self) -> int:
        """Cycles of all passes: what is left where transfers of the outermost level take no time."""
        return int(self.schedule.cycles.sum())

    @property
    def drain(self) -> int:
        """Cycles behind the last pass."""
        return self.cycles - int(self.ends[-1])

    @cached_property
    def stalls(self) -> dict[str, int]:
        """Cause -> cycles; with the cycles of all passes they add up to `cycles`."""
        causes = self.schedule.causes
        found = np.zeros(len(causes), np.int64)
        np.add.at(found, self.cause, self.gap)
        np.add.at(found, len(self.schedule.sources) + self.schedule.layer, self.stretch)
        found[-1] += self.drain
        return {cause: cycles for cause, cycles in zip(causes, found.tolist(), strict=True) if cycles}

    @cached_property
    def by_layer(self) -> dict[str, tuple[int, dict[str, int]]]:
        """Of each layer the cycles of its passes, and the stalls before and in them by cause; `drain` is the last's."""
        schedule, causes, filters = self.schedule, self.schedule.causes, len(self.schedule.sources)
        found = np.zeros((len(schedule.layers), len(causes)), np.int64)
        np.add.at(found, (schedule.layer, self.cause), self.gap)
        np.add.at(found, (schedule.layer, filters + schedule.layer), self.stretch)
        found[schedule.layer[-1], -1] += self.drain
        work = np.bincount(schedule.layer, weights=schedule.cycles, minlength=len(schedule.layers)).astype(np.int64)
        return {
            name: (int(work[n]), {cause: c for cause, c in zip(causes, found[n].tolist(), strict=True) if c})
            for n, name in enumerate(schedule.layers)
        }


def timed(schedule: Schedule) -> Clock:
    """When everything of a group happens."""
    passes, tiles, transfers = len(schedule.cycles), len(schedule.closes), schedule.transfers
    many, ports = transfers.work.shape
    causes = schedule.causes
    ends = np.zeros(passes, np.int64)
    ends[schedule.closes] = 1
    sizes = (*(passes,) * 7, many, many, tiles, tiles, ports)
    times = clock.Times._make(np.zeros(size, np.int64) for size in sizes)
    drains = clock.Drains(schedule.drains, schedule.closes, schedule.opened, schedule.latency[2], len(causes) - 3)
    end = clock.run(clock.Passes(schedule.cycles, schedule.tile, ends), transfers, drains, times)
    times.cause[0] = len(causes) - 2
    return Clock(
        schedule, int(end), times.begins, times.ends, times.gap, times.cause, times.stretch,
        times.came, times.come, times.left, times.gone,
    )  # fmt: skip
