"""DRAM presets against public simulators, and their banks against what the timings make by arithmetic."""

from __future__ import annotations

from pathlib import Path

import pytest

from accelsim.architecture.dram.spec import presets
from accelsim.reproduce import dram

COMMITTED = Path(__file__).parents[2] / "VALIDATION.md"
# tDQSS is in the presets' tWR and tWTR; Ramulator 2 has 360 ns for tRFC of 8 Gb where data sheets have 350; gem5's
# tRFC of HBM is that of a smaller die
KNOWN = {
    "Ramulator 2, DDR4_2400U, DDR4_8Gb_x8": {"tRFC": 432},
    "gem5, DDR4_2400_8x8": {},
    "Ramulator, LPDDR4_3200, LPDDR4_8Gb_x16": {"tWR": 29, "tWTR_S": 16},
    "NXP, DDR Tool": {},
    "gem5, HBM_2000_4H_1x64": {"tRFC": 220},
}


@pytest.mark.parametrize("peer", dram.peers(), ids=lambda peer: peer.name)
def test_timings_are_those_of_public_simulators(peer):
    if peer.name == "DRAMsim3, HBM2_8Gb_x128":
        # another vendor's: what JEDEC gives, refresh and distances of activates, is the same
        assert not {"tREFI", "tRFC", "tRRD_S", "tRRD_L"} & peer.different.keys()
    else:
        assert peer.different == KNOWN[peer.name]


def test_every_preset_has_two_peers():
    assert [peer.preset for peer in dram.peers()] == [
        name for name in ("ddr4_2400", "lpddr4_3200", "hbm2") for _ in "12"
    ]


@pytest.mark.parametrize("name", presets())
def test_every_timing_but_trtw_is_in_some_peer(name):
    has = set().union(*(peer.timings for peer in dram.peers() if peer.preset == name))
    # no bank groups: one distance each, under its short name
    same = {"tRRD_L", "tCCD_L", "tWTR_L"} if name == "lpddr4_3200" else set()
    assert dram.ours(name).keys() - has - same == {"tRTW"}


@pytest.mark.parametrize("name", presets())
def test_banks_do_what_the_timings_say(name):
    for figure in dram.figures(name):
        if figure.name == dram.REFRESHED:
            assert 0.995 * figure.expected < figure.model < figure.expected
        elif figure.rule == "2 width / tCK":
            # all but the latency of the first burst
            assert figure.model == pytest.approx(figure.expected, rel=1e-4) and figure.model < figure.expected
        else:
            assert figure.model == figure.expected, figure.name


def test_by_hand():
    # DDR4-2400: 17 + 17 + 4 clocks of 0.833 ns, rows apart 39 + 17, 64 B in 6 clocks, four rows in 26
    found = {figure.name: float(figure.model) for figure in dram.figures("ddr4_2400")}
    assert found["first read of an idle bank"] == pytest.approx(38 / 1.2)
    assert found["reads of rows of one bank, apart"] == pytest.approx(56 / 1.2)
    assert found["hits in one bank"] == pytest.approx(64 * 1.2 / 6)
    assert found["a row a burst, all banks in turn"] == pytest.approx(4 * 64 * 1.2 / 26)


def test_the_committed_section_is_what_is_written():
    assert "\n\n" + dram.section() in COMMITTED.read_text(encoding="utf-8")
