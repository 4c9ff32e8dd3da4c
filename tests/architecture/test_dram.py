"""DRAM presets and their YAML: what they say in clocks, what may be overridden, what is refused."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from accelsim.architecture.dram.model import Dram, Page
from accelsim.architecture.dram.spec import preset, presets
from accelsim.architecture.model import Architecture
from accelsim.architecture.yaml import architecture_of, load_architecture
from accelsim.errors import SpecError
from accelsim.yamlfile import parse


def machine(entry: str, more: str = "", levels: str = "  - name: RF\n", pe: str = "") -> Architecture:
    """A machine whose DRAM level has these keys."""
    head = "name: m\nsource: s\nclock: 200 MHz\nword: 16 b\nlevels:\n  - name: DRAM\n"
    return architecture_of(parse(f"{head}    dram: {entry}\n{more}{levels}{pe}"))


def dram(entry: str) -> Dram:
    found = machine(entry).levels[0].dram
    assert found is not None
    return found


@pytest.mark.parametrize("name", presets())
def test_every_preset_is_complete_and_says_where_it_is_from(name: str) -> None:
    assert "JESD" in preset(name).source
    assert dram(name) == dram(f"{{preset: {name}}}")


def test_presets_lie_in_the_package() -> None:
    import accelsim

    assert set(presets()) == {"ddr4_2400", "lpddr4_3200", "hbm2"}
    assert (Path(accelsim.__file__).parent / "architecture" / "dram" / "hbm2.yaml").is_file()


def test_ddr4_in_clocks() -> None:
    # Micron 8Gb DDR4, -083 (17-17-17), tCK 0.833 ns: tRCD 14.16 ns, tRAS 32, tFAW 21, tRFC 350
    found = dram("ddr4_2400")
    assert (found.cl, found.t_rcd, found.t_rp, found.t_ras) == (17, 17, 17, 39)
    assert (found.t_rrd_s, found.t_rrd_l, found.t_faw, found.t_ccd_s, found.t_ccd_l) == (4, 6, 26, 4, 6)
    assert (found.t_wr, found.t_rtp, found.t_wtr_s, found.t_wtr_l, found.t_refi, found.t_rfc) == (
        18,
        9,
        3,
        9,
        9360,
        420,
    )
    assert (found.burst_bits, found.columns, found.stripe) == (512, 128, 16 * 128)


@pytest.mark.parametrize(("name", "gigabytes"), [("ddr4_2400", 19.2), ("lpddr4_3200", 6.4), ("hbm2", 16.0)])
def test_peak_bandwidth(name: str, gigabytes: float) -> None:
    found = dram(f"{{preset: {name}, channels: 2}}")
    assert found.peak * 200 * 10**6 / 8 == pytest.approx(2 * gigabytes * 1e9)


def test_one_port_for_both_directions_at_peak_rate() -> None:
    level = machine("ddr4_2400").levels[0]
    assert level.read_port is level.write_port
    assert level.read_port is not None
    # 64 bits, two beats, six clocks of 1200 MHz in one of 200
    assert level.read_port.rate == Fraction(64 * 2 * 6)
    # a bound on many transfers: rounded down
    assert (level.read_port.cycles(47, 16), level.read_port.cycles(48, 16)) == (0, 1)


def test_any_value_may_be_overridden() -> None:
    found = dram("{preset: ddr4_2400, tRCD: 20, tRP: 10 ns, page: closed, map: RoCoBaBgCh, queue: 8, tREFI: 0}")
    assert (found.t_rcd, found.t_rp, found.page, found.queue, found.t_refi) == (20, 12, Page.CLOSED, 8, 0)
    assert found.fields == ("Ro", "Co", "Ba", "Bg", "Ch")


def test_times_in_ns_follow_the_clock() -> None:
    assert dram("{preset: lpddr4_3200, clock: 800 MHz}").t_rcd == 15


def test_none_is_no_dram() -> None:
    assert machine("none").levels[0].dram is None
    assert load_architecture("systolic_ws").levels[0].dram is None
    assert load_architecture("systolic_ws", {"dram": "hbm2"}).levels[0].dram is not None


@pytest.mark.parametrize(
    ("entry", "more", "message"),
    [
        ("ddr4_240", "", r"7:5: .*unknown preset 'ddr4_240'; did you mean 'ddr4_2400'"),
        ("{preset: ddr4_2400, tRDC: 3}", "", r"unknown key; did you mean 'tRFC'|unknown key"),
        ("{clock: 1 GHz, width: 64 b}", "", r"7:5: .*burst, banks, .* missing; give them, or a preset"),
        ("ddr4_2400", "    link: {width: 64 b}\n", r"8:5: .*a level with a DRAM has no link; leave one of them out"),
        ("ddr4_2400", "    ports: {read: 64 b}\n", r"8:5: .*a level with a DRAM has no ports"),
        ("ddr4_2400", "    compression: {ifmap: rlc}\n", r"it stores tensors encoded, which have no addresses"),
        ("{preset: ddr4_2400, map: BaRoCoBgCh}", "", r"7:5: .*map 'BaRoCoBgCh': Ro first"),
        ("{preset: ddr4_2400, banks: 6}", "", r"6 banks do not divide into 4 groups"),
        ("{preset: ddr4_2400, burst: 7}", "", r"even number of beats"),
        ("{preset: ddr4_2400, row: 100 B}", "", r"no whole number of bursts"),
        ("{preset: ddr4_2400, row: 100 words}", "", r"a row is given in bytes or bits"),
        ("{preset: ddr4_2400, tCCD_S: 2}", "", r"4 clocks of a burst <= tCCD_S <= tCCD_L"),
        ("{preset: ddr4_2400, tRTW: 2}", "", r"tRTW is too short"),
        ("{preset: ddr4_2400, tREFI: 300 ns}", "", r"leaves no time between refreshes"),
    ],
)
def test_what_is_refused(entry: str, more: str, message: str) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        machine(entry, more)
    assert len(str(caught.value).splitlines()) == 1


def test_only_the_outermost_level() -> None:
    with pytest.raises(SpecError, match="only the outermost level"):
        machine("none", levels="  - name: GLB\n    dram: ddr4_2400\n")


def test_a_cartesian_pe_moves_encoded_words() -> None:
    with pytest.raises(SpecError, match="Cartesian PEs move encoded words"):
        machine("ddr4_2400", pe="pe: {cartesian: {}}\n")
