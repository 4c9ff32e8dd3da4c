"""What a group computes, moves and holds under one tiling, in closed form.

The sink is cut into tiles of rows x columns (the last clipped), walked row by row. Each tensor keeps what overlaps with
later tiles or makes (of a source: fetches) it again, rows and columns apart. Counts are products of sums along the two
axes; storage is taken at tiles that stand for all others. Of one image, unless said; images run one after another.

Words become bits where `Widths` says so. A width of 0 is for what has room elsewhere: a resident source or sink.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from accelsim.engine.fused.group import Group, Op, Pair
from accelsim.engine.fused.kernels import storage as kernel
from accelsim.engine.fused.kernels.storage import Held, Words
from accelsim.engine.nest.intervals import Tiled, tiled
from accelsim.errors import MappingError, nearest

Ints = npt.NDArray[np.int64]
Keep = tuple[bool, bool]
NONE: Mapping[str, int] = MappingProxyType({})

MODES: Mapping[str, Keep] = MappingProxyType(
    {"both": (True, True), "columns": (False, True), "rows": (True, False), "none": (False, False)}
)
"""What of a tensor is kept: (rows, columns). DeFiNES: fully cached, H-cached V-recompute, -, fully recompute."""


@dataclass(frozen=True)
class Tiling:
    """How a group is run.

    tile : (rows, columns) of the sink. keep : of all tensors. own : of some, by name.
    double : the next tile's inputs come, and the last one's outputs leave, while a tile runs.
    cut : by operation, output channels (M, of one group) in a slice of its filter: where it is cut, each slice comes
    for a pass of its own, which makes these channels of the tile. C is never cut: sums stay whole.
    """

    tile: Pair
    keep: Keep = (True, True)
    own: Mapping[str, Keep] = field(default_factory=dict, hash=False)
    double: bool = False
    cut: Mapping[str, int] = field(default_factory=dict, hash=False)

    def slices(self, op: Op) -> tuple[tuple[int, int], ...]:
        """((M of one group, how many such slices), ...) of a filter, the clipped one last; whole: ((M, 1),).

        Raises MappingError for a slice of none of its output channels, or more than there are.
        """
        most = self.cut.get(op.name, op.outer)
        if not 1 <= most <= op.outer:
            raise MappingError(f"a slice of {most} of the {op.outer} output channels of '{op.name}' (1 to {op.outer})")
        many, rest = divmod(op.outer, most)
        return ((most, many), (rest, 1)) if rest else ((most, many),)

    def kept(self, group: Group, axis: int) -> tuple[bool, ...]:
        """Whether each tensor is kept along one axis. Raises MappingError for a name that is no tensor's."""
        for name in self.own:
            if name not in group.number:
                raise MappingError(f"no tensor '{name}' in this fused group{nearest(name, group.tensors)}")
        return tuple(self.own.get(name, self.keep)[axis] for name in group.tensors)


@dataclass(frozen=True)
class Widths:
    """What one word takes in the buffer, by tensor: of one that is held, of psums while a pass makes them, of filters.

    each : of tensors that are not named. What runs has the width of what is held, unless named.
    """

    each: int = 1
    held: Mapping[str, int] = field(default_factory=dict, hash=False)
    running: Mapping[str, int] = field(default_factory=dict, hash=False)
    filters: Mapping[str, int] = field(default_factory=dict, hash=False)

    def of(self, name: str) -> int:
        """Of a word that is held."""
        return self.held.get(name, self.each)

    def while_made(self, name: str) -> int:
        """Of a word while the pass that makes it runs."""
        return self.running.get(name, self.of(name))

    def of_filter(self, name: str) -> int:
        """Of a word of an operation's filter."""
        return self.filters.get(name, self.each)


ONE = Widths()


