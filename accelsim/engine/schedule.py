"""Every version of every stream of one layer, written down before time starts (docs/model.md, T1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from accelsim.architecture.model import Architecture
from accelsim.engine.kernels import tables as factors
from accelsim.engine.kernels.versions import count_steps, generate
from accelsim.engine.link_ports import cross, drop_dominated
from accelsim.engine.links import Crossing
from accelsim.engine.program import (
    DRAIN_ACTIVITY,
    FILL_ACTIVITY,
    OLD_ACTIVITY,
    PSUM,
    Ints,
    PortUse,
    Program,
    accumulates,
    ports_of,
)
from accelsim.mapping.finals import WIDE
from accelsim.workload.problem import DIMS, TENSOR_DIMS, TENSORS


@dataclass(frozen=True)
class Schedule:
    """Every stream's versions, as arrays (see kernels/versions.py), and what time needs to know of the streams."""

    edges: Ints
    steps: int
    start: Ints
    number: Ints
    begin: Ints
    work: Ints
    back: Ints
    tile: Ints
    tiles: int
    step_n: Ints
    step_phi: Ints
    sums: Ints
    uses: list[list[tuple[str, bool]]]
    uses_at: Ints
    final: npt.NDArray[np.uint8]
    use_rows: Ints
    rates: Ints
    crossed: tuple[tuple[Crossing, Ints, Ints], ...] = ()


def streams_of(program: Program) -> Ints:
    """The edges that take time: all but operand reads inside the PE."""
    edges = program.edges
    timed = (edges[:, 3] == 0) | (edges[:, 1] < program.architecture.pe_level)
    streams: Ints = edges[timed]
    return streams


@dataclass(frozen=True)
class Tables:
    """What every version of every stream is a product of (see kernels/tables.py), and the ports it holds."""

    edges: Ints
    streams: Ints
    at: Ints
    row_of: npt.NDArray[np.int32]
    cells: Ints
    columns: int
    uses: Ints
    rates: Ints
    labels: list[list[tuple[str, bool]]]
    uses_at: Ints
    held: list[PortUse]

    @property
    def slots(self) -> int:
        """Port columns a version takes."""
        return max([len(row) for row in self.labels] + [1])


def tabulate(program: Program) -> Tables:
    """Tabulate the groups of every stream that takes time."""
    architecture, edges = program.architecture, streams_of(program)
    columns = int((3 * (edges[:, 2] - edges[:, 1]) + 3).max(initial=1))
    at, row_of, cells = factors.tabulate(
        program.loops, edges, program.size8, program.axes, program.unicast, program.merge, program.on_chip,
        program.levels,
    )  # fmt: skip
    uses, rates, labels, uses_at, held = _uses(program, edges)
    listed = edges.tolist()
    above = [
        [parent_stream(listed, x), psum_accumulates(architecture, edge), narrowed(program, edge)]
        for x, edge in enumerate(listed)
    ]
    streams = np.concatenate([edges, np.array(above, np.int64).reshape(-1, 3)], axis=1)
    return Tables(edges, streams, at, row_of, cells, columns, uses, rates, labels, uses_at, held)


def generate_schedule(program: Program) -> Schedule:
    """Walk the nest once and write down every version of every stream."""
    tables = tabulate(program)
    edges = tables.edges
    most = [count_steps(program.loops, min(int(c), program.inside), program.size8) for c in edges[:, 2]]
    start = np.concatenate([[0], np.cumsum(most)]).astype(np.int64)
    tile_at, tiles = tile_ids(program, edges)
    steps = count_steps(program.loops, program.inside, program.size8)
    begin = np.empty(start[-1] + 1, np.int64)
    work = np.zeros((start[-1], tables.slots), np.int64)
    back, tile = np.empty(start[-1], np.int64), np.zeros(start[-1], np.int64)
    number = np.zeros(len(edges), np.int64)
    step_n, step_phi = np.empty(steps, np.int64), np.empty(steps, np.int64)
    sums = np.zeros((len(edges), 2 * tables.columns), np.int64)
    tile_last = np.empty(tiles, np.int64)
    generate(
        program.loops, program.inside, program.size8, tables.streams, tables.at, tables.row_of, tables.cells,
        program.architecture.macs_per_cycle, tables.uses, tables.rates, 0, np.zeros(0, np.int64), -1,
        np.zeros((len(edges), 3), np.uint8), start, number, begin, work, back, tile, tile_at, tile_last, step_n,
        step_phi, sums,
    )  # fmt: skip
    final = _final(edges, start, tile_at, tile_last)
    crossed = cross(program, tables.held, tables.uses, tables.rates, start, number, begin, back, final, work)
    uses, rates, labels, uses_at = tables.uses, tables.rates, tables.labels, tables.uses_at
    if any(use.root >= 0 for use in tables.held):
        uses, rates, labels, uses_at, work = drop_dominated(tables.held, uses, rates, labels, uses_at, start, work)
    return Schedule(
        edges, steps, start, number, begin, work, back, tile, tiles, step_n, step_phi, sums, labels, uses_at, final,
        uses, rates, crossed,
    )  # fmt: skip


