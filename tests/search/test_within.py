"""An objective under bounds of others: what is found keeps them by the evaluator, and what is proved holds."""

from __future__ import annotations

from itertools import chain
from random import Random

import pytest

import accelsim
from accelsim.architecture.yaml import load_architecture
from accelsim.energy.account import account
from accelsim.energy.load import table_for
from accelsim.engine import evaluate
from accelsim.engine.batch import evaluate_many
from accelsim.errors import AccelsimError, MappingError
from accelsim.report.files import write_result
from accelsim.search import find
from accelsim.search.bound import bounds_of, ceilings_of
from accelsim.search.found import OBJECTIVES, Found, objective_of
from accelsim.search.optimum.optimum import optimum
from accelsim.search.optimum.placements import every_bypass
from accelsim.search.proof import Proof
from accelsim.simulate import rerun
from accelsim.workload.problem import Problem
from search.optimum import small
from search.optimum.test_optimum import carried_out

ODD = Problem((1, 1, 34, 19, 7, 7, 3, 3), pad=(1, 1))
FC = Problem((4, 1, 120, 84, 1, 1, 1, 1))
PORTS = """
name: ports
source: drawn
clock: 1 GHz
word: 16 b
energy: eyeriss_relative
levels:
  - name: DRAM
    link: {{width: {dram} b}}
  - name: L1
    component: GLB
    capacity: {room} words
    array: {{size: {{y: 2, x: 2}}, networks: {{filter: {{kind: multicast}},
      ifmap: {{kind: multicast, width: {ifmap} words}},
      psum: {{kind: tree, in: 1 words, out: {psum} words, accumulate: on-drain}}}}}}
  - name: RF
    keeps: [filter]
    capacity: 4 words
pe: {{macs: 1}}
"""


def proof(bound):
    return Proof(bounds=bounds_of(bound))


def costs_of(machine, problem):
    """Energy and cycles of every mapping, by the closed form."""
    every = chain.from_iterable(small.mappings(machine, problem, bypass, True) for bypass in every_bypass(machine))
    nests = carried_out(machine, problem, every, {}) or []
    batch, table = evaluate_many(machine, nests, problem), table_for(machine, None)
    out = []
    for i in range(len(nests)):
        counts, timing = batch[i]
        rows = account(machine, counts, table, timing.cycles, "", nests[i])
        out.append((float(sum(row.energy for row in rows)), float(timing.cycles)))
    return out


def test_where_ports_take_time_what_is_proved_holds(tmp_path):
    seeds, done, exact = iter(range(1000)), 0, 0
    while done < 3:
        rng, path = Random(next(seeds)), tmp_path / "ports.yaml"
        widths = {name: rng.choice([1, 2, 4]) for name in ("ifmap", "psum")}
        path.write_text(PORTS.format(dram=rng.choice([16, 32]), room=rng.choice([12, 24]), **widths))
        machine = load_architecture(path)
        problem = Problem((1, 1, rng.choice([2, 4]), rng.choice([2, 4]), rng.choice([1, 2]), 1, 1, 1))
        costs = costs_of(machine, problem)
        free = min(costs, default=None)
        for most in sorted({cycles for _, cycles in costs if cycles < free[1]})[:3]:
            least = min(energy for energy, cycles in costs if cycles <= most)
            try:
                found = find(machine, problem, "best", proof=proof(f"cycles<={most}"))
            except MappingError as error:
                # which does not say that there is none
                assert "no mapping was found that keeps cycles" in str(error)  # noqa: PT017
                continue
            done += 1
            (held,) = found.held
            assert held.has <= most
            assert held.binds
            assert found.certificate is not None
            assert found.certificate.bound <= least * (1 + 1e-9)
            assert found.bound <= found.certificate.bound * (1 + found.certificate.gap) * (1 + 1e-6)
            # factors that do not divide may come out lower
            assert found.bound >= least * (1 - 1e-9) or "lower still" in found.space
            exact += found.bound <= least * (1 + 1e-9)
    assert exact > done / 2


