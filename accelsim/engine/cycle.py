"""The cycle evaluator: exact counts and exact cycles at tile granularity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from accelsim.architecture.model import Architecture, Buffer
from accelsim.engine.analytical import assemble
from accelsim.engine.counts import Counts, Timing
from accelsim.engine.kernels import memo as memo_kernel
from accelsim.engine.kernels import sweep as sweep_kernel
from accelsim.engine.kernels.versions import count_steps, fill_tables, generate, table_sizes
from accelsim.engine.program import PSUM, Ints, Program, accumulates, buffering, latency_of, ports_of
from accelsim.sparsity.masks import Masks
from accelsim.workload.problem import DIMS, TENSOR_DIMS, TENSORS

FILL_ACTIVITY, DRAIN_ACTIVITY, OLD_ACTIVITY = range(3)


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
    step_n: Ints
    step_phi: Ints
    sums: Ints
    uses: list[list[tuple[str, bool]]]
    uses_at: Ints
    classes: Ints
    final: npt.NDArray[np.uint8]
    use_rows: Ints
    rates: Ints


def streams_of(program: Program) -> Ints:
    """The edges that take time: all but operand reads inside the PE."""
    edges = program.edges
    timed = (edges[:, 3] == 0) | (edges[:, 1] < program.architecture.pe_level)
    streams: Ints = edges[timed]
    return streams


def evaluate(program: Program, memo: bool = True, masks: Masks | None = None) -> tuple[Counts, Timing]:
    """Exact counts and cycles of one layer; without `memo` every pass is simulated, to the same result.

    masks : which operands are zero, on a machine that makes something of it; None: dense.
    """
    schedule = generate_schedule(program)
    counts = count(program, schedule)
    if masks is not None and program.architecture.sees_zeros:
        from accelsim.engine.sparse import rewrite

        counts = rewrite(program, schedule, masks, counts)
    total, stalls = run(program, schedule, False, memo)
    processing, processing_stalls = run(program, schedule, True, memo)
    return counts, Timing(total, processing, counts.compute_cycles, stalls, processing_stalls)


def count(program: Program, schedule: Schedule) -> Counts:
    """Sum the versions' words; operand reads inside the PE are one per MAC."""
    columns = np.zeros((len(program.edges), 3 * program.levels + 3), np.int64)
    x = 0
    for e, (_, parent, child, operand, _) in enumerate(program.edges):
        if operand and parent >= program.architecture.pe_level:
            columns[e, : 3 * (child - parent)] = program.problem.macs
        else:
            wide = schedule.sums.shape[1]
            columns[e, :wide] = schedule.sums[x, :wide]
            x += 1
    return assemble(program, columns, int(schedule.step_n.sum()))


