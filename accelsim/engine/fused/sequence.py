"""The passes of a fused group in the order they run, and what comes and goes with each tile: as time asks for them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from accelsim.engine.fused.passes import Pass, passes_of
from accelsim.engine.fused.storage import Measured
from accelsim.engine.nest.intervals import Tiled

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Sequence:
    """All tiles of all images, one after another. A tile has at least one pass, the sink's, which is its last.

    An operation whose filter comes in slices has a pass for each, one after another.

    kinds : distinct passes, as `passes.passes` lists them. which : int64[pass], of what kind each is.
    tile, op : int64[pass], in which tile it runs, and the place of its operation in the group.
    source, fetched, reader, words : int64[fetch], which source comes in, for which tile, the first pass that reads it,
    how many words; by tile, then source; those without words are left out.
    leaving : int64[tile], words of the sink that leave. writes : int64[tile], the first pass that writes any of them.
    """

    kinds: tuple[Pass, ...]
    which: Ints
    tile: Ints
    op: Ints
    source: Ints
    fetched: Ints
    reader: Ints
    words: Ints
    leaving: Ints
    writes: Ints


def sequence(measured: Measured) -> Sequence:
    """Every pass of a group in its order. Arrays grow with the number of tiles, not what is done in each."""
    group, rows, columns = measured.group, measured.rows, measured.columns
    tiles, images = len(rows.made) * len(columns.made), group.images
    kinds: list[Pass] = []
    grid = np.empty((tiles, len(group.ops)), np.int64)
    slices = [measured.tiling.slices(op) for op in group.ops]
    many = np.array([sum(blocks for _, blocks in one) for one in slices])
    for place, op in enumerate(group.ops):
        number = group.number[op.name]
        down, across = (
            along.which(number, links) for along, links in zip((rows, columns), group.reading[place], strict=True)
        )
        own = len(kinds) + (down[:, None] * (across.max() + 1) + across[None]) * len(slices[place])
        own[(down < 0)[:, None] | (across < 0)[None]] = -1
        grid[:, place] = own.reshape(-1)
        kinds += passes_of(measured, place)
    grid = np.tile(grid, (images, 1))
    tile, op_of = np.nonzero(grid >= 0)
    which = grid[tile, op_of]
    if many.max() > 1:
        # the kind behind that of a whole slice is the clipped one, the last of them
        each = many[op_of]
        last = np.cumsum(each) - 1
        clipped = np.array([len(one) - 1 for one in slices])[op_of]
        tile, op_of, which = np.repeat(tile, each), np.repeat(op_of, each), np.repeat(which, each)
        which[last] += clipped
    begins = np.searchsorted(tile, np.arange(tiles * images))
    runs = (grid >= 0) * many
    source, fetched, words, reader = _fetches(measured, runs, begins)
    channels = sum(op.channels for op in group.sinks)
    leaving = np.tile(_made(rows, columns, len(group.tensors) - 1) * channels, images)
    writes = begins + runs[:, : group.ops.index(group.sinks[0])].sum(axis=1)
    return Sequence(tuple(kinds), which, tile, op_of, source, fetched, reader, words, leaving, writes)


def _fetches(measured: Measured, times: Ints, begins: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """(source, tile, words, first pass that reads it) of what comes in.

    times : int64[tile, operation], its passes there. begins : int64[tile], its first pass.
    """
    group, runs = measured.group, times > 0
    before: Ints = np.cumsum(times, axis=1) - times
    columns = []
    for number, source in enumerate(group.sources):
        words = np.tile(_made(measured.rows, measured.columns, number) * source.channels, group.images)
        tiles = np.flatnonzero(words)
        reads = np.array([any(read.tensor == source.name for read in op.reads) for op in group.ops])
        reading = runs[tiles] & reads
        # the cross of two readers that do not run comes for what runs at the first one's place or next
        crossed = runs[tiles] & (np.arange(len(reads)) >= np.argmax(reads))
        first = np.argmax(np.where(reading.any(axis=1)[:, None], reading, crossed), axis=1)
        passes = begins[tiles] + before[tiles, first]
        columns.append((np.full(len(tiles), number), tiles, words[tiles], passes))
    source_of, tile, words, reader = (np.concatenate(one) for one in zip(*columns, strict=True))
    order = np.lexsort((source_of, tile))
    return source_of[order], tile[order], words[order], reader[order]


def _made(rows: Tiled, columns: Tiled, tensor: int) -> Ints:
    """int64[tile], positions that each tile of an image makes of a tensor."""
    down, across = (one.made[:, tensor, 1] - one.made[:, tensor, 0] for one in (rows, columns))
    return np.outer(down, across).reshape(-1)
