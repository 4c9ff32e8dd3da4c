"""The cycle evaluator: exact counts and exact cycles at tile granularity."""

from __future__ import annotations

import numpy as np

from accelsim.architecture.model import Architecture, Buffer
from accelsim.engine.assemble import assemble, with_links
from accelsim.engine.counts import Counts, Timing
from accelsim.engine.kernels import memo as memo_kernel
from accelsim.engine.kernels import sweep as sweep_kernel
from accelsim.engine.program import PSUM, Ints, Program, buffering, latency_of
from accelsim.engine.schedule import Schedule, generate_schedule, parent_stream, psum_accumulates
from accelsim.engine.sparse import rewrite
from accelsim.sparsity.masks import Masks
from accelsim.workload.problem import TENSORS


def evaluate(program: Program, memo: bool = True, masks: Masks | None = None) -> tuple[Counts, Timing]:
    """Exact counts and cycles of one layer; without `memo` every pass is simulated, to the same result.

    masks : which operands are zero, on a machine that makes something of it; None: dense.
    """
    schedule = generate_schedule(program)
    counts = count(program, schedule)
    if masks is not None and program.architecture.sees_zeros:
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
    return with_links(program, assemble(program, columns, int(schedule.step_n.sum())), schedule.crossed)


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
        for way, old in enumerate((psum_accumulates(architecture, edges[x]), False)):
            latency[x, way] = latency_of(program, tensor, int(parent), int(child), old)
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
