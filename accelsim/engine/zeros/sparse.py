"""A dense schedule rewritten for zeros, window by window: other steps, other words; time is simulated as ever."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from accelsim.engine.counts import Counts
from accelsim.engine.program import DRAIN_ACTIVITY, OPERAND, PSUM, Ints, Program
from accelsim.engine.timing.schedule import Schedule
from accelsim.engine.timing.windows import Outline, Window, first_steps
from accelsim.engine.words.assemble import DRAIN, FILL, READ, UPDATE
from accelsim.engine.zeros.compression import Coder, Recoded, streams
from accelsim.engine.zeros.fresh import IdleFirstSlots, psums_start_afresh
from accelsim.engine.zeros.slots import Lengths, Slots, operands_inside
from accelsim.sparsity.masks import Masks
from accelsim.workload.problem import TENSORS, Tensor


def slots_of(program: Program, masks: Masks) -> Slots | None:
    """What zeros leave of the MACs; None on a machine that carries all of them out."""
    masks.check(program.problem)
    sparsity = program.architecture.sparsity
    return Slots(program, masks) if sparsity.skip or sparsity.gate else None


class Zeros:
    """What zeros leave of a layer whose schedule comes in windows.

    firsts : taps that every version of the innermost psum begins with, idle : counts first slots that multiply nothing
    where versions differ; each where it is needed.
    """

    def __init__(self, program: Program, masks: Masks, found: Outline) -> None:
        self.program, self.slots, edges = program, slots_of(program, masks), found.tables.edges
        self.firsts: npt.NDArray[np.bool_] | None = None
        self.idle: IdleFirstSlots | None = None
        if self.slots and Tensor.PSUM in operands_inside(program):
            psums = [x for x in range(len(edges)) if edges[x, 0] == PSUM]
            if psums_start_afresh(program, found):
                self.firsts = self.slots.first_taps(int(found.number[psums[-1]]) if psums else 1)
            if self.firsts is None:
                self.idle = IdleFirstSlots(program, self.slots, edges)
        skips, drifts = program.architecture.sparsity.skip, program.architecture.sparsity.drift > 1
        self.lengths = Lengths(program, masks, self.slots) if self.slots and skips else None
        begins = pass_starts(program, found) if drifts and self.lengths else np.zeros(1, np.int64)
        self.cycles = self.lengths.of_steps(found.steps, begins) if self.lengths else None
        compressed = any(level.compression for level in program.architecture.levels)
        self.coder = Coder(program, masks) if compressed else None

    def rewritten(self, parts: Iterable[Window]) -> Iterator[Window]:
        """The windows, rewritten as they come."""
        for window in parts:
            if self.idle:
                self.idle.take(window)
            self.rewrite(window.schedule, window.first)
            yield window

    def rewrite(self, schedule: Schedule, first: int) -> None:
        """Change the next steps, of which `first` is the first, and versions in place."""
        if self.cycles is not None:
            schedule.step_n[:] = self.cycles[first : first + len(schedule.step_n)]
            schedule.step_phi[:] = schedule.step_n
        if self.coder is None:
            return
        listed = streams(schedule.edges, schedule.start, schedule.number, schedule.begin, schedule.final)
        for x, stream in enumerate(listed):
            recoded = self.coder.recode(stream)
            if recoded is not None:
                _rewrite_work(schedule, x, recoded)

    def recount(self, counts: Counts) -> Counts:
        """The counts of the whole layer."""
        narrow = None if counts.narrow is None else counts.narrow.copy()
        counts = replace(counts, words=counts.words.copy(), network=counts.network.copy(), narrow=narrow)
        if self.lengths and self.cycles is not None:
            counts = replace(counts, compute_cycles=int(self.cycles.sum()), busy=self.lengths.busy)
        if self.slots:
            counts = self._operands(self.slots, counts)
        return self.coder.finish(counts) if self.coder else counts

    def _operands(self, slots: Slots, counts: Counts) -> Counts:
        """Reads and updates inside the PEs: one per slot that gets that far."""
        for tensor, level in operands_inside(self.program).items():
            cell = counts.words[level, TENSORS.index(tensor)]
            if tensor is Tensor.PSUM:
                fresh = int(cell[DRAIN] - cell[FILL]) if level else self.program.problem.words(Tensor.PSUM)
                idle = self.idle.idle if self.idle else 0 if self.firsts is None else slots.idle_at(self.firsts, fresh)
                cell[UPDATE] = slots.effectual + idle
                cell[READ] = cell[UPDATE] - fresh
            else:
                cell[READ] = slots.reads(tensor)
        return replace(counts, visited=slots.visited, effectual=slots.effectual)


def pass_starts(program: Program, found: Outline) -> Ints:
    """First steps of the passes of serial passes; of the layer without them."""
    serial = program.architecture.serial
    if serial is None:
        return np.zeros(1, np.int64)
    kept = [x for x, e in enumerate(found.tables.edges) if TENSORS[e[0]] is serial and e[3] != OPERAND]
    return first_steps(program, found, kept[-1])


def _rewrite_work(schedule: Schedule, x: int, recoded: Recoded) -> None:
    """Cycles on the ports that carry encoded words; old psums (P) and refills are raw."""
    rows = schedule.rows(x)
    for u, (numerator, denominator, narrow, _) in enumerate(schedule.ports.rates):
        stream, column, first_of_stream, activity = (int(v) for v in schedule.ports.rows[u])
        if stream != x or column not in recoded.columns:
            continue
        if schedule.edges[x, 0] == PSUM and activity != DRAIN_ACTIVITY:
            continue
        words = recoded.columns[column]
        numerator = np.where(schedule.final[rows], narrow, numerator)
        schedule.work[rows, u - first_of_stream] = (words * numerator + denominator - 1) // denominator
