"""A machine seen by a dataflow: where each dim may have loops, and the mapping that chosen splits are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from accelsim.architecture.model import Architecture, Fanout
from accelsim.errors import MappingError
from accelsim.mapping.dataflows.dataflow import Axes, Dataflow
from accelsim.mapping.mapping import LevelMapping, Loop
from accelsim.search.factors import longest
from accelsim.search.nested import Surrounding
from accelsim.search.split import Split
from accelsim.workload.problem import LOOP_DIMS, REDUCTION_DIMS, SLICE_DIMS, Problem, Tensor

ABOVE, RUN, INSIDE = 0, 100, 200
"""First position of the fixed loops of each section; free loops have position -1."""
IMAGE = 4
"""Most channels of an image."""
GROUPS = (("N", "WB"), ("G",), ("M", "IB"), ("C",), ("P", "R"), ("Q", "S"))
"""As `engine.nest.kernels.records.GROUP_DIMS`."""


def with_slices(flow: Dataflow, problem: Problem) -> Dataflow:
    """The dataflow with the slices of words that it does not bind: they run innermost right above the array."""
    left = tuple(dim for dim in SLICE_DIMS if problem[dim] > 1 and dim not in flow.run + flow.above)
    return replace(flow, run=flow.run + left) if left else flow


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
        return tuple(Surrounding(i, fan.y, fan.x, dims) for (i, fan), dims in pairs)[::-1]

    @cached_property
    def y(self) -> tuple[str, ...]:
        """Dims that may be on y for this layer."""
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
        """(level, dim): what the psum network below the level cannot add, and no memory above it may add up."""
        levels, keeps = self.machine.levels, self.dataflow.keeps
        inside = self.machine.pe_level
        keepers = [
            i for i, spec in enumerate(levels) if Tensor.PSUM in (spec.keeps & keeps if i >= inside > 0 else spec.keeps)
        ]
        return unmerged(self.machine, pairwise((*keepers, len(levels))))

    @property
    def accumulators(self) -> int:
        """The innermost level outside the PE that keeps psums."""
        return max(i for i in range(self.array + 1) if Tensor.PSUM in self.machine.levels[i].keeps)

    @property
    def above(self) -> int:
        """The level of the dataflow's loops `above`."""
        outer = max(self.array - 1, 0)
        return outer if Tensor.PSUM in self.machine.levels[outer].keeps else self.accumulators

    @cached_property
    def free(self) -> tuple[int, ...]:
        """Levels whose temporal loops are free: the outermost, and the buffers above the array that keep psums.

        A dataflow that fills the accumulators leaves all levels above them free.
        """
        levels = self.machine.levels
        if self.dataflow.fill:
            return tuple(range(max(self.accumulators, 1)))
        return tuple(i for i in range(self.array + 1) if i == 0 or Tensor.PSUM in levels[i].keeps)

    @cached_property
    def passing(self) -> dict[int, frozenset[Tensor]]:
        """What passes by each level inside the PE: whatever the dataflow does not keep there."""
        levels, kept = self.machine.levels, self.dataflow.keeps
        inside = range(max(1, self.machine.pe_level), len(levels))
        return {i: levels[i].keeps - kept for i in inside if levels[i].keeps - kept}

    def require(self) -> None:
        """Raise MappingError if this machine's PEs cannot keep what the dataflow keeps."""
        inside = self.machine.levels[self.machine.pe_level :]
        for tensor in sorted(self.dataflow.keeps):
            if not any(tensor in level.keeps for level in inside):
                raise MappingError(
                    f"dataflow '{self.dataflow.name}' keeps {tensor} in the PE, but no level inside the PE of "
                    f"'{self.machine.name}' does"
                )

    def slots(self, dim: str) -> tuple[tuple[int, int, int], ...]:
        """(level, position, kind) of every loop a dim may have; kind 0 temporal, 1 y, 2 x. See `factors`."""
        if dim not in self._slots:
            self._slots[dim] = tuple(self._loops_of(dim))
        return self._slots[dim]

    @cached_property
    def _slots(self) -> dict[str, tuple[tuple[int, int, int], ...]]:
        return {}

    @cached_property
    def in_pe(self) -> dict[tuple[tuple[int, int], ...], list[dict[str, int]]]:
        """Largest factors in the PE by what decides them: `Unrollings` fill it in, a search has several."""
        return {}

    def _loops_of(self, dim: str) -> Iterator[tuple[int, int, int]]:
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
                for dim in LOOP_DIMS
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


def unmerged(machine: Architecture, edges: Iterable[tuple[int, int]]) -> frozenset[tuple[int, str]]:
    """(level, dim) that neither a psum network nor a memory adds up between a parent and a child of psums."""
    return frozenset(
        (level, dim)
        for parent, child in edges
        if not machine.accumulates(parent, child)
        for level in range(parent, child)
        for dim in frozenset(REDUCTION_DIMS) - machine.levels[level].fanout.network(Tensor.PSUM).reduce
    )


def _rows(fan: Fanout) -> int:
    return fan.y


def _columns(fan: Fanout) -> int:
    return fan.x
