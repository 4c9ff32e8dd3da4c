"""A program's loop nest as the kernels read it."""

from __future__ import annotations

from accelsim.engine.nest.kernels.records import Nest
from accelsim.engine.program import Program


def laid(program: Program) -> Nest:
    """One loop nest of one layer on one machine, its arrays side by side."""
    return Nest(
        program.loops,
        program.bounds,
        program.axes,
        program.unicast,
        program.merge,
        program.on_chip,
        program.levels,
        program.ends,
        program.held,
        program.parts,
    )
