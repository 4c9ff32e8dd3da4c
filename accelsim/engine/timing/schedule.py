"""Every version of every stream of one layer, written down before time starts (docs/model.md, T1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd

import numpy as np
import numpy.typing as npt

from accelsim.architecture.model import Architecture
from accelsim.engine.limits import refuse_bytes, refuse_steps
from accelsim.engine.nest.laid import laid
from accelsim.engine.networks.links import Crossing
from accelsim.engine.networks.ports import cross, drop_dominated
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
from accelsim.engine.timing.kernels.versions import count_steps, generate
from accelsim.engine.words.kernels import tables as factors
from accelsim.engine.words.kernels.batch import GROUP_OF
from accelsim.engine.words.kernels.tables import FIRST, WIDTH
from accelsim.errors import MappingError
from accelsim.mapping.finals import WIDE
from accelsim.workload.problem import COUNT_LIMIT, DIMS, TENSOR_DIMS, TENSORS


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


def _listed(program: Program, edges: Ints) -> int:
    """Iterations that tables list, over all groups of dims of these streams."""
    rows, found = program.loops[program.loops[:, 2] == 0].tolist(), 0
    for child in edges[:, 2].tolist():
        combinations = dict.fromkeys(GROUP_OF.tolist(), 1)
        for dim, factor, _, level, _ in rows:
            if level < child:
                combinations[int(GROUP_OF[dim])] *= factor
        found += sum(combinations.values())
    return found


def tabulate(program: Program) -> Tables:
    """Tabulate the groups of every stream that takes time.

    Raises
    ------
    MappingError : the tables would take too much memory, or a port's cycles are counted in numbers beyond 2^63.
    """
    architecture, edges = program.architecture, streams_of(program)
    iterations = _listed(program, edges)
    refuse_bytes(12 * iterations, f"tables of {iterations:.1e} iterations")
    columns = int((3 * (edges[:, 2] - edges[:, 1]) + 3).max(initial=1))
    at, row_of, cells = factors.tabulate(laid(program), edges)
    uses, rates, labels, uses_at, held = _uses(program, edges)
    _refuse_rates(edges, at, cells, uses, rates, held)
    listed = edges.tolist()
    above = [
        [parent_stream(listed, x), psum_accumulates(architecture, edge), narrowed(program, edge)]
        for x, edge in enumerate(listed)
    ]
    streams = np.concatenate([edges, np.array(above, np.int64).reshape(-1, 3)], axis=1)
    return Tables(edges, streams, at, row_of, cells, columns, uses, rates, labels, uses_at, held)


def _refuse_rates(edges: Ints, at: Ints, cells: Ints, uses: Ints, rates: Ints, held: list[PortUse]) -> None:
    """Raise MappingError if what the kernels multiply to get cycles could pass 2^63."""
    firsts = at[:, :, FIRST].reshape(-1)
    ends = np.append(firsts, len(cells))[1:].reshape(at.shape[:2])
    for (x, column, _, _), (wide, _, narrow), use in zip(uses.tolist(), rates.tolist(), held, strict=True):
        words = 1
        for group in range(at.shape[1]):
            table = cells[at[x, group, FIRST] : ends[x, group]].reshape(-1, int(at[x, group, WIDTH]))
            words *= int(table[:, column].max(initial=1))
        if words * max(wide, narrow) >= COUNT_LIMIT:
            raise MappingError(
                f"port '{use.port.name}': {words} words at {use.port.rate} a cycle are counted in numbers beyond 2^63; "
                "give it a rounder rate"
            )


def generate_schedule(program: Program) -> Schedule:
    """Walk the nest once and write down every version of every stream.

    Raises
    ------
    MappingError : there is too much to write down, or as `tabulate`.
    """
    refuse_steps(int(count_steps(program.loops, program.inside, program.size8)))
    tables = tabulate(program)
    edges = tables.edges
    most = [count_steps(program.loops, min(int(c), program.inside), program.size8) for c in edges[:, 2]]
    start = np.concatenate([[0], np.cumsum(most)]).astype(np.int64)
    tile_at, tiles = tile_ids(program, edges)
    steps = count_steps(program.loops, program.inside, program.size8)
    needed = int(start[-1]) * (25 + 8 * tables.slots) + 16 * int(steps) + 8 * tiles
    refuse_bytes(
        needed, f"{int(start[-1]):.1e} transfers in {int(steps):.1e} steps, written down for what is on the way,"
    )
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
                down, up = use.port.rate.denominator, use.port.rate.numerator
                common = gcd(scale * down, up, final * down)
                rates.append([number // common for number in (scale * down, up, final * down)])
                if max(rates[-1]) >= COUNT_LIMIT:
                    raise MappingError(
                        f"port '{use.port.name}': {float(use.port.rate):.3g} a cycle is counted in numbers beyond "
                        "2^63; give it a rounder rate"
                    )
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
