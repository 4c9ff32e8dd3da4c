"""What the space of a dataflow holds: mappings that were published, and all that fits a smaller machine."""

from __future__ import annotations

from math import inf
from pathlib import Path

import pytest

from accelsim.architecture.yaml import load_architecture
from accelsim.errors import MappingError
from accelsim.mapping.dataflows import load
from accelsim.mapping.mapping import LoopNest
from accelsim.mapping.yaml import load_mappings
from accelsim.search import find
from accelsim.search.space import Space
from accelsim.simulate import simulate
from accelsim.workload.lowering import lowered
from accelsim.workload.problem import LOOP_DIMS, Problem
from accelsim.workload.yaml import load_network

MACHINES = Path(__file__).parent / "machines"
PUBLISHED = (("eyeriss", "alexnet", 4, "eyeriss_alexnet_jssc17"),)


def holds(space: Space, nest: LoopNest) -> bool:
    """Whether every loop of a mapping stands where the space may put one, fixed loops inside the free ones."""
    slots = {dim: {(level, kind): position for level, position, kind in space.slots(dim)} for dim in LOOP_DIMS}
    for index, level in enumerate(space.machine.levels):
        mapping = nest.level(level.name)
        for kind, loops in ((1, mapping.y), (2, mapping.x)):
            if any((index, kind) not in slots[loop.dim] for loop in loops):
                return False
            if any(loop.dim not in (space.y, space.x)[kind - 1] for loop in loops):
                return False
        try:
            positions = [slots[loop.dim][index, 0] for loop in mapping.temporal]
        except KeyError:
            return False
        free = [at for at, position in enumerate(positions) if position < 0]
        # a fixed loop is right above the array or in the PE; where runs may be cut it may also stand further out
        if positions[len(free) :] != sorted(positions[len(free) :]) or free != list(range(len(free))):
            return False
    return True


@pytest.mark.parametrize(("arch", "network", "batch", "mapping"), PUBLISHED)
def test_the_space_of_a_dataflow_holds_what_its_paper_published(arch, network, batch, mapping):
    machine = load_architecture(arch)
    layers = {layer.name: layer for layer in load_network(network, batch).layers}
    nests = load_mappings(mapping)
    for name, nest in nests.items():
        assert holds(Space(machine, layers[name].problem, load(machine.dataflow)), nest), name


def test_objective_cycles_is_no_slower_than_the_published_mapping():
    ours = simulate("eyeriss", "alexnet", dataflow="row_stationary", batch=4, layers="CONV*", objective="cycles")
    theirs = simulate("eyeriss", "alexnet", mapping="eyeriss_alexnet_jssc17", batch=4, layers="CONV*")
    assert ours.total.cycles <= theirs.total.cycles


@pytest.mark.parametrize(
    ("arch", "network", "batch", "layer", "text"),
    [
        ("eyeriss", "alexnet", 4, "CONV1", "DRAM: N4 P4 M10 | GLB: C3 | FILTER_BANK: Q55 y R11 x P14 | RF: S11 M10"),
        ("eyeriss_isca16_rs", "alexnet_two_tower", 16, "FC6", "DRAM: M5 C154 | GLB: N16 y M5 C3 x M15 | RF: C20 M11"),
    ],
)
def test_no_mapping_that_is_known_is_better(arch, network, batch, layer, text):
    """Smaller factors in the PE, and unrollings that leave PEs idle; less in the PE is tried around the best alone."""
    options = {"batch": batch, "layers": layer, "evaluator": "analytical"}
    found = simulate(arch, network, dataflow="row_stationary", **options)
    known = simulate(arch, network, mapping={layer: text}, **options)
    assert found.total.energy <= 1.005 * known.total.energy


@pytest.mark.parametrize(
    ("arch", "network", "layer", "energy"),
    [
        # what better mappings of the same dataflow come to (MAC), the second written by hand; runs cut above the array
        (MACHINES / "mine.yaml", "vgg16", "CONV1-2", 15_438_196_941),
        ("systolic_os", "vgg16", "CONV5-1", 1_977_474_826),
    ],
)
def test_runs_are_cut_where_that_is_better(arch, network, layer, energy):
    assert float(simulate(arch, network, layers=layer, evaluator="analytical").total.energy) <= energy


@pytest.mark.parametrize(
    ("arch", "network", "layers", "parameter", "sizes"),
    [
        ("sweep.yaml", "small_layer.yaml", "*", "glb", [f"{size} B" for size in (512, 768, 1024, 2048, 4096, 65536)]),
        ("rf.yaml", "conv1.yaml", "*", "rf", [f"{size} words" for size in (64, 112, 128, 224, 256, 512)]),
        # passes that wait for each other: as long as a search did not count them, four of these were worse
        (
            "systolic_os",
            "vgg16",
            "CONV5-1",
            "sram",
            [f"{size} KiB" for size in (8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 512)],
        ),
    ],
)
@pytest.mark.parametrize("objective", ["energy", "cycles", "edp"])
def test_a_larger_memory_is_never_worse(arch, network, layers, parameter, sizes, objective):
    (layer, *_) = load_network(MACHINES / network if network.endswith("yaml") else network).select(layers)
    least = inf
    for size in sizes:
        machine = load_architecture(MACHINES / arch if arch.endswith("yaml") else arch, {parameter: size})
        bound = find(machine, lowered(layer.problem, machine.lowering), machine.dataflow, objective).bound
        assert bound <= least * (1 + 1e-9), size
        least = bound


@pytest.mark.parametrize(
    ("arch", "sizes", "reason"),
    [
        ("systolic_ws", {"M": 8, "C": 2, "P": 2_000_000, "Q": 2_000_000}, "a search among planes of"),
        ("systolic_ws", {"M": 8, "C": 2, "P": 4_000_000, "Q": 6}, "a search would look at"),
        ("diannao", {"M": 4, "C": 2, "P": 2_000_000, "Q": 2_000_000}, "a search would look at"),
    ],
)
def test_planes_that_would_take_a_search_too_long_are_refused(arch, sizes, reason):
    machine = load_architecture(arch)
    with pytest.raises(MappingError, match=reason):
        find(machine, lowered(Problem.of(sizes), machine.lowering), machine.dataflow)
