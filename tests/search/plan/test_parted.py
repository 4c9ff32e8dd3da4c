"""Plans where some channels of a tensor stay: the cheapest of all, each run by itself; never worse than without."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from random import Random

import pytest

from accelsim.errors import AccelsimError
from accelsim.mapping.plan.plan import Home, Plan
from accelsim.search.plan.best import Found, find_plan
from accelsim.search.plan.costs import Wanted
from accelsim.workload.network import Network
from plans import draw_network
from search.plan.test_best import ROUNDING, energy_of, wanted_of

MOST = 700
"""Plans of a network that are run, at most."""


def found_by(wanted: Wanted, network: Network, parts: int, way: str = "resident") -> Found:
    return find_plan(wanted, network, lambda _: wanted.machine, way, parts=parts)


def every_residency(network: Network, home: str, parts: int) -> Iterator[Plan]:
    """Each set of tensors that stay, whole or in so many blocks, until each of their readers."""
    names = [layer.name for layer in network.layers]
    choices = []
    for name in names:
        homes: list[Home | None] = [None]
        readers = list(dict.fromkeys(layer.name for layer in network.layers if name in layer.inputs))
        for until in ("", *readers[:-1]) if readers else ():
            homes += [Home(home, until, (k, parts) if k < parts else (1, 1)) for k in range(1, parts + 1)]
        choices.append(homes)
    for chosen in itertools.product(*choices):
        yield Plan({name: one for name, one in zip(names, chosen, strict=True) if one})


def agree(name: str, seed: int, parts: int) -> bool:
    """Whether every plan of a drawn network was run; fails where one is cheaper than what was found."""
    rng = Random(seed)
    try:
        network = draw_network(rng, 3)
    except AccelsimError:
        return False
    wanted = wanted_of(name, rng.choice((2_000, 4_000, 6_000, 12_000)))
    every = list(itertools.islice(every_residency(network, wanted.home, parts), MOST + 1))
    if len(every) > MOST:
        return False
    costs = []
    for plan in every:
        try:
            costs.append(energy_of(wanted, network, plan))
        except AccelsimError:
            continue
    found = found_by(wanted, network, parts)
    assert found.gap == 0
    assert found.cost.energy == pytest.approx(min(costs), rel=ROUNDING), found.plan
    assert energy_of(wanted, network, found.plan) == pytest.approx(found.cost.energy, rel=ROUNDING)
    return True


@pytest.mark.parametrize(("name", "seeds", "parts"), [("eyeriss", range(4), 2), ("tpu_v1", range(4, 7), 3)])
def test_it_is_the_cheapest_of_all_plans(name: str, seeds: range, parts: int) -> None:
    assert sum(agree(name, seed, parts) for seed in seeds) > 0


@pytest.mark.nightly
@pytest.mark.parametrize(("name", "parts"), [("eyeriss", 2), ("eyeriss", 3), ("tpu_v1", 2)])
def test_it_is_the_cheapest_of_all_plans_at_length(name: str, parts: int) -> None:
    assert sum(agree(name, seed, parts) for seed in range(150)) >= 50


def test_more_blocks_never_cost_more() -> None:
    """Blocks that a finer cut has too; with groups, parts are one more choice."""
    for seed in (5, 9):
        network, wanted = draw_network(Random(seed), 4), wanted_of("eyeriss", 6_000)
        for way in ("resident", "best"):
            costs = [found_by(wanted, network, parts, way).cost.energy for parts in (1, 2, 4)]
            assert costs[0] * (1 + ROUNDING) >= costs[1]
            assert costs[1] * (1 + ROUNDING) >= costs[2]


def test_too_many_parts() -> None:
    with pytest.raises(AccelsimError, match="parts: 65 blocks of channels; 1 to 64 are looked at"):
        found_by(wanted_of("eyeriss"), draw_network(Random(0)), 65)
