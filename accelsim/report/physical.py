"""Power, area and efficiency of a run, where its energies are in pJ: tables, and a line."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from accelsim.energy.rows import MAC, EnergyRow, grouped
from accelsim.outcome import Outcome
from accelsim.report.grid import Grid
from accelsim.report.text import component, number, visible


def power_grid(result: Outcome) -> Grid | None:
    """Per layer: mW by component over its total latency. None for energies that are relative."""
    if result.energy_unit != "pJ" or not result.total.cycles:
        return None
    found = dict.fromkeys(row.component for row in result.energy_rows())
    levels = [level.name for level in result.architecture.levels]
    names = [*(name for name in levels if name in found), *(name for name in found if name not in (*levels, MAC)), MAC]

    def row(name: str, rows: Iterable[EnergyRow], cycles: int) -> tuple[str, ...]:
        spent = grouped(rows, "component")
        parts = [spent.get(part, Fraction(0)) for part in names]
        shown = [result.milliwatts(part, cycles) for part in (*parts, sum(parts, Fraction(0)))]
        return (name, *(number(value) if cycles else "" for value in shown))

    rows = [row(visible(layer.name), layer.energy_rows, layer.cycles) for layer in result.in_order]
    rows.append(row("total", result.energy_rows(), result.total.cycles))
    return Grid("power by level [mW]", ("layer", *map(component, names), "all"), tuple(rows))


def area_grid(result: Outcome) -> Grid | None:
    """Instances, cells and floor of each component. None for a table that knows no areas."""
    if not result.energy_table.prices_parts:
        return None
    floor = result.floor
    rows = [
        (component(part.component), f"{part.instances:,}", *map(_mm2, (part.instances * part.cells, part.floor)))
        for part in floor.parts
        if part.cells
    ]
    rows.append(("total", "", *map(_mm2, (floor.cells, floor.area))))
    return Grid("area [mm2]", ("component", "instances", "cells", "floor"), tuple(rows))


def _mm2(area: Fraction) -> str:
    return number(float(area))


def efficiency_lines(result: Outcome) -> list[str]:
    """One line: power, operations over power and area, energy-delay product; none for relative energies."""
    found = result.efficiency
    if found is None or found.power_mw is None or not result.multiplied:
        return []
    parts = [f"{number(found.power_mw)} mW"]
    if found.chip_mw is not None:
        parts[0] += f", {number(found.chip_mw)} on chip"
    if found.tops_per_watt is not None:
        text = f"{number(found.tops_per_watt)} TOPS/W"
        parts.append(
            text + (f", {number(found.chip_tops_per_watt)} on chip" if found.chip_tops_per_watt is not None else "")
        )
    if found.tops_per_mm2 is not None:
        parts.append(f"{number(found.tops_per_mm2)} TOPS/mm2 of floor")
    parts.append(f"{number(found.edp * 1e6)} uJ s energy-delay product")
    technology = result.energy_table.technology
    where = f" at {technology.node} nm, {_volts(result)} V" if technology else ""
    return [f"power{where}: {'; '.join(parts)} (two operations a MAC, skipped ones too)"]


def _volts(result: Outcome) -> str:
    """The supply, or from the least to the most of those of the modes that ran."""
    technology = result.energy_table.technology
    assert technology is not None
    found = {result.mode(layer).supply or technology.supply for layer in result.layers} or {technology.supply}
    return " to ".join(f"{float(volts):g}" for volts in sorted({min(found), max(found)}))
