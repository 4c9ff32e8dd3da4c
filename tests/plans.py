"""Small networks, and every plan of one: what a search of plans is compared with."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from random import Random

from accelsim.architecture.model import Architecture
from accelsim.engine.fused.layers import group_of
from accelsim.errors import MappingError
from accelsim.mapping.plan.plan import COLUMNS, ROWS, Group, Home, Plan
from accelsim.search.plan.costs import Wanted
from accelsim.search.plan.fused import tilings
from accelsim.search.plan.handing import may_hand
from accelsim.workload.network import Network


def draw_network(rng: Random, most: int = 4, batch: int = 1) -> Network:
    """Two layers or more, with shortcuts."""
    layers: dict[str, dict[str, object]] = {}
    names = ["input"]
    for i in range(rng.randint(2, most)):
        kind, before = rng.choice(("conv", "conv", "pointwise", "pool", "add", "depthwise")), names[-1]
        layer: dict[str, object]
        if kind == "conv":
            layer = {"op": "conv", "M": rng.randint(1, 4), "kernel": 3, "pad": rng.choice((0, 1))}
            layer["stride"] = rng.choice((1, 1, 2))
        elif kind == "pointwise":
            layer = {"op": "conv", "M": rng.randint(1, 5), "kernel": 1}
        elif kind == "depthwise":
            layer = {"op": "depthwise", "kernel": 3, "pad": 1}
        else:
            layer = {"op": "maxpool", "kernel": 2, "stride": 2} if kind == "pool" else {"op": "add"}
        layer["inputs"] = [before, rng.choice(names[-2:])] if kind == "add" else before
        layers[f"l{i}"] = layer
        names.append(f"l{i}")
    channels, plane = rng.randint(1, 3), rng.randint(4, 9)
    return Network.of("small", layers, (channels, plane, plane), batch=batch)


def with_room(machine: Architecture, home: str, bits: int) -> Architecture:
    """The machine with so many bits in the part of a level where tensors may stay."""
    levels, index = list(machine.levels), machine.level_index(home)
    first, *others = levels[index].capacity
    levels[index] = replace(levels[index], capacity=(replace(first, bits=bits), *others))
    return replace(machine, levels=tuple(levels))


def every_plan(network: Network, wanted: Wanted) -> Iterator[Plan]:
    """Each partition of the run order into groups, with each tile and mode, and each set of tensors that stay."""
    names = [layer.name for layer in network.layers]
    readers = {name: [layer.name for layer in network.layers if name in layer.inputs] for name in names}
    for parts in _partitions(names):
        tiles = []
        for part in parts:
            if len(part) > 1:
                try:
                    geometry = group_of(network, part)
                except MappingError:
                    break
                ways = [Group(tuple(part), *one.tile, {}, _axes(one.keep)) for one in tilings(wanted, geometry)]
                if may_hand(geometry):
                    ways.append(Group(tuple(part), epilogue=True))
                tiles.append(ways)
        else:
            inside = {name for part in parts for name in part[:-1]}
            choices = []
            for name in names:
                homes: list[Home | None] = [None]
                if name not in inside and readers[name]:
                    untils = dict.fromkeys(readers[name][:-1])
                    homes += [Home(wanted.home), *(Home(wanted.home, until) for until in untils)]
                choices.append([(name, home) for home in homes])
            for chosen in itertools.product(*choices):
                for tiled in itertools.product(*tiles):
                    yield Plan({name: home for name, home in chosen if home}, tiled)


def _axes(keep: tuple[bool, bool]) -> tuple[str, ...]:
    return tuple(axis for axis, kept in zip((ROWS, COLUMNS), keep, strict=True) if kept)


def _partitions(names: list[str]) -> Iterator[list[list[str]]]:
    if not names:
        yield []
    for end in range(1, len(names) + 1):
        for rest in _partitions(names[end:]):
            yield [names[:end], *rest]
