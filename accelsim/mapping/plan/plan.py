"""A plan: the tensors that live on the chip between layers, and the groups of layers that run together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from accelsim.mapping.mapping import LoopNest

WAYS = ("none", "resident", "fused", "best")
"""What may be looked for: nothing, tensors that stay, groups of layers, or both."""

ROWS, COLUMNS = "rows", "columns"
RESIDENT, STREAMED = "resident", "streamed"


@dataclass(frozen=True)
class Home:
    """Where a tensor lives between layers.

    level : one memory outside the array. until : the last layer that reads it there; '': its last reader of all.
    Later readers, and whoever reads the network's outputs, fetch it from the outermost level, where it is written too.
    parts : how many blocks of channels stay, and of how many; the first ones do not.
    """

    level: str
    until: str = ""
    parts: tuple[int, int] = (1, 1)

    @property
    def whole(self) -> bool:
        """Whether all of it stays."""
        return self.parts[0] == self.parts[1]


@dataclass(frozen=True)
class Group:
    """Layers that follow one another and run tile by tile; only what the last one makes is read by others.

    P, Q : rows and columns of a tile of the last layer's ofmap. keep : by layer, whose input or output it is, along
    which axes what two tiles have in common is kept; those left out keep `otherwise`. filters : by layer, whether its
    filter stays for all tiles or is streamed in for each.
    Of an attention: rows, columns : of a block of queries and of keys. outside : whether blocks of rows or of columns
    are walked outermost; '': scores of a block of rows are held whole.
    epilogue : the first layer hands each finished tile of its ofmap to the others. M : channels of a tile then; P, Q, M
    of 0: the search says.
    """

    layers: tuple[str, ...]
    P: int = 0
    Q: int = 0
    keep: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    otherwise: tuple[str, ...] = (ROWS, COLUMNS)
    filters: Mapping[str, str] = field(default_factory=dict)
    rows: int = 0
    columns: int = 0
    outside: str = ""
    M: int = 0
    epilogue: bool = False

    def __hash__(self) -> int:
        return hash((self.layers, self.P, self.Q, self.M, self.rows, self.columns))

    @property
    def name(self) -> str:
        """As a result calls it."""
        return f"{self.layers[0]}..{self.layers[-1]}"

    @property
    def attention(self) -> bool:
        """Whether it is one of scores, softmax and values."""
        return bool(self.rows)


@dataclass(frozen=True)
class Span:
    """Layers that follow one another and run in rounds, `batch_outer` images of the batch at a time."""

    layers: tuple[str, ...]
    batch_outer: int


@dataclass(frozen=True)
class Mapped:
    """Mappings that a search found for passes of groups, so that a run need not search again.

    found_for : a hash of all that was searched by; of anything else they are not. passes : by group, of its passes that
    multiply, in the order that they run.
    """

    found_for: str
    passes: Mapping[str, tuple[LoopNest, ...]]


@dataclass(frozen=True)
class Plan:
    """What happens between layers.

    resident : by layer, the home of what it makes. source : the file, if it has one. mapped : mappings that are known.
    """

    resident: Mapping[str, Home] = field(default_factory=dict)
    groups: tuple[Group, ...] = ()
    network: str = ""
    source: str = field(default="", compare=False)
    spans: tuple[Span, ...] = ()
    mapped: Mapped | None = field(default=None, compare=False)

    def __hash__(self) -> int:
        return hash((tuple(self.resident), self.groups))

    def __bool__(self) -> bool:
        return bool(self.resident or self.groups or self.spans)

    def group_of(self, layer: str) -> Group | None:
        """The group that a layer is in."""
        return next((group for group in self.groups if layer in group.layers), None)

    def span_of(self, layer: str) -> Span | None:
        """The span that a layer is in."""
        return next((span for span in self.spans if layer in span.layers), None)


NO_PLAN = Plan()
