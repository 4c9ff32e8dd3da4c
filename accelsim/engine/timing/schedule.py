"""What versions of streams are made of, and how they are written down (docs/model.md, T1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, prod

import numpy as np
import numpy.typing as npt

from accelsim.architecture.model import Architecture, Port
from accelsim.engine.limits import refuse_bytes
from accelsim.engine.nest.laid import laid
from accelsim.engine.networks.links import Crossing, crossings
from accelsim.engine.networks.ports import PES, WORDS, Uses, dominated
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
from accelsim.engine.timing.kernels.odometer import Tabled
from accelsim.engine.timing.kernels.versions import ALL_ADDED, BIASED
from accelsim.engine.words.bias import bias_edge, bias_program
from accelsim.engine.words.kernels import tables as factors
from accelsim.engine.words.kernels.batch import GROUP_OF
from accelsim.engine.words.kernels.tables import FIRST, LISTED, WIDTH
from accelsim.errors import MappingError
from accelsim.mapping.finals import WIDE
from accelsim.workload.problem import COUNT_LIMIT, DIM_INDEX, LOOP_DIMS, TENSOR_DIMS, TENSORS, Tensor

Factors = tuple[Ints, npt.NDArray[np.int32], Ints]
SENT = 1
"""The column of words that the busiest instance of a parent sends (`nest.kernels.tiles`)."""


@dataclass(frozen=True)
class Schedule:
    """Streams' versions, as arrays, and what time needs to know of the streams.

    start, number : int64[x], where a stream's versions lie, and how many. begin, work, back, tile, step_n, step_phi,
    sums : as of `kernels.versions.Room`. final : uint8[version], a psum tile's last.
    """

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
    ports: Uses
    final: npt.NDArray[np.uint8]

    def rows(self, x: int) -> slice:
        """Where the versions of a stream lie."""
        return slice(int(self.start[x]), int(self.start[x] + self.number[x]))


@dataclass(frozen=True)
class Tables:
    """What every version of every stream is a product of (`words.kernels.tables`), and the ports it holds.

    crossings : where streams cross networks with links, each with its stream.
    """

    edges: Ints
    streams: Ints
    at: Ints
    row_of: npt.NDArray[np.int32]
    cells: Ints
    columns: int
    ports: Uses
    crossings: tuple[tuple[int, Crossing], ...]

    @property
    def slots(self) -> int:
        """Port columns a version takes."""
        return max([len(row) for row in self.ports.labels] + [1])


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


def tabulate(program: Program, words: bool = False) -> Tables:
    """Tabulate the groups of every stream that takes time; `words`: also the words of each version (`ports.WORDS`).

    Raises
    ------
    MappingError : the tables would take too much memory, or a port's cycles are counted in numbers beyond 2^63.
    """
    architecture, edges = program.architecture, program.edges[program.timed]
    iterations = _listed(program, edges)
    refuse_bytes(12 * iterations, f"tables of {iterations:.1e} iterations")
    columns = int((3 * (edges[:, 2] - edges[:, 1]) + 3).max(initial=1))
    at, row_of, cells = _factors(program, edges)
    if program.bias_to:
        of_bias = factors.tabulate(laid(bias_program(program)), bias_edge(program))
        at, row_of, cells = _behind((at, row_of, cells), of_bias)
    _fill_atoms(architecture, edges, at, cells)
    ports = _uses(program, edges, words)
    _refuse_rates(at, cells, ports)
    timed = np.flatnonzero(program.timed).tolist()
    crossed = tuple((timed.index(crossing.edge), crossing) for crossing in crossings(program))
    idle = dominated(ports, crossed)  # ports that never bind
    ports = ports.without(idle) if idle else ports
    listed = edges.tolist()
    above = [
        [
            parent_stream(listed, x),
            psum_accumulates(architecture, edge),
            narrowed(program, edge),
            _begins(program) if edge[0] == PSUM and edge[1] == program.top else 0,
        ]
        for x, edge in enumerate(listed)
    ]
    streams = np.concatenate([edges, np.array(above, np.int64).reshape(-1, 4)], axis=1)
    return Tables(edges, streams, at, row_of, cells, columns, ports, crossed)


def _factors(program: Program, edges: Ints) -> Factors:
    """As of `kernels.tables.tabulate`, tensor by tensor where their words are those of different programs."""
    if not program.apart:
        at, row_of, cells = factors.tabulate(laid(program), edges)
        return at, row_of, cells
    found = [factors.tabulate(laid(program.of(t)), edges[edges[:, 0] == t]) for t in np.unique(edges[:, 0]).tolist()]
    return _behind(*found)


def _behind(*found: Factors) -> Factors:
    """Tables one after the other."""
    listed = rows = 0
    for at, row_of, cells in found:
        at[:, :, LISTED] += listed
        at[:, :, FIRST] += rows
        listed, rows = listed + len(row_of), rows + len(cells)
    return tuple(np.concatenate(parts) for parts in zip(*found, strict=True))  # type: ignore[return-value]


def _begins(program: Program) -> int:
    """What sums begin with: nothing, words of their own, or a bias."""
    return ALL_ADDED if program.problem.added else BIASED if program.bias_to else 0


def _fill_atoms(architecture: Architecture, edges: Ints, at: Ints, cells: Ints) -> None:
    """Where the outermost level reads several words along C at a time, let its ports carry all of them."""
    for x, (t, parent, _, _, _) in enumerate(edges.tolist()):
        atom = architecture.levels[0].atoms.get(TENSORS[t], 1) if parent == 0 else 1
        if atom > 1:
            words = _table(at, cells, x, int(GROUP_OF[DIM_INDEX["C"]]))[:, SENT]
            words[:] = -(-words // atom) * atom


def _table(at: Ints, cells: Ints, x: int, group: int) -> Ints:
    """The rows of one group of one stream; tables lie one after the other."""
    following = x * at.shape[1] + group + 1
    firsts = at[:, :, FIRST].reshape(-1)
    end = firsts[following] if following < len(firsts) else len(cells)
    return cells[at[x, group, FIRST] : end].reshape(-1, int(at[x, group, WIDTH]))


def tabled(program: Program, tables: Tables) -> Tabled:
    """A layer as the kernels walk its steps."""
    return Tabled(
        program.loops, program.inside, program.bounds, tables.streams, tables.at, tables.row_of, tables.cells,
        program.packs, program.architecture.macs_together, tables.ports.rows, tables.ports.rates,
        program.ends,
    )  # fmt: skip


def _refuse_rates(at: Ints, cells: Ints, ports: Uses) -> None:
    """Raise MappingError if what the kernels multiply to get cycles could pass 2^63."""
    if not len(cells) or not len(ports.held):
        return
    # no column has more than all of a table
    most = np.maximum.reduceat(cells, at[:, :, FIRST].ravel()).reshape(at.shape[:2]).astype(np.float64)
    if most.prod(axis=1).max() * ports.rates[:, [0, 2]].max() < COUNT_LIMIT / 2:
        return
    for (x, column, _, _), (wide, _, narrow, _), use in zip(
        ports.rows.tolist(), ports.rates.tolist(), ports.held, strict=True
    ):
        words = prod(int(_table(at, cells, x, group)[:, column].max(initial=1)) for group in range(at.shape[1]))
        if words * max(wide, narrow) >= COUNT_LIMIT:
            raise MappingError(
                f"port '{use.port.name}': {words} words at {use.port.rate} a cycle are counted in numbers beyond 2^63; "
                "give it a rounder rate"
            )


def _uses(program: Program, edges: Ints, words: bool) -> Uses:
    architecture, held = program.architecture, list[PortUse]()
    uses: list[list[int]] = []
    rates: list[list[int]] = []
    labels: list[list[tuple[str, bool]]] = []
    uses_at = np.zeros((len(edges), 2, 2), np.int64)
    for x, (t, parent, child, _, _) in enumerate(edges.tolist()):
        tensor, first = TENSORS[t], len(uses)
        mine: list[tuple[str, bool]] = []
        old = t == PSUM and accumulates(architecture, parent, child)
        innermost = not any(other[0] == t and other[2] > child for other in edges.tolist())
        for activity in (0, 1, 2) if t == PSUM else (0, 2):
            if activity == 2:
                found = _behind_macs(architecture, tensor, parent, child) if innermost else []
            else:
                found = ports_of(program, tensor, parent, child, activity == 1, old)
                uses_at[x, activity] = len(mine), len(found)
            held += found
            for use in found:
                scale = final = 1 if use.port.in_words else architecture.moved_bits[tensor]
                if use.narrow and not use.port.in_words:
                    final = architecture.final_bits
                if program.bias_to and t == PSUM and parent == activity == 0 and not use.port.in_words:
                    final = architecture.bias_bits
                kind = DRAIN_ACTIVITY if activity else OLD_ACTIVITY if old else FILL_ACTIVITY
                uses.append([x, use.column, first, kind])
                down, up = use.port.rate.denominator, use.port.rate.numerator
                common = gcd(scale * down, up, final * down)
                rates.append([*(number // common for number in (scale * down, up, final * down)), use.every])
                if max(rates[-1]) >= COUNT_LIMIT:
                    raise MappingError(
                        f"port '{use.port.name}': {float(use.port.rate):.3g} a cycle is counted in numbers beyond "
                        "2^63; give it a rounder rate"
                    )
                mine.append((use.port.name, use.outermost))
        for up in range(2 if words and t == PSUM else int(words)):
            kind = DRAIN_ACTIVITY if up else OLD_ACTIVITY if old else FILL_ACTIVITY
            uses.append([x, 0, first, kind])
            rates.append([1, 1, 1, 1])
            held.append(PortUse(Port(WORDS[up], Fraction(1), in_words=True), 0))
            mine.append((WORDS[up], False))
        labels.append(mine)
    rows, shares = np.array(uses, np.int64).reshape(-1, 4), np.array(rates, np.int64).reshape(-1, 4)
    return Uses(rows, shares, labels, uses_at, held)


def _behind_macs(architecture: Architecture, tensor: Tensor, parent: int, child: int) -> list[PortUse]:
    """The cycles that a PE takes for the words of a version behind the MACs of a step, in place of a port."""
    each = architecture.behind_macs.get(tensor, 0)
    if not each or child == len(architecture.levels):
        return []
    return [PortUse(Port(PES, Fraction(1, each), in_words=True), 3 * (child - parent))]


def tile_ids(program: Program, edges: Ints, cut: int = 0) -> tuple[Ints, int]:
    """Where each psum stream's tiles lie in the table of last drains, and its size; `cut` : of one body's tiles."""
    loops = program.step_loops[cut:].tolist()
    at, tiles = np.zeros(len(edges), np.int64), 0
    for x, (t, _, child, _, _) in enumerate(edges.tolist()):
        at[x] = tiles
        here = 1
        for dim, factor, _, level, _ in loops:
            if level < child and LOOP_DIMS[dim] in TENSOR_DIMS[TENSORS[t]]:
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