@dataclass(frozen=True, eq=False)
class Measured:
    """What a group does under one tiling. Arrays are in the order of `group.tensors`.

    made : int64[tensor], positions made (of a source: fetched) of one image. runs : int64[tensor], passes of one image.
    most : int64[tensor], the most that is held while an operation runs, its filters apart; 0: of a source.
    between : the most that is held between two tiles.
    """

    group: Group
    tiling: Tiling
    widths: Widths
    rows: Tiled
    columns: Tiled
    most: Ints
    between: int

    @cached_property
    def made(self) -> Ints:
        """Positions that are made, of one channel and image."""
        found: Ints = self.rows.words * self.columns.words
        return found

    @cached_property
    def runs(self) -> Ints:
        """Tiles in which anything is made."""
        found: Ints = self.rows.runs * self.columns.runs
        return found

    @cached_property
    def reads(self) -> dict[str, int]:
        """Words of each source read at its home, of all images."""
        each = zip(self.group.sources, self.made, strict=False)
        return {source.name: int(made) * source.channels * self.group.images for source, made in each}

    @cached_property
    def updates(self) -> int:
        """Words of the sink, of all images."""
        plane = self.group.sink.plane
        return sum(sink.channels for sink in self.group.sinks) * plane[0] * plane[1] * self.group.images

    @cached_property
    def macs(self) -> dict[str, int]:
        """MACs of each operation, padding and what is computed again included, of all images."""
        return {op.name: op.macs_at * made for op, made in self._of_ops(self.made * self.group.images)}

    @cached_property
    def again(self) -> dict[str, int]:
        """MACs of each operation beyond those of making every word once."""
        whole = self.group.images
        return {
            op.name: op.macs_at * (made - op.plane[0] * op.plane[1]) * whole for op, made in self._of_ops(self.made)
        }

    @cached_property
    def filter_runs(self) -> dict[str, int]:
        """Passes of each operation that multiplies, of all images: how often a streamed filter is fetched."""
        return {op.name: runs for op, runs in self._of_ops(self.runs * self.group.images) if op.multiplies}

    @cached_property
    def held(self) -> dict[str, int]:
        """The most that is held while each operation runs, its own tile and output in it, filters apart."""
        return dict(self._of_ops_by_name(self.most))

    @cached_property
    def room(self) -> int:
        """The most that is held at a time, filters apart (`filters.choices` adds those)."""
        return int(self.most.max())

    def line_bound(self, steady: bool = False) -> int:
        """What is kept of whole lines, and of the columns beside a tile in the rows that it uses, at most.

        It bounds `between`, not the room: lines and columns share a corner, which is counted twice here.
        steady : rows that most tiles use, where an edge asks for more: what Alwani et al., MICRO 2016, count.
        """
        found, rows, columns = 0, self.rows, self.columns
        for tensor, name in enumerate(self.group.tensors[:-1]):
            sizes, often = np.unique(rows.used[:, tensor, 1] - rows.used[:, tensor, 0], return_counts=True)
            high = int(sizes[::-1][np.argmax(often[::-1])]) if steady else int(sizes[-1])
            lines = int(rows.held[:, tensor].max()) * int(columns.seen[-1, tensor])
            beside = int(columns.held[:, tensor].max()) * high if columns.keep[tensor] else 0
            found += (lines + beside) * self.group.channels[tensor] * self.widths.of(name)
        return found

    def _of_ops(self, values: Ints) -> Iterable[tuple]:  # type: ignore[type-arg]
        """(operation, value) of each."""
        return zip(self.group.ops, map(int, values[len(self.group.sources) :]), strict=True)

    def _of_ops_by_name(self, values: Ints) -> Iterable[tuple[str, int]]:
        return ((op.name, value) for op, value in self._of_ops(values))


