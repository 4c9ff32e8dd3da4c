"""A DRAM as one value object: organisation, address map, page policy, and JEDEC timings in clocks of the DRAM."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from dataclasses import fields as fields_of
from enum import StrEnum
from fractions import Fraction

from accelsim.errors import AccelsimError
from accelsim.quantities import bounded

FIELDS = ("Ro", "Ba", "Bg", "Co", "Ch")
"""Parts of an address: row, bank within its group, bank group, column (bursts of a row), channel."""
STREAMING_MAP = "RoBaCoBgCh"


class Page(StrEnum):
    """Whether a row stays open after an access, or is closed right behind it (auto-precharge)."""

    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True)
class Dram:
    """One rank on each of some channels. Times are clocks of the DRAM, which moves two beats per clock.

    clock : DRAM clocks per core cycle; set by the machine's clock where `hertz`, the DRAM's own, is given.
    width : bits of a channel. burst : beats. banks : of a channel, in all `groups`.
    row : bits that one activate opens (all devices of the channel). order : the address map, most significant first.
    queue : bursts the controller sees ahead, in program order over all channels.
    cl, cwl : from a read, a write to its first data. t_rcd .. t_rfc : as JEDEC names them, least distances in clocks:
        activate to read or write (rcd), precharge to activate (rp), activate to precharge (ras), activate to activate
        (rrd; s: other group, l: same group), to the fourth next (faw), read or write to the next (ccd), end of written
        data to precharge (wr) and to a read (wtr), read to precharge (rtp) and to a write (rtw), refresh to refresh
        (refi; 0: none) and to activate (rfc).
    """

    clock: Fraction
    width: int
    burst: int
    banks: int
    groups: int
    row: int
    cl: int
    cwl: int
    t_rcd: int
    t_rp: int
    t_ras: int
    t_rrd_s: int
    t_rrd_l: int
    t_faw: int
    t_ccd_s: int
    t_ccd_l: int
    t_wr: int
    t_rtp: int
    t_wtr_s: int
    t_wtr_l: int
    t_rtw: int
    t_refi: int
    t_rfc: int
    channels: int = 1
    page: Page = Page.OPEN
    order: str = STREAMING_MAP
    queue: int = 32
    hertz: Fraction | None = field(default=None, compare=False)

    def at(self, core_hz: Fraction) -> Dram:
        """The DRAM beside a core of this clock."""
        clock = self.clock if self.hertz is None else self.hertz / core_hz
        return self if clock == self.clock else replace(self, clock=clock)

    def __post_init__(self) -> None:
        self._within_bounds()
        fields = self.fields
        if sorted(fields) != sorted(FIELDS) or fields[0] != "Ro":
            example = ", ".join((STREAMING_MAP, "RoCoBaBgCh"))
            raise AccelsimError(f"map '{self.order}': Ro first, then Ba, Bg, Co and Ch in any order, such as {example}")
        if self.burst % 2:
            raise AccelsimError(f"a burst is an even number of beats (two per clock), not {self.burst}")
        if self.banks % self.groups:
            raise AccelsimError(f"{self.banks} banks do not divide into {self.groups} groups")
        if self.row % self.burst_bits:
            raise AccelsimError(f"a row of {self.row} b is no whole number of bursts of {self.burst_bits} b")
        if self.t_ccd_s < self.burst_clocks or self.t_ccd_l < self.t_ccd_s:
            raise AccelsimError(f"needs {self.burst_clocks} clocks of a burst <= tCCD_S <= tCCD_L")
        if self.t_rtw < self.cl + self.burst_clocks - self.cwl:
            raise AccelsimError(
                "tRTW is too short: written data would meet the data read before (CL - CWL + burst / 2)"
            )
        busy = self.t_rfc + self.t_rp + self.t_rcd + self.t_ras
        if 0 < self.t_refi <= busy:
            raise AccelsimError(f"tREFI of {self.t_refi} clocks leaves no time between refreshes (must pass {busy})")

    def _within_bounds(self) -> None:
        values = [(f.name, "a value of a DRAM") for f in fields_of(self) if f.type == "int"]
        try:
            for name, what in (*values, ("burst", "burst or queue of a DRAM"), ("queue", "burst or queue of a DRAM")):
                bounded(what, getattr(self, name))
            bounded("channels times banks of a DRAM", self.channels * self.banks)
        except ValueError as error:
            raise AccelsimError(str(error)) from None

    @property
    def fields(self) -> tuple[str, ...]:
        """The address map as parts, most significant first."""
        return tuple(self.order[at : at + 2] for at in range(0, len(self.order), 2))

    @property
    def burst_bits(self) -> int:
        """Bits of one burst."""
        return self.width * self.burst

    @property
    def burst_clocks(self) -> int:
        """Clocks a burst holds the data bus."""
        return self.burst // 2

    @property
    def columns(self) -> int:
        """Bursts of a row."""
        return self.row // self.burst_bits

    @property
    def stripe(self) -> int:
        """Bursts of one row of every bank of every channel; every tensor begins at a multiple of it."""
        return self.channels * self.banks * self.columns

    @property
    def peak(self) -> Fraction:
        """Bits per core cycle on all data buses together."""
        return 2 * self.channels * self.width * self.clock
