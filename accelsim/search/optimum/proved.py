"""What a search of a mapspace comes to, and how far it has got."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from accelsim.mapping.mapping import LoopNest

ROUNDING = 1e-9


@dataclass(frozen=True)
class Optimum:
    """The best mapping of a layer's mapspace.

    nest : the mapping; score : its objective, by energy in the table's unit and cycles of the MACs; energy : the
    first. bound : no mapping of the space has less. size : mappings in the space. nodes : choices looked at; leaves,
    tried : what may lie below the array, and whole mappings, that were worked out. seconds : taken. cycles : of the
    MACs; 0: not asked for. words : of the outermost level; 0: not asked for.
    """

    nest: LoopNest
    objective: str
    score: float
    energy: float
    bound: float
    size: float
    nodes: int
    leaves: int
    tried: int
    seconds: float
    cycles: float = 0.0
    words: float = 0.0

    @property
    def certified(self) -> bool:
        """Whether nothing in the space is better."""
        return self.bound >= self.score * (1 - ROUNDING)

    @property
    def gap(self) -> float:
        """How far above the optimum this may lie at most, as a share of it."""
        return 0.0 if self.certified else self.score / self.bound - 1


class Step(NamedTuple):
    """How far a search is: its best so far, and what no mapping of the space is below.

    seconds : since it began. visited : choices looked at and mappings worked out. best : infinite before any.
    """

    seconds: float
    visited: int
    best: float
    bound: float
