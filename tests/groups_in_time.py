"""Random groups in time: as the golden clock takes them, and the same as arrays."""

from __future__ import annotations

from random import Random

import numpy as np

from accelsim.engine.fused.schedule import Fetches, Filters, Schedule
from golden.group_clock import Drawn, Moving, Tile

PORTS = ("dram read", "dram write", "bus", "link")


def drawn(seed: int) -> Drawn:
    """One to four layers, none to three sources; ports shared or not; resident, streamed or no filters, or slices."""
    random = Random(seed)
    layers, sources = random.randint(1, 4), random.randint(0, 3)
    reads = [{source for source in range(sources) if random.random() < 0.5} for _ in range(layers)]
    latest = random.choice((0, 0, 3, 9))
    routes = {kind: random.sample(PORTS, random.choice((0, 1, 1, 1, 2, 3))) for kind in ("in", "filter", "out")}
    if random.random() < 0.3:
        routes = {kind: ["bus"] for kind in routes}
    most = random.choice((3, 12, 30))

    def moving(kind: str) -> Moving:
        return Moving({port: random.randint(1, most) for port in routes[kind]})

    filters = {layer: random.choice(("none", "resident", "streamed")) for layer in range(layers)}
    latency = {("filter", n): random.randint(0, latest) for n in range(layers)}
    latency |= {("in", n): random.randint(0, latest) for n in range(sources)} | {("out", 0): random.randint(0, latest)}
    sliced = {n for n, how in filters.items() if how == "streamed" and random.random() < 0.3}
    parts: dict[int, Moving] = {}
    leaves, backs, renews = random.random() < 0.85, random.random() < 0.2, random.random() < 0.3
    double, tiles = random.random() < 0.5, []
    for t in range(random.randint(1, 8)):
        passes = [n for n in range(layers) if n == layers - 1 or random.random() < 0.75]
        passes = [n for n in passes for _ in range(random.randint(1, 3) if n in sliced else 1)]
        before = sum(len(tile.passes) for tile in tiles)
        for k, n in enumerate(passes):
            if n in sliced:
                parts[before + k] = moving("filter")
                parts[before + k].latency = latency["filter", n]
                parts[before + k].slice = random.randint(1, most)
        inputs = {}
        for source in range(sources):
            if any(source in reads[n] for n in passes) and random.random() < 0.75:
                inputs[source] = moving("in")
                inputs[source].latency = latency["in", source]
                if backs and t and random.random() < 0.4:
                    inputs[source].back = random.randrange(t)
                if backs and double and t and random.random() < 0.4:
                    inputs[source].freed = random.randrange(t)
        out = moving("out") if leaves and random.random() < 0.9 else None
        if out:
            out.latency = latency["out", 0]
        writes = random.choice((0, 0, random.randrange(len(passes))))
        renewed = {n for n in passes if filters[n] == "resident" and renews and random.random() < 0.4}
        each = [(n, random.choice((0, 1, random.randint(1, most)))) for n in passes]
        tiles.append(Tile(each, inputs, out, writes, renewed))
    kept: dict[str, dict[int, Moving]] = {"resident": {}, "streamed": {}}
    for layer, how in filters.items():
        if how != "none":
            kept[how][layer] = moving("filter")
            kept[how][layer].latency = latency["filter", layer]
            kept[how][layer].slice = random.randint(1, most)
    return Drawn(sources, reads, tiles, kept["resident"], kept["streamed"], double, parts)


def arrays(group: Drawn) -> Schedule:
    """The same, for `accelsim.engine.fused.schedule.timed`."""
    layers = len(group.reads)
    passes = [(t, layer, cycles) for t, tile in enumerate(group.tiles) for layer, cycles in tile.passes]
    rows, works = [], []
    for t, tile in enumerate(group.tiles):
        for source, one in tile.inputs.items():
            reader = next(k for k, own in enumerate(passes) if own[0] == t and source in group.reads[own[1]])
            rows.append((source, t, reader, one.back, one.freed if group.double else t - 1))
            works.append(row(one))
    source, tile_, reader, back, freed = np.array(rows, np.int64).reshape(-1, 5).T
    fetches = Fetches(source, tile_, reader, np.array(works, np.int64).reshape(-1, len(PORTS)), back, freed)
    filters = {**group.resident, **group.streamed}
    absent = [-1] * len(PORTS)
    each = [filters.get(n) for n in range(layers)] + list(group.parts.values())
    work = np.array([row(one) if one else absent for one in each], np.int64)
    streamed = np.array([n in group.streamed for n in range(layers)])
    slices = np.array([one.slice if one else 0 for one in each], np.int64)
    rows_of = {k: layers + n for n, k in enumerate(group.parts)}
    needs = np.array([rows_of.get(k, layer) for k, (_, layer, _) in enumerate(passes)], np.int64)
    begun, renewed, last, writes = set(), [], -1, []
    for tile in group.tiles:
        for layer, _ in tile.passes:
            last += 1
            if layer in tile.renewed & begun:
                renewed.append(last)
            begun.add(layer)
        writes.append(last - tile.writes)
    drains = np.array([row(tile.out) if tile.out else absent for tile in group.tiles], np.int64)
    ins = np.zeros(group.sources, np.int64)
    for tile in group.tiles:
        for n, one in tile.inputs.items():
            ins[n] = one.latency
    behind = np.array([filters[n].latency if n in filters else 0 for n in range(layers)], np.int64)
    out = max((tile.out.latency for tile in group.tiles if tile.out), default=0)
    columns = (np.array(column, np.int64) for column in zip(*passes, strict=True))
    names = [str(n) for n in range(layers)]
    return Schedule(
        [str(n) for n in range(group.sources)], names, *columns, fetches,
        Filters(work, streamed, slices, np.array(renewed, np.int64), None, needs), drains, (ins, behind, out),
        group.double, np.array(writes, np.int64),
    )  # fmt: skip


def row(moving: Moving) -> list[int]:
    return [moving.ports.get(port, 0) for port in PORTS]
