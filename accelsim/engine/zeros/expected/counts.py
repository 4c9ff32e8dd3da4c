"""Expected counts of a layer under densities: the closed form's dense counts rewritten, as `sparse` does for masks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from accelsim.architecture.model import Format
from accelsim.engine.counts import Counts, Encoded
from accelsim.engine.program import PSUM, Ints, Program, accumulates
from accelsim.engine.words.assemble import DRAIN, FILL, READ, UPDATE, operand_reads
from accelsim.engine.zeros.compression import CHANNEL_AXIS, Recoded, Stream, formats_of, recount
from accelsim.engine.zeros.expected.laws import Laws
from accelsim.engine.zeros.expected.slots import cycles, idle_first_slots
from accelsim.engine.zeros.expected.transfers import Kinds, Transfers, lengths, stored
from accelsim.engine.zeros.expected.words import transfer_words
from accelsim.mapping.finals import WIDE
from accelsim.sparsity.expected import Law, effectual
from accelsim.workload.problem import TENSORS, Tensor

NONE = np.zeros(0, np.int64)
"""The closed form lists no versions."""


def rewrite(
    program: Program, laws: Laws, counts: Counts, columns: Ints, finals: Ints | None
) -> tuple[Counts, Ints, Ints | None]:
    """(expected counts, edge columns for the bound on cycles), each rounded to whole words; cycles rounded down.

    finals : the columns of drains that are narrowed, which come third.

    Exact are all linear counts: slots, reads, updates, and words on average over transfers without padding, each
    encoded in its own clipped or sliding shape. `words` says what is not where a transfer has padding,
    `slots` what the bound on compute cycles leaves out, `Laws.of` what holds for patterns and blocks.
    """
    sparsity = program.architecture.sparsity
    narrow, finals = (None if found is None else found.copy() for found in (counts.narrow, finals))
    counts = replace(counts, words=counts.words.copy(), network=counts.network.copy(), narrow=narrow)
    columns = columns.copy()
    if sparsity.skip:
        bound, everything = cycles(program, laws)
        counts = replace(counts, compute_cycles=int(bound), busy=round(everything))
    if sparsity.skip or sparsity.gate:
        counts = _operands(program, laws, counts)
    coder = ExpectedCoder(program, laws)
    encoded: list[Encoded] = []
    for index in np.flatnonzero(program.timed).tolist():
        edge, row = program.edges[index], columns[index]
        recoded = coder.recode(edge, row)
        if recoded is not None:
            _, parent, child, register, reuse = (int(v) for v in edge)
            stream = Stream(TENSORS[edge[0]], parent, child, bool(register), bool(reuse), NONE, NONE.astype(np.uint8))
            recount(program, stream, recoded, counts)
            encoded += recoded.encoded
            for column, words in recoded.columns.items():
                if finals is not None:
                    finals[index, column] += int(words.sum()) - row[column]
                row[column] = int(words.sum())
    return replace(counts, encoded=tuple(encoded)), columns, finals


def _operands(program: Program, laws: Laws, counts: Counts) -> Counts:
    """Reads and updates inside the PEs, as `zeros.slots` counts them."""
    problem, sparsity = program.problem, program.architecture.sparsity

    def slots(looked_at: frozenset[Tensor]) -> float:
        return effectual(problem, *(laws.law(t) if t in looked_at else None for t in (Tensor.IFMAP, Tensor.FILTER)))

    for edge in program.edges[~program.timed]:
        t, level = int(edge[0]), int(edge[1])
        cell = counts.words[level, t]
        if t != PSUM:
            before = sparsity.before_reading(TENSORS[t])
            reads: float = operand_reads(program, t, level)
            if Tensor.IFMAP in before:  # which is no padding then
                reads = slots(before)
            elif Tensor.FILTER in before:
                reads *= laws.law(Tensor.FILTER).probability
            cell[READ] = round(reads)
            continue
        cell[UPDATE] = round(slots(sparsity.matters) + idle_first_slots(program, laws, sparsity.matters))
        cell[READ] = cell[UPDATE] - (cell[DRAIN] - cell[FILL] if level else problem.words(Tensor.PSUM))
    return replace(counts, visited=round(slots(sparsity.skip)), effectual=round(slots(sparsity.matters)))


class ExpectedCoder:
    """Expected words of one layer's streams, for levels that store encoded: the closed form of `compression.Coder`.

    Sums of a psum tile are taken to be complete when it is drained last for all tiles alike: what nested loops over
    M, P or Q clipped to different lengths do to the visits of the last tiles is left out (some words of their drains).
    """

    def __init__(self, program: Program, laws: Laws) -> None:
        self.program, self.laws = program, laws
        self.levels = program.architecture.levels
        self.last: dict[int, tuple[bool, dict[int, int]]] = {}

    def recode(self, edge: Ints, row: Ints) -> Recoded | None:
        """Expected words of a stream's transfers; None if none of them is encoded. row : its dense columns."""
        tensor, parent, child = TENSORS[edge[0]], int(edge[1]), int(edge[2])
        above, below = formats_of(self.program, tensor, parent, child, self.laws.raw_ifmap)
        if tensor is Tensor.PSUM:
            return self._psum(Transfers(self.program, edge), row, above, below)
        if above is None and below is None:
            return None
        return self._input(Transfers(self.program, edge), above, below)

    def _input(self, transfers: Transfers, above: Format | None, below: Format | None) -> Recoded:
        parent, child, t = transfers.parent, transfers.child, transfers.tensor
        sums: dict[int, int] = {}
        fills, encoded = None, []
        hidden = self.program.on_chip and parent == 0
        if above is not None:
            for f in range(parent, child):
                low, j, without = f + bool(self.program.unicast[t, f]), 3 * (f - parent), hidden and f == 0
                sent = transfers.of(low, f, without, False)
                sums[j] = self._words(t, sent, above)
                sums[j + 1] = self._words(t, transfers.of(low, f, without, True), above)
                sums[j + 2] = self._words(t, transfers.of(f + 1, f + 1, False, False), above)
                if j == 0:
                    encoded.append(self._encoded(t, parent, "read", sent, above))
            wanted = transfers.of(parent + 1, parent + 1, hidden, False)
            sums[3 * (child - parent) + 1] = self._words(t, wanted, above)
        if below is not None:
            own = transfers.of(child, child, False, False)
            fills = np.array([self._words(t, own, below)])
            sums[3 * (child - parent)] = self._words(t, transfers.of(child, child, False, True), below)
            encoded.append(self._encoded(t, child, "fill", own, below))
        return Recoded({column: np.array([words]) for column, words in sums.items()}, fills, tuple(encoded))

    def _psum(self, transfers: Transfers, row: Ints, above: Format | None, below: Format | None) -> Recoded | None:
        """Drains whose sums are complete, that is the last of each tile, encoded; the others as they were."""
        parent, child = transfers.parent, transfers.child
        arrives, leaves = self._complete(transfers)
        drained = 3 * (child - parent)
        sums: dict[int, int] = {}
        fills, encoded = None, []
        finals = self.program.finals.get((parent, child), WIDE)
        if above is not None and arrives:
            every, first = (transfers.of(parent, parent, False, busiest) for busiest in (False, True))
            more = self._words(PSUM, every, above, finals.arrives) - _raw(every)
            sums = {0: int(row[0]) + more, 2: int(row[2]) + more}
            sums[1] = int(row[1]) + self._words(PSUM, first, above, finals.arrives) - _raw(first)
            encoded.append(self._encoded(PSUM, parent, "update", every, above, finals.arrives))
        if below is not None and leaves:
            every, first = (transfers.of(child, child, False, busiest) for busiest in (False, True))
            fills = np.array([int(row[drained - 1]) + self._words(PSUM, every, below, finals.leaves) - _raw(every)])
            sums[drained] = int(row[drained]) + self._words(PSUM, first, below, finals.leaves) - _raw(first)
            encoded.append(self._encoded(PSUM, child, "drain", every, below, finals.leaves))
        if not encoded:
            return None
        return Recoded({column: np.array([words]) for column, words in sums.items()}, fills, tuple(encoded))

    def _complete(self, transfers: Transfers) -> tuple[bool, bool]:
        """Whether the last drains of tiles are complete as they arrive, and as they leave the child."""
        parent, child = transfers.parent, transfers.child
        before, base = self.last.get(parent, (True, transfers.reduction))
        has = parent == self.program.top or (before and not self._several(base, 0, parent, False))
        merged = not accumulates(self.program.architecture, parent, child)
        holds = not any(transfers.reduction.values()) or (merged and has)
        self.last[child] = holds, transfers.reduction
        arrives = has and not self._several(transfers.reduction, parent, child, True)
        return arrives, holds and not self._several(transfers.reduction, 0, child, False)

    def _several(self, base: dict[int, int], low: int, high: int, unmerged: bool) -> bool:
        """Whether parts of a sum lie at several instances: spatial reduction loops of levels low <= level < high."""
        return any(
            base[dim] + step < self.program.bounds[dim]
            for dim, _, kind, level, step in self.program.loops
            if kind == 1 and dim in base and low <= level < high
            if not (unmerged and self.program.merge[PSUM, level, dim])
        )

    def _words(self, t: int, kinds: Kinds, form: Format, narrow: bool = False) -> int:
        return round(sum(number * self._mean(t, shape, form, narrow) for shape, number in kinds.items()))

    def _mean(self, t: int, shape: tuple[int | bytes, ...], form: Format, narrow: bool) -> float:
        architecture = self.program.architecture
        bits = architecture.final_bits if narrow else architecture.moved_bits[TENSORS[t]]
        return transfer_words(form, shape, bits, CHANNEL_AXIS[TENSORS[t]], self._law(t))

    def _law(self, t: int) -> Law:
        return self.laws.law(TENSORS[t])

    def _encoded(self, t: int, level: int, action: str, kinds: Kinds, form: Format, narrow: bool = False) -> Encoded:
        here = sum(number * stored(shape) for shape, number in kinds.items())
        nonzero = round(here * self._law(t).probability)
        name = self.levels[level].name
        return Encoded(
            name, TENSORS[t].value, action, form.value, _raw(kinds), nonzero, self._words(t, kinds, form, narrow)
        )


def _raw(kinds: Kinds) -> int:
    return sum(number * int(np.prod(lengths(shape), dtype=object)) for shape, number in kinds.items())
