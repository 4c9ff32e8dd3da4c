"""Power and efficiency: energy over time, operations over both and over area."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from accelsim.energy.rows import EnergyRow, total

PJ = 1e-12


@dataclass(frozen=True)
class Efficiency:
    """Of a run, all its MACs counted as two operations each. None: no time, no energy or no area to divide by.

    power_mw, chip_mw : with and without the outermost memory. tops_per_watt, chip_tops_per_watt : the same over them.
    tops_per_mm2 : over the floor. edp : energy x time, J s.
    """

    tops: float | None
    power_mw: float | None
    chip_mw: float | None
    tops_per_watt: float | None
    chip_tops_per_watt: float | None
    tops_per_mm2: float | None
    edp: float

    @staticmethod
    def of(
        rows: Iterable[EnergyRow], outermost: str, macs: int, seconds: float, area: Fraction | None = None
    ) -> Efficiency:
        """Rows : in pJ, of the whole run. outermost : its memory's name. area : mm2, where it is known."""
        rows = list(rows)
        everything = float(total(rows)) * PJ
        chip = float(total(row for row in rows if row.component != outermost)) * PJ
        operations = 2e-12 * macs
        return Efficiency(
            over(operations, seconds),
            over(1e3 * everything, seconds),
            over(1e3 * chip, seconds),
            over(operations, everything),
            over(operations, chip),
            over(operations, seconds * float(area)) if area else None,
            everything * seconds,
        )


def over(what: float, by: float) -> float | None:
    """A quotient; None over nothing."""
    return what / by if by else None
