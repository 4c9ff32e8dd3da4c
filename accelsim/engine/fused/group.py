"""Layers that run together, tile by tile: what each reads and makes, with nothing of how.

A `Group` is geometry only. `storage.measure(group, tiling)` says what it moves, computes and holds,
`passes.passes(group, tiling)` which problems it runs and how often; `layers.group_of(network, names)` makes one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

from accelsim.engine.nest.intervals import Chain, Link, chain
from accelsim.errors import MappingError, nearest

MULTIPLYING = ("conv", "depthwise", "matmul")
WINDOWED = ("conv", "depthwise", "pool")
WORDWISE = ("add", "elementwise", "norm", "softmax")
KINDS = ("conv", "depthwise", "matmul", "pool", *WORDWISE)
Pair = tuple[int, int]


@dataclass(frozen=True)
class Source:
    """A tensor made outside the group, as far as it reads it: channels, (rows, columns)."""

    name: str
    channels: int
    plane: Pair


@dataclass(frozen=True)
class Read:
    """Channels of a tensor that an operation reads: what is left of concatenations, splits and slices."""

    tensor: str
    channels: range


@dataclass(frozen=True)
class Op:
    """One operation and the tensor it makes, of the same name.

    kind : of `KINDS`. reads : what it reads, channels in this order. channels : it makes, of all groups.
    plane : (rows, columns) it makes. groups : parts its channels are split into. shared : heads that share a filter.
    kernel, stride, dilation : (rows, columns). pad : (top, left); what is needed after the last word follows.
    dynamic : the tensor outside the group that plays the filter; empty: weights.
    operations : that are no MACs, at a position of all channels. bias : its sums begin with a word for each channel.
    """

    name: str
    kind: str
    reads: tuple[Read, ...]
    channels: int
    plane: Pair
    groups: int = 1
    shared: int = 1
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    pad: Pair = (0, 0)
    dynamic: str = ""
    operations: int = 0
    bias: bool = False

    def __post_init__(self) -> None:
        where = f"'{self.name}'"
        if self.kind not in KINDS:
            raise MappingError(f"{where}: no kind '{self.kind}' of a fused layer{nearest(self.kind, KINDS)}")
        if not self.reads:
            raise MappingError(f"{where} reads nothing: it cannot be in a fused group")
        least = (self.channels, *self.plane, self.groups, self.shared, *self.kernel, *self.stride, *self.dilation)
        if min(least) < 1 or min(*self.pad, self.operations) < 0:
            raise MappingError(f"{where}: a size is below 1, or a padding below 0")
        if self.multiplies and (self.arriving % (self.groups * self.shared) or self.channels % self.groups):
            raise MappingError(f"{where}: {self.arriving} and {self.channels} channels do not split into its groups")

    @cached_property
    def multiplies(self) -> bool:
        """Whether it has MACs."""
        return self.kind in MULTIPLYING

    @cached_property
    def arriving(self) -> int:
        """Channels it reads."""
        return sum(len(read.channels) for read in self.reads)

    @cached_property
    def inner(self) -> int:
        """C: input channels of one group."""
        return self.arriving // (self.groups * self.shared)

    @cached_property
    def outer(self) -> int:
        """M: output channels of one group."""
        return self.channels // (self.groups * self.shared)

    @cached_property
    def macs_at(self) -> int:
        """MACs at one position of what it makes, all channels, padding included."""
        return self.channels * self.inner * prod(self.kernel) if self.multiplies else 0

    @cached_property
    def filters(self) -> int:
        """Filter words, of one image if it is dynamic."""
        return self.groups * self.outer * self.inner * prod(self.kernel) if self.multiplies else 0


@dataclass(frozen=True)
class Group:
    """Operations in the order they run, each reading sources or operations before it; the last one is the sink.

    images : that run through it, one after another. joined : all that nobody reads inside are the sink: channels of one
    tensor, a concatenation. They leave together, tile by tile.

    Raises
    ------
    MappingError : two operations that nobody reads and that are not joined, or not alike, a name that is not there or
    there twice, a filter made inside, a window that does not meet the plane it reads.
    """

    sources: tuple[Source, ...]
    ops: tuple[Op, ...]
    images: int = 1
    joined: bool = False

    def __post_init__(self) -> None:
        if not self.ops:
            raise MappingError("a fused group has one layer at least")
        known: dict[str, tuple[int, Pair]] = {}
        for source in self.sources:
            if source.name in known:
                raise MappingError(f"a fused group reads '{source.name}' twice under one name")
            known[source.name] = (source.channels, source.plane)
        for op in self.ops:
            for read in op.reads:
                if read.tensor not in known:
                    raise MappingError(f"'{op.name}' reads '{read.tensor}', which is not made before it")
                _check(op, read, known[read.tensor][1])
            if op.name in known:
                raise MappingError(f"a fused group has two tensors called '{op.name}'")
            if op.dynamic and op.dynamic in known and op.dynamic not in {one.name for one in self.sources}:
                raise MappingError(f"'{op.name}' multiplies by '{op.dynamic}', which is made inside the group")
            known[op.name] = (op.channels, op.plane)
        if len(self.sinks) > 1 and (not self.joined or len({op.plane for op in self.sinks}) > 1):
            raise MappingError(f"a fused group has one sink, here {' and '.join(repr(op.name) for op in self.sinks)}")
        unread = [source.name for source in self.sources if source.name not in self._read]
        if unread:
            raise MappingError(f"a fused group fetches '{unread[0]}', which none of its layers reads")

    @property
    def sink(self) -> Op:
        """The operation whose output is read outside; of several that are joined the last."""
        return self.ops[-1]

    @cached_property
    def sinks(self) -> tuple[Op, ...]:
        """All parts of the sink, in run order."""
        return tuple(op for op in self.ops if op.name not in self._read)

    @cached_property
    def _read(self) -> frozenset[str]:
        return frozenset(read.tensor for op in self.ops for read in op.reads)

    @cached_property
    def tensors(self) -> tuple[str, ...]:
        """By number: the sources, then what each operation makes."""
        return (*(source.name for source in self.sources), *(op.name for op in self.ops))

    @cached_property
    def number(self) -> Mapping[str, int]:
        """Of a tensor by name."""
        return {name: number for number, name in enumerate(self.tensors)}

    @cached_property
    def channels(self) -> tuple[int, ...]:
        """Of each tensor."""
        return (*(source.channels for source in self.sources), *(op.channels for op in self.ops))

    @cached_property
    def planes(self) -> tuple[Pair, ...]:
        """(rows, columns) of each tensor."""
        return (*(source.plane for source in self.sources), *(op.plane for op in self.ops))

    @cached_property
    def met(self) -> dict[Any, Any]:
        """Passes that some tiling had: other tilings have the same, and need not make them again."""
        return {}

    @cached_property
    def reading(self) -> tuple[tuple[tuple[Link, ...], tuple[Link, ...]], ...]:
        """Of each operation, how it reads along rows and along columns: a link for each of its reads."""
        return tuple(
            (tuple(self.link(op, read.tensor, 0) for read in op.reads),
             tuple(self.link(op, read.tensor, 1) for read in op.reads))
            for op in self.ops
        )  # fmt: skip

    def links(self, axis: int) -> Iterator[Link]:
        """Who reads what along rows (0) or columns (1); an axis of one word goes with all words of a wordwise op."""
        for op in self.ops:
            for name in dict.fromkeys(read.tensor for read in op.reads):
                yield self.link(op, name, axis)

    def link(self, op: Op, tensor: str, axis: int) -> Link:
        """How one operation reads one tensor."""
        number, reader = self.number[tensor], self.number[op.name]
        if _broadcast(op, self.planes[number], axis):
            return Link(number, reader, 0, 1, 0)
        reach = (op.kernel[axis] - 1) * op.dilation[axis] + 1
        return Link(number, reader, op.stride[axis], reach, op.pad[axis])

    @cached_property
    def chains(self) -> tuple[Chain, Chain]:
        """Rows and columns as arrays."""
        rows, columns = (chain([plane[axis] for plane in self.planes], list(self.links(axis))) for axis in (0, 1))
        return rows, columns


def _broadcast(op: Op, plane: Pair, axis: int) -> bool:
    return op.kind in WORDWISE and plane[axis] == 1 != op.plane[axis]


def _check(op: Op, read: Read, plane: Pair) -> None:
    """Every window of an operation meets the plane it reads."""
    for axis, along in enumerate(("row", "column")):
        if _broadcast(op, plane, axis):
            continue
        reach = (op.kernel[axis] - 1) * op.dilation[axis]
        last = (op.plane[axis] - 1) * op.stride[axis] - op.pad[axis]
        if reach < op.pad[axis] or last >= plane[axis]:
            which = "first" if reach < op.pad[axis] else "last"
            raise MappingError(
                f"'{op.name}': the window of its {which} {along} lies in the padding, beside all {plane[axis]} "
                f"{along}s of '{read.tensor}'"
            )
        if op.kind not in WINDOWED and plane[axis] != op.plane[axis]:
            raise MappingError(
                f"'{op.name}' makes {op.plane[axis]} {along}s of the {plane[axis]} of '{read.tensor}': it is not "
                "position by position"
            )
