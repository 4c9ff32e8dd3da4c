"""The phases of a training step, as a table of a page."""

from __future__ import annotations

from accelsim.outcome import Outcome
from accelsim.report.html.tables import Cell, Table, count, named, share, table
from accelsim.report.text import energy_scale
from accelsim.shares import shares


def training_table(result: Outcome) -> Table | None:
    """MACs, cycles and energy of each phase, and their shares, layers without MACs included. None for inference."""
    found = shares(result)
    if not found:
        return None
    sums = sum(one.macs for one in found), sum(one.cycles for one in found), sum(one.energy for one in found)
    scale, unit = energy_scale(result.energy_unit, sums[2])

    def row(name: str, layers: int, macs: int, cycles: int, energy: float) -> tuple[Cell, ...]:
        wholes = zip((macs, cycles, energy), sums, strict=True)
        of_macs, of_cycles, of_energy = (share(part / whole) if whole else named("") for part, whole in wholes)
        return (
            named(name), count(layers), count(macs), of_macs, count(cycles), of_cycles, count(energy / scale), of_energy
        )  # fmt: skip

    rows = [row(one.phase, one.layers, one.macs, one.cycles, one.energy) for one in found]
    total = row("total", sum(one.layers for one in found), *sums)
    heads = ("phase", "layers", "MACs", "of MACs [%]", "cycles", "of cycles [%]", f"energy [{unit}]", "of energy [%]")
    return table("Training step by phase, layers without MACs and updates included", heads, rows, 1, [total])
