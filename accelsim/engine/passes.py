"""Serial passes (docs/model.md, T10 and T12) in closed form: how many there are, and what separates them."""

from __future__ import annotations

from accelsim.engine.assemble import takes_time
from accelsim.engine.program import PSUM, Program
from accelsim.workload.problem import DIM_INDEX, TENSOR_DIMS, TENSORS, Tensor


def separation(program: Program, processing: bool) -> tuple[int, int]:
    """(cycles that loading the stationary operand takes, cycles between the last C of a pass and the next), at least.

    The second includes what follows the last pass. Loading counts the rows of a skewed array only, not what ports take.
    """
    machine = program.architecture
    array = machine.levels[machine.pe_level - 1].fanout
    tail = machine.pipeline + machine.skew_cycles
    edges = [edge for edge in program.edges if TENSORS[edge[0]] is machine.serial and takes_time(program, edge)]
    # a stationary operand that is not kept in the PE, or was there from the start, keeps no passes apart
    if not edges or edges[-1][3] or (processing and edges[-1][2] == 1):
        return 0, tail
    passes = least_versions(program, TENSORS[edges[-1][0]], int(edges[-1][2]))
    preload = array.y if machine.skew and edges[-1][0] != PSUM else 0
    return passes * preload, passes * tail


def least_versions(program: Program, tensor: Tensor, level: int) -> int:
    """Versions of a tensor at a level: at least so many, exactly so where no dim is clipped at two temporal loops.

    Loops run as often as they do in the last, clipped tile of those further out: the steps left are some of all steps,
    and a part of a sequence has no more runs than the whole.
    """
    problem = program.problem
    windows = problem["R"] * problem["S"] > 1 or any(problem.pad)
    if tensor is Tensor.IFMAP and windows:
        return 1  # a tile may bring nothing new, and is no version then
    room = list(problem.sizes)
    trips = []
    for dim, factor, kind, above, step in program.loops:
        if kind == 0 and above < level:
            times = min(int(factor), -(-room[dim] // int(step)))
            room[dim] -= (times - 1) * int(step)
            trips.append((dim, times))
    own = {DIM_INDEX[name] for name in TENSOR_DIMS[tensor]}
    versions, moved = 1, False
    for dim, times in reversed(trips):
        moved |= dim in own and times > 1
        versions *= times if moved else 1
    return versions
