"""The ways in which a fused group can run: tiles, what is kept of them, resident filters; each with its room and price.

Tiles are those of 1, 2, 3, 4, 6, 8, 12, 16, ... parts along rows and of 1, 2, 4, 8, ... along columns; what two tiles
have in common is kept along both axes or along columns alone. That is less than all there is (FUSION, S4).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from accelsim.architecture.model import Architecture, Buffer, Level
from accelsim.energy.floor import access
from accelsim.engine.fused.filters import Choice, choices, fetched
from accelsim.engine.fused.group import Group, Read
from accelsim.engine.fused.passes import passes
from accelsim.engine.fused.storage import MODES, Measure, Measured, Tiling, Widths
from accelsim.engine.vector import Moved, latency
from accelsim.search.plan.costs import Cost, Passes, Wanted, vector_cost
from accelsim.workload.problem import Tensor, Width

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
ROWS, COLUMNS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512), (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True)
class Way:
    """One of them. resident : filters that stay, by number of their operation."""

    tiling: Tiling
    resident: frozenset[str]


@dataclass
class Ways:
    """All ways of a group whose sources and sink live where they do.

    ways : with `room` int64[way] bits; `base` float64[way, 3]: energy, busy cycles of the outermost level, words, where
    they do not depend on how passes are mapped; `rest` float64[way]: cycles of vector passes.
    first, number, runs : passes of each way, by their numbers in `Passes`, those of a way behind one another.
    launch : cycles that starting the group takes.
    """

    ways: list[Way]
    room: Ints
    base: Floats
    rest: Floats
    first: Ints
    number: Ints
    runs: Ints
    launch: int = 0

    def costs(self, passes_: Passes) -> Floats:
        """float64[way, 3], true where all passes of a way were searched, else bounds from below."""
        if not len(self.number):
            found = np.zeros((len(self.ways), 3))
        else:
            found = np.add.reduceat(passes_.table[self.number] * self.runs[:, None], self.first[:-1], axis=0)
            found[self.first[:-1] == self.first[1:]] = 0
        out = self.base + found
        out[:, 1] = np.maximum(self.base[:, 1], found[:, 1] + self.rest) + self.launch
        return out

    def passes(self, way: int) -> list[int]:
        """Numbers of the passes of a way."""
        return [int(k) for k in self.number[self.first[way] : self.first[way + 1]]]

    @cached_property
    def least(self) -> int:
        """Bits that any way takes."""
        return int(self.room.min()) if len(self.room) else -1


def shape_of(group: Group) -> Group:
    """The group with numbers for names: equal ones run alike."""
    names = {name: str(k) for k, name in enumerate(group.tensors)}
    dynamic = {op.dynamic: f"d{k}" for k, op in enumerate(group.ops) if op.dynamic}
    return Group(
        tuple(replace(source, name=names[source.name]) for source in group.sources),
        tuple(
            replace(
                op,
                name=names[op.name],
                reads=tuple(Read(names[read.tensor], read.channels) for read in op.reads),
                dynamic=names.get(op.dynamic, dynamic.get(op.dynamic, "")) if op.dynamic else "",
            )
            for op in group.ops
        ),
        group.images,
    )


def ways_of(
    wanted: Wanted, group: Group, sized: Mapping[str, Architecture], resident: frozenset[str], passes_: Passes
) -> Ways:
    """Every way of a group. sized : the machine with the widths of each operation. resident : sources, and the sink,
    that live at home.
    """
    widths = widths_of(group, sized, resident)
    measure = Measure(group, widths)
    out: list[tuple[Way, int, Cost, float, list[tuple[int, int]]]] = []
    seen: set[object] = set()
    for tiling in tilings(wanted, group):
        found = measure(tiling)
        alike = tiling.tile, tuple(found.made.tolist()), found.room
        if alike in seen or (wanted.capacity is not None and found.room > wanted.capacity):
            continue
        seen.add(alike)
        listed, base, rest = _passes(wanted, found, sized, passes_)
        for choice in _choices(wanted, found):
            cost, cycles = _moved(wanted, found, choice, sized, resident)
            moved = Cost(cost.energy, cycles, cost.words)
            out.append((Way(tiling, choice.resident), choice.room, base.plus(moved), rest, listed))
    counts = [len(one[4]) for one in out]
    flat = [one for way in out for one in way[4]]
    return Ways(
        [one[0] for one in out],
        np.array([one[1] for one in out], np.int64),
        np.array([one[2] for one in out], np.float64).reshape(-1, 3),
        np.array([one[3] for one in out], np.float64),
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        np.array([one[0] for one in flat], np.int64),
        np.array([one[1] for one in flat], np.int64),
        wanted.machine.launch,
    )


def tilings(wanted: Wanted, group: Group) -> Iterator[Tiling]:
    """Tiles and modes that are looked at."""
    level = wanted.machine.levels[wanted.machine.level_index(wanted.home)]
    double = level.buffering(Tensor.IFMAP) is Buffer.DOUBLE
    rows, columns = (
        sorted({-(-size // n) for n in parts if n <= size})
        for size, parts in zip(group.sink.plane, (ROWS, COLUMNS), strict=True)
    )
    for high in rows:
        for wide in columns:
            for mode in ("both", "columns") if any(max(op.kernel) > 1 for op in group.ops) else ("both",):
                yield Tiling((high, wide), MODES[mode], {}, double)


def widths_of(group: Group, sized: Mapping[str, Architecture], resident: frozenset[str]) -> Widths:
    """Bits of words in the buffer; what lives there has room elsewhere."""
    held, running, filters = {}, {}, {}
    for name in group.tensors:
        reads = [sized[op.name].widths[Width.IFMAP] for op in group.ops if any(r.tensor == name for r in op.reads)]
        held[name] = 0 if name in resident else max(reads, default=0)
    for op in group.ops:
        machine = sized[op.name]
        if op.name == group.sink.name:
            held[op.name] = 0 if op.name in resident else machine.widths[Width.OFMAP]
        running[op.name] = machine.widths[Width.PSUM] if op.multiplies else held[op.name]
        if op.name in resident:
            running[op.name] = max(machine.widths[Width.PSUM] - machine.widths[Width.OFMAP], 0) if op.multiplies else 0
        filters[op.name] = machine.widths[Width.FILTER]
    return Widths(0, held, running, filters)


def _choices(wanted: Wanted, found: Measured) -> list[Choice]:
    """Which filters stay; where they do not come through the home, there is nothing to choose."""
    if not wanted.keeps_filters:
        return [Choice(frozenset(), found.room, 0)]
    if not wanted.weights_share:
        reads = sum(fetched(found, op, False) for op in found.group.ops if op.filters)
        return [Choice(frozenset(), found.room, reads)]
    return list(choices(found, capacity=wanted.capacity))


def _moved(
    wanted: Wanted, found: Measured, choice: Choice, sized: Mapping[str, Architecture], resident: frozenset[str]
) -> tuple[Cost, float]:
    """Words between the outermost level and home, and the cycles they keep its ports busy."""
    group, machine = found.group, sized[found.group.sink.name]
    reads = sum(words for name, words in found.reads.items() if name not in resident)
    updates = 0 if group.sink.name in resident else found.updates
    outer, home = machine.levels[0], machine.levels[machine.level_index(wanted.home)]

    def price(level: Level, action: str, width: Width, tensor: Tensor) -> float:
        return float(access(machine, wanted.table, level, action, machine.widths[width], tensor))

    energy = reads * (price(outer, "read", Width.IFMAP, Tensor.IFMAP) + price(home, "fill", Width.IFMAP, Tensor.IFMAP))
    energy += updates * (
        price(outer, "update", Width.OFMAP, Tensor.PSUM) + price(home, "drain", Width.OFMAP, Tensor.PSUM)
    )
    if choice.reads:
        energy += choice.reads * (
            price(outer, "read", Width.FILTER, Tensor.FILTER) + price(home, "fill", Width.FILTER, Tensor.FILTER)
        )
    cycles, _ = latency(machine, Moved(reads + choice.reads, updates), 0)
    return Cost(energy, cycles, reads + updates + choice.reads), cycles


def _passes(
    wanted: Wanted, found: Measured, sized: Mapping[str, Architecture], passes_: Passes
) -> tuple[list[tuple[int, int]], Cost, float]:
    """((number, runs) of passes that multiply, what the others cost, their cycles)."""
    listed: dict[int, int] = {}
    energy, cycles = 0.0, 0.0
    for one in passes(found):
        machine = sized[one.op]
        if one.problem is not None:
            number = passes_.number(machine, one.problem)
            listed[number] = listed.get(number, 0) + one.runs
            continue
        cost = vector_cost(wanted, machine, Moved(0, 0, one.reads, one.writes, wanted.home), one.operations)
        energy += cost.energy * one.runs
        cycles += cost.cycles * one.runs
    return sorted(listed.items()), Cost(energy, 0.0, 0.0), cycles
