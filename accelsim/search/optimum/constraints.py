"""What a user fixes, forbids or bounds of a mapspace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from accelsim.engine.program import Ints
from accelsim.errors import MappingError
from accelsim.workload.problem import Tensor

Bypass = Mapping[int, frozenset[Tensor]]
Bound = tuple[float, float]
"""Least and most."""
Chain = tuple[int, ...]
"""Factors of a dim: of its loops at the levels down to the one above the array, of the array, in the PE."""
ARRAY, PE = "array", "PE"
PLACES = {ARRAY: -2, PE: -1}
"""Where a chain has the factors that are no level's."""


class NothingFitsError(MappingError):
    """No mapping of a mapspace keeps its constraints, or none fits the machine."""


class NoBoundError(MappingError):
    """A mapspace that cannot be searched to its end."""


@dataclass(frozen=True)
class Constraints:
    """Bounds of a mapspace; without any, all of it.

    loops : by dim, then by place, the least and the most iterations of its loop there; a place is the index of a level
    above the array, 'array' or 'PE'. tiles : by dim, then by place, how much of the dim all loops there and inside it
    cover. placements : what passes by each level, one mapping for each placement that is looked at; None: all. keeps,
    passes : by level, tensors that it must keep and must not. innermost : by level, its innermost loops where it has
    them, outer to inner. pes : that have work, least and most. room : by level, the share of all its memories that
    tiles take, least and most.
    """

    loops: Mapping[str, Mapping[int | str, Bound]] = field(default_factory=dict)
    placements: Sequence[Bypass] | None = None
    pes: Bound = (1, float("inf"))
    tiles: Mapping[str, Mapping[int | str, Bound]] = field(default_factory=dict)
    keeps: Bypass = field(default_factory=dict)
    passes: Bypass = field(default_factory=dict)
    innermost: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    room: Mapping[int, Bound] = field(default_factory=dict)

    def allows(self, dim: str, size: int, chains: Ints) -> npt.NDArray[np.bool_]:
        """bool[chain], which chains a dim's loops may have; chains : int64[chain, part]."""
        out = np.ones(len(chains), np.bool_)
        for place, (least, most) in self.loops.get(dim, {}).items():
            loop = chains[:, _at(place)]
            out &= (least <= loop) & (loop <= most)
        for place, (least, most) in self.tiles.get(dim, {}).items():
            inside = np.minimum(chains[:, _at(place) :].prod(axis=1), size)
            out &= (least <= inside) & (inside <= most)
        return out

    def places(self, bypass: Bypass) -> bool:
        """Whether tensors may pass by levels so."""
        none = frozenset[Tensor]()
        return all(not kept & bypass.get(level, none) for level, kept in self.keeps.items()) and all(
            passing <= bypass.get(level, none) for level, passing in self.passes.items()
        )


def _at(place: int | str) -> int:
    return place if isinstance(place, int) else PLACES[place]


FREE = Constraints()
