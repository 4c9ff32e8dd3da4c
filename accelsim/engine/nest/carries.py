"""The tiles of one tensor at one level, carry by carry: what the closed form knows of a nest without walking it.

A version begins where a carry moves its tile. On a carry of one temporal loop all loops inside it start anew and all
outside stay, so the iterations a carry leads into are a product over the six groups of dims (kernels/tiles.py), and
only one group at a time has to be tabulated.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from accelsim.engine.limits import refuse_bytes
from accelsim.engine.nest.kernels.records import GROUP_DIMS, GROUPS, NDIMS, OWN
from accelsim.engine.program import Ints, Program
from accelsim.workload.problem import DIM_INDEX, LOOP_DIMS, REDUCTION_DIMS, SLICE_DIMS

Flags = npt.NDArray[np.bool_]
REDUCTION = frozenset(DIM_INDEX[d] for d in REDUCTION_DIMS)
BYTES = 64
"""What one combination of a group's loops takes in all lists made of it."""
SLOTS = tuple(tuple(int(dim) for dim in row if dim >= 0) for row in GROUP_DIMS)
"""The one or two dims of each group."""


@dataclass(frozen=True)
class Bases:
    """Combinations of one group's loops. Pairs are along the group's two dims; without a second, 1 word at base 0.

    now, before : int64[combination, 2], bases here and one iteration earlier. moved : whether the tensor's tile moved.
    """

    now: Ints
    before: Ints
    moved: Flags


class Carries:
    """Temporal loops above `child`, outermost first, for one tensor.

    positions : loops by group. reduction : positions of loops over C, R and S. tile : int64[dim], of the child.
    """

    def __init__(self, program: Program, tensor: int, child: int) -> None:
        self.program, self.tensor = program, tensor
        rows = program.loops
        self.loops = [tuple(int(v) for v in row) for row in rows[(rows[:, 2] == 0) & (rows[:, 3] < child)]]
        self.positions = [[i for i, loop in enumerate(self.loops) if loop[0] in dims] for dims in SLOTS]
        self.reduction = [i for i, loop in enumerate(self.loops) if loop[0] in REDUCTION]
        self.tile = np.ones(NDIMS, np.int64)
        for dim, factor, _, level, _ in rows:
            if level >= child:
                self.tile[dim] *= factor
        self.own = [np.array([bool(OWN[tensor, d]) for d in dims] + [False] * (2 - len(dims))) for dims in SLOTS]
        self._all: list[tuple[Ints, Ints]] = [self._combinations(group) for group in range(GROUPS)]
        self._at: dict[tuple[int, int, bool, frozenset[int]], Bases] = {}

    def size(self, group: int) -> Ints:
        """int64[2], sizes of a group's dims."""
        return self._pair(group, self.program.bounds)

    def of_tile(self, group: int) -> Ints:
        """int64[2], the child's tile along a group's dims."""
        return self._pair(group, self.tile)

    def innermost_own(self, level: int) -> int:
        """Position of the innermost loop above a level that moves the tensor's tile, -1 if there is none."""
        own = [i for i, loop in enumerate(self.loops) if OWN[self.tensor, loop[0]] and loop[3] < level]
        # a factor that covers the whole dim in one iteration moves nothing
        return max((i for i in own if self.loops[i][4] < self.program.bounds[self.loops[i][0]]), default=-1)

    def every(self, group: int) -> Ints:
        """int64[combination, 2], bases of all combinations of a group."""
        return self._all[group][1]

    def at(self, group: int, carry: int, zero: frozenset[int] = frozenset()) -> Bases:
        """What a carry of the loop at position `carry` leads into, where the loops of `zero` are at index 0."""
        mine = self.positions[group]
        outside = sum(1 for i in mine if i < carry)
        key = (group, outside, carry in mine, zero)
        if key not in self._at:
            self._at[key] = self._carried(*key)
        return self._at[key]

    def last(self, dim: int, before: int) -> int:
        """The last base along a dim that its loops at positions below `before` reach, the others at 0."""
        base = 0
        for own, factor, _, _, step in self.loops[:before]:
            if own == dim:
                base += min(factor - 1, (int(self.program.bounds[dim]) - 1 - base) // step) * step
        return base

    def _pair(self, group: int, of: Ints) -> Ints:
        return np.array([of[dim] for dim in SLOTS[group]] + [1] * (2 - len(SLOTS[group])), np.int64)

    def _combinations(self, group: int) -> tuple[Ints, Ints]:
        mine = self.positions[group]
        factors = [self.loops[i][1] for i in mine]
        number = prod(factors)
        names = " and ".join(LOOP_DIMS[dim] for dim in SLOTS[group] if LOOP_DIMS[dim] not in SLICE_DIMS)
        refuse_bytes(BYTES * number, f"{number:.1e} combinations of the loops of {names}")
        index = np.stack(np.unravel_index(np.arange(number), factors), axis=1) if mine else np.zeros((1, 0), np.int64)
        base = np.zeros((len(index), 2), np.int64)
        for column, i in enumerate(mine):
            base[:, SLOTS[group].index(self.loops[i][0])] += index[:, column] * self.loops[i][4]
        there = (base < self.size(group)).all(axis=1)
        return index[there], base[there]

    def _carried(self, group: int, outside: int, carrier: bool, zero: frozenset[int]) -> Bases:
        mine, (index, base) = self.positions[group], self._all[group]
        inner = outside + carrier
        still = [column for column, i in enumerate(mine) if column >= inner or i in zero]
        chosen = (index[:, still] == 0).all(axis=1)
        if carrier:
            chosen &= index[:, outside] > 0
        now = base[chosen]
        before = now.copy()
        if carrier:
            dim, _, _, _, step = self.loops[mine[outside]]
            before[:, SLOTS[group].index(dim)] -= step
        for i in mine[inner:]:
            dim, factor, _, _, step = self.loops[i]
            slot = SLOTS[group].index(dim)
            left = (int(self.program.bounds[dim]) - 1 - before[:, slot]) // step
            before[:, slot] += np.minimum(factor - 1, left) * step
        return Bases(now, before, ((now != before) & self.own[group]).any(axis=1))


def offsets(program: Program, group: int, low: int, high: int, fixed: int = -1, first: int = 0) -> Ints:
    """int64[instance, 2]: where the spatial loops of levels low <= level < high put instances along a group's dims.

    first : loops of levels below it stay at index 0. fixed : those of C, R, S at this level and further in do.
    """
    found = np.zeros((1, 2), np.int64)
    for dim, factor, kind, level, step in program.loops:
        if kind == 0 or not max(low, first) <= level < high or dim not in SLOTS[group]:
            continue
        if dim in REDUCTION and 0 <= fixed <= level:
            continue
        found = np.repeat(found[:, None, :], factor, axis=1)
        found[:, :, SLOTS[group].index(int(dim))] += np.arange(factor) * step
        found = found.reshape(-1, 2)
    return found
