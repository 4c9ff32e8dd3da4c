"""A dense schedule rewritten for zeros: other steps, other words; time is simulated afterwards as ever."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from accelsim.engine.assemble import DRAIN, FILL, READ, UPDATE
from accelsim.engine.compression import Coder, Recoded, recount, streams
from accelsim.engine.counts import Counts, Encoded
from accelsim.engine.program import DRAIN_ACTIVITY, PSUM, Ints, Program
from accelsim.engine.schedule import Schedule, psum_accumulates
from accelsim.engine.zeros import Lengths, Slots
from accelsim.sparsity.masks import Masks
from accelsim.workload.problem import TENSORS, Tensor


def rewrite(program: Program, schedule: Schedule, masks: Masks, counts: Counts) -> Counts:
    """Change a schedule in place, and return the counts, to what zeros leave of them (docs/model.md, "Zeros")."""
    masks.check(program.problem)
    sparsity = program.architecture.sparsity
    counts = replace(counts, words=counts.words.copy(), network=counts.network.copy())
    slots = Slots(program, masks) if sparsity.skip or sparsity.gate else None
    if slots and sparsity.skip:
        lengths = Lengths(program, masks, slots)
        schedule.step_n[:] = lengths.of_steps(schedule.steps, pass_starts(program, schedule))
        schedule.step_phi[:] = schedule.step_n
        counts = replace(counts, compute_cycles=int(schedule.step_n.sum()), busy=lengths.busy)
    if slots:
        counts = _operands(program, schedule, slots, counts)
    if any(level.compression for level in program.architecture.levels):
        counts = _encode(program, schedule, masks, counts)
    return counts


def pass_starts(program: Program, schedule: Schedule) -> Ints:
    """First steps of the passes of serial passes; of the layer without them."""
    serial = program.architecture.serial
    if serial is None:
        return np.zeros(1, np.int64)
    x = max(x for x, edge in enumerate(schedule.edges) if TENSORS[edge[0]] is serial and not edge[3])
    return schedule.begin[schedule.start[x] : schedule.start[x] + schedule.number[x]]


def _operands(program: Program, schedule: Schedule, slots: Slots, counts: Counts) -> Counts:
    """Reads and updates inside the PEs: one per slot that gets that far."""
    inside = {TENSORS[e[0]]: int(e[1]) for e in program.edges if e[3] and int(e[1]) >= program.architecture.pe_level}
    for tensor, level in inside.items():
        cell = counts.words[level, TENSORS.index(tensor)]
        if tensor is Tensor.PSUM:
            fresh = int(cell[DRAIN] - cell[FILL]) if level else program.problem.words(Tensor.PSUM)
            cell[UPDATE] = slots.effectual + slots.idle_first_slots(*fresh_versions(program, schedule), fresh)
            cell[READ] = cell[UPDATE] - fresh
        else:
            cell[READ] = slots.reads(tensor)
    return replace(counts, visited=slots.visited, effectual=slots.effectual)


def fresh_versions(program: Program, schedule: Schedule) -> tuple[npt.NDArray[np.uint8], Ints]:
    """(uint8[version, pe class], first steps): whether words of a version of the innermost psum start from nothing.

    Classes are those of `zeros.pe_offsets`. A child is refilled if it is the one at index 0 of what its parent's
    network adds, and the parent holds the word: it was itself refilled, or drained into since.
    """
    edges = schedule.edges
    chain = [x for x in range(len(edges)) if edges[x, 0] == PSUM]
    if not chain:
        # the outermost level is the PE: one version, of the whole layer
        return np.ones((1, 2), np.uint8), np.zeros(1, np.int64)
    classes = np.arange(1 << sum(1 for e in program.edges if e[0] == PSUM))
    held: npt.NDArray[np.bool_] | None = None
    above: Ints | None = None
    for i, x in enumerate(chain):
        rows = slice(int(schedule.start[x]), int(schedule.start[x] + schedule.number[x]))
        begin, back = schedule.begin[rows], schedule.back[rows]
        earlier = back >= 0
        exists = np.repeat(earlier[:, None], len(classes), axis=1)
        if above is not None and held is not None:
            serving = np.searchsorted(above, begin, side="right") - 1
            earlier &= begin[np.maximum(back, 0)] >= above[serving]
            exists = earlier[:, None] | held[serving]
        accumulates = psum_accumulates(program.architecture, edges[x].tolist())
        held = exists & ((classes >> i) & 1).astype(bool)[None, :] & (not accumulates)
        above = begin
    assert held is not None
    assert above is not None
    return (~held).astype(np.uint8), np.ascontiguousarray(above)


def _encode(program: Program, schedule: Schedule, masks: Masks, counts: Counts) -> Counts:
    coder = Coder(program, masks)
    told: list[Encoded] = []
    listed = streams(schedule.edges, schedule.start, schedule.number, schedule.begin, schedule.final)
    for x, stream in enumerate(listed):
        recoded = coder.recode(stream)
        if recoded is not None:
            told += recoded.encoded
            _rewrite_work(schedule, x, recoded)
            recount(program, stream, recoded, counts)
    return replace(counts, encoded=tuple(told))


def _rewrite_work(schedule: Schedule, x: int, recoded: Recoded) -> None:
    """Cycles on the ports that carry encoded words; old psums (P) and refills are raw."""
    rows = slice(int(schedule.start[x]), int(schedule.start[x] + schedule.number[x]))
    for u, (numerator, denominator) in enumerate(schedule.rates):
        stream, column, first_of_stream, activity = (int(v) for v in schedule.use_rows[u])
        if stream != x or column not in recoded.columns:
            continue
        if schedule.edges[x, 0] == PSUM and activity != DRAIN_ACTIVITY:
            continue
        words = recoded.columns[column]
        schedule.work[rows, u - first_of_stream] = (words * numerator + denominator - 1) // denominator