def test_the_front_of_a_layer_step_by_step():
    machine, problem = load_architecture("eyeriss_isca16_rs"), ODD
    cheapest = optimum(machine, problem)
    front = [(cheapest.cycles, cheapest.energy)]
    for _ in range(2):
        found = find(machine, problem, "best", proof=proof(f"cycles<={front[-1][0] - 1}"))
        (held,) = found.held
        assert found.certificate is not None
        assert found.certificate.gap == 0
        assert held.binds
        # one step of the bound leads back to the point before, and saves what lies between them
        assert held.step == front[-1][0]
        assert held.saves == pytest.approx(1 - front[-1][1] / found.bound)
        assert held.costs == pytest.approx(found.bound / front[0][1] - 1)
        assert held.has < front[-1][0]
        assert found.bound > front[-1][1]
        front.append((held.has, found.bound))


def test_bounds_and_objectives_may_change_places():
    machine = load_architecture("eyeriss_isca16_rs")
    cheapest, fastest = optimum(machine, FC), optimum(machine, FC, "cycles")
    found = find(machine, FC, "best", "edp", proof=proof({"energy": cheapest.energy}))
    assert found.held[0].has == pytest.approx(cheapest.energy)
    found = find(machine, FC, "best", "cycles", proof=proof({"energy": fastest.energy * 2}))
    assert found.bound == fastest.cycles
    assert not found.held[0].binds


def test_a_dataflow_keeps_bounds_too():
    machine = load_architecture("eyeriss_isca16_rs")
    free = find(machine, FC, "row_stationary", proof=Proof(exact=True))
    found = find(machine, FC, "row_stationary", proof=proof("cycles<=1e9"))
    assert found.bound == pytest.approx(free.bound)
    assert not found.held[0].binds


@pytest.mark.parametrize(
    ("bound", "objective", "says"),
    [
        ("cycles<=10", "energy", "no mapping keeps cycles <= 10: the least is "),
        ("energy<=10 MAC", "cycles", "no mapping keeps energy <= 10 MAC: the least is .* MAC"),
        ("latency<=1 ns", "energy", "no mapping keeps latency <= 0.000000001 s: the least is .* cycles"),
        ("cycles<=10", "cycles", "bound 'cycles <= 10': cycles is what the search makes small; bound another one"),
        ("energy<=3 mJ", "cycles", "has energies in MAC, not in J"),
    ],
)
def test_what_cannot_be_kept_is_one_line(bound, objective, says):
    with pytest.raises(AccelsimError, match=says) as error:
        find(load_architecture("eyeriss_isca16_rs"), FC, "best", objective, proof=proof(bound))
    assert "\n" not in str(error.value)


def test_two_bounds_that_contradict_each_other_are_both_named():
    machine = load_architecture("eyeriss_isca16_rs")
    problem = ODD
    cheapest, fastest = optimum(machine, problem), optimum(machine, problem, "cycles")
    assert fastest.energy > cheapest.energy
    bound = {"energy": cheapest.energy, "cycles": fastest.cycles, "ed2p": 1e30}
    with pytest.raises(MappingError, match=r"no mapping keeps energy <= \S+ together with cycles <= \S+: the least"):
        find(machine, problem, "best", "edp", proof=proof(bound))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("cycles=3", "bound 'cycles=3': write NAME<=VALUE, such as 'cycles<=1.2e6' or 'energy<=3 mJ'"),
        ("cycle<=3", "bound 'cycle<=3': unknown quantity 'cycle'; did you mean 'cycles'?"),
        ("cycles<=3 ms", "bound 'cycles<=3 ms': '3 ms' is not a number of cycles: unknown unit 'ms' (cycles)"),
        ("latency<=3", "bound 'latency<=3'"),
        ("cycles<=-3", "bound 'cycles<=-3': a number of cycles must be positive"),
        ("cycles<=3, latency<=1 ms", "cycles has a bound already, 'cycles <= 3'; give one"),
        (3, "bound is 3; write NAME<=VALUE"),
        ("", "bound '': write NAME<=VALUE"),
    ],
)
def test_what_is_no_bound(text, says):
    with pytest.raises(AccelsimError) as error:
        bounds_of(text)
    assert says in str(error.value)


