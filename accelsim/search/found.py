"""What a search found, and best of what it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from accelsim.architecture.model import Architecture
from accelsim.mapping.mapping import LoopNest
from accelsim.search.bound import WORDS
from accelsim.search.split import Split

OBJECTIVES = ("energy", "cycles", "edp", "ed2p")
CHOSEN_FROM = OBJECTIVES[:3]
"""Objectives whose best mappings the evaluator of a run chooses from too, where cycles count."""


@dataclass(frozen=True)
class Candidate:
    """A mapping and what the search says of it: the objective (of cycles a bound) and the energy.

    splits : of every dim. written : makes the nest; few candidates are asked for theirs. tried : combinations that were
    bounded one by one to find it.
    """

    written: Callable[[], LoopNest]
    score: float
    energy: float
    splits: dict[str, Split]
    tried: int

    @cached_property
    def nest(self) -> LoopNest:
        """The mapping."""
        return self.written()


@dataclass(frozen=True)
class Certificate:
    """What a search of a whole mapspace proves (docs/optimum.md).

    size : mappings of the space; nodes : choices that were looked at; bound : no mapping of the space has a smaller
    objective; gap : how far above it what is found lies, as a share: time was up, or ports bind, which are bounded one
    by one.
    """

    size: float
    nodes: int
    bound: float
    gap: float

    def describe(self) -> str:
        """Half a line."""
        how = "the optimum, certified" if self.gap == 0 else f"within {max(self.gap, 1e-4):.2%} of the optimum"
        return f"{how}: {self.size:.0e} mappings, {self.nodes:,} choices looked at"


@dataclass(frozen=True)
class Held:
    """A bound that a mapping keeps, and what it costs, by energy and cycles of the MACs.

    bound : as it was asked for; name : the objective that it bounds; has : how much the mapping has of that, by the
    evaluator. binds : whether the objective would be lower without it; None: not known, time was up. costs : by what
    share the objective lies above that. step : of what is bounded, the least at which the objective is lower; saves :
    by what share it is, there.
    """

    bound: str
    name: str
    has: float
    binds: bool | None = None
    costs: float | None = None
    step: float | None = None
    saves: float | None = None

    def describe(self) -> str:
        """A clause."""
        text = f"{self.bound}: {self._shown(self.has)}"
        if self.binds is None:
            return text
        if not self.binds:
            return f"{text}, does not bind"
        text += f", binds: {self.costs:.2%} above the optimum without it"
        return text if self.step is None else f"{text}; {self._shown(self.step)} would save {self.saves:.2%}"

    def _shown(self, value: float) -> str:
        return f"{value:,.0f}" if self.name in ("cycles", WORDS) else f"{value:.6g}"


@dataclass(frozen=True)
class Found:
    """The best mapping, and best of what.

    splits : bounded, each tried in every order of its free loops unless its bound leaves it out. cut : what of the
    space was tried only around the best of the others, in words; empty: nothing. bound : the objective by the closed
    form, dense (cycles: a lower bound); score : as the layer was evaluated. simulated : mappings the cycle evaluator
    chose from. certificate : of a search of the whole mapspace. held : bounds that the mapping was to keep.
    """

    nest: LoopNest
    objective: str
    space: str
    splits: int
    cut: tuple[str, ...]
    bound: float
    score: float | None = None
    simulated: int = 0
    certificate: Certificate | None = None
    held: tuple[Held, ...] = ()

    def scored(self, energy: float, cycles: int) -> Found:
        """With the objective as it came out."""
        return replace(self, score=objective_of(self.objective, energy, cycles))

    def to_dict(self) -> dict[str, Any]:
        """As in a result's document; the mapping stands beside it."""
        return {
            "objective": self.objective,
            "space": self.space,
            "splits": self.splits,
            "cut": list(self.cut),
            "bound": self.bound,
            "score": self.score,
            "simulated": self.simulated,
            **({"certificate": asdict(self.certificate)} if self.certificate else {}),
            **({"held": [asdict(one) for one in self.held]} if self.held else {}),
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any], nest: LoopNest) -> Found:
        """What `to_dict` gave, of the mapping that stands beside it."""
        own = data.get("certificate")
        certificate = Certificate(**own) if own else None
        held = tuple(Held(**one) for one in data.get("held", ()))
        return Found(nest, **{**data, "cut": tuple(data["cut"]), "certificate": certificate, "held": held})

    def describe(self) -> str:
        """One line."""
        cut = "; ".join(self.cut) or "nothing cut"
        score = "" if self.score is None else f", score {self.score:.6g}"
        again = f", the best of {self.simulated} simulated" if self.simulated else ""
        if self.certificate:
            held = "".join(f"; {one.describe()}" for one in self.held)
            return f"{self.certificate.describe()}; bound {self.certificate.bound:.6g}{score}{again}{held}"
        return f"best of {self.splits:,} splits in their best orders, {cut}; bound {self.bound:.6g}{score}{again}"


def closed_form_chooses(machine: Architecture, objective: str) -> bool:
    """Whether the whole closed form chooses among what a search finds, for the search's own numbers do not decide it.

    The energy it works out is that of the closed form. Its cycles are a bound on those: it knows no roundings and not
    what the ports of a mesh carry. Which sums are narrowed depends on all loops, and a search takes all to be wide: its
    cycles are no bound then, and its energy is too high by `narrowed.most_saved` at most.
    """
    return objective != "energy" or machine.narrows


def objective_of(objective: str, energy: float, cycles: float, words: float = 0.0) -> float:
    """Energy, cycles, energy times cycles, or energy times their square; or words of the outermost level."""
    delay = float(cycles)
    if objective == WORDS:
        return words
    return {"energy": energy, "cycles": delay, "edp": energy * delay, "ed2p": energy * delay**2}[objective]
