"""Small networks, and every plan of one: what a search of plans is compared with."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from random import Random

from accelsim.architecture.model import Architecture
from accelsim.engine.fused.group import Group as Geometry
from accelsim.engine.fused.layers import group_of
from accelsim.engine.fused.storage import measure
from accelsim.errors import MappingError
from accelsim.mapping.plan.living import Between
from accelsim.mapping.plan.plan import COLUMNS, RESIDENT, ROWS, Group, Home, Plan
from accelsim.search.plan.costs import Wanted
from accelsim.search.plan.fused import tilings, widths_of
from accelsim.search.plan.handing import may_hand
from accelsim.search.plan.slicing import slicings
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


def draw_heavy(rng: Random) -> Network:
    """Two or three layers whose filters are larger than what they make."""
    layers: dict[str, dict[str, object]] = {}
    before = "input"
    for i in range(rng.randint(2, 3)):
        kernel = rng.choice((1, 1, 3))
        layers[f"l{i}"] = {"op": "conv", "M": rng.randint(3, 9), "kernel": kernel, "pad": kernel // 2, "inputs": before}
        before = f"l{i}"
    plane = rng.randint(1, 2)
    return Network.of("heavy", layers, (rng.randint(3, 9), plane, plane))


def with_room(machine: Architecture, home: str, bits: int) -> Architecture:
    """The machine with so many bits in the part of a level where tensors may stay."""
    levels, index = list(machine.levels), machine.level_index(home)
    first, *others = levels[index].capacity
    levels[index] = replace(levels[index], capacity=(replace(first, bits=bits), *others))
    return replace(machine, levels=tuple(levels))


def every_plan(network: Network, wanted: Wanted) -> Iterator[Plan]:
    """Each partition of the run order into groups, with each tile and mode, and each set of tensors that stay.

    Where filters come through the home: with each set of filters that stay, and the slices of others that are listed.
    """
    names = [layer.name for layer in network.layers]
    readers = {name: [layer.name for layer in network.layers if name in layer.inputs] for name in names}
    for parts in _partitions(names):
        try:
            geometries = [group_of(network, part) for part in parts if len(part) > 1]
        except MappingError:
            continue
        inside = {name for part in parts for name in part[:-1]}
        choices = []
        for name in names:
            homes: list[Home | None] = [None]
            if name not in inside and readers[name]:
                untils = dict.fromkeys(readers[name][:-1])
                homes += [Home(wanted.home), *(Home(wanted.home, until) for until in untils)]
            choices.append([(name, home) for home in homes])
        for chosen in itertools.product(*choices):
            homes_of = {name: home for name, home in chosen if home}
            between = Between(Plan(homes_of), wanted.machine, network, lambda _: wanted.machine)
            tiles = [list(_ways(geometry, wanted, between)) for geometry in geometries]
            for tiled in itertools.product(*tiles):
                yield Plan(homes_of, tiled)


def _ways(geometry: Geometry, wanted: Wanted, between: Between) -> Iterator[Group]:
    """Every way of a group, among tensors that live where they do."""
    layers = tuple(op.name for op in geometry.ops)
    inside = [between.index[name] for name in layers]
    at_home = {one.name for one in geometry.sources
               if all(between.lives(part, inside[0], inside[-1]) for part in between.parts[one.name])}  # fmt: skip
    at_home |= {geometry.sink.name} & set(between.plan.resident)
    widths = widths_of(geometry, dict.fromkeys(layers, wanted.machine), frozenset(at_home))
    for one in tilings(wanted, geometry):
        filters = [op.name for op in geometry.ops if op.filters]
        if not (wanted.keeps_filters and wanted.weights_share):
            filters = []
        for cut in ({}, *slicings(wanted, measure(geometry, one, widths))):
            may = [name for name in filters if name not in cut]
            for stay in itertools.chain.from_iterable(itertools.combinations(may, n) for n in range(len(may) + 1)):
                kept = dict.fromkeys(stay, RESIDENT)
                yield Group(layers, *one.tile, {}, _axes(one.keep), kept, slices=cut)
    if may_hand(geometry):
        yield Group(layers, epilogue=True)


def _axes(keep: tuple[bool, bool]) -> tuple[str, ...]:
    return tuple(axis for axis, kept in zip((ROWS, COLUMNS), keep, strict=True) if kept)


def _partitions(names: list[str]) -> Iterator[list[list[str]]]:
    if not names:
        yield []
    for end in range(1, len(names) + 1):
        for rest in _partitions(names[end:]):
            yield [names[:end], *rest]
