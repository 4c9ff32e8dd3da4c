"""A training step by phase: a table, and what it keeps."""

from __future__ import annotations

from accelsim.outcome import Outcome
from accelsim.report.grid import Grid
from accelsim.report.text import energy_scale, milliseconds, number, percent
from accelsim.shares import kept_of, shares

HEADER = ("phase", "layers", "MACs [M]", "share [%]", "cycles", "total [ms]", "share [%]")


def training_grid(result: Outcome) -> Grid | None:
    """MACs, cycles and energy of each phase, what layers do without MACs included. None for inference."""
    found = shares(result)
    if not found:
        return None
    sums = sum(one.macs for one in found), sum(one.cycles for one in found), sum(one.energy for one in found)
    scale, unit = energy_scale(result.energy_table.unit, sums[2])

    def row(name: str, layers: int, macs: int, cycles: int, energy: float) -> tuple[str, ...]:
        wholes = zip((macs, cycles, energy), sums, strict=True)
        of_macs, of_cycles, of_energy = (percent(part / whole) if whole else "" for part, whole in wholes)
        time = f"{cycles:,}", milliseconds(result.milliseconds(cycles))
        return name, f"{layers:,}", number(macs / 1e6), of_macs, *time, of_cycles, number(energy / scale), of_energy

    rows = [row(one.phase, one.layers, one.macs, one.cycles, one.energy) for one in found]
    rows.append(row("total", sum(one.layers for one in found), *sums))
    title = "training step; layers without MACs and updates included"
    return Grid(title, (*HEADER, f"energy [{unit}]", "share [%]"), tuple(rows))


def kept_note(result: Outcome) -> list[str]:
    """A line on what waits for the backward pass; none for inference."""
    waits = kept_of(result)
    if waits is None:
        return []
    return [
        f"kept for the backward pass: {waits.words:,} words of activations of {waits.bits} b, "
        f"{number(waits.bytes / 1e6)} MB; written and read as any words, room for them is not looked for"
    ]
