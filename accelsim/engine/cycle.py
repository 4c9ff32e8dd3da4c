"""The cycle evaluator: exact counts and exact cycles at tile granularity."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from accelsim.architecture.model import Architecture, Buffer
from accelsim.engine import dram
from accelsim.engine import folded as folding
from accelsim.engine.assemble import assemble, with_links
from accelsim.engine.counts import Counts, Timing
from accelsim.engine.kernels import sweep as sweep_kernel
from accelsim.engine.links import crossings
from accelsim.engine.pieces import outline, pieces
from accelsim.engine.program import PSUM, Ints, Program, buffering, latency_of
from accelsim.engine.schedule import Schedule, generate_schedule, parent_stream, psum_accumulates
from accelsim.engine.sparse import Zeros, rewrite
from accelsim.engine.window import Simulation, simulate
from accelsim.sparsity.masks import Masks
from accelsim.workload.problem import TENSORS


def evaluate(program: Program, fold: bool = True, masks: Masks | None = None) -> tuple[Counts, Timing]:
    """Exact counts and cycles of one layer; without `fold` every step is written down and simulated, to the same.

    masks : which operands are zero, on a machine that makes something of it; None: dense.
    """
    zeros = masks is not None and program.architecture.sees_zeros
    banks = program.architecture.levels[0].dram is not None
    linked = any(True for _ in crossings(program))
    # which words are zero, where they lie in a DRAM and what routes they take is told of every version apart
    folded = folding.fold(program) if fold and not (zeros or banks or linked) else None
    if folded is not None:
        counts = count(program, folded.sums, folded.compute_cycles)
        return _timed_counts(counts, *(run_folded(program, folded, processing)[:2] for processing in (False, True)))
    masks = masks if zeros else None
    found = None if banks or linked else piece_by_piece(program, masks)
    return at_once(program, masks) if found is None else found


def at_once(program: Program, masks: Masks | None) -> tuple[Counts, Timing]:
    """The same with the whole schedule in memory; masks : None where zeros make no difference."""
    schedule = generate_schedule(program)
    counts = with_links(program, count(program, schedule.sums, int(schedule.step_n.sum())), schedule.crossed)
    if masks is not None:
        counts = rewrite(program, schedule, masks, counts)
    if program.architecture.levels[0].dram is not None:
        counts = replace(counts, dram=dram.serve(program, schedule, program_order(program, schedule)))
    return _timed_counts(counts, *(run(program, schedule, processing) for processing in (False, True)))


def piece_by_piece(program: Program, masks: Masks | None) -> tuple[Counts, Timing] | None:
    """The same with no more of the schedule in memory than time asks for; None where zeros ask for all of it."""
    architecture, found = program.architecture, outline(program)
    edges, tables = found.tables.edges, found.tables
    counts = count(program, found.sums, found.compute_cycles)
    parts = pieces(program, found)
    if masks is not None:
        zeros = Zeros.of_pieces(program, masks, found)
        if zeros is None:
            return None
        parts = zeros.rewritten(parts)
    simulations = [
        Simulation(streams_in_time(program, edges, tables.labels, tables.uses_at, away), architecture, found.steps)
        for away in (False, True)
    ]
    simulate(found, parts, simulations)
    if masks is not None and zeros is not None:
        counts = zeros.recount(counts)
    total, processing = ((s.cycles, _label(architecture, edges, s.stalls)) for s in simulations)
    return _timed_counts(counts, total, processing)


def _timed_counts(
    counts: Counts, total: tuple[int, dict[str, int]], processing: tuple[int, dict[str, int]]
) -> tuple[Counts, Timing]:
    return counts, Timing(total[0], processing[0], counts.compute_cycles, total[1], processing[1])


def count(program: Program, sums: Ints, compute_cycles: int) -> Counts:
    """Lay out the streams' words, int64[stream, column]; operand reads inside the PE are one per MAC."""
    columns = np.zeros((len(program.edges), 3 * program.levels + 3), np.int64)
    x = 0
    for e, (_, parent, child, operand, _) in enumerate(program.edges):
        if operand and parent >= program.architecture.pe_level:
            columns[e, : 3 * (child - parent)] = program.problem.macs
        else:
            columns[e, : sums.shape[1]] = sums[x]
            x += 1
    return assemble(program, columns, compute_cycles)


