"""A level of memory as a value object: its parts, buffers and ports, and what its tiles and transfers take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fractions import Fraction
from typing import Any

from accelsim.architecture.dram.model import Dram
from accelsim.architecture.network import Fanout, Port, within
from accelsim.architecture.pace import Delivery
from accelsim.errors import AccelsimError
from accelsim.workload.problem import TENSORS, Tensor


class Buffer(StrEnum):
    """How many tiles a level holds of a tensor: one, two, or a ring of one that streams (innermost keeper only)."""

    SINGLE = "single"
    DOUBLE = "double"
    STREAM = "stream"


class Format(StrEnum):
    """How a level stores the words of a tensor; docs/model.md, "Compression", has the bits of each."""

    RLC = "rlc"
    BITMASK = "bitmask"
    CSC = "csc"
    CSR = "csr"
    COORDINATE = "coordinate"


@dataclass(frozen=True)
class Partition:
    """Part of a level's capacity, in bits, shared by the tensors named.

    taken : bits that tensors of this layer or others have, which live here between layers. whole : those of this layer
    among them: no tile of theirs needs room.
    """

    tensors: frozenset[Tensor]
    bits: int
    taken: int = 0
    whole: frozenset[Tensor] = frozenset()

    def __post_init__(self) -> None:
        within("capacity", "a size", self.bits)

    @property
    def free(self) -> int:
        """Bits that there are for tiles."""
        return self.bits - self.taken

    @property
    def tiled(self) -> frozenset[Tensor]:
        """Tensors whose tiles need room."""
        return self.tensors - self.whole


@dataclass(frozen=True)
class Part:
    """Channels of a tensor that live in a level between layers, while the others do so in the outermost.

    dim : along which they lie. outside : how many live in the outermost level, the first ones (docs/between.md).
    """

    level: str
    dim: str
    outside: int


@dataclass(frozen=True)
class Fixed:
    """Core cycles that tiles and transfers of a level take besides their words (docs/model.md, "Fixed cycles").

    They pass before the first word, with all ports held. tile : when a tile begins: before its first step where the
    level is the innermost that keeps the tensor, else before its fill. fill, drain : before each transfer.
    """

    tile: Mapping[Tensor, int] = field(default_factory=dict)
    fill: Mapping[Tensor, int] = field(default_factory=dict)
    drain: int = 0

    def __post_init__(self) -> None:
        for cycles in (*self.tile.values(), *self.fill.values(), self.drain):
            within("fixed", "pipeline", cycles)
        for name in ("tile", "fill"):
            given = getattr(self, name)
            object.__setattr__(self, name, {t: given[t] for t in TENSORS if given.get(t)})

    def __bool__(self) -> bool:
        return bool(self.tile or self.fill or self.drain)


@dataclass(frozen=True)
class Level:
    """A memory. Everything per instance.

    keeps : tensors stored here; others pass by. capacity : partitions; none means unbounded. buffer : per tensor;
    default single.
    read_port, write_port : optional timed ports of the memory (the same object: one shared port). halo_reuse : keep
    the overlap of a sliding ifmap tile (false: refetch the whole tile).
    compression : formats of tensors that are stored, and sent below, encoded. dram : banks and rows (outermost level
    only); one port then serves reads and writes.
    fixed : cycles besides those of words. delivery : room for psums on their way out, or None. atoms : the outermost
    level only; words along C that are read at a time.
    turns : the outermost level only; two inputs whose first fills take its port in turn, the first its first tile.
    outstanding : the outermost level only; transfers of a tensor down that may be on their way, where not any number.
    tiles : of a tensor, where there is room for more than `buffer` says.
    refetch : inputs whose tiles are fetched anew whenever a loop outside goes on, though they are the same.
    """

    name: str
    keeps: frozenset[Tensor] = frozenset(TENSORS)
    capacity: tuple[Partition, ...] = ()
    buffer: Mapping[Tensor, Buffer] = field(default_factory=dict)
    halo_reuse: bool = True
    read_port: Port | None = None
    write_port: Port | None = None
    fanout: Fanout = field(default_factory=Fanout)
    component: str = ""
    compression: Mapping[Tensor, Format] = field(default_factory=dict)
    dram: Dram | None = None
    fixed: Fixed = Fixed()
    delivery: Delivery | None = None
    turns: tuple[Tensor, ...] = ()
    atoms: Mapping[Tensor, int] = field(default_factory=dict)
    outstanding: Mapping[Tensor, int] = field(default_factory=dict)
    refetch: frozenset[Tensor] = frozenset()
    tiles: Mapping[Tensor, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.refetch - self.keeps or Tensor.PSUM in self.refetch:
            raise AccelsimError(f"level '{self.name}': refetch: only inputs that it keeps can be fetched anew")
        for tensor, tiles in self.tiles.items():
            if tensor not in self.keeps or self.buffering(tensor) is not Buffer.DOUBLE or tiles < 2:
                raise AccelsimError(f"level '{self.name}': tiles: two or more, of a tensor that it buffers double")
        object.__setattr__(self, "tiles", {t: n for t, n in self.tiles.items() if n > 2})
        # single is what is left out, and what is not kept is not buffered: one way to say the same
        kept = {t: b for t, b in self.buffer.items() if t in self.keeps and b is not Buffer.SINGLE}
        object.__setattr__(self, "buffer", kept)
        if self.dram is not None:
            if any(port and not port.peak for port in (self.read_port, self.write_port)):
                raise AccelsimError(f"level '{self.name}': its DRAM is its only memory port")
            port = Port(f"{self.name} banks", self.dram.peak, peak=True)
            object.__setattr__(self, "read_port", port)
            object.__setattr__(self, "write_port", port)

    def at(self, core_hz: Fraction) -> Level:
        """The level beside a core of this clock."""
        found: dict[str, Any] = {"fanout": self.fanout.at(core_hz)}
        if self.dram:
            found["dram"] = self.dram.at(core_hz)
        else:
            ports = ("read_port", self.read_port), ("write_port", self.write_port)
            found |= {key: port.at(core_hz) for key, port in ports if port}
        return self if all(getattr(self, key) == value for key, value in found.items()) else replace(self, **found)

    def buffering(self, tensor: Tensor) -> Buffer:
        """How this level buffers a tensor."""
        return self.buffer.get(tensor, Buffer.SINGLE)

    @property
    def shared_port(self) -> str:
        """The port that ifmaps and filters share on their way down: of one network, else the level's own; '': none."""
        ways = {self.fanout.network(tensor).down for tensor in (Tensor.IFMAP, Tensor.FILTER)}
        names = {way.name for way in ways if way}
        if len(names) == 1 and None not in ways:
            return names.pop()
        return self.read_port.name if self.read_port else ""

    @property
    def paced(self) -> bool:
        """Whether it holds transfers or tiles up."""
        return bool(self.fixed or self.refetch or self.delivery or self.turns or self.atoms or self.outstanding)

    def slots(self, tensor: Tensor) -> int:
        """Tiles of a tensor that have room: what is fetched ahead, and the one in use."""
        return self.tiles.get(tensor, 2 if self.buffering(tensor) is Buffer.DOUBLE else 1)
