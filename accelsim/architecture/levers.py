"""A machine with twice of one thing: of a capacity, of a side of an array, of what a port carries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple, TypeVar

from accelsim.architecture.model import Architecture, Level, Network, Partition, Port
from accelsim.workload.problem import TENSORS

CAPACITY, SIDE, PORT, CHANNELS = "capacity", "side", "port", "channels"
_WAYS = ("down", "up", "child_down", "child_up")
Thing = TypeVar("Thing", Level, Network)


class Lever(NamedTuple):
    """What there is twice of, and the machine that has it. kind : CAPACITY, SIDE, PORT or CHANNELS."""

    kind: str
    what: str
    machine: Architecture


def levers(machine: Architecture) -> Iterator[Lever]:
    """Every one that the machine has, outermost level first; names are those of `room_name`, `side_name`, ports."""
    yield from roomier(machine)
    for name in dict.fromkeys(port.name for level in machine.levels for port in _ports(level)):
        levels = tuple(_widened(level, name) for level in machine.levels)
        yield Lever(PORT, name, replace(machine, levels=levels))
    for index, level in enumerate(machine.levels):
        if level.dram:
            # its ports are made anew out of the DRAM
            more = replace(level, dram=replace(level.dram, channels=2 * level.dram.channels))
            bare = replace(more, read_port=None, write_port=None)
            yield Lever(CHANNELS, level.name, _with(machine, index, bare))


def roomier(machine: Architecture) -> Iterator[Lever]:
    """Twice of each capacity, and of each side of an array that has one."""
    for index, level in enumerate(machine.levels):
        for at, partition in enumerate(level.capacity):
            parts = list(level.capacity)
            parts[at] = replace(partition, bits=2 * partition.bits)
            yield Lever(
                CAPACITY, room_name(level, partition), _with(machine, index, replace(level, capacity=tuple(parts)))
            )
        for axis in ("y", "x"):
            size = getattr(level.fanout, axis)
            if size > 1:
                wider = replace(level, fanout=replace(level.fanout, **{axis: 2 * size}))
                yield Lever(SIDE, side_name(machine, level, axis), _with(machine, index, wider))


def room_name(level: Level, partition: Partition) -> str:
    """What a part of a capacity is called: as its level, if it is all of it."""
    if len(level.capacity) == 1:
        return level.name
    return f"{level.name} {'+'.join(t for t in TENSORS if t in partition.tensors)}"


def side_name(machine: Architecture, level: Level, axis: str) -> str:
    """What a side of an array is called: with its level, where the machine has that side more than once."""
    several = sum(getattr(other.fanout, axis) > 1 for other in machine.levels) > 1
    return f"array {axis} below {level.name}" if several else f"array {axis}"


def _with(machine: Architecture, index: int, level: Level) -> Architecture:
    levels = list(machine.levels)
    levels[index] = level
    return replace(machine, levels=tuple(levels))


def _ports(level: Level) -> Iterator[Port]:
    """Timed ports of a level and of the networks below it, but for those that are the DRAM's."""
    for network in level.fanout.networks.values():
        yield from filter(None, (getattr(network, way) for way in _WAYS))
    if level.dram is None:
        yield from filter(None, (level.read_port, level.write_port))


def _widened(level: Level, name: str) -> Level:
    """A level where every port of a name carries twice as much."""
    networks = {t: _twice(network, name, _WAYS) for t, network in level.fanout.networks.items()}
    wider = replace(level, fanout=replace(level.fanout, networks=networks))
    return wider if level.dram else _twice(wider, name, ("read_port", "write_port"))


def _twice(of: Thing, name: str, ways: tuple[str, ...]) -> Thing:
    found = {way: port for way in ways if (port := getattr(of, way)) is not None and port.name == name}
    if not found:
        return of
    wider = {
        way: replace(port, rate=2 * port.rate, per_second=None if port.per_second is None else 2 * port.per_second)
        for way, port in found.items()
    }
    return replace(of, **wider)
