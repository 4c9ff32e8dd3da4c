"""A layer with an epilogue, evaluated: the layer's own counts and time, but for what leaves.

Each drain D of a finished tile out of the buffer passes through the vector unit: it holds the ports of what leaves for
the words of the last output, the buffer's for the words of the tile and of what else is read there, and the lanes of
the unit for its operations. Operands from the outermost level come in the same transfer. All else is the engine's.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

import numpy as np

from accelsim.architecture.model import Architecture, NetworkKind, Port
from accelsim.engine import EVALUATORS, analytical, cycle
from accelsim.engine.counts import ACTIONS, NARROWED, Counts, Timing
from accelsim.engine.fused.epilogue import Epilogue, Tiles, tiles_of
from accelsim.engine.limits import refuse_bytes
from accelsim.engine.networks.ports import WORDS
from accelsim.engine.program import PSUM, Beside, Ints, PortUse, Program, build, network_ports, ports_of
from accelsim.engine.timing.schedule import Tables
from accelsim.engine.timing.streams import Streams
from accelsim.engine.timing.windows import Window
from accelsim.engine.words.assemble import hops
from accelsim.errors import AccelsimError, MappingError, nearest
from accelsim.mapping.finals import WIDE
from accelsim.mapping.mapping import LoopNest, check
from accelsim.workload.problem import TENSORS, Problem, Tensor

IFMAP = TENSORS.index(Tensor.IFMAP)
FILL, READ, UPDATE, DRAIN = range(len(ACTIONS))
WORDS_UP = WORDS[1]
LANES = "the vector unit"
"""The port that operations hold."""
OPERATIONS = "operations"
TILE_BYTES = 400
"""Bytes that are written down of a tile, about."""


class Share(NamedTuple):
    """What a drain carries over one port: int64[tile] words of so many bits. group : ports on one way; 0: its own.

    of : the tensor whose words they are; of the lanes `OPERATIONS`.
    """

    use: PortUse
    words: Ints
    bits: int
    group: int
    of: str


@dataclass(frozen=True)
class Handed:
    """An epilogue under one mapping.

    program : of its layer. home : the level whose tiles are taken over. out_bits : of a word of the last output.
    """

    epilogue: Epilogue
    program: Program
    home: int
    out_bits: int

    @cached_property
    def tiles(self) -> Tiles:
        """All that leave, in order."""
        return tiles_of(self.epilogue, self.program, self.home)

    @cached_property
    def leaving(self) -> Ints:
        """int64[tile], words of the last output that leave for the outermost level."""
        return self.tiles.out if self.epilogue.leaves else np.zeros_like(self.tiles.out)

    @property
    def machine(self) -> Architecture:
        """Of its layer."""
        return self.program.architecture

    @property
    def edge(self) -> int:
        """Of psums between the outermost level and the buffer."""
        return self.stream(self.program.edges)

    @cached_property
    def fetched(self) -> tuple[bool, ...]:
        """Of each operand, whether it comes from the outermost level."""
        return tuple(one.tensor not in self.epilogue.at_home for one in self.epilogue.operands)

    @cached_property
    def latency(self) -> int:
        """Cycles behind a transfer that brings an operand along, beside those of what leaves."""
        fans = [level.fanout for level in self.machine.levels[: self.home]]
        return sum(fan.network(Tensor.IFMAP).latency for fan in fans) if any(self.fetched) else 0

    # ---- words ---------------------------------------------------------------------------------------------------

    def recounted(self, counts: Counts) -> Counts:
        """The layer's counts with the last output in place of its own, and what else is read."""
        machine, home, epilogue = self.machine, self.home, self.epilogue
        words, network = counts.words.copy(), counts.network.copy()
        narrow = None if counts.narrow is None else counts.narrow.copy()
        out = int(self.leaving.sum())
        left = out - int(words[0, PSUM, UPDATE])
        words[0, PSUM, UPDATE] = out
        finals = self.program.finals.get((0, home), WIDE)
        if narrow is not None and finals.arrives:
            narrow[0, NARROWED.index("update")] += left
        for f in range(home):
            kind = machine.levels[f].fanout.network(Tensor.PSUM).kind
            network[f, PSUM, 1] = out, out, hops(kind, out, out)
            if narrow is not None and f in finals.fanouts:
                narrow[f, 2:] = network[f, PSUM, 1]
        if epilogue.stays:
            words[home, PSUM, UPDATE] += int(self.tiles.out.sum())
            if narrow is not None:
                narrow[home, NARROWED.index("update")] += int(self.tiles.out.sum())
        for sizes, fetched in zip(self.tiles.operands, self.fetched, strict=True):
            read = int(sizes.sum())
            words[home, IFMAP, READ] += read
            if fetched:
                words[0, IFMAP, READ] += read
                words[home, IFMAP, FILL] += read
                for f in range(home):
                    kind = machine.levels[f].fanout.network(Tensor.IFMAP).kind
                    network[f, IFMAP, 0] += (read, read, int(hops(kind, read, read)))
        return replace(counts, words=words, network=network, narrow=narrow)

    # ---- time ----------------------------------------------------------------------------------------------------

    @cached_property
    def shares(self) -> tuple[Share, ...]:
        """What each drain carries over each port, the drain's own ports first."""
        machine, home, epilogue, tiles = self.machine, self.home, self.epilogue, self.tiles
        finals = self.program.finals.get((0, home), WIDE)
        reads, writes = machine.levels[home].read_port, machine.levels[home].write_port
        own = ports_of(self.program, Tensor.PSUM, 0, home, True, False)
        last = len(own) - 1 if reads else len(own)
        bits = machine.final_bits if finals.leaves else machine.moved_bits[Tensor.PSUM]
        sink = epilogue.last.name
        found = [Share(use, self.leaving, self.out_bits, 0, sink) for use in own[:last]]
        found += [Share(use, tiles.whole, bits, 0, epilogue.maker.name) for use in own[last:]]
        group = itertools.count(1)
        if machine.lanes:
            lanes = _use(Port(LANES, Fraction(machine.lanes), in_words=True))
            found.append(Share(lanes, tiles.operations, 1, next(group), OPERATIONS))
        bits = machine.moved_bits[Tensor.IFMAP]
        for one, sizes, fetched in zip(epilogue.operands, tiles.operands, self.fetched, strict=True):
            ways = [self._way_in] if fetched else []
            for way in (*ways, [_use(reads)] if reads else []):
                number = next(group)
                found += [Share(use, sizes, bits, number, one.tensor) for use in way]
        if epilogue.stays and writes:
            found.append(Share(_use(writes), tiles.out, self.out_bits, next(group), sink))
        return tuple(found)

    @property
    def _way_in(self) -> list[PortUse]:
        """The ports of operands on their way from the outermost level to the buffer."""
        levels = self.machine.levels
        found = [use for f in range(self.home) for use in network_ports(self.program, Tensor.IFMAP, f, 1, False)]
        outer, inner = levels[0].read_port, levels[self.home].write_port
        return found + ([PortUse(outer, 1, True)] if outer else []) + ([_use(inner)] if inner else [])

    @cached_property
    def held(self) -> dict[str, tuple[PortUse, Ints]]:
        """int64[tile], cycles that each port is held, by its name.

        Rounded up once for each tensor that passes it; who passes it twice on one way holds it for the larger share.
        """
        uses: dict[str, PortUse] = {}
        each: dict[str, dict[int, Ints]] = {}
        for share in self.shares:
            port = replace(share.use.port, peak=False)
            cycles = np.asarray(port.cycles(share.words, share.bits))
            cycles = np.maximum(cycles * share.use.every - (share.use.every - 1), 0)
            uses.setdefault(port.name, share.use)
            mine = each.setdefault(port.name, {})
            mine[share.group] = np.maximum(cycles, mine.get(share.group, 0))
        return {name: (use, np.sum(list(each[name].values()), axis=0)) for name, use in uses.items()}

    def on(self, tables: Tables) -> Tables:
        """The tables with the ports that drains hold besides."""
        return replace(tables, ports=tables.ports.and_drains(self.stream(tables.edges), self._added(tables)))

    def stream(self, edges: Ints) -> int:
        """Which of the edges that take time it is whose drains leave."""
        return int(np.flatnonzero((edges[:, 0] == PSUM) & (edges[:, 1] == 0) & (edges[:, 2] == self.home))[0])

    def _added(self, tables: Tables) -> list[PortUse]:
        own = {use.port.name for use in ports_of(self.program, Tensor.PSUM, 0, self.home, True, False)}
        return [use for name, (use, _) in self.held.items() if name not in own]

    def written(self, tables: Tables, parts: Iterable[Window]) -> Iterator[Window]:
        """The windows, with how long each drain holds its ports written into them."""
        x = self.stream(tables.edges)
        first, drains = (int(n) for n in tables.ports.at[x, 1])
        labels = [name for name, _ in tables.ports.labels[x]]
        columns = {first + at: self.held[name][1] for at, name in enumerate(labels[first : first + drains])}
        if WORDS_UP in labels:
            # who looks at the layer sees what leaves, not the tile
            columns[labels.index(WORDS_UP)] = self.leaving
        written = np.stack(list(columns.values()), axis=1) if columns else None
        for window in parts:
            rows = window.schedule.rows(x)
            if written is not None and rows.stop > rows.start:
                before = int(window.before[x])
                window.schedule.work[rows, list(columns)] = written[before : before + rows.stop - rows.start]
            yield window

    def later(self, tables: Tables, streams: Streams) -> Streams:
        """The streams with the latency of what drains bring along."""
        latency = streams.latency.copy()
        latency[self.stream(tables.edges), 1] += self.latency
        return replace(streams, latency=latency)


