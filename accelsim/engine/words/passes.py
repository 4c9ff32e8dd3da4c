"""Serial passes (docs/model.md, T10 and T12) in closed form: how many there are, and what separates them."""

from __future__ import annotations

import numpy as np

from accelsim.engine.program import PSUM, Ints, Program
from accelsim.engine.words.assemble import takes_time
from accelsim.engine.words.kernels.batch import least_versions
from accelsim.workload.problem import TENSORS, Problem, Tensor


def separation(program: Program, loops: Ints, starts: Ints, processing: bool) -> tuple[Ints, Ints]:
    """(cycles that loading the stationary operand takes, cycles between the last C of a pass and the next), at least.

    The second includes what follows the last pass. Loading counts the rows of a skewed array only, not what ports take.
    loops, starts : of many mappings (kernels/batch.py); int64[mapping] come back.
    """
    machine = program.architecture
    array = machine.levels[machine.pe_level - 1].fanout
    tail = machine.pipeline + machine.skew_cycles
    passes = np.ones(len(starts) - 1, np.int64)
    edges = [edge for edge in program.edges if TENSORS[edge[0]] is machine.serial and takes_time(program, edge)]
    # a stationary operand that is not kept in the PE, or was there from the start, keeps no passes apart
    if not edges or edges[-1][3] or (processing and edges[-1][2] == 1):
        return 0 * passes, tail * passes
    tensor, _, level = (int(v) for v in edges[-1][:3])
    if not (TENSORS[tensor] is Tensor.IFMAP and _windows(program.problem)):
        least_versions(loops, starts, tensor, level, program.size8, passes)
    preload = array.y if machine.skew and tensor != PSUM else 0
    return passes * preload, passes * tail


def _windows(problem: Problem) -> bool:
    """Whether an ifmap tile may bring nothing new, and is no version then."""
    return problem["R"] * problem["S"] > 1 or any(problem.pad)
