"""What a PE makes of its MAC slots: which it visits, what it reads there, and how long it takes."""

from __future__ import annotations

from collections import Counter

from accelsim.architecture.model import Format, Pairing
from accelsim.workload.problem import LOOP_DIMS, Tensor

from .formats import csc_entries
from .nest import Base, Instance, Walk, Word

OPERANDS = (Tensor.IFMAP, Tensor.FILTER)


def visit(walk: Walk, words: dict[Tensor, Word]) -> tuple[list[Tensor], bool]:
    """The operands a slot reads, in order, and whether it is effectual."""
    sparsity = walk.architecture.sparsity
    if any(tensor in sparsity.skip and not walk.nonzero(tensor, words[tensor]) for tensor in OPERANDS):
        return [], False
    read = []
    for tensor in OPERANDS:
        if tensor in sparsity.gate:
            read.append(tensor)
            if not walk.nonzero(tensor, words[tensor]):
                return read, False
    read += [tensor for tensor in OPERANDS if tensor not in sparsity.gate]
    return read, True


def slots_of(walk: Walk, step: int) -> dict[Instance, list[Base]]:
    """The slots of every PE in a step, in order."""
    bases = walk.iterations(step)
    shifted = {pe: [walk.shifted(base, pe) for base in bases] for pe in walk.instances(walk.depth)}
    return {pe: [here for here in there if walk.inside(here)] for pe, there in shifted.items()}


def cycles_of(walk: Walk, slots: list[Base]) -> int:
    """How long a PE takes for its slots of a step, left alone."""
    lanes, sparsity = walk.architecture.macs_per_cycle, walk.architecture.sparsity
    if not sparsity.skip:
        return max(turns_of(walk, slots), default=0)
    if sparsity.pairing is Pairing.OUTPUT:
        return by_output(walk, slots, lanes)
    return by_column(walk, slots, lanes)


def turns_of(walk: Walk, slots: list[Base]) -> list[int]:
    """In which cycle of a PE each MAC of its slots of a step is done, the first being 1.

    A multiplier has a cycle's sub-words from MACs that differ only in the dim they lie along, or from any; what goes
    together goes when the first of it would.
    """
    machine = walk.architecture
    mode = machine.mode
    multipliers: dict[object, int] = {}
    turns = []
    for slot in slots:
        for number, _ in enumerate(walk.macs(slot)):
            if mode.along:
                dim = LOOP_DIMS.index(mode.along)
                group = (slot[dim] - slots[0][dim]) // mode.macs
                mine: object = (*slot[:dim], group, *slot[dim + 1 :], number)
            else:
                mine = len(turns) // mode.macs
            taken = multipliers.setdefault(mine, len(multipliers))
            turns.append(taken // machine.macs_per_cycle + 1)
    return turns


def by_column(walk: Walk, slots: list[Base], lanes: int) -> int:
    """Each ifmap word (at each tap) goes through the filter words stored for it, as many at a time as there are
    lanes."""
    skip = walk.architecture.sparsity.skip
    columns: dict[tuple[int, ...], list[int]] = {}
    for n, g, m, *rest in slots:
        columns.setdefault((n, g, *rest), []).append(m)
    cycles = 0
    for (n, g, *rest), channels in columns.items():
        words = [walk.operands((n, g, m, *rest)) for m in sorted(channels)]
        if Tensor.IFMAP in skip and not walk.nonzero(Tensor.IFMAP, words[0][Tensor.IFMAP]):
            continue
        flags = [walk.nonzero(Tensor.FILTER, one[Tensor.FILTER]) for one in words]
        stored = stored_words(walk, flags) if Tensor.FILTER in skip else [True for _ in flags]
        while stored:
            stored = stored[lanes:]
            cycles += 1
    return cycles


def stored_words(walk: Walk, flags: list[bool]) -> list[bool]:
    """A filter column as a PE that skips finds it: non-zero words, and in CSC placeholders (false) between them."""
    keeper = walk.architecture.levels[walk.keepers[Tensor.FILTER][-1]]
    if keeper.compression.get(Tensor.FILTER) is Format.CSC:
        return [nonzero for _, nonzero in csc_entries(flags)]
    return [flag for flag in flags if flag]


def by_output(walk: Walk, slots: list[Base], lanes: int) -> int:
    """Each lane works through the effectual pairs of an output channel of its own."""
    pairs: Counter[tuple[int, ...]] = Counter()
    for slot in slots:
        n, g, m, _, p, q, *_ = slot
        pairs[n, g, p, q, m] += visit(walk, walk.operands(slot))[1]
    places = sorted({(n, g, p, q) for n, g, _, _, p, q, *_ in slots})
    channels = sorted({slot[2] for slot in slots})
    rounds = []
    for place in places:
        for first in range(0, len(channels), lanes):
            taken = [pairs[(*place, m)] for m in channels[first : first + lanes]]
            rounds.append(taken + [0] * (lanes - len(taken)))
    ends = round_ends(rounds, walk.architecture.sparsity.queue)
    return ends[-1] if ends else 0


def round_ends(rounds: list[list[int]], apart: int) -> list[int]:
    """When each round is over for all workers, cycle by cycle.

    `rounds[b][w]` is the work of worker w in round b, a unit per cycle. A worker may be in round b once everybody has
    finished round b - apart. A round without work is finished as it begins.
    """
    finished = [0] * len(rounds[0]) if rounds else []
    left = [list(work) for work in rounds]
    ends: list[int] = []
    cycle = 0
    while len(ends) < len(rounds):
        settled = False
        while not settled:
            settled = True
            for worker, at in enumerate(finished):
                if at < len(rounds) and at < min(finished) + apart and left[at][worker] == 0:
                    finished[worker] += 1
                    settled = False
        ends += [cycle] * (min(finished) - len(ends))
        for worker, at in enumerate(finished):
            if at < len(rounds) and at < min(finished) + apart:
                left[at][worker] -= 1
        cycle += 1
    return ends
