"""Edge columns become labelled counts, for either evaluator."""

from __future__ import annotations

import numpy as np

from accelsim.architecture.model import NetworkKind
from accelsim.engine.counts import ACTIONS, TRAFFIC, Counts, Words
from accelsim.engine.program import PSUM, Ints, Program, accumulates, active_pes
from accelsim.workload.problem import TENSORS, Tensor

FILL, READ, UPDATE, DRAIN = range(len(ACTIONS))


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


def takes_time(program: Program, edge: Ints) -> bool:
    """Whether words on this edge are moved by activities: all but operand reads inside the PE."""
    return not edge[3] or int(edge[1]) < program.architecture.pe_level
