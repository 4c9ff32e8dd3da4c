"""How links join what words go between: a bus, a crossbar, a ring, a mesh, or links one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from functools import cached_property


class Kind(StrEnum):
    """What joins its ends.

    `bus`: one medium for all words. `crossbar`: a port out and a port in for each end. `ring`: links between
    neighbours, words go the shorter way round, of two equal ones up. `mesh`: links between neighbours in a grid, words
    go along the row first, then along the column. `direct`: links from one end to others, one for so many of them.
    """

    BUS = "bus"
    CROSSBAR = "crossbar"
    RING = "ring"
    MESH = "mesh"
    DIRECT = "direct"


@dataclass(frozen=True)
class Hops:
    """A route. links : names of the resources held. count : hops. latency : seconds. energy : of a bit, all hops."""

    links: tuple[str, ...]
    count: int
    latency: Fraction
    energy: Fraction


@dataclass(frozen=True)
class Fabric:
    """Links of one kind. ends : what they join, in order; `direct`: the first to each of the others.

    rate : bits per second of each link; None: any. latency : seconds a hop. energy : of a bit a hop. shared : both
    directions of a link are one. per : `direct` only; ends that share a link. size : `mesh` only; rows and columns.
    at : `mesh` only; places of ends, counted along the rows. Ends without one take those that are left, in order.
    """

    name: str
    kind: Kind
    ends: tuple[str, ...]
    rate: Fraction | None = None
    latency: Fraction = Fraction(0)
    energy: Fraction = Fraction(0)
    shared: bool = False
    per: int = 1
    size: tuple[int, int] = (1, 1)
    at: Mapping[str, int] = field(default_factory=dict)

    def __hash__(self) -> int:
        return hash((self.name, self.kind, self.ends))

    @cached_property
    def places(self) -> dict[str, int]:
        """Where each end is on a mesh or ring; ends that the file places may share a place with another one."""
        found = dict(self.at)
        left = iter(range(10**9))
        for end in self.ends:
            if end not in found:
                found[end] = next(left)
        return found

    @cached_property
    def links(self) -> tuple[str, ...]:
        """Names of all links, each direction one unless it is shared."""
        if self.kind is Kind.BUS:
            return (self.name,)
        pairs: list[tuple[str, str]] = []
        if self.kind is Kind.CROSSBAR:
            pairs = [(way, end) for end in self.ends for way in ("out", "in")]
            return tuple(dict.fromkeys(self._port(end, way) for way, end in pairs))
        if self.kind is Kind.DIRECT:
            groups = range(-(-(len(self.ends) - 1) // self.per))
            return tuple(dict.fromkeys(self._direct(group, way) for group in groups for way in ("down", "up")))
        if self.kind is Kind.RING:
            count = len(self.ends)
            steps = [(at, (at + way) % count) for at in range(count) for way in (1, -1) if count > 1]
        else:
            rows, columns = self.size
            steps = [
                (y * columns + x, v * columns + u)
                for y in range(rows)
                for x in range(columns)
                for v, u in ((y, x + 1), (y, x - 1), (y + 1, x), (y - 1, x))
                if 0 <= v < rows and 0 <= u < columns
            ]
        return tuple(dict.fromkeys(self._step(*step) for step in steps))

    def _port(self, end: str, way: str) -> str:
        return f"{self.name} {end}" + ("" if self.shared else f" {way}")

    def _direct(self, group: int, way: str) -> str:
        return f"{self.name} {group}" + ("" if self.shared else f" {way}")

    def _step(self, begin: int, end: int) -> str:
        first, second = (min(begin, end), max(begin, end)) if self.shared else (begin, end)
        return f"{self.name} {first}-{second}"

    def route(self, begin: str, end: str) -> Hops:
        """The links from one end to another."""
        links = tuple(self._links(begin, end)) if begin != end else ()
        count = 1 if self.kind in (Kind.BUS, Kind.CROSSBAR, Kind.DIRECT) and begin != end else len(links)
        if self.kind is Kind.DIRECT and self.ends[0] not in (begin, end):
            count = 2
        return Hops(tuple(dict.fromkeys(links)), count, count * self.latency, count * self.energy)

    def _links(self, begin: str, end: str) -> list[str]:
        if self.kind is Kind.BUS:
            return [self.name]
        if self.kind is Kind.CROSSBAR:
            return [self._port(begin, "out"), self._port(end, "in")]
        if self.kind is Kind.DIRECT:
            # between two of the others words go by way of the first
            up = [self._direct(self._group(begin), "up")] if begin != self.ends[0] else []
            return up + ([self._direct(self._group(end), "down")] if end != self.ends[0] else [])
        here, there = self.places[begin], self.places[end]
        if self.kind is Kind.RING:
            return self._round(here, there)
        columns, found = self.size[1], []
        while here != there:
            y, x, goal = here // columns, here % columns, there % columns
            then = (
                here + (1 if goal > x else -1) if goal != x else here + (columns if there // columns > y else -columns)
            )
            found.append(self._step(here, then))
            here = then
        return found

    def _group(self, end: str) -> int:
        return (self.ends.index(end) - 1) // self.per

    def _round(self, here: int, there: int) -> list[str]:
        count, found = len(self.ends), []
        way = 1 if 2 * ((there - here) % count) <= count else -1
        while here != there:
            found.append(self._step(here, (here + way) % count))
            here = (here + way) % count
        return found
