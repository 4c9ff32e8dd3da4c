"""What is scheduled: transfers over shared resources, and the entries of every core's list."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from heapq import heapify, heappop, heappush
from itertools import pairwise

from accelsim.errors import AccelsimError, listing

ZERO = Fraction(0)
Shares = tuple[tuple[int, Fraction], ...]
"""(resource, bits on it for each bit of the transfer), resources ascending, each share positive."""


@dataclass(frozen=True)
class Flow:
    """A transfer. bits : all of it. shares : what it holds at once. latency : cycles after its last bit, on nothing."""

    bits: Fraction = ZERO
    shares: Shares = ()
    latency: Fraction = ZERO

    @staticmethod
    def over(bits: int | Fraction, route: tuple[int, ...], latency: int | Fraction = 0) -> Flow:
        """One that puts each of its bits on every resource of a route."""
        shares = tuple((resource, Fraction(1)) for resource in sorted(set(route)))
        return Flow(Fraction(bits), shares, Fraction(latency))

    def private(self, capacities: tuple[Fraction, ...]) -> Fraction:
        """Cycles it takes where nobody else is: bits over the least rate of its route, and its latency."""
        least = max((share / capacities[resource] for resource, share in self.shares), default=ZERO)
        return self.bits * least + self.latency


NOTHING = Flow()


@dataclass(frozen=True)
class Edge:
    """What an entry waits for: the words of another entry, or of nobody (`producer` -1: they exist from the start).

    A flow without bits and latency is no transfer: the entry waits for the end of the producer alone. origin : the core
    whose buffer has the words, where that is no entry's doing.
    """

    producer: int
    flow: Flow = NOTHING
    origin: int = -1

    @property
    def moves(self) -> bool:
        """Whether anything is transferred."""
        return bool(self.flow.bits or self.flow.latency)


@dataclass(frozen=True)
class Entry:
    """One piece of work of a core: `fill`, then `work` cycles beside the transfer `body`, then `drain` (rule C6)."""

    work: Fraction
    inputs: tuple[Edge, ...] = ()
    fill: Flow = NOTHING
    body: Flow = NOTHING
    drain: Flow = NOTHING
    name: str = ""

    def private(self, capacities: tuple[Fraction, ...]) -> Fraction:
        """Cycles it takes where nobody else is."""
        body = max(self.work, self.body.private(capacities))
        return self.fill.private(capacities) + body + self.drain.private(capacities)

    @property
    def flows(self) -> tuple[Flow, ...]:
        """All of its transfers, those of its inputs first."""
        return (*(edge.flow for edge in self.inputs), self.fill, self.body, self.drain)


@dataclass(frozen=True)
class Schedule:
    """Work for cores. lists : of each core, indices of its entries in order. capacities : bits per cycle by resource.

    slots : entries of a core's list whose inputs have room there at once, the one that is worked on among them.

    Raises AccelsimError where an entry is in no list or in two, and where lists and edges together have a cycle.
    """

    entries: tuple[Entry, ...]
    lists: tuple[tuple[int, ...], ...]
    capacities: tuple[Fraction, ...] = ()
    slots: int = 2

    def __post_init__(self) -> None:
        named = sorted(entry for one in self.lists for entry in one)
        if named != list(range(len(self.entries))):
            raise AccelsimError("schedule: every entry stands in the list of one core, once")
        if self.slots < 1:
            raise AccelsimError(f"slots: must be at least 1, got {self.slots}")
        self.order()

    def order(self) -> list[int]:
        """All entries, each after its producers and the one before it in its list; of those free, the least first."""
        before = [{edge.producer for edge in entry.inputs if edge.producer >= 0} for entry in self.entries]
        for own in self.lists:
            for first, second in pairwise(own):
                before[second].add(first)
        after: list[list[int]] = [[] for _ in self.entries]
        for one, needed in enumerate(before):
            for producer in needed:
                after[producer].append(one)
        left = [len(needed) for needed in before]
        free = [entry for entry, count in enumerate(left) if not count]
        heapify(free)
        found = []
        while free:
            found.append(entry := heappop(free))
            for reader in after[entry]:
                left[reader] -= 1
                if not left[reader]:
                    heappush(free, reader)
        if len(found) < len(self.entries):
            names = [self.entries[entry].name or str(entry) for entry, count in enumerate(left) if count]
            raise AccelsimError(f"lists and edges wait for each other in a circle, among {listing(names[:8])}")
        return found

    def core_of(self) -> list[int]:
        """The core of each entry."""
        found = [0] * len(self.entries)
        for core, one in enumerate(self.lists):
            for entry in one:
                found[entry] = core
        return found
