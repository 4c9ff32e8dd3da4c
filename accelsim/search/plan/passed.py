"""Passes of layers that run together, each run once: mapping, counts, time and account; what all of them add up to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from accelsim.architecture.model import Architecture
from accelsim.energy.account import account
from accelsim.energy.floor import access
from accelsim.energy.rows import NO_TENSOR, VECTOR, EnergyRow
from accelsim.engine import evaluate
from accelsim.engine.counts import ACTIONS, NARROWED, TRAFFIC, Counts, Timing, Words
from accelsim.engine.fused.passes import Pass
from accelsim.engine.fused.timeline import Inside
from accelsim.engine.vector import Moved, latency
from accelsim.mapping.mapping import LoopNest, check
from accelsim.search.best import find
from accelsim.search.plan.costs import Wanted, pass_machine
from accelsim.workload.problem import TENSORS, Problem, Tensor, Width

IFMAP, FILTER, PSUM = (TENSORS.index(tensor) for tensor in (Tensor.IFMAP, Tensor.FILTER, Tensor.PSUM))
READ, FILL, UPDATE, DRAIN = (ACTIONS.index(action) for action in ("read", "fill", "update", "drain"))


class Done(NamedTuple):
    """One pass that multiplies, run once. rows : its account, without what takes time to stand."""

    problem: Problem
    nest: LoopNest
    counts: Counts
    timing: Timing
    rows: tuple[EnergyRow, ...]


class Crossing(NamedTuple):
    """Words between the outermost level and home: as which tensor, by which action at either, of which width."""

    tensor: int
    outside: int
    inside: int
    width: Width
    words: int


def run_pass(wanted: Wanted, sized: Architecture, problem: Problem, nest: LoopNest | None, evaluator: str) -> Done:
    """Run one pass. sized : the machine with the widths of its layer. nest : its mapping; None: it is searched for.

    Groups that have the same pass run it once.
    """
    widths = tuple(sized.widths.values()), tuple(sized.moved_widths.values()), sized.bias_bits
    key = problem, widths, nest, evaluator
    found = wanted.ran.get(key)
    if found is None:
        found = wanted.ran[key] = _run_pass(wanted, sized, problem, nest, evaluator)
    done: Done = found
    return done


def _run_pass(wanted: Wanted, sized: Architecture, problem: Problem, nest: LoopNest | None, evaluator: str) -> Done:
    machine = pass_machine(sized, wanted)
    problem = machine.lower(problem)
    if problem.added and machine.sees_zeros and not machine.sparsity.skip:
        machine = _blind(machine)
    if nest is not None:
        check(machine, nest, problem)
    else:
        nest = find(
            machine, problem, wanted.flow, wanted.of_mappings, wanted.table, None, evaluator, wanted.proof
        ).nest  # fmt: skip
    counts, timing = evaluate(machine, nest, problem, evaluator)
    return Done(problem, nest, counts, timing, account(machine, counts, wanted.table, 0, wanted.dataflow, nest))


def _blind(machine: Architecture) -> Architecture:
    """The machine as it runs dense, without an eye for zeros: sums that begin in memory are on none that has one."""
    levels = tuple(replace(level, compression={}) for level in machine.levels)
    return replace(machine, levels=levels, sparsity=replace(machine.sparsity, gate=frozenset()))


def cycles_of(wanted: Wanted, sized: Architecture, one: Pass, done: Done | None) -> int:
    """How long a pass lasts: one of the vector unit as its lanes and the ports of home say."""
    if done:
        return done.timing.cycles
    return latency(sized, Moved(0, 0, one.reads, one.writes, wanted.home), one.operations)[0]


def inside(wanted: Wanted, sized: Architecture, done: Done | None) -> Inside | None:
    """A pass that was run, to be looked into; None: one of the vector unit."""
    return done and Inside(pass_machine(sized, wanted), done.problem, done.nest, done.timing)


@dataclass
class Tally:
    """Words, cycles and energy of passes, added up as they come. machine : with the widths of the last layer.

    words, network : as of `Counts`. of_outputs : those of them that are final sums and move as ofmap words.
    """

    wanted: Wanted
    machine: Architecture
    words: Words = field(init=False)
    network: Words = field(init=False)
    of_outputs: Words = field(init=False)
    compute: int = 0
    active: int = 0
    sums: dict[tuple[str, str, str], tuple[int, Fraction]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        levels = len(self.machine.levels)
        self.words = np.zeros((levels, len(TENSORS), len(ACTIONS)), np.int64)
        self.network = np.zeros((levels, len(TENSORS), 2, 3), np.int64)
        self.of_outputs = np.zeros((levels, len(NARROWED)), np.int64)

    @property
    def levels(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(level.name for level in self.machine.levels)

    @property
    def home(self) -> int:
        """Index of the home."""
        return self.machine.level_index(self.wanted.home)

    @property
    def narrow(self) -> Words | None:
        """As of `Counts`."""
        return self.of_outputs if self.machine.narrows else None

    @property
    def rows(self) -> tuple[EnergyRow, ...]:
        """The account."""
        return tuple(EnergyRow(*key, *cell) for key, cell in self.sums.items())

    def passes(self, every: Iterable[tuple[Pass, Done | None]], times: int = 1) -> None:
        """Add passes, each as often as it runs, `times` over."""
        for one, done in every:
            runs = one.runs * times
            if done is None:
                self.words[self.home, IFMAP, READ] += one.reads * runs
                self.words[self.home, PSUM, UPDATE] += one.writes * runs
                self.of_outputs[self.home, NARROWED.index("update")] += one.writes * runs
                self.price(self._vector(one), runs)
                continue
            self.words += done.counts.words * runs
            self.network += done.counts.network * runs
            if done.counts.narrow is not None:
                self.of_outputs += done.counts.narrow * runs
            self.compute += done.counts.compute_cycles * runs
            self.active = max(self.active, done.counts.active_pes)
            self.price(done.rows, runs)

    def cross(self, crossings: Sequence[Crossing]) -> None:
        """Add words that come in or leave."""
        for t, outside, inside, width, words in crossings:
            self.words[0, t, outside] += words
            self.words[self.home, t, inside] += words
            self.network[: self.home, t, int(outside == UPDATE), :] += words
            if t == PSUM and width is Width.OFMAP:
                self.of_outputs[0, NARROWED.index("update")] += words
                self.of_outputs[self.home, NARROWED.index("drain")] += words
                self.of_outputs[: self.home, NARROWED.index(TRAFFIC[0]) :] += words
            if words:
                self.price([self._row(0, t, outside, words, width), self._row(self.home, t, inside, words, width)])

    def price(self, rows: Iterable[EnergyRow], times: int = 1) -> None:
        """Add rows of the account."""
        for row in rows:
            key = row.component, row.tensor, row.action
            count, energy = self.sums.get(key, (0, Fraction(0)))
            self.sums[key] = count + row.count * times, energy + row.energy * times

    def _vector(self, one: Pass) -> Iterator[EnergyRow]:
        yield self._row(self.home, IFMAP, READ, one.reads, Width.IFMAP)
        yield self._row(self.home, PSUM, UPDATE, one.writes, Width.OFMAP)
        price = self.wanted.table.operation(self.machine.word_bits) if one.operations else None
        if price is not None:
            yield EnergyRow(VECTOR, NO_TENSOR, "operation", one.operations, one.operations * price)

    def _row(self, level: int, t: int, action: int, words: int, width: Width) -> EnergyRow:
        spec, bits = self.machine.levels[level], self.machine.widths[width]
        price = access(self.machine, self.wanted.table, spec, ACTIONS[action], bits, TENSORS[t])
        return EnergyRow(spec.name, TENSORS[t].value, ACTIONS[action], words, words * price)
