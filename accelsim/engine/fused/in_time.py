"""A fused group of layers on a machine, in time: `timed` is what a row of a result says of it.

```
found = measure(group, Tiling((2, 56)))
clock = timed(found, Ways.of(machine), cycles)   # cycles : of each of `passes(found)`, on the machine without level 0
clock.cycles, clock.processing, clock.stalls, clock.by_layer
```
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from accelsim.engine.fused.group import Group
from accelsim.engine.fused.passes import Pass
from accelsim.engine.fused.schedule import Clock, Fetches, Filters, Schedule
from accelsim.engine.fused.schedule import timed as clocked
from accelsim.engine.fused.sequence import Sequence as Runs
from accelsim.engine.fused.sequence import sequence
from accelsim.engine.fused.storage import Measured
from accelsim.engine.fused.ways import Ways
from accelsim.errors import MappingError, nearest

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Stays:
    """What does not come tile by tile.

    filters : resident filters, by layer. at_home : sources, what plays a filter, or the sink, if they live in the
    buffer: they do not move.
    slices : words of a streamed filter that its pass waits for, by layer, the rest comes while it runs; those left out
    come whole before their pass.
    """

    filters: frozenset[str] = frozenset()
    at_home: frozenset[str] = frozenset()
    slices: Mapping[str, int] = field(default_factory=dict, hash=False)

    def check(self, measured: Measured) -> None:
        """Raise MappingError for a name that is none of the group's."""
        names = [op.name for op in measured.group.ops]
        for name in (*self.filters, *self.slices):
            if name not in names:
                raise MappingError(f"no layer '{name}' in this fused group{nearest(name, names)}")
        for name in sorted(self.filters & set(measured.tiling.cut)):
            raise MappingError(f"the filter of '{name}' comes in slices: it does not stay")
        dynamic = [op.dynamic for op in measured.group.ops if op.dynamic]
        sinks = (op.name for op in measured.group.sinks)
        outside = [*(source.name for source in measured.group.sources), *dynamic, *sinks]
        for name in self.at_home:
            if name not in outside:
                raise MappingError(f"'{name}' is no input or output of this fused group{nearest(name, outside)}")


def timed(measured: Measured, ways: Ways, cycles: Sequence[int], stays: Stays = Stays()) -> Clock:
    """When a group runs.

    cycles : of each of `passes(measured)`, in their order. Raises MappingError for a name that is none of the group's,
    ValueError for as many cycles as there are no passes.
    """
    return clocked(schedule_of(measured, ways, cycles, stays))


def schedule_of(measured: Measured, ways: Ways, cycles: Sequence[int], stays: Stays = Stays()) -> Schedule:
    """The passes and transfers of a group, as arrays."""
    stays.check(measured)
    group, runs, given = measured.group, sequence(measured), np.asarray(cycles, np.int64)
    if len(given) != len(runs.kinds):
        raise ValueError(f"{len(given)} cycles are not one for each pass of the fused group, {len(runs.kinds)} in all")
    comes = ~np.array([source.name in stays.at_home for source in group.sources])[runs.source]
    fetches = Fetches(
        runs.source[comes], runs.fetched[comes], runs.reader[comes], ways.work(ways.ifmap, runs.words[comes]),
        np.full(int(comes.sum()), -1), words=runs.words[comes],
    )  # fmt: skip
    # of several sinks, parts of a concatenation, some may live in the buffer
    parts = [(op.channels, op.name not in stays.at_home) for op in group.sinks]
    away = sum(channels for channels, leaves in parts if leaves)
    leaves = runs.leaving // sum(channels for channels, _ in parts) * away
    drains = ways.work(ways.psum, leaves)
    if not away:
        drains[:] = -1
    filters = _filters(measured, runs, ways, stays)
    latency = np.full(len(group.sources), ways.ifmap.latency), np.full(len(group.ops), ways.filter.latency)
    return Schedule(
        [source.name for source in group.sources], [op.name for op in group.ops], runs.tile, runs.op,
        given[runs.which], fetches, filters, drains, (*latency, ways.psum.latency), measured.tiling.double,
        runs.writes, leaves,
    )  # fmt: skip


def _renewed(group: Group, runs: Runs, stays: Stays) -> Ints:
    """The first passes, in all images but the first, of layers whose filter is of one image and stays."""
    own = [op.dynamic not in ("", *stays.at_home) and op.name in stays.filters for op in group.ops]
    tiles = len(runs.leaving) // group.images
    image = runs.tile // tiles
    found = [
        int(np.flatnonzero((runs.op == place) & (image == number))[0])
        for place in np.flatnonzero(own)
        for number in range(1, group.images)
    ]
    return np.array(sorted(found), np.int64)


def _filters(measured: Measured, runs: Runs, ways: Ways, stays: Stays) -> Filters:
    """Those of all layers; one that plays a filter and lives in the buffer does not come."""
    group, ops = measured.group, measured.group.ops
    words = [op.filters for op in ops]
    there = [op.dynamic in stays.at_home for op in ops]
    parts = [min(stays.slices.get(op.name, op.filters), op.filters) for op in ops]
    row = runs.op.copy()
    for place, op in enumerate(ops):
        if op.name in measured.tiling.cut:
            # a slice is whole before its pass, as any filter is
            rows = {}
            for outer, _ in measured.tiling.slices(op):
                rows[outer] = len(words)
                words.append(op.filters // op.outer * outer)
                there.append(there[place])
                parts.append(words[-1])
            own = runs.op == place
            row[own] = [rows[_outer(runs.kinds[kind])] for kind in runs.which[own]]
    work = ways.work(ways.filter, words)
    come = (np.array(words) > 0) & ~np.array(there)
    work[~come] = -1
    slices = ways.work(ways.filter, parts).max(axis=1)
    streamed = come[: len(ops)] & np.array([op.name not in stays.filters for op in ops])
    return Filters(work, streamed, slices, _renewed(group, runs, stays), np.array(words, np.int64), row)


def _outer(one: Pass) -> int:
    """Output channels that a pass makes of each group."""
    assert one.problem is not None
    return one.problem["M"]
