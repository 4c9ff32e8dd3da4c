"""A dataflow's own space of mappings on one machine: every split of every dim, before any order is tried."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise, product
from math import prod

import numpy as np
import numpy.typing as npt

from accelsim.architecture.model import Architecture, Buffer, Fanout
from accelsim.engine.program import accumulates
from accelsim.errors import MappingError
from accelsim.mapping.dataflows.dataflow import Axes, Dataflow
from accelsim.mapping.mapping import LevelMapping, Loop, tile_words
from accelsim.search.factors import longest, thin, tight
from accelsim.search.nested import Factors, Surrounding, unrollings
from accelsim.workload.problem import DIMS, REDUCTION_DIMS, Problem, Tensor

ABOVE, RUN, INSIDE = 0, 100, 200
"""First position of the fixed loops of each section; free loops have position -1."""
RUNS = 6
"""Most ways tried to cut a loop that runs right above a small buffer; whole is always one of them."""
NARROWEST = 1.1
"""Most passes of an unrolling of nested arrays (and trips of one dim), as a multiple of the fewest: energy alone would
leave chiplets idle."""
WIDEST = 4
"""How many times the PEs of an unrolling of the array the widest may use: energy alone would leave PEs idle."""
SPLITS = 200_000
"""Most splits of a layer over three levels or more; above it the factors of each level are thinned evenly."""
IMAGE = 4
"""Most channels of an image."""
GROUPS = (("N",), ("G",), ("M",), ("C",), ("P", "R"), ("Q", "S"))


@dataclass(frozen=True)
class Inner:
    """How one dim is unrolled at and below the array: factors on y, on x and inside the PE.

    run : most iterations right above the array (dims the dataflow fills the accumulators with); 0: all.
    outer : (y, x) factors on the arrays around it, outermost first.
    """

    y: int = 1
    x: int = 1
    pe: int = 1
    run: int = 0
    outer: Factors = ()

    @property
    def pes(self) -> int:
        """PEs the dim takes, as many as its factors allow."""
        return self.y * self.x * prod(y * x for y, x in self.outer)

    @property
    def factor(self) -> int:
        """Words of the dim one pass of all arrays covers."""
        return self.pes * self.pe


@dataclass(frozen=True)
class Split:
    """One dim, whole: its inner factors and its temporal factor at every level (those above or at the array)."""

    inner: Inner
    temporal: tuple[int, ...]


@dataclass(frozen=True)
class Space:
    """A machine seen by a dataflow. `array` is the level right above the innermost array.

    tiled : loops the dataflow runs whole above the array may also be cut by the outermost level.
    skips : what passes by which level. narrow : unrollings that use few PEs are in it too.
    """

    machine: Architecture
    problem: Problem
    dataflow: Dataflow
    tiled: bool = True
    skips: tuple[tuple[int, frozenset[Tensor]], ...] = ()
    narrow: bool = False

    @cached_property
    def array(self) -> int:
        """Index of the level whose fan-out is the innermost array."""
        return max(self.machine.pe_level - 1, 0)

    @cached_property
    def axes(self) -> tuple[int, int]:
        """Levels whose fan-outs are the y and the x axis: the innermost array's, or where it lacks one the next out."""
        if self.dataflow.arrays:
            return self.array, self.array
        fans = [level.fanout for level in self.machine.levels]
        sides = [[i for i in range(self.array + 1) if fan(fans[i]) > 1] for fan in (_rows, _columns)]
        return sides[0][-1] if sides[0] else self.array, sides[1][-1] if sides[1] else self.array

    @cached_property
    def outer(self) -> tuple[Surrounding, ...]:
        """The arrays around the innermost that the dataflow unrolls over, outermost first."""
        fans = [(i, level.fanout) for i, level in enumerate(self.machine.levels[: self.array])]
        declared = [(i, fan) for i, fan in fans if fan.declared]
        pairs = zip(reversed(declared), reversed(self.dataflow.arrays), strict=False)
        arrays = [
            Surrounding(i, fan.y, fan.x, Axes(self._merged(i, dims.y), self._merged(i, dims.x)))
            for (i, fan), dims in pairs
        ]
        return tuple(reversed(arrays))

    @cached_property
    def y(self) -> tuple[str, ...]:
        """Dims that may be on y for this layer on this machine."""
        image = self.problem["G"] * self.problem["C"] <= IMAGE
        return self._merged(self.axes[0], self.dataflow.y + (self.dataflow.image if image else ()))

    @cached_property
    def x(self) -> tuple[str, ...]:
        """Dims that may be on x."""
        return self._merged(self.axes[1], self.dataflow.x)

    def _merged(self, level: int, dims: tuple[str, ...]) -> tuple[str, ...]:
        """Without those whose psums would meet on a network that does not add them (`program.build` refuses)."""
        return tuple(dim for dim in dims if (level, dim) not in self._unmerged)

    @cached_property
    def _unmerged(self) -> frozenset[tuple[int, str]]:
        skips = dict(self.skips)
        levels = enumerate(self.machine.levels)
        keepers = [i for i, spec in levels if Tensor.PSUM in spec.keeps - skips.get(i, frozenset())]
        return frozenset(
            (level, dim)
            for parent, child in pairwise((*keepers, len(self.machine.levels)))
            if not accumulates(self.machine, parent, child)
            for level in range(parent, child)
            for dim in frozenset(REDUCTION_DIMS) - self.machine.levels[level].fanout.network(Tensor.PSUM).reduce
        )

    @cached_property
    def accumulators(self) -> int:
        """The innermost level outside the PE that keeps psums."""
        return max(i for i in range(self.array + 1) if Tensor.PSUM in self.machine.levels[i].keeps)

    @cached_property
    def above(self) -> int:
        """The level of the dataflow's loops `above`."""
        outer = max(self.array - 1, 0)
        return outer if Tensor.PSUM in self.machine.levels[outer].keeps else self.accumulators

    @cached_property
    def filled(self) -> bool:
        """Whether the accumulators bound the dataflow's blocks of outputs."""
        level = self.machine.levels[self.accumulators]
        return bool(self.dataflow.fill) and any(p.tensors & level.keeps == {Tensor.PSUM} for p in level.capacity)

    @cached_property
    def free(self) -> tuple[int, ...]:
        """Levels whose temporal loops are free: the outermost, and the buffers above the array that keep psums.

        A dataflow that fills the accumulators leaves all levels above them free.
        """
        levels = self.machine.levels
        if self.dataflow.fill:
            return tuple(range(max(self.accumulators, 1)))
        return tuple(i for i in range(self.array + 1) if i == 0 or Tensor.PSUM in levels[i].keeps)

    def require(self) -> None:
        """Raise MappingError if this machine's PEs cannot keep what the dataflow keeps."""
        inside = self.machine.levels[self.machine.pe_level :]
        for tensor in sorted(self.dataflow.keeps):
            if not any(tensor in level.keeps for level in inside):
                raise MappingError(
                    f"dataflow '{self.dataflow.name}' keeps {tensor} in the PE, but no level inside the PE of "
                    f"'{self.machine.name}' does"
                )

    def spatials(self) -> Iterator[dict[str, Inner]]:
        """Every joint choice of factors on the arrays, and of the block of outputs that fills the accumulators.

        The widest use of the array comes first, of nested arrays what needs fewest passes; of equals the one that
        `_spatial`, then `unrollings`, has first. No capacity decides which of them there are.
        """
        for spatial in self._nested() if self.outer else self._alone():
            yield from self._blocks(spatial)

    def inners(self) -> Iterator[dict[str, Inner]]:
        """Every unrolling, each of its dims with all that `inside` has."""
        for spatial in self.spatials():
            for chosen in product(*(self.inside(dim, spatial[dim]) for dim in DIMS)):
                yield dict(zip(DIMS, chosen, strict=True))

    def inside(self, dim: str, inner: Inner) -> list[Inner]:
        """An unrolling of the arrays with every factor inside the PE and every length of the run right above it."""
        key = dim, inner
        if key not in self._insides:
            self._insides[key] = list(self._within(dim, inner))
        return self._insides[key]

    @cached_property
    def _insides(self) -> dict[tuple[str, Inner], list[Inner]]:
        """What `inside` found: most unrollings share those of a dim."""
        return {}

    def _within(self, dim: str, inner: Inner) -> Iterator[Inner]:
        rest = -(-self.problem[dim] // inner.factor)
        for pe in self._in_pe(dim, rest):
            trips = -(-rest // pe)
            free = inner.run or dim not in self.dataflow.above + self.dataflow.run
            runs = [inner.run] if free else self._runs(dim, trips)
            for run in runs:
                yield Inner(inner.y, inner.x, pe, run, inner.outer)

    def _in_pe(self, dim: str, rest: int) -> list[int]:
        """Factors inside the PE: all that its levels hold of this dim alone, the largest first."""
        flow = self.dataflow
        if dim not in flow.pe:
            return [1]
        if dim in flow.whole:
            return [rest]
        values = tight(rest, 1 << 16)
        ones = {d: self._least_in_pe(d) for d in flow.pe}
        return values[: bisect_left(values, True, key=lambda f: not self._fits_inside({**ones, dim: f}))][::-1]

    def _least_in_pe(self, dim: str) -> int:
        whole = dim in self.dataflow.whole and dim not in self.y and dim not in self.dataflow.x
        return self.problem[dim] if whole else 1

    def _alone(self) -> Iterator[dict[str, Inner]]:
        """What the innermost array alone may unroll."""
        y, x = self.axes
        for spatial in self._spatial(self.machine.levels[y].fanout.y, self.machine.levels[x].fanout.x):
            yield {dim: Inner(*spatial.get(dim, (1, 1))) for dim in DIMS}

    def _nested(self) -> Iterator[dict[str, Inner]]:
        """The same with all arrays around it."""
        alone = list(self._alone())
        starts = [{dim: -(-self.problem[dim] // own.factor) for dim, own in inner.items()} for inner in alone]
        for at, outer in unrollings(starts, self.outer, NARROWEST):
            yield {dim: replace(own, outer=outer[dim]) for dim, own in alone[at].items()}

    def _spatial(self, size_y: int, size_x: int) -> Iterator[dict[str, tuple[int, int]]]:
        flow, size = self.dataflow, self.problem
        dims = [d for d in DIMS if d in self.y or d in self.x]
        dims.sort(key=lambda d: (d not in flow.whole, d != flow.strip))
        found: list[dict[str, tuple[int, int]]] = []

        def place(index: int, left_y: int, left_x: int, chosen: dict[str, tuple[int, int]]) -> None:
            if index == len(dims):
                found.append(dict(chosen))
                return
            dim = dims[index]
            for fy, fx in self._choices(dim, size[dim], left_y, left_x):
                chosen[dim] = (fy, fx)
                place(index + 1, left_y // fy, left_x // fx, chosen)
                del chosen[dim]

        place(0, size_y, size_x, {})
        used = [prod(fy * fx for fy, fx in chosen.values()) for chosen in found]
        least = 1 if self.narrow else max(used) / WIDEST
        yield from (found[i] for i in sorted(range(len(found)), key=lambda i: -used[i]) if used[i] >= least)

    def _choices(self, dim: str, size: int, left_y: int, left_x: int) -> Iterator[tuple[int, int]]:
        on_y, on_x = dim in self.y, dim in self.x
        if dim == self.dataflow.strip:
            # strips side by side, the widest first; the plane folded over y where it is wider than the array
            for width in reversed(tight(size, left_x if on_x else 1)):
                folds = -(-size // width)
                yield 1, width
                if folds > 1 and on_y and folds <= left_y:
                    yield folds, width
        elif dim in self.dataflow.whole and (on_y or on_x):
            whole = [(size, 1)] * (on_y and size <= left_y) + [(1, size)] * (on_x and size <= left_x)
            yield from whole or [(left_y if on_y else 1, 1 if on_y else left_x)]
        else:
            for fy in tight(size, left_y if on_y else 1):
                for fx in tight(-(-size // fy), left_x if on_x else 1):
                    yield fy, fx

    def _blocks(self, spatial: dict[str, Inner]) -> Iterator[dict[str, Inner]]:
        """The same with every block of outputs that the accumulators hold, the largest first; only the first is cut."""
        level, y, x = self.machine.levels[self.accumulators], *self.axes
        room = min((p.bits for p in level.capacity if p.tensors & level.keeps == {Tensor.PSUM}), default=0)
        if not self.dataflow.fill or not room:
            yield spatial
            return
        slots = 2 if level.buffering(Tensor.PSUM) is Buffer.DOUBLE else 1
        tile = {
            dim: own.pe * (own.y if y >= self.accumulators else 1) * (own.x if x >= self.accumulators else 1)
            for dim, own in spatial.items()
        }
        most = room // (slots * tile_words(self.problem, tile, Tensor.PSUM) * self.machine.word_bits[Tensor.PSUM])
        runs, blocks = dict.fromkeys(self.dataflow.fill, 1), []
        for dim in self.dataflow.fill:
            trips = -(-self.problem[dim] // spatial[dim].factor)
            for run in tight(trips, max(most // prod(runs.values()), 1)):
                blocks.append({**runs, dim: run})
            runs[dim] = blocks[-1][dim]
            if runs[dim] < trips:
                break
        for block in reversed([block for at, block in enumerate(blocks) if block not in blocks[:at]]):
            yield {dim: replace(own, run=block[dim]) if dim in block else own for dim, own in spatial.items()}

    @cached_property
    def _sizes(self) -> dict[str, int]:
        return dict(zip(DIMS, self.problem.sizes, strict=True))

    @cached_property
    def _pe_partitions(self) -> list[tuple[int, list[tuple[Tensor, int]]]]:
        """(bits, (tensor, bits of one word in all its slots)) of each partition inside the PE."""
        return [
            (
                partition.bits,
                [
                    (t, (2 if level.buffering(t) is Buffer.DOUBLE else 1) * self.machine.word_bits[t])
                    for t in partition.tensors & level.keeps & self.dataflow.keeps
                ],
            )
            for level in self.machine.levels[self.machine.pe_level :]
            for partition in level.capacity
        ]

    def _fits_inside(self, pe: dict[str, int]) -> bool:
        """Whether the levels inside the PE hold the tiles of these factors."""
        tile = dict.fromkeys(DIMS, 1) | {dim: min(factor, self._sizes[dim]) for dim, factor in pe.items()}
        return all(
            sum(word * tile_words(self.problem, tile, t) for t, word in words) <= bits
            for bits, words in self._pe_partitions
        )

    @cached_property
    def most(self) -> int:
        """How many factors of a dim are tried at each level: all, unless there are more than two to spread it over."""
        if len(self.free) <= 2:
            return 0
        loose = [dim for dim in DIMS if self.spread_over(dim)]
        for most in (0, 24, 16, 12, 8, 6, 4):
            if prod(len(self._spread(dim, self.problem[dim], 0, most)) for dim in loose) <= SPLITS:
                return most
        return 3

    def splits(self, dim: str, inner: Inner) -> list[Split]:
        """Ways to spread what is left of a dim over the levels above the array."""
        key = dim, -(-self.problem[dim] // inner.factor), inner.run, self.most
        if key not in self._spreads:
            self._spreads[key] = self._spread(*key)
        splits = [Split(inner, temporal) for temporal in self._spreads[key]]
        if not inner.outer:
            return splits
        # loops below an outer array that cover more than is left leave places of it without work
        trips = self.longest(dim, splits)
        return [split for split, few in zip(splits, trips <= NARROWEST * trips.min(), strict=True) if few]

    @cached_property
    def _spreads(self) -> dict[tuple[str, int, int, int], list[tuple[int, ...]]]:
        """What `_spread` found: most unrollings leave the same of a dim."""
        return {}

    def _spread(self, dim: str, rest: int, run: int, most: int) -> list[tuple[int, ...]]:
        """Temporal factors of every level that cover `rest`, where `run` of it (0: none) is right above the array."""
        found: list[tuple[int, ...]] = []

        def spread(left: int, slots: list[int], chosen: dict[int, int]) -> None:
            if not slots:
                found.append(tuple(chosen.get(i, left if i == 0 else 1) for i in range(self.array + 1)))
                return
            # a batch is cut into equal parts; other dims may leave a clipped last tile
            factors = [f for f in range(1, left + 1) if left % f == 0] if dim == "N" else tight(left, left)
            for factor in thin(factors, most) if most else factors:
                spread(-(-left // factor), slots[1:], {**chosen, slots[0]: factor})

        if run:
            spread(-(-rest // run), self.spread_over(dim), {self.run_level(dim): run})
        else:
            spread(rest, self.spread_over(dim), {})
        return found

    def spread_over(self, dim: str) -> list[int]:
        """The levels below the outermost that a dim's free loops are spread over, innermost first."""
        flow = self.dataflow
        if dim in flow.above + flow.run and not (dim in flow.fill and self.filled):
            return []
        return [i for i in reversed(self.free) if i]

    def run_level(self, dim: str) -> int:
        """The level of a dim's run."""
        return self.above if dim in self.dataflow.above else self.array

    def least(self, dim: str, inner: Inner) -> tuple[Split, Split]:
        """All free loops at the outermost level, and at the innermost that may have them."""
        rest = -(-self.problem[dim] // inner.factor)
        fixed = {self.run_level(dim): inner.run} if inner.run else {}
        left = -(-rest // max(inner.run, 1))
        far, near = {**fixed, 0: left}, {**fixed}
        over = self.spread_over(dim)
        near[over[0] if over else 0] = left
        if 0 in fixed:
            far[0] = near[0] = rest
        levels = range(self.array + 1)
        return tuple(Split(inner, tuple(at.get(i, 1) for i in levels)) for at in (far, near))  # type: ignore[return-value]

    def _runs(self, dim: str, whole: int) -> list[int]:
        """Lengths up to `whole` of a loop that runs right above the array: all, or what an outer level cuts it to."""
        if not self.tiled or self.run_level(dim) == 0:
            return [whole]
        if self.array in self.free:
            return sorted({-(-whole >> i) for i in range(whole.bit_length())}, reverse=True)
        return thin(tight(whole, whole), RUNS)[::-1]

    def slots(self, dim: str) -> tuple[tuple[int, int, int], ...]:
        """(level, position, kind) of every loop a dim may have; kind 0 temporal, 1 y, 2 x. See `factors`."""
        if dim not in self._slots:
            self._slots[dim] = tuple(self._places(dim))
        return self._slots[dim]

    @cached_property
    def _slots(self) -> dict[str, tuple[tuple[int, int, int], ...]]:
        return {}

    def _places(self, dim: str) -> Iterator[tuple[int, int, int]]:
        flow, last = self.dataflow, len(self.machine.levels) - 1
        for level in range(self.array + 1):
            position = -1
            if dim in flow.run and level == self.array:
                position = RUN + flow.run.index(dim)
            elif dim in flow.above and level == self.above:
                position = ABOVE + flow.above.index(dim)
            yield level, position, 0
        yield last, INSIDE + flow.pe.index(dim) if dim in flow.pe else -1, 0
        yield self.axes[0], 0, 1
        yield self.axes[1], 0, 2
        for array in self.outer:
            yield array.level, 0, 1
            yield array.level, 0, 2

    def factors(self, split: Split) -> tuple[int, ...]:
        """The factor of every slot."""
        inner = split.inner
        factors = (*split.temporal, inner.pe, inner.y, inner.x)
        if not self.outer:
            return factors
        return factors + tuple(f for pair in inner.outer or ((1, 1),) * len(self.outer) for f in pair)

    def loops(self, dim: str, split: Split) -> list[tuple[int, int, int, int]]:
        """(level, position, kind, factor) of a dim's loops above 1."""
        return [(*slot, f) for slot, f in zip(self.slots(dim), self.factors(split), strict=True) if f > 1]

    def longest(self, dim: str, splits: list[Split]) -> npt.NDArray[np.int64]:
        """Iterations of a dim in the PE that has most of them: the one at the start of every array."""
        slots = self.slots(dim)
        order = sorted(range(len(slots)), key=lambda i: (slots[i][0], slots[i][2], slots[i][1]))
        factors = np.array([self.factors(split) for split in splits], np.int64)[:, order]
        return longest(self.problem[dim], factors, np.array([slots[i][2] > 0 for i in order]))

    def nest_levels(self, splits: dict[str, Split], order: list[list[int]]) -> tuple[tuple[str, LevelMapping], ...]:
        """The level mappings of chosen splits under chosen orders of groups per level."""
        around = {array.level: array.axes for array in self.outer}
        rows = {dim: self.loops(dim, split) for dim, split in splits.items()}
        out = []
        for index, spec in enumerate(self.machine.levels):
            temporal = []
            for group in order[index]:
                for dim in GROUPS[group]:
                    temporal += [
                        Loop(dim, f) for lv, pos, kind, f in rows[dim] if lv == index and kind == 0 and pos < 0
                    ]
            fixed = [
                (pos, Loop(dim, f))
                for dim in DIMS
                for lv, pos, kind, f in rows[dim]
                if lv == index and kind == 0 and pos >= 0
            ]
            temporal += [loop for _, loop in sorted(fixed, key=lambda item: item[0])]
            dims = around.get(index, Axes(self.y, self.x))
            axes = {
                kind: tuple(Loop(dim, f) for dim in names for lv, _, k, f in rows[dim] if lv == index and k == kind)
                for kind, names in ((1, dims.y), (2, dims.x))
            }
            skipped = dict(self.skips).get(index, frozenset())
            if temporal or axes[1] or axes[2] or skipped:
                out.append((spec.name, LevelMapping(tuple(temporal), axes[1], axes[2], skipped)))
        return tuple(out)


def _rows(fan: Fanout) -> int:
    return fan.y


def _columns(fan: Fanout) -> int:
    return fan.x
