"""A fused attention on a machine: its passes searched and evaluated as any problem, its words, time and energy.

```
wanted = Wanted(machine, table, "GLB", flow, dataflow, "energy", NONE)
found = attended(Attention(1024, 1024, 64, 64), Blocks(342, 23), 12, wanted)
found.cycles, found.clock, found.counts, found.energy
```
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from accelsim.architecture.model import Architecture
from accelsim.energy.rows import EnergyRow, total
from accelsim.energy.standing import standing_rows
from accelsim.engine.counts import Counts
from accelsim.engine.fused.attention import NOWHERE as NONE_AT_HOME
from accelsim.engine.fused.attention import Attention, Blocks, Moved, held, moved
from accelsim.engine.fused.attention_passes import Walk
from accelsim.engine.fused.blocking import best
from accelsim.engine.fused.passes import Pass
from accelsim.engine.fused.schedule import Clock
from accelsim.engine.fused.ways import NOWHERE, Ways
from accelsim.errors import MappingError, Overflow
from accelsim.mapping.mapping import LoopNest, describe
from accelsim.search.plan.costs import Wanted, pass_machine
from accelsim.search.plan.passed import (
    DRAIN,
    FILL,
    FILTER,
    IFMAP,
    PSUM,
    READ,
    UPDATE,
    Crossing,
    Done,
    Tally,
    cycles_of,
    run_pass,
)
from accelsim.workload.problem import Width


@dataclass(frozen=True)
class Attended:
    """A fused attention of several heads, one after another, on a machine.

    machine : whole, with the widths of its words. wanted : the home of its blocks, and what mappings of its products
    are searched by. evaluator : of the products. double : whether the next block comes while one is computed.
    nests : of the products, in the order of `walk.passes`; None: they are searched for.

    Where the home keeps no filters, keys and values pass it by: each product fetches its own from the outermost level,
    as its mapping has it and in its own time. They take no room and nothing of them stays from one block to the next;
    for the walk they are then at home (`walk_of`).
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
        """The machine as passes find it: all tensors at home, but for filters that pass it by."""
        return pass_machine(self.machine, self.wanted)

    @cached_property
    def moved(self) -> Moved:
        """Words that come home and leave it, MACs, rescalings; of all heads."""
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
            run_pass(self.wanted, self.machine, one.problem, next(given) if given else None, self.evaluator)
            if one.problem
            else None
            for one in self.walk.passes
        )

    def cycles_of(self, one: Pass, done: Done | None) -> int:
        """How long a pass lasts."""
        return cycles_of(self.wanted, self.machine, one, done)

    @cached_property
    def clock(self) -> Clock:
        """When everything happens."""
        cycles = [self.cycles_of(one, done) for one, done in zip(self.walk.passes, self.done, strict=True)]
        return self.walk.timed(self.ways, cycles, self.heads, self.double)

    @property
    def ways(self) -> Ways:
        """Between the outermost level and home."""
        filters = None if self.wanted.keeps_filters else NOWHERE
        return Ways.of(self.inner, filters)

    @property
    def cycles(self) -> int:
        """Until all has landed, from when it is started."""
        return self.machine.launch + self.clock.cycles

    @cached_property
    def _tally(self) -> Tally:
        """Of all passes, and of what comes in and leaves: outputs last, what is in progress before them."""
        found, moved_ = Tally(self.wanted, self.machine), self.moved
        found.passes(zip(self.walk.passes, self.done, strict=True), self.heads)
        found.cross(
            (
                Crossing(IFMAP, READ, FILL, Width.IFMAP, moved_.queries),
                Crossing(FILTER, READ, FILL, Width.FILTER, moved_.keys + moved_.values),
                Crossing(PSUM, READ, FILL, Width.PSUM, moved_.partials),
                Crossing(PSUM, UPDATE, DRAIN, Width.PSUM, moved_.partials),
                Crossing(PSUM, UPDATE, DRAIN, Width.OFMAP, moved_.outputs),
            )
        )
        return found

    @cached_property
    def counts(self) -> Counts:
        """Of all passes, and of what comes in and leaves."""
        found = self._tally
        macs = self.moved.macs
        return Counts(
            found.levels, found.words, found.network, macs, found.compute, found.active, narrow=found.narrow
        )  # fmt: skip

    @property
    def vector_ops(self) -> int:
        """Operations of softmax, rescaling and division."""
        return self.heads * sum(one.operations * one.runs for one in self.walk.passes)

    @cached_property
    def rows(self) -> tuple[EnergyRow, ...]:
        """Of all passes added, of vector operations, of what comes in and leaves, and of what stands."""
        standing = standing_rows(self.machine, self.wanted.table, self.cycles, self.counts)
        return (*self._tally.rows, *standing)

    @property
    def energy(self) -> float:
        """Sum of `rows`, in the unit of the table."""
        return float(total(self.rows))


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
    found = Attended(walk_of(attention, blocks, wanted), heads, wanted.machine, wanted, evaluator, double)
    refuse(found, wanted.capacity)
    return found


def walk_of(attention: Attention, blocks: Blocks, wanted: Wanted, at_home: frozenset[str] = NONE_AT_HOME) -> Walk:
    """An attention in blocks on a machine. at_home : of its tensors, those that live on the chip."""
    straight = NONE_AT_HOME if wanted.keeps_filters else frozenset({"keys", "values"})
    return Walk(attention, blocks, at_home | straight)


def refuse(found: Attended, capacity: int | None, what: str = "a fused attention") -> None:
    """Raise MappingError where blocks have no home, or more than so many bits; with blocks that would fit."""
    wanted = found.wanted
    if found.walk.blocks.kv_resident and not wanted.keeps_filters:
        raise MappingError(f"'{wanted.home}' keeps no filter: keys and values of {what} cannot stay there")
    if capacity is not None and found.room > capacity:
        words = capacity // max(found.machine.word_bits.values()) // (2 if found.double else 1)
        others = best(found.walk.attention, words, [found.walk.blocks])
        lever = f"rows: {others.rows}, columns: {others.columns} would fit" if others else "no blocks fit"
        levers = (lever, "enlarge the capacity")
        raise MappingError(describe(Overflow(wanted.home, what, found.room, capacity, levers)))
