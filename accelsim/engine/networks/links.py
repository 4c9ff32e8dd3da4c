"""Per-link loads of meshes, crossbars and tagged buses, by class of transfer (docs/model.md, T16).

What a transfer puts on the links follows from where its tile lies: how it is clipped, which padding it has, how far it
slides. Few such *classes* occur in a layer. Each is enumerated once (kernels/links.py); the cycle evaluator finds the
class of every version (`Classes`), the closed form how many versions there are of each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from accelsim.engine.nest.carries import SLOTS, Carries
from accelsim.engine.nest.kernels.records import GROUPS, IFMAP, NDIMS, OWN
from accelsim.engine.nest.kernels.steps import Walked
from accelsim.engine.networks.kernels import classes as alike
from accelsim.engine.networks.kernels import links as kernel
from accelsim.engine.networks.kernels.classes import WIDE
from accelsim.engine.program import PSUM, Ints, Program, routes_of
from accelsim.workload.problem import DIM_INDEX, REDUCTION_DIMS, SLICE_DIMS, TENSORS

REDUCTION = [DIM_INDEX[d] for d in REDUCTION_DIMS]
PLANE = (4, 5)
SLICES = [DIM_INDEX[d] for d in SLICE_DIMS]
NOWHERE = 1 << 40
SOME = 256
"""Fewer rows than these are compared one by one."""
Key = tuple[int, ...]
"""Per group of dims where a transfer's tile begins, and began before if it slides (else the same), each along the
group's two dims, and whether the edge of the plane clips it: equal keys are equal loads."""


@dataclass(frozen=True)
class Loads:
    """Words of one transfer.

    total : int64[link], all parent instances together. busiest : int64[port], of the busiest one at the ports of a
    mesh, or (one number) at the child's port of a crossbar. entered : the same for old psums.
    """

    total: Ints
    busiest: Ints
    entered: Ints


