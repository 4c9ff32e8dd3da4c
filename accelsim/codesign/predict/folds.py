"""How many steps a layer takes on the arrays of a machine: the ceilings that no polynomial has.

The largest unrolling that a dataflow allows is taken, dim by dim, as its search takes it first (`search.unrolling`):
no mapping is searched for, so it takes microseconds, and an array may be filled a little better than is found here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from accelsim.workload.lowering import Lowering

if TYPE_CHECKING:
    from accelsim.architecture.model import Architecture, Fanout
    from accelsim.mapping.dataflows.dataflow import Dataflow

DIMS = ("N", "G", "M", "C", "P", "Q", "R", "S")
IMAGE = 4
"""Most channels of an image, whose window may lie beside them (as `search.space.IMAGE`)."""


@dataclass(frozen=True)
class Array:
    """One array: rows, columns, and the dims that may be spatial on each.

    whole : dims that are unrolled as far as they go. strip : the dim cut into balanced strips over x, folded over y.
    image : dims on y where there are few channels.
    """

    rows: int
    columns: int
    y: tuple[str, ...] = ()
    x: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()
    strip: str = ""
    image: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


@dataclass(frozen=True)
class Arrays:
    """All arrays of a machine, the innermost first.

    macs : multipliers of a PE that one step keeps busy. im2col : whether layers are lowered to matrix products.
    """

    arrays: tuple[Array, ...]
    macs: float = 1.0
    im2col: bool = False

    @property
    def places(self) -> float:
        """MACs that a step can hold."""
        return self.macs * prod(array.rows * array.columns for array in self.arrays)

    def steps(self, sizes: Sequence[int]) -> int:
        """Iterations that are left to one PE of a layer of so many N G M C P Q R S."""
        if self.im2col:  # as `workload.lowering.lowered`
            n, g, m, c, p, q, r, s = sizes
            sizes = (1, g, m, c * r * s, 1, n * p * q, 1, 1)
        left = dict(zip(DIMS, sizes, strict=True))
        image = left["G"] * left["C"] <= IMAGE
        for array in self.arrays:
            _unroll(array, left, image)
        return prod(left.values())

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"macs": self.macs, "im2col": self.im2col, "arrays": [array.to_dict() for array in self.arrays]}


def _unroll(array: Array, left: dict[str, int], image: bool) -> None:
    """Takes from each dim what the array holds of it."""
    on_y, on_x = array.y + (array.image if image else ()), array.x
    rows, columns = array.rows, array.columns
    dims = [dim for dim in DIMS if dim in on_y or dim in on_x]
    for dim in sorted(dims, key=lambda one: (one not in array.whole, one != array.strip)):
        size = left[dim]
        y = x = 1
        if dim == array.strip:
            folds = -(-size // array.columns)
            wide = -(-size // folds)
            if folds > 1 and dim in on_y and folds <= rows:
                y, x = folds, (wide if wide <= columns else 1)
            elif wide <= columns:
                x = wide
        else:
            y = _share(size, rows, dim in array.whole) if dim in on_y else 1
            x = _share(-(-size // y), columns, dim in array.whole) if dim in on_x else 1
            if y > 1 and x > 1 and dim in array.whole:
                x = 1
        rows, columns, left[dim] = rows // y, columns // x, -(-size // (y * x))


def _share(size: int, room: int, whole: bool) -> int:
    """Of a dim: all that there is room for, or the least that takes as few trips."""
    return min(size, room) if whole else -(-size // -(-size // max(room, 1)))


def arrays_of(machine: Architecture, flow: Dataflow | None) -> Arrays:
    """The arrays of a machine as a dataflow fills them; without a dataflow any dim may be on either side."""
    fans = [level.fanout for level in machine.levels]
    declared = [fan for fan in fans if fan.y * fan.x > 1]
    macs = float(machine.macs_at_once) / prod(fan.y * fan.x for fan in declared)
    return Arrays(tuple(_as_filled(fans, declared, flow)), macs, machine.lowering is Lowering.IM2COL)


def _as_filled(fans: list[Fanout], declared: list[Fanout], flow: Dataflow | None) -> list[Array]:
    if flow is None or not declared:
        return [Array(fan.y, fan.x, DIMS, DIMS) for fan in reversed(declared)]
    own = (flow.y, flow.x, flow.whole, flow.strip, flow.image)
    if flow.arrays:
        around = zip(reversed(declared[:-1]), reversed(flow.arrays), strict=False)
        inner = Array(declared[-1].y, declared[-1].x, *own)
        return [inner, *(Array(fan.y, fan.x, axes.y, axes.x) for fan, axes in around)]
    # rows and columns may be of two levels, one inside the other (`search.space.Space.axes`)
    rows = next((fan.y for fan in reversed(fans) if fan.y > 1), 1)
    columns = next((fan.x for fan in reversed(fans) if fan.x > 1), 1)
    return [Array(rows, columns, *own)]


def arrays_from(data: Mapping[str, Any]) -> Arrays:
    """The inverse of `Arrays.to_dict`. KeyError, TypeError or ValueError for what is none."""
    sides = ("y", "x", "whole", "image")
    arrays = []
    for one in data["arrays"]:
        y, x, whole, image = (tuple(map(str, one[side])) for side in sides)
        arrays.append(Array(int(one["rows"]), int(one["columns"]), y, x, whole, str(one["strip"]), image))
    return Arrays(tuple(arrays), float(data["macs"]), bool(data["im2col"]))
