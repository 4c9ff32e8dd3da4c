"""No mapping of a pass costs less than its floor, and floors are near."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from random import Random

import numpy as np
import pytest

from accelsim.architecture.yaml import load_architecture
from accelsim.dataflows import known_dataflow
from accelsim.energy.load import table_for
from accelsim.errors import AccelsimError
from accelsim.mapping.dataflows.dataflow import load
from accelsim.mapping.plan.living import home_of
from accelsim.search.plan.costs import NEVER, Passes, Wanted
from accelsim.search.proof import NONE, Proof
from accelsim.workload.problem import Problem
from accelsim.yamlfile import names

ROUNDING = 1e-9
RS, TPU = "eyeriss_isca16_rs", "tpu_v1"


@cache
def wanted_of(name: str, flow: str = "", objective: str = "energy", table: str | None = None) -> Wanted | None:
    """None: nothing can stay on its chip, or it has no dataflow of its own."""
    machine = load_architecture(name)
    try:
        home = home_of(machine)
        known = load(flow) if flow else known_dataflow(machine, machine.dataflow, needed=True)
    except AccelsimError:
        return None
    assert known is not None
    return Wanted(machine, table_for(machine, table), home, known, flow or machine.dataflow, objective, NONE)


def draw(rng: Random) -> Problem:
    """A pass: some outputs of a layer, often few, and the interval of its ifmap that they use."""
    taps = rng.choice((1, 1, 2, 3, 3, 5)), rng.choice((1, 1, 3, 3, 5))
    stride, dilation = (rng.choice((1, 1, 2, 3)), rng.choice((1, 1, 2))), (rng.choice((1, 1, 2)), rng.choice((1, 1, 2)))
    groups = rng.choice((1, 1, 1, 4, 13))
    m, c = (rng.choice((1, 2)), 1) if groups > 1 else (rng.choice((1, 3, 16, 24, 40)), rng.choice((1, 3, 8, 20, 33)))
    p, q = rng.choice((1, 2, 5, 7, 14)), rng.choice((1, 2, 3, 9, 16))
    pad = tuple(rng.choice((0, 0, 1)) if one > 1 else 0 for one in taps)
    touched = [(n - 1) * s + (t - 1) * d + 1 for n, s, t, d in zip((p, q), stride, taps, dilation, strict=True)]
    plane = [max(1, size - before - rng.choice((0, 0, 1))) for size, before in zip(touched, pad, strict=True)]
    return Problem((1, groups, m, c, p, q, *taps), stride, dilation, pad, *plane)  # type: ignore[arg-type]


def floors_and_prices(wanted: Wanted, problems: list[Problem]) -> tuple[np.ndarray, np.ndarray]:
    """float64[pass, 3] before and after passes were searched, of those that have a mapping."""
    passes = Passes(wanted)
    numbers = [passes.number(wanted.machine, problem) for problem in dict.fromkeys(problems)]
    floors = passes.table.copy()
    for number in numbers:
        passes.look(number)
    there = [number for number in numbers if passes.found[number].cost != NEVER]
    return floors[there], passes.table[there]


MACHINES = [name for name in names("arch") if wanted_of(name) is not None]


@pytest.mark.parametrize("name", MACHINES)
def test_no_pass_costs_less(name: str) -> None:
    wanted, rng = wanted_of(name), Random(name)
    assert wanted is not None
    floors, prices = floors_and_prices(wanted, [draw(rng) for _ in range(12)])
    assert (floors <= prices * (1 + ROUNDING)).all()
    assert (floors[:, 0] > 0).any() or wanted.table.own_parts


FLOWS = {
    RS: (
        "weight_stationary",
        "output_stationary_moc_mop",
        "output_stationary_moc_sop",
        "no_local_reuse",
        "register_tiles",
    ),
    TPU: ("weight_stationary", "weight_stationary_systolic"),
}


@pytest.mark.parametrize(("name", "flow"), [(name, flow) for name, flows in FLOWS.items() for flow in flows])
def test_no_pass_costs_less_in_another_dataflow(name: str, flow: str) -> None:
    wanted, rng = wanted_of(name, flow), Random(flow)
    assert wanted is not None
    floors, prices = floors_and_prices(wanted, [draw(rng) for _ in range(12)])
    assert (floors <= prices * (1 + ROUNDING)).all()


def test_no_pass_costs_less_where_a_space_is_searched_to_its_end() -> None:
    wanted, rng = wanted_of(RS), Random("exact")
    assert wanted is not None
    problems = [draw(rng) for _ in range(6)]
    floors, prices = floors_and_prices(replace(wanted, proof=Proof(exact=True)), problems)
    _, thinned = floors_and_prices(wanted, problems)
    assert (floors <= prices * (1 + ROUNDING)).all()
    assert (prices[:, 0] <= thinned[:, 0] * (1 + ROUNDING)).all()


@pytest.mark.nightly
@pytest.mark.parametrize("name", MACHINES)
def test_no_pass_costs_less_at_length(name: str) -> None:
    wanted, rng = wanted_of(name), Random(f"{name} at length")
    assert wanted is not None
    floors, prices = floors_and_prices(wanted, [draw(rng) for _ in range(300)])
    assert (floors <= prices * (1 + ROUNDING)).all()


@pytest.mark.parametrize("objective", ["cycles", "words"])
def test_no_pass_has_fewer_cycles(objective: str) -> None:
    wanted, rng = wanted_of(RS, objective=objective), Random(objective)
    assert wanted is not None
    floors, prices = floors_and_prices(wanted, [draw(rng) for _ in range(12)])
    assert (floors <= prices * (1 + ROUNDING)).all()


@pytest.mark.parametrize(("name", "least"), [(RS, 0.9), (TPU, 0.99)])
def test_floors_are_near(name: str, least: float) -> None:
    """What a search of plans rests on: of tiles of a few layers few have to be searched."""
    wanted = wanted_of(name)
    assert wanted is not None
    layers = [(1, 64, 64, 3, 1), (1, 256, 64, 1, 1), (1, 128, 512, 1, 1), (96, 1, 1, 3, 2)]
    tiles = [(4, 14), (14, 28), (7, 7)]
    problems = [Problem((1, g, m, c, p, q, k, k), (s, s)) for g, m, c, k, s in layers for p, q in tiles]
    floors, prices = floors_and_prices(wanted, problems)
    assert (floors[:, 0] >= least * prices[:, 0]).all()


def test_floors_of_passes_that_come_one_by_one() -> None:
    wanted, rng = wanted_of(RS), Random(0)
    assert wanted is not None
    problems = list(dict.fromkeys(draw(rng) for _ in range(20)))
    together, apart = Passes(wanted), Passes(wanted)
    for problem in problems:
        together.number(wanted.machine, problem)
    for problem in problems:
        apart.number(wanted.machine, problem)
        assert len(apart.table) == len(apart.machines)
    assert apart.table == pytest.approx(together.table, rel=ROUNDING)
    assert not apart.searched.any()
