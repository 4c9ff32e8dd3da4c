"""Serial passes (docs/model.md, T10 and T12) in closed form: how many there are, and what separates them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from accelsim.engine.nest.kernels.groups import columns_of
from accelsim.engine.program import OPERAND, PSUM, Ints, Program
from accelsim.workload.problem import TENSORS, Problem, Tensor


@dataclass(frozen=True)
class Passes:
    """What a serial pass adds: cycles that loading the stationary operand takes at least, and from its last C on.

    Loading counts the rows of a skewed array only, not what ports take. edge : whose child's versions the passes are;
    None: there is one pass. wave : cycles from the first C of a pass to where the next may load; -1: all of its C.
    """

    preload: int
    tail: int
    edge: int | None
    wave: int = -1


def per_pass(program: Program, processing: bool) -> Passes:
    """The passes of a layer's mappings."""
    machine = program.architecture
    tail = machine.pipeline + machine.skew_cycles
    edges = [e for e in np.flatnonzero(program.timed).tolist() if TENSORS[program.edges[e, 0]] is machine.serial]
    # a stationary operand that is not kept in the PE, or was there from the start, keeps no passes apart
    if not edges or program.edges[edges[-1], 3] == OPERAND or (processing and program.edges[edges[-1], 2] == 1):
        return Passes(0, tail, None)
    tensor = int(program.edges[edges[-1], 0])
    preload = machine.levels[machine.pe_level - 1].fanout.y if machine.skew and tensor != PSUM else 0
    one = TENSORS[tensor] is Tensor.IFMAP and _windows(program.problem)
    # a wave begins with the first cycle of a pass
    wave = -1 if machine.wave is None else 1 + machine.wave
    return Passes(preload, tail, None if one else edges[-1], wave)


def separation(program: Program, columns: Ints, processing: bool) -> tuple[Ints, Ints]:
    """(cycles that loading the stationary operand takes, cycles between the last C of a pass and the next), at least.

    The second includes what follows the last pass; of passes that overlap it is that alone, and the first goes on from
    the first load to the last. columns : int64[mapping, edge, column] as of `closed.edge_words`;
    int64[mapping] come back.
    """
    one, number = per_pass(program, processing), np.ones(len(columns), np.int64)
    if one.edge is not None:
        _, parent, child = program.edges[one.edge, :3]
        number = columns[:, one.edge, columns_of(parent, child)]
    if one.wave >= 0:
        return number * one.preload + (number - 1) * one.wave, np.full_like(number, one.tail)
    return number * one.preload, number * one.tail


def _windows(problem: Problem) -> bool:
    """Whether an ifmap tile may bring nothing new, and is no version then."""
    return problem["R"] * problem["S"] > 1 or any(problem.pad)