class Crossing:
    """One stream where it crosses a network with links, and the loads of its transfers by class."""

    def __init__(self, program: Program, edge: int, fanout: int) -> None:
        self.program, self.edge, self.fanout = program, edge, fanout
        self.tensor, self.parent, self.child, register, reuse = (int(v) for v in program.edges[edge])
        self.network = program.architecture.levels[fanout].fanout.network(TENSORS[self.tensor])
        self.routes = routes_of(program, self.network, fanout, self.tensor == PSUM)
        self.register = bool(register)
        self.slides = self.tensor == IFMAP and bool(reuse) and not self.register
        self.hidden = program.on_chip and fanout == 0 and self.tensor == IFMAP
        self.done: dict[Key, Loads] = {}
        self._shape()

    def _shape(self) -> None:
        """What all transfers have in common: the child's tile, where children lie, the axes of the tensor."""
        program, f = self.program, self.fanout
        self.tile, self.span = np.ones(NDIMS, np.int64), np.ones(NDIMS, np.int64)
        for dim, factor, kind, level, step in program.loops:
            if level >= self.child:
                self.tile[dim] *= factor
            elif kind == 1:
                self.span[dim] += (factor - 1) * step
        self.span += self.tile - 1
        above, _ = self._offsets(0, f)
        below, tags = self._offsets(f, f + 1)
        axes: list[tuple[int, int, int]] = []
        inner: list[Ints] = []
        for group, dims in enumerate(SLOTS):
            if self.tensor == IFMAP and group in PLANE:
                axes.append((kernel.ROWS_AXIS, dims[0], dims[1]))
                inner.append(self._inner(dims))
                continue
            for dim in dims:
                own = bool(OWN[self.tensor, dim])
                if dim in SLICES and self.span[dim] == 1:
                    continue
                axes.append((kernel.OWN_AXIS if own else kernel.FOREIGN_AXIS, dim, -1))
                inner.append(self._inner((dim,)))
        self.axes = np.array(axes, np.int64)
        self.numbers = np.array([len(found) for found in inner], np.int64)
        stacked = np.zeros((len(inner), int(self.numbers.max()), 3), np.int64)
        for x, found in enumerate(inner):
            stacked[x, : len(found)] = found
        self.children = kernel.Children(
            self.axes, above, below, np.ascontiguousarray(tags[:, self.axes[:, 1]]), stacked, self.numbers, self.tile,
            program.axes,
        )  # fmt: skip
        self.kin = alike.Kin(
            np.ascontiguousarray(program.step_loops[:, [0, 1, 4, 3]]), self.tensor, self.child, self.slides,
            self.hidden, program.bounds, self.span, program.axes,
        )  # fmt: skip

    def _offsets(self, low: int, high: int) -> tuple[Ints, Ints]:
        """(int64[instance, dim] offsets, the same of psum reduction loops that are not added up) of some levels."""
        offsets, tags = np.zeros((1, NDIMS), np.int64), np.zeros((1, NDIMS), np.int64)
        for dim, factor, kind, level, step in self.program.loops:
            if kind == 0 or not low <= level < high:
                continue
            apart = self.tensor == PSUM and dim in REDUCTION and not self.program.merge[PSUM, level, dim]
            moves = np.arange(factor) * step
            offsets, tags = (
                np.repeat(found[:, None, :], factor, axis=1) + moves[None, :, None] * (np.arange(NDIMS) == dim) * used
                for found, used in ((offsets, True), (tags, apart))
            )
            offsets, tags = offsets.reshape(-1, NDIMS), tags.reshape(-1, NDIMS)
        return offsets, tags

    def _inner(self, dims: tuple[int, ...]) -> Ints:
        """int64[k, 3], (first, second, tag) offsets, along an axis, of the instances below a child.

        Those that only repeat what the one at index 0 wants, or add to its sums, are left out.
        """
        found = np.zeros((1, 3), np.int64)
        for dim, factor, kind, level, step in self.program.loops:
            if kind == 0 or not self.fanout < level < self.child or dim not in dims:
                continue
            apart = self.tensor == PSUM and dim in REDUCTION and not self.program.merge[PSUM, level, dim]
            if not (OWN[self.tensor, dim] or apart):
                continue
            found = np.repeat(found[:, None, :], factor, axis=1)
            found[:, :, dims.index(int(dim))] += np.arange(factor) * step
            if apart:
                found[:, :, 2] += np.arange(factor) * step
            found = found.reshape(-1, 3)
        return found

    def keys(self, group: int, now: Ints, before: Ints) -> Ints:
        """int64[combination, 5], the part of a key one group of dims makes of bases int64[combination, 2]."""
        out = np.zeros((len(now), WIDE), np.int64)
        alike.key_parts(group, now, before, self.kin, out)
        return out

    def loads(self, key: Key) -> Loads:
        """What a transfer of one class puts on the links."""
        if key not in self.done:
            base, before = np.zeros(NDIMS, np.int64), np.zeros(NDIMS, np.int64)
            clip = np.array([[0, NOWHERE]] * 2, np.int64)
            for group, dims in enumerate(SLOTS):
                part = key[WIDE * group : WIDE * (group + 1)]
                for slot, dim in enumerate(dims):
                    base[dim], before[dim] = part[slot], part[2 + slot]
                if part[4]:
                    _, _, pad, plane = self.program.axes[group - 4]
                    clip[group - 4] = pad, pad + plane
            self.done[key] = self._enumerate(base, before, clip)
        return self.done[key]

    def _enumerate(self, base: Ints, before: Ints, clip: Ints) -> Loads:
        routes, ports = self.routes, max(len(self.routes.ports), 1)
        # indices count from the first one any child wants, so that room is needed for a transfer, not for a layer
        first = np.minimum(base, before)
        base, before, bounds = base - first, before - first, self.program.bounds - first
        clip = clip - (self.program.axes[:, :2] * first[[[4, 6], [5, 7]]]).sum(axis=1, keepdims=True)
        longest, reach = self._room(np.minimum(self.span + np.maximum(base, before), bounds))
        total, busiest = (np.zeros(len(routes.names), np.int64) for _ in range(2))
        entered = np.zeros(ports if len(routes.ports) else len(routes.names), np.int64)
        root = routes.root if len(routes.ports) else routes.first
        kernel.link_loads(
            self.children, kernel.Links(routes.first, routes.onward, root), kernel.Transfer(base, before, bounds, clip),
            longest, reach, kernel.Loads(total, busiest, entered),
        )  # fmt: skip
        if len(routes.ports):
            return Loads(total, busiest[routes.ports], entered)
        return Loads(total, busiest.max(keepdims=True), entered.max(keepdims=True))

    def _room(self, extent: Ints) -> tuple[int, int]:
        """(most indices of a child along an axis, indices along an axis); extent : int64[dim], of a transfer."""
        longest, reach = 1, 1
        for (kind, one, two), number in zip(self.axes.tolist(), self.numbers.tolist(), strict=True):
            if kind == kernel.ROWS_AXIS:
                stride, dilation = (int(v) for v in self.program.axes[one - 4, :2])
                here = stride * int(extent[one] - 1) + dilation * int(extent[two] - 1) + 1
                most = here
            elif kind == kernel.OWN_AXIS:
                here = int(extent[one])
                most = min(number * int(self.tile[one]), here)
            else:
                here, most = int(self.span[one]), number
            longest, reach = max(longest, most), max(reach, here)
        return longest, reach

    @cached_property
    def classes(self) -> Counter[Key]:
        """How many transfers of each class the layer has; no walk over its versions."""
        carries = Carries(self.program, self.tensor, self.child)

        def parts(group: int, now: Ints, before: Ints) -> Counter[Key]:
            rows = self.keys(group, now, before)
            if len(rows) < SOME:
                return Counter(map(tuple, rows.tolist()))
            rows, number = np.unique(rows, axis=0, return_counts=True)
            return Counter(dict(zip(map(tuple, rows.tolist()), number.tolist(), strict=True)))

        if self.register:
            return _product([parts(g, carries.every(g), carries.every(g)) for g in range(GROUPS)])
        start = np.zeros((1, 2), np.int64)
        found = _product([parts(g, start, start) for g in range(GROUPS)])
        for carry in range(len(carries.loops)):
            at = [carries.at(g, carry) for g in range(GROUPS)]
            if not any(bases.moved.any() for bases in at):
                continue
            stay = [parts(g, b.now[~b.moved], b.now[~b.moved]) for g, b in enumerate(at)]
            moving = [parts(g, b.now[b.moved], b.now[b.moved]) for g, b in enumerate(at)]
            found += _product([a + b for a, b in zip(stay, moving, strict=True)])
            found.subtract(_product(stay))
            for group in PLANE if self.slides else ():
                rest = [moving[g] if g == group else stay[g] for g in range(GROUPS)]
                found.subtract(_product(rest))
                rest[group] = parts(group, at[group].now[at[group].moved], at[group].before[at[group].moved])
                found += _product(rest)
        return +found


