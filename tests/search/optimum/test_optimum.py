"""The optimum of a mapspace is that of every mapping in it, evaluated one by one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import chain
from math import inf
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from accelsim.architecture.model import Architecture
from accelsim.architecture.yaml import load_architecture
from accelsim.energy.account import account
from accelsim.energy.load import table_for
from accelsim.engine import evaluate
from accelsim.engine.batch import evaluate_many
from accelsim.engine.program import build
from accelsim.errors import AccelsimError, MappingError
from accelsim.mapping.dataflows.dataflow import load
from accelsim.mapping.mapping import LoopNest
from accelsim.reproduce import plans
from accelsim.search.found import OBJECTIVES, objective_of
from accelsim.search.optimum import outside
from accelsim.search.optimum.ceilings import Ceilings
from accelsim.search.optimum.constraints import Constraints, NothingFitsError
from accelsim.search.optimum.flow import flow_of
from accelsim.search.optimum.optimum import optimum
from accelsim.search.optimum.scope import Scope
from accelsim.search.optimum.wanted import constraints_of
from accelsim.workload.problem import Problem, Tensor
from accelsim.yamlfile import Document
from search.optimum import small

CONV3 = Problem((1, 1, 384, 256, 13, 13, 3, 3), pad=(1, 1))
Nests = list[LoopNest] | None
FC = Problem((4, 1, 120, 84, 1, 1, 1, 1))


def carried_out(
    machine: Architecture, problem: Problem, nests: Iterable[LoopNest | None], given: dict[str, Any]
) -> Nests:
    """Those that the machine can carry out and that keep some constraints; None where they are too many for a test."""
    found, seen = list[LoopNest](), 0
    for nest in nests:
        seen += 1
        if len(found) > 3000 or seen > 12000:
            return None
        if nest is None:
            continue
        try:
            build(machine, nest, problem)
        except MappingError:
            continue  # psums that nothing adds
        if small.keeps(machine, problem, nest, given):
            found.append(nest)
    return found


Costs = list[tuple[float, float, float]]


def priced(machine: Architecture, problem: Problem, nests: list[LoopNest]) -> Costs:
    """Energy by the account, equal counts once, cycles of the MACs, and words of the outermost level, of each."""
    batch, table, known = evaluate_many(machine, nests, problem), table_for(machine, None), {}
    found = []
    for i, nest in enumerate(nests):
        counts, timing = batch[i]
        key = counts.words.tobytes(), counts.network.tobytes()
        if key not in known:
            known[key] = float(sum(row.energy for row in account(machine, counts, table, timing.cycles, "", nest)))
        found.append((known[key], float(counts.compute_cycles), float(counts.words[0].sum())))
    return found


def ceilings(rng: Random, objective: str, of: list[str], costs: Costs) -> Ceilings:
    """Some of them, below what the best mapping without any has of them: few mappings keep them all, or none."""
    most = {}
    best = min(costs, key=lambda cost: objective_of(objective, *cost))
    for name in of:
        values = sorted({objective_of(name, *cost) for cost in costs})
        below = [value for value in values if value < objective_of(name, *best) * (1 - 1e-9)] or values[:3]
        most[name] = rng.choice(below) * rng.choice([1, 1, 1, 1.001, 0.999])
    return Ceilings(**most)


def draw(seed: int, objective: str, folder: Path, bounded: bool = False, words: bool = False) -> bool:
    """Compare one drawn problem on one drawn machine, in a drawn scope; whether it was small enough, and ceilings bind.

    All mappings, with factors that divide or others too, or those of a dataflow; under constraints or none. bounded :
    under ceilings of other objectives too; words : of the outermost level have one, or are the objective.
    """
    rng = Random(seed)
    machine, problem = small.machine(rng, rng.choice([0, 1, 1, 2, 2]), folder), small.problem(rng)
    places = small.placements(rng, machine, 3)
    kind = rng.choice(["perfect", "imperfect", "dataflow"])
    given = small.constraints(rng, machine, problem, kind != "dataflow") if rng.random() < 0.5 else {}
    others = [name for name in OBJECTIVES if name != objective]
    of = rng.sample(others, rng.choice([0, 0, 1, 2] if words else [1, 1, 2])) if bounded else []
    of += ["words"] if words and objective != "words" else []
    spread = bool({objective, *of} - {"energy", "words"})
    if kind == "dataflow":
        flow = small.dataflow(rng, machine)
        every = small.flow_mappings(machine, problem, flow)
        scope = Scope(flow=flow_of(machine, problem, flow))
    else:
        some = (small.mappings(machine, problem, bypass, spread, kind == "imperfect") for bypass in places)
        every, scope = chain.from_iterable(some), Scope(kind == "imperfect")
    nests = carried_out(machine, problem, every, given)
    if nests is None:
        return False
    bounds = constraints_of(Document("drawn", given)).on(machine)
    scope = replace(scope, constraints=replace(bounds, placements=None if scope.flow else places))
    if not nests:
        with pytest.raises(NothingFitsError):
            optimum(machine, problem, objective, scope=scope)
        return bool(given)
    costs = priced(machine, problem, nests)
    most = ceilings(rng, objective, of, costs)
    scope = replace(scope, ceilings=most)
    least = min((objective_of(objective, *cost) for cost in costs if not most.broken(*cost)), default=inf)
    if least == inf:
        with pytest.raises(NothingFitsError):
            optimum(machine, problem, objective, scope=scope)
        return True
    found = optimum(machine, problem, objective, scope=scope)
    value = found.energy if objective == "energy" else found.score
    assert value == pytest.approx(least, rel=1e-6), (seed, str(found.nest))
    assert found.certified
    ((energy, cycles, moved),) = priced(machine, problem, [found.nest])
    assert not most.broken(energy, cycles, moved)
    assert (energy, cycles) == pytest.approx((found.energy, found.cycles), rel=1e-9)
    assert not words or moved == found.words
    assert small.keeps(machine, problem, found.nest, given)
    # what is known beforehand saves time alone: of a mapping of the space, or of none
    share = rng.choice([1.0, 1.01, 1.3, 0.9])
    again = optimum(machine, problem, objective, scope=scope, known=share * found.score)
    assert again.score == pytest.approx(found.score, rel=1e-9), (seed, share)
    assert again.certified
    assert not most.broken(again.energy, again.cycles, again.words)
    return not bounded or least > min(objective_of(objective, *cost) for cost in costs) * (1 + 1e-9)


@pytest.mark.parametrize(("objective", "draws"), [("energy", 16), ("edp", 5), ("cycles", 4), ("ed2p", 3)])
def test_no_mapping_is_better(tmp_path, objective, draws):
    seeds, done = iter(range(1000)), 0
    while done < draws:
        done += draw(next(seeds), objective, tmp_path)


@pytest.mark.parametrize(("objective", "draws"), [("energy", 8), ("edp", 3), ("cycles", 3), ("ed2p", 3)])
def test_no_mapping_under_ceilings_is_better(tmp_path, objective, draws):
    seeds, done = iter(range(1000)), 0
    while done < draws:
        done += draw(next(seeds), objective, tmp_path, bounded=True)


@pytest.mark.parametrize(("objective", "draws"), [("energy", 12), ("words", 4), ("edp", 4), ("cycles", 4), ("ed2p", 2)])
def test_no_mapping_that_keeps_to_so_many_words_is_better(tmp_path, objective, draws):
    seeds, done = iter(range(1000)), 0
    while done < draws:
        done += draw(next(seeds), objective, tmp_path, bounded=True, words=True)


@pytest.mark.nightly
@pytest.mark.parametrize("shard", range(8))
def test_no_mapping_that_keeps_to_so_many_words_is_better_at_length(tmp_path, shard):
    seeds, done = iter(range(shard, 10**6, 8)), 0
    while done < 60:
        seed = next(seeds)
        done += draw(seed, (*OBJECTIVES, "words")[seed % 7] if seed % 7 < 5 else "energy", tmp_path, True, True)


@pytest.mark.nightly
@pytest.mark.parametrize("shard", range(8))
@pytest.mark.parametrize("bounded", [False, True])
def test_no_mapping_is_better_at_length(tmp_path, shard, bounded):
    seeds, done = iter(range(shard, 10**6, 8)), 0
    while done < (60 if bounded else 250):
        seed = next(seeds)
        done += draw(seed, OBJECTIVES[seed % 7] if seed % 7 < 4 else "energy", tmp_path, bounded)


@pytest.mark.parametrize("name", ["eyeriss_isca16_rs", "eyeriss", "systolic_ws"])
def test_the_claimed_energy_is_that_of_the_closed_form(name):
    machine = load_architecture(name)
    found = optimum(machine, CONV3)
    counts, timing = evaluate(machine, found.nest, CONV3, "analytical")
    rows = account(machine, counts, table_for(machine, None), timing.cycles, "", found.nest)
    assert found.certified
    assert found.energy == pytest.approx(float(sum(row.energy for row in rows)), rel=1e-9)


def test_larger_machines_are_never_worse():
    small_one, energies = load_architecture("eyeriss_isca16_rs"), []
    for settings in ({}, {"glb": "262140 B"}, {"rows": 32, "glb": "262140 B"}):
        energies.append(optimum(small_one.with_(**settings) if settings else small_one, FC).energy)
    assert energies == sorted(energies, reverse=True)


def test_each_objective_is_best_at_its_own():
    machine = load_architecture("eyeriss_isca16_rs")
    found = {name: optimum(machine, FC, name) for name in OBJECTIVES}
    cycles = {name: evaluate(machine, one.nest, FC, "analytical")[0].compute_cycles for name, one in found.items()}
    assert min(one.energy for one in found.values()) == found["energy"].energy
    assert min(cycles.values()) == cycles["cycles"]
    products = {name: one.energy * cycles[name] for name, one in found.items()}
    assert min(products.values()) == pytest.approx(products["edp"])


def test_where_time_is_up_there_is_a_gap_that_holds():
    machine = load_architecture("eyeriss_isca16_rs")
    hasty, whole = optimum(machine, CONV3, budget=1e-6), optimum(machine, CONV3)
    assert not hasty.certified
    assert hasty.bound <= whole.score * (1 + 1e-9)
    assert hasty.score <= whole.score * (1 + hasty.gap) * (1 + 1e-9)


def test_constraints_bound_loops_placements_and_pes():
    machine = load_architecture("eyeriss_isca16_rs")
    free = optimum(machine, FC)
    kept = optimum(machine, FC, scope=Scope(constraints=Constraints(placements=[{}])))
    whole = optimum(machine, FC, scope=Scope(constraints=Constraints(loops={"C": {"PE": (84, 84)}})))
    busy = optimum(machine, FC, scope=Scope(constraints=Constraints(pes=(240, 256))))
    assert free.energy <= min(kept.energy, whole.energy, busy.energy)
    assert not any(mapped.bypass for _, mapped in kept.nest.levels)
    assert "C84" in str(whole.nest.level("RF").temporal[-1])
    assert evaluate(machine, busy.nest, FC, "analytical")[0].active_pes >= 240
    with pytest.raises(MappingError, match="no loops over C 84 keep the constraints"):
        optimum(machine, FC, scope=Scope(constraints=Constraints(loops={"C": {"PE": (5, 5)}})))


def test_what_is_refused():
    with pytest.raises(AccelsimError, match="unknown objective 'edpp'; did you mean 'edp'"):
        optimum(load_architecture("eyeriss"), FC, "edpp")
    with pytest.raises(MappingError, match="no whole mapspace of 'diannao': it has arrays below BUFFERS and NFU"):
        optimum(load_architecture("diannao"), FC)
    with pytest.raises(MappingError, match="no whole mapspace of 'scnn': its counts depend on more"):
        optimum(load_architecture("scnn"), FC)
    with pytest.raises(MappingError, match="no whole mapspace of 'ne16': its PEs are in lock step"):
        optimum(load_architecture("ne16"), FC)
    for name in ("opentpu", "a100_like"):
        with pytest.raises(MappingError, match=f"no whole mapspace of '{name}': its cycles depend on more"):
            optimum(load_architecture(name), FC, "cycles")


@pytest.mark.parametrize("objective", ["energy", "edp", "cycles"])
def test_a_list_of_tiles_proves_what_tables_of_all_do(monkeypatch, objective):
    machine = load_architecture("eyeriss_isca16_rs")
    layer = Problem((1, 1, 34, 19, 7, 7, 3, 3), pad=(1, 1))
    for scope in (Scope(), Scope(flow=flow_of(machine, layer, load("row_stationary")))):
        found = []
        for most in (outside.MOST_TILES, 0):
            monkeypatch.setattr(outside, "MOST_TILES", most)
            found.append(optimum(machine, layer, objective, scope=scope))
        assert found[0].certified and found[1].certified
        assert found[0].score == pytest.approx(found[1].score, rel=1e-12)
        assert found[0].size == found[1].size


def test_the_same_answer_twice():
    machine = load_architecture("eyeriss_isca16_rs")
    one, two = (optimum(machine, FC) for _ in range(2))
    assert (str(one.nest), one.nodes, one.tried) == (str(two.nest), two.nodes, two.tried)
    assert np.isclose(one.score, two.score, rtol=0)


def test_where_no_word_has_a_price_macs_are_all_that_costs():
    """A pass of a fused group on a chip whose buffer costs nothing: every mapping is as good, and one is found."""
    machine, table = plans.machine(108), plans.prices()
    machine = replace(machine, homes=dict.fromkeys(Tensor, "GLB"))
    problem = Problem((1, 1, 8, 4, 6, 6, 3, 3))
    found = optimum(machine, problem, table=table)
    assert found.certified
    assert found.energy == pytest.approx(problem.macs * float(plans.FREE), rel=1e-9)
    counts, _ = evaluate(machine, found.nest, problem, "analytical")
    assert counts.words[0].sum() == 0


def without_m(rng: Random) -> Problem:
    """A drawn layer without a loop over M, as depthwise ones are, whose rows or columns slide."""
    drawn = plain(rng)
    sizes = [*drawn.sizes[:2], 1, *drawn.sizes[3:]]
    for plane in rng.sample([(4, 6), (5, 7)], rng.choice([1, 1, 2])):
        for dim in plane:
            sizes[dim] = rng.choice([2, 3, 4])
    for dim in (0, 1, 3):
        if sum(size > 1 for size in sizes) > 4:
            sizes[dim] = 1
    return replace(drawn, sizes=tuple(sizes))


plain = small.problem


@pytest.mark.parametrize(("objective", "draws"), [("energy", 6), ("edp", 2)])
def test_no_mapping_of_a_layer_without_a_loop_over_m_is_better(tmp_path, monkeypatch, objective, draws):
    monkeypatch.setattr(small, "problem", without_m)
    seeds, done = iter(range(1000)), 0
    while done < draws:
        done += draw(next(seeds), objective, tmp_path)


def test_what_slides_is_counted_exactly_where_nothing_else_lets_it_stay():
    # the bound of the first class of MobileNet's dw2 is its optimum: nothing is left to be tried but one mapping
    found = optimum(load_architecture("eyeriss"), Problem((1, 1, 1, 1, 112, 112, 3, 3), pad=(1, 1)))
    assert found.certified
    assert found.tried < 100


def test_rows_that_come_back_as_the_next_ones_begin_are_not_moved_again(tmp_path):
    # a seed of the nightly draws: stride and dilation of two, so that the last row of one step is the first of the next
    assert draw(423, "ed2p", tmp_path, bounded=True)
