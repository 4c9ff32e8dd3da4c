"""All encoded transfers of a layer by shape, without a walk over its versions: the closed form of `compression`.

A transfer's words are a product of lists, one per axis of the tensor (`kernels.lists`); the lists of an axis come in a
few kinds only (whole, clipped, at the edge of the plane), so transfers are counted by what their lists look like.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from accelsim.engine.nest.carries import REDUCTION, SLOTS, Carries, offsets
from accelsim.engine.nest.kernels.records import GROUPS, IFMAP
from accelsim.engine.program import PSUM, Ints, Program

Axis = int | bytes
"""Words along an axis; where some of them are padding, a byte for each: 1 stored, 0 padding."""
Shape = tuple[Axis, ...]
Kinds = Counter[Shape]
PLANE = (4, 5)
"""The groups that are rows and columns of an ifmap."""


class Transfers:
    """The transfers of one stream.

    reduction : psum, for each dim of C, R and S the base at which versions are looked at.
    """

    def __init__(self, program: Program, edge: Ints) -> None:
        self.program = program
        self.tensor, self.parent, self.child = (int(v) for v in edge[:3])
        self.register = bool(edge[3])
        self.slides = self.tensor == IFMAP and bool(edge[4]) and not self.register
        self.carries = Carries(program, self.tensor, self.child)
        inside = len(self.carries.loops) if self.register else self.carries.innermost_own(self.child)
        self.reduction = {dim: self.carries.last(dim, max(inside, 0)) for dim in REDUCTION}

    def of(self, low: int, sender: int, hidden: bool, busiest: bool) -> Kinds:
        """How many transfers there are of each shape: what each instance of level `low` is sent, over all versions.

        hidden : padding is not moved. busiest : only what instance 0 of level `sender` sends, which is nowhere clipped;
        it is no more than what the busiest one does.
        """
        return _along_channels(self.tensor, self._listed(_Lists(self, low, sender if busiest else 0, hidden)))

    def _listed(self, lists: _Lists) -> Kinds:
        """The same, with axes in the order of groups."""
        if self.tensor == PSUM:
            return _product([self._last_visit(lists, group) for group in range(GROUPS)])
        if self.register:
            return _product([lists.whole(group, self.carries.every(group)) for group in range(GROUPS)])
        start = np.zeros((1, 2), np.int64)
        total = _product([lists.whole(group, start) for group in range(GROUPS)])
        for carry in range(len(self.carries.loops)):
            at = [self.carries.at(group, carry) for group in range(GROUPS)]
            if not any(bases.moved.any() for bases in at):
                continue
            stay = [lists.whole(group, bases.now[~bases.moved]) for group, bases in enumerate(at)]
            moving = [lists.whole(group, bases.now[bases.moved]) for group, bases in enumerate(at)]
            total += _product([a + b for a, b in zip(stay, moving, strict=True)])
            total.subtract(_product(stay))
            for group in PLANE if self.slides else ():
                rest = [moving[g] if g == group else stay[g] for g in range(GROUPS)]
                total.subtract(_product(rest))
                rest[group] = lists.new(group, at[group].now[at[group].moved], at[group].before[at[group].moved])
                total += _product(rest)
        return +total

    def _last_visit(self, lists: _Lists, group: int) -> Kinds:
        """Every tile of a psum once, the reduction as far as it is when the tile is visited last."""
        base = self.carries.every(group).copy()
        for slot, dim in enumerate(SLOTS[group]):
            if dim in REDUCTION:
                base[:, slot] = self.reduction[dim]
        return lists.whole(group, np.unique(base, axis=0))


class _Lists:
    """What transfers look like along the dims of one group, over the instances of a level."""

    def __init__(self, transfers: Transfers, low: int, first: int, hidden: bool) -> None:
        self.transfers, self.hidden = transfers, hidden
        self.program, self.carries = transfers.program, transfers.carries
        self.instances = [offsets(self.program, g, 0, low, first=first) for g in range(GROUPS)]
        self.inner = [offsets(self.program, g, low, transfers.child) for g in range(GROUPS)]
        self.done: dict[tuple[int, ...], Shape] = {}

    def whole(self, group: int, bases: Ints) -> Kinds:
        """Kinds of all that is wanted at these bases."""
        return self._kinds(group, bases, None)

    def new(self, group: int, bases: Ints, before: Ints) -> Kinds:
        """Kinds of what was not there one iteration earlier."""
        return self._kinds(group, bases, before)

    def _kinds(self, group: int, bases: Ints, before: Ints | None) -> Kinds:
        kinds: Kinds = Counter()
        size = self.carries.size(group)
        for offset in self.instances[group]:
            now = bases + offset
            there = (now < size).all(axis=1)
            rows = now[there] if before is None else np.hstack([now, before + offset])[there]
            found, count = np.unique(rows, axis=0, return_counts=True)
            for row, number in zip(found.tolist(), count.tolist(), strict=True):
                kinds[self._shape(group, tuple(row))] += number
        return kinds

    def _shape(self, group: int, row: tuple[int, ...]) -> Shape:
        key = (group, *row)
        if key not in self.done:
            own = self.carries.own[group]
            plane = self.transfers.tensor == IFMAP and group in PLANE
            self.done[key] = () if not own.any() else (self._rows(group, row) if plane else self._words(group, row),)
        return self.done[key]

    def _words(self, group: int, row: tuple[int, ...]) -> int:
        """Distinct indices along the group's own dim: children that differ along another dim want the same."""
        slot = int(self.carries.own[group].argmax())
        tile, size = int(self.carries.of_tile(group)[slot]), int(self.carries.size(group)[slot])
        firsts = {row[slot] + int(offset) for offset in self.inner[group][:, slot]}
        return sum(max(min(tile, size - first), 0) for first in firsts)

    def _rows(self, group: int, row: tuple[int, ...]) -> Axis:
        pad, plane = (int(v) for v in self.program.axes[group - 4][2:])
        wanted: set[int] = set()
        for offset in self.inner[group].tolist():
            here = self._touched(group, row[0] + offset[0], row[1] + offset[1])
            if len(row) > 2:
                here -= self._touched(group, row[2] + offset[0], row[3] + offset[1])
            wanted |= here
        stored = bytes(pad <= h < pad + plane for h in sorted(wanted))
        return sum(stored) if self.hidden or all(stored) else stored

    def _touched(self, group: int, p: int, r: int) -> set[int]:
        stride, dilation = (int(v) for v in self.program.axes[group - 4][:2])
        (ps, rs), (outputs, taps) = self.carries.of_tile(group).tolist(), self.carries.size(group).tolist()
        return {stride * i + dilation * j for i in range(p, min(p + ps, outputs)) for j in range(r, min(r + rs, taps))}


def _along_channels(tensor: int, kinds: Kinds) -> Kinds:
    """Shapes in tensor order: slices, which lie along C, have an axis of their own before that of G or of C."""
    if tensor == PSUM:
        return kinds
    at = 2 if tensor == IFMAP else 0
    found: Kinds = Counter()
    for shape, number in kinds.items():
        *axes, slices = *shape[:at], *shape[at + 1 :], shape[at]
        assert isinstance(slices, int)
        assert isinstance(axes[2], int)
        axes[2] *= slices
        found[tuple(axes)] += number
    return found


def _product(kinds: Iterable[Kinds]) -> Kinds:
    total: Kinds = Counter({(): 1})
    for group in kinds:
        more: Kinds = Counter()
        for shape, number in total.items():
            for axis, times in group.items():
                more[shape + axis] += number * times
        total = more
    return total


def lengths(shape: Shape) -> tuple[int, ...]:
    """Words along each axis, padding among them."""
    return tuple(axis if isinstance(axis, int) else len(axis) for axis in shape)


def stored(shape: Shape) -> int:
    """Words of a transfer that are no padding."""
    return int(np.prod([axis if isinstance(axis, int) else sum(axis) for axis in shape], dtype=object))
