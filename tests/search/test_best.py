"""The search against brute force: every split and every order of the same space, by the closed form and the account."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations, product
from pathlib import Path

import pytest

from accelsim.architecture.yaml import load_architecture
from accelsim.energy.account import account
from accelsim.energy.load import load_table, table_for
from accelsim.engine import evaluate
from accelsim.errors import AccelsimError, MappingError
from accelsim.mapping.dataflows import NAMES, load
from accelsim.mapping.mapping import LoopNest, check
from accelsim.search import best, find
from accelsim.search.space import GROUPS, Space, with_slices
from accelsim.search.spread import Spreads
from accelsim.search.unrolling import Unrollings
from accelsim.simulate import simulate
from accelsim.workload.problem import LOOP_DIMS, Problem
from accelsim.workload.yaml import load_network

MACHINE = """\
name: small
source: test
clock: 200 MHz
word: 16 b
dataflow: weight_stationary
energy: eyeriss_relative
levels:
  - name: DRAM
    link: {width: 64 b}
  - name: GLB
    capacity: 100 words
    array:
      size: {y: 2, x: 2}
      networks:
        ifmap: {kind: multicast, width: 1 word}
        filter: {kind: multicast, width: 1 word}
        psum: {kind: chain, in: 1 word, out: 1 word, accumulate: on-drain}
  - name: RF
    capacity: 16 words
"""
PROBLEMS = (
    Problem.of({"M": 4, "C": 3, "P": 2, "R": 2, "S": 2}),
    Problem.of({"N": 2, "M": 4, "C": 4, "P": 2}),
    Problem.of({"M": 3, "C": 2, "P": 5, "R": 3}, stride=(2, 1)),
)
SLICED = Problem.of({"M": 3, "C": 2, "P": 3, "IB": 3, "WB": 2})
"""Words in slices, which no built-in dataflow binds."""
FLOWS = ("weight_stationary", "output_stationary_moc_mop", "row_stationary", "no_local_reuse")


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    path = tmp_path_factory.mktemp("arch") / "small.yaml"
    path.write_text(MACHINE)
    return load_architecture(path)


def score(machine, nest, problem, flow, objective="energy"):
    """What the closed form and the energy account say of a mapping."""
    counts, timing = evaluate(machine, nest, problem, "analytical")
    energy = float(sum(row.energy for row in account(machine, counts, table_for(machine, None), 0, flow)))
    delay = timing.cycles
    return {"energy": energy, "cycles": delay, "edp": energy * delay, "ed2p": energy * delay**2}[objective]


def brute(machine, problem, flow):
    """Every legal mapping of the dataflow's space, splits times orders, each once: runs cut, any factor in the PE."""
    flow = with_slices(load(flow), problem)
    space = Space(machine, problem, flow)
    space = replace(space, tiled=not flow.fill and space.array > 0)
    unrollings, spreads = Unrollings(space, narrower=True), Spreads(space)
    levels = machine.levels
    inside = {
        i: levels[i].keeps - space.dataflow.keeps
        for i in range(machine.pe_level, len(levels))
        if levels[i].keeps - space.dataflow.keeps
    }
    seen = set()
    for inner in (one for largest in unrollings.largest() for one in unrollings.within(largest, 1 << 30)):
        inner = {dim: own._replace(run=unrollings.filled(inner)[dim].run) for dim, own in inner.items()}
        for chosen in product(*(spreads.all(dim, inner[dim], 1 << 30) for dim in LOOP_DIMS)):
            splits = dict(zip(LOOP_DIMS, chosen, strict=True))
            loops = [
                [g for g, dims in enumerate(GROUPS) if any(splits[d].temporal[i] > 1 for d in dims)]
                for i in range(space.array + 1)
            ]
            for orders in product(*(permutations(groups) for groups in loops)):
                order = [list(o) for o in orders] + [[] for _ in levels[len(orders) :]]
                nest = LoopNest(space.nest_levels(splits, order, inside))
                if nest not in seen:
                    seen.add(nest)
                    try:
                        check(machine, nest, problem)
                    except MappingError:
                        continue
                    yield nest


@pytest.mark.parametrize("problem", [*PROBLEMS, SLICED], ids=str)
@pytest.mark.parametrize("flow", FLOWS)
def test_no_mapping_of_the_space_is_better(machine, flow, problem):
    scores = [score(machine, nest, problem, flow) for nest in brute(machine, problem, flow)]
    found = best(machine, problem, flow)
    check(machine, found, problem)
    assert score(machine, found, problem, flow) == pytest.approx(min(scores), rel=1e-12)


