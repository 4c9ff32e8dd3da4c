"""What a mapping may have of each objective at the most, whichever of them is to be small."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from math import inf

import numpy as np

from accelsim.search.bound import WORDS
from accelsim.search.found import OBJECTIVES, objective_of
from accelsim.search.kernels.records import Floats

SLACK = 1e-9
"""Share that a value may lie above a ceiling: sums of the same words in another order differ in their last digits."""


@dataclass(frozen=True)
class Ceilings:
    """The most of each objective, energy in the unit of the table and time in cycles; infinite: as much as it takes.

    words : the most that the outermost level reads and writes, of all tensors.
    """

    energy: float = inf
    cycles: float = inf
    edp: float = inf
    ed2p: float = inf
    words: float = inf

    @property
    def given(self) -> dict[str, float]:
        """Those that bound anything, by objective."""
        found = {one.name: float(getattr(self, one.name)) for one in fields(self)}
        return {name: most for name, most in found.items() if most < inf}

    @property
    def timed(self) -> bool:
        """Whether cycles are in any of them."""
        return bool(self.given.keys() - {"energy", WORDS})

    @property
    def most(self) -> Floats:
        """float64[objective], as the kernels read them."""
        return np.array([getattr(self, name) for name in OBJECTIVES], np.float64) * (1 + SLACK)

    @property
    def most_words(self) -> Floats:
        """The same where a search counts words in place of energy."""
        return np.array([self.words, self.cycles, inf, inf]) * (1 + SLACK)

    def joules(self, cycles: float) -> float:
        """Energy that a mapping of so many cycles may have."""
        return min(self.energy, self.edp / cycles, self.ed2p / cycles**2)

    def broken(self, energy: float, cycles: float, words: float = 0.0) -> list[str]:
        """Objectives of which a mapping has more than it may."""
        have = energy, cycles, words
        return [name for name, most in self.given.items() if objective_of(name, *have) > most * (1 + SLACK)]

    def only(self, names: Collection[str]) -> Ceilings:
        """Some of them."""
        return Ceilings(**{name: most for name, most in self.given.items() if name in names})

    def at(self, name: str, most: float) -> Ceilings:
        """With another most of one objective."""
        return replace(self, **{name: most})


OPEN = Ceilings()