class Measure:
    """Measures tilings of one group; an axis that has been walked is not walked again.

    ``Measure(group)(Tiling((2, 56))).room``; over many tiles and modes this takes half the time of `measure`.
    """

    def __init__(self, group: Group, widths: Widths = ONE) -> None:
        self.group, self.widths = group, widths
        self._axes: dict[tuple[int, int, tuple[bool, ...]], Tiled] = {}
        rows = group.chains[0]
        self._words = Words(
            np.array(group.channels, np.int64),
            np.array([widths.of(name) for name in group.tensors], np.int64),
            np.array([widths.while_made(name) for name in group.tensors], np.int64),
            len(group.sources),
            group.number[group.sinks[0].name],
            rows.first,
            rows.edges,
        )
        self._scratch = np.zeros((2, 5), np.int64), np.zeros(len(group.tensors) + 1, np.int64)

    def __call__(self, tiling: Tiling) -> Measured:
        """Raises MappingError for a tile that is none, or a mode of what is no tensor."""
        rows, columns = self.axis(tiling, 0), self.axis(tiling, 1)
        among = tiling.double
        chosen = [axis.chosen_among if among else axis.chosen for axis in (rows, columns)]
        most = np.empty(len(self.group.tensors), np.int64)
        between = kernel.largest(
            self._words, arrays(rows), arrays(columns), *chosen, among, self.group.images, *self._scratch, most
        )
        return Measured(self.group, tiling, self.widths, rows, columns, most, int(between))

    def axis(self, tiling: Tiling, axis: int) -> Tiled:
        """Rows (0) or columns (1) under one tiling."""
        tile, plane = tiling.tile[axis], self.group.sink.plane[axis]
        if not 1 <= tile <= plane:
            name = ("rows", "columns")[axis]
            raise MappingError(f"a tile of {tile} {name}: the sink '{self.group.sink.name}' has {plane} (1 to {plane})")
        key = axis, tile, tiling.kept(self.group, axis)
        if key not in self._axes:
            self._axes[key] = tiled(self.group.chains[axis], tile, key[2], every=axis == 1)
        return self._axes[key]

    def during(self, measured: Measured, i: int, j: int, image: int = 0) -> Ints:
        """int64[operation, tensor]: what of each tensor is held while each operation of tile (i, j) runs.

        -1 throughout a row: the operation does not run there. What double buffers hold besides counts as of the source
        or the sink it is of.
        """
        return by_tensor(self._words, measured, i, j, image)

    def after(self, measured: Measured, i: int, j: int) -> Ints:
        """int64[tensor]: what is held of each after tile (i, j); of the sink nothing."""
        rows, columns, words = arrays(measured.rows), arrays(measured.columns), self._words
        found, one = np.zeros(len(self.group.tensors), np.int64), np.zeros(5, np.int64)
        for tensor in range(len(found) - 1):
            kernel.tensor_in_tile(words, rows, columns, i, j, tensor, one)
            found[tensor] = one[2]
        return found


def arrays(axis: Tiled) -> Held:
    """What kernels read of an axis."""
    return Held(axis.made, axis.held, axis.touched, axis.seen, axis.keep)


def by_tensor(words: Words, measured: Measured, i: int, j: int, image: int = 0) -> Ints:
    """See `Measure.during`."""
    group, double = measured.group, measured.tiling.double
    rows, columns = arrays(measured.rows), arrays(measured.columns)
    sources, many = len(group.sources), len(group.tensors)
    found = np.full((len(group.ops), many), -1, np.int64)
    one, fresh = np.zeros(5, np.int64), np.zeros(many, np.int64)
    for tensor in range(many):
        fresh[tensor] = np.diff(measured.rows.made[i, tensor])[0] * np.diff(measured.columns.made[j, tensor])[0]
    running = [k for k in range(sources, many) if fresh[k]]
    for tensor in range(many - 1):
        kernel.tensor_in_tile(words, rows, columns, i, j, tensor, one)
        before, using, after, first, last = map(int, one)
        if double and tensor < sources:
            first, last = 0, last if last >= first else -1
        for op in running:
            held = after if last < 0 or op > last else using if op >= first else before
            wider = (words.running[op] - words.width[op]) * words.channels[op] * fresh[op] if op == tensor else 0
            found[op - sources, tensor] = held + wider
    for op in running:
        mine = fresh[op] * words.channels[op] * words.running[op] if op == many - 1 else 0
        found[op - sources, many - 1] = mine
    if double:
        _beside(words, measured, (image * len(rows.made) + i) * len(columns.made) + j, running, found)
    return found


def _beside(words: Words, measured: Measured, at: int, running: list[int], found: Ints) -> None:
    """Add the next tile's inputs and the sink's tiles that still leave. at : the tile, counted over all images."""
    rows, columns, images = arrays(measured.rows), arrays(measured.columns), measured.group.images
    sources, sink = len(measured.group.sources), len(measured.group.tensors) - 1
    one = np.zeros(5, np.int64)
    for tensor in (*range(sources), *(measured.group.number[op.name] for op in measured.group.sinks)):
        only = words._replace(width=np.where(np.arange(sink + 1) == tensor, words.width, 0))
        kernel.beside(only, rows, columns, at, images, one)
        for op in running:
            found[op - sources, tensor] += one[0] if tensor < sources else one[1] if op >= words.sink else one[2]


def measure(group: Group, tiling: Tiling, widths: Widths = ONE) -> Measured:
    """What a group computes, moves and holds; see `Measured`."""
    return Measure(group, widths)(tiling)
