"""What of a machine's mapspace is searched: all of it, in which factors, or what a dataflow makes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np

from accelsim.architecture.model import Architecture
from accelsim.engine.program import Ints
from accelsim.mapping.dataflows.dataflow import Dataflow
from accelsim.mapping.mapping import Loop
from accelsim.search.factors import divisors
from accelsim.search.optimum.ceilings import OPEN, Ceilings
from accelsim.search.optimum.chains import imperfect, perfect
from accelsim.search.optimum.constraints import Bypass, Constraints, NothingFitsError
from accelsim.search.optimum.placements import Toll, Trade, every_bypass
from accelsim.workload.problem import LOOP_DIMS, Problem

Axes = Mapping[str, tuple[int, int]]
"""Of every dim that is spatial, its factors on the rows and on the columns of the array."""
Sides = tuple[tuple[Loop, ...], tuple[Loop, ...]]


@dataclass(frozen=True)
class Flow:
    """A dataflow's space on one machine and layer, as constraints of the whole one.

    chains : every chain of each dim, int64[chain, part]. axes : what may be spatial at a time, of the same products
    one. bypass : what passes by each level. innermost : by level, its innermost loops, outer to inner. y, x, pe : in
    which order dims are written on the two sides of the array and in the PE.
    """

    dataflow: Dataflow
    chains: Mapping[str, Ints]
    axes: Sequence[Axes]
    bypass: Bypass
    innermost: Mapping[int, tuple[str, ...]]
    y: tuple[str, ...]
    x: tuple[str, ...]
    pe: tuple[str, ...]

    @property
    def name(self) -> str:
        """That of the dataflow."""
        return self.dataflow.name

    def laid(self, across: Mapping[str, int]) -> Sides:
        """The two sides of the array where so much of each dim is spatial."""
        wanted = {dim: factor for dim, factor in across.items() if factor > 1}
        axes = next(one for one in self.axes if {d: y * x for d, (y, x) in one.items() if y * x > 1} == wanted)
        rows = tuple(Loop(dim, axes[dim][0]) for dim in self.y if dim in axes and axes[dim][0] > 1)
        return rows, tuple(Loop(dim, axes[dim][1]) for dim in self.x if dim in axes and axes[dim][1] > 1)


@dataclass(frozen=True)
class Scope:
    """Which mappings are looked at: those of a dataflow or any, in factors that divide or (`imperfect`) others too.

    A dataflow's space has other factors always. constraints : what is left out; ceilings : what else is.
    toll : for each cycle that a port is busy, as energy. trade : between energy and words of the outermost level, of
    one search (`traded`).
    """

    imperfect: bool = False
    flow: Flow | None = None
    constraints: Constraints = field(default_factory=Constraints)
    ceilings: Ceilings = OPEN
    toll: Toll | None = None
    trade: Trade | None = None

    @property
    def name(self) -> str:
        """What a mapping of it is called."""
        return self.flow.name if self.flow else "best"

    def chains(self, problem: Problem, dim: str, levels: int, inside: bool, timed: bool, pes: int) -> Ints:
        """int64[chain, part], every chain of a dim.

        levels : memories above the PE; inside : whether something stays in the PE; pes : in the array. Groups have
        loops outside alone, and for cycles on the array: they give no reuse and take room.
        """
        size, spatial = problem[dim], pes > 1 and (dim != "G" or timed)
        if self.flow:
            found = self.flow.chains[dim]
        elif self.imperfect:
            found = np.array(list(imperfect(size, levels, inside, dim == "G", pes if spatial else 1)), np.int64)
        else:
            found = np.array(list(perfect(size, levels, spatial, inside, dim == "G")), np.int64)
        allowed = found[self.constraints.allows(dim, size, found)]
        if not len(allowed):
            raise NothingFitsError(f"no loops over {dim} {size} keep the constraints")
        return allowed

    def placements(self, machine: Architecture) -> list[Bypass]:
        """What passes by each level, one mapping for each placement that is looked at."""
        if self.flow:
            found: Sequence[Bypass] = [self.flow.bypass]
        elif self.constraints.placements is not None:
            found = self.constraints.placements
        else:
            found = list(every_bypass(machine))
        allowed = [bypass for bypass in found if self.constraints.places(bypass)]
        if not allowed:
            raise NothingFitsError("no placement keeps the constraints")
        return allowed

    def laid(self, across: Mapping[str, int], sides: tuple[int, int]) -> Sides:
        """What is spatial, on the two sides of the array: any divisor of all of it is a product of divisors."""
        if self.flow:
            return self.flow.laid(across)
        total = prod(across.values())
        side = next(y for y in reversed(divisors(total)) if y <= sides[0] and total // y <= sides[1])
        y, x = [], []
        for dim, factor in across.items():
            on_y = next(f for f in reversed(divisors(factor)) if side % f == 0)
            side //= on_y
            if on_y > 1:
                y.append(Loop(dim, on_y))
            if factor // on_y > 1:
                x.append(Loop(dim, factor // on_y))
        return tuple(y), tuple(x)

    @property
    def in_pe(self) -> tuple[str, ...]:
        """Dims in the order of their loops in the PE."""
        own = self.flow.pe if self.flow else ()
        return own + tuple(dim for dim in LOOP_DIMS if dim not in own)

    def innermost(self) -> dict[int, tuple[str, ...]]:
        """By level, its innermost loops, outer to inner: the dataflow's, else those of the constraints."""
        return {**self.constraints.innermost, **(self.flow.innermost if self.flow else {})}


ALL = Scope()
