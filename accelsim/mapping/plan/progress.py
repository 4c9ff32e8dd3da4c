"""Psums in progress where the ofmap stays: they are wider than what they become (rule R4)."""

from __future__ import annotations

from accelsim.architecture.model import Architecture
from accelsim.errors import MappingError, Overflow
from accelsim.mapping.mapping import LoopNest, demands, describe, kept
from accelsim.mapping.plan.living import room_of
from accelsim.workload.problem import REDUCTION_DIMS, TENSOR_DIMS, Problem, Tensor


def in_progress(machine: Architecture, nest: LoopNest, problem: Problem) -> int:
    """Words of the ofmap that are psums at a time in its home: the box that is swept inside the outermost temporal
    loop over C, R or S above the psum's next keeper; without one, that keeper's tile. Of an ofmap of which some
    channels stay no more than these: the others are in its tile.
    """
    home = max(machine.home(Tensor.PSUM), machine.parts_home(Tensor.PSUM))
    inner = next((i for i in range(home + 1, len(machine.levels)) if kept(machine, nest, i, Tensor.PSUM)), None)
    end = len(machine.levels) if inner is None else inner
    extent = dict.fromkeys(TENSOR_DIMS[Tensor.PSUM], 1)
    box: dict[str, int] = {}
    for index in reversed(range(len(machine.levels))):
        for kind, loop in reversed(nest.level(machine.levels[index].name).loops):
            if loop.dim in extent:
                extent[loop.dim] = min(extent[loop.dim] * loop.factor, problem[loop.dim])
            elif kind == "temporal" and loop.dim in REDUCTION_DIMS and loop.factor > 1 and index < end:
                box = dict(extent)
        if index == end and not box:
            tile = dict(extent)
    if not box:
        box = tile if inner is not None else dict.fromkeys(extent, 1)
    if part := machine.parts.get(Tensor.PSUM):
        box[part.dim] = min(box[part.dim], problem[part.dim] - part.outside)
    words = 1
    for size in box.values():
        words *= size
    return words


def refuse_no_room(machine: Architecture, nest: LoopNest, problem: Problem) -> None:
    """Raise MappingError where psums in progress take more room than their ofmap leaves."""
    wider = machine.moved_bits[Tensor.PSUM] - machine.final_bits
    home = max(machine.home(Tensor.PSUM), machine.parts_home(Tensor.PSUM))
    place = room_of(machine, machine.levels[home].name) if home and wider else None
    if place is None:
        return
    level = machine.levels[home]
    part = level.capacity[place]
    tiles = sum(bits for spec, other, bits, _ in demands(machine, nest, problem) if spec is level and other is part)
    extra = in_progress(machine, nest, problem) * wider
    if tiles + extra > part.free:
        lever = "run fewer outputs inside the loops over C, R and S, or let the ofmap go to the outermost level"
        found = Overflow(level.name, "psums of the ofmap that stays", tiles + extra, part.free, (lever,))
        raise MappingError(describe(found), [found])