@dataclass(frozen=True)
class Streams:
    """A machine's streams as `kernels.sweep` reads them, with or without the outermost level's transfers."""

    rows: Ints
    latency: Ints
    order: Ints
    serial: int
    names: list[str]
    uses_at: Ints
    ports: Ints
    kept: list[list[int]]
    skew_rows: int
    tail: int

    @property
    def ring(self) -> int:
        """Records kept of a stream: a power of two, for the kernel masks instead of dividing."""
        return 1 << (2 * int(self.rows[:, sweep_kernel.SLOTS].max(initial=1)) + 2).bit_length()


def streams_in_time(
    program: Program, edges: Ints, labels: list[list[tuple[str, bool]]], uses_at: Ints, processing: bool
) -> Streams:
    """Lay out the streams; `processing`: the outermost level's transfers take no time."""
    architecture = program.architecture
    n = len(edges)
    rows = np.zeros((n, 12), np.int64)
    latency = np.zeros((n, 2), np.int64)
    ranks = sorted(range(3), key=lambda t: (TENSORS[t] is not architecture.serial, t))
    serial = -1
    array = architecture.levels[architecture.pe_level - 1].fanout
    tail = architecture.pipeline + architecture.skew_cycles
    for x, (t, parent, child, operand, _) in enumerate(edges):
        tensor = TENSORS[t]
        buffer = buffering(architecture, int(child), tensor)
        innermost = not any(edges[y, 0] == t and edges[y, 2] > child for y in range(n))
        # how long the banks of a DRAM take follows from the order of its transfers, not the order from that
        skid = processing or parent > 0 or architecture.levels[0].dram is None
        rows[x] = (
            t, parent_stream(edges, x), _slots(architecture, edges[x], tail), buffer is Buffer.STREAM, innermost,
            psum_accumulates(architecture, edges[x]), processing and child == 1,
            ranks.index(int(t)), program.levels if innermost else child, 2 * x, 2 * x + 1, skid,
        )  # fmt: skip
        for way, old in enumerate((psum_accumulates(architecture, edges[x]), False)):
            latency[x, way] = latency_of(program, tensor, int(parent), int(child), old)
        if tensor is architecture.serial and innermost and not operand:
            serial = x
    if processing:
        for x in range(n):
            if rows[x, sweep_kernel.PARENT] >= 0 and rows[rows[x, sweep_kernel.PARENT], sweep_kernel.ABSENT]:
                rows[x, sweep_kernel.PARENT] = -1
    names = sorted({name for row in labels for name, _ in row})
    order = np.array(
        sorted(range(n), key=lambda x: (rows[x, sweep_kernel.DEPTH], rows[x, sweep_kernel.RANK])), np.int64
    )
    skew_rows = array.y if architecture.skew else 0
    left, ports, kept = _left(labels, names, uses_at, processing)
    return Streams(rows, latency, order, serial, names, left, ports, kept, skew_rows, tail)


def program_order(program: Program, schedule: Schedule) -> Ints:
    """int64[transfer], the outermost level's transfers in program order (2 * tensor + 1 for a drain).

    It is static: what other lengths they are given does not change it.
    """
    outermost = [x for x, edge in enumerate(schedule.edges) if edge[1] == 0]
    log = np.zeros(1 + 2 * int(schedule.number[outermost].sum()), np.int64)
    run(program, schedule, False, log)
    return log[1 : 1 + int(log[0])]


