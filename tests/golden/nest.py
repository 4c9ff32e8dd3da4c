"""The loop nest walked out: lock-step positions, spatial instances, and tiles as sets of word coordinates."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from accelsim.architecture.model import Architecture
from accelsim.mapping.mapping import LoopNest, kept, planes_to
from accelsim.sparsity.masks import Masks
from accelsim.workload.problem import LOOP_DIMS, TENSORS, Problem, Tensor

Word = tuple[int, ...]
Words = frozenset[Word]
Base = tuple[int, ...]
"""First index of a tile along every dim."""
Instance = tuple[tuple[int, ...], ...]
"""Where an instance of level f sits: one tuple of spatial indices per fan-out above it; a prefix is its ancestor."""


@dataclass(frozen=True)
class FlatLoop:
    """One loop of the nest; `step` is how far one of its iterations moves along its dim."""

    level: int
    kind: str
    dim: int
    factor: int
    step: int


def flatten(architecture: Architecture, nest: LoopNest) -> list[FlatLoop]:
    """All loops, outermost first, with their steps."""
    loops: list[FlatLoop] = []
    steps = [1] * len(LOOP_DIMS)
    for level in reversed(range(len(architecture.levels))):
        for kind, loop in reversed(nest.level(architecture.levels[level].name).loops):
            dim = LOOP_DIMS.index(loop.dim)
            loops.insert(0, FlatLoop(level, kind, dim, loop.factor, steps[dim]))
            steps[dim] *= loop.factor
    return loops


def moved(base: Base, loop: FlatLoop, index: int) -> Base:
    """`base` after `index` iterations of a loop."""
    return tuple(b + index * loop.step if d == loop.dim else b for d, b in enumerate(base))


class Walk:
    """One mapping of one problem on one machine, ready to be walked step by step."""

    def __init__(self, architecture: Architecture, nest: LoopNest, problem: Problem, masks: Masks) -> None:
        self.architecture, self.problem, self.masks = architecture, problem, masks
        self.depth = len(architecture.levels)
        self.loops = flatten(architecture, nest)
        self.keepers = {
            t: [level for level in range(self.depth) if kept(architecture, nest, level, t)] for t in TENSORS
        }
        self.in_pe = {t: self.keepers[t][-1] >= architecture.pe_level for t in TENSORS}
        self.cut = max(self.keepers[t][-1] if self.in_pe[t] else self.depth for t in TENSORS)
        self.step_loops = [loop for loop in self.loops if loop.kind == "temporal" and loop.level < self.cut]
        self.inner_loops = [loop for loop in self.loops if loop.kind == "temporal" and loop.level >= self.cut]
        self.steps = list(self._positions(self.step_loops, (0,) * len(LOOP_DIMS)))
        self._tile, self._offset = cache(self._tile_uncached), cache(self._offset_uncached)
        self._fanouts = [
            [loop for loop in self.loops if loop.level == level and loop.kind != "temporal"]
            for level in range(self.depth)
        ]
        self._instances = [self._instances_of(level) for level in range(self.depth + 1)]

    def _positions(self, loops: list[FlatLoop], start: Base) -> Iterator[tuple[Base, ...]]:
        """Every existing iteration in order: the base after each of the loops (the last is the iteration's own)."""
        if not loops:
            yield (start,)
            return
        for index in range(loops[0].factor):
            base = moved(start, loops[0], index)
            if self.inside(base):
                for tail in self._positions(loops[1:], base):
                    yield (start, *tail)

    def inside(self, base: Base) -> bool:
        """Whether a base lies in the problem along every dim."""
        return all(b < size for b, size in zip(base, self.problem.bounds, strict=True))

    def base(self, step: int, level: int) -> Base:
        """Where the tile of a level starts in a step, for the instance at spatial index 0."""
        return self.steps[step][sum(loop.level < level for loop in self.step_loops)]

    def iterations(self, step: int) -> list[Base]:
        """The MAC slots inside a step, in order (those that exist at spatial index 0)."""
        return [position[-1] for position in self._positions(self.inner_loops, self.steps[step][-1])]

    def fanout_loops(self, level: int) -> list[FlatLoop]:
        """The spatial loops of the fan-out below a level, slow to fast."""
        return self._fanouts[level]

    def instances(self, level: int) -> list[Instance]:
        """Every spatial index of a level (PEs: level `depth`)."""
        return self._instances[level]

    def _instances_of(self, level: int) -> list[Instance]:
        per_fanout = [
            list(itertools.product(*(range(loop.factor) for loop in self.fanout_loops(f)))) for f in range(level)
        ]
        return list(itertools.product(*per_fanout))

    def shifted(self, base: Base, instance: Instance) -> Base:
        """A base at spatial index 0, seen from an instance."""
        return tuple(b + o for b, o in zip(base, self._offset(instance), strict=True))

    def _offset_uncached(self, instance: Instance) -> Base:
        base: Base = (0,) * len(LOOP_DIMS)
        for level, indices in enumerate(instance):
            for loop, index in zip(self.fanout_loops(level), indices, strict=True):
                base = moved(base, loop, index)
        return base

    def takes_part(self, step: int, instance: Instance) -> bool:
        """Whether an instance has work in a step."""
        return self.inside(self.shifted(self.steps[step][-1], instance))

    def tile(self, tensor: Tensor, level: int, base: Base) -> Words:
        """The words of a level's tile that starts at `base`, clipped to the problem, possibly none.

        Words that live in a level between layers are in no tile of it, nor further out.
        """
        words = self._tile(tensor, level, base)
        if 0 < level <= self.architecture.parts_home(tensor):
            words = frozenset(word for word in words if not self.stays(tensor, word))
        return words

    def stays(self, tensor: Tensor, word: Word) -> bool:
        """Whether a word is one of those of a tensor that live in a level between layers."""
        part = self.architecture.parts.get(tensor)
        if part is None:
            return False
        at = {"G": 0, "M": 1, "C": 2} if tensor is Tensor.FILTER else {"G": 1, "M": 2, "C": 2}
        channel = word[at[part.dim]]
        return (channel % self.problem["C"] if part.dim == "C" else channel) >= part.outside

    def store(self, tensor: Tensor, parent: int, version: int, word: Word) -> int:
        """Which tile of a parent has a word: that of a version, or (-1) what lives there."""
        return -1 if self.stays(tensor, word) and parent == self.architecture.parts_home(tensor) else version

    def _tile_uncached(self, tensor: Tensor, level: int, base: Base) -> Words:
        extent = [1] * len(LOOP_DIMS)
        for loop in self.loops:
            if loop.level >= level:
                extent[loop.dim] *= loop.factor
        spans = [range(b, min(b + e, size)) for b, e, size in zip(base, extent, self.problem.bounds, strict=True)]
        n, g, m, c, p, q, r, s, ib, wb = spans
        if self.problem.runs and tensor is not Tensor.FILTER:
            return self._tile_in_runs(tensor, level, spans)
        if tensor is Tensor.FILTER:
            return frozenset(itertools.product(g, m, self.planes(c, wb), r, s))
        if tensor is Tensor.PSUM:
            return frozenset(itertools.product(n, g, m, p, q))
        rows = {self.row(pi, ri) for pi in p for ri in r}
        columns = {self.column(qi, si) for qi in q for si in s}
        return frozenset(itertools.product(n, g, self.planes(c, ib), rows, columns))

    def _tile_in_runs(self, tensor: Tensor, level: int, spans: list[range]) -> Words:
        """As `tile`; an ifmap word that is read for an output is a word of its own, below the level that has planes."""
        n, g, m, c, runs, _, r, s, ib, _ = spans
        outputs = [output for run in runs for output in self.outputs(run)]
        if tensor is Tensor.PSUM:
            return frozenset((*outer, *output) for outer in itertools.product(n, g, m) for output in outputs)
        places = {(self.row(p, ri), self.column(q, si), p, q) for p, q in outputs for ri in r for si in s}
        if level <= planes_to(self.architecture):  # planes come whole
            (top, left), (bottom, right) = self.problem.pad, (self.problem.height, self.problem.width)
            rows = range(-top, max([bottom, *(place[0] + 1 for place in places)]))
            columns = range(-left, max([right, *(place[1] + 1 for place in places)]))
            places = set(itertools.product(rows, columns)) if places else set()
        return frozenset((*outer, *place) for outer in itertools.product(n, g, self.planes(c, ib)) for place in places)

    def outputs(self, run: int) -> list[tuple[int, int]]:
        """Row and column of each output of a run of pixels."""
        runs = self.problem.runs
        assert runs is not None
        before = sum(runs.lengths[:run])
        return [divmod(before + i, runs.columns) for i in range(runs.lengths[run])]

    def planes(self, channels: range, slices: range) -> list[int]:
        """Where slices of channels lie: all first slices, then all second ones."""
        return [self.plane(c, b) for b in slices for c in channels]

    def plane(self, channel: int, index: int) -> int:
        """Where one slice of a channel lies."""
        return index * self.problem["C"] + channel

    def row(self, p: int, r: int) -> int:
        """Ifmap row under ofmap row p and filter row r (negative: padding)."""
        problem = self.problem
        return p * problem.stride[0] + r * problem.dilation[0] - problem.pad[0]

    def column(self, q: int, s: int) -> int:
        """Ifmap column under ofmap column q and filter column s."""
        problem = self.problem
        return q * problem.stride[1] + s * problem.dilation[1] - problem.pad[1]

    def operands(self, base: Base) -> dict[Tensor, Word]:
        """The three words one MAC touches; of a run of pixels, that of its first output."""
        return next(self.macs(base))

    def macs(self, base: Base) -> Iterator[dict[Tensor, Word]]:
        """What the MACs of one iteration touch: there is one, of a run of pixels one for each output."""
        n, g, m, c, p, q, r, s, ib, wb = base
        for row, column in self.outputs(p) if self.problem.runs else [(p, q)]:
            yield {
                Tensor.IFMAP: (
                    *(n, g, self.plane(c, ib), self.row(row, r), self.column(column, s)),
                    *((row, column) if self.problem.runs else ()),
                ),
                Tensor.FILTER: (g, m, self.plane(c, wb), r, s),
                Tensor.PSUM: (n, g, m, row, column),
            }

    def is_padding(self, tensor: Tensor, word: Word) -> bool:
        """Whether a word is a zero around the ifmap plane."""
        if tensor is not Tensor.IFMAP:
            return False
        return not (0 <= word[3] < self.problem.height and 0 <= word[4] < self.problem.width)

    def nonzero(self, tensor: Tensor, word: Word) -> bool:
        """Whether a word is not zero; padding is."""
        if self.is_padding(tensor, word):
            return False
        mask = self.masks.of(tensor)
        return mask is None or bool(mask[word])
