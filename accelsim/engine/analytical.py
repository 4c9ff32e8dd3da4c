"""The closed form: exact counts of a dense layer, expected ones under densities, and a lower bound on its cycles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from accelsim.architecture.model import NetworkKind
from accelsim.engine.counts import ACTIONS, TRAFFIC, Counts, Timing, Words
from accelsim.engine.kernels.closed import all_edges, compute_cycles
from accelsim.engine.program import PSUM, Ints, Program, accumulates, active_pes, ports_of
from accelsim.workload.problem import TENSORS, Tensor

if TYPE_CHECKING:
    from accelsim.engine.expected.laws import Laws

FILL, READ, UPDATE, DRAIN = range(len(ACTIONS))


def edge_columns(program: Program) -> Ints:
    """int64[edge, column], words of a whole layer (see kernels/tiles.py for the columns)."""
    out = np.zeros((len(program.edges), 3 * program.levels + 3), np.int64)
    all_edges(
        program.loops, program.edges, program.size8, program.axes, program.unicast, program.merge,
        program.on_chip, program.levels, out,
    )  # fmt: skip
    return out


def evaluate(program: Program, laws: Laws | None = None) -> tuple[Counts, Timing]:
    """Counts, exact; cycles, a lower bound (docs/model.md, T13).

    laws : how the operands' non-zeros are placed, on a machine that makes something of zeros; None: dense. Counts are
    then those to be expected (`expected`), and cycles bound the mean over all placements, not every one.
    """
    columns = edge_columns(program)
    compute = compute_cycles(program.loops, program.inside, program.size8, program.architecture.macs_per_cycle)
    counts = assemble(program, columns, int(compute))
    if laws is not None and program.architecture.sees_zeros:
        # built on this module
        from accelsim.engine.expected.counts import rewrite

        counts, columns = rewrite(program, laws, counts, columns)
    total = lower_bound(program, columns, counts, processing=False)
    processing = lower_bound(program, columns, counts, processing=True)
    return counts, Timing(total, processing, counts.compute_cycles, {}, {}, exact=False)


def assemble(program: Program, columns: Ints, compute: int) -> Counts:
    """Turn edge columns into labelled counts; psum reads follow from the identity read = update - (drain - fill)."""
    architecture, levels = program.architecture, program.levels
    words: Words = np.zeros((levels, 3, len(ACTIONS)), np.int64)
    network: Words = np.zeros((levels, 3, 2, len(TRAFFIC)), np.int64)
    for edge, row in zip(program.edges, columns, strict=True):
        t, parent, child, operand = (int(v) for v in edge[:4])
        arrived = row[3 * (child - parent) - 1]
        on_network = not operand or parent < architecture.pe_level
        if t == PSUM:
            words[parent, t, UPDATE] = row[0]
            if parent == 0:
                words[parent, t, READ] = row[0] - program.problem.words(Tensor.PSUM)
            else:
                words[parent, t, READ] = row[0] - (words[parent, t, DRAIN] - words[parent, t, FILL])
            back = words[parent, t, READ]
            if not operand:
                words[child, t, DRAIN] = arrived
                words[child, t, FILL] = 0 if accumulates(architecture, parent, child) else back
            if on_network:
                network[parent:child, t, 0, :] = back
        else:
            words[parent, t, READ] = row[0]
            if not operand:
                words[child, t, FILL] = arrived
        if on_network:
            for f in range(parent, child):
                j = 3 * (f - parent)
                kind = architecture.levels[f].fanout.network(TENSORS[t]).kind
                delivered = row[3 * (child - parent) + 1] if f == 0 and t != PSUM else row[j + 2]
                network[f, t, int(t == PSUM)] = row[j], delivered, hops(kind, row[j], delivered)
    return Counts(
        tuple(spec.name for spec in architecture.levels),
        words,
        network,
        program.problem.macs,
        compute,
        active_pes(architecture, program.nest, program.problem),
    )


def hops(kind: NetworkKind, sent: int, deliveries: int) -> int:
    """Links a network's words cross, or additions a tree makes (docs/model.md, T16)."""
    if kind in (NetworkKind.SYSTOLIC, NetworkKind.CHAIN):
        return deliveries
    return deliveries - sent if kind is NetworkKind.TREE else sent


def lower_bound(program: Program, columns: Ints, counts: Counts, processing: bool) -> int:
    """The busiest resource's cycles; with serial passes the stationary fills come on top (docs/model.md, T13).

    Only what feeds the PE is kept apart from them: the stationary fills of a pass come after all its C and drains of
    the pass before, and (lead) before all fills of their own.
    """
    architecture = program.architecture
    innermost = {int(edge[0]): index for index, edge in enumerate(program.edges) if takes_time(program, edge)}
    total: dict[str, int] = {}
    moving: dict[str, int] = {}
    serial = 0
    for index, (edge, row) in enumerate(zip(program.edges, columns, strict=True)):
        t, parent, child = (int(v) for v in edge[:3])
        if not takes_time(program, edge) or (processing and child == 1):
            continue
        tensor = TENSORS[t]
        # what is read back (psum, down) is bounded below by nothing here
        shares: dict[str, int] = {}
        for use in ports_of(architecture, tensor, parent, child, t == PSUM, False):
            if not (processing and use.outermost):
                cycles = use.port.cycles(max(int(row[use.column]), 0), architecture.word_bits[tensor])
                shares[use.port.name] = max(cycles, shares.get(use.port.name, 0))
        stationary = tensor is architecture.serial and t != PSUM
        for name, cycles in shares.items():
            total[name] = total.get(name, 0) + cycles
            if innermost[t] != index:
                continue
            if stationary:
                serial = max(serial, cycles)
            elif architecture.lead or t == PSUM:
                moving[name] = moving.get(name, 0) + cycles
    return max([serial + max([counts.compute_cycles, *moving.values()]), *total.values()])


def takes_time(program: Program, edge: Ints) -> bool:
    """Whether words on this edge are moved by activities: all but operand reads inside the PE."""
    return not edge[3] or int(edge[1]) < program.architecture.pe_level
