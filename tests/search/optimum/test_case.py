"""Machines whose closed form counts what a search bounds alone: narrow final sums, leakage; and those with paces."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import chain, islice
from math import inf
from pathlib import Path
from random import Random

import pytest

from accelsim.architecture.model import Architecture
from accelsim.architecture.precision import with_bits
from accelsim.architecture.yaml import load_architecture
from accelsim.energy.account import account
from accelsim.energy.load import table_for
from accelsim.energy.table import EnergyTable
from accelsim.engine import evaluate
from accelsim.errors import MappingError
from accelsim.mapping.dataflows.dataflow import load
from accelsim.mapping.mapping import LoopNest
from accelsim.search import find
from accelsim.search.optimum.flow import flow_of
from accelsim.search.optimum.optimum import optimum, why_not
from accelsim.search.optimum.placements import every_bypass
from accelsim.search.optimum.scope import Scope
from accelsim.search.optimum.standing import price_of_cycle
from accelsim.search.proof import Proof
from accelsim.workload.problem import Problem, Width
from search.optimum import small
from search.optimum.test_optimum import carried_out

CONV = Problem((1, 1, 48, 32, 13, 13, 3, 3), pad=(1, 1))


def energy_of(machine: Architecture, table: EnergyTable, problem: Problem, nest: LoopNest) -> float:
    counts, timing = evaluate(machine, nest, problem, "analytical")
    return float(sum(row.energy for row in account(machine, counts, table, timing.cycles, "", nest)))


def drawn(seed: int, folder: Path) -> tuple[str, float] | None:
    """(what the drawn machine does, the gap of what is found); None: too many mappings, or none."""
    rng = Random(seed)
    machine, problem = small.machine(rng, rng.choice([0, 1, 1, 2]), folder), small.problem(rng)
    kind = rng.choice(["narrow", "leaky", "both"])
    if kind != "leaky":
        machine = with_bits(machine, {Width.OFMAP: 8})
    table = table_for(machine, None)
    if kind != "narrow":
        leaky = {n: replace(part, leakage=Fraction(rng.choice([1, 20]))) for n, part in table.components.items()}
        table = replace(table, components=leaky)
    places = small.placements(rng, machine, 1)
    nests = list[LoopNest]()
    # where every cycle costs something it counts how many PEs share groups
    spread = bool(price_of_cycle(machine, table, Scope()))
    for bypass in places:
        every = list(islice(small.mappings(machine, problem, bypass, spread), 4000))
        if len(every) == 4000 or len(nests) > 600:
            return None
        nests += [nest for nest in every if nest is not None]
    costs = []
    for nest in nests:
        try:
            costs.append(energy_of(machine, table, problem, nest))
        except MappingError:
            continue  # psums that nothing adds
    if not costs or len(costs) > 600:
        return None
    scope = Scope()
    scope = replace(scope, constraints=replace(scope.constraints, placements=places))
    found, least = optimum(machine, problem, table=table, scope=scope), min(costs)
    assert found.energy == pytest.approx(energy_of(machine, table, problem, found.nest), rel=1e-9)
    assert found.bound <= least * (1 + 1e-9), (seed, kind)
    assert least <= found.score * (1 + 1e-9) <= least * (1 + found.gap) * (1 + 2e-9), (seed, kind)
    return kind, found.gap


PORTS = """
name: ports
source: drawn
clock: 1 GHz
word: 16 b
energy: eyeriss_relative
padding: stored
dataflow: weight_stationary
levels:
  - name: DRAM
    link: {{width: {dram} b}}
  - name: L1
    component: GLB
    capacity: {room} words
    array:
      size: {{y: 2, x: {x}}}
{serial}      networks:
        filter: {{kind: multicast, width: {filter} words}}
        ifmap: {{kind: multicast, width: {ifmap} words}}
        psum: {{kind: tree, in: 1 words, out: {psum} words, accumulate: on-drain}}
  - name: RF
    capacity: 6 words
