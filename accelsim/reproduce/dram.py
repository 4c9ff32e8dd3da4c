"""The DRAM presets: their timings beside public simulators', and what the banks make of them beside arithmetic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache

from accelsim.architecture.dram.model import Dram, Page
from accelsim.architecture.dram.spec import preset, presets
from accelsim.architecture.yaml import load_architecture
from accelsim.engine.dram.banks import Bursts
from accelsim.reproduce import source
from accelsim.reproduce.markdown import error, paragraph, table

STREAM = 2**26 * 8
"""Bits of a stream: 64 MiB, whole rows of all banks of every preset."""
REFRESHED = "a stream, refreshed"


@dataclass(frozen=True)
class Peer:
    """Timings of another simulator or tool, clocks by JEDEC's names."""

    preset: str
    name: str
    timings: Mapping[str, int]

    @property
    def different(self) -> dict[str, int]:
        """Those that are not ours."""
        return {name: clocks for name, clocks in self.timings.items() if clocks != ours(self.preset)[name]}


@dataclass(frozen=True)
class Figure:
    """One figure: how it follows from the timings, its value so, and what the banks give."""

    name: str
    rule: str
    unit: str
    expected: Fraction
    model: Fraction


@cache
def peers() -> tuple[Peer, ...]:
    """The other simulators."""
    found = []
    for row in source.rows("dram_timings"):
        words = row["timings"].split()
        timings = {name: int(clocks) for name, clocks in zip(words[::2], words[1::2], strict=True)}
        found.append(Peer(row["preset"], row["source"], timings))
    return tuple(found)


@cache
def device(name: str) -> tuple[Dram, Fraction]:
    """One channel of a preset as machines get it, and its clock in GHz."""
    machine = load_architecture("systolic_ws", {"dram": name})
    found = machine.levels[0].dram
    assert found is not None
    return found, found.clock * Fraction(machine.clock_hz) / 10**9


@cache
def ours(name: str) -> Mapping[str, int]:
    """Timings of a preset in clocks, by JEDEC's names."""
    dram, _ = device(name)
    named = {field: f"t{field[2:].upper()}" for field in vars(dram) if field.startswith("t_")}
    return {"CL": dram.cl, "CWL": dram.cwl} | {jedec: getattr(dram, field) for field, jedec in named.items()}


