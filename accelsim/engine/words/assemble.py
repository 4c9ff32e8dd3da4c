"""Edge columns become labelled counts, for either evaluator."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from math import prod

import numpy as np

from accelsim.architecture.model import Count, NetworkKind
from accelsim.engine.counts import ACTIONS, DIRECTIONS, NARROWED, TRAFFIC, Counts, LinkLoads, Words
from accelsim.engine.networks.links import Crossing
from accelsim.engine.program import OPERAND, PSUM, Ints, Program, accumulates, active_pes
from accelsim.workload.problem import DIM_INDEX, REDUCTION_DIMS, TENSORS, Tensor

FILL, READ, UPDATE, DRAIN = range(len(ACTIONS))


def last_visits(program: Program, child: int) -> Program:
    """The program without the temporal loops over C, R and S that lie outside the tiles of a level."""
    dims = [DIM_INDEX[dim] for dim in REDUCTION_DIMS]
    loops = program.loops
    outside = (loops[:, 2] == 0) & (loops[:, 3] < child) & np.isin(loops[:, 0], dims)
    return replace(program, loops=loops[~outside])


def assemble(program: Program, columns: Ints, compute: int, finals: Ints | None = None) -> Counts:
    """Turn edge columns into labelled counts; finals : the columns of the drains that are narrowed."""
    words, network = tally(program, columns)
    return Counts(
        tuple(spec.name for spec in program.architecture.levels),
        words,
        network,
        program.problem.macs,
        compute,
        active_pes(program.architecture, program.nest, program.problem),
        narrow=None if finals is None else narrowed(program, finals),
        slots=program.problem.slots,
    )


def narrowed(program: Program, columns: Ints) -> Words:
    """int64[level, what] as `Counts.narrow`; columns : int64[edge, column], of the last drain of every tile."""
    found: Words = np.zeros((program.levels, len(NARROWED)), np.int64)
    for edge, timed, row in zip(program.edges.tolist(), program.timed, columns, strict=True):
        t, parent, child = edge[:3]
        finals = program.finals.get((parent, child)) if t == PSUM and timed else None
        if finals is None:
            continue
        if finals.arrives:
            found[parent, 0] += row[0]
        if finals.leaves:
            found[child, 1] += row[3 * (child - parent) - 1]
        for f in finals.fanouts:
            sent, _, delivered = row[3 * (f - parent) : 3 * (f - parent) + 3]
            kind = program.architecture.levels[f].fanout.network(Tensor.PSUM).kind
            found[f, 2:] += sent, delivered, hops(kind, sent, delivered)
    return found


def tally(program: Program, columns: Ints) -> tuple[Words, Words]:
    """(words, network) as in `Counts`; psum reads follow from the identity read = update - (drain - fill).

    columns : int64[..., edge, column]; what comes before the edges stays in front.
    """
    architecture, levels, front = program.architecture, program.levels, columns.shape[:-2]
    words: Words = np.zeros((levels, 3, len(ACTIONS), *front), np.int64)
    network: Words = np.zeros((levels, 3, 2, len(TRAFFIC), *front), np.int64)
    rows, at_home = np.moveaxis(columns, (-2, -1), (0, 1)), program.sums_at_home
    for edge, on_network, row in zip(program.edges.tolist(), program.timed, rows, strict=True):
        t, parent, child, anew = edge[:4]
        arrived = row[3 * (child - parent) - 1]
        if t == PSUM:
            words[parent, t, UPDATE] = row[0]
            if parent == program.top:
                words[parent, t, READ] = row[0] - program.fresh_words
            else:
                words[parent, t, READ] = row[0] - (words[parent, t, DRAIN] - words[parent, t, FILL])
                if parent == at_home[0]:
                    # those that live there add to what is there, and neither leave nor come back
                    words[parent, t, READ] -= at_home[1]
                if parent == program.bias_to and not accumulates(architecture, 0, parent):
                    # each begins with a word of the bias
                    words[parent, t, READ] += program.problem.words(Tensor.PSUM)
            back = words[parent, t, READ]
            if anew != OPERAND:
                words[child, t, DRAIN] = arrived
                words[child, t, FILL] = 0 if accumulates(architecture, parent, child) else back
            if on_network:
                network[parent:child, t, 0, :] = back
        else:
            words[parent, t, READ] = row[0]
            if anew != OPERAND:
                words[child, t, FILL] = arrived
        if on_network:
            for f in range(parent, child):
                j = 3 * (f - parent)
                kind = architecture.levels[f].fanout.network(TENSORS[t]).kind
                delivered = row[3 * (child - parent) + 1] if f == 0 and t != PSUM else row[j + 2]
                crossed = row[j], delivered, hops(kind, row[j], delivered)
                for column, moving in enumerate(crossed):
                    network[f, t, int(t == PSUM), column] = moving
    return (
        np.ascontiguousarray(np.moveaxis(words, (0, 1, 2), (-3, -2, -1))),
        np.ascontiguousarray(np.moveaxis(network, (0, 1, 2, 3), (-4, -3, -2, -1))),
    )


def with_links(program: Program, counts: Counts, crossed: Iterable[tuple[Crossing, Ints, Ints]]) -> Counts:
    """Add words per link: hops of meshes, link tables, tags compared.

    crossed : each crossing, its words by link, and those of them that are narrowed.
    """
    links, tags, network = [], [], counts.network.copy()
    narrow = None if counts.narrow is None else counts.narrow.copy()
    for crossing, words, narrower in crossed:
        spec, t = program.architecture.levels[crossing.fanout], crossing.tensor
        up, tensor = int(t == PSUM), TENSORS[t].value
        if crossing.network.tags:
            # every row compares the row of each word, every PE of the rows that match its column (docs/noc.md)
            sent = int(network[crossing.fanout, t, up, 0])
            tags.append((spec.name, tensor, sent * spec.fanout.y + int(words.sum()) * spec.fanout.x))
            continue
        if crossing.network.kind is NetworkKind.MESH:
            network[crossing.fanout, t, up, 2] = words.sum()
            if narrow is not None and up:
                narrow[crossing.fanout, NARROWED.index("hops")] = narrower.sum()
        loads = tuple(int(v) for v in words)
        links.append(LinkLoads(spec.name, tensor, DIRECTIONS[up], crossing.routes.names, loads))
    # in the order of levels, tensors and directions, whatever order they are crossed in
    order = [level.name for level in program.architecture.levels], [tensor.value for tensor in TENSORS]
    links.sort(key=lambda row: (order[0].index(row.level), order[1].index(row.tensor), row.direction))
    tags.sort(key=lambda row: (order[0].index(row[0]), order[1].index(row[1])))
    return replace(counts, network=network, narrow=narrow, links=tuple(links), tag_matches=tuple(tags))


def hops(kind: NetworkKind, sent: Count, deliveries: Count) -> Count:
    """Links a network's words cross, or additions a tree makes (docs/model.md, T16); of a mesh, the least they can.

    Routes to k children have at least k links, one into each child's router; `with_links` has the number.
    """
    if kind in (NetworkKind.SYSTOLIC, NetworkKind.CHAIN, NetworkKind.CROSSBAR, NetworkKind.MESH):
        return deliveries
    return deliveries - sent if kind is NetworkKind.TREE else sent


def operand_reads(program: Program, t: int, level: int) -> int:
    """Words that an operand kept inside the PE is read for, dense: one per slot; padding made on the chip is nowhere
    in the outermost level.
    """
    beside, problem = program.on_chip and level == 0 and TENSORS[t] is Tensor.IFMAP, program.problem
    return problem.macs_over_plane * prod(problem.slices) if beside else problem.slots