def run(program: Program, schedule: Schedule, processing: bool, log: Ints | None = None) -> tuple[int, dict[str, int]]:
    """Cycles and stalls, every step simulated; `processing`: the outermost level's transfers take no time.

    log : filled with the order of transfers, see `kernels.sweep.advance`.
    """
    architecture, edges = program.architecture, schedule.edges
    machine = streams_in_time(program, edges, schedule.uses, schedule.uses_at, processing)
    n = len(edges)
    stalls = np.zeros(2 * n + 3, np.int64)
    owners = np.repeat(np.arange(n), np.diff(schedule.start))
    cycles = sweep_kernel.sweep(
        schedule.steps, machine.rows, schedule.start, schedule.number, schedule.begin,
        folding.select(schedule.work, owners, machine.kept), schedule.back, schedule.tile, machine.uses_at,
        machine.ports, machine.latency, np.zeros(len(machine.names) + 1, np.int64), machine.order, machine.serial,
        architecture.lead, machine.skew_rows, machine.tail, schedule.step_n, schedule.step_phi,
        np.zeros((schedule.tiles, 3), np.int64), np.zeros((n, machine.ring, 25), np.int64), np.zeros((n, 5), np.int64),
        np.zeros(sweep_kernel.SCALARS, np.int64), stalls, 2 * n, np.zeros(1, np.int64) if log is None else log,
    )  # fmt: skip
    return int(cycles), _label(architecture, edges, stalls)


def run_folded(
    program: Program, folded: folding.Folded, processing: bool, look_up: bool = True
) -> tuple[int, dict[str, int], int]:
    """The same from a list of bodies; (cycles, stalls, bodies simulated). `look_up`: simulate equal bodies once."""
    architecture, edges = program.architecture, folded.tables.edges
    machine = streams_in_time(program, edges, folded.tables.labels, folded.tables.uses_at, processing)
    cycles, stalls, simulated = folding.run(
        folded, machine.rows, machine.uses_at, machine.kept, machine.ports, machine.latency, machine.order,
        machine.serial, architecture.lead, machine.skew_rows, machine.tail, len(machine.names), machine.ring, look_up,
    )  # fmt: skip
    return cycles, _label(architecture, edges, stalls), simulated


def _slots(architecture: Architecture, edge: Ints, tail: int) -> int:
    """Tiles a stream's child holds; a psum register also frees what is on its way through the pipeline or array."""
    t, _, child, operand, _ = (int(v) for v in edge)
    slots = 2 if buffering(architecture, child, TENSORS[t]) is Buffer.DOUBLE else 1
    return slots + tail if operand and t == PSUM else slots


def _left(
    labels: list[list[tuple[str, bool]]], names: list[str], uses_at: Ints, processing: bool
) -> tuple[Ints, Ints, list[list[int]]]:
    """Drop the outermost level's ports where they take no time; (uses_at, ports, the port columns left)."""
    ports = np.zeros((len(labels), max([len(row) for row in labels] + [1])), np.int64)
    left, kept = uses_at.copy(), []
    for x, row in enumerate(labels):
        keep = [slot for slot, (_, outermost) in enumerate(row) if not (processing and outermost)]
        for new, old in enumerate(keep):
            ports[x, new] = names.index(row[old][0])
        for activity in range(2):
            first, slots = uses_at[x, activity]
            mine = [i for i, slot in enumerate(keep) if first <= slot < first + slots]
            left[x, activity] = (mine[0] if mine else 0), len(mine)
        kept.append(keep)
    return left, ports, kept


def _label(architecture: Architecture, edges: Ints, stalls: Ints) -> dict[str, int]:
    names = [spec.name for spec in architecture.levels] + ["PE"]
    labels = []
    for t, parent, child, _, _ in edges:
        for arrow in ("->", "<-"):
            labels.append(f"{names[parent]}{arrow}{names[child]} {TENSORS[t].value}")
    labels += ["fill", "drain", "pipeline"]
    return {label: int(cycles) for label, cycles in zip(labels, stalls, strict=True) if cycles}
