"""A network under a bound: the choice of every mapping of every layer, one by one, is no better."""

from __future__ import annotations

from itertools import product
from random import Random

import numpy as np
import pytest

from accelsim.architecture.yaml import load_architecture
from accelsim.energy.load import table_for
from accelsim.search.optimum import total
from accelsim.search.optimum.constraints import Constraints, NothingFitsError
from accelsim.search.optimum.scope import Scope
from accelsim.search.optimum.total import Part, Point, within
from accelsim.workload.problem import Problem
from search.optimum import small
from search.optimum.test_optimum import carried_out, priced

LAYERS = {
    "conv": Problem((1, 1, 34, 19, 7, 7, 3, 3), pad=(1, 1)),
    "fc": Problem((1, 1, 30, 22, 1, 1, 1, 1)),
    "odd": Problem((1, 1, 7, 11, 5, 13, 1, 1)),
}


def fronts_of(machine, problems):
    """Every point of each layer that none is better than in both, out of all mappings; None: too many."""
    found = []
    for problem in problems:
        nests = carried_out(machine, problem, small.mappings(machine, problem, {}, True), {})
        if not nests:
            return None
        costs = sorted((cycles, energy) for energy, cycles, _ in priced(machine, problem, nests))
        front = []
        for cost in costs:
            if not front or cost[1] < front[-1][1] * (1 - 1e-9):
                front.append(cost)
        found.append(front)
    return found


@pytest.mark.parametrize("objective", ["energy", "cycles"])
def test_no_choice_of_mappings_is_better(tmp_path, objective):
    seeds, done = iter(range(10_000)), 0
    while done < 4:
        rng = Random(next(seeds))
        machine, problems = small.machine(rng, 1, tmp_path), [small.problem(rng) for _ in range(3)]
        fronts = fronts_of(machine, problems)
        if fronts is None or sum(len(front) > 1 for front in fronts) < 1:
            continue
        parts = [Part(str(i), machine, problem, rng.choice([1, 2])) for i, problem in enumerate(problems)]
        table, scope = table_for(machine, None), Scope(constraints=Constraints(placements=[{}]))
        sums = np.array([
            sum(part.repeat * np.array(cost) for part, cost in zip(parts, choice, strict=True))
            for choice in product(*fronts)
        ])  # fmt: skip
        bounded, least = (sums[:, 0], sums[:, 1]) if objective == "energy" else (sums[:, 1], sums[:, 0])
        for most in rng.sample(sorted(set(bounded)), min(4, len(set(bounded)))):
            found = within(parts, objective, most, table, scope=scope)
            assert found.certified
            assert found.objective == pytest.approx(least[bounded <= most * (1 + 1e-12)].min(), rel=1e-9)
            assert found.bounded <= most * (1 + 1e-8)
            costs = [priced(machine, part.problem, [found.nests[part.name]])[0] for part in parts]
            assert found.objective == pytest.approx(
                sum(part.repeat * cost[objective == "cycles"] for part, cost in zip(parts, costs, strict=True))
            )
        with pytest.raises(NothingFitsError, match="no mappings of all layers keep"):
            within(parts, objective, bounded.min() * 0.99, table, scope=scope)
        done += 1


def test_choices_are_those_of_all(monkeypatch):
    rng = Random(1)
    for _ in range(60):
        parts = [Part(str(i), None, None, rng.randint(1, 3)) for i in range(rng.randint(1, 5))]
        options = [
            [Point(rng.randint(1, 20), rng.randint(1, 20) / 4, None) for _ in range(rng.randint(1, 5))] for _ in parts
        ]
        sums = [
            tuple(sum(part.repeat * point[i] for part, point in zip(parts, choice, strict=True)) for i in (0, 1))
            for choice in product(*options)
        ]
        most = rng.choice(sums)[0]
        chosen = total._chosen(parts, options, most)
        assert sum(part.repeat * point.bounded for part, point in zip(parts, chosen, strict=True)) <= most
        objective = sum(part.repeat * point.objective for part, point in zip(parts, chosen, strict=True))
        assert objective == min(objective for bounded, objective in sums if bounded <= most)


def test_fronts_are_searched_where_it_matters():
    machine = load_architecture("eyeriss_isca16_rs")
    parts = [Part(name, machine, problem, 1) for name, problem in LAYERS.items()]
    table = table_for(machine, None)
    loose = within(parts, "energy", 1e12, table)
    tight = within(parts, "cycles", 1e12, table)
    assert loose.certified and tight.certified
    assert loose.searches == tight.searches == 6  # both ends of each
    middle = within(parts, "energy", (loose.bounded + tight.objective) / 2, table)
    assert middle.certified
    assert loose.objective < middle.objective < tight.bounded
    back = within(parts, "cycles", middle.objective, table)
    assert back.certified
    assert back.objective <= middle.bounded


@pytest.mark.parametrize("objective", ["energy", "cycles"])
def test_no_choice_of_mappings_that_keeps_to_so_many_words_is_better(tmp_path, objective):
    # of 400 draws this is the first where words are worth anything: most have the fewest at the least energy
    seeds, done = iter(range(352, 10_000)), 0
    while done < 1:
        rng = Random(next(seeds))
        machine, problems = small.machine(rng, 1, tmp_path), [small.problem(rng) for _ in range(2)]
        every = [
            carried_out(machine, one, small.mappings(machine, one, {}, objective == "cycles"), {}) for one in problems
        ]
        if not all(every):
            continue
        costs = [priced(machine, one, nests) for one, nests in zip(problems, every, strict=True)]
        if sum(len({cost[2] for cost in own}) > 1 for own in costs) < 2:
            continue
        fronts = [sorted({(cost[2], cost[objective == "cycles"]) for cost in own}) for own in costs]
        sums = np.array([np.array(choice).sum(axis=0) for choice in product(*fronts)])
        words, least = sums.T
        free = words[least <= least.min() * (1 + 1e-9)].min()
        tight = sorted({one for one in words if one < free})
        if not tight:
            continue
        parts = [Part(str(i), machine, problem, 1) for i, problem in enumerate(problems)]
        table, scope = table_for(machine, None), Scope(constraints=Constraints(placements=[{}]))
        for most in rng.sample(tight, min(2, len(tight))):
            found = within(parts, objective, most, table, scope=scope, bounded="words")
            assert found.certified
            assert found.objective == pytest.approx(least[words <= most].min(), rel=1e-6)
            moved = [priced(machine, part.problem, [found.nests[part.name]])[0][2] for part in parts]
            assert found.bounded == sum(moved) <= most
        with pytest.raises(NothingFitsError, match="no mappings of all layers keep words <= "):
            within(parts, objective, words.min() - 1, table, scope=scope, bounded="words")
        done += 1