# planar_dot keeps whole dot products in a PE, more than this machine's holds
@pytest.mark.parametrize("flow", sorted(set(NAMES) - {"planar_dot"}))
def test_the_same_answer_twice(machine, flow):
    assert best(machine, PROBLEMS[0], flow) == best(machine, PROBLEMS[0], flow)


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("objective", ["cycles", "edp", "ed2p"])
def test_each_objective_is_best_at_its_own(machine, flow, objective):
    for problem in PROBLEMS:
        mine, energy = (best(machine, problem, flow, goal) for goal in (objective, "energy"))
        check(machine, mine, problem)
        ours, others = (score(machine, nest, problem, flow, objective) for nest in (mine, energy))
        assert ours <= others * (1 + 1e-12)


NESTED = """\
name: nested
source: test
clock: 200 MHz
word: 8 b
energy: eyeriss_relative
levels:
  - name: DRAM
  - {name: GLB, keeps: [ifmap, filter], capacity: 4000 words, array: {size: {x: 4}}}
  - {name: ACC, component: RF, keeps: [psum], capacity: 12 words, buffer: double, array: {size: {y: 8}}}
  - {name: RF, keeps: [filter], capacity: 1 word}
"""


@pytest.fixture(scope="module")
def nested(tmp_path_factory):
    path = tmp_path_factory.mktemp("arch") / "nested.yaml"
    path.write_text(NESTED)
    return load_architecture(path)


def test_accumulators_are_filled_and_finished(nested):
    """Columns are the outer array's; a block of six sums (two in twelve words) is finished before the next; Q first."""
    problem = Problem.of({"M": 8, "C": 16, "P": 4, "Q": 3, "R": 2})
    nest = best(nested, problem, "weight_stationary_direct")
    assert str(nest).endswith("x M4 | ACC: C2 R2 P2 Q3 y C8")
    # twenty columns: five at a time are four blocks, as six would be; none is left over
    wide = best(nested, Problem.of({"C": 16, "P": 4, "Q": 20}), "weight_stationary_direct")
    assert str(wide).endswith("ACC: C2 Q5 y C8")


@pytest.mark.parametrize(("channels", "rows"), [(2, "C2 S3"), (4, "C4 S2"), (5, "C5")])
def test_columns_of_an_image_lie_beside_its_channels(nested, channels, rows):
    nest = best(nested, Problem.of({"C": channels, "M": 4, "S": 3}), "weight_stationary_stripe")
    assert str(nest).endswith(f" y {rows}")


THREE = """\
name: three
source: test
clock: 200 MHz
word: 8 b
energy: eyeriss_relative
levels:
  - {name: DRAM, array: {size: {y: 2, x: 3}, networks: {psum: {kind: chain, accumulate: on-drain}}}}
  - {name: GLB, keeps: [ifmap, psum], capacity: 120 words, array: {size: {y: 2, x: 2}}}
  - {name: PE, component: RF, keeps: [ifmap, filter], capacity: 60 words}
  - {name: ACC, component: RF, keeps: [psum], capacity: 12 words, array: {size: {y: 2, x: 2}}}
  - {name: RF, keeps: [filter], capacity: 1 word}
"""
AROUND = "source: t\nabout: t\nkeeps: [filter]\narrays: [{y: [C, P], x: [M, Q]}, {y: [C], x: [M, C]}]\n"
INNERMOST = (
    "y: [C]\nx: [M]\nwhole: [C, M]\nabove: [R, S]\nrun: [N, P, Q]\nfill: [Q, P, N]\n",  # as on Simba
    "y: [C, R]\nx: [M]\nrun: [P, Q]\n",  # several unrollings of the innermost array
)


@pytest.mark.parametrize("innermost", INNERMOST)
@pytest.mark.parametrize(
    "sizes",
    [{"M": 20, "C": 24, "P": 2, "Q": 3}, {"M": 30, "C": 24, "P": 3, "R": 2}, {"G": 3, "M": 14, "C": 5, "P": 2, "Q": 3}],
    ids=str,
)
def test_no_mapping_on_nested_arrays_is_better(tmp_path, innermost, sizes):
    arch, flow, problem = tmp_path / "three.yaml", tmp_path / "around.yaml", Problem.of(sizes)
    arch.write_text(THREE)
    flow.write_text(AROUND + innermost)
    machine = load_architecture(arch)
    nests = list(brute(machine, problem, flow))
    for objective in ("energy", "edp", "ed2p"):
        scores = [score(machine, nest, problem, flow, objective) for nest in nests]
        found = best(machine, problem, flow, objective)
        check(machine, found, problem)
        assert score(machine, found, problem, flow, objective) == pytest.approx(min(scores), rel=1e-9)


def test_axes_of_nested_arrays_are_written_in_the_order_of_the_dataflow(tmp_path):
    arch, flow = tmp_path / "three.yaml", tmp_path / "around.yaml"
    arch.write_text(THREE)
    flow.write_text(AROUND + INNERMOST[0])
    nest = best(load_architecture(arch), Problem.of({"M": 12, "C": 8}), flow)
    assert str(nest) == "DRAM: y C2 x M3 | GLB: y C2 x M2 | ACC: y C2 x M2"


