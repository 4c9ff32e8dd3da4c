"""What was measured of a layer, or of layers that ran together, summed up."""

from __future__ import annotations

from fractions import Fraction

from accelsim.energy.rows import EnergyRow, total
from accelsim.engine.counts import Timing


class Measured:
    """What was measured of a layer, summed up: of its `timing` and its `energy_rows`."""

    timing: Timing
    energy_rows: tuple[EnergyRow, ...]

    @property
    def cycles(self) -> int:
        """Core cycles, everything included."""
        return self.timing.cycles

    @property
    def processing_cycles(self) -> int:
        """Core cycles if the outermost level's transfers took no time."""
        return self.timing.processing

    @property
    def stall_cycles(self) -> dict[str, int]:
        """Core cycles without a MAC, by cause."""
        return self.timing.stalls

    @property
    def energy(self) -> float:
        """Sum of `energy_rows`, in the unit `Result.energy_unit`."""
        return float(self.energy_exact)

    @property
    def energy_exact(self) -> Fraction:
        """The same, not rounded."""
        return total(self.energy_rows)