def burst(dram: Dram, row: int = 0, bank: int = 0, column: int = 0, group: int = 0) -> int:
    """Number of a burst of one channel in the map RoBaCoBgCh."""
    return ((row * (dram.banks // dram.groups) + bank) * dram.columns + column) * dram.groups + group


def interval(dram: Dram, bursts: Sequence[tuple[int, bool]], since: int = 0, step: int = 1) -> Fraction:
    """Clocks from the end of each `step`th burst to the next, on average after the first `since`."""
    walk = Bursts(dram)
    ends = [walk.run(number, number, write) for number, write in bursts][since::step]
    return Fraction(ends[-1] - ends[0], len(ends) - 1)


@cache
def figures(name: str) -> tuple[Figure, ...]:
    """What must follow from a preset's timings, and what the banks give."""
    dram, ghz = device(name)
    return (*_streams(dram, ghz), *_accesses(replace(dram, t_refi=0), ghz))


def _streams(dram: Dram, ghz: Fraction) -> tuple[Figure, ...]:
    """A stream without refresh and with it."""
    last, size = STREAM // dram.burst_bits - 1, Fraction(dram.burst_bits, 8)
    still, refreshed = Bursts(replace(dram, t_refi=0)), Bursts(dram)
    plain, interrupted = (Fraction(each.run(0, last)) for each in (still, refreshed))
    peak, total = 2 * ghz * dram.width / 8, (last + 1) * size * ghz
    away = Fraction(dram.t_rp + dram.t_rfc + dram.t_rcd, dram.t_refi)
    hits = Fraction(int(still.kinds[0]), int(still.kinds.sum()))
    return (
        Figure("a stream, no refresh: the peak", "2 width / tCK", "GB/s", peak, total / plain),
        Figure("its row hits", "1 - 1 / bursts of a row", "%", 100 - Fraction(100, dram.columns), 100 * hits),
        Figure(REFRESHED, "peak (1 - (tRP + tRFC + tRCD) / tREFI)", "GB/s", peak * (1 - away), total / interrupted),
    )


def _accesses(dram: Dram, ghz: Fraction) -> tuple[Figure, ...]:
    """Single bursts in one bank and in all, without refresh."""
    size, bus, inner = Fraction(dram.burst_bits, 8), dram.burst_clocks, dram.banks // dram.groups
    closed, trc = replace(dram, page=Page.CLOSED), dram.t_ras + dram.t_rp
    row = [burst(dram, column=column) for column in range(dram.columns)]
    rows = [burst(dram, row=row) for row in range(100)]
    turn = [
        burst(dram, row=k // dram.banks, bank=k // dram.groups % inner, group=k % dram.groups)
        for k in range(100 * dram.banks)
    ]
    idle, idle_closed = (Fraction(Bursts(each).run(0, 0)) for each in (dram, closed))
    first = dram.t_rcd + dram.cl + bus
    four = max(Fraction(dram.t_faw, 4), Fraction(trc, dram.banks), *map(Fraction, (dram.t_rrd_s, dram.t_ccd_s)))
    pair = dram.t_rtw + dram.cwl + bus + dram.t_wtr_l
    written = dram.t_rcd + dram.cwl + bus + dram.t_wr + dram.t_rp
    again = max(dram.t_ras, dram.t_rcd + dram.t_rtp) + dram.t_rp

    def rate(text: str, rule: str, expected: Fraction | int, model: Fraction) -> Figure:
        return Figure(text, rule, "GB/s", size * ghz / expected, size * ghz / model)

    def time(text: str, rule: str, expected: int, model: Fraction) -> Figure:
        return Figure(text, rule, "ns", Fraction(expected) / ghz, model / ghz)

    return (
        rate("hits in one bank", "tCCD_L", dram.t_ccd_l, interval(dram, _read(row))),
        rate("reads and writes in turn, one bank", "two in tRTW + CWL + burst + tWTR_L", Fraction(pair, 2),
             interval(dram, [(number, k % 2 == 1) for k, number in enumerate(row)], step=2) / 2),
        rate("a row a burst, all banks in turn", "max(tFAW / 4, tRRD_S, tCCD_S, tRC / banks)", four,
             interval(dram, _read(turn), since=16, step=4) / 4),
        time("first read of an idle bank", "tRCD + CL + burst", first, idle),
        time("the same, closed pages", "tRCD + CL + burst", first, idle_closed),
        time("reads of rows of one bank, apart", "tRC = tRAS + tRP", trc, interval(dram, _read(rows))),
        time("reads of one row, closed pages, apart", "max(tRAS, tRCD + tRTP) + tRP", again,
             interval(closed, _read(row))),
        time("writes of rows of one bank, apart", "tRCD + CWL + burst + tWR + tRP", written,
             interval(dram, [(number, True) for number in rows])),
    )  # fmt: skip


def _read(bursts: Sequence[int]) -> list[tuple[int, bool]]:
    return [(number, False) for number in bursts]


# ---- the report ------------------------------------------------------------------------------------------------------


def section() -> str:
    """The presets as Markdown."""
    parts = [part for name in presets() for part in (_source(name), _figures(name))]
    return "\n".join([_HEAD, _peers(), _BANKS, *parts])


def _peers() -> str:
    return table(
        ["preset, beside", "timings", "equal", "different: theirs (ours), clocks"],
        [
            [f"{peer.preset}: {peer.name}", str(len(peer.timings)), str(len(peer.timings) - len(peer.different)),
             ", ".join(f"{name} {clocks} ({ours(peer.preset)[name]})" for name, clocks in peer.different.items())]
            for peer in peers()
        ],
    )  # fmt: skip


def _source(name: str) -> str:
    return paragraph(f"`{name}`: {preset(name).source}.")


def _figures(name: str) -> str:
    return table(
        [name, "from the timings", "that is", "ours", "error"],
        [
            [figure.name, figure.rule, f"{float(figure.expected):.2f} {figure.unit}",
             f"{float(figure.model):.2f} {figure.unit}", error(float(figure.model), float(figure.expected))]
            for figure in figures(name)
        ],
    )  # fmt: skip


_HEAD = """\
## DRAM presets

JEDEC's documents and data sheets do not ship here; the presets' timings are held against those of public simulators and
of a vendor's tool. HBM's times are the vendor's own and simulators differ: `hbm2` has gem5's, and the tRFC of DRAMsim3
(Ramulator 2: 260 ns for 4 Gb, 350 ns for 8 Gb). tWR and tWTR of `lpddr4_3200` hold the clock of tDQSS that Ramulator
keeps apart. tRTW, by the formula in each preset's file, is in none of them.
"""

_BANKS = """\
What follows from the timings by arithmetic, and what the bank model gives when the bursts are served: one channel, open
pages, no refresh where none is named. The refreshed stream is bounded from above: the last read before a refresh and
the rows that are opened after it take some clocks more.
"""
