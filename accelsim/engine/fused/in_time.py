"""A fused group of layers on a machine, in time: `timed` is what a row of a result says of it.

```
found = measure(group, Tiling((2, 56)))
clock = timed(found, Ways.of(machine), cycles)   # cycles : of each of `passes(found)`, on the machine without level 0
clock.cycles, clock.processing, clock.stalls, clock.by_layer
```
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from accelsim.engine.fused.group import Op
from accelsim.engine.fused.schedule import Clock, Fetches, Filters, Schedule
from accelsim.engine.fused.schedule import timed as clocked
from accelsim.engine.fused.storage import Measured
from accelsim.engine.fused.ways import Ways
from accelsim.errors import MappingError, nearest

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Stays:
    """What does not come tile by tile.

    filters : resident filters, by layer. at_home : sources, what plays a filter, or the sink, if they live in the
    buffer: they do not move.
    slices : words of a slice of each streamed filter, by layer; those left out come whole before their pass.
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
        dynamic = [op.dynamic for op in measured.group.ops if op.dynamic]
        outside = [*(source.name for source in measured.group.sources), *dynamic, names[-1]]
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
    group, inputs = measured.group, len(measured.group.sources)
    sizes = [axis.made[:, :, 1] - axis.made[:, :, 0] for axis in (measured.rows, measured.columns)]
    # int64[row of tiles, tile of it, tensor]
    made = sizes[0][:, None] * sizes[1][None]
    runs = made[:, :, inputs:] > 0
    each = _cycles(measured, cycles, runs.shape)
    tiles = runs.shape[0] * runs.shape[1]
    runs, made = runs.reshape(tiles, -1), made.reshape(tiles, -1)
    tile, layer = np.nonzero(runs)
    # the pass of each layer in each tile, in order; what does not run has that of the next which does
    ones = runs.astype(np.int64)
    number = (np.cumsum(ones) - ones.ravel()).reshape(ones.shape)
    fetched = []
    for source, one in enumerate(group.sources):
        if one.name not in stays.at_home:
            reads = np.array([any(read.tensor == one.name for read in op.reads) for op in group.ops])
            comes = np.flatnonzero(made[:, source])
            reader = number[comes, np.argmax(runs[comes] & reads, axis=1)]
            work = ways.work(ways.ifmap, made[comes, source] * one.channels)
            fetched.append((np.full(len(comes), source), comes, reader, work, np.full(len(comes), -1)))
    fetches = Fetches.none(len(ways.ports))
    if fetched:
        fetches = Fetches(*(np.concatenate(column) for column in zip(*fetched, strict=True)))
    drains = ways.work(ways.psum, made[:, -1] * group.sink.channels)
    if group.sink.name in stays.at_home:
        drains[:] = -1
    one_image = (tile, layer, each.reshape(tiles, -1)[tile, layer], fetches, drains)
    tile, layer, each, fetches, drains = _images(group.images, *one_image)
    renewed = _renewed(group.ops, stays, len(one_image[0]), group.images, one_image[1])
    latency = (
        np.full(inputs, ways.ifmap.latency), np.full(len(group.ops), ways.filter.latency), ways.psum.latency
    )  # fmt: skip
    return Schedule(
        [source.name for source in group.sources], [op.name for op in group.ops], tile, layer, each, fetches,
        _filters(group.ops, ways, stays, renewed), drains, latency, measured.tiling.double,
    )  # fmt: skip


def _cycles(measured: Measured, cycles: Sequence[int], shape: Sequence[int]) -> Ints:
    """int64[row of tiles, tile of it, operation]: how long each pass lasts; 0: it is none."""
    group, found, at = measured.group, np.zeros(shape, np.int64), 0
    given = np.asarray(cycles, np.int64)
    for place, op in enumerate(group.ops):
        kinds = []
        for axis, along in enumerate((measured.rows, measured.columns)):
            links = [group.link(op, read.tensor, axis) for read in op.reads]
            begin, end = along.made[:, group.number[op.name], 0], along.made[:, group.number[op.name], 1]
            columns = [end - begin]
            for link in links:
                low, high = begin * link.stride - link.pad, (end - 1) * link.stride + link.reach - link.pad
                before = np.maximum(-low, 0)
                columns += [np.minimum(high, along.chain.plane[link.tensor]) - low - before, before]
            some = np.flatnonzero(end > begin)
            which = np.full(len(begin), -1)
            # sorted as `passes` sorts them
            distinct, which[some] = np.unique(np.stack(columns, 1)[some], axis=0, return_inverse=True)
            kinds.append((which, len(distinct)))
        (rows, many), (across, wide) = kinds
        own = given[at : at + many * wide]
        at += many * wide
        if at > len(given):
            break
        runs = (rows >= 0)[:, None] & (across >= 0)
        found[:, :, place][runs] = own[(rows[:, None] * wide + across)[runs]]
    if at != len(given):
        raise ValueError(f"{len(given)} cycles are not one for each pass of the fused group")
    return found


def _images(
    images: int, tile: Ints, layer: Ints, each: Ints, fetches: Fetches, drains: Ints
) -> tuple[Ints, Ints, Ints, Fetches, Ints]:
    """The same for images one after another."""
    tiles, passes, many = len(drains), len(tile), len(fetches.tile)

    def shifted(numbers: Ints, by: int) -> Ints:
        return (numbers[None] + by * np.arange(images)[:, None]).ravel()

    more = Fetches(
        np.tile(fetches.source, images), shifted(fetches.tile, tiles), shifted(fetches.reader, passes),
        np.tile(fetches.work, (images, 1)), np.full(many * images, -1),
    )  # fmt: skip
    return shifted(tile, tiles), np.tile(layer, images), np.tile(each, images), more, np.tile(drains, (images, 1))


def _renewed(ops: Iterable[Op], stays: Stays, passes: int, images: int, layer: Ints) -> Ints:
    """The first passes, in all images but the first, of layers whose filter is of one image and stays."""
    own = [op.dynamic not in ("", *stays.at_home) and op.name in stays.filters for op in ops]
    first = [np.flatnonzero(layer == place)[0] for place in np.flatnonzero(own)]
    found = np.array(sorted(first), np.int64)[None] + passes * np.arange(1, images)[:, None]
    return found.ravel().astype(np.int64)


def _filters(ops: Sequence[Op], ways: Ways, stays: Stays, renewed: Ints) -> Filters:
    """Those of all layers; one that plays a filter and lives in the buffer does not come."""
    words = np.array([op.filters for op in ops], np.int64)
    comes = (words > 0) & ~np.array([op.dynamic in stays.at_home for op in ops])
    work = ways.work(ways.filter, words)
    work[~comes] = -1
    parts = np.array([min(stays.slices.get(op.name, op.filters), op.filters) for op in ops], np.int64)
    slices = ways.work(ways.filter, parts).max(axis=1)
    streamed = comes & np.array([op.name not in stays.filters for op in ops])
    return Filters(work, streamed, slices, renewed)
