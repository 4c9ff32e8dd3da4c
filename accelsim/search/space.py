"""A dataflow's own space of mappings on one machine: every split of every dim, before any order is tried."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from math import prod

import numpy as np
import numpy.typing as npt

from accelsim.architecture.model import Architecture, Buffer, Fanout
from accelsim.errors import MappingError
from accelsim.mapping.dataflows.dataflow import Axes, Dataflow
from accelsim.mapping.mapping import LevelMapping, Loop, tile_words
from accelsim.search.factors import largest, longest, thin, tight
from accelsim.search.nested import Factors, Surrounding, unrollings
from accelsim.workload.problem import DIMS, REDUCTION_DIMS, Problem, Tensor

ABOVE, RUN, INSIDE = 0, 100, 200
"""First position of the fixed loops of each section; free loops have position -1."""
RUNS = 6
"""Most ways tried to cut a loop that runs right above a small buffer; whole is always one of them."""
NARROWEST = 1.1
"""Most passes of an unrolling of nested arrays (and trips of one dim), as a multiple of the fewest: energy alone would
leave chiplets idle."""
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

    tiled : loops the dataflow runs whole above the array may be cut by the outermost level; a small buffer there may
        need it.
    """

    machine: Architecture
    problem: Problem
    dataflow: Dataflow
    tiled: bool = False

    @property
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
        return tuple(Surrounding(i, fan.y, fan.x, dims) for (i, fan), dims in pairs)[::-1]

    @property
    def y(self) -> tuple[str, ...]:
        """Dims that may be on y for this layer."""
        image = self.problem["G"] * self.problem["C"] <= IMAGE
        return self._merged(self.axes[0], self.dataflow.y + (self.dataflow.image if image else ()))

    @property
    def x(self) -> tuple[str, ...]:
        """Dims that may be on x."""
        return self._merged(self.axes[1], self.dataflow.x)

    def _merged(self, level: int, dims: tuple[str, ...]) -> tuple[str, ...]:
        """Without those whose psums would meet on a network that does not add them (`program.build` refuses)."""
        return tuple(dim for dim in dims if (level, dim) not in self._unmerged)

    @cached_property
    def _unmerged(self) -> frozenset[tuple[int, str]]:
        """(level, dim): what the psum network below the level cannot add, and no memory above it may add up."""
        levels, keeps = self.machine.levels, self.dataflow.keeps
        inside = self.machine.pe_level
        keepers = [
            i for i, spec in enumerate(levels) if Tensor.PSUM in (spec.keeps & keeps if i >= inside > 0 else spec.keeps)
        ]
        return frozenset(
            (level, dim)
            for parent, child in pairwise((*keepers, len(levels)))
            if not self.machine.accumulates(parent, child)
            for level in range(parent, child)
            for dim in frozenset(REDUCTION_DIMS) - levels[level].fanout.network(Tensor.PSUM).reduce
        )

    @property
    def accumulators(self) -> int:
        """The innermost level outside the PE that keeps psums."""
        return max(i for i in range(self.array + 1) if Tensor.PSUM in self.machine.levels[i].keeps)

    @property
    def above(self) -> int:
        """The level of the dataflow's loops `above`."""
        outer = max(self.array - 1, 0)
        return outer if Tensor.PSUM in self.machine.levels[outer].keeps else self.accumulators

    @property
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

    def inners(self) -> Iterator[dict[str, Inner]]:
        """Every joint choice of inner factors that fits the arrays and the PE; none that a larger one covers.

        The widest use of the array comes first, of nested arrays what needs fewest passes; of equals the one that
        `_spatial`, then `unrollings`, has first.
        """
        for spatial in self._nested() if self.outer else self._alone():
            for inner in self._inside(spatial):
                yield self._filled(inner) if self.dataflow.fill else inner

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
            for fy, fx in self._choices(dim, size[dim], left_y, left_x, size_x):
                chosen[dim] = (fy, fx)
                place(index + 1, left_y // fy, left_x // fx, chosen)
                del chosen[dim]

        place(0, size_y, size_x, {})
        found.sort(key=lambda c: -prod(fy * fx for fy, fx in c.values()))
        yield from found

    def _choices(self, dim: str, size: int, left_y: int, left_x: int, size_x: int) -> Iterator[tuple[int, int]]:
        flow = self.dataflow
        on_y, on_x = dim in self.y, dim in self.x
        if dim == flow.strip:
            width = -(-size // -(-size // size_x))
            yield from ((1, width),) if width <= left_x else ()
            folds = -(-size // size_x)
            if folds > 1 and on_y and folds <= left_y:
                yield folds, -(-size // folds)
        elif dim in flow.whole:
            whole = [(size, 1)] * (on_y and size <= left_y) + [(1, size)] * (on_x and size <= left_x)
            yield from whole or [(left_y if on_y else 1, 1 if on_y else left_x)]
        else:
            for fy in tight(size, left_y if on_y else 1):
                for fx in tight(-(-size // fy), left_x if on_x else 1):
                    yield fy, fx

    def _inside(self, inner: dict[str, Inner]) -> Iterator[dict[str, Inner]]:
        rest = {dim: -(-self.problem[dim] // inner[dim].factor) for dim in self.dataflow.pe}
        key = tuple(rest.values())
        if key not in self._in_pe:
            self._in_pe[key] = self._choices_in_pe(rest, self._fits_inside)
        choices = self._in_pe[key]
        if not all(self._fits_above(pe, inner) for pe in choices):
            choices = self._choices_in_pe(rest, lambda pe: self._fits_inside(pe) and self._fits_above(pe, inner))
        for pe in choices:
            yield {
                dim: Inner(own.y, own.x, pe[dim], own.run, own.outer) if dim in pe else own
                for dim, own in inner.items()
            }

    @cached_property
    def _in_pe(self) -> dict[tuple[int, ...], list[dict[str, int]]]:
        """What fits inside the PE, by what the arrays leave of its dims: most unrollings leave the same."""
        return {}

    def _choices_in_pe(self, rest: dict[str, int], fits: Callable[[dict[str, int]], bool]) -> list[dict[str, int]]:
        """Factors inside the PE that fit while none larger in one dim do."""
        fixed = {dim: size for dim, size in rest.items() if dim in self.dataflow.whole}
        free = [dim for dim in rest if dim not in fixed]
        ones = dict.fromkeys(free, 1)

        def named(chosen: tuple[int, ...]) -> dict[str, int]:
            return {**fixed, **dict(zip(free, chosen, strict=True))}

        lists = []
        for dim in free:
            values = tight(rest[dim], 1 << 16)
            alone = bisect_left(values, True, key=lambda f: not self._fits_inside({**fixed, **ones, dim: f}))
            lists.append(values[:alone])
        return [named(one) for one in largest(lists, lambda chosen: fits(named(chosen)))]

    def _filled(self, inner: dict[str, Inner]) -> dict[str, Inner]:
        """The same with the largest block of outputs that the accumulators hold."""
        level, y, x = self.machine.levels[self.accumulators], *self.axes
        slots = 2 if level.buffering(Tensor.PSUM) is Buffer.DOUBLE else 1
        room = min((p.bits for p in level.capacity if p.tensors & level.keeps == {Tensor.PSUM}), default=0)
        tile = {
            dim: own.pe * (own.y if y >= self.accumulators else 1) * (own.x if x >= self.accumulators else 1)
            for dim, own in inner.items()
        }
        inner = dict(inner)
        for dim in self.dataflow.fill if room else ():
            most = room // (slots * tile_words(self.problem, tile, Tensor.PSUM) * self.machine.word_bits[Tensor.PSUM])
            own = inner[dim]
            run = tight(-(-self.problem[dim] // own.factor), max(most, 1))[-1]
            inner[dim] = replace(own, run=run)
            tile[dim] *= run
        return inner

    @cached_property
    def _sizes(self) -> dict[str, int]:
        return dict(zip(DIMS, self.problem.sizes, strict=True))

    @cached_property
    def _below(self) -> list[tuple[bool, int, list[tuple[Tensor, int]]]]:
        """(inside the PE, bits, (tensor, bits of one word in all its slots)) of each partition from the array on."""
        found = []
        for index in range(self.array, len(self.machine.levels)):
            level = self.machine.levels[index]
            inside = index >= self.machine.pe_level
            if not inside and len(level.keeps) > 1:
                # a shared buffer may be bypassed or its free loops moved out: checked combination by combination
                continue
            held = level.keeps & self.dataflow.keeps if inside else level.keeps
            for partition in level.capacity:
                words = [
                    (t, (2 if level.buffering(t) is Buffer.DOUBLE else 1) * self.machine.word_bits[t])
                    for t in partition.tensors & held
                ]
                found.append((inside, partition.bits, words))
        return found

    def _tile_of_pe(self, pe: dict[str, int]) -> dict[str, int]:
        return dict.fromkeys(DIMS, 1) | {dim: min(factor, self._sizes[dim]) for dim, factor in pe.items()}

    def _fits_inside(self, pe: dict[str, int]) -> bool:
        """Whether the levels inside the PE hold the tiles of these factors."""
        key = tuple(pe.values())
        if key not in self._held:
            self._held[key] = self._hold(True, self._tile_of_pe(pe))
        return self._held[key]

    @cached_property
    def _held(self) -> dict[tuple[int, ...], bool]:
        """What `_fits_inside` found."""
        return {}

    def _fits_above(self, pe: dict[str, int], inner: dict[str, Inner]) -> bool:
        """Whether the level right above the array holds the tile of its PEs."""
        return self._nothing_above or self._hold(False, self._of_array(self._tile_of_pe(pe), inner))

    def _hold(self, inside: bool, tile: dict[str, int]) -> bool:
        return all(
            sum(word * tile_words(self.problem, tile, t) for t, word in words) <= bits
            for where, bits, words in self._below
            if where is inside
        )

    @cached_property
    def _nothing_above(self) -> bool:
        return all(inside for inside, _, _ in self._below)

    @cached_property
    def _of_this_array(self) -> tuple[bool, bool]:
        return self.axes[0] == self.array, self.axes[1] == self.array

    def _of_array(self, one: dict[str, int], inner: dict[str, Inner]) -> dict[str, int]:
        """The tile of the whole array, from that of one PE."""
        y, x = self._of_this_array
        tile = {}
        for dim, size in self._sizes.items():
            own = inner[dim]
            tile[dim] = min(one[dim] * (own.y if y else 1) * (own.x if x else 1), size)
        if not self.tiled:
            for dim in self.dataflow.run:
                if dim not in self.dataflow.fill:
                    tile[dim] = self._sizes[dim]
        return tile

    def splits(self, dim: str, inner: Inner, most: int) -> list[Split]:
        """Ways to spread what is left of a dim over the levels above the array; at most `most` where it is free."""
        rest = -(-self.problem[dim] // inner.factor)
        key = dim, rest, inner.run, most
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

    def _spread(self, dim: str, rest: int, longest_run: int, most: int) -> list[tuple[int, ...]]:
        """Temporal factors of every level that cover `rest`; its run above the array (0: any) as long as it may be."""
        free = [i for i in reversed(self.free) if i]
        found: list[tuple[int, ...]] = []

        def spread(left: int, slots: list[int], chosen: dict[int, int]) -> None:
            if not slots:
                found.append(tuple(chosen.get(i, left if i == 0 else 1) for i in range(self.array + 1)))
                return
            # a batch is cut into equal parts; other dims may leave a clipped last tile
            factors = [f for f in range(1, left + 1) if left % f == 0] if dim == "N" else tight(left, left)
            for factor in thin(factors, most):
                spread(-(-left // factor), slots[1:], {**chosen, slots[0]: factor})

        if dim in self.dataflow.run or dim in self.dataflow.above:
            at = self.above if dim in self.dataflow.above else self.array
            whole = longest_run or rest
            for run in self._runs(rest, whole) if self.tiled and at > 0 else [whole]:
                spread(-(-rest // run), free if longest_run else [], {at: run})
        else:
            spread(rest, free, {})
        return found

    def _runs(self, rest: int, whole: int) -> list[int]:
        """Lengths up to `whole` tried of a loop that runs right above the array, where an outer level may cut it."""
        if self.array in self.free:
            # whole it did not fit a global buffer: the longest that fits is wanted, and this is half of it at worst
            return sorted({-(-whole >> i) for i in range(whole.bit_length())}, reverse=True)
        return thin(tight(rest, whole), RUNS)

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
            if dim in flow.run and level == self.array and (level or not self.tiled):
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

    def nest_levels(
        self, splits: dict[str, Split], order: list[list[int]], bypass: dict[int, frozenset[Tensor]]
    ) -> tuple[tuple[str, LevelMapping], ...]:
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
            skipped = bypass.get(index, frozenset())
            if temporal or axes[1] or axes[2] or skipped:
                out.append((spec.name, LevelMapping(tuple(temporal), axes[1], axes[2], skipped)))
        return tuple(out)


def _rows(fan: Fanout) -> int:
    return fan.y


def _columns(fan: Fanout) -> int:
    return fan.x
