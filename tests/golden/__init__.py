"""The golden model: slow, obvious, tick by tick, moving real values; see docs/model.md for the rules."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from accelsim.architecture.model import Architecture
from accelsim.mapping.mapping import LoopNest
from accelsim.sparsity.masks import Masks, masks_of
from accelsim.workload.problem import LOOP_DIMS, Problem, Tensor

from .counts import Tally
from .final import mark_final, mark_narrow
from .machine import Hook, Machine
from .nest import Walk
from .program import Activity, Program
from .stalls import Stalls
from .values import Values, added_at, sliced
from .words import build_streams

Array = npt.NDArray[np.int64]


@dataclass(frozen=True)
class GoldenResult:
    """Counts shaped as `accelsim.engine.counts.Counts`, cycles, stalls, and the outputs [N,G,M,P,Q] if asked for.

    bias : int64[level, 5], words of the bias: reads, fills, sent, delivered and hops (down).
    narrow : int64[level, 5], psum words that move as ofmap words: updates, drains, sent, delivered and hops (up).
    links : words per link by (level, tensor, direction). tag_matches : tags compared by (level, tensor).
    effectual : slots that multiply. busy : cycles of every PE in every step, left alone, added up.
    """

    words: Array
    network: Array
    macs: int
    effectual: int
    active_pes: int
    compute_cycles: int
    busy: int
    cycles: int
    stalls: dict[str, int]
    outputs: Array | None
    program: Program
    links: dict[tuple[int, Tensor, str], Counter[str]]
    tag_matches: Counter[tuple[int, Tensor]]
    narrow: Array
    bias: Array


def run(
    architecture: Architecture,
    nest: LoopNest,
    problem: Problem,
    ifmap: Array | None = None,
    filter: Array | None = None,  # noqa: A002
    processing: bool = False,
    masks: Masks | None = None,
) -> GoldenResult:
    """Run one layer. Values move (and come out) if both operands are given and everything is timed.

    masks : default those of the operands, if the machine looks at zeros; without operands no word is zero.
    """
    if architecture.lock is not None:
        real = run(replace(architecture, lock=None), nest, problem, ifmap, filter, processing, masks)
        program = in_lock_step(architecture, nest, problem, processing)
        cycles, compute, stalls = timed(program, _ignore, _ignore)
        return replace(real, cycles=cycles, compute_cycles=compute, stalls=stalls, program=program)
    if masks is None:
        masks = masks_of(*_cut(problem, ifmap, filter)) if architecture.sees_zeros else Masks()
    masks.check(problem)
    for values_given, mask in zip(_cut(problem, ifmap, filter), (masks.ifmap, masks.filter), strict=True):
        assert values_given is None or mask is None or not values_given[mask == 0].any(), "a masked word is not zero"
    walk = Walk(architecture, nest, problem, masks)
    streams = build_streams(walk)
    narrows = architecture.final_bits < architecture.word_bits[Tensor.PSUM]
    if narrows or any(Tensor.PSUM in level.compression for level in architecture.levels):
        mark_final(walk, streams[Tensor.PSUM])
    if narrows:
        mark_narrow(walk, streams[Tensor.PSUM])
    program = Program(walk, streams, processing)
    tally = Tally(walk)
    for stream in program.all_streams():
        tally.stream(stream)
    macs, effectual, active = tally.macs(program.inner[Tensor.PSUM] if walk.in_pe[Tensor.PSUM] else None)
    values = None  # processing latency leaves transfers out, so no value could travel all the way
    if ifmap is not None and filter is not None and not processing:
        values = Values(walk, program, ifmap, filter)
    first, last = (values.first, values.last) if values else (_ignore, _ignore)
    cycles, compute, stalls = timed(program, first, last)
    outputs = values.outputs() if values else None
    return GoldenResult(
        tally.words,
        tally.network,
        macs,
        effectual,
        active,
        compute,
        program.busy,
        cycles,
        stalls,
        outputs,
        program,
        tally.links,
        tally.tag_matches,
        tally.narrow,
        tally.bias,
    )


def _cut(problem: Problem, *operands: Array | None) -> list[Array | None]:
    """Operands as the slices that the machine multiplies."""
    return [
        None if words is None else sliced(words, slices) for words, slices in zip(operands, problem.slices, strict=True)
    ]


def timed(program: Program, first: Hook, last: Hook) -> tuple[int, int, dict[str, int]]:
    """Cycles, those of the MAC array, and stalls by cause."""
    architecture = program.machine
    machine = Machine(program.activities, first, last, architecture.before, architecture.least)
    cycles = machine.run() + architecture.after
    compute = sum(a.length - a.post for a in program.computes)
    stalls = Stalls(program).attribute(cycles)
    assert sum(stalls.values()) + compute == cycles, "stalls do not add up"
    slow = architecture.mode.divider  # each cycle of the chip is so many of the core clock
    return cycles * slow, compute * slow, {cause: stall * slow for cause, stall in stalls.items()}


def in_lock_step(architecture: Architecture, nest: LoopNest, problem: Problem, processing: bool) -> Program:
    """What takes time where PEs are in lock step: of what is named, tiles of the array that are all there."""
    assert architecture.lock is not None
    array = architecture.pe_level - 1
    grown = dict(zip(LOOP_DIMS, problem.bounds, strict=True))
    for dim in architecture.lock.dims:
        full = 1
        for level, spec in enumerate(architecture.levels):
            for kind, loop in nest.level(spec.name).loops:
                if loop.dim == dim and (level > array or (level == array and kind != "temporal")):
                    full *= loop.factor
        while grown[dim] % full:
            grown[dim] += 1
    *sizes, ib, wb = grown.values()
    whole = replace(problem, sizes=tuple(sizes), slices=(ib, wb))
    added = [whole.touched[axis] - problem.touched[axis] for axis in range(2)]
    whole = replace(whole, height=problem.height + added[0], width=problem.width + added[1])
    free = replace(architecture, lock=None)
    walks = {t: Walk(free, nest, whole if t in architecture.lock.of else problem, Masks()) for t in Tensor}
    streams = {}
    for tensor, walk in walks.items():
        streams[tensor] = build_streams(walk)[tensor]
        if tensor is Tensor.PSUM and architecture.final_bits < architecture.word_bits[Tensor.PSUM]:
            mark_final(walk, streams[tensor])
            mark_narrow(walk, streams[tensor])
    steps = Walk(free, nest, whole if architecture.lock.compute else problem, Masks())
    return Program(steps, streams, processing, walks)


def _ignore(_: Activity) -> None:
    """Nobody is told."""


def reference(problem: Problem, ifmap: Array, filter: Array, bias: bool = False) -> Array:  # noqa: A002
    """The convolution as numpy says it: ifmap [N,G,C,height,width] without padding, filter [G,M,C,R,S].

    bias : whether the machine takes one, if the problem has it.
    """
    (n, g, m, *_, r, s), (p, q) = problem.sizes, problem.plane_outputs
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
    for word in np.ndindex(*out.shape) if problem.added or (problem.bias and bias) else ():
        out[word] += added_at(word, problem.bias)
    return out
