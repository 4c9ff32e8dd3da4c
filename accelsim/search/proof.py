"""What a search is asked to prove, beside finding a mapping."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from accelsim.search.optimum.wanted import Wanted


@dataclass(frozen=True)
class Proof:
    """What of a search is proved.

    budget : seconds of a layer's proof, then the best so far with its gap; None: as long as it takes. exact : a
    dataflow's space is searched to its end. imperfect : of all mappings those with factors that do not divide are some.
    constraints : what is left out; they make a search exact.
    """

    budget: float | None = None
    exact: bool = False
    imperfect: bool = False
    constraints: Wanted | None = None

    @property
    def of_flows(self) -> bool:
        """Whether a dataflow's own space is to be searched to its end."""
        return self.exact or self.constraints is not None


NONE = Proof()
