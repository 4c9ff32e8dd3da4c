"""Words of a layer's bias, which come with the first visit of every psum tile (docs/model.md, "Bias").

A word for each output channel: what filters would be without C, R and S. A tile's first visit is where no loop over
these has gone on.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from accelsim.architecture.model import NetworkKind
from accelsim.engine.counts import BEGUN, Words
from accelsim.engine.nest.kernels.records import BIAS, OWN
from accelsim.engine.nest.laid import laid
from accelsim.engine.program import PSUM, REFETCHED, Ints, Program, accumulates
from accelsim.engine.words.assemble import last_visits
from accelsim.engine.words.kernels.closed import all_edges
from accelsim.workload.problem import DIM_INDEX, REDUCTION_DIMS, Tensor


def bias_edge(program: Program) -> Ints:
    """int64[1, 5], the edge that brings a bias; int64[0, 5] where none comes."""
    to = program.bias_to
    return np.array([[BIAS, 0, to, REFETCHED, 0]] if to else [], np.int64).reshape(-1, 5)


def bias_program(program: Program) -> Program:
    """The program in whose nest the words of a bias are counted: one of the children that add into a sum gets them."""
    program = program.of(PSUM)
    loops, foreign = program.loops, np.repeat(1 - OWN[None, BIAS : BIAS + 1], program.levels, axis=1).astype(np.uint8)
    added = (loops[:, 2] == 1) & np.isin(loops[:, 0], [DIM_INDEX[dim] for dim in REDUCTION_DIMS])
    return replace(
        program,
        loops=loops[~(added & (loops[:, 3] < program.bias_to))],
        unicast=np.concatenate([program.unicast, program.unicast[PSUM : PSUM + 1]]),
        merge=np.concatenate([program.merge, foreign]),
    )


def bias_columns(program: Program) -> Ints | None:
    """int64[column], words of a layer's bias (see `nest.kernels.tiles`); None where none comes."""
    edge = bias_edge(program)
    if not len(edge):
        return None
    out = np.zeros((1, program.columns), np.int64)
    all_edges(laid(last_visits(bias_program(program), program.bias_to)), edge, out)
    columns: Ints = out[0]
    return columns


def begun(program: Program, columns: Ints) -> Words:
    """int64[level, what] as `Counts.bias`; columns : of the bias."""
    to = program.bias_to
    found: Words = np.zeros((program.levels, len(BEGUN)), np.int64)
    found[0, 0] = columns[0]
    if not accumulates(program.architecture, 0, to):
        found[to, 1] = columns[3 * to - 1]
    for f in range(to):
        sent, _, delivered = columns[3 * f : 3 * f + 3]
        kind = program.architecture.levels[f].fanout.network(Tensor.PSUM).kind
        bus = kind in (NetworkKind.MULTICAST, NetworkKind.UNICAST)
        found[f, 2:] = sent, delivered, sent if bus else delivered
    return found
