"""The closed form of many mappings of one layer at once, dense: equal, mapping by mapping, to engine/analytical.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log2

import numpy as np
import numpy.typing as npt

from accelsim.architecture.model import Architecture
from accelsim.engine import analytical, program
from accelsim.engine.counts import BEGUN, NARROWED, Counts, Timing, Words
from accelsim.engine.limits import most_an_iteration
from accelsim.engine.nest.kernels.records import GROUPS, NDIMS
from accelsim.engine.nest.laid import laid
from accelsim.engine.program import PSUM, Ints, Program, accumulates
from accelsim.engine.words.assemble import tally
from accelsim.engine.words.kernels import batch as kernel
from accelsim.engine.words.kernels.options import Table, option_tables
from accelsim.engine.words.passes import separation
from accelsim.errors import AccelsimError, MappingError
from accelsim.mapping.mapping import LevelMapping, Loop, LoopNest, check, kept
from accelsim.workload.problem import COUNT_LIMIT, DIM_INDEX, REDUCTION_DIMS, TENSORS, Problem, Tensor

BLOCK = 4096
"""Mappings evaluated together; bounds the memory of the tables."""
DIM_BITS, KIND_BITS, LEVEL_BITS = 4, 2, 6
FACTOR_AT = DIM_BITS + KIND_BITS + LEVEL_BITS
MOST_ITERATIONS = (1 << 63 - FACTOR_AT) - 1


@dataclass(frozen=True)
class Batch:
    """Counts of many mappings of a layer; the arrays are those of `Counts` with the mapping in front.

    words : int64[mapping, level, tensor, action]. network : int64[mapping, level, tensor, direction, kind].
    narrow, bias : int64[mapping, level, what], or None.
    compute_cycles, active_pes : int64[mapping]. cycles, processing : int64[mapping], lower bounds as in `Timing`.
    """

    levels: tuple[str, ...]
    macs: int
    slots: int
    words: Words
    network: Words
    compute_cycles: Ints
    active_pes: Ints
    cycles: Ints
    processing: Ints
    narrow: Words | None = None
    bias: Words | None = None

    def __len__(self) -> int:
        return len(self.cycles)

    def __getitem__(self, index: int) -> tuple[Counts, Timing]:
        """One mapping as `analytical.evaluate` gives it."""
        compute = int(self.compute_cycles[index])
        counts = Counts(
            self.levels, self.words[index], self.network[index], self.macs, compute, int(self.active_pes[index]),
            narrow=None if self.narrow is None else self.narrow[index],
            bias=None if self.bias is None else self.bias[index], slots=self.slots,
        )  # fmt: skip
        return counts, Timing(int(self.cycles[index]), int(self.processing[index]), compute, {}, {}, exact=False)


def evaluate_many(architecture: Architecture, nests: Sequence[LoopNest], problem: Problem) -> Batch:
    """Check many mappings and evaluate a dense layer under each: counts exact, cycles a lower bound.

    Mappings that split a group of dims alike share its tables, so a sweep costs microseconds a
    mapping; mappings that share nothing cost as much as one at a time, 0.3 to 1.4 ms each. On machines
    with meshes, crossbars or tagged buses, on such as narrow final sums, and where lanes share an ifmap word, each is
    evaluated by itself.

    Raises
    ------
    MappingError : a mapping is illegal here. AccelsimError : Cartesian PEs, which have no closed form.
    """
    if architecture.cartesian:
        raise AccelsimError(f"architecture '{architecture.name}': Cartesian PEs have no closed form; use cycle")
    levels, n = len(architecture.levels), len(nests)
    whole = Batch(
        tuple(spec.name for spec in architecture.levels),
        problem.macs,
        problem.slots,
        np.empty((n, levels, 3, 4), np.int64),
        np.empty((n, levels, 3, 2, 3), np.int64),
        np.empty(n, np.int64),
        np.empty(n, np.int64),
        np.empty(n, np.int64),
        np.empty(n, np.int64),
        np.empty((n, levels, len(NARROWED)), np.int64) if architecture.narrows else None,
        np.empty((n, levels, len(BEGUN)), np.int64) if architecture.bias and problem.bias else None,
    )
    for low in range(0, n, BLOCK):
        loops, starts, alike = _stack(architecture, nests[low : low + BLOCK], problem)
        for bypass, members in alike.items():
            chosen = np.array(members, np.int64)
            own, at = (loops, starts) if len(alike) == 1 else _take(loops, starts, chosen)
            block = [nests[low + i] for i in members]
            _fill(whole, low + chosen, _evaluate(architecture, problem, bypass, block, own, at))
    return whole


Bypass = tuple[tuple[str, frozenset[Tensor]], ...]
Parts = tuple[npt.NDArray[np.int64], ...]


def _fill(whole: Batch, at: Ints, parts: Parts) -> None:
    targets = whole.words, whole.network, whole.compute_cycles, whole.active_pes, whole.cycles, whole.processing
    for target, part in zip(targets, parts, strict=False):
        target[at] = part
    for rare, part in ((whole.narrow, parts[-2]), (whole.bias, parts[-1])):
        if rare is not None:
            rare[at] = part


def _stack(
    architecture: Architecture, nests: Sequence[LoopNest], problem: Problem
) -> tuple[Ints, Ints, dict[Bypass, list[int]]]:
    """(loops, starts as in kernels/batch.py, mappings by what they bypass).

    loops : int64[loop, 6], (dim, factor, spatial, level, step (still 0), axis: 0 temporal, 1 y, 2 x).
    """
    at = {spec.name: index for index, spec in enumerate(architecture.levels)}
    usual = {dim: (min(problem[dim], MOST_ITERATIONS), index) for dim, index in DIM_INDEX.items()}
    packed: list[int] = []
    starts = [0]
    alike: dict[Bypass, list[int]] = {}
    for number, nest in enumerate(nests):
        last, bypass = -1, ()
        for name, mapped in nest.levels:
            level = at.get(name, -1)
            if level <= last:
                check(architecture, nest, problem)
            last = level
            for kind, loops in ((0, mapped.temporal), (1, mapped.y), (2, mapped.x)):
                here = level << DIM_BITS + KIND_BITS | kind << DIM_BITS
                for loop in loops:
                    factor, (most, dim) = loop.factor, usual[loop.dim]
                    if factor > most:
                        factor = _unusual(architecture, nest, problem, loop, kind)
                    if factor > 1:
                        packed.append(factor << FACTOR_AT | here | dim)
            if mapped.bypass:
                bypass += ((name, mapped.bypass),)  # type: ignore[assignment]
        starts.append(len(packed))
        alike.setdefault(bypass, []).append(number)
    code = np.array(packed, np.int64)
    rows = np.zeros((len(code), 6), np.int64)
    rows[:, 0] = code & (1 << DIM_BITS) - 1
    rows[:, 5] = code >> DIM_BITS & (1 << KIND_BITS) - 1
    rows[:, 2] = rows[:, 5] > 0
    rows[:, 3] = code >> DIM_BITS + KIND_BITS & (1 << LEVEL_BITS) - 1
    rows[:, 1] = code >> FACTOR_AT
    return rows, np.array(starts, np.int64), alike


def _unusual(architecture: Architecture, nest: LoopNest, problem: Problem, loop: Loop, kind: int) -> int:
    """The iterations of a loop that goes past the problem, where none exist, or has more than a batch can count.

    kind : 0 of a temporal one. Raises MappingError for what is spatial and does not fit its array, and for the latter.
    """
    if kind and loop.factor > problem[loop.dim]:
        check(architecture, nest, problem)
    factor = loop.factor if kind else min(loop.factor, problem[loop.dim])
    if factor > MOST_ITERATIONS:
        program.build(architecture, nest, problem)
        raise MappingError(f"loop {loop} has more iterations than a batch of mappings can count")
    return factor


def _take(loops: Ints, starts: Ints, chosen: Ints) -> tuple[Ints, Ints]:
    """The loops of some mappings."""
    parts = [loops[starts[i] : starts[i + 1]] for i in chosen]
    return np.concatenate(parts), np.concatenate([[0], np.cumsum([len(part) for part in parts])])


def _evaluate(
    architecture: Architecture, problem: Problem, bypass: Bypass, nests: list[LoopNest], rows: Ints, starts: Ints
) -> Parts:
    """(words, network, compute, active, cycles, processing) of mappings that bypass the same."""
    _refuse_overflow(architecture, nests, rows, starts, problem)
    lowered = program.build(
        architecture, LoopNest(tuple((name, LevelMapping(bypass=b)) for name, b in bypass)), problem
    )
    linked = any(network.has_links for spec in architecture.levels for network in spec.fanout.networks.values())
    apart = architecture.narrows or architecture.paced or lowered.bias_to
    if linked or apart or program.shares_ifmap(architecture):
        return _one_by_one(architecture, problem, nests)
    n, edges = len(nests), lowered.edges
    loops, padded = np.ascontiguousarray(rows[:, :5]), np.empty((n, NDIMS), np.int64)
    kernel.with_steps(loops, starts, padded)
    pick, table, shapes = _options(lowered, loops, starts)
    tiles, steps, instances = shapes
    suspect = np.empty(n, np.uint8)
    rules = kernel.Rules(
        lowered.bounds, np.array([[spec.fanout.y, spec.fanout.x] for spec in architecture.levels], np.int64),
        _unmerged(lowered), *_partitions(lowered), np.array([architecture.moved_bits[t] for t in TENSORS], np.int64),
        np.ascontiguousarray(lowered.axes[:, :2]),
    )  # fmt: skip
    kernel.suspects(loops, starts, np.ascontiguousarray(rows[:, 5]), padded, rules, pick, tiles, suspect)
    for index in np.flatnonzero(suspect):
        check(architecture, nests[index], problem)
        program.build(architecture, nests[index], problem)
    columns = np.zeros((n, len(edges), lowered.columns), np.int64)
    kernel.compose(loops, starts, edges, pick, table, columns)
    compute, active = np.empty(n, np.int64), np.empty(n, np.int64)
    kernel.compute_and_active(pick, steps, instances, architecture.macs_together, compute, active)
    compute *= architecture.mac_cycles
    words, network = tally(lowered, columns)
    cycles = [
        analytical.lower_bound(
            lowered, columns, words, compute, {}, separation(lowered, columns, processing), processing
        )
        for processing in (False, True)
    ]
    return words, network, compute, active, cycles[0], cycles[1]


def _one_by_one(architecture: Architecture, problem: Problem, nests: list[LoopNest]) -> Parts:
    found = []
    for nest in nests:
        check(architecture, nest, problem)
        found.append(analytical.evaluate(program.build(architecture, nest, problem)))
    return (
        np.stack([counts.words for counts, _ in found]),
        np.stack([counts.network for counts, _ in found]),
        np.array([counts.compute_cycles for counts, _ in found]),
        np.array([counts.active_pes for counts, _ in found]),
        np.array([timing.cycles for _, timing in found]),
        np.array([timing.processing for _, timing in found]),
        np.stack([np.zeros(0) if counts.narrow is None else counts.narrow for counts, _ in found]),
        np.stack([np.zeros(0) if counts.bias is None else counts.bias for counts, _ in found]),
    )


def _refuse_overflow(
    architecture: Architecture, nests: list[LoopNest], rows: Ints, starts: Ints, problem: Problem
) -> None:
    """As `limits.refuse_overflow`; logarithms find the nests worth counting in big integers."""
    bits = np.concatenate([[0.0], np.cumsum(np.log2(rows[:, 1]))])
    most = max(number for _, number in most_an_iteration(architecture))
    for index in np.flatnonzero(bits[starts[1:]] - bits[starts[:-1]] > log2(COUNT_LIMIT) - log2(most) - 1):
        program.build(architecture, nests[index], problem)


def _options(lowered: Program, loops: Ints, starts: Ints) -> tuple[Ints, Table, tuple[Ints, ...]]:
    """(pick int64[mapping, group], what `compose` reads of each option, what `option_shapes` says of it)."""
    n, edges = len(starts) - 1, lowered.edges
    pick = np.empty((GROUPS, n), np.int64)
    first = [kernel.intern(loops, starts, group, pick[group]) for group in range(GROUPS)]
    base = np.concatenate([[0], np.cumsum([len(f) for f in first])])
    options, longest = int(base[-1]), int(np.diff(starts).max(initial=0))
    rows, lengths = np.zeros((options, longest, 5), np.int64), np.empty(options, np.int64)
    own = [slice(base[g], base[g + 1]) for g in range(GROUPS)]
    most = np.array([kernel.option_rows(loops, starts, first[g], g, rows[at], lengths[at]) for g, at in enumerate(own)])
    terms = np.array(
        [(e, c) for e, (_, parent, child, _, _) in enumerate(edges) for c in range(3 * (child - parent) + 4)], np.int64
    )
    carries = int(most[:, 1].max())
    stay, kept_words = np.zeros((2, options, carries, len(terms)), np.int64)
    above = np.zeros((options, len(edges)), np.int64)
    table = Table(np.zeros((options, len(terms)), np.int64), stay, kept_words, above)
    tiles = np.empty((options, lowered.levels, 2), np.int64)
    steps, instances = np.empty((options, 2, 3), np.int64), np.empty(options, np.int64)
    for g, at in enumerate(own):
        some = Table(table.total[at], table.stay[at], table.kept[at], table.above[at])
        option_tables(
            laid(lowered), rows[at], lengths[at], g, edges, terms, (int(most[g, 0]), carries, int(most[g, 2])), some
        )
        kernel.option_shapes(
            rows[at],
            lengths[at],
            g,
            lowered.inside,
            lowered.levels,
            lowered.bounds,
            tiles[at],
            steps[at],
            instances[at],
        )
    return np.ascontiguousarray(pick.T + base[:-1]), table, (tiles, steps, instances)


def _unmerged(lowered: Program) -> npt.NDArray[np.uint8]:
    """uint8[level, dim]: where `program.build` refuses spatial loops, whose psums no network adds."""
    found = np.zeros((lowered.levels, NDIMS), np.uint8)
    for tensor, parent, child, _, _ in lowered.edges:
        if tensor == PSUM and not accumulates(lowered.architecture, parent, child):
            for level in range(parent, child):
                reduce = lowered.architecture.levels[level].fanout.network(Tensor.PSUM).reduce
                found[level, [DIM_INDEX[dim] for dim in REDUCTION_DIMS if dim not in reduce]] = 1
    return found


def _partitions(lowered: Program) -> tuple[Ints, Ints]:
    """(int64[partition, 4]: level, slots of ifmap, filter, psum; int64[partition]: bits), as `mapping.check` reads."""
    machine = lowered.architecture
    rows, limits = [], []
    for index, spec in enumerate(machine.levels):
        for partition in spec.capacity:
            held = [t in partition.tiled and kept(machine, lowered.nest, index, t) for t in TENSORS]
            slots = [spec.slots(t) for t in TENSORS]
            rows.append([index, *(s if h else 0 for s, h in zip(slots, held, strict=True))])
            limits.append(partition.free)
    return np.array(rows, np.int64).reshape(-1, 4), np.array(limits, np.int64)
