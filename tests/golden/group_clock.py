"""A fused group in time, tick by tick: the passes of its tiles on one array, transfers in program order on their ports.

Written from the rules alone: what waits for what is said here, `Machine` lets the cycles go by.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .machine import Machine
from .program import MAC_ARRAY, Activity
from .stalls import Stalls, start_bound


@dataclass
class Moving:
    """One transfer: cycles on each port it uses (none: it takes no time), cycles behind it."""

    ports: dict[str, int]
    latency: int = 0
    slice: int = 1  # units, of a streamed filter
    back: int = -1  # the tile whose drained words it fetches
    freed: int = -1  # under double buffers, the tile whose place it takes


@dataclass
class Tile:
    """passes : (layer, cycles), in order, the last is the sink's. inputs : by source. out : what leaves, or nothing.

    writes : the first of its passes that writes what leaves, counted from its last one, 0. renewed : layers whose
    resident filters are fetched anew.
    """

    passes: list[tuple[int, int]]
    inputs: dict[int, Moving]
    out: Moving | None
    writes: int = 0
    renewed: set[int] = field(default_factory=set)


@dataclass
class Drawn:
    """A group: reads : the sources of each layer. resident, streamed : filters by layer.

    parts : by pass, the slice of its streamed filter that comes for it, where it comes in slices.
    """

    sources: int
    reads: list[set[int]]
    tiles: list[Tile]
    resident: dict[int, Moving]
    streamed: dict[int, Moving]
    double: bool
    parts: dict[int, Moving] = field(default_factory=dict)


@dataclass
class Ticked:
    """cycles : until all has landed. passes : of each begin and end. stalls : by cause. transfers : by name.

    reasons : by name, or ('pass', number), all that let it begin no earlier: names, and ('port', name).
    """

    cycles: int
    passes: list[tuple[int, int]]
    stalls: dict[str, int]
    transfers: dict[tuple[Any, ...], tuple[int, int]] = field(default_factory=dict)
    reasons: dict[tuple[Any, ...], set[tuple[Any, ...]]] = field(default_factory=dict)


def tick(group: Drawn) -> Ticked:
    """Run it cycle by cycle."""
    program = Program(group)
    machine = Machine(program.activities, _ignore, _ignore)
    cycles = machine.run()
    traced = GroupStalls(program)
    stalls = traced.attribute(cycles)
    assert sum(stalls.values()) + sum(c.length for c in program.computes) == cycles
    transfers = {a.number: (a.start, a.end) for a in program.activities if a.kind != "C"}
    reasons = {named(a): traced.reasons(a) for a in program.activities}
    return Ticked(cycles, [(c.start, c.end) for c in program.computes], stalls, transfers, reasons)


def named(activity: Activity) -> tuple[Any, ...]:
    """A pass by its number, a transfer by its own name."""
    return ("pass", activity.number) if activity.kind == "C" else activity.number  # type: ignore[return-value]


class Program:
    """Every activity of a group with what it waits for, in program order."""

    before = after = 0

    def __init__(self, group: Drawn) -> None:
        self.group, self.machine = group, self
        self.computes: list[Activity] = []
        self.layer_of: list[int] = []
        self.others: list[Activity] = []
        self.first_of: list[int] = []  # of a tile: its first pass
        self.sink_of: list[int] = []  # and the sink's
        for tile in group.tiles:
            self.first_of.append(len(self.computes))
            for layer, cycles in tile.passes:
                k = len(self.computes)
                self.computes.append(Activity("C", k, (k, 0, 0, 0, 0), cycles, {MAC_ARRAY: cycles}))
                self.layer_of.append(layer)
            self.sink_of.append(len(self.computes) - 1)
        self.drains = self.make_drains()
        self.make_inputs()
        self.make_resident()
        self.make_streamed()
        self.activities = sorted([*self.computes, *self.others], key=lambda a: a.key)
        for activity in self.activities:
            assert all(wait.on.key < activity.key for wait in activity.waits)

    def transfer(self, kind: str, name: tuple[Any, ...], key: tuple[int, ...], moving: Moving) -> Activity:
        length = max(moving.ports.values(), default=0)
        made = Activity(kind, name, key, length, dict(moving.ports), [], moving.latency)  # type: ignore[arg-type]
        self.others.append(made)
        return made

    def make_drains(self) -> list[Activity | None]:
        """D waits for the sink's pass; what takes its place waits for it: the next tile, or the sink's next but one."""
        drains: list[Activity | None] = []
        for t, tile in enumerate(self.group.tiles):
            sink = self.sink_of[t]
            if tile.out is None:
                drains.append(None)
                continue
            drain = self.transfer("D", ("output", t), (sink, 1, 0, 0, 0), tile.out)
            drain.whole(self.computes[sink])
            drains.append(drain)
        for t in range(len(self.group.tiles)):
            if self.group.double and t >= 2:
                self.computes[self.sink_of[t] - self.group.tiles[t].writes].whole(drains[t - 2])
            if not self.group.double and t >= 1:
                self.computes[self.first_of[t]].whole(drains[t - 1])
        return drains

    def make_inputs(self) -> None:
        """F waits for its place; all passes of its tile that read it wait for it."""
        for t, tile in enumerate(self.group.tiles):
            passes = range(self.first_of[t], self.sink_of[t] + 1)
            for source, moving in tile.inputs.items():
                readers = [k for k in passes if source in self.group.reads[self.layer_of[k]]]
                last_but_one = self.sink_of[t - 2] if t >= 2 else -1
                kappa = last_but_one if self.group.double else readers[0] - 1
                behind = moving.back
                freed = moving.freed if self.group.double else t - 1
                place = max([kappa, *(self.sink_of[tile] for tile in (behind, freed) if tile >= 0)])
                fill = self.transfer("F", ("input", source, t), (place, 2, 1, readers[0], source), moving)
                if kappa >= 0:
                    fill.whole(self.computes[kappa])
                if freed >= 0:
                    fill.whole(self.drains[freed])
                if behind >= 0 and self.drains[behind] is not None:
                    fill.whole(self.drains[behind], self.drains[behind].latency)
                for k in readers:
                    self.computes[k].whole(fill, moving.latency)

    def make_resident(self) -> None:
        for layer, moving in self.group.resident.items():
            load, before = None, -1
            for t, tile in enumerate(self.group.tiles):
                for k in range(self.first_of[t], self.sink_of[t] + 1):
                    if self.layer_of[k] != layer:
                        continue
                    if load is None or layer in tile.renewed:
                        load = self.transfer("W", ("filter", layer, k), (before, 2, 0, k, layer), moving)
                        if before >= 0:  # it takes the place of the one before
                            load.whole(self.computes[before])
                    self.computes[k].whole(load, moving.latency)
                    before = k

    def make_streamed(self) -> None:
        """A ring: W follows the words that the streamed pass before uses; C follows it a slice behind."""
        before = None
        for k, layer in enumerate(self.layer_of):
            if layer not in self.group.streamed:
                continue
            moving = self.group.parts.get(k, self.group.streamed[layer])
            load = self.transfer("W", ("filter", layer, k), (-1 if before is None else before, 2, 0, k, layer), moving)
            if before is not None:
                load.streamed(self.computes[before])
            self.computes[k].streamed(load, moving.latency, moving.slice)
            before = k


class GroupStalls(Stalls):
    """Stalls of a group, by source, layer of the filter, or the sink."""

    def name(self, activity: Activity) -> str:
        kind, *which = activity.number  # type: ignore[misc]
        return "output" if kind == "output" else f"{kind} {which[0]}"

    def reasons(self, activity: Activity) -> set[tuple[Any, ...]]:
        """Everything that ended, or let go of a port, just when an activity began."""
        found = {named(wait.on) for wait in activity.waits if start_bound(wait) == activity.start}
        for port, before in self.previous[activity].items():
            if before.releases[port] == activity.start:
                found.add(named(before) if port == MAC_ARRAY else ("port", port))
        return found


def _ignore(_: Activity) -> None:
    """Nobody is told."""
