"""The golden model: slow, obvious, tick by tick, moving real values; see docs/model.md for the rules."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from accelsim.architecture.model import Architecture
from accelsim.mapping.mapping import LoopNest
from accelsim.workload.problem import Problem, Tensor

from .counts import Tally
from .machine import Machine
from .nest import Walk
from .program import Activity, Program
from .stalls import Stalls
from .values import Values
from .words import build_streams

Array = npt.NDArray[np.int64]


@dataclass(frozen=True)
class GoldenResult:
    """Counts shaped as `accelsim.engine.counts.Counts`, cycles, stalls, and the outputs [N,G,M,P,Q] if asked for."""

    words: Array
    network: Array
    macs: int
    active_pes: int
    compute_cycles: int
    cycles: int
    stalls: dict[str, int]
    outputs: Array | None
    program: Program


def run(
    architecture: Architecture,
    nest: LoopNest,
    problem: Problem,
    ifmap: Array | None = None,
    filter: Array | None = None,  # noqa: A002
    processing: bool = False,
) -> GoldenResult:
    """Run one layer. Values move (and come out) if both operands are given and everything is timed."""
    walk = Walk(architecture, nest, problem)
    streams = build_streams(walk)
    program = Program(walk, streams, processing)
    tally = Tally(walk)
    for stream in program.all_streams():
        tally.stream(stream)
    macs, active = tally.macs(program.inner[Tensor.PSUM] if walk.in_pe[Tensor.PSUM] else None)
    values = None  # processing latency leaves transfers out, so no value could travel all the way
    if ifmap is not None and filter is not None and not processing:
        values = Values(walk, program, ifmap, filter)
    machine = Machine(program.activities, values.first if values else _ignore, values.last if values else _ignore)
    cycles = machine.run()
    compute = sum(a.length for a in program.computes)
    stalls = Stalls(program).attribute(cycles)
    assert sum(stalls.values()) + compute == cycles, "stalls do not add up"
    outputs = values.outputs() if values else None
    return GoldenResult(tally.words, tally.network, macs, active, compute, cycles, stalls, outputs, program)


def _ignore(_: Activity) -> None:
    """Nobody is told."""


def reference(problem: Problem, ifmap: Array, filter: Array) -> Array:  # noqa: A002
    """The convolution as numpy says it: ifmap [N,G,C,height,width] without padding, filter [G,M,C,R,S]."""
    n, g, m, _, p, q, r, s = problem.sizes
    rows, columns = problem.touched
    (top, left), height, width = problem.pad, problem.height, problem.width
    shape = (*ifmap.shape[:3], max(rows, top + height), max(columns, left + width))
    plane = np.zeros(shape, np.int64)
    plane[..., top : top + height, left : left + width] = ifmap
    out = np.zeros((n, g, m, p, q), np.int64)
    for i in range(r):
        for j in range(s):
            row, column = i * problem.dilation[0], j * problem.dilation[1]
            window = plane[..., row :: problem.stride[0], column :: problem.stride[1]][..., :p, :q]
            out += np.einsum("ngcpq,gmc->ngmpq", window, filter[..., i, j])
    return out
