"""What may lie above the array of a mapping that is below a limit: few tiles of all there are, class by class."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from accelsim.engine.program import Ints
from accelsim.search.kernels.records import Floats
from accelsim.search.optimum.classes import Classes

ENERGY, CYCLES = 0, 1


@dataclass(frozen=True)
class Limit:
    """What a mapping has to be below. score : of an objective; cycles : that any mapping takes at the least.

    standing : what these cost by themselves.
    """

    score: float
    cycles: float
    objective: int
    standing: float = 0.0

    @property
    def joules(self) -> float:
        """Energy that a mapping has to be below, but for what stands."""
        if self.objective == CYCLES:
            return inf if self.cycles < self.score else 0.0
        whole = self.score / (1.0 if self.objective == ENERGY else self.cycles ** (self.objective - 1))
        return whole - self.standing

    def may(self, joules: Floats) -> npt.NDArray[np.bool_]:
        """Which mappings may be below, by what they cost at the least."""
        return np.asarray(joules < self.joules)


class Heads(NamedTuple):
    """Pairs of a class and a tile of the memory above the array that a mapping below a limit may have.

    Those of a class stand together, the cheapest first. outer : float64[head], at least what the memories above the
    array cost; number : int64[head], of the tile among those that are looked at; tile : int64[head, group]; span :
    int64[class + 1], the first of each class. tiles : how many are looked at.
    """

    outer: Floats
    number: Ints
    tile: Ints
    span: Ints
    tiles: int


def heads_of(classes: Classes, inners: list[int], constant: float, some: Ints, limit: Limit) -> Heads:
    """The heads of classes whose rows are of some tiles alone; some : int64[tile, group]; inners : of each group."""
    outer, numbers, span = [], [], [0]
    for c, (row, _, _) in enumerate(classes.rows.tolist()):
        inner = np.prod([own[:n].min(axis=0) for own, n in zip(classes.inner[c], inners, strict=True)], axis=0)
        least = constant + float((classes.prices[c] * inner).sum())
        own = classes.outer[row]
        may = np.flatnonzero(limit.may(own + least))
        may = may[np.argsort(own[may], kind="stable")]
        outer.append(own[may])
        numbers.append(may)
        span.append(span[-1] + len(may))
    number = np.concatenate(numbers)
    return Heads(np.concatenate(outer), number, some[number], np.array(span, np.int64), len(some))