def generate_schedule(program: Program) -> Schedule:
    """Walk the nest once and write down every version of every stream."""
    architecture, edges = program.architecture, streams_of(program)
    at, flat, carried = table_sizes(program.loops, edges)
    columns = int((3 * (edges[:, 2] - edges[:, 1]) + 3).max(initial=1))
    full, moved = np.zeros(flat, np.int64), np.zeros(carried, np.int64)
    slide = np.zeros(carried * columns, np.int64)
    fill_tables(
        program.loops, edges, program.size8, program.axes, program.unicast, program.merge, program.on_chip,
        program.levels, at, full, moved, slide,
    )  # fmt: skip
    uses, rates, labels, uses_at = _uses(architecture, edges)
    most = [count_steps(program.loops, min(int(c), program.inside), program.size8) for c in edges[:, 2]]
    start = np.concatenate([[0], np.cumsum(most)]).astype(np.int64)
    tile_at, tiles = _tile_ids(program, edges)
    steps = count_steps(program.loops, program.inside, program.size8)
    slots = max([len(row) for row in labels], default=0)
    begin = np.empty(start[-1] + 1, np.int64)
    work = np.zeros((start[-1], max(slots, 1)), np.int64)
    back = np.empty(start[-1], np.int64)
    number = np.zeros(len(edges), np.int64)
    step_n, step_phi = np.empty(steps, np.int64), np.empty(steps, np.int64)
    sums = np.zeros((len(edges), columns), np.int64)
    above = [[parent_stream(edges, x), psum_accumulates(architecture, edges[x])] for x in range(len(edges))]
    streams = np.concatenate([edges, np.array(above, np.int64).reshape(-1, 2)], axis=1)
    tile_last = np.full(tiles, -1, np.int64)
    generate(
        program.loops, program.inside, program.size8, streams, at, full, moved, slide, architecture.macs_per_cycle,
        uses, rates, start, number, begin, work, back, tile_at, tile_last, step_n, step_phi, sums,
    )  # fmt: skip
    classes = np.full(int(number.max(initial=0)), -1, np.int64)
    final = _final(edges, start, tile_at, tile_last)
    return Schedule(
        edges, steps, start, number, begin, work, back, step_n, step_phi, sums, labels, uses_at, classes, final,
        uses, rates,
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


def _uses(architecture: Architecture, edges: Ints) -> tuple[Ints, Ints, list[list[tuple[str, bool]]], Ints]:
    uses: list[list[int]] = []
    rates: list[list[int]] = []
    labels: list[list[tuple[str, bool]]] = []
    uses_at = np.zeros((len(edges), 2, 2), np.int64)
    for x, (t, parent, child, _, _) in enumerate(edges):
        tensor, first = TENSORS[t], len(uses)
        mine: list[tuple[str, bool]] = []
        old = t == PSUM and accumulates(architecture, parent, child)
        for activity in (0, 1) if t == PSUM else (0,):
            found = ports_of(architecture, tensor, parent, child, activity == 1, old)
            uses_at[x, activity] = len(mine), len(found)
            for use in found:
                scale = 1 if use.port.in_words else architecture.word_bits[tensor]
                kind = DRAIN_ACTIVITY if activity else OLD_ACTIVITY if old else FILL_ACTIVITY
                uses.append([x, use.column, first, kind])
                rates.append([scale * use.port.rate.denominator, use.port.rate.numerator])
                mine.append((use.port.name, use.outermost))
        labels.append(mine)
    return np.array(uses, np.int64).reshape(-1, 4), np.array(rates, np.int64).reshape(-1, 2), labels, uses_at


def _tile_ids(program: Program, edges: Ints) -> tuple[Ints, int]:
    """Where each psum stream's tiles lie in the table of last drains, and its size."""
    at, tiles = np.zeros(len(edges), np.int64), 0
    for x, (t, _, child, _, _) in enumerate(edges):
        at[x] = tiles
        here = 1
        for dim, factor, kind, level, _ in program.loops:
            if kind == 0 and level < child and DIMS[dim] in TENSOR_DIMS[TENSORS[t]]:
                here *= int(factor)
        tiles += here if t == PSUM else 0
    return at, max(tiles, 1)


def run(program: Program, schedule: Schedule, processing: bool, memo: bool = True) -> tuple[int, dict[str, int]]:
    """Cycles and stalls; `processing`: the outermost level's transfers take no time.

    memo : simulate identical passes once (same cycles, same stalls).
    """
    architecture, edges = program.architecture, schedule.edges
    n = len(edges)
    streams = np.zeros((n, 11), np.int64)
    latency = np.zeros((n, 2), np.int64)
    ranks = sorted(range(3), key=lambda t: (TENSORS[t] is not architecture.serial, t))
    serial = -1
    array = architecture.levels[architecture.pe_level - 1].fanout
    tail = architecture.pipeline + ((array.y - 1) + (array.x - 1) if architecture.skew else 0)
    for x, (t, parent, child, operand, _) in enumerate(edges):
        tensor = TENSORS[t]
        buffer = buffering(architecture, int(child), tensor)
        innermost = not any(edges[y, 0] == t and edges[y, 2] > child for y in range(n))
        streams[x] = (
            t, parent_stream(edges, x), _slots(architecture, edges[x], tail), buffer is Buffer.STREAM, innermost,
            psum_accumulates(architecture, edges[x]), processing and child == 1,
            ranks.index(int(t)), program.levels if innermost else child, 2 * x, 2 * x + 1,
        )  # fmt: skip
        latency[x] = latency_of(architecture, tensor, int(parent), int(child))
        if tensor is architecture.serial and innermost and not operand:
            serial = x
    if processing:
        for x in range(n):
            if streams[x, sweep_kernel.PARENT] >= 0 and streams[streams[x, sweep_kernel.PARENT], sweep_kernel.ABSENT]:
                streams[x, sweep_kernel.PARENT] = -1
    names = sorted({name for row in schedule.uses for name, _ in row})
    uses_at, work, ports = _timed(schedule, names, processing)
    order = np.array(
        sorted(range(n), key=lambda x: (streams[x, sweep_kernel.DEPTH], streams[x, sweep_kernel.RANK])), np.int64
    )
    stalls = np.zeros(2 * n + 3, np.int64)
    versions = int(schedule.start[-1])
    # a power of two: the kernel masks instead of dividing
    ring = 1 << (2 * int(streams[:, sweep_kernel.SLOTS].max(initial=1)) + 2).bit_length()
    skew_rows = array.y if architecture.skew else 0
    arguments = (
        schedule.steps, streams, schedule.start, schedule.number, schedule.begin, work, schedule.back, uses_at, ports,
        latency, np.zeros(len(names) + 1, np.int64), order, serial, architecture.lead, skew_rows, tail,
        schedule.step_n, schedule.step_phi, np.zeros(versions, np.int64), np.zeros(versions, np.int64),
        np.zeros((n, ring, 25), np.int64), np.zeros((n, 5), np.int64), np.zeros(sweep_kernel.SCALARS, np.int64),
        stalls, 2 * n,
    )  # fmt: skip
    at_pass = _pass_table(schedule, streams, work, uses_at, serial, architecture.lead, skew_rows) if memo else None
    if at_pass is None:
        cycles = sweep_kernel.sweep(*arguments)
    else:
        classes = np.empty(int(schedule.number[serial]), np.int64)
        # passes that are equal with everything in are equal without the outermost level's transfers
        finer = schedule.classes[: len(classes)]
        memo_kernel.pass_classes(
            streams, schedule.start, schedule.number, schedule.begin, work, schedule.back, schedule.step_n,
            schedule.step_phi, schedule.steps, serial, at_pass, finer, classes,
        )  # fmt: skip
        if not processing:
            finer[:] = classes
        cycles, _ = memo_kernel.sweep_memo(*arguments, at_pass, classes)
    return int(cycles), _label(architecture, edges, stalls)


def _pass_table(
    schedule: Schedule, streams: Ints, work: Ints, uses_at: Ints, serial: int, lead: bool, skew_rows: int
) -> Ints | None:
    """First version of every stream in every pass, if this layer's passes can be looked up, else None."""
    if serial < 0 or schedule.number[serial] < 4:
        return None
    first, slots = (int(v) for v in uses_at[serial, 0])
    rows = slice(int(schedule.start[serial]), int(schedule.start[serial] + schedule.number[serial]))
    shortest = max(skew_rows, int(work[rows, first : first + slots].max(axis=1).min()) if slots else 0)
    at_pass = np.empty((len(streams), int(schedule.number[serial]) + 1), np.int64)
    found = memo_kernel.eligible(
        streams, schedule.start, schedule.number, schedule.begin, schedule.back, serial, lead, shortest, at_pass
    )
    return at_pass if found else None


def parent_stream(edges: Ints, x: int) -> int:
    """The stream that holds what stream x is filled from, or -1 (the outermost level)."""
    return next((y for y in range(len(edges)) if edges[y, 0] == edges[x, 0] and edges[y, 2] == edges[x, 1]), -1)


def psum_accumulates(architecture: Architecture, edge: Ints) -> bool:
    """Whether an edge is a psum edge that accumulates on drain."""
    return bool(edge[0] == PSUM and accumulates(architecture, int(edge[1]), int(edge[2])))


def _slots(architecture: Architecture, edge: Ints, tail: int) -> int:
    """Tiles a stream's child holds; a psum register also frees what is on its way through the pipeline or array."""
    t, _, child, operand, _ = (int(v) for v in edge)
    slots = 2 if buffering(architecture, child, TENSORS[t]) is Buffer.DOUBLE else 1
    return slots + tail if operand and t == PSUM else slots


def _timed(schedule: Schedule, names: list[str], processing: bool) -> tuple[Ints, Ints, Ints]:
    """Drop the outermost level's ports where they take no time; returns (uses_at, work, ports)."""
    ports = np.zeros((len(schedule.uses), schedule.work.shape[1]), np.int64)
    for x, row in enumerate(schedule.uses):
        for slot, (name, _) in enumerate(row):
            ports[x, slot] = names.index(name)
    if not processing or not any(outermost for row in schedule.uses for _, outermost in row):
        return schedule.uses_at, schedule.work, ports
    work, uses_at = schedule.work.copy(), schedule.uses_at.copy()
    for x, row in enumerate(schedule.uses):
        rows = slice(int(schedule.start[x]), int(schedule.start[x + 1]))
        keep = [slot for slot, (_, outermost) in enumerate(row) if not outermost]
        for new, old in enumerate(keep):
            work[rows, new] = schedule.work[rows, old]
            ports[x, new] = ports[x, old]
        for activity in range(2):
            first, slots = schedule.uses_at[x, activity]
            mine = [i for i, slot in enumerate(keep) if first <= slot < first + slots]
            uses_at[x, activity] = (mine[0] if mine else 0), len(mine)
    return uses_at, work, ports


def _label(architecture: Architecture, edges: Ints, stalls: Ints) -> dict[str, int]:
    names = [spec.name for spec in architecture.levels] + ["PE"]
    labels = []
    for t, parent, child, _, _ in edges:
        for arrow in ("->", "<-"):
            labels.append(f"{names[parent]}{arrow}{names[child]} {TENSORS[t].value}")
    labels += ["fill", "drain", "pipeline"]
    return {label: int(cycles) for label, cycles in zip(labels, stalls, strict=True) if cycles}
