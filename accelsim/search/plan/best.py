"""The cheapest plan of a network on a machine, and what it saves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from math import inf

from accelsim.architecture.model import Architecture
from accelsim.energy.table import EnergyTable
from accelsim.errors import AccelsimError, nearest
from accelsim.mapping.plan.plan import WAYS, Plan
from accelsim.search.found import OBJECTIVES as OF_MAPPINGS
from accelsim.search.plan.costs import NEVER, NOTHING, Cost, Wanted
from accelsim.search.plan.states import MOST_STATES, Step, Value, Walk
from accelsim.workload.network import Layer, Network

OBJECTIVES = (*OF_MAPPINGS, "words")
ROUNDS = 12
"""Most slopes that a product of energy and cycles is approached by."""


MOST_PARTS = 64
PLAN = "plan"
Progress = Callable[[int, int, str], None]
NAMES = ("energy", "cycles", "words of the outermost level")


@dataclass(frozen=True)
class Found:
    """The cheapest plan. bound : no plan that was looked at costs less. alone : what no plan costs."""

    plan: Plan
    cost: Cost
    bound: float
    value: float
    alone: Cost
    searched: int
    groups: int
    ways: int
    seconds: float
    thinned: bool = False

    def describe(self) -> str:
        """What it is, what it saves of every layer alone, and how sure it is, in a line."""
        both = zip(NAMES, self.cost, self.alone, strict=True)
        saved = [f"{name} {(new / old - 1) * 100:+.1f} %" for name, new, old in both if old]
        sure = f"within {self.gap:.1%} of the best" if self.gap else "nothing cheaper among those looked at"
        sure += f", of {MOST_STATES:,} states a layer" if self.thinned else ""
        stay, groups = len(self.plan.resident), len(self.plan.groups)
        what = f"{stay} tensor{'s' * (stay != 1)} stay{'s' * (stay == 1)}, {groups} group{'s' * (groups != 1)}"
        return f"{what}; {', '.join(saved)} against every layer alone; {sure}"

    @property
    def gap(self) -> float:
        """How far above the optimum this may lie, as a share of it."""
        return 0.0 if self.value <= self.bound * (1 + 1e-9) else self.value / self.bound - 1


def find_plan(
    wanted: Wanted,
    network: Network,
    sized: Callable[[Layer], Architecture],
    way: str = "best",
    budget: float | None = None,
    progress: Progress | None = None,
    parts: int = 1,
) -> Found:
    """The cheapest plan of one kind.

    Parameters
    ----------
    wanted : machine, prices, level, dataflow of mappings, objective: energy, cycles, edp, ed2p, or words of the
        outermost level. sized : the machine with the widths of a layer. way : of `WAYS`.
    budget : seconds; then the best found so far, with its gap. progress : called with (steps of the
        cheapest plan that are known, all of them, "plan"). parts : blocks of channels of a tensor, some of which may
        stay; 1: it stays whole or not.

    Energy and cycles are those of the closed form, dense. Of edp and ed2p the plan is the best one that some weights of
    energy and cycles lead to; its gap is against the product of the least energy and the least cycles.

    Raises
    ------
    AccelsimError : an unknown way or objective, or a machine where nothing can stay on the chip.
    """
    known("between", way, WAYS)
    known("objective", wanted.objective, OBJECTIVES)
    refuse_accounting(wanted.table)
    if wanted.objective in ("edp", "ed2p"):
        return _product(wanted, network, sized, way, budget, progress, parts)
    walk = _walk(wanted, network, sized, VALUES[wanted.objective], way, parts)
    alone = best_plan(replace_ways(walk), None, NOTHING).cost if way != "none" else NOTHING
    return no_worse(best_plan(walk, budget, alone, progress), walk)


def no_worse(found: Found, walk: Walk) -> Found:
    """What was found when time was up, or every layer alone, which may cost less."""
    least = walk.value(found.alone)
    if found.alone == NOTHING or found.value <= least:
        return found
    return replace(found, plan=Plan({}, (), walk.network.name), cost=found.alone, value=least)


VALUES: dict[str, Value] = {
    "energy": lambda cost: cost.energy,
    "cycles": lambda cost: cost.cycles,
    # of plans that move as many words, that of less energy
    "words": lambda cost: cost.words + 1e-9 * cost.energy,
}


def _walk(
    wanted: Wanted, network: Network, sized: Callable[[Layer], Architecture], value: Value, way: str, parts: int
) -> Walk:
    """A search of one kind."""
    if not 1 <= parts <= MOST_PARTS:
        raise AccelsimError(f"parts: {parts} blocks of channels; 1 to {MOST_PARTS} are looked at")
    ways = way in ("resident", "best"), way in ("fused", "best")
    if parts == 1 or not ways[0]:
        return Walk(wanted, network, sized, value, *ways)
    from accelsim.search.plan.parted import Parted

    return Parted(wanted, network, sized, value, *ways, blocks=parts)


def replace_ways(walk: Walk) -> Walk:
    """The same network with every layer alone; what was searched is shared."""
    other = Walk(walk.wanted, walk.network, walk.sized, walk.value, False, False)
    other.lone = walk.lone
    return other


def _product(
    wanted: Wanted,
    network: Network,
    sized: Callable[[Layer], Architecture],
    way: str,
    budget: float | None,
    progress: Progress | None,
    parts: int,
) -> Found:
    """The best product of energy and cycles among the plans that weighted sums are least of."""
    power = 2 if wanted.objective == "ed2p" else 1
    walk = _walk(wanted, network, sized, VALUES["energy"], way, parts)
    alone = best_plan(replace_ways(walk), None, NOTHING).cost if way != "none" else NOTHING
    least, best, slope, tried = [inf, inf], None, 0.0, set[float]()
    for _ in range(ROUNDS):
        walk.value = _weighted(slope)
        found = best_plan(walk, budget, alone, progress)
        if slope == 0.0:
            least[0] = found.bound
            walk.value = VALUES["cycles"]
            fast = best_plan(walk, budget, alone, progress)
            least[1] = fast.bound
        product = found.cost.energy * found.cost.cycles**power
        if best is None or product < best.value:
            best = replace(found, value=product)
        tried.add(slope)
        # the tangent of the product through the plan found
        slope = power * found.cost.energy / max(found.cost.cycles, 1.0)
        if slope in tried:
            break
    assert best is not None
    return replace(best, bound=min(best.value, least[0] * least[1] ** power))


def _weighted(slope: float) -> Value:
    return lambda cost: cost.energy + slope * cost.cycles


def refuse_accounting(table: EnergyTable) -> None:
    """Raise AccelsimError for a way to account that reads DRAM's words as those of every layer."""
    if table.accounting:
        raise AccelsimError(
            f"between: accounting '{table.accounting}' does not know tensors that stay on the chip; leave it out"
        )


