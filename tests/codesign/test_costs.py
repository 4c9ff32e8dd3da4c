"""Cost tables: each layer once, networks priced as they are simulated, files that come back the same."""

from __future__ import annotations

import itertools
from pathlib import Path
from random import Random

import numpy as np
import pytest

from accelsim.architecture.yaml import load_architecture
from accelsim.codesign.costs import QUANTITIES, CostTable, cost_table, load_table
from accelsim.codesign.lookup import between, choices_of
from accelsim.codesign.spaces.space import Space, load_space
from accelsim.errors import AccelsimError
from accelsim.simulate import simulate
from accelsim.workload.network import Network
from accelsim.workload.yaml import load_network

MACHINE = "eyeriss"


@pytest.fixture(scope="module")
def space() -> Space:
    return load_space("nasbench201")


@pytest.fixture(scope="module")
def table(space: Space) -> CostTable:
    return cost_table(MACHINE, space, workers=1)


def test_networks_cost_what_simulating_them_gives(space: Space, table: CostTable) -> None:
    rng, costs = Random(7), {quantity: choices_of(table, space, quantity) for quantity in QUANTITIES}
    for _ in range(4):
        chosen = [rng.choice(one.operations) for one in space.positions]
        network = space.network(chosen)
        found, total = simulate(MACHINE, network).total, table.total(network)
        assert total.cycles == found.cycles
        assert total.energy == found.energy_exact
        assert sum(total.tensors.values()) <= total.energy
        for quantity, own in costs.items():
            assert own.price(own.indices(chosen)) == pytest.approx(float(total.value(quantity)), rel=1e-12)


def test_all_cells_are_priced_at_once(space: Space, table: CostTable) -> None:
    costs = choices_of(table, space)
    every = np.array(list(itertools.product(range(5), repeat=6)))
    prices = costs.price(every)
    assert prices.shape == (15_625,)
    # nothing on any edge is the least, and 3x3 convolutions on all are the most
    assert prices.min() == costs.fixed
    assert prices.argmax() == int("333333", 5)


def test_bytes_are_words_of_the_outermost_level(table: CostTable) -> None:
    network = Network.of("one", {"C": {"op": "conv", "M": 16, "kernel": 3, "pad": 1}}, (3, 32, 32))
    found = simulate(MACHINE, network)
    words = sum(n for level, _, _, n in found.layers[0].counts.rows() if level == "DRAM")
    assert table.total(network).bytes == words * 2


