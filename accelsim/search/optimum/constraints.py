"""What a user fixes, forbids or bounds of a mapspace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from accelsim.workload.problem import Tensor

Bypass = Mapping[int, frozenset[Tensor]]
Bound = tuple[float, float]
"""Least and most."""
ARRAY, PE = "array", "PE"


@dataclass(frozen=True)
class Constraints:
    """Bounds of a mapspace; without any, all of it.

    loops : by dim, then by place, the least and the most iterations of its loop there; a place is the index of a level
    above the array, 'array' or 'PE'. placements : what passes by each level, one mapping for each placement that is
    looked at; None: all. pes : that have work at the least.
    """

    loops: Mapping[str, Mapping[int | str, Bound]] = field(default_factory=dict)
    placements: Sequence[Bypass] | None = None
    pes: int = 1

    def allows(self, dim: str, chain: tuple[int, ...]) -> bool:
        """Whether a dim's loops may have these factors: those of the levels, of the array, inside the PE."""
        for place, (least, most) in self.loops.get(dim, {}).items():
            at = {ARRAY: -2, PE: -1}.get(str(place), place)
            if not least <= chain[int(at)] <= most:
                return False
        return True


FREE = Constraints()
