"""A fused attention on a machine: its passes searched and evaluated as any problem, its words, time and energy.

```
wanted = Wanted(machine, table, "GLB", flow, dataflow, "energy", NONE)
found = attended(Attention(1024, 1024, 64, 64), Blocks(342, 23), 12, wanted)
found.clock.cycles, found.counts, found.energy
```
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

import numpy as np

from accelsim.architecture.model import Architecture
from accelsim.energy.account import account
from accelsim.energy.floor import access
from accelsim.energy.rows import NO_TENSOR, VECTOR, EnergyRow, total
from accelsim.energy.standing import standing_rows
from accelsim.engine import evaluate
from accelsim.engine.counts import ACTIONS, Counts, Timing
from accelsim.engine.fused.attention import Attention, Blocks, Moved, held, moved
from accelsim.engine.fused.attention_passes import Walk
from accelsim.engine.fused.blocking import best
from accelsim.engine.fused.passes import Pass
from accelsim.engine.fused.schedule import Clock
from accelsim.engine.fused.ways import Ways
from accelsim.engine.vector import Moved as Streamed
from accelsim.engine.vector import latency
from accelsim.errors import MappingError, Overflow
from accelsim.mapping.mapping import LoopNest, describe
from accelsim.search.best import find
from accelsim.search.plan.costs import Wanted, pass_machine
from accelsim.workload.problem import TENSORS, Problem, Tensor, Width

IFMAP, FILTER, PSUM = (TENSORS.index(tensor) for tensor in TENSORS)
READ, FILL, UPDATE, DRAIN = (ACTIONS.index(action) for action in ("read", "fill", "update", "drain"))


class Done(NamedTuple):
    """One product, run once. rows : its account, without what takes time to stand."""

    nest: LoopNest
    counts: Counts
    timing: Timing
    rows: tuple[EnergyRow, ...]


@dataclass(frozen=True)
class Attended:
    """A fused attention of several heads, one after another, on a machine.

    machine : whole, with the widths of its words. wanted : the home of its blocks, and what mappings of its products
    are searched by. evaluator : of the products. double : whether the next block comes while one is computed.
    nests : of the products, in the order of `walk.passes`; None: they are searched for.
    """

    walk: Walk
    heads: int
    machine: Architecture
    wanted: Wanted
    evaluator: str = "cycle"
    double: bool = False
    nests: Sequence[LoopNest] | None = None

    @cached_property
    def inner(self) -> Architecture:
        """The machine as passes find it: all tensors at home."""
        return pass_machine(self.machine, self.wanted)

    @cached_property
    def moved(self) -> Moved:
        """Words of the outermost level, MACs, rescalings; of all heads."""
        return moved(self.walk.attention, self.walk.blocks, self.walk.at_home).times(self.heads)

    @property
    def room(self) -> int:
        """Bits of the home that it takes."""
        walk = self.walk
        return held(walk.attention, walk.cut.blocks, self.double, walk.at_home).bits(self.machine.word_bits)

    @cached_property
    def done(self) -> tuple[Done | None, ...]:
        """Of each of `walk.passes`; None: no product."""
        given = iter(self.nests) if self.nests else None
        return tuple(
            self._done(one.problem, next(given) if given else None) if one.problem else None for one in self.walk.passes
        )

    def _done(self, one: Problem, nest: LoopNest | None) -> Done:
        wanted, problem = self.wanted, self.inner.lower(one)
        if nest is None:
            objective = "energy" if wanted.objective == "words" else wanted.objective
            found = find(
                self.inner, problem, wanted.flow, objective, wanted.table, None, self.evaluator, wanted.proof
            )  # fmt: skip
            nest = found.nest
        counts, timing = evaluate(self.inner, nest, problem, self.evaluator)
        return Done(nest, counts, timing, account(self.inner, counts, wanted.table, 0, wanted.dataflow, nest))

    def cycles_of(self, one: Pass, done: Done | None) -> int:
        """How long a pass lasts: of the vector unit, as its lanes and the ports of home say."""
        if done:
            return done.timing.cycles
        streamed = Streamed(0, 0, one.reads, one.writes, self.wanted.home)
        return latency(self.machine, streamed, one.operations)[0]

    @cached_property
    def clock(self) -> Clock:
        """When everything happens."""
        cycles = [self.cycles_of(one, done) for one, done in zip(self.walk.passes, self.done, strict=True)]
        return self.walk.timed(Ways.of(self.inner), cycles, self.heads, self.double)

    @cached_property
    def counts(self) -> Counts:
        """Of all passes, and of what comes in and leaves."""
        levels = tuple(level.name for level in self.machine.levels)
        home, runs = self.machine.level_index(self.wanted.home), self.heads
        words = np.zeros((len(levels), len(TENSORS), len(ACTIONS)), np.int64)
        network = np.zeros((len(levels), len(TENSORS), 2, 3), np.int64)
        compute = active = 0
        for one, done in zip(self.walk.passes, self.done, strict=True):
            if done is None:
                words[home, IFMAP, READ] += one.reads * one.runs * runs
                words[home, PSUM, UPDATE] += one.writes * one.runs * runs
                continue
            words += done.counts.words * (one.runs * runs)
            network += done.counts.network * (one.runs * runs)
            compute += done.counts.compute_cycles * one.runs * runs
            active = max(active, done.counts.active_pes)
        for t, outside, inside, each in self._between():
            words[0, t, outside] += each
            words[home, t, inside] += each
            network[:home, t, int(outside == UPDATE), :] += each
        return Counts(levels, words, network, self.moved.macs, compute, active)

    def _between(self) -> tuple[tuple[int, int, int, int], ...]:
        """(tensor, action outermost, action at home, words): outputs last, what is in progress before them."""
        found = self.moved
        return (
            (IFMAP, READ, FILL, found.queries),
            (FILTER, READ, FILL, found.keys + found.values),
            (PSUM, READ, FILL, found.partials),
            (PSUM, UPDATE, DRAIN, found.partials),
            (PSUM, UPDATE, DRAIN, found.outputs),
        )

    @property
    def vector_ops(self) -> int:
        """Operations of softmax, rescaling and division."""
        return self.heads * sum(one.operations * one.runs for one in self.walk.passes)

    @cached_property
    def rows(self) -> tuple[EnergyRow, ...]:
        """Of all passes added, of vector operations, of what comes in and leaves, and of what stands."""
        sums: dict[tuple[str, str, str], tuple[int, Fraction]] = {}

        def add(rows: Iterable[EnergyRow], times: int = 1) -> None:
            for row in rows:
                key = row.component, row.tensor, row.action
                count, energy = sums.get(key, (0, Fraction(0)))
                sums[key] = count + row.count * times, energy + row.energy * times

        for one, done in zip(self.walk.passes, self.done, strict=True):
            add(done.rows if done else self._vector_rows(one), one.runs * self.heads)
        add(self._moved_rows())
        add(standing_rows(self.machine, self.wanted.table, self.clock.cycles, self.counts))
        return tuple(EnergyRow(*key, *cell) for key, cell in sums.items())

    @property
    def energy(self) -> float:
        """Sum of `rows`, in the unit of the table."""
        return float(total(self.rows))

    def _vector_rows(self, one: Pass) -> Iterator[EnergyRow]:
        yield self._row(self.wanted.home, Tensor.IFMAP, READ, one.reads, Width.IFMAP)
        yield self._row(self.wanted.home, Tensor.PSUM, UPDATE, one.writes, Width.OFMAP)
        price = self.wanted.table.operation(self.machine.word_bits) if one.operations else None
        if price is not None:
            yield EnergyRow(VECTOR, NO_TENSOR, "operation", one.operations, one.operations * price)

    def _moved_rows(self) -> Iterator[EnergyRow]:
        widths = (Width.IFMAP, Width.FILTER, Width.PSUM, Width.PSUM, Width.OFMAP)
        for (t, outside, inside, words), width in zip(self._between(), widths, strict=True):
            if words:
                yield self._row(self.machine.levels[0].name, TENSORS[t], outside, words, width)
                yield self._row(self.wanted.home, TENSORS[t], inside, words, width)

    def _row(self, level: str, tensor: Tensor, action: int, words: int, width: Width) -> EnergyRow:
        machine = self.machine
        spec = machine.levels[machine.level_index(level)]
        price = access(machine, self.wanted.table, spec, ACTIONS[action], machine.widths[width], tensor)
        return EnergyRow(level, tensor.value, ACTIONS[action], words, words * price)


def attended(
    attention: Attention,
    blocks: Blocks,
    heads: int,
    wanted: Wanted,
    evaluator: str = "cycle",
    double: bool = False,
) -> Attended:
    """A fused attention on a machine.

    heads : of keys and values, of all images. Raises MappingError where its blocks do not fit, or have no home.
    """
    found = Attended(Walk(attention, blocks), heads, wanted.machine, wanted, evaluator, double)
    refuse(found, wanted.capacity)
    return found


def refuse(found: Attended, capacity: int | None, what: str = "a fused attention") -> None:
    """Raise MappingError where blocks have no home, or more than so many bits; with blocks that would fit."""
    wanted = found.wanted
    if not wanted.keeps_filters:
        raise MappingError(f"'{wanted.home}' keeps no filter: keys and values of {what} have no room there")
    if capacity is not None and found.room > capacity:
        words = capacity // max(found.machine.word_bits.values()) // (2 if found.double else 1)
        others = best(found.walk.attention, words, [found.walk.blocks])
        lever = f"rows: {others.rows}, columns: {others.columns} would fit" if others else "no blocks fit"
        levers = (lever, "enlarge the capacity")
        raise MappingError(describe(Overflow(wanted.home, what, found.room, capacity, levers)))
