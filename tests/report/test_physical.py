"""Power, area and efficiency as they are shown: each number a second way."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

import fakes
from accelsim.architecture.yaml import load_architecture
from accelsim.energy.load import load_table
from accelsim.energy.rows import MAC
from accelsim.errors import AccelsimError
from accelsim.outcome import STANDING, by_tensor
from accelsim.report.physical import area_grid, efficiency_lines, power_grid
from accelsim.report.table import comparison_grid, type_grid
from accelsim.simulate import simulate


@pytest.fixture(scope="module")
def chip():
    return simulate(
        "eyeriss", "alexnet", mapping="eyeriss_alexnet_jssc17", layers="CONV4,CONV5", data="dense", node=65, batch=4
    )


def number(text):
    return float(text.replace(",", ""))


def test_power_is_energy_over_time(chip):
    grid = power_grid(chip)
    assert grid.header[:2] == ("layer", "DRAM") and grid.header[-1] == "all"
    for row, layer in zip(grid.rows, chip.layers, strict=False):
        # pJ in a time of cycles at 200 MHz
        milliwatts = layer.energy * 1e-12 / (layer.cycles / 200e6) * 1e3
        assert number(row[-1]) == pytest.approx(milliwatts, rel=5e-3)
        assert sum(map(number, row[1:-1])) == pytest.approx(milliwatts, rel=2e-2)
        assert chip.milliwatts(layer.energy_exact, layer.cycles) == pytest.approx(milliwatts)


def test_efficiency_by_hand(chip):
    found, sums = chip.efficiency, chip.total
    seconds, joules = sums.cycles / 200e6, sums.energy * 1e-12
    dram = sum(float(row.energy) for row in chip.energy_rows() if row.component == "DRAM") * 1e-12
    assert found.tops == pytest.approx(2 * sums.macs / seconds / 1e12)
    assert found.power_mw == pytest.approx(1e3 * joules / seconds)
    assert found.chip_mw == pytest.approx(1e3 * (joules - dram) / seconds)
    assert found.tops_per_watt == pytest.approx(2e-12 * sums.macs / joules)
    assert found.chip_tops_per_watt == pytest.approx(2e-12 * sums.macs / (joules - dram))
    assert found.tops_per_mm2 == pytest.approx(found.tops / float(chip.floor.area))
    assert found.edp == pytest.approx(joules * seconds)
    (line,) = efficiency_lines(chip)
    assert line.startswith("power at 65 nm, 1 V: ") and "TOPS/mm2 of floor" in line


def test_area_by_component(chip):
    grid = area_grid(chip)
    assert {row[0] for row in grid.rows} == {"GLB", "FILTER_BANK", "RF", "registers", "MAC unit", "total"}
    assert sum(number(row[3]) for row in grid.rows[:-1]) == pytest.approx(number(grid.rows[-1][3]), rel=1e-2)
    assert number(grid.rows[-1][3]) == pytest.approx(3.17 * number(grid.rows[-1][2]), rel=1e-2)


def test_area_is_that_of_the_machine_whatever_ran(chip):
    other = simulate("eyeriss", "alexnet", layers="FC8", evaluator="analytical", node=65)
    assert other.floor == chip.floor


def test_clock_and_leakage_stand_apart(chip):
    spent = by_tensor(chip.layers[0])
    rows = [row for row in chip.layers[0].energy_rows if row.action in ("clock", "leakage")]
    assert spent[STANDING] == sum(row.energy for row in rows) > 0
    assert sum(spent.values()) == chip.layers[0].energy_exact
    assert spent[MAC] == sum(row.energy for row in chip.layers[0].energy_rows if row.component == MAC)
    assert type_grid(chip).header[-2:] == ("standing", "all")


def test_a_comparison_keeps_them_apart(chip):
    from accelsim.result import Comparison

    grid = comparison_grid(Comparison({"one": chip}, {}))
    assert grid.header[-3:] == ("MAC unit", "standing", "all")
    macs = sum(float(row.energy) for row in chip.energy_rows() if row.component == MAC)
    assert number(grid.rows[0][-3]) == pytest.approx(macs / chip.total.macs, rel=5e-3)
    assert sum(map(number, grid.rows[0][-6:-1])) == pytest.approx(number(grid.rows[0][-1]), rel=1e-2)


def test_the_document_has_them(chip):
    document = json.loads(json.dumps(chip.to_dict()))
    total = document["total"]
    assert total["power_mw"] == pytest.approx(chip.efficiency.power_mw)
    assert total["area"]["floor_mm2"] == pytest.approx(sum(part["floor_mm2"] for part in total["area"]["parts"]))
    assert [layer["power_mw"] for layer in document["layers"]] == [
        pytest.approx(chip.milliwatts(layer.energy_exact, layer.cycles)) for layer in chip.layers
    ]


def test_relative_energies_have_no_watts(fake_engine):
    result = simulate(fakes.machine(), fakes.network())
    assert result.efficiency is power_grid(result) is area_grid(result) is None
    assert efficiency_lines(result) == []
    with pytest.raises(AccelsimError, match="'eyeriss_relative' has no technology, so no area, wires or clock"):
        _ = result.floor


def test_a_table_in_pj_without_a_process_has_power_and_no_area(fake_engine):
    result = simulate(fakes.machine(), fakes.network(), energy="horowitz_45nm")
    assert result.efficiency.tops_per_mm2 is None and area_grid(result) is None
    assert power_grid(result) is not None and efficiency_lines(result)[0].startswith("power: ")


def test_a_supply_changes_what_moves_and_not_the_area(chip):
    low = simulate(
        "eyeriss", "alexnet", mapping="eyeriss_alexnet_jssc17", layers="CONV4,CONV5", data="dense", node=65, batch=4,
        supply="0.8 V",
    )  # fmt: skip
    for one, other in zip(chip.energy_rows(), low.energy_rows(), strict=True):
        by = 1 if one.component == "DRAM" or one.action == "leakage" else 0.64
        # power laws are rounded to six digits
        assert float(other.energy) == pytest.approx(by * float(one.energy), rel=1e-5)
    assert low.floor.area == chip.floor.area


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"node": 90}, r"no energy table of 90 nm \(65, 45, 32, 28, 22, 16, 7 nm\)"),
        ({"node": 65, "energy": "cmos_45nm"}, "each names a table; give one of them"),
        ({"node": 65, "supply": 3}, r"a supply of 3 V: energies are known from 0\.7 to 1\.3 V"),
        ({"node": 65, "supply": "low"}, "supply: should be a number of volts such as 0.9, got 'low'"),
        ({"supply": 0.9}, "'eyeriss_relative' has no technology, so no supply to change"),
        ({"node": 65, "accounting": "isca16"}, "isca16 knows no technology"),
    ],
)
def test_what_is_wrong_is_one_line(options, message):
    with pytest.raises(AccelsimError, match=message):
        simulate("eyeriss", "alexnet", layers="FC8", evaluator="analytical", **options)


def test_a_machine_that_does_not_say_what_its_register_files_are():
    machine = replace(load_architecture("eyeriss"), physical=None)
    with pytest.raises(AccelsimError, match=r"level 'RF' \(ifmap\): a memory of 12 words is flip-flops or an SRAM"):
        simulate(machine, "alexnet", layers="CONV5", evaluator="analytical", energy=load_table("cmos_65nm"))