def known(what: str, name: str, names: Iterable[str]) -> None:
    """Raise AccelsimError for a name that is none of these."""
    if name not in names:
        raise AccelsimError(f"unknown {what} '{name}'{nearest(name, names)} ({', '.join(names)})")


def best_plan(walk: Walk, budget: float | None, alone: Cost, progress: Progress | None = None) -> Found:
    """Walk until the cheapest path is known, or time is up: then the cheapest known one so far, with its gap."""
    begun = time.monotonic()
    until = inf if budget is None else begun + budget
    found: tuple[float, list[Step], Cost] | None = None
    bound = 0.0
    while True:
        path = walk.cheapest()
        total = _sum(path)
        bound = max(bound, walk.value(total))
        unknown = [step for step in path if not step.known]
        if not unknown:
            found = walk.value(total), path, total
            break
        for step in unknown:
            walk.look(step, until)
        if progress:
            progress(len(path) - len(unknown), len(path), PLAN)
        if time.monotonic() > until:
            true = [step if step.known else walk.again(step) for step in path]
            if any(step.cost == NEVER for step in true):
                continue
            worth = walk.value(_sum(true))
            if found is None or worth < found[0]:
                found = worth, true, _sum(true)
            break
    assert found is not None
    searched = walk.lone.searched + len(walk.passes.found) + walk.chains.known.searched
    ways = sum(len(one) for one in walk.shapes.values())
    return Found(
        walk.plan_of(found[1]), found[2], min(bound, found[0]), found[0], alone, searched, len(walk.groups), ways,
        time.monotonic() - begun, walk.thinned,
    )  # fmt: skip


def _sum(path: list[Step]) -> Cost:
    total = NOTHING
    for step in path:
        total = total.plus(step.cost)
    return total
