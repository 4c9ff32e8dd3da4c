"""What ships, and what making a device emits: ACT's rule worked out apart."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelsim.codesign.carbon import footprint, tables
from accelsim.errors import AccelsimError

JOB = {"energy": "1 kWh", "time": "1 h", "grid": "0 g/kWh", "lifetime": "1 year"}
NODES = {28: (0.9, 175, 100), 20: (1.2, 190, 110), 14: (1.2, 200, 125), 10: (1.475, 240, 150), 8: (1.52, 240, 150),
         7: (2.15, 350, 200), 5: (2.75, 430, 225), 3: (3.25, 470, 275)}  # fmt: skip
"""kWh/cm2, g/cm2 of gases at 95 and 99 % abatement: typed from ACT's files a second time."""


def made(**keys) -> float:
    return float(footprint(**JOB, **keys).embodied.grams)


@given(
    st.sampled_from(sorted(NODES)),
    st.fractions(Fraction(1, 100), 900, max_denominator=100),
    st.sampled_from((95, 97, 99)),
    st.fractions(Fraction(1, 10), 1, max_denominator=1000),
    st.sampled_from(("taiwan", "coal", "gcp:us-west1", "123.4 g/kWh")),
    st.integers(0, 20),
)
def test_a_die_is_acts_rule(node, mm2, abatement, good, grid, packages):
    energy, gas95, gas99 = NODES[node]
    gas = {95: gas95, 97: (gas95 + gas99) / 2, 99: gas99}[abatement]
    grams = {"taiwan": 583, "coal": 820, "gcp:us-west1": 94, "123.4 g/kWh": 123.4}[grid]
    by_hand = float(mm2) / 100 * (grams * energy + gas + 500) / float(good) + 150 * packages
    found = made(node=node, area=f"{mm2} mm2", abatement=abatement, fab_yield=good, fab_grid=grid, packages=packages)
    assert found == pytest.approx(by_hand, rel=1e-12)


def test_acts_own_test():
    """N10, 145 mm2, yield 0.943543, 95 % abated, made in Taiwan: the numbers of its unit test, and a package."""
    by_hand = 1.45 * (1.475 * 583 + 240 + 500) / 0.943543 + 150
    found = made(node=10, area="145 mm2", fab_yield="0.943543", abatement=95, fab_grid="taiwan")
    assert found == pytest.approx(by_hand, rel=1e-12)
    assert found == pytest.approx(2608.70, abs=0.01)


@pytest.mark.parametrize(("process", "grams"), [("ddr3_30nm", 230), ("nand_30nm", 31), ("barracuda", 4.57)])
def test_acts_own_tests_of_memories(process, grams):
    """10 GB at yield 0.9 in two packages."""
    found = made(memory={process: "10 GB"}, fab_yield=0.9, packages=2)
    assert found == pytest.approx(10 * grams / 0.9 + 300, rel=1e-12)


def test_parts_add_up_and_each_has_a_package():
    found = footprint(**JOB, node="7 nm", area="1 cm2", fab_grid="usa", memory={"ddr4_10nm": "8 GB", "1 kg/GB": "1 GB"})
    parts = found.embodied.parts
    assert [float(one) for one in parts.values()] == pytest.approx(
        [(380 * 2.15 + 275 + 500) / 0.875, 8 * 65 / 0.875, 1000 / 0.875, 450]
    )
    assert sum(parts.values()) == found.embodied.grams


def test_a_fab_of_ones_own():
    found = made(
        fab_energy="2 kWh/cm2", fab_gas="0 g/cm2", fab_material="1 kg/cm2", area="2 cm2", fab_grid="usa", packages=0
    )
    assert found == pytest.approx(2 * (380 * 2 + 1000) / 0.875)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"node": 65}, "node: no data of a fab of 65 nm, and none is made up from others' (28, 20, 14, 10, 8, 7, 5, "),
        ({"node": 22}, "node: of 22 nm the gas and material of a fab is not known, only its energy"),
        ({"node": 12}, "node: no data of a fab of 12 nm"),
        ({}, "node: missing"),
        ({"fab_gas": "1 g/cm2"}, "fab_energy and fab_material: missing"),
    ],
)  # fmt: skip
def test_nodes_without_data(keys, said):
    with pytest.raises(AccelsimError) as error:
        footprint(**JOB, area="1 cm2", fab_grid="taiwan", **keys)
    assert str(error.value).startswith(said) and "\n" not in str(error.value)


def test_tables_have_a_source_and_a_licence_each():
    for file in tables.FOLDER.glob("*.csv"):
        head = file.read_text(encoding="utf-8").split("\n\n")[0]
        assert "Licence of the source: MIT, Copyright (c)" in head and "github.com/" in head
    assert "Permission is hereby granted" in (tables.FOLDER / "LICENSES.txt").read_text(encoding="utf-8")


def test_tables_are_acts():
    assert {node: row["energy_kWh_per_cm2"] for node, row in tables.nodes().items()} == {
        **{node: str(energy) for node, (energy, _, _) in NODES.items()},
        22: "1.077",
    }
    for node, (_, gas95, gas99) in NODES.items():
        assert [tables.fab(node, level).gas.value for level in (95, 97, 99)] == [
            gas95,
            Fraction(gas95 + gas99, 2),
            gas99,
        ]
    assert (len(tables.regions()), len(tables.memories())) == (22 + 8 + 39 + 10, 39)
    assert [tables.region(name).value for name in ("taiwan", "taiwan-2023", "iceland-2023")] == [
        583,
        642,
        Fraction("7.3"),
    ]
    for kind, value in (("yield", Fraction(7, 8)), ("abatement", 97), ("package", 150)):
        assert tables.constant(kind).value == value