pe: {{macs: 1}}
"""


def timed(seed: int, folder: Path) -> float | None:
    """The gap of what is found where ports take time and every cycle costs; None: too many mappings, or none."""
    rng, path = Random(seed), folder / "ports.yaml"
    widths = {name: rng.choice([1, 2, 4]) for name in ("ifmap", "filter", "psum", "x")}
    serial = rng.choice(["", *(f"      passes: {{serial: {tensor}}}\n" for tensor in ("filter", "ifmap"))])
    path.write_text(PORTS.format(dram=rng.choice([4, 16, 64]), room=rng.choice([16, 48]), serial=serial, **widths))
    machine = load_architecture(path)
    problem = Problem((1, 1, rng.choice([2, 4]), rng.choice([1, 2, 4]), rng.choice([1, 2]), 1, 1, 1))
    table = table_for(machine, None)
    leaky = {n: replace(part, leakage=Fraction(rng.choice([1, 20]))) for n, part in table.components.items()}
    table = replace(table, components=leaky)
    every = list(chain.from_iterable(small.mappings(machine, problem, one, True) for one in every_bypass(machine)))
    nests = carried_out(machine, problem, every, {})
    costs = [energy_of(machine, table, problem, nest) for nest in nests or ()]
    if not costs:
        return None
    least = min(costs)
    # without any mapping that is known, and with that of a dataflow
    for known in (inf, None):
        found = optimum(machine, problem, table=table, known=known)
        assert found.energy == pytest.approx(energy_of(machine, table, problem, found.nest), rel=1e-9)
        assert found.bound <= least * (1 + 1e-9), seed
        assert least <= found.score * (1 + 1e-9) <= least * (1 + found.gap) * (1 + 2e-9), seed
    return found.gap


def test_where_every_cycle_costs_the_bound_holds_though_ports_take_time(tmp_path):
    gaps = [gap for seed in range(8) if (gap := timed(seed, tmp_path)) is not None]
    assert len(gaps) >= 3
    assert min(gaps) == 0


@pytest.mark.nightly
def test_where_every_cycle_costs_the_bound_holds_at_length(tmp_path):
    gaps = [gap for seed in range(8, 400) if (gap := timed(seed, tmp_path)) is not None]
    assert len(gaps) >= 150
    # where ports and MACs take about as long the bound knows the longer one alone
    assert gaps.count(0.0) >= 0.6 * len(gaps)


def test_the_bound_holds_and_of_narrow_sums_it_is_met_most_times(tmp_path):
    found = [one for seed in range(40) if (one := drawn(seed, tmp_path))]
    assert len(found) >= 12
    narrow = [gap for kind, gap in found if kind == "narrow"]
    # but where sums of spatial parts meet in a memory, and not all of them arrive there narrowed
    assert narrow.count(0.0) >= 0.8 * len(narrow)


@pytest.mark.nightly
def test_the_bound_holds_at_length(tmp_path):
    found = [one for seed in range(1000, 3000) if (one := drawn(seed, tmp_path))]
    assert len(found) >= 300
    narrow = [gap for kind, gap in found if kind == "narrow"]
    assert narrow.count(0.0) >= 0.8 * len(narrow)


@pytest.mark.parametrize(
    "name", ["a100_like", "tpu_v3_mxu", "tpu_v6e_mxu", "eyeriss_v2_bus", "aie2_core", "opentpu", "tileflow_gemm"]
)
def test_machines_that_narrow_or_pace_have_certificates(name):
    machine = load_architecture(name)
    problem, table = machine.lower(CONV), table_for(machine, None)
    assert why_not(machine, table) == ""
    whole = optimum(machine, problem, table=table)
    flow = load(machine.dataflow)
    own = optimum(machine, problem, table=table, scope=Scope(flow=flow_of(machine, problem, flow)))
    quick = find(machine, problem, machine.dataflow)
    for found in (whole, own):
        assert found.certified
        assert found.score == pytest.approx(energy_of(machine, table, problem, found.nest), rel=1e-9)
    assert own.bound <= quick.bound * (1 + 1e-9)
    proved = find(machine, problem, machine.dataflow, proof=Proof(exact=True))
    assert proved.certificate is not None
    assert proved.bound <= quick.bound * (1 + 1e-9)


@pytest.mark.parametrize("node", [7, 45, 65])
def test_a_layer_of_few_macs_is_priced_as_exactly_as_a_large_one(node):
    # prices are differences of counts of 1e9: what floats lose there is half of what this layer takes
    machine = load_architecture("eyeriss_isca16_rs")
    problem, table = Problem((1, 1, 2, 2, 1, 2, 1, 1)), table_for(machine, None, node)
    found = optimum(machine, problem, table=table)
    assert found.certified
    assert found.bound == pytest.approx(found.energy, rel=1e-9)
    nests = [
        LoopNest.parse("GLB: M2 C2 Q2"),
        LoopNest.parse("GLB: C2 Q2 M2 bypass ifmap,filter,psum | RF: bypass ifmap"),
    ]
    assert all(found.energy <= energy_of(machine, table, problem, nest) for nest in nests)