def _final(edges: Ints, start: Ints, tile_at: Ints, tile_last: Ints) -> npt.NDArray[np.uint8]:
    """uint8[version]: 0 where a psum version's tile is worked on again later."""
    final = np.ones(int(start[-1]) + 1, np.uint8)
    for x in np.flatnonzero(edges[:, 0] == PSUM):
        following = [int(tile_at[y]) for y in range(int(x) + 1, len(edges)) if edges[y, 0] == PSUM]
        last = tile_last[tile_at[x] : following[0] if following else None]
        final[start[x] : start[x + 1]] = 0
        final[start[x] + last[last >= 0]] = 1
    return final


def _uses(program: Program, edges: Ints) -> tuple[Ints, Ints, list[list[tuple[str, bool]]], Ints, list[PortUse]]:
    architecture, held = program.architecture, list[PortUse]()
    uses: list[list[int]] = []
    rates: list[list[int]] = []
    labels: list[list[tuple[str, bool]]] = []
    uses_at = np.zeros((len(edges), 2, 2), np.int64)
    for x, (t, parent, child, _, _) in enumerate(edges.tolist()):
        tensor, first = TENSORS[t], len(uses)
        mine: list[tuple[str, bool]] = []
        old = t == PSUM and accumulates(architecture, parent, child)
        for activity in (0, 1) if t == PSUM else (0,):
            found = ports_of(program, tensor, parent, child, activity == 1, old)
            held += found
            uses_at[x, activity] = len(mine), len(found)
            for use in found:
                scale = final = 1 if use.port.in_words else architecture.word_bits[tensor]
                if use.narrow and not use.port.in_words:
                    final = architecture.final_bits
                kind = DRAIN_ACTIVITY if activity else OLD_ACTIVITY if old else FILL_ACTIVITY
                uses.append([x, use.column, first, kind])
                down = use.port.rate.denominator
                rates.append([scale * down, use.port.rate.numerator, final * down])
                mine.append((use.port.name, use.outermost))
        labels.append(mine)
    rows, shares = np.array(uses, np.int64).reshape(-1, 4), np.array(rates, np.int64).reshape(-1, 3)
    return rows, shares, labels, uses_at, held


def tile_ids(program: Program, edges: Ints, cut: int = 0) -> tuple[Ints, int]:
    """Where each psum stream's tiles lie in the table of last drains, and its size; `cut` : of one body's tiles."""
    loops = program.step_loops[cut:].tolist()
    at, tiles = np.zeros(len(edges), np.int64), 0
    for x, (t, _, child, _, _) in enumerate(edges.tolist()):
        at[x] = tiles
        here = 1
        for dim, factor, _, level, _ in loops:
            if level < child and DIMS[dim] in TENSOR_DIMS[TENSORS[t]]:
                here *= factor
        tiles += here if t == PSUM else 0
    return at, max(tiles, 1)


def parent_stream(edges: Sequence[Sequence[int]], x: int) -> int:
    """The stream that holds what stream x is filled from, or -1 (the outermost level)."""
    return next((y for y, edge in enumerate(edges) if edge[0] == edges[x][0] and edge[2] == edges[x][1]), -1)


def narrowed(program: Program, edge: Sequence[int]) -> bool:
    """Whether the last drains of an edge are narrowed anywhere on their way."""
    finals = program.finals.get((edge[1], edge[2]), WIDE)
    return edge[0] == PSUM and (finals.arrives or finals.leaves)


def psum_accumulates(architecture: Architecture, edge: Sequence[int]) -> bool:
    """Whether an edge is a psum edge that accumulates on drain."""
    return edge[0] == PSUM and accumulates(architecture, edge[1], edge[2])
