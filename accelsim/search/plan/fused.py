"""The ways in which a fused group can run: tiles, what is kept of them, resident filters; each with its room and price.

Tiles are those of 1, 2, 3, 4, 6, 8, 12, 16, ... parts along rows and of 1, 2, 4, 8, ... along columns; what two tiles
have in common is kept along both axes or along columns alone. Filters come whole, or in slices (`slicing`). That is
less than all there is (FUSION, S4).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from accelsim.architecture.model import Architecture, Buffer, Level, Port
from accelsim.energy.floor import access
from accelsim.engine.fused.filters import fetched, fronts
from accelsim.engine.fused.group import Group, Read
from accelsim.engine.fused.layers import Wiring
from accelsim.engine.fused.passes import passes
from accelsim.engine.fused.storage import MODES, Measure, Measured, Tiling, Widths
from accelsim.engine.vector import Moved, latency
from accelsim.errors import MappingError
from accelsim.mapping.plan import plan
from accelsim.search.plan.costs import Passes, Wanted, vector_cost
from accelsim.search.plan.slicing import slicings
from accelsim.workload.network import Network
from accelsim.workload.problem import Tensor, Width

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
MOST_LAYERS = 10
"""Of a group."""
ROWS, COLUMNS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512), (1, 2, 4, 8, 16, 32, 64)


def groups_in(network: Network, order: Sequence[int]) -> dict[tuple[int, int], Group]:
    """Every legal group of a network by its first place in the order and the one behind its last."""
    found, wiring = {}, Wiring(network)
    for begin in range(len(order)):
        for end in range(begin + 2, min(begin + MOST_LAYERS, len(order)) + 1):
            layers = [network.layers[i] for i in order[begin:end]]
            if any(layer.repeat > 1 or layer.once for layer in layers):
                break
            with suppress(MappingError):
                found[begin, end] = wiring.group(tuple(layer.name for layer in layers))
    return found


@dataclass(frozen=True)
class Way:
    """One of them. resident : filters that stay, by number of their operation."""

    tiling: Tiling
    resident: frozenset[str]

    def group(self, layers: tuple[str, ...], names: Mapping[str, str]) -> plan.Group:
        """As a plan has it. names : of its tensors, by their numbers."""
        keep = tuple(axis for axis, kept in zip((plan.ROWS, plan.COLUMNS), self.tiling.keep, strict=True) if kept)
        stay = {names[name]: plan.RESIDENT for name in sorted(self.resident)}
        slices = {names[name]: outer for name, outer in self.tiling.cut.items()}
        return plan.Group(layers, *self.tiling.tile, {}, keep, stay, slices=slices)


@dataclass
class Ways:
    """All ways of a group whose sources and sink live where they do.

    tilings, stay : tilings, and the filters that stay in each way, a list for a tiling.
    room : int64[way] bits. base : float64[way, 3]: energy, busy cycles of the outermost level, words, where they do not
    depend on how passes are mapped. tiling : int64[way], which tiling each has.
    rest : float64[tiling], cycles of vector passes. first, number, runs : passes of each tiling, by their numbers in
    `Passes`, those of a tiling behind one another. launch : cycles that starting the group takes.
    """

    tilings: list[Tiling]
    stay: list[list[frozenset[str]]]
    room: Ints
    base: Floats
    tiling: Ints
    rest: Floats
    first: Ints
    number: Ints
    runs: Ints
    launch: int = 0

    def __len__(self) -> int:
        return len(self.room)

    def way(self, number: int) -> Way:
        """One of them."""
        tiling = int(self.tiling[number])
        first = int(np.searchsorted(self.tiling, tiling))
        return Way(self.tilings[tiling], self.stay[tiling][number - first])

    def costs(self, passes_: Passes) -> Floats:
        """float64[way, 3], true where all passes of a way were searched, else bounds from below."""
        found = np.zeros((len(self.first) - 1, 3))
        some = np.flatnonzero(self.first[:-1] < self.first[1:])
        if len(some):
            each = passes_.table[self.number] * self.runs[:, None]
            found[some] = np.add.reduceat(each, self.first[some], axis=0)
        out = self.base + found[self.tiling]
        out[:, 1] = np.maximum(self.base[:, 1], (found[:, 1] + self.rest)[self.tiling]) + self.launch
        return out

    def passes(self, way: int) -> Ints:
        """Numbers of the passes of a way."""
        tiling = self.tiling[way]
        return self.number[self.first[tiling] : self.first[tiling + 1]]

    def known(self, passes_: Passes) -> npt.NDArray[np.bool_]:
        """bool[way], whether all of its passes were searched."""
        missing = np.concatenate([[0], np.cumsum(~passes_.searched[self.number])])
        found: npt.NDArray[np.bool_] = (missing[self.first[1:]] == missing[self.first[:-1]])[self.tiling]
        return found

    def times(self, way: int) -> Ints:
        """How often each of these runs."""
        tiling = self.tiling[way]
        return self.runs[self.first[tiling] : self.first[tiling + 1]]

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


class Run(NamedTuple):
    """What a tiling runs. passes : (number, runs) of those that multiply. energy, cycles : of the others."""

    passes: list[tuple[int, int]]
    energy: float
    cycles: float


def ways_of(
    wanted: Wanted,
    group: Group,
    sized: Mapping[str, Architecture],
    resident: frozenset[str],
    passes_: Passes,
    known: dict[Tiling, Run],
) -> Ways:
    """Every way of a group. sized : the machine with the widths of each operation. resident : sources, and the sink,
    that live at home. known : what tilings of this group run, wherever its tensors live.
    """
    measure = Measure(group, widths_of(group, sized, resident))
    outside = Outside(wanted, sized[group.sink.name])
    listed, kept, stay = list[Run](), list[Tiling](), list[list[frozenset[str]]]()
    room, base = list[Ints](), list[Floats]()
    for found in _every(wanted, group, measure):
        names, bits, filters = _choices(wanted, found)
        if not names:
            continue
        tiling = found.tiling
        if tiling not in known:
            known[tiling] = _run(wanted, found, sized, passes_)
        reads = sum(words for name, words in found.reads.items() if name not in resident)
        updates = 0 if group.sink.name in resident else found.updates
        base.append(outside.costs(reads, filters, updates, known[tiling].energy))
        room.append(bits)
        stay.append(names)
        kept.append(tiling)
        listed.append(known[tiling])
    flat = np.array([one for run in listed for one in run.passes], np.int64).reshape(-1, 2)
    return Ways(
        kept,
        stay,
        np.concatenate([np.zeros(0, np.int64), *room]),
        np.concatenate([np.zeros((0, 3)), *base]),
        np.repeat(np.arange(len(room)), [len(bits) for bits in room]),
        np.array([run.cycles for run in listed], np.float64),
        np.concatenate([[0], np.cumsum([len(run.passes) for run in listed])]).astype(np.int64),
        flat[:, 0],
        flat[:, 1],
        wanted.machine.launch,
    )


def _every(wanted: Wanted, group: Group, measure: Measure) -> Iterator[Measured]:
    """Tilings that differ in what they do, each with filters whole and in slices."""
    seen = set[object]()
    for tiling in tilings(wanted, group):
        found = measure(tiling)
        alike = tiling.tile, tuple(found.made.tolist()), found.room
        if alike in seen or (wanted.capacity is not None and found.room > wanted.capacity):
            continue
        seen.add(alike)
        yield found
        for cut in slicings(wanted, found):
            yield replace(found, tiling=replace(tiling, cut=cut))


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


def _choices(wanted: Wanted, found: Measured) -> tuple[list[frozenset[str]], Ints, Ints]:
    """(filters that stay, room, words of filters read) of each way: where they do not come through the home, one."""
    if not wanted.keeps_filters:
        return [frozenset()], np.array([found.room]), np.zeros(1, np.int64)
    if not wanted.weights_share:
        reads = sum(fetched(found, op, False) for op in found.group.ops if op.filters)
        return [frozenset()], np.array([found.room]), np.array([reads])
    return fronts(found, capacity=wanted.capacity)


class Outside:
    """Words between the outermost level and home: what they cost, and the cycles they keep ports busy."""

    def __init__(self, wanted: Wanted, machine: Architecture) -> None:
        self.machine = machine
        outer, home, widths = machine.levels[0], machine.levels[machine.level_index(wanted.home)], machine.widths

        def price(level: Level, action: str, width: Width, tensor: Tensor) -> float:
            return float(access(machine, wanted.table, level, action, widths[width], tensor))

        def crossing(out: str, inside: str, width: Width, tensor: Tensor) -> float:
            return price(outer, out, width, tensor) + price(home, inside, width, tensor)

        self.read = crossing("read", "fill", Width.IFMAP, Tensor.IFMAP)
        self.update = crossing("update", "drain", Width.OFMAP, Tensor.PSUM)
        self.filter = crossing("read", "fill", Width.FILTER, Tensor.FILTER) if wanted.keeps_filters else 0.0
        ports = (outer.read_port, outer.write_port, *self._ways())
        self._timed = any(port is not None for port in ports)
        self._cycles: dict[tuple[int, int], int] = {}

    def _ways(self) -> tuple[Port | None, Port | None]:
        outer = self.machine.levels[0].fanout
        return outer.network(Tensor.IFMAP).down, outer.network(Tensor.PSUM).up

    def costs(self, reads: int, filters: Ints, updates: int, energy: float) -> Floats:
        """float64[way, 3] : of so many words of inputs, filters and outputs, with energy of something else."""
        words = reads + filters
        out = np.empty((len(filters), 3))
        out[:, 0] = energy + reads * self.read + updates * self.update + filters * self.filter
        if self._timed:
            out[:, 1] = [self._busy(arriving, updates) for arriving in words.tolist()]
        else:
            out[:, 1] = np.where(words > 0, self._busy(1, updates), self._busy(0, updates))
        out[:, 2] = words + updates
        return out

    def _busy(self, reads: int, updates: int) -> int:
        key = (reads, updates) if self._timed else (reads, min(updates, 1))
        if key not in self._cycles:
            self._cycles[key], _ = latency(self.machine, Moved(*key), 0)
        return self._cycles[key]


def _run(wanted: Wanted, found: Measured, sized: Mapping[str, Architecture], passes_: Passes) -> Run:
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
    return Run(sorted(listed.items()), energy, cycles)
