"""Tiles of a chain of operations along one axis: what each uses, what it makes, what stays for later ones.

The sink's rows are cut into tiles. Backwards over the operations, to make rows [m, m') one uses
[m * stride - pad, (m' - 1) * stride + (taps - 1) * dilation - pad + 1) of what it reads, clipped to the plane; of
several readers the hull. A tensor that is kept is made from the largest end so far on, else all that is used is made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from accelsim.engine.nest.kernels import intervals as kernel
from accelsim.engine.nest.kernels.intervals import PAD, REACH, READER, STRIDE, Chain

Ints = npt.NDArray[np.int64]
Along = tuple[int, tuple[tuple[int, int], ...]]
"""One axis of a pass: what it makes, and of each tensor what it uses and the zeros before that."""


@dataclass(frozen=True)
class Link:
    """One axis of an operation and one tensor that it reads, both by number."""

    tensor: int
    reader: int
    stride: int
    reach: int
    pad: int


def chain(planes: Sequence[int], links: Sequence[Link]) -> Chain:
    """Arrays for one axis. planes : rows of each tensor, the inputs first, the sink last."""
    ordered = sorted(links, key=lambda link: (link.tensor, link.reader))
    first = np.zeros(len(planes) + 1, np.int64)
    for link in ordered:
        first[link.tensor + 1] += 1
    edges = np.array([[one.reader, one.stride, one.reach, one.pad] for one in ordered], np.int64).reshape(-1, 4)
    return Chain(np.array(planes, np.int64), np.cumsum(first), edges)


@dataclass(frozen=True, eq=False)
class Tiled:
    """One axis of a chain under one size of tiles.

    used, made : int64[tile, tensor, 2], begin and end of what each tile uses and makes.
    held, touched, seen : int64[tile, tensor - 1], as `kernels.intervals.hold` has them.
    keep : uint8[tensor].
    """

    chain: Chain
    tile: int
    keep: npt.NDArray[np.uint8]
    used: Ints
    made: Ints
    held: Ints
    touched: Ints
    seen: Ints

    @cached_property
    def words(self) -> Ints:
        """int64[tensor], rows made of each over all tiles."""
        return self._totals[0]

    @cached_property
    def runs(self) -> Ints:
        """int64[tensor], tiles in which any are made."""
        return self._totals[1]

    @cached_property
    def _totals(self) -> tuple[Ints, Ints]:
        sizes = self.made[:, :, 1] - self.made[:, :, 0]
        return sizes.sum(axis=0), (sizes > 0).sum(axis=0)

    @cached_property
    def chosen(self) -> Ints:
        """Tiles that stand for all where tiles stand alone; increasing."""
        return self._representatives(False)

    @cached_property
    def chosen_among(self) -> Ints:
        """Tiles that stand for all where the two before and the next one matter too."""
        return self._representatives(True)

    def _representatives(self, around: bool) -> Ints:
        found = np.empty(len(self.made), np.int64)
        count = kernel.representatives(self.made, self.held, self.touched, self.seen, around, found)
        return found[:count]

    def passes(self, tensor: int, links: Sequence[Link]) -> tuple[tuple[Along, int], ...]:
        """Distinct passes of an operation along this axis, sorted: ((made, (used, zeros before) by link), tiles).

        links : how it reads each tensor, the same each time. What it uses is its own interval, clipped, not the hull of
        all readers.
        """
        found = self._passes.get(tensor)
        if found is None:
            each = Counter(self._each(tensor, links))
            found = self._passes[tensor] = tuple(
                ((one[0], tuple(zip(one[1::2], one[2::2], strict=True))), each[one]) for one in sorted(each)
            )
        return found

    def which(self, tensor: int, links: Sequence[Link]) -> Ints:
        """int64[tile], the place among `passes` of what an operation does in each tile; -1: it makes nothing."""
        each = self._each(tensor, links)
        place = {one: at for at, one in enumerate(sorted(set(each)))}
        found = np.full(len(self.made), -1, np.int64)
        found[self.made[:, tensor, 1] > self.made[:, tensor, 0]] = [place[one] for one in each]
        return found

    def _each(self, tensor: int, links: Sequence[Link]) -> list[tuple[int, ...]]:
        """(made, used and zeros before by link) of every tile in which an operation makes anything."""
        begin, end = self.made[:, tensor, 0], self.made[:, tensor, 1]
        some = end > begin
        begin, end = begin[some], end[some]
        columns = [end - begin]
        for link in links:
            low, high = begin * link.stride - link.pad, (end - 1) * link.stride + link.reach - link.pad
            before = np.maximum(-low, 0)
            columns += [np.minimum(high, self.chain.plane[link.tensor]) - low - before, before]
        return list(zip(*(column.tolist() for column in columns), strict=True))

    @cached_property
    def _passes(self) -> dict[int, tuple[tuple[Along, int], ...]]:
        return {}


def tiled(axis: Chain, tile: int, keep: Sequence[bool] | npt.NDArray[np.uint8], every: bool) -> Tiled:
    """Walk one axis.

    keep : by tensor, whether what was made stays for later tiles, or is made again. The sink's says nothing.
    every : whether rows count as held where they are made again, too: columns do, for what lies above them stays.
    """
    tensors, plane = len(axis.plane), int(axis.plane[-1])
    tiles = -(-plane // tile)
    kept = np.array(keep, np.uint8)
    used, made = np.empty((tiles, tensors, 2), np.int64), np.empty((tiles, tensors, 2), np.int64)
    kernel.walk(axis, tile, kept, np.empty(tensors, np.int64), used, made)
    held, touched, seen = (np.empty((tiles, tensors - 1), np.int64) for _ in range(3))
    wanted = np.ones(tensors, np.uint8) if every else kept
    kernel.hold(used, axis.plane, wanted, np.empty((3, int(axis.plane.max())), np.int64), held, touched, seen)
    return Tiled(axis, tile, kept, used, made, held, touched, seen)


__all__ = ["PAD", "REACH", "READER", "STRIDE", "Chain", "Link", "Tiled", "chain", "tiled"]
