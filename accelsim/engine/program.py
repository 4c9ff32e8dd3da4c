"""Objects to arrays, once: a machine, a mapping and a problem become the integers the kernels read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from accelsim.architecture.model import Architecture, Buffer, Injection, Network, NetworkKind, Pairing, Port
from accelsim.architecture.routes import Routes, routes
from accelsim.engine.limits import refuse_overflow
from accelsim.errors import MappingError
from accelsim.mapping.finals import WIDE, Finals, finals_of
from accelsim.mapping.mapping import LoopNest, kept, planes_to
from accelsim.workload.problem import (
    DIM_INDEX,
    LOOP_DIMS,
    REDUCTION_DIMS,
    TENSOR_DIMS,
    TENSORS,
    Padding,
    Problem,
    Tensor,
)

Ints = npt.NDArray[np.int64]
FILTER, PSUM = TENSORS.index(Tensor.FILTER), TENSORS.index(Tensor.PSUM)
OPERAND, REFETCHED = 1, 2
FILL_ACTIVITY, DRAIN_ACTIVITY, OLD_ACTIVITY = range(3)


@dataclass(frozen=True)
class Beside:
    """What the closed form's time reckons with where something takes a layer's finished tiles over; see `fused.handed`.

    edge : of the psums that leave. home : their level. words : that leave in their place, of all tiles. ports : that
    all drains together hold besides: name, whether it is the outermost level's, cycles.
    """

    edge: int
    home: int
    words: int
    ports: tuple[tuple[str, bool, int], ...]


@dataclass(frozen=True)
class Program:
    """What the kernels read. Levels count from 0, outermost; level ``levels`` is the MAC.

    loops : int64[loop, 5], (dim, factor, kind, level, step), outermost first, factors of 1 dropped.
    edges : int64[edge, 5], (tensor, parent, child, anew, reuse); per tensor outermost first, the operand edge last.
        anew : tiles are fetched in every iteration of the loops outside: OPERAND, by the MAC; REFETCHED, by a level
        that keeps none; 0: a tile stays while it is the same.
    unicast : uint8[tensor, level]. merge : uint8[tensor, level, dim].
    bounds : int64[dim]. axes : int64[2, 4], (stride, dilation, pad, plane).
    inside : first level whose temporal loops lie inside a step.
    finals : which drains bring ofmap words, by (parent, child); see `mapping.finals`.
    apart : the program of tensors whose words another one says; see `lockstep`. beside : see `Beside`.
    """

    architecture: Architecture
    nest: LoopNest
    problem: Problem
    loops: Ints
    edges: Ints
    unicast: npt.NDArray[np.uint8]
    merge: npt.NDArray[np.uint8]
    bounds: Ints
    axes: Ints
    inside: int
    on_chip: bool
    finals: Mapping[tuple[int, int], Finals]
    apart: Mapping[Tensor, Program] = field(default_factory=dict)
    beside: Beside | None = None

    @property
    def ends(self) -> Ints:
        """int64[run + 1], outputs before each run of pixels; int64[0] where P counts rows."""
        return np.array(self.problem.runs.ends if self.problem.runs else (), np.int64)

    @property
    def held(self) -> Ints:
        """int64[6], of runs, see `nest.kernels.records.Nest`."""
        if not self.problem.runs:
            return np.zeros(6, np.int64)
        machine = self.architecture
        return np.array([planes_to(machine), *planes_of(self.problem), machine.pe_level], np.int64)

    @property
    def parts(self) -> Ints:
        """int64[4, 3], see `nest.kernels.records.Nest`."""
        found = np.zeros((4, 3), np.int64)
        for tensor, part in self.architecture.parts.items():
            home = self.architecture.parts_home(tensor)
            found[TENSORS.index(tensor)] = home, DIM_INDEX[part.dim], min(part.outside, self.problem[part.dim])
        return found

    @property
    def sums_at_home(self) -> tuple[int, int]:
        """(level, words) of an ofmap of which some channels live on the chip; level 0: it is whole."""
        part, problem = self.architecture.parts.get(Tensor.PSUM), self.problem
        if part is None:
            return 0, 0
        words = problem.words(Tensor.PSUM) // problem[part.dim] * max(problem[part.dim] - part.outside, 0)
        return self.architecture.parts_home(Tensor.PSUM), words

    def of(self, t: int) -> Program:
        """What says how many words of a tensor are moved."""
        return self.apart.get(TENSORS[t], self) if self.apart else self

    @property
    def packs(self) -> Ints:
        """int64[dim], MACs that go together as sub-words of one multiplier, of those that differ in one dim alone."""
        packs, mode = np.ones(len(LOOP_DIMS), np.int64), self.architecture.mode
        if mode.along:
            packs[DIM_INDEX[mode.along]] = mode.macs
        return packs

    @property
    def top(self) -> int:
        """The level where sums end: the outermost, unless they stay on the chip."""
        return self.architecture.home(Tensor.PSUM)

    @property
    def fresh_words(self) -> int:
        """Sums that the level where they end does not hold before the first products of theirs arrive there."""
        return 0 if self.problem.added else self.problem.words(Tensor.PSUM) - self.sums_at_home[1]

    @property
    def bias_to(self) -> int:
        """The level whose sums begin with a bias that comes out of the outermost one; 0: there is none."""
        machine = self.architecture
        return machine.level_index(machine.bias.level) if self.problem.bias and machine.bias else 0

    @property
    def step_loops(self) -> Ints:
        """The loops whose iterations are the steps."""
        steps: Ints = self.loops[(self.loops[:, 2] == 0) & (self.loops[:, 3] < self.inside)]
        return steps

    @cached_property
    def timed(self) -> npt.NDArray[np.bool_]:
        """bool[edge], of which words are moved by activities, which take time: all but operand reads inside the PE."""
        timed: npt.NDArray[np.bool_] = (self.edges[:, 3] != OPERAND) | (self.edges[:, 1] < self.architecture.pe_level)
        return timed

    @property
    def levels(self) -> int:
        """How many levels the machine has."""
        return len(self.architecture.levels)

    @property
    def columns(self) -> int:
        """How many columns a table of words has, a row for each edge.

        Three for each fan-out an edge crosses and three for all of it (see `nest.kernels.tiles`), then, where it is
        counted, the versions of its child's tile. What an edge that crosses fewer does not need stays 0.
        """
        return 3 * self.levels + 4


def build(architecture: Architecture, nest: LoopNest, problem: Problem) -> Program:
    """Lower one layer. The mapping must have passed `mapping.check`.

    Raises
    ------
    MappingError : numbers that would pass 2^63, or a network that leaves psums unmerged and cannot add them on the way.
    """
    rows = []
    for index, spec in enumerate(architecture.levels):
        for kind, loop in nest.level(spec.name).loops:
            if loop.factor > 1:
                rows.append([DIM_INDEX[loop.dim], loop.factor, int(kind != "temporal"), index, 0])
    step = [1] * len(LOOP_DIMS)
    for row in reversed(rows):
        row[4] = step[row[0]]
        if not row[2]:
            # iterations past the problem do not exist, however large the factor
            row[1] = min(row[1], -(-problem.bounds[row[0]] // row[4]))
        step[row[0]] *= row[1]
    refuse_overflow(step, problem, architecture)
    if problem.added and architecture.sees_zeros:
        raise MappingError("sums that begin in memory: not on a machine that sees zeros; run it dense, or leave it out")
    rows = [row for row in rows if row[1] > 1]
    edges, inside = _edges(architecture, nest)
    _refuse_unmerged(architecture, nest, edges)
    _refuse_on_links(architecture, edges)
    if problem.bias and architecture.bias:
        _refuse_bias(architecture, nest, edges)
    return Program(
        _with_lanes(architecture, rows, inside),
        nest,
        problem,
        np.array(rows, np.int64).reshape(-1, 5),
        np.array(edges, np.int64),
        np.array(
            [[spec.fanout.network(t).kind is NetworkKind.UNICAST for spec in architecture.levels] for t in TENSORS],
            np.uint8,
        ),
        _merge(architecture),
        np.array(problem.bounds, np.int64),
        np.array(
            _axes(problem),
            np.int64,
        ),
        inside,
        architecture.padding is Padding.ON_CHIP,
        finals_of(architecture, nest, problem),
    )


def _axes(problem: Problem) -> list[list[int]]:
    """Stride, dilation, pad and plane of rows and columns; of runs, whose windows share no word, of one column."""
    if problem.runs:
        runs, rows, columns = (problem[dim] for dim in "PRS")
        return [[rows, 1, 0, runs * rows], [columns, 1, 0, columns]]
    sizes = problem.height, problem.width
    return [[problem.stride[a], problem.dilation[a], problem.pad[a], sizes[a]] for a in range(2)]


def planes_of(problem: Problem) -> tuple[int, int, int, int]:
    """Rows and columns of a plane of the ifmap, with padding and without: it comes whole, whatever outputs need."""
    return *problem.whole_plane, problem.height, problem.width


def shares_ifmap(architecture: Architecture) -> bool:
    """Whether the lanes of a PE take one ifmap word to an output channel each."""
    column = bool(architecture.sparsity.skip) and architecture.sparsity.pairing is Pairing.COLUMN
    return column and architecture.macs_per_cycle > 1


def _with_lanes(architecture: Architecture, rows: list[list[int]], inside: int) -> Architecture:
    """The machine with the lanes that work: one, where lanes share an ifmap word and a step has one output channel."""
    channels = DIM_INDEX["M"]
    several = any(row[0] == channels and not row[2] and row[3] >= inside for row in rows)
    return architecture if several or not shares_ifmap(architecture) else replace(architecture, macs_per_cycle=1)


def _edges(architecture: Architecture, nest: LoopNest) -> tuple[list[list[int]], int]:
    levels = len(architecture.levels)
    edges, inside = [], 0
    for t, tensor in enumerate(TENSORS):
        keepers = [i for i in range(levels) if kept(architecture, nest, i, tensor)]
        for parent, child in pairwise(keepers):
            spec = architecture.levels[child]
            edges.append([t, parent, child, REFETCHED * (tensor in spec.refetch), int(spec.halo_reuse)])
        edges.append([t, keepers[-1], levels, OPERAND, 0])
        inside = max(inside, keepers[-1] if keepers[-1] >= architecture.pe_level else levels)
    return edges, inside


def _merge(architecture: Architecture) -> npt.NDArray[np.uint8]:
    """merge[tensor, level, dim]: whether the fan-out below multicasts an input over a dim, or adds psums over it."""
    merge = np.zeros((3, len(architecture.levels), len(LOOP_DIMS)), np.uint8)
    for index, spec in enumerate(architecture.levels):
        for t, tensor in enumerate(TENSORS):
            network = spec.fanout.network(tensor)
            for dim in LOOP_DIMS:
                if dim in TENSOR_DIMS[tensor]:
                    continue
                merge[t, index, DIM_INDEX[dim]] = tensor is not Tensor.PSUM or dim in network.reduce
    return merge


def _refuse_unmerged(architecture: Architecture, nest: LoopNest, edges: list[list[int]]) -> None:
    """Psums that no network adds up must meet in their memory; a refill has one place to go to, so it cannot."""
    for tensor, parent, child, _, _ in edges:
        if tensor != PSUM or accumulates(architecture, parent, child):
            continue
        for spec in architecture.levels[parent:child]:
            mapped = nest.level(spec.name)
            reduce = spec.fanout.network(Tensor.PSUM).reduce
            for loop in mapped.y + mapped.x:
                if loop.factor > 1 and loop.dim in REDUCTION_DIMS and loop.dim not in reduce:
                    raise MappingError(
                        f"{spec.name}: {loop} is spatial, but the psum network below does not add psums over "
                        f"{loop.dim}; let it reduce {loop.dim}, accumulate on drain, or move {loop} to a temporal loop"
                    )


def _refuse_on_links(architecture: Architecture, edges: list[list[int]]) -> None:
    """What networks with links cannot carry: psums back into the children of a mesh, and encoded words."""
    for t, parent, child, _, _ in edges:
        tensor, above = TENSORS[t], architecture.levels[parent]
        for spec in architecture.levels[parent:child]:
            network = spec.fanout.network(tensor)
            if network.kind is NetworkKind.MESH and t == PSUM and not accumulates(architecture, parent, child):
                raise MappingError(f"{spec.name}: its mesh adds old psums at its port; let psums accumulate on drain")
            if network.has_links and tensor in above.compression:
                what = "tagged bus" if network.tags else network.kind
                raise MappingError(
                    f"{spec.name}: {above.name} compresses {tensor}, but a {what} carries raw words only"
                )


def _refuse_bias(architecture: Architecture, nest: LoopNest, edges: list[list[int]]) -> None:
    """A bias comes to one part of each sum, in the level that the machine names."""
    assert architecture.bias is not None
    to = architecture.level_index(architecture.bias.level)
    first = next(edge[2] for edge in edges if edge[0] == PSUM and edge[1] == 0)
    if first != to:
        where = architecture.levels[first].name if first < len(architecture.levels) else "the PEs"
        raise MappingError(
            f"{architecture.bias.level}: sums begin with a bias there, but in this mapping they come from "
            f"{architecture.levels[0].name} to {where}"
        )
    for spec in architecture.levels[:to]:
        mapped, reduce = nest.level(spec.name), spec.fanout.network(Tensor.PSUM).reduce
        for loop in mapped.y + mapped.x:
            if loop.factor > 1 and loop.dim in REDUCTION_DIMS and loop.dim not in reduce:
                raise MappingError(
                    f"{spec.name}: {loop} is spatial, and the psum network below does not add psums over {loop.dim}: "
                    "a bias would come to each part of a sum"
                )


def accumulates(architecture: Architecture, parent: int, child: int) -> bool:
    """Whether the psum edge from `parent` to `child` adds the old psum on the way up instead of refilling."""
    return architecture.accumulates(parent, child)


@dataclass(frozen=True)
class PortUse:
    """One port an activity holds: which, the edge column whose words pass it, whether it is the outermost level's.

    fanout : of the network with links it belongs to. root : which of that network's ports it is; -1: its words are
        those of the column. narrow : the last drains of tiles pass it as ofmap words. every : as of its network.
    """

    port: Port
    column: int
    outermost: bool = False
    fanout: int = -1
    root: int = -1
    narrow: bool = False
    every: int = 1


def ports_of(program: Program, tensor: Tensor, parent: int, child: int, up: bool, old: bool) -> list[PortUse]:
    """The timed ports of a fill (old: P, an old psum going down; up: a drain) on one edge, in a fixed order."""
    levels = program.architecture.levels
    finals = program.finals.get((parent, child), WIDE) if up else WIDE
    uses = []
    for f in range(parent, child):
        crossed = network_ports(program, tensor, f, 3 * (f - parent) + 1, up)
        uses += [replace(use, narrow=True) for use in crossed] if f in finals.fanouts else crossed
    above = levels[parent].write_port if up else levels[parent].read_port
    if above is not None:
        uses.append(PortUse(above, 1, parent == 0, narrow=finals.arrives))
    if child < len(levels) and (up or not old):
        below = levels[child].read_port if up else levels[child].write_port
        if below is not None:
            uses.append(PortUse(below, 3 * (child - parent), narrow=finals.leaves))
    return uses


def network_ports(program: Program, tensor: Tensor, f: int, column: int, up: bool) -> list[PortUse]:
    """The ports of one network; of a mesh those at its parent.

    Every other link carries part of what one of them does, for the same transfers in the same order: it never binds.
    """
    network = program.architecture.levels[f].fanout.network(tensor)
    port, child = (network.up, network.child_up) if up else (network.down, network.child_down)
    if network.kind is NetworkKind.MESH and port is not None:
        found = routes_of(program, network, f, up)
        names = [replace(port, name=f"{port.name} {found.names[link]}") for link in found.ports]
        if network.injection is Injection.CORNER:
            return [PortUse(names[0], column, f == 0, f)]
        return [PortUse(name, column, f == 0, f, root) for root, name in enumerate(names)]
    uses = [PortUse(port, column, f == 0, every=network.every)] if port is not None else []
    return uses + ([PortUse(child, column, f == 0, f, 0)] if child is not None else [])


def routes_of(program: Program, network: Network, f: int, up: bool) -> Routes:
    """The links of the network below level f, to the children the mapping uses."""
    mapped, sizes = program.nest.level(program.architecture.levels[f].name), [1, 1]
    for axis, loops in enumerate((mapped.y, mapped.x)):
        for loop in loops:
            sizes[axis] *= loop.factor
    return routes(network, *sizes, up)


def latency_of(program: Program, tensor: Tensor, parent: int, child: int, old: bool = False) -> int:
    """Cycles after a transfer on one edge: the sum over the fan-outs it crosses, of a mesh over its longest route.

    old : an old psum on its way down, which a mesh takes in at its port.
    """
    cycles = 0
    for f in range(parent, child):
        network = program.architecture.levels[f].fanout.network(tensor)
        cycles += network.latency
        if network.kind is NetworkKind.MESH:
            cycles += network.hop_latency * (1 if old else routes_of(program, network, f, False).longest)
    return cycles


def active_pes(architecture: Architecture, nest: LoopNest, problem: Problem) -> int:
    """PEs that hold work in the fullest step: per dim, the spatial combinations whose base lies inside the problem."""
    bases: dict[str, list[int]] = {}
    step = dict.fromkeys(LOOP_DIMS, 1)
    for spec in reversed(architecture.levels):
        level = nest.level(spec.name)
        for loop in reversed(level.y + level.x):
            # the temporal loops of a level lie outside its spatial ones
            inside = bases.get(loop.dim, [0])
            bases[loop.dim] = [b + i * step[loop.dim] for i in range(loop.factor) for b in inside]
            step[loop.dim] *= loop.factor
        for loop in level.temporal:
            step[loop.dim] *= loop.factor
    product = 1
    for dim, found in bases.items():
        product *= len(found) if found[-1] < problem[dim] else sum(base < problem[dim] for base in found)
    return product


def buffering(architecture: Architecture, level: int, tensor: Tensor) -> Buffer:
    """How a stream's child is buffered; the register below the last level is double."""
    return Buffer.DOUBLE if level == len(architecture.levels) else architecture.levels[level].buffering(tensor)
