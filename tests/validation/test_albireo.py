"""Albireo from its parts beside its paper (Shiflett et al., ISCA 2021): converters counted from the nest."""

from __future__ import annotations

import pytest

from accelsim.architecture.yaml import load_architecture
from accelsim.reproduce import albireo
from accelsim.simulate import simulate
from accelsim.workload.network import Network
from accelsim.workload.yaml import network_of
from accelsim.yamlfile import parse

CYCLES = 120


@pytest.mark.parametrize("evaluator", ["analytical", "cycle"])
def test_converters_of_a_cycle_are_those_that_are_built(evaluator: str) -> None:
    """63 inputs are five windows of three in 9 channels; 243 weights, 45 sums: as many as the machine has."""
    counts, timing = albireo.ran("conservative", evaluator)
    assert timing.compute == CYCLES
    sent = (counts.sent("CACHE", "ifmap", "down"), counts.sent("CACHE", "filter", "down"))
    assert sent == (63 * CYCLES, 243 * CYCLES)
    assert counts.sent("COLUMN", "psum", "up") == 45 * CYCLES
    parts = load_architecture("albireo").physical.parts
    assert (parts["DAC"].count, parts["MODULATORS"].count, parts["ADC"].count) == (306, 306, 45)


def test_power_of_a_chip() -> None:
    """Within half a percent: the table's parts are printed with three digits."""
    theirs = float(albireo.reference()["total"]["conservative"])
    assert albireo.chip("conservative").power == pytest.approx(theirs, rel=0.005)


@pytest.mark.parametrize("setting", albireo.SETTINGS)
def test_power_is_that_of_the_table_times_how_many_there_are(setting: str) -> None:
    """The other way to the same power: no nest, no counts."""
    expected = 0.0
    for row in albireo.reference().values():
        value, count = float(row[setting] or 0), int(row["count"])
        clock = int(row["aggressive_GHz"] or 5) if setting == "aggressive" else 5
        if row["unit"] == "pJ":
            expected += value * clock * count
        elif row["unit"].startswith("mW"):
            expected += value * count * (clock / 5 if row["part"] == "laser" else 1)
    assert albireo.chip(setting).power == pytest.approx(expected / 1e3, rel=1e-6)


def test_settings_are_parameters() -> None:
    """The machine as it ships is the conservative one; a faster clock takes no more cycles, and less energy."""
    shipped = load_architecture("albireo")
    assert albireo.machine("conservative") == shipped
    net: Network = network_of(
        parse("name: n\nsource: none\ninput: {C: 9, H: 12, W: 12}\nlayers:\n  A: {op: conv, M: 9, kernel: 3}\n")
    )
    one, other = (
        simulate("albireo", net, evaluator="analytical", parameters=albireo.parameters(setting)).total
        for setting in ("conservative", "aggressive")
    )
    assert one.cycles == other.cycles and other.ms == pytest.approx(5 / 8 * one.ms)
    assert other.energy < 0.1 * one.energy