def _use(port: Port) -> PortUse:
    return PortUse(port, 1)


def handed(epilogue: Epilogue, machine: Architecture, nest: LoopNest, problem: Problem, home: str,
           out_bits: int = 0) -> Handed:  # fmt: skip
    """An epilogue under a mapping of its layer.

    out_bits : of a word of the last output; 0: as of the layer's own. Raises MappingError where the machine cannot, or
    the mapping does not finish tiles in the buffer, or cuts windows.
    """
    check(machine, nest, problem)
    refuse_machine(machine, problem, home)
    index = machine.level_index(home)
    epilogue.refuse(machine, nest, problem, index)
    program = build(machine, nest, problem)
    tiles = 1
    for _, factor, kind, level, _ in program.loops.tolist():
        tiles *= factor if level < index and not kind else 1
    refuse_bytes(TILE_BYTES * tiles, f"{tiles:.1e} tiles of an epilogue")
    return Handed(epilogue, program, index, out_bits or machine.final_bits)


def refuse_machine(machine: Architecture, problem: Problem, home: str) -> None:
    """Raise MappingError for a machine whose drains are more than words on ports."""
    name, index = machine.name, machine.level_index(home)
    what = ""
    if machine.cartesian:
        what = "its PEs are Cartesian"
    elif machine.lock:
        what = "its PEs are in lock step"
    elif machine.levels[0].dram:
        what = "its DRAM has banks, whose rows follow from which words lie where"
    elif machine.lower(problem) != problem or problem.runs:
        what = "it lowers layers: tiles are no rows and columns"
    elif machine.home(Tensor.PSUM):
        what = "its psums live on the chip"
    elif problem.added or (machine.bias and problem.bias):
        what = "its sums begin in memory"
    else:
        for level in machine.levels[:index]:
            fan = level.fanout
            networks = [fan.network(tensor) for tensor in (Tensor.IFMAP, Tensor.PSUM)]
            if fan.y * fan.x > 1:
                what = f"there are several of '{home}'"
            elif any(network.has_links or network.kind is NetworkKind.MESH for network in networks):
                what = f"a network of links leads to '{home}'"
    if what:
        raise MappingError(f"an epilogue on '{name}': {what}; let the layers run one by one")


