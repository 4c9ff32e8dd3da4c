"""What a search is asked to prove, beside finding a mapping."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from accelsim.mapping.dataflows.dataflow import BEST
from accelsim.search.bound import Bound

if TYPE_CHECKING:
    from accelsim.search.optimum.wanted import Wanted


@dataclass(frozen=True)
class Proof:
    """What of a search is proved.

    budget : seconds of a layer's proof, then the best so far with its gap; None: as long as it takes. exact : a
    dataflow's space is searched to its end. imperfect : of all mappings those with factors that do not divide are some.
    constraints : what is left out; they make a search exact. bounds : what a mapping may have at the most of what is no
    objective; they make a search exact too.
    """

    budget: float | None = None
    exact: bool = False
    imperfect: bool = False
    constraints: Wanted | None = None
    bounds: tuple[Bound, ...] = ()

    @property
    def of_flows(self) -> bool:
        """Whether a dataflow's own space is to be searched to its end."""
        return self.exact or self.narrows

    @property
    def narrows(self) -> bool:
        """Whether some mappings of a space are not wanted: one that is known may be one of them."""
        return self.constraints is not None or bool(self.bounds)

    def of(self, dataflow: str) -> Proof:
        """What of it changes a search under a dataflow: equal ones prove, and find, the same."""
        if dataflow == BEST:
            return Proof(self.budget, False, self.imperfect, self.constraints, self.bounds)
        return Proof(self.budget, True, False, self.constraints, self.bounds) if self.of_flows else NONE

    def to_dict(self) -> dict[str, Any]:
        """What was asked for, as a result's document has it: nothing of what is left at its default."""
        found = {"budget": self.budget, "exact": self.exact, "imperfect": self.imperfect}
        rules: dict[str, Any] = {} if self.constraints is None else {"constraints": self.constraints.data}
        if self.bounds:
            rules["bound"] = [str(one) for one in self.bounds]
        return {name: value for name, value in found.items() if value} | rules


NONE = Proof()
