"""What a mapping may have of each objective at the most, whichever of them is to be small."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from math import inf

import numpy as np

from accelsim.search.found import objective_of
from accelsim.search.kernels.records import Floats

SLACK = 1e-9
"""Share that a value may lie above a ceiling: sums of the same words in another order differ in their last digits."""


@dataclass(frozen=True)
class Ceilings:
    """The most of each objective, energy in the unit of the table and time in cycles; infinite: as much as it takes."""

    energy: float = inf
    cycles: float = inf
    edp: float = inf
    ed2p: float = inf

    @property
    def given(self) -> dict[str, float]:
        """Those that bound anything, by objective."""
        found = {one.name: float(getattr(self, one.name)) for one in fields(self)}
        return {name: most for name, most in found.items() if most < inf}

    @property
    def timed(self) -> bool:
        """Whether cycles are in any of them."""
        return bool(self.given.keys() - {"energy"})

    @property
    def most(self) -> Floats:
        """float64[objective], as the kernels read them."""
        return np.array([getattr(self, one.name) for one in fields(self)], np.float64) * (1 + SLACK)

    def broken(self, energy: float, cycles: float) -> list[str]:
        """Objectives of which a mapping has more than it may."""
        return [name for name, most in self.given.items() if objective_of(name, energy, cycles) > most * (1 + SLACK)]

    def only(self, names: Collection[str]) -> Ceilings:
        """Some of them."""
        return Ceilings(**{name: most for name, most in self.given.items() if name in names})

    def at(self, name: str, most: float) -> Ceilings:
        """With another most of one objective."""
        return replace(self, **{name: most})


OPEN = Ceilings()