def test_units():
    pj, relative = load_architecture("eyeriss_v2"), load_architecture("eyeriss_isca16_rs")
    table = table_for(pj, "horowitz_45nm")
    found = ceilings_of(bounds_of(["energy<=3 mJ", "latency<=2 ms"]), pj, table, "edp")
    assert found.given == {"energy": pytest.approx(3e9), "cycles": pytest.approx(2e-3 * float(pj.clock_hz))}
    found = ceilings_of(bounds_of("energy<=1.5e6 MAC, cycles<=7"), relative, table_for(relative, None), "edp")
    assert found.given == {"energy": 1.5e6, "cycles": 7}


def test_a_result_says_what_its_bounds_came_to(tmp_path):
    result = accelsim.simulate(
        "eyeriss_isca16_rs", "alexnet", "best", layers="FC8", evaluator="analytical", bound="cycles<=1e6"
    )
    (layer,) = result.layers
    assert "cycles <= 1000000: " in layer.search.describe()
    assert Found.from_dict(layer.search.to_dict(), layer.nest) == layer.search
    write_result(tmp_path, result)
    again = accelsim.Result.load(tmp_path / "result.json")
    assert again.layers[0].search == layer.search
    assert again.ran.proof == result.ran.proof
    assert rerun(again).to_dict() == result.to_dict()


def test_objectives_are_those_that_may_be_bounded():
    names = {one.objective for name in ("energy", "cycles", "edp", "ed2p") for one in bounds_of(f"{name}<=1")}
    assert names == set(OBJECTIVES)
    assert objective_of("edp", 2.0, 3.0) == 6


def test_words_of_the_outermost_level_are_bounded(tmp_path):
    path, problem = tmp_path / "ports.yaml", Problem((1, 1, 4, 4, 4, 4, 3, 3))
    path.write_text(PORTS.format(dram=32, room=24, ifmap=4, psum=4))
    machine = load_architecture(path)
    cheapest, fewest = optimum(machine, problem), optimum(machine, problem, "words")
    counts, _ = evaluate(machine, cheapest.nest, problem, "analytical")
    most = counts.words[0].sum() - 1
    found = find(machine, problem, "best", proof=proof(f"DRAM words <= {most}"))
    (held,) = found.held
    counts, timing = evaluate(machine, found.nest, problem, "cycle")
    assert fewest.words <= held.has == counts.words[0].sum() <= most
    assert held.name == "words"
    assert held.binds
    assert held.costs == pytest.approx(found.bound / cheapest.energy - 1)
    assert held.costs > 0
    assert found.certificate is not None
    assert found.certificate.gap == 0
    assert f"DRAM words <= {most}: {held.has:,.0f}, binds: " in found.describe()
    # one step of it leads back along the front
    assert held.step == most + 1
    assert held.saves == pytest.approx(1 - cheapest.energy / found.bound)
    # and beside other bounds
    both = {"DRAM words": most, "edp": found.bound * timing.cycles}
    assert find(machine, problem, "best", proof=proof(both)).bound == pytest.approx(found.bound)
    least = rf"no mapping keeps DRAM words <= 800: the least is {fewest.words:.0f} words"
    with pytest.raises(MappingError, match=least):
        find(machine, problem, "best", proof=proof("DRAM words<=800"))


@pytest.mark.parametrize(
    ("bound", "says"),
    [
        ("DRUM words<=3", "bound 'DRUM words <= 3': unknown level 'DRUM'; did you mean 'DRAM'? (DRAM, GLB, RF)"),
        ("GLB words<=3", "words of its outermost level are bounded, 'DRAM words'"),
        ("words<=3", "bound 'words<=3': unknown quantity 'words'; did you mean 'DRAM words'?"),
        ("DRAM words<=3 KiB", "'3 KiB' is not a number of words: unknown unit 'KiB' (words)"),
        ("DRAM words<=3, DRAM  words<=4", "words has a bound already, 'DRAM words <= 3'; give one"),
    ],
)
def test_what_are_no_words(bound, says):
    with pytest.raises(AccelsimError) as error:
        find(load_architecture("eyeriss_isca16_rs"), FC, "best", proof=proof(bound))
    assert says in str(error.value)
    assert "\n" not in str(error.value)
