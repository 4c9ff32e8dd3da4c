"""What happens in a window of a layer's cycles: every step, every transfer, and what each waited for."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from accelsim.architecture.model import Architecture
from accelsim.engine import program as programs
from accelsim.engine.copied import Copy
from accelsim.engine.cycle import Drains, repeats_of, windowed
from accelsim.engine.lockstep import in_lock_step
from accelsim.engine.program import Ints, Program
from accelsim.engine.timing.kernels import records
from accelsim.engine.timing.kernels.observe import OF, OPENS
from accelsim.engine.timing.kernels.odometer import count_steps
from accelsim.engine.timing.observed import Seen, Wanted, in_repeats, in_windows
from accelsim.engine.timing.streams import Streams, causes
from accelsim.engine.words.iterations import begun
from accelsim.errors import MappingError
from accelsim.mapping.mapping import LoopNest, check
from accelsim.sparsity.masks import Masks
from accelsim.workload.problem import LOOP_DIMS, TENSOR_DIMS, TENSORS, Problem

DETAIL = 200_000
"""Lines of a window that are told one by one, about."""
FILL, DRAIN, OLD, STEP = range(4)
"""Kinds of activities: a fill, a drain, old psums on their way down, a step of the MAC array."""


@dataclass(frozen=True)
class Waited:
    """What an activity waited for: another one, of this kind and stream, issued after step `after`; or a step."""

    kind: int
    stream: int
    after: int


@dataclass(frozen=True)
class Timeline:
    """A window of a layer's cycles; all cycles are the layer's own, from its beginning on.

    span : the cycles from and to which. cycles : of the layer.
    lines : int64[line, column], see `timing.kernels.observe`, in program order (T9). causes : of stalls, by number.
    drain : when the last step ended and all had landed, if it was simulated: a stall that no line tells.
    joined : whether steps, and transfers of one network, that follow each other without a gap are one line, with the
    tile of the first; what takes no time is then no line.
    pace : core cycles for each cycle of the lines and of `drain`, of a mode at part of the clock.
    tiles : int64[line, dim], where the tile, or the work of the step, begins; -1: a dim that the tensor has not.
    """

    architecture: Architecture
    span: tuple[int, int]
    cycles: int
    streams: Streams
    edges: Ints
    lines: Ints
    causes: tuple[str, ...]
    drain: tuple[int, int] | None
    joined: bool
    tiles: Ints
    pace: int = 1

    @property
    def many(self) -> int:
        """Lines of it."""
        return len(self.lines)

    def waited(self, key: int) -> Waited | None:
        """What a key of the order of activities (T9) names; None: nothing."""
        if key < 0:
            return None
        rest, place = divmod(key, 4 * (len(self.edges) + 70))
        (after, kind), (depth, rank) = divmod(rest, 3), divmod(place, 4)
        if kind == 0:
            return Waited(STEP, -1, after - 1)
        depth = 69 - depth if kind == 1 else depth
        rows = self.streams.rows
        x = int(np.flatnonzero((rows[:, records.DEPTH] == depth) & (rows[:, records.RANK] == rank))[0])
        down = OLD if rows[x, records.OLD_PSUM] else FILL
        return Waited(DRAIN if kind == 1 else down, x, after - 1)


@dataclass(frozen=True)
class Copied:
    """A window of a layer whose ofmap stays on the chip and is written out behind its last word (docs/between.md, R5).

    layer : the window of its own cycles; where there is none of them any cycle, of which nothing is shown.
    cycles : with the copy. levels : where it goes, and from where.
    """

    layer: Timeline
    copy: Copy
    span: tuple[int, int]
    cycles: int
    levels: tuple[str, str]

    @property
    def many(self) -> int:
        """Lines of it."""
        return self.layer.many + 2 + len(self.copy.busy)

    @property
    def joined(self) -> bool:
        """See `Timeline`."""
        return self.layer.joined


def observe(
    architecture: Architecture,
    nest: LoopNest,
    problem: Problem,
    masks: Masks | None,
    span: tuple[int, int],
    cycles: int,
    most: int,
    processing: bool = False,
    joined: bool | None = None,
    drains: Drains | None = None,
) -> Timeline | int:
    """Look at a layer from one cycle to another.

    masks : as of `engine.evaluate`. cycles : of the layer, as that found them. most : lines at most.
    processing : leave out what crosses the outermost level's networks, as the processing latency does.
    joined : see `Timeline`; None: where there would be more than some `DETAIL` lines.
    drains : what drains pass on their way: it changes the time of a dense layer, and how many words leave.

    Returns
    -------
    The window; or, where it holds more than `most` lines, the cycle up to which it holds as many.

    Raises
    ------
    MappingError : the mapping is illegal here; Cartesian PEs, whose time is not made of transfers (for them there is
        `zeros.cartesian_seen.observe`); too many steps.
    """
    check(architecture, nest, problem)
    if architecture.cartesian:
        raise MappingError(
            f"architecture '{architecture.name}': no transfer of Cartesian PEs is simulated; see zeros.cartesian_seen"
        )
    lowered = programs.build(architecture, nest, problem)
    if architecture.lock:
        lowered = in_lock_step(lowered)
    if joined is None:
        steps = int(count_steps(lowered.loops, lowered.inside, lowered.bounds))
        joined = steps * (span[1] - span[0]) * (1 + int(lowered.timed.sum())) > DETAIL * max(cycles, 1)
    pace = architecture.mode.divider
    low, high = span[0] // pace, -(-span[1] // pace)
    wanted = Wanted((low - architecture.before, high - architecture.before), joined, most)
    edges, seen = _look(lowered, masks if architecture.sees_zeros else None, wanted, processing, drains)
    if seen.lines is None:
        return pace * (seen.until + architecture.before)
    drain = None if seen.last is None else (seen.last[0] + architecture.before, seen.last[1] + architecture.before)
    names = causes(architecture, edges)
    tiles = tiles_of(lowered, edges, seen.lines)
    return Timeline(
        architecture, span, cycles, seen.streams, edges, seen.lines, tuple(names), drain, joined, tiles, pace
    )


def _look(
    program: Program, masks: Masks | None, wanted: Wanted, processing: bool, drains: Drains | None
) -> tuple[Ints, Seen]:
    """(the streams' edges, what was seen)."""
    found = None if drains else repeats_of(program, masks, words=True)
    if found is not None:
        streams = found.streams.processing if processing else found.streams
        return found.tables.edges, in_repeats(found, streams, wanted)
    layer = windowed(program, masks, words=True, drains=drains)
    tables = layer.found.tables
    streams = Streams.of(program, tables.edges, tables.ports)
    if drains:
        streams = drains.later(tables, streams)
    if processing:
        # banks take no time there
        return tables.edges, in_windows(layer.found, layer.parts, streams.processing, None, wanted)
    return tables.edges, in_windows(layer.found, layer.parts, streams, layer.banks, wanted)


def tiles_of(program: Program, edges: Ints, lines: Ints) -> Ints:
    """Where the tile of each line begins, int64[line, dim]; -1: a dim that the tensor does not have."""
    loops = program.step_loops
    opens, index = np.unique(lines[:, OPENS], return_inverse=True)
    at = _indices(program, opens)
    tiles = np.full((len(lines), len(LOOP_DIMS)), -1, np.int64)
    for x in range(-1, len(edges)):
        mine = np.flatnonzero(lines[:, OF] == x)
        if not len(mine):
            continue
        dims = LOOP_DIMS if x < 0 or edges[x, 3] else TENSOR_DIMS[TENSORS[edges[x, 0]]]
        for dim in (LOOP_DIMS.index(name) for name in dims if name in LOOP_DIMS):
            own = [t for t, row in enumerate(loops.tolist()) if row[0] == dim and (x < 0 or row[3] < edges[x, 2])]
            tiles[mine, dim] = (at[:, own] @ loops[own, 4])[index[mine]]
    return tiles


def _indices(program: Program, steps: Ints) -> Ints:
    """Where each step loop is in a step, int64[step, loop]; iterations past the problem's bounds are no steps."""
    rows, bounds = program.step_loops.tolist(), np.asarray(program.bounds)
    at, left = np.zeros((len(steps), len(rows)), np.int64), steps.astype(np.int64).copy()
    base = np.zeros((len(steps), len(bounds)), np.int64)
    for t, (dim, factor, _, _, step) in enumerate(rows):
        others, own = np.ones(len(steps), np.int64), 1
        for other in {row[0] for row in rows[t + 1 :]}:
            inner = [(row[4], row[1]) for row in rows[t + 1 :] if row[0] == other]
            if other == dim:
                own = prod(each for _, each in inner)
            else:
                others *= begun(bounds[other] - base[:, other], inner)
        last = np.minimum(factor, -(-(bounds[dim] - base[:, dim]) // step)) - 1
        at[:, t] = np.minimum(left // (others * own), last)
        left -= at[:, t] * others * own
        base[:, dim] += at[:, t] * step
    return at
