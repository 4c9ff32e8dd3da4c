"""Modes of a multiplier as a machine file says them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from accelsim.architecture.document import document_of
from accelsim.architecture.model import Architecture, Mode
from accelsim.architecture.yaml import architecture_of
from accelsim.energy.load import table_for
from accelsim.errors import AccelsimError, SpecError
from accelsim.yamlfile import Document, parse

SPLIT = "{bits: 16 b}, {bits: 8 b, macs: 2, along: M, energy: 0.4, divider: 2}"


def machine(modes: str = SPLIT, pe: str = "", word: str = "16 b") -> Architecture:
    return architecture_of(
        parse(
            f"name: m\nsource: test\nclock: 1 GHz\nword: {word}\n"
            f"levels:\n  - name: DRAM\n    link: {{width: 64 b}}\n  - name: GLB\npe: {{modes: [{modes}]{pe}}}\n"
        )
    )


def test_modes_as_read() -> None:
    found = machine(f"{SPLIT}, {{bits: {{ifmap: 8 b, filter: 2 b}}, macs: 8}}")
    assert found.modes == (
        Mode(16, 16), Mode(8, 8, 2, "M", Fraction(2, 5), 2), Mode(8, 2, 8),
    )  # fmt: skip
    assert found.mode == found.modes[0]
    assert machine(word="8 b").mode.macs == 2


def test_ports_with_a_clock_of_their_own_keep_it_at_another_divider() -> None:
    chip = "{bits: 16 b}, {bits: 8 b, divider: 4}"
    head = "name: m\nsource: test\nclock: 1 GHz\nword: {}\n"
    text = head + "levels:\n  - name: D\n    link: {{width: 8 GB/s}}\n  - name: G\n"
    rates = [
        architecture_of(parse(text.format(word) + f"pe: {{modes: [{chip}]}}\n")).levels[0].fanout.networks
        for word in ("16 b", "8 b")
    ]
    (whole, *_), (slow, *_) = ([network.down for network in networks.values()] for networks in rates)
    assert whole is not None and slow is not None
    assert slow.rate == 4 * whole.rate == 4 * 64


def test_the_file_is_written_again() -> None:
    supplies = "{bits: 16 b, supply: 1.1}, {bits: {ifmap: 8 b, filter: 4 b}, macs: 4, supply: 0.65, along: C}"
    for modes in (SPLIT, supplies):
        found = replace(machine(modes), document=None)
        assert architecture_of(Document("again", document_of(found))) == found


@pytest.mark.parametrize(
    ("modes", "pe", "message"),
    [
        ("{bits: 8 c}", "", "pe.modes.0.bits: '8 c' is not a word width: unknown unit 'c'"),
        ("{bits: {ifmap: 8 b}}", "", "pe.modes.0.bits: should be one width, or {ifmap: WIDTH, filter: WIDTH}"),
        ("{bits: 16 b, along: K}", "", "pe.modes.0.along: unknown dim 'K'"),
        ("{bits: 16 b, along: IB}", "", "pe.modes.0.along: unknown dim 'IB'"),
        ("{bits: 16 b, macs: 0}", "", "pe.modes.0.macs: must be at least 1, got 0"),
        ("{bits: 16 b, divider: 1.5}", "", "pe.modes.0.divider: should be a whole number, got '1.5'"),
        ("{bits: 16 b, energy: 0}", "", "pe.modes.0.energy: must be finite and above 0, got 0"),
        ("{bits: 16 b, supply: 3}", "", "pe.modes.0.supply: must be at most 2, got 3"),
        ("{bits: 16 b, mac: 2}", "", "pe.modes.0.mac: unknown key; did you mean 'macs'?"),
        ("{macs: 2}", "", "pe.modes.0.bits: missing"),
        ("{bits: 8 b}", "", "modes: none takes ifmap words of 16 b and filter words of 16 b (there are 1 x 8 b)"),
        ("{bits: 16 b}, {bits: 16 b, macs: 2}", "", "modes: two modes of 256 cells: which of them runs is not said"),
        ("{bits: 16 b}, {bits: 8 b, macs: 5}", "", "modes: 5 x 8 b takes more cells than 1 x 16 b"),
        ("{bits: 16 b, energy: 0.5}", "", "modes: energies are over that of 1 x 16 b, so its own is 1"),
        ("{bits: 16 b, supply: 1}, {bits: 8 b}", "", "modes: some have a supply and some have none"),
        ("{bits: 16 b}", ", skip: [ifmap]", "modes: PEs that skip zeros pair words by themselves"),
        ("{bits: 16 b}", ", cartesian: {}", "modes: Cartesian PEs pair words by themselves"),
        ("{bits: 16 b}", ", multiplier: 16 b", "modes: a multiplier has the widths of its modes"),
    ],
)
def test_what_makes_no_sense_is_one_line(modes: str, pe: str, message: str) -> None:
    with pytest.raises(SpecError) as found:
        machine(modes, pe)
    (line,) = str(found.value).splitlines()
    assert message in line
    assert ":9:" in line


def test_a_supply_of_the_run_and_of_the_modes_exclude_each_other() -> None:
    split = machine("{bits: 16 b, supply: 1}")
    with pytest.raises(AccelsimError, match="supply: the modes of 'm' have supplies of their own; leave it out"):
        table_for(split, "cmos_28nm", supply="0.8")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"ifmap": 0}, "a word"),
        ({"filter": 65}, "a word"),
        ({"macs": 0}, "MACs per cycle"),
        ({"divider": 0}, "a divider is at least 1, not 0"),
        ({"share": Fraction(0)}, "an energy is above 0, not 0"),
        ({"supply": Fraction(5, 2)}, "a supply is above 0 and at most 2 V, not 2.5"),
    ],
)
def test_no_mode_of_code_is_out_of_bounds(values: dict[str, Any], message: str) -> None:
    with pytest.raises(AccelsimError, match=message):
        Mode(**values)