class Classes:
    """The classes of a stream's versions, as these come.

    keys : of the classes met so far.
    """

    def __init__(self, crossing: Crossing) -> None:
        self.crossing, loops = crossing, len(crossing.kin.loops)
        self._walked = Walked(np.zeros(loops, np.int64), np.zeros(1, np.int64), np.zeros((3, NDIMS), np.int64))
        self._known = alike.Known(
            np.zeros((64, WIDE * GROUPS), np.int64), np.zeros(1, np.int64), np.full(256, -1, np.int64)
        )
        self.keys: list[Key] = []

    def of(self, begin: Ints) -> Ints:
        """int64[version], the class of each of the next versions, which begin at these steps."""
        index, done = np.zeros(len(begin), np.int64), 0
        begin = np.ascontiguousarray(begin)
        while True:
            done = int(alike.classify(begin, done, self.crossing.kin, self._walked, self._known, index))
            if done == len(begin):
                break
            keys, number, table = self._known
            table = np.full(4 * len(table), -1, np.int64)
            self._known = alike.Known(np.concatenate([keys, np.zeros_like(keys)]), number, table)
            alike.enter(self._known)
        fresh = self._known.keys[len(self.keys) : int(self._known.number[0])]
        self.keys += [tuple(row) for row in fresh.tolist()]
        return index


def _product(parts: list[Counter[Key]]) -> Counter[Key]:
    found: Counter[Key] = Counter({(): 1})
    for group in parts:
        more: Counter[Key] = Counter()
        for key, number in found.items():
            for part, times in group.items():
                more[key + part] += number * times
        found = more
    return found


def crossings(program: Program) -> Iterator[Crossing]:
    """Every crossing of a stream and a network with links."""
    return (Crossing(program.of(program.edges[edge, 0]), edge, fanout) for edge, fanout in linked(program))


def linked(program: Program) -> Iterator[tuple[int, int]]:
    """Their edges and fan-outs."""
    for e in np.flatnonzero(program.timed).tolist():
        t, parent, child = program.edges[e, :3].tolist()
        for f in range(parent, child):
            if program.architecture.levels[f].fanout.network(TENSORS[t]).has_links:
                yield e, f


def of_layer(crossing: Crossing) -> tuple[Ints, Ints]:
    """(words per link, words at its ports) over a whole layer: the classes added up, the closed form."""
    classes = crossing.classes.items()
    every = [(number, crossing.loads(key)) for key, number in classes]
    return (
        np.sum([number * loads.total for number, loads in every], axis=0),
        np.sum([number * loads.busiest for number, loads in every], axis=0),
    )
