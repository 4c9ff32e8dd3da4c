"""A mapping in which all weights of a layer lie in the cells of arrays, for as long as the machine runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod

from accelsim.architecture.model import Architecture, Level
from accelsim.errors import MappingError
from accelsim.mapping.dataflows.dataflow import Dataflow
from accelsim.mapping.mapping import LevelMapping, Loop, LoopNest, capacity_overflows
from accelsim.workload.problem import TENSOR_DIMS, TENSORS, Problem, Tensor

WEIGHTS = TENSOR_DIMS[Tensor.FILTER]


@dataclass(frozen=True)
class Resident:
    """How one copy of a layer's weights lies.

    rows, columns : loops over the array of one unit. units : loops over units, of what one array has no room for.
    time : loops that run one after another for each output position.
    """

    rows: tuple[Loop, ...]
    columns: tuple[Loop, ...]
    units: tuple[Loop, ...]
    time: tuple[Loop, ...]

    @property
    def size(self) -> int:
        """Units of one copy."""
        return prod(loop.factor for loop in self.units)

    @property
    def cycles(self) -> int:
        """Steps of one output position."""
        return prod(loop.factor for loop in self.time)


def arrays(machine: Architecture) -> tuple[Level, Level]:
    """The level above the units and that above the array of each. Raises MappingError for a machine without them."""
    found = [level for level in machine.levels if level.fanout.y * level.fanout.x > 1]
    if len(found) != 2 or found[0].fanout.y != 1:
        raise MappingError(
            f"machine '{machine.name}' has no row of units with an array in each; a pipeline of layers needs both"
        )
    return found[0], found[1]


def resident(machine: Architecture, problem: Problem, flow: Dataflow) -> Resident:
    """The mapping of one copy that takes the fewest units; of those, the one that fills rows and columns most evenly.

    problem : as the machine lowers it. flow : which dims may lie on rows and columns of the innermost array.
    """
    array = arrays(machine)[1].fanout
    left = {dim: problem[dim] for dim in WEIGHTS}
    rows = _laid(flow.y, left, array.y)
    for loop in rows:
        left[loop.dim] = -(-left[loop.dim] // loop.factor)
    columns = _laid(flow.x, left, array.x)
    for loop in columns:
        left[loop.dim] = -(-left[loop.dim] // loop.factor)
    time = tuple(loop for loop in (Loop("IB", problem["IB"]),) if loop.factor > 1)
    return Resident(rows, columns, _loops(left.items()), time)


def _laid(dims: Sequence[str], left: dict[str, int], room: int) -> tuple[Loop, ...]:
    """Loops over some dims that fit in so much room and leave the fewest folds, then the least padding."""
    ranges = [sorted({-(-left[dim] // part) for part in range(1, left[dim] + 1)}) for dim in dims]
    best: tuple[int, int, tuple[int, ...]] | None = None
    for factors in product(*ranges):
        if prod(factors) <= room:
            folds = prod(-(-left[dim] // factor) for dim, factor in zip(dims, factors, strict=True))
            key = (folds, prod(factors), factors)
            best = key if best is None or key < best else best
    assert best is not None  # ones always fit
    return _loops(zip(dims, best[2], strict=True))


def _loops(factors: Iterable[tuple[str, int]]) -> tuple[Loop, ...]:
    return tuple(Loop(dim, factor) for dim, factor in factors if factor > 1)


def held(machine: Architecture, how: LoopNest, problem: Problem) -> tuple[int, ...]:
    """Bits that a mapping holds in each part of the level above the units."""
    above = arrays(machine)[0]
    bare = replace(above, capacity=tuple(replace(part, bits=1) for part in above.capacity))
    levels = tuple(bare if level is above else level for level in machine.levels)
    found = {one.what: one.demand for one in capacity_overflows(replace(machine, levels=levels), how, problem)}
    return tuple(
        found.get("+".join(tensor.value for tensor in TENSORS if tensor in part.tensors), 0) for part in above.capacity
    )


def nest(machine: Architecture, problem: Problem, how: Resident, rows: int, columns: int) -> LoopNest:
    """The whole mapping with so many copies along P and Q: images and rows of outputs come through one after another.

    So the level above the units holds the rows of the ifmap that a row of copies sees, not all of it.
    """
    above, inside = arrays(machine)
    copies = _loops((("P", rows), ("Q", columns)))
    through = _loops((("N", problem["N"]), ("P", -(-problem["P"] // rows))))
    across = (*_loops((("Q", -(-problem["Q"] // columns)),)), *how.time)
    outermost = machine.levels[0].name
    first = () if above.name == outermost else ((outermost, LevelMapping(through)),)
    return LoopNest(
        (
            *first,
            (above.name, LevelMapping(across if first else (*through, *across), (), (*copies, *how.units))),
            (inside.name, LevelMapping((), how.rows, how.columns)),
        ),
        "pipeline",
    )
