"""What repeats in a dense layer, written down and simulated once: the layer as a list of bodies of a few kinds.

`cycle` has the long way, every version of every step, which this equals to the word and to the cycle.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isqrt, prod
from threading import local

import numpy as np
import numpy.typing as npt

from accelsim.engine.limits import MOST_STEPS, refuse_bytes, refuse_steps, too_many_steps
from accelsim.engine.nest.kernels.records import AWAY, EARLIER, FRESH, NDIMS
from accelsim.engine.program import OPERAND, PSUM, Ints, Program
from accelsim.engine.timing.kernels import bodies, memory, records, replay
from accelsim.engine.timing.kernels.body_window import BodyWindow
from accelsim.engine.timing.kernels.odometer import count_steps
from accelsim.engine.timing.schedule import Tables, tabled, tabulate, tile_ids
from accelsim.engine.timing.streams import Streams
from accelsim.workload.problem import LOOP_DIMS, REDUCTION_DIMS, TENSOR_DIMS, TENSORS

_rooms = local()
STEPS = 64
"""Steps a body should have at least."""
LOOK_UP = 8
"""How many times longer the simulated bodies of a layer (some twenty) take for a step than a look-up."""
LONGEST = 1 << 16
"""Steps a body should have at most."""
UNEVEN = 4
"""How many times longer or shorter than wanted a body may be before a loop is cut unevenly for it."""
MOST_VERSIONS = 1 << 23
"""Versions of different bodies written down at most; a layer without repetition goes the long way."""


@dataclass(frozen=True)
class Repeats:
    """The list of bodies and what its kinds are; `kinds` and `layer` as the kernels read them.

    revisits : whether a pass may read psums back that an earlier body of the same pass drained.
    kind_rows, slow_rows : the streams of versions in `kinds` and in `layer`.
    known : uint8[x], as in `kernels.records.Machine`.
    """

    tables: Tables
    kinds: bodies.Kinds
    layer: bodies.Bodies
    inner_at: Ints
    full_at: Ints
    inner_tiles: int
    tiles: int
    revisits: bool
    streams: Streams
    kind_rows: Ints
    slow_rows: Ints
    known: npt.NDArray[np.uint8]

    @property
    def steps(self) -> int:
        """How many the layer has."""
        return int(self.layer.first[-1])

    @property
    def sums(self) -> Ints:
        """int64[x, column], words over the layer."""
        times = np.bincount(self.layer.kind, minlength=len(self.kinds.sums))
        sums: Ints = np.einsum("k,kxc->xc", times, self.kinds.sums)
        return sums

    @property
    def compute_cycles(self) -> int:
        """Cycles of the MAC array."""
        times = np.bincount(self.layer.kind, minlength=len(self.kinds.sums))
        ends = self.kinds.steps_at
        each = np.add.reduceat(self.kinds.n, ends[:-1]) if len(self.kinds.n) else np.zeros(0, np.int64)
        return int(times @ each)


def find_repeats(program: Program, words: bool = False) -> Repeats | None:
    """List the bodies of a layer; None where too few are alike. Raises MappingError where the list is too long.

    words : see `schedule.tabulate`.
    """
    program, cut = _cut(program)
    loops = program.step_loops
    tables = tabulate(program, words)
    edges, n = tables.edges, len(tables.edges)
    if not n:
        return None
    layer = tabled(program, tables)
    classes_at, classes = bodies.classify(layer, cut)
    inner_at, inner_tiles = tile_ids(program, edges, cut)
    full_at, tiles = tile_ids(program, edges)
    per_stream = np.diff(np.concatenate([inner_at, [inner_tiles]])) if n else inner_at
    most, inner = [0], loops[cut:].tolist()
    for child in edges[:, 2].tolist():
        most.append(most[-1] + prod(row[1] for row in inner if row[3] < child))
    total = int(count_steps(loops[:cut], program.inside, program.bounds)) if cut else 1
    slow, start = _slow(program, edges, cut)
    needed = total * (12 + 8 * n) + int(start[-1]) * (24 + 8 * tables.slots) + 12 * tiles
    refuse_bytes(needed, f"{total:.1e} repetitions of what is simulated once")
    listed = bodies.Bodies(
        np.empty(total, np.int32), np.zeros(total + 1, np.int64), np.zeros((total, n), np.int64), np.zeros(n, np.int64),
        slow, start, np.empty(start[-1], np.int64), np.empty(start[-1], np.int64), np.zeros(start[-1], np.int64),
        np.zeros((start[-1], tables.slots), np.int64),
    )  # fmt: skip
    outer = bodies.Outer(classes_at, classes, inner_at, np.maximum(per_stream, 1), np.array(most, np.int64))
    length = 2 + NDIMS + 7 * n
    steps = int(np.prod(loops[cut:, 1], initial=1))
    room = 64
    while True:
        versions, stepped = (min(room // 2 * each, max(MOST_VERSIONS, 2 * each)) for each in (most[-1], 2 * steps))
        kinds = bodies.Kinds(
            np.zeros((room, n), np.int64), np.zeros((room, n), np.int64), np.zeros(room + 1, np.int64),
            np.empty(versions, np.int64), np.empty(versions, np.int64), np.empty(versions, np.int64),
            np.empty((versions, tables.slots), np.int64), np.empty(stepped, np.int64),
            np.empty(stepped, np.int64), np.zeros((room, n, 2 * tables.columns), np.int64),
        )  # fmt: skip
        table = bodies.Table(np.zeros((room, length), np.int64), np.full(1 << (2 * room).bit_length(), -1, np.int64))
        found, _ = bodies.walk(layer, cut, outer, kinds, listed, table)
        if found >= 0:
            break
        if room // 2 * max(most[-1], 2 * steps) > MOST_VERSIONS:
            return None
        room *= 4
    each = program.architecture.mac_cycles
    used, stepped = int(kinds.many[:found].sum()), int(kinds.steps_at[found])
    kinds = bodies.Kinds(
        kinds.at[:found], kinds.many[:found], kinds.steps_at[: found + 1], kinds.begin[:used].copy(),
        kinds.back[:used].copy(), kinds.tile[:used].copy(), kinds.work[:used].copy(), kinds.n[:stepped] * each,
        kinds.phi[:stepped] * each, kinds.sums[:found].copy(),
    )  # fmt: skip
    revisits = any(LOOP_DIMS[row[0]] in REDUCTION_DIMS for row in loops[_passes(program) : cut])
    kind_rows = np.repeat(np.tile(np.arange(n), found), kinds.many.ravel())
    psum = edges[:, 0] == PSUM
    read = np.bincount(kind_rows[kinds.back != FRESH], minlength=n) > 0
    kinds.back[(kinds.back == AWAY) & slow[kind_rows].astype(bool)] = EARLIER
    return Repeats(
        tables, kinds, listed, inner_at, full_at, inner_tiles, tiles, revisits,
        Streams.of(program, edges, tables.ports), kind_rows, np.repeat(np.arange(n), np.diff(start)),
        (~psum | read).astype(np.uint8),
    )  # fmt: skip


@dataclass(frozen=True)
class Listed:
    """A list of bodies as the kernels take it for some streams.

    tiles : psum tiles of the layer that have a slot, behind them those of one body. allowed : whether bodies met again
    may be looked up. room : int64[x], versions around a body, to begin with.
    """

    found: Repeats
    streams: Streams
    kinds: bodies.Kinds
    layer: bodies.Bodies
    machine: records.Machine
    tiles: int
    allowed: bool
    room: Ints

    def begin(self, larger: int) -> tuple[records.State, memory.Memory, BodyWindow]:
        """(state, memory, window) at the start; larger : how many times as large a window as to begin with."""
        state = self.streams.state(self.tiles + self.found.inner_tiles, self.tiles)
        known = _memory(state, len(self.layer.kind) if self.allowed else 1)
        return state, known, _body_window(self.layer, self.room * larger)


def simulate_repeats(found: Repeats, streams: Streams, look_up: bool = True) -> tuple[int, Ints, int]:
    """(cycles, stalls, bodies simulated) with `found.streams`, or those of the processing latency."""
    listed, larger = list_bodies(found, streams, look_up), 1
    while True:
        state, known, window = listed.begin(larger)
        cycles, simulated = replay.replay(
            listed.kinds, listed.layer, listed.machine, state, window, known, listed.allowed, MOST_STEPS
        )
        if cycles == -2:
            raise too_many_steps(int(simulated))
        if cycles >= 0:
            return int(cycles), state.stalls, int(simulated)
        larger *= 4


def list_bodies(found: Repeats, streams: Streams, look_up: bool = True) -> Listed:
    """Lay a list of bodies out for `found.streams`, or those of the processing latency."""
    rows, serial = streams.rows, streams.serial
    back = _read_back(found, streams)
    kinds = found.kinds._replace(work=streams.select(found.kinds.work, found.kind_rows), back=back)
    layer = found.layer._replace(work=streams.select(found.layer.work, found.slow_rows))
    slow_rows, psum = found.slow_rows, rows[:, records.TENSOR] == PSUM
    present = rows[:, records.ABSENT] == 0
    looks = psum & present & (np.bincount(found.kind_rows[back == EARLIER], minlength=len(rows)) > 0)
    apart = serial >= 0 and streams.lead and streams.wave < 0 and not found.revisits
    if apart and present[serial] and not psum[serial]:
        # what drained in an earlier pass is over before anything of a later one follows its stationary operand; if that
        # takes no time it may arrive at the same cycle, and the drain may be the cause
        held = np.isin(
            np.arange(kinds.work.shape[1]), [i for at, n in streams.uses_at[serial] for i in range(at, at + n)]
        )
        stationary = kinds.work[found.kind_rows == serial], layer.work[slow_rows == serial]
        if streams.skew_rows > 0 or _takes_time(*(work[:, held] for work in stationary)):
            looks &= rows[:, records.INNERMOST] == 0
    allowed = look_up and not (serial >= 0 and bool(psum[serial]) and bool(found.known[serial]))
    # when each of their drains ended is kept, of simulated bodies and of those looked up
    ended = int(np.bincount(layer.kind, minlength=len(kinds.many)) @ kinds.many[:, looks].sum(axis=1))
    refuse_steps(ended, "drains that later passes read back")
    # of streams that look back every tile has a slot, behind those the tiles of one body
    tiles = found.tiles if looks.any() else 0
    listed = sum(array.nbytes for part in (kinds, layer) for array in part)
    refuse_bytes(listed + 32 * tiles, f"what repeats and the last drains of {tiles:.1e} psum tiles")
    tile_at = np.where(looks, found.full_at - found.inner_at, tiles)
    slow_tile = np.where(looks[slow_rows], layer.tile, found.inner_at[slow_rows]) + tile_at[slow_rows]
    # a slow stream has one version a body: all it looks back at was drained by an earlier one
    layer = layer._replace(back=np.where(looks[slow_rows], layer.back, np.minimum(layer.back, -1)), tile=slow_tile)
    machine = streams.machine(found.known, looks.astype(np.uint8), tile_at)
    room = 4 * (kinds.many.max(axis=0) + np.minimum(rows[:, records.SLOTS], 4) + 4)
    return Listed(found, streams, kinds, layer, machine, tiles, allowed, room)


def _read_back(found: Repeats, streams: Streams) -> Ints:
    """Of each kind's versions, the drain in an earlier body that they wait for.

    Where the parent's tile was away since, none: it came back after its own drain, which was after theirs. The parent
    must hold ports, so that this takes a cycle at least, or the drain might be as late and the cause.
    """
    back, parent = found.kinds.back, streams.rows[:, records.PARENT]
    if not (back == AWAY).any():
        return back
    after = (parent >= 0) & (streams.uses_at[parent, :, 1].sum(axis=1) > 0)
    return np.where(back == AWAY, np.where(after[found.kind_rows], -1, EARLIER), back)


def _memory(state: records.State, bodies: int) -> memory.Memory:
    """Room for what is remembered of bodies: that of this thread's last layer, if its machine has as much of all.

    Pages that the system gives anew for each layer would cost more than a short simulation.
    """
    shape = tuple(len(part) for part in (state.progress, state.free, state.scalars, state.stalls))
    if getattr(_rooms, "shape", None) != shape:
        _rooms.shape, _rooms.memory = shape, memory.remember(*shape)
    return memory.less(_rooms.memory, bodies)


def _takes_time(*work: Ints) -> bool:
    """Whether every version of a stream holds a port for a cycle at least."""
    return all(bool((rows.max(axis=1, initial=0) > 0).all()) for rows in work)


def _body_window(layer: bodies.Bodies, room: Ints) -> BodyWindow:
    """Versions of slow streams, all written down, and room for those of the others around a body."""
    fixed, slow = int(layer.start[-1]), layer.slow.astype(bool)
    room_at = np.concatenate([[0], np.cumsum(np.where(slow, 0, room))]).astype(np.int64) + fixed
    size = int(room_at[-1]) + 1
    begin, back, tile = np.empty(size, np.int64), np.empty(size, np.int64), np.zeros(size, np.int64)
    work = np.zeros((size, layer.work.shape[1]), np.int64)
    begin[:fixed], back[:fixed], tile[:fixed], work[:fixed] = layer.begin, layer.back, layer.tile, layer.work
    start = np.where(slow, layer.start[:-1], room_at[:-1])
    limit = np.where(slow, layer.number, 0)
    n = len(slow)
    return BodyWindow(room_at, start, np.zeros(n, np.int64), limit, np.zeros(n, np.int64), begin, back, tile, work)


def _cut(program: Program) -> tuple[Program, int]:
    """The program, a loop perhaps split in two, and how many of its step loops lie outside a body.

    Simulating costs steps of different bodies, looking up a body each: least where both grow alike.
    """
    loops = program.step_loops
    factors = [int(row[1]) for row in loops]
    wanted = min(max(STEPS, isqrt(prod(factors) // LOOK_UP)), LONGEST)

    def cost(split: tuple[int, int]) -> tuple[float, int]:
        cut, part = split
        length = prod(factors[cut + 1 :]) * part
        return max(length / wanted, wanted / length), length

    splits = [(cut, part) for cut, factor in enumerate(factors) for part in _divisors(factor)]
    if not splits:
        return program, len(loops)
    if cost(min(splits, key=cost))[0] > UNEVEN:
        # iterations past the problem do not exist: the outermost loop of a dim may be cut unevenly
        for cut, (dim, factor, _, _, step) in enumerate(loops.tolist()):
            part = min(wanted // prod(factors[cut + 1 :]), factor)
            if part > 1 and factor * step >= program.bounds[dim]:
                splits.append((cut, part))
    cut, part = min(splits, key=cost)
    factor = factors[cut]
    if part == factor:
        return program, cut
    # the same iterations in the same order
    row = np.flatnonzero((program.loops[:, 2] == 0) & (program.loops[:, 3] < program.inside))[cut]
    split = np.insert(program.loops, row, program.loops[row], axis=0)
    split[row, 1], split[row + 1, 1] = -(-factor // part), part
    split[row, 4] *= part
    return replace(program, loops=split), cut + 1


def _divisors(factor: int) -> list[int]:
    """All but 1, rising."""
    low = [part for part in range(1, isqrt(factor) + 1) if factor % part == 0]
    return sorted({part for d in low for part in (d, factor // d)} - {1})


def _passes(program: Program) -> int:
    """How many step loops lie outside a pass."""
    loops, serial = program.step_loops, program.architecture.serial
    if serial is None:
        return len(loops)
    index = TENSORS.index(serial)
    kept = [edge for edge in program.edges.tolist() if edge[0] == index and edge[3] != OPERAND]
    child, dims = (kept[-1][2], LOOP_DIMS if kept[-1][3] else TENSOR_DIMS[serial]) if kept else (0, LOOP_DIMS)
    own = [t for t, row in enumerate(loops.tolist()) if row[3] < child and LOOP_DIMS[row[0]] in dims]
    return own[-1] + 1 if own else 0


def _slow(program: Program, edges: Ints, cut: int) -> tuple[npt.NDArray[np.uint8], Ints]:
    """Streams whose own loops all lie outside the bodies, and where their versions lie."""
    loops = program.step_loops
    rows = loops.tolist()
    slow, start = np.zeros(len(edges), np.uint8), np.zeros(len(edges) + 1, np.int64)
    for x, (t, _, child, anew, _) in enumerate(edges.tolist()):
        own = [i for i, row in enumerate(rows) if row[3] < child and LOOP_DIMS[row[0]] in TENSOR_DIMS[TENSORS[t]]]
        slow[x] = not anew and (not own or own[-1] < cut)
        most = 0
        if slow[x]:
            outer = loops[: own[-1] + 1] if own else loops[:0]
            most = int(count_steps(outer, program.inside, program.bounds)) if len(outer) else 1
        start[x + 1] = start[x] + most
    return slow, start
