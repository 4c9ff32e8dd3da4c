"""A layer whose finished tiles are taken over, tick by tick with real values.

The golden machine's own program and values, but for drains into the outermost level: the words of their tile, and no
others, go through the chain of operations, word by word; what comes out lands. Windows are looked for one by one: one
that has some of its words in a tile and others not fails.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np

from accelsim.architecture.model import Architecture
from accelsim.engine.fused.group import Group, Op
from accelsim.mapping.mapping import LoopNest
from accelsim.sparsity.masks import Masks
from accelsim.workload.problem import Problem, Tensor

from . import timed
from .counts import Tally, flow_up
from .final import mark_final, mark_narrow
from .fused_walk import tap_of
from .nest import Walk
from .program import Activity, Program
from .values import Values
from .words import build_streams

Word = tuple[int, int, int, int]
"""Image, channel of all groups, row, column."""


@dataclass
class Taken:
    """What one tile brings: words of the maker, of each operand (by operation and tensor), of the last output."""

    whole: int
    read: dict[tuple[int, str], set[Word]]
    made: list[set[Word]]
    operations: int


@dataclass
class Ran:
    """Counts as `GoldenResult` has them, cycles, stalls, the last output [image, channel, row, column], and when."""

    words: np.ndarray
    network: np.ndarray
    narrow: np.ndarray
    cycles: int
    stalls: dict[str, int]
    outputs: np.ndarray | None
    program: Handing


class Chain:
    """The operations behind the maker, and what they read beside its tiles; at_home : what of that is in the buffer."""

    def __init__(self, group: Group, at_home: frozenset[str], stays: bool, leaves: bool) -> None:
        self.maker, *self.ops = group.ops
        self.planes = {one.name: one.plane for one in (*group.sources, *group.ops)}
        self.at_home, self.stays, self.leaves = at_home, stays, leaves

    def taken(self, problem: Problem, words: frozenset) -> Taken:
        """What a tile of the maker's words brings."""
        tile = {(n, g * problem["M"] + m, p, q) for n, g, m, p, q, *_ in words}
        here, before, read, made, operations = tile, self.maker, {}, [], 0
        for place, op in enumerate(self.ops):
            found: set[Word] = set()
            for n in {word[0] for word in here}:
                channels = {word[1] for word in here if word[0] == n}
                for row, column in np.ndindex(*op.plane):
                    window = set(windowed(op, before.plane, row, column))
                    for channel in channels:
                        mine = {(n, channel, *at) in here for at in window}
                        assert len(mine) == 1, f"a window of {op.name} lies in two tiles"
                        if mine == {True}:
                            found.add((n, channel, row, column))
            for one in op.reads:
                if one.tensor == before.name:
                    continue
                plane, many = self.planes[one.tensor], len(one.channels)
                read[place, one.tensor] = {
                    (
                        n,
                        one.channels[channel if many > 1 else 0],
                        *(at if size > 1 else 0 for at, size in zip((r, c), plane, strict=True)),
                    )
                    for n, channel, r, c in found
                }
            each = -(-op.operations * len({word[1] for word in here}) // op.channels)
            operations += each * len({word[0] for word in found}) * len({word[2:] for word in found})
            made.append(found)
            here, before = found, op
        return Taken(len(tile), read, made, operations)


def windowed(op: Op, plane, row: int, column: int):
    """The words of the plane that one output meets."""
    for r, s in np.ndindex(*op.kernel):
        at = tuple(
            o * st - p + t * d
            for o, st, p, t, d in zip((row, column), op.stride, op.pad, (r, s), op.dilation, strict=True)
        )
        if all(0 <= a < size for a, size in zip(at, plane, strict=True)):
            yield at


class Handing(Program):
    """The golden program whose drains of finished tiles pass through the vector unit."""

    def __init__(self, walk, streams, processing, chain: Chain, home: int, out_bits: int) -> None:
        self.chain, self.home, self.out_bits = chain, home, out_bits
        self.takes: list[Taken] = []
        super().__init__(walk, streams, processing)

    @property
    def passing(self) -> list[tuple[Activity, Taken]]:
        """The drains of finished tiles, in order, with what each brings; none where they take no part."""
        found = [a for a in self.activities if a.stream is not None and self.leaves_home(a.kind, a.stream)]
        return list(zip(sorted(found, key=lambda a: a.number), self.takes, strict=True))

    def leaves_home(self, kind, stream) -> bool:
        return kind == "D" and stream.tensor is Tensor.PSUM and stream.parent == 0

    def _transfer(self, kind, stream, version) -> None:
        super()._transfer(kind, stream, version)
        if not self.leaves_home(kind, stream):
            return
        assert stream.level == self.home
        drain = self.transfers[kind, stream.tensor, stream.level, version.number]
        (words,) = version.tiles.values()
        taken = self.chain.taken(self.walk.problem, words)
        self.takes.append(taken)
        machine, levels = self.machine, self.machine.levels
        ports: Counter[str] = Counter()
        rests: dict[str, int] = {}
        every = {}

        def hold(way, words, bits) -> None:
            own: dict[str, int] = {}
            for port, outermost, each in way:
                if port is None or (self.processing and outermost):
                    continue
                every.setdefault(port.name, each)
                cycles = max(port.cycles(words, bits) * each - (each - 1), 0)
                own[port.name] = max(own.get(port.name, 0), cycles)
            ports.update(own)

        out = len(taken.made[-1])
        up = [levels[f].fanout.network(Tensor.PSUM) for f in reversed(range(self.home))]
        leaving = [(n.up, f == 0, n.every) for f, n in zip(reversed(range(self.home)), up, strict=True)]
        # the tile is one way, cut in two: inside the buffer it has all its words
        inside: dict[str, int] = {}
        read = levels[self.home].read_port
        psum = machine.final_bits if version.narrow_out else machine.moved_bits[Tensor.PSUM]
        if read is not None:
            inside[read.name] = read.cycles(taken.whole, psum)
        for port, outermost, each in [*leaving, (levels[0].write_port, True, 1)]:
            if port is None or (self.processing and outermost):
                continue
            every.setdefault(port.name, each)
            cycles = max(port.cycles(out if self.chain.leaves else 0, self.out_bits) * each - (each - 1), 0)
            inside[port.name] = max(inside.get(port.name, 0), cycles)
        ports.update(inside)
        if machine.lanes:
            ports["lanes"] = math.ceil(taken.operations / machine.lanes)
        for (_, tensor), words_read in taken.read.items():
            bits = machine.moved_bits[Tensor.IFMAP]
            if tensor not in self.chain.at_home:
                down = [levels[f].fanout.network(Tensor.IFMAP) for f in range(self.home)]
                way = [(n.down, f == 0, n.every) for f, n in enumerate(down)]
                way += [(levels[0].read_port, True, 1), (levels[self.home].write_port, False, 1)]
                hold(way, len(words_read), bits)
                drain.latency += sum(network.latency for network in down)
            hold([(read, False, 1)], len(words_read), bits)
        if self.chain.stays:
            hold([(levels[self.home].write_port, False, 1)], out, self.out_bits)
        if any(t not in self.chain.at_home for _, t in taken.read) and len(taken.read) > 1:
            # operands come together: one way in is behind them all
            down = sum(levels[f].fanout.network(Tensor.IFMAP).latency for f in range(self.home))
            came = sum(t not in self.chain.at_home for _, t in taken.read)
            drain.latency -= down * (came - 1)
        for name, cycles in ports.items():
            rests[name] = every.get(name, 1) - 1 if cycles else 0
        drain.ports, drain.rests = dict(ports), rests
        drain.length = max(1, *ports.values()) if ports else 0


class Handed(Values):
    """Values whose finished tiles go through the chain; given : operands, [image, channel, row, column]."""

    def __init__(self, walk, program, ifmap, weights, given) -> None:
        super().__init__(walk, program, ifmap, weights)
        self.given, self.out = given, {}

    def drain(self, stream, version) -> None:
        super().drain(stream, version)
        if not self.program.leaves_home("D", stream):
            return
        chain, m = self.program.chain, self.walk.problem["M"]
        (words,) = version.tiles.values()
        values = {(n, g * m + k, p, q): self.top[n, g, k, p, q, *rest] for n, g, k, p, q, *rest in words}
        taken, before = chain.taken(self.walk.problem, words), chain.maker
        for op, made in zip(chain.ops, taken.made, strict=True):
            new = {}
            for n, channel, row, column in made:
                at = [values[n, channel, *one] for one in windowed(op, before.plane, row, column)]
                total = sum(at)
                for one in op.reads:
                    if one.tensor != before.name:
                        array = self.given[one.tensor][n]
                        other = one.channels[channel if len(one.channels) > 1 else 0]
                        _, rows, columns = array.shape
                        total += int(array[other, row if rows > 1 else 0, column if columns > 1 else 0])
                new[n, channel, row, column] = total
            values, before = new, op
        assert not values.keys() & self.out.keys(), "a word leaves twice"
        self.out |= values

    def last_output(self, op: Op, images: int) -> np.ndarray:
        found = np.zeros((images, op.channels, *op.plane), np.int64)
        assert len(self.out) == found.size, "a word of the last output never left"
        for word, value in self.out.items():
            found[word] = value
        return found


def run(machine: Architecture, nest: LoopNest, problem: Problem, group: Group, home: int, out_bits: int,
        at_home=frozenset(), stays=False, leaves=True, operands=None, given=None, processing=False) -> Ran:  # fmt: skip
    """Run a layer and its epilogue; operands : (ifmap, filter), given : of the chain: values then move."""
    walk = Walk(machine, nest, problem, Masks())
    streams = build_streams(walk)
    if machine.final_bits < machine.word_bits[Tensor.PSUM]:
        mark_final(walk, streams[Tensor.PSUM])
        mark_narrow(walk, streams[Tensor.PSUM])
    chain = Chain(group, at_home, stays, leaves)
    program = Handing(walk, streams, processing, chain, home, out_bits)
    tally = Tally(walk)
    for stream in program.all_streams():
        tally.stream(stream)
    tally.macs(program.inner[Tensor.PSUM] if walk.in_pe[Tensor.PSUM] else None)
    if not processing:
        count(tally, program)
    values = Handed(walk, program, *operands, given) if operands and not processing else None
    first, last = (values.first, values.last) if values else (_ignore, _ignore)
    cycles, _, stalls = timed(program, first, last)
    outputs = values.last_output(chain.ops[-1], problem["N"]) if values else None
    return Ran(tally.words, tally.network, tally.narrow, cycles, stalls, outputs, program)


def count(tally: Tally, program: Handing) -> None:
    """Put what leaves in the place of the maker's words, tile by tile, and add what is read beside them."""
    fill, read, update, _ = range(4)
    psum, ifmap = 2, 0
    home, chain, walk = program.home, program.chain, program.walk
    (stream,) = [one for one in program.streams[Tensor.PSUM] if one.parent == 0]
    kinds = [str(program.machine.levels[f].fanout.network(Tensor.PSUM).kind) for f in range(home)]
    downs = [str(program.machine.levels[f].fanout.network(Tensor.IFMAP).kind) for f in range(home)]
    for version, taken in zip(stream.versions, program.takes, strict=True):
        whole, out = taken.whole, len(taken.made[-1]) if chain.leaves else 0
        assert {f: len(top) for f, (_, top) in flow_up(walk, stream, version).items()} == dict.fromkeys(
            range(home), whole
        )
        tally.words[0, psum, update] += out - whole
        if version.narrow_in:
            tally.narrow[0, 0] += out - whole
        for f in range(home):
            moved = np.array([1, 1, int(kinds[f] != "tree")]) * (out - whole)
            tally.network[f, psum, 1] += moved
            if f in version.narrow_on:
                tally.narrow[f, 2:] += moved
        if chain.stays:
            tally.words[home, psum, update] += len(taken.made[-1])
            tally.narrow[home, 0] += len(taken.made[-1])
        for (_, tensor), words in taken.read.items():
            tally.words[home, ifmap, read] += len(words)
            if tensor not in chain.at_home:
                tally.words[0, ifmap, read] += len(words)
                tally.words[home, ifmap, fill] += len(words)
                for f in range(home):
                    assert downs[f] != "mesh"
                    tally.network[f, ifmap, 0] += len(words)


def whole(group: Group, maker: np.ndarray, given) -> np.ndarray:
    """The last output of whole planes by numpy; maker : [channel, row, column] of one image, given : of that image."""
    value = maker
    before, *ops = group.ops
    for op in ops:
        area = (slice(0, op.plane[0]), slice(0, op.plane[1]))
        new = np.zeros((op.channels, *op.plane), np.int64)
        for r, s in np.ndindex(*op.kernel):
            new += tap_of(op, value, area, r, s)
        for one in op.reads:
            if one.tensor != before.name:
                new += given[one.tensor][list(one.channels)]
        value, before = new, op
    return value


def _ignore(_: Activity) -> None:
    """Nobody is told."""