def test_unknown_objective(machine):
    with pytest.raises(AccelsimError, match=r"unknown objective 'enrgy'; did you mean 'energy'\?"):
        best(machine, PROBLEMS[0], "weight_stationary", "enrgy")


def test_a_fold_too_long_for_the_buffer_is_cut_in_halves():
    """4 x 100 words of either operand do not fit 256 B; of two halves only the psums come and go once more."""
    machine = load_architecture("systolic_os", {"rows": 4, "cols": 4, "sram": "256 B"})
    nest = best(machine, Problem.of({"M": 4, "C": 100, "Q": 4}), machine.dataflow)
    assert [str(loop) for loop in nest.level("SRAM").temporal] == ["C50"]
    assert (str(nest.level("SRAM").y[0]), str(nest.level("SRAM").x[0])) == ("Q4", "M4")


# ---- what the machine's networks add ---------------------------------------------------------------------------------

MACHINES = Path(__file__).parent / "machines"


def test_what_is_whole_is_cut_where_nothing_fits_otherwise():
    # a row of 16 taps, and 16 of them, is more than a PE's 12 words, and than 12 rows of PEs
    chip, flow = load_architecture("eyeriss"), load("row_stationary")
    for taps in (11, 16):
        problem = Problem.of({"M": 16, "C": 3, "P": 14, "Q": 14, "R": taps, "S": taps}, stride=(taps, taps))
        nest = find(chip, problem, flow).nest
        check(chip, nest, problem)
        inside = {loop.dim: loop.factor for loop in nest.level("RF").temporal}
        assert (inside["S"] == taps) == (taps <= 12)


def test_what_no_network_adds_stays_temporal():
    """A dataflow may lay C on y, but psums of a plain bus meet nowhere: the best legal mapping fills x with M."""
    found = simulate(MACHINES / "unicast.yaml", MACHINES / "pw.yaml")
    (layer,) = found.layers
    assert (float(layer.energy), layer.timing.cycles) <= (237_235.2, 886)
    assert [str(loop) for loop in layer.nest.level("GLB").x] == ["M8"]


@pytest.mark.parametrize(
    "flow", ["weight_stationary", "input_stationary", "row_stationary", "output_stationary_soc_mop"]
)
@pytest.mark.parametrize("name", ["dcnn", "shidiannao", "eie", "nvdla_full"])
def test_a_foreign_dataflow_runs_or_says_what_the_user_chose(name, flow):
    machine, reason = load_architecture(name), ""
    for problem in (
        Problem.of({"M": 8, "C": 8, "P": 4, "Q": 4}),
        Problem.of({"M": 4, "C": 3, "P": 4, "R": 11, "S": 11}),
    ):
        try:
            best(machine, problem, flow)
        except MappingError as error:
            reason = str(error)
        assert "psum network" not in reason


def test_a_search_says_of_what_it_is_the_best():
    problem = Problem.of({"M": 32, "C": 16, "P": 14, "Q": 14, "R": 3, "S": 3}, pad=(1, 1))
    machine = load_architecture("eyeriss")
    energy, cycles = (find(machine, problem, "row_stationary", one, evaluator="cycle") for one in ("energy", "cycles"))
    assert "row_stationary" in energy.space
    assert energy.splits > 1
    assert energy.simulated == 0
    assert cycles.simulated >= 1
    # what takes fewest cycles is simulated, and so is what takes least energy
    times = [evaluate(machine, one.nest, problem)[1].cycles for one in (energy, cycles)]
    assert times[1] <= times[0]
    assert "splits in their best orders" in cycles.scored(1.0, times[1]).describe()


def test_a_search_says_which_factors_it_left_out():
    problem = Problem.of({"M": 4096, "C": 4096})
    found = find(load_architecture("eyeriss"), problem, "row_stationary")
    assert "then less" in found.space
    assert any(text.startswith("all but ") and text.endswith("factors of a dim at a level") for text in found.cut)
    assert "nothing cut" not in found.describe()
    small = find(load_architecture("eyeriss"), Problem.of({"M": 8, "C": 4}), "row_stationary")
    assert small.cut == ()
    assert "nothing cut" in small.describe()


@pytest.mark.parametrize("layer", ["conv2_1b", "conv3_1a"])
@pytest.mark.parametrize("table", ["eyeriss_relative", "horowitz_45nm", "cmos_28nm"])
def test_runs_of_pixels_find_planes_that_fit_whatever_words_cost(layer, table):
    """A plane held whole takes more room than its runs: what a search finds is what the check of a mapping allows."""
    machine, (one,) = load_architecture("nv_large"), load_network("resnet50").select(layer)
    problem = machine.lower(one.problem)
    found = find(machine, problem, machine.dataflow, "energy", load_table(table))
    check(machine, found.nest, problem)
    outermost = found.nest.level(machine.levels[0].name)
    assert not any(loop.dim in "PQRS" and loop.factor > 1 for _, loop in outermost.loops)