def evaluate(found: Handed, evaluator: str = "cycle") -> tuple[Counts, Timing]:
    """Counts and time of a layer with its epilogue, dense. Raises AccelsimError for an unknown evaluator."""
    if evaluator not in EVALUATORS:
        raise AccelsimError(f"unknown evaluator '{evaluator}'{nearest(evaluator, EVALUATORS)}")
    if evaluator == "cycle":
        counts, timing = cycle.window_by_window(found.program, None, found)
    else:
        counts, timing = analytical.evaluate(replace(found.program, beside=_beside(found)))
    return found.recounted(counts), timing


def _beside(found: Handed) -> Beside:
    """What the closed form reckons with: words that leave, and cycles of ports besides."""
    machine, finals = found.machine, found.program.finals.get((0, found.home), WIDE)
    bits = machine.final_bits if finals.arrives else machine.moved_bits[Tensor.PSUM]
    # of words of another width as many as have the bits, at most
    out = int(found.leaving.sum()) * min(found.out_bits, bits) // bits
    ports = []
    for share in found.shares:
        if share.group:
            port = replace(share.use.port, peak=False)
            ports.append((port.name, share.use.outermost, int(port.cycles(int(share.words.sum()), share.bits))))
    return Beside(found.edge, found.home, out, tuple(ports))
