"""NetAdapt: each step beside a search of all its proposals, budgets that are met, and what cannot be met."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.codesign.adapt import Adapted, Simulated, adapt, strongest
from accelsim.errors import AccelsimError
from accelsim.simulate import simulate
from accelsim.workload.network import Network


@dataclass(frozen=True)
class Toy:
    """A network whose accuracy falls with what leaves each layer, by how much each matters."""

    widths: dict[str, int]
    matters: dict[str, float]
    tunings: tuple[bool, ...] = ()

    def narrowed(self, name: str, filters: int) -> Toy:
        return replace(self, widths={**self.widths, name: filters})

    def tuned(self, long: bool) -> Toy:
        return replace(self, tunings=(*self.tunings, long))

    def accuracy(self) -> float:
        return 1 - sum(matter / self.widths[name] for name, matter in self.matters.items())


def product(widths: dict[str, int]) -> float:
    """As of layers that read each other: words of filters."""
    sizes = [3, *widths.values(), 10]
    return float(sum(a * b for a, b in pairwise(sizes)))


@given(st.lists(st.integers(1, 8), min_size=2, max_size=4), st.integers(0, 1000), st.floats(0.3, 0.95))
@settings(max_examples=60, deadline=None)
def test_every_step_is_the_best_of_all_its_proposals(eights: list[int], seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    widths = {f"L{i}": 8 * n for i, n in enumerate(eights)}
    model = Toy(widths, {name: float(rng.uniform(0, 2)) for name in widths})
    least, whole = product(dict.fromkeys(widths, 8)), product(widths)
    budget = least + share * (whole - least)
    found = adapt(model, product, budget)
    assert found.whole == whole
    assert found.resource == product(found.model.widths) <= budget
    now = model
    for step in found.steps:
        allowed = [
            (-now.narrowed(name, n).accuracy(), product({**now.widths, name: n}), name, n)
            for name in widths
            for n in range(8, now.widths[name], 8)
            if product({**now.widths, name: n}) <= step.wanted
        ]
        # of one layer the widest is best, so the best of all is the best proposal
        best = min(allowed)
        assert (step.accuracy, step.resource) == (-best[0], best[1])
        now = now.narrowed(step.layer, step.filters)
    assert now.widths == found.model.widths
    # a moment for each proposal, and at the end for long
    assert found.model.tunings == (*(False for _ in found.steps), True)


def test_steps_get_smaller() -> None:
    widths = {"A": 640, "B": 640}
    found = adapt(Toy(widths, {"A": 1.0, "B": 1.0}), product, 0.5 * product(widths), multiple=1)
    before = [found.whole, *(step.resource for step in found.steps)]
    asked = [one - step.wanted for one, step in zip(before, found.steps, strict=False)]
    shares = [one / found.whole for one in asked[:-1]]
    assert shares == pytest.approx([0.025 * 0.96**i for i in range(len(shares))])
    assert len(found.steps) > 20


def test_a_budget_that_is_met_already_changes_nothing() -> None:
    model = Toy({"A": 16}, {"A": 1.0})
    found = adapt(model, product, 1e9)
    assert isinstance(found, Adapted)
    assert not found.steps
    assert found.model.widths == model.widths


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"budget": 10.0}, "no network meets a budget of 10: with 8 filters a layer it is 168"),
        ({"budget": 0.0}, "budget is 0.0; it must be more than 0"),
        ({"budget": 200.0, "first": 0.0}, "first is 0.0; it must lie in 0 to 1, and 0 is no step"),
        ({"budget": 200.0, "decay": 1.5}, "decay is 1.5; it must lie in 0 to 1, and 0 is no step"),
        ({"budget": 200.0, "multiple": 0}, "multiple is 0; it must be at least 1"),
    ],
)
def test_bad_input(given: dict[str, float], said: str) -> None:
    with pytest.raises(AccelsimError) as error:
        adapt(Toy({"A": 32, "B": 32}, {"A": 1.0, "B": 1.0}), product, **given)  # type: ignore[arg-type]
    assert str(error.value) == said


def test_the_strongest_filters_stay() -> None:
    weights = np.array([[1.0, 0], [3, 4], [0, 2], [2, 0]])
    assert strongest(weights, 2).tolist() == [1, 2]
    assert strongest(weights, 4).tolist() == [0, 1, 2, 3]


def of(widths: dict[str, int]) -> Network:
    return Network.of(
        "net",
        {
            "A": {"op": "conv", "M": widths["A"], "kernel": 3, "pad": 1},
            "B": {"op": "conv", "M": widths["B"], "kernel": 3, "pad": 1},
            "F": {"op": "fc", "M": 10},
        },
        (3, 8, 8),
    )


@pytest.mark.parametrize("quantity", ["cycles", "energy"])
def test_resources_are_those_of_simulation(quantity: str) -> None:
    simulated = Simulated("eyeriss_isca16_rs", of, quantity, {"evaluator": "analytical"})
    model = Toy({"A": 32, "B": 32}, {"A": 0.1, "B": 1.0})
    whole = simulated(model.widths)
    found = adapt(model, simulated, 0.6 * whole, first=0.1)
    total = simulate("eyeriss_isca16_rs", of(dict(found.model.widths)), evaluator="analytical").total
    assert found.resource == float(getattr(total, quantity)) <= 0.6 * whole
    assert simulated.table is not None
    names = [entry.name for entry in simulated.table.entries.values()]
    # layer A has 4 widths, B 4 by 4, F 4: never more than once each
    assert names.count("A") <= 4
    assert names.count("B") <= 16
    assert names.count("F") <= 4


def test_unknown_quantity() -> None:
    with pytest.raises(AccelsimError, match="unknown quantity 'cycle'; did you mean 'cycles'"):
        Simulated("eyeriss", of, "cycle")