def test_a_table_comes_back_from_its_file(table: CostTable, tmp_path: Path) -> None:
    for name in ("t.csv", "t.parquet"):
        table.save(tmp_path / name)
        found = load_table(tmp_path / name)
        assert found.entries == table.entries
        assert dict(found.made) == dict(table.made)
    once = (tmp_path / "t.csv").read_bytes()
    load_table(tmp_path / "t.parquet").save(tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_bytes() == once


def test_any_number_of_workers_gives_the_same_and_a_store_goes_on(
    space: Space, table: CostTable, tmp_path: Path
) -> None:
    found = cost_table(MACHINE, space, workers=2, store=tmp_path / "s.sweep")
    assert found == table
    states = []
    again = cost_table(MACHINE, space, workers=1, store=tmp_path / "s.sweep", progress=states.append)
    assert again == table
    assert states[-1].layers == 0


def test_a_network_may_be_tabled_too() -> None:
    network = load_network("alexnet", 2)
    found = cost_table("eyeriss_isca16_rs", network, evaluator="analytical", workers=1)
    assert len(found.entries) == 8
    assert (
        found.total(network).energy == simulate("eyeriss_isca16_rs", network, evaluator="analytical").total.energy_exact
    )


def test_expectations_of_choices(space: Space, table: CostTable) -> None:
    costs = choices_of(table, space)
    sure = np.eye(5)[costs.indices("|nor_conv_3x3~0|+|none~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_1x1~1|none~2|")]
    assert costs.latency(sure) == costs.price(sure.argmax(axis=1))
    even = np.full((6, 5), 0.2)
    every = costs.price(np.array(list(itertools.product(range(5), repeat=6))))
    assert costs.latency(even) == pytest.approx(every.mean(), rel=1e-12)
    # the derivative by alpha is the cost
    nudged = even.copy()
    nudged[2, 3] += 1e-3
    assert (costs.latency(nudged) - costs.latency(even)) / 1e-3 == pytest.approx(costs.costs[2, 3], rel=1e-6)


def of_channels(m: int, c: int) -> Network:
    return Network.of("one", {"L": {"op": "conv", "M": m, "kernel": 3, "pad": 1}}, (c, 14, 14))


def test_between_numbers_of_channels() -> None:
    grid = [layer for m in (8, 16, 32) for c in (4, 8, 16) for layer in of_channels(m, c).layers]
    table = cost_table("eyeriss_isca16_rs", grid, evaluator="analytical", workers=1)
    exact = between(table, of_channels(16, 8).layers[0], "energy")
    assert exact == (float(table.total(of_channels(16, 8)).energy), 0.0)
    values = [between(table, of_channels(m, 6).layers[0], "energy") for m in range(8, 33)]
    assert all(0 < one.error < 0.5 for one in values)
    assert all(a.value <= b.value for a, b in itertools.pairwise(values))
    # on the line between its neighbours, along both dims
    corners = [float(table.total(of_channels(m, c)).energy) for m in (16, 32) for c in (4, 8)]
    assert between(table, of_channels(24, 6).layers[0], "energy").value == pytest.approx(np.mean(corners), rel=1e-12)
    # and as far from what simulating it gives as is said
    for m, c in ((12, 4), (24, 6), (20, 16)):
        found = between(table, of_channels(m, c).layers[0], "energy")
        real = simulate("eyeriss_isca16_rs", of_channels(m, c), evaluator="analytical").total.energy
        assert found.value == pytest.approx(real, rel=found.error)
    with pytest.raises(AccelsimError, match="layer 'L': M is 33, and the table has M 8 to 32"):
        between(table, of_channels(33, 8).layers[0])
    other = Network.of("one", {"L": {"op": "conv", "M": 8, "kernel": 5, "pad": 2}}, (4, 14, 14)).layers[0]
    with pytest.raises(AccelsimError, match="the table has no layer like it"):
        between(table, other)


def test_bits_and_densities_are_layers_of_their_own() -> None:
    network = of_channels(8, 4)
    layers = [*network.layers, *network.with_(ifmap=8, filter=8).layers, *network.with_(density=0.5).layers]
    table = cost_table("eyeriss", layers, evaluator="analytical", workers=1)
    whole, narrow, sparse = (table.cost(layer) for layer in layers)
    assert narrow.bytes < whole.bytes
    assert sparse.energy < whole.energy


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "layer,op\n", ""])
def test_a_file_that_is_no_table(text: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(AccelsimError, match=r"t\.csv: is no cost table"):
        load_table(tmp_path / "t.csv")


def test_a_table_is_of_one_machine(table: CostTable) -> None:
    table.require(load_architecture(MACHINE))
    table.require(MACHINE)
    with pytest.raises(AccelsimError, match="which is not 'tpu_v1' as it is now"):
        table.require("tpu_v1")
    with pytest.raises(AccelsimError, match="the table is of machine 'eyeriss', which is not 'eyeriss' as it is now"):
        table.require(load_architecture(MACHINE).with_(glb="64 KiB"))
    with pytest.raises(AccelsimError, match="has none such"):
        table.total(of_channels(5, 5))


def test_unknown_quantity(space: Space, table: CostTable) -> None:
    with pytest.raises(AccelsimError, match="unknown quantity 'energies'; did you mean 'energy'"):
        choices_of(table, space, "energies")


def test_prices_of_what_is_no_choice() -> None:
    chain = load_space("proxylessnas")
    costs = choices_of(cost_table("tpu_v1", chain, evaluator="analytical", workers=1), chain)
    zero = chain.operations.index("zero")
    with pytest.raises(AccelsimError, match="may not stand at 'b1_1'"):
        costs.price([zero] * 21)
    with pytest.raises(AccelsimError, match="operations are 0 to 6"):
        costs.price([7] * 21)
    with pytest.raises(AccelsimError, match="a choice has 21 operations"):
        costs.price([0] * 20)
