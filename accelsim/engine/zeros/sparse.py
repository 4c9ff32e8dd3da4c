"""A dense schedule rewritten for zeros, piece by piece: other steps, other words; time is simulated as ever."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt

from accelsim.engine.counts import Counts
from accelsim.engine.program import DRAIN_ACTIVITY, PSUM, Ints, Program
from accelsim.engine.timing.pieces import Outline, Piece
from accelsim.engine.timing.schedule import Schedule, psum_accumulates
from accelsim.engine.words.assemble import DRAIN, FILL, READ, UPDATE
from accelsim.engine.zeros.compression import Coder, Recoded, streams
from accelsim.engine.zeros.slots import Lengths, Slots, operands_inside
from accelsim.sparsity.masks import Masks
from accelsim.workload.problem import TENSORS, Tensor


def rewrite(program: Program, schedule: Schedule, masks: Masks, counts: Counts) -> Counts:
    """Change a schedule in place, and return the counts, to what zeros leave of them (docs/model.md, "Zeros")."""
    slots = slots_of(program, masks)
    zeros = Zeros(
        program, masks, slots, schedule.steps, pass_starts(program, schedule),
        lambda words: slots.idle_first_slots(*fresh_versions(program, schedule), words) if slots else 0,
    )  # fmt: skip
    zeros.rewrite(schedule, 0)
    return zeros.recount(counts)


def slots_of(program: Program, masks: Masks) -> Slots | None:
    """What zeros leave of the MACs; None on a machine that carries all of them out."""
    masks.check(program.problem)
    sparsity = program.architecture.sparsity
    return Slots(program, masks) if sparsity.skip or sparsity.gate else None


class Zeros:
    """What zeros leave of a layer whose schedule comes in pieces.

    begins : first steps of the passes; only PEs that drift apart ask for them.
    idle : gives `Slots.idle_first_slots` of so many fresh words.
    """

    def __init__(
        self, program: Program, masks: Masks, slots: Slots | None, steps: int, begins: Ints, idle: Callable[[int], int]
    ) -> None:
        self.program, self.slots, self.idle = program, slots, idle
        self.lengths = Lengths(program, masks, slots) if slots and program.architecture.sparsity.skip else None
        self.cycles = self.lengths.of_steps(steps, begins) if self.lengths else None
        compressed = any(level.compression for level in program.architecture.levels)
        self.coder = Coder(program, masks) if compressed else None

    @staticmethod
    def of_pieces(program: Program, masks: Masks, found: Outline) -> Zeros | None:
        """Of a schedule that is never there as a whole; None if psums make it needed. PEs do not drift apart."""
        slots, edges = slots_of(program, masks), found.tables.edges
        idle: Callable[[int], int] = int
        if slots and Tensor.PSUM in operands_inside(program):
            psums = [x for x in range(len(edges)) if edges[x, 0] == PSUM]
            firsts = slots.first_taps(int(found.number[psums[-1]]) if psums else 1)
            if firsts is None or not psums_start_afresh(program, edges, found.taken_up):
                return None
            idle = partial(slots.idle_at, firsts)
        return Zeros(program, masks, slots, found.steps, np.zeros(1, np.int64), idle)

    def rewritten(self, parts: Iterable[Piece]) -> Iterator[Piece]:
        """The pieces, rewritten as they come."""
        for piece in parts:
            self.rewrite(piece.schedule, piece.first)
            yield piece

    def rewrite(self, piece: Schedule, first: int) -> None:
        """Change the next steps, of which `first` is the first, and versions in place."""
        if self.cycles is not None:
            piece.step_n[:] = self.cycles[first : first + len(piece.step_n)]
            piece.step_phi[:] = piece.step_n
        if self.coder is None:
            return
        listed = streams(piece.edges, piece.start, piece.number, piece.begin, piece.final)
        for x, stream in enumerate(listed):
            recoded = self.coder.recode(stream)
            if recoded is not None:
                _rewrite_work(piece, x, recoded)

    def recount(self, counts: Counts) -> Counts:
        """The counts of the whole layer."""
        narrow = None if counts.narrow is None else counts.narrow.copy()
        counts = replace(counts, words=counts.words.copy(), network=counts.network.copy(), narrow=narrow)
        if self.lengths and self.cycles is not None:
            counts = replace(counts, compute_cycles=int(self.cycles.sum()), busy=self.lengths.busy)
        if self.slots:
            counts = _operands(self.program, self.slots, counts, self.idle)
        return self.coder.finish(counts) if self.coder else counts


def pass_starts(program: Program, schedule: Schedule) -> Ints:
    """First steps of the passes of serial passes; of the layer without them."""
    serial = program.architecture.serial
    if serial is None:
        return np.zeros(1, np.int64)
    x = max(x for x, edge in enumerate(schedule.edges) if TENSORS[edge[0]] is serial and not edge[3])
    return schedule.begin[schedule.start[x] : schedule.start[x] + schedule.number[x]]


def _operands(program: Program, slots: Slots, counts: Counts, idle: Callable[[int], int]) -> Counts:
    """Reads and updates inside the PEs: one per slot that gets that far."""
    for tensor, level in operands_inside(program).items():
        cell = counts.words[level, TENSORS.index(tensor)]
        if tensor is Tensor.PSUM:
            fresh = int(cell[DRAIN] - cell[FILL]) if level else program.problem.words(Tensor.PSUM)
            cell[UPDATE] = slots.effectual + idle(fresh)
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


def psums_start_afresh(program: Program, edges: Ints, taken_up: Ints) -> bool:
    """Whether no version of the innermost psum finds words of its own: what `fresh_versions` would say of all.

    taken_up : int64[x], versions of a stream that take up sums which the parent's version holds.
    """
    held = False
    for x in (x for x in range(len(edges)) if edges[x, 0] == PSUM):
        held = (held or bool(taken_up[x])) and not psum_accumulates(program.architecture, edges[x])
    return not held


def _rewrite_work(schedule: Schedule, x: int, recoded: Recoded) -> None:
    """Cycles on the ports that carry encoded words; old psums (P) and refills are raw."""
    rows = slice(int(schedule.start[x]), int(schedule.start[x] + schedule.number[x]))
    for u, (numerator, denominator, narrow) in enumerate(schedule.rates):
        stream, column, first_of_stream, activity = (int(v) for v in schedule.use_rows[u])
        if stream != x or column not in recoded.columns:
            continue
        if schedule.edges[x, 0] == PSUM and activity != DRAIN_ACTIVITY:
            continue
        words = recoded.columns[column]
        numerator = np.where(schedule.final[rows], narrow, numerator)
        schedule.work[rows, u - first_of_stream] = (words * numerator + denominator - 1) // denominator
