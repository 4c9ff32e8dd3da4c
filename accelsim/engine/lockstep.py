"""A layer as the time of a machine in lock step sees it: work that is not there takes its time (docs/model.md)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from accelsim.engine.counts import Counts, Timing
from accelsim.engine.program import Program, build
from accelsim.errors import MappingError
from accelsim.workload.problem import DIM_INDEX, TENSORS, Problem, Tensor


def filled(program: Program) -> Problem:
    """The problem with the dims of a lock step rounded up to whole tiles of the array, and no padding for it.

    Raises MappingError where nothing in the array or its PEs goes over such a dim, or where a step is less than that.
    """
    machine, sizes = program.architecture, list(program.problem.bounds)
    assert machine.lock is not None
    if program.inside > machine.pe_level:
        raise MappingError(f"{machine.levels[-1].name}: PEs in lock step keep all their operands in one memory")
    for dim in sorted(machine.lock.dims):
        tile, at = 1, DIM_INDEX[dim]
        for level, spec in enumerate(machine.levels):
            mapped = program.nest.level(spec.name)
            inside = mapped.temporal if level >= machine.pe_level else ()
            for loop in (*inside, *mapped.y, *mapped.x) if level >= machine.pe_level - 1 else ():
                tile *= loop.factor if loop.dim == dim else 1
        if tile == 1 and sizes[at] > 1:
            where = machine.levels[machine.pe_level - 1].name
            raise MappingError(
                f"{where}: PEs are in lock step over {dim}, but no loop of their array or inside them is"
            )
        sizes[at] = -(-sizes[at] // tile) * tile
    whole = replace(program.problem, sizes=tuple(sizes[:8]), slices=(sizes[8], sizes[9]))
    # rows and columns that are not there are fetched like others
    more = [after - before for after, before in zip(whole.touched, program.problem.touched, strict=True)]
    return replace(whole, height=whole.height + more[0], width=whole.width + more[1])


def in_lock_step(program: Program) -> Program:
    """The program that takes the time. Raises MappingError as `filled` does."""
    machine = program.architecture
    assert machine.lock is not None
    free = replace(machine, lock=None)
    real, whole = (build(free, program.nest, problem) for problem in (program.problem, filled(program)))
    of = {tensor: whole if tensor in machine.lock.of else real for tensor in TENSORS}
    base = whole if machine.lock.compute else real
    return replace(base, finals=of[Tensor.PSUM].finals, apart={t: one for t, one in of.items() if one is not base})


def in_both(program: Program, evaluate: Callable[[Program], tuple[Counts, Timing]]) -> tuple[Counts, Timing]:
    """What is there by an evaluator, and the time of all that takes any."""
    counts, _ = evaluate(replace(program, architecture=replace(program.architecture, lock=None)))
    _, timing = evaluate(in_lock_step(program))
    return replace(counts, compute_cycles=timing.compute), timing
