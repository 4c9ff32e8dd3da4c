"""Cores, the memories they share and the links between: value objects, and the routes of words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

from accelsim.architecture.dram.model import Dram
from accelsim.architecture.model import Architecture, exact
from accelsim.errors import AccelsimError
from accelsim.package.topology import Fabric, Hops


@dataclass(frozen=True)
class Core:
    """One core. name : `mxu.1`, of a group of one `mxu`. group : as the file has it. machine : with its own outermost
    level, whose link the path to `memory` replaces.
    """

    name: str
    group: str
    machine: Architecture
    memory: str

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def clock(self) -> Fraction:
        """Cycles per second."""
        return exact(self.machine.clock_hz)


@dataclass(frozen=True)
class Memory:
    """What cores share.

    rate : bits per second; None: every core keeps its own outermost link. duplex : reads and writes have a rate each.
    multicast : words that several cores read at once cross it and shared links once.
    dram : its banks, simulated for one core alone; its peak is then the rate.
    """

    name: str
    rate: Fraction | None = None
    duplex: bool = False
    multicast: bool = False
    dram: Dram | None = None


@dataclass(frozen=True)
class Resource:
    """What transfers share. capacity : bits per cycle of the package. kind : 'memory' or 'link'."""

    name: str
    capacity: Fraction
    kind: str


@dataclass(frozen=True)
class Path:
    """The way between a core and its memory. reads, writes : resources held. latency : cycles of the package.

    hops : links that a word crosses. energy : of a bit over all of them.
    """

    reads: tuple[int, ...] = ()
    writes: tuple[int, ...] = ()
    latency: Fraction = Fraction(0)
    hops: int = 0
    energy: Fraction = Fraction(0)

    @property
    def resources(self) -> tuple[int, ...]:
        """All that is held one way or the other, ascending."""
        return tuple(sorted({*self.reads, *self.writes}))


@dataclass(frozen=True)
class Package:
    """A package. clock : cycles per second that its results are in. fabrics : its links.

    sync : cycles of a hand-over between cores. slots : entries of a core's list whose words have room (C8).
    split : what the file says of layers, by glob. stages : of a pipeline; 0: as many as there can be.
    resident : whether ofmaps stay in cores' buffers where they can.
    searched : 'full' or 'share', the rate of memory that mappings are searched at.

    Raises AccelsimError where a core reaches no memory.
    """

    name: str
    clock: Fraction
    cores: tuple[Core, ...]
    memories: Mapping[str, Memory]
    fabrics: tuple[Fabric, ...] = ()
    sync: Fraction = Fraction(0)
    slots: int = 2
    split: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    searched: str = "full"
    stages: int = 0
    resident: bool = False
    source: str = ""

    def __hash__(self) -> int:
        return hash((self.name, self.clock, len(self.cores)))

    def __post_init__(self) -> None:
        for core in self.cores:
            if self.fabrics and not any(core.name in one.ends and core.memory in one.ends for one in self.fabrics):
                raise AccelsimError(
                    f"package '{self.name}': links: no link joins core '{core.name}' and memory '{core.memory}'"
                )

    @cached_property
    def resources(self) -> tuple[Resource, ...]:
        """Memories first, reads and writes apart where they are duplex, then all links, then ports of cores.

        A port is as fast as the rest of a core's way: words that are sent once to several cores hold a part of the
        memory for each, and no core takes them faster for that. Cores at a memory without multicast need none.
        """
        found = list(self._shared)
        for core in self.cores:
            if self._has_port(core):
                ways = self._ways(core)
                for way, held in zip(("in", "out"), ways, strict=True):
                    least = min(self._shared[one].capacity for one in held)
                    found.append(Resource(f"{core.name} port {way}", least, "link"))
        return tuple(found)

    def _has_port(self, core: Core) -> bool:
        memory = self.memories[core.memory]
        return memory.multicast and memory.rate is not None

    @cached_property
    def _shared(self) -> tuple[Resource, ...]:
        found = []
        for memory in self.memories.values():
            if memory.rate is not None:
                for way in (" reads", " writes") if memory.duplex else ("",):
                    found.append(Resource(f"{memory.name}{way}", memory.rate / self.clock, "memory"))
        for fabric in self.fabrics:
            if fabric.rate is not None:
                found += [Resource(name, fabric.rate / self.clock, "link") for name in fabric.links]
        return tuple(found)

    @cached_property
    def _index(self) -> dict[str, int]:
        return {resource.name: index for index, resource in enumerate(self._shared)}

    @cached_property
    def _ports(self) -> dict[str, int]:
        return {resource.name: index for index, resource in enumerate(self.resources)}

    @property
    def capacities(self) -> tuple[Fraction, ...]:
        """Bits per cycle of each resource."""
        return tuple(resource.capacity for resource in self.resources)

    def path(self, core: Core) -> Path:
        """From a core to its memory and back."""
        memory = self.memories[core.memory]
        reads, writes = self._ways(core)
        if self._has_port(core):
            reads, writes = (
                (*held, self._ports[f"{core.name} port {way}"]) for held, way in ((reads, "in"), (writes, "out"))
            )
        if not self.fabrics:
            return Path(reads, writes)
        down, up = self._hops(memory.name, core.name), self._hops(core.name, memory.name)
        assert down is not None and up is not None  # noqa: PT018  (the constructor saw to it)
        return Path(
            reads,
            writes,
            max(down.latency, up.latency) * self.clock,
            down.count,
            down.energy,
        )

    def _ways(self, core: Core) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Memories and links held on the way in, and out."""
        memory = self.memories[core.memory]
        reads, writes = (self._memory(memory, way) for way in (" reads", " writes"))
        down, up = self._hops(memory.name, core.name), self._hops(core.name, memory.name)
        more = [self._held(hops) if hops else () for hops in (down, up)]
        return (*reads, *more[0]), (*writes, *more[1])

    def _memory(self, memory: Memory, way: str) -> tuple[int, ...]:
        if memory.rate is None:
            return ()
        return (self._index[f"{memory.name}{way}" if memory.duplex else memory.name],)

    def _held(self, hops: Hops) -> tuple[int, ...]:
        return tuple(self._index[name] for name in hops.links if name in self._index)

    def _hops(self, begin: str, end: str) -> Hops | None:
        """Over the fabric with the fewest hops; of equal ones the first."""
        found = [one.route(begin, end) for one in self.fabrics if begin in one.ends and end in one.ends]
        return min(found, key=lambda hops: hops.count) if found else None

    def between(self, first: Core, second: Core) -> Path | None:
        """From a core to another one; None where no link joins them. `writes` are empty."""
        hops = self._hops(first.name, second.name)
        if hops is None:
            return None
        return Path(self._held(hops), (), hops.latency * self.clock, hops.count, hops.energy)

    def users(self, resource: int) -> int:
        """Cores whose path to memory holds a resource."""
        return sum(resource in self.path(core).resources for core in self.cores)

    def rate(self, resource: int, shared: bool = False) -> Fraction:
        """Bits per cycle of a resource, or a core's mean share of it."""
        return self.resources[resource].capacity / (self.users(resource) if shared else 1)
